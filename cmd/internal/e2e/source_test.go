package e2e

import (
	"bytes"
	"io"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// source is the remote that Sluice is pointed at: a reverse proxy on loopback
// before a package source, which can be switched off and on again. Addresses of
// tarballs in documents become its own, so that nothing goes past it.
type source struct {
	URL string // without a slash at its end

	addr  string
	proxy http.Handler
	srv   *http.Server
	asked atomic.Int64 // requests so far
}

// from is the path below which files of any host are: /from/https/host/path.
const from = "/from/"

var tarballs = regexp.MustCompile(`"tarball": ?"(https?)://([^"/]+)/`)

func newSource(t *testing.T, behind string) *source {
	t.Helper()
	base, err := url.Parse(behind)
	if err != nil || base.Host == "" {
		t.Fatalf("the source %q is no absolute URL", behind)
	}
	s := &source{addr: freeAddress(t)}
	s.URL = "http://" + s.addr
	s.proxy = &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			rest, file := strings.CutPrefix(r.In.URL.EscapedPath(), from)
			if scheme, rest, ok := strings.Cut(rest, "/"); file && ok {
				if u, err := url.Parse(scheme + "://" + rest); err == nil {
					r.Out.URL, r.Out.Host = u, u.Host
				}
			} else {
				r.SetURL(base)
			}
			r.Out.Header.Del("Accept-Encoding") // so that the transport decodes
		},
		ModifyResponse: s.readdress,
	}
	s.on(t)
	t.Cleanup(s.off)
	return s
}

// readdress makes addresses of tarballs in documents the source's own.
func (s *source) readdress(r *http.Response) error {
	if !strings.Contains(r.Header.Get("Content-Type"), "json") {
		return nil
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return err
	}
	_ = r.Body.Close()
	body = tarballs.ReplaceAll(body, []byte(`"tarball":"`+s.URL+from+`$1/$2/`))
	r.Body = io.NopCloser(bytes.NewReader(body))
	r.ContentLength = int64(len(body))
	r.Header.Set("Content-Length", strconv.Itoa(len(body)))
	return nil
}

// on makes it answer, at the same address as before.
func (s *source) on(t *testing.T) {
	t.Helper()
	ln, err := net.Listen("tcp", s.addr)
	if err != nil {
		t.Fatal(err)
	}
	s.srv = &http.Server{ReadHeaderTimeout: 10 * time.Second, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.asked.Add(1)
		s.proxy.ServeHTTP(w, r)
	})}
	go func(srv *http.Server) { _ = srv.Serve(ln) }(s.srv)
}

// off refuses connections, and breaks those that are open.
func (s *source) off() { _ = s.srv.Close() }

// configuredRemote is the registry of the long form.
func configuredRemote(t *testing.T) string {
	t.Helper()
	if u := os.Getenv("SLUICE_NPM_REMOTE"); u != "" {
		return u
	}
	out, err := exec.Command("npm", "config", "get", "registry").Output()
	if err != nil {
		t.Fatalf("npm does not say which registry it is configured for: %v", err)
	}
	return strings.TrimSpace(string(out))
}
