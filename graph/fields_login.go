package graph

import (
	"cmp"
	"context"

	"github.com/google/uuid"

	"sluice.dev/sluice/ent"
	"sluice.dev/sluice/graph/api"
	"sluice.dev/sluice/tenants/access"
	"sluice.dev/sluice/tenants/login"
)

// LoginAddresses are where an organization's identity provider sends people,
// and what it tells of them.
type LoginAddresses struct {
	Redirect    string // where people come back to with a code
	Backchannel string // where the provider tells of logouts
	AfterLogout string // where people come back to who logged out there too
}

// lookupLogin finds what logging in is made of, nil for what does not exist.
func (r *resolver) lookupLogin(ctx context.Context, id api.ID) (any, error) {
	l := from(ctx)
	switch id.Type {
	case "IdentityProvider":
		p, err := l.provider.Load(ctx, id.UUID)
		return orNone(&p, p.ID, err)
	case "GroupMapping":
		m, err := l.mapping.Load(ctx, id.UUID)
		return orNone(&m, m.ID, err)
	case "Session":
		s, err := l.session.Load(ctx, id.UUID)
		return orNone(&s, s.ID, err)
	case "LinkedAccount":
		a, err := l.account.Load(ctx, id.UUID)
		return orNone(&a, a.ID, err)
	}
	return nil, nil
}

// isOwn reports whether an object is the subject's own session or account, which
// everybody may see.
func isOwn(who access.Subject, obj any) bool {
	var of uuid.UUID
	switch o := obj.(type) {
	case *login.Session:
		of = o.MemberID
	case *login.Identity:
		of = o.MemberID
	}
	return of != uuid.Nil && of == who.MemberID
}

// memberSeen returns a member to those who may see members, and themselves.
func (r *resolver) memberSeen(ctx context.Context, id uuid.UUID) (*access.Member, error) {
	who := access.Of(ctx)
	if id == who.MemberID {
		return memberIf(ctx, id)
	}
	may, err := r.Access.Can(ctx, who, access.MemberRead, uuid.Nil)
	if err != nil || !may {
		return nil, err
	}
	return memberIf(ctx, id)
}

type providerFields struct{ *resolver }

// ID resolves the field; so do the methods below, each its own.
func (f providerFields) ID(_ context.Context, p *login.Provider) (*api.ID, error) {
	id := api.Of("IdentityProvider", p.ID)
	return &id, nil
}

func (f providerFields) Claims(_ context.Context, p *login.Provider) (*api.ClaimNames, error) {
	return &api.ClaimNames{Email: cmp.Or(p.Claims.Email, "email"), Name: cmp.Or(p.Claims.Name, "name"), Groups: cmp.Or(p.Claims.Groups, "groups")}, nil
}

func (f providerFields) JoinRole(_ context.Context, p *login.Provider) (*string, error) {
	if !p.Joins {
		return nil, nil
	}
	return api.Text(p.JoinRole), nil
}

func (f providerFields) RedirectURI(ctx context.Context, p *login.Provider) (string, error) {
	return f.LoginAddresses(ctx, p.Name).Redirect, nil
}

func (f providerFields) BackchannelLogoutURI(ctx context.Context, p *login.Provider) (string, error) {
	return f.LoginAddresses(ctx, p.Name).Backchannel, nil
}

func (f providerFields) PostLogoutRedirectURI(ctx context.Context, p *login.Provider) (string, error) {
	return f.LoginAddresses(ctx, p.Name).AfterLogout, nil
}

func (f providerFields) GroupMappings(ctx context.Context, p *login.Provider, first *int, after *string) (*api.GroupMappingConnection, error) {
	w, err := newWindow(first, after, byID)
	if err != nil {
		return nil, err
	}
	all, err := from(ctx).mappings.Load(ctx, p.ID)
	if err != nil {
		return nil, err
	}
	rows, err := cut(w, all, func(m login.Mapping) uuid.UUID { return m.ID })
	if err != nil {
		return nil, err
	}
	out := &api.GroupMappingConnection{}
	out.Edges, out.PageInfo = connect(w, rows, func(m login.Mapping) string { return cursor(byID, m.ID.String()) },
		func(m login.Mapping, c string) *api.GroupMappingEdge {
			return &api.GroupMappingEdge{Cursor: c, Node: &m}
		})
	return out, nil
}

// cut returns the window's part of a list that is short and was read whole, with
// one row more when there is a next page. A row that has gone meanwhile ends
// the list.
func cut[T any](w window, all []T, id func(T) uuid.UUID) ([]T, error) {
	ids, err := w.ids(1)
	if err != nil {
		return nil, err
	}
	if len(ids) > 0 {
		i := 0
		for i < len(all) && id(all[i]) != ids[0] {
			i++
		}
		all = all[min(i+1, len(all)):]
	}
	return all[:min(w.limit(), len(all))], nil
}

type reportFields struct{ *resolver }

// Works resolves the field; so do the methods below, each its own.
func (f reportFields) Works(_ context.Context, r *login.Report) (bool, error) {
	return len(r.Problems) == 0, nil
}

func (f reportFields) Problems(_ context.Context, r *login.Report) ([]string, error) {
	return append([]string{}, r.Problems...), nil
}

func (f reportFields) Warnings(_ context.Context, r *login.Report) ([]string, error) {
	return append([]string{}, r.Warnings...), nil
}

func (f reportFields) AuthorizationEndpoint(_ context.Context, r *login.Report) (*string, error) {
	return api.Text(r.Auth), nil
}

func (f reportFields) TokenEndpoint(_ context.Context, r *login.Report) (*string, error) {
	return api.Text(r.Token), nil
}

func (f reportFields) JwksURI(_ context.Context, r *login.Report) (*string, error) {
	return api.Text(r.KeysURL), nil
}

func (f reportFields) EndSessionEndpoint(_ context.Context, r *login.Report) (*string, error) {
	return api.Text(r.EndSession), nil
}

type mappingFields struct{ *resolver }

// ID resolves the field; so do the methods below, each its own.
func (f mappingFields) ID(_ context.Context, m *login.Mapping) (*api.ID, error) {
	id := api.Of("GroupMapping", m.ID)
	return &id, nil
}

func (f mappingFields) Gives(_ context.Context, m *login.Mapping) (api.GroupMappingKind, error) {
	switch {
	case m.Team != uuid.Nil:
		return api.GroupMappingKindTeam, nil
	case m.Place.Registry != uuid.Nil:
		return api.GroupMappingKindRegistryRole, nil
	}
	return api.GroupMappingKindOrganizationRole, nil
}

func (f mappingFields) Role(_ context.Context, m *login.Mapping) (*string, error) {
	return api.Text(m.Place.Role), nil
}

func (f mappingFields) Registry(ctx context.Context, m *login.Mapping) (*ent.Registry, error) {
	return f.visibleRegistry(ctx, m.Place.Registry)
}

func (f mappingFields) Team(ctx context.Context, m *login.Mapping) (*string, error) {
	if m.Team == uuid.Nil {
		return nil, nil
	}
	name, err := from(ctx).teamName.Load(ctx, m.Team)
	return api.Text(name), err
}

type sessionFields struct{ *resolver }

// ID resolves the field; so do the methods below, each its own.
func (f sessionFields) ID(_ context.Context, s *login.Session) (*api.ID, error) {
	id := api.Of("Session", s.ID)
	return &id, nil
}

func (f sessionFields) Member(ctx context.Context, s *login.Session) (*access.Member, error) {
	return f.memberSeen(ctx, s.MemberID)
}

func (f sessionFields) Kind(_ context.Context, s *login.Session) (api.SessionKind, error) {
	return api.SessionKind(s.Kind), nil
}

func (f sessionFields) IdentityProvider(ctx context.Context, s *login.Session) (*login.Provider, error) {
	if s.Provider == uuid.Nil {
		return nil, nil
	}
	may, err := f.Access.Can(ctx, access.Of(ctx), access.OrganizationRead, uuid.Nil)
	if err != nil || !may {
		return nil, err
	}
	p, err := from(ctx).provider.Load(ctx, s.Provider)
	if err != nil || p.ID == uuid.Nil {
		return nil, err
	}
	return &p, nil
}

func (f sessionFields) Issuer(_ context.Context, s *login.Session) (*string, error) {
	return api.Text(s.Issuer), nil
}

func (f sessionFields) EndReason(_ context.Context, s *login.Session) (*string, error) {
	return api.Text(s.EndReason), nil
}

type accountFields struct{ *resolver }

// ID resolves the field; so does the method below.
func (f accountFields) ID(_ context.Context, a *login.Identity) (*api.ID, error) {
	id := api.Of("LinkedAccount", a.ID)
	return &id, nil
}

func (f accountFields) Member(ctx context.Context, a *login.Identity) (*access.Member, error) {
	return f.memberSeen(ctx, a.MemberID)
}

type breakGlassFields struct{ *resolver }

// Member resolves the field.
func (f breakGlassFields) Member(ctx context.Context, l *login.BreakGlassLink) (*access.Member, error) {
	return f.memberSeen(ctx, l.MemberID)
}
