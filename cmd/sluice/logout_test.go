package main

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"sluice.dev/sluice/ent/auditevent"
	"sluice.dev/sluice/ent/db"
	"sluice.dev/sluice/tenants/login"
)

// TestA1_LoggingOutAtTheProvider: the page leads there with the hint that it
// wants, and back to an address that it knows.
func TestA1_LoggingOutAtTheProvider(t *testing.T) {
	b := newLoginBench(t)
	ana := b.enter()
	a := ana.post(acmeAt+"/logout", url.Values{"form": {ana.form(acmeAt + "/account/sessions")}})
	_, rest, _ := strings.Cut(string(a.body), `<a href="`)
	link, _, _ := strings.Cut(rest, `"`)
	to, err := url.Parse(strings.ReplaceAll(link, "&amp;", "&"))
	if err != nil || !strings.HasPrefix(link, b.own.URL+"/leave?") {
		t.Fatalf("%d leads to %q, %v", a.status, link, err)
	}
	q := to.Query()
	if q.Get("post_logout_redirect_uri") != acmeAt+"/login" || q.Get("client_id") != "sluice" || strings.Count(q.Get("id_token_hint"), ".") != 2 {
		t.Errorf("%v", q)
	}
	if ana.in(acmeAt) {
		t.Error("still logged in")
	}
}

// TestA1_BackChannelLogout: a genuine token ends the session that it names, once.
// Forgeries are rows of the attack table ([logoutAttempts]).
func TestA1_BackChannelLogout(t *testing.T) {
	b := newLoginBench(t)
	at := acmeAt + "/login/backchannel/staff"
	send := func(to, token string) answer {
		return b.browser().ask(http.MethodPost, to, url.Values{"logout_token": {token}})
	}
	token := func(change func(map[string]any)) string {
		c := b.own.LogoutClaims()
		change(c)
		return b.own.Sign(c)
	}
	keep := func(map[string]any) {}
	good := b.own.LogoutClaims()
	if a := b.browser().get(at); a.status != http.StatusMethodNotAllowed && a.status != http.StatusNotFound {
		t.Errorf("GET: %d", a.status)
	}
	b.enter() // fetches the keys
	asked := b.own.KeysAsked
	for range 20 {
		send(at, b.own.SignUnknown(good))
	}
	if n := b.own.KeysAsked - asked; n > 1 {
		t.Errorf("20 forgeries made us ask for the keys %d times", n)
	}
	for _, c := range []struct {
		name   string
		change func(map[string]any)
		ends   bool
	}{
		{"another session", func(c map[string]any) { c["sid"] = "other" }, false},
		{"another person", func(c map[string]any) { delete(c, "sid"); c["sub"] = "other" }, false},
		{"the session", func(c map[string]any) { delete(c, "sub") }, true},
		{"the person", func(c map[string]any) { delete(c, "sid") }, true},
		{"both", keep, true},
	} {
		br := b.enter()
		raw := token(c.change)
		if a := send(at, raw); a.status != http.StatusOK || br.in(acmeAt) == c.ends {
			t.Errorf("%s: %d, still in: %v", c.name, a.status, br.in(acmeAt))
		}
		again := b.enter()
		if a := send(at, raw); a.status != http.StatusBadRequest || !again.in(acmeAt) {
			t.Errorf("%s, a second time: %d, in %v", c.name, a.status, again.in(acmeAt))
		}
	}
}

// TestA1_PlatformLogsOutEverywhere: the platform's provider ends its sessions in
// every organization, and none of other providers.
func TestA1_PlatformLogsOutEverywhere(t *testing.T) {
	b := newLoginBench(t)
	b.member(b.globex, "ana@acme.example", "member")
	own, one, two := b.enter(), b.browser(), b.browser()
	one.login(acmeAt, "platform")
	two.login(globexAt, "platform")
	if !one.in(acmeAt) || !two.in(globexAt) {
		t.Fatal("Ana cannot log in by the platform")
	}
	raw := b.platform.Sign(b.platform.LogoutClaims())
	if a := own.ask(http.MethodPost, platformAt+"/login/backchannel", url.Values{"logout_token": {raw}}); a.status != http.StatusOK {
		t.Fatalf("%d %s", a.status, a.body)
	}
	if one.in(acmeAt) || two.in(globexAt) || !own.in(acmeAt) {
		t.Errorf("in acme %v, in globex %v; by acme's own provider %v", one.in(acmeAt), two.in(globexAt), own.in(acmeAt))
	}
	if a := own.ask(http.MethodPost, platformAt+"/login/backchannel", url.Values{"logout_token": {raw}}); a.status != http.StatusBadRequest {
		t.Errorf("a second time: %d", a.status)
	}
}

// TestA1_BreakGlass: an owner gets in without any provider, once, within a
// quarter of an hour, for an hour; the audit log has both steps.
func TestA1_BreakGlass(t *testing.T) {
	b := newLoginBench(t)
	b.member(b.acme, "dan@acme.example", "member")
	for _, nobody := range []string{"dan@acme.example", "gil@globex.example", "", "none@acme.example"} {
		if _, _, err := b.first.logins.BreakGlass(b.acme.ctx, nobody, ""); err == nil {
			t.Errorf("%q got a link", nobody)
		}
	}
	link := func() string {
		secret, _, err := b.first.logins.BreakGlass(b.acme.ctx, "ana@acme.example", "the provider is down")
		if err != nil {
			t.Fatal(err)
		}
		return secret
	}
	use := func(br *browser, home, secret string) int {
		return br.post(home+"/login/break-glass", url.Values{"form": {""}, "link": {secret}}).status
	}
	secret := link()
	br := b.browser()
	for range 3 {
		if a := br.get(acmeAt + "/login/break-glass?link=" + secret); a.status != http.StatusOK || br.in(acmeAt) {
			t.Fatalf("looking at the page: %d", a.status)
		}
	}
	if s := b.browser().ask(http.MethodPost, acmeAt+"/login/break-glass", url.Values{"form": {""}, "link": {secret}}, "Sec-Fetch-Site", "cross-site").status; s != http.StatusForbidden {
		t.Errorf("from another site: %d", s)
	}
	if s := use(b.browser(), globexAt, secret); s != http.StatusForbidden {
		t.Errorf("at the other organization: %d", s)
	}
	if s := use(br, acmeAt, secret); s != http.StatusSeeOther || !br.in(acmeAt) {
		t.Fatalf("the link: %d", s)
	}
	if s := use(b.browser(), acmeAt, secret); s != http.StatusForbidden {
		t.Errorf("a second time: %d", s)
	}
	late := link()
	b.clock.pass(login.LinkTime)
	if s := use(b.browser(), acmeAt, late); s != http.StatusForbidden {
		t.Errorf("late: %d", s)
	}
	b.clock.pass(login.BreakGlassTime - login.LinkTime)
	if br.in(acmeAt) {
		t.Error("the session outlived its hour")
	}
	b.member(b.acme, "second@acme.example", "owner")
	gone := link()
	b.deactivate(b.ana)
	if s := use(b.browser(), acmeAt, gone); s != http.StatusForbidden {
		t.Errorf("of somebody who is no owner any more: %d", s)
	}
	for action, want := range map[string]int{"login:break-glass-link": 3, "login:break-glass": 1} {
		if n := b.events(action); n != want {
			t.Errorf("%d events %s, want %d", n, action, want)
		}
	}
}

// events counts acme's audit events of an action.
func (b *loginBench) events(action string) (n int) {
	b.Helper()
	err := b.first.db.InSnapshot(b.acme.ctx, func(ctx context.Context, tx *db.Tx) (err error) {
		n, err = tx.Ent.AuditEvent.Query().Where(auditevent.Action(action)).Count(ctx)
		return err
	})
	if err != nil {
		b.Fatal(err)
	}
	return n
}
