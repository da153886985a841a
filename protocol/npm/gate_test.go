package npm

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/google/uuid"

	"sluice.dev/sluice/protocol"
	"sluice.dev/sluice/tenants/coord"
	"sluice.dev/sluice/tenants/errs"
	"sluice.dev/sluice/tenants/gate"
)

// testGate is a gate of prepared answers, and remembers what it was asked.
type testGate struct {
	views map[string]*gate.View
	open  func(req gate.OpenRequest) (gate.Opened, error)
	list  error // when set, the answer of List

	mu    sync.Mutex
	asked []gate.OpenRequest
}

var _ protocol.Gate = (*testGate)(nil)

func (g *testGate) List(_ context.Context, registry uuid.UUID, pkg coord.Package) (*gate.View, error) {
	if g.list != nil {
		return nil, g.list
	}
	if v := g.views[pkg.Name]; v != nil && v.Registry == registry {
		return v, nil
	}
	return nil, errs.New(errs.NotFound, "gate.list", "%s is not known here", pkg.Name)
}

func (g *testGate) Open(_ context.Context, req gate.OpenRequest) (gate.Opened, error) {
	g.mu.Lock()
	g.asked = append(g.asked, req)
	g.mu.Unlock()
	return g.open(req)
}

func (g *testGate) Refuse(_ context.Context, v *gate.View, e *gate.Entry) (*gate.Refusal, error) {
	return &gate.Refusal{
		Version:    coord.Version{Package: v.Package, Version: e.Version},
		Registry:   v.Name,
		Decision:   e.Decision,
		Instead:    v.Suggest(e.Version),
		DecisionID: "f00d",
	}, nil
}

// last returns the last request for a file.
func (g *testGate) last() gate.OpenRequest {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.asked[len(g.asked)-1]
}

// serveGate mounts a handler as one registry of an organization.
func serveGate(t testing.TB, g *testGate) *httptest.Server {
	s := httptest.NewServer(handlerOf(g, func(*protocol.Target) {}))
	t.Cleanup(s.Close)
	return s
}

func handlerOf(g *testGate, change func(*protocol.Target)) http.Handler {
	h := &Handler{Gate: g}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		target := protocol.Target{
			Org: uuid.UUID{1}, OrgSlug: "acme", Registry: uuid.UUID{2}, RegistryName: "team",
			BaseURL: at.Registry, OrgURL: at.Org, Path: strings.TrimPrefix(r.URL.EscapedPath(), "/npm/team"), Subject: "ann",
		}
		change(&target)
		h.Serve(w, r, target)
	})
}

// content makes a content as the gate opens it.
func content(c gate.Content) (gate.Opened, error) {
	return gate.Opened{Content: gate.NewContent(c, func() error { return nil })}, nil
}

// fileOf is a file on disk, as the blob store gives it.
func fileOf(t testing.TB, size int64, body string) *os.File {
	t.Helper()
	f, err := os.Create(filepath.Join(t.TempDir(), "blob"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	if _, err := f.WriteString(body); err != nil {
		t.Fatal(err)
	}
	if err := f.Truncate(size); err != nil {
		t.Fatal(err)
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		t.Fatal(err)
	}
	return f
}

// call sends one request; header is name, value, name, value.
func call(t testing.TB, s *httptest.Server, method, path string, header ...string) (*http.Response, string) {
	t.Helper()
	resp, err := try(s, method, path, header...)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp, string(body)
}

func try(s *httptest.Server, method, path string, header ...string) (*http.Response, error) {
	req, err := http.NewRequest(method, s.URL+"/npm/team"+path, nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Accept-Encoding", "identity")
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	return http.DefaultTransport.RoundTrip(req)
}
