package main

import (
	"context"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"sluice.dev/sluice/ent/db/dbtest"
	"sluice.dev/sluice/protocol/protocoltest"
	"sluice.dev/sluice/protocol/upstream"
	"sluice.dev/sluice/tenants/access"
	"sluice.dev/sluice/tenants/login"
)

// Addresses of a loginBench.
const (
	platformAt = "https://sluice.example"
	acmeAt     = "https://acme.sluice.example"
	globexAt   = "https://globex.sluice.example"
	acmePath   = "http://localhost/o/acme" // the path form of `sluice dev`
)

// loginBench is a node behind a proxy that ends TLS, with a provider of the
// platform's, and two organizations that each have one of their own. Ana is an
// owner of acme and Gil one of globex.
type loginBench struct {
	*harness
	platform, own, theirs *protocoltest.OIDC
	ana, gil              access.Member
	provider, second      login.Provider // of acme and globex
}

// claims are about somebody whose address is verified.
func claims(sub, email string) map[string]any {
	return map[string]any{"sub": sub, "email": email, "email_verified": true, "name": "Somebody", "sid": "sid-" + sub}
}

func newLoginBench(t *testing.T, tune ...func(*upstream.Config)) *loginBench {
	t.Helper()
	h := &harness{TB: t, clock: &clock{now: time.Now().Truncate(time.Second)}, up: protocoltest.NewNPM(t)}
	h.tune = append(tune, func(c *upstream.Config) { c.Attempts = 1 })
	b := &loginBench{harness: h, platform: protocoltest.NewOIDC(t, h.clock.Now), own: protocoltest.NewOIDC(t, h.clock.Now), theirs: protocoltest.NewOIDC(t, h.clock.Now)}
	h.database = databaseFlags{DatabaseURL: secret(dbtest.URL(t)), DatabaseConns: 8}
	h.flags = nodeFlags{Listen: "127.0.0.1:0", PublicURL: platformAt, BaseDomain: []string{"localhost"}, Subdomains: true, TrustedProxies: []string{"127.0.0.1/32"},
		AllowRemote: []string{"127.0.0.0/8"}, BlobDir: t.TempDir(), CacheMiB: 64, SecretKeys: []secret{secret(strings.Repeat("5a", 32))}, development: true,
		OIDC: oidcFlags{Issuer: b.platform.URL, ClientID: "sluice", ClientSecret: "s3cret", Title: "the platform", Scopes: []string{"profile", "email"}}}
	h.first = h.serve()
	h.acme, h.globex = h.tenant("acme"), h.tenant("globex")
	b.ana = b.member(h.acme, "ana@acme.example", access.Owner)
	b.gil = b.member(h.globex, "gil@globex.example", access.Owner)
	b.provider = b.addProvider(h.acme, b.own, func(in *login.ProviderInput) { in.Domains = []string{"acme.example"} })
	b.second = b.addProvider(h.globex, b.theirs, func(in *login.ProviderInput) { in.Domains, in.Joins = []string{"globex.example"}, true })
	b.honest()
	return b
}

func (b *loginBench) member(x *tenant, email, role string) access.Member {
	b.Helper()
	m, err := b.first.access.CreateMember(x.ctx, access.MemberInput{Email: email, Roles: []access.Place{{Role: role}}})
	if err != nil {
		b.Fatal(err)
	}
	return m
}

func (b *loginBench) addProvider(x *tenant, at *protocoltest.OIDC, change func(*login.ProviderInput)) login.Provider {
	b.Helper()
	key := login.Secret(at.Secret)
	in := login.ProviderInput{Name: "staff", Title: "Staff", Issuer: at.URL, ClientID: at.ClientID, ClientSecret: &key, Enabled: true}
	change(&in)
	p, err := b.first.logins.CreateProvider(x.ctx, in)
	if err != nil {
		b.Fatal(err)
	}
	return p
}

// update changes a provider.
func (b *loginBench) update(x *tenant, p login.Provider, change func(*login.ProviderInput)) {
	b.Helper()
	in := login.ProviderInput{Title: p.Title, Issuer: p.Issuer, ClientID: p.ClientID, Scopes: p.Scopes, Domains: p.Domains, Joins: p.Joins, JoinRole: p.JoinRole, Enabled: p.Enabled}
	change(&in)
	if _, err := b.first.logins.UpdateProvider(x.ctx, p.ID, in); err != nil {
		b.Fatal(err)
	}
}

// browser keeps cookies as browsers do, and says where its requests come from.
type browser struct {
	b    *loginBench
	at   *served
	jar  *cookiejar.Jar
	http *http.Client
}

// proxy brings the platform's host names to the node, as a TLS proxy would.
type proxy struct{ br *browser }

// RoundTrip implements http.RoundTripper.
func (p proxy) RoundTrip(r *http.Request) (*http.Response, error) {
	host := r.URL.Hostname()
	if host == "127.0.0.1" {
		return client.Transport.RoundTrip(r)
	}
	to, err := url.Parse(p.br.at.server.URL)
	if err != nil {
		return nil, err
	}
	out := r.Clone(r.Context())
	out.Host = r.URL.Host
	if r.Host != "" {
		out.Host = r.Host
	}
	out.Header.Set("X-Forwarded-Proto", r.URL.Scheme)
	out.URL.Scheme, out.URL.Host = to.Scheme, to.Host
	return client.Transport.RoundTrip(out)
}

func (b *loginBench) browser() *browser {
	b.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		b.Fatal(err)
	}
	br := &browser{b: b, at: b.first, jar: jar}
	br.http = &http.Client{Jar: jar, Transport: proxy{br}, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	return br
}

// ask sends a request; header is name, value, ….
func (br *browser) ask(method, to string, body url.Values, header ...string) answer {
	br.b.Helper()
	var in io.Reader
	if body != nil {
		in = strings.NewReader(body.Encode())
	}
	req, err := http.NewRequestWithContext(context.Background(), method, to, in)
	if err != nil {
		br.b.Fatal(err)
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	if h := req.Header.Get("Host"); h != "" {
		req.Host = h
	}
	resp, err := br.http.Do(req)
	if err != nil {
		br.b.Fatal(err)
	}
	defer resp.Body.Close()
	a := answer{status: resp.StatusCode, phrase: resp.Status, header: resp.Header}
	a.body, a.err = io.ReadAll(resp.Body)
	return a
}

func (br *browser) get(to string, header ...string) answer {
	br.b.Helper()
	return br.ask(http.MethodGet, to, nil, header...)
}

// post sends a form as a page of the same origin does.
func (br *browser) post(to string, form url.Values) answer {
	br.b.Helper()
	return br.ask(http.MethodPost, to, form, "Sec-Fetch-Site", "same-origin")
}

// next is where an answer leads.
func (a answer) next() string { return a.header.Get("Location") }

// startAt begins a login and returns the address that the provider sends the
// browser back to, which it does not follow.
func (br *browser) startAt(home, provider, back string) string {
	br.b.Helper()
	to := home + "/login/start?" + url.Values{"provider": {provider}, "return": {back}}.Encode()
	for range 10 {
		a := br.get(to)
		if a.next() == "" {
			br.b.Fatalf("%s answers %d and leads nowhere: %.400s", to, a.status, a.body)
		}
		to = a.next()
		if strings.HasPrefix(to, home+"/login/callback/") || strings.HasPrefix(to, home+"/login/enter") {
			return to
		}
	}
	br.b.Fatal("the login goes round in circles")
	return ""
}

// login logs in at a place and returns the answer that opened the session, or
// refused it.
func (br *browser) login(home, provider string) answer {
	br.b.Helper()
	return br.get(br.startAt(home, provider, "/account/tokens"))
}

// in reports whether the browser is logged in at a place.
func (br *browser) in(home string) bool {
	br.b.Helper()
	return br.get(home+"/account/sessions").status == http.StatusOK
}

// secret is the session's, "" for none.
func (br *browser) secret(home string) string {
	u, err := url.Parse(home + "/account/sessions")
	if err != nil {
		br.b.Fatal(err)
	}
	for _, c := range br.jar.Cookies(u) {
		if strings.Contains(c.Name, "sluice-session") {
			return c.Value
		}
	}
	return ""
}

// plant puts a session's secret into the browser, as somebody with a hold on its
// cookies would.
func (br *browser) plant(home, name, value string) {
	u, err := url.Parse(home)
	if err != nil {
		br.b.Fatal(err)
	}
	br.jar.SetCookies(u, []*http.Cookie{{Name: name, Value: value, Path: "/", Secure: u.Scheme == "https"}})
}

var formField = regexp.MustCompile(`name="form" value="([^"]*)"`)

// form is the token of a page's forms.
func (br *browser) form(page string) string {
	br.b.Helper()
	if m := formField.FindSubmatch(br.get(page).body); m != nil {
		return string(m[1])
	}
	return ""
}

const sessionCookie = "__Host-sluice-session"
