package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"sluice.dev/sluice/ent/db/dbtest"
	"sluice.dev/sluice/protocol/protocoltest"
	"sluice.dev/sluice/protocol/upstream"
	"sluice.dev/sluice/tenants/access"
	"sluice.dev/sluice/tenants/login"
	"sluice.dev/sluice/tenants/scope"
)

// What is in this file needs what scripts/e2e-access.sh installs for its long
// form, but for development.

// development is a node as `sluice dev` runs it, with globex and its provider;
// the platform's provider is dex when its issuer is given, else none.
func development(t *testing.T, dex string) (h *harness, home string) {
	t.Helper()
	h = &harness{TB: t, clock: &clock{now: time.Now()}, up: protocoltest.NewNPM(t)}
	h.tune = []func(*upstream.Config){func(c *upstream.Config) { c.Attempts = 1 }}
	h.database = databaseFlags{DatabaseURL: secret(dbtest.URL(t)), DatabaseConns: 8}
	h.flags = nodeFlags{Listen: "127.0.0.1:0", BaseDomain: []string{"localhost"}, AllowRemote: []string{"127.0.0.0/8"}, BlobDir: t.TempDir(), CacheMiB: 64,
		SecretKeys: []secret{secret(strings.Repeat("5a", 32))}, development: true}
	if dex != "" {
		h.flags.OIDC = oidcFlags{Issuer: dex, ClientID: "sluice", ClientSecret: "s3cret", Title: "dex", Scopes: []string{"profile", "email"}}
	}
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

// stepsByDex logs in by dex as acme's own provider, through dex's login form.
func stepsByDex(t *testing.T, r *loginReport) {
	r.begin("dex as acme's own provider, at acme's host over https, by a program")
	b := newLoginBench(t)
	issuer := freeIssuer(t)
	startDex(t, issuer, acmeAt+"/login/callback/dex")
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
	r.step(t, page.status == http.StatusOK && strings.HasPrefix(to, issuer) && strings.Contains(string(page.body), `name="password"`), "acme's login leads to dex, which asks for a password")
	wrong := br.ask(http.MethodPost, to, url.Values{"login": {"ana@acme.example"}, "password": {"no"}})
	r.step(t, wrong.next() == "" && !br.in(acmeAt), "a wrong password opens nothing")
	a := br.ask(http.MethodPost, to, url.Values{"login": {"ana@acme.example"}, "password": {"password"}})
	for range 6 {
		if a.next() == "" || strings.HasPrefix(a.next(), acmeAt+"/account") {
			break
		}
		to = absolute(t, to, a.next())
		a = br.get(to)
	}
	r.step(t, br.in(acmeAt), "the right one opens a session at acme (%d)", a.status)
	r.step(t, !br.in(globexAt), "and none at globex")
	again := br.get(to)
	r.step(t, again.status == http.StatusForbidden, "dex's answer a second time is refused (%d)", again.status)
	end(b, br)
	r.step(t, !br.in(acmeAt), "logging out ends the session")
}

// stepsByChromium goes through the pages with a real browser, under their content
// policy: by dex, the choice of an organization, tokens, the second organization
// with a provider of its own, and out.
func stepsByChromium(t *testing.T, r *loginReport) {
	r.begin("dex as the platform's provider, globex with its own, by Chromium")
	issuer := freeIssuer(t)
	h, _ := development(t, issuer)
	startDex(t, issuer, h.first.server.URL+"/login/callback")
	x := h.tenant("acme")
	ref, err := h.first.resolver.BySlug(t.Context(), secondOrg)
	if err != nil {
		t.Fatal(err)
	}
	second := *x
	second.ctx = scope.With(x.ctx, ref.ID)
	b := &loginBench{harness: h}
	b.member(x, "ana@acme.example", access.Owner)
	b.member(&second, "ana@acme.example", access.Ordinary)
	x.team("workshop")
	chromium(t, r, "dex", h.first.server.URL)
	r.begin("a sibling subdomain that attacks whoever looks at it, by Chromium")
	chromium(t, r, "sibling", h.first.server.URL)
}

// stepsOfDemonstration starts the built program as the README says, and logs in
// as its welcome says.
func stepsOfDemonstration(t *testing.T, r *loginReport) {
	r.begin("`sluice dev` in a new folder, as its welcome says, by Chromium")
	bin := os.Getenv("SLUICE_E2E_BIN")
	if bin == "" {
		t.Fatal("SLUICE_E2E_BIN names no program; `make e2e-access` builds it")
	}
	// Not t.TempDir: PostgreSQL does not run as root, and must be able to enter.
	dir, err := os.MkdirTemp("", "sluice-access-")
	if err == nil {
		err = os.Chmod(dir, 0o711)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	base, stop := demonstrate(t, bin, dir)
	r.step(t, true, "it starts, and says where one logs in: %s/login", strings.TrimSuffix(base, "/o/"+demoOrg))
	chromium(t, r, "demonstration", strings.TrimSuffix(base, "/o/"+demoOrg))
	r.step(t, stop() == nil, "Ctrl-C ends it")
}

// demonstrate runs `sluice dev` until stop, and returns acme's address.
func demonstrate(t *testing.T, bin, dir string) (base string, stop func() error) {
	t.Helper()
	cmd := exec.Command(bin, "dev", "--data", filepath.Join(dir, "data"), "--listen", "127.0.0.1:0")
	cmd.Env, cmd.Dir = append(os.Environ(), "SLUICE_NPM_REMOTE="+protocoltest.NewNPM(t).URL), dir
	// A file, which its PostgreSQL may keep open without anybody waiting for it.
	said, err := os.Create(filepath.Join(dir, "said"))
	if err != nil {
		t.Fatal(err)
	}
	defer said.Close()
	cmd.Stdout, cmd.Stderr = said, said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	stop = sync.OnceValue(func() error {
		if err := cmd.Process.Signal(os.Interrupt); err != nil {
			return err
		}
		return <-ended
	})
	t.Cleanup(func() { _ = stop() })
	for end := time.Now().Add(2 * time.Minute); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		out, err := os.ReadFile(said.Name())
		if err != nil {
			t.Fatal(err)
		}
		if bytes.Contains(out, []byte("Ctrl-C stops everything")) {
			var state devState
			text, err := os.ReadFile(stateFile(filepath.Join(dir, "data")))
			if err == nil {
				err = json.Unmarshal(text, &state)
			}
			if err != nil {
				t.Fatal(err)
			}
			return state.BaseURL, stop
		}
		select {
		case err := <-ended:
			ended <- err
			t.Fatalf("sluice dev ended: %v\n%s", err, out)
		default:
		}
	}
	t.Fatal("sluice dev was not ready within two minutes")
	return "", stop
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

// freeIssuer is an address on this machine that nothing listens on now.
func freeIssuer(t *testing.T) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	return "http://" + ln.Addr().String() + "/dex"
}

// startDex runs dex for a client with a redirect URI, and with Ana, whose
// password is "password".
func startDex(t *testing.T, issuer, redirect string) {
	t.Helper()
	bin := os.Getenv("SLUICE_TEST_DEX")
	if bin == "" {
		t.Fatal("there is no dex; scripts/install-tools.sh dex builds it")
	}
	u, err := url.Parse(issuer)
	if err != nil {
		t.Fatal(err)
	}
	config := filepath.Join(t.TempDir(), "dex.yaml")
	text := fmt.Sprintf(`issuer: %s
storage: { type: memory }
web: { http: %s }
logger: { level: error }
oauth2: { skipApprovalScreen: true, responseTypes: [code] }
enablePasswordDB: true
staticClients:
- { id: sluice, secret: s3cret, name: Sluice, redirectURIs: ['%s'] }
staticPasswords:
- { email: ana@acme.example, hash: "$2a$10$2b2cU8CPhOTaGrs1HRQuAueS7JTT5ZHsHSzYiFPm1leZck7Mc8T4W", username: ana, userID: "u-1" }
`, issuer, u.Host, redirect)
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
		return
	}
	t.Fatal("dex does not answer")
}
