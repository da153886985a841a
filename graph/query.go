package graph

import (
	"context"

	"github.com/google/uuid"

	"sluice.dev/sluice/ent"
	"sluice.dev/sluice/ent/db"
	"sluice.dev/sluice/graph/api"
	"sluice.dev/sluice/tenants/access"
	"sluice.dev/sluice/tenants/advisory"
	"sluice.dev/sluice/tenants/audit"
	"sluice.dev/sluice/tenants/coord"
	"sluice.dev/sluice/tenants/errs"
	"sluice.dev/sluice/tenants/org"
	"sluice.dev/sluice/tenants/registry"
)

type queries struct{ *resolver }

// Node resolves the field; so do the methods below, each its own.
func (q queries) Node(ctx context.Context, id api.ID) (api.Node, error) { return q.see(ctx, id, "") }

func (q queries) Nodes(ctx context.Context, ids []*api.ID) ([]api.Node, error) {
	if len(ids) > maxNodes {
		return nil, errs.New(errs.TooLarge, "graph", "%d ids are asked for; at most %d are allowed", len(ids), maxNodes).On("ids")
	}
	out := make([]api.Node, len(ids))
	for i, id := range ids {
		obj, err := q.see(ctx, *id, "")
		if errs.Is(err, errs.NotFound) || errs.Is(err, errs.Forbidden) {
			continue
		}
		if err != nil {
			return nil, err
		}
		out[i] = obj
	}
	return out, nil
}

func (q queries) Viewer(ctx context.Context) (*access.Subject, error) {
	who := access.Of(ctx)
	return &who, nil
}

func (q queries) Organization(ctx context.Context) (*org.Organization, error) {
	o, err := q.Orgs.Get(ctx)
	return &o, err
}

func (q queries) Registry(ctx context.Context, id *api.ID, name *string) (*ent.Registry, error) {
	if (id == nil) == (name == nil) {
		return nil, errs.New(errs.Invalid, "graph", "give either the id or the name of the registry").On("id")
	}
	if id == nil {
		reg, err := read(ctx, q.resolver, func(ctx context.Context, tx *db.Tx) (*ent.Registry, error) { return registry.Named(ctx, tx, *name) })
		if err != nil {
			return nil, err
		}
		if reg == nil {
			return nil, notFound("Registry")
		}
		found := api.Of("Registry", reg.ID)
		id = &found
	}
	return object[ent.Registry](ctx, q.resolver, *id, "Registry")
}

func (q queries) Registries(ctx context.Context, first *int, after *string, filter *api.RegistryFilter, order *api.RegistryOrder) (*api.RegistryConnection, error) {
	query := registry.Query{Reach: reachOf(ctx)}
	key := func(r *ent.Registry) string { return cursor(byName, r.Name, r.ID.String()) }
	kind := byName
	if order != nil {
		query.ByCreation, query.Desc = order.By == api.RegistryOrderByCreated, order.Direction == api.DirectionDesc
	}
	if query.ByCreation {
		kind, key = byTime, func(r *ent.Registry) string { return timeCursor(r.CreatedAt, r.ID) }
	}
	if filter != nil {
		query.Deleted, query.Search = filter.Deleted, valueOf(filter.Search)
		query.Kind, query.Ecosystem = valueOf(filter.Kind), valueOf(filter.Ecosystem)
	}
	w, err := newWindow(first, after, kind)
	if err != nil {
		return nil, err
	}
	if query.After, err = w.registry(query.ByCreation); err != nil {
		return nil, err
	}
	query.Limit = w.limit()
	rows, err := read(ctx, q.resolver, func(ctx context.Context, tx *db.Tx) ([]*ent.Registry, error) { return registry.Browse(ctx, tx, query) })
	if err != nil {
		return nil, err
	}
	out := &api.RegistryConnection{}
	out.Edges, out.PageInfo = connect(w, rows, key, func(n *ent.Registry, c string) *api.RegistryEdge { return &api.RegistryEdge{Cursor: c, Node: n} })
	out.TotalCount, err = countIf(ctx, func() (int, error) {
		return read(ctx, q.resolver, func(ctx context.Context, tx *db.Tx) (int, error) { return registry.Count(ctx, tx, query) })
	})
	return out, err
}

// registry reads the cursor of a list of registries.
func (w window) registry(byCreation bool) (*registry.After, error) {
	if w.after == nil {
		return nil, nil
	}
	if byCreation {
		at, id, err := w.timed()
		return &registry.After{At: at, ID: id}, err
	}
	if len(w.after) != 2 {
		return nil, badCursor()
	}
	id, err := uuid.Parse(w.after[1])
	if err != nil {
		return nil, badCursor()
	}
	return &registry.After{Name: w.after[0], ID: id}, nil
}

func valueOf[T any](p *T) (v T) {
	if p != nil {
		v = *p
	}
	return v
}

func (q queries) Remotes(ctx context.Context, first *int, after *string, ecosystem *coord.Ecosystem, search *string, internal *bool, order *api.RemoteOrder) (*api.RemoteConnection, error) {
	query := registry.RemoteQuery{Ecosystem: valueOf(ecosystem), Search: valueOf(search), Internal: internal}
	kind, key := byTime, func(r *ent.Remote) string { return timeCursor(r.CreatedAt, r.ID) }
	if order != nil {
		query.ByName, query.Desc = order.By == api.RemoteOrderByName, order.Direction == api.DirectionDesc
	}
	if query.ByName {
		kind, key = byName, func(r *ent.Remote) string { return cursor(byName, r.Name, r.ID.String()) }
	}
	w, err := newWindow(first, after, kind)
	if err != nil {
		return nil, err
	}
	query.Limit = w.limit()
	if query.After, err = w.registry(!query.ByName); err != nil {
		return nil, err
	}
	rows, err := read(ctx, q.resolver, func(ctx context.Context, tx *db.Tx) ([]*ent.Remote, error) {
		return registry.BrowseRemotes(ctx, tx, query)
	})
	if err != nil {
		return nil, err
	}
	out := &api.RemoteConnection{}
	out.Edges, out.PageInfo = connect(w, rows, key,
		func(n *ent.Remote, c string) *api.RemoteEdge { return &api.RemoteEdge{Cursor: c, Node: n} })
	out.TotalCount, err = countIf(ctx, func() (int, error) {
		return read(ctx, q.resolver, func(ctx context.Context, tx *db.Tx) (int, error) { return registry.CountRemotes(ctx, tx, query) })
	})
	return out, err
}

func (q queries) Advisory(ctx context.Context, osvID string) (*advisory.Detail, error) {
	a, err := q.Deps.Advisories.Get(ctx, osvID)
	if err != nil {
		return nil, hidden(err, "Advisory")
	}
	return &a, nil
}

func (q queries) Decision(ctx context.Context, reference string) (*audit.Recorded, error) {
	return object[audit.Recorded](ctx, q.resolver, api.ID{Type: "Decision", Text: reference}, "Decision")
}
