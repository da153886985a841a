package main

import (
	"encoding/json"
	"testing"
	"time"

	"sluice.dev/sluice/protocol/protocoltest"
)

// deprecations is what each form of a package's documents says against a
// version: full, abbreviated and alone. A form without the member says "none".
func (x *tenant) deprecations(reg, pkg, version string) (out [3]string) {
	x.h.Helper()
	read := func(raw []byte) string {
		var m map[string]any
		if err := json.Unmarshal(raw, &m); err != nil {
			x.h.Fatal(err)
		}
		if s, ok := m["deprecated"].(string); ok {
			return s
		}
		return "none"
	}
	for i, accept := range []string{"application/json", corgi} {
		a := x.get(reg, "/"+pkg, "Accept", accept)
		var doc struct{ Versions map[string]json.RawMessage }
		if err := json.Unmarshal(a.body, &doc); err != nil || a.status != 200 {
			x.h.Fatalf("%s: %s %v", reg, a.phrase, err)
		}
		out[i] = read(doc.Versions[version])
	}
	out[2] = read(x.get(reg, "/"+pkg+"/"+version).body)
	return out
}

// TestP2_DeprecationsInEveryDocument: what a registry says against a version is
// in every form there and below, with another ETag, and in no other
// organization.
func TestP2_DeprecationsInEveryDocument(t *testing.T) {
	h := newHarness(t)
	h.up.Publish("left-pad", "1.2.0", protocoltest.Release{Deprecated: "use 1.3.0"})
	h.up.Publish("left-pad", "1.3.0", protocoltest.Release{})
	fw := h.acme.firewall("fw", from(h.acme.public))
	h.acme.team("team", source(fw))
	h.globex.team("team", from(h.globex.public))
	if a := h.acme.get("team", tarball("left-pad", "1.3.0")); a.status != 200 {
		t.Fatal(a.phrase)
	}
	wants := func(x *tenant, reg, version, want string) {
		t.Helper()
		for i, got := range x.deprecations(reg, "left-pad", version) {
			if got != want {
				t.Errorf("%s/%s, form %d says %q against %s, want %q", x.slug, reg, i, got, version, want)
			}
		}
	}
	wants(h.acme, "team", "1.2.0", "use 1.3.0")
	wants(h.acme, "team", "1.3.0", "none")
	etag := h.acme.get("team", "/left-pad").header.Get("ETag")
	err := h.first.intake.Deprecate(h.acme.ctx, fw, "left-pad", "", map[string]string{"1.2.0": "", "1.3.0": `use "padStart"`})
	if err != nil {
		t.Fatal(err)
	}
	for _, reg := range []string{"fw", "team"} {
		wants(h.acme, reg, "1.2.0", "none")
		wants(h.acme, reg, "1.3.0", `use "padStart"`)
	}
	if a := h.acme.get("team", "/left-pad", "If-None-Match", etag); a.status != 200 {
		t.Errorf("with the ETag from before = %s", a.phrase)
	}
	wants(h.globex, "team", "1.2.0", "use 1.3.0")
	wants(h.globex, "team", "1.3.0", "none")
	// What the source says later is said about the copy that is held.
	h.up.Publish("other", "1.0.0", protocoltest.Release{})
	if a := h.acme.get("team", tarball("other", "1.0.0")); a.status != 200 {
		t.Fatal(a.phrase)
	}
	h.up.Publish("other", "1.0.0", protocoltest.Release{Deprecated: "gone soon"})
	h.clock.pass(2 * time.Hour)
	for _, got := range h.acme.deprecations("team", "other", "1.0.0") {
		if got != "gone soon" {
			t.Errorf("a held copy says %q", got)
		}
	}
}
