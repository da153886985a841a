package main

import (
	"bytes"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"sluice.dev/sluice/protocol/protocoltest"
	"sluice.dev/sluice/tenants/registry"
)

// soon is the time that background work gets on a busy machine.
const soon = 20 * time.Second

// asked waits until the remote has been asked n times for the package's
// document, and a little work of the node that follows is done.
func (h *harness) asked(pkg string, n int) {
	h.Helper()
	h.eventually(soon, fmt.Sprintf("request %d for %s", n, pkg), func() bool { return h.documents(pkg) >= n })
	if k := h.documents(pkg); k != n {
		h.Fatalf("the remote was asked %d times for %s, want %d", k, pkg, n)
	}
}

// documents counts requests for the package's document.
func (h *harness) documents(pkg string) (n int) {
	for _, r := range h.up.Requests() {
		if r.Path == "/"+strings.Replace(pkg, "/", "%2f", 1) {
			n++
		}
	}
	return n
}

func TestR3_Freshness(t *testing.T) {
	h := newHarness(t)
	h.up.Publish("x", "1.0.0", protocoltest.Release{})
	h.acme.firewall("fw", from(h.acme.public))
	first := h.acme.get("fw", "/x")
	h.clock.pass(5*minute - time.Second)
	for range 3 {
		h.acme.doc("fw", "x")
	}
	h.asked("x", 1)

	// Past it the document is served at once, while one conditional request runs.
	h.clock.pass(2 * time.Second)
	hang := h.up.Hang("/x")
	for range 5 {
		if a := h.acme.get("fw", "/x"); a.status != 200 || a.header.Get("Warning") != "" {
			t.Fatalf("while it is asked again = %d %v", a.status, a.header)
		}
	}
	<-hang.Reached
	hang.Release()
	h.asked("x", 2)
	if r := h.up.Requests()[1]; r.Header.Get("If-None-Match") == "" {
		t.Errorf("the second request is not conditional: %v", r.Header)
	}
	// Identical bytes change nothing, and it is fresh again.
	h.confirmed("x")
	if a := h.acme.get("fw", "/x", "If-None-Match", first.header.Get("ETag")); a.status != http.StatusNotModified {
		t.Errorf("after a 304 of the remote = %d", a.status)
	}
	h.clock.pass(4 * minute)
	h.acme.doc("fw", "x")
	h.asked("x", 2)

	// What is new upstream shows after the next revalidation.
	h.up.Publish("x", "1.1.0", protocoltest.Release{})
	h.clock.pass(2 * minute)
	h.eventually(soon, "1.1.0 in the list", func() bool { return len(h.acme.doc("fw", "x").Versions) == 2 })
	h.asked("x", 3)
	if a := h.acme.get("fw", "/x"); a.header.Get("ETag") == first.header.Get("ETag") {
		t.Error("another list has the same ETag")
	}
	// After the hour nothing is served before the remote has been asked.
	h.up.Publish("x", "1.2.0", protocoltest.Release{})
	h.clock.pass(2 * time.Hour)
	if d := h.acme.doc("fw", "x"); len(d.Versions) != 3 {
		t.Errorf("after two hours it lists %d versions", len(d.Versions))
	}
}

// confirmed waits until the node has noted the remote's last word.
func (h *harness) confirmed(pkg string) {
	h.Helper()
	h.eventually(soon, "the confirmation", func() bool {
		return h.acme.count("remote_documents", "name = $1 AND checked_at = $2", pkg, h.clock.Now()) == 1
	})
}

// TestR3_WithoutValidators: a source that knows no conditional requests sends
// the same bytes again, and that changes nothing either.
func TestR3_WithoutValidators(t *testing.T) {
	h := newHarness(t)
	h.up.Publish("x", "1.0.0", protocoltest.Release{})
	h.up.Break("/x", func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		r.Header.Del("If-None-Match")
		next.ServeHTTP(stripped{w}, r)
	})
	h.acme.firewall("fw", from(h.acme.public))
	first := h.acme.get("fw", "/x")
	for i := range 3 {
		h.clock.pass(6 * minute)
		if a := h.acme.get("fw", "/x"); a.header.Get("ETag") != first.header.Get("ETag") {
			t.Errorf("the ETag changed from %s to %s", first.header.Get("ETag"), a.header.Get("ETag"))
		}
		h.asked("x", 2+i)
		h.confirmed("x")
	}
	if n := h.acme.count("remote_documents", "true"); n != 1 {
		t.Errorf("%d documents", n)
	}
}

// stripped leaves the ETag out of an answer.
type stripped struct{ http.ResponseWriter }

func (s stripped) WriteHeader(code int) {
	s.Header().Del("ETag")
	s.ResponseWriter.WriteHeader(code)
}

func (s stripped) Write(b []byte) (int, error) {
	s.Header().Del("ETag")
	return s.ResponseWriter.Write(b)
}

// TestR3_AnOutageDoesNotEvict: what was remembered is served with a warning for
// seven days, also by a node that was started meanwhile; a held version longer.
func TestR3_AnOutageDoesNotEvict(t *testing.T) {
	h := newHarness(t)
	for _, pkg := range []string{"listed", "held"} {
		h.up.Publish(pkg, "1.0.0", protocoltest.Release{})
		h.up.Publish(pkg, "1.1.0", protocoltest.Release{})
	}
	fw := h.acme.firewall("fw", from(h.acme.public))
	h.acme.team("team", source(fw))
	h.acme.doc("team", "listed")
	if a := h.acme.get("team", tarball("held", "1.0.0")); a.status != 200 {
		t.Fatal(a.phrase)
	}
	for _, f := range []protocoltest.Fault{protocoltest.Down(), protocoltest.Status(503), protocoltest.HTML(), protocoltest.Malformed(), protocoltest.Status(403)} {
		mend := h.up.Break("/", f)
		h.clock.pass(2 * time.Hour) // past the time in which it is served while it is asked again
		for _, pkg := range []string{"listed", "held"} {
			a := h.acme.get("team", "/"+pkg)
			if a.status != 200 || len(a.packument().Versions) != 2 || !strings.HasPrefix(a.header.Get("Warning"), `110 - "the remote npm-public `) {
				t.Fatalf("%s in an outage = %d %v %s", pkg, a.status, a.header, a.body)
			}
		}
		if a := h.acme.get("team", tarball("held", "1.0.0")); a.status != 200 || !bytes.Equal(a.body, h.up.Tarball("held", "1.0.0")) || a.header.Get("Warning") == "" {
			t.Errorf("a held version in an outage = %d %v", a.status, a.header)
		}
		mend()
		h.clock.pass(minute)
		h.eventually(soon, "the warning's end", func() bool { return h.acme.get("team", "/listed").header.Get("Warning") == "" })
		h.eventually(soon, "the warning's end", func() bool { return h.acme.get("team", "/held").header.Get("Warning") == "" })
	}

	h.up.Break("/", protocoltest.Down())
	h.clock.pass(6 * day)
	second := h.serve()
	for _, x := range []*tenant{h.acme, h.acme.on(second)} {
		if a := x.get("team", "/listed"); a.status != 200 || a.header.Get("Warning") == "" {
			t.Errorf("after six days = %d %s", a.status, a.body)
		}
	}
	h.clock.pass(2 * day)
	for _, x := range []*tenant{h.acme, h.acme.on(second)} {
		a := x.get("team", "/listed")
		if a.status != 503 || !strings.Contains(a.problem().Detail, `"npm-public"`) || a.header.Get("Retry-After") == "" {
			t.Errorf("after eight days = %d %s", a.status, a.body)
		}
		// R1: a name that is held is answered from what is held.
		a = x.get("team", "/held")
		d := a.packument()
		if a.status != 200 || len(d.Versions) != 1 || d.Tags["latest"] != "1.0.0" || !strings.HasPrefix(a.header.Get("Warning"), `199 - "only what is held`) ||
			!strings.Contains(a.header.Get("Warning"), "npm-public") {
			t.Errorf("a held name after eight days = %d %v %s", a.status, a.header, a.body)
		}
		if a := x.get("team", tarball("held", "1.0.0")); a.status != 200 || !bytes.Equal(a.body, h.up.Tarball("held", "1.0.0")) {
			t.Errorf("a held version after eight days = %d", a.status)
		}
		if a := x.get("team", tarball("held", "1.1.0")); a.status != 404 {
			t.Errorf("a version that is not held = %d %s", a.status, a.body)
		}
	}
}

// TestR3_A404Evicts: the remote's word that a name is gone is an answer. Held
// versions stay (R7).
func TestR3_A404Evicts(t *testing.T) {
	h := newHarness(t)
	for _, pkg := range []string{"listed", "held"} {
		h.up.Publish(pkg, "1.0.0", protocoltest.Release{})
		h.up.Publish(pkg, "1.1.0", protocoltest.Release{})
	}
	fw := h.acme.firewall("fw", from(h.acme.public))
	h.acme.team("team", source(fw))
	h.acme.doc("team", "listed")
	h.acme.get("team", tarball("held", "1.0.0"))
	for _, pkg := range []string{"listed", "held"} {
		for _, v := range []string{"1.0.0", "1.1.0"} {
			h.up.Unpublish(pkg, v)
		}
	}
	h.clock.pass(6 * minute)
	h.eventually(soon, "404", func() bool { return h.acme.get("team", "/listed").status == 404 })
	h.eventually(soon, "only held versions", func() bool { return len(h.acme.doc("team", "held").Versions) == 1 })
	if d := h.acme.doc("team", "held"); d.Tags["latest"] != "1.0.0" || d.Time["1.0.0"] == "" {
		t.Errorf("held = %+v", d)
	}
	if a := h.acme.get("team", tarball("held", "1.0.0")); a.status != 200 {
		t.Errorf("a held version = %d", a.status)
	}
	if n := h.acme.count("remote_documents", "true"); n != 0 {
		t.Errorf("%d documents are still remembered", n)
	}
	h.up.Break("/", protocoltest.Down())
	if a := h.acme.get("team", "/listed"); a.status != 404 {
		t.Errorf("an outage right after the answer = %d", a.status)
	}
	h.up.Heal()
	h.up.Publish("listed", "2.0.0", protocoltest.Release{})
	h.clock.pass(6 * minute)
	if d := h.acme.doc("team", "listed"); len(d.Versions) != 1 {
		t.Errorf("back again = %+v", d)
	}
}

// TestR7_ServesWhatItHolds without upstreams, or with one that is gone.
func TestR7_ServesWhatItHolds(t *testing.T) {
	h := newHarness(t)
	h.up.Publish("x", "1.0.0", protocoltest.Release{})
	h.up.Publish("x", "1.1.0", protocoltest.Release{})
	h.up.Publish("x", "2.0.0-rc.1", protocoltest.Release{Tags: []string{"next"}})
	fw := h.acme.firewall("fw", from(h.acme.public))
	team := h.acme.team("team")
	edge := h.acme.link(registry.UpstreamInput{Registry: team, Source: fw})
	for _, v := range []string{"1.0.0", "1.1.0", "2.0.0-rc.1"} {
		h.acme.get("team", tarball("x", v))
	}
	if err := h.first.registries.RemoveUpstream(h.acme.ctx, edge, true); err != nil {
		t.Fatal(err)
	}
	h.up.Close()
	d := h.acme.doc("team", "x")
	if len(d.Versions) != 3 || d.Tags["latest"] != "1.1.0" || d.Time["1.0.0"] != "2020-01-01T12:00:00.000Z" {
		t.Errorf("document = %+v", d)
	}
	if a := h.acme.get("team", tarball("x", "1.1.0")); a.status != 200 || !bytes.Equal(a.body, h.up.Tarball("x", "1.1.0")) {
		t.Errorf("file = %d", a.status)
	}
	if a := h.acme.get("team", "/x/latest"); a.status != 200 || a.manifest().Dist.Integrity != integrity(h.up.Tarball("x", "1.1.0")) {
		t.Errorf("manifest = %d %s", a.status, a.body)
	}
}

// TestR3_ManyMissesAreOneRequest for documents and for files, over two teams.
func TestR3_ManyMissesAreOneRequest(t *testing.T) {
	h := newHarness(t)
	h.up.Publish("x", "1.0.0", big())
	fw := h.acme.firewall("fw", from(h.acme.public))
	h.acme.team("team-a", source(fw))
	h.acme.team("team-b", source(fw))
	real := h.up.Tarball("x", "1.0.0")
	for _, path := range []string{"/x", tarball("x", "1.0.0")} {
		hang := h.up.Hang("/x")
		var all sync.WaitGroup
		for i := range 64 {
			all.Go(func() {
				a := h.acme.get([]string{"team-a", "team-b"}[i%2], path)
				if a.status != 200 || a.err != nil || path != "/x" && !bytes.Equal(a.body, real) {
					t.Errorf("%s = %d, %d bytes, %v", path, a.status, len(a.body), a.err)
				}
			})
		}
		<-hang.Reached
		hang.Release()
		all.Wait()
		if n := h.up.Count(path); path != "/x" && n != 1 {
			t.Errorf("%s: %d requests", path, n)
		}
	}
	if n := h.documents("x"); n != 1 {
		t.Errorf("the document was asked for %d times", n)
	}
	if err := h.first.decisions.Flush(h.acme.ctx); err != nil {
		t.Fatal(err)
	}
	if n := h.acme.sum("deliveries", "count"); n != 64 {
		t.Errorf("%d deliveries are written down", n)
	}
}

// TestR2_AClientThatLeavesAbortsNothing: the file lands and is held.
func TestR2_AClientThatLeavesAbortsNothing(t *testing.T) {
	h := newHarness(t)
	h.up.Publish("x", "1.0.0", big())
	fw := h.acme.firewall("fw", from(h.acme.public))
	h.acme.team("team", source(fw))
	drip := h.up.Drip("/x/-/")
	resp := h.begin(h.acme, "team", tarball("x", "1.0.0"), drip, 192<<10)
	resp.Body.Close()
	drip.Release()
	h.eventually(soon, "holding", func() bool { return h.acme.count("holdings", "true") == 2 })
	if a := h.acme.get("team", tarball("x", "1.0.0")); a.status != 200 || !bytes.Equal(a.body, h.up.Tarball("x", "1.0.0")) {
		t.Errorf("afterwards = %d", a.status)
	}
	if n := h.up.Count(tarball("x", "1.0.0")); n != 1 {
		t.Errorf("the remote was asked %d times", n)
	}
}
