package main

import (
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"sluice.dev/sluice/ent/db/dbtest"
	"sluice.dev/sluice/protocol/pages"
	"sluice.dev/sluice/protocol/protocoltest"
	"sluice.dev/sluice/tenants/access"
	"sluice.dev/sluice/tenants/scope"
)

// withPlatform is a node as `sluice dev` runs it, with the demonstration's two
// providers and the organizations acme and globex, and its address.
func withPlatform(t *testing.T) (h *harness, at string) {
	t.Helper()
	// The platform's provider must know the node's address before the node is
	// there, so that something in front of it has one.
	front, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	at = "http://" + front.Addr().String()
	_, port, _ := net.SplitHostPort(front.Addr().String())
	v, err := startVoucher(&devState{}, at, port)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(v.close)
	h = &harness{TB: t, clock: &clock{now: time.Now()}, up: protocoltest.NewNPM(t)}
	h.database = databaseFlags{DatabaseURL: secret(dbtest.URL(t)), DatabaseConns: 8}
	h.flags = nodeFlags{Listen: "127.0.0.1:0", PublicURL: at, AllowRemote: []string{"127.0.0.0/8"}, BlobDir: t.TempDir(), CacheMiB: 64, SignUp: true,
		SecretKeys: []secret{secret(strings.Repeat("5a", 32))}, development: true, OIDC: v.flags()}
	h.first = h.serve()
	to, err := url.Parse(h.first.server.URL)
	if err != nil {
		t.Fatal(err)
	}
	proxy := &http.Server{ReadHeaderTimeout: time.Minute, Handler: &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(to)
		r.Out.Host = r.In.Host
	}}}
	go func() { _ = proxy.Serve(front) }()
	t.Cleanup(func() { _ = proxy.Close() })
	if err := h.first.seedSecond(t.Context(), v); err != nil {
		t.Fatal(err)
	}
	h.acme = h.tenant("acme")
	h.acme.team("team-a")
	for _, m := range []access.MemberInput{{Email: demoAdmin, Roles: []access.Place{{Role: access.Owner}}}, {Email: platformPeople[3].Email}} {
		if _, err := h.first.access.CreateMember(h.acme.ctx, m); err != nil {
			t.Fatal(err)
		}
	}
	return h, at
}

// TestA1_RealBrowserMembership goes through the pages that lead to a membership,
// and those of tokens, with Chromium: an invitation, a request to join, a new
// organization, npm's login, a token with limits; narrow and wide.
func TestA1_RealBrowserMembership(t *testing.T) {
	core, chromium := os.Getenv("SLUICE_TEST_PLAYWRIGHT"), os.Getenv("SLUICE_TEST_CHROMIUM")
	if core == "" || chromium == "" {
		t.Skip("no browser: `make test-login` has one")
	}
	h, at := withPlatform(t)
	ref, err := h.first.resolver.BySlug(t.Context(), secondOrg)
	if err != nil {
		t.Fatal(err)
	}
	secret, _, err := h.first.access.Invite(h.acme.ctx, access.InvitationInput{Email: platformPeople[4].Email})
	if err != nil {
		t.Fatal(err)
	}
	revoked, inv, err := h.first.access.Invite(h.acme.ctx, access.InvitationInput{Email: "gone@acme.example"})
	if err == nil {
		err = h.first.access.RevokeInvitation(h.acme.ctx, inv.ID)
	}
	if err != nil {
		t.Fatal(err)
	}
	started := h.acme.bearing("").submit("POST", at+"/o/acme/npm/team-a/-/v1/login", map[string]string{}, "User-Agent", "npm/11.0.0")
	acme := at + "/o/acme"
	cmd := exec.CommandContext(t.Context(), "node", filepath.Join("..", "..", "scripts", "membership-browser.mjs"), core, chromium, at,
		acme+pages.InvitationPath(secret), acme+pages.InvitationPath(revoked), started.text(h, "loginUrl"))
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if _, err := h.first.access.MemberByEmail(h.acme.ctx, platformPeople[4].Email); err != nil {
		t.Errorf("Nora is no member of acme: %v", err)
	}
	asked, err := h.first.access.JoinRequests(access.As(scope.With(t.Context(), ref.ID), access.System("test"), ""), access.Page{})
	if err != nil || len(asked) != 1 || asked[0].Who.Email != platformPeople[4].Email {
		t.Errorf("%+v, %v", asked, err)
	}
	if _, err := h.first.resolver.BySlug(t.Context(), "umbrella"); err != nil {
		t.Errorf("the new organization: %v", err)
	}
	if done := h.acme.bearing("").submit("GET", started.text(h, "doneUrl"), nil); done.status != http.StatusOK {
		t.Errorf("npm has %d", done.status)
	}
}
