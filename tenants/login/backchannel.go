package login

import (
	"context"
	"crypto/sha256"
	"errors"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"sluice.dev/sluice/ent/db"
	"sluice.dev/sluice/ent/predicate"
	"sluice.dev/sluice/ent/session"
	"sluice.dev/sluice/tenants/access"
	"sluice.dev/sluice/tenants/audit"
	"sluice.dev/sluice/tenants/errs"
	"sluice.dev/sluice/tenants/scope"
)

// Logout tokens must be this fresh, and are remembered for longer than that, so
// that none can be taken twice.
const (
	LogoutTime    = 10 * time.Minute
	logoutMemory  = 2 * LogoutTime
	logoutOddness = time.Minute // how far a provider's clock may be ahead
)

// ProviderLogout is a logout token that was verified (OpenID Connect
// Back-Channel Logout 1.0).
type ProviderLogout struct {
	Issuer   string
	Subject  string // "" when SID says it
	SID      string // "" for all of the subject's sessions
	TokenID  string
	IssuedAt time.Time
}

func (l ProviderLogout) hash() []byte {
	sum := sha256.Sum256([]byte(l.Issuer + "\x00" + l.TokenID))
	return sum[:]
}

// check refuses what could be replayed.
func (l ProviderLogout) check(now time.Time) error {
	if l.TokenID == "" || l.Subject == "" && l.SID == "" || l.IssuedAt.Before(now.Add(-LogoutTime)) || l.IssuedAt.After(now.Add(logoutOddness)) {
		return errs.New(errs.Invalid, "login.Logout", "the logout token is not fresh, or names nobody")
	}
	return nil
}

// ProviderLoggedOut ends the sessions that the organization's provider says have
// ended, and what guests by it had under way, and returns how many sessions
// there were. A token that was taken before is a Conflict.
func (s *Service) ProviderLoggedOut(ctx context.Context, p Provider, l ProviderLogout) (n int, err error) {
	if err := l.check(s.Now()); err != nil {
		return 0, err
	}
	err = s.DB.InTx(ctx, func(ctx context.Context, tx *db.Tx) error {
		now := s.Now()
		if _, err := tx.Exec(ctx, `DELETE FROM logout_tokens WHERE org_id = `+db.Ours+` AND expires_at <= $1`, now); err != nil {
			return err
		}
		if err := tx.Ent.LogoutToken.Create().SetHash(l.hash()).SetExpiresAt(now.Add(logoutMemory)).Exec(ctx); err != nil {
			return err
		}
		if n, err = s.endNamed(ctx, tx, l, session.ProviderID(p.ID)); err != nil {
			return err
		}
		return endVisits(ctx, tx, &p.ID, l)
	})
	if _, again := db.IsUnique(err); again {
		return 0, takenBefore()
	}
	return n, err
}

// PlatformLoggedOut is ProviderLoggedOut for the platform's provider, in every
// organization, and ends visits of the platform's host too. It needs no
// organization in the context.
func (s *Service) PlatformLoggedOut(ctx context.Context, l ProviderLogout) (n int, err error) {
	now := s.Now()
	if err := l.check(now); err != nil {
		return 0, err
	}
	var orgs []uuid.UUID
	err = s.DB.InGlobal(ctx, func(ctx context.Context, tx *db.Tx) error {
		var fresh bool
		err := tx.QueryRow(ctx, `SELECT keep_platform_login('LOGOUT', $1, '', $2, $3)`, l.hash(), now, now.Add(logoutMemory)).Scan(&fresh)
		if err != nil {
			return err
		}
		if !fresh {
			return takenBefore()
		}
		if err := endVisits(ctx, tx, nil, l); err != nil {
			return err
		}
		if err := s.endOperators(ctx, tx, l); err != nil {
			return err
		}
		rows, err := tx.Query(ctx, `SELECT organizations_of_session($1, $2, $3)`, l.Issuer, l.Subject, l.SID)
		if err != nil {
			return err
		}
		orgs, err = pgx.CollectRows(rows, pgx.RowTo[uuid.UUID])
		return err
	})
	var failed []error
	for _, org := range orgs {
		failed = append(failed, s.DB.InTx(scope.With(ctx, org), func(ctx context.Context, tx *db.Tx) error {
			ended, err := s.endNamed(ctx, tx, l, session.ProviderIDIsNil())
			n += ended
			return err
		}))
	}
	return n, errors.Join(append(failed, err)...)
}

// endVisits ends the visits and guests that a token means; provider is nil for
// the platform's.
func endVisits(ctx context.Context, tx *db.Tx, provider *uuid.UUID, l ProviderLogout) error {
	_, err := tx.Exec(ctx, `SELECT end_visits($1, $2, $3, $4)`, provider, l.Issuer, l.Subject, l.SID)
	return err
}

// endNamed ends the sessions that a token means: those of its session id, and of
// its subject where no session id is known.
func (s *Service) endNamed(ctx context.Context, tx *db.Tx, l ProviderLogout, of predicate.Session) (int, error) {
	var which []predicate.Session
	if l.SID != "" {
		which = append(which, session.Sid(l.SID))
	}
	switch {
	case l.Subject != "" && l.SID != "":
		which = append(which, session.And(session.Subject(l.Subject), session.Sid("")))
	case l.Subject != "":
		which = append(which, session.Subject(l.Subject))
	}
	n, err := s.endWhere(ctx, tx, "PROVIDER_LOGOUT", of, session.Issuer(l.Issuer), session.Or(which...))
	if err != nil || n == 0 {
		return n, err
	}
	return n, s.Audit.Record(access.As(ctx, access.System("provider logout"), ""), tx, audit.Event{Action: "session:end", ObjectType: "identity",
		ObjectID: clip(l.Issuer+" "+l.Subject, 800), Reason: "PROVIDER_LOGOUT", After: map[string]int{"sessionsEnded": n}})
}

func takenBefore() error {
	return errs.New(errs.Conflict, "login.Logout", "the logout token was taken before")
}
