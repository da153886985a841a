package login

import (
	"context"
	"encoding/hex"

	"github.com/google/uuid"

	"sluice.dev/sluice/ent"
	"sluice.dev/sluice/ent/db"
	"sluice.dev/sluice/ent/identityprovider"
	"sluice.dev/sluice/ent/predicate"
	"sluice.dev/sluice/ent/session"
	"sluice.dev/sluice/tenants/access"
	"sluice.dev/sluice/tenants/audit"
	"sluice.dev/sluice/tenants/errs"
)

// MostListed bounds a list of sessions.
const MostListed = 200

// Sessions lists live sessions, the last opened first, 200 at most: one's own,
// or with everybodys those of all members, which needs member:manage.
func (s *Service) Sessions(ctx context.Context, everybodys bool) (out []Session, err error) {
	err = s.DB.InSnapshot(ctx, func(ctx context.Context, tx *db.Tx) error {
		now := s.Now()
		q := tx.Ent.Session.Query().Where(session.EndedAtIsNil(), session.ExpiresAtGT(now), session.LastUsedAtGT(now.Add(-IdleTime))).
			Order(ent.Desc(session.FieldID)).Limit(MostListed)
		if everybodys {
			if err := s.Access.RequireIn(ctx, tx, access.MemberManage, uuid.Nil); err != nil {
				return err
			}
		} else {
			me, err := memberOf(ctx)
			if err != nil {
				return err
			}
			q.Where(session.MemberID(me))
		}
		rows, err := q.All(ctx)
		if err != nil {
			return err
		}
		ids := make([]uuid.UUID, len(rows))
		for i, r := range rows {
			ids[i] = r.MemberID
		}
		members, err := access.MembersByIDs(ctx, tx, ids)
		for _, r := range rows {
			one := readSession(r)
			one.Member = members[r.MemberID].Email
			out = append(out, one)
		}
		return err
	})
	return out, err
}

func memberOf(ctx context.Context) (uuid.UUID, error) {
	if me := access.Of(ctx).MemberID; me != uuid.Nil {
		return me, nil
	}
	return uuid.Nil, errs.New(errs.Unauthenticated, "login.Sessions", "this needs a member; log in")
}

// End ends a session at once, on every node. One's own needs nothing, others'
// member:manage; without it they are NotFound. A token with limits ends none of
// its owner's. Ending again changes nothing.
func (s *Service) End(ctx context.Context, id uuid.UUID) error {
	return s.DB.InTx(ctx, func(ctx context.Context, tx *db.Tx) error {
		none := errs.New(errs.NotFound, "login.End", "the session does not exist")
		row, err := tx.Ent.Session.Get(ctx, id)
		if err != nil && !ent.IsNotFound(err) {
			return err
		}
		if me := access.Of(ctx).MemberID; err != nil || me == uuid.Nil || row.MemberID != me {
			switch rerr := s.Access.RequireIn(ctx, tx, access.MemberManage, uuid.Nil); {
			case errs.Is(rerr, errs.Forbidden):
				return none
			case rerr != nil:
				return rerr
			case err != nil:
				return none
			}
		}
		if row.EndedAt != nil {
			return nil
		}
		if err := inPerson(access.Of(ctx), row.MemberID); err != nil {
			return err
		}
		return s.endOne(ctx, tx, row, "ENDED")
	})
}

// EndOthers ends all of one's own sessions but one, and returns how many there
// were.
func (s *Service) EndOthers(ctx context.Context, but uuid.UUID) (n int, err error) {
	err = s.DB.InTx(ctx, func(ctx context.Context, tx *db.Tx) error {
		me, err := memberOf(ctx)
		if err != nil {
			return err
		}
		if n, err = s.endWhere(ctx, tx, "ENDED", session.MemberID(me), session.IDNEQ(but)); err != nil || n == 0 {
			return err
		}
		return s.Audit.Record(ctx, tx, audit.Event{Action: "session:end", ObjectType: "member", ObjectID: me.String(), After: map[string]int{"sessionsEnded": n}})
	})
	return n, err
}

// LoggedOut is what is left to do at the provider after a logout.
type LoggedOut struct {
	Provider Provider // with its Issuer "" when there is nothing to do
	Platform bool     // the provider is the platform's
	IDToken  string   // the hint, "" when there is none
}

// Logout ends the session of a secret. None is no error.
func (s *Service) Logout(ctx context.Context, secret string) (out LoggedOut, err error) {
	if !isSecret(secret) {
		return LoggedOut{}, nil
	}
	err = s.DB.InTx(ctx, func(ctx context.Context, tx *db.Tx) error {
		row, err := tx.Ent.Session.Query().Where(session.Hash(hashOf(secret)), session.EndedAtIsNil()).Only(ctx)
		if ent.IsNotFound(err) {
			return nil
		}
		if err != nil {
			return err
		}
		if err := s.endOne(ctx, tx, row, "LOGOUT"); err != nil {
			return err
		}
		if row.Kind != session.KindOIDC {
			return nil
		}
		if row.ProviderID == nil {
			out.Platform = true
		} else {
			p, err := tx.Ent.IdentityProvider.Query().Where(identityprovider.ID(*row.ProviderID)).Only(ctx)
			if err != nil {
				return noProvider(err)
			}
			out.Provider = readProvider(p)
		}
		if hasBytes(row.IDToken) {
			return s.openJSON("id token", row.ID[:], *row.IDToken, &out.IDToken)
		}
		return nil
	})
	return out, err
}

// endOne ends one session and records it.
func (s *Service) endOne(ctx context.Context, tx *db.Tx, row *ent.Session, reason string) error {
	if err := tx.Ent.Session.UpdateOne(row).SetEndedAt(s.Now()).SetEndReason(reason).ClearIDToken().Exec(ctx); err != nil {
		return err
	}
	if err := changed(ctx, tx, hex.EncodeToString(row.Hash)); err != nil {
		return err
	}
	return s.Audit.Record(ctx, tx, audit.Event{Action: "session:end", ObjectType: "session", ObjectID: row.ID.String(), Reason: reason})
}

// endMember ends all sessions of a member.
func (s *Service) endMember(ctx context.Context, tx *db.Tx, member uuid.UUID, reason string) (int, error) {
	return s.endWhere(ctx, tx, reason, session.MemberID(member))
}

// endWhere ends sessions without recording it: the caller's event says why.
func (s *Service) endWhere(ctx context.Context, tx *db.Tx, reason string, which ...predicate.Session) (int, error) {
	n, err := tx.Ent.Session.Update().Where(append(which, session.EndedAtIsNil())...).SetEndedAt(s.Now()).SetEndReason(reason).ClearIDToken().Save(ctx)
	if err != nil || n == 0 {
		return n, err
	}
	return n, changed(ctx, tx, "")
}
