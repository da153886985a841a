package graph_test

import (
	"context"
	"encoding/json"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/vektah/gqlparser/v2"
	"github.com/vektah/gqlparser/v2/ast"

	"sluice.dev/sluice/tenants/access"
)

func schema(t *testing.T) *ast.Schema {
	t.Helper()
	text, err := os.ReadFile("../schema.graphql")
	if err != nil {
		t.Fatal(err)
	}
	s, err := gqlparser.LoadSchema(&ast.Source{Name: "schema.graphql", Input: string(text)})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// rootFields are the names of all queries, mutations and subscriptions.
func rootFields(t *testing.T) (out []string) {
	s := schema(t)
	for _, root := range []*ast.Definition{s.Query, s.Mutation, s.Subscription} {
		for _, f := range root.Fields {
			if !strings.HasPrefix(f.Name, "__") {
				out = append(out, f.Name)
			}
		}
	}
	return out
}

// streamFields are the names of all subscriptions.
func streamFields(t *testing.T) (out []string) {
	for _, f := range schema(t).Subscription.Fields {
		if !strings.HasPrefix(f.Name, "__") {
			out = append(out, f.Name)
		}
	}
	return out
}

// last are the examples that change what others look at, in their order.
var last = []string{"createFirewall", "createRegistry", "updateRegistry", "undeleteRegistry", "createRemote", "addUpstream", "reorderUpstreams",
	"removeUpstream", "deleteRegistry", "addRule", "updateRule", "removeRule", "releaseHold", "quarantineVersion", "quarantinePackage",
	"quarantineRange", "releaseVersion", "deleteVersion", "liftTombstone", "createToken", "createServiceToken", "revokeToken",
	"createTrustRule", "updateTrustRule", "deleteTrustRule", "transferOwnership", "leaveOrganization", "deleteOrganization"}

// TestExamples runs every example as an owner: each field of the API has one,
// each works, and none has an empty answer.
func TestExamples(t *testing.T) {
	w := newWorld(t)
	s := w.seed(w.ours)
	owner := w.member(w.ours, "owner", access.Place{Role: access.Owner})
	// Who does what ends what they may do is another one than who goes on.
	others := map[string]context.Context{
		"transferOwnership": w.member(w.ours, "second-owner", access.Place{Role: access.Owner}),
		"leaveOrganization": w.member(w.ours, "leaver", access.Place{Role: access.Ordinary}),
	}
	all := examples(t)
	slices.SortStableFunc(all, func(a, b example) int { return slices.Index(last, a.name) - slices.Index(last, b.name) })
	var names []string
	for _, e := range all {
		names = append(names, e.name)
		if slices.Contains(streamFields(t), e.name) {
			if a := w.open(owner, e.query, e.with(t, s), false); len(a.Errors) > 0 {
				t.Errorf("%s: %s", e.name, a.Errors[0].Message)
			}
			continue
		}
		who := owner
		if other, ok := others[e.name]; ok {
			who = other
		}
		a := w.askWith(who, e.query, e.with(t, s), exampleFiles[e.name])
		if len(a.Errors) > 0 {
			t.Errorf("%s: %s %s\nlog: %s", e.name, a.Errors[0].Extensions.Code, a.Errors[0].Message, w.log)
			continue
		}
		var data map[string]any
		w.ok(json.Unmarshal(a.Data, &data))
		if text := string(a.Data); data[e.name] == nil || strings.Contains(text, `"edges":[],"pageInfo"`) || strings.Contains(text, `"message":`) {
			t.Errorf("%s: the answer shows nothing: %s", e.name, text)
		}
	}
	for _, f := range rootFields(t) {
		if !slices.Contains(names, f) {
			t.Errorf("%s has no example", f)
		}
	}
}
