package graph_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"
)

func repeated(n int, format string) string {
	var b strings.Builder
	for i := range n {
		b.WriteString(strings.ReplaceAll(format, "%d", fmt.Sprint(i)))
	}
	return b.String()
}

// TestF3_HostileDocuments: what is made to keep the server busy is refused with
// its code, quickly, and before anything asks the database.
func TestF3_HostileDocuments(t *testing.T) {
	w := newWorld(t)
	member, nobody := w.member(w.ours, "ana"), w.anonymous(w.ours)
	bomb := "query { viewer { ...f0 } } " + func() (s string) {
		for i := range 60 {
			s += fmt.Sprintf("fragment f%d on Viewer { ...f%d ...f%d } ", i, i+1, i+1)
		}
		return s + "fragment f60 on Viewer { name }"
	}()
	for name, c := range map[string]struct {
		query string
		vars  vars
		code  string
		open  bool // as nobody
	}{
		"aliases of pages":            {query: "{ " + repeated(30, "a%d: registries(first: 100) { edges { node { packages(first: 40) { edges { node { name } } } } } } ") + "}", code: "COMPLEXITY_LIMIT_EXCEEDED"},
		"aliases without end":         {query: "{ " + repeated(2000, "a%d: viewer { name } ") + "}", code: "GRAPHQL_PARSE_FAILED"},
		"a fragment bomb":             {query: bomb, code: "TOO_LARGE"},
		"a fragment bomb not spread":  {query: strings.Replace(bomb, "...f0", "name", 1), code: "TOO_LARGE"},
		"a circle of fragments":       {query: "{ viewer { ...a } } fragment a on Viewer { ...b } fragment b on Viewer { ...a }", code: "GRAPHQL_VALIDATION_FAILED"},
		"a fragment in itself":        {query: "{ viewer { ...a } } fragment a on Viewer { name ...a }", code: "GRAPHQL_VALIDATION_FAILED"},
		"a circle through fields":     {query: "{ registry(name: \"x\") { ...a } } fragment a on Registry { downstreams { ...a } }", code: "GRAPHQL_VALIDATION_FAILED"},
		"many fragments":              {query: "{ viewer { " + repeated(150, "...f%d ") + "} } " + repeated(150, "fragment f%d on Viewer { name } "), code: "TOO_LARGE"},
		"a flood of directives":       {query: "{ viewer { name " + strings.Repeat("@include(if: true) ", 200) + "} }", code: "TOO_LARGE"},
		"directives on many fields":   {query: "{ viewer { " + repeated(150, "a%d: name @skip(if: false) ") + "} }", code: "TOO_LARGE"},
		"directives of the server":    {query: "{ viewer @can(action: \"organization:read\") { name } }", code: "GRAPHQL_VALIDATION_FAILED"},
		"directives on operations":    {query: "query @unknown { viewer { name } }", code: "GRAPHQL_VALIDATION_FAILED"},
		"deep fields":                 {query: "{ registries(first: 1) { edges { node { " + strings.Repeat("upstreams { registry { ", 10) + "id" + strings.Repeat(" } }", 10) + " } } } }", code: "DEPTH_LIMIT_EXCEEDED"},
		"deep lists":                  {query: "{ nodes(ids: " + strings.Repeat("[", 300) + strings.Repeat("]", 300) + ") { id } }", code: "TOO_LARGE"},
		"deep objects":                {query: "{ registries(filter: " + strings.Repeat("{kind: ", 300) + "X" + strings.Repeat("}", 300) + ") { totalCount } }", code: "TOO_LARGE"},
		"deep inline fragments":       {query: "{ viewer { " + strings.Repeat("... { ", 250) + "name" + strings.Repeat(" }", 250) + " } }", code: "TOO_LARGE"},
		"deep types of variables":     {query: "query($x: " + strings.Repeat("[", 300) + "ID" + strings.Repeat("]", 300) + ") { viewer { name } }", code: "TOO_LARGE"},
		"a huge text":                 {query: `{ registry(name: "` + strings.Repeat("x", 200<<10) + `") { name } }`, code: "TOO_LARGE"},
		"a huge comment":              {query: "{ viewer { name } } #" + strings.Repeat("x", 200<<10), code: "TOO_LARGE"},
		"a huge list":                 {query: "{ nodes(ids: [" + strings.Repeat(`"x",`, 5000) + "]) { id } }", code: "GRAPHQL_PARSE_FAILED"},
		"a huge number":               {query: "{ registries(first: " + strings.Repeat("9", 400) + ") { totalCount } }", code: "GRAPHQL_VALIDATION_FAILED"},
		"many operations":             {query: repeated(50, "query q%d { viewer { name } } "), code: "TOO_LARGE"},
		"two operations and no name":  {query: "query a { viewer { name } } query b { viewer { name } }", code: "GRAPHQL_VALIDATION_FAILED"},
		"pages in pages":              {query: "{ registries(first: 100) { edges { node { packages(first: 100) { edges { node { versions(first: 100) { edges { node { version } } } } } } } } } }", code: "COMPLEXITY_LIMIT_EXCEEDED"},
		"pages told by variables":     {query: "query($n: Int) { registries(first: $n) { edges { node { packages(first: $n) { edges { node { versions(first: $n) { edges { node { version } } } } } } } } } }", vars: vars{"n": 100}, code: "COMPLEXITY_LIMIT_EXCEEDED"},
		"pages of new lists":          {query: "{ findings(first: 100) { edges { node { registry { pulls(first: 100) { edges { node { items(first: 100) { edges { node { version } } } } } } } } } } }", code: "COMPLEXITY_LIMIT_EXCEEDED"},
		"questions to the gate":       {query: "{ registries(first: 100) { edges { node { holds(first: 100) { edges { node { blastRadius { fetches } } } } } } } }", code: "COMPLEXITY_LIMIT_EXCEEDED"},
		"one name for two fields":     {query: "{ viewer { a: name a: kind } }", code: "GRAPHQL_VALIDATION_FAILED"},
		"two streams at once":         {query: "subscription { advisoryImportProgress { id } scanProgress { id } }", code: "GRAPHQL_VALIDATION_FAILED"},
		"variables that are not used": {query: "query(" + repeated(50, "$v%d: Int ") + ") { viewer { name } }", code: "GRAPHQL_VALIDATION_FAILED"},
		"a control character":         {query: "{ viewer { name\u0000 } }", code: "GRAPHQL_PARSE_FAILED"},
		"the schema of the schema":    {query: "{ __schema { types { fields { type { fields { type { fields { type { fields { name } } } } } } } } } }", code: "GRAPHQL_VALIDATION_FAILED"},
		"the schema, as nobody":       {query: "{ __schema { types { name } } }", code: "UNAUTHENTICATED", open: true},
		"a type, as nobody":           {query: `{ __type(name: "Registry") { fields { name } } }`, code: "UNAUTHENTICATED", open: true},
	} {
		ctx := member
		if c.open {
			ctx = nobody
		}
		before, began := w.sql.n.Load(), time.Now()
		a := w.ask(ctx, c.query, c.vars)
		if len(a.Errors) == 0 || a.Errors[0].Extensions.Code != c.code {
			t.Errorf("%s: %.200v; want %s", name, a.Errors, c.code)
		}
		if n := w.sql.n.Load() - before; n > 0 {
			t.Errorf("%s: %d statements were run", name, n)
		}
		if took := time.Since(began); took > 5*time.Second {
			t.Errorf("%s: refusing it took %v", name, took)
		}
	}
	for name, body := range map[string]string{
		"a batch":        "[" + strings.Repeat(`{"query":"{ viewer { name } }"},`, 100) + `{"query":"{ viewer { name } }"}]`,
		"a deep body":    strings.Repeat(`{"query":`, 20_000),
		"deep variables": `{"query":"{ viewer { name } }","variables":` + strings.Repeat(`{"a":`, 20_000) + "1" + strings.Repeat("}", 20_000) + "}",
	} {
		before := w.sql.n.Load()
		rec := w.send(member, "POST", "/graphql", body, "Content-Type", "application/json")
		var a answer
		if err := json.Unmarshal(rec.Body.Bytes(), &a); err != nil || a.code() != "INVALID" || w.sql.n.Load() != before {
			t.Errorf("%s: %d %.200s", name, rec.Code, rec.Body)
		}
	}
	if w.log.Len() > 0 {
		t.Errorf("attacks are no faults of ours: %s", w.log)
	}
}
