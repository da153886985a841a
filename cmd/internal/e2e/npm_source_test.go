package e2e

import (
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"testing"

	"sluice.dev/sluice/protocol/protocoltest"
)

// joined is a source that has everything of the fixture, and everything of a
// real registry that the fixture does not have.
func joined(t *testing.T, n *protocoltest.NPM, remote string) string {
	t.Helper()
	base, err := url.Parse(remote)
	if err != nil || base.Host == "" {
		t.Fatalf("the source %q is no absolute URL", remote)
	}
	proxy := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(base) }}
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		segs := strings.SplitN(strings.TrimPrefix(r.URL.Path, "/"), "/", 3)
		name := segs[0]
		if strings.HasPrefix(name, "@") && len(segs) > 1 {
			name += "/" + segs[1]
		}
		if name == "-" || n.Has(name) {
			n.ServeHTTP(w, r)
			return
		}
		proxy.ServeHTTP(w, r)
	}))
	t.Cleanup(srv.Close)
	return srv.URL
}
