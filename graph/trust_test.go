package graph_test

import (
	"context"
	"strings"
	"testing"

	"github.com/google/uuid"

	"sluice.dev/sluice/ent"
	"sluice.dev/sluice/graph"
	"sluice.dev/sluice/tenants/access"
	"sluice.dev/sluice/tenants/errs"
)

func (w *world) seedTrust(ctx context.Context, s *seeded) {
	w.Helper()
	rule, err := w.access.CreateTrustRule(ctx, access.TrustRuleInput{Name: "release of widgets", Provider: access.GitHubActions, Registries: []uuid.UUID{s.team}, Write: true,
		Claims: map[string]string{"repository": "acme/widgets", "ref": "refs/tags/v*"}, Reuse: access.DefaultTrustReuse})
	w.ok(err)
	s.words["trustRule"] = id("TrustRule", rule.ID)
}

// trustAnswer is what the tests read of a mutation's answer.
type trustAnswer struct {
	TrustRule *struct {
		ID, Name, Issuer, Reuse string
		ServiceAccount          *string
		Registries              []struct{ Name string }
	}
	UserErrors []struct{ Field, Message, Code string }
}

const createTrust = `mutation($rule: TrustRuleInput!) { createTrustRule(input: {rule: $rule}) {
	trustRule { id name issuer reuse serviceAccount registries { name } } userErrors { field message code } } }`

func (w *world) createTrust(ctx context.Context, rule vars) trustAnswer {
	w.Helper()
	var out struct{ CreateTrustRule trustAnswer }
	w.into(ctx, createTrust, vars{"rule": rule}, &out)
	return out.CreateTrustRule
}

func claims(pairs ...string) (out []vars) {
	for i := 0; i < len(pairs); i += 2 {
		out = append(out, vars{"name": pairs[i], "value": pairs[i+1]})
	}
	return out
}

// TestF5_TrustRuleInput: what is wrong is said of the field, and nothing is made
// of it.
func TestF5_TrustRuleInput(t *testing.T) {
	w := newWorld(t)
	s := w.seed(w.ours)
	owner := w.member(w.ours, "owner", access.Place{Role: access.Owner})
	_, err := w.access.CreateServiceAccount(w.ours, access.ServiceAccountInput{Name: "bot"})
	w.ok(err)
	team := []string{s.words["team"]}
	for _, c := range []struct {
		rule        vars
		field, says string
	}{
		{vars{"name": "a", "provider": "GITHUB", "claims": claims("repository", "acme*"), "registries": team}, "claims", "right after one of"},
		{vars{"name": "a", "provider": "GITHUB", "claims": claims("ref", "refs/heads/main"), "registries": team}, "claims", "strangers"},
		{vars{"name": "a", "provider": "GITHUB", "claims": claims("repository", "a/b", "repository", "a/c"), "registries": team}, "claims", "twice"},
		{vars{"name": "a", "claims": claims("sub", "x"), "registries": team}, "issuer", "https URL"},
		{vars{"name": "a", "provider": "GITHUB", "claims": claims("repository", "a/b")}, "registries", "reaches nothing"},
		{vars{"name": "a", "provider": "GITHUB", "claims": claims("repository", "a/b"), "serviceAccount": "bot", "registries": []string{}}, "registries", "leave it out"},
		{vars{"name": "a", "provider": "GITHUB", "claims": claims("repository", "a/b"), "registries": team, "reuse": "P2D"}, "reuse", "24h"},
		{vars{"name": "a", "provider": "GITHUB", "claims": claims("repository", "a/b"), "registries": team, "packages": []string{"x"}}, "packages", "only reads"},
		{vars{"name": "release of widgets", "provider": "GITHUB", "claims": claims("repository", "a/b"), "registries": team}, "name", "already"},
	} {
		a := w.createTrust(owner, c.rule)
		if a.TrustRule != nil || len(a.UserErrors) != 1 || a.UserErrors[0].Field != c.field || !strings.Contains(a.UserErrors[0].Message, c.says) {
			t.Errorf("%v: %+v", c.rule, a)
		}
	}
	a := w.createTrust(owner, vars{"name": "of bot", "provider": "GITLAB", "issuer": "https://gitlab.acme.example", "claims": claims("project_path", "acme/w"), "serviceAccount": "bot"})
	if r := a.TrustRule; r == nil || r.Issuer != "https://gitlab.acme.example" || r.Reuse != "PT1H" || r.ServiceAccount == nil || *r.ServiceAccount != "bot" || r.Registries != nil {
		t.Errorf("%+v", a)
	}
	for name, rule := range map[string]vars{
		"an account that is none": {"name": "b", "provider": "GITHUB", "claims": claims("repository", "a/b"), "serviceAccount": "ghost"},
		"a registry that is none": {"name": "b", "provider": "GITHUB", "claims": claims("repository", "a/b"), "registries": []string{s.words["remote"]}},
	} {
		if a := w.ask(owner, createTrust, vars{"rule": rule}); a.code() != "NOT_FOUND" {
			t.Errorf("%s: %s %v", name, a.Data, a.Errors)
		}
	}
}

// TestT3_TrustRulesShowToTheirAdministrators: with what else they reach left out.
func TestT3_TrustRulesShowToTheirAdministrators(t *testing.T) {
	w := newWorld(t)
	s := w.seed(w.ours)
	_, err := w.access.CreateTrustRule(w.ours, access.TrustRuleInput{Name: "wide", Issuer: "https://ci.example", Registries: []uuid.UUID{s.team, s.firewall}, Claims: map[string]string{"sub": "x"}})
	w.ok(err)
	admin := w.member(w.ours, "admin", access.Place{Role: access.RegistryAdmin, Registry: s.team})
	above := w.member(w.ours, "above", access.Place{Role: access.RegistryAdmin, Registry: s.firewall})
	for _, c := range []struct {
		who    context.Context
		filter string
		want   string
	}{
		{admin, "{}", "release of widgets: team; wide: team; "}, {above, "{}", "wide: firewall; "},
		{admin, `{issuer: "https://ci.example"}`, "wide: team; "}, {admin, `{provider: GITHUB, search: "WIDG"}`, "release of widgets: team; "},
		{admin, `{registry: "` + s.words["team"] + `", provider: OTHER}`, "wide: team; "},
	} {
		var out struct {
			TrustRules struct {
				Edges []struct {
					Node struct {
						Name       string
						Registries []struct{ Name string }
					}
				}
			}
		}
		w.into(c.who, `{ trustRules(filter: `+c.filter+`) { edges { node { name registries { name } } } } }`, nil, &out)
		got := ""
		for _, e := range out.TrustRules.Edges {
			got += e.Node.Name + ":"
			for _, r := range e.Node.Registries {
				got += " " + r.Name
			}
			got += "; "
		}
		if got != c.want {
			t.Errorf("%s: %q, want %q", c.filter, got, c.want)
		}
	}
	for _, filter := range []string{`{registry: "` + s.words["firewall"] + `"}`, `{serviceAccount: "bot"}`} {
		if a := w.ask(admin, `{ trustRules(filter: `+filter+`) { edges { node { name } } } }`, nil); a.code() != "NOT_FOUND" {
			t.Errorf("%s: %s %v", filter, a.Data, a.Errors)
		}
	}
	if a := w.ask(above, `query($id: ID!) { node(id: $id) { id } }`, vars{"id": s.words["trustRule"]}); a.code() != "NOT_FOUND" {
		t.Errorf("another's rule: %s %v", a.Data, a.Errors)
	}
}

// checked is a verifier for tests, which takes the token "good".
type checked map[string]any

func (c checked) Check(_ context.Context, raw, issuer string) (map[string]any, error) {
	if raw != "good" {
		return c, errs.New(errs.Unauthenticated, "test", "the token is %s for %s", raw, issuer)
	}
	return c, nil
}

var _ graph.Workloads = checked{}

// TestTestTrustRule says which claim does not match, and that a token which is
// not valid gets nothing whatever it says.
func TestTestTrustRule(t *testing.T) {
	w := newWorld(t)
	s := w.seed(w.ours)
	owner := w.member(w.ours, "owner", access.Place{Role: access.Owner})
	recorded := func() int {
		return w.rows(w.ours, func(ctx context.Context, c *ent.Client) (int, error) { return c.AuditEvent.Query().Count(ctx) })
	}
	events := recorded()
	for _, c := range []struct {
		args    string
		matches bool
		problem string
		bad     string
	}{
		{`claims: [{name: "repository", value: "acme/widgets"}, {name: "ref", value: "refs/tags/v1"}]`, true, "", ""},
		{`claims: [{name: "repository", value: "acme-evil/widgets"}, {name: "ref", value: "refs/tags/v1"}]`, false, "", "repository"},
		{`claims: []`, false, "", "ref repository"},
		{`token: "good"`, true, "", ""},
		{`token: "forged"`, false, "the token is forged for https://token.actions.githubusercontent.com", ""},
	} {
		var out struct {
			TestTrustRule struct {
				Matches bool
				Problem string
				Claims  []struct {
					Name    string
					Matches bool
				}
			}
		}
		w.into(owner, `query($id: ID!) { testTrustRule(rule: $id, `+c.args+`) { matches problem claims { name matches } } }`, vars{"id": s.words["trustRule"]}, &out)
		var bad []string
		for _, claim := range out.TestTrustRule.Claims {
			if !claim.Matches {
				bad = append(bad, claim.Name)
			}
		}
		if got := out.TestTrustRule; got.Matches != c.matches || got.Problem != c.problem || strings.Join(bad, " ") != c.bad || len(got.Claims) != 2 {
			t.Errorf("%s: %+v", c.args, got)
		}
	}
	for _, args := range []string{`rule: "x", claims: []`, `rule: "` + s.words["team"] + `", claims: []`} {
		if a := w.ask(owner, `{ testTrustRule(`+args+`) { matches } }`, nil); a.code() != "NOT_FOUND" {
			t.Errorf("%s: %s %v", args, a.Data, a.Errors)
		}
	}
	if a := w.ask(owner, `query($id: ID!) { testTrustRule(rule: $id) { matches } }`, vars{"id": s.words["trustRule"]}); a.code() != "INVALID" {
		t.Errorf("nothing to test: %s %v", a.Data, a.Errors)
	}
	if n := recorded(); n != events {
		t.Errorf("tests were recorded: %d", n-events)
	}
}
