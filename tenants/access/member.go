package access

import (
	"context"
	"net/mail"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/google/uuid"

	"sluice.dev/sluice/ent"
	"sluice.dev/sluice/ent/db"
	"sluice.dev/sluice/ent/member"
	"sluice.dev/sluice/ent/session"
	"sluice.dev/sluice/ent/token"
	"sluice.dev/sluice/tenants/audit"
	"sluice.dev/sluice/tenants/errs"
)

// Member is a person in the organization.
type Member struct {
	ID            uuid.UUID
	Email         string // in lower case; unique in the organization
	Name          string
	CreatedAt     time.Time
	DeactivatedAt *time.Time // nil while active
}

// MemberInput is what a new member needs.
type MemberInput struct {
	Email string
	Name  string  // "" for none
	Roles []Place // nil is the role member on the organization
}

func (in *MemberInput) normalize() error {
	in.Email, in.Name = strings.ToLower(strings.TrimSpace(in.Email)), strings.TrimSpace(in.Name)
	if a, err := mail.ParseAddress(in.Email); err != nil || a.Address != in.Email || len(in.Email) > 254 {
		return errs.New(errs.Invalid, "access.CreateMember", "%q is not an e-mail address; it must look like ana@acme.example", in.Email).On("email")
	}
	if in.Roles == nil {
		in.Roles = []Place{{Role: Ordinary}}
	}
	if in.Name == "" {
		return nil
	}
	return checkName("access.CreateMember", in.Name)
}

// MaxName bounds the names of members, tokens and roles, in characters.
const MaxName = 100

func checkName(op, name string) error {
	switch {
	case strings.TrimSpace(name) == "":
		return errs.New(errs.Invalid, op, "the name is empty").On("name")
	case !utf8.ValidString(name) || strings.ContainsFunc(name, func(r rune) bool { return !unicode.IsPrint(r) }):
		return errs.New(errs.Invalid, op, "the name has unprintable characters").On("name")
	case utf8.RuneCountInString(name) > MaxName:
		return errs.New(errs.Invalid, op, "the name has more than %d characters", MaxName).On("name")
	}
	return nil
}

// CreateMember adds a person with their first roles. It needs member:manage,
// and for each role what [Service.Grant] needs. An e-mail address that is taken
// is a Conflict.
func (s *Service) CreateMember(ctx context.Context, in MemberInput) (out Member, err error) {
	if err := in.normalize(); err != nil {
		return Member{}, err
	}
	err = s.change(ctx, func(ctx context.Context, t *turn) error {
		if err := t.require(MemberManage, uuid.Nil); err != nil {
			return err
		}
		m, err := t.newMember(ctx, in)
		if err != nil {
			return err
		}
		out = readMember(m)
		return t.grantAll(ctx, MemberPrincipal(m.ID), in.Roles)
	})
	if _, taken := db.IsUnique(err); taken {
		return Member{}, errs.New(errs.Conflict, "access.CreateMember", "%s is a member already", in.Email).On("email")
	}
	return out, err
}

// grantAll gives somebody new their first roles. The ordinary role comes with
// membership; anything else is a delegation.
func (t *turn) grantAll(ctx context.Context, who Principal, roles []Place) error {
	for _, p := range roles {
		if p != (Place{Role: Ordinary}) {
			if err := t.require(GrantManage, p.Registry); err != nil {
				return err
			}
		}
		if err := t.grant(ctx, who, p); err != nil {
			return err
		}
	}
	return nil
}

// DeactivateMember ends a membership: sessions and grants stop counting, and
// the member's tokens are revoked for good (A2). It needs member:manage and
// every action that the member has (A4). The last owner stays. Deactivating
// again changes nothing.
func (s *Service) DeactivateMember(ctx context.Context, id uuid.UUID) error {
	return s.change(ctx, func(ctx context.Context, t *turn) error {
		m, err := t.manageable(ctx, id)
		if err != nil || m.DeactivatedAt != nil {
			return err
		}
		if err := t.boundRights("what the member has", t.st.compile(MemberPrincipal(id))); err != nil {
			return err
		}
		if err := t.notLastOwner(ctx, id); err != nil {
			return err
		}
		return t.end(ctx, m, "member:deactivate")
	})
}

// end takes an active member's access away, with tokens and sessions.
func (t *turn) end(ctx context.Context, m *ent.Member, action string) error {
	now := t.s.now()
	if err := t.Ent.Member.UpdateOne(m).SetDeactivatedAt(now).Exec(ctx); err != nil {
		return err
	}
	n, err := t.Ent.Token.Update().Where(token.MemberID(m.ID), token.RevokedAtIsNil()).SetRevokedAt(now).Save(ctx)
	if err != nil {
		return err
	}
	sessions, err := t.endSessions(ctx, m.ID, now)
	if err != nil {
		return err
	}
	return t.done(ctx, memberEvent(action, m, map[string]int{"tokensRevoked": n, "sessionsEnded": sessions}))
}

// endSessions ends a member's sessions for good: reactivating the member brings
// none of them back.
func (t *turn) endSessions(ctx context.Context, member uuid.UUID, at time.Time) (int, error) {
	t.Changed(db.Change{Kind: db.Login, Org: t.org})
	return t.Ent.Session.Update().Where(session.MemberID(member), session.EndedAtIsNil()).SetEndedAt(at).SetEndReason("DEACTIVATED").Save(ctx)
}

// ReactivateMember takes a person in again, with the grants they had but none
// of their tokens. It needs member:manage and every action that comes back.
func (s *Service) ReactivateMember(ctx context.Context, id uuid.UUID) error {
	return s.change(ctx, func(ctx context.Context, t *turn) error {
		m, err := t.manageable(ctx, id)
		if err != nil || m.DeactivatedAt == nil {
			return err
		}
		if err := t.boundRights("what the member has", t.st.compile(MemberPrincipal(id))); err != nil {
			return err
		}
		if err := t.Ent.Member.UpdateOne(m).ClearDeactivatedAt().Exec(ctx); err != nil {
			return err
		}
		return t.done(ctx, memberEvent("member:reactivate", m, nil))
	})
}

func (t *turn) manageable(ctx context.Context, id uuid.UUID) (*ent.Member, error) {
	if err := t.require(MemberManage, uuid.Nil); err != nil {
		return nil, err
	}
	m, err := t.Ent.Member.Get(ctx, id)
	if ent.IsNotFound(err) {
		return nil, noMember()
	}
	return m, err
}

// boundRights refuses to decide about somebody who may do more than oneself.
func (t *turn) boundRights(what string, r rights) error {
	if err := t.bound(what, r.everywhere.list(), uuid.Nil); err != nil {
		return err
	}
	for reg, may := range r.registries {
		if err := t.bound(what, may.list(), reg); err != nil {
			return err
		}
	}
	return nil
}

// Page bounds a list.
type Page struct {
	After uuid.UUID // id of the last one that was seen; uuid.Nil starts
	Limit int       // 1 to 200; 0 is 50
}

func (p Page) limit() int {
	if p.Limit <= 0 {
		return 50
	}
	return min(p.Limit, 200)
}

// Members lists members in the order in which they came, deactivated ones
// included. It needs member:read.
func (s *Service) Members(ctx context.Context, p Page) (out []Member, err error) {
	err = s.db.InSnapshot(ctx, func(ctx context.Context, tx *db.Tx) error {
		if err := s.RequireIn(ctx, tx, MemberRead, uuid.Nil); err != nil {
			return err
		}
		q := tx.Ent.Member.Query().Order(ent.Asc(member.FieldID)).Limit(p.limit())
		if p.After != uuid.Nil {
			q.Where(member.IDGT(p.After))
		}
		rows, err := q.All(ctx)
		for _, m := range rows {
			out = append(out, readMember(m))
		}
		return err
	})
	return out, err
}

// MemberByEmail finds a member for a login, deactivated ones included. It
// checks no right; nobody by that address is NotFound.
func (s *Service) MemberByEmail(ctx context.Context, email string) (out Member, err error) {
	email = strings.ToLower(strings.TrimSpace(email))
	err = s.db.InSnapshot(ctx, func(ctx context.Context, tx *db.Tx) error {
		m, err := tx.Ent.Member.Query().Where(member.Email(email)).Only(ctx)
		if ent.IsNotFound(err) {
			return noMember()
		}
		if err == nil {
			out = readMember(m)
		}
		return err
	})
	return out, err
}

func noMember() error { return errs.New(errs.NotFound, "access", "the member does not exist") }

func readMember(m *ent.Member) Member {
	return Member{m.ID, m.Email, m.Name, m.CreatedAt, m.DeactivatedAt}
}

func memberEvent(action string, m *ent.Member, after any) audit.Event {
	return audit.Event{Action: action, ObjectType: "member", ObjectID: m.ID.String(), After: after}
}
