package login

import (
	"context"
	"encoding/hex"
	"sync/atomic"
	"time"

	"github.com/google/uuid"

	"sluice.dev/sluice/ent"
	"sluice.dev/sluice/ent/db"
	"sluice.dev/sluice/ent/session"
	"sluice.dev/sluice/tenants/access"
	"sluice.dev/sluice/tenants/errs"
	"sluice.dev/sluice/tenants/scope"
)

// Bounds of what a node remembers of sessions.
const (
	mostSessions = 50_000
	unknownFor   = 10 * time.Second // a secret that is no session
)

// Kinds of session.
const (
	KindOIDC       = "OIDC"
	KindBreakGlass = "BREAK_GLASS"
)

// Session is somebody who is logged in, without the secret.
type Session struct {
	ID         uuid.UUID
	MemberID   uuid.UUID
	Member     string // the member's e-mail address; only in lists
	Kind       string
	Provider   uuid.UUID // uuid.Nil for the platform's, and for break-glass
	Issuer     string    // "" for break-glass
	IP         string    // where it was opened from
	Agent      string    // by which browser
	CreatedAt  time.Time
	LastUsedAt time.Time // to a few seconds
	ExpiresAt  time.Time // whatever is done with it
	EndedAt    *time.Time
	EndReason  string // "" while it lasts
}

// over reports whether a session that was last used at a time has ended by
// itself.
func (s Session) over(used, now time.Time) bool {
	return !now.Before(s.ExpiresAt) || !now.Before(used.Add(IdleTime))
}

// sessionKey finds a session.
type sessionKey struct {
	org  uuid.UUID
	hash [32]byte
}

// live is a session as a node remembers it; nil stands for none.
type live struct {
	Session
	used atomic.Int64 // seconds
}

func (l *live) lastUsed() time.Time { return time.Unix(l.used.Load(), 0) }

// heard forgets what changed.
func (s *Service) heard(c db.Change) {
	if c.Kind != db.Login {
		return
	}
	k := sessionKey{org: c.Org}
	if n, err := hex.Decode(k.hash[:], []byte(clipHex(c.Name))); err != nil || n != len(k.hash) {
		s.live.ForgetAll()
		return
	}
	s.live.Forget(k)
}

// clipHex keeps hex.Decode within a hash.
func clipHex(s string) string {
	if len(s) != 64 {
		return ""
	}
	return s
}

// Session returns the session of a secret and notes its use. None, one that has
// ended in any way, and another organization's are the same Unauthenticated
// error (T3).
func (s *Service) Session(ctx context.Context, secret string) (Session, error) {
	l, err := s.find(ctx, secret)
	if err != nil {
		return Session{}, err
	}
	org, err := scope.Org(ctx)
	if err != nil {
		return Session{}, err
	}
	s.used.note(l, org, s.Now())
	return l.Session, nil
}

// Subject returns who a session's secret belongs to. A member who was
// deactivated is nobody, from that moment on and on every node.
func (s *Service) Subject(ctx context.Context, secret string) (access.Subject, error) {
	got, err := s.Session(ctx, secret)
	if err != nil {
		return access.Subject{}, err
	}
	return s.Access.MemberSubject(ctx, got.MemberID)
}

func (s *Service) find(ctx context.Context, secret string) (*live, error) {
	org, err := scope.Org(ctx)
	if err != nil {
		return nil, err
	}
	if !isSecret(secret) {
		return nil, noSession()
	}
	k := sessionKey{org: org, hash: [32]byte(hashOf(secret))}
	load := func(ctx context.Context) (*live, error) { return s.load(ctx, k) }
	l, err := s.live.Get(ctx, k, load)
	if err == nil && l != nil && l.over(l.lastUsed(), s.Now()) {
		// Another node may have seen it since.
		l, err = load(ctx)
	}
	switch {
	case err != nil:
		return nil, errs.Wrap(err, errs.Unavailable, "login.Session", "the session cannot be checked now; try again")
	case l == nil || l.over(l.lastUsed(), s.Now()):
		return nil, noSession()
	}
	return l, nil
}

func (s *Service) load(ctx context.Context, k sessionKey) (l *live, err error) {
	err = s.DB.InSnapshot(scope.With(ctx, k.org), func(ctx context.Context, tx *db.Tx) error {
		row, err := tx.Ent.Session.Query().Where(session.Hash(k.hash[:]), session.EndedAtIsNil()).Only(ctx)
		if ent.IsNotFound(err) {
			return nil
		}
		if err != nil {
			return err
		}
		l = &live{Session: readSession(row)}
		l.used.Store(max(row.LastUsedAt.Unix(), s.used.pending(k.org, row.ID)))
		return nil
	})
	return l, err
}

func noSession() error {
	return errs.New(errs.Unauthenticated, "login.Session", "nobody is logged in here, or the session has ended; log in again")
}

func readSession(r *ent.Session) Session {
	out := Session{ID: r.ID, MemberID: r.MemberID, Kind: string(r.Kind), Issuer: r.Issuer, IP: r.IP, Agent: r.UserAgent,
		CreatedAt: r.CreatedAt, LastUsedAt: r.LastUsedAt, ExpiresAt: r.ExpiresAt, EndedAt: r.EndedAt, EndReason: r.EndReason}
	if r.ProviderID != nil {
		out.Provider = *r.ProviderID
	}
	return out
}
