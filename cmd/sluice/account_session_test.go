package main

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"sluice.dev/sluice/tenants/access"
)

// beginAt starts an npm login at acme's own host and returns its two addresses.
func (b *loginBench) beginAt(registry string) (page, done string) {
	b.Helper()
	a := b.browser().ask(http.MethodPost, acmeAt+"/npm/"+registry+"/-/v1/login", url.Values{}, "User-Agent", "npm/11.0.0")
	if a.status != http.StatusOK {
		b.Fatalf("login = %d %s", a.status, a.body)
	}
	return a.text(b.harness, "loginUrl"), a.text(b.harness, "doneUrl")
}

// TestA2_NpmLoginBySession: who is logged in presses a button; who is not is
// sent to log in and comes back; npm gets a token of that member for that
// registry alone.
func TestA2_NpmLoginBySession(t *testing.T) {
	b := newLoginBench(t)
	b.acme.team("team")
	b.acme.team("other")
	page, done := b.beginAt("team")
	if !strings.HasPrefix(page, acmeAt+"/-/login/") {
		t.Fatal(page)
	}
	br := b.browser()
	shown := br.get(page)
	back := acmeAt + "/login?" + url.Values{"return": {strings.TrimPrefix(page, acmeAt)}}.Encode()
	if shown.status != http.StatusOK || !shown.shows(`href="`+back+`"`) || !shown.shows(`type="password"`) || shown.shows("Let npm use") {
		t.Fatalf("nobody: %d, want the link %s: %.3000s", shown.status, back, shown.body)
	}
	if choice := br.get(back); !choice.shows("provider=staff") {
		t.Fatalf("%.500s", choice.body)
	}
	if a := br.get(br.startAt(acmeAt, "staff", strings.TrimPrefix(page, acmeAt))); a.next() != page {
		t.Fatalf("after the login: %d to %q", a.status, a.next())
	}
	shown = br.get(page)
	if !shown.shows("Let npm use a token for team") || !shown.shows("ana@acme.example") || !shown.shows("npm/11.0.0") || !shown.shows(`type="password"`) {
		t.Fatalf("Ana: %.3000s", shown.body)
	}
	yes := br.post(page, url.Values{"form": {shown.formOf()}})
	if yes.status != http.StatusOK || !yes.shows("You are logged in") || yes.shows("sluice_") {
		t.Fatalf("yes: %d %.900s", yes.status, yes.body)
	}
	if again := br.post(page, url.Values{"form": {shown.formOf()}}); again.status != http.StatusConflict {
		t.Errorf("a second yes: %d", again.status)
	}
	got := b.browser().get(done)
	key := got.text(b.harness, "token")
	if got.status != http.StatusOK || !access.LooksLikeToken(key) {
		t.Fatalf("collected: %d %s", got.status, got.body)
	}
	if who := b.browser().get(acmeAt+"/npm/team/-/whoami", "Authorization", "Bearer "+key); who.text(b.harness, "username") != "ana@acme.example" {
		t.Errorf("whoami: %d %s", who.status, who.body)
	}
	if a := b.browser().get(acmeAt+"/npm/other/-/whoami", "Authorization", "Bearer "+key); a.status != http.StatusNotFound {
		t.Errorf("in another registry: %d", a.status)
	}
	if !br.get(acmeAt + "/account/tokens").shows("npm login") {
		t.Error("the token is not among Ana's")
	}
}

// TestA2_NpmLoginForged: no other page makes somebody who is logged in say yes,
// and a session says yes in its own organization only.
func TestA2_NpmLoginForged(t *testing.T) {
	b := newLoginBench(t)
	b.acme.team("team")
	b.globex.team("team")
	page, done := b.beginAt("team")
	ana, other := b.enter(), b.enter()
	form, others := ana.get(page).formOf(), other.get(page).formOf()
	gil := b.browser()
	if a := gil.login(globexAt, "staff"); a.status != http.StatusSeeOther {
		t.Fatal(a.status)
	}
	gils := gil.form(globexAt + "/account/sessions")
	for _, c := range []struct {
		name   string
		br     *browser
		to     string
		form   url.Values
		header []string
		status int
	}{
		{"a sibling subdomain", ana, page, url.Values{"form": {form}}, []string{"Sec-Fetch-Site", "same-site", "Origin", globexAt}, http.StatusForbidden},
		{"another site", ana, page, url.Values{"form": {form}}, []string{"Sec-Fetch-Site", "cross-site"}, http.StatusForbidden},
		{"a sandboxed page", ana, page, url.Values{"form": {form}}, []string{"Origin", "null"}, http.StatusForbidden},
		{"a browser that says nothing", ana, page, url.Values{"form": {form}}, nil, http.StatusForbidden},
		{"another session's token", ana, page, url.Values{"form": {others}}, []string{"Sec-Fetch-Site", "same-origin"}, http.StatusForbidden},
		{"an empty token", ana, page, url.Values{"form": {""}}, []string{"Sec-Fetch-Site", "same-origin"}, http.StatusForbidden},
		{"nothing at all", ana, page, url.Values{}, []string{"Sec-Fetch-Site", "same-origin"}, http.StatusForbidden},
		{"nobody", b.browser(), page, url.Values{"form": {form}}, []string{"Sec-Fetch-Site", "same-origin"}, http.StatusForbidden},
		{"the other organization's session", gil, page, url.Values{"form": {gils}}, []string{"Sec-Fetch-Site", "same-origin"}, http.StatusForbidden},
		{"the other organization's host", gil, strings.Replace(page, acmeAt, globexAt, 1), url.Values{"form": {gils}}, []string{"Sec-Fetch-Site", "same-origin"}, http.StatusNotFound},
	} {
		if a := c.br.ask(http.MethodPost, c.to, c.form, c.header...); a.status != c.status {
			t.Errorf("%s: %d: %.300s", c.name, a.status, a.body)
		}
		if waits := b.browser().get(done); waits.status != http.StatusAccepted {
			t.Fatalf("%s: npm has %d %s", c.name, waits.status, waits.body)
		}
	}
	if framed := ana.get(page, "Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "iframe"); framed.shows("Let npm use") {
		t.Error("another site's frame shows the button")
	}
	end(b, ana)
	if a := ana.post(page, url.Values{"form": {form}}); a.status != http.StatusForbidden || !a.shows("log in again") {
		t.Errorf("after logging out: %d", a.status)
	}
	// A registry that Ana may not read is like none (T3).
	hidden, _ := b.beginAt("ghost")
	shown := other.get(hidden)
	if a := other.post(hidden, url.Values{"form": {shown.formOf()}}); a.status != http.StatusNotFound {
		t.Errorf("a registry that is none: %d", a.status)
	}
}

// TestA2_TokenLimits: the page makes tokens with every limit, and mistakes stand
// beside their field with what was typed.
func TestA2_TokenLimits(t *testing.T) {
	b := newLoginBench(t)
	team := b.acme.team("team")
	ana := b.enter()
	page := acmeAt + "/account/tokens"
	form := ana.form(page)
	good := func() url.Values {
		return url.Values{"form": {form}, "name": {"release"}, "access": {"write"}, "days": {"30"}, "registry": {team.String()},
			"packages": {"@acme/*\r\nwidgets, left-pad"}, "networks": {"192.0.2.0/24\n198.51.100.7"}}
	}
	for name, c := range map[string]struct{ field, value, problem string }{
		"no pattern":             {"packages", "@acme/* @@/", `id="packages-problem"`},
		"no network":             {"networks", "192.0.2.0/24 somewhere", `id="networks-problem"`},
		"no name":                {"name", " ", `id="name-problem"`},
		"a name with lines":      {"name", "a\nb", `id="name-problem"`},
		"no number of days":      {"days", "soon", `id="days-problem"`},
		"days of another page":   {"days", "99999", `id="days-problem"`},
		"packages, only reading": {"access", "read", `id="packages-problem"`},
		"a registry of nobody":   {"registry", "x", `id="registries-problem"`},
	} {
		bad := good()
		bad.Set(c.field, c.value)
		a := ana.post(page, bad)
		if a.status != http.StatusUnprocessableEntity || !a.shows(c.problem) || !a.shows(`role="alert"`) {
			t.Errorf("%s: %d %.2000s", name, a.status, a.body)
		}
		if c.field != "networks" && !a.shows("198.51.100.7</textarea>") {
			t.Errorf("%s: what was typed is gone", name)
		}
	}
	made := ana.post(page, good())
	_, after, _ := strings.Cut(string(made.body), `<code id="secret">`)
	key, _, _ := strings.Cut(after, "<")
	who, err := b.first.access.Authenticate(b.acme.ctx, key, "192.0.2.7")
	if err != nil || !who.Write || strings.Join(who.Packages, " ") != "@acme/* left-pad widgets" || len(who.Networks) != 2 || len(who.Registries) != 1 || who.Expires.IsZero() {
		t.Fatalf("%+v, %v", who, err)
	}
	if _, err := b.first.access.Authenticate(b.acme.ctx, key, "203.0.113.1"); err == nil {
		t.Error("the token works from anywhere")
	}
	if list := ana.get(page); !list.shows("<code>@acme/*</code>") || !list.shows("<code>192.0.2.0/24</code>") || !list.shows("npm/team") {
		t.Errorf("the list does not show the limits: %.3000s", list.body)
	}
}
