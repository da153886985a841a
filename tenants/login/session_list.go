package login

import (
	"context"
	"time"

	"github.com/google/uuid"

	"sluice.dev/sluice/ent"
	"sluice.dev/sluice/ent/breakglasslink"
	"sluice.dev/sluice/ent/db"
	"sluice.dev/sluice/ent/identity"
	"sluice.dev/sluice/ent/member"
	"sluice.dev/sluice/ent/session"
	"sluice.dev/sluice/tenants/access"
	"sluice.dev/sluice/tenants/audit"
	"sluice.dev/sluice/tenants/errs"
)

// SessionQuery says which sessions are listed, the last opened first.
type SessionQuery struct {
	Member    uuid.UUID // of this member; uuid.Nil is one's own, or with Everybody everybody's
	Everybody bool
	Ended     bool      // those that have ended too, as long as they are remembered
	Before    uuid.UUID // the last of the page before; uuid.Nil from the start
	Limit     int       // at most MostListed
}

// BrowseSessions lists sessions. One's own need nothing, those of others
// member:manage. A member who does not exist is NotFound.
func (s *Service) BrowseSessions(ctx context.Context, q SessionQuery) (out []Session, err error) {
	err = s.DB.InSnapshot(ctx, func(ctx context.Context, tx *db.Tx) error {
		rows := tx.Ent.Session.Query().Order(ent.Desc(session.FieldID)).Limit(min(q.Limit, MostListed))
		if !q.Everybody {
			of, err := s.whose(ctx, tx, q.Member)
			if err != nil {
				return err
			}
			rows.Where(session.MemberID(of))
		} else if err := s.Access.RequireIn(ctx, tx, access.MemberManage, uuid.Nil); err != nil {
			return err
		}
		if now := s.Now(); !q.Ended {
			rows.Where(session.EndedAtIsNil(), session.ExpiresAtGT(now), session.LastUsedAtGT(now.Add(-IdleTime)))
		}
		if q.Before != uuid.Nil {
			rows.Where(session.IDLT(q.Before))
		}
		found, err := rows.All(ctx)
		for _, r := range found {
			out = append(out, readSession(r))
		}
		return err
	})
	return out, err
}

// whose returns the member whose sessions are meant, uuid.Nil for oneself, if
// the context's subject may see them.
func (s *Service) whose(ctx context.Context, tx *db.Tx, of uuid.UUID) (uuid.UUID, error) {
	me := access.Of(ctx).MemberID
	if of == uuid.Nil || of == me {
		return memberOf(ctx)
	}
	if err := s.Access.RequireIn(ctx, tx, access.MemberManage, uuid.Nil); err != nil {
		return uuid.Nil, err
	}
	there, err := tx.Ent.Member.Query().Where(member.ID(of)).Exist(ctx)
	if err == nil && !there {
		err = errs.New(errs.NotFound, "login.Sessions", "the member does not exist")
	}
	return of, err
}

// SessionsByIDs returns those of the sessions that exist, ended ones too. It
// checks no right.
func SessionsByIDs(ctx context.Context, tx *db.Tx, ids []uuid.UUID) (map[uuid.UUID]Session, error) {
	rows, err := tx.Ent.Session.Query().Where(session.IDIn(ids...)).All(ctx)
	out := make(map[uuid.UUID]Session, len(rows))
	for _, r := range rows {
		out[r.ID] = readSession(r)
	}
	return out, err
}

// EndAll ends all sessions of a member but one, at once and on every node, and
// returns how many there were. uuid.Nil is oneself, which needs nothing but
// oneself in person; others need member:manage. Ending none changes nothing.
func (s *Service) EndAll(ctx context.Context, of, but uuid.UUID) (n int, err error) {
	err = s.DB.InTx(ctx, func(ctx context.Context, tx *db.Tx) error {
		whose, err := s.whose(ctx, tx, of)
		if err != nil {
			return err
		}
		if err := inPerson(access.Of(ctx), whose); err != nil {
			return err
		}
		if n, err = s.endWhere(ctx, tx, "ENDED", session.MemberID(whose), session.IDNEQ(but)); err != nil || n == 0 {
			return err
		}
		return s.Audit.Record(ctx, tx, audit.Event{Action: "session:end", ObjectType: "member", ObjectID: whose.String(), Reason: "ENDED", After: map[string]int{"sessionsEnded": n}})
	})
	return n, err
}

// inPerson refuses a member's token that was made for something else: it may not
// log its owner out (A2).
func inPerson(who access.Subject, of uuid.UUID) error {
	if who.MemberID == of && (!who.Write || len(who.Registries) > 0 || len(who.Packages) > 0) {
		return errs.New(errs.Forbidden, "login.End", "only a login, or a token without limits, ends sessions of one's own")
	}
	return nil
}

// IdentitiesByIDs returns those of the accounts that exist. It checks no right.
func IdentitiesByIDs(ctx context.Context, tx *db.Tx, ids []uuid.UUID) (map[uuid.UUID]Identity, error) {
	rows, err := tx.Ent.Identity.Query().Where(identity.IDIn(ids...)).All(ctx)
	out := make(map[uuid.UUID]Identity, len(rows))
	for _, r := range rows {
		out[r.ID] = readIdentity(r)
	}
	return out, err
}

// BreakGlassLink is a way in without any provider, without its secret.
type BreakGlassLink struct {
	ID        uuid.UUID
	MemberID  uuid.UUID // the owner whose session it opens
	CreatedAt time.Time
	ExpiresAt time.Time
	UsedAt    *time.Time // nil while nobody used it
}

// BreakGlassLinks lists the links, the last made first, those that were used or
// have expired too. It needs member:manage.
func (s *Service) BreakGlassLinks(ctx context.Context, before uuid.UUID, limit int) (out []BreakGlassLink, err error) {
	err = s.DB.InSnapshot(ctx, func(ctx context.Context, tx *db.Tx) error {
		if err := s.Access.RequireIn(ctx, tx, access.MemberManage, uuid.Nil); err != nil {
			return err
		}
		q := tx.Ent.BreakGlassLink.Query().Order(ent.Desc(breakglasslink.FieldID)).Limit(limit)
		if before != uuid.Nil {
			q.Where(breakglasslink.IDLT(before))
		}
		rows, err := q.All(ctx)
		for _, r := range rows {
			out = append(out, BreakGlassLink{r.ID, r.MemberID, r.CreatedAt, r.ExpiresAt, r.UsedAt})
		}
		return err
	})
	return out, err
}
