package graph

import (
	"context"
	"maps"
	"slices"

	"github.com/google/uuid"

	"sluice.dev/sluice/ent"
	"sluice.dev/sluice/graph/api"
	"sluice.dev/sluice/tenants/access"
	"sluice.dev/sluice/tenants/errs"
)

// Workloads verifies identity tokens of outside issuers.
type Workloads interface {
	// Check returns what a token says, whether it is valid or not, and what is
	// wrong with it: that it is not valid for the organization, or not of the
	// issuer.
	Check(ctx context.Context, raw, issuer string) (claims map[string]any, wrong error)
}

func (q queries) TrustRules(ctx context.Context, first *int, after *string, filter *api.TrustRuleFilter, direction api.Direction) (*api.TrustRuleConnection, error) {
	w, page, err := accessPage(first, after)
	if err != nil {
		return nil, err
	}
	query, err := q.trustQuery(ctx, filter)
	if err != nil {
		return nil, err
	}
	query.Desc = direction == api.DirectionDesc
	rows, err := q.Access.BrowseTrustRules(ctx, query, page)
	if err != nil {
		return nil, err
	}
	out := &api.TrustRuleConnection{}
	out.Edges, out.PageInfo = connect(w, rows, func(t access.TrustRule) string { return cursor(byID, t.ID.String()) },
		func(t access.TrustRule, c string) *api.TrustRuleEdge { return &api.TrustRuleEdge{Cursor: c, Node: &t} })
	return out, nil
}

func (q queries) trustQuery(ctx context.Context, f *api.TrustRuleFilter) (out access.TrustQuery, err error) {
	if f == nil {
		return out, nil
	}
	out.Issuer, out.Search, out.Provider = valueOf(f.Issuer), valueOf(f.Search), valueOf(f.Provider)
	if f.Registry != nil {
		if _, err := q.find(ctx, *f.Registry, "Registry"); err != nil {
			return out, err
		}
		out.Registry = f.Registry.UUID
		if err := q.require(ctx, access.RegistryUpdate, out.Registry); err != nil {
			return out, hidden(err, "Registry")
		}
	}
	if f.ServiceAccount != nil {
		out.Service, err = q.Access.TrustedAccount(ctx, *f.ServiceAccount)
	}
	return out, err
}

func (q queries) TrustPresets(context.Context) ([]*access.TrustPreset, error) {
	return pointers(access.TrustPresets()), nil
}

func (q queries) TestTrustRule(ctx context.Context, rule api.ID, token *string, claims []*api.TrustClaimInput) (*api.TrustTest, error) {
	found, err := object[access.TrustRule](ctx, q.resolver, rule, "TrustRule")
	if err != nil {
		return nil, err
	}
	out := &api.TrustTest{Matches: true}
	var given map[string]any
	switch {
	case (token == nil) == (claims == nil):
		return nil, errs.New(errs.Invalid, "graph", "give an identity token or claims, one of the two").On("token")
	case token != nil && q.Workloads == nil:
		return nil, errs.New(errs.Unavailable, "graph", "identity tokens cannot be verified here; give claims")
	case token != nil:
		var wrong error
		if given, wrong = q.Workloads.Check(ctx, *token, found.Issuer); wrong != nil {
			text := errs.Public(wrong)
			out.Problem, out.Matches = &text, false
		}
	default:
		given = make(map[string]any, len(claims))
		for _, c := range claims {
			given[c.Name] = c.Value
		}
	}
	for _, c := range found.TestClaims(given) {
		out.Claims, out.Matches = append(out.Claims, &c), out.Matches && c.Matches
	}
	return out, nil
}

func (m mutations) CreateTrustRule(ctx context.Context, in api.CreateTrustRuleInput) (*api.CreateTrustRulePayload, error) {
	rule, err := m.trustInput(ctx, in.Rule)
	var made access.TrustRule
	if err == nil {
		made, err = m.Access.CreateTrustRule(ctx, rule)
	}
	wrong, err := userErrors(err)
	if err != nil || len(wrong) > 0 {
		return &api.CreateTrustRulePayload{UserErrors: wrong}, err
	}
	return &api.CreateTrustRulePayload{TrustRule: &made, UserErrors: wrong}, nil
}

func (m mutations) UpdateTrustRule(ctx context.Context, in api.UpdateTrustRuleInput) (*api.UpdateTrustRulePayload, error) {
	found, err := object[access.TrustRule](m.fresh(ctx), m.resolver, in.TrustRule, "TrustRule")
	if err != nil {
		return nil, err
	}
	rule, err := m.trustInput(ctx, in.Rule)
	var now access.TrustRule
	if err == nil {
		now, err = m.Access.UpdateTrustRule(ctx, found.ID, rule)
	}
	wrong, err := userErrors(err)
	if err != nil || len(wrong) > 0 {
		return &api.UpdateTrustRulePayload{UserErrors: wrong}, err
	}
	return &api.UpdateTrustRulePayload{TrustRule: &now, UserErrors: wrong}, nil
}

func (m mutations) DeleteTrustRule(ctx context.Context, in api.DeleteTrustRuleInput) (*api.DeleteTrustRulePayload, error) {
	id := in.TrustRule
	if id.Type != "TrustRule" {
		id.UUID = uuid.Nil // no rule has it: the service answers for what does not exist
	}
	wrong, err := userErrors(m.Access.DeleteTrustRule(ctx, id.UUID))
	if err != nil || len(wrong) > 0 {
		return &api.DeleteTrustRulePayload{UserErrors: wrong}, err
	}
	return &api.DeleteTrustRulePayload{TrustRule: &id, UserErrors: wrong}, nil
}

func (m mutations) trustInput(ctx context.Context, in *api.TrustRuleInput) (out access.TrustRuleInput, err error) {
	out = access.TrustRuleInput{Name: in.Name, Description: in.Description, Provider: in.Provider, Issuer: valueOf(in.Issuer), Claims: map[string]string{},
		Write: in.Write, Packages: in.Packages, Reuse: in.Reuse}
	for _, c := range in.Claims {
		if _, twice := out.Claims[c.Name]; twice {
			return out, errs.New(errs.Invalid, "graph", "the claim %.100q is given twice", c.Name).On("claims")
		}
		out.Claims[c.Name] = c.Value
	}
	for _, id := range in.Registries {
		if id.Type != "Registry" {
			return out, notFound("Registry")
		}
		out.Registries = append(out.Registries, id.UUID)
	}
	if in.ServiceAccount != nil {
		out.ServiceID, err = m.Access.TrustedAccount(ctx, *in.ServiceAccount)
		// A limit that was given empty must not become none.
		if err == nil && in.Registries != nil && len(in.Registries) == 0 {
			err = errs.New(errs.Invalid, "graph", "the list of registries is empty; leave it out for no limit").On("registries")
		}
	}
	return out, err
}

type trustRuleFields struct{ *resolver }

func (f trustRuleFields) ID(_ context.Context, t *access.TrustRule) (*api.ID, error) {
	id := api.Of("TrustRule", t.ID)
	return &id, nil
}

func (f trustRuleFields) Claims(_ context.Context, t *access.TrustRule) (out []*api.TrustClaim, _ error) {
	for _, name := range slices.Sorted(maps.Keys(t.Claims)) {
		out = append(out, &api.TrustClaim{Name: name, Value: t.Claims[name]})
	}
	return out, nil
}

func (f trustRuleFields) ServiceAccount(_ context.Context, t *access.TrustRule) (*string, error) {
	return api.Text(t.ServiceName), nil
}

func (f trustRuleFields) Registries(ctx context.Context, t *access.TrustRule) ([]*ent.Registry, error) {
	if len(t.Registries) == 0 {
		return nil, nil
	}
	return f.visibleRegistries(ctx, t.Registries)
}

type trustTestClaimFields struct{ *resolver }

func (f trustTestClaimFields) Given(_ context.Context, t *access.ClaimTest) (*string, error) {
	return api.Text(t.Given), nil
}
