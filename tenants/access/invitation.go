package access

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"

	"sluice.dev/sluice/ent"
	"sluice.dev/sluice/ent/db"
	"sluice.dev/sluice/ent/invitation"
	"sluice.dev/sluice/ent/member"
	"sluice.dev/sluice/ent/team"
	"sluice.dev/sluice/tenants/audit"
	"sluice.dev/sluice/tenants/errs"
)

// Bounds of invitations.
const (
	InvitationFor  = 5 * 24 * time.Hour // how long one can be accepted, from its last sending
	MaxInvitations = 1_000              // that are open, of one organization
	maxRolesAtOnce = 50                 // roles, and teams, of one invitation or approval
)

// Invitation asks a person by e-mail to become a member.
type Invitation struct {
	ID         uuid.UUID
	Email      string // in lower case
	Name       string // "" for none
	Roles      []Place
	Teams      []uuid.UUID
	InvitedBy  string // name of who sent it last
	CreatedAt  time.Time
	SentAt     time.Time
	ExpiresAt  time.Time
	AcceptedAt *time.Time // nil while nobody did
	RevokedAt  *time.Time // nil unless it was taken back
	MemberID   uuid.UUID  // who accepted; uuid.Nil before
}

// Admission is what a new member comes with.
type Admission struct {
	Roles []Place // nil is the role member on the organization
	Teams []uuid.UUID
}

func (a *Admission) normalize(op string) error {
	if a.Roles == nil {
		a.Roles = []Place{{Role: Ordinary}}
	}
	a.Teams = slices.Clone(a.Teams)
	slices.SortFunc(a.Teams, compareIDs)
	a.Teams = slices.Compact(a.Teams)
	if len(a.Roles) > maxRolesAtOnce || len(a.Teams) > maxRolesAtOnce {
		return errs.New(errs.Invalid, op, "%d roles and %d teams at once; at most %d of each are allowed", len(a.Roles), len(a.Teams), maxRolesAtOnce).On("roles")
	}
	return nil
}

// InvitationInput is what an invitation says.
type InvitationInput struct {
	Email string
	Name  string
	Admission
}

func (in *InvitationInput) normalize() error {
	m := MemberInput{Email: in.Email, Name: in.Name, Roles: in.Roles}
	if err := m.normalize(); err != nil {
		return err
	}
	in.Email, in.Name = m.Email, m.Name
	return in.Admission.normalize("access.Invite")
}

// Invite makes an invitation and returns its secret for the link in the mail,
// which is stored nowhere and cannot be had again. It needs member:manage, and
// for each role and team what granting needs (A4); that is looked at once more
// when it is accepted. An address that is a member's, or has an open
// invitation, is a Conflict.
func (s *Service) Invite(ctx context.Context, in InvitationInput) (secret string, out Invitation, err error) {
	const op = "access.Invite"
	if err := in.normalize(); err != nil {
		return "", Invitation{}, err
	}
	if secret, err = draw(s.random, invitationPrefix); err != nil {
		return "", Invitation{}, fmt.Errorf("draw a secret: %w", err)
	}
	err = s.change(ctx, func(ctx context.Context, t *turn) error {
		if err := t.mayAdmit(ctx, in.Admission); err != nil {
			return err
		}
		if err := t.notInvited(ctx, in.Email); err != nil {
			return err
		}
		if n, err := t.Ent.Invitation.Query().Where(invitation.AcceptedAtIsNil(), invitation.RevokedAtIsNil()).Count(ctx); err != nil || n >= MaxInvitations {
			return tooMany(err, op, "the organization has %d open invitations, which is the most allowed; revoke some", n)
		}
		out, err = t.invite(ctx, in, secret)
		return err
	})
	if err != nil {
		return "", Invitation{}, err
	}
	return secret, out, nil
}

func (t *turn) invite(ctx context.Context, in InvitationInput, secret string) (Invitation, error) {
	roles, err := json.Marshal(in.Roles)
	if err != nil {
		return Invitation{}, err
	}
	hash, now := hashOf(secret), t.s.now()
	teams := in.Teams
	if teams == nil {
		teams = []uuid.UUID{}
	}
	who, _ := t.by.Principal() // of the system: none
	c := t.Ent.Invitation.Create().SetEmail(in.Email).SetName(in.Name).SetRoles(roles).SetTeams(teams).SetSecretHash(hash[:]).
		SetInviterKind(string(t.by.Kind)).SetInvitedBy(t.by.Name).SetCreatedAt(now).SetSentAt(now).SetExpiresAt(now.Add(InvitationFor))
	if who.ID != uuid.Nil {
		c.SetInviterKind(string(who.Kind)).SetInviterID(who.ID)
	}
	row, err := c.Save(ctx)
	if err != nil {
		return Invitation{}, err
	}
	out, err := readInvitation(row)
	if err != nil {
		return Invitation{}, err
	}
	return out, t.s.audit.Record(ctx, t.Tx, invitationEvent("invitation:create", row, out))
}

// Resend gives an open invitation a new secret and five more days; the old
// secret ends. It needs what Invite needs, and whoever resends answers for the
// invitation from then on.
func (s *Service) Resend(ctx context.Context, id uuid.UUID) (secret string, out Invitation, err error) {
	if secret, err = draw(s.random, invitationPrefix); err != nil {
		return "", Invitation{}, fmt.Errorf("draw a secret: %w", err)
	}
	err = s.change(ctx, func(ctx context.Context, t *turn) error {
		row, err := t.openInvitation(ctx, id)
		if err != nil {
			return err
		}
		if out, err = readInvitation(row); err != nil {
			return err
		}
		if err := t.mayAdmit(ctx, Admission{out.Roles, out.Teams}); err != nil {
			return err
		}
		hash, now := hashOf(secret), s.now()
		who, _ := t.by.Principal()
		u := t.Ent.Invitation.UpdateOne(row).SetSecretHash(hash[:]).SetSentAt(now).SetExpiresAt(now.Add(InvitationFor)).
			SetInvitedBy(t.by.Name).SetInviterKind(string(t.by.Kind))
		if who.ID != uuid.Nil {
			u.SetInviterKind(string(who.Kind)).SetInviterID(who.ID)
		} else {
			u.ClearInviterID()
		}
		if row, err = u.Save(ctx); err != nil {
			return err
		}
		if out, err = readInvitation(row); err != nil {
			return err
		}
		return s.audit.Record(ctx, t.Tx, invitationEvent("invitation:resend", row, map[string]any{"expiresAt": row.ExpiresAt}))
	})
	if err != nil {
		return "", Invitation{}, err
	}
	return secret, out, nil
}

// RevokeInvitation takes an invitation back. It needs member:manage. One that
// was accepted is a Conflict; revoking again changes nothing.
func (s *Service) RevokeInvitation(ctx context.Context, id uuid.UUID) error {
	return s.change(ctx, func(ctx context.Context, t *turn) error {
		row, err := t.invitation(ctx, id)
		if err != nil || row.RevokedAt != nil {
			return err
		}
		if row.AcceptedAt != nil {
			return errs.New(errs.Conflict, "access.RevokeInvitation", "the invitation was accepted at %s; deactivate the member instead", row.AcceptedAt.UTC().Format(time.RFC3339))
		}
		return t.revokeInvitation(ctx, row)
	})
}

func (t *turn) revokeInvitation(ctx context.Context, row *ent.Invitation) error {
	if err := t.Ent.Invitation.UpdateOne(row).SetRevokedAt(t.s.now()).Exec(ctx); err != nil {
		return err
	}
	return t.s.audit.Record(ctx, t.Tx, invitationEvent("invitation:revoke", row, nil))
}

// Invitations lists invitations in the order in which they were made, those
// that ended included. It needs member:manage.
func (s *Service) Invitations(ctx context.Context, p Page) (out []Invitation, err error) {
	err = s.db.InSnapshot(ctx, func(ctx context.Context, tx *db.Tx) error {
		if err := s.RequireIn(ctx, tx, MemberManage, uuid.Nil); err != nil {
			return err
		}
		q := tx.Ent.Invitation.Query().Order(ent.Asc(invitation.FieldID)).Limit(p.limit())
		if p.After != uuid.Nil {
			q.Where(invitation.IDGT(p.After))
		}
		rows, err := q.All(ctx)
		if err != nil {
			return err
		}
		for _, r := range rows {
			i, err := readInvitation(r)
			if err != nil {
				return err
			}
			out = append(out, i)
		}
		return nil
	})
	return out, err
}

// mayAdmit refuses roles and teams that the acting subject may not hand on.
func (t *turn) mayAdmit(ctx context.Context, a Admission) error {
	if err := t.require(MemberManage, uuid.Nil); err != nil {
		return err
	}
	for _, p := range a.Roles {
		if p != (Place{Role: Ordinary}) {
			if err := t.require(GrantManage, p.Registry); err != nil {
				return err
			}
		}
		if err := t.mayHandOn(ctx, p); err != nil {
			return err
		}
	}
	if n, err := t.Ent.Team.Query().Where(team.IDIn(a.Teams...)).Count(ctx); err != nil || n != len(a.Teams) {
		if err == nil {
			err = noTeam()
		}
		return err
	}
	for _, id := range a.Teams {
		if err := t.boundTeam(ctx, id); err != nil {
			return err
		}
	}
	return nil
}

// notInvited refuses an address that is a member's or has an open invitation,
// and takes back one that has expired.
func (t *turn) notInvited(ctx context.Context, email string) error {
	const op = "access.Invite"
	m, err := t.Ent.Member.Query().Where(member.Email(email)).Only(ctx)
	switch {
	case err == nil && m.DeactivatedAt == nil:
		return errs.New(errs.Conflict, op, "%s is a member already", email).On("email")
	case err == nil:
		return errs.New(errs.Conflict, op, "%s was a member and was deactivated; reactivate them instead", email).On("email")
	case !ent.IsNotFound(err):
		return err
	}
	open, err := t.Ent.Invitation.Query().Where(invitation.Email(email), invitation.AcceptedAtIsNil(), invitation.RevokedAtIsNil()).Only(ctx)
	switch {
	case ent.IsNotFound(err):
		return nil
	case err != nil:
		return err
	case t.s.now().Before(open.ExpiresAt):
		return errs.New(errs.Conflict, op, "%s has an invitation already, until %s; resend or revoke it", email, open.ExpiresAt.UTC().Format(time.RFC3339)).On("email")
	}
	return t.revokeInvitation(ctx, open)
}

func (t *turn) invitation(ctx context.Context, id uuid.UUID) (*ent.Invitation, error) {
	if err := t.require(MemberManage, uuid.Nil); err != nil {
		return nil, err
	}
	row, err := t.Ent.Invitation.Get(ctx, id)
	if ent.IsNotFound(err) {
		return nil, errs.New(errs.NotFound, "access.Invitation", "the invitation does not exist")
	}
	return row, err
}

func (t *turn) openInvitation(ctx context.Context, id uuid.UUID) (*ent.Invitation, error) {
	row, err := t.invitation(ctx, id)
	if err == nil && (row.AcceptedAt != nil || row.RevokedAt != nil) {
		err = errs.New(errs.Conflict, "access.Resend", "the invitation was accepted or revoked; make another one")
	}
	return row, err
}

func readInvitation(r *ent.Invitation) (Invitation, error) {
	out := Invitation{ID: r.ID, Email: r.Email, Name: r.Name, Teams: r.Teams, InvitedBy: r.InvitedBy, CreatedAt: r.CreatedAt,
		SentAt: r.SentAt, ExpiresAt: r.ExpiresAt, AcceptedAt: r.AcceptedAt, RevokedAt: r.RevokedAt}
	if r.MemberID != nil {
		out.MemberID = *r.MemberID
	}
	if err := json.Unmarshal(r.Roles, &out.Roles); err != nil {
		return Invitation{}, fmt.Errorf("read the roles of the invitation %s: %w", r.ID, err)
	}
	return out, nil
}

func invitationEvent(action string, r *ent.Invitation, after any) audit.Event {
	return audit.Event{Action: action, ObjectType: "invitation", ObjectID: r.ID.String(), Before: map[string]string{"email": r.Email}, After: after}
}
