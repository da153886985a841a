package graph

import (
	"context"

	"sluice.dev/sluice/ent"
	"sluice.dev/sluice/ent/db"
	"sluice.dev/sluice/graph/api"
	"sluice.dev/sluice/tenants/coord"
	"sluice.dev/sluice/tenants/quarantine"
)

func (q queries) Holds(ctx context.Context, first *int, after *string, registry *api.ID, filter *api.HoldFilter, direction api.Direction) (*api.HoldConnection, error) {
	w, err := newWindow(first, after, byTime)
	if err != nil {
		return nil, err
	}
	args, err := holdArgsOf(w, filter, direction)
	if err != nil {
		return nil, err
	}
	query := args.query()
	if query.Reach, err = q.narrowed(ctx, registry); err != nil {
		return nil, err
	}
	rows, err := read(ctx, q.resolver, func(ctx context.Context, tx *db.Tx) ([]*ent.Hold, error) { return quarantine.Browse(ctx, tx, query) })
	if err != nil {
		return nil, err
	}
	return holdPage(ctx, w, rows, func() (int, error) {
		return read(ctx, q.resolver, func(ctx context.Context, tx *db.Tx) (int, error) { return quarantine.Count(ctx, tx, query) })
	})
}

func holdArgsOf(w window, filter *api.HoldFilter, direction api.Direction) (a holdArgs, err error) {
	a.limit, a.asc = w.limit(), direction == api.DirectionAsc
	if a.at, a.id, err = w.timed(); err != nil || filter == nil {
		return a, err
	}
	if filter.Open != nil {
		a.open, a.released = *filter.Open, !*filter.Open
	}
	a.cause, a.pkg, a.version, a.search = valueOf(filter.Cause), valueOf(filter.Package), valueOf(filter.Version), valueOf(filter.Search)
	return a, nil
}

func holdPage(ctx context.Context, w window, rows []*ent.Hold, count func() (int, error)) (*api.HoldConnection, error) {
	out := &api.HoldConnection{}
	out.Edges, out.PageInfo = connect(w, rows, func(h *ent.Hold) string { return timeCursor(h.OpenedAt, h.ID) },
		func(n *ent.Hold, c string) *api.HoldEdge { return &api.HoldEdge{Cursor: c, Node: n} })
	var err error
	out.TotalCount, err = countIf(ctx, count)
	return out, err
}

func (q queries) Hold(ctx context.Context, id api.ID) (*ent.Hold, error) {
	return object[ent.Hold](ctx, q.resolver, id, "Hold")
}

func (q queries) Cascade(ctx context.Context, id api.ID) (*ent.Cascade, error) {
	return object[ent.Cascade](ctx, q.resolver, id, "Cascade")
}

func (q queries) Tombstones(ctx context.Context, first *int, after *string, registry *api.ID, open *bool, filter *api.TombstoneFilter, direction api.Direction) (*api.TombstoneConnection, error) {
	w, err := newWindow(first, after, byTime)
	if err != nil {
		return nil, err
	}
	query := quarantine.TombstoneQuery{Open: open, Asc: direction == api.DirectionAsc, Limit: w.limit()}
	if filter != nil {
		query.Ecosystem, query.Package, query.Version = valueOf(filter.Ecosystem), valueOf(filter.Package), valueOf(filter.Version)
		if filter.Open != nil {
			query.Open = filter.Open
		}
	}
	if query.After, err = w.holdAfter(); err != nil {
		return nil, err
	}
	if query.Reach, err = q.narrowed(ctx, registry); err != nil {
		return nil, err
	}
	rows, err := read(ctx, q.resolver, func(ctx context.Context, tx *db.Tx) ([]*ent.Tombstone, error) {
		return quarantine.BrowseTombstones(ctx, tx, query)
	})
	if err != nil {
		return nil, err
	}
	out := &api.TombstoneConnection{}
	out.Edges, out.PageInfo = connect(w, rows, func(t *ent.Tombstone) string { return timeCursor(t.CreatedAt, t.ID) },
		func(n *ent.Tombstone, c string) *api.TombstoneEdge { return &api.TombstoneEdge{Cursor: c, Node: n} })
	out.TotalCount, err = countIf(ctx, func() (int, error) {
		return read(ctx, q.resolver, func(ctx context.Context, tx *db.Tx) (int, error) { return quarantine.CountTombstones(ctx, tx, query) })
	})
	return out, err
}

func (q queries) BlastRadius(ctx context.Context, registry api.ID, name string, version *string) (*api.BlastRadius, error) {
	reg, err := q.anyRegistry(ctx, registry.UUID)
	if err != nil {
		return nil, err
	}
	pkg, err := packageName(reg.Ecosystem, name)
	if err != nil {
		return nil, err
	}
	about := func(string) (bool, error) { return true, nil }
	if version != nil {
		v, err := versionText(pkg, *version)
		if err != nil {
			return nil, err
		}
		about = exactly(v)
	}
	return q.blast(ctx, pkg, about)
}

func exactly(v coord.Version) func(string) (bool, error) {
	return func(text string) (bool, error) { return text == v.Version, nil }
}

// holdAfter reads a cursor of time and id for the lists of package quarantine.
func (w window) holdAfter() (*quarantine.After, error) {
	at, id, err := w.timed()
	return pageArgs{at: at, id: id}.after(), err
}
