package main

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"sluice.dev/sluice/tenants/access"
	"sluice.dev/sluice/tenants/login"
)

// TestA1_LoggingIn: by an organization's own provider, by the platform's, and in
// the path form of development; the other organization knows nothing of it.
func TestA1_LoggingIn(t *testing.T) {
	b := newLoginBench(t)
	for _, c := range []struct{ name, home, provider string }{
		{"own provider", acmeAt, "staff"}, {"the platform's", acmeAt, "platform"}, {"own provider, path form", acmePath, "staff"},
	} {
		br := b.browser()
		if br.in(c.home) {
			t.Errorf("%s: logged in from the start", c.name)
		}
		a := br.login(c.home, c.provider)
		if a.status != http.StatusSeeOther || a.next() != c.home+"/account/tokens" {
			t.Fatalf("%s: %d to %q: %.300s", c.name, a.status, a.next(), a.body)
		}
		if !br.in(c.home) || br.in(globexAt) || br.in("http://localhost/o/globex") {
			t.Errorf("%s: in here %v, in the other organization %v", c.name, br.in(c.home), br.in(globexAt))
		}
		if page := br.get(c.home + "/account/sessions"); !strings.Contains(string(page.body), "ana@acme.example") {
			t.Errorf("%s: the page is not Ana's: %.300s", c.name, page.body)
		}
		cookie := a.header.Values("Set-Cookie")
		all := strings.Join(cookie, "\n")
		if !strings.Contains(all, "HttpOnly") || !strings.Contains(all, "SameSite=Lax") || strings.Contains(strings.ToLower(all), "domain=") {
			t.Errorf("%s: cookies %q", c.name, cookie)
		}
		if strings.HasPrefix(c.home, "https:") && !(strings.Contains(all, sessionCookie+"=") && strings.Contains(all, "Path=/;") && strings.Contains(all, "Secure")) {
			t.Errorf("%s: cookies %q", c.name, cookie)
		}
		if c.home == acmePath && !strings.Contains(all, "Path=/o/acme;") {
			t.Errorf("%s: cookies %q are not bound to the path", c.name, cookie)
		}
	}
}

// TestT6_ProviderKnowsOneExactAddress: the redirect URI is the organization's
// own host's, whatever port or proxy header a request names.
func TestT6_ProviderKnowsOneExactAddress(t *testing.T) {
	b := newLoginBench(t)
	for _, c := range []struct {
		name   string
		header []string
	}{
		{"plain", nil}, {"a port", []string{"Host", "acme.sluice.example:1234"}}, {"upper case", []string{"Host", "ACME.sluice.EXAMPLE"}},
		{"a final dot", []string{"Host", "acme.sluice.example."}}, {"RFC 7239 is not read here", []string{"Forwarded", "host=evil.example"}},
	} {
		a := b.browser().get(acmeAt+"/login/start?provider=staff", c.header...)
		to, err := url.Parse(a.next())
		if err != nil || to.Query().Get("redirect_uri") != acmeAt+"/login/callback/staff" {
			t.Errorf("%s: %d to %q", c.name, a.status, a.next())
		}
	}
	for _, host := range []string{"evil.example", "acme.sluice.example.evil.example", "a.acme.sluice.example", "acme.sluice.example@evil.example"} {
		if a := b.browser().get(acmeAt+"/login/start?provider=staff", "Host", host); a.status == http.StatusSeeOther {
			t.Errorf("%s leads to %q", host, a.next())
		}
	}
	if a := b.browser().get(platformAt + "/o/acme/login/start?provider=staff"); a.status != http.StatusNotFound || len(a.header.Values("Set-Cookie")) > 0 {
		t.Errorf("in the path form over https: %d", a.status)
	}
}

// TestT6_LoginLeadsBack: to the page that was wanted. Other addresses are rows of
// the attack table ([redirectAttempts]).
func TestT6_LoginLeadsBack(t *testing.T) {
	b := newLoginBench(t)
	br := b.browser()
	if got := br.get(br.startAt(acmeAt, "staff", "/account/tokens?x=1")).next(); got != acmeAt+"/account/tokens?x=1" {
		t.Errorf("an honest path leads to %q", got)
	}
}

// TestA1_ChoiceOfOrganization: the platform's own host shows where the person is
// a member and nothing else, and gives nobody a session there.
func TestA1_ChoiceOfOrganization(t *testing.T) {
	b := newLoginBench(t)
	b.member(b.globex, "ana@acme.example", access.Ordinary)
	br := b.browser()
	to := platformAt + "/login/start"
	for range 3 {
		to = br.get(to).next()
	}
	page := br.get(to)
	if page.status != http.StatusOK || !strings.Contains(string(page.body), acmeAt+"/login/start?provider=platform") || !strings.Contains(string(page.body), globexAt) {
		t.Fatalf("%d at %s: %.800s", page.status, to, page.body)
	}
	if br.secret(platformAt) != "" || br.in(acmeAt) {
		t.Error("the choice alone is a session")
	}
	for _, home := range []string{acmeAt, globexAt} {
		if a := br.get(br.startAt(home, "platform", "")); a.status != http.StatusSeeOther || !br.in(home) {
			t.Errorf("%s: %d", home, a.status)
		}
	}
	b.platform.Do(func() { b.platform.Person = claims("p2", "nobody@acme.example") })
	stranger := b.browser()
	to = platformAt + "/login/start"
	for range 3 {
		to = stranger.get(to).next()
	}
	if page := stranger.get(to); strings.Contains(string(page.body), "acme.sluice.example") || !strings.Contains(string(page.body), "No organization knows you") {
		t.Errorf("a stranger sees %.600s", page.body)
	}
	if refusal := stranger.get(platformAt + "/login/continue?organization=acme&state=" + strings.Repeat("a", 43)); refusal.status != http.StatusForbidden {
		t.Errorf("a stranger goes on: %d", refusal.status)
	}
	none := stranger.get(platformAt + "/login/continue?organization=umbrella&state=" + strings.Repeat("a", 43))
	some := stranger.get(platformAt + "/login/continue?organization=acme&state=" + strings.Repeat("a", 43))
	if none.status != some.status || string(none.body) != string(some.body) {
		t.Error("an organization that exists is refused in another way than one that does not (T3)")
	}
}

// TestA1_JoiningAndGroups: a provider that may makes people members, and its
// groups give and take roles at each login.
func TestA1_JoiningAndGroups(t *testing.T) {
	b := newLoginBench(t)
	m, err := b.first.logins.AddMapping(b.globex.ctx, login.Mapping{Provider: b.second.ID, Group: "ops", Place: access.Place{Role: access.Admin}})
	if err != nil {
		t.Fatal(err)
	}
	enter := func(groups ...string) (admin, member bool) {
		b.theirs.Do(func() {
			b.theirs.Person = claims("g2", "gwen@globex.example")
			b.theirs.Person["groups"] = groups
		})
		if a := b.browser().login(globexAt, "staff"); a.status != http.StatusSeeOther {
			t.Fatalf("%d: %.300s", a.status, a.body)
		}
		gwen, err := b.first.access.MemberByEmail(b.globex.ctx, "gwen@globex.example")
		if err != nil {
			t.Fatal(err)
		}
		grants, err := b.first.access.Grants(access.As(b.globex.ctx, memberSubject(t, b, b.gil), ""))
		if err != nil {
			t.Fatal(err)
		}
		for _, g := range grants {
			admin = admin || g.Who.ID == gwen.ID && g.Role == access.Admin
			member = member || g.Who.ID == gwen.ID && g.Role == access.Ordinary
		}
		return admin, member
	}
	for _, c := range []struct {
		groups []string
		admin  bool
	}{{[]string{"staff"}, false}, {[]string{"ops", "staff"}, true}, {[]string{"ops"}, true}, {[]string{"Ops"}, false}, {[]string{"ops"}, true}, {nil, false}} {
		if admin, member := enter(c.groups...); admin != c.admin || !member {
			t.Errorf("groups %q: admin %v, member %v", c.groups, admin, member)
		}
	}
	enter("ops")
	if err := b.first.logins.RemoveMapping(b.globex.ctx, m.ID); err != nil {
		t.Fatal(err)
	}
	if admin, _ := enter("ops"); admin {
		t.Error("the role outlived its mapping")
	}
}

func memberSubject(t *testing.T, b *loginBench, m access.Member) access.Subject {
	t.Helper()
	who, err := b.first.access.MemberSubject(b.globex.ctx, m.ID)
	if err != nil {
		t.Fatal(err)
	}
	return who
}
