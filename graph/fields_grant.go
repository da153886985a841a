package graph

import (
	"context"
	"time"

	"github.com/google/uuid"

	"sluice.dev/sluice/ent"
	"sluice.dev/sluice/graph/api"
	"sluice.dev/sluice/tenants/access"
)

type grantFields struct{ *resolver }

// ID resolves the field; so do the methods below, each its own.
func (f grantFields) ID(_ context.Context, g *access.RoleGrant) (*api.ID, error) {
	id := api.Of("Grant", g.ID)
	return &id, nil
}

func (f grantFields) PrincipalKind(_ context.Context, g *access.RoleGrant) (access.Kind, error) {
	return g.Who.Kind, nil
}

func (f grantFields) PrincipalName(ctx context.Context, g *access.RoleGrant) (*string, error) {
	who, err := f.principal(ctx, g.Who)
	if err != nil || who == nil {
		return nil, err
	}
	switch who := who.(type) {
	case *access.Member:
		return &who.Email, nil
	case *access.Team:
		return &who.Name, nil
	case *access.ServiceAccount:
		return &who.Name, nil
	case *access.Token:
		return &who.Name, nil
	}
	return nil, nil
}

// Principal shows tokens only to those who may see tokens.
func (f grantFields) Principal(ctx context.Context, g *access.RoleGrant) (api.Principal, error) {
	if g.Who.Kind == access.KindToken {
		if may, err := f.may(ctx, access.TokenManage); err != nil || !may {
			return nil, err
		}
	}
	return f.principal(ctx, g.Who)
}

// principal returns whom a grant is to, nil to those who may not see members
// and are not the one.
func (f grantFields) principal(ctx context.Context, who access.Principal) (any, error) {
	self := uuid.Nil
	if who.Kind == access.KindMember {
		self = who.ID
	}
	may, err := f.mayOr(ctx, access.MemberRead, self)
	if err != nil || !may {
		return nil, err
	}
	switch who.Kind {
	case access.KindMember:
		return there(memberIf(ctx, who.ID))
	case access.KindToken:
		t, err := from(ctx).token.Load(ctx, who.ID)
		return orNone(&t, t.ID, err)
	case access.KindService:
		return lookupPeople(ctx, api.Of("ServiceAccount", who.ID))
	}
	return lookupPeople(ctx, api.Of("Team", who.ID))
}

func (f grantFields) Actions(ctx context.Context, g *access.RoleGrant) ([]string, error) {
	role, err := from(ctx).people.role.Load(ctx, g.Role)
	return actionNames(role.Actions), err
}

func (f grantFields) Registry(ctx context.Context, g *access.RoleGrant) (*ent.Registry, error) {
	return f.visibleRegistry(ctx, g.Registry)
}

func (f grantFields) Everywhere(_ context.Context, g *access.RoleGrant) (bool, error) {
	return g.Registry == uuid.Nil, nil
}

func (f grantFields) Origin(ctx context.Context, g *access.RoleGrant) (api.GrantOrigin, error) {
	switch g.Who.Kind {
	case access.KindTeam:
		return api.GrantOriginTeam, nil
	case access.KindMember:
		mapped, err := from(ctx).people.mapped.Load(ctx, access.MemberPlace{Member: g.Who.ID, Place: access.Place{Role: g.Role, Registry: g.Registry}})
		if err != nil || mapped {
			return api.GrantOriginMapped, err
		}
	}
	return api.GrantOriginDirect, nil
}

// grantsBelow is a page of the grants of a parent.
func grantsBelow(ctx context.Context, parent uuid.UUID, below access.GrantsBelow, first *int, after *string) (*api.GrantConnection, error) {
	l := from(ctx).people
	return grantPage(ctx, first, after, false, func(a sliceArgs) ([]access.RoleGrant, error) {
		return l.grants.Load(ctx, of[grantArgs]{parent, grantArgs{a, below}})
	}, func() (int, error) { return l.grantCount.Load(ctx, of[access.GrantsBelow]{parent, below}) })
}

func grantPage(ctx context.Context, first *int, after *string, desc bool, rows func(sliceArgs) ([]access.RoleGrant, error), count func() (int, error)) (*api.GrantConnection, error) {
	w, err := newWindow(first, after, byID)
	if err != nil {
		return nil, err
	}
	args, err := w.slice(desc)
	if err != nil {
		return nil, err
	}
	found, err := rows(args)
	if err != nil {
		return nil, err
	}
	out := &api.GrantConnection{}
	out.Edges, out.PageInfo = connect(w, found, func(g access.RoleGrant) string { return cursor(byID, g.ID.String()) },
		func(g access.RoleGrant, c string) *api.GrantEdge { return &api.GrantEdge{Cursor: c, Node: &g} })
	out.TotalCount, err = countIf(ctx, count)
	return out, err
}

// Grants lists those on the registry to who may see members, or may give roles
// there; those on the organization only to the former.
func (f registryFields) Grants(ctx context.Context, r *ent.Registry, first *int, after *string, everywhere bool) (*api.GrantConnection, error) {
	all, err := f.may(ctx, access.MemberRead)
	if err != nil {
		return nil, err
	}
	if !all {
		if may, err := f.Access.Can(ctx, access.Of(ctx), access.GrantManage, r.ID); err != nil || !may {
			return nil, err
		}
	}
	below := access.GrantsOnRegistries
	if everywhere && all {
		below = access.GrantsHolding
	}
	return grantsBelow(ctx, r.ID, below, first, after)
}

func (f roleFields) CreatedAt(_ context.Context, r *access.Role) (*time.Time, error) {
	if r.BuiltIn {
		return nil, nil
	}
	return &r.CreatedAt, nil
}

func (f roleFields) Grants(ctx context.Context, r *access.Role, first *int, after *string) (*api.GrantConnection, error) {
	l := from(ctx).people
	return grantPage(ctx, first, after, false, func(a sliceArgs) ([]access.RoleGrant, error) { return l.roleGrants.Load(ctx, roleArgs{a, r.Name}) },
		func() (int, error) { return l.roleGrantCount.Load(ctx, r.Name) })
}

type actionFields struct{ *resolver }

func (f actionFields) Name(_ context.Context, a *access.Defined) (string, error) {
	return string(a.Action), nil
}
