package main

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"sluice.dev/sluice/tenants/login"
)

// operatorPaths are some of the addresses that are there for operators only.
var operatorPaths = []string{"", "/", "/organizations", "/organizations/acme", "/organizations/acme/suspend", "/nodes", "/log", "/style.css", "/nothing",
	"/river", "/river/", "/river/api/jobs", "/river/api/states", "/river/nothing"}

// TestT5_NobodyElseOperates: whoever is no operator gets the answer of a path
// that does not exist, to the last header, and changes nothing.
func TestT5_NobodyElseOperates(t *testing.T) {
	o := newOperatorBench(t)
	nothing := o.nothing()
	if nothing.status != http.StatusNotFound {
		t.Fatalf("a path that does not exist: %d", nothing.status)
	}
	real := o.operator()
	secret := real.cookie(operatorCookie)
	if len(secret) != 43 {
		t.Fatalf("the operator's cookie is %q", secret)
	}
	verified := func(sub, email string, v any) map[string]any {
		c := claims(sub, email)
		if v == nil {
			delete(c, "email_verified")
		} else {
			c["email_verified"] = v
		}
		return c
	}
	tries := map[string]func(br *browser){
		"nobody": func(*browser) {},
		"an owner of an organization, at the platform": func(br *browser) { o.operate(br, claims("p1", "ana@acme.example")) },
		"a member of nothing":                          func(br *browser) { o.operate(br, claims("p2", "nora@elsewhere.example")) },
		"an unverified address":                        func(br *browser) { o.operate(br, verified("x", olga, false)) },
		"an address that the provider says nothing of": func(br *browser) { o.operate(br, verified("x", olga, nil)) },
		"verified as a text":                           func(br *browser) { o.operate(br, verified("x", olga, "no")) },
		"an address that only looks alike":             func(br *browser) { o.operate(br, claims("x", "olga@sluice.example.evil.example")) },
		"a visit alone, without asking for more":       func(br *browser) { o.visit(br, claims("olga", olga)) },
		"a visit's secret as the session's": func(br *browser) {
			o.visit(br, claims("olga", olga))
			br.plant(platformAt, operatorCookie, br.cookie("__Host-sluice-visit"))
		},
		"an organization's session as the operator's": func(br *browser) { br.login(acmeAt, "staff"); br.plant(platformAt, operatorCookie, br.secret(acmeAt)) },
		"a secret that was made up":                   func(br *browser) { br.plant(platformAt, operatorCookie, strings.Repeat("A", 43)) },
		"the cookie of development, without __Host":   func(br *browser) { br.plant(platformAt, "sluice-operator", secret) },
		"the operator's address at another provider": func(br *browser) {
			o.own.Do(func() { o.own.Person = claims("olga", olga) })
			defer o.honest()
			br.login(acmeAt, "staff")
			br.post(platformAt+"/login/operate", url.Values{"form": {br.form(platformAt + "/login")}})
		},
		"a token": func(*browser) {},
		"two cookies, of which nobody could tell whose each is": func(*browser) {},
	}
	for name, try := range tries {
		br := o.browser()
		try(br)
		var header []string
		switch {
		case name == "a token":
			header = []string{"Authorization", "Bearer " + o.acme.secret}
		case strings.HasPrefix(name, "two cookies"):
			header = []string{"Cookie", operatorCookie + "=" + secret + "; " + operatorCookie + "=" + secret}
		}
		for _, p := range operatorPaths {
			for _, method := range []string{http.MethodGet, http.MethodPost, http.MethodDelete} {
				var form url.Values
				if method == http.MethodPost {
					form = url.Values{"form": {""}, "reason": {"x"}}
				}
				a := br.ask(method, operatorAt+p, form, append([]string{"Sec-Fetch-Site", "same-origin"}, header...)...)
				if !a.like(nothing) {
					t.Errorf("%s: %s %s: %d, %v, %.200s", name, method, p, a.status, a.header, a.body)
				}
			}
		}
		if a := br.get(platformAt + "/login"); strings.Contains(string(a.body), "Operate the platform") != strings.HasPrefix(name, "a visit") {
			t.Errorf("%s: the login page says so: %.600s", name, a.body)
		}
	}
	if n := o.acme.count("organizations", "suspended_at IS NOT NULL"); n != 0 {
		t.Error("somebody suspended acme")
	}
	if list, err := o.at.logins.OperatorSessions(t.Context()); err != nil || len(list) != 1 {
		t.Errorf("%d sessions, want Olga's one; %v", len(list), err)
	}
}

// TestT5_OnlyAtThePlatformsOwnAddress: whatever else leads to the node shows
// nothing, with the operator's own secret.
func TestT5_OnlyAtThePlatformsOwnAddress(t *testing.T) {
	o := newOperatorBench(t)
	real := o.operator()
	secret := real.cookie(operatorCookie)
	for name, c := range map[string]struct {
		to     string
		header []string
	}{
		"an organization's host":         {acmeAt, nil},
		"its path form":                  {platformAt + "/o/acme", nil},
		"the path form of no one":        {platformAt + "/o/x", nil},
		"the path form of development":   {acmePath, nil},
		"a further base domain":          {"http://localhost", nil},
		"the platform over http":         {"http://sluice.example", nil},
		"another host":                   {platformAt, []string{"Host", "evil.example"}},
		"an organization by Host":        {platformAt, []string{"Host", "acme.sluice.example"}},
		"a label below":                  {platformAt, []string{"Host", "x.acme.sluice.example"}},
		"a host inside another":          {platformAt, []string{"Host", "sluice.example.evil.example"}},
		"an organization by a forwarded": {platformAt, []string{"X-Forwarded-Host", "acme.sluice.example"}},
		"an absolute path, doubled":      {platformAt + "/o/acme/npm/team-a", nil},
		"encoded":                        {platformAt + "/o/acme/%2e%2e/%2e%2e", nil},
	} {
		br := o.browser()
		for _, p := range operatorPaths {
			if strings.HasPrefix(p, "/river/") {
				continue
			}
			a := br.ask(http.MethodGet, c.to+"/-/operator"+p, nil, append([]string{"Cookie", operatorCookie + "=" + secret + "; sluice-operator=" + secret}, c.header...)...)
			if a.status < 400 || strings.Contains(strings.ToLower(string(a.body)), "operators") || strings.Contains(string(a.body), olga) {
				t.Errorf("%s%s: %d: %.300s", name, p, a.status, a.body)
			}
		}
	}
	for name, host := range map[string]string{"a port": "sluice.example:1234", "upper case": "SLUICE.example", "a final dot": "sluice.example."} {
		if a := real.get(operatorAt+"/", "Host", host); a.status != http.StatusOK || strings.Contains(string(a.body), "1234") {
			t.Errorf("%s: %d", name, a.status)
		}
	}
}

// TestT5_ForgedChanges: a form of another page changes nothing, an
// organization's subdomain is another origin.
func TestT5_ForgedChanges(t *testing.T) {
	o := newOperatorBench(t)
	nothing := o.nothing()
	br := o.operator()
	token := br.form(operatorAt + "/")
	if len(token) != 64 {
		t.Fatalf("the form's token is %q", token)
	}
	session := br.form(operatorAt + "/sessions")
	if session != token {
		t.Fatalf("two tokens, %q and %q", token, session)
	}
	for name, c := range map[string]struct {
		form   url.Values
		header []string
	}{
		"from an organization's subdomain":   {url.Values{"form": {token}}, []string{"Origin", acmeAt, "Sec-Fetch-Site", "same-site"}},
		"the same, of an older browser":      {url.Values{"form": {token}}, []string{"Origin", acmeAt}},
		"from elsewhere":                     {url.Values{"form": {token}}, []string{"Origin", "https://evil.example", "Sec-Fetch-Site", "cross-site"}},
		"from a sandboxed frame":             {url.Values{"form": {token}}, []string{"Origin", "null", "Sec-Fetch-Site", "cross-site"}},
		"without saying from where":          {url.Values{"form": {token}}, nil},
		"a navigation from elsewhere":        {url.Values{"form": {token}}, []string{"Origin", acmeAt, "Sec-Fetch-Site", "same-site", "Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "document"}},
		"without the token":                  {url.Values{}, []string{"Origin", platformAt, "Sec-Fetch-Site", "same-origin"}},
		"with another token":                 {url.Values{"form": {strings.Repeat("0", 64)}}, []string{"Origin", platformAt, "Sec-Fetch-Site", "same-origin"}},
		"with the token of a visit, no more": {url.Values{"form": {br.form(platformAt + "/login")}}, []string{"Origin", platformAt, "Sec-Fetch-Site", "same-origin"}},
	} {
		c.form.Set("reason", "forged")
		for _, path := range []string{"/organizations/acme/suspend", "/organizations/acme/quota", "/sessions", "/leave"} {
			if a := br.ask(http.MethodPost, operatorAt+path, c.form, c.header...); !a.like(nothing) {
				t.Errorf("%s, %s: %d, %v", name, path, a.status, a.header)
			}
		}
	}
	if a := br.ask(http.MethodGet, operatorAt+"/organizations", nil, "Sec-Fetch-Site", "same-site", "Sec-Fetch-Mode", "no-cors", "Sec-Fetch-Dest", "image"); !a.like(nothing) {
		t.Errorf("an image of an organization's page: %d", a.status)
	}
	if a := br.ask(http.MethodGet, operatorAt+"/organizations", nil, "Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "document"); a.status != http.StatusOK {
		t.Errorf("a link that a person follows: %d", a.status)
	}
	visitor := o.browser()
	o.visit(visitor, claims("olga", olga))
	form := visitor.form(platformAt + "/login")
	for name, header := range map[string][]string{"a subdomain": {"Origin", acmeAt, "Sec-Fetch-Site", "same-site"}, "nowhere": nil} {
		if a := visitor.ask(http.MethodPost, platformAt+"/login/operate", url.Values{"form": {form}}, header...); !a.like(nothing) {
			t.Errorf("a session opened from %s: %d", name, a.status)
		}
	}
	for _, method := range []string{http.MethodGet, http.MethodPut, http.MethodHead} {
		if a := visitor.ask(method, platformAt+"/login/operate", nil, "Sec-Fetch-Site", "same-origin"); a.status != http.StatusNotFound {
			t.Errorf("%s: %d", method, a.status)
		}
	}
	if n := o.acme.count("audit_events", "actor_kind = 'OPERATOR'"); n != 0 || br.get(operatorAt+"/").status != http.StatusOK {
		t.Errorf("%d forged changes were made, or the session ended", n)
	}
}

// TestT5_OperatorsAreNobodyInside: the session opens nothing of an organization.
func TestT5_OperatorsAreNobodyInside(t *testing.T) {
	o := newOperatorBench(t)
	o.acme.team("team-a")
	br := o.operator()
	secret := br.cookie(operatorCookie)
	for _, home := range []string{acmeAt, globexAt} {
		for _, name := range []string{operatorCookie, sessionCookie} {
			br.plant(home, name, secret)
		}
		if br.in(home) {
			t.Errorf("logged in at %s", home)
		}
		if a := br.get(home + "/npm/team-a/left-pad"); a.status != http.StatusUnauthorized {
			t.Errorf("a registry of %s: %d", home, a.status)
		}
		a := br.ask(http.MethodPost, home+"/graphql", nil, "Content-Type", "application/json", "Origin", home, "Sec-Fetch-Site", "same-origin")
		if strings.Contains(string(a.body), olga) {
			t.Errorf("GraphQL knows the operator: %s", a.body)
		}
	}
	if _, err := o.at.logins.Subject(o.acme.ctx, secret); err == nil {
		t.Error("the operator's secret is a session of acme")
	}
	if _, err := o.at.logins.Visitor(t.Context(), secret); err == nil {
		t.Error("the operator's secret is a visit")
	}
	if who := (login.Operators{}); o.first.logins.IsOperator(login.Claims{Issuer: o.platform.URL, Subject: "olga", Email: olga}) || who.Group != "" {
		t.Error("a node without settings has operators")
	}
}
