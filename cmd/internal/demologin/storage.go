package demologin

import (
	"context"
	"crypto/rsa"
	"crypto/subtle"
	"errors"
	"time"

	jose "github.com/go-jose/go-jose/v4"
	"github.com/google/uuid"
	"github.com/zitadel/oidc/v3/pkg/oidc"
	"github.com/zitadel/oidc/v3/pkg/op"
)

// storage is the provider as the library sees it. What it is asked for and does
// not have (refresh tokens, user info, introspection) is an error.
type storage struct{ p *Provider }

var errNot = errors.New("the demonstration's provider does not have that")

// lifetime is how long tokens are valid.
const lifetime = 5 * time.Minute

// CreateAuthRequest implements op.AuthStorage.
func (s storage) CreateAuthRequest(_ context.Context, r *oidc.AuthRequest, _ string) (op.AuthRequest, error) {
	if len(r.Prompt) == 1 && r.Prompt[0] == "none" {
		return nil, oidc.ErrLoginRequired()
	}
	s.p.mu.Lock()
	defer s.p.mu.Unlock()
	if len(s.p.asks) >= most {
		clear(s.p.asks)
		clear(s.p.code)
	}
	a := &ask{AuthRequest: r, id: uuid.NewString()}
	s.p.asks[a.id] = a
	return a, nil
}

// AuthRequestByID implements op.AuthStorage.
func (s storage) AuthRequestByID(_ context.Context, id string) (op.AuthRequest, error) {
	s.p.mu.Lock()
	defer s.p.mu.Unlock()
	if a := s.p.asks[id]; a != nil {
		return a, nil
	}
	return nil, errNot
}

// AuthRequestByCode implements op.AuthStorage.
func (s storage) AuthRequestByCode(ctx context.Context, code string) (op.AuthRequest, error) {
	s.p.mu.Lock()
	id := s.p.code[code]
	s.p.mu.Unlock()
	return s.AuthRequestByID(ctx, id)
}

// SaveAuthCode implements op.AuthStorage.
func (s storage) SaveAuthCode(_ context.Context, id, code string) error {
	s.p.mu.Lock()
	defer s.p.mu.Unlock()
	s.p.code[code] = id
	return nil
}

// DeleteAuthRequest implements op.AuthStorage.
func (s storage) DeleteAuthRequest(_ context.Context, id string) error {
	s.p.mu.Lock()
	defer s.p.mu.Unlock()
	delete(s.p.asks, id)
	for code, of := range s.p.code {
		if of == id {
			delete(s.p.code, code)
		}
	}
	return nil
}

// CreateAccessToken implements op.AuthStorage. Nothing can be done with it.
func (storage) CreateAccessToken(context.Context, op.TokenRequest) (string, time.Time, error) {
	return uuid.NewString(), time.Now().Add(lifetime), nil
}

// CreateAccessAndRefreshTokens implements op.AuthStorage.
func (storage) CreateAccessAndRefreshTokens(context.Context, op.TokenRequest, string) (string, string, time.Time, error) {
	return "", "", time.Time{}, errNot
}

// TokenRequestByRefreshToken implements op.AuthStorage.
func (storage) TokenRequestByRefreshToken(context.Context, string) (op.RefreshTokenRequest, error) {
	return nil, errNot
}

// TerminateSession implements op.AuthStorage: there are no sessions.
func (storage) TerminateSession(context.Context, string, string) error { return nil }

// RevokeToken implements op.AuthStorage.
func (storage) RevokeToken(context.Context, string, string, string) *oidc.Error { return nil }

// GetRefreshTokenInfo implements op.AuthStorage.
func (storage) GetRefreshTokenInfo(context.Context, string, string) (string, string, error) {
	return "", "", op.ErrInvalidRefreshToken
}

// SigningKey implements op.AuthStorage.
func (s storage) SigningKey(context.Context) (op.SigningKey, error) { return s.p.key, nil }

// SignatureAlgorithms implements op.AuthStorage.
func (storage) SignatureAlgorithms(context.Context) ([]jose.SignatureAlgorithm, error) {
	return []jose.SignatureAlgorithm{jose.RS256}, nil
}

// KeySet implements op.AuthStorage.
func (s storage) KeySet(context.Context) ([]op.Key, error) { return []op.Key{publicKey{s.p.key}}, nil }

// GetClientByClientID implements op.OPStorage.
func (s storage) GetClientByClientID(_ context.Context, id string) (op.Client, error) {
	if id != s.p.ClientID {
		return nil, errNot
	}
	return client{s.p}, nil
}

// AuthorizeClientIDSecret implements op.OPStorage.
func (s storage) AuthorizeClientIDSecret(_ context.Context, id, secret string) error {
	if id != s.p.ClientID || subtle.ConstantTimeCompare([]byte(secret), []byte(s.p.Secret)) != 1 {
		return errNot
	}
	return nil
}

// SetUserinfoFromScopes implements op.OPStorage: what an id token says of its
// person.
func (s storage) SetUserinfoFromScopes(_ context.Context, info *oidc.UserInfo, person, _ string, scopes []string) error {
	who := s.p.person(person)
	if who == nil {
		return errNot
	}
	info.Subject = who.ID
	for _, scope := range scopes {
		switch scope {
		case oidc.ScopeEmail:
			info.Email, info.EmailVerified = who.Email, true
		case oidc.ScopeProfile:
			info.Name = who.Name
		case "groups":
			info.AppendClaims("groups", who.Groups)
		}
	}
	return nil
}

// SetUserinfoFromToken implements op.OPStorage.
func (storage) SetUserinfoFromToken(context.Context, *oidc.UserInfo, string, string, string) error {
	return errNot
}

// SetIntrospectionFromToken implements op.OPStorage.
func (storage) SetIntrospectionFromToken(context.Context, *oidc.IntrospectionResponse, string, string, string) error {
	return errNot
}

// GetPrivateClaimsFromScopes implements op.OPStorage.
func (storage) GetPrivateClaimsFromScopes(context.Context, string, string, []string) (map[string]any, error) {
	return nil, nil
}

// GetKeyByIDAndClientID implements op.OPStorage.
func (storage) GetKeyByIDAndClientID(context.Context, string, string) (*jose.JSONWebKey, error) {
	return nil, errNot
}

// ValidateJWTProfileScopes implements op.OPStorage.
func (storage) ValidateJWTProfileScopes(context.Context, string, []string) ([]string, error) {
	return nil, errNot
}

// Health implements op.Storage.
func (storage) Health(context.Context) error { return nil }

type signingKey struct {
	id  string
	key *rsa.PrivateKey
}

func (k signingKey) SignatureAlgorithm() jose.SignatureAlgorithm { return jose.RS256 }
func (k signingKey) Key() any                                    { return k.key }
func (k signingKey) ID() string                                  { return k.id }

type publicKey struct{ of signingKey }

func (k publicKey) ID() string                         { return k.of.id }
func (k publicKey) Algorithm() jose.SignatureAlgorithm { return jose.RS256 }
func (k publicKey) Use() string                        { return "sig" }
func (k publicKey) Key() any                           { return &k.of.key.PublicKey }

// client is Sluice, the one client that the provider knows.
type client struct{ p *Provider }

func (c client) GetID() string                      { return c.p.ClientID }
func (c client) RedirectURIs() []string             { return c.p.Redirects }
func (c client) PostLogoutRedirectURIs() []string   { return c.p.Leave }
func (client) ApplicationType() op.ApplicationType  { return op.ApplicationTypeWeb }
func (client) AuthMethod() oidc.AuthMethod          { return oidc.AuthMethodBasic }
func (client) ResponseTypes() []oidc.ResponseType   { return []oidc.ResponseType{oidc.ResponseTypeCode} }
func (client) GrantTypes() []oidc.GrantType         { return []oidc.GrantType{oidc.GrantTypeCode} }
func (c client) LoginURL(id string) string          { return c.p.Issuer + "/people?login=" + id }
func (client) AccessTokenType() op.AccessTokenType  { return op.AccessTokenTypeBearer }
func (client) IDTokenLifetime() time.Duration       { return lifetime }
func (client) DevMode() bool                        { return true }
func (client) IsScopeAllowed(scope string) bool     { return scope == "groups" }
func (client) IDTokenUserinfoClaimsAssertion() bool { return true }
func (client) ClockSkew() time.Duration             { return 0 }
func (client) RestrictAdditionalIdTokenScopes() func([]string) []string {
	return func(scopes []string) []string { return scopes }
}
func (client) RestrictAdditionalAccessTokenScopes() func([]string) []string {
	return func(scopes []string) []string { return scopes }
}
