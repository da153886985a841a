package graph

import (
	"context"

	"github.com/google/uuid"

	"sluice.dev/sluice/graph/api"
	"sluice.dev/sluice/tenants/access"
	"sluice.dev/sluice/tenants/login"
)

// IdentityProviders resolves the field; so do the methods below, each its own.
func (q queries) IdentityProviders(ctx context.Context, first *int, after *string) (*api.IdentityProviderConnection, error) {
	w, err := newWindow(first, after, byID)
	if err != nil {
		return nil, err
	}
	all, err := q.Logins.Providers(ctx)
	if err != nil {
		return nil, err
	}
	rows, err := cut(w, all, func(p login.Provider) uuid.UUID { return p.ID })
	if err != nil {
		return nil, err
	}
	out := &api.IdentityProviderConnection{}
	out.Edges, out.PageInfo = connect(w, rows, func(p login.Provider) string { return cursor(byID, p.ID.String()) },
		func(p login.Provider, c string) *api.IdentityProviderEdge {
			return &api.IdentityProviderEdge{Cursor: c, Node: &p}
		})
	return out, nil
}

func (q queries) Sessions(ctx context.Context, first *int, after *string, member *api.ID, everybody, ended bool) (*api.SessionConnection, error) {
	w, err := newWindow(first, after, byID)
	if err != nil {
		return nil, err
	}
	before, err := w.ids(1)
	if err != nil {
		return nil, err
	}
	query := login.SessionQuery{Everybody: everybody && member == nil, Ended: ended, Before: append(before, uuid.Nil)[0], Limit: w.limit()}
	if query.Member, err = memberID(member); err != nil {
		return nil, err
	}
	rows, err := q.Logins.BrowseSessions(ctx, query)
	if err != nil {
		return nil, err
	}
	out := &api.SessionConnection{}
	out.Edges, out.PageInfo = connect(w, rows, func(s login.Session) string { return cursor(byID, s.ID.String()) },
		func(s login.Session, c string) *api.SessionEdge { return &api.SessionEdge{Cursor: c, Node: &s} })
	return out, nil
}

// memberID reads the id of a member, uuid.Nil for none.
func memberID(id *api.ID) (uuid.UUID, error) {
	switch {
	case id == nil:
		return uuid.Nil, nil
	case id.Type != "Member":
		return uuid.Nil, notFound("Member")
	}
	return id.UUID, nil
}

func (q queries) LinkedAccounts(ctx context.Context, first *int, after *string, member *api.ID) (*api.LinkedAccountConnection, error) {
	w, err := newWindow(first, after, byID)
	if err != nil {
		return nil, err
	}
	of, err := memberID(member)
	if err != nil {
		return nil, err
	}
	if me := access.Of(ctx).MemberID; of == uuid.Nil {
		of = me
	} else if of != me {
		if _, err := q.see(ctx, *member, "Member"); err != nil {
			return nil, err
		}
	}
	all, err := q.Logins.Identities(ctx, of)
	if err != nil {
		return nil, err
	}
	rows, err := cut(w, all, func(a login.Identity) uuid.UUID { return a.ID })
	if err != nil {
		return nil, err
	}
	out := &api.LinkedAccountConnection{}
	out.Edges, out.PageInfo = connect(w, rows, func(a login.Identity) string { return cursor(byID, a.ID.String()) },
		func(a login.Identity, c string) *api.LinkedAccountEdge {
			return &api.LinkedAccountEdge{Cursor: c, Node: &a}
		})
	return out, nil
}

func (q queries) BreakGlassLinks(ctx context.Context, first *int, after *string) (*api.BreakGlassLinkConnection, error) {
	w, err := newWindow(first, after, byID)
	if err != nil {
		return nil, err
	}
	before, err := w.ids(1)
	if err != nil {
		return nil, err
	}
	rows, err := q.Logins.BreakGlassLinks(ctx, append(before, uuid.Nil)[0], w.limit())
	if err != nil {
		return nil, err
	}
	out := &api.BreakGlassLinkConnection{}
	out.Edges, out.PageInfo = connect(w, rows, func(l login.BreakGlassLink) string { return cursor(byID, l.ID.String()) },
		func(l login.BreakGlassLink, c string) *api.BreakGlassLinkEdge {
			return &api.BreakGlassLinkEdge{Cursor: c, Node: &l}
		})
	return out, nil
}
