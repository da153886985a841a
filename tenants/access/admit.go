package access

import (
	"context"
	"errors"
	"strings"

	"github.com/google/uuid"

	"sluice.dev/sluice/ent"
	"sluice.dev/sluice/ent/db"
	"sluice.dev/sluice/ent/invitation"
	"sluice.dev/sluice/ent/member"
	"sluice.dev/sluice/tenants/errs"
	"sluice.dev/sluice/tenants/scope"
)

// Person is a person as an identity provider knows them. Whoever makes one
// has verified it, the e-mail address too.
type Person struct {
	Issuer  string // the provider, as its tokens say
	Subject string // the person, unique and unchanging at the issuer
	Email   string // verified; "" when the provider did not verify one
	Name    string // "" for none
}

func (i *Person) normalize(op string) error {
	m := MemberInput{Email: i.Email, Name: i.Name}
	if m.normalize() != nil {
		m.Name = "" // what a provider calls somebody is no reason to shut them out
		if err := m.normalize(); err != nil {
			return errs.New(errs.Invalid, op, "the identity has no verified e-mail address").On("email")
		}
	}
	i.Email, i.Name = m.Email, m.Name
	if i.Issuer == "" || i.Subject == "" || len(i.Issuer) > 500 || len(i.Subject) > 500 {
		return errs.New(errs.Invalid, op, "the identity has no issuer or no subject, or one of more than 500 bytes").On("identity")
	}
	return nil
}

// Bind is called in the transaction in which an identity becomes a member, to
// keep which identity is whose. An error undoes everything.
type Bind func(ctx context.Context, tx *db.Tx, who Person, member Member) error

// AcceptInvitation makes the identity a member with what the invitation says,
// or gives it to who is a member already. The identity's verified address must
// be the invited one, and whoever invited must still be one who may. A secret
// that is expired, used, taken back, another organization's or somebody
// else's is the same NotFound. bind may be nil.
func (s *Service) AcceptInvitation(ctx context.Context, secret string, who Person, bind Bind) (out Member, err error) {
	if err := who.normalize("access.AcceptInvitation"); err != nil {
		return Member{}, err
	}
	hash := hashOf(secret)
	err = s.change(asNewcomer(ctx, who), func(ctx context.Context, t *turn) error {
		row, err := t.Ent.Invitation.Query().Where(invitation.SecretHash(hash[:]), invitation.AcceptedAtIsNil(), invitation.RevokedAtIsNil()).Only(ctx)
		if ent.IsNotFound(err) {
			return noInvitation()
		}
		if err != nil {
			return err
		}
		if row.Email != who.Email || !s.now().Before(row.ExpiresAt) || t.st.closed {
			return noInvitation()
		}
		inv, err := readInvitation(row)
		if err != nil {
			return err
		}
		if err := t.stillMay(ctx, row, inv); err != nil {
			return err
		}
		if who.Name == "" {
			who.Name = inv.Name
		}
		if out, err = t.admit(ctx, who, Admission{inv.Roles, inv.Teams}, bind); err != nil {
			return err
		}
		if err := t.Ent.Invitation.UpdateOne(row).SetAcceptedAt(s.now()).SetMemberID(out.ID).Exec(ctx); err != nil {
			return err
		}
		return t.done(ctx, invitationEvent("invitation:accept", row, map[string]any{"member": out.ID, "issuer": who.Issuer}))
	})
	return out, err
}

func noInvitation() error {
	return errs.New(errs.NotFound, "access.AcceptInvitation", "the invitation is not valid: it may have expired, been used or taken back, or be for another e-mail address or organization; ask for a new one")
}

// asNewcomer is the system, which admits, with the newcomer as the actor that
// audit events name.
func asNewcomer(ctx context.Context, who Person) context.Context {
	ip := scope.ActorOf(ctx).IP
	ctx = As(ctx, System("admission"), "")
	return scope.WithActor(ctx, scope.Actor{Kind: scope.ActorMember, Name: who.Email, IP: ip})
}

// stillMay refuses an invitation of somebody who could not make it now: who
// has left lets nobody in.
func (t *turn) stillMay(ctx context.Context, row *ent.Invitation, inv Invitation) error {
	if Kind(row.InviterKind) == KindSystem {
		return nil
	}
	if row.InviterID == nil {
		return noInvitation()
	}
	c, err := t.st.stand(ctx, t.Tx, Principal{Kind(row.InviterKind), *row.InviterID})
	if err != nil {
		return err
	}
	if c == nil {
		return noInvitation()
	}
	as := &turn{Tx: t.Tx, s: t.s, org: t.org, st: t.st, by: c.subject, me: c}
	err = as.mayAdmit(ctx, Admission{inv.Roles, inv.Teams})
	var e *errs.Error
	if errors.As(err, &e) {
		return noInvitation() // their rights, a role, a registry or a team has gone
	}
	return err
}

// stand returns a credential of a principal without limits, nil when the
// principal is not active.
func (st *state) stand(ctx context.Context, tx *db.Tx, who Principal) (*credential, error) {
	t := turn{Tx: tx, st: st}
	err := t.principalExists(ctx, who)
	if errs.Is(err, errs.NotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return &credential{st: st, who: who, owner: st.compile(who), subject: Subject{Kind: who.Kind, Write: true, org: st.org}}, nil
}

// admit makes an identity a member with roles and teams.
func (t *turn) admit(ctx context.Context, who Person, a Admission, bind Bind) (Member, error) {
	m, err := t.Ent.Member.Query().Where(member.Email(who.Email)).Only(ctx)
	switch {
	case err == nil && m.DeactivatedAt != nil:
		return Member{}, errs.New(errs.Conflict, "access.Admit", "%s was a member and was deactivated; they must be reactivated instead", who.Email)
	case ent.IsNotFound(err):
		if m, err = t.newMember(ctx, MemberInput{Email: who.Email, Name: who.Name}); err != nil {
			return Member{}, err
		}
	case err != nil:
		return Member{}, err
	}
	if err := t.grantAll(ctx, MemberPrincipal(m.ID), a.Roles); err != nil {
		return Member{}, err
	}
	for _, id := range a.Teams {
		if err := t.join(ctx, id, m.ID); err != nil {
			return Member{}, err
		}
	}
	out := readMember(m)
	if bind != nil {
		return out, bind(ctx, t.Tx, who, out)
	}
	return out, nil
}

// newMember adds a person without roles.
func (t *turn) newMember(ctx context.Context, in MemberInput) (*ent.Member, error) {
	m, err := t.Ent.Member.Create().SetEmail(in.Email).SetName(in.Name).SetCreatedAt(t.s.now()).Save(ctx)
	if err != nil {
		return nil, err
	}
	return m, t.done(ctx, memberEvent("member:create", m, map[string]string{"email": in.Email, "name": in.Name}))
}

// InvitationByID is for the mail of an invitation; it checks no right and
// returns NotFound when there is none.
func InvitationByID(ctx context.Context, tx *db.Tx, id uuid.UUID) (Invitation, error) {
	row, err := tx.Ent.Invitation.Get(ctx, id)
	if ent.IsNotFound(err) {
		return Invitation{}, noInvitation()
	}
	if err != nil {
		return Invitation{}, err
	}
	return readInvitation(row)
}

// oneLine makes text that a stranger chose fit for a list.
func oneLine(s string, most int) string {
	s = strings.Join(strings.Fields(strings.ToValidUTF8(s, "")), " ")
	if r := []rune(s); len(r) > most {
		return string(r[:most])
	}
	return s
}
