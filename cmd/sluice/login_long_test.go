package main

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"sluice.dev/sluice/ent/db/dbtest"
	"sluice.dev/sluice/protocol/protocoltest"
	"sluice.dev/sluice/protocol/upstream"
	"sluice.dev/sluice/tenants/login"
	"sluice.dev/sluice/tenants/scope"
)

// The tests in this file need what `make test-login` installs.

// development is a node as `sluice dev` runs it, with globex and its provider.
func development(t *testing.T) (h *harness, home string) {
	t.Helper()
	h = &harness{TB: t, clock: &clock{now: time.Now()}, up: protocoltest.NewNPM(t)}
	h.tune = []func(*upstream.Config){func(c *upstream.Config) { c.Attempts = 1 }}
	h.database = databaseFlags{DatabaseURL: secret(dbtest.URL(t)), DatabaseConns: 8}
	h.flags = nodeFlags{Listen: "127.0.0.1:0", AllowRemote: []string{"127.0.0.0/8"}, BlobDir: t.TempDir(), CacheMiB: 64,
		SecretKeys: []secret{secret(strings.Repeat("5a", 32))}, development: true}
	h.first = h.serve()
	_, port, err := net.SplitHostPort(h.first.server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	v, err := startVoucher(&devState{}, h.first.server.URL, port)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(v.close)
	if err := h.first.seedSecond(t.Context(), v); err != nil {
		t.Fatal(err)
	}
	return h, h.first.server.URL + "/o/" + secondOrg
}

// TestA1_RealProvider logs in by the demonstration's provider, which is a real
// one, and out again.
func TestA1_RealProvider(t *testing.T) {
	h, home := development(t)
	b := &loginBench{harness: h}
	br := b.browser()
	choose := br.get(br.get(br.get(home + "/login/start?provider=" + secondProvider).next()).next())
	id := regexp.MustCompile(`name="login" value="([^"]+)"`).FindSubmatch(choose.body)
	if id == nil {
		t.Fatalf("%d: %.400s", choose.status, choose.body)
	}
	back := br.ask(http.MethodPost, voucherOf(t, h)+"/people", url.Values{"login": {string(id[1])}, "person": {"g1"}})
	a := br.get(br.get(back.next()).next())
	if a.status != http.StatusSeeOther || !br.in(home) {
		t.Fatalf("%d: %.400s", a.status, a.body)
	}
	page := br.get(home + "/account/sessions?all")
	if !strings.Contains(string(page.body), "gil@globex.example") || !strings.Contains(string(page.body), "Member") {
		t.Errorf("Gil is no owner: %.600s", page.body)
	}
}

func voucherOf(t *testing.T, h *harness) string {
	t.Helper()
	ref, err := h.first.resolver.BySlug(t.Context(), secondOrg)
	if err != nil {
		t.Fatal(err)
	}
	p, err := h.first.logins.ProviderToAsk(scope.With(t.Context(), ref.ID), secondProvider)
	if err != nil {
		t.Fatal(err)
	}
	return p.Issuer
}

// TestA1_RealBrowser goes through the pages with Chromium, under their content
// policy.
func TestA1_RealBrowser(t *testing.T) {
	core, chromium := os.Getenv("SLUICE_TEST_PLAYWRIGHT"), os.Getenv("SLUICE_TEST_CHROMIUM")
	if core == "" || chromium == "" {
		t.Skip("no browser: `make test-login` has one")
	}
	_, home := development(t)
	out, err := exec.CommandContext(t.Context(), "node", filepath.Join("..", "..", "scripts", "login-browser.mjs"), core, chromium, home).CombinedOutput()
	if err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

// TestA1_Dex logs in by dex, through its own login form.
func TestA1_Dex(t *testing.T) {
	bin := os.Getenv("SLUICE_TEST_DEX")
	if bin == "" {
		t.Skip("no dex: `make test-login` builds it")
	}
	b := newLoginBench(t)
	issuer := startDex(t, bin)
	key := login.Secret("s3cret")
	_, err := b.first.logins.CreateProvider(b.acme.ctx, login.ProviderInput{Name: "dex", Issuer: issuer, ClientID: "sluice", ClientSecret: &key, Enabled: true})
	if err != nil {
		t.Fatal(err)
	}
	br := b.browser()
	to := acmeAt + "/login/start?provider=dex"
	var page answer
	for range 6 {
		if page = br.get(to); page.next() == "" {
			break
		}
		to = absolute(t, to, page.next())
	}
	a := br.ask(http.MethodPost, to, url.Values{"login": {"ana@acme.example"}, "password": {"password"}})
	for range 6 {
		if a.next() == "" || strings.HasPrefix(a.next(), acmeAt+"/account") {
			break
		}
		to = absolute(t, to, a.next())
		a = br.get(to)
	}
	if !br.in(acmeAt) {
		t.Fatalf("%d at %s: %.600s", a.status, to, a.body)
	}
}

func absolute(t *testing.T, from, to string) string {
	t.Helper()
	base, err := url.Parse(from)
	if err != nil {
		t.Fatal(err)
	}
	next, err := base.Parse(to)
	if err != nil {
		t.Fatal(err)
	}
	return next.String()
}

// startDex runs dex with Ana, whose password is "password", and returns its
// issuer.
func startDex(t *testing.T, bin string) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := ln.Addr().String()
	ln.Close()
	issuer := "http://" + address + "/dex"
	config := filepath.Join(t.TempDir(), "dex.yaml")
	text := fmt.Sprintf(`issuer: %s
storage: { type: memory }
web: { http: %s }
logger: { level: error }
oauth2: { skipApprovalScreen: true, responseTypes: [code] }
enablePasswordDB: true
staticClients:
- { id: sluice, secret: s3cret, name: Sluice, redirectURIs: ['%s/login/callback/dex'] }
staticPasswords:
- { email: ana@acme.example, hash: "$2a$10$2b2cU8CPhOTaGrs1HRQuAueS7JTT5ZHsHSzYiFPm1leZck7Mc8T4W", username: ana, userID: "u-1" }
`, issuer, address, acmeAt)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(bin, "serve", config)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	for end := time.Now().Add(30 * time.Second); time.Now().Before(end); {
		resp, err := client.Get(issuer + "/.well-known/openid-configuration")
		if err != nil {
			continue
		}
		_, _ = io.Copy(io.Discard, resp.Body)
		resp.Body.Close()
		return issuer
	}
	t.Fatal("dex does not answer")
	return ""
}
