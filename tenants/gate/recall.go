package gate

import (
	"context"
	"log/slog"
	"runtime"

	"github.com/google/uuid"
	"golang.org/x/sync/errgroup"

	"sluice.dev/sluice/ent/db"
	"sluice.dev/sluice/tenants/catalog"
	"sluice.dev/sluice/tenants/coord"
	"sluice.dev/sluice/tenants/errs"
	"sluice.dev/sluice/tenants/registry"
)

// place is where a question about many packages is asked.
type place struct {
	shape *registry.Snapshot
	root  *registry.Node
	proto Protocol
}

func (g *Gate) place(ctx context.Context, op string, reg uuid.UUID, e coord.Ecosystem) (place, error) {
	p, err := g.protocol(e)
	if err != nil {
		return place{}, err
	}
	shape, err := g.Shapes.Of(ctx)
	if err != nil {
		return place{}, err
	}
	root := shape.Node(reg)
	if root == nil || root.Ecosystem != e {
		return place{}, errs.New(errs.NotFound, op, "there is no such registry")
	}
	return place{shape, root, p}, nil
}

// recalled is what a registry lists of a package going by what is remembered.
type recalled struct {
	*compiler
	res *result // nil until settled
	// unsure says that an internal remote carries the package and nothing is
	// remembered of what it says, so that who owns the name is not known (O3).
	unsure bool
}

// recall begins to work out what a registry lists of packages without asking
// any remote: remembered documents count however old they are, and a remote of
// which nothing is remembered lists nothing. It reads the database only; call
// settleAll behind the transaction.
func (g *Gate) recall(ctx context.Context, tx *db.Tx, at place, names []string) (map[string]*recalled, error) {
	out := make(map[string]*recalled, len(names))
	var remotes []uuid.UUID
	for _, name := range names {
		c := g.compiler(at, coord.Package{Ecosystem: at.root.Ecosystem, Name: name})
		if err := c.readState(ctx, tx); err != nil {
			return nil, err
		}
		c.reachable()
		for id := range c.remotes {
			remotes = append(remotes, id)
		}
		out[name] = &recalled{compiler: c}
	}
	rows, err := catalog.Documents(ctx, tx, remotes, names)
	if err != nil {
		return nil, err
	}
	for name, r := range out {
		for id, a := range r.remotes {
			a.doc = g.recallDocument(docKey{r.org, id, r.pkg}, rows[catalog.DocumentKey{Remote: id, Name: name}])
			r.unsure = r.unsure || a.Internal && a.doc == nil
		}
	}
	return out, nil
}

// recallDocument prefers what is in memory, which also knows that a remote has
// no such name. It changes neither.
func (g *Gate) recallDocument(key docKey, row *catalog.Document) *document {
	if d, ok := g.documents.GetIfPresent(key); ok && (row == nil || d.sha256 == row.SHA256) {
		return d
	}
	if row == nil {
		return nil
	}
	return &document{key: key, sha256: row.SHA256, fetched: row.Fetched, firstSeen: row.FirstSeen}
}

// settleAll decodes the documents and decides. A document that cannot be read
// any more counts as not remembered.
func (g *Gate) settleAll(ctx context.Context, all map[string]*recalled) error {
	var work errgroup.Group
	work.SetLimit(runtime.GOMAXPROCS(0))
	for _, r := range all {
		work.Go(func() error {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			for _, a := range r.remotes {
				if a.doc == nil {
					continue
				}
				var err error
				if a.listing, err = g.listing(ctx, a.doc); err != nil {
					slog.WarnContext(ctx, "a remembered document cannot be read", "remote", a.Name, "package", r.pkg.Name, "error", err)
					a.doc, r.unsure = nil, r.unsure || a.Internal
				}
			}
			r.res = r.settle()
			return nil
		})
	}
	return work.Wait()
}

// latest returns the version that lists show as the newest one, nil when they
// show none.
func (r *recalled) latest() *candidate {
	if c := r.res.candidates[r.res.tags["latest"]]; c != nil && c.decision.Listed {
		return c
	}
	return r.res.candidates[r.highest(r.res, func(string) bool { return true })]
}
