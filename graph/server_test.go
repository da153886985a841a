package graph_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"sluice.dev/sluice/ent/db"
	"sluice.dev/sluice/tenants/access"
)

// send sends a request as it is, with headers in pairs.
func (w *world) send(ctx context.Context, method, target, body string, headers ...string) *httptest.ResponseRecorder {
	w.Helper()
	r := httptest.NewRequestWithContext(ctx, method, target, strings.NewReader(body))
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	rec := httptest.NewRecorder()
	w.handler.ServeHTTP(rec, r)
	return rec
}

// TestA5_NobodyLearnsTheSchemaFromErrors: nobody hears what does not fit, or what
// might have been meant; a member does.
func TestA5_NobodyLearnsTheSchemaFromErrors(t *testing.T) {
	w := newWorld(t)
	for _, query := range []string{`{ organisation { id } }`, `{ registry(nam: "x") { id } }`, `{ hold { id } }`, `{ viewer }`} {
		mine, none := w.ask(w.ours, query, nil), w.ask(w.anonymous(w.ours), query, nil)
		if mine.code() != "GRAPHQL_VALIDATION_FAILED" || none.code() != "GRAPHQL_VALIDATION_FAILED" {
			t.Fatalf("%s: %v, and to nobody %v", query, mine.Errors, none.Errors)
		}
		for _, e := range none.Errors {
			if e.Message != "the operation does not fit the schema, which is shown to those with a token" {
				t.Errorf("%s tells nobody: %s", query, e.Message)
			}
		}
		if mine.Errors[0].Message == none.Errors[0].Message {
			t.Errorf("%s tells a member nothing: %s", query, mine.Errors[0].Message)
		}
	}
}

// TestF3_Requests: what is no request for GraphQL gets a clear answer, and
// never its own body back.
func TestF3_Requests(t *testing.T) {
	w := newWorld(t)
	const asJSON = "application/json"
	viewer := `{"query":"{ viewer { name } }"}`
	for _, c := range []struct {
		name, method, target, body string
		headers                    []string
		status                     int
		says                       string
	}{
		{"POST", "POST", "/graphql", viewer, []string{"Content-Type", asJSON}, 200, `"name":"test"`},
		{"GET", "GET", "/graphql?query=" + url.QueryEscape("{ viewer { name } }"), "", nil, 200, `"name":"test"`},
		{"GET of a mutation", "GET", "/graphql?query=" + url.QueryEscape(`mutation { revokeToken(input: {token: "x"}) { token } }`), "", nil, 406, "only allow query"},
		{"a form", "POST", "/graphql", "query={viewer{name}}", []string{"Content-Type", "application/x-www-form-urlencoded"}, 415, "application/json"},
		{"plain text, as a form can send", "POST", "/graphql", viewer, []string{"Content-Type", "text/plain"}, 415, "application/json"},
		{"no type", "POST", "/graphql", viewer, nil, 415, "application/json"},
		{"broken JSON", "POST", "/graphql", `{"query": "mutation { x(password: \"hunter2\")`, []string{"Content-Type", asJSON}, 400, "must be one JSON object"},
		{"no query", "POST", "/graphql", `{}`, []string{"Content-Type", asJSON}, 400, "must be one JSON object"},
		{"a batch", "POST", "/graphql", "[" + viewer + "]", []string{"Content-Type", asJSON}, 400, "must be one JSON object"},
		{"too long", "POST", "/graphql", `{"query":"` + strings.Repeat(" ", 4<<20) + `"}`, []string{"Content-Type", asJSON}, 413, "4 MiB"},
		{"PUT", "PUT", "/graphql", viewer, []string{"Content-Type", asJSON}, 405, "GET and POST"},
		{"another site's page", "POST", "/graphql", viewer, []string{"Content-Type", asJSON, "Sec-Fetch-Site", "cross-site"}, 403, "cross-origin"},
		{"a syntax error", "POST", "/graphql", `{"query":"{ viewer { "}`, []string{"Content-Type", asJSON}, 422, "GRAPHQL_PARSE_FAILED"},
		{"an unknown field", "POST", "/graphql", `{"query":"{ secrets }"}`, []string{"Content-Type", asJSON}, 422, "GRAPHQL_VALIDATION_FAILED"},
	} {
		rec := w.send(w.ours, c.method, c.target, c.body, c.headers...)
		if rec.Code != c.status || !strings.Contains(rec.Body.String(), c.says) || strings.Contains(rec.Body.String(), "hunter2") {
			t.Errorf("%s: %d %s; want %d with %q", c.name, rec.Code, rec.Body, c.status, c.says)
		}
	}
	if rec := w.send(context.Background(), "POST", "/graphql", viewer, "Content-Type", asJSON); rec.Code != 500 || !strings.Contains(rec.Body.String(), "INTERNAL") {
		t.Errorf("F1: without an organization: %d %s", rec.Code, rec.Body)
	}
}

// TestF3_Operations: an operation is bounded in words, depth and size.
func TestF3_Operations(t *testing.T) {
	w := newWorld(t)
	deep := "id"
	for range 12 {
		deep = "upstreams { registry { " + deep + " } }"
	}
	for name, c := range map[string]struct{ query, code string }{
		"words": {"{ viewer { " + strings.Repeat("name ", 5000) + "} }", "GRAPHQL_PARSE_FAILED"},
		"depth": {"{ registries(first: 1) { edges { node { " + deep + " } } } }", "DEPTH_LIMIT_EXCEEDED"},
		"depth by fragments": {"fragment f on Registry { upstreams { registry { upstreams { registry { upstreams { registry { upstreams { registry { name } } } } } } } } } " +
			"{ registry(name: \"x\") { upstreams { registry { upstreams { registry { upstreams { registry { upstreams { registry { upstreams { registry { upstreams { registry { ...f } } } } } } } } } } } } } }", "DEPTH_LIMIT_EXCEEDED"},
		"pages in pages":   {"{ registries(first: 100) { edges { node { packages(first: 100) { edges { node { versions(first: 100) { edges { node { version } } } } } } } } } }", "COMPLEXITY_LIMIT_EXCEEDED"},
		"pages by default": {"{ registries { edges { node { packages { edges { node { versions { edges { node { explain { effect } } } } } } } } } } }", "COMPLEXITY_LIMIT_EXCEEDED"},
		"overflow": {"{ registries(first: 2000000000) { edges { node { packages(first: 2000000000) { edges { node { versions(first: 2000000000) { edges { node { heldBy { name } } } } } } } } } } }",
			"COMPLEXITY_LIMIT_EXCEEDED"},
		"aliases": {"{ " + func() (s string) {
			for i := range 30 {
				s += fmt.Sprintf("a%d: registries(first: 100) { edges { node { packages(first: 40) { edges { node { name } } } } } } ", i)
			}
			return s
		}() + "}", "COMPLEXITY_LIMIT_EXCEEDED"},
		"a page of nothing":  {"{ registries(first: 0) { totalCount } }", "INVALID"},
		"a negative page":    {"{ registries(first: -1) { totalCount } }", "INVALID"},
		"a cursor from home": {`{ registries(after: "x") { totalCount } }`, "INVALID"},
	} {
		if a := w.ask(w.ours, c.query, nil); a.code() != c.code {
			t.Errorf("%s: %v; want %s", name, a.Errors, c.code)
		}
	}
	ids := make([]string, 101)
	for i := range ids {
		ids[i] = id("Registry", orgOf(t, w.ours))
	}
	if a := w.ask(w.ours, `query($ids: [ID!]!) { nodes(ids: $ids) { id } }`, vars{"ids": ids}); a.code() != "TOO_LARGE" {
		t.Errorf("101 nodes: %v", a.Errors)
	}
}

// TestIntrospection: tools of members read the schema, strangers do not.
func TestIntrospection(t *testing.T) {
	w := newWorld(t)
	// As deep as the query that tools send.
	const query = `{ __schema { types { name fields(includeDeprecated: true) { name args { name type { ...t } } type { ...t } } inputFields { name type { ...t } }
		interfaces { ...t } enumValues(includeDeprecated: true) { name } possibleTypes { ...t } } directives { name args { name type { ...t } } } } }
		fragment t on __Type { kind name ofType { kind name ofType { kind name ofType { kind name ofType { kind name ofType { kind name ofType { kind name ofType { kind name } } } } } } } }`
	member := w.member(w.ours, "ana")
	var out struct{ Schema struct{ Types []any } }
	w.into(member, strings.Replace(query, "__schema", "schema: __schema", 1), nil, &out)
	if len(out.Schema.Types) < 50 {
		t.Errorf("a member sees %d types", len(out.Schema.Types))
	}
	a := w.ask(w.anonymous(w.ours), query, nil)
	if a.code() != "UNAUTHENTICATED" || strings.Contains(string(a.Data), "Registry") {
		t.Errorf("a stranger reads the schema: %v %.200s", a.Errors, a.Data)
	}
	endless := `fragment f on __Type { fields { type { fields { type { fields { type { fields { type { fields { name } } } } } } } } } } { __schema { types { ...f } } }`
	if a := w.ask(member, endless, nil); a.code() == "" {
		t.Errorf("the schema of the schema of the schema has %d bytes", len(a.Data))
	}
}

// TestErrorsSayNothingOfUs: a fault of ours is INTERNAL, is logged, and shows
// neither table names nor SQL.
func TestErrorsSayNothingOfUs(t *testing.T) {
	w := newWorld(t)
	h := w.hierarchy(w.ours)
	w.ok(w.db.InTx(w.ours, func(ctx context.Context, tx *db.Tx) error {
		_, err := tx.Exec(ctx, `UPDATE policy_rules SET params = '{"minAge": "soon"}' WHERE registry_id = $1`, h.firewall)
		return err
	}))
	a := w.ask(w.ours, `{ registry(name: "firewall") { name rules { name } } }`, nil)
	if a.code() != "INTERNAL" || strings.Contains(a.Errors[0].Message, "soon") || !strings.Contains(string(a.Data), `"name":"firewall"`) {
		t.Errorf("%s %v", a.Data, a.Errors)
	}
	if !strings.Contains(w.log.String(), "soon") || !strings.Contains(w.log.String(), "rules") {
		t.Errorf("the log does not help: %s", w.log)
	}
}

// TestF5_Arguments: an argument that cannot be is INVALID and says why.
func TestF5_Arguments(t *testing.T) {
	w := newWorld(t)
	h := w.hierarchy(w.ours)
	for name, c := range map[string]struct {
		query string
		vars  vars
		says  string
	}{
		"time":         {`query($f: AuditEventFilter) { auditEvents(filter: $f) { edges { cursor } } }`, vars{"f": vars{"from": "yesterday"}}, "RFC 3339"},
		"duration":     {`mutation($i: AddRuleInput!) { addRule(input: $i) { rule { id } } }`, vars{"i": vars{"registry": id("Registry", h.team), "name": "x", "kind": "MINIMUM_AGE", "effect": "DENY", "minAge": "3 days"}}, "ISO 8601"},
		"purl":         {`query($r: ID!) { explain(registry: $r, purl: "left-pad@1") { effect } }`, vars{"r": id("Registry", h.team)}, "pkg:npm/"},
		"no version":   {`query($r: ID!) { explain(registry: $r, purl: "pkg:npm/left-pad") { effect } }`, vars{"r": id("Registry", h.team)}, "names no version"},
		"other system": {`query($r: ID!) { explain(registry: $r, purl: "pkg:pypi/left-pad@1.0") { effect } }`, vars{"r": id("Registry", h.team)}, "PYPI"},
		"name":         {`query($r: ID!) { package(registry: $r, name: "..") { name } }`, vars{"r": id("Registry", h.team)}, "name"},
		"version":      {`query($r: ID!) { version(registry: $r, package: "left-pad", version: "one") { version } }`, vars{"r": id("Registry", h.team)}, "version"},
		"both":         {`query($r: ID!) { registry(id: $r, name: "team") { name } }`, vars{"r": id("Registry", h.team)}, "either"},
		"neither":      {`{ registry { name } }`, nil, "either"},
		"other order":  {`query($c: String) { registries(after: $c, orderBy: {by: CREATED}) { totalCount } }`, vars{"c": firstCursor(w, `{ registries(first: 1) { pageInfo { endCursor } } }`)}, "same order"},
	} {
		a := w.ask(w.ours, c.query, c.vars)
		if a.code() != "INVALID" || !strings.Contains(a.Errors[0].Message, c.says) {
			t.Errorf("%s: %v; want INVALID with %q", name, a.Errors, c.says)
		}
	}
	for _, c := range []string{`{ "query": "query($n: Int) { registries(first: $n) { totalCount } }", "variables": {"n": "x"} }`,
		`{ "query": "query($n: RegistryFilter) { registries(filter: $n) { totalCount } }", "variables": {"n": {"kind": "NONE"}} }`} {
		rec := w.send(w.ours, http.MethodPost, "/graphql", c, "Content-Type", "application/json")
		var a answer
		w.ok(json.Unmarshal(rec.Body.Bytes(), &a))
		if a.code() == "" || a.code() == "INTERNAL" {
			t.Errorf("%s: %s", c, rec.Body)
		}
	}
	if w.log.Len() > 0 {
		t.Errorf("what clients do wrong is no fault of ours: %s", w.log)
	}
}

func firstCursor(w *world, query string) string {
	var out struct {
		Registries struct{ PageInfo struct{ EndCursor string } }
	}
	w.into(w.ours, query, nil, &out)
	return out.Registries.PageInfo.EndCursor
}

// TestT3_WrongIDs: an id of another type, another spelling, or none at all is
// the same as one that does not exist.
func TestT3_WrongIDs(t *testing.T) {
	w := newWorld(t)
	s := w.seed(w.ours)
	owner := w.member(w.ours, "owner", access.Place{Role: access.Owner})
	for _, field := range []struct{ query, own string }{
		{`query($id: ID!) { hold(id: $id) { id } }`, "hold"},
		{`query($id: ID!) { cascade(id: $id) { id } }`, "cascade"},
		{`query($id: ID) { registry(id: $id) { id } }`, "team"},
		{`query($id: ID!) { packages(registry: $id) { totalCount } }`, "team"},
		{`query($id: ID) { holds(registry: $id) { totalCount } }`, "team"},
		{`mutation($id: ID!) { releaseHold(input: {hold: $id, reason: "x"}) { hold { id } } }`, "hold"},
		{`mutation($id: ID!) { removeRule(input: {rule: $id}) { registry { id } } }`, "rule"},
		{`mutation($id: ID!) { liftTombstone(input: {tombstone: $id, reason: "x"}) { tombstone { id } } }`, "tombstone"},
		{`mutation($id: ID!) { removeUpstream(input: {upstream: $id}) { registry { id } } }`, "upstreamA"},
		{`mutation($id: ID!) { revokeToken(input: {token: $id}) { token } }`, "token"},
	} {
		var said string
		for _, wrong := range []any{id("Hold", s.team), id("Registry", orgOf(t, w.ours)), s.words["remote"], s.words["advisory"], s.words["team"], s.words["hold"], "", "no id", 7} {
			if wrong == s.words[field.own] {
				continue
			}
			a := w.ask(owner, field.query, vars{"id": wrong})
			if a.code() != "NOT_FOUND" {
				t.Errorf("%s with %v: %s %v", field.query, wrong, a.Data, a.Errors)
				continue
			}
			if said == "" {
				said = a.Errors[0].Message
			}
			if a.Errors[0].Message != said {
				t.Errorf("%s with %v says %q, and %q otherwise", field.query, wrong, a.Errors[0].Message, said)
			}
		}
	}
}
