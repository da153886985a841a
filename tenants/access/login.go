package access

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/google/uuid"

	"sluice.dev/sluice/ent"
	"sluice.dev/sluice/ent/db"
	"sluice.dev/sluice/ent/loginrequest"
	"sluice.dev/sluice/tenants/errs"
	"sluice.dev/sluice/tenants/scope"
)

// Times of logins.
const (
	// LoginWait is how long a client waits for a person to say yes.
	LoginWait = 10 * time.Minute
	// LoginFor is how long a token lives that a login made, if the one that it
	// was made with does not end sooner.
	LoginFor = 30 * 24 * time.Hour
)

// Sealer encrypts what must be read again, on every node of an installation.
type Sealer interface {
	Seal(plain []byte) ([]byte, error)
	Open(sealed []byte) ([]byte, error)
}

// Logins lets a command-line client get a token while a person says yes in a
// browser. Until somebody does, nothing is stored: what a request is for stands
// sealed in the two secrets, the client's and the page's, so that anybody may
// start one without filling a table or learning anything (T3). It is safe for
// concurrent use.
type Logins struct {
	access *Service
	seal   Sealer
}

// NewLogins returns Logins of the service.
func NewLogins(s *Service, seal Sealer) *Logins { return &Logins{s, seal} }

// LoginRequest is what a client asked for.
type LoginRequest struct {
	Registry string    // name of the registry as it was asked for; it may not exist
	Client   string    // what the client says it is, and from where
	Expires  time.Time // when it is too late to say yes
}

// sealedLogin is what both secrets carry.
type sealedLogin struct {
	Kind     string    `json:"kind"` // client or page
	Org      uuid.UUID `json:"org"`
	Registry string    `json:"registry"`
	Client   string    `json:"client,omitempty"`
	Expires  int64     `json:"expires"` // Unix seconds
	Nonce    []byte    `json:"nonce"`
	Waiting  []byte    `json:"waiting,omitempty"` // page: hash of the client's secret
}

const (
	kindClient = "client"
	kindPage   = "page"
)

// Start begins a login and returns the secret that the client polls with and
// the one in the address of the page. Both fit into a path. The client's text
// is cut to 200 bytes.
func (l *Logins) Start(ctx context.Context, registry, client string) (waiting, page string, err error) {
	org, err := scope.Org(ctx)
	if err != nil {
		return "", "", err
	}
	expires := l.access.now().Add(LoginWait).Unix()
	waiting, err = l.sealed(sealedLogin{Kind: kindClient, Org: org, Registry: registry, Expires: expires})
	if err != nil {
		return "", "", err
	}
	if len(client) > 200 {
		client = strings.ToValidUTF8(client[:200], "")
	}
	hash := sha256.Sum256([]byte(waiting))
	page, err = l.sealed(sealedLogin{Kind: kindPage, Org: org, Registry: registry, Client: client, Expires: expires, Waiting: hash[:]})
	return waiting, page, err
}

func (l *Logins) sealed(s sealedLogin) (string, error) {
	s.Nonce = make([]byte, 16)
	if _, err := io.ReadFull(l.access.random, s.Nonce); err != nil {
		return "", fmt.Errorf("draw a secret: %w", err)
	}
	plain, err := json.Marshal(s)
	if err != nil {
		return "", err
	}
	out, err := l.seal.Seal(plain)
	if err != nil {
		return "", fmt.Errorf("seal a login: %w", err)
	}
	return base64.RawURLEncoding.EncodeToString(out), nil
}

// open reads a secret of the context's organization. One that is not, was
// invented, or is too old is NotFound, all alike.
func (l *Logins) open(ctx context.Context, kind, secret string) (out sealedLogin, err error) {
	org, err := scope.Org(ctx)
	if err != nil {
		return out, err
	}
	raw, err := base64.RawURLEncoding.Strict().DecodeString(secret)
	if err == nil {
		raw, err = l.seal.Open(raw)
	}
	if err == nil {
		err = json.Unmarshal(raw, &out)
	}
	if err != nil || out.Kind != kind || out.Org != org || !l.access.now().Before(time.Unix(out.Expires, 0)) {
		return sealedLogin{}, errs.New(errs.NotFound, "access.Login", "there is no such login, or it was %d minutes ago or more; start again with npm login", int(LoginWait.Minutes()))
	}
	return out, nil
}

// Read returns what the page's secret is for; NotFound when it is for nothing
// here, or too old.
func (l *Logins) Read(ctx context.Context, page string) (LoginRequest, error) {
	s, err := l.open(ctx, kindPage, page)
	if err != nil {
		return LoginRequest{}, err
	}
	return LoginRequest{s.Registry, s.Client, time.Unix(s.Expires, 0).UTC()}, nil
}

// Approve makes the token that the client waits for, as the context's subject
// and limited to the registry, which must be the one that was asked for. A page
// that was answered already is a Conflict.
func (l *Logins) Approve(ctx context.Context, page string, registry uuid.UUID) (out Token, err error) {
	asked, err := l.open(ctx, kindPage, page)
	if err != nil {
		return Token{}, err
	}
	s := l.access
	secret, err := newSecret(s.random)
	if err != nil {
		return Token{}, fmt.Errorf("draw a secret: %w", err)
	}
	sealed, err := l.seal.Seal([]byte(secret))
	if err != nil {
		return Token{}, fmt.Errorf("seal a login: %w", err)
	}
	hash := sha256.Sum256([]byte(page))
	err = s.change(ctx, func(ctx context.Context, t *turn) error {
		if out, err = t.derive(ctx, s.loginToken(Of(ctx), registry), secret); err != nil {
			return err
		}
		return t.Ent.LoginRequest.Create().SetRegistryID(registry).SetSecretHash(asked.Waiting).SetPageHash(hash[:]).SetClient(asked.Client).
			SetCreatedAt(s.now()).SetExpiresAt(time.Unix(asked.Expires, 0)).SetTokenID(out.ID).SetTokenSealed(sealed).Exec(ctx)
	})
	if _, answered := db.IsUnique(err); answered {
		return Token{}, errs.New(errs.Conflict, "access.Login", "this login was answered already")
	}
	if err != nil {
		return Token{}, err
	}
	return out, nil
}

// loginToken is what a login makes: it writes if its maker does.
func (s *Service) loginToken(by Subject, registry uuid.UUID) TokenInput {
	end := s.now().Add(LoginFor)
	if !by.Expires.IsZero() && by.Expires.Before(end) {
		end = by.Expires
	}
	return TokenInput{Name: "npm login " + s.now().UTC().Format("2006-01-02 15:04"), Write: by.Write, Registries: []uuid.UUID{registry}, ExpiresAt: end}
}

// Direct makes the token of a login at once, for clients that ask for a
// password, as the context's subject and limited to the registry.
func (l *Logins) Direct(ctx context.Context, registry uuid.UUID) (secret string, out Token, err error) {
	return l.access.DeriveToken(ctx, l.access.loginToken(Of(ctx), registry))
}

// ErrWaiting says that nobody has said yes yet.
var ErrWaiting = errors.New("the login waits for somebody to say yes")

// Collect returns the token's secret to the client that waits for it, once.
// Until somebody said yes it is [ErrWaiting]; afterwards, and when it is too
// late, NotFound.
func (l *Logins) Collect(ctx context.Context, waiting string) (secret string, err error) {
	if _, err := l.open(ctx, kindClient, waiting); err != nil {
		return "", err
	}
	hash := sha256.Sum256([]byte(waiting))
	s := l.access
	err = s.db.InTx(ctx, func(ctx context.Context, tx *db.Tx) error {
		row, err := tx.Ent.LoginRequest.Query().Where(loginrequest.SecretHash(hash[:])).ForUpdate().Only(ctx)
		if ent.IsNotFound(err) {
			return ErrWaiting
		}
		if err != nil {
			return err
		}
		if row.EndedAt != nil || row.TokenSealed == nil {
			return errs.New(errs.NotFound, "access.Login", "the token of this login was handed out already; start again with npm login")
		}
		plain, err := l.seal.Open(*row.TokenSealed)
		if err != nil {
			return fmt.Errorf("open a login: %w", err)
		}
		secret = string(plain)
		return tx.Ent.LoginRequest.UpdateOne(row).SetEndedAt(s.now()).ClearTokenSealed().Exec(ctx)
	})
	if err != nil {
		return "", err
	}
	return secret, nil
}
