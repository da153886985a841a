package graph

import (
	"context"

	"github.com/google/uuid"

	"sluice.dev/sluice/graph/api"
	"sluice.dev/sluice/tenants/access"
	"sluice.dev/sluice/tenants/errs"
)

func (m mutations) CreateToken(ctx context.Context, in api.CreateTokenInput) (*api.CreateTokenPayload, error) {
	who := access.Of(ctx).MemberID
	if who == uuid.Nil { // else the service would make a service token
		return nil, errs.New(errs.Forbidden, "graph", "only a member has personal tokens; use createServiceToken")
	}
	return m.createToken(ctx, access.TokenInput{Name: in.Name, MemberID: who, Write: in.Write, ExpiresAt: valueOf(in.ExpiresAt),
		Packages: in.Packages, Networks: in.Networks}, in.Registries)
}

func (m mutations) CreateServiceToken(ctx context.Context, in api.CreateServiceTokenInput) (*api.CreateTokenPayload, error) {
	if in.ServiceAccount != nil {
		if _, err := m.find(ctx, *in.ServiceAccount, "ServiceAccount"); err != nil {
			return nil, err
		}
	}
	roles, err := places(in.Roles)
	if err != nil {
		return nil, err
	}
	return m.createToken(ctx, access.TokenInput{Name: in.Name, ServiceID: uuidOf(in.ServiceAccount), Roles: roles, Write: in.Write,
		ExpiresAt: valueOf(in.ExpiresAt), Packages: in.Packages, Networks: in.Networks}, in.Registries)
}

func (m mutations) createToken(ctx context.Context, in access.TokenInput, registries []*api.ID) (*api.CreateTokenPayload, error) {
	// An empty limit means none to the service; one that was given empty must
	// not become that.
	for _, limit := range []struct {
		name  string
		empty bool
	}{{"registries", registries != nil && len(registries) == 0}, {"packages", in.Packages != nil && len(in.Packages) == 0},
		{"networks", in.Networks != nil && len(in.Networks) == 0}} {
		if limit.empty {
			wrong, err := userErrors(errs.New(errs.Invalid, "graph", "the list of %s is empty; leave it out for no limit", limit.name).On(limit.name))
			return &api.CreateTokenPayload{UserErrors: wrong}, err
		}
	}
	for _, id := range registries {
		if id.Type != "Registry" {
			return nil, notFound("Registry")
		}
		in.Registries = append(in.Registries, id.UUID)
	}
	secret, made, err := m.Access.CreateToken(ctx, in)
	wrong, err := userErrors(err)
	if err != nil || len(wrong) > 0 {
		return &api.CreateTokenPayload{UserErrors: wrong}, err
	}
	return &api.CreateTokenPayload{Token: &made, Secret: &secret, UserErrors: wrong}, nil
}

func (m mutations) RevokeToken(ctx context.Context, in api.RevokeTokenInput) (*api.RevokeTokenPayload, error) {
	id := in.Token
	if id.Type != "Token" {
		id.UUID = uuid.Nil // no token has it: the service answers for what does not exist
	}
	wrong, err := userErrors(m.Access.RevokeToken(ctx, id.UUID))
	if err != nil || len(wrong) > 0 {
		return &api.RevokeTokenPayload{UserErrors: wrong}, err
	}
	return &api.RevokeTokenPayload{Token: &id, UserErrors: wrong}, nil
}
