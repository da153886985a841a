package graph

import (
	"context"
	"time"

	"github.com/google/uuid"

	"sluice.dev/sluice/graph/api"
	"sluice.dev/sluice/tenants/access"
)

// Status resolves the field; so do the methods below, each its own.
func (f memberFields) Status(_ context.Context, m *access.Member) (api.MemberStatus, error) {
	if m.DeactivatedAt != nil {
		return api.MemberStatusDeactivated, nil
	}
	return api.MemberStatusActive, nil
}

func (f memberFields) LastSeenAt(ctx context.Context, m *access.Member) (*time.Time, error) {
	may, err := f.mayOr(ctx, access.MemberManage, m.ID)
	if err != nil || !may {
		return nil, err
	}
	at, err := from(ctx).people.seen.Load(ctx, m.ID)
	if err != nil || at.IsZero() {
		return nil, err
	}
	return &at, nil
}

func (f memberFields) Teams(ctx context.Context, m *access.Member, first *int, after *string) (*api.TeamMembershipConnection, error) {
	may, err := f.mayOr(ctx, access.MemberRead, m.ID)
	if err != nil || !may {
		return nil, err
	}
	l := from(ctx).people
	return membershipPage(ctx, first, after, func(a sliceArgs) ([]access.Membership, error) { return l.teamsOf.Load(ctx, of[sliceArgs]{m.ID, a}) },
		func() (int, error) { return l.teamsOfCount.Load(ctx, m.ID) })
}

func (f memberFields) Grants(ctx context.Context, m *access.Member, first *int, after *string) (*api.GrantConnection, error) {
	may, err := f.mayOr(ctx, access.MemberRead, m.ID)
	if err != nil || !may {
		return nil, err
	}
	return grantsBelow(ctx, m.ID, access.GrantsOfMembers, first, after)
}

func (f memberFields) Tokens(ctx context.Context, m *access.Member, first *int, after *string, state *access.TokenState, direction api.Direction) (*api.TokenConnection, error) {
	may, err := f.mayOr(ctx, access.TokenManage, m.ID)
	if err != nil || !may {
		return nil, err
	}
	return tokensBelow(ctx, m.ID, tokenArgs{state: valueOf(state)}, first, after, direction)
}

// membershipPage is a page of who is in which team.
func membershipPage(ctx context.Context, first *int, after *string, rows func(sliceArgs) ([]access.Membership, error), count func() (int, error)) (*api.TeamMembershipConnection, error) {
	w, err := newWindow(first, after, byID)
	if err != nil {
		return nil, err
	}
	args, err := w.slice(false)
	if err != nil {
		return nil, err
	}
	found, err := rows(args)
	if err != nil {
		return nil, err
	}
	out := &api.TeamMembershipConnection{}
	out.Edges, out.PageInfo = connect(w, found, func(m access.Membership) string { return cursor(byID, m.ID.String()) },
		func(m access.Membership, c string) *api.TeamMembershipEdge {
			return &api.TeamMembershipEdge{Cursor: c, Node: &m}
		})
	out.TotalCount, err = countIf(ctx, count)
	return out, err
}

// tokensBelow is a page of the tokens of a member or of a service account.
func tokensBelow(ctx context.Context, owner uuid.UUID, args tokenArgs, first *int, after *string, direction api.Direction) (*api.TokenConnection, error) {
	w, err := newWindow(first, after, byID)
	if err != nil {
		return nil, err
	}
	if args.sliceArgs, err = w.slice(direction == api.DirectionDesc); err != nil {
		return nil, err
	}
	l := from(ctx).people
	rows, err := l.tokens.Load(ctx, of[tokenArgs]{owner, args})
	if err != nil {
		return nil, err
	}
	return tokenPage(ctx, w, rows, func(t access.Token) string { return cursor(byID, t.ID.String()) }, func() (int, error) {
		args.sliceArgs = sliceArgs{} // all pages have the same count
		return l.tokenCount.Load(ctx, of[tokenArgs]{owner, args})
	})
}

func tokenPage(ctx context.Context, w window, rows []access.Token, key func(access.Token) string, count func() (int, error)) (out *api.TokenConnection, err error) {
	out = &api.TokenConnection{}
	out.Edges, out.PageInfo = connect(w, rows, key, func(t access.Token, c string) *api.TokenEdge { return &api.TokenEdge{Cursor: c, Node: &t} })
	out.TotalCount, err = countIf(ctx, count)
	return out, err
}

type teamFields struct{ *resolver }

func (f teamFields) ID(_ context.Context, t *access.Team) (*api.ID, error) {
	id := api.Of("Team", t.ID)
	return &id, nil
}

func (f teamFields) Members(ctx context.Context, t *access.Team, first *int, after *string) (*api.TeamMembershipConnection, error) {
	l := from(ctx).people
	return membershipPage(ctx, first, after, func(a sliceArgs) ([]access.Membership, error) { return l.inTeam.Load(ctx, of[sliceArgs]{t.ID, a}) },
		func() (int, error) { return l.inTeamCount.Load(ctx, t.ID) })
}

func (f teamFields) Grants(ctx context.Context, t *access.Team, first *int, after *string) (*api.GrantConnection, error) {
	return grantsBelow(ctx, t.ID, access.GrantsOfTeams, first, after)
}

type teamMembershipFields struct{ *resolver }

func (f teamMembershipFields) Team(ctx context.Context, m *access.Membership) (*access.Team, error) {
	t, err := from(ctx).people.team.Load(ctx, m.Team)
	if err == nil && t.ID == uuid.Nil {
		err = notFound("Team") // it was deleted meanwhile
	}
	return &t, err
}

func (f teamMembershipFields) Member(ctx context.Context, m *access.Membership) (*access.Member, error) {
	return memberIf(ctx, m.Member)
}

type serviceAccountFields struct{ *resolver }

func (f serviceAccountFields) ID(_ context.Context, a *access.ServiceAccount) (*api.ID, error) {
	id := api.Of("ServiceAccount", a.ID)
	return &id, nil
}

func (f serviceAccountFields) Grants(ctx context.Context, a *access.ServiceAccount, first *int, after *string) (*api.GrantConnection, error) {
	return grantsBelow(ctx, a.ID, access.GrantsOfServices, first, after)
}

func (f serviceAccountFields) Tokens(ctx context.Context, a *access.ServiceAccount, first *int, after *string, state *access.TokenState, direction api.Direction) (*api.TokenConnection, error) {
	return tokensBelow(ctx, a.ID, tokenArgs{ofAccount: true, state: valueOf(state)}, first, after, direction)
}
