package graph

import (
	"context"
	"strings"

	"github.com/google/uuid"

	"sluice.dev/sluice/ent"
	"sluice.dev/sluice/ent/pullitem"
	"sluice.dev/sluice/graph/api"
	"sluice.dev/sluice/tenants/intake"
)

// Pull resolves the field; so do the methods below, each its own.
func (q queries) Pull(ctx context.Context, id api.ID) (*ent.Pull, error) {
	return object[ent.Pull](ctx, q.resolver, id, "Pull")
}

func (f registryFields) Pulls(ctx context.Context, r *ent.Registry, first *int, after *string, filter *api.PullFilter, direction api.Direction) (*api.PullConnection, error) {
	w, q, err := eachPage(first, after, byID, nil, direction)
	if err != nil {
		return nil, err
	}
	if filter != nil {
		q.Search = strings.ToLower(valueOf(filter.Search))
		if filter.Running != nil {
			q.State = map[bool]string{true: "RUNNING", false: "ENDED"}[*filter.Running]
		}
	}
	rows, err := from(ctx).pulls.Load(ctx, of[intake.EachQuery]{r.ID, q})
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

func (f pullFields) Items(ctx context.Context, p *ent.Pull, first *int, after *string, state *pullitem.State, search *string, direction api.Direction) (*api.PullItemConnection, error) {
	w, err := newWindow(first, after, byName)
	if err != nil {
		return nil, err
	}
	args := pullItemArgs{EachQuery: intake.EachQuery{Search: valueOf(search), State: string(valueOf(state)), Desc: direction == api.DirectionDesc, Limit: w.limit()}}
	if w.after != nil {
		if len(w.after) != 2 {
			return nil, badCursor()
		}
		args.after = intake.PullVersion{Name: w.after[0], Version: w.after[1]}
	}
	rows, err := from(ctx).pullItems.Load(ctx, of[pullItemArgs]{p.ID, args})
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
