package gate

import (
	"context"
	"slices"

	"github.com/google/uuid"

	"sluice.dev/sluice/ent/db"
	"sluice.dev/sluice/tenants/blob"
	"sluice.dev/sluice/tenants/catalog"
	"sluice.dev/sluice/tenants/coord"
	"sluice.dev/sluice/tenants/errs"
	"sluice.dev/sluice/tenants/quarantine"
)

// keep records that the asked registry, and those between it and the one that
// has a copy, hold that copy.
func (g *Gate) keep(ctx context.Context, v *View, e *Entry, how string) error {
	key := runKey{v.Org, v.Registry, coord.Version{Package: v.Package, Version: e.Version}}
	_, err := g.keeping.do(ctx, g, key, func(ctx context.Context) (struct{}, error) {
		rel := e.source.release
		files := make([]catalog.StoredFile, len(rel.Files))
		for i, f := range rel.Files {
			digest, err := blob.ParseDigest(f.SHA256)
			if err != nil {
				return struct{}{}, err
			}
			st, err := g.Blobs.Stat(ctx, digest)
			if err != nil {
				return struct{}{}, lost(err, f.Name)
			}
			files[i] = catalog.StoredFile{Name: f.Name, Blob: catalog.Blob{SHA256: f.SHA256, SHA512: f.SHA512, SHA1: f.SHA1, MD5: f.MD5, Size: st.Size}}
		}
		return struct{}{}, g.arrive(ctx, v, e, catalog.Arrival{Origin: rel.Origin, Remote: rel.Remote, Published: rel.Published, PublishedFrom: rel.PublishedFrom,
			License: rel.License, Metadata: rel.Metadata, Files: files, How: how}, nil)
	})
	return err
}

// arrived waits until a flight has ended, and sees to it that the registry holds
// what it brought, also when it came too late to book.
func (g *Gate) arrived(ctx context.Context, v *View, e *Entry, fl *flight) error {
	if err := fl.wait(ctx); err != nil {
		return err
	}
	_, err := g.keepFetched(ctx, v, e, fl, "")
	return err
}

// keepFetched records what a flight brought, unless the registry holds the
// version by now. The version is decided again first: what has been withheld
// meanwhile comes in for review only. How is "" for who did not book; counted
// tells whether a delivery to who did was written down with it.
func (g *Gate) keepFetched(ctx context.Context, v *View, e *Entry, fl *flight, how string) (counted bool, err error) {
	now, err := g.look(ctx, v.Registry, v.Package)
	if err != nil {
		return false, err
	}
	again := now.Entry(e.Version)
	switch {
	case again == nil:
		return false, errs.New(errs.Unavailable, "keep", "%s@%s is not offered any more", v.Package.Name, e.Version)
	case again.Held:
		return false, nil
	case how != catalog.ByReview && again.Decision.Withheld():
		return false, errs.Wrap(errCut, errs.Unavailable, "keep", "%s@%s was withheld while it was delivered", v.Package.Name, e.Version)
	case again.source.release != nil:
		return false, g.keep(ctx, now, again, orFetch(how))
	case again.source.remote == nil || again.source.remote.ID != fl.id.remote || again.Files[0].Digests.String() != fl.id.digests:
		return false, errs.New(errs.Unavailable, "keep", "the source of %s@%s changed while it was delivered; try again", v.Package.Name, e.Version)
	}
	from, published := "SOURCE", again.Published
	if again.FirstSeen || published.IsZero() {
		from = "FIRST_SEEN"
	}
	if published.IsZero() {
		published = g.Now()
	}
	var delivered func(context.Context, *db.Tx) error
	if how == catalog.ByFetch {
		delivered = func(c context.Context, tx *db.Tx) error {
			return g.Decisions.FirstDelivery(c, tx, v.Registry, tokenOf(ctx), fl.id.version)
		}
	}
	err = g.arrive(ctx, now, again, catalog.Arrival{Origin: again.Origin, Remote: fl.id.remote, Published: published, PublishedFrom: from,
		License: again.License, Metadata: again.Raw, How: orFetch(how),
		Files: []catalog.StoredFile{{Name: fl.file.Name, Blob: blobRow(fl.info), SourceURL: fl.file.URL}}}, delivered)
	return err == nil && delivered != nil, err
}

func orFetch(how string) string {
	if how == "" {
		return catalog.ByFetch
	}
	return how
}

// arrive is the one transaction in which the registries on a path come to hold
// a version: holdings, inherited holds (C5) and the first delivery. What was
// deleted for security does not come back, also not by a fetch that had begun
// before (D1).
func (g *Gate) arrive(ctx context.Context, v *View, e *Entry, a catalog.Arrival, also func(context.Context, *db.Tx) error) error {
	a.Version = coord.Version{Package: v.Package, Version: e.Version}
	var ids []uuid.UUID
	a.Holders, ids = holders(e.source)
	tombs := whereBuried(e.source)
	ctx, stop := g.detached(ctx) // a client that leaves must not undo what it brought in
	defer stop()
	return db.Retry(ctx, func() error {
		return g.DB.InTx(ctx, func(ctx context.Context, tx *db.Tx) error {
			if err := catalog.LockPackage(ctx, tx, v.Package, true); err != nil {
				return err
			}
			if err := refuseBuried(ctx, tx, a.Version, tombs); err != nil {
				return err
			}
			if _, err := catalog.Record(ctx, tx, g.Now(), a); err != nil {
				return err
			}
			if err := g.describe(ctx, tx, v, e, a.How); err != nil {
				return err
			}
			if err := g.Quarantine.Inherit(ctx, tx, v.Package, ids); err != nil {
				return err
			}
			if also == nil {
				return nil
			}
			return also(ctx, tx)
		})
	})
}

// refuseBuried is an error when the version was deleted for security in one of
// the registries.
func refuseBuried(ctx context.Context, tx *db.Tx, v coord.Version, registries []uuid.UUID) error {
	state, err := quarantine.Read(ctx, tx, v.Package, registries)
	if err != nil {
		return err
	}
	for _, id := range registries {
		if t := state.Buried(id, v.Version); t != nil {
			return errs.New(errs.Conflict, "keep", "%s@%s was deleted for security and cannot come back: %s", v.Name, v.Version, t.Reason)
		}
	}
	return nil
}

// whereBuried returns the registries whose tombstones are about a candidate:
// those of its path, and for one from outside every firewall above them (C1).
func whereBuried(c *candidate) (ids []uuid.UUID) {
	for _, n := range c.path {
		for _, up := range n.Upward() {
			if (slices.Contains(c.path, up) || up.Firewall && c.origin == coord.External) && !slices.Contains(ids, up.ID) {
				ids = append(ids, up.ID)
			}
		}
	}
	return ids
}

// holders gives every registry that comes to hold a candidate the part of the
// path before it: those below the one whose copy it is, all when it comes from
// the remote.
func holders(c *candidate) (out []catalog.Holder, ids []uuid.UUID) {
	path := make([]uuid.UUID, len(c.path))
	for i, n := range c.path {
		path[i] = n.ID
	}
	for i := c.holder + 1; i < len(path); i++ {
		out = append(out, catalog.Holder{Registry: path[i], Path: slices.Clone(path[:i])})
		ids = append(ids, path[i])
	}
	return out, ids
}

// Review brings the bytes of a version in for the registry and delivers
// nothing (Q6). A version that its source no longer has is NotFound.
func (g *Gate) Review(ctx context.Context, reg uuid.UUID, version coord.Version) error {
	_, err := g.bring(ctx, reg, version, catalog.ByReview)
	return err
}

// bring has a registry hold a version and delivers nothing. Only a review brings
// in what is withheld.
func (g *Gate) bring(ctx context.Context, reg uuid.UUID, version coord.Version, how string) (*Refusal, error) {
	v, err := g.List(ctx, reg, version.Package)
	if err != nil {
		return nil, err
	}
	e := v.Entry(version.Version)
	switch {
	case e == nil:
		return nil, errs.New(errs.NotFound, "bring in", "%s@%s is not known in the registry %q or above it", version.Name, version.Version, v.Name)
	case how != catalog.ByReview && e.Decision.Withheld():
		return g.Refuse(ctx, v, e)
	case e.Held:
		return nil, nil
	case e.source.release != nil:
		return nil, g.keep(ctx, v, e, how)
	case len(e.Files) == 0 || e.Files[0].URL == "":
		return nil, errs.New(errs.NotFound, "bring in", "no source has %s@%s", version.Name, version.Version)
	}
	fl, _, err := g.fly(ctx, v, e, e.Files[0], how)
	if err != nil {
		return nil, err
	}
	if err := fl.wait(ctx); err != nil {
		return nil, err
	}
	_, err = g.keepFetched(ctx, v, e, fl, how)
	return nil, err
}
