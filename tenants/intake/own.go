package intake

import (
	"context"
	"slices"
	"time"

	"github.com/google/uuid"

	"sluice.dev/sluice/ent/db"
	"sluice.dev/sluice/tenants/audit"
	"sluice.dev/sluice/tenants/catalog"
	"sluice.dev/sluice/tenants/coord"
	"sluice.dev/sluice/tenants/errs"
	"sluice.dev/sluice/tenants/registry"
)

// Own is a registry's own state of a package: what it holds and says itself,
// whatever its upstreams have and its rules withhold. Writers read it before
// they change it.
type Own struct {
	Package     coord.Package
	Revision    string             // opaque, of one line; changes with every write
	Releases    []*catalog.Release // what the registry holds, ascending
	Deprecated  map[string]string  // what the registry says against versions; "" takes back what an upstream says
	Tags        map[string]string  // the registry's own tags
	Maintainers []coord.Person
	Stars       []string  // names of subjects
	Created     time.Time // when the package came into the registry; zero when it holds nothing of it
	Modified    time.Time
}

// Own returns the registry's own state of a package: one without releases when
// only an upstream has it, NotFound when nobody does.
func (s *Service) Own(ctx context.Context, registry uuid.UUID, name string) (Own, error) {
	const op = "read package"
	n, err := s.node(ctx, op, registry)
	if err != nil {
		return Own{}, err
	}
	normal, err := coord.NormalizeName(n.Ecosystem, name)
	if err != nil {
		return Own{}, errs.Wrap(err, errs.Invalid, op, "%q is no package name: %v", name, err).On("name")
	}
	var out Own
	err = s.DB.InSnapshot(ctx, func(ctx context.Context, tx *db.Tx) (err error) {
		out, err = readOwn(ctx, tx, n, coord.Package{Ecosystem: n.Ecosystem, Name: normal})
		return err
	})
	if err != nil || len(out.Releases) > 0 {
		return out, err
	}
	_, err = s.Gate.List(ctx, n.ID, out.Package)
	return out, err
}

func readOwn(ctx context.Context, tx *db.Tx, n *registry.Node, pkg coord.Package) (Own, error) {
	here := []uuid.UUID{n.ID}
	out := Own{Package: pkg}
	state, err := catalog.OwnOf(ctx, tx, n.ID, pkg)
	if err != nil {
		return out, err
	}
	out.Revision = revision(state)
	if state != nil {
		out.Maintainers, out.Stars, out.Created, out.Modified = state.Maintainers, state.Stars, state.Created, state.Updated
	}
	held, err := catalog.Held(ctx, tx, pkg, here)
	if err != nil {
		return out, err
	}
	for _, h := range held {
		out.Releases = append(out.Releases, h.Release)
		if out.Created.IsZero() || h.HeldAt.Before(out.Created) {
			out.Created = h.HeldAt
		}
		if h.HeldAt.After(out.Modified) {
			out.Modified = h.HeldAt
		}
	}
	slices.SortFunc(out.Releases, func(a, b *catalog.Release) int { return coord.Compare(pkg.Ecosystem, a.Version, b.Version) })
	tags, err := catalog.Tags(ctx, tx, pkg, here)
	if err != nil {
		return out, err
	}
	deprecated, err := catalog.Deprecations(ctx, tx, pkg, here)
	out.Tags, out.Deprecated = tags[n.ID], deprecated[n.ID]
	return out, err
}

func revision(s *catalog.OwnState) string { return s.RevisionText() }

// change is a write to a package in a registry under way.
type change struct {
	*Service
	tx   *db.Tx
	op   string
	node *registry.Node
	pkg  coord.Package
	now  time.Time
	own  catalog.OwnState // maintainers and stars, to be changed in place
	held map[string]*catalog.Holding
}

// write runs fn under the package's exclusive lock, unless the package has
// another revision than the wanted one ("" = any). fn returns what is to be
// audited; nothing means that it changed nothing.
func (s *Service) write(ctx context.Context, op string, n *registry.Node, pkg coord.Package, wanted string, fn func(context.Context, *change) ([]audit.Event, error)) error {
	return db.Retry(ctx, func() error {
		return s.DB.InTx(ctx, func(ctx context.Context, tx *db.Tx) error {
			if err := catalog.LockPackage(ctx, tx, pkg, false); err != nil {
				return err
			}
			own, err := catalog.OwnOf(ctx, tx, n.ID, pkg)
			if err != nil {
				return err
			}
			if have := revision(own); wanted != "" && wanted != have {
				return errs.Wrap(ErrStale, errs.Conflict, op, "%s has changed in the registry %q meanwhile: its revision is %s, not %.40s; read it again and repeat the change",
					pkg.Name, n.Name, have, wanted).On("revision")
			}
			c := &change{Service: s, tx: tx, op: op, node: n, pkg: pkg, now: s.Now()}
			if own != nil {
				c.own = *own
			}
			if err := c.readHeld(ctx); err != nil {
				return err
			}
			events, err := fn(ctx, c)
			if err != nil || len(events) == 0 {
				return err
			}
			if err := catalog.PutOwn(ctx, tx, c.now, n.ID, pkg, c.own); err != nil {
				return err
			}
			return s.Audit.Record(ctx, tx, events...)
		})
	})
}

func (c *change) readHeld(ctx context.Context) error {
	held, err := catalog.Held(ctx, c.tx, c.pkg, []uuid.UUID{c.node.ID})
	c.held = make(map[string]*catalog.Holding, len(held))
	for i := range held {
		c.held[held[i].Release.Version] = &held[i]
	}
	return err
}

// event is what the audit says about the package, or a version of it.
func (c *change) event(action, version string) audit.Event {
	e := audit.Event{Action: action, ObjectType: "package", ObjectID: c.pkg.Name, Registry: c.node.ID}
	if version != "" {
		e.ObjectType, e.ObjectID = "version", c.pkg.Name+"@"+version
	}
	return e
}

// number normalizes a version's number.
func number(op string, e coord.Ecosystem, version string) (string, error) {
	v, err := coord.NormalizeVersion(e, version)
	if err != nil {
		return "", errs.Wrap(err, errs.Invalid, op, "%q is no version: %v", version, err).On("version")
	}
	return v, nil
}

// known returns NotFound unless the registry holds each of the versions, or
// lists it from an upstream. It asks the gate only for what is not held.
func (s *Service) known(ctx context.Context, op string, n *registry.Node, pkg coord.Package, versions ...string) error {
	var missing []string
	err := s.DB.InSnapshot(ctx, func(ctx context.Context, tx *db.Tx) error {
		held, err := catalog.Held(ctx, tx, pkg, []uuid.UUID{n.ID})
		if err != nil || len(held) > 0 && len(versions) == 0 {
			return err
		}
		missing = slices.DeleteFunc(slices.Clone(versions), func(v string) bool {
			return slices.ContainsFunc(held, func(h catalog.Holding) bool { return h.Release.Version == v })
		})
		if len(held) == 0 {
			missing = append(missing, "")
		}
		return nil
	})
	if err != nil || len(missing) == 0 {
		return err
	}
	view, err := s.Gate.List(ctx, n.ID, pkg)
	if err != nil {
		return err
	}
	for _, v := range missing {
		if v != "" && view.Entry(v) == nil {
			return errs.New(errs.NotFound, op, "%s has no version %s in the registry %q", pkg.Name, v, n.Name).On("version")
		}
	}
	return nil
}
