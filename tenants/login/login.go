// Package login lets people in (law A1): identity providers of an
// organization's own and their group mappings, logins under way, which account
// at a provider is which member, and sessions.
//
// It knows neither HTTP nor OpenID Connect's messages: protocol/oidc asks a
// provider and hands over what it vouched for as [Claims]. Secrets (states,
// sessions, links) have 256 random bits and are stored as SHA-256.
package login

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"

	"sluice.dev/sluice/ent/db"
	"sluice.dev/sluice/tenants/access"
	"sluice.dev/sluice/tenants/audit"
	"sluice.dev/sluice/tenants/errs"
	"sluice.dev/sluice/tenants/org/recall"
	"sluice.dev/sluice/tenants/scope"
)

// Times of logins and sessions (A1).
const (
	FlowTime       = 10 * time.Minute // from the choice of a provider until its answer
	VisitTime      = 5 * time.Minute  // on the platform's host, until an organization is chosen
	IdleTime       = 12 * time.Hour   // without a request, after which a session has ended
	SessionTime    = 7 * 24 * time.Hour
	LinkTime       = 15 * time.Minute // of a break-glass link
	BreakGlassTime = time.Hour        // of the session that such a link opens
)

// Sealer encrypts what is stored; *registry.Sealer is one.
type Sealer interface {
	Seal(plain []byte) ([]byte, error)
	Open(sealed []byte) ([]byte, error)
}

// Config is what a service is made of.
type Config struct {
	DB     *db.DB
	Audit  *audit.Log
	Access *access.Service
	Seal   Sealer
	Now    func() time.Time
	// Operators are the people who operate the platform.
	Operators Operators
	// PlainHTTP allows issuers that are reached over http on this machine, as
	// `sluice dev` has them.
	PlainHTTP bool
}

// Service answers for the context's organization; without one, every method
// that does not say otherwise fails with scope.ErrNoOrg. It is safe for
// concurrent use.
type Service struct {
	Config
	random io.Reader
	live   *recall.Memory[sessionKey, *live]
	used   usage
}

// New returns the service. Make it before the change feed runs.
func New(c Config) *Service {
	s := &Service{Config: c, random: rand.Reader}
	s.live = recall.New(c.DB.Feed, recall.Options[sessionKey, *live]{Most: mostSessions, For: func(l *live) time.Duration {
		if l == nil {
			return unknownFor
		}
		return 0
	}})
	c.DB.Feed.Subscribe(s.heard, s.live.ForgetAll)
	return s
}

// newSecret draws 256 bits and returns them as 43 characters with their hash.
func (s *Service) newSecret() (secret string, hash []byte, err error) {
	var b [32]byte
	if _, err := io.ReadFull(s.random, b[:]); err != nil {
		return "", nil, fmt.Errorf("draw a secret: %w", err)
	}
	secret = base64.RawURLEncoding.EncodeToString(b[:])
	return secret, hashOf(secret), nil
}

const secretLength = 43

// hashOf is what is stored of a secret. It needs no salt and no slow function,
// since a secret has 256 random bits.
func hashOf(secret string) []byte {
	sum := sha256.Sum256([]byte(secret))
	return sum[:]
}

// isSecret reports whether the text has the form of a secret, so that others
// need no database.
func isSecret(s string) bool {
	return len(s) == secretLength && strings.Trim(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_") == ""
}

// sealed is what is encrypted. For and Of bind it to its use and to its row's
// hash, so that one cannot be put in another's place.
type sealed struct {
	For  string          `json:"for"`
	Of   []byte          `json:"of"`
	What json.RawMessage `json:"what"`
}

func (s *Service) sealJSON(use string, of []byte, v any) ([]byte, error) {
	what, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	plain, err := json.Marshal(sealed{use, of, what})
	if err != nil {
		return nil, err
	}
	return s.Seal.Seal(plain)
}

func (s *Service) openJSON(use string, of, content []byte, v any) error {
	plain, err := s.Seal.Open(content)
	if err != nil {
		return err
	}
	var c sealed
	if err := json.Unmarshal(plain, &c); err != nil {
		return err
	}
	if c.For != use || string(c.Of) != string(of) {
		return fmt.Errorf("login: what was sealed for %s is not for %s", c.For, use)
	}
	return json.Unmarshal(c.What, v)
}

// asLogin returns a context in which Sluice itself acts for a login.
func asLogin(ctx context.Context) context.Context {
	return access.As(ctx, access.System("login"), "")
}

// asMember returns a context whose audit events are the member's.
func asMember(ctx context.Context, m access.Member, ip string) context.Context {
	return scope.WithActor(ctx, scope.Actor{Kind: scope.ActorMember, ID: m.ID, Name: m.Email, IP: ip})
}

// refused is a login that is not let in. The message is for the audit log and
// the operator's: whoever tries to log in hears nothing of it.
func refused(format string, args ...any) error {
	return errs.New(errs.Forbidden, "login", format, args...)
}
