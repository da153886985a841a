package e2e

import (
	"net/http"
	"regexp"
	"testing"
)

// organizationCases are what an operator does after `sluice migrate`.
func organizationCases() []testCase {
	return []testCase{{"T3: a second organization, made by hand, which the first cannot see", secondOrganization}}
}

var printedToken = regexp.MustCompile(`token +(sluice_\S+)`)

// secondOrganization makes one with a firewall, a registry and a token, installs
// with them, and tries it all from the first organization.
func secondOrganization(t *testing.T, s *stage) {
	out := s.command(t, s.settings(), "organizations", "create", "umbrella", "--owner", "owner@umbrella.example")
	found := printedToken.FindStringSubmatch(out)
	if found == nil {
		t.Fatalf("no token was printed: %s", out)
	}
	first := s.state
	defer func() { s.state = first }()
	s.state.BaseURL = "http://" + s.addr + "/o/umbrella"
	s.state.AdminToken = found[1]

	var firewall struct {
		CreateFirewall struct{ Registry struct{ ID string } }
	}
	s.graph(t, `mutation($url: String!) { createFirewall(input: {ecosystem: NPM, name: "firewall", upstream: {newRemote: {name: "public", baseUrl: $url}}}) {
		registry { id } userErrors { message } } }`, map[string]any{"url": s.source.URL}, &firewall)
	var team struct {
		CreateRegistry struct{ Registry struct{ ID string } }
	}
	s.graph(t, `mutation($upstream: ID!) { createRegistry(input: {ecosystem: NPM, name: "team", upstream: {registry: $upstream}}) {
		registry { id } userErrors { message } } }`, map[string]any{"upstream": firewall.CreateFirewall.Registry.ID}, &team)
	var token struct{ CreateServiceToken struct{ Secret string } }
	s.graph(t, `mutation($registry: ID!) { createServiceToken(input: {name: "ci", registries: [$registry], roles: [{role: "reader", registry: $registry}]}) {
		secret userErrors { message } } }`, map[string]any{"registry": team.CreateRegistry.Registry.ID}, &token)
	secret := token.CreateServiceToken.Secret

	p := s.project(t, s.npm(), "team", secret, map[string]string{"is-odd": "^3.0.0"})
	p.must(t, p.install...)
	if p.installed(t, "is-odd") == "" {
		t.Error("is-odd is not installed")
	}
	text, ok := p.try(t, "install", "lodash@"+bad)
	p.refused(t, text, ok, says["npm"].exact)

	for _, url := range []string{s.registry("team") + "is-odd", s.state.BaseURL + "/npm/no-such/is-odd"} {
		if a := ask(t, http.MethodGet, url, first.AdminToken, nil); a.status != http.StatusUnauthorized {
			t.Errorf("a token of the first organization gets %d from %s: %.200s", a.status, url, a.body)
		}
	}
	if a := ask(t, http.MethodGet, first.BaseURL+"/npm/team-a/lodash", secret, nil); a.status != http.StatusUnauthorized {
		t.Errorf("a token of the second organization gets %d from the first: %.200s", a.status, a.body)
	}
	var seen struct{ Node *struct{ ID string } } // null, or an error: nothing either way
	s.state = first
	_ = s.tryGraph(t, first.AdminToken, `query($id: ID!) { node(id: $id) { id } }`, map[string]any{"id": team.CreateRegistry.Registry.ID}, &seen)
	if seen.Node != nil {
		t.Errorf("the first organization sees the registry of the second: %+v", seen.Node)
	}
}
