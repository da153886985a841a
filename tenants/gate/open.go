package gate

import (
	"context"
	"fmt"
	"io"
	"slices"

	"github.com/google/uuid"

	"sluice.dev/sluice/ent/db"
	"sluice.dev/sluice/tenants/audit"
	"sluice.dev/sluice/tenants/blob"
	"sluice.dev/sluice/tenants/catalog"
	"sluice.dev/sluice/tenants/coord"
	"sluice.dev/sluice/tenants/errs"
	"sluice.dev/sluice/tenants/policy"
	"sluice.dev/sluice/tenants/quarantine"
	"sluice.dev/sluice/tenants/registry"
	"sluice.dev/sluice/tenants/scope"
)

// Open delivers a file, or says why not. A file that is not here yet is fetched
// along the path of its version, and every registry on the path remembers it
// (R2).
//
// Errors: NotFound when there is no such version or file; otherwise as List.
func (g *Gate) Open(ctx context.Context, req OpenRequest) (Opened, error) {
	v, err := g.List(ctx, req.Registry, req.Package)
	if err != nil {
		return Opened{}, err
	}
	e := v.Entry(req.Version)
	if e == nil {
		return Opened{}, errs.New(errs.NotFound, "open", "%s@%s is not known in the registry %q or above it", req.Package.Name, req.Version, v.Name)
	}
	if e.Decision.Withheld() {
		r, err := g.Refuse(ctx, v, e)
		return Opened{Refusal: r}, err
	}
	i := slices.IndexFunc(e.Files, func(f File) bool { return f.Name == req.File })
	if i < 0 {
		return Opened{}, errs.New(errs.NotFound, "open", "%s@%s has no file %q", req.Package.Name, req.Version, req.File)
	}
	if !e.Held {
		return g.bringIn(ctx, req, v, e, e.Files[i])
	}
	return g.openHeld(ctx, req, v, e)
}

// openHeld serves what the registry holds: no database, no network.
func (g *Gate) openHeld(ctx context.Context, req OpenRequest, v *View, e *Entry) (Opened, error) {
	rel := e.source.release
	i := slices.IndexFunc(rel.Files, func(f catalog.HeldFile) bool { return f.Name == req.File })
	if i < 0 {
		return Opened{}, errs.New(errs.NotFound, "open", "%s@%s has no file %q", req.Package.Name, req.Version, req.File)
	}
	digest, err := blob.ParseDigest(rel.Files[i].SHA256)
	if err != nil {
		return Opened{}, err
	}
	b, err := g.Blobs.Open(ctx, digest)
	if err != nil {
		return Opened{}, fmt.Errorf("open %s: %w", req.File, err)
	}
	leave := g.running.enter(runKey{v.Org, v.Registry, coord.Version{Package: req.Package, Version: req.Version}}, req.Cut)
	if err := g.count(ctx, v, e); err != nil {
		leave()
		_ = b.Close()
		return Opened{}, err
	}
	return Opened{Content: &Content{Name: req.File, Size: b.Size, SHA256: rel.Files[i].SHA256, Modified: e.Published, Warning: v.warning(),
		Seeker: b.Content(), close: func() error { leave(); return b.Close() }}}, nil
}

// count writes down that a version was delivered, and that a rule warned.
func (g *Gate) count(ctx context.Context, v *View, e *Entry) error {
	version := coord.Version{Package: v.Package, Version: e.Version}
	if w := e.Decision.Decisive; w != nil && e.Decision.Effect == policy.Warn {
		err := g.Decisions.Warned(ctx, audit.Answer{Registry: v.Registry, Token: tokenOf(ctx), Version: version, Channel: audit.ChannelFile,
			Effect: policy.Warn.String(), Rule: w.Rule, Kind: string(w.Kind), Snapshot: v.Snapshot, Decision: recorded{Registry: v.Name, Decision: &e.Decision}})
		if err != nil {
			return err
		}
	}
	return g.Decisions.Allowed(ctx, v.Registry, tokenOf(ctx), version)
}

func (v *View) warning() string {
	if len(v.Warnings) == 0 {
		return ""
	}
	return v.Warnings[0]
}

func tokenOf(ctx context.Context) uuid.UUID { return scope.ActorOf(ctx).TokenID }

// bringIn serves a file that the asked registry does not hold yet: from the
// nearest registry on the path that does, else from the remote.
func (g *Gate) bringIn(ctx context.Context, req OpenRequest, v *View, e *Entry, f File) (Opened, error) {
	if e.source.release != nil {
		if err := g.keep(ctx, v, e, e.source.release, catalog.ByFetch); err != nil {
			return Opened{}, err
		}
		return g.Open(ctx, req)
	}
	if e.source.remote == nil || f.URL == "" {
		return Opened{}, errs.New(errs.NotFound, "open", "no source has %s", f.Name)
	}
	fl := g.fly(v.Org, req.Package, e, f)
	if req.Whole {
		if err := fl.wait(ctx); err != nil {
			return Opened{}, err
		}
		if err := g.keepFetched(ctx, v, e, fl, catalog.ByFetch); err != nil {
			return Opened{}, err
		}
		return g.Open(ctx, req)
	}
	return g.stream(ctx, req, v, e, fl)
}

// stream serves bytes while they arrive, and their last ones only when the
// registries on the path hold them and the version has been decided again.
func (g *Gate) stream(ctx context.Context, req OpenRequest, v *View, e *Entry, fl *flight) (Opened, error) {
	size, err := fl.started(ctx)
	if err != nil {
		return Opened{}, err
	}
	r, err := fl.pending.Reader(ctx)
	if err != nil {
		return Opened{}, err
	}
	leave := g.running.enter(runKey{v.Org, v.Registry, coord.Version{Package: req.Package, Version: req.Version}}, req.Cut)
	last := func() error {
		if err := g.keepFetched(ctx, v, e, fl, catalog.ByFetch); err != nil {
			return err
		}
		now, err := g.List(ctx, req.Registry, req.Package)
		if err != nil {
			return err
		}
		if again := now.Entry(req.Version); again == nil || again.Decision.Withheld() {
			return errs.New(errs.Unavailable, "open", "%s@%s was withheld while it was delivered", req.Package.Name, req.Version)
		}
		return nil
	}
	return Opened{Content: &Content{Name: req.File, Size: size, Modified: e.Published, Warning: v.warning(),
		Stream: &tailKeeper{r: r, last: last}, close: func() error { leave(); return r.Close() }}}, nil
}

// tailKeeper passes bytes on but for the last read before the end, which waits
// for a final word.
type tailKeeper struct {
	r    io.Reader
	last func() error
	kept []byte // read, not passed on yet
	next []byte // buffer for the following read
	err  error
}

func (t *tailKeeper) Read(p []byte) (int, error) {
	for {
		if t.err != nil {
			if t.err != io.EOF || len(t.kept) == 0 {
				return 0, t.err
			}
			n := copy(p, t.kept)
			t.kept = t.kept[n:]
			return n, nil
		}
		if t.next == nil {
			t.next = make([]byte, 32<<10)
		}
		n, err := t.r.Read(t.next)
		if err != nil {
			if err == io.EOF {
				t.kept = append(t.kept, t.next[:n]...)
				if last := t.last(); last != nil {
					err = last
				}
			}
			t.err = err
			continue
		}
		if n == 0 {
			continue
		}
		if len(t.kept) > 0 {
			out := copy(p, t.kept)
			rest := t.kept[out:]
			t.kept = append(slices.Clone(rest), t.next[:n]...)
			return out, nil
		}
		t.kept = append(t.kept[:0], t.next[:n]...)
	}
}

// keep records that the asked registry and those on the path hold a release
// that one of them has already.
func (g *Gate) keep(ctx context.Context, v *View, e *Entry, rel *catalog.Release, how string) error {
	files := make([]catalog.StoredFile, len(rel.Files))
	for i, f := range rel.Files {
		digest, err := blob.ParseDigest(f.SHA256)
		if err != nil {
			return err
		}
		b, err := g.Blobs.Stat(ctx, digest)
		if err != nil {
			return fmt.Errorf("the bytes of %s: %w", f.Name, err)
		}
		files[i] = catalog.StoredFile{Name: f.Name, Blob: catalog.Blob{SHA256: f.SHA256, SHA512: f.SHA512, SHA1: f.SHA1, MD5: f.MD5, Size: b.Size}}
	}
	return g.arrive(ctx, v, e, catalog.Arrival{Origin: rel.Origin, Remote: rel.Remote, Published: rel.Published, PublishedFrom: rel.PublishedFrom,
		License: rel.License, Metadata: rel.Metadata, Files: files, How: how})
}

func (g *Gate) keepFetched(ctx context.Context, v *View, e *Entry, fl *flight, how string) error {
	from := "SOURCE"
	if e.FirstSeen {
		from = "FIRST_SEEN"
	}
	published := e.Published
	if published.IsZero() {
		published, from = g.Now(), "FIRST_SEEN"
	}
	return g.arrive(ctx, v, e, catalog.Arrival{Origin: e.Origin, Remote: e.source.remote.ID, Published: published, PublishedFrom: from,
		License: e.License, Metadata: e.Raw, How: how,
		Files: []catalog.StoredFile{{Name: fl.file.Name, Blob: blobRow(fl.info), SourceURL: fl.file.URL}}})
}

// arrive is the one transaction in which the registries on a path come to hold
// a version: holdings, inherited holds (C5) and the first delivery.
func (g *Gate) arrive(ctx context.Context, v *View, e *Entry, a catalog.Arrival) error {
	a.Version = coord.Version{Package: v.Package, Version: e.Version}
	var ids []uuid.UUID
	a.Holders, ids = holders(e.source.path)
	ctx, stop := g.detached(ctx) // a client that leaves must not undo what it brought in
	defer stop()
	return db.Retry(ctx, func() error {
		return g.DB.InTx(ctx, func(ctx context.Context, tx *db.Tx) error {
			if err := catalog.LockPackage(ctx, tx, v.Package, true); err != nil {
				return err
			}
			if _, err := catalog.Record(ctx, tx, g.Now(), a); err != nil {
				return err
			}
			if err := g.Quarantine.Inherit(ctx, tx, v.Package, ids); err != nil {
				return err
			}
			if a.How != catalog.ByFetch {
				return nil
			}
			return g.Decisions.FirstDelivery(ctx, tx, v.Registry, tokenOf(ctx), a.Version)
		})
	})
}

// holders gives every registry of a path the part of the path before it.
func holders(path []*registry.Node) ([]catalog.Holder, []uuid.UUID) {
	ids := make([]uuid.UUID, len(path))
	out := make([]catalog.Holder, len(path))
	for i, n := range path {
		ids[i] = n.ID
		out[i] = catalog.Holder{Registry: n.ID, Path: slices.Clone(ids[:i])}
	}
	return out, ids
}

// Refuse says why a version is withheld, and records that it was said. The
// first request for the content of a version that a rule quarantines opens the
// hold (Q6).
func (g *Gate) Refuse(ctx context.Context, v *View, e *Entry) (*Refusal, error) {
	d := e.Decision
	if w := d.Decisive; w != nil && d.Effect == policy.Quarantine && w.Kind != policy.KindHold {
		err := g.Quarantine.HoldByPolicy(ctx, quarantine.PolicyHold{Registry: w.Registry, Rule: w.Rule, Reason: w.Reason, Evidence: w.Evidence,
			Version: coord.Version{Package: v.Package, Version: e.Version}})
		if err != nil {
			return nil, err
		}
	}
	r := &Refusal{Version: coord.Version{Package: v.Package, Version: e.Version}, Registry: v.Name, Decision: d, Instead: v.Suggest(e.Version)}
	a := audit.Answer{Registry: v.Registry, Token: tokenOf(ctx), Version: r.Version, Channel: audit.ChannelFile, Effect: d.Effect.String(), Snapshot: v.Snapshot,
		Decision: recorded{Registry: v.Name, Instead: r.Instead, Decision: &d}}
	if d.Decisive != nil {
		a.Rule, a.Kind = d.Decisive.Rule, string(d.Decisive.Kind)
	}
	var err error
	r.DecisionID, err = g.Decisions.Refused(ctx, a)
	return r, err
}

// Review brings the bytes of a version in for the registry and delivers
// nothing (Q6). A version that its source no longer has is NotFound.
func (g *Gate) Review(ctx context.Context, reg uuid.UUID, version coord.Version) error {
	v, err := g.List(ctx, reg, version.Package)
	if err != nil {
		return err
	}
	e := v.Entry(version.Version)
	switch {
	case e == nil:
		return errs.New(errs.NotFound, "review", "%s@%s is not known any more", version.Name, version.Version)
	case e.Held:
		return nil
	case e.source.release != nil:
		return g.keep(ctx, v, e, e.source.release, catalog.ByReview)
	case e.source.remote == nil || len(e.Files) == 0 || e.Files[0].URL == "":
		return errs.New(errs.NotFound, "review", "no source has %s@%s", version.Name, version.Version)
	}
	fl := g.fly(v.Org, v.Package, e, e.Files[0])
	if err := fl.wait(ctx); err != nil {
		return err
	}
	return g.keepFetched(ctx, v, e, fl, catalog.ByReview)
}
