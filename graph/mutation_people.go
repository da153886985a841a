package graph

import (
	"context"
	"time"

	"github.com/google/uuid"

	"sluice.dev/sluice/graph/api"
	"sluice.dev/sluice/tenants/access"
	"sluice.dev/sluice/tenants/coord"
	"sluice.dev/sluice/tenants/errs"
	"sluice.dev/sluice/tenants/org"
)

// present returns an object as it is after a change of it, or why there was
// none.
func present[T any](ctx context.Context, r *resolver, id api.ID, err error) (*T, []*api.UserError, error) {
	wrong, err := userErrors(err)
	if err != nil || len(wrong) > 0 {
		return nil, wrong, err
	}
	obj, err := r.find(ctx, id, id.Type)
	if err != nil {
		return nil, wrong, err
	}
	return obj.(*T), wrong, nil
}

// made returns something new, or why there is nothing.
func made[T any](v T, err error) (*T, []*api.UserError, error) {
	wrong, err := userErrors(err)
	if err != nil || len(wrong) > 0 {
		return nil, wrong, err
	}
	return &v, wrong, nil
}

// places are roles as the services take them; nil when none are given.
func places(in []*api.RoleInput) ([]access.Place, error) {
	if in == nil {
		return nil, nil
	}
	out := make([]access.Place, len(in))
	for i, role := range in {
		if role.Registry != nil && role.Registry.Type != "Registry" {
			return nil, notFound("Registry")
		}
		out[i] = access.Place{Role: role.Role, Registry: uuidOf(role.Registry)}
	}
	return out, nil
}

// admission is what somebody new comes with.
func admission(roles []*api.RoleInput, teams []*api.ID) (out access.Admission, err error) {
	if out.Roles, err = places(roles); err != nil {
		return out, err
	}
	for _, id := range teams {
		if id.Type != "Team" {
			return out, notFound("Team")
		}
		out.Teams = append(out.Teams, id.UUID)
	}
	return out, nil
}

// UpdateOrganization resolves the field; so do the methods below, each its own.
func (m mutations) UpdateOrganization(ctx context.Context, in api.UpdateOrganizationInput) (*api.UpdateOrganizationPayload, error) {
	change := org.Settings{Name: in.Name, JoinRequests: in.JoinRequests}
	if in.ReservedPatterns != nil {
		patterns := make([]coord.ReservedPattern, len(in.ReservedPatterns))
		for i, p := range in.ReservedPatterns {
			patterns[i] = coord.ReservedPattern{Ecosystem: p.Ecosystem, Pattern: p.Pattern}
		}
		change.ReservedPatterns = &patterns
	}
	now, wrong, err := made(m.Orgs.Update(ctx, change))
	return &api.UpdateOrganizationPayload{Organization: now, UserErrors: wrong}, err
}

func (m mutations) DeleteOrganization(ctx context.Context, in api.DeleteOrganizationInput) (*api.DeleteOrganizationPayload, error) {
	wrong, err := userErrors(m.Access.DeleteOrganization(ctx, m.Orgs, in.Slug))
	if err != nil || len(wrong) > 0 {
		return &api.DeleteOrganizationPayload{UserErrors: wrong}, err
	}
	o, err := m.Orgs.Get(ctx)
	if err != nil {
		return nil, err
	}
	var until *time.Time
	if o.DeletedAt != nil { // else somebody has brought it back already
		at := o.DeletedAt.Add(org.EraseAfter)
		until = &at
	}
	return &api.DeleteOrganizationPayload{RestorableUntil: until, UserErrors: wrong}, nil
}

func (m mutations) TransferOwnership(ctx context.Context, in api.TransferOwnershipInput) (*api.TransferOwnershipPayload, error) {
	heir, wrong, err := present[access.Member](ctx, m.resolver, in.Member, m.Access.TransferOwnership(ctx, in.Member.UUID))
	return &api.TransferOwnershipPayload{Member: heir, UserErrors: wrong}, err
}

func (m mutations) LeaveOrganization(ctx context.Context, in api.LeaveOrganizationInput) (*api.LeaveOrganizationPayload, error) {
	me := access.Of(ctx).MemberID
	wrong, err := userErrors(m.leave(ctx, me, in.Slug))
	if err != nil || len(wrong) > 0 {
		return &api.LeaveOrganizationPayload{UserErrors: wrong}, err
	}
	id := api.Of("Member", me)
	return &api.LeaveOrganizationPayload{Member: &id, UserErrors: wrong}, nil
}

func (m mutations) leave(ctx context.Context, me uuid.UUID, slug string) error {
	if me != uuid.Nil { // others are told that only members leave
		o, err := m.Orgs.Get(ctx)
		if err != nil {
			return err
		}
		if o.Slug != slug {
			return errs.New(errs.Invalid, "graph", "%q is not this organization's slug; repeat it to leave the organization", slug).On("slug")
		}
	}
	return m.Access.Leave(ctx)
}

func (m mutations) CreateMember(ctx context.Context, in api.CreateMemberInput) (*api.MemberPayload, error) {
	roles, err := places(in.Roles)
	if err != nil {
		return nil, err
	}
	who, wrong, err := made(m.Access.CreateMember(ctx, access.MemberInput{Email: in.Email, Name: in.Name, Roles: roles}))
	return &api.MemberPayload{Member: who, UserErrors: wrong}, err
}

func (m mutations) DeactivateMember(ctx context.Context, in api.DeactivateMemberInput) (*api.MemberPayload, error) {
	who, wrong, err := present[access.Member](ctx, m.resolver, in.Member, m.Access.DeactivateMember(ctx, in.Member.UUID))
	return &api.MemberPayload{Member: who, UserErrors: wrong}, err
}

func (m mutations) ReactivateMember(ctx context.Context, in api.ReactivateMemberInput) (*api.MemberPayload, error) {
	who, wrong, err := present[access.Member](ctx, m.resolver, in.Member, m.Access.ReactivateMember(ctx, in.Member.UUID))
	return &api.MemberPayload{Member: who, UserErrors: wrong}, err
}

func (m mutations) InviteMember(ctx context.Context, in api.InviteMemberInput) (*api.InvitationPayload, error) {
	with, err := admission(in.Roles, in.Teams)
	if err != nil {
		return nil, err
	}
	return invited(m.Access.Invite(ctx, access.InvitationInput{Email: in.Email, Name: in.Name, Admission: with}))
}

func invited(secret string, i access.Invitation, err error) (*api.InvitationPayload, error) {
	wrong, err := userErrors(err)
	if err != nil || len(wrong) > 0 {
		return &api.InvitationPayload{UserErrors: wrong}, err
	}
	return &api.InvitationPayload{Invitation: &i, Secret: &secret, UserErrors: wrong}, nil
}

func (m mutations) ResendInvitation(ctx context.Context, in api.ResendInvitationInput) (*api.InvitationPayload, error) {
	return invited(m.Access.Resend(ctx, in.Invitation.UUID))
}

func (m mutations) RevokeInvitation(ctx context.Context, in api.RevokeInvitationInput) (*api.RevokeInvitationPayload, error) {
	now, wrong, err := present[access.Invitation](ctx, m.resolver, in.Invitation, m.Access.RevokeInvitation(ctx, in.Invitation.UUID))
	return &api.RevokeInvitationPayload{Invitation: now, UserErrors: wrong}, err
}

func (m mutations) ApproveJoinRequest(ctx context.Context, in api.ApproveJoinRequestInput) (*api.JoinRequestPayload, error) {
	with, err := admission(in.Roles, in.Teams)
	if err != nil {
		return nil, err
	}
	_, err = m.Access.ApproveJoinRequest(ctx, in.JoinRequest.UUID, with, m.Bind)
	now, wrong, err := present[access.JoinRequest](ctx, m.resolver, in.JoinRequest, err)
	return &api.JoinRequestPayload{JoinRequest: now, UserErrors: wrong}, err
}

func (m mutations) RefuseJoinRequest(ctx context.Context, in api.RefuseJoinRequestInput) (*api.JoinRequestPayload, error) {
	now, wrong, err := present[access.JoinRequest](ctx, m.resolver, in.JoinRequest, m.Access.RefuseJoinRequest(ctx, in.JoinRequest.UUID))
	return &api.JoinRequestPayload{JoinRequest: now, UserErrors: wrong}, err
}
