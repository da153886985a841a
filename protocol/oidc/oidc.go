// Package oidc asks OpenID Connect providers (law A1): where to send a person,
// what an authorization code stands for, and whether a logout token is genuine.
// It follows OpenID Connect Core 1.0 with the authorization code flow, PKCE
// (RFC 7636), the issuer in the answer (RFC 9207), RP-Initiated Logout 1.0 and
// Back-Channel Logout 1.0.
//
// What a provider says is believed only after its signature, issuer, audience,
// times and nonce were checked. Who the account is here is decided in
// tenants/login.
package oidc

import (
	"context"
	"net/http"
	"net/url"
	"time"

	gooidc "github.com/coreos/go-oidc/v3/oidc"
	"github.com/maypok86/otter/v2"
	"golang.org/x/oauth2"
	"golang.org/x/sync/singleflight"

	"sluice.dev/sluice/tenants/errs"
	"sluice.dev/sluice/tenants/login"
)

// Bounds of what is exchanged with a provider (F3).
const (
	Within   = 15 * time.Second
	MostSent = 1 << 20 // bytes of one answer

	mostProviders = 2_000
	discoveredFor = time.Hour
	failedFor     = 3 * time.Second
	keysFor       = 10 * time.Second // in which strangers' tokens cause no further request for keys
)

// Config is what a client is made of.
type Config struct {
	// HTTP reaches providers; upstream.Client.Plain makes one.
	HTTP *http.Client
	Now  func() time.Time
	// PlainHTTP allows endpoints that are reached over http.
	PlainHTTP bool
}

// Client asks providers. What it discovered of one is kept for an hour. It is
// safe for concurrent use.
type Client struct {
	Config
	known  *otter.Cache[string, *known]
	failed *otter.Cache[string, error] // for a moment, so that strangers cannot make us ask on and on
	flight singleflight.Group
}

// New returns a client.
func New(c Config) *Client {
	return &Client{Config: c, known: otter.Must(&otter.Options[string, *known]{
		MaximumSize: mostProviders, ExpiryCalculator: otter.ExpiryCreating[string, *known](discoveredFor)}),
		failed: otter.Must(&otter.Options[string, error]{MaximumSize: mostProviders, ExpiryCalculator: otter.ExpiryCreating[string, error](failedFor)})}
}

// known is what a provider says about itself.
type known struct {
	*gooidc.Provider
	metadata
	client *http.Client
}

// metadata are the members of a discovery document that go-oidc does not show.
type metadata struct {
	Issuer      string   `json:"issuer"`
	Auth        string   `json:"authorization_endpoint"`
	Token       string   `json:"token_endpoint"`
	Keys        string   `json:"jwks_uri"`
	EndSession  string   `json:"end_session_endpoint"`
	TokenAuth   []string `json:"token_endpoint_auth_methods_supported"`
	Challenges  []string `json:"code_challenge_methods_supported"`
	Algorithms  []string `json:"id_token_signing_alg_values_supported"`
	NamesIssuer bool     `json:"authorization_response_iss_parameter_supported"`
}

// of returns what is known of an issuer, discovering it when need be.
func (c *Client) of(ctx context.Context, issuer string) (*known, error) {
	if k, ok := c.known.GetIfPresent(issuer); ok {
		return k, nil
	}
	if err, ok := c.failed.GetIfPresent(issuer); ok {
		return nil, err
	}
	got, err, _ := c.flight.Do(issuer, func() (any, error) {
		// The first caller's leaving must not fail the others; the client has
		// bounds of its own.
		k, err := c.discover(context.WithoutCancel(ctx), issuer)
		if err == nil {
			c.known.Set(issuer, k)
		} else {
			c.failed.Set(issuer, err)
		}
		return k, err
	})
	if err != nil {
		return nil, err
	}
	return got.(*known), nil
}

func (c *Client) discover(ctx context.Context, issuer string) (*known, error) {
	calm := &calm{next: c.HTTP.Transport, now: c.Now}
	client := *c.HTTP
	client.Transport = calm
	p, err := gooidc.NewProvider(gooidc.ClientContext(ctx, &client), issuer)
	if err != nil {
		return nil, undiscovered(issuer, err)
	}
	k := &known{Provider: p, client: &client}
	if err := p.Claims(&k.metadata); err != nil {
		return nil, undiscovered(issuer, err)
	}
	if err := c.checkEndpoints(k.metadata); err != nil {
		return nil, err
	}
	calm.url = k.Keys
	return k, nil
}

// checkEndpoints refuses a document without what logging in needs, and addresses
// that nothing may be sent to.
func (c *Client) checkEndpoints(m metadata) error {
	for _, e := range []struct {
		name, value string
		optional    bool
	}{{"authorization_endpoint", m.Auth, false}, {"token_endpoint", m.Token, false}, {"jwks_uri", m.Keys, false}, {"end_session_endpoint", m.EndSession, true}} {
		if e.value == "" && e.optional {
			continue
		}
		u, err := url.Parse(e.value)
		if err != nil || u.Host == "" || u.User != nil || u.Fragment != "" || u.Scheme != "https" && !(c.PlainHTTP && u.Scheme == "http") {
			return errs.New(errs.Upstream, "oidc.discover", "the provider's discovery document has %.200q as %s, where an https address is needed", e.value, e.name)
		}
	}
	return nil
}

// config is the provider as x/oauth2 knows it. How the client secret is sent is
// never tried out, since a code that was sent works no second time.
func (k *known) config(p login.Provider, redirectURI string) oauth2.Config {
	e := k.Endpoint()
	e.AuthStyle = oauth2.AuthStyleInHeader // the default of RFC 8414
	if p.ClientSecret == "" || len(k.TokenAuth) > 0 && !has(k.TokenAuth, "client_secret_basic") {
		e.AuthStyle = oauth2.AuthStyleInParams
	}
	return oauth2.Config{ClientID: p.ClientID, ClientSecret: string(p.ClientSecret), Endpoint: e, RedirectURL: redirectURI,
		Scopes: append([]string{gooidc.ScopeOpenID}, p.Scopes...)}
}

func has(list []string, x string) bool {
	for _, y := range list {
		if x == y {
			return true
		}
	}
	return false
}

// AuthURL returns where to send the person. Upstream when the provider cannot be
// asked about itself.
func (c *Client) AuthURL(ctx context.Context, p login.Provider, b login.Begun) (string, error) {
	k, err := c.of(ctx, p.Issuer)
	if err != nil {
		return "", err
	}
	cfg := k.config(p, b.RedirectURI)
	return cfg.AuthCodeURL(b.State, gooidc.Nonce(b.Nonce), oauth2.S256ChallengeOption(b.Verifier)), nil
}

// EndSession returns where to send a person who logged out here, so that they
// log out at the provider too; "" when it has no such address.
func (c *Client) EndSession(ctx context.Context, p login.Provider, idToken, back string) (string, error) {
	k, err := c.of(ctx, p.Issuer)
	if err != nil || k.metadata.EndSession == "" {
		return "", err
	}
	u, err := url.Parse(k.metadata.EndSession)
	if err != nil {
		return "", err
	}
	q := u.Query()
	q.Set("client_id", p.ClientID)
	q.Set("post_logout_redirect_uri", back)
	if idToken != "" {
		q.Set("id_token_hint", idToken)
	}
	u.RawQuery = q.Encode()
	return u.String(), nil
}
