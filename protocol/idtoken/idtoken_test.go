package idtoken_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"sluice.dev/sluice/protocol/idtoken"
	"sluice.dev/sluice/protocol/upstream"
	"sluice.dev/sluice/tenants/errs"
)

const audience = "npm:acme.example"

// ci is an issuer on loopback, with a clock that only the test moves.
type ci struct {
	testing.TB
	server *httptest.Server
	v      *idtoken.Verifier

	mu      sync.Mutex
	now     time.Time
	keys    []jose.JSONWebKey // published
	about   func() any        // the configuration, when not the usual one
	broken  bool
	fetched atomic.Int64 // of the keys
}

func newCI(t testing.TB) *ci {
	t.Helper()
	c := &ci{TB: t, now: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /.well-known/openid-configuration", func(w http.ResponseWriter, _ *http.Request) {
		c.mu.Lock()
		defer c.mu.Unlock()
		switch {
		case c.broken:
			http.Error(w, "down", http.StatusInternalServerError)
		case c.about != nil:
			_ = json.NewEncoder(w).Encode(c.about())
		default:
			_ = json.NewEncoder(w).Encode(map[string]string{"issuer": c.server.URL, "jwks_uri": c.server.URL + "/keys"})
		}
	})
	mux.HandleFunc("GET /keys", func(w http.ResponseWriter, _ *http.Request) {
		c.fetched.Add(1)
		c.mu.Lock()
		defer c.mu.Unlock()
		list := []any{map[string]string{"kty": "unheard-of", "kid": "x"}}
		for _, k := range c.keys {
			list = append(list, k)
		}
		_ = json.NewEncoder(w).Encode(map[string]any{"keys": list})
	})
	c.server = httptest.NewTLSServer(mux)
	t.Cleanup(c.server.Close)
	c.v = idtoken.New(c.client(c.server, "127.0.0.0/8"), c.clock)
	return c
}

func (c *ci) client(s *httptest.Server, allowed ...string) *upstream.Client {
	c.Helper()
	roots := x509.NewCertPool()
	roots.AddCert(s.Certificate())
	client, err := upstream.New(upstream.Config{AllowedHosts: allowed, RootCAs: roots, Attempts: 1, BreakerAfter: 1_000_000, HeaderTime: 5 * time.Second})
	if err != nil {
		c.Fatal(err)
	}
	c.Cleanup(client.Close)
	return client
}

func (c *ci) clock() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *ci) pass(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// publish adds the public half of a key.
func (c *ci) publish(kid string, public any) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.keys = append(c.keys, jose.JSONWebKey{Key: public, KeyID: kid, Use: "sig"})
}

// claims are those of a good token, with changes.
func (c *ci) claims(change map[string]any) map[string]any {
	out := map[string]any{"iss": c.server.URL, "aud": audience, "sub": "repo:acme/widgets", "repository": "acme/widgets",
		"exp": c.clock().Add(5 * time.Minute).Unix(), "iat": c.clock().Unix()}
	maps.Copy(out, change)
	return out
}

func sign(t testing.TB, alg jose.SignatureAlgorithm, kid string, key any, claims map[string]any) string {
	t.Helper()
	options := &jose.SignerOptions{}
	if kid != "" {
		options = options.WithHeader("kid", kid)
	}
	s, err := jose.NewSigner(jose.SigningKey{Algorithm: alg, Key: key}, options)
	if err != nil {
		t.Fatal(err)
	}
	payload, err := json.Marshal(claims)
	if err != nil {
		t.Fatal(err)
	}
	signed, err := s.Sign(payload)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := signed.CompactSerialize()
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// check asks as a server does: a look first, then the issuer.
func (c *ci) check(raw string) (idtoken.Identity, error) {
	if _, err := c.v.Peek(raw, audience); err != nil {
		return idtoken.Identity{}, err
	}
	return c.v.Verify(context.Background(), raw, c.server.URL, audience)
}

var rsaKey = sync.OnceValue(func() *rsa.PrivateKey {
	k, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	return k
})

func ecKey(t testing.TB) *ecdsa.PrivateKey {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// TestVerify_GoodTokens: every kind of key that issuers use, with one audience
// or several.
func TestVerify_GoodTokens(t *testing.T) {
	t.Parallel()
	c := newCI(t)
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	ec := ecKey(t)
	c.publish("r", rsaKey().Public())
	c.publish("e", ec.Public())
	c.publish("d", public)
	for name, raw := range map[string]string{
		"RS256":             sign(t, jose.RS256, "r", rsaKey(), c.claims(nil)),
		"ES256":             sign(t, jose.ES256, "e", ec, c.claims(nil)),
		"EdDSA":             sign(t, jose.EdDSA, "d", private, c.claims(nil)),
		"without a key id":  sign(t, jose.ES256, "", ec, c.claims(nil)),
		"several audiences": sign(t, jose.ES256, "e", ec, c.claims(map[string]any{"aud": []string{"other", audience}})),
	} {
		id, err := c.check(raw)
		if err != nil || id.Issuer != c.server.URL || id.Subject != "repo:acme/widgets" || id.Claims["repository"] != "acme/widgets" {
			t.Errorf("%s: %+v, %v", name, id, err)
		}
	}
	if n := c.fetched.Load(); n != 1 {
		t.Errorf("the keys were asked for %d times", n)
	}
}

// TestA2_BadTokens: forged, foreign, expired and malformed tokens are nobody's.
func TestA2_BadTokens(t *testing.T) {
	t.Parallel()
	c := newCI(t)
	ec, other := ecKey(t), ecKey(t)
	c.publish("e", ec.Public())
	c.publish("r", rsaKey().Public())
	good := sign(t, jose.ES256, "e", ec, c.claims(nil))
	parts := strings.Split(good, ".")
	enc := func(v any) string {
		b, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		return base64.RawURLEncoding.EncodeToString(b)
	}
	// The classic: the public key as the secret of a symmetric algorithm.
	public := x509.MarshalPKCS1PublicKey(&rsaKey().PublicKey)
	for name, raw := range map[string]string{
		"alg none":              enc(map[string]string{"alg": "none", "kid": "e"}) + "." + parts[1] + ".",
		"alg None with a body":  enc(map[string]string{"alg": "None", "kid": "e"}) + "." + parts[1] + "." + parts[2],
		"HS256 with the key":    sign(t, jose.HS256, "r", public, c.claims(nil)),
		"another key":           sign(t, jose.ES256, "e", other, c.claims(nil)),
		"an unknown key id":     sign(t, jose.ES256, "e2", ec, c.claims(nil)),
		"another audience":      sign(t, jose.ES256, "e", ec, c.claims(map[string]any{"aud": "npm:globex.example"})),
		"no audience":           sign(t, jose.ES256, "e", ec, c.claims(map[string]any{"aud": nil})),
		"an audience that ends": sign(t, jose.ES256, "e", ec, c.claims(map[string]any{"aud": audience + ".evil"})),
		"another issuer":        sign(t, jose.ES256, "e", ec, c.claims(map[string]any{"iss": "https://evil.example"})),
		"expired":               sign(t, jose.ES256, "e", ec, c.claims(map[string]any{"exp": c.clock().Unix()})),
		"no expiry":             sign(t, jose.ES256, "e", ec, c.claims(map[string]any{"exp": nil})),
		"not yet":               sign(t, jose.ES256, "e", ec, c.claims(map[string]any{"nbf": c.clock().Add(time.Hour).Unix()})),
		"other claims":          parts[0] + "." + enc(c.claims(map[string]any{"repository": "acme/other"})) + "." + parts[2],
		"no signature":          parts[0] + "." + parts[1] + ".",
		"two parts":             parts[0] + "." + parts[1],
		"empty":                 "",
		"nonsense":              "a.b.c",
		"too long":              good + strings.Repeat("A", idtoken.MaxToken),
		"five parts":            good + ".a.b",
		"a claim twice":         sign(t, jose.ES256, "e", other, c.claims(map[string]any{"sub": "x"})),
	} {
		id, err := c.check(raw)
		if !errs.Is(err, errs.Unauthenticated) {
			t.Errorf("%s: %+v, %v", name, id, err)
		}
		// Whoever skips the look is not let in either.
		if id, err := c.v.Verify(t.Context(), raw, c.server.URL, audience); err == nil {
			t.Errorf("%s without a look first: %+v", name, id)
		}
	}
	if _, err := c.check(good); err != nil {
		t.Error(err)
	}
}

// TestPeek_SaysWhatIsWrong: before anything was looked up, so that it tells
// nothing of who is trusted.
func TestPeek_SaysWhatIsWrong(t *testing.T) {
	t.Parallel()
	c := newCI(t)
	ec := ecKey(t)
	for says, raw := range map[string]string{
		"it must be for \"npm:acme.example\"": sign(t, jose.ES256, "e", ec, c.claims(map[string]any{"aud": "npm:x"})),
		"has expired":                         sign(t, jose.ES256, "e", ec, c.claims(map[string]any{"exp": 1})),
		"signed with the algorithm \"HS256\"": sign(t, jose.HS256, "e", make([]byte, 32), c.claims(nil)),
		"must be a signed JSON Web Token":     "sluice_x",
	} {
		if _, err := c.v.Peek(raw, audience); err == nil || !strings.Contains(errs.Public(err), says) {
			t.Errorf("%v, want %q", err, says)
		}
	}
	if c.fetched.Load() != 0 {
		t.Error("a look asked the issuer")
	}
}

// TestF3_IssuersAreAskedRarely: invented key ids ask nobody, rotation is noticed
// after a minute, and an issuer that is down is believed for a day.
func TestF3_IssuersAreAskedRarely(t *testing.T) {
	t.Parallel()
	c := newCI(t)
	first, second := ecKey(t), ecKey(t)
	c.publish("one", first.Public())
	if _, err := c.check(sign(t, jose.ES256, "one", first, c.claims(nil))); err != nil {
		t.Fatal(err)
	}
	for i := range 20 {
		if _, err := c.check(sign(t, jose.ES256, fmt.Sprint("invented ", i), first, c.claims(nil))); err == nil {
			t.Fatal("an unknown key id was accepted")
		}
	}
	if n := c.fetched.Load(); n != 1 {
		t.Errorf("inventing key ids asked the issuer %d times", n)
	}
	c.publish("two", second.Public())
	c.pass(time.Minute)
	if _, err := c.check(sign(t, jose.ES256, "two", second, c.claims(nil))); err != nil {
		t.Errorf("after rotation: %v", err)
	}
	c.mu.Lock()
	c.broken = true
	c.mu.Unlock()
	c.pass(23 * time.Hour)
	if _, err := c.check(sign(t, jose.ES256, "two", second, c.claims(nil))); err != nil {
		t.Errorf("while the issuer is down: %v", err)
	}
	c.pass(2 * time.Hour)
	_, err := c.check(sign(t, jose.ES256, "two", second, c.claims(nil)))
	if !errs.Is(err, errs.Upstream) {
		t.Errorf("a day later: %v, want upstream", err)
	}
	c.mu.Lock()
	c.broken = false
	c.mu.Unlock()
	if _, err := c.check(sign(t, jose.ES256, "two", second, c.claims(nil))); !errs.Is(err, errs.Upstream) {
		t.Errorf("at once after a failure the issuer was asked again: %v", err)
	}
	c.pass(10 * time.Second)
	if _, err := c.check(sign(t, jose.ES256, "two", second, c.claims(nil))); err != nil {
		t.Errorf("after it came back: %v", err)
	}
}

// TestF6_IssuersGoThroughTheGuard: an issuer on an internal address is not
// asked, one whose configuration is another's not believed.
func TestF6_IssuersGoThroughTheGuard(t *testing.T) {
	t.Parallel()
	c := newCI(t)
	ec := ecKey(t)
	c.publish("e", ec.Public())
	raw := sign(t, jose.ES256, "e", ec, c.claims(nil))
	guarded := idtoken.New(c.client(c.server), c.clock)
	if _, err := guarded.Verify(t.Context(), raw, c.server.URL, audience); !errs.Is(err, errs.Upstream) || c.fetched.Load() != 0 {
		t.Errorf("loopback that nobody allowed: %v", err)
	}
	for name, about := range map[string]map[string]string{
		"another issuer":   {"issuer": "https://evil.example", "jwks_uri": c.server.URL + "/keys"},
		"keys over http":   {"issuer": c.server.URL, "jwks_uri": strings.Replace(c.server.URL, "https", "http", 1) + "/keys"},
		"keys in a file":   {"issuer": c.server.URL, "jwks_uri": "file:///etc/passwd"},
		"keys nowhere":     {"issuer": c.server.URL, "jwks_uri": c.server.URL + "/nothing"},
		"no address":       {"issuer": c.server.URL},
		"an internal host": {"issuer": c.server.URL, "jwks_uri": "https://169.254.169.254/keys"},
	} {
		c.mu.Lock()
		c.about = func() any { return about }
		c.mu.Unlock()
		v := idtoken.New(c.client(c.server, "127.0.0.0/8"), c.clock)
		if _, err := v.Verify(t.Context(), raw, c.server.URL, audience); !errs.Is(err, errs.Upstream) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if c.fetched.Load() != 0 {
		t.Error("keys were taken from a configuration that is not the issuer's")
	}
}
