package gate

import (
	"context"
	"errors"
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
	"sluice.dev/sluice/tenants/scope"
)

// Open delivers a file, or says why not. A file that is not here yet is fetched
// along the path of its version, and every registry on the path remembers it
// (R2).
//
// Errors: NotFound when there is no such version or file; otherwise as List.
func (g *Gate) Open(ctx context.Context, req OpenRequest) (Opened, error) {
	org, err := scope.Org(ctx)
	if err != nil {
		return Opened{}, err
	}
	key := runKey{org, req.Registry, coord.Version{Package: req.Package, Version: req.Version}}
	for range 3 {
		inner, run := g.running.enter(ctx, key, req.Cut)
		out, err := g.open(ctx, inner, req)
		if out.Content != nil && err == nil {
			if content := g.delivering(run, out.Content); content != nil {
				return Opened{Content: content}, nil
			}
			continue // withheld meanwhile: decide again
		}
		cut := run.wasCut()
		g.running.leave(run)
		if err == nil || !cut || ctx.Err() != nil {
			return out, err
		}
	}
	return Opened{}, errs.New(errs.Unavailable, "open", "what may be delivered of %s@%s keeps changing; try again", req.Package.Name, req.Version)
}

// delivering ties an open content to its run, nil when it must not go out.
func (g *Gate) delivering(run *run, c *Content) *Content {
	out := NewContent(*c, func() error {
		g.running.leave(run)
		return c.Close()
	})
	if !run.deliver() {
		_ = out.Close()
		return nil
	}
	return out
}

// open decides once. What brings bytes in ends with the run, which a decision
// against the version cuts; deciding and refusing end with the asker only, or a
// refusal that opens a hold would cut itself.
func (g *Gate) open(asker, ctx context.Context, req OpenRequest) (Opened, error) {
	v, e, f, refusal, err := g.find(asker, req)
	if err != nil || refusal != nil {
		return Opened{Refusal: refusal}, err
	}
	if e.Held {
		return g.openHeld(ctx, v, e, req.File, g.Decisions.Allowed)
	}
	if f.URL == "" && e.source.release == nil {
		return Opened{}, errs.New(errs.NotFound, "open", "no source has %s", f.Name)
	}
	counted := g.firstDelivery
	if e.source.release != nil {
		err = g.keep(ctx, v, e, catalog.ByFetch)
	} else {
		var fl *flight
		var booked *landing
		if fl, booked, err = g.fly(ctx, v, e, f, catalog.ByFetch); err != nil {
			return Opened{}, err
		}
		if !req.Whole {
			return g.stream(ctx, req, v, e, fl, booked)
		}
		if err = g.arrived(ctx, v, e, fl); err == nil && booked != nil && booked.counted {
			counted = alreadyCounted
		}
	}
	if err != nil {
		return Opened{}, err
	}
	v, e, _, refusal, err = g.find(asker, req)
	switch {
	case err != nil || refusal != nil:
		return Opened{Refusal: refusal}, err
	case !e.Held:
		return Opened{}, errs.New(errs.Unavailable, "open", "%s could not be kept in the registry %q; try again", req.File, v.Name)
	}
	return g.openHeld(ctx, v, e, req.File, counted)
}

// find returns the file that a request is for, or the refusal of its version.
func (g *Gate) find(ctx context.Context, req OpenRequest) (*View, *Entry, File, *Refusal, error) {
	v, err := g.List(ctx, req.Registry, req.Package)
	if err != nil {
		return nil, nil, File{}, nil, err
	}
	e := v.Entry(req.Version)
	if e == nil {
		return nil, nil, File{}, nil, errs.New(errs.NotFound, "open", "%s@%s is not known in the registry %q or above it", req.Package.Name, req.Version, v.Name)
	}
	if e.Decision.Withheld() {
		r, err := g.Refuse(ctx, v, e)
		return v, e, File{}, r, err
	}
	i := slices.IndexFunc(e.Files, func(f File) bool { return f.Name == req.File })
	if i < 0 {
		return nil, nil, File{}, nil, errs.New(errs.NotFound, "open", "%s@%s has no file %q", req.Package.Name, req.Version, req.File)
	}
	return v, e, e.Files[i], nil, nil
}

// counter writes down a delivery: see [audit.Decisions.Allowed].
type counter func(ctx context.Context, registry, token uuid.UUID, v coord.Version) error

// alreadyCounted is for a delivery that the arrival wrote down.
func alreadyCounted(context.Context, uuid.UUID, uuid.UUID, coord.Version) error { return nil }

// firstDelivery counts a delivery at once, so that the first ones are never
// lost.
func (g *Gate) firstDelivery(ctx context.Context, registry, token uuid.UUID, version coord.Version) error {
	return g.DB.InTx(ctx, func(ctx context.Context, tx *db.Tx) error {
		return g.Decisions.FirstDelivery(ctx, tx, registry, token, version)
	})
}

// openHeld serves what the registry holds: warm no database, no network.
func (g *Gate) openHeld(ctx context.Context, v *View, e *Entry, file string, counted counter) (Opened, error) {
	rel := e.source.release
	i := slices.IndexFunc(rel.Files, func(f catalog.HeldFile) bool { return f.Name == file })
	if i < 0 {
		return Opened{}, errs.New(errs.NotFound, "open", "%s@%s has no file %q", v.Package.Name, e.Version, file)
	}
	digest, err := blob.ParseDigest(rel.Files[i].SHA256)
	if err != nil {
		return Opened{}, err
	}
	b, err := g.Blobs.Open(ctx, digest)
	if err != nil {
		return Opened{}, lost(err, file)
	}
	if err := g.count(ctx, v, e, counted); err != nil {
		_ = b.Close()
		return Opened{}, err
	}
	return Opened{Content: NewContent(Content{Name: file, Size: b.Size, SHA256: rel.Files[i].SHA256, Modified: e.Published, Warning: v.warning(),
		Seeker: b.Content()}, b.Close)}, nil
}

// lost says that bytes which a row names cannot be had. That the store does not
// know them must not look as if nobody did.
func lost(err error, file string) error {
	if errs.Is(err, errs.NotFound) {
		return errs.Wrap(err, errs.Internal, "open", "the bytes of %s are lost", file)
	}
	return err
}

// count writes down that a version was delivered, and that a rule warned.
func (g *Gate) count(ctx context.Context, v *View, e *Entry, counted counter) error {
	version := coord.Version{Package: v.Package, Version: e.Version}
	if w := e.Decision.Decisive; w != nil && e.Decision.Effect == policy.Warn {
		err := g.Decisions.Warned(ctx, audit.Answer{Registry: v.Registry, Token: tokenOf(ctx), Version: version, Channel: audit.ChannelFile,
			Effect: policy.Warn.String(), Rule: w.Rule, Kind: string(w.Kind), Snapshot: v.Snapshot, Decision: recorded{Registry: v.Name, Decision: &e.Decision}})
		if err != nil {
			return err
		}
	}
	return counted(ctx, v.Registry, tokenOf(ctx), version)
}

func (v *View) warning() string {
	if len(v.Warnings) == 0 {
		return ""
	}
	return v.Warnings[0]
}

func tokenOf(ctx context.Context) uuid.UUID { return scope.ActorOf(ctx).TokenID }

// Refuse says why a version is withheld, and records that it was said. The
// first request for the content of a version that a rule quarantines opens the
// hold (Q6).
func (g *Gate) Refuse(ctx context.Context, v *View, e *Entry) (*Refusal, error) {
	d := e.Decision
	if w := d.Decisive; w != nil && d.Effect == policy.Quarantine && w.Kind != policy.KindHold {
		err := g.Quarantine.HoldByPolicy(ctx, quarantine.PolicyHold{Registry: w.Registry, Rule: w.Rule, Reason: w.Reason, Evidence: w.Evidence,
			Version: coord.Version{Package: v.Package, Version: e.Version}})
		if err != nil {
			var known *errs.Error
			if errors.As(err, &known) {
				return nil, err
			}
			return nil, errs.Wrap(err, errs.Unavailable, "open", "%s@%s is withheld, and its quarantine cannot be opened at the moment", v.Package.Name, e.Version)
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
