package upstream

import (
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"sluice.dev/sluice/tenants/errs"
)

// serve starts a loopback server, and a client that may talk to it.
func serve(t *testing.T, cfg Config, h http.HandlerFunc) (*Client, Remote) {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return client(t, cfg, s), Remote{ID: "1", Name: "npm-public", BaseURL: s.URL}
}

func client(t *testing.T, cfg Config, servers ...*httptest.Server) *Client {
	t.Helper()
	for _, s := range servers {
		cfg.AllowedHosts = append(cfg.AllowedHosts, s.Listener.Addr().String())
	}
	if cfg.Backoff == 0 {
		cfg.Backoff = time.Nanosecond
	}
	c, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func get(c *Client, r Remote, path string) (Document, error) {
	return c.GetDocument(context.Background(), Request{Remote: r, URL: r.BaseURL + path})
}

// wantError checks kind, remote, outage and words of an error.
func wantError(t *testing.T, err error, outage bool, words ...string) {
	t.Helper()
	if !errs.Is(err, errs.Upstream) {
		t.Fatalf("error = %v, want one of kind UPSTREAM", err)
	}
	if IsOutage(err) != outage {
		t.Errorf("IsOutage(%v) = %v, want %v", err, IsOutage(err), outage)
	}
	for _, w := range append(words, `remote "npm-public"`) {
		if !strings.Contains(errs.Public(err), w) {
			t.Errorf("public message %q does not contain %q", errs.Public(err), w)
		}
	}
}

func TestDocumentCarriesItsValidators(t *testing.T) {
	c, r := serve(t, Config{UserAgent: "sluice/test"}, func(w http.ResponseWriter, req *http.Request) {
		w.Header().Set("ETag", `"e"`)
		w.Header().Set("Last-Modified", "Mon, 02 Jan 2006 15:04:05 GMT")
		if req.Header.Get("If-None-Match") == `"e"` {
			w.WriteHeader(http.StatusNotModified)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprintf(w, "%s|%s", req.UserAgent(), req.Header.Get("Accept"))
	})
	req := Request{Remote: r, URL: r.BaseURL + "/x", Accept: "application/json"}
	d, err := c.GetDocument(context.Background(), req)
	if err != nil || string(d.Body) != "sluice/test|application/json" || d.ETag != `"e"` || d.LastModified == "" || d.ContentType != "application/json" {
		t.Fatalf("GetDocument = %+v (%s), %v", d, d.Body, err)
	}
	req.ETag = d.ETag
	if d, err = c.GetDocument(context.Background(), req); err != nil || !d.NotModified || d.Body != nil {
		t.Fatalf("conditional GetDocument = %+v, %v, want NotModified", d, err)
	}
}

func TestStatusesOfDocuments(t *testing.T) {
	for _, c := range []struct {
		status   int
		token    string
		notFound bool
		outage   bool
		words    string
	}{
		{404, "", true, false, ""},
		{410, "", true, false, ""},
		{401, "", false, false, "wants a credential (401)"},
		{401, "s3cret", false, false, "refused the configured credential (401)"},
		{403, "", false, false, "refused access (403)"},
		{403, "s3cret", false, false, "does not have the right"},
		{304, "", false, false, "makes no sense here (304)"},
		{206, "", false, false, "(206)"},
		{418, "", false, false, "(418)"},
		{500, "", false, true, "failed (500)"},
		{503, "", false, true, "failed (503)"},
		{429, "", false, true, "fewer requests (429)"},
	} {
		cl, r := serve(t, Config{}, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(c.status) })
		r.Token = c.token
		d, err := get(cl, r, "/x")
		if c.notFound {
			if err != nil || !d.NotFound {
				t.Errorf("%d: %+v, %v, want NotFound", c.status, d, err)
			}
			continue
		}
		wantError(t, err, c.outage, c.words)
		if StatusOf(err) != c.status {
			t.Errorf("StatusOf = %d, want %d", StatusOf(err), c.status)
		}
		if strings.Contains(err.Error(), "s3cret") {
			t.Errorf("credential in error: %v", err)
		}
	}
}

func TestF3_DocumentBound(t *testing.T) {
	const bound = 1 << 16
	var zeros bytes.Buffer
	z := gzip.NewWriter(&zeros)
	_, _ = z.Write(make([]byte, 8<<20))
	_ = z.Close()
	if zeros.Len() > bound {
		t.Fatalf("the compressed bomb has %d bytes, which is over the bound by itself", zeros.Len())
	}
	c, r := serve(t, Config{MaxDocument: bound}, func(w http.ResponseWriter, req *http.Request) {
		switch req.URL.Path {
		case "/bomb":
			w.Header().Set("Content-Encoding", "gzip")
			_, _ = w.Write(zeros.Bytes())
		case "/exact":
			_, _ = w.Write(make([]byte, bound))
		case "/over":
			_, _ = w.Write(make([]byte, bound+1))
		}
	})
	if d, err := get(c, r, "/exact"); err != nil || len(d.Body) != bound {
		t.Errorf("a document of exactly the bound: %d bytes, %v", len(d.Body), err)
	}
	for _, path := range []string{"/bomb", "/over"} {
		_, err := get(c, r, path)
		wantError(t, err, false, "bound of 64 KiB")
	}
}

func TestGzipIsAskedForAndDecoded(t *testing.T) {
	c, r := serve(t, Config{}, func(w http.ResponseWriter, req *http.Request) {
		if !strings.Contains(req.Header.Get("Accept-Encoding"), "gzip") {
			t.Error("gzip was not asked for")
		}
		w.Header().Set("Content-Encoding", req.URL.Query().Get("e"))
		if req.URL.Path == "/plain" {
			_, _ = w.Write([]byte("this is certainly not gzip"))
			return
		}
		z := gzip.NewWriter(w)
		_, _ = z.Write([]byte("hello"))
		_ = z.Close()
	})
	if d, err := get(c, r, "/x?e=gzip"); err != nil || string(d.Body) != "hello" {
		t.Errorf("gzip: %q, %v", d.Body, err)
	}
	_, err := get(c, r, "/plain?e=gzip")
	wantError(t, err, false, "not valid gzip")
	_, err = get(c, r, "/x?e=br")
	wantError(t, err, false, `content encoding "br"`)
}

func TestR3_OutagesAreRetriedABoundedNumberOfTimes(t *testing.T) {
	var n atomic.Int32
	c, r := serve(t, Config{Attempts: 3}, func(w http.ResponseWriter, req *http.Request) {
		i := n.Add(1)
		switch {
		case req.URL.Path == "/heals" && i == 3:
			_, _ = w.Write([]byte("ok"))
		case req.URL.Path == "/truncated":
			w.Header().Set("Content-Length", "100")
			_, _ = w.Write([]byte("x"))
		case req.URL.Path == "/wait":
			w.Header().Set("Retry-After", "120")
			w.WriteHeader(http.StatusTooManyRequests)
		case req.URL.Path == "/missing":
			w.WriteHeader(http.StatusNotFound)
		default:
			w.WriteHeader(http.StatusBadGateway)
		}
	})
	for _, tt := range []struct {
		path     string
		attempts int32
		outage   bool
	}{{"/heals", 3, false}, {"/never", 3, true}, {"/truncated", 3, true}, {"/wait", 1, true}, {"/missing", 1, false}} {
		r.ID = tt.path // a breaker of its own
		n.Store(0)
		_, err := get(c, r, tt.path)
		if n.Load() != tt.attempts || IsOutage(err) != tt.outage {
			t.Errorf("%s: %d attempts, %v; want %d, outage %v", tt.path, n.Load(), err, tt.attempts, tt.outage)
		}
	}
}

func TestDocumentsComeFromTheOwnOriginOnly(t *testing.T) {
	c, r := serve(t, Config{}, func(http.ResponseWriter, *http.Request) { t.Error("the request was sent") })
	for url, words := range map[string]string{
		"http://other.example/x":                      "outside its own origin",
		"file:///etc/passwd":                          "scheme is neither http nor https",
		"http://bob:pw@" + r.BaseURL[len("http://"):]: "has a user name in it",
		"/relative":      "scheme",
		"http:///x":      "host is missing",
		"http://a\x00b/": "cannot be parsed",
	} {
		_, err := c.GetDocument(context.Background(), Request{Remote: r, URL: url})
		wantError(t, err, false, words)
	}
	bad := r
	bad.BaseURL = "ftp://x"
	_, err := get(c, bad, "/x")
	wantError(t, err, false, "base URL that cannot be used")
}
