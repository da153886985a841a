package npm

import (
	"context"
	"encoding/json"
	"net/http"
	"time"

	"github.com/google/uuid"

	"sluice.dev/sluice/protocol"
	"sluice.dev/sluice/protocol/idtoken"
	"sluice.dev/sluice/tenants/access"
	"sluice.dev/sluice/tenants/errs"
)

// Accounts is what the endpoints about people and their credentials work with:
// login and logout, tokens, profile, who has access, trusted publishing.
type Accounts struct {
	Access     AccountAccess
	Logins     AccountLogins
	Attempts   *protocol.Attempts // of passwords
	Identities AccountIdentities
	Holdings   AccountHoldings
	Now        func() time.Time
	// Issuers are the addresses of the CI services that npm trust knows by a
	// word (github, gitlab, circleci); nil is their public ones.
	Issuers map[string]string
}

// AccountAccess decides and keeps; *access.Service is one.
type AccountAccess interface {
	Authenticate(ctx context.Context, secret, ip string) (access.Subject, error)
	Reads(ctx context.Context, who access.Subject, registry uuid.UUID) (bool, error)
	Can(ctx context.Context, who access.Subject, a access.Action, registry uuid.UUID) (bool, error)
	Me(ctx context.Context) (access.Member, error)

	OwnTokens(ctx context.Context, p access.Page) ([]access.Token, error)
	CreateToken(ctx context.Context, in access.TokenInput) (string, access.Token, error)
	DeriveToken(ctx context.Context, in access.TokenInput) (string, access.Token, error)
	RevokeToken(ctx context.Context, id uuid.UUID) error
	RevokeSecret(ctx context.Context, secret string) error

	Roster(ctx context.Context) ([]access.RosterEntry, error)
	Collaborators(ctx context.Context, registry uuid.UUID) ([]access.Collaborator, error)

	CreateTrustRule(ctx context.Context, in access.TrustRuleInput) (access.TrustRule, error)
	TrustRules(ctx context.Context, registry uuid.UUID) ([]access.TrustRule, error)
	DeleteTrustRule(ctx context.Context, id uuid.UUID) error
	Trusts(ctx context.Context, issuer string, registry uuid.UUID) (bool, error)
	Exchange(ctx context.Context, in access.ExchangeInput) (string, access.Token, error)
}

// AccountLogins are logins from the command line; *access.Logins is one.
type AccountLogins interface {
	Start(ctx context.Context, registry, client string) (waiting, page string, err error)
	Collect(ctx context.Context, waiting string) (string, error)
	Direct(ctx context.Context, registry uuid.UUID) (string, access.Token, error)
}

// AccountIdentities verifies tokens of outside issuers; *idtoken.Verifier is
// one.
type AccountIdentities interface {
	Peek(raw, audience string) (issuer string, err error)
	Verify(ctx context.Context, raw, issuer, audience string) (idtoken.Identity, error)
}

// AccountHoldings lists the names of packages that a registry holds, in order,
// at most limit from behind a name.
type AccountHoldings interface {
	HeldNames(ctx context.Context, registry uuid.UUID, after string, limit int) ([]string, error)
}

// accountAction is an [action] of the accounts.
type accountAction func(a *Accounts, w http.ResponseWriter, r *http.Request, t protocol.Target, p params)

// account is an action for a handler that may have no accounts.
func account(do accountAction) action {
	return func(h *Handler, w http.ResponseWriter, r *http.Request, t protocol.Target, p params) {
		if h.Accounts == nil {
			protocol.Problem(w, r, nothingHere())
			return
		}
		do(h.Accounts, w, r, t, p)
	}
}

// maxAccountBody bounds the bodies of these endpoints, in bytes.
const maxAccountBody = 64 << 10

// readAccount decodes a small JSON body.
func readAccount(w http.ResponseWriter, r *http.Request, into any) error {
	err := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxAccountBody)).Decode(into)
	if err != nil {
		return errs.Wrap(err, errs.Invalid, "npm.accounts", "the body must be a JSON document of at most %d bytes, as npm sends it", maxAccountBody)
	}
	return nil
}

// answerAccount sends a JSON document that no cache may keep.
func answerAccount(w http.ResponseWriter, r *http.Request, status int, v any) {
	body, err := json.Marshal(v)
	if err != nil {
		protocol.Problem(w, r, err)
		return
	}
	h := w.Header()
	protocol.Harden(h)
	h["Content-Type"] = typeJSON
	h.Set("Cache-Control", "private, no-store")
	w.WriteHeader(status)
	if r.Method != http.MethodHead {
		_, _ = w.Write(body)
	}
}

// elsewhere refuses what is not done through the registry, and says where it is.
func elsewhere(format string, args ...any) accountAction {
	return func(_ *Accounts, w http.ResponseWriter, r *http.Request, _ protocol.Target, _ params) {
		protocol.Problem(w, r, errs.New(errs.Forbidden, "npm.accounts", format, args...))
	}
}
