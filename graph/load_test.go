package graph_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/uuid"

	"sluice.dev/sluice/tenants/coord"
	"sluice.dev/sluice/tenants/policy"
	"sluice.dev/sluice/tenants/quarantine"
	"sluice.dev/sluice/tenants/registry"
)

// TestNoNPlusOne: a nested list of many objects costs as many statements as one
// of few.
func TestNoNPlusOne(t *testing.T) {
	w := newWorldWaiting(t, 150*time.Millisecond) // however slow the machine, what belongs together comes together
	h := w.hierarchy(w.ours)
	const query = `{ registries(first: 100) { totalCount edges { node {
		name
		upstreams { source { ... on Registry { name rules { name } downstreams { name } } ... on Remote { name } } }
		downstreams { name }
		rules { name registry { name } }
		holds(first: 3) { totalCount edges { node { package registry { name } root { id } cascades { total } inherited(first: 2) { totalCount edges { node { id open root { id } } } } } } }
		packages(first: 2) { totalCount edges { node { name versionCount versions(first: 1) { edges { node { version files { name } holds { id } findings { id } heldBy { name } } } } } } }
	} } } }`
	ask := func() (statements int64, registries int) {
		before := w.sql.n.Load()
		var out struct {
			Registries struct{ Edges []any }
		}
		w.into(w.ours, query, nil, &out)
		return w.sql.n.Load() - before, len(out.Registries.Edges)
	}
	grow := func(n int) {
		for i := range n {
			team, err := w.registries.Create(w.ours, registry.CreateInput{Kind: registry.PackageRegistry, Ecosystem: coord.NPM, Name: fmt.Sprintf("team-%d-%d", n, i),
				Upstream: &registry.UpstreamInput{Source: h.firewall}})
			w.ok(err)
			_, err = w.registries.AddRule(w.ours, team.ID, policy.Rule{Name: "malware", Kind: policy.KindMalware, Mode: policy.Enforce, Effect: policy.Deny,
				Applies: policy.NewAndHeld, OnViolation: policy.Hide, Unknown: policy.UnknownWarn})
			w.ok(err)
			name := fmt.Sprintf("package-%d-%d", n, i)
			w.hold(w.ours, h.remote, name, "1.0.0", h.firewall, team.ID)
			for _, where := range []uuid.UUID{h.firewall, team.ID} {
				_, err = w.quarantine.Hold(w.ours, quarantine.HoldInput{Registry: where, Name: name, Version: "1.0.0", Reason: "odd"})
				w.ok(err)
			}
		}
		w.work(w.ours)
	}
	grow(1)
	few, small := ask()
	grow(40)
	many, large := ask()
	if small != 3 || large != 43 {
		t.Fatalf("%d and %d registries, so this proves nothing", small, large)
	}
	t.Logf("%d statements for %d registries, %d for %d", few, small, many, large)
	if many > few+2 {
		t.Errorf("%d statements for %d registries, and %d for %d: some field asks once per object", few, small, many, large)
	}
}
