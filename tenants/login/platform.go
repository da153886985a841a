package login

import (
	"context"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"sluice.dev/sluice/ent/db"
	"sluice.dev/sluice/tenants/errs"
)

// The platform's provider answers at the platform's own host, where nobody has
// a session (T6). What it vouches for is kept there for a few minutes as a
// visit, with which an organization is chosen; the organization's own host then
// asks for a ticket. None of the methods in this file needs an organization in
// the context.

// BeginPlatform is [Service.Begin] at the platform's own host.
func (s *Service) BeginPlatform(ctx context.Context, back, redirectURI string) (Begun, error) {
	b, stateHash, err := s.begun(uuid.Nil, "", redirectURI)
	if err != nil {
		return Begun{}, err
	}
	b.Return = back // where on the platform's host; the caller made it
	content, err := s.sealJSON("platform flow", stateHash, struct {
		Flow
		Browser []byte
	}{b.Flow, hashOf(b.Browser)})
	if err != nil {
		return Begun{}, err
	}
	return b, s.keep(ctx, "FLOW", stateHash, content, FlowTime)
}

// TakePlatform is [Service.Take] at the platform's own host.
func (s *Service) TakePlatform(ctx context.Context, state, browser string) (Flow, error) {
	if !isSecret(state) || !isSecret(browser) {
		return Flow{}, noFlow()
	}
	var f struct {
		Flow
		Browser []byte
	}
	hash := hashOf(state)
	// Looked at first: a browser that it is not for does not use it up.
	for _, function := range []string{"platform_login", "take_platform_login"} {
		if err := s.kept(ctx, function, "FLOW", hash, "platform flow", &f); err != nil {
			return Flow{}, err
		}
		if string(f.Browser) != string(hashOf(browser)) {
			return Flow{}, noFlow()
		}
	}
	return f.Flow, nil
}

// Visit remembers whom the platform's provider vouched for, for five minutes,
// and returns the secret that the browser keeps.
func (s *Service) Visit(ctx context.Context, who Claims) (secret string, err error) {
	secret, hash, err := s.newSecret()
	if err != nil {
		return "", err
	}
	content, err := s.sealJSON("visit", hash, who)
	if err != nil {
		return "", err
	}
	return secret, s.keepVisit(ctx, "VISIT", hash, content, uuid.Nil, who)
}

// Visitor returns whom the platform's provider vouched for; Forbidden when the
// visit does not exist or is over.
func (s *Service) Visitor(ctx context.Context, secret string) (who Claims, err error) {
	if !isSecret(secret) {
		return Claims{}, noFlow()
	}
	return who, s.kept(ctx, "platform_login", "VISIT", hashOf(secret), "visit", &who)
}

// Leave ends a visit. None is no error.
func (s *Service) Leave(ctx context.Context, secret string) error {
	var who Claims
	if !isSecret(secret) {
		return nil
	}
	if err := s.kept(ctx, "take_platform_login", "VISIT", hashOf(secret), "visit", &who); err != nil && !errs.Is(err, errs.Forbidden) {
		return err
	}
	return nil
}

// Choice is an organization that a visitor may go to.
type Choice struct {
	ID        uuid.UUID
	Slug      string
	Name      string
	Host      string // a host name of its own, "" for none
	Exclusive bool   // it lets nobody in by the platform's provider
}

// Organizations lists where a visitor is a member, by slug, 500 at most.
func (s *Service) Organizations(ctx context.Context, who Claims) (out []Choice, err error) {
	err = s.DB.InGlobal(ctx, func(ctx context.Context, tx *db.Tx) error {
		rows, err := tx.Query(ctx, `SELECT id, slug, name, host, exclusive FROM organizations_of_login($1, $2, $3)`,
			who.Issuer, who.Subject, believed(who, nil))
		if err != nil {
			return err
		}
		out, err = pgx.CollectRows(rows, pgx.RowToStructByPos[Choice])
		return err
	})
	return out, err
}

func (s *Service) keep(ctx context.Context, kind string, hash, content []byte, lasts time.Duration) error {
	return s.DB.InGlobal(ctx, func(ctx context.Context, tx *db.Tx) error {
		var fresh bool
		now := s.Now()
		err := tx.QueryRow(ctx, `SELECT keep_platform_login($1, $2, $3, $4, $5)`, kind, hash, content, now, now.Add(lasts)).Scan(&fresh)
		if err == nil && !fresh {
			err = orUnavailable(nil)
		}
		return err
	})
}

// keepVisit keeps a visit or a guest for five minutes, with what its provider
// ends it by.
func (s *Service) keepVisit(ctx context.Context, kind string, hash, content []byte, provider uuid.UUID, who Claims) error {
	var by *uuid.UUID
	if provider != uuid.Nil {
		by = &provider
	}
	return s.DB.InGlobal(ctx, func(ctx context.Context, tx *db.Tx) error {
		var fresh bool
		now := s.Now()
		err := tx.QueryRow(ctx, `SELECT keep_visit($1, $2, $3, $4, $5, $6, $7, $8, $9)`, kind, hash, content, now, now.Add(VisitTime),
			by, who.Issuer, who.Subject, clip(who.SID, 500)).Scan(&fresh)
		if err == nil && !fresh {
			err = orUnavailable(nil)
		}
		return err
	})
}

func (s *Service) kept(ctx context.Context, function, kind string, hash []byte, use string, into any) error {
	var content []byte
	err := s.DB.InGlobal(ctx, func(ctx context.Context, tx *db.Tx) error {
		return tx.QueryRow(ctx, `SELECT `+function+`($1, $2, $3)`, kind, hash, s.Now()).Scan(&content)
	})
	switch {
	case err != nil:
		return err
	case content == nil:
		return noFlow()
	}
	return s.openJSON(use, hash, content, into)
}
