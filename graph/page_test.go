package graph_test

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"sluice.dev/sluice/tenants/access"
	"sluice.dev/sluice/tenants/audit"
	"sluice.dev/sluice/tenants/coord"
	"sluice.dev/sluice/tenants/quarantine"
	"sluice.dev/sluice/tenants/registry"
)

// connection is what all lists have in common.
type connection struct {
	TotalCount *int
	PageInfo   struct {
		HasNextPage, HasPreviousPage bool
		StartCursor, EndCursor       *string
	}
	Edges []struct {
		Cursor string
		Node   json.RawMessage
	}
}

// list finds the connection in an answer, however deep.
func (a answer) list(t *testing.T) connection {
	t.Helper()
	var c connection
	for raw := a.Data; ; {
		var fields map[string]json.RawMessage
		if err := json.Unmarshal(raw, &fields); err != nil {
			t.Fatalf("no list in %s %v", a.Data, a.Errors)
		}
		if fields["pageInfo"] != nil {
			if err := json.Unmarshal(raw, &c); err != nil {
				t.Fatal(err)
			}
			return c
		}
		for _, raw = range fields {
		}
	}
}

// TestPages walks every list in pages of two: together they are the list, each
// row once and in its order, whichever way it is ordered.
func TestPages(t *testing.T) {
	w := newWorld(t)
	s := w.seed(w.ours)
	owner := w.member(w.ours, "owner", access.Place{Role: access.Owner})
	const n = 5
	for i := range n {
		// Some rows have the same time, so that ids must decide.
		if i == 2 {
			w.now = w.now.Add(time.Second)
		}
		name := fmt.Sprintf("thing-%d", i)
		w.hold(w.ours, s.remote, name, "1.0.0", s.firewall, s.team)
		w.hold(w.ours, s.remote, "many", fmt.Sprintf("1.%d.0", i*5), s.firewall, s.team)
		for _, place := range []string{"spare", "lib"} {
			_, err := w.registries.Create(w.ours, registry.CreateInput{Kind: registry.PackageRegistry, Ecosystem: coord.NPM, Name: fmt.Sprintf("%s-%d", place, i)})
			w.ok(err)
		}
		_, err := w.registries.CreateRemote(w.ours, registry.RemoteInput{Ecosystem: coord.NPM, Name: name, BaseURL: "https://remote.example"})
		w.ok(err)
		_, err = w.quarantine.Hold(w.ours, quarantine.HoldInput{Registry: s.firewall, Name: name, Version: "1.0.0", Reason: "odd"})
		w.ok(err)
		_, err = w.quarantine.Hold(w.ours, quarantine.HoldInput{Registry: s.firewall, Name: "gone", Version: fmt.Sprintf("1.%d.0", i), Reason: "odd"})
		w.ok(err)
		gone, err := w.quarantine.Delete(w.ours, s.firewall, "gone", fmt.Sprintf("1.%d.0", i), "odd")
		w.ok(err)
		w.work(w.ours)
		_, err = w.quarantine.Lift(w.ours, gone.Tombstone.ID, "even")
		w.ok(err)
		w.member(w.ours, fmt.Sprintf("member-%d", i))
		_, token, err := w.access.CreateToken(w.ours, access.TokenInput{Name: name})
		w.ok(err)
		v := coord.Version{Package: coord.Package{Ecosystem: coord.NPM, Name: "left-pad"}, Version: "1.0.0"}
		w.ok(w.decisions.Allowed(w.ours, s.team, token.ID, v))
		_, err = w.decisions.Refused(w.ours, audit.Answer{Registry: s.team, Token: token.ID, Version: v, Channel: audit.ChannelFile, Effect: "DENY", Decision: map[string]any{}})
		w.ok(err)
	}
	w.ok(w.decisions.Flush(w.ours))
	whole, err := w.quarantine.Hold(w.ours, quarantine.HoldInput{Registry: s.firewall, Name: "many", Reason: "odd"})
	w.ok(err)
	w.work(w.ours)
	const page = "pageInfo { hasNextPage hasPreviousPage startCursor endCursor } edges { cursor node "
	for name, c := range map[string]struct {
		query string
		least int
	}{
		"registries by name":      {`registries(first: $first, after: $after) { totalCount ` + page + `{ id key: name } } }`, 2 * n},
		"registries by name down": {`registries(first: $first, after: $after, orderBy: {direction: DESC}) { totalCount ` + page + `{ id key: name } } }`, 2 * n},
		"registries by creation":  {`registries(first: $first, after: $after, orderBy: {by: CREATED}) { totalCount ` + page + `{ id key: createdAt } } }`, 2 * n},
		"registries newest":       {`registries(first: $first, after: $after, orderBy: {by: CREATED, direction: DESC}) { totalCount ` + page + `{ id key: createdAt } } }`, 2 * n},
		"remotes":                 {`remotes(first: $first, after: $after) { totalCount ` + page + `{ id key: createdAt } } }`, n},
		"packages":                {`packages(registry: $r, first: $first, after: $after) { totalCount ` + page + `{ id key: name } } }`, n},
		"packages down":           {`packages(registry: $r, first: $first, after: $after, direction: DESC) { totalCount ` + page + `{ id key: name } } }`, n},
		"versions":                {`package(registry: $r, name: "many") { versions(first: $first, after: $after) { totalCount ` + page + `{ id } } } }`, n},
		"holds":                   {`holds(first: $first, after: $after) { totalCount ` + page + `{ id key: openedAt } } }`, n},
		"holds up":                {`holds(first: $first, after: $after, direction: ASC) { totalCount ` + page + `{ id key: openedAt } } }`, n},
		"holds of a registry":     {`registry(id: $r) { holds(first: $first, after: $after) { totalCount ` + page + `{ id key: openedAt } } } }`, n},
		"inherited":               {`hold(id: $h) { inherited(first: $first, after: $after) { totalCount ` + page + `{ id key: openedAt } } } }`, n},
		"tombstones":              {`tombstones(first: $first, after: $after) { totalCount ` + page + `{ id key: createdAt } } }`, n},
		"decisions":               {`decisions(first: $first, after: $after) { ` + page + `{ id key: at } } }`, n},
		"auditEvents":             {`auditEvents(first: $first, after: $after, filter: {objectType: "tombstone"}) { ` + page + `{ id key: at } } }`, n},
		"members":                 {`members(first: $first, after: $after) { ` + page + `{ id key: createdAt } } }`, n},
		"tokens":                  {`tokens(first: $first, after: $after) { ` + page + `{ id key: createdAt } } }`, n},
		"deliveries":              {`blastRadius(registry: $r, package: "left-pad") { deliveries(first: $first, after: $after) { ` + page + `{ registry { id } token { name } count } } } }`, n},
	} {
		t.Run(name, func(t *testing.T) {
			v := vars{}
			if strings.Contains(c.query, "$r") {
				v["r"] = s.words["firewall"]
			}
			if strings.Contains(c.query, "$h") {
				v["h"] = id("Hold", whole.ID)
			}
			w.walk(t, owner, c.query, v, c.least)
		})
	}
}

// walk goes through a list in pages of two, whose variables are ids, and
// compares them with the whole.
func (w *world) walk(t *testing.T, who context.Context, list string, ids vars, least int) {
	t.Helper()
	ask := func(first int, after *string) connection {
		query, v := `query($first: Int, $after: String`, vars{"first": first, "after": after}
		for name, id := range ids {
			query, v[name] = query+", $"+name+": ID!", id
		}
		a := w.ask(who, query+") { "+list+" }", v)
		if len(a.Errors) > 0 {
			t.Fatal(a.Errors[0].Message)
		}
		return a.list(t)
	}
	all := ask(1000, nil)
	if len(all.Edges) < least || len(all.Edges) > 100 || all.PageInfo.HasNextPage || all.PageInfo.HasPreviousPage {
		t.Fatalf("%d rows, next %v", len(all.Edges), all.PageInfo)
	}
	if all.TotalCount != nil && *all.TotalCount != len(all.Edges) {
		t.Errorf("the total is %d, and there are %d", *all.TotalCount, len(all.Edges))
	}
	var got []string
	for after := (*string)(nil); ; {
		p := ask(2, after)
		if p.PageInfo.HasPreviousPage != (after != nil) || len(p.Edges) == 0 || *p.PageInfo.StartCursor != p.Edges[0].Cursor {
			t.Fatalf("after %v: %+v", after, p)
		}
		for _, e := range p.Edges {
			got = append(got, string(e.Node))
		}
		if after = p.PageInfo.EndCursor; !p.PageInfo.HasNextPage {
			break
		}
	}
	var want []string
	for _, e := range all.Edges {
		want = append(want, string(e.Node))
	}
	if !slices.Equal(got, want) {
		t.Errorf("in pages %v, at once %v", got, want)
	}
}

// TestPages_Capped: nobody gets more than a hundred at once.
func TestPages_Capped(t *testing.T) {
	w := newWorld(t)
	h := w.hierarchy(w.ours)
	for i := range 101 {
		w.hold(w.ours, h.remote, fmt.Sprintf("p%03d", i), "1.0.0", h.team)
	}
	var out struct {
		Packages struct {
			TotalCount int
			Edges      []struct{ Node struct{ Name string } }
			PageInfo   struct{ HasNextPage bool }
		}
	}
	w.into(w.ours, `query($r: ID!) { packages(registry: $r, search: "p", first: 5000) { totalCount edges { node { name } } pageInfo { hasNextPage } } }`,
		vars{"r": id("Registry", h.team)}, &out)
	if p := out.Packages; len(p.Edges) != 100 || !p.PageInfo.HasNextPage || p.TotalCount != 101 || p.Edges[99].Node.Name != "p099" {
		t.Errorf("%d of %d, last %s", len(p.Edges), p.TotalCount, p.Edges[len(p.Edges)-1].Node.Name)
	}
	w.into(w.ours, `query($r: ID!) { packages(registry: $r, search: "p_") { totalCount edges { node { name } } pageInfo { hasNextPage } } }`,
		vars{"r": id("Registry", h.team)}, &out)
	if out.Packages.TotalCount != 0 {
		t.Errorf("an underscore is no wildcard: %d", out.Packages.TotalCount)
	}
}
