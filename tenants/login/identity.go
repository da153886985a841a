package login

import (
	"context"
	"net/mail"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"sluice.dev/sluice/ent"
	"sluice.dev/sluice/ent/db"
	"sluice.dev/sluice/ent/identity"
	"sluice.dev/sluice/ent/identityprovider"
	"sluice.dev/sluice/ent/member"
	"sluice.dev/sluice/ent/rolegrant"
	"sluice.dev/sluice/tenants/access"
	"sluice.dev/sluice/tenants/audit"
	"sluice.dev/sluice/tenants/errs"
	"sluice.dev/sluice/tenants/scope"
)

// Claims is what a provider vouched for in an id token that was verified.
type Claims struct {
	Issuer   string
	Subject  string // unique at the issuer, and never given to anybody else
	Email    string
	Verified *bool // email_verified; nil when the provider does not say
	Name     string
	Groups   []string // nil when the provider does not say, which counts as none
	SID      string   // the provider's name of its session, "" for none
	IDToken  string   // as it came, the hint for logging out there
}

// Identity is an account at a provider that is a member here.
type Identity struct {
	ID          uuid.UUID
	MemberID    uuid.UUID
	Issuer      string
	Subject     string
	Email       string // as the provider last said it
	CreatedAt   time.Time
	LastLoginAt time.Time
}

// believed returns the e-mail address of the claims if it may be believed: when
// the provider says that it is verified, or when it says nothing about that and
// the organization's own provider speaks for its domain. Else "".
func believed(c Claims, domains []string) string {
	email := strings.ToLower(strings.TrimSpace(c.Email))
	if a, err := mail.ParseAddress(email); err != nil || a.Address != email || len(email) > 254 {
		return ""
	}
	if c.Verified != nil && *c.Verified || c.Verified == nil && ownDomain(email, domains) {
		return email
	}
	return ""
}

func ownDomain(email string, domains []string) bool {
	return slices.Contains(domains, email[strings.LastIndexByte(email, '@')+1:])
}

// who finds the member of a login, makes one where the provider may, and
// remembers the account. A refusal is Forbidden and says why, for the audit.
func (s *Service) who(ctx context.Context, tx *db.Tx, p Provider, c Claims) (access.Member, error) {
	if c.Issuer == "" || c.Subject == "" || len(c.Subject) > 255 {
		return access.Member{}, refused("the provider named nobody: its id token has no usable subject")
	}
	now := s.Now()
	row, err := tx.Ent.Identity.Query().Where(identity.Issuer(c.Issuer), identity.Subject(c.Subject)).Only(ctx)
	if err == nil {
		m, err := tx.Ent.Member.Get(ctx, row.MemberID)
		if err != nil {
			return access.Member{}, err
		}
		return s.active(m, tx.Ent.Identity.UpdateOne(row).SetLastLoginAt(now).SetEmail(clip(c.Email, 254)).Exec(ctx))
	}
	if !ent.IsNotFound(err) {
		return access.Member{}, err
	}
	email := believed(c, p.Domains)
	if email == "" {
		return access.Member{}, refused("the account is not known here, and its provider does not vouch for an e-mail address")
	}
	m, err := tx.Ent.Member.Query().Where(member.Email(email)).Only(ctx)
	if ent.IsNotFound(err) {
		made, err := s.join(ctx, tx, p, email, c)
		if err != nil {
			return access.Member{}, err
		}
		return made, s.link(ctx, tx, made.ID, c, now)
	}
	if err != nil {
		return access.Member{}, err
	}
	if m.DeactivatedAt != nil {
		return s.active(m, nil)
	}
	other, err := tx.Ent.Identity.Query().Where(identity.MemberID(m.ID), identity.Issuer(c.Issuer)).Exist(ctx)
	if err != nil {
		return access.Member{}, err
	}
	if other {
		return access.Member{}, refused("the member %s is another account of this provider; whoever has the address now does not inherit the membership. An administrator can unlink the old account", email)
	}
	return s.active(m, s.link(ctx, tx, m.ID, c, now))
}

func (s *Service) active(m *ent.Member, err error) (access.Member, error) {
	switch {
	case err != nil:
		return access.Member{}, err
	case m.DeactivatedAt != nil:
		return access.Member{}, refused("the member %s was deactivated", m.Email)
	}
	return access.Member{ID: m.ID, Email: m.Email, Name: m.Name, CreatedAt: m.CreatedAt}, nil
}

// join makes a member of somebody who is none, where the provider may.
func (s *Service) join(ctx context.Context, tx *db.Tx, p Provider, email string, c Claims) (access.Member, error) {
	switch {
	case p.ID == uuid.Nil || !p.Joins:
		return access.Member{}, refused("%s is no member, and this provider makes nobody one", email)
	case len(p.Domains) > 0 && !ownDomain(email, p.Domains):
		return access.Member{}, refused("%s is no member, and the provider does not speak for that domain", email)
	}
	name := strings.TrimSpace(c.Name)
	if !printable(name, access.MaxName) {
		name = ""
	}
	return s.Access.CreateMemberIn(asLogin(ctx), tx, access.MemberInput{Email: email, Name: name, Roles: []access.Place{{Role: p.JoinRole}}})
}

func (s *Service) link(ctx context.Context, tx *db.Tx, member uuid.UUID, c Claims, at time.Time) error {
	row, err := tx.Ent.Identity.Create().SetMemberID(member).SetIssuer(c.Issuer).SetSubject(c.Subject).SetEmail(clip(c.Email, 254)).
		SetCreatedAt(at).SetLastLoginAt(at).Save(ctx)
	if err != nil {
		return err
	}
	return s.Audit.Record(asLogin(ctx), tx, audit.Event{Action: "identity:link", ObjectType: "identity", ObjectID: row.ID.String(), After: readIdentity(row)})
}

// Identities lists a member's accounts. One's own need nothing, others
// member:read.
func (s *Service) Identities(ctx context.Context, of uuid.UUID) (out []Identity, err error) {
	err = s.DB.InSnapshot(ctx, func(ctx context.Context, tx *db.Tx) error {
		if me := access.Of(ctx).MemberID; me == uuid.Nil || me != of {
			if err := s.Access.RequireIn(ctx, tx, access.MemberRead, uuid.Nil); err != nil {
				return err
			}
		}
		rows, err := tx.Ent.Identity.Query().Where(identity.MemberID(of)).Order(ent.Asc(identity.FieldID)).All(ctx)
		for _, r := range rows {
			out = append(out, readIdentity(r))
		}
		return err
	})
	return out, err
}

// Unlink forgets that an account is a member, and ends the member's sessions. It
// needs member:manage, and every action when the member is an owner, whom the
// next account with that address would become (A4).
func (s *Service) Unlink(ctx context.Context, id uuid.UUID) error {
	return s.DB.InTx(ctx, func(ctx context.Context, tx *db.Tx) error {
		if err := s.Access.RequireIn(ctx, tx, access.MemberManage, uuid.Nil); err != nil {
			return err
		}
		row, err := tx.Ent.Identity.Get(ctx, id)
		if ent.IsNotFound(err) {
			return orNotFound(nil, "the account does not exist")
		}
		if err != nil {
			return err
		}
		owner, err := hasGrant(ctx, tx, row.MemberID, access.Place{Role: access.Owner})
		if err != nil {
			return err
		}
		if owner {
			if err := s.Access.RequireIn(ctx, tx, access.RegistryBypassFirewall, uuid.Nil); err != nil {
				return errs.New(errs.Forbidden, "login.Unlink", "an owner's account is unlinked by an owner")
			}
		}
		if err := tx.Ent.Identity.DeleteOne(row).Exec(ctx); err != nil {
			return err
		}
		if _, err := s.endMember(ctx, tx, row.MemberID, "UNLINKED"); err != nil {
			return err
		}
		return s.Audit.Record(ctx, tx, audit.Event{Action: "identity:unlink", ObjectType: "identity", ObjectID: id.String(), Before: readIdentity(row)})
	})
}

func hasGrant(ctx context.Context, tx *db.Tx, of uuid.UUID, p access.Place) (bool, error) {
	q := tx.Ent.RoleGrant.Query().Where(rolegrant.SubjectKindEQ(rolegrant.SubjectKindMEMBER), rolegrant.SubjectID(of), rolegrant.Role(p.Role))
	if p.Registry == uuid.Nil {
		return q.Where(rolegrant.RegistryIDIsNil()).Exist(ctx)
	}
	return q.Where(rolegrant.RegistryID(p.Registry)).Exist(ctx)
}

// lets refuses the platform's provider where the organization wants its own
// one alone, and a provider that was disabled meanwhile.
func (s *Service) lets(ctx context.Context, tx *db.Tx, p *Provider) error {
	if p.ID == uuid.Nil {
		only, err := tx.Ent.IdentityProvider.Query().Where(identityprovider.Enabled(true), identityprovider.Exclusive(true)).Exist(ctx)
		if err == nil && only {
			err = refused("the organization lets people in by its own provider only")
		}
		return err
	}
	row, err := tx.Ent.IdentityProvider.Query().Where(identityprovider.ID(p.ID), identityprovider.Enabled(true), identityprovider.Issuer(p.Issuer)).Only(ctx)
	if ent.IsNotFound(err) {
		return refused("the provider %s was disabled or changed while the login was under way", p.Name)
	}
	if err == nil {
		*p = readProvider(row)
	}
	return err
}

func (s *Service) lockAccess(ctx context.Context, tx *db.Tx) error {
	org, err := scope.Org(ctx)
	if err != nil {
		return err
	}
	return tx.Lock(ctx, false, "access", org.String())
}

func readIdentity(r *ent.Identity) Identity {
	return Identity{r.ID, r.MemberID, r.Issuer, r.Subject, r.Email, r.CreatedAt, r.LastLoginAt}
}

// clip bounds a text that somebody outside wrote, in bytes, at a character.
func clip(s string, most int) string {
	s = strings.ToValidUTF8(s, "�")
	s = strings.Map(func(r rune) rune {
		if r < 0x20 || r == 0x7f {
			return ' '
		}
		return r
	}, s)
	for len(s) > most {
		s = s[:len(s)-1]
		s = strings.ToValidUTF8(s, "")
	}
	return s
}
