package access

import (
	"context"

	"entgo.io/ent/dialect/sql"
	"github.com/google/uuid"

	"sluice.dev/sluice/ent/db"
	"sluice.dev/sluice/ent/invitation"
	"sluice.dev/sluice/ent/joinrequest"
	"sluice.dev/sluice/ent/predicate"
)

// InvitationState tells what became of an invitation.
type InvitationState string

// The states of an invitation.
const (
	InvitationOpen     InvitationState = "OPEN"
	InvitationAccepted InvitationState = "ACCEPTED"
	InvitationRevoked  InvitationState = "REVOKED"
	InvitationExpired  InvitationState = "EXPIRED" // and can be resent
)

// InvitationState returns the state of an invitation now.
func (s *Service) InvitationState(i Invitation) InvitationState {
	switch {
	case i.AcceptedAt != nil:
		return InvitationAccepted
	case i.RevokedAt != nil:
		return InvitationRevoked
	case !s.now().Before(i.ExpiresAt):
		return InvitationExpired
	}
	return InvitationOpen
}

// InvitationQuery selects invitations for a list. Zero values select all.
type InvitationQuery struct {
	Search string // part of the address or the name
	State  InvitationState
	Slice  // in the order in which they were made
}

func (s *Service) invitations(q InvitationQuery) (out []predicate.Invitation) {
	if q.Search != "" {
		out = append(out, either(q.Search, invitation.FieldEmail, invitation.FieldName))
	}
	pending := []predicate.Invitation{invitation.AcceptedAtIsNil(), invitation.RevokedAtIsNil()}
	switch q.State {
	case InvitationAccepted:
		out = append(out, invitation.AcceptedAtNotNil())
	case InvitationRevoked:
		out = append(out, invitation.AcceptedAtIsNil(), invitation.RevokedAtNotNil())
	case InvitationExpired:
		out = append(append(out, pending...), invitation.ExpiresAtLTE(s.now()))
	case InvitationOpen:
		out = append(append(out, pending...), invitation.ExpiresAtGT(s.now()))
	}
	return out
}

// BrowseInvitations returns a page of invitations. It checks no right.
func (s *Service) BrowseInvitations(ctx context.Context, tx *db.Tx, q InvitationQuery) (out []Invitation, err error) {
	rows, err := tx.Ent.Invitation.Query().Where(append(s.invitations(q), func(sel *sql.Selector) { q.sorted(sel, byID, nil) })...).All(ctx)
	for _, r := range rows {
		i, err := readInvitation(r)
		if err != nil {
			return nil, err
		}
		out = append(out, i)
	}
	return out, err
}

// CountInvitations returns how many the query selects over all pages.
func (s *Service) CountInvitations(ctx context.Context, tx *db.Tx, q InvitationQuery) (int, error) {
	return tx.Ent.Invitation.Query().Where(s.invitations(q)...).Count(ctx)
}

// InvitationsByIDs returns invitations. It checks no right; those that do not
// exist are not in the answer.
func InvitationsByIDs(ctx context.Context, tx *db.Tx, ids []uuid.UUID) (map[uuid.UUID]Invitation, error) {
	rows, err := tx.Ent.Invitation.Query().Where(invitation.IDIn(ids...)).All(ctx)
	out := make(map[uuid.UUID]Invitation, len(rows))
	for _, r := range rows {
		if out[r.ID], err = readInvitation(r); err != nil {
			return nil, err
		}
	}
	return out, err
}

// JoinRequestState tells what became of a request to join.
type JoinRequestState string

// The states of a request to join.
const (
	JoinOpen     JoinRequestState = "OPEN"
	JoinApproved JoinRequestState = "APPROVED"
	JoinRefused  JoinRequestState = "REFUSED"
)

// State returns what became of the request.
func (r JoinRequest) State() JoinRequestState {
	switch {
	case r.DecidedAt == nil:
		return JoinOpen
	case r.Approved:
		return JoinApproved
	}
	return JoinRefused
}

// JoinRequestQuery selects requests to join for a list. Zero values select all.
type JoinRequestQuery struct {
	Search string // part of the address or the name
	State  JoinRequestState
	Slice  // in the order in which they were made
}

func (q JoinRequestQuery) where() (out []predicate.JoinRequest) {
	if q.Search != "" {
		out = append(out, either(q.Search, joinrequest.FieldEmail, joinrequest.FieldName))
	}
	switch q.State {
	case "":
	case JoinOpen:
		out = append(out, joinrequest.DecidedAtIsNil())
	default:
		out = append(out, joinrequest.Outcome(string(q.State)))
	}
	return out
}

// BrowseJoinRequests returns a page of requests to join. It checks no right.
func BrowseJoinRequests(ctx context.Context, tx *db.Tx, q JoinRequestQuery) ([]JoinRequest, error) {
	rows, err := tx.Ent.JoinRequest.Query().Where(append(q.where(), func(s *sql.Selector) { q.sorted(s, byID, nil) })...).All(ctx)
	return each(rows, readJoinRequest), err
}

// CountJoinRequests returns how many the query selects over all pages.
func CountJoinRequests(ctx context.Context, tx *db.Tx, q JoinRequestQuery) (int, error) {
	return tx.Ent.JoinRequest.Query().Where(q.where()...).Count(ctx)
}

// JoinRequestsByIDs returns requests to join. It checks no right; those that do
// not exist are not in the answer.
func JoinRequestsByIDs(ctx context.Context, tx *db.Tx, ids []uuid.UUID) (map[uuid.UUID]JoinRequest, error) {
	rows, err := tx.Ent.JoinRequest.Query().Where(joinrequest.IDIn(ids...)).All(ctx)
	out := make(map[uuid.UUID]JoinRequest, len(rows))
	for _, r := range rows {
		out[r.ID] = readJoinRequest(r)
	}
	return out, err
}
