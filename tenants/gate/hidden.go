package gate

import (
	"context"
	"slices"

	"github.com/google/uuid"

	"sluice.dev/sluice/ent/db"
	"sluice.dev/sluice/tenants/coord"
	"sluice.dev/sluice/tenants/errs"
	"sluice.dev/sluice/tenants/registry"
)

// Hidden is what a registry would not show any more if a name were owned.
type Hidden struct {
	Registry uuid.UUID
	Name     string   // of the registry
	Versions int      // that public remotes reachable from it list
	Remotes  []string // their names, in order
}

// WouldHide says what would become hidden in a registry, and in those below it,
// if the registry owned the name: of every one in which public remotes
// contribute to the name until now, how many versions (O5). A name that the
// organization has reserved is asked for nowhere. A remote that cannot answer,
// and of which nothing is remembered, is Unavailable: what cannot be told must
// not be taken for nothing (F1).
func (g *Gate) WouldHide(ctx context.Context, reg uuid.UUID, pkg coord.Package) ([]Hidden, error) {
	const op = "ownership"
	shape, err := g.Shapes.Of(ctx)
	if err != nil {
		return nil, err
	}
	root := shape.Node(reg)
	if root == nil {
		return nil, errs.New(errs.NotFound, op, "there is no registry %s", reg)
	}
	if shape.Reserved(pkg) != "" {
		return nil, nil
	}
	seen := append([]*registry.Node{root}, root.Downward()...)
	o := &naming{shape: shape, pkg: pkg, remotes: map[uuid.UUID]*asked{}}
	err = g.DB.InSnapshot(ctx, func(ctx context.Context, tx *db.Tx) error { return o.readNaming(ctx, tx, upwardOf(seen)) })
	if err != nil {
		return nil, errs.Wrap(err, errs.Unavailable, op, "who owns %s cannot be read at the moment", pkg.Name)
	}
	open := slices.DeleteFunc(seen, func(n *registry.Node) bool {
		s, _ := o.upstreamSwitch(n)
		return s.Upstream != "" || o.owner(n) != ""
	})
	for _, internal := range []bool{true, false} {
		if err := g.askFor(ctx, o, open, internal); err != nil {
			return nil, err
		}
		open = slices.DeleteFunc(open, func(n *registry.Node) bool { return o.owner(n) != "" })
	}
	return o.hidden(open), nil
}

func upwardOf(nodes []*registry.Node) []uuid.UUID {
	known, out := map[uuid.UUID]bool{}, []uuid.UUID{}
	for _, n := range nodes {
		for _, up := range n.Upward() {
			if !known[up.ID] {
				known[up.ID] = true
				out = append(out, up.ID)
			}
		}
	}
	return out
}

// askFor asks the remotes of one sort that the registries reach for the name.
func (g *Gate) askFor(ctx context.Context, o *naming, from []*registry.Node, internal bool) error {
	var ask []*asked
	for _, n := range from {
		for _, r := range reached(n, o.pkg) {
			if r.Internal == internal && o.remotes[r.ID] == nil {
				a := &asked{Remote: r}
				o.remotes[r.ID], ask = a, append(ask, a)
			}
		}
	}
	if err := g.fetchAll(ctx, o.pkg, ask); err != nil {
		return err
	}
	for _, a := range ask {
		if a.err != nil {
			return errs.Wrap(a.err, errs.Unavailable, "ownership", "whether the remote %q has versions of %s cannot be told at the moment, and nothing is remembered from there: %s",
				a.Name, o.pkg.Name, errs.Public(a.err))
		}
	}
	return nil
}

// reached returns the remotes upward of a registry whose edges carry the
// package, each once.
func reached(n *registry.Node, pkg coord.Package) (out []*registry.Remote) {
	visited, known := map[*registry.Node]bool{}, map[uuid.UUID]bool{}
	var walk func(*registry.Node)
	walk = func(n *registry.Node) {
		if visited[n] {
			return
		}
		visited[n] = true
		for _, e := range n.Edges {
			switch {
			case !e.Carries(pkg):
			case e.Source != nil:
				walk(e.Source)
			case !known[e.Remote.ID]:
				known[e.Remote.ID] = true
				out = append(out, e.Remote)
			}
		}
	}
	walk(n)
	return out
}

func (o *naming) hidden(open []*registry.Node) (out []Hidden) {
	for _, n := range open {
		h, versions := Hidden{Registry: n.ID, Name: n.Name}, map[string]bool{}
		for _, r := range reached(n, o.pkg) {
			a := o.remotes[r.ID]
			if r.Internal || a == nil || a.listing == nil {
				continue
			}
			for _, l := range a.listing.Versions {
				versions[l.Version] = true
			}
			h.Remotes = append(h.Remotes, r.Name)
		}
		if h.Versions = len(versions); h.Versions > 0 {
			out = append(out, h)
		}
	}
	return out
}
