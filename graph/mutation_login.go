package graph

import (
	"context"

	"github.com/google/uuid"

	"sluice.dev/sluice/ent/db"
	"sluice.dev/sluice/graph/api"
	"sluice.dev/sluice/tenants/access"
	"sluice.dev/sluice/tenants/errs"
	"sluice.dev/sluice/tenants/login"
)

// CreateIdentityProvider resolves the field; so do the methods below, each its
// own.
func (m mutations) CreateIdentityProvider(ctx context.Context, in api.CreateIdentityProviderInput) (*api.CreateIdentityProviderPayload, error) {
	p := login.ProviderInput{Name: in.Name, Title: valueOf(in.Title), Issuer: in.Issuer, ClientID: in.ClientID, ClientSecret: (*login.Secret)(in.ClientSecret),
		Scopes: in.Scopes, Domains: in.Domains, Claims: claimNames(in.Claims), Joins: in.Joins, JoinRole: valueOf(in.JoinRole), Exclusive: in.Exclusive, Enabled: in.Enabled}
	made, err := m.Logins.CreateProvider(ctx, p)
	wrong, err := userErrors(err)
	if err != nil || len(wrong) > 0 {
		return &api.CreateIdentityProviderPayload{UserErrors: wrong}, err
	}
	return &api.CreateIdentityProviderPayload{IdentityProvider: &made, UserErrors: wrong}, nil
}

func claimNames(in *api.ClaimNamesInput) login.ClaimNames {
	if in == nil {
		return login.ClaimNames{}
	}
	return login.ClaimNames{Email: valueOf(in.Email), Name: valueOf(in.Name), Groups: valueOf(in.Groups)}
}

func (m mutations) UpdateIdentityProvider(ctx context.Context, in api.UpdateIdentityProviderInput) (*api.UpdateIdentityProviderPayload, error) {
	now, err := m.Logins.ChangeProvider(ctx, in.IdentityProvider.UUID, func(p *login.ProviderInput) {
		set(&p.Title, in.Title)
		set(&p.Issuer, in.Issuer)
		set(&p.ClientID, in.ClientID)
		set(&p.Joins, in.Joins)
		set(&p.JoinRole, in.JoinRole)
		set(&p.Exclusive, in.Exclusive)
		set(&p.Enabled, in.Enabled)
		p.ClientSecret = (*login.Secret)(in.ClientSecret)
		if in.Scopes != nil {
			p.Scopes = in.Scopes
		}
		if in.Domains != nil {
			p.Domains = in.Domains
		}
		if in.Claims != nil {
			p.Claims = claimNames(in.Claims)
		}
	})
	wrong, err := userErrors(err)
	if err != nil || len(wrong) > 0 {
		return &api.UpdateIdentityProviderPayload{UserErrors: wrong}, err
	}
	return &api.UpdateIdentityProviderPayload{IdentityProvider: &now, UserErrors: wrong}, nil
}

func (m mutations) DeleteIdentityProvider(ctx context.Context, in api.DeleteIdentityProviderInput) (*api.DeleteIdentityProviderPayload, error) {
	wrong, err := userErrors(m.Logins.DeleteProvider(ctx, in.IdentityProvider.UUID))
	if err != nil || len(wrong) > 0 {
		return &api.DeleteIdentityProviderPayload{UserErrors: wrong}, err
	}
	return &api.DeleteIdentityProviderPayload{IdentityProvider: &in.IdentityProvider, UserErrors: wrong}, nil
}

func (m mutations) TestIdentityProvider(ctx context.Context, in api.TestIdentityProviderInput) (*api.TestIdentityProviderPayload, error) {
	p, err := m.Logins.ProviderToTest(ctx, in.IdentityProvider.UUID)
	wrong, err := userErrors(err)
	if err != nil || len(wrong) > 0 {
		return &api.TestIdentityProviderPayload{UserErrors: wrong}, err
	}
	report := m.TestProvider(ctx, p)
	return &api.TestIdentityProviderPayload{Report: &report, UserErrors: wrong}, nil
}

func (m mutations) AddGroupMapping(ctx context.Context, in api.AddGroupMappingInput) (*api.AddGroupMappingPayload, error) {
	added := login.Mapping{Provider: in.IdentityProvider.UUID, Group: in.Group, Place: access.Place{Role: valueOf(in.Role), Registry: uuidOf(in.Registry)}}
	if in.Registry != nil && in.Registry.Type != "Registry" {
		return nil, notFound("Registry")
	}
	made, err := m.addMapping(ctx, added, in.Team)
	wrong, err := userErrors(err)
	if err != nil || len(wrong) > 0 {
		return &api.AddGroupMappingPayload{UserErrors: wrong}, err
	}
	return &api.AddGroupMappingPayload{GroupMapping: &made, UserErrors: wrong}, nil
}

func (m mutations) addMapping(ctx context.Context, added login.Mapping, team *string) (login.Mapping, error) {
	if team != nil {
		// Whether there is such a team is for those to know who may map to it.
		id, err := read(ctx, m.resolver, func(ctx context.Context, tx *db.Tx) (uuid.UUID, error) {
			if err := m.Access.RequireIn(ctx, tx, access.MemberRead, uuid.Nil); err != nil {
				return uuid.Nil, err
			}
			return access.TeamNamed(ctx, tx, *team)
		})
		if err == nil && id == uuid.Nil {
			err = errs.New(errs.Invalid, "graph", "there is no team %q", *team).On("team")
		}
		if err != nil {
			return login.Mapping{}, err
		}
		added.Team = id
	}
	return m.Logins.AddMapping(ctx, added)
}

func (m mutations) RemoveGroupMapping(ctx context.Context, in api.RemoveGroupMappingInput) (*api.RemoveGroupMappingPayload, error) {
	wrong, err := userErrors(m.Logins.RemoveMapping(ctx, in.GroupMapping.UUID))
	if err != nil || len(wrong) > 0 {
		return &api.RemoveGroupMappingPayload{UserErrors: wrong}, err
	}
	return &api.RemoveGroupMappingPayload{GroupMapping: &in.GroupMapping, UserErrors: wrong}, nil
}

func (m mutations) UnlinkAccount(ctx context.Context, in api.UnlinkAccountInput) (*api.UnlinkAccountPayload, error) {
	wrong, err := userErrors(m.Logins.Unlink(ctx, in.LinkedAccount.UUID))
	if err != nil || len(wrong) > 0 {
		return &api.UnlinkAccountPayload{UserErrors: wrong}, err
	}
	return &api.UnlinkAccountPayload{LinkedAccount: &in.LinkedAccount, UserErrors: wrong}, nil
}

func (m mutations) EndSession(ctx context.Context, in api.EndSessionInput) (*api.EndSessionPayload, error) {
	id := in.Session
	if id.Type != "Session" {
		id.UUID = uuid.Nil // no session has it: the service answers for what does not exist
	}
	wrong, err := userErrors(m.Logins.End(ctx, id.UUID))
	if err != nil || len(wrong) > 0 {
		return &api.EndSessionPayload{UserErrors: wrong}, err
	}
	return &api.EndSessionPayload{Session: &id, UserErrors: wrong}, nil
}

func (m mutations) EndSessions(ctx context.Context, in api.EndSessionsInput) (*api.EndSessionsPayload, error) {
	of, err := memberID(in.Member)
	if err != nil {
		return nil, err
	}
	if in.Except != nil && in.Except.Type != "Session" {
		return nil, notFound("Session")
	}
	n, err := m.Logins.EndAll(ctx, of, uuidOf(in.Except))
	wrong, err := userErrors(err)
	return &api.EndSessionsPayload{Ended: n, UserErrors: wrong}, err
}
