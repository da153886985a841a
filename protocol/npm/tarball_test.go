package npm

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"sluice.dev/sluice/tenants/coord"
	"sluice.dev/sluice/tenants/errs"
	"sluice.dev/sluice/tenants/gate"
)

const sum = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"

func TestTarballOfAHeldVersion(t *testing.T) {
	published := time.Date(2020, 1, 2, 3, 4, 5, 0, time.UTC)
	g := &testGate{}
	g.open = func(req gate.OpenRequest) (gate.Opened, error) {
		return content(gate.Content{Name: req.File, Size: 10, SHA256: sum, Modified: published, Warning: `110 - "stale"`, Seeker: fileOf(t, 10, "0123456789")})
	}
	s := serveGate(t, g)
	const path = "/@acme/x/-/x-1.0.0.tgz"
	resp, body := call(t, s, "GET", path, "Accept", corgi)
	for name, want := range map[string]string{
		"Content-Type": "application/octet-stream", "Content-Disposition": `attachment; filename="x-1.0.0.tgz"`, "Content-Length": "10",
		"Etag": `"` + sum + `"`, "Last-Modified": "Thu, 02 Jan 2020 03:04:05 GMT", "Accept-Ranges": "bytes", "Cache-Control": "private, no-cache",
		"Warning": `110 - "stale"`, "X-Content-Type-Options": "nosniff", "Content-Security-Policy": "default-src 'none'; sandbox", "Content-Encoding": "",
	} {
		if got := resp.Header.Get(name); got != want {
			t.Errorf("%s = %q, want %q", name, got, want)
		}
	}
	if resp.StatusCode != 200 || body != "0123456789" {
		t.Errorf("GET = %d %q", resp.StatusCode, body)
	}
	want := gate.OpenRequest{Registry: g.last().Registry, Package: coord.Package{Ecosystem: coord.NPM, Name: "@acme/x"}, Version: "1.0.0", File: "x-1.0.0.tgz"}
	got := g.last()
	got.Cut = nil
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("asked the gate for %+v, want %+v", got, want)
	}
	for _, c := range []struct {
		method string
		header []string
		status int
		body   string
		whole  bool
	}{
		{"HEAD", nil, 200, "", true},
		{"GET", []string{"Range", "bytes=2-4"}, 206, "234", true},
		{"GET", []string{"Range", "bytes=-3"}, 206, "789", true},
		{"HEAD", []string{"Range", "bytes=2-4"}, 206, "", true},
		{"GET", []string{"If-None-Match", `"` + sum + `"`}, 304, "", false},
		{"GET", []string{"If-None-Match", `W/"` + sum + `", "x"`}, 304, "", false},
		{"GET", []string{"If-None-Match", `"x"`}, 200, "0123456789", false},
		{"GET", []string{"Range", "bytes=2-4", "If-Range", `"x"`}, 200, "0123456789", true},
	} {
		resp, body := call(t, s, c.method, path, c.header...)
		if resp.StatusCode != c.status || body != c.body || g.last().Whole != c.whole {
			t.Errorf("%s %v = %d %q, whole %v", c.method, c.header, resp.StatusCode, body, g.last().Whole)
		}
	}
	if resp, _ := call(t, s, "GET", path, "Range", "bytes=20-30"); resp.StatusCode != 416 {
		t.Errorf("a range behind the end = %d", resp.StatusCode)
	}
	for _, path := range []string{"/@acme%2fx/-/x-1.0.0.tgz", "/@acme/x/-/@acme/x-1.0.0.tgz", "/@acme/x/-/@acme%2fx-1.0.0.tgz"} {
		if resp, body := call(t, s, "GET", path); resp.StatusCode != 200 || body != "0123456789" || g.last().File != "x-1.0.0.tgz" {
			t.Errorf("%s = %d %q", path, resp.StatusCode, body)
		}
	}
}

func TestP2_TarballRefusalsAndErrors(t *testing.T) {
	g := &testGate{}
	s := serveGate(t, g)
	v := acme(t)
	g.open = func(req gate.OpenRequest) (gate.Opened, error) {
		refusal, _ := g.Refuse(t.Context(), v, v.Entry(req.Version))
		return gate.Opened{Refusal: refusal}, nil
	}
	for _, c := range [][]string{{"GET"}, {"HEAD"}, {"GET", "Range", "bytes=0-1"}, {"GET", "If-None-Match", `"` + sum + `"`}} {
		resp, body := call(t, s, c[0], "/@acme/x/-/x-1.1.0.tgz", c[1:]...)
		if resp.StatusCode != 403 || resp.Header.Get("Sluice-Decision") != "f00d" || resp.Header.Get("Content-Disposition") != "" {
			t.Errorf("%v = %d %v", c, resp.StatusCode, resp.Header)
		}
		if want := `403 @acme/x@1.1.0 is withheld by "npm-firewall": affected by GHSA-1; install 1.0.0 instead - https://acme.sluice.example/-/decisions/f00d`; resp.Status != want {
			t.Errorf("status = %s", resp.Status)
		}
		if c[0] == "GET" && !strings.Contains(body, `"error":"@acme/x@1.1.0 is withheld`) {
			t.Errorf("body = %s", body)
		}
	}
	for kind, status := range map[errs.Kind]int{errs.NotFound: 404, errs.Upstream: 502, errs.Unavailable: 503} {
		g.open = func(gate.OpenRequest) (gate.Opened, error) {
			return gate.Opened{}, errs.New(kind, "gate.open", "the reason")
		}
		if resp, body := call(t, s, "GET", "/@acme/x/-/x-1.0.0.tgz"); resp.StatusCode != status || !strings.Contains(body, "the reason") {
			t.Errorf("%v = %d %s", kind, resp.StatusCode, body)
		}
	}
	n := len(g.asked)
	if resp, body := call(t, s, "GET", "/@acme/x/-/y-1.0.0.tgz"); resp.StatusCode != 404 || !strings.Contains(body, "named x-{version}.tgz") || len(g.asked) != n {
		t.Errorf("another package's file = %d %s", resp.StatusCode, body)
	}
}

func TestR2_StreamsAreBrokenOffWhenTheyFail(t *testing.T) {
	g := &testGate{}
	s := serveGate(t, g)
	for _, size := range []int64{10, -1} {
		in, out := io.Pipe()
		g.open = func(req gate.OpenRequest) (gate.Opened, error) {
			return content(gate.Content{Name: req.File, Size: size, Stream: in})
		}
		resp, err := make(chan *http.Response), make(chan error)
		go func() {
			r, e := try(s, "GET", "/x/-/x-1.0.0.tgz")
			resp <- r
			err <- e
		}()
		_, _ = out.Write([]byte("01234"))
		got := <-resp
		if e := <-err; e != nil {
			t.Fatal(e)
		}
		first := make([]byte, 5)
		if _, e := io.ReadFull(got.Body, first); e != nil || string(first) != "01234" {
			t.Errorf("size %d: the first bytes do not come before the last: %q, %v", size, first, e)
		}
		if got.Header.Get("ETag") != "" || got.StatusCode != 200 {
			t.Errorf("size %d: %d %v", size, got.StatusCode, got.Header)
		}
		_, _ = out.Write([]byte("5678"))
		out.CloseWithError(errors.New("the digest does not match"))
		rest, e := io.ReadAll(got.Body)
		got.Body.Close()
		if e == nil {
			t.Errorf("size %d: the client took %q for a complete file", size, rest)
		}
	}
	g.open = func(req gate.OpenRequest) (gate.Opened, error) {
		return content(gate.Content{Name: req.File, Size: 9, Stream: io.LimitReader(strings.NewReader("012345678"), 9)})
	}
	if resp, body := call(t, s, "GET", "/x/-/x-1.0.0.tgz"); body != "012345678" || resp.ContentLength != 9 {
		t.Errorf("a stream that ends well = %q, %v", body, resp.Header)
	}
	g.open = func(req gate.OpenRequest) (gate.Opened, error) {
		return content(gate.Content{Name: req.File, Size: 9, Stream: failing{errs.New(errs.Upstream, "gate.open", "the remote sent other bytes")}})
	}
	resp, body := call(t, s, "GET", "/x/-/x-1.0.0.tgz")
	if resp.StatusCode != 502 || !strings.Contains(body, "the remote sent other bytes") || resp.Header.Get("Content-Disposition") != "" || resp.ContentLength != int64(len(body)) {
		t.Errorf("a stream that fails at once = %d %s %v", resp.StatusCode, body, resp.Header)
	}
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

func TestR2_OldClientsWaitForTheWhole(t *testing.T) {
	for _, c := range []struct {
		proto  string
		minor  int
		header string
		want   bool
	}{{"GET", 1, "", false}, {"GET", 0, "", true}, {"HEAD", 1, "", true}, {"GET", 1, "bytes=0-", true}} {
		r := &http.Request{Method: c.proto, ProtoMajor: 1, ProtoMinor: c.minor, Header: http.Header{}}
		if c.header != "" {
			r.Header.Set("Range", c.header)
		}
		if got := needsWhole(r); got != c.want {
			t.Errorf("%+v: whole = %v", c, got)
		}
	}
}

func TestQ2_RunningResponsesAreCut(t *testing.T) {
	const size = 256 << 20 // more than the kernel buffers
	g := &testGate{}
	s := serveGate(t, g)
	for name, c := range map[string]func() gate.Content{
		"file":   func() gate.Content { return gate.Content{Size: size, SHA256: sum, Seeker: fileOf(t, size, "x")} },
		"stream": func() gate.Content { return gate.Content{Size: size, Stream: zeros{}} },
	} {
		g.open = func(gate.OpenRequest) (gate.Opened, error) { return content(c()) }
		resp, err := try(s, "GET", "/x/-/x-1.0.0.tgz")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadFull(resp.Body, make([]byte, 10)); err != nil {
			t.Fatal(err)
		}
		g.last().Cut()
		n, err := io.Copy(io.Discard, resp.Body)
		resp.Body.Close()
		if err == nil || n > size-100 {
			t.Errorf("%s: after the cut the client received %d more bytes, %v", name, n, err)
		}
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { return len(p), nil }

func TestQ2_ACutAfterTheEndDoesNothing(t *testing.T) {
	g := &testGate{}
	g.open = func(req gate.OpenRequest) (gate.Opened, error) {
		return content(gate.Content{Name: req.File, Size: 2, SHA256: sum, Seeker: fileOf(t, 2, "ok")})
	}
	s := serveGate(t, g)
	for range 3 {
		if _, body := call(t, s, "GET", "/x/-/x-1.0.0.tgz"); body != "ok" {
			t.Errorf("body = %q", body)
		}
		g.last().Cut()
	}
}
