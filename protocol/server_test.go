package protocol_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"sluice.dev/sluice/ent/db"
	"sluice.dev/sluice/ent/db/dbtest"
	"sluice.dev/sluice/protocol"
	"sluice.dev/sluice/tenants/access"
	"sluice.dev/sluice/tenants/audit"
	"sluice.dev/sluice/tenants/coord"
	"sluice.dev/sluice/tenants/errs"
	"sluice.dev/sluice/tenants/org"
	"sluice.dev/sluice/tenants/registry"
	"sluice.dev/sluice/tenants/scope"
)

// node is a server over a real database, with two organizations that both have
// a registry team-a, and acme a registry open that everybody may read.
type node struct {
	*testing.T
	server       *protocol.Server
	db           *db.DB
	orgs         *org.Service
	access       *access.Service
	acme, globex context.Context
	teamA, open  uuid.UUID // of acme
	foreign      uuid.UUID // globex's team-a
	seen         seen
}

// seen is what a handler was called with last.
type seen struct {
	calls   int
	target  protocol.Target
	subject access.Subject
	actor   scope.Actor
	org     uuid.UUID
	header  http.Header
	path    string
	place   protocol.Place
}

// Serve implements protocol.PackageHandler.
func (n *node) Serve(w http.ResponseWriter, r *http.Request, t protocol.Target) {
	n.note(r)
	n.seen.target = t
	if _, err := io.Copy(io.Discard, r.Body); err != nil {
		protocol.Problem(w, r, errs.Wrap(err, errs.TooLarge, "test", "too large"))
		return
	}
	_, _ = io.WriteString(w, "served")
}

func (n *node) note(r *http.Request) {
	place, _ := protocol.PlaceOf(r.Context())
	tenant, _ := scope.Org(r.Context())
	n.seen = seen{calls: n.seen.calls + 1, subject: access.Of(r.Context()), actor: scope.ActorOf(r.Context()), org: tenant,
		header: r.Header, path: r.URL.EscapedPath(), place: place}
}

func newNode(t *testing.T) *node {
	t.Helper()
	t.Parallel()
	d, err := db.Open(t.Context(), dbtest.URL(t), 8)
	if err != nil {
		t.Fatal(err)
	}
	log := audit.New(time.Now)
	n := &node{T: t, db: d, orgs: org.New(d, log, time.Now), access: access.New(d, log, time.Now)}
	c := protocol.Config{
		Addresses: protocol.Addresses{PublicURL: "https://sluice.example", BaseDomains: []string{"localhost", "127.0.0.1"}, Subdomains: true,
			TrustedProxies: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}},
		Organizations: org.NewResolver(d), Access: n.access, Registries: protocol.FromSnapshots(registry.NewSnapshots(d, nil)),
		Packages: map[coord.Ecosystem]protocol.PackageHandler{coord.NPM: n},
		MaxBody:  100,
	}
	if n.server, err = protocol.NewServer(c); err != nil {
		t.Fatal(err)
	}
	n.server.Handle("/graphql", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { n.note(r); _, _ = io.WriteString(w, "graphql") }))
	n.server.Handle("/-/decisions/", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { n.note(r); _, _ = io.WriteString(w, "decision") }))
	ctx, stop := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { d.Feed.Run(ctx) })
	t.Cleanup(func() { stop(); running.Wait(); d.Close() })
	dbtest.WaitTrusted(t, d)
	n.fill()
	return n
}

func (n *node) fill() {
	n.Helper()
	n.acme, n.globex = n.organization("acme"), n.organization("globex")
	n.teamA, n.foreign = n.registry(n.acme, "team-a", false), n.registry(n.globex, "team-a", false)
	n.open = n.registry(n.acme, "open", true)
}

func (n *node) organization(slug string) context.Context {
	n.Helper()
	o, err := n.orgs.Create(context.Background(), org.Input{Slug: slug})
	n.ok(err)
	return access.As(scope.With(context.Background(), o.ID), access.System("test"), "")
}

func (n *node) registry(ctx context.Context, name string, anonymous bool) uuid.UUID {
	n.Helper()
	id := uuid.Must(uuid.NewV7())
	n.ok(n.db.InTx(ctx, func(ctx context.Context, tx *db.Tx) error {
		tenant, err := scope.Org(ctx)
		tx.Changed(db.Change{Kind: db.Config, Org: tenant})
		n.ok(err)
		return tx.Ent.Registry.Create().SetID(id).SetEcosystem("NPM").SetKind("PACKAGE").SetName(name).SetAnonymousRead(anonymous).SetCreatedAt(time.Now()).Exec(ctx)
	}))
	return id
}

func (n *node) bind(ctx context.Context, host string, reg uuid.UUID) {
	n.Helper()
	tenant, err := scope.Org(ctx)
	n.ok(err)
	hosts := org.NewHosts(n.db, audit.New(time.Now), time.Now, []string{"sluice.example"}, func(context.Context, string) ([]string, error) {
		return []string{"sluice-organization=" + tenant.String()}, nil
	})
	_, err = hosts.Bind(ctx, host, reg)
	n.ok(err)
}

// token makes a service token with the role reader on the registry.
func (n *node) token(ctx context.Context, name string, reg uuid.UUID) string {
	n.Helper()
	secret, _, err := n.access.CreateToken(ctx, access.TokenInput{Name: name, Write: true, Roles: []access.Place{{Role: access.Reader, Registry: reg}}})
	n.ok(err)
	return secret
}

func (n *node) ok(err error) {
	n.Helper()
	if err != nil {
		n.Fatal(err)
	}
}

// ask sends a request; headers alternate names and values. RemoteAddr is a
// stranger's unless a header X-Test-Peer says otherwise.
func (n *node) ask(method, url string, headers ...string) *httptest.ResponseRecorder {
	n.Helper()
	r := httptest.NewRequest(method, url, nil)
	r.RemoteAddr = "203.0.113.9:4711"
	for i := 0; i < len(headers); i += 2 {
		if headers[i] == "X-Test-Peer" {
			r.RemoteAddr = headers[i+1]
			continue
		}
		r.Header.Add(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	n.server.ServeHTTP(w, r)
	return w
}

func (n *node) status(want int, w *httptest.ResponseRecorder) {
	n.Helper()
	if w.Code != want {
		n.Errorf("status %d, want %d: %s", w.Code, want, w.Body)
	}
}

func bearer(secret string) []string { return []string{"Authorization", "Bearer " + secret} }

func basic(user, secret string) []string {
	return []string{"Authorization", "Basic " + base64.StdEncoding.EncodeToString([]byte(user+":"+secret))}
}

func TestF2_AuthenticationAndReadPrecedeEveryLookup(t *testing.T) {
	n := newNode(t)
	here, there := n.token(n.acme, "ci", n.teamA), n.token(n.globex, "ci", n.foreign)
	blind, _, err := n.access.CreateToken(n.acme, access.TokenInput{Name: "blind"})
	n.ok(err)
	for _, c := range []struct {
		name, path string
		headers    []string
		status     int
	}{
		{"a reader", "/npm/team-a/left-pad", bearer(here), 200},
		{"nobody", "/npm/team-a/left-pad", nil, 401},
		{"nobody, no such registry", "/npm/nope/left-pad", nil, 401},
		{"nobody, no possible registry", "/npm/No%20pe/left-pad", nil, 401},
		{"nobody, readable by everybody", "/npm/open/left-pad", nil, 200},
		{"somebody without a right there", "/npm/open/left-pad", bearer(here), 200},
		{"a token without rights", "/npm/team-a/left-pad", bearer(blind), 404},
		{"a token without rights, no such registry", "/npm/nope/left-pad", bearer(blind), 404},
		{"a reader, no such registry", "/npm/nope/left-pad", bearer(here), 404},
		{"a reader, other ecosystem", "/pypi/team-a/left-pad", bearer(here), 404},
		{"another organization's token", "/npm/team-a/left-pad", bearer(there), 401},
		{"another organization's token, readable by everybody", "/npm/open/left-pad", bearer(there), 401},
		{"an invented token", "/npm/team-a/left-pad", bearer("sluice_nonsense"), 401},
		{"no token but a credential", "/npm/team-a/left-pad", basic("ana", ""), 401},
		{"an unknown scheme", "/npm/open/left-pad", []string{"Authorization", "Negotiate abc"}, 401},
		{"two credentials", "/npm/team-a/left-pad", append(bearer(here), bearer(here)...), 401},
		{"conditional, no right", "/npm/team-a/left-pad", append(bearer(blind), "If-None-Match", "*"), 404},
	} {
		before := n.seen.calls
		w := n.ask("GET", "https://acme.sluice.example"+c.path, c.headers...)
		if w.Code != c.status {
			t.Errorf("%s: status %d, want %d: %s", c.name, w.Code, c.status, w.Body)
		}
		if called := n.seen.calls > before; called != (c.status == 200) {
			t.Errorf("%s: handler called: %v", c.name, called)
		}
		if got := w.Header().Get("WWW-Authenticate"); (got != "") != (c.status == 401) || (got != "" && !strings.HasPrefix(got, "Basic ")) {
			t.Errorf("%s: WWW-Authenticate %q", c.name, got)
		}
	}
}

func TestT3_MissingAndForbiddenRegistriesLookTheSame(t *testing.T) {
	n := newNode(t)
	blind, _, err := n.access.CreateToken(n.acme, access.TokenInput{Name: "blind"})
	n.ok(err)
	for _, headers := range [][]string{nil, bearer(blind)} {
		exists := n.ask("GET", "https://acme.sluice.example/npm/team-a/x", headers...)
		missing := n.ask("GET", "https://acme.sluice.example/npm/team-b/x", headers...)
		one, _ := json.Marshal(exists.Header())
		two, _ := json.Marshal(missing.Header())
		if exists.Code != missing.Code || exists.Body.String() != missing.Body.String() || string(one) != string(two) {
			t.Errorf("they differ:\n%d %s %s\n%d %s %s", exists.Code, one, exists.Body, missing.Code, two, missing.Body)
		}
	}
}

func TestA2_TokenAsBearerBasicAndNuGetKey(t *testing.T) {
	n := newNode(t)
	secret := n.token(n.acme, "ci", n.teamA)
	for name, headers := range map[string][]string{
		"Bearer":                {"Authorization", "Bearer " + secret},
		"bearer, other case":    {"authorization", "bEARER " + secret},
		"Basic":                 basic("__token__", secret),
		"Basic, any user":       basic("somebody", secret),
		"Basic, no user":        basic("", secret),
		"X-NuGet-ApiKey":        {"X-NuGet-ApiKey", secret},
		"dummy key and Basic":   append(basic("x", secret), "X-NuGet-ApiKey", "az"),
		"key and useless Basic": append(basic("x", "y"), "X-NuGet-ApiKey", secret),
	} {
		if w := n.ask("GET", "https://acme.sluice.example/npm/team-a/x", headers...); w.Code != 200 {
			t.Errorf("%s: %d %s", name, w.Code, w.Body)
		} else if n.seen.subject.Name != "ci" || n.seen.target.Subject != "ci" || n.seen.actor.IP != "203.0.113.9" {
			t.Errorf("%s: subject %+v, actor %+v", name, n.seen.subject, n.seen.actor)
		}
	}
	n.status(401, n.ask("GET", "https://acme.sluice.example/npm/team-a/x", "X-NuGet-ApiKey", "az"))
	n.status(401, n.ask("GET", "https://acme.sluice.example/npm/team-a/x?token="+secret))
	n.status(401, n.ask("GET", "https://acme.sluice.example/npm/team-a/x", "Cookie", "token="+secret))
}

func TestT1_FormsOfAnOrganization(t *testing.T) {
	n := newNode(t)
	n.bind(n.acme, "packages.acme.example", uuid.Nil)
	n.bind(n.acme, "npm.acme.example", n.teamA)
	secret := n.token(n.acme, "ci", n.teamA)
	for _, c := range []struct{ url, base, home, path string }{
		{"https://acme.sluice.example/npm/team-a/@s%2fp", "https://acme.sluice.example/npm/team-a", "https://acme.sluice.example", "/@s%2fp"},
		{"http://ACME.Sluice.Example.:80/npm/team-a/x", "https://acme.sluice.example/npm/team-a", "https://acme.sluice.example", "/x"},
		{"https://acme.sluice.example:6666/npm/team-a/x", "https://acme.sluice.example/npm/team-a", "https://acme.sluice.example", "/x"},
		{"https://sluice.example/o/acme/npm/team-a/a/b", "https://sluice.example/o/acme/npm/team-a", "https://sluice.example/o/acme", "/a/b"},
		{"http://127.0.0.1:9999/o/acme/npm/team-a", "https://127.0.0.1/o/acme/npm/team-a", "https://127.0.0.1/o/acme", "/"},
		{"http://acme.localhost:8080/npm/team-a/", "https://acme.localhost/npm/team-a", "https://acme.localhost", "/"},
		{"https://packages.acme.example/npm/team%2Da/x", "https://packages.acme.example/npm/team-a", "https://packages.acme.example", "/x"},
		{"https://npm.acme.example/left-pad", "https://npm.acme.example", "https://acme.sluice.example", "/left-pad"},
		{"https://npm.acme.example/", "https://npm.acme.example", "https://acme.sluice.example", "/"},
		{"https://npm.acme.example/-/npm/v1/x", "https://npm.acme.example", "https://acme.sluice.example", "/-/npm/v1/x"},
		{"https://npm.acme.example/graphql", "https://npm.acme.example", "https://acme.sluice.example", "/graphql"},
	} {
		n.seen = seen{}
		w := n.ask("GET", c.url, bearer(secret)...)
		got := n.seen.target
		if w.Code != 200 || got.BaseURL != c.base || got.OrgURL != c.home || got.Path != c.path {
			t.Errorf("%s: %d, %+v", c.url, w.Code, got)
		}
		if tenant, _ := scope.Org(n.acme); got.Org != tenant || n.seen.org != tenant || got.OrgSlug != "acme" || got.Registry != n.teamA || got.RegistryName != "team-a" {
			t.Errorf("%s: wrong place: %+v", c.url, got)
		}
	}
}

func TestT1_UnknownHostsAreNotFound(t *testing.T) {
	n := newNode(t)
	secret := n.token(n.acme, "ci", n.teamA)
	for _, url := range []string{
		"https://nope.sluice.example/npm/team-a/x",
		"https://acme.evil.example/npm/team-a/x",
		"https://acme.sluice.example.evil.example/npm/team-a/x",
		"https://evilsluice.example/npm/team-a/x",
		"https://deep.acme.sluice.example/npm/team-a/x",
		"https://sluice.example/npm/team-a/x",
		"https://sluice.example/o/nope/npm/team-a/x",
		"https://sluice.example/o/ACME/npm/team-a/x",
		"https://sluice.example/o//npm/team-a/x",
		"https://sluice.example/x/o/acme/npm/team-a/x",
		"http://10.1.2.3/npm/team-a/x",
		"http://[::1]:8080/npm/team-a/x",
		"https://acme.sluice.example/o/acme/npm/team-a/x",
	} {
		if w := n.ask("GET", url, bearer(secret)...); w.Code != 404 {
			t.Errorf("%s: %d", url, w.Code)
		}
	}
	if n.seen.calls != 0 {
		t.Errorf("the handler was called %d times", n.seen.calls)
	}
}

func TestT1_RegistryHostIsOnlyItsOrganizations(t *testing.T) {
	n := newNode(t)
	n.bind(n.globex, "npm.globex.example", n.foreign)
	secret := n.token(n.acme, "ci", n.teamA)
	n.status(401, n.ask("GET", "https://npm.globex.example/x", bearer(secret)...))
	n.status(200, n.ask("GET", "https://npm.globex.example/x", bearer(n.token(n.globex, "ci", n.foreign))...))
	n.status(401, n.ask("GET", "https://npm.globex.example/-/decisions/1"))
}

func TestT1_ForwardingHeadersOnlyFromTrustedProxies(t *testing.T) {
	n := newNode(t)
	secret := n.token(n.acme, "ci", n.teamA)
	said := []string{"X-Forwarded-Proto", "http", "X-Forwarded-Host", "evil.example, acme.sluice.example:8443", "X-Forwarded-For", "198.51.100.1, 192.0.2.44, 10.0.0.7"}
	ask := func(host string, more ...string) seen {
		n.seen = seen{}
		n.ask("GET", "http://"+host+"/npm/team-a/x", append(append(bearer(secret), said...), more...)...)
		return n.seen
	}
	if s := ask("internal.lan", "X-Test-Peer", "10.0.0.1:1234"); s.target.BaseURL != "http://acme.sluice.example:8443/npm/team-a" || s.actor.IP != "192.0.2.44" {
		t.Errorf("a trusted proxy: base %q, IP %q", s.target.BaseURL, s.actor.IP)
	}
	if s := ask("internal.lan"); s.calls != 0 {
		t.Errorf("a stranger chose the host: %+v", s.target)
	}
	if s := ask("acme.sluice.example"); s.target.BaseURL != "https://acme.sluice.example/npm/team-a" || s.actor.IP != "203.0.113.9" {
		t.Errorf("a stranger: base %q, IP %q", s.target.BaseURL, s.actor.IP)
	}
}

func TestT6_PackageRoutesIgnoreCookiesAndAreHardened(t *testing.T) {
	n := newNode(t)
	secret := n.token(n.acme, "ci", n.teamA)
	for _, w := range []*httptest.ResponseRecorder{
		n.ask("GET", "https://acme.sluice.example/npm/team-a/x", append(bearer(secret), "Cookie", "session=1")...),
		n.ask("GET", "https://acme.sluice.example/npm/team-a/x"),
		n.ask("GET", "https://acme.sluice.example/npm/nope/x", bearer(secret)...),
		n.ask("PATCH", "https://acme.sluice.example/npm/team-a/x", bearer(secret)...),
	} {
		h := w.Header()
		if h.Get("X-Content-Type-Options") != "nosniff" || h.Get("Content-Security-Policy") != "default-src 'none'; sandbox" || h.Get("Set-Cookie") != "" {
			t.Errorf("%d: headers %v", w.Code, h)
		}
		if !strings.HasPrefix(h.Get("Cache-Control"), "private") {
			t.Errorf("%d: Cache-Control %q", w.Code, h.Get("Cache-Control"))
		}
	}
	if n.seen.calls != 1 || n.seen.header.Get("Cookie") != "" {
		t.Errorf("%d calls, cookie %q", n.seen.calls, n.seen.header.Get("Cookie"))
	}
	if w := n.ask("GET", "https://acme.sluice.example/npm/open/x"); w.Header().Get("Cache-Control") != "public, no-cache" {
		t.Errorf("readable by everybody: %q", w.Header().Get("Cache-Control"))
	}
}

func TestF3_HostileRequests(t *testing.T) {
	n := newNode(t)
	secret := n.token(n.acme, "ci", n.teamA)
	for path, status := range map[string]int{
		"/npm/team-a/..%2f..%2fetc":                    400,
		"/npm/team-a/%2e%2e/x":                         400,
		"/npm/team-a/@s%2f..":                          400,
		"/npm/team-a/./x":                              400,
		"/npm/team-a/a%00b":                            400,
		"/npm/team-a/a%0d%0ab":                         400,
		"/npm/team-a/a%5cb":                            400,
		"/npm/../npm/team-a/x":                         400,
		"/npm/team-a/" + strings.Repeat("x", 9000):     413,
		"/npm/team-a/x?" + strings.Repeat("y", 9000):   413,
		"//npm/team-a/x":                               404,
		"/npm//team-a/x":                               404,
		"/npm/team%2fa/x":                              404,
		"/npm/team-a%2fx":                              404,
		"/NPM/team-a/x":                                404,
		"/npm/" + strings.Repeat("a", 65) + "/x":       404,
		"/npm":                                         404,
		"/npm/team-a/%252e%252e%252fx":                 200, // decoded once, it is an odd name and nothing else
		"/npm/team-a/@s%2Fp/-/p-1.0.0.tgz?x=%2e%2e%2f": 200,
	} {
		if w := n.ask("GET", "https://acme.sluice.example"+path, bearer(secret)...); w.Code != status {
			t.Errorf("%.60s: %d, want %d: %.200s", path, w.Code, status, w.Body)
		}
	}
	n.ask("GET", "https://acme.sluice.example/npm/team-a/%252e%252e%252fx", bearer(secret)...)
	if n.seen.target.Path != "/%252e%252e%252fx" {
		t.Errorf("the handler got %q", n.seen.target.Path)
	}
	for _, m := range []string{"PATCH", "OPTIONS", "TRACE", "PROPFIND"} {
		w := n.ask(m, "https://acme.sluice.example/npm/team-a/x", bearer(secret)...)
		if w.Code != 405 || !strings.Contains(w.Header().Get("Allow"), "PUT") {
			t.Errorf("%s: %d, Allow %q", m, w.Code, w.Header().Get("Allow"))
		}
	}
}

func TestF3_BodyIsBounded(t *testing.T) {
	n := newNode(t)
	secret := n.token(n.acme, "ci", n.teamA)
	put := func(body string, chunked bool) int {
		r := httptest.NewRequest("PUT", "https://acme.sluice.example/npm/team-a/x", strings.NewReader(body))
		r.Header.Set("Authorization", "Bearer "+secret)
		if chunked {
			r.ContentLength = -1
		}
		w := httptest.NewRecorder()
		n.server.ServeHTTP(w, r)
		return w.Code
	}
	for _, c := range []struct {
		length  int
		chunked bool
		status  int
	}{{100, false, 200}, {100, true, 200}, {101, false, 413}, {101, true, 413}} {
		if got := put(strings.Repeat("x", c.length), c.chunked); got != c.status {
			t.Errorf("%+v: %d", c, got)
		}
	}
}

func TestT1_MountsSeeTheOrganizationAndTheSubject(t *testing.T) {
	n := newNode(t)
	secret := n.token(n.acme, "ci", n.teamA)
	acme, _ := scope.Org(n.acme)
	for _, c := range []struct{ url, body, path, base string }{
		{"https://acme.sluice.example/graphql", "graphql", "/graphql", "https://acme.sluice.example"},
		{"https://sluice.example/o/acme/graphql", "graphql", "/graphql", "https://sluice.example/o/acme"},
		{"https://sluice.example/o/acme/-/decisions/a%2Fb", "decision", "/-/decisions/a%2Fb", "https://sluice.example/o/acme"},
	} {
		n.seen = seen{}
		w := n.ask("POST", c.url, append(bearer(secret), "Cookie", "session=1")...)
		if w.Body.String() != c.body || n.seen.path != c.path || n.seen.place.Base != c.base || n.seen.org != acme || n.seen.subject.Name != "ci" || n.seen.header.Get("Cookie") == "" {
			t.Errorf("%s: %d %s: %+v", c.url, w.Code, w.Body, n.seen)
		}
		n.seen = seen{}
		if w := n.ask("GET", c.url); w.Code != 200 || !n.seen.subject.IsAnonymous() {
			t.Errorf("%s without a token: %d, %+v", c.url, w.Code, n.seen.subject)
		}
		n.status(401, n.ask("GET", c.url, bearer("sluice_wrong")...))
		n.status(401, n.ask("GET", strings.Replace(c.url, "acme", "globex", 1), bearer(secret)...))
	}
	n.status(404, n.ask("GET", "https://acme.sluice.example/graphqlx", bearer(secret)...))
	n.status(404, n.ask("GET", "https://acme.sluice.example/", bearer(secret)...))
	n.server.Handle("/", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { n.note(r); _, _ = io.WriteString(w, "console") }))
	if w := n.ask("GET", "https://acme.sluice.example/registries/team-a"); w.Body.String() != "console" {
		t.Errorf("console: %d %s", w.Code, w.Body)
	}
	if w := n.ask("GET", "https://sluice.example/o/acme"); w.Code != 308 || w.Header().Get("Location") != "https://sluice.example/o/acme/" {
		t.Errorf("without a slash: %d to %q", w.Code, w.Header().Get("Location"))
	}
	n.status(401, n.ask("GET", "https://acme.sluice.example/npm/team-a/x"))
}

func TestT1_SuspendedOrganizationIsRefused(t *testing.T) {
	n := newNode(t)
	secret := n.token(n.acme, "ci", n.teamA)
	n.status(200, n.ask("GET", "https://acme.sluice.example/npm/team-a/x", bearer(secret)...))
	_, err := n.orgs.Suspend(n.acme)
	n.ok(err)
	n.status(403, n.ask("GET", "https://acme.sluice.example/npm/team-a/x", bearer(secret)...))
	n.status(403, n.ask("GET", "https://sluice.example/o/acme/graphql", bearer(secret)...))
	n.status(200, n.ask("GET", "https://globex.sluice.example/npm/team-a/x", bearer(n.token(n.globex, "ci", n.foreign))...))
	_, err = n.orgs.Resume(n.acme)
	n.ok(err)
	n.status(200, n.ask("GET", "https://acme.sluice.example/npm/team-a/x", bearer(secret)...))
}

// TestQ2_WarmRequestTouchesNoDatabase counts the uses of the connection pool.
func TestQ2_WarmRequestTouchesNoDatabase(t *testing.T) {
	n := newNode(t)
	secret := n.token(n.acme, "ci", n.teamA)
	n.status(200, n.ask("GET", "https://acme.sluice.example/npm/team-a/x", bearer(secret)...))
	before := n.db.Pool.Stat().AcquireCount()
	for range 200 {
		n.status(200, n.ask("GET", "https://acme.sluice.example/npm/team-a/x", bearer(secret)...))
	}
	// The feed's beats use the pool too, and its echo of what was just made
	// drops what was remembered once more.
	if used := n.db.Pool.Stat().AcquireCount() - before; used > 20 {
		t.Errorf("200 warm requests used the database %d times", used)
	}
}

func TestF1_OutageIsUnavailableAndOpensNothing(t *testing.T) {
	n := newNode(t)
	secret := n.token(n.acme, "ci", n.teamA)
	n.db.Pool.Reset()
	n.db.Close()
	w := n.ask("GET", "https://acme.sluice.example/npm/team-a/x", bearer(secret)...)
	if w.Code != 503 || w.Header().Get("Retry-After") == "" || n.seen.calls != 0 {
		t.Errorf("%d, Retry-After %q, %d calls", w.Code, w.Header().Get("Retry-After"), n.seen.calls)
	}
}

func TestNewServer_SettingsThatAreWrong(t *testing.T) {
	for _, public := range []string{"", "sluice.example", "ftp://sluice.example", "https://sluice.example/x", "https://u@sluice.example", "https://sluice.example?x=1", "https://"} {
		if _, err := protocol.NewServer(protocol.Config{Addresses: protocol.Addresses{PublicURL: public}}); err == nil || !strings.Contains(err.Error(), "public URL") {
			t.Errorf("%q: %v", public, err)
		}
	}
	_, err := protocol.NewServer(protocol.Config{Addresses: protocol.Addresses{PublicURL: "https://sluice.example", BaseDomains: []string{"https://x"}}})
	if err == nil || !strings.Contains(err.Error(), "https://x") {
		t.Errorf("base domain: %v", err)
	}
}

func TestF3_HeadersAreBounded(t *testing.T) {
	n := newNode(t)
	front := httptest.NewUnstartedServer(nil)
	front.Config = n.server.HTTP()
	front.Start()
	t.Cleanup(front.Close)
	for size, status := range map[int]int{1 << 10: 404, 64 << 10: 431} {
		r, err := http.NewRequestWithContext(t.Context(), "GET", front.URL+"/x", nil)
		n.ok(err)
		r.Header.Set("X-Long", strings.Repeat("x", size))
		got, err := front.Client().Do(r)
		n.ok(err)
		_ = got.Body.Close()
		if got.StatusCode != status {
			t.Errorf("%d bytes: %d, want %d", size, got.StatusCode, status)
		}
	}
}
