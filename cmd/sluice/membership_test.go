package main

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"sluice.dev/sluice/protocol/pages"
	"sluice.dev/sluice/tenants/access"
	"sluice.dev/sluice/tenants/login"
)

// invite invites an address to acme and returns the page of the invitation.
func (b *loginBench) invite(email string) (page string, inv access.Invitation) {
	b.Helper()
	secret, inv, err := b.first.access.Invite(b.acme.ctx, access.InvitationInput{Email: email})
	if err != nil {
		b.Fatal(err)
	}
	return acmeAt + pages.InvitationPath(secret), inv
}

// person changes whom acme's own provider vouches for.
func (b *loginBench) person(sub, email string) {
	b.own.Do(func() { b.own.Person = claims(sub, email) })
}

// vouched logs in as a guest of acme who goes on to a page, and returns it.
func (br *browser) vouched(provider, page string) answer {
	br.b.Helper()
	path := strings.TrimPrefix(page, acmeAt)
	a := br.get(br.startAt(acmeAt, provider, path))
	if a.status != http.StatusSeeOther || a.next() != page {
		br.b.Fatalf("a guest is led to %q with %d: %.300s", a.next(), a.status, a.body)
	}
	return br.get(page)
}

func (a answer) shows(text string) bool { return strings.Contains(string(a.body), text) }

// formOf is the token of the forms on a page that was read.
func (a answer) formOf() string {
	if m := formField.FindSubmatch(a.body); m != nil {
		return string(m[1])
	}
	return ""
}

// isMember reports whether an address is a member's of acme.
func (b *loginBench) isMember(email string) bool {
	_, err := b.first.access.MemberByEmail(b.acme.ctx, email)
	return err == nil
}

// TestA1_Invitation: the link, a login, a yes, and the person is in; by the
// organization's own provider and by the platform's.
func TestA1_Invitation(t *testing.T) {
	b := newLoginBench(t)
	for provider, email := range map[string]string{"staff": "new@acme.example", "platform": "consultant@elsewhere.example"} {
		page, _ := b.invite(email)
		b.person("n1", email)
		b.platform.Do(func() { b.platform.Person = claims("n2", email) })
		br := b.browser()
		first := br.get(page)
		if first.status != http.StatusOK || !first.shows(email) || !first.shows("provider=staff") || !first.shows("provider=platform") || first.shows("Accept the invitation") {
			t.Fatalf("%s: the link alone: %d %.900s", provider, first.status, first.body)
		}
		asked := br.vouched(provider, page)
		if asked.status != http.StatusOK || !asked.shows("Accept the invitation") || b.isMember(email) || br.in(acmeAt) {
			t.Fatalf("%s: vouched for: %d %.900s", provider, asked.status, asked.body)
		}
		yes := br.post(page, url.Values{"form": {asked.formOf()}})
		if yes.status != http.StatusSeeOther || yes.next() != acmeAt+"/account" || !br.in(acmeAt) || !b.isMember(email) {
			t.Fatalf("%s: yes: %d to %q: %.600s", provider, yes.status, yes.next(), yes.body)
		}
		if br.in(globexAt) {
			t.Errorf("%s: in the other organization too", provider)
		}
		// The account is a member from now on, without the link.
		if again := b.browser(); again.login(acmeAt, provider).status != http.StatusSeeOther {
			t.Errorf("%s: cannot log in afterwards", provider)
		}
	}
	if n := b.events("invitation:accept"); n != 2 {
		t.Errorf("%d events, want 2", n)
	}
}

// TestA1_InvitationsThatAreNone: each has a page that says why, and makes nobody
// a member.
func TestA1_InvitationsThatAreNone(t *testing.T) {
	b := newLoginBench(t)
	b.person("n1", "new@acme.example")
	used, _ := b.invite("new@acme.example")
	first := b.browser()
	form := first.vouched("staff", used).formOf()
	if a := first.post(used, url.Values{"form": {form}}); a.status != http.StatusSeeOther {
		t.Fatalf("%d %.500s", a.status, a.body)
	}
	revoked, inv := b.invite("second@acme.example")
	if err := b.first.access.RevokeInvitation(b.acme.ctx, inv.ID); err != nil {
		t.Fatal(err)
	}
	replaced, inv := b.invite("third@acme.example")
	if _, _, err := b.first.access.Resend(b.acme.ctx, inv.ID); err != nil {
		t.Fatal(err)
	}
	expired, _ := b.invite("fourth@acme.example")
	b.clock.pass(access.InvitationFor)
	open, _ := b.invite("fifth@acme.example")
	for name, c := range map[string]struct {
		page   string
		status int
		says   string
	}{
		"used":                    {used, http.StatusGone, "was accepted at"},
		"taken back":              {revoked, http.StatusGone, "was taken back"},
		"expired":                 {expired, http.StatusGone, "was valid until"},
		"replaced by a newer one": {replaced, http.StatusNotFound, "no such invitation"},
		"invented":                {acmeAt + "/invitation/sluice_invitation_" + strings.Repeat("A", 30), http.StatusNotFound, "no such invitation"},
		"of another organization": {strings.Replace(open, acmeAt, globexAt, 1), http.StatusNotFound, "no such invitation"},
	} {
		br := b.browser()
		if a := br.get(c.page); a.status != c.status || !a.shows(c.says) {
			t.Errorf("%s: %d %.700s", name, a.status, a.body)
		}
		if strings.HasPrefix(c.page, acmeAt) {
			// A yes from somebody who was vouched for does not help.
			b.person("s", "fourth@acme.example")
			g := br.vouched("staff", open)
			if a := br.post(c.page, url.Values{"form": {g.formOf()}}); a.status != c.status || !a.shows(c.says) {
				t.Errorf("%s, a yes: %d %.300s", name, a.status, a.body)
			}
		}
	}
	for _, email := range []string{"second@acme.example", "third@acme.example", "fourth@acme.example", "fifth@acme.example"} {
		if b.isMember(email) {
			t.Errorf("%s is a member", email)
		}
	}
	page, inv := b.invite("sixth@acme.example")
	for name, c := range map[string]struct {
		change func(map[string]any)
		says   string
	}{
		"another address":            {func(c map[string]any) { c["email"] = "eve@acme.example" }, "you are logged in as <strong>eve@acme.example"},
		"an address of no certainty": {func(c map[string]any) { c["email"], c["email_verified"] = inv.Email, false }, "does not vouch for an e-mail address"},
		"no address":                 {func(c map[string]any) { delete(c, "email") }, "does not vouch for an e-mail address"},
	} {
		b.own.Do(func() { b.own.Person = claims("e", "eve@acme.example"); c.change(b.own.Person) })
		br := b.browser()
		a := br.vouched("staff", page)
		if a.status != http.StatusForbidden || !a.shows(c.says) || a.shows("Accept the invitation") {
			t.Errorf("%s: %d %.900s", name, a.status, a.body)
		}
		if yes := br.post(page, url.Values{"form": {a.formOf()}}); yes.status == http.StatusSeeOther || b.isMember(inv.Email) || b.isMember("eve@acme.example") || br.in(acmeAt) {
			t.Errorf("%s, a yes: %d to %q", name, yes.status, yes.next())
		}
		// Another account can be used.
		b.person("sixth", inv.Email)
		if left := br.post(acmeAt+"/login/guest", url.Values{"form": {a.formOf()}, "return": {strings.TrimPrefix(page, acmeAt)}}); left.next() != page {
			t.Errorf("%s: another account: %d to %q", name, left.status, left.next())
		}
		if a := br.get(page); !a.shows("provider=staff") {
			t.Errorf("%s: still a guest: %.300s", name, a.body)
		}
	}
}

// TestA1_ForgedYes: nobody accepts for somebody else, and no other page makes
// them.
func TestA1_ForgedYes(t *testing.T) {
	b := newLoginBench(t)
	page, _ := b.invite("new@acme.example")
	b.person("n1", "new@acme.example")
	br, other := b.browser(), b.browser()
	form, others := br.vouched("staff", page).formOf(), other.vouched("staff", page).formOf()
	good := url.Values{"form": {form}}
	for _, c := range []struct {
		name   string
		form   url.Values
		header []string
	}{
		{"a sibling subdomain", good, []string{"Sec-Fetch-Site", "same-site", "Origin", globexAt}},
		{"another site", good, []string{"Sec-Fetch-Site", "cross-site", "Origin", "https://evil.example"}},
		{"a sandboxed page", good, []string{"Origin", "null"}},
		{"a browser that says nothing", good, nil},
		{"no token", url.Values{}, []string{"Sec-Fetch-Site", "same-origin"}},
		{"another guest's token", url.Values{"form": {others}}, []string{"Sec-Fetch-Site", "same-origin"}},
		{"the token in the address", url.Values{"x": {"1"}}, []string{"Sec-Fetch-Site", "same-origin"}},
	} {
		if a := br.ask(http.MethodPost, page+"?form="+form, c.form, c.header...); a.status != http.StatusForbidden || b.isMember("new@acme.example") {
			t.Errorf("%s: %d", c.name, a.status)
		}
	}
	// A guest's secret in another browser, planted before a login, is nobody
	// after it (fixation); and it is worth nothing in the other organization.
	const cookie = "__Host-sluice-guest"
	planted := secretNamed(t, br, page, cookie)
	victim := b.browser()
	victim.plant(page, cookie, planted)
	b.person("v1", "victim@acme.example")
	if a := victim.vouched("staff", page); a.shows("Accept the invitation") {
		t.Error("the victim goes on as the planted guest")
	}
	if br.get(page).shows("Accept the invitation") {
		t.Error("the planted secret still stands for somebody")
	}
	b.person("n1", "new@acme.example")
	foreign := b.browser()
	foreign.plant(globexAt, cookie, secretNamed(t, other, page, cookie))
	if a := foreign.get(globexAt + "/join"); a.shows("new@acme.example") {
		t.Error("a guest of acme is one of globex")
	}
	b.clock.pass(login.VisitTime)
	if a := other.post(page, url.Values{"form": {others}}); a.next() != page || b.isMember("new@acme.example") {
		t.Errorf("after five minutes: %d to %q", a.status, a.next())
	}
}

func secretNamed(t *testing.T, br *browser, at, name string) string {
	t.Helper()
	u, err := url.Parse(at)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range br.jar.Cookies(u) {
		if c.Name == name {
			return c.Value
		}
	}
	t.Fatalf("the browser has no cookie %s", name)
	return ""
}

// TestT6_GuestsComeBackHere: a login for guests leads to this organization's
// pages for guests, whatever the link asked for, and opens no session.
func TestT6_GuestsComeBackHere(t *testing.T) {
	b := newLoginBench(t)
	for _, back := range []string{"//evil.example/invitation/x", "/invitation//evil.example", `/invitation/\evil.example`, "/invitation/../login", "/invitation/%2e%2e/login",
		"https://evil.example/join", "/join//evil.example", "javascript:/join"} {
		br := b.browser()
		if got := br.get(br.startAt(acmeAt, "staff", back)).next(); got != acmeAt+"/account" {
			t.Errorf("%q leads to %q", back, got)
		}
	}
	for _, back := range []string{"/join", "/join?x=//evil.example", "/invitation/x"} {
		b.person("s"+back, "stranger@acme.example")
		br := b.browser()
		if got := br.get(br.startAt(acmeAt, "staff", back)).next(); got != acmeAt+back || br.in(acmeAt) {
			t.Errorf("%q leads to %q, logged in %v", back, got, br.in(acmeAt))
		}
		form := br.get(acmeAt + "/join").formOf()
		for _, to := range []string{"//evil.example", "https://evil.example/join", "/account/tokens", "/join//evil.example"} {
			if a := br.post(acmeAt+"/login/guest", url.Values{"form": {form}, "return": {to}}); a.status == http.StatusSeeOther && a.next() != acmeAt+"/login" {
				t.Errorf("leaving with %q leads to %q", to, a.next())
			}
		}
	}
}

// TestT3_GuestsByThePlatform: the platform gives its answer to a login of a
// guest, and to no other of somebody who is no member.
func TestT3_GuestsByThePlatform(t *testing.T) {
	b := newLoginBench(t)
	b.platform.Do(func() { b.platform.Person = claims("p9", "stranger@elsewhere.example") })
	br := b.browser()
	to := acmeAt + "/login/start?provider=platform"
	var a answer
	for range 6 {
		if a = br.get(to); a.next() == "" {
			break
		}
		to = a.next()
	}
	if a.status != http.StatusForbidden {
		t.Errorf("a stranger goes on as a member: %d at %s", a.status, to)
	}
	if page := br.vouched("platform", acmeAt+"/join"); !page.shows("stranger@elsewhere.example") {
		t.Errorf("as a guest: %d %.300s", page.status, page.body)
	}
	b.update(b.acme, b.provider, func(in *login.ProviderInput) { in.Exclusive = true })
	if a := br.get(acmeAt + "/login/start?provider=platform&return=/join"); a.status != http.StatusForbidden {
		t.Errorf("where the own provider is exclusive: %d", a.status)
	}
	form := br.get(acmeAt + "/join").formOf()
	if a := br.post(acmeAt+"/join", url.Values{"form": {form}, "message": {"hello"}}); a.status != http.StatusForbidden || b.events("join:request") != 0 {
		t.Errorf("a guest of before: %d", a.status)
	}
}

// TestA1_RequestToJoin: somebody who is vouched for asks, an administrator lets
// them in, and the login works from then on.
func TestA1_RequestToJoin(t *testing.T) {
	b := newLoginBench(t)
	b.person("j1", "jo@acme.example")
	br := b.browser()
	if a := br.login(acmeAt, "staff"); a.status != http.StatusForbidden || !a.shows(acmeAt+"/login") {
		t.Fatalf("no member yet: %d", a.status)
	}
	if a := br.get(acmeAt + "/login"); !a.shows(acmeAt + "/join") {
		t.Errorf("the login page does not lead to the request: %.800s", a.body)
	}
	page := br.vouched("staff", acmeAt+"/join")
	form := page.formOf()
	long := strings.Repeat("ö", access.MaxJoinMessage+1)
	for _, message := range []string{"I am <b>new</b>\nin team A", long} { // asking again changes nothing
		if a := br.post(acmeAt+"/join", url.Values{"form": {form}, "message": {message}}); a.status != http.StatusOK || !a.shows("is with the administrators") {
			t.Fatalf("asking: %d %.600s", a.status, a.body)
		}
	}
	list, err := b.first.access.JoinRequests(b.acme.ctx, access.Page{})
	if err != nil || len(list) != 1 || list[0].Who.Email != "jo@acme.example" || list[0].Message != "I am <b>new</b> in team A" {
		t.Fatalf("%+v, %v", list, err)
	}
	if others, err := b.first.access.JoinRequests(b.globex.ctx, access.Page{}); err != nil || len(others) != 0 {
		t.Errorf("the other organization has %+v, %v", others, err)
	}
	if b.isMember("jo@acme.example") || br.in(acmeAt) {
		t.Error("asking is enough")
	}
	if _, err := b.first.access.ApproveJoinRequest(b.acme.ctx, list[0].ID, access.Admission{}, b.first.logins.Bind); err != nil {
		t.Fatal(err)
	}
	if a := br.login(acmeAt, "staff"); a.status != http.StatusSeeOther || !br.in(acmeAt) {
		t.Errorf("after the yes: %d", a.status)
	}
	if a := br.vouched("staff", acmeAt+"/join"); a.status != http.StatusOK {
		t.Fatal(a.status)
	} else if again := br.post(acmeAt+"/join", url.Values{"form": {a.formOf()}}); again.status != http.StatusConflict || !again.shows(`role="alert"`) {
		t.Errorf("a member asks: %d", again.status)
	}
	for _, header := range [][]string{{"Sec-Fetch-Site", "same-site"}, {"Sec-Fetch-Site", "cross-site"}, nil} {
		if a := br.ask(http.MethodPost, acmeAt+"/join", url.Values{"form": {form}}, header...); a.status != http.StatusForbidden {
			t.Errorf("%q: %d", header, a.status)
		}
	}
	if _, err := b.first.orgs.TakeJoinRequests(b.acme.ctx, false); err != nil {
		t.Fatal(err)
	}
	if a := b.browser().get(acmeAt + "/join"); a.status != http.StatusNotFound || a.shows("provider=") {
		t.Errorf("where none are taken: %d", a.status)
	}
	if a := b.browser().get(acmeAt + "/login"); a.shows("/join") {
		t.Error("the login page leads to a request that is not taken")
	}
}
