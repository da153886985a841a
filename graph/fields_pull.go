package graph

import (
	"context"

	"github.com/google/uuid"

	"sluice.dev/sluice/ent"
	"sluice.dev/sluice/ent/db"
	"sluice.dev/sluice/ent/pullitem"
	"sluice.dev/sluice/graph/api"
	"sluice.dev/sluice/tenants/intake"
)

// Pull resolves the field; so do the methods below, each its own.
func (q queries) Pull(ctx context.Context, id api.ID) (*ent.Pull, error) {
	return object[ent.Pull](ctx, q.resolver, id, "Pull")
}

func (f registryFields) Pulls(ctx context.Context, r *ent.Registry, first *int, after *string) (*api.PullConnection, error) {
	w, page, err := accessPage(first, after)
	if err != nil {
		return nil, err
	}
	rows, err := read(ctx, f.resolver, func(ctx context.Context, tx *db.Tx) ([]*ent.Pull, error) {
		return intake.Pulls(ctx, tx, r.ID, page.After, w.limit())
	})
	if err != nil {
		return nil, err
	}
	out := &api.PullConnection{}
	out.Edges, out.PageInfo = connect(w, rows, func(p *ent.Pull) string { return cursor(byID, p.ID.String()) },
		func(n *ent.Pull, c string) *api.PullEdge { return &api.PullEdge{Cursor: c, Node: n} })
	return out, nil
}

type pullFields struct{ *resolver }

func (f pullFields) ID(_ context.Context, p *ent.Pull) (*api.ID, error) {
	id := api.Of("Pull", p.ID)
	return &id, nil
}

func (f pullFields) Registry(ctx context.Context, p *ent.Pull) (*ent.Registry, error) {
	return f.anyRegistry(ctx, p.RegistryID)
}

func (f pullFields) progressOf(ctx context.Context, id uuid.UUID) (intake.PullProgress, error) {
	return from(ctx).pullCounts.Load(ctx, id)
}

func (f pullFields) Total(ctx context.Context, p *ent.Pull) (int, error) {
	n, err := f.progressOf(ctx, p.ID)
	return n.Total, err
}

func (f pullFields) Held(ctx context.Context, p *ent.Pull) (int, error) {
	n, err := f.progressOf(ctx, p.ID)
	return n.Held, err
}

func (f pullFields) Refused(ctx context.Context, p *ent.Pull) (int, error) {
	n, err := f.progressOf(ctx, p.ID)
	return n.Refused, err
}

func (f pullFields) Failed(ctx context.Context, p *ent.Pull) (int, error) {
	n, err := f.progressOf(ctx, p.ID)
	return n.Failed, err
}

func (f pullFields) Items(ctx context.Context, p *ent.Pull, first *int, after *string, state *pullitem.State) (*api.PullItemConnection, error) {
	w, err := newWindow(first, after, byName)
	if err != nil {
		return nil, err
	}
	query := intake.PullItemQuery{Pull: p.ID, State: string(valueOf(state)), Limit: w.limit()}
	if w.after != nil {
		if len(w.after) != 2 {
			return nil, badCursor()
		}
		query.After = intake.PullVersion{Name: w.after[0], Version: w.after[1]}
	}
	rows, err := read(ctx, f.resolver, func(ctx context.Context, tx *db.Tx) ([]*ent.PullItem, error) { return intake.PullItems(ctx, tx, query) })
	if err != nil {
		return nil, err
	}
	out := &api.PullItemConnection{}
	out.Edges, out.PageInfo = connect(w, rows, func(i *ent.PullItem) string { return cursor(byName, i.Name, i.Version) },
		func(n *ent.PullItem, c string) *api.PullItemEdge { return &api.PullItemEdge{Cursor: c, Node: n} })
	return out, nil
}

type pullItemFields struct{ *resolver }

func (f pullItemFields) Reason(_ context.Context, i *ent.PullItem) (*string, error) {
	return api.Text(i.Reason), nil
}
