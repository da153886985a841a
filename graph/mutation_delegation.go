package graph

import (
	"context"

	"sluice.dev/sluice/ent/db"
	"sluice.dev/sluice/graph/api"
	"sluice.dev/sluice/tenants/access"
)

// CreateTeam resolves the field; so do the methods below, each its own.
func (m mutations) CreateTeam(ctx context.Context, in api.CreateTeamInput) (*api.TeamPayload, error) {
	team, wrong, err := made(m.Access.CreateTeam(ctx, access.TeamInput{Name: in.Name, Description: in.Description}))
	return &api.TeamPayload{Team: team, UserErrors: wrong}, err
}

func (m mutations) UpdateTeam(ctx context.Context, in api.UpdateTeamInput) (*api.TeamPayload, error) {
	team, wrong, err := made(m.Access.EditTeam(ctx, in.Team.UUID, func(now *access.TeamInput) {
		replace(&now.Name, in.Name)
		replace(&now.Description, in.Description)
	}))
	return &api.TeamPayload{Team: team, UserErrors: wrong}, err
}

// replace leaves what was not given as it is.
func replace[T any](now *T, by *T) {
	if by != nil {
		*now = *by
	}
}

func (m mutations) DeleteTeam(ctx context.Context, in api.DeleteTeamInput) (*api.DeleteTeamPayload, error) {
	gone, wrong, err := made(in.Team, m.Access.DeleteTeam(ctx, in.Team.UUID))
	return &api.DeleteTeamPayload{Team: gone, UserErrors: wrong}, err
}

func (m mutations) AddTeamMember(ctx context.Context, in api.AddTeamMemberInput) (*api.TeamPayload, error) {
	team, wrong, err := present[access.Team](ctx, m.resolver, in.Team, m.Access.AddToTeam(ctx, in.Team.UUID, in.Member.UUID))
	return &api.TeamPayload{Team: team, UserErrors: wrong}, err
}

func (m mutations) RemoveTeamMember(ctx context.Context, in api.RemoveTeamMemberInput) (*api.TeamPayload, error) {
	team, wrong, err := present[access.Team](ctx, m.resolver, in.Team, m.Access.RemoveFromTeam(ctx, in.Team.UUID, in.Member.UUID))
	return &api.TeamPayload{Team: team, UserErrors: wrong}, err
}

func (m mutations) CreateServiceAccount(ctx context.Context, in api.CreateServiceAccountInput) (*api.ServiceAccountPayload, error) {
	roles, err := places(in.Roles)
	if err != nil {
		return nil, err
	}
	account, wrong, err := made(m.Access.CreateServiceAccount(ctx, access.ServiceAccountInput{Name: in.Name, Description: in.Description, Roles: roles}))
	return &api.ServiceAccountPayload{ServiceAccount: account, UserErrors: wrong}, err
}

func (m mutations) UpdateServiceAccount(ctx context.Context, in api.UpdateServiceAccountInput) (*api.ServiceAccountPayload, error) {
	account, wrong, err := made(m.Access.EditServiceAccount(ctx, in.ServiceAccount.UUID, func(now *access.ServiceAccountInput) {
		replace(&now.Name, in.Name)
		replace(&now.Description, in.Description)
	}))
	return &api.ServiceAccountPayload{ServiceAccount: account, UserErrors: wrong}, err
}

func (m mutations) DeactivateServiceAccount(ctx context.Context, in api.DeactivateServiceAccountInput) (*api.ServiceAccountPayload, error) {
	err := m.Access.DeactivateServiceAccount(ctx, in.ServiceAccount.UUID)
	account, wrong, err := present[access.ServiceAccount](ctx, m.resolver, in.ServiceAccount, err)
	return &api.ServiceAccountPayload{ServiceAccount: account, UserErrors: wrong}, err
}

func (m mutations) ReactivateServiceAccount(ctx context.Context, in api.ReactivateServiceAccountInput) (*api.ServiceAccountPayload, error) {
	err := m.Access.ReactivateServiceAccount(ctx, in.ServiceAccount.UUID)
	account, wrong, err := present[access.ServiceAccount](ctx, m.resolver, in.ServiceAccount, err)
	return &api.ServiceAccountPayload{ServiceAccount: account, UserErrors: wrong}, err
}

func (m mutations) CreateRole(ctx context.Context, in api.CreateRoleInput) (*api.RolePayload, error) {
	err := m.Access.CreateRole(ctx, access.RoleInput{Name: in.Name, Description: in.Description, Actions: actionsOf(in.Actions)})
	return m.role(ctx, in.Name, err)
}

func (m mutations) UpdateRole(ctx context.Context, in api.UpdateRoleInput) (*api.RolePayload, error) {
	return m.role(ctx, in.Name, m.Access.EditRole(ctx, in.Name, func(now *access.RoleInput) {
		replace(&now.Description, in.Description)
		if in.Actions != nil {
			now.Actions = actionsOf(in.Actions)
		}
	}))
}

func actionsOf(names []string) []access.Action {
	out := make([]access.Action, len(names))
	for i, n := range names {
		out[i] = access.Action(n)
	}
	return out
}

// role is a role as it is after a change of it, or why there was none.
func (m mutations) role(ctx context.Context, name string, err error) (*api.RolePayload, error) {
	wrong, err := userErrors(err)
	if err != nil || len(wrong) > 0 {
		return &api.RolePayload{UserErrors: wrong}, err
	}
	role, err := queries(m).Role(ctx, name)
	return &api.RolePayload{Role: role, UserErrors: wrong}, err
}

func (m mutations) DeleteRole(ctx context.Context, in api.DeleteRoleInput) (*api.DeleteRolePayload, error) {
	gone, wrong, err := made(in.Name, m.Access.DeleteRole(ctx, in.Name))
	return &api.DeleteRolePayload{Name: gone, UserErrors: wrong}, err
}

func (m mutations) GrantRole(ctx context.Context, in api.GrantRoleInput) (*api.GrantRolePayload, error) {
	who, place := principalOf(in.Principal), access.Place{Role: in.Role, Registry: uuidOf(in.Registry)}
	wrong, err := userErrors(m.Access.Grant(ctx, who, place.Role, place.Registry))
	if err != nil || len(wrong) > 0 {
		return &api.GrantRolePayload{UserErrors: wrong}, err
	}
	g, err := read(ctx, m.resolver, func(ctx context.Context, tx *db.Tx) (access.RoleGrant, error) {
		return access.FindGrant(ctx, tx, who, place)
	})
	return &api.GrantRolePayload{Grant: &g, UserErrors: wrong}, err
}

func (m mutations) RevokeRole(ctx context.Context, in api.RevokeRoleInput) (*api.RevokeRolePayload, error) {
	obj, err := m.find(ctx, in.Grant, "Grant")
	if err != nil {
		return nil, err
	}
	g := obj.(*access.RoleGrant)
	gone, wrong, err := made(in.Grant, m.Access.Revoke(ctx, g.Who, g.Role, g.Registry))
	return &api.RevokeRolePayload{Grant: gone, UserErrors: wrong}, err
}
