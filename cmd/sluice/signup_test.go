package main

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"sluice.dev/sluice/tenants/access"
)

const signUpAt = platformAt + "/login/sign-up"

// visit follows a link at the platform until a page is shown.
func (br *browser) visit(to string) answer {
	br.b.Helper()
	for range 8 {
		a := br.get(to)
		if a.next() == "" {
			return a
		}
		to = a.next()
	}
	br.b.Fatal("the visit goes round in circles")
	return answer{}
}

// TestA1_SignUp: a visitor makes an organization, is its owner, and is led in;
// mistakes stand beside their field and make nothing.
func TestA1_SignUp(t *testing.T) {
	b := newLoginBench(t)
	b.first.orgs.OpenSignUp = true
	b.platform.Do(func() { b.platform.Person = claims("f1", "founder@umbrella.example") })
	br := b.browser()
	page := br.visit(signUpAt)
	form := page.formOf()
	if page.status != http.StatusOK || !page.shows(`name="slug"`) || !page.shows("founder@umbrella.example") {
		t.Fatalf("%d %.900s", page.status, page.body)
	}
	for slug, c := range map[string]struct {
		status int
		says   string
	}{
		"":                            {http.StatusUnprocessableEntity, "The slug is empty"},
		"Umbrella":                    {http.StatusUnprocessableEntity, "is not a subdomain"},
		"a_b":                         {http.StatusUnprocessableEntity, "is not a subdomain"},
		"-a":                          {http.StatusUnprocessableEntity, "is not a subdomain"},
		"xn--a":                       {http.StatusUnprocessableEntity, "third character"},
		"admin":                       {http.StatusUnprocessableEntity, "reserved for the platform"},
		"login":                       {http.StatusUnprocessableEntity, "reserved for the platform"},
		strings.Repeat("a", 64):       {http.StatusUnprocessableEntity, "63 at most"},
		`"><script>alert(1)</script>`: {http.StatusUnprocessableEntity, "is not a subdomain"},
		"acme":                        {http.StatusConflict, "is taken"},
	} {
		a := br.post(signUpAt, url.Values{"form": {form}, "slug": {slug}, "name": {"Umbrella <i>"}})
		if a.status != c.status || !a.shows(c.says) || !a.shows(`id="slug-problem"`) || !a.shows(`value="Umbrella &lt;i&gt;"`) || a.shows("<script>") {
			t.Errorf("%q: %d %.1200s", slug, a.status, a.body)
		}
	}
	if a := br.post(signUpAt, url.Values{"form": {form}, "slug": {"umbrella"}, "name": {strings.Repeat("n", 500)}}); a.status != http.StatusUnprocessableEntity || !a.shows(`id="name-problem"`) {
		t.Errorf("a long name: %d", a.status)
	}
	for name, header := range map[string][]string{"a sibling": {"Sec-Fetch-Site", "same-site"}, "another site": {"Sec-Fetch-Site", "cross-site"}, "nothing": nil} {
		if a := br.ask(http.MethodPost, signUpAt, url.Values{"form": {form}, "slug": {"umbrella"}}, header...); a.status != http.StatusForbidden {
			t.Errorf("%s: %d", name, a.status)
		}
	}
	if a := br.post(signUpAt, url.Values{"slug": {"umbrella"}}); a.status != http.StatusForbidden {
		t.Errorf("without the form's token: %d", a.status)
	}
	made := br.post(signUpAt, url.Values{"form": {form}, "slug": {"umbrella"}, "name": {"Umbrella"}})
	const home = "https://umbrella.sluice.example"
	if made.status != http.StatusOK || !made.shows(home+"/login/start?provider=platform") {
		t.Fatalf("%d %.900s", made.status, made.body)
	}
	if a := br.get(br.startAt(home, "platform", "")); a.status != http.StatusSeeOther || !br.in(home) || br.in(acmeAt) {
		t.Errorf("the founder is not in: %d", a.status)
	}
	form = br.visit(signUpAt).formOf() // what led to the organization led there once
	for _, slug := range []string{"u2", "u3", "u4", "u5"} {
		br.post(signUpAt, url.Values{"form": {form}, "slug": {slug}})
	}
	if a := br.post(signUpAt, url.Values{"form": {form}, "slug": {"u6"}}); a.status != http.StatusConflict || !a.shows("most allowed") {
		t.Errorf("after %d: %d %.500s", access.MaxFounded, a.status, a.body)
	}
}

// TestA1_NoSignUp: where the operator does not let people, and for those whom
// nobody vouches for.
func TestA1_NoSignUp(t *testing.T) {
	b := newLoginBench(t)
	br := b.browser()
	if a := br.visit(signUpAt); a.status != http.StatusNotFound || a.shows(`name="slug"`) {
		t.Errorf("closed: %d", a.status)
	}
	page := br.visit(platformAt + "/login/start")
	if page.shows("sign-up") {
		t.Error("the choice leads to a sign-up that is closed")
	}
	if a := br.post(signUpAt, url.Values{"form": {page.formOf()}, "slug": {"umbrella"}}); a.status != http.StatusNotFound {
		t.Errorf("closed, a form: %d", a.status)
	}
	b.first.orgs.OpenSignUp = true
	if a := br.visit(platformAt + "/login"); !a.shows(signUpAt) {
		t.Errorf("the choice does not lead to the sign-up: %.600s", a.body)
	}
	b.platform.Do(func() {
		b.platform.Person = claims("f2", "eve@umbrella.example")
		b.platform.Person["email_verified"] = false
	})
	eve := b.browser()
	a := eve.visit(signUpAt)
	if !a.shows("does not vouch for an e-mail address") || a.shows(`name="slug"`) {
		t.Errorf("unverified: %d %.500s", a.status, a.body)
	}
	if a := eve.post(signUpAt, url.Values{"form": {a.formOf()}, "slug": {"umbrella"}}); a.status == http.StatusOK {
		t.Error("an unverified founder")
	}
	if _, err := b.first.resolver.BySlug(t.Context(), "umbrella"); err == nil {
		t.Error("the organization exists")
	}
}

// TestA1_BackChannelEndsTheVisit: a logout at the platform's provider ends what
// its answer opened at the platform's host.
func TestA1_BackChannelEndsTheVisit(t *testing.T) {
	b := newLoginBench(t)
	br := b.browser()
	if page := br.visit(platformAt + "/login/start"); !page.shows("ana@acme.example") {
		t.Fatalf("%.500s", page.body)
	}
	other := b.platform.LogoutClaims()
	other["sub"], other["sid"] = "somebody-else", "another-sid"
	b.browser().ask(http.MethodPost, platformAt+"/login/backchannel", url.Values{"logout_token": {b.platform.Sign(other)}})
	if !br.get(platformAt + "/login").shows("ana@acme.example") {
		t.Error("somebody else's logout ended the visit")
	}
	if a := b.browser().ask(http.MethodPost, platformAt+"/login/backchannel", url.Values{"logout_token": {b.platform.Sign(b.platform.LogoutClaims())}}); a.status != http.StatusOK {
		t.Fatalf("%d %s", a.status, a.body)
	}
	if br.get(platformAt + "/login").shows("ana@acme.example") {
		t.Error("the visit outlived the logout")
	}
}
