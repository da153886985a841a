package graph_test

import (
	"strings"
	"testing"

	"sluice.dev/sluice/tenants/access"
)

const createProvider = `mutation($i: CreateIdentityProviderInput!) { createIdentityProvider(input: $i) {
	identityProvider { id hasSecret enabled joinRole claims { email groups } redirectUri } userErrors { field message code } } }`

func goodProvider() vars {
	return vars{"name": "entra", "issuer": "https://login.acme.example", "clientId": "sluice", "clientSecret": "hunter2"}
}

// TestF5_A4_IdentityProviderInput: each mistake names its field and changes
// nothing; whoever may not do everything changes no provider.
func TestF5_A4_IdentityProviderInput(t *testing.T) {
	w := newWorld(t)
	owner := w.member(w.ours, "owner", access.Place{Role: access.Owner})
	for name, c := range map[string]struct {
		change vars
		field  string
	}{
		"a path as name":       {vars{"name": "a/b"}, "name"},
		"the platform's name":  {vars{"name": "platform"}, "name"},
		"http":                 {vars{"issuer": "http://login.acme.example"}, "issuer"},
		"an issuer with query": {vars{"issuer": "https://login.acme.example?x"}, "issuer"},
		"no client id":         {vars{"clientId": ""}, "clientId"},
		"a scope of two":       {vars{"scopes": []string{"a b"}}, "scopes"},
		"a wildcard domain":    {vars{"domains": []string{"*.acme.example"}}, "domains"},
		"everybody an owner":   {vars{"joins": true, "joinRole": "owner"}, "joinRole"},
		"a role of nobody":     {vars{"joins": true, "joinRole": "none"}, "joinRole"},
		"a claim of two lines": {vars{"claims": vars{"groups": "a\nb"}}, "claims"},
	} {
		in := goodProvider()
		for k, v := range c.change {
			in[k] = v
		}
		a := w.ask(owner, createProvider, vars{"i": in})
		if text := string(a.Data); len(a.Errors) > 0 || !strings.Contains(text, `"field":"`+c.field+`"`) || !strings.Contains(text, `"code":"INVALID"`) {
			t.Errorf("%s: %s %v", name, text, a.Errors)
		}
	}
	admin := w.member(w.ours, "admin", access.Place{Role: access.Admin})
	if a := w.ask(admin, createProvider, vars{"i": goodProvider()}); a.code() != noRight {
		t.Errorf("an admin adds a provider: %s %v", a.Data, a.Errors)
	}
	var list struct{ IdentityProviders struct{ Edges []any } }
	w.into(owner, `{ identityProviders { edges { node { id } } } }`, nil, &list)
	if len(list.IdentityProviders.Edges) > 0 {
		t.Errorf("%d providers came of mistakes", len(list.IdentityProviders.Edges))
	}
	a := w.ask(owner, createProvider, vars{"i": goodProvider()})
	if text := string(a.Data); strings.Contains(text, "hunter2") || !strings.Contains(text, `"hasSecret":true`) || !strings.Contains(text, `"enabled":false`) ||
		!strings.Contains(text, "https://acme.sluice.example/login/callback/entra") {
		t.Errorf("%s %v", text, a.Errors)
	}
	if again := w.ask(owner, createProvider, vars{"i": goodProvider()}); !strings.Contains(string(again.Data), `"code":"CONFLICT"`) {
		t.Errorf("the same again: %s %v", again.Data, again.Errors)
	}
	if strings.Contains(w.log.String(), "hunter2") {
		t.Error("the log has the secret")
	}
}

// TestA1_ProviderChangesOnlyWhatIsGiven: the rest stays, the secret too, but not
// for another issuer.
func TestA1_ProviderChangesOnlyWhatIsGiven(t *testing.T) {
	w := newWorld(t)
	owner := w.member(w.ours, "owner", access.Place{Role: access.Owner})
	p := w.provider(w.ours, "okta")
	const update = `mutation($i: UpdateIdentityProviderInput!) { updateIdentityProvider(input: $i) {
		identityProvider { title issuer hasSecret enabled domains scopes } userErrors { field code } } }`
	change := func(in vars) string {
		t.Helper()
		in["identityProvider"] = id("IdentityProvider", p.ID)
		a := w.ask(owner, update, vars{"i": in})
		if len(a.Errors) > 0 {
			t.Fatal(a.Errors)
		}
		return string(a.Data)
	}
	for _, c := range []struct {
		in   vars
		want string
	}{
		{vars{}, `{"title":"okta","issuer":"https://okta.example","hasSecret":true,"enabled":true,"domains":["acme.example"],"scopes":["profile","email"]}`},
		{vars{"enabled": false}, `{"title":"okta","issuer":"https://okta.example","hasSecret":true,"enabled":false,"domains":["acme.example"],"scopes":["profile","email"]}`},
		{vars{"title": "Staff", "domains": []string{}}, `{"title":"Staff","issuer":"https://okta.example","hasSecret":true,"enabled":false,"domains":[],"scopes":["profile","email"]}`},
		{vars{"issuer": "https://evil.example"}, `"field":"clientSecret"`},
		{vars{"issuer": "https://new.example", "clientSecret": "other"}, `"issuer":"https://new.example","hasSecret":true`},
		{vars{"clientSecret": ""}, `"hasSecret":false`},
	} {
		if got := change(c.in); !strings.Contains(got, c.want) {
			t.Errorf("%v: %s, want %s", c.in, got, c.want)
		}
	}
	theirs := w.member(w.theirs, "owner", access.Place{Role: access.Owner})
	if a := w.ask(theirs, update, vars{"i": vars{"identityProvider": id("IdentityProvider", p.ID), "enabled": true}}); a.code() != missing {
		t.Errorf("the other organization's owner: %s %v", a.Data, a.Errors)
	}
}

// TestA1_ProviderTest: what is wrong is said in words, and the test is on
// record.
func TestA1_ProviderTest(t *testing.T) {
	w := newWorld(t)
	owner := w.member(w.ours, "owner", access.Place{Role: access.Owner})
	p := w.provider(w.ours, "okta")
	const try = `mutation($p: ID!) { testIdentityProvider(input: {identityProvider: $p}) { report { works problems warnings signingKeys } } }`
	ask := func() string { return string(w.ask(owner, try, vars{"p": id("IdentityProvider", p.ID)}).Data) }
	if got := ask(); !strings.Contains(got, `"works":true,"problems":[]`) || !strings.Contains(got, "the secret h…") {
		t.Errorf("the test does not see the provider with its secret: %s", got)
	}
	w.ask(owner, `mutation($p: ID!) { updateIdentityProvider(input: {identityProvider: $p, clientId: "broken"}) { userErrors { code } } }`, vars{"p": id("IdentityProvider", p.ID)})
	if got := ask(); !strings.Contains(got, `"works":false,"problems":["the provider at https://okta.example does not answer"]`) {
		t.Errorf("%s", got)
	}
}

// TestA1_MappingsGiveOneThing: a role somewhere, or a team.
func TestA1_MappingsGiveOneThing(t *testing.T) {
	w := newWorld(t)
	s := w.seed(w.ours)
	owner := w.member(w.ours, "owner", access.Place{Role: access.Owner})
	w.ok(w.theirTeam())
	for name, c := range map[string]struct {
		in   vars
		want string
	}{
		"a role":                {vars{"role": "auditor"}, `"gives":"ORGANIZATION_ROLE","role":"auditor","team":null`},
		"a role on a registry":  {vars{"role": "publisher", "registry": s.words["team"]}, `"gives":"REGISTRY_ROLE","role":"publisher","team":null`},
		"a team":                {vars{"team": "platform"}, `"gives":"TEAM","role":null,"team":"platform"`},
		"nothing":               {vars{}, `"field":"role"`},
		"both":                  {vars{"role": "auditor", "team": "platform"}, `"field":"team"`},
		"a role of nobody":      {vars{"role": "none"}, `"field":"role"`},
		"owners of a registry":  {vars{"role": "owner", "registry": s.words["team"]}, `"field":"role"`},
		"a team of nobody":      {vars{"team": "none"}, `"field":"team"`},
		"the other one's team":  {vars{"team": "theirs"}, `"field":"team"`},
		"no group":              {vars{"group": "", "role": "auditor"}, `"field":"group"`},
		"a registry of no kind": {vars{"role": "publisher", "registry": s.words["provider"]}, missing},
	} {
		in := vars{"identityProvider": s.words["provider"], "group": "g of " + name}
		for k, v := range c.in {
			in[k] = v
		}
		a := w.ask(owner, `mutation($i: AddGroupMappingInput!) { addGroupMapping(input: $i) { groupMapping { gives role team } userErrors { field code } } }`, vars{"i": in})
		if got := string(a.Data) + a.code(); !strings.Contains(got, c.want) {
			t.Errorf("%s: %s %v", name, got, a.Errors)
		}
	}
}

func (w *world) theirTeam() error {
	_, err := w.access.CreateTeam(w.theirs, access.TeamInput{Name: "theirs"})
	return err
}

// TestA1_T3_SessionsAreOnesOwn: everybody sees and ends their own, those who
// manage members everybody's, and nobody those of another organization.
func TestA1_T3_SessionsAreOnesOwn(t *testing.T) {
	w := newWorld(t)
	p, foreign := w.provider(w.ours, "okta"), w.provider(w.theirs, "okta")
	owner := w.member(w.ours, "owner", access.Place{Role: access.Owner})
	ann := w.member(w.ours, "ann", access.Place{Role: access.Ordinary})
	w.member(w.ours, "ben", access.Place{Role: access.Ordinary})
	theirs := w.member(w.theirs, "owner", access.Place{Role: access.Owner})
	first, second, bens := w.enter(w.ours, p, "a", "ann@acme.example"), w.enter(w.ours, p, "a", "ann@acme.example"), w.enter(w.ours, p, "b", "ben@acme.example")
	w.enter(w.theirs, foreign, "o", "owner@acme.example")
	me := access.Of(ann).MemberID
	list := func(a answer) int { return strings.Count(string(a.Data), `"node":`) }
	const all = `query($m: ID, $e: Boolean!) { sessions(member: $m, everybody: $e) { edges { node { id member { email } } } } }`
	for _, c := range []struct {
		name string
		a    answer
		n    int
		code string
	}{
		{"Ann's own", w.ask(ann, all, vars{"e": false}), 2, ""},
		{"Ann's own by id", w.ask(ann, all, vars{"e": false, "m": id("Member", me)}), 2, ""},
		{"Ben's for Ann", w.ask(ann, all, vars{"e": false, "m": id("Member", bens.MemberID)}), 0, noRight},
		{"everybody's for Ann", w.ask(ann, all, vars{"e": true}), 0, noRight},
		{"everybody's for the owner", w.ask(owner, all, vars{"e": true}), 3, ""},
		{"Ann's for the owner", w.ask(owner, all, vars{"e": false, "m": id("Member", me)}), 2, ""},
		{"Ann's for the other owner", w.ask(theirs, all, vars{"e": false, "m": id("Member", me)}), 0, missing},
		{"everybody's for the other owner", w.ask(theirs, all, vars{"e": true}), 1, ""},
		{"something else's", w.ask(owner, all, vars{"e": false, "m": id("Session", first.ID)}), 0, missing},
		{"a node of one's own", w.ask(ann, `query($i: ID!) { node(id: $i) { ... on Session { id } } node2: sessions { edges { node { id } } } }`, vars{"i": id("Session", first.ID)}), 3, ""},
		{"a node of Ben's", w.ask(ann, `query($i: ID!) { node(id: $i) { id } }`, vars{"i": id("Session", bens.ID)}), 0, missing},
	} {
		if c.a.code() != c.code || c.code == "" && list(c.a) != c.n {
			t.Errorf("%s: %s %v", c.name, c.a.Data, c.a.Errors)
		}
	}
	const end = `mutation($s: ID!) { endSession(input: {session: $s}) { session } }`
	for name, a := range map[string]answer{"Ben's by Ann": w.ask(ann, end, vars{"s": id("Session", bens.ID)}), "Ann's by the other owner": w.ask(theirs, end, vars{"s": id("Session", first.ID)}),
		"a provider": w.ask(owner, end, vars{"s": id("IdentityProvider", p.ID)})} {
		if a.code() != missing {
			t.Errorf("%s: %s %v", name, a.Data, a.Errors)
		}
	}
	// A token that was made to install does not log its owner out.
	key, _, err := w.access.CreateToken(ann, access.TokenInput{Name: "ci", MemberID: me})
	w.ok(err)
	reading, err := w.access.Authenticate(w.ours, key, "192.0.2.7")
	w.ok(err)
	for _, text := range []string{`mutation($s: ID!) { endSession(input: {session: $s}) { session } }`, `mutation($s: ID!) { endSessions(input: {except: $s}) { ended } }`} {
		if a := w.ask(access.As(w.ours, reading, "192.0.2.7"), text, vars{"s": id("Session", first.ID)}); a.code() != noRight {
			t.Errorf("A2: a token that reads: %s %v", a.Data, a.Errors)
		}
	}
	if a := w.ask(ann, `mutation($s: ID!) { endSessions(input: {except: $s}) { ended } }`, vars{"s": id("Session", second.ID)}); !strings.Contains(string(a.Data), `"ended":1`) {
		t.Errorf("all but one: %s %v", a.Data, a.Errors)
	}
	if n := list(w.ask(owner, all, vars{"e": true})); n != 2 {
		t.Errorf("%d sessions are left, want Ann's second and Ben's", n)
	}
	if a := w.ask(owner, `mutation($m: ID) { endSessions(input: {member: $m}) { ended } }`, vars{"m": id("Member", bens.MemberID)}); !strings.Contains(string(a.Data), `"ended":1`) {
		t.Errorf("Ben's by the owner: %s %v", a.Data, a.Errors)
	}
}
