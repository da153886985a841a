package main

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"sluice.dev/sluice/tenants/access"
	"sluice.dev/sluice/tenants/login"
)

// enter logs Ana in at acme with a new browser.
func (b *loginBench) enter() *browser {
	b.Helper()
	br := b.browser()
	if a := br.login(acmeAt, "staff"); a.status != http.StatusSeeOther || !br.in(acmeAt) {
		b.Fatalf("Ana cannot log in: %d %.300s", a.status, a.body)
	}
	return br
}

// TestA1_SessionsEnd: by time, by hand, by deactivation on every node, and for
// good.
func TestA1_SessionsEnd(t *testing.T) {
	b := newLoginBench(t)
	b.member(b.acme, "second@acme.example", access.Owner)
	second := b.serve()
	for _, c := range []struct {
		name string
		end  func(br *browser)
	}{
		{"twelve hours without a request", func(*browser) { b.clock.pass(login.IdleTime) }},
		{"seven days with requests", func(br *browser) {
			for range 15 {
				b.clock.pass(11 * time.Hour)
				br.get(acmeAt + "/account/sessions")
				b.first.flushOnce(context.Background())
			}
			b.clock.pass(4 * time.Hour)
		}},
		{"logging out", func(br *browser) { end(b, br) }},
		{"ended from another browser", func(*browser) {
			other := b.enter()
			other.post(acmeAt+"/account/sessions", url.Values{"form": {other.form(acmeAt + "/account/sessions")}, "others": {"1"}})
		}},
		{"the provider is disabled", func(*browser) {
			b.update(b.acme, b.provider, func(in *login.ProviderInput) { in.Enabled = false })
			b.update(b.acme, b.provider, func(*login.ProviderInput) {})
		}},
		{"the member is deactivated and comes back", func(br *browser) {
			b.deactivate(b.ana)
			b.eventually(time.Second, "the end on the other node", func() bool { br.at = second; return !br.in(acmeAt) })
			br.at = b.first
			if br.in(acmeAt) {
				t.Error("a deactivated member is logged in")
			}
			if err := b.first.access.ReactivateMember(b.acme.ctx, b.ana.ID); err != nil {
				t.Fatal(err)
			}
		}},
	} {
		br := b.enter()
		br.at = second
		if !br.in(acmeAt) {
			t.Fatalf("%s: the other node does not know the session", c.name)
		}
		br.at = b.first
		c.end(br)
		for _, node := range []*served{b.first, second} {
			br.at = node
			b.eventually(time.Second, c.name, func() bool { return !br.in(acmeAt) })
		}
		br.at = b.first
	}
	br := b.enter()
	for range 3 {
		b.clock.pass(11 * time.Hour)
		if !br.in(acmeAt) {
			t.Error("a session in use has ended")
		}
	}
}

// TestA1_SessionSecretsAreNoLongerThanALogin: whoever planted a session, or kept
// one, has nothing after the next login (fixation).
func TestA1_SessionSecretsAreNoLongerThanALogin(t *testing.T) {
	b := newLoginBench(t)
	attacker, victim := b.enter(), b.browser()
	planted := attacker.secret(acmeAt)
	victim.plant(acmeAt, sessionCookie, planted)
	if a := victim.login(acmeAt, "staff"); a.status != http.StatusSeeOther {
		t.Fatal(a.status)
	}
	if now := victim.secret(acmeAt); now == planted || now == "" {
		t.Error("the planted secret is the session's")
	}
	if attacker.in(acmeAt) {
		t.Error("the old secret still opens something")
	}
	invented := b.browser()
	invented.plant(acmeAt, sessionCookie, strings.Repeat("A", 43))
	if invented.in(acmeAt) || invented.login(acmeAt, "staff").status != http.StatusSeeOther || invented.secret(acmeAt) == strings.Repeat("A", 43) {
		t.Error("an invented secret became a session")
	}
}

// TestA1_HonestRequests: what the attack table refuses of sessions and forms is
// done when the organization's own page asks.
func TestA1_HonestRequests(t *testing.T) {
	b := newLoginBench(t)
	ana, other := b.enter(), b.enter()
	secret := ana.secret(acmeAt)
	if a := b.browser().get(acmeAt+"/account/sessions", "Cookie", sessionCookie+"="+secret); a.status != http.StatusOK {
		t.Errorf("the cookie alone, by hand: %d", a.status)
	}
	for name, want := range map[string]int{"image": http.StatusSeeOther, "iframe": http.StatusSeeOther, "document": http.StatusOK} {
		mode := map[bool]string{true: "navigate", false: "no-cors"}[name != "image"]
		if a := ana.get(acmeAt+"/account/sessions", "Sec-Fetch-Site", "same-site", "Sec-Fetch-Mode", mode, "Sec-Fetch-Dest", name); a.status != want {
			t.Errorf("a sibling's %s: %d, want %d", name, a.status, want)
		}
	}
	good := url.Values{"form": {ana.form(acmeAt + "/account/sessions")}, "others": {"1"}}
	if a := ana.ask(http.MethodPost, acmeAt+"/account/sessions", good, "Origin", acmeAt); a.status != http.StatusSeeOther || other.in(acmeAt) {
		t.Errorf("the honest one: %d", a.status)
	}
}

// TestA1_GraphQLTakesTheSession: of the organization's own pages only.
func TestA1_GraphQLTakesTheSession(t *testing.T) {
	b := newLoginBench(t)
	ana := b.enter()
	ask := func(home string, header ...string) answer {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, home+"/graphql", strings.NewReader(`{"query":"{ viewer { name } }"}`))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", "application/json")
		for i := 0; i < len(header); i += 2 {
			req.Header.Set(header[i], header[i+1])
		}
		resp, err := ana.http.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		var out [4096]byte
		n, _ := resp.Body.Read(out[:])
		return answer{status: resp.StatusCode, header: resp.Header, body: out[:n]}
	}
	if a := ask(acmeAt, "Sec-Fetch-Site", "same-origin", "Origin", acmeAt); !strings.Contains(string(a.body), "ana@acme.example") {
		t.Errorf("from its own page: %d %s", a.status, a.body)
	}
	for _, header := range [][]string{{"Sec-Fetch-Site", "same-site", "Origin", globexAt}, {"Sec-Fetch-Site", "cross-site"}, {"Origin", globexAt}, nil} {
		if a := ask(acmeAt, header...); strings.Contains(string(a.body), "ana@acme.example") {
			t.Errorf("%q: %d %s", header, a.status, a.body)
		}
	}
	if a := ask(globexAt, "Sec-Fetch-Site", "same-origin"); strings.Contains(string(a.body), "ana@") {
		t.Errorf("the other organization: %s", a.body)
	}
}

// TestA2_TokensPage: a token is made for oneself, shown once, limited as chosen,
// and revoked.
func TestA2_TokensPage(t *testing.T) {
	b := newLoginBench(t)
	team := b.acme.team("team")
	ana := b.enter()
	page := acmeAt + "/account/tokens"
	form := ana.form(page)
	made := ana.post(page, url.Values{"form": {form}, "name": {"laptop"}, "access": {"read"}, "days": {"7"}, "registry": {team.String()}})
	_, after, ok := strings.Cut(string(made.body), `<code id="secret">`)
	key, _, _ := strings.Cut(after, "<")
	if made.status != http.StatusOK || !ok || !access.LooksLikeToken(key) {
		t.Fatalf("%d: %.600s", made.status, made.body)
	}
	if strings.Contains(string(ana.get(page).body), key) {
		t.Error("the secret is shown twice")
	}
	if _, err := b.first.access.Authenticate(b.globex.ctx, key, "192.0.2.7"); err == nil {
		t.Error("the token works in the other organization")
	}
	who, err := b.first.access.Authenticate(b.acme.ctx, key, "192.0.2.7")
	if err != nil || who.Write || len(who.Registries) != 1 || who.MemberID != b.ana.ID {
		t.Fatalf("%+v, %v", who, err)
	}
	for name, bad := range map[string]url.Values{"no name": {"days": {"7"}}, "no end": {"name": {"x"}}, "no registry": {"name": {"x"}, "days": {"7"}, "registry": {b.globex.public.String()}}} {
		bad.Set("form", form)
		if a := ana.post(page, bad); a.status != http.StatusUnprocessableEntity || !strings.Contains(string(a.body), `role="alert"`) {
			t.Errorf("%s: %d", name, a.status)
		}
	}
	if a := ana.post(page+"/revoke", url.Values{"form": {form}, "token": {who.TokenID.String()}}); a.status != http.StatusSeeOther {
		t.Errorf("revoking: %d", a.status)
	}
	if _, err := b.first.access.Authenticate(b.acme.ctx, key, "192.0.2.7"); err == nil {
		t.Error("the token works on")
	}
}
