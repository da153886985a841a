package graph

import (
	"context"

	"github.com/google/uuid"

	"sluice.dev/sluice/ent"
	"sluice.dev/sluice/graph/api"
	"sluice.dev/sluice/tenants/access"
)

type placeFields struct{ *resolver }

// Registry resolves the field; so do the methods below, each its own.
func (f placeFields) Registry(ctx context.Context, p *access.Place) (*ent.Registry, error) {
	return f.visibleRegistry(ctx, p.Registry)
}

func (f placeFields) Everywhere(_ context.Context, p *access.Place) (bool, error) {
	return p.Registry == uuid.Nil, nil
}

type invitationFields struct{ *resolver }

func (f invitationFields) ID(_ context.Context, i *access.Invitation) (*api.ID, error) {
	id := api.Of("Invitation", i.ID)
	return &id, nil
}

func (f invitationFields) State(_ context.Context, i *access.Invitation) (access.InvitationState, error) {
	return f.Access.InvitationState(*i), nil
}

func (f invitationFields) Roles(_ context.Context, i *access.Invitation) ([]*access.Place, error) {
	return pointers(i.Roles), nil
}

func (f invitationFields) Teams(ctx context.Context, i *access.Invitation) ([]*access.Team, error) {
	teams, err := from(ctx).people.team.LoadAll(ctx, i.Teams)
	if err != nil {
		return nil, err
	}
	out := make([]*access.Team, 0, len(teams))
	for _, t := range teams {
		if t.ID != uuid.Nil {
			out = append(out, &t)
		}
	}
	return out, nil
}

func (f invitationFields) Member(ctx context.Context, i *access.Invitation) (*access.Member, error) {
	return f.memberFor(ctx, i.MemberID)
}

// memberFor returns a member to those who may see members, and oneself.
func (r *resolver) memberFor(ctx context.Context, id uuid.UUID) (*access.Member, error) {
	if may, err := r.mayOr(ctx, access.MemberRead, id); err != nil || !may {
		return nil, err
	}
	return memberIf(ctx, id)
}

type joinRequestFields struct{ *resolver }

func (f joinRequestFields) ID(_ context.Context, r *access.JoinRequest) (*api.ID, error) {
	id := api.Of("JoinRequest", r.ID)
	return &id, nil
}

func (f joinRequestFields) Email(_ context.Context, r *access.JoinRequest) (string, error) {
	return r.Who.Email, nil
}

func (f joinRequestFields) Name(_ context.Context, r *access.JoinRequest) (string, error) {
	return r.Who.Name, nil
}

func (f joinRequestFields) Issuer(_ context.Context, r *access.JoinRequest) (string, error) {
	return r.Who.Issuer, nil
}

func (f joinRequestFields) DecidedBy(_ context.Context, r *access.JoinRequest) (*string, error) {
	return api.Text(r.DecidedBy), nil
}

func (f joinRequestFields) Member(ctx context.Context, r *access.JoinRequest) (*access.Member, error) {
	return f.memberFor(ctx, r.MemberID)
}
