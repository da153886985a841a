package oidc_test

import (
	"strings"
	"testing"
	"time"

	"sluice.dev/sluice/protocol/oidc"
	"sluice.dev/sluice/protocol/protocoltest"
	"sluice.dev/sluice/protocol/upstream"
	"sluice.dev/sluice/tenants/login"
)

func newClient(t *testing.T, plain bool, allowed ...string) *oidc.Client {
	t.Helper()
	u, err := upstream.New(upstream.Config{AllowedHosts: allowed})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(u.Close)
	return oidc.New(oidc.Config{HTTP: u.Plain(5*time.Second, oidc.MostSent), Now: time.Now, PlainHTTP: plain})
}

// TestA1_TestingAConnection: the report says what is wrong, and where.
func TestA1_TestingAConnection(t *testing.T) {
	for name, c := range map[string]struct {
		change func(p *protocoltest.OIDC)
		issuer func(url string) string
		says   string // "" for a provider that works
	}{
		"works":              {},
		"another issuer":     {change: metadata("issuer", "https://other.example"), says: "the same, to the last slash"},
		"a slash more":       {issuer: func(u string) string { return u + "/" }, says: "the same, to the last slash"},
		"no such page":       {issuer: func(u string) string { return u + "/none" }, says: "no usable discovery document at"},
		"nobody there":       {issuer: func(string) string { return "http://127.0.0.1:1" }, says: "no connection"},
		"no name":            {issuer: func(string) string { return "http://none.invalid" }, says: "does not resolve"},
		"no keys' address":   {change: metadata("jwks_uri", ""), says: "as jwks_uri"},
		"keys elsewhere":     {change: metadata("jwks_uri", "http://169.254.169.254/keys"), says: "is at a metadata address"},
		"keys that are none": {change: func(p *protocoltest.OIDC) { metadata("jwks_uri", p.URL+"/.well-known/openid-configuration")(p) }, says: "no public key"},
		"a script":           {change: metadata("authorization_endpoint", "javascript:x"), says: "as authorization_endpoint"},
		"shared secrets":     {change: metadata("id_token_signing_alg_values_supported", []string{"HS256"}), says: "signs id tokens with HS256 only"},
		"another login":      {change: metadata("token_endpoint_auth_methods_supported", []string{"private_key_jwt"}), says: "client_secret_basic or client_secret_post is needed"},
	} {
		t.Run(name, func(t *testing.T) {
			p := protocoltest.NewOIDC(t, time.Now)
			if c.change != nil {
				c.change(p)
			}
			issuer := p.URL
			if c.issuer != nil {
				issuer = c.issuer(p.URL)
			}
			r := newClient(t, true, "127.0.0.1/32").Test(t.Context(), login.Provider{Issuer: issuer, ClientID: "x", HasSecret: true})
			all := strings.Join(r.Problems, "\n")
			if (c.says == "") != (all == "") || !strings.Contains(all, c.says) {
				t.Errorf("problems %q, want %q", all, c.says)
			}
			if c.says == "" && (r.Keys != 1 || r.Auth != p.URL+"/authorize" || len(r.Warnings) != 0) {
				t.Errorf("%+v", r)
			}
		})
	}
}

// TestF6_ProvidersAreReachedThroughTheGuard: not on an address that nobody
// allowed, and over https where nobody said otherwise.
func TestF6_ProvidersAreReachedThroughTheGuard(t *testing.T) {
	p := protocoltest.NewOIDC(t, time.Now)
	r := newClient(t, true).Test(t.Context(), login.Provider{Issuer: p.URL})
	if all := strings.Join(r.Problems, "\n"); !strings.Contains(all, "loopback address, which is not allowed") {
		t.Errorf("%q", all)
	}
	r = newClient(t, false, "127.0.0.1/32").Test(t.Context(), login.Provider{Issuer: p.URL})
	if all := strings.Join(r.Problems, "\n"); !strings.Contains(all, "an https address is needed") {
		t.Errorf("%q", all)
	}
}

func metadata(name string, value any) func(*protocoltest.OIDC) {
	return func(p *protocoltest.OIDC) {
		p.Do(func() { p.Metadata = func(m map[string]any) { m[name] = value } })
	}
}
