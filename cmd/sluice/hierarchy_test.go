package main

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"sluice.dev/sluice/protocol/protocoltest"
	"sluice.dev/sluice/tenants/coord"
	"sluice.dev/sluice/tenants/policy"
	"sluice.dev/sluice/tenants/registry"
)

// listed returns the versions that a registry lists, sorted.
func (x *tenant) listed(reg, pkg string) string {
	x.h.Helper()
	a := x.get(reg, "/"+pkg)
	if a.status != 200 {
		return fmt.Sprint(a.status)
	}
	var out []string
	for v := range a.packument().Versions {
		out = append(out, v)
	}
	slices.Sort(out)
	return strings.Join(out, " ")
}

// TestP1_EveryHopMustAllow: a firewall and two teams with rules of their own.
func TestP1_EveryHopMustAllow(t *testing.T) {
	h := newHarness(t)
	for _, v := range []string{"1.0.0", "1.1.0", "1.2.0", "1.3.0"} {
		h.up.Publish("x", v, protocoltest.Release{})
	}
	fw := h.acme.firewall("fw", from(h.acme.public))
	a := h.acme.team("team-a", source(fw))
	b := h.acme.team("team-b", source(fw))
	h.acme.block(fw, "x@1.3.0")
	h.acme.block(a, "x@1.2.0")
	h.acme.block(b, "x@<1.2.0", "x@1.3.0")
	for reg, want := range map[string]string{"fw": "1.0.0 1.1.0 1.2.0", "team-a": "1.0.0 1.1.0", "team-b": "1.2.0"} {
		if got := h.acme.listed(reg, "x"); got != want {
			t.Errorf("%s lists %s, want %s", reg, got, want)
		}
	}
	for _, c := range []struct{ reg, version, by string }{
		{"team-a", "1.2.0", "team-a"}, {"team-a", "1.3.0", "fw"}, {"team-b", "1.0.0", "team-b"},
		{"team-b", "1.3.0", "fw"}, // both deny it: the outermost is told
	} {
		if p := h.acme.get(c.reg, tarball("x", c.version)).problem(); p.Registry != c.by {
			t.Errorf("%s in %s is withheld by %q, want %q", c.version, c.reg, p.Registry, c.by)
		}
	}
	e, err := h.first.gate.Explain(h.acme.ctx, b, npmVersion("x", "1.3.0"))
	if err != nil || len(withholding(e.Decision)) != 2 {
		t.Errorf("explain records %+v, %v; want both verdicts", e, err)
	}
}

func withholding(d policy.Decision) (out []policy.Verdict) {
	for _, v := range d.Verdicts {
		if v.Effect >= policy.Deny {
			out = append(out, v)
		}
	}
	return out
}

// TestP1_TheReasonIsTheFirstStrictest: in flow order, holds before rules of the
// same registry, a stricter effect of an inner registry before an outer one.
func TestP1_TheReasonIsTheFirstStrictest(t *testing.T) {
	h := newHarness(t)
	h.up.Publish("x", "1.0.0", protocoltest.Release{})
	outer := h.acme.firewall("outer", from(h.acme.public))
	inner := h.acme.firewall("inner", source(outer))
	// The direct edge comes first, so that the breadth of the graph is not its
	// order of flow.
	team := h.acme.team("team", source(outer), source(inner))
	quarantine := func(reg uuid.UUID) {
		h.acme.rule(reg, policy.Rule{Kind: policy.KindBlock, Effect: policy.Quarantine, Params: policy.Params{Definitions: h.definitions("x")}})
	}
	for _, step := range []struct {
		do   func()
		by   string
		kind policy.Kind
	}{
		{func() { h.acme.block(team, "x") }, "team", policy.KindBlock},
		{func() { h.acme.block(inner, "x") }, "team", policy.KindBlock}, // not on the path: outer comes first
		{func() { h.acme.block(outer, "x") }, "outer", policy.KindBlock},
		{func() { quarantine(team) }, "team", policy.KindBlock},
		{func() { h.acme.hold(team, "x@1.0.0", "odd") }, "team", policy.KindHold},
		{func() { h.acme.hold(inner, "x", "odd") }, "inner", policy.KindHold}, // holds count from every firewall upward
		{func() { h.acme.hold(outer, "x", "odd") }, "outer", policy.KindHold},
	} {
		step.do()
		e, err := h.first.gate.Explain(h.acme.ctx, team, npmVersion("x", "1.0.0"))
		if err != nil || e.Decision.Decisive == nil || e.Decision.Decisive.RegistryName != step.by || e.Decision.Decisive.Kind != step.kind {
			t.Errorf("want %s by %s: %+v %v", step.kind, step.by, e.Decision.Decisive, err)
		}
	}
}

// TestR1_AnotherUpstreamMayOffer what the first one withholds; and a diamond
// gives each version once, by the first path.
func TestR1_AnotherUpstreamMayOffer(t *testing.T) {
	h := newHarness(t)
	h.up.Publish("x", "1.0.0", protocoltest.Release{})
	h.up.Publish("x", "1.1.0", protocoltest.Release{})
	outer := h.acme.firewall("outer", from(h.acme.public))
	strict := h.acme.team("strict", source(outer))
	lax := h.acme.team("lax", source(outer))
	h.acme.team("team", source(strict), source(lax))
	h.acme.block(strict, "x@1.1.0")
	if got := h.acme.listed("team", "x"); got != "1.0.0 1.1.0" {
		t.Errorf("team lists %s", got)
	}
	for v, path := range map[string][]string{"1.0.0": {"outer", "strict", "team"}, "1.1.0": {"outer", "lax", "team"}} {
		e, err := h.first.gate.Explain(h.acme.ctx, h.named("team"), npmVersion("x", v))
		if err != nil || !slices.Equal(e.Path, path) {
			t.Errorf("%s came by %v, want %v (%v)", v, e.Path, path, err)
		}
		if a := h.acme.get("team", tarball("x", v)); a.status != 200 {
			t.Errorf("%s = %s", v, a.phrase)
		}
	}
	// Every registry on the path remembers it, and no other.
	for reg, want := range map[string]int{"outer": 2, "strict": 1, "lax": 1, "team": 2} {
		if n := h.acme.count("holdings", "registry_id = $1", h.named(reg)); n != want {
			t.Errorf("%s holds %d, want %d", reg, n, want)
		}
	}
}

// named returns the id of one of acme's registries.
func (h *harness) named(name string) uuid.UUID {
	h.Helper()
	shape, err := h.first.shapes.Of(h.acme.ctx)
	if err != nil {
		h.Fatal(err)
	}
	return shape.Named(coord.NPM, name).ID
}

// TestQ3_AHoldInAPackageRegistry bars what comes through it, and not the copy
// that a registry below holds already (C8).
func TestQ3_AHoldInAPackageRegistry(t *testing.T) {
	h := newHarness(t)
	h.up.Publish("x", "1.0.0", protocoltest.Release{})
	fw := h.acme.firewall("fw", from(h.acme.public))
	dept := h.acme.team("dept", source(fw))
	h.acme.team("early", source(dept))
	h.acme.team("late", source(dept))
	if a := h.acme.get("early", tarball("x", "1.0.0")); a.status != 200 {
		t.Fatal(a.phrase)
	}
	h.acme.hold(dept, "x@1.0.0", "odd")
	for reg, want := range map[string]int{"fw": 200, "dept": 403, "early": 200, "late": 403} {
		if a := h.acme.get(reg, tarball("x", "1.0.0")); a.status != want {
			t.Errorf("%s = %s, want %d", reg, a.phrase, want)
		}
	}
	if d := h.acme.doc("late", "x"); len(d.Versions) != 0 || len(d.PolicyRestrictions.Versions) != 1 {
		t.Errorf("late lists %+v", d)
	}
}

// TestR1_TheLocalCopyWins over every upstream, and the other bytes of the same
// coordinates leave a finding that names both (O6).
func TestR1_TheLocalCopyWins(t *testing.T) {
	h := newHarness(t)
	other := protocoltest.NewNPM(t)
	for i, up := range []*protocoltest.NPM{h.up, other} {
		up.Publish("x", "1.0.0", protocoltest.Release{Files: map[string]string{"who.txt": fmt.Sprint(i)}})
	}
	fw := h.acme.firewall("fw", from(h.acme.public), from(h.acme.remote("second", other.URL, false)))
	no := false
	patches := h.acme.create(registry.CreateInput{Kind: registry.PackageRegistry, Name: "patches", Internal: &no}, nil)
	team := h.acme.team("team", source(fw), source(patches))
	if a := h.acme.get("team", tarball("x", "1.0.0")); !bytes.Equal(a.body, h.up.Tarball("x", "1.0.0")) {
		t.Errorf("not the first remote's bytes: %s", a.phrase)
	}
	if other.Count("/x/-/") != 0 {
		t.Error("the second remote was asked for bytes")
	}
	var served, from2 string
	h.acme.scan(&served, "SELECT details->>'served' FROM findings WHERE kind = 'CONTENT_MISMATCH'")
	h.acme.scan(&from2, "SELECT details->>'other' FROM findings WHERE kind = 'CONTENT_MISMATCH'")
	if served != "remote npm-public" || from2 != "remote second" {
		t.Errorf("the finding says %q and %q", served, from2)
	}
	// A version of one's own with the same coordinates.
	h.acme.publish(patches, "y", "1.0.0", []byte("patched"))
	h.up.Publish("y", "1.0.0", protocoltest.Release{})
	h.acme.publish(team, "z", "1.0.0", []byte("ours"))
	if a := h.acme.get("team", tarball("y", "1.0.0")); !bytes.Equal(a.body, h.up.Tarball("y", "1.0.0")) {
		t.Errorf("the first upstream's y = %s", a.phrase)
	}
	if a := h.acme.get("patches", tarball("y", "1.0.0")); string(a.body) != "patched" {
		t.Errorf("y in patches = %s", a.phrase)
	}
	if a := h.acme.get("team", tarball("z", "1.0.0")); string(a.body) != "ours" {
		t.Errorf("z = %s", a.phrase)
	}
	// The bytes that a registry holds stay, whatever the source has next.
	h.up.Publish("x", "1.0.0", protocoltest.Release{Files: map[string]string{"who.txt": "changed"}})
	first := h.acme.get("team", tarball("x", "1.0.0"))
	h.clock.pass(2 * time.Hour)
	if a := h.acme.get("team", tarball("x", "1.0.0")); !bytes.Equal(a.body, first.body) || h.acme.doc("team", "x").Versions["1.0.0"].Dist.Integrity != integrity(first.body) {
		t.Error("a held version has other bytes, or says so")
	}
}

// TestR2_AnOutageSubstitutesNothing: what the first source offered does not come
// from the second while the first is away.
func TestR2_AnOutageSubstitutesNothing(t *testing.T) {
	h := newHarness(t)
	other := protocoltest.NewNPM(t)
	for i, up := range []*protocoltest.NPM{h.up, other} {
		up.Publish("x", "1.0.0", protocoltest.Release{Files: map[string]string{"who.txt": fmt.Sprint(i)}})
		up.Publish("new", "1.0.0", protocoltest.Release{})
	}
	h.acme.firewall("fw", from(h.acme.public), from(h.acme.remote("second", other.URL, false)))
	h.acme.doc("fw", "x")
	mend := h.up.Break("/", protocoltest.Status(503))
	if a := h.acme.get("fw", tarball("x", "1.0.0")); a.status != 502 || !strings.Contains(a.problem().Detail, "npm-public") {
		t.Errorf("while the first source is away = %d %s", a.status, a.body)
	}
	if a := h.acme.get("fw", "/new"); a.status != 503 || !strings.Contains(a.problem().Detail, "npm-public") {
		t.Errorf("a name of which nothing is remembered = %d %s", a.status, a.body)
	}
	mend()
	if a := h.acme.get("fw", tarball("x", "1.0.0")); !bytes.Equal(a.body, h.up.Tarball("x", "1.0.0")) {
		t.Errorf("back again = %s", a.phrase)
	}
}

// TestR10_Patterns: a remote is asked only for the names that its edge carries.
func TestR10_Patterns(t *testing.T) {
	h := newHarness(t)
	types := protocoltest.NewNPM(t)
	for _, up := range []*protocoltest.NPM{h.up, types} {
		up.Publish("@types/node", "1.0.0", protocoltest.Release{})
		up.Publish("x", "1.0.0", protocoltest.Release{})
		up.Publish("evil", "1.0.0", protocoltest.Release{})
	}
	typesRemote := h.acme.remote("types", types.URL, false)
	fw := h.acme.firewall("fw", registry.UpstreamInput{Remote: h.acme.public, Exclude: []string{"@types/*", "evil"}},
		registry.UpstreamInput{Remote: typesRemote, Include: []string{"@types/*"}})
	h.acme.team("team", registry.UpstreamInput{Source: fw, Exclude: []string{"x"}})
	for _, c := range []struct {
		reg, pkg string
		status   int
	}{{"fw", "@types/node", 200}, {"fw", "x", 200}, {"fw", "evil", 404}, {"team", "@types/node", 200}, {"team", "x", 404}, {"team", "evil", 404}} {
		if a := h.acme.get(c.reg, "/"+c.pkg); a.status != c.status {
			t.Errorf("%s in %s = %d", c.pkg, c.reg, a.status)
		}
		if a := h.acme.get(c.reg, tarball(c.pkg, "1.0.0")); a.status != c.status {
			t.Errorf("the file of %s in %s = %d", c.pkg, c.reg, a.status)
		}
	}
	for up, never := range map[*protocoltest.NPM][]string{h.up: {"/@types", "/evil"}, types: {"/x", "/evil"}} {
		for _, p := range never {
			if n := up.Count(p); n != 0 {
				t.Errorf("%s was asked %d times at the wrong remote", p, n)
			}
		}
	}
}

// TestP9_MinimumAge: hidden while young, and healed by time alone in views that
// are cached; the reason says from when.
func TestP9_MinimumAge(t *testing.T) {
	h := newHarness(t)
	h.up.Publish("x", "1.0.0", protocoltest.Release{})
	h.up.Publish("x", "1.1.0", protocoltest.Release{Published: h.clock.Now().Add(-day)})
	fw := h.acme.firewall("fw", from(h.acme.public))
	team := h.acme.team("team", source(fw))
	h.acme.rule(fw, policy.Rule{Kind: policy.KindMinimumAge, Effect: policy.Deny, Params: policy.Params{MinAge: 3 * day}})
	at := h.clock.Now().Add(2 * day)
	for range 2 {
		if got := h.acme.listed("team", "x"); got != "1.0.0" {
			t.Errorf("young: %s", got)
		}
	}
	a := h.acme.get("team", tarball("x", "1.1.0"))
	if p := a.problem(); !a.withheld() || p.Until != at.Format(time.RFC3339) || p.Instead != "1.0.0" {
		t.Errorf("young: %+v", p)
	}
	e, err := h.first.gate.Explain(h.acme.ctx, team, npmVersion("x", "1.1.0"))
	if err != nil || !e.Available.Equal(at) || e.Instead != "1.0.0" || e.Remote != "npm-public" || !slices.Equal(e.Path, []string{"fw", "team"}) {
		t.Errorf("explain = %+v, %v", e, err)
	}
	// A second reason that does not pass by itself: no date is promised.
	block := h.acme.block(team, "x@1.1.0")
	if e, err := h.first.gate.Explain(h.acme.ctx, team, npmVersion("x", "1.1.0")); err != nil || !e.Available.IsZero() {
		t.Errorf("blocked as well: available %v, %v", e.Available, err)
	}
	if err := h.first.registries.RemoveRule(h.acme.ctx, block.ID); err != nil {
		t.Fatal(err)
	}
	h.acme.doc("team", "x")
	h.up.Break("/", protocoltest.Down()) // what heals it is the clock alone
	h.clock.pass(2*day - time.Second)
	h.eventually(soon, "the list in an outage", func() bool { return h.acme.listed("team", "x") == "1.0.0" })
	h.clock.pass(time.Second)
	if got := h.acme.listed("team", "x"); got != "1.0.0 1.1.0" {
		t.Errorf("old enough: %s", got)
	}
}

// TestP9_TheFixIsExempt: the lowest fixed version that an advisory names, for an
// affected version that is held, while no allowed version fixes it.
func TestP9_TheFixIsExempt(t *testing.T) {
	h := newHarness(t)
	young := h.clock.Now().Add(-time.Hour)
	h.up.Publish("x", "1.0.0", protocoltest.Release{})
	h.up.Publish("y", "1.0.0", protocoltest.Release{})
	fw := h.acme.firewall("fw", from(h.acme.public))
	h.acme.rule(fw, policy.Rule{Kind: policy.KindMinimumAge, Effect: policy.Deny, Params: policy.Params{MinAge: 3 * day}})
	h.acme.get("fw", tarball("x", "1.0.0"))
	for _, v := range []string{"1.0.1", "1.0.2"} {
		h.up.Publish("x", v, protocoltest.Release{Published: young})
		h.up.Publish("y", v, protocoltest.Release{Published: young})
	}
	h.clock.pass(2 * time.Hour)
	if got := h.acme.listed("fw", "x"); got != "1.0.0" {
		t.Fatalf("before the advisory: %s", got)
	}
	h.advise(vulnerable("GHSA-aaaa-bbbb-0001", "x", "0", "1.0.1"), vulnerable("GHSA-aaaa-bbbb-0002", "y", "0", "1.0.1"))
	if got := h.acme.listed("fw", "x"); got != "1.0.0 1.0.1" {
		t.Errorf("held and affected: %s", got)
	}
	if a := h.acme.get("fw", tarball("x", "1.0.1")); a.status != 200 {
		t.Errorf("the fix = %s", a.phrase)
	}
	if a := h.acme.get("fw", tarball("x", "1.0.2")); !a.withheld() {
		t.Errorf("not the lowest fix = %s", a.phrase)
	}
	if got := h.acme.listed("fw", "y"); got != "" {
		t.Errorf("not held: %s", got)
	}
}

// TestP7_FailStaysListed: on violation FAIL leaves the version in lists, and its
// bytes and its document are refused.
func TestP7_FailStaysListed(t *testing.T) {
	h := newHarness(t)
	h.up.Publish("x", "1.0.0", protocoltest.Release{})
	h.up.Publish("x", "1.1.0", protocoltest.Release{})
	fw := h.acme.firewall("fw", from(h.acme.public))
	h.acme.team("team", source(fw))
	h.acme.rule(fw, policy.Rule{Kind: policy.KindBlock, Effect: policy.Deny, OnViolation: policy.Fail, Params: policy.Params{Definitions: h.definitions("x@1.1.0")}})
	d := h.acme.doc("team", "x")
	if len(d.Versions) != 2 || d.Tags["latest"] != "1.1.0" {
		t.Errorf("document = %+v", d)
	}
	for _, path := range []string{"/x/1.1.0", "/x/latest", tarball("x", "1.1.0")} {
		if a := h.acme.get("team", path); !a.withheld() {
			t.Errorf("%s = %s", path, a.phrase)
		}
	}
}

// TestP4_DryRunChangesNothing but is recorded.
func TestP4_DryRunChangesNothing(t *testing.T) {
	h := newHarness(t)
	h.up.Publish("x", "1.0.0", protocoltest.Release{})
	fw := h.acme.firewall("fw", from(h.acme.public))
	h.acme.rule(fw, policy.Rule{Kind: policy.KindBlock, Effect: policy.Deny, Mode: policy.DryRun, Params: policy.Params{Definitions: h.definitions("x")}})
	e, err := h.first.gate.Explain(h.acme.ctx, fw, npmVersion("x", "1.0.0"))
	if err != nil || !slices.ContainsFunc(e.Decision.Verdicts, func(v policy.Verdict) bool { return v.Mode == policy.DryRun && v.Kind == policy.KindBlock }) {
		t.Errorf("explain = %+v, %v", e, err)
	}
	if got := h.acme.listed("fw", "x"); got != "1.0.0" {
		t.Errorf("lists %s", got)
	}
	if a := h.acme.get("fw", tarball("x", "1.0.0")); a.status != 200 {
		t.Errorf("file = %s", a.phrase)
	}
}
