package main

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"sluice.dev/sluice/tenants/access"
	"sluice.dev/sluice/tenants/coord"
)

// trusted is a harness with a CI service whose builds of acme/widgets may
// publish @acme/w in acme's registry team.
func trusted(t *testing.T) (h *harness, ci *issuer, team uuid.UUID) {
	t.Helper()
	ci, believe := newIssuer(t)
	h = newHarness(t, believe)
	ci.h = h
	team = h.acme.team("team")
	h.acme.trust(team, ci, "@acme/w")
	return h, ci, team
}

func (x *tenant) trust(reg uuid.UUID, ci *issuer, packages ...string) access.TrustRule {
	x.h.Helper()
	r, err := x.at.access.CreateTrustRule(x.ctx, access.TrustRuleInput{Registries: []uuid.UUID{reg}, Write: true, Reuse: access.DefaultTrustReuse, Name: "release", Issuer: ci.url, Packages: packages,
		Claims: map[string]string{"repository": "acme/widgets"}})
	if err != nil {
		x.h.Fatal(err)
	}
	return r
}

const exchanges = "/-/npm/v1/oidc/token/exchange/package/"

// exchange asks for a token at an address.
func (x *tenant) exchange(address, identity string, header ...string) answer {
	return x.bearing(identity).submit("POST", address, nil, header...)
}

// may reports whether a token may publish a package in a registry.
func (x *tenant) may(secret string, reg uuid.UUID, pkg string) bool {
	x.h.Helper()
	return x.mayFrom(secret, "", reg, pkg)
}

// mayFrom is may for a token that is sent from an address.
func (x *tenant) mayFrom(secret, ip string, reg uuid.UUID, pkg string) bool {
	x.h.Helper()
	who, err := x.at.access.Authenticate(x.ctx, secret, ip)
	if err != nil {
		return false
	}
	return x.at.access.Write(access.As(x.ctx, who, ""), access.VersionPublish, reg, coord.Package{Ecosystem: coord.NPM, Name: pkg}) == nil
}

// TestA2_TrustedPublishing: at the registry's path, at the root of the
// organization's host, and at a host of the registry's own.
func TestA2_TrustedPublishing(t *testing.T) {
	h, ci, team := trusted(t)
	x := h.acme
	x.bind("npm.acme.example", uuid.Nil)
	x.bind("team.acme.example", team)
	root := x.at.server.URL
	for name, c := range map[string]struct {
		address, host, audience string
	}{
		"path":          {x.url("team", exchanges+"@acme%2fw"), "", "npm:127.0.0.1"},
		"two segments":  {x.url("team", exchanges+"@acme/w"), "", "npm:127.0.0.1"},
		"host's root":   {root + exchanges + "@acme%2fw", "npm.acme.example", "npm:npm.acme.example"},
		"host's path":   {root + "/npm/team" + exchanges + "@acme%2fw", "npm.acme.example", "npm:npm.acme.example"},
		"registry host": {root + exchanges + "@acme%2Fw", "team.acme.example", "npm:team.acme.example"},
	} {
		var header []string
		if c.host != "" {
			header = []string{"Host", c.host}
		}
		a := x.exchange(c.address, ci.token(c.audience, nil), header...)
		if a.status != http.StatusCreated {
			t.Errorf("%s = %d %s", name, a.status, a.body)
			continue
		}
		secret := a.text(h, "token")
		if !x.may(secret, team, "@acme/w") || x.may(secret, team, "@acme/x") {
			t.Errorf("%s: the token may not publish @acme/w alone", name)
		}
		if who := x.bearing(secret).get("team", "/-/whoami"); who.status != http.StatusOK || !strings.Contains(who.text(h, "username"), "release: repo:acme/widgets") {
			t.Errorf("%s: whoami = %d %s", name, who.status, who.body)
		}
		if made := x.bearing(secret).submit("POST", x.url("team", "/-/npm/v1/tokens"), map[string]any{}); made.status != http.StatusForbidden {
			t.Errorf("%s: it made another token: %d %s", name, made.status, made.body)
		}
		// An audience for one host is worth nothing at another.
		if a := x.exchange(c.address, ci.token("npm:elsewhere.example", nil), header...); a.status != http.StatusUnauthorized {
			t.Errorf("%s with another audience = %d %s", name, a.status, a.body)
		}
	}
	secret := x.exchange(x.url("team", exchanges+"@acme%2fw"), ci.token("npm:127.0.0.1", nil)).text(h, "token")
	h.clock.pass(15 * time.Minute)
	if x.may(secret, team, "@acme/w") {
		t.Error("the token outlives fifteen minutes")
	}
	if n := x.count("audit_events", "action = 'token:exchange' AND registry_id = $1 AND ip <> ''", team); n != 6 {
		t.Errorf("%d exchanges in the audit, want 6", n)
	}
}

// TestT3_ExchangesTellNothing: whatever is missing, the answer is one.
func TestT3_ExchangesTellNothing(t *testing.T) {
	h, ci, team := trusted(t)
	x := h.acme
	x.team("untrusting")
	h.globex.team("team")
	good := ci.token("npm:127.0.0.1", nil)
	other, _ := newIssuer(t)
	other.h = h
	parts := strings.Split(good, ".")
	answers := map[string]answer{
		"another package":          x.exchange(x.url("team", exchanges+"@acme%2fx"), good),
		"no such registry":         x.exchange(x.url("ghost", exchanges+"@acme%2fw"), good),
		"a registry without rules": x.exchange(x.url("untrusting", exchanges+"@acme%2fw"), good),
		"another organization":     x.exchange(h.globex.url("team", exchanges+"@acme%2fw"), good),
		"another repository":       x.exchange(x.url("team", exchanges+"@acme%2fw"), ci.token("npm:127.0.0.1", map[string]any{"repository": "acme/other"})),
		"an unknown issuer":        x.exchange(x.url("team", exchanges+"@acme%2fw"), other.token("npm:127.0.0.1", nil)),
		"a forged issuer":          x.exchange(x.url("team", exchanges+"@acme%2fw"), other.token("npm:127.0.0.1", map[string]any{"iss": ci.url})),
		"a cut signature":          x.exchange(x.url("team", exchanges+"@acme%2fw"), parts[0]+"."+parts[1]+".AAAA"),
	}
	var first string
	for name, a := range answers {
		if first == "" {
			first = string(a.body)
		}
		if a.status != http.StatusUnauthorized || string(a.body) != first || a.text(h, "message") == "" {
			t.Errorf("%s = %d %s", name, a.status, a.body)
		}
	}
	for name, a := range map[string]answer{
		"no token":       x.exchange(x.url("team", exchanges+"@acme%2fw"), ""),
		"a Sluice token": x.exchange(x.url("team", exchanges+"@acme%2fw"), x.secret),
		"expired":        x.exchange(x.url("team", exchanges+"@acme%2fw"), ci.token("npm:127.0.0.1", map[string]any{"exp": h.clock.Now().Unix()})),
	} {
		ghost := map[string]answer{"no token": x.exchange(x.url("ghost", exchanges+"@acme%2fw"), ""), "a Sluice token": x.exchange(x.url("ghost", exchanges+"@acme%2fw"), x.secret),
			"expired": x.exchange(x.url("ghost", exchanges+"@acme%2fw"), ci.token("npm:127.0.0.1", map[string]any{"exp": h.clock.Now().Unix()}))}[name]
		if a.status != http.StatusUnauthorized || a.text(h, "message") == "" || string(a.body) != string(ghost.body) {
			t.Errorf("%s = %d %s, at no registry %s", name, a.status, a.body, ghost.body)
		}
	}
	for path, want := range map[string]int{exchanges: 404, exchanges + "@acme": 404, exchanges + "a/b/c": 404} {
		if a := x.exchange(x.url("team", path), good); a.status != want {
			t.Errorf("%s = %d %s", path, a.status, a.body)
		}
	}
	if n := x.count("tokens", "trust_rule_id IS NOT NULL"); n != 0 {
		t.Errorf("%d tokens were made", n)
	}
	if a := x.exchange(x.url("team", exchanges+"@acme%2fw"), good); a.status != http.StatusCreated || !x.may(a.text(h, "token"), team, "@acme/w") {
		t.Errorf("the good one = %d %s", a.status, a.body)
	}
}

// TestA4_NpmTrust: the rules of npm trust are trust rules of the registry.
func TestA4_NpmTrust(t *testing.T) {
	h, ci, team := trusted(t)
	x := h.acme
	admin, _ := x.person("ad", access.TokenInput{Write: true}, access.Place{Role: access.RegistryAdmin, Registry: team})
	publisher, _ := x.person("pu", access.TokenInput{Write: true}, access.Place{Role: access.Publisher, Registry: team})
	trust := x.url("team", "/-/package/@acme%2fw/trust")
	github := map[string]any{"type": "github", "permissions": []string{"createPackage"},
		"claims": map[string]any{"repository": "acme/widgets", "workflow_ref": map[string]string{"file": "release.yml"}, "environment": "prod"}}
	made := x.bearing(admin).submit("POST", trust, []any{github})
	if made.status != http.StatusCreated || !strings.Contains(string(made.body), `"workflow_ref":{"file":"release.yml"}`) {
		t.Fatalf("made = %d %s", made.status, made.body)
	}
	var claims string
	x.scan(&claims, `SELECT claims::text FROM trust_rules WHERE issuer LIKE '%githubusercontent%' AND packages = '["@acme/w"]'`)
	if !strings.Contains(claims, `"workflow_ref": "acme/widgets/.github/workflows/release.yml@*"`) || !strings.Contains(claims, `"environment": "prod"`) {
		t.Errorf("claims = %s", claims)
	}
	for name, c := range map[string]struct {
		by     string
		change map[string]any
		status int
		says   string
	}{
		"the same again":    {admin, nil, 409, "already"},
		"a publisher":       {publisher, map[string]any{"type": "gitlab"}, 400, "project_path"},
		"without the right": {publisher, nil, 403, "registry:update"},
		"staged only":       {admin, map[string]any{"permissions": []string{"createStagedPackage"}}, 400, "--allow-publish"},
		"an unknown type":   {admin, map[string]any{"type": "jenkins"}, 400, "none of github, gitlab and circleci"},
		"no claims":         {admin, map[string]any{"claims": map[string]any{}}, 400, "must name repository"},
		"a wildcard":        {admin, map[string]any{"claims": map[string]any{"repository": "acme/*", "workflow_ref": map[string]string{"file": "x.yml"}}}, 400, "has a *"},
	} {
		body := map[string]any{}
		for k, v := range github {
			body[k] = v
		}
		for k, v := range c.change {
			body[k] = v
		}
		if a := x.bearing(c.by).submit("POST", trust, []any{body}); a.status != c.status || !strings.Contains(a.problem().Error, c.says) {
			t.Errorf("%s = %d %s", name, a.status, a.body)
		}
	}
	for name, body := range map[string]any{
		"gitlab":   map[string]any{"type": "gitlab", "permissions": []string{"createPackage"}, "claims": map[string]any{"project_path": "acme/w", "ci_config_ref_uri": map[string]string{"file": ".gitlab-ci.yml"}}},
		"circleci": map[string]any{"type": "circleci", "permissions": []string{"createPackage"}, "claims": map[string]any{"oidc.circleci.com/org-id": "o-1", "oidc.circleci.com/project-id": "p-1", "oidc.circleci.com/context-ids": []string{"c"}}},
	} {
		if a := x.bearing(admin).submit("POST", trust, body); a.status != http.StatusCreated || !strings.Contains(string(a.body), `"type":"`+name+`"`) {
			t.Errorf("%s = %d %s", name, a.status, a.body)
		}
	}
	if n := x.count("trust_rules", "issuer = 'https://oidc.circleci.com/org/o-1'") + x.count("trust_rules", "claims->>'ci_config_ref_uri' = 'gitlab.com/acme/w//.gitlab-ci.yml@*'"); n != 2 {
		t.Errorf("%d of the two other services' rules are as they should be", n)
	}
	list := x.bearing(admin).submit("GET", trust, nil)
	if n := strings.Count(string(list.body), `"id"`); list.status != http.StatusOK || n != 4 {
		t.Errorf("listed = %d %s", list.status, list.body)
	}
	if a := x.bearing(publisher).submit("GET", trust, nil); a.status != http.StatusForbidden {
		t.Errorf("a publisher lists = %d", a.status)
	}
	// Ending: not by who may not, not of another package, not of another organization.
	var id string
	x.scan(&id, `SELECT id::text FROM trust_rules WHERE issuer = $1`, ci.url)
	secret := x.exchange(x.url("team", exchanges+"@acme%2fw"), ci.token("npm:127.0.0.1", nil)).text(h, "token")
	h.globex.team("team")
	theirs, _ := h.globex.person("eve", access.TokenInput{Write: true}, access.Place{Role: access.Admin})
	for name, c := range map[string]struct {
		by, address string
		status      int
	}{
		"a publisher":          {publisher, trust + "/" + id, 403},
		"another package":      {admin, x.url("team", "/-/package/other/trust/"+id), 404},
		"an invented id":       {admin, trust + "/" + uuid.NewString(), 404},
		"no id":                {admin, trust + "/x", 404},
		"another organization": {theirs, h.globex.url("team", "/-/package/@acme%2fw/trust/"+id), 404},
		"a foreign token":      {theirs, trust + "/" + id, 401},
	} {
		if a := x.bearing(c.by).submit("DELETE", c.address, nil); a.status != c.status {
			t.Errorf("%s = %d %s, want %d", name, a.status, a.body, c.status)
		}
	}
	if !x.may(secret, team, "@acme/w") {
		t.Fatal("the token ended too early")
	}
	if a := x.bearing(admin).submit("DELETE", trust+"/"+id, nil); a.status != http.StatusOK {
		t.Fatalf("the admin = %d %s", a.status, a.body)
	}
	if x.may(secret, team, "@acme/w") {
		t.Error("the token outlives its rule")
	}
	wide := x.trust(team, ci, "@acme/*")
	if a := x.bearing(admin).submit("DELETE", trust+"/"+wide.ID.String(), nil); a.status != http.StatusConflict {
		t.Errorf("a rule for more packages = %d %s", a.status, a.body)
	}
}
