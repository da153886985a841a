package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"

	"sluice.dev/sluice/ent/db/dbtest"
	"sluice.dev/sluice/protocol/npm"
	"sluice.dev/sluice/protocol/protocoltest"
	"sluice.dev/sluice/protocol/upstream"
	"sluice.dev/sluice/tenants/access"
	"sluice.dev/sluice/tenants/catalog"
	"sluice.dev/sluice/tenants/coord"
	"sluice.dev/sluice/tenants/intake"
	"sluice.dev/sluice/tenants/org"
	"sluice.dev/sluice/tenants/policy"
	"sluice.dev/sluice/tenants/registry"
	"sluice.dev/sluice/tenants/scope"
)

// harness is a node behind its whole HTTP stack over a real PostgreSQL, a blob
// folder of its own and a clock that only the test moves, with a faithful
// public registry as the remote and two organizations. No worker runs unless a
// test starts one.
type harness struct {
	testing.TB
	clock *clock
	up    *protocoltest.NPM // the public source
	first *served
	nodes []*served

	acme, globex *tenant

	database databaseFlags
	flags    nodeFlags
	tune     []func(*upstream.Config)
}

// clock is the time of a harness.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

// Now returns the time.
func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

// pass moves the time forward.
func (c *clock) pass(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// served is one node with its HTTP server.
type served struct {
	*node
	server   *httptest.Server
	loseFeed context.CancelFunc // the node hears of no change any more
	open     atomic.Int64       // connections
	closed   sync.Once
}

// end closes the server and the node, once.
func (s *served) end() {
	s.closed.Do(func() {
		s.server.CloseClientConnections()
		s.server.Close()
		s.node.close()
	})
}

// newHarness makes a harness. Requests to remotes are not repeated and open no
// breaker unless tune says otherwise.
func newHarness(t testing.TB, tune ...func(*upstream.Config)) *harness {
	t.Helper()
	h := &harness{TB: t, clock: &clock{now: time.Date(2026, 2, 3, 12, 0, 0, 0, time.UTC)}, up: protocoltest.NewNPM(t)}
	h.tune = append([]func(*upstream.Config){func(c *upstream.Config) {
		c.Attempts, c.BreakerAfter, c.Backoff = 1, 1_000_000, time.Nanosecond
	}}, tune...)
	h.database = databaseFlags{DatabaseURL: secret(dbtest.URL(t)), DatabaseConns: 8}
	// Every loopback address, so that a test can have more sources than one.
	h.flags = nodeFlags{Listen: "127.0.0.1:0", AllowRemote: []string{"127.0.0.0/8"}, BlobDir: t.TempDir(), CacheMiB: 64,
		SecretKeys: []secret{secret(strings.Repeat("5a", 32))}}
	h.first = h.serve()
	h.acme, h.globex = h.tenant("acme"), h.tenant("globex")
	return h
}

// serve starts one more node on the same database and blobs.
func (h *harness) serve() *served {
	h.Helper()
	s := &served{server: httptest.NewUnstartedServer(nil)}
	flags := h.flags
	if flags.PublicURL == "" {
		flags.PublicURL = "http://" + s.server.Listener.Addr().String()
	}
	var err error
	if s.node, err = newNode(h.Context(), h.database, flags, h.clock.Now, h.tune...); err != nil {
		h.Fatal(err)
	}
	h.Cleanup(s.end)
	var feed context.Context
	feed, s.loseFeed = context.WithCancel(s.life)
	s.running.Go(func() { s.db.Feed.Run(feed) })
	if err := s.db.Feed.Wait(h.Context()); err != nil {
		h.Fatal(err)
	}
	if s.server.Config.Handler, err = s.handler(); err != nil {
		h.Fatal(err)
	}
	s.server.Config.ConnState = func(_ net.Conn, to http.ConnState) {
		switch to {
		case http.StateNew:
			s.open.Add(1)
		case http.StateClosed, http.StateHijacked:
			s.open.Add(-1)
		}
	}
	s.server.Start()
	h.nodes = append(h.nodes, s)
	return s
}

// tenant is one organization, with a token that reads all its registries.
type tenant struct {
	h      *harness
	at     *served // that is asked
	slug   string
	ctx    context.Context
	secret string
	public uuid.UUID // its remote that is h.up
}

func (h *harness) tenant(slug string) *tenant {
	h.Helper()
	ctx := access.As(context.Background(), access.System("test"), "")
	made, err := h.first.orgs.Create(ctx, org.Input{Slug: slug})
	if err != nil {
		h.Fatal(err)
	}
	x := &tenant{h: h, at: h.first, slug: slug, ctx: scope.With(ctx, made.ID)}
	x.secret = x.token("ci")
	x.public = x.remote("npm-public", h.up.URL, false)
	return x
}

// in makes failures those of a subtest until it ends.
func (h *harness) in(t *testing.T) {
	outer := h.TB
	h.TB = t
	t.Cleanup(func() { h.TB = outer })
}

// on is the tenant as another node serves it.
func (x *tenant) on(s *served) *tenant {
	other := *x
	other.at = s
	return &other
}

// token makes a token that reads every registry.
func (x *tenant) token(name string) string {
	x.h.Helper()
	made, _, err := x.at.access.CreateToken(x.ctx, access.TokenInput{Name: name, Roles: []access.Place{{Role: access.Reader}}})
	if err != nil {
		x.h.Fatal(err)
	}
	return made
}

func (x *tenant) remote(name, url string, internal bool) uuid.UUID {
	x.h.Helper()
	r, err := x.at.registries.CreateRemote(x.ctx, registry.RemoteInput{Ecosystem: coord.NPM, Name: name, BaseURL: url, Internal: internal})
	if err != nil {
		x.h.Fatal(err)
	}
	return r.ID
}

// credential makes a remote that is asked with a bearer token.
func (x *tenant) credential(name, url, bearer string) uuid.UUID {
	x.h.Helper()
	r, err := x.at.registries.CreateRemote(x.ctx, registry.RemoteInput{Ecosystem: coord.NPM, Name: name, BaseURL: url,
		Credential: registry.Credential{Bearer: bearer}})
	if err != nil {
		x.h.Fatal(err)
	}
	return r.ID
}

// npmVersion is a version of an npm package.
func npmVersion(pkg, v string) coord.Version {
	return coord.Version{Package: coord.Package{Ecosystem: coord.NPM, Name: pkg}, Version: v}
}

// firewall makes a firewall with the rules that a new one has (P11).
func (x *tenant) firewall(name string, ups ...registry.UpstreamInput) uuid.UUID {
	x.h.Helper()
	return x.create(registry.CreateInput{Kind: registry.Firewall, Name: name}, ups)
}

// team makes a package registry.
func (x *tenant) team(name string, ups ...registry.UpstreamInput) uuid.UUID {
	x.h.Helper()
	return x.create(registry.CreateInput{Kind: registry.PackageRegistry, Name: name}, ups)
}

func (x *tenant) create(in registry.CreateInput, ups []registry.UpstreamInput) uuid.UUID {
	x.h.Helper()
	in.Ecosystem = coord.NPM
	made, err := x.at.registries.Create(x.ctx, in)
	if err != nil {
		x.h.Fatal(err)
	}
	for _, up := range ups {
		up.Registry = made.ID
		x.link(up)
	}
	return made.ID
}

// link adds an upstream and returns its id.
func (x *tenant) link(up registry.UpstreamInput) uuid.UUID {
	x.h.Helper()
	up.MayBypass = true
	e, err := x.at.registries.AddUpstream(x.ctx, up)
	if err != nil {
		x.h.Fatal(err)
	}
	return e.ID
}

// publish brings a version of the tenant's own in, with any bytes for a file,
// whatever public packages have the name too.
func (x *tenant) publish(reg uuid.UUID, pkg, version string, file []byte) {
	x.h.Helper()
	allow := catalog.Allow
	if err := x.at.intake.SetNameSwitch(x.ctx, reg, pkg, &allow, nil, "a test"); err != nil {
		x.h.Fatal(err)
	}
	if _, err := x.at.intake.Publish(x.ctx, x.publication(reg, pkg, version, file)); err != nil {
		x.h.Fatal(err)
	}
}

// publication is a version with durable bytes, as a client would publish it.
func (x *tenant) publication(reg uuid.UUID, pkg, version string, file []byte) intake.PublishInput {
	x.h.Helper()
	info, err := x.at.blobs.Put(x.ctx, bytes.NewReader(file), int64(len(file)))
	if err != nil {
		x.h.Fatal(err)
	}
	name := npm.FileName(pkg, version)
	metadata, err := json.Marshal(map[string]any{"name": pkg, "version": version, "license": "MIT",
		"dist": map[string]any{"tarball": "https://localhost/" + name, "integrity": integrity(file)}})
	if err != nil {
		x.h.Fatal(err)
	}
	return intake.PublishInput{Registry: reg, Name: pkg, Version: version, Tags: []string{"latest"}, Metadata: metadata,
		License: policy.LicenseFact{State: policy.LicenseDeclared, Expression: "MIT"},
		Files: []catalog.StoredFile{{Name: name, Blob: catalog.Blob{SHA256: info.Digest.String(), SHA512: fmt.Sprintf("%x", info.SHA512),
			SHA1: fmt.Sprintf("%x", info.SHA1), MD5: fmt.Sprintf("%x", info.MD5), Size: info.Size}}}}
}

// from and source are upstreams without patterns: a remote, a registry.
func from(remote uuid.UUID) registry.UpstreamInput {
	return registry.UpstreamInput{Remote: remote}
}

func source(reg uuid.UUID) registry.UpstreamInput {
	return registry.UpstreamInput{Source: reg}
}

// eventually calls f until it is true, for what another goroutine or node is
// about to do, and fails the test after the time that the law gives it.
func (h *harness) eventually(within time.Duration, what string, f func() bool) {
	h.Helper()
	for end := time.Now().Add(within); !f(); {
		if time.Now().After(end) {
			h.Fatalf("%s did not happen within %v", what, within)
		}
	}
}

// client keeps no connection, so that closing a server leaves nothing behind.
var client = &http.Client{Transport: &http.Transport{DisableKeepAlives: true, DisableCompression: true}}
