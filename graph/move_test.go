package graph_test

import (
	"strings"
	"testing"

	"sluice.dev/sluice/tenants/access"
)

const uploadQuery = `mutation($input: UploadVersionInput!) { uploadVersion(input: $input) { version { version } userErrors { field message } } }`

// TestF3_Forms: a form that is none for an operation with a file gets a clear
// answer, and a page of another site none.
func TestF3_Forms(t *testing.T) {
	w := newWorld(t)
	h := w.hierarchy(w.ours)
	good := `{"query":"` + uploadQuery + `","variables":{"input":{"registry":"` + id("Registry", h.team) + `","file":null}}}`
	operations, places, file := [3]string{"operations", good}, [3]string{"map", `{"0":["variables.input.file"]}`}, [3]string{"0", "@acme/a 1.0.0", "a.tgz"}
	for name, c := range map[string]struct {
		preflight string
		parts     [][3]string
		status    int
		says      string
	}{
		"no header":          {"", [][3]string{operations, places, file}, 400, "GraphQL-Preflight"},
		"nothing":            {"1", nil, 400, "operations is missing"},
		"the order":          {"1", [][3]string{places, operations, file}, 400, "operations is missing"},
		"no map":             {"1", [][3]string{operations, file}, 400, "map is missing"},
		"no file":            {"1", [][3]string{operations, places}, 400, "no file"},
		"another file":       {"1", [][3]string{operations, places, {"1", "x", "x"}}, 400, "must name the file"},
		"two files":          {"1", [][3]string{operations, {"map", `{"0":["variables.input.file"],"1":["variables.x"]}`}, file}, 400, "one is allowed"},
		"two variables":      {"1", [][3]string{operations, {"map", `{"0":["variables.input.file","variables.input.x"]}`}, file}, 400, "one variable"},
		"not in variables":   {"1", [][3]string{operations, {"map", `{"0":["query"]}`}, file}, 400, "must begin with variables."},
		"nowhere":            {"1", [][3]string{operations, {"map", `{"0":["variables.a.b"]}`}, file}, 400, "no object"},
		"where something is": {"1", [][3]string{operations, {"map", `{"0":["variables.input.registry"]}`}, file}, 400, "leave null there"},
		"broken JSON":        {"1", [][3]string{{"operations", "{"}, places, file}, 400, "not the JSON"},
		"a batch":            {"1", [][3]string{{"operations", "[" + good + "]"}, places, file}, 400, "not the JSON"},
		"too long":           {"1", [][3]string{{"operations", strings.Repeat(" ", 1<<20+1)}, places, file}, 413, "1 MiB"},
		"no such field":      {"1", [][3]string{{"operations", `{"query":"{ secrets }","variables":{"input":{}}}`}, places, file}, 422, "GRAPHQL_VALIDATION_FAILED"},
		"no package":         {"1", [][3]string{operations, places, {"0", "junk", "a.tgz"}}, 200, "the file is no package"},
		"right":              {"1", [][3]string{operations, places, file}, 200, `"version":"1.0.0"`},
		"again":              {"1", [][3]string{operations, places, {"0", "left-pad 1.0.0", "a.tgz"}}, 200, "FORBIDDEN"},
	} {
		rec := w.form(w.ours, c.preflight, c.parts...)
		if rec.Code != c.status || !strings.Contains(rec.Body.String(), c.says) {
			t.Errorf("%s: %d %s; want %d with %q", name, rec.Code, rec.Body, c.status, c.says)
		}
	}
	if a := w.ask(w.ours, uploadQuery, vars{"input": vars{"registry": id("Registry", h.team), "file": "text"}}); len(a.Errors) != 1 || !strings.Contains(a.Errors[0].Message, "must be sent beside the operation") {
		t.Errorf("a text for a file: %+v", a)
	}
}

// TestR11_ForwardingNeedsTheTarget: whoever configures a registry cannot make it
// write where they may not themselves.
func TestR11_ForwardingNeedsTheTarget(t *testing.T) {
	w := newWorld(t)
	s := w.seed(w.ours)
	dev, base := s.words["dev"], s.words["base"]
	all := w.find(w.ours, "dev")
	local := w.member(w.ours, "local", access.Place{Role: access.RegistryAdmin, Registry: all}, access.Place{Role: access.Reader, Registry: w.find(w.ours, "base")})
	query := `mutation($input: SetForwardingInput!) { setForwarding(input: $input) { registry { forwarding { to { name } } } userErrors { message } } }`
	if a := w.ask(local, query, vars{"input": vars{"registry": dev, "to": base}}); a.code() != "FORBIDDEN" {
		t.Errorf("%s %+v", a.Data, a.Errors)
	}
	promote := `mutation($input: PushVersionInput!) { pushVersion(input: $input) { version { version } userErrors { message } } }`
	if a := w.ask(local, promote, vars{"input": vars{"from": dev, "to": base, "package": "@acme/greeting", "version": "1.0.0"}}); a.code() != "FORBIDDEN" {
		t.Errorf("%s %+v", a.Data, a.Errors)
	}
	var out struct {
		AddRule struct {
			Rule       struct{ Kind string }
			UserErrors []struct{ Message string }
		}
	}
	for _, kind := range []string{"IMMUTABLE", "BLOCK_DOWNSTREAM"} {
		w.into(w.ours, `mutation($input: AddRuleInput!) { addRule(input: $input) { rule { kind } userErrors { message } } }`,
			vars{"input": vars{"registry": base, "name": kind, "kind": kind, "effect": "DENY"}}, &out)
		if out.AddRule.Rule.Kind != kind {
			t.Errorf("P9: %s: %+v", kind, out.AddRule.UserErrors)
		}
	}
}
