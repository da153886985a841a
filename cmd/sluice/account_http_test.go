package main

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"sluice.dev/sluice/tenants/access"
)

// TestA2_TokensOverHTTP: list, make, limit and revoke, each bounded by the token
// that asks.
func TestA2_TokensOverHTTP(t *testing.T) {
	h := newHarness(t)
	x, reg := h.acme, h.acme.team("team")
	full, ana := x.person("ana", access.TokenInput{Write: true}, access.Place{Role: access.Publisher, Registry: reg})
	limited, _, err := x.at.access.CreateToken(access.As(x.ctx, ana, ""), access.TokenInput{Name: "limited", MemberID: ana.MemberID, Write: true, Registries: []uuid.UUID{reg}})
	if err != nil {
		t.Fatal(err)
	}
	tokens := x.url("team", "/-/npm/v1/tokens")
	make := func(by string, body map[string]any) answer { return x.bearing(by).send("POST", tokens, body) }

	one := make(full, map[string]any{"name": "ci", "password": "not looked at", "packages": []string{"widgets"}, "scopes": []string{"@acme", "beta"}, "expires": 30, "cidr_whitelist": []string{"127.0.0.0/8"}})
	got := one.json(h)
	if one.status != http.StatusCreated || got["name"] != "ci" || got["readonly"] != false || got["expires"] != h.clock.Now().AddDate(0, 0, 30).Format(time.RFC3339) {
		t.Fatalf("made = %d %s", one.status, one.body)
	}
	if list, _ := json.Marshal(got["packages"]); string(list) != `["@acme/*","@beta/*","widgets"]` {
		t.Errorf("packages = %s", list)
	}
	if a := x.bearing(got["token"].(string)).get("team", "/-/whoami"); a.text(h, "username") != "ana@acme.example" {
		t.Errorf("whoami = %d %s", a.status, a.body)
	}
	for name, c := range map[string]struct {
		by     string
		body   map[string]any
		status int
		says   string
	}{
		"too many days":         {full, map[string]any{"expires": 5000}, 400, "want 1 to 3650"},
		"an organization":       {full, map[string]any{"orgs": []string{"acme"}}, 400, "leave --orgs"},
		"all and some":          {full, map[string]any{"packages_all": true, "packages": []string{"x"}}, 400, "leave out one"},
		"a permission":          {full, map[string]any{"packages_and_scopes_permission": "admin"}, 400, "read-only and read-write"},
		"a network":             {full, map[string]any{"cidr_whitelist": []string{"x"}}, 400, "is no network"},
		"a package":             {full, map[string]any{"packages": []string{"a b"}}, 400, "is no pattern"},
		"a reader that writes":  {x.secret, map[string]any{"name": "x"}, 403, "only reads"},
		"nobody":                {"", map[string]any{}, 401, ""},
		"somebody else's token": {h.globex.secret, map[string]any{}, 401, ""},
	} {
		a := make(c.by, c.body)
		if a.status != c.status || !strings.Contains(string(a.body), c.says) {
			t.Errorf("%s = %d %s, want %d %q", name, a.status, a.body, c.status, c.says)
		}
	}
	// With a limited token comes a child, which ends with it.
	child := make(limited, map[string]any{"readonly": true})
	if child.status != http.StatusCreated || child.json(h)["readonly"] != true {
		t.Fatalf("child = %d %s", child.status, child.body)
	}
	list := x.bearing(limited).send("GET", tokens, nil).json(h)
	var names []string
	for _, o := range list["objects"].([]any) {
		m := o.(map[string]any)
		names = append(names, m["name"].(string))
		if m["token"] != "sluice_" || m["key"] == "" || strings.Contains(string(one.body), "hash") {
			t.Errorf("listed %v", m)
		}
	}
	if len(names) != 4 || !slices.Contains(names, "limited") || !slices.Contains(names, "ci") {
		t.Errorf("listed %v", names)
	}
	revoke := func(by, key string) int {
		return x.bearing(by).send("DELETE", x.url("team", "/-/npm/v1/tokens/token/"+key), nil).status
	}
	key, childSecret := got["key"].(string), child.text(h, "token")
	for name, c := range map[string]struct {
		by, key string
		want    int
	}{
		"a service's":   {x.secret, key, 404},
		"a child's":     {childSecret, key, 404}, // it only reads
		"invented":      {full, uuid.NewString(), 404},
		"no key":        {full, "x", 400},
		"foreign":       {full, h.globex.secret, 404},
		"from abroad":   {h.globex.secret, key, 401},
		"one's own":     {full, key, 200},
		"again":         {full, key, 200},
		"by its secret": {limited, limited, 200},
	} {
		if c.by == limited {
			continue
		}
		if got := revoke(c.by, c.key); got != c.want && name != "again" {
			t.Errorf("revoking %s = %d, want %d", name, got, c.want)
		}
	}
	if got := revoke(limited, limited); got != http.StatusOK {
		t.Errorf("revoking itself = %d", got)
	}
	if a := x.bearing(childSecret).get("team", "/-/whoami"); a.status != http.StatusUnauthorized {
		t.Errorf("the child of a revoked token = %d", a.status)
	}
}

// TestA2_TokenListsHavePages.
func TestA2_TokenListsHavePages(t *testing.T) {
	h := newHarness(t)
	x, reg := h.acme, h.acme.team("team")
	full, ana := x.person("ana", access.TokenInput{Write: true}, access.Place{Role: access.Reader, Registry: reg})
	for range 104 {
		if _, _, err := x.at.access.CreateToken(access.As(x.ctx, ana, ""), access.TokenInput{Name: "x", MemberID: ana.MemberID}); err != nil {
			t.Fatal(err)
		}
	}
	seen, pages := map[string]bool{}, 0
	for next := x.url("team", "/-/npm/v1/tokens"); next != ""; pages++ {
		got := x.bearing(full).send("GET", next, nil).json(h)
		for _, o := range got["objects"].([]any) {
			seen[o.(map[string]any)["key"].(string)] = true
		}
		next, _ = got["urls"].(map[string]any)["next"].(string)
	}
	if len(seen) != 105 || pages != 2 {
		t.Errorf("%d tokens on %d pages", len(seen), pages)
	}
	if a := x.bearing(full).get("team", "/-/npm/v1/tokens?after=x"); a.status != http.StatusBadRequest {
		t.Errorf("after=x = %d", a.status)
	}
}

// TestA3_AccessOverHTTP: who is who and who may what, as npm asks for it.
func TestA3_AccessOverHTTP(t *testing.T) {
	h := newHarness(t)
	x, reg := h.acme, h.acme.team("team")
	x.publish(reg, "@acme/a", "1.0.0", []byte("a"))
	x.publish(reg, "widgets", "1.0.0", []byte("w"))
	ana, _ := x.person("ana", access.TokenInput{Write: true}, access.Place{Role: access.Publisher, Registry: reg})
	bob, _ := x.person("bob", access.TokenInput{}, access.Place{Role: access.Reader, Registry: reg})
	x.person("carl", access.TokenInput{}) // may not read the registry
	as := func(by, path string) (int, string) {
		a := x.bearing(by).get("team", path)
		return a.status, string(a.body)
	}
	for _, c := range []struct {
		by, path string
		status   int
		want     string
	}{
		{ana, "/-/package/@acme%2fa/visibility", 200, `{"public":false}`},
		{ana, "/-/package/nothing/visibility", 404, ""},
		{ana, "/-/package/widgets/collaborators", 200, `{"ana@acme.example":"write","bob@acme.example":"read","service token ci":"read"}`},
		{x.secret, "/-/package/widgets/collaborators", 200, `{"service token ci":"read"}`}, // no member:read
		{ana, "/-/org/acme/package", 200, `{"@acme/a":"write","widgets":"write"}`},
		{bob, "/-/org/acme/package", 200, `{"@acme/a":"read","widgets":"read"}`},
		{ana, "/-/org/beta/package", 404, ""},
		{ana, "/-/org/globex/package", 404, ""},
		{ana, "/-/user/bob%40acme.example/package", 200, `{"@acme/a":"read","widgets":"read"}`},
		{ana, "/-/user/carl%40acme.example/package", 404, ""},
		{ana, "/-/user/eve/package", 404, ""},
		{ana, "/-/org/acme/user", 200, `{"ana@acme.example":"member","bob@acme.example":"member","carl@acme.example":"member"}`},
		{x.secret, "/-/org/acme/user", 403, "member:read"},
		{ana, "/-/org/globex/user", 404, "there is no organization"},
		{ana, "/-/org/acme/team", 200, `[]`},
		{ana, "/-/org/globex/team", 404, ""},
		{ana, "/-/team/acme/devs/user", 404, "there are no teams here"},
		{ana, "/-/team/acme/devs/package", 404, "there are no teams here"},
		{ana, "/-/npm/v1/user", 200, `"email":"ana@acme.example","email_verified":true,"tfa":false`},
		{x.secret, "/-/npm/v1/user", 200, `{"name":"ci","email":"","email_verified":false,"tfa":false,"cidr_whitelist":null}`},
		{ana, "/-/ping?write=true", 200, `{}`},
		{ana, "/", 200, `"ecosystem":"npm"`},
	} {
		status, body := as(c.by, c.path)
		if status != c.status || !strings.Contains(body, c.want) {
			t.Errorf("%s = %d %s, want %d %s", c.path, status, body, c.status, c.want)
		}
	}
	// What is done elsewhere says where, and changes nothing.
	for path, method := range map[string]string{
		"/-/npm/v1/user": "POST", "/-/package/widgets/access": "POST", "/-/org/acme/user": "PUT", "/-/org/acme/team": "PUT",
		"/-/team/acme/devs": "DELETE", "/-/team/acme/devs/user": "PUT", "/-/team/acme/devs/package": "DELETE",
	} {
		a := x.bearing(ana).send(method, x.url("team", path), map[string]any{"access": "public", "fullname": "x"})
		if a.status != http.StatusForbidden || !strings.Contains(a.problem().Error, "administrator") {
			t.Errorf("%s %s = %d %s", method, path, a.status, a.body)
		}
	}
	if n := x.count("audit_events", "action LIKE 'member:%' OR action LIKE 'grant:%'"); n != 3+6 {
		t.Errorf("the audit has %d changes of access, want the 9 of this test's beginning", n)
	}
}

// TestA5_AccountsOfAReadableRegistry: who may read without a token is still
// nobody.
func TestA5_AccountsOfAReadableRegistry(t *testing.T) {
	h := newHarness(t)
	x := h.acme
	var one int
	x.scan(&one, `UPDATE registries SET anonymous_read = true WHERE id = $1 RETURNING 1`, x.team("open"))
	x = x.on(h.serve()) // nobody was told of the change
	nobody := x.bearing("")
	for _, c := range []struct{ method, path string }{
		{"GET", "/-/whoami"}, {"GET", "/-/npm/v1/user"}, {"GET", "/-/npm/v1/tokens"}, {"POST", "/-/npm/v1/tokens"},
		{"DELETE", "/-/npm/v1/tokens/token/" + uuid.NewString()}, {"DELETE", "/-/user/token/" + x.secret},
		{"GET", "/-/package/x/collaborators"}, {"GET", "/-/org/acme/user"}, {"GET", "/-/package/x/trust"}, {"POST", "/-/package/x/trust"},
	} {
		var body any
		if c.method == "POST" {
			body = map[string]any{"type": "github", "claims": map[string]any{"repository": "a/b", "workflow_ref": map[string]string{"file": "x.yml"}}, "permissions": []string{"createPackage"}}
		}
		if a := nobody.send(c.method, x.url("open", c.path), body); a.status != http.StatusUnauthorized {
			t.Errorf("%s %s = %d %s", c.method, c.path, a.status, a.body)
		}
	}
	if a := x.get("open", "/-/whoami"); a.status != http.StatusOK {
		t.Errorf("the token was revoked by nobody: %d", a.status)
	}
}
