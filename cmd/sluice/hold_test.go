package main

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/google/uuid"

	"sluice.dev/sluice/protocol/protocoltest"
	"sluice.dev/sluice/tenants/policy"
	"sluice.dev/sluice/tenants/registry"
)

// second is what Q2 gives the other nodes, and what a busy machine adds.
const second = 3 * time.Second

// broken waits until the node has closed the only connection, though its client
// does not read, and then reads the response to its end, which must not look
// like one.
func (h *harness) broken(what string, at *served, within time.Duration, resp *http.Response, whole int) {
	h.Helper()
	h.eventually(within, what+": the cut", func() bool { return at.open.Load() == 0 })
	done := make(chan error, 1)
	n := int64(0)
	go func() {
		var err error
		n, err = io.Copy(io.Discard, resp.Body)
		done <- err
	}()
	select {
	case err := <-done:
		if err == nil || n >= int64(whole) {
			h.Errorf("%s: the client took %d bytes for the end of the file (%v)", what, n, err)
		}
	case <-time.After(soon):
		h.Errorf("%s: the response was not cut", what)
	}
}

// TestQ2_AHoldCutsRunningResponses: of a file that still arrives and whose
// source sends nothing more, and of a held one whose client is slow; wherever
// the hold is that bars it.
func TestQ2_AHoldCutsRunningResponses(t *testing.T) {
	h := newHarness(t)
	fw := h.acme.firewall("fw", from(h.acme.public))
	team := h.acme.team("team", source(fw))
	for i, c := range []struct {
		name string
		bar  func(pkg string)
	}{
		{"hold in the firewall", func(pkg string) { h.acme.hold(fw, pkg+"@1.0.0", "odd") }},
		{"hold in the registry", func(pkg string) { h.acme.hold(team, pkg, "odd") }},
		{"a new rule", func(pkg string) { h.acme.denyAll(team, pkg) }},
		{"a new advisory", func(pkg string) { h.advise(vulnerable("MAL-2026-"+pkg, pkg, "0", "")) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			h.in(t)
			pkg := fmt.Sprintf("drip-%d", i)
			h.up.Publish(pkg, "1.0.0", big())
			h.acme.doc("team", pkg)
			drip := h.up.Drip("/" + pkg + "/-/")
			resp := h.begin(h.acme, "team", tarball(pkg, "1.0.0"), drip, 192<<10)
			c.bar(pkg)
			h.broken("arriving", h.first, soon, resp, len(h.up.Tarball(pkg, "1.0.0")))
			resp.Body.Close()
			if a := h.acme.get("team", tarball(pkg, "1.0.0")); !a.withheld() {
				t.Errorf("the next request = %s", a.phrase)
			}
			drip.Release()

			pkg = fmt.Sprintf("held-%d", i)
			const size = 32 << 20 // more than the kernel keeps for a client that does not read
			h.acme.publish(team, pkg, "1.0.0", make([]byte, size))
			if i == 0 || i == 3 {
				return // what the firewall says is not about a version of the team's own (C1)
			}
			resp, err := h.acme.open(t.Context(), "GET", h.acme.url("team", tarball(pkg, "1.0.0")))
			if err != nil || resp.StatusCode != 200 {
				t.Fatal(err, resp)
			}
			defer resp.Body.Close()
			if _, err := io.ReadFull(resp.Body, make([]byte, 100)); err != nil {
				t.Fatal(err)
			}
			c.bar(pkg)
			h.broken("held", h.first, soon, resp, size)
			if a := h.acme.get("team", tarball(pkg, "1.0.0")); !a.withheld() {
				t.Errorf("the next request = %s", a.phrase)
			}
		})
	}
}

// denyAll is a rule that withholds a package, held or not.
func (x *tenant) denyAll(reg uuid.UUID, pkg string) {
	x.h.Helper()
	x.rule(reg, policy.Rule{Kind: policy.KindBlock, Effect: policy.Deny, Applies: policy.NewAndHeld, Params: policy.Params{Definitions: x.h.definitions(pkg)}})
}

// TestQ2_AHoldDoesNotCutOthers: another version of the package goes on.
func TestQ2_AHoldDoesNotCutOthers(t *testing.T) {
	h := newHarness(t)
	h.up.Publish("x", "1.0.0", big())
	h.up.Publish("x", "1.1.0", protocoltest.Release{})
	fw := h.acme.firewall("fw", from(h.acme.public))
	h.acme.doc("fw", "x")
	drip := h.up.Drip("/x/-/")
	resp := h.begin(h.acme, "fw", tarball("x", "1.0.0"), drip, 192<<10)
	defer resp.Body.Close()
	h.acme.hold(fw, "x@1.1.0", "odd")
	if a := h.acme.get("fw", tarball("x", "1.1.0")); !a.withheld() {
		t.Fatal(a.phrase)
	}
	drip.Release()
	body, err := io.ReadAll(resp.Body)
	if err != nil || !bytes.Equal(body, h.up.Tarball("x", "1.0.0")) {
		t.Errorf("%d bytes, %v", len(body), err)
	}
}

// TestQ2_AHoldWhileTheSourceIsWaitedFor: who waits for the first byte gets the
// refusal, and not after the source has answered.
func TestQ2_AHoldWhileTheSourceIsWaitedFor(t *testing.T) {
	h := newHarness(t)
	h.up.Publish("x", "1.0.0", protocoltest.Release{})
	fw := h.acme.firewall("fw", from(h.acme.public))
	h.acme.doc("fw", "x")
	hang := h.up.Hang("/x/-/")
	got := make(chan answer, 2)
	go func() { got <- h.acme.get("fw", tarball("x", "1.0.0")) }()
	go func() { got <- h.acme.ask("HEAD", "fw", tarball("x", "1.0.0")) }()
	<-hang.Reached
	h.acme.hold(fw, "x", "odd")
	for range 2 {
		select {
		case a := <-got:
			if !a.withheld() {
				t.Errorf("answer = %s %v", a.phrase, a.err)
			}
		case <-time.After(soon):
			t.Fatal("it waits for the source of a version that is on hold")
		}
	}
}

// TestQ2_OtherNodesWithinASecond: lists, files and running responses of a second
// node on the same database, with its change feed and when that is lost.
func TestQ2_OtherNodesWithinASecond(t *testing.T) {
	h := newHarness(t)
	fw := h.acme.firewall("fw", from(h.acme.public))
	team := h.acme.team("team", source(fw))
	other := h.acme.on(h.serve())
	for i, lost := range []bool{false, true} {
		pkg, running := fmt.Sprintf("x-%d", i), fmt.Sprintf("running-%d", i)
		h.up.Publish(pkg, "1.0.0", protocoltest.Release{})
		h.up.Publish(pkg, "1.1.0", protocoltest.Release{})
		const size = 32 << 20
		h.acme.publish(team, running, "1.0.0", make([]byte, size))
		for _, x := range []*tenant{h.acme, other} {
			x.doc("team", pkg)
			if a := x.get("team", tarball(pkg, "1.1.0")); a.status != 200 {
				t.Fatal(a.phrase)
			}
		}
		resp, err := other.open(t.Context(), "GET", other.url("team", tarball(running, "1.0.0")))
		if err != nil || resp.StatusCode != 200 {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		if lost {
			other.at.loseFeed()
		}
		h.acme.hold(fw, pkg+"@1.1.0", "odd")
		h.acme.hold(team, running, "odd")
		h.broken("on the other node", other.at, second, resp, size)
		if a := h.acme.get("team", tarball(pkg, "1.1.0")); !a.withheld() {
			t.Errorf("on the accepting node = %s", a.phrase)
		}
		h.eventually(second, "the refusal on the other node", func() bool { return other.get("team", tarball(pkg, "1.1.0")).withheld() })
		if d := other.doc("team", pkg); len(d.Versions) != 1 || d.Tags["latest"] != "1.0.0" {
			t.Errorf("lost %v: the other node's list = %+v", lost, d)
		}

		held := h.acme.hold(fw, pkg, "the whole package")
		if _, err := h.first.quarantine.Release(h.acme.ctx, held.ID, "a mistake"); err != nil {
			t.Fatal(err)
		}
		h.eventually(second, "the release on the other node", func() bool { return other.get("team", tarball(pkg, "1.0.0")).status == 200 })
	}
}

// TestC2_InForceBeforeAnyJob: a hold in the outermost firewall bars what the
// registries three levels down hold; releasing it frees it at once.
func TestC2_InForceBeforeAnyJob(t *testing.T) {
	h := newHarness(t)
	h.up.Publish("x", "1.0.0", protocoltest.Release{})
	outer := h.acme.firewall("outer", from(h.acme.public))
	inner := h.acme.firewall("inner", source(outer))
	dept := h.acme.team("dept", source(inner))
	h.acme.team("team", source(dept))
	names := []string{"outer", "inner", "dept", "team"}
	for _, reg := range names {
		if a := h.acme.get(reg, tarball("x", "1.0.0")); a.status != 200 {
			t.Fatal(a.phrase)
		}
	}
	held := h.acme.hold(outer, "x@1.0.0", "odd")
	for _, reg := range names {
		a := h.acme.get(reg, tarball("x", "1.0.0"))
		if !a.withheld() || a.problem().Registry != "outer" {
			t.Errorf("%s = %s by %s", reg, a.phrase, a.problem().Registry)
		}
	}
	if n := h.acme.count("holds", "cause = 'INHERITED'"); n != 0 {
		t.Errorf("%d inherited holds are written, and no job has run", n)
	}
	if _, err := h.first.quarantine.Release(h.acme.ctx, held.ID, "checked"); err != nil {
		t.Fatal(err)
	}
	for _, reg := range names {
		if a := h.acme.get(reg, tarball("x", "1.0.0")); a.status != 200 {
			t.Errorf("released, %s = %s", reg, a.phrase)
		}
	}
}

// TestC5_ArrivalsInheritTheHold: what comes in for review below a hold has the
// hold written down with it.
func TestC5_ArrivalsInheritTheHold(t *testing.T) {
	h := newHarness(t)
	h.up.Publish("x", "1.0.0", big())
	fw := h.acme.firewall("fw", from(h.acme.public))
	h.acme.team("team", source(fw))
	h.acme.doc("team", "x")
	drip := h.up.Drip("/x/-/")
	resp := h.begin(h.acme, "team", tarball("x", "1.0.0"), drip, 192<<10)
	defer resp.Body.Close()
	h.acme.hold(fw, "x@1.0.0", "odd")
	h.broken("arriving", h.first, soon, resp, len(h.up.Tarball("x", "1.0.0")))
	drip.Release()
	h.eventually(soon, "the end of the fetch", func() bool {
		return h.acme.get("team", tarball("x", "1.0.0")).withheld() && h.acme.count("holdings", "true") == h.acme.count("holds", "released_at IS NULL")-1
	})
}

// TestQ6_TheFirstRequestOpensTheHold of a version that a rule quarantines; the
// review brings the bytes in, and delivers nothing.
func TestQ6_TheFirstRequestOpensTheHold(t *testing.T) {
	h := newHarness(t)
	h.up.Publish("x", "1.0.0", protocoltest.Release{})
	h.up.Publish("x", "1.1.0", protocoltest.Release{})
	fw := h.acme.firewall("fw", from(h.acme.public))
	h.acme.team("team", source(fw))
	h.advise(vulnerable("GHSA-aaaa-bbbb-cccc", "x", "1.1.0", ""))
	for range 2 {
		for _, path := range []string{"/x", "/-/package/x/dist-tags"} {
			h.acme.get("team", path)
		}
	}
	if n := h.acme.count("holds", "true"); n != 0 {
		t.Fatalf("a list opened %d holds", n)
	}
	for range 3 {
		a := h.acme.get("team", tarball("x", "1.1.0"))
		if !a.withheld() || a.problem().Registry != "fw" {
			t.Fatalf("file = %s", a.phrase)
		}
	}
	if n := h.acme.count("holds", "cause = 'POLICY' AND released_at IS NULL AND version = '1.1.0'"); n != 1 {
		t.Fatalf("%d holds", n)
	}
	if n := h.up.Count(tarball("x", "1.1.0")); n != 0 {
		t.Errorf("the remote was asked %d times before the review", n)
	}
	if err := h.first.startWorker(h.acme.ctx); err != nil {
		t.Fatal(err)
	}
	h.eventually(soon, "the review", func() bool { return h.acme.count("holdings", "arrived = 'REVIEW'") == 1 })
	if a := h.acme.get("team", tarball("x", "1.1.0")); !a.withheld() {
		t.Errorf("after the review = %s", a.phrase)
	}
	if n := h.acme.count("deliveries", "true"); n != 0 {
		t.Errorf("%d deliveries are written down", n)
	}
	// Released, it comes from what the review brought.
	h.up.Close()
	var id uuid.UUID
	h.acme.scan(&id, "SELECT id FROM holds WHERE cause = 'POLICY'")
	if _, err := h.first.quarantine.Release(h.acme.ctx, id, "not reachable from our code"); err != nil {
		t.Fatal(err)
	}
	for range 2 { // the finding that was acknowledged does not hold it again (Q4)
		if a := h.acme.get("team", tarball("x", "1.1.0")); a.status != 200 || !bytes.Equal(a.body, h.up.Tarball("x", "1.1.0")) {
			t.Errorf("released = %s", a.phrase)
		}
	}
}

// TestD1_ATombstoneKeepsOut what a fetch or a review that had begun before would
// bring back.
func TestD1_ATombstoneKeepsOut(t *testing.T) {
	h := newHarness(t)
	h.up.Publish("x", "1.0.0", big())
	fw := h.acme.firewall("fw", from(h.acme.public))
	h.acme.team("team", source(fw))
	h.acme.doc("team", "x")
	drip := h.up.Drip("/x/-/")
	resp := h.begin(h.acme, "team", tarball("x", "1.0.0"), drip, 192<<10)
	defer resp.Body.Close()
	h.acme.hold(fw, "x@1.0.0", "odd")
	if _, err := h.first.quarantine.Delete(h.acme.ctx, fw, "x", "1.0.0", "malware"); err != nil {
		t.Fatal(err)
	}
	h.broken("arriving", h.first, soon, resp, len(h.up.Tarball("x", "1.0.0")))
	drip.Release()
	if err := h.first.gate.Review(h.acme.ctx, fw, npmVersion("x", "1.0.0")); err == nil {
		t.Error("a review brought back what was deleted for security")
	}
	for _, reg := range []string{"fw", "team"} {
		a := h.acme.get(reg, tarball("x", "1.0.0"))
		if !a.withheld() || a.problem().Kind != string(policy.KindTombstone) {
			t.Errorf("%s = %s %s", reg, a.phrase, a.body)
		}
	}
	if n := h.acme.count("holdings", "true"); n != 0 {
		t.Errorf("%d registries hold it", n)
	}
}

// TestR9_HoldsOutliveTheirEdge: a registry that is cut off from its firewall
// keeps the hold that came through the edge, until its root is released.
func TestR9_HoldsOutliveTheirEdge(t *testing.T) {
	h := newHarness(t)
	h.up.Publish("x", "1.0.0", protocoltest.Release{})
	fw := h.acme.firewall("fw", from(h.acme.public))
	team := h.acme.team("team")
	edge := h.acme.link(registry.UpstreamInput{Registry: team, Source: fw})
	h.acme.get("team", tarball("x", "1.0.0"))
	held := h.acme.hold(fw, "x@1.0.0", "odd")
	if err := h.first.registries.RemoveUpstream(h.acme.ctx, edge, true); err != nil {
		t.Fatal(err)
	}
	if a := h.acme.get("team", tarball("x", "1.0.0")); !a.withheld() {
		t.Errorf("cut off = %s", a.phrase)
	}
	if _, err := h.first.quarantine.Release(h.acme.ctx, held.ID, "checked"); err != nil {
		t.Fatal(err)
	}
	if a := h.acme.get("team", tarball("x", "1.0.0")); a.status != 200 {
		t.Errorf("released = %s", a.phrase)
	}
}
