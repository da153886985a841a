package main

import (
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"sluice.dev/sluice/protocol"
	"sluice.dev/sluice/tenants/access"
)

// begin starts a login and returns its two addresses.
func (x *tenant) begin(registry string) (page, done string) {
	x.h.Helper()
	a := x.bearing("").submit("POST", x.url(registry, "/-/v1/login"), map[string]string{}, "User-Agent", "npm/11.0.0 <b>")
	if a.status != http.StatusOK {
		x.h.Fatalf("login at %s = %d %s", registry, a.status, a.body)
	}
	return a.text(x.h, "loginUrl"), a.text(x.h, "doneUrl")
}

func form(secret string) url.Values { return url.Values{"token": {secret}} }

// TestA2_WebLoginOverHTTP: the whole flow, with the yes given at another node.
func TestA2_WebLoginOverHTTP(t *testing.T) {
	h := newHarness(t)
	x, reg := h.acme, h.acme.team("team")
	second := h.serve()
	mine, _ := x.person("ana", access.TokenInput{Write: true}, access.Place{Role: access.Publisher, Registry: reg})
	nobody := x.bearing("")

	page, done := x.begin("team")
	if !strings.HasPrefix(page, x.at.server.URL+"/o/acme/-/login/") || !strings.HasPrefix(done, x.url("team", "/-/v1/done/")) {
		t.Fatalf("loginUrl %s, doneUrl %s", page, done)
	}
	waits := nobody.submit("GET", done, nil)
	if waits.status != http.StatusAccepted || waits.header.Get("Retry-After") == "" {
		t.Errorf("waiting = %d %v", waits.status, waits.header)
	}
	shown := nobody.submit("GET", second.rebase(page), nil)
	for _, says := range []string{"<code>team</code>", "npm/11.0.0 &lt;b&gt; from 127.0.0.1", "12:10 UTC", `type="password"`} {
		if !strings.Contains(string(shown.body), says) {
			t.Errorf("the page does not say %q: %s", says, shown.body)
		}
	}
	for name, want := range map[string]string{"X-Content-Type-Options": "nosniff", "Cache-Control": "no-store", "Referrer-Policy": "same-origin",
		"Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; frame-ancestors 'none'"} {
		if !strings.Contains(shown.header.Get(name), want) {
			t.Errorf("T6: the page's %s is %q", name, shown.header.Get(name))
		}
	}
	yes := nobody.submit("POST", second.rebase(page), form(mine))
	if yes.status != http.StatusOK || !strings.Contains(string(yes.body), "You are logged in") || strings.Contains(string(yes.body), "sluice_") {
		t.Fatalf("yes = %d %s", yes.status, yes.body)
	}
	if again := nobody.submit("POST", page, form(mine)); again.status != http.StatusConflict {
		t.Errorf("a second yes = %d", again.status)
	}
	got := nobody.submit("GET", done, nil)
	secret := got.text(h, "token")
	if got.status != http.StatusOK || secret == mine || !access.LooksLikeToken(secret) {
		t.Fatalf("collected = %d %s", got.status, got.body)
	}
	if twice := nobody.submit("GET", second.rebase(done), nil); twice.status != http.StatusNotFound || strings.Contains(string(twice.body), secret) {
		t.Errorf("collected twice = %d %s", twice.status, twice.body)
	}
	if who := x.bearing(secret).get("team", "/-/whoami"); who.text(h, "username") != "ana@acme.example" {
		t.Errorf("whoami = %d %s", who.status, who.body)
	}
	// The new token is for this registry alone, and dies with its parent.
	x.team("other")
	if a := x.bearing(secret).get("other", "/-/whoami"); a.status != http.StatusNotFound {
		t.Errorf("in another registry it is %d", a.status)
	}
	if a := x.bearing(mine).submit("DELETE", x.url("team", "/-/user/token/"+mine), nil); a.status != http.StatusOK {
		t.Fatalf("logout of the parent = %d %s", a.status, a.body)
	}
	h.eventually(time.Second, "the child ended", func() bool { return x.bearing(secret).get("team", "/-/whoami").status == http.StatusUnauthorized })
}

// TestT3_LoginTellsNothing: until somebody has proved to be somebody, a registry
// that exists, one that does not, and one of another organization are the same.
func TestT3_LoginTellsNothing(t *testing.T) {
	h := newHarness(t)
	x := h.acme
	x.team("team")
	h.globex.team("secret")
	nobody := x.bearing("")
	stranger := h.globex.token("stranger")                                                                                      // of the other organization
	none, _, err := x.at.access.CreateToken(x.ctx, access.TokenInput{Name: "no rights"})                                        // may read nothing
	only, _, err2 := x.at.access.CreateToken(x.ctx, access.TokenInput{Name: "x", Registries: []uuid.UUID{x.team("elsewhere")}}) // may read elsewhere
	if err != nil || err2 != nil {
		t.Fatal(err, err2)
	}
	blank := regexp.MustCompile(`team|ghost|secret|\d\d:\d\d UTC`)
	var first []string
	for _, name := range []string{"team", "ghost", "secret"} {
		h.clock.pass(10 * time.Minute) // failures are counted
		page, done := x.begin(name)
		var got []string
		note := func(a answer) {
			got = append(got, blank.ReplaceAllString(a.phrase+" "+string(a.body), "NAME"))
		}
		note(nobody.submit("GET", done, nil))
		note(nobody.submit("GET", page, nil))
		for _, token := range []string{"", "wrong", stranger, none, only} {
			note(nobody.submit("POST", page, form(token)))
			note(nobody.submit("PUT", x.url(name, "/-/user/org.couchdb.user:ana"), map[string]string{"name": "ana", "password": token}))
		}
		if first == nil {
			first = got
		}
		for i := range got {
			if got[i] != first[i] {
				t.Errorf("%s, answer %d: %s\nbut team: %s", name, i, got[i], first[i])
			}
		}
	}
	for _, says := range []string{"403 ", "401 ", "404 "} {
		if !strings.Contains(strings.Join(first, "\n"), "\n"+says) {
			t.Errorf("none of the answers was %s: %s", says, first)
		}
	}
	if n := x.count("login_requests", "true"); n != 0 {
		t.Errorf("%d logins are stored", n)
	}
	// Without the open endpoints everything is as it was.
	for _, path := range []string{"/", "/-/whoami", "/x", "/-/v1/login", "/-/v1/done"} {
		if a := nobody.get("team", path); a.status != http.StatusUnauthorized {
			t.Errorf("GET %s without a token = %d", path, a.status)
		}
	}
}

// TestT2_LoginsStayInTheirOrganization: neither secret works elsewhere.
func TestT2_LoginsStayInTheirOrganization(t *testing.T) {
	h := newHarness(t)
	h.acme.team("team")
	h.globex.team("team")
	page, done := h.acme.begin("team")
	there := strings.NewReplacer("/o/acme/", "/o/globex/")
	nobody := h.globex.bearing("")
	for name, a := range map[string]answer{
		"the page":               nobody.submit("GET", there.Replace(page), nil),
		"a yes":                  nobody.submit("POST", there.Replace(page), form(h.globex.secret)),
		"a client":               nobody.submit("GET", there.Replace(done), nil),
		"the page as a client":   nobody.submit("GET", h.acme.url("team", "/-/v1/done/"+page[strings.LastIndex(page, "/")+1:]), nil),
		"a client as the page":   nobody.submit("GET", page[:strings.LastIndex(page, "/")+1]+done[strings.LastIndex(done, "/")+1:], nil),
		"a guessed page":         nobody.submit("GET", page[:len(page)-4]+"AAAA", nil),
		"a guessed client":       nobody.submit("GET", done[:len(done)-4]+"AAAA", nil),
		"a page without an id":   nobody.submit("GET", page[:strings.LastIndex(page, "/")+1], nil),
		"a client without an id": nobody.submit("GET", done[:strings.LastIndex(done, "/")+1], nil),
	} {
		if a.status != http.StatusNotFound {
			t.Errorf("%s = %d %s", name, a.status, a.body)
		}
	}
	h.clock.pass(10 * time.Minute)
	if a := nobody.submit("GET", done, nil); a.status != http.StatusNotFound {
		t.Errorf("a client after ten minutes = %d", a.status)
	}
	if a := nobody.submit("POST", page, form(h.acme.secret)); a.status != http.StatusNotFound {
		t.Errorf("a yes after ten minutes = %d", a.status)
	}
}

// TestA2_PasswordLogin: legacy clients send an access token as the password.
func TestA2_PasswordLogin(t *testing.T) {
	h := newHarness(t)
	x, reg := h.acme, h.acme.team("team")
	mine, _ := x.person("ana", access.TokenInput{Write: true}, access.Place{Role: access.Publisher, Registry: reg})
	path := x.url("team", "/-/user/org.couchdb.user:ana")
	body := map[string]any{"_id": "org.couchdb.user:ana", "name": "ana", "password": mine, "type": "user", "roles": []string{}}
	for name, a := range map[string]answer{
		"plain":          x.bearing("").submit("PUT", path, body),
		"with a rev":     x.bearing("").submit("PUT", path+"/-rev/1-0", body),
		"with Basic":     x.bearing("").submit("PUT", path, map[string]any{"name": "ana"}, "Authorization", basic("ana", mine)),
		"with a dead":    x.bearing("sluice_dead").submit("PUT", path, body),
		"an escaped one": x.bearing("").submit("PUT", x.url("team", "/-/user/org.couchdb.user:ana%40acme.example"), body),
	} {
		got := a.json(h)
		secret, _ := got["token"].(string)
		if a.status != http.StatusCreated || got["ok"] != true || secret == mine || !strings.HasPrefix(got["id"].(string), "org.couchdb.user:ana") {
			t.Errorf("%s = %d %s", name, a.status, a.body)
		}
		if who := x.bearing(secret).get("team", "/-/whoami"); who.status != http.StatusOK {
			t.Errorf("%s: the new token is %d", name, who.status)
		}
	}
	for name, password := range map[string]string{"a word": "hunter2", "nothing": "", "a foreign token": h.globex.secret, "an invented one": "sluice_" + strings.Repeat("x", 36)} {
		body["password"] = password
		if a := x.bearing("").submit("PUT", path, body); a.status != http.StatusUnauthorized {
			t.Errorf("%s = %d %s", name, a.status, a.body)
		}
	}
	if a := x.bearing("").submit("PUT", path, "{"); a.status != http.StatusBadRequest {
		t.Errorf("no JSON = %d %s", a.status, a.body)
	}
	if a := x.bearing("").submit("PUT", path, `{"password":"`+strings.Repeat("x", 70<<10)+`"}`); a.status != http.StatusBadRequest {
		t.Errorf("a huge body = %d", a.status)
	}
}

// TestT5_LoginAttemptsAreLimited: by address, for a time, on both ways in.
func TestT5_LoginAttemptsAreLimited(t *testing.T) {
	h := newHarness(t)
	x := h.acme
	x.team("team")
	path := x.url("team", "/-/user/org.couchdb.user:ana")
	page, _ := x.begin("team")
	try := func(password string) int {
		return x.bearing("").submit("PUT", path, map[string]string{"password": password}).status
	}
	visit := func(secret string) int { return x.bearing("").submit("POST", page, form(secret)).status }
	for range 5 {
		if try("wrong") != http.StatusUnauthorized || visit("wrong") != http.StatusForbidden {
			t.Fatal("a failure too early or too late")
		}
	}
	if try(x.secret) != http.StatusTooManyRequests || visit(x.secret) != http.StatusTooManyRequests {
		t.Error("the eleventh try was looked at")
	}
	h.clock.pass(10 * time.Minute)
	if got := try(x.secret); got != http.StatusCreated {
		t.Errorf("after ten minutes = %d", got)
	}
}

// TestF3_AttemptsCountNetworks: of IPv6 a /64, of IPv4 one address.
func TestF3_AttemptsCountNetworks(t *testing.T) {
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	a := protocol.NewAttempts(func() time.Time { return now }, 2, time.Minute)
	for _, ip := range []string{"2001:db8::1", "2001:db8::2", "192.0.2.1", "192.0.2.2"} {
		a.Failed(ip)
	}
	now = now.Add(10 * time.Second)
	for ip, want := range map[string]time.Duration{"2001:db8::77": 50 * time.Second, "2001:db8:0:1::1": 0, "192.0.2.1": 0, "": 0} {
		if got := a.Wait(ip); got != want {
			t.Errorf("%s waits %v, want %v", ip, got, want)
		}
	}
	now = now.Add(50 * time.Second)
	if got := a.Wait("2001:db8::1"); got != 0 {
		t.Errorf("after a minute it waits %v", got)
	}
}

// TestA2_AddressLimitOverHTTP: npm is told that the address is the reason.
func TestA2_AddressLimitOverHTTP(t *testing.T) {
	h := newHarness(t)
	x := h.acme
	x.team("team")
	make := func(network string) string {
		secret, _, err := x.at.access.CreateToken(x.ctx, access.TokenInput{Name: "limited", Networks: []string{network}, Roles: []access.Place{{Role: access.Reader}}})
		if err != nil {
			t.Fatal(err)
		}
		return secret
	}
	if a := x.bearing(make("127.0.0.0/8")).get("team", "/-/whoami"); a.status != http.StatusOK {
		t.Errorf("from inside = %d %s", a.status, a.body)
	}
	outside := make("192.0.2.0/24")
	if a := x.bearing(outside).get("team", "/-/whoami"); a.status != http.StatusUnauthorized || a.header.Get("WWW-Authenticate") != "ipaddress" {
		t.Errorf("from outside = %d %v", a.status, a.header)
	}
	page, _ := x.begin("team")
	if a := x.bearing("").submit("POST", page, form(outside)); a.status != http.StatusForbidden {
		t.Errorf("a yes from outside = %d", a.status)
	}
}
