package main

import (
	"bytes"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"sluice.dev/sluice/protocol/protocoltest"
	"sluice.dev/sluice/protocol/upstream"
)

// small makes the bounds of the client for remotes small.
func small(c *upstream.Config) {
	c.MaxDocument, c.HeaderTime, c.IdleTime = 1<<20, 300*time.Millisecond, 300*time.Millisecond
}

// TestF1_BadDocuments has every way in which a source can give something else
// than a document, asked for the first time: a clear error, and nothing kept.
func TestF1_BadDocuments(t *testing.T) {
	h := newHarness(t, small)
	fw := h.acme.firewall("fw", from(h.acme.public))
	h.acme.team("team", source(fw))
	for _, c := range []struct {
		name   string
		fault  protocoltest.Fault
		status int
		says   []string // besides the registry and the remote
	}{
		{"malformed", protocoltest.Malformed(), 502, []string{"ends too early"}},
		{"html", protocoltest.HTML(), 502, []string{"HTML or XML page"}},
		{"huge", protocoltest.Huge(200 << 20), 502, []string{"bound of 1 MiB"}},
		{"another-type", protocoltest.ContentType("image/png"), 200, nil},
		{"down", protocoltest.Down(), 503, []string{"before it was complete"}},
		{"truncated", protocoltest.Truncated(), 503, []string{"before it was complete"}},
		{"failing", protocoltest.Status(500), 503, []string{"failed (500)"}},
		{"too-many", protocoltest.Status(429), 503, []string{"fewer requests (429)"}},
		{"wants-login", protocoltest.Status(401), 502, []string{"wants a credential (401)"}},
		{"forbids", protocoltest.Status(403), 502, []string{"refused access (403)"}},
		{"missing", protocoltest.Status(404), 404, []string{"is not known"}},
		{"gone", protocoltest.Status(410), 404, []string{"is not known"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			h.in(t)
			h.up.Publish(c.name, "1.0.0", protocoltest.Release{})
			mend := h.up.Break("/"+c.name, c.fault)
			for _, path := range []string{"/" + c.name, "/" + c.name + "/1.0.0", "/-/package/" + c.name + "/dist-tags", tarball(c.name, "1.0.0")} {
				if c.status == 200 && path == tarball(c.name, "1.0.0") {
					continue
				}
				a := h.acme.get("team", path)
				if a.status != c.status || a.status == 503 && a.header.Get("Retry-After") == "" {
					t.Fatalf("%s = %d %v %s", path, a.status, a.header, a.body)
				}
				if c.status < 500 {
					continue
				}
				for _, word := range append(c.says, `"fw"`, `"npm-public"`, c.name) {
					if !strings.Contains(a.problem().Detail, word) {
						t.Errorf("%s does not say %q: %s", path, word, a.problem().Detail)
					}
				}
				if a.header.Get("Sluice-Decision") != "" {
					t.Error("an outage looks like a refusal")
				}
				if head := h.acme.ask(http.MethodHead, "team", path); head.status != a.status {
					t.Errorf("HEAD %s = %d", path, head.status)
				}
			}
			if c.status != 200 {
				h.nothingKept(c.name)
			}
			mend()
			if a := h.acme.get("team", "/"+c.name); c.status >= 500 && a.status != 200 {
				t.Errorf("mended = %d %s", a.status, a.body)
			}
		})
	}
}

// nothingKept checks that no row names the package, and that every blob row has
// a row that names it.
func (h *harness) nothingKept(pkg string) {
	h.Helper()
	for table, where := range map[string]string{"remote_documents": "name = $1", "package_names": "name = $1"} {
		if n := h.acme.count(table, where, pkg); n != 0 {
			h.Errorf("%s has %d rows of %s", table, n, pkg)
		}
	}
	if n := h.acme.count("blobs", "sha256 NOT IN (SELECT sha256 FROM remote_documents UNION SELECT sha256 FROM version_files)"); n != 0 {
		h.Errorf("%d blobs that nothing names", n)
	}
}

// TestR3_AHangingSourceIsGivenUp in the bounded time, with words about it.
func TestR3_AHangingSourceIsGivenUp(t *testing.T) {
	h := newHarness(t, small)
	h.up.Publish("slow", "1.0.0", protocoltest.Release{})
	h.acme.firewall("fw", from(h.acme.public))
	hang := h.up.Hang("/slow")
	a := h.acme.get("fw", "/slow")
	if a.status != 503 || !strings.Contains(a.problem().Detail, "did not begin to answer within 300ms") {
		t.Errorf("hanging document = %d %s", a.status, a.body)
	}
	hang.Release()
	if a := h.acme.get("fw", "/slow"); a.status != 200 {
		t.Fatalf("afterwards = %d %s", a.status, a.body)
	}
	hang = h.up.Hang("/slow/-/")
	for _, method := range []string{"GET", "HEAD"} {
		a := h.acme.ask(method, "fw", tarball("slow", "1.0.0"))
		if a.status != 502 || method == "GET" && !strings.Contains(a.problem().Detail, "did not begin to answer within 300ms") {
			t.Errorf("hanging file, %s = %d %s", method, a.status, a.body)
		}
	}
	hang.Release()
	if a := h.acme.get("fw", tarball("slow", "1.0.0")); a.status != 200 {
		t.Errorf("afterwards = %d %s", a.status, a.body)
	}
}

// big is a release whose tarball does not fit into what readers are kept behind
// (blob.Tail), so that its first bytes go out before its last have come.
func big() protocoltest.Release {
	return protocoltest.Release{Files: map[string]string{"noise.bin": noise(256 << 10)}}
}

// noise does not compress.
func noise(n int) string {
	x, b := uint64(0x9e3779b97f4a7c15), make([]byte, n)
	for i := range b {
		x ^= x << 13
		x ^= x >> 7
		x ^= x << 17
		b[i] = byte(x >> 24)
	}
	return string(b)
}

// TestR2_BadFiles: a client never sees a complete file that is not what its
// source declared, nothing is held, and the source's lie leaves a finding.
func TestR2_BadFiles(t *testing.T) {
	h := newHarness(t, small)
	fw := h.acme.firewall("fw", from(h.acme.public))
	h.acme.team("team", source(fw))
	for _, c := range []struct {
		name    string
		fault   protocoltest.Fault
		status  int // of a file whose first byte cannot go out
		says    string
		finding bool
	}{
		{"corrupted", protocoltest.Corrupted(), 502, "sent other bytes", true},
		{"html", protocoltest.HTML(), 502, "sent other bytes", true},
		{"truncated", protocoltest.Truncated(), 502, "before it was complete", false},
		{"down", protocoltest.Down(), 502, "before it was complete", false},
		{"missing", protocoltest.Status(404), 502, "does not have this file", false},
		{"failing", protocoltest.Status(503), 502, "failed (503)", false},
	} {
		for size, release := range map[string]protocoltest.Release{"small": {}, "big": big()} {
			t.Run(c.name+"/"+size, func(t *testing.T) {
				h.in(t)
				pkg := c.name + "-" + size
				h.up.Publish(pkg, "1.0.0", release)
				mend := h.up.Break("/"+pkg+"/-/", c.fault)
				real := h.up.Tarball(pkg, "1.0.0")
				for _, ask := range [][]string{{"GET"}, {"HEAD"}, {"GET", "Range", "bytes=0-9"}} {
					a := h.acme.ask(ask[0], "team", tarball(pkg, "1.0.0"), ask[1:]...)
					switch {
					case a.err == nil && a.status < 400:
						t.Errorf("%v: a complete answer: %s with %d bytes", ask, a.phrase, len(a.body))
					case a.err == nil && (a.status != c.status || len(a.body) > 0 && !strings.Contains(a.problem().Detail, c.says)):
						t.Errorf("%v = %s %s", ask, a.phrase, a.body)
					case a.status < 400 && len(a.body) >= len(real):
						t.Errorf("%v: the client got %d bytes of %d", ask, len(a.body), len(real))
					}
				}
				if n := h.acme.count("holdings h JOIN package_names p ON p.id = h.package_id", "p.name = $1", pkg); n != 0 {
					t.Errorf("%d registries hold it", n)
				}
				if n := h.acme.count("blobs", "sha256 NOT IN (SELECT sha256 FROM remote_documents UNION SELECT sha256 FROM version_files)"); n != 0 {
					t.Errorf("%d blobs that nothing names", n)
				}
				if n := h.acme.count("findings", "name = $1 AND kind = 'DIGEST_MISMATCH'", pkg); n == 1 != c.finding {
					t.Errorf("%d findings", n)
				}
				mend()
				if a := h.acme.get("team", tarball(pkg, "1.0.0")); a.status != 200 || !bytes.Equal(a.body, real) {
					t.Errorf("mended = %d, %v", a.status, a.err)
				}
			})
		}
	}
}

// TestR2_TheLastBytesWaitForTheDigest: of a file that comes slowly the client
// gets the first bytes at once, and the end only when the whole is right.
func TestR2_TheLastBytesWaitForTheDigest(t *testing.T) {
	h := newHarness(t)
	h.up.Publish("drip", "1.0.0", big())
	h.acme.firewall("fw", from(h.acme.public))
	h.acme.doc("fw", "drip")
	drip := h.up.Drip("/drip/-/")
	resp := h.begin(h.acme, "fw", tarball("drip", "1.0.0"), drip, 192<<10)
	defer resp.Body.Close()
	if _, err := io.ReadFull(resp.Body, make([]byte, 64<<10)); err != nil {
		t.Fatal("the first bytes did not come before the last: ", err)
	}
	drip.Release()
	rest, err := io.ReadAll(resp.Body)
	real := h.up.Tarball("drip", "1.0.0")
	if err != nil || !bytes.Equal(rest, real[64<<10:]) || resp.ContentLength != int64(len(real)) {
		t.Errorf("%d more bytes, %v", len(rest), err)
	}
}

// begin asks for a file whose source drips, and lets the first bytes come.
func (h *harness) begin(x *tenant, registry, path string, drip *protocoltest.Dripping, first int) *http.Response {
	h.Helper()
	type result struct {
		resp *http.Response
		err  error
	}
	done := make(chan result, 1)
	go func() {
		resp, err := x.open(h.Context(), "GET", x.url(registry, path))
		done <- result{resp, err}
	}()
	<-drip.Reached
	drip.Allow(first)
	got := <-done
	if got.err != nil {
		h.Fatal(got.err)
	}
	return got.resp
}
