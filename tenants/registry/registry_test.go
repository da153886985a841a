package registry_test

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"sluice.dev/sluice/ent/db"
	"sluice.dev/sluice/tenants/coord"
	"sluice.dev/sluice/tenants/errs"
	"sluice.dev/sluice/tenants/license"
	"sluice.dev/sluice/tenants/policy"
	"sluice.dev/sluice/tenants/registry"
)

// TestP11_NewRegistries: a firewall starts with the three rules, a package
// registry with none, and both are internal (O2).
func TestP11_NewRegistries(t *testing.T) {
	b := newBench(t)
	fw, pkg := b.firewall("fw"), b.registry("team")
	snap, err := b.shapes.Of(b.ours)
	b.ok(err)
	n := snap.Node(fw)
	if !n.Firewall || !n.Internal || len(n.Rules) != 3 {
		t.Fatalf("the firewall is %+v", n)
	}
	for i, want := range []struct {
		kind   policy.Kind
		effect policy.Effect
	}{{policy.KindVulnerability, policy.Quarantine}, {policy.KindMalware, policy.Quarantine}, {policy.KindLicense, policy.Warn}} {
		r := n.Rules[i]
		if r.Kind != want.kind || r.Effect != want.effect || r.Mode != policy.Enforce || r.Applies != policy.NewAndHeld || !r.AutoRelease || r.ID == uuid.Nil {
			t.Errorf("rule %d: %+v", i, r)
		}
	}
	if n.Rules[0].Params.MinSeverity != policy.SeverityHigh || n.Rules[2].Params.License == nil {
		t.Errorf("parameters: %+v, %+v", n.Rules[0].Params, n.Rules[2].Params)
	}
	if p := snap.Node(pkg); p.Firewall || !p.Internal || len(p.Rules) != 0 {
		t.Errorf("the package registry is %+v", p)
	}
	if got := snap.WithRules(coord.NPM); len(got) != 1 || got[0] != fw {
		t.Errorf("registries with rules: %v", got)
	}
	no := b.make(b.ours, registry.CreateInput{Kind: registry.PackageRegistry, Name: "patches", Internal: ptr(false)})
	if no.Internal {
		t.Error("the internal flag cannot be turned off")
	}
	if got := b.events(b.ours, "registry:create"); len(got) != 3 || got[0].ActorName != "test" || decoded(t, got[0].After)["name"] != "fw" {
		t.Errorf("audit: %v", got)
	}
}

// TestP11_OrganizationsLicensePolicy: the licence rule of a new firewall has the
// organization's default policy once it has set one, and a policy that cannot
// be used is said rather than passed over (F1).
func TestP11_OrganizationsLicensePolicy(t *testing.T) {
	b := newBench(t)
	set := func(p any) {
		raw, err := json.Marshal(p)
		b.ok(err)
		b.in(b.ours, func(ctx context.Context, tx *db.Tx) error {
			return tx.Ent.Organization.UpdateOneID(org(t, ctx)).SetLicensePolicy(raw).Exec(ctx)
		})
	}
	set(license.Policy{Rules: []license.Rule{{License: "WTFPL", Severity: license.High}}})
	fw := b.firewall("strict")
	snap, err := b.shapes.Of(b.ours)
	b.ok(err)
	got := snap.Node(fw).Rules[2].Params.License
	if len(got.Rules) != 1 || got.Rules[0].License != "WTFPL" || got.Missing != license.None {
		t.Errorf("the licence rule has the policy %+v", got)
	}
	set(map[string]any{"rules": []any{map[string]any{"license": "no such licence", "severity": "HIGH"}}})
	_, err = b.svc.Create(b.ours, registry.CreateInput{Kind: registry.Firewall, Name: "fw", Ecosystem: coord.NPM})
	b.is(err, errs.Conflict, "licence policy")
	theirs := b.make(b.theirs, registry.CreateInput{Kind: registry.Firewall, Name: "fw"})
	other, err := b.shapes.Of(b.theirs)
	b.ok(err)
	if len(other.Node(theirs.ID).Rules[2].Params.License.Rules) != len(license.DefaultPolicy().Rules) {
		t.Error("the other organization has another default policy")
	}
}

func TestCreate_Refuses(t *testing.T) {
	b := newBench(t)
	b.registry("taken")
	before := b.all()
	for _, c := range []struct {
		spoil func(*registry.CreateInput)
		kind  errs.Kind
		words []string
	}{
		{func(in *registry.CreateInput) { in.Ecosystem = "RUBY" }, errs.Invalid, []string{`"RUBY" is no ecosystem`, "NPM, PYPI, MAVEN or NUGET"}},
		{func(in *registry.CreateInput) { in.Ecosystem = "" }, errs.Invalid, []string{"no ecosystem"}},
		{func(in *registry.CreateInput) { in.Ecosystem = coord.Maven }, errs.Invalid,
			[]string{"the MAVEN protocol is not built yet", "a registry of it could serve nobody", "choose NPM, PYPI"}},
		{func(in *registry.CreateInput) { in.Kind = "PROXY" }, errs.Invalid, []string{`"PROXY" is no kind`, "FIREWALL or PACKAGE"}},
		{func(in *registry.CreateInput) { in.Name = "" }, errs.Invalid, []string{"no registry name"}},
		{func(in *registry.CreateInput) { in.Name = "Team" }, errs.Invalid, []string{`"Team"`, "lower-case"}},
		{func(in *registry.CreateInput) { in.Name = "-x" }, errs.Invalid, []string{"beginning and ending"}},
		{func(in *registry.CreateInput) { in.Name = "a/b" }, errs.Invalid, []string{"no registry name"}},
		{func(in *registry.CreateInput) { in.Name = strings.Repeat("x", 65) }, errs.Invalid, []string{"1 to 64"}},
		{func(in *registry.CreateInput) { in.Description = strings.Repeat("ü", 2001) }, errs.Invalid, []string{"2001 characters", "limit is 2000"}},
		{func(in *registry.CreateInput) { in.Name = "taken" }, errs.Conflict, []string{`"taken" exists already`}},
	} {
		in := registry.CreateInput{Kind: registry.PackageRegistry, Ecosystem: coord.NPM, Name: "fine"}
		c.spoil(&in)
		_, err := b.svc.Create(b.ours, in)
		b.is(err, c.kind, c.words...)
	}
	if b.all() != before {
		t.Error("a refused registry left an audit event")
	}
	b.make(b.ours, registry.CreateInput{Kind: registry.PackageRegistry, Name: strings.Repeat("x", 64), Description: strings.Repeat("ü", 2000)})
	b.make(b.theirs, registry.CreateInput{Kind: registry.PackageRegistry, Name: "taken"})
}

// TestR11_Rename: the name is free afterwards, the audit shows both, a change of
// nothing writes nothing, and others see nothing to rename.
func TestR11_Rename(t *testing.T) {
	b := newBench(t)
	id := b.registry("old")
	got, err := b.svc.Update(b.ours, id, ptr("new"), ptr("what it is for"), ptr(false))
	b.ok(err)
	if got.Name != "new" || got.Description != "what it is for" || got.Internal {
		t.Errorf("got %+v", got)
	}
	e := b.events(b.ours, "registry:update")
	if len(e) != 1 || decoded(t, e[0].Before)["name"] != "old" || decoded(t, e[0].After)["name"] != "new" {
		t.Errorf("audit: %v", e)
	}
	_, err = b.svc.Update(b.ours, id, ptr("new"), nil, nil)
	b.ok(err)
	_, err = b.svc.Update(b.ours, id, nil, nil, nil)
	b.ok(err)
	if n := len(b.events(b.ours, "registry:update")); n != 1 {
		t.Errorf("%d audit events after changes of nothing", n)
	}
	snap, err := b.shapes.Of(b.ours)
	b.ok(err)
	if snap.Named(coord.NPM, "old") != nil || snap.Named(coord.NPM, "new") == nil || snap.Named(coord.PyPI, "new") != nil {
		t.Error("the snapshot does not know the new name alone")
	}
	b.registry("old")
	_, err = b.svc.Update(b.ours, id, ptr("old"), nil, nil)
	b.is(err, errs.Conflict, `"old" exists already`)
	_, err = b.svc.Update(b.ours, id, ptr("Not A Name"), nil, nil)
	b.is(err, errs.Invalid, "no registry name")
	_, err = b.svc.Update(b.ours, id, nil, ptr(strings.Repeat("x", 2001)), nil)
	b.is(err, errs.Invalid, "2001 characters")
	_, err = b.svc.Update(b.theirs, id, ptr("mine"), nil, nil)
	b.is(err, errs.NotFound)
}

// TestD4_Delete: refused while others read through it, with their names; then
// hidden, and the name is free.
func TestD4_Delete(t *testing.T) {
	b := newBench(t)
	base := b.registry("base")
	a := b.registry("team-a", base)
	z := b.registry("team-z", base)
	b.is(b.svc.Delete(b.ours, base), errs.Conflict, "upstream of team-a, team-z")
	b.is(b.svc.Delete(b.theirs, base), errs.NotFound)
	b.ok(b.svc.Delete(b.ours, a))
	b.is(b.svc.Delete(b.ours, base), errs.Conflict, "upstream of team-z;")
	b.ok(b.svc.Delete(b.ours, z))
	b.ok(b.svc.Delete(b.ours, base))
	b.is(b.svc.Delete(b.ours, base), errs.NotFound)
	if n := len(b.events(b.ours, "registry:delete")); n != 3 {
		t.Errorf("%d audit events for three deletions", n)
	}
	snap, err := b.shapes.Of(b.ours)
	b.ok(err)
	if snap.Node(base) != nil {
		t.Error("a deleted registry is in the snapshot")
	}
	_, err = b.svc.Update(b.ours, base, ptr("x"), nil, nil)
	b.is(err, errs.NotFound)
	_, err = b.svc.AddUpstream(b.ours, registry.UpstreamInput{Registry: b.registry("base"), Source: base})
	b.is(err, errs.NotFound)
}

// TestD4_DeleteOnce: of several who delete at once, one does.
func TestD4_DeleteOnce(t *testing.T) {
	b := newBench(t)
	id := b.registry("r")
	var wg sync.WaitGroup
	results := make([]error, 6)
	for i := range results {
		wg.Go(func() { results[i] = b.svc.Delete(b.ours, id) })
	}
	wg.Wait()
	done := 0
	for _, err := range results {
		if err == nil {
			done++
		} else {
			b.is(err, errs.NotFound)
		}
	}
	if done != 1 || len(b.events(b.ours, "registry:delete")) != 1 {
		t.Errorf("%d of six deletions succeeded, with %d audit events", done, len(b.events(b.ours, "registry:delete")))
	}
}

// TestD4_DeleteRacesWithLinking: a registry is either deleted or linked to, never
// both.
func TestD4_DeleteRacesWithLinking(t *testing.T) {
	b := newBench(t)
	for i := range 15 {
		source, below := b.registry(fmt.Sprintf("s%d", i)), b.registry(fmt.Sprintf("b%d", i))
		var deleted, linked error
		var wg sync.WaitGroup
		wg.Go(func() { deleted = b.svc.Delete(b.ours, source) })
		wg.Go(func() {
			_, linked = b.svc.AddUpstream(b.ours, registry.UpstreamInput{Registry: below, Source: source})
		})
		wg.Wait()
		if (deleted == nil) == (linked == nil) {
			t.Fatalf("deleting: %v; linking: %v", deleted, linked)
		}
	}
	_, err := b.shapes.Of(b.ours) // an edge to nowhere would make it fail
	b.ok(err)
}

// TestD4_Undelete: within seven days, to the same place, with the same edges.
func TestD4_Undelete(t *testing.T) {
	b := newBench(t)
	fw := b.firewall("fw")
	id := b.registry("team", fw)
	b.ok(b.svc.Undelete(b.ours, id)) // is not deleted: nothing happens
	b.ok(b.svc.Delete(b.ours, id))
	b.clock.add(7 * 24 * time.Hour)
	b.is(b.svc.Undelete(b.theirs, id), errs.NotFound)
	b.is(b.svc.Undelete(b.ours, uuid.New()), errs.NotFound)
	b.ok(b.svc.Undelete(b.ours, id))
	if got := b.sources(id); len(got) != 1 || got[0] != "fw" {
		t.Errorf("sources after coming back: %v", got)
	}
	if n := len(b.events(b.ours, "registry:undelete")); n != 1 {
		t.Errorf("%d audit events", n)
	}
	b.ok(b.svc.Delete(b.ours, id))
	b.registry("team")
	b.is(b.svc.Undelete(b.ours, id), errs.Conflict, `another registry is named "team" now`)
	b.clock.add(7*24*time.Hour + time.Second)
	b.is(b.svc.Undelete(b.ours, id), errs.Conflict, "more than 7 days ago")
}

// TestD4_UndeleteNeedsItsPlace: a registry whose source was deleted after it
// cannot come back to nowhere, which would take the whole organization's
// configuration down; nor one above which the graph has grown too deep.
func TestD4_UndeleteNeedsItsPlace(t *testing.T) {
	b := newBench(t)
	base := b.registry("base")
	team := b.registry("team", base)
	b.ok(b.svc.Delete(b.ours, team))
	b.ok(b.svc.Delete(b.ours, base))
	b.is(b.svc.Undelete(b.ours, team), errs.Conflict, `upstream "base"`, "deleted too")
	_, err := b.shapes.Of(b.ours)
	b.ok(err)
	b.ok(b.svc.Undelete(b.ours, base))
	b.ok(b.svc.Undelete(b.ours, team))
	if got := b.sources(team); len(got) != 1 {
		t.Errorf("sources: %v", got)
	}
	b.ok(b.svc.Delete(b.ours, team))
	long := b.chain("long", 7)
	b.link(base, long[6]) // eight deep: fine, since nothing is below it
	b.is(b.svc.Undelete(b.ours, team), errs.Conflict, `"team" does not fit back`, "9 registries deep")
}

// TestR8_DeletedRegistriesDoNotCount: neither towards limits nor in the way of a
// graph.
func TestR8_DeletedRegistriesDoNotCount(t *testing.T) {
	b := newBench(t)
	ids := b.chain("c", 8)
	b.ok(b.svc.Delete(b.ours, ids[7]))
	top := b.registry("top")
	b.link(ids[0], top)
	for _, u := range []registry.UpstreamInput{{Registry: ids[7], Source: top}, {Registry: top, Source: ids[7]}} {
		_, err := b.svc.AddUpstream(b.ours, u)
		b.is(err, errs.NotFound)
	}
}
