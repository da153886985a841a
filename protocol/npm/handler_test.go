package npm

import (
	"compress/gzip"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"sluice.dev/sluice/protocol"
	"sluice.dev/sluice/tenants/errs"
	"sluice.dev/sluice/tenants/gate"
	"sluice.dev/sluice/tenants/policy"
)

// acme is a view of @acme/x: 1.0.0 allowed, 1.1.0 hidden, 2.0.0 listed but
// failing.
func acme(t testing.TB) *gate.View {
	l := decode(t, "@acme/x", []byte(`{"name":"@acme/x","dist-tags":{"latest":"1.1.0","next":"2.0.0","old":"1.0.0"},"readme":"r","versions":{
		"1.0.0":`+manifestOf("@acme/x", "1.0.0", "")+`,"1.1.0":`+manifestOf("@acme/x", "1.1.0", "")+`,"2.0.0":`+manifestOf("@acme/x", "2.0.0", "")+`},
		"time":{"1.0.0":"2020-01-01T00:00:00Z"}}`))
	v := viewOf(l, map[string]policy.Decision{"1.1.0": deny("@acme/x 1.1.0 is affected by GHSA-1", false), "2.0.0": deny("@acme/x 2.0.0 is affected by GHSA-1", true)})
	v.Tags["latest"] = "1.0.0"
	return v
}

func TestPackumentForms(t *testing.T) {
	v := acme(t)
	v.Warnings = []string{`110 - "stale"`}
	s := serveGate(t, &testGate{views: map[string]*gate.View{"@acme/x": v}})
	etags := map[string]string{}
	for _, form := range []struct{ accept, ctype string }{{"*/*", "application/json"}, {corgi + "; q=1.0, application/json; q=0.8, */*", corgi}} {
		for _, path := range []string{"/@acme/x", "/@acme%2fx", "/@acme%2Fx", "/%40acme%2fx"} {
			for _, encoding := range []string{"identity", "gzip"} {
				resp, body := call(t, s, "GET", path, "Accept", form.accept, "Accept-Encoding", encoding)
				h := resp.Header
				if resp.StatusCode != 200 || h.Get("Content-Type") != form.ctype || h.Get("Vary") != "Accept, Accept-Encoding" ||
					h.Get("Cache-Control") != "private, no-cache" || h.Get("X-Content-Type-Options") != "nosniff" ||
					h.Get("Content-Security-Policy") != "default-src 'none'; sandbox" || h.Get("Warning") != `110 - "stale"` ||
					h.Get("Sluice-Decision") != v.DecisionID || resp.ContentLength != int64(len(body)) {
					t.Fatalf("%s %s = %d %v", path, form.accept, resp.StatusCode, h)
				}
				if encoding == "gzip" {
					if h.Get("Content-Encoding") != "gzip" {
						t.Fatalf("not compressed: %v", h)
					}
					z, err := gzip.NewReader(strings.NewReader(body))
					if err != nil {
						t.Fatal(err)
					}
					plain, err := io.ReadAll(z)
					if err != nil {
						t.Fatal(err)
					}
					body = string(plain)
				}
				if !json.Valid([]byte(body)) || strings.Contains(body, `"readme"`) != (form.ctype != corgi) || strings.Contains(body, "up.example") {
					t.Errorf("%s as %s = %s", path, form.ctype, body)
				}
				key := form.ctype + encoding
				if e := etags[key]; e != "" && e != h.Get("ETag") {
					t.Errorf("the spelling %s has another ETag", path)
				}
				etags[key] = h.Get("ETag")

				head, none := call(t, s, "HEAD", path, "Accept", form.accept, "Accept-Encoding", encoding)
				if head.StatusCode != 200 || none != "" || head.ContentLength != resp.ContentLength || head.Header.Get("ETag") != h.Get("ETag") {
					t.Errorf("HEAD %s = %d %v", path, head.StatusCode, head.Header)
				}
				again, none := call(t, s, "GET", path, "Accept", form.accept, "Accept-Encoding", encoding, "If-None-Match", `"other", W/`+h.Get("ETag"))
				if again.StatusCode != 304 || none != "" || again.Header.Get("ETag") != h.Get("ETag") || again.Header.Get("Vary") == "" {
					t.Errorf("304 = %d %v", again.StatusCode, again.Header)
				}
			}
		}
	}
	seen := map[string]bool{}
	for _, e := range etags {
		seen[e] = true
	}
	if len(seen) != 4 {
		t.Errorf("the four representations have the ETags %v", etags)
	}
}

func TestAWarmAnswerIsNotRenderedAgain(t *testing.T) {
	v := acme(t)
	s := serveGate(t, &testGate{views: map[string]*gate.View{"@acme/x": v}})
	first, body := call(t, s, "GET", "/@acme/x")
	v.Entries[0].Listed = &gate.Listed{Version: "1.0.0"} // would fail to render
	if resp, again := call(t, s, "GET", "/@acme/x"); resp.StatusCode != 200 || again != body {
		t.Errorf("second answer = %d %s", resp.StatusCode, again)
	}
	if resp, _ := call(t, s, "GET", "/@acme/x", "If-None-Match", first.Header.Get("ETag")); resp.StatusCode != 304 {
		t.Errorf("304 = %d", resp.StatusCode)
	}
	// A rendering that fails is an error, never half a document (F1).
	if resp, body := call(t, s, "GET", "/@acme/x", "Accept", corgi); resp.StatusCode != 500 || strings.Contains(body, "versions") {
		t.Errorf("a failing rendering = %d %s", resp.StatusCode, body)
	}
}

func TestP2_OneVersionsManifest(t *testing.T) {
	s := serveGate(t, &testGate{views: map[string]*gate.View{"@acme/x": acme(t)}})
	for _, path := range []string{"/@acme/x/1.0.0", "/@acme%2fx/latest", "/@acme/x/old", "/@acme/x/v1.0.0"} {
		resp, body := call(t, s, "GET", path)
		var m struct {
			Version string
			Dist    struct{ Tarball string }
		}
		if err := json.Unmarshal([]byte(body), &m); err != nil {
			t.Fatal(err)
		}
		if resp.StatusCode != 200 || m.Version != "1.0.0" || m.Dist.Tarball != at.Registry+"/@acme/x/-/x-1.0.0.tgz" || resp.Header.Get("ETag") == "" {
			t.Errorf("%s = %d %s", path, resp.StatusCode, body)
		}
	}
	for _, path := range []string{"/@acme/x/1.1.0", "/@acme/x/2.0.0", "/@acme/x/next"} {
		for _, method := range []string{"GET", "HEAD"} {
			resp, body := call(t, s, method, path, "If-None-Match", "*")
			if resp.StatusCode != 403 || resp.Header.Get("Sluice-Decision") != "f00d" || !strings.Contains(resp.Status, "is withheld by") {
				t.Errorf("%s %s = %s %v", method, path, resp.Status, resp.Header)
			}
			if method == "GET" && !strings.Contains(body, `"instance":"https://acme.sluice.example/-/decisions/f00d"`) {
				t.Errorf("%s = %s", path, body)
			}
		}
	}
	for _, path := range []string{"/@acme/x/3.0.0", "/@acme/x/beta", "/@acme/x/%5e1.0.0", "/@acme/y/1.0.0", "/@acme/y"} {
		resp, body := call(t, s, "GET", path)
		if resp.StatusCode != 404 || !strings.Contains(body, `"error":"`) {
			t.Errorf("%s = %d %s", path, resp.StatusCode, body)
		}
	}
}

func TestP7_DistTagsRoute(t *testing.T) {
	s := serveGate(t, &testGate{views: map[string]*gate.View{"@acme/x": acme(t)}})
	for _, path := range []string{"/-/package/@acme%2fx/dist-tags", "/-/package/@acme/x/dist-tags"} {
		if resp, body := call(t, s, "GET", path); resp.StatusCode != 200 || body != `{"latest":"1.0.0","next":"2.0.0","old":"1.0.0"}` {
			t.Errorf("%s = %d %s", path, resp.StatusCode, body)
		}
	}
}

func TestSmallRoutes(t *testing.T) {
	s := serveGate(t, &testGate{})
	for path, want := range map[string]string{
		"/-/ping":   `{}`,
		"/-/whoami": `{"username":"ann"}`,
		"/":         `{"registry":"team","ecosystem":"npm","url":"https://acme.sluice.example/npm/team"}`,
	} {
		resp, body := call(t, s, "GET", path)
		if resp.StatusCode != 200 || body != want || resp.Header.Get("Content-Type") != "application/json" || resp.Header.Get("Cache-Control") != "private, no-store" {
			t.Errorf("%s = %d %s %v", path, resp.StatusCode, body, resp.Header)
		}
	}
	rec := httptest.NewRecorder()
	handlerOf(&testGate{}, func(t *protocol.Target) { t.Subject = "" }).ServeHTTP(rec, httptest.NewRequest("GET", "/npm/team/-/whoami", nil))
	if rec.Code != 401 || rec.Header().Get("Www-Authenticate") == "" {
		t.Errorf("whoami of nobody = %d %v", rec.Code, rec.Header())
	}
}

func TestMethodsAndErrors(t *testing.T) {
	g := &testGate{}
	s := serveGate(t, g)
	for _, method := range []string{"POST", "PUT", "DELETE", "PATCH"} {
		if resp, body := call(t, s, method, "/x/1.0.0"); resp.StatusCode != 405 || resp.Header.Get("Allow") != "GET, HEAD" || !strings.Contains(body, method) {
			t.Errorf("%s = %d %v", method, resp.StatusCode, resp.Header)
		}
	}
	for _, c := range []struct {
		err    error
		status int
		header string
	}{
		{errs.New(errs.Upstream, "gate.list", "the remote is broken"), 502, ""},
		{errs.New(errs.Unavailable, "gate.list", "the remote is down"), 503, "Retry-After"},
		{context.DeadlineExceeded, 500, ""},
	} {
		g.list = c.err
		for _, path := range []string{"/x", "/x/1.0.0", "/-/package/x/dist-tags"} {
			resp, body := call(t, s, "GET", path)
			if resp.StatusCode != c.status || !json.Valid([]byte(body)) || c.header != "" && resp.Header.Get(c.header) == "" || resp.Header.Get("Sluice-Decision") != "" {
				t.Errorf("%s, %v = %d %v", path, c.err, resp.StatusCode, resp.Header)
			}
		}
	}
	if resp, body := call(t, s, "GET", "/x%2fy"); resp.StatusCode != 400 || !strings.Contains(body, "escaped slash") {
		t.Errorf("a hostile path = %d %s", resp.StatusCode, body)
	}
}

func TestQ2_AnonymousRegistriesMayBeCached(t *testing.T) {
	rec := httptest.NewRecorder()
	g := &testGate{views: map[string]*gate.View{"@acme/x": acme(t)}}
	handlerOf(g, func(t *protocol.Target) { t.Anonymous = true }).ServeHTTP(rec, httptest.NewRequest("GET", "/npm/team/@acme/x", nil))
	if got := rec.Header().Get("Cache-Control"); got != "public, no-cache" {
		t.Errorf("Cache-Control = %q", got)
	}
}

// discard is a ResponseWriter that costs nothing.
type discard struct{ h http.Header }

func (d discard) Header() http.Header         { return d.h }
func (d discard) Write(p []byte) (int, error) { return len(p), nil }
func (d discard) WriteHeader(int)             {}

func BenchmarkWarmPackument(b *testing.B) {
	g := &testGate{views: map[string]*gate.View{"@acme/x": acme(b)}}
	h := &Handler{Gate: g}
	r := httptest.NewRequest("GET", "/@acme%2fx", nil)
	r.Header.Set("Accept", corgi+"; q=1.0, application/json; q=0.8, */*")
	r.Header.Set("Accept-Encoding", "gzip")
	target := protocol.Target{Registry: g.views["@acme/x"].Registry, BaseURL: at.Registry, OrgURL: at.Org, Path: "/@acme%2fx"}
	w := discard{http.Header{}}
	b.ReportAllocs()
	for b.Loop() {
		clear(w.h)
		h.Serve(w, r, target)
	}
}
