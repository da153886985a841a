package registry

import (
	"context"
	"strings"

	"github.com/google/uuid"

	"sluice.dev/sluice/ent/db"
	"sluice.dev/sluice/tenants/coord"
	"sluice.dev/sluice/tenants/errs"
)

// graph is the shape of one ecosystem in an organization, as a change of it
// looks at it under the graph's lock. Deleted registries are not in it. Walks
// memoise per registry, so diamonds cost nothing.
type graph struct {
	name     map[uuid.UUID]string
	firewall map[uuid.UUID]bool
	up       map[uuid.UUID][]uuid.UUID // registry -> source registries, in order
	down     map[uuid.UUID][]uuid.UUID
	remotes  map[uuid.UUID][]uuid.UUID
}

func loadGraph(ctx context.Context, tx *db.Tx, e coord.Ecosystem) (*graph, error) {
	g := &graph{name: map[uuid.UUID]string{}, firewall: map[uuid.UUID]bool{}, up: map[uuid.UUID][]uuid.UUID{},
		down: map[uuid.UUID][]uuid.UUID{}, remotes: map[uuid.UUID][]uuid.UUID{}}
	rows, err := tx.Query(ctx, `SELECT id, name, kind = 'FIREWALL' FROM registries WHERE ecosystem = $1 AND deleted_at IS NULL`, e)
	if err != nil {
		return nil, err
	}
	for rows.Next() {
		var id uuid.UUID
		var name string
		var fw bool
		if err := rows.Scan(&id, &name, &fw); err != nil {
			return nil, err
		}
		g.name[id], g.firewall[id] = name, fw
	}
	if err := rows.Err(); err != nil {
		return nil, err
	}
	rows, err = tx.Query(ctx, `SELECT u.registry_id, u.source_registry_id, u.remote_id FROM upstreams u
		JOIN registries r ON r.id = u.registry_id WHERE r.ecosystem = $1 AND r.deleted_at IS NULL ORDER BY u.registry_id, u.position`, e)
	if err != nil {
		return nil, err
	}
	for rows.Next() {
		var id uuid.UUID
		var source, remote *uuid.UUID
		if err := rows.Scan(&id, &source, &remote); err != nil {
			return nil, err
		}
		if source != nil {
			g.up[id] = append(g.up[id], *source)
			g.down[*source] = append(g.down[*source], id)
		} else {
			g.remotes[id] = append(g.remotes[id], *remote)
		}
	}
	return g, rows.Err()
}

// path returns the registries on a way up from one to another, both included,
// or nil.
func (g *graph) path(from, to uuid.UUID) []uuid.UUID {
	seen := map[uuid.UUID]bool{}
	var walk func(uuid.UUID) []uuid.UUID
	walk = func(at uuid.UUID) []uuid.UUID {
		if at == to {
			return []uuid.UUID{at}
		}
		if seen[at] {
			return nil
		}
		seen[at] = true
		for _, next := range g.up[at] {
			if rest := walk(next); rest != nil {
				return append([]uuid.UUID{at}, rest...)
			}
		}
		return nil
	}
	return walk(from)
}

func (g *graph) names(ids []uuid.UUID) []string {
	out := make([]string, len(ids))
	for i, id := range ids {
		out[i] = g.name[id]
	}
	return out
}

// underFirewall reports whether a firewall is reachable upward; the registry
// itself does not count.
func (g *graph) underFirewall(id uuid.UUID) bool {
	for above := range reach(g.up, id) {
		if above != id && g.firewall[above] {
			return true
		}
	}
	return false
}

func (g *graph) cut(registry, source uuid.UUID) {
	kept := g.up[registry][:0:0]
	for _, s := range g.up[registry] {
		if s != source {
			kept = append(kept, s)
		}
	}
	g.up[registry] = kept
}

// add adds an edge to the picture.
func (g *graph) add(registry, source uuid.UUID) {
	g.up[registry] = append(g.up[registry], source)
	g.down[source] = append(g.down[source], registry)
}

// checkLimits checks R8's bounds for a registry whose edges have changed, and
// for everything below it.
func (g *graph) checkLimits(op string, registry uuid.UUID) error {
	depths := map[uuid.UUID]int{}
	for below := range reach(g.down, registry) {
		if d := depth(g.up, below, depths); d > MaxDepth {
			return errs.New(errs.Invalid, op, "with this edge the hierarchy above %q would be %d registries deep; the limit is %d (%s)",
				g.name[below], d, MaxDepth, strings.Join(g.names(g.longest(below, depths)), " -> ")).On("source")
		}
		if n := len(reach(g.up, below)) - 1; n > MaxReachable {
			return errs.New(errs.Invalid, op, "with this edge %q would reach %d registries upward; the limit is %d", g.name[below], n, MaxReachable).On("source")
		}
	}
	return nil
}

// longest returns the longest way up from a registry, by depths that are known.
func (g *graph) longest(from uuid.UUID, depths map[uuid.UUID]int) []uuid.UUID {
	way := []uuid.UUID{from}
	for at := from; len(g.up[at]) > 0; {
		next := g.up[at][0]
		for _, s := range g.up[at] {
			if depths[s] > depths[next] {
				next = s
			}
		}
		way, at = append(way, next), next
	}
	return way
}

// reach returns everything reachable over edges, the start included.
func reach(edges map[uuid.UUID][]uuid.UUID, from uuid.UUID) map[uuid.UUID]bool {
	seen := map[uuid.UUID]bool{from: true}
	todo := []uuid.UUID{from}
	for len(todo) > 0 {
		at := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		for _, next := range edges[at] {
			if !seen[next] {
				seen[next] = true
				todo = append(todo, next)
			}
		}
	}
	return seen
}

func depth(up map[uuid.UUID][]uuid.UUID, at uuid.UUID, known map[uuid.UUID]int) int {
	if d, ok := known[at]; ok {
		return d
	}
	d := 0
	for _, next := range up[at] {
		d = max(d, depth(up, next, known))
	}
	known[at] = d + 1
	return d + 1
}
