package graph

import (
	"context"

	"github.com/google/uuid"

	"sluice.dev/sluice/ent/db"
	"sluice.dev/sluice/graph/api"
	"sluice.dev/sluice/tenants/access"
)

// Members resolves the field; so do the methods below, each its own.
func (q queries) Members(ctx context.Context, first *int, after *string, filter *api.MemberFilter, order *api.MemberOrder) (*api.MemberConnection, error) {
	query := access.MemberQuery{}
	if order != nil {
		query.Order, query.Desc = order.By, order.Direction == api.DirectionDesc
	}
	if filter != nil {
		if filter.Team != nil {
			if _, err := q.find(ctx, *filter.Team, "Team"); err != nil {
				return nil, err
			}
		}
		query.Search, query.Role, query.Team = valueOf(filter.Search), valueOf(filter.Role), uuidOf(filter.Team)
		if filter.Status != nil {
			active := *filter.Status == api.MemberStatusActive
			query.Active = &active
		}
	}
	named := query.Order == access.MembersByEmail || query.Order == access.MembersByName
	w, err := peopleWindow(first, after, named, &query.Slice)
	if err != nil {
		return nil, err
	}
	rows, err := read(ctx, q.resolver, func(ctx context.Context, tx *db.Tx) ([]access.Member, error) {
		return access.BrowseMembers(ctx, tx, query)
	})
	if err != nil {
		return nil, err
	}
	out := &api.MemberConnection{}
	out.Edges, out.PageInfo = connect(w, rows, func(m access.Member) string { return peopleCursor(named, query.MemberKey(m), m.ID) },
		func(m access.Member, c string) *api.MemberEdge { return &api.MemberEdge{Cursor: c, Node: &m} })
	out.TotalCount, err = q.count(ctx, func(ctx context.Context, tx *db.Tx) (int, error) { return access.CountMembers(ctx, tx, query) })
	return out, err
}

// peopleWindow reads the arguments of a list that is ordered by text, or in the
// order in which things were made, into its slice.
func peopleWindow(first *int, after *string, named bool, into *access.Slice) (window, error) {
	kind := byID
	if named {
		kind = byName
	}
	w, err := newWindow(first, after, kind)
	if err != nil {
		return w, err
	}
	into.Limit = w.limit()
	switch {
	case w.after == nil:
	case named:
		if len(w.after) != 2 {
			return w, badCursor()
		}
		id, err := uuid.Parse(w.after[1])
		if err != nil {
			return w, badCursor()
		}
		into.After = &access.After{Text: w.after[0], ID: id}
	default:
		ids, err := w.ids(1)
		if err != nil {
			return w, err
		}
		into.After = &access.After{ID: ids[0]}
	}
	return w, nil
}

func peopleCursor(named bool, name string, id uuid.UUID) string {
	if named {
		return cursor(byName, name, id.String())
	}
	return cursor(byID, id.String())
}

// count counts all rows of a list when that was asked for.
func (q queries) count(ctx context.Context, fn func(context.Context, *db.Tx) (int, error)) (int, error) {
	return countIf(ctx, func() (int, error) { return read(ctx, q.resolver, fn) })
}

func (q queries) Member(ctx context.Context, id api.ID) (*access.Member, error) {
	return object[access.Member](ctx, q.resolver, id, "Member")
}

func (q queries) Team(ctx context.Context, id api.ID) (*access.Team, error) {
	return object[access.Team](ctx, q.resolver, id, "Team")
}

func (q queries) ServiceAccount(ctx context.Context, id api.ID) (*access.ServiceAccount, error) {
	return object[access.ServiceAccount](ctx, q.resolver, id, "ServiceAccount")
}

func (q queries) Teams(ctx context.Context, first *int, after *string, filter *api.TeamFilter, order *api.NameOrder) (*api.TeamConnection, error) {
	query := access.TeamQuery{}
	if filter != nil {
		query.Search = valueOf(filter.Search)
	}
	named := nameOrder(order, &query.Order, &query.Slice)
	w, err := peopleWindow(first, after, named, &query.Slice)
	if err != nil {
		return nil, err
	}
	rows, err := read(ctx, q.resolver, func(ctx context.Context, tx *db.Tx) ([]access.Team, error) { return access.BrowseTeams(ctx, tx, query) })
	if err != nil {
		return nil, err
	}
	out := &api.TeamConnection{}
	out.Edges, out.PageInfo = connect(w, rows, func(t access.Team) string { return peopleCursor(named, t.Name, t.ID) },
		func(t access.Team, c string) *api.TeamEdge { return &api.TeamEdge{Cursor: c, Node: &t} })
	out.TotalCount, err = q.count(ctx, func(ctx context.Context, tx *db.Tx) (int, error) { return access.CountTeams(ctx, tx, query) })
	return out, err
}

// nameOrder reads an order, and tells whether it is by name.
func nameOrder(in *api.NameOrder, order *access.NameOrder, slice *access.Slice) (named bool) {
	if in != nil {
		*order, slice.Desc = in.By, in.Direction == api.DirectionDesc
	}
	return *order != access.ByCreation
}

func (q queries) ServiceAccounts(ctx context.Context, first *int, after *string, filter *api.ServiceAccountFilter, order *api.NameOrder) (*api.ServiceAccountConnection, error) {
	query := access.ServiceAccountQuery{}
	if filter != nil {
		query.Search, query.Active = valueOf(filter.Search), filter.Active
	}
	named := nameOrder(order, &query.Order, &query.Slice)
	w, err := peopleWindow(first, after, named, &query.Slice)
	if err != nil {
		return nil, err
	}
	rows, err := read(ctx, q.resolver, func(ctx context.Context, tx *db.Tx) ([]access.ServiceAccount, error) {
		return access.BrowseServiceAccounts(ctx, tx, query)
	})
	if err != nil {
		return nil, err
	}
	out := &api.ServiceAccountConnection{}
	out.Edges, out.PageInfo = connect(w, rows, func(a access.ServiceAccount) string { return peopleCursor(named, a.Name, a.ID) },
		func(a access.ServiceAccount, c string) *api.ServiceAccountEdge {
			return &api.ServiceAccountEdge{Cursor: c, Node: &a}
		})
	out.TotalCount, err = q.count(ctx, func(ctx context.Context, tx *db.Tx) (int, error) { return access.CountServiceAccounts(ctx, tx, query) })
	return out, err
}

func (q queries) Invitations(ctx context.Context, first *int, after *string, filter *api.InvitationFilter, direction api.Direction) (*api.InvitationConnection, error) {
	query := access.InvitationQuery{Slice: access.Slice{Desc: direction == api.DirectionDesc}}
	if filter != nil {
		query.Search, query.State = valueOf(filter.Search), valueOf(filter.State)
	}
	w, err := peopleWindow(first, after, false, &query.Slice)
	if err != nil {
		return nil, err
	}
	rows, err := read(ctx, q.resolver, func(ctx context.Context, tx *db.Tx) ([]access.Invitation, error) {
		return q.Access.BrowseInvitations(ctx, tx, query)
	})
	if err != nil {
		return nil, err
	}
	out := &api.InvitationConnection{}
	out.Edges, out.PageInfo = connect(w, rows, func(i access.Invitation) string { return cursor(byID, i.ID.String()) },
		func(i access.Invitation, c string) *api.InvitationEdge {
			return &api.InvitationEdge{Cursor: c, Node: &i}
		})
	out.TotalCount, err = q.count(ctx, func(ctx context.Context, tx *db.Tx) (int, error) {
		return q.Access.CountInvitations(ctx, tx, query)
	})
	return out, err
}

func (q queries) JoinRequests(ctx context.Context, first *int, after *string, filter *api.JoinRequestFilter, direction api.Direction) (*api.JoinRequestConnection, error) {
	query := access.JoinRequestQuery{Slice: access.Slice{Desc: direction == api.DirectionDesc}}
	if filter != nil {
		query.Search, query.State = valueOf(filter.Search), valueOf(filter.State)
	}
	w, err := peopleWindow(first, after, false, &query.Slice)
	if err != nil {
		return nil, err
	}
	rows, err := read(ctx, q.resolver, func(ctx context.Context, tx *db.Tx) ([]access.JoinRequest, error) {
		return access.BrowseJoinRequests(ctx, tx, query)
	})
	if err != nil {
		return nil, err
	}
	out := &api.JoinRequestConnection{}
	out.Edges, out.PageInfo = connect(w, rows, func(r access.JoinRequest) string { return cursor(byID, r.ID.String()) },
		func(r access.JoinRequest, c string) *api.JoinRequestEdge {
			return &api.JoinRequestEdge{Cursor: c, Node: &r}
		})
	out.TotalCount, err = q.count(ctx, func(ctx context.Context, tx *db.Tx) (int, error) { return access.CountJoinRequests(ctx, tx, query) })
	return out, err
}
