package frontend

import (
	"io/fs"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"testing/fstest"
)

func get(t *testing.T, h http.Handler, method, path string) *http.Response {
	t.Helper()
	rec := httptest.NewRecorder()
	h.ServeHTTP(rec, httptest.NewRequest(method, path, nil))
	return rec.Result()
}

func built() http.Handler {
	return explorer{fstest.MapFS{
		"placeholder.html":         {Data: []byte("not built")},
		"explorer/index.html":      {Data: []byte("<page>")},
		"explorer/assets/a-1f.js":  {Data: []byte("code")},
		"explorer/assets/x.exe":    {Data: []byte("strange")},
		"explorer/licenses.md":     {Data: []byte("thanks")},
		"console/secret/index.js":  {Data: []byte("other")},
		"explorer/assets/style.cs": {Data: []byte("no type")},
	}}
}

func TestExplorer_T1_SamePageUnderEveryPrefix(t *testing.T) {
	stripped := http.StripPrefix("/graphql/explorer", built())
	for _, c := range []struct {
		handler  http.Handler
		path     string
		status   int
		mimeType string
		cache    string
	}{
		{built(), "/graphql/explorer/", 200, "text/html; charset=utf-8", "no-cache"},
		{built(), "/o/acme/graphql/explorer/", 200, "text/html; charset=utf-8", "no-cache"},
		{built(), "/o/explorer/graphql/explorer/", 200, "text/html; charset=utf-8", "no-cache"},
		{stripped, "/graphql/explorer/", 200, "text/html; charset=utf-8", "no-cache"},
		{built(), "/o/acme/graphql/explorer/assets/a-1f.js", 200, "text/javascript; charset=utf-8", "public, max-age=31536000, immutable"},
		{stripped, "/graphql/explorer/assets/a-1f.js", 200, "text/javascript; charset=utf-8", "public, max-age=31536000, immutable"},
		{built(), "/graphql/explorer/licenses.md", 200, "text/plain; charset=utf-8", "no-cache"},
		{built(), "/graphql/explorer", 308, "", "no-cache"},
		{built(), "/graphql/explorer/assets/none.js", 404, "text/plain; charset=utf-8", "no-cache"},
		{built(), "/graphql/explorer/assets/", 404, "text/plain; charset=utf-8", "no-cache"},
		{built(), "/graphql/explorer/assets/x.exe", 404, "text/plain; charset=utf-8", "no-cache"},
		{built(), "/graphql/explorer/../console/secret/index.js", 404, "text/plain; charset=utf-8", "no-cache"},
	} {
		res := get(t, c.handler, http.MethodGet, c.path)
		if res.StatusCode != c.status || res.Header.Get("Content-Type") != c.mimeType || res.Header.Get("Cache-Control") != c.cache {
			t.Errorf("%s: %d %q %q", c.path, res.StatusCode, res.Header.Get("Content-Type"), res.Header.Get("Cache-Control"))
		}
		for _, directive := range []string{"default-src 'none'", "script-src 'self';", "frame-ancestors 'none'"} {
			if !strings.Contains(res.Header.Get("Content-Security-Policy"), directive) {
				t.Errorf("%s: policy %q lacks %q", c.path, res.Header.Get("Content-Security-Policy"), directive)
			}
		}
		if res.Header.Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("%s: no nosniff", c.path)
		}
		if c.status == 308 && res.Header.Get("Location") != "explorer/" {
			t.Errorf("%s: redirects to %q, which leaves the prefix", c.path, res.Header.Get("Location"))
		}
	}
}

func TestExplorer_Methods(t *testing.T) {
	if res := get(t, built(), http.MethodHead, "/graphql/explorer/"); res.StatusCode != 200 {
		t.Errorf("HEAD: %d", res.StatusCode)
	}
	res := get(t, built(), http.MethodPost, "/graphql/explorer/")
	if res.StatusCode != 405 || res.Header.Get("Allow") != "GET, HEAD" {
		t.Errorf("POST: %d, allow %q", res.StatusCode, res.Header.Get("Allow"))
	}
}

func TestExplorer_NotBuilt(t *testing.T) {
	page, err := fs.ReadFile(dist, "dist/placeholder.html")
	if err != nil || !strings.Contains(string(page), "make frontend") {
		t.Fatalf("the placeholder is %q, %v", page, err)
	}
	h := explorer{fstest.MapFS{"placeholder.html": {Data: page}}}
	if res := get(t, h, http.MethodGet, "/graphql/explorer/"); res.StatusCode != 503 || !strings.HasPrefix(res.Header.Get("Content-Type"), "text/html") {
		t.Errorf("%d %q", res.StatusCode, res.Header.Get("Content-Type"))
	}
}

var address = regexp.MustCompile(`(?:src|href|content)="(\.\.?/[^"]*)"`)

// TestExplorer_BuildIsSelfContained looks at what was really built.
func TestExplorer_BuildIsSelfContained(t *testing.T) {
	page, err := fs.ReadFile(dist, "dist/explorer/index.html")
	if err != nil {
		t.Skip("the front end is not built: make frontend")
	}
	if regexp.MustCompile(`(?i)(src|href)="(https?:)?//`).Match(page) {
		t.Errorf("the page loads something from elsewhere:\n%s", page)
	}
	if regexp.MustCompile(`(?is)<script[^>]*>[^<]|<style| on[a-z]+="`).Match(page) {
		t.Errorf("the page has code or styles of its own, which the policy refuses:\n%s", page)
	}
	found := address.FindAllStringSubmatch(string(page), -1)
	if len(found) < 3 {
		t.Fatalf("addresses %v", found)
	}
	for _, m := range found {
		if m[1] == "../../graphql" {
			continue // the endpoint
		}
		if res := get(t, Explorer(), http.MethodGet, "/o/acme/graphql/explorer/"+strings.TrimPrefix(m[1], "./")); res.StatusCode != 200 {
			t.Errorf("%s: %d", m[1], res.StatusCode)
		}
	}
}
