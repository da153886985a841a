package main

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"sluice.dev/sluice/protocol/workload"
	"sluice.dev/sluice/tenants/access"
)

// home is the organization's address, as identity tokens name it.
func (x *tenant) home() string { return x.at.server.URL + "/o/" + x.slug }

// redeem exchanges an identity token at the organization's endpoint; change is
// name, value, …, where "" leaves a parameter out.
func (x *tenant) redeem(identity string, change ...string) answer {
	form := url.Values{"grant_type": {workload.GrantType}, "subject_token": {identity}, "subject_token_type": {workload.IDToken}}
	for i := 0; i < len(change); i += 2 {
		if form.Set(change[i], change[i+1]); change[i+1] == "" {
			form.Del(change[i])
		}
	}
	return x.bearing("").submit("POST", x.home()+workload.Path, form)
}

// working is a harness whose CI service may read and publish in acme's team and
// read its lib.
func working(t *testing.T) (h *harness, ci *issuer, team, lib uuid.UUID) {
	t.Helper()
	ci, believe := newIssuer(t)
	h = newHarness(t, believe)
	ci.h = h
	team, lib = h.acme.team("team"), h.acme.team("lib")
	h.acme.trusting(access.TrustRuleInput{Name: "read", Issuer: ci.url, Claims: map[string]string{"repository": "acme/widgets"}, Registries: []uuid.UUID{team, lib}})
	h.acme.trusting(access.TrustRuleInput{Name: "release", Issuer: ci.url, Claims: map[string]string{"repository": "acme/widgets", "environment": "prod"}, Registries: []uuid.UUID{team}, Write: true})
	return h, ci, team, lib
}

func (x *tenant) trusting(in access.TrustRuleInput) access.TrustRule {
	x.h.Helper()
	if in.Reuse == 0 {
		in.Reuse = access.DefaultTrustReuse
	}
	r, err := x.at.access.CreateTrustRule(x.ctx, in)
	if err != nil {
		x.h.Fatal(err)
	}
	return r
}

// TestA2_WorkloadIdentity: a job gets a token for its identity token, in the
// form of RFC 8693 and RFC 6749, which does what its rule says and no more.
func TestA2_WorkloadIdentity(t *testing.T) {
	t.Parallel()
	h, ci, team, lib := working(t)
	x := h.acme
	prod := map[string]any{"environment": "prod"}
	a := x.redeem(ci.token(x.home(), prod))
	got := a.json(h)
	if a.status != http.StatusOK || got["token_type"] != "Bearer" || got["expires_in"] != 900.0 || got["issued_token_type"] != workload.AccessToken || got["scope"] != "write" ||
		a.header.Get("Cache-Control") != "no-store" || a.header.Get("Pragma") != "no-cache" || a.header.Get("Content-Type") != "application/json" {
		t.Fatalf("%d %v %s", a.status, a.header, a.body)
	}
	secret := a.text(h, "access_token")
	if !x.may(secret, team, "w") || x.may(secret, lib, "w") {
		t.Error("the token may not publish in team alone")
	}
	if who := x.bearing(secret).get("team", "/-/whoami"); who.status != http.StatusOK {
		t.Errorf("whoami = %d %s", who.status, who.body)
	}
	// The audience may be named, the type may be jwt, and less may be asked for.
	a = x.redeem(ci.token(x.home(), prod), "audience", x.home(), "subject_token_type", workload.JWT, "requested_token_type", workload.AccessToken, "scope", "read")
	if a.status != http.StatusOK || a.text(h, "scope") != "read" || x.may(a.text(h, "access_token"), team, "w") {
		t.Errorf("%d %s", a.status, a.body)
	}
	reader := x.redeem(ci.token(x.home(), nil)).text(h, "access_token")
	if x.may(reader, team, "w") || x.bearing(reader).get("lib", "/-/ping").status != http.StatusOK {
		t.Error("outside of the environment the token does not only read")
	}
	// At the organization's own host, its address there is the audience.
	x.bind("npm.acme.example", uuid.Nil)
	form := url.Values{"grant_type": {workload.GrantType}, "subject_token": {ci.token("http://npm.acme.example:"+portOf(x), nil)}, "subject_token_type": {workload.IDToken}}
	if a := x.bearing("").submit("POST", x.at.server.URL+workload.Path, form, "Host", "npm.acme.example"); a.status != http.StatusOK {
		t.Errorf("at its own host = %d %s", a.status, a.body)
	}
	if n := x.count("audit_events", "action = 'token:exchange' AND ip <> '' AND after->>'rule' IN ('read', 'release') AND after->'claims'->>'repository' = '\"acme/widgets\"'"); n != 4 {
		t.Errorf("%d exchanges in the audit, want 4", n)
	}
	if n := x.count("audit_events", "after::text LIKE '%"+secret[7:20]+"%' OR after::text LIKE '%eyJ%'"); n != 0 {
		t.Errorf("%d audit events have a secret", n)
	}
	h.clock.pass(15 * time.Minute)
	if x.may(secret, team, "w") {
		t.Error("the token outlives fifteen minutes")
	}
}

func portOf(x *tenant) string {
	u, _ := url.Parse(x.at.server.URL)
	return u.Port()
}

// TestF5_WorkloadRequests: what is wrong with a request is said in OAuth's
// words, and no rule is looked at.
func TestF5_WorkloadRequests(t *testing.T) {
	t.Parallel()
	h, ci, _, _ := working(t)
	x := h.acme
	good := ci.token(x.home(), nil)
	for name, c := range map[string]struct {
		a    answer
		code string
		says string
	}{
		"no grant type":        {x.redeem(good, "grant_type", ""), "invalid_request", "grant_type is missing"},
		"another grant type":   {x.redeem(good, "grant_type", "client_credentials"), "unsupported_grant_type", workload.GrantType},
		"no token":             {x.redeem("", "subject_token", ""), "invalid_request", "subject_token is missing"},
		"no type":              {x.redeem(good, "subject_token_type", ""), "invalid_request", "subject_token_type must be"},
		"an access token":      {x.redeem(good, "subject_token_type", workload.AccessToken), "invalid_request", "subject_token_type must be"},
		"an actor":             {x.redeem(good, "actor_token", "x"), "invalid_request", "actor_token"},
		"a refresh token":      {x.redeem(good, "requested_token_type", "urn:ietf:params:oauth:token-type:refresh_token"), "invalid_request", "requested_token_type"},
		"a resource":           {x.redeem(good, "resource", "https://elsewhere.example"), "invalid_target", "resource"},
		"another audience":     {x.redeem(good, "audience", h.globex.home()), "invalid_target", x.home()},
		"an unknown scope":     {x.redeem(good, "scope", "admin"), "invalid_scope", "read"},
		"a parameter twice":    {x.bearing("").submit("POST", x.home()+workload.Path, url.Values{"grant_type": {workload.GrantType, workload.GrantType}}), "invalid_request", "more than once"},
		"JSON":                 {x.bearing("").submit("POST", x.home()+workload.Path, map[string]string{"grant_type": workload.GrantType}), "invalid_request", "form"},
		"a token in the query": {x.bearing("").submit("POST", x.home()+workload.Path+"?subject_token="+good, url.Values{"grant_type": {workload.GrantType}}), "invalid_request", "address"},
		"too long":             {x.redeem(good, "filler", strings.Repeat("x", 64<<10)), "invalid_request", "at most"},
	} {
		if c.a.status != http.StatusBadRequest || c.a.text(h, "error") != c.code || !strings.Contains(c.a.text(h, "error_description"), c.says) || c.a.header.Get("Cache-Control") != "no-store" {
			t.Errorf("%s = %d %s", name, c.a.status, c.a.body)
		}
	}
	if a := x.fetch(http.MethodGet, x.home()+workload.Path); a.status != http.StatusMethodNotAllowed || a.header.Get("Allow") != "POST" {
		t.Errorf("GET = %d %s", a.status, a.body)
	}
	if a := x.bearing("").submit("POST", x.at.server.URL+"/o/ghost"+workload.Path, nil); a.status != http.StatusNotFound {
		t.Errorf("no organization = %d", a.status)
	}
	if n := x.count("tokens", "trust_rule_id IS NOT NULL"); n != 0 {
		t.Errorf("%d tokens were made", n)
	}
}
