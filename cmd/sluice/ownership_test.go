package main

import (
	"strings"
	"testing"
	"time"

	"sluice.dev/sluice/protocol/protocoltest"
	"sluice.dev/sluice/tenants/coord"
	"sluice.dev/sluice/tenants/policy"
	"sluice.dev/sluice/tenants/registry"
)

// neverAsked checks that a source has not even heard of a name.
func (h *harness) neverAsked(up *protocoltest.NPM, pkg string) {
	h.Helper()
	for _, r := range up.Requests() {
		if strings.Contains(strings.ToLower(r.Path), strings.ToLower(strings.Replace(pkg, "/", "%2f", 1))) || strings.Contains(r.Path, pkg) {
			h.Errorf("the name %s went out: %s %s", pkg, r.Method, r.Path)
		}
	}
}

// everyPath asks for a name on every path.
func (x *tenant) everyPath(reg, pkg string) {
	for _, path := range []string{"/" + pkg, "/" + strings.Replace(pkg, "/", "%2f", 1), "/" + pkg + "/1.0.0", "/" + pkg + "/latest",
		"/-/package/" + pkg + "/dist-tags", tarball(pkg, "1.0.0"), tarball(pkg, "9.9.9")} {
		for _, method := range []string{"GET", "HEAD"} {
			x.ask(method, reg, path)
		}
	}
}

// TestO4_ReservedNamesNeverGoOut: whoever has taken them in public is not asked,
// and what the organization has of them is served.
func TestO4_ReservedNamesNeverGoOut(t *testing.T) {
	h := newHarness(t)
	for _, pkg := range []string{"@acme/tool", "acme-cli", "free"} {
		h.up.Publish(pkg, "9.9.9", protocoltest.Release{})
	}
	_, err := h.first.orgs.ReservePatterns(h.acme.ctx, []coord.ReservedPattern{{Ecosystem: coord.NPM, Pattern: "@acme/*"}, {Ecosystem: coord.NPM, Pattern: "acme-*"}})
	if err != nil {
		t.Fatal(err)
	}
	fw := h.acme.firewall("fw", from(h.acme.public))
	own := h.acme.team("own")
	h.acme.team("team", source(fw), source(own))
	h.acme.publish(own, "@acme/tool", "1.0.0", []byte("ours"))
	for _, pkg := range []string{"@acme/tool", "acme-cli"} {
		for _, reg := range []string{"fw", "team"} {
			h.acme.everyPath(reg, pkg)
		}
		h.neverAsked(h.up, pkg)
	}
	if got := h.acme.listed("team", "@acme/tool"); got != "1.0.0" {
		t.Errorf("team lists %s", got)
	}
	if a := h.acme.get("team", tarball("@acme/tool", "1.0.0")); string(a.body) != "ours" {
		t.Errorf("file = %s", a.phrase)
	}
	for reg, pkg := range map[string]string{"fw": "@acme/tool", "team": "acme-cli"} {
		if got := h.acme.listed(reg, pkg); got != "404" {
			t.Errorf("%s lists %s of %s", reg, got, pkg)
		}
	}
	if got := h.acme.listed("team", "free"); got != "9.9.9" {
		t.Errorf("a name that is not reserved: %s", got)
	}
	// The pattern is the organization's own: the other one still gets the name.
	h.globex.firewall("fw", from(h.globex.public))
	if got := h.globex.listed("fw", "@acme/tool"); got != "9.9.9" {
		t.Errorf("globex lists %s", got)
	}
}

// TestO3_AnInternalRegistryOwnsItsNames as seen from the registries below it,
// and one that is not internal merges with the public.
func TestO3_AnInternalRegistryOwnsItsNames(t *testing.T) {
	h := newHarness(t)
	for _, pkg := range []string{"tool", "left-pad"} {
		h.up.Publish(pkg, "9.9.9", protocoltest.Release{})
	}
	fw := h.acme.firewall("fw", from(h.acme.public))
	no := false
	patches := h.acme.create(registry.CreateInput{Kind: registry.PackageRegistry, Name: "patches", Internal: &no}, nil)
	integration := h.acme.team("integration")
	h.acme.team("team", source(patches), source(fw), source(integration))
	h.acme.publish(integration, "tool", "1.0.0", []byte("ours"))
	h.acme.publish(patches, "left-pad", "1.3.1-acme.1", []byte("patched"))
	h.acme.everyPath("team", "tool")
	h.neverAsked(h.up, "tool")
	for _, c := range []struct{ reg, pkg, want string }{
		{"team", "tool", "1.0.0"}, {"integration", "tool", "1.0.0"},
		{"fw", "tool", "9.9.9"}, // the firewall does not reach the internal registry
		{"team", "left-pad", "1.3.1-acme.1 9.9.9"}, {"patches", "left-pad", "1.3.1-acme.1"},
	} {
		if got := h.acme.listed(c.reg, c.pkg); got != c.want {
			t.Errorf("%s lists %s of %s, want %s", c.reg, got, c.pkg, c.want)
		}
	}
	// Fetching the patch does not make its name the team's (O2).
	if a := h.acme.get("team", tarball("left-pad", "1.3.1-acme.1")); string(a.body) != "patched" {
		t.Errorf("the patch = %s", a.phrase)
	}
	if got := h.acme.listed("team", "left-pad"); got != "1.3.1-acme.1 9.9.9" {
		t.Errorf("after the patch was fetched: %s", got)
	}
	if a := h.acme.get("team", tarball("left-pad", "9.9.9")); a.status != 200 {
		t.Errorf("the public version beside it = %s", a.phrase)
	}
	if tag := h.acme.doc("team", "left-pad").Tags["latest"]; tag != "1.3.1-acme.1" {
		t.Errorf("latest = %s, want the first upstream's", tag)
	}
	// What the firewall remembered does not come in through it.
	if a := h.acme.get("fw", tarball("tool", "9.9.9")); a.status != 200 {
		t.Fatal(a.phrase)
	}
	a := h.acme.get("team", tarball("tool", "9.9.9"))
	if p := a.problem(); !a.withheld() || p.Kind != string(policy.KindOwnership) || p.Registry != "team" || !strings.Contains(p.Detail, `"integration"`) {
		t.Errorf("a public version of an owned name = %s %+v", a.phrase, p)
	}
}

// TestO4_WhatWasRememberedIsWithheld once the name is owned, and the reason
// names the owner.
func TestO4_WhatWasRememberedIsWithheld(t *testing.T) {
	h := newHarness(t)
	h.up.Publish("tool", "9.9.9", protocoltest.Release{})
	fw := h.acme.firewall("fw", from(h.acme.public))
	team := h.acme.team("team", source(fw))
	if a := h.acme.get("team", tarball("tool", "9.9.9")); a.status != 200 {
		t.Fatal(a.phrase)
	}
	h.acme.publish(team, "tool", "1.0.0", []byte("ours"))
	h.up.Forget()
	h.clock.pass(2 * time.Hour)
	if got := h.acme.listed("team", "tool"); got != "1.0.0" {
		t.Errorf("lists %s", got)
	}
	a := h.acme.get("team", tarball("tool", "9.9.9"))
	if p := a.problem(); !a.withheld() || p.Kind != string(policy.KindOwnership) || !strings.Contains(p.Detail, `owned by the registry "team"`) {
		t.Errorf("held before = %s %+v", a.phrase, p)
	}
	h.neverAsked(h.up, "tool")
	if tag := h.acme.doc("team", "tool").Tags["latest"]; tag != "1.0.0" {
		t.Errorf("latest = %s", tag)
	}
}

// TestO3_AnInternalRemoteOwnsWhatItLists: public sources are asked only when it
// says that it has no such name, never while it cannot tell.
func TestO3_AnInternalRemoteOwnsWhatItLists(t *testing.T) {
	h := newHarness(t)
	intern := protocoltest.NewNPM(t)
	intern.Publish("tool", "1.0.0", protocoltest.Release{})
	for _, pkg := range []string{"tool", "unknown", "free"} {
		h.up.Publish(pkg, "9.9.9", protocoltest.Release{})
	}
	fw := h.acme.firewall("fw", from(h.acme.public), from(h.acme.remote("intern", intern.URL, true)))
	h.acme.team("team", source(fw))
	h.acme.everyPath("team", "tool")
	if got := h.acme.listed("team", "tool"); got != "1.0.0" {
		t.Errorf("team lists %s", got)
	}
	if got := h.acme.listed("team", "free"); got != "9.9.9" {
		t.Errorf("a name that the internal remote does not have: %s", got)
	}
	e, err := h.first.gate.Explain(h.acme.ctx, fw, npmVersion("tool", "1.0.0"))
	if err != nil || e.Origin != coord.Internal || e.Remote != "intern" {
		t.Errorf("explain = %+v, %v", e, err)
	}
	mend := intern.Break("/", protocoltest.Down())
	for range 2 {
		a := h.acme.get("team", "/unknown")
		if a.status != 503 || !strings.Contains(a.problem().Detail, `"intern"`) || strings.Contains(a.problem().Detail, `"npm-public"`) {
			t.Errorf("while it cannot tell = %d %s", a.status, a.body)
		}
	}
	h.neverAsked(h.up, "unknown")
	h.clock.pass(3 * time.Hour)
	if got := h.acme.listed("team", "tool"); got != "1.0.0" {
		t.Errorf("remembered, in an outage: %s", got)
	}
	h.neverAsked(h.up, "tool")
	mend()
	h.clock.pass(minute)
	if got := h.acme.listed("team", "unknown"); got != "9.9.9" {
		t.Errorf("after its answer: %s", got)
	}
}
