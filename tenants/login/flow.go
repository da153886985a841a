package login

import (
	"context"
	"crypto/subtle"
	"errors"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"sluice.dev/sluice/ent/db"
	"sluice.dev/sluice/tenants/errs"
)

// mostFlows bounds the logins under way in one organization: strangers begin
// them.
const mostFlows = 10_000

// Flow is a login under way: what the answer is checked with.
type Flow struct {
	Provider    uuid.UUID // uuid.Nil for the platform's
	Verifier    string    // of PKCE (RFC 7636)
	Nonce       string    // must come back inside the id token
	Return      string    // local path to go on to
	RedirectURI string    // exactly as it was sent
}

// Begun is what a new flow gives out.
type Begun struct {
	State   string // goes to the provider and comes back
	Browser string // stays with the browser, so that no other one can finish (login CSRF)
	Flow
}

// Begin keeps a new flow for ten minutes. Too many of them under way are
// Unavailable.
func (s *Service) Begin(ctx context.Context, provider uuid.UUID, back, redirectURI string) (Begun, error) {
	b, stateHash, err := s.begun(provider, back, redirectURI)
	if err != nil {
		return Begun{}, err
	}
	content, err := s.sealJSON("flow", stateHash, b.Flow)
	if err != nil {
		return Begun{}, err
	}
	err = s.DB.InTx(ctx, func(ctx context.Context, tx *db.Tx) error {
		now := s.Now()
		_, err := tx.Exec(ctx, `DELETE FROM login_flows WHERE id IN (SELECT id FROM login_flows
			WHERE org_id = `+db.Ours+` AND expires_at <= $1 ORDER BY expires_at LIMIT 100 FOR UPDATE SKIP LOCKED)`, now)
		if err != nil {
			return err
		}
		var n int
		err = tx.QueryRow(ctx, `SELECT count(*) FROM (SELECT 1 FROM login_flows WHERE org_id = `+db.Ours+` LIMIT $1) AS counted`, mostFlows).Scan(&n)
		if err != nil || n >= mostFlows {
			return orUnavailable(err)
		}
		c := tx.Ent.LoginFlow.Create().SetStateHash(stateHash).SetBrowserHash(hashOf(b.Browser)).SetSealed(content).SetExpiresAt(now.Add(FlowTime))
		if provider != uuid.Nil {
			c.SetProviderID(provider)
		}
		return c.Exec(ctx)
	})
	return b, err
}

func (s *Service) begun(provider uuid.UUID, back, redirectURI string) (b Begun, stateHash []byte, err error) {
	b.Flow = Flow{Provider: provider, Return: LocalPath(back), RedirectURI: redirectURI}
	if b.State, stateHash, err = s.newSecret(); err != nil {
		return b, nil, err
	}
	for _, into := range []*string{&b.Browser, &b.Verifier, &b.Nonce} {
		if *into, _, err = s.newSecret(); err != nil {
			return b, nil, err
		}
	}
	return b, stateHash, nil
}

// Take ends a flow and returns it: the state and the browser's secret must be of
// the same one, and each works once. Anything else is Forbidden, whatever is
// wrong with it.
func (s *Service) Take(ctx context.Context, state, browser string) (f Flow, err error) {
	_, f, err = s.take(ctx, state, browser, false)
	return f, err
}

// TakeTicket is Take for what the platform sent back: its ticket must be of the
// same flow. It returns who the platform says that is.
func (s *Service) TakeTicket(ctx context.Context, state, browser, ticket string) (f Flow, who Claims, err error) {
	got, f, err := s.take(ctx, state, browser, true)
	if err != nil {
		return Flow{}, Claims{}, err
	}
	if !isSecret(ticket) || got.ticketHash == nil || subtle.ConstantTimeCompare(got.ticketHash, hashOf(ticket)) != 1 {
		return Flow{}, Claims{}, noFlow()
	}
	err = s.openJSON("ticket", got.ticketHash, got.ticket, &who)
	return f, who, err
}

type takenFlow struct {
	provider                            *uuid.UUID
	content, ticketHash, ticket, hashed []byte
	expires                             time.Time
}

func (s *Service) take(ctx context.Context, state, browser string, platform bool) (got takenFlow, f Flow, err error) {
	if !isSecret(state) || !isSecret(browser) {
		return got, Flow{}, noFlow()
	}
	got.hashed = hashOf(state)
	err = s.DB.InTx(ctx, func(ctx context.Context, tx *db.Tx) error {
		return tx.QueryRow(ctx, `DELETE FROM login_flows WHERE org_id = `+db.Ours+` AND state_hash = $1 AND browser_hash = $2 AND (provider_id IS NULL) = $3
			RETURNING provider_id, sealed, ticket_hash, ticket_sealed, expires_at`, got.hashed, hashOf(browser), platform).
			Scan(&got.provider, &got.content, &got.ticketHash, &got.ticket, &got.expires)
	})
	if errors.Is(err, pgx.ErrNoRows) || err == nil && !s.Now().Before(got.expires) {
		return got, Flow{}, noFlow()
	}
	if err != nil {
		return got, Flow{}, err
	}
	err = s.openJSON("flow", got.hashed, got.content, &f)
	return got, f, err
}

// Ticket lets a flow that waits for the platform's answer have it, and returns
// where the flow began, which is where the ticket goes. A flow that does not
// wait, or was answered, is Forbidden, and so is one that fits refuses; nil
// takes every one.
func (s *Service) Ticket(ctx context.Context, state string, who Claims, fits func(Flow) bool) (ticket string, f Flow, err error) {
	if !isSecret(state) {
		return "", Flow{}, noFlow()
	}
	ticket, hash, err := s.newSecret()
	if err != nil {
		return "", Flow{}, err
	}
	content, err := s.sealJSON("ticket", hash, who)
	if err != nil {
		return "", Flow{}, err
	}
	stateHash := hashOf(state)
	err = s.DB.InTx(ctx, func(ctx context.Context, tx *db.Tx) error {
		var kept []byte
		err := tx.QueryRow(ctx, `UPDATE login_flows SET ticket_hash = $2, ticket_sealed = $3
			WHERE org_id = `+db.Ours+` AND state_hash = $1 AND provider_id IS NULL AND ticket_hash IS NULL AND expires_at > $4 RETURNING sealed`,
			stateHash, hash, content, s.Now()).Scan(&kept)
		if err != nil {
			return err
		}
		if err := s.openJSON("flow", stateHash, kept, &f); err != nil {
			return err
		}
		if fits != nil && !fits(f) {
			return noFlow()
		}
		return nil
	})
	if errors.Is(err, pgx.ErrNoRows) {
		err = noFlow()
	}
	if err != nil {
		return "", Flow{}, err
	}
	return ticket, f, nil
}

func noFlow() error {
	return errs.New(errs.Forbidden, "login.Flow", "there is no such login under way, it was used, it has expired, or it began in another browser")
}

func orUnavailable(err error) error {
	if err != nil {
		return err
	}
	return errs.New(errs.Unavailable, "login.Begin", "too many logins are under way; try again in a few minutes")
}

// LocalPath returns the path if it can only lead to this very server, else "".
// What would be read as another host by some browser (two slashes, backslashes,
// control characters, a scheme) is no local path, and neither are the pages of
// logging in and out, which would go round in circles.
func LocalPath(path string) string {
	if len(path) > 2000 || !strings.HasPrefix(path, "/") || strings.HasPrefix(path, "//") {
		return ""
	}
	for _, c := range path {
		if c < 0x21 || c == 0x7f || c == '\\' || c > 0x7e {
			return ""
		}
	}
	page, _, _ := strings.Cut(path, "?")
	page, _, _ = strings.Cut(page, "#")
	for _, segment := range strings.Split(page, "/") {
		if segment == ".." || segment == "." || strings.Contains(strings.ToLower(segment), "%2e") || strings.Contains(strings.ToLower(segment), "%5c") {
			return ""
		}
	}
	if page == "/login" || strings.HasPrefix(page, "/login/") || page == "/logout" || strings.Contains(page, "//") {
		return ""
	}
	return path
}
