package main

import (
	"bufio"
	"bytes"
	"context"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"sluice.dev/sluice/tenants/access"
)

// shell is a folder in which somebody uses the real npm.
type shell struct {
	h        *harness
	dir      string
	registry string
	env      []string
}

// newShell makes one for a registry, logged in with a token unless it is "".
func newShell(h *harness, registry, token string) *shell {
	h.Helper()
	if _, err := exec.LookPath("npm"); err != nil {
		h.Skip("npm is not installed")
	}
	s := &shell{h: h, dir: h.TempDir(), registry: registry}
	rc := "registry=" + registry + "/\nfetch-retries=0\nupdate-notifier=false\naudit=false\nfund=false\nprogress=false\ncolor=false\n"
	if token != "" {
		u, _ := url.Parse(registry)
		rc += "//" + u.Host + u.Path + "/:_authToken=" + token + "\n"
	}
	s.write(".npmrc-user", rc)
	s.write("package.json", `{"name":"@acme/w","version":"1.0.0","license":"MIT"}`)
	s.env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + s.dir, "npm_config_userconfig=" + filepath.Join(s.dir, ".npmrc-user"),
		"npm_config_globalconfig=" + filepath.Join(s.dir, ".npmrc-global"), "npm_config_cache=" + filepath.Join(s.dir, ".cache"), "npm_config_logs_max=0"}
	return s
}

func (s *shell) write(name, text string) {
	s.h.Helper()
	if err := os.WriteFile(filepath.Join(s.dir, name), []byte(text), 0o600); err != nil {
		s.h.Fatal(err)
	}
}

func (s *shell) command(args ...string) *exec.Cmd {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	s.h.Cleanup(cancel)
	cmd := exec.CommandContext(ctx, "npm", args...)
	cmd.Dir, cmd.Env = s.dir, s.env
	return cmd
}

// try runs npm and returns what it said.
func (s *shell) try(args ...string) (string, error) {
	out, err := s.command(args...).CombinedOutput()
	return string(out), err
}

// npm runs npm, which must work and say what is wanted.
func (s *shell) npm(want string, args ...string) string {
	s.h.Helper()
	out, err := s.try(args...)
	if err != nil || !strings.Contains(out, want) {
		s.h.Errorf("npm %s: %v, want %q in\n%s", strings.Join(args, " "), err, want, out)
	}
	return out
}

// fails runs npm, which must fail and say why.
func (s *shell) fails(want string, args ...string) {
	s.h.Helper()
	out, err := s.try(args...)
	if err == nil || !strings.Contains(out, want) {
		s.h.Errorf("npm %s: %v, want a failure with %q in\n%s", strings.Join(args, " "), err, want, out)
	}
}

// token is what the user's npmrc has for the registry.
func (s *shell) token() string {
	rc, err := os.ReadFile(filepath.Join(s.dir, ".npmrc-user"))
	if err != nil {
		s.h.Fatal(err)
	}
	m := regexp.MustCompile(`_authToken=(\S+)`).FindSubmatch(rc)
	if m == nil {
		return ""
	}
	return string(m[1])
}

// TestNpm_WebLogin: npm login opens a page, somebody says yes there, and npm
// logout ends the token again.
func TestNpm_WebLogin(t *testing.T) {
	h := newHarness(t)
	x, reg := h.acme, h.acme.team("team")
	mine, _ := x.person("ana", access.TokenInput{Write: true}, access.Place{Role: access.Publisher, Registry: reg})
	s := newShell(h, x.url("team", ""), "")
	s.fails("ENEEDAUTH", "whoami")

	cmd := s.command("login", "--auth-type=web", "--browser=false")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	var problems bytes.Buffer
	cmd.Stderr = &problems
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	page, said := "", ""
	for lines := bufio.NewScanner(out); lines.Scan(); {
		said += lines.Text() + "\n"
		if m := regexp.MustCompile(`http\S+/-/login/\S+`).FindString(lines.Text()); m != "" && page == "" {
			page = m
			if a := x.bearing("").submit("POST", page, form(mine)); a.status != http.StatusOK {
				t.Errorf("yes = %d %s", a.status, a.body)
			}
		}
	}
	if err := cmd.Wait(); err != nil || page == "" || !strings.Contains(said, "Logged in on") {
		t.Fatalf("npm login: %v\n%s%s", err, said, &problems)
	}
	secret := s.token()
	if secret == "" || secret == mine {
		t.Fatalf("npm keeps %q", secret)
	}
	s.npm("ana@acme.example", "whoami")
	s.npm("PONG", "ping")
	s.npm("ana@acme.example", "profile", "get")
	s.fails("administrator", "profile", "set", "fullname", "Ana")
	s.npm("", "logout")
	if a := x.bearing(secret).get("team", "/-/whoami"); a.status != http.StatusUnauthorized || s.token() != "" {
		t.Errorf("after logout the token is %d, and npm keeps %q", a.status, s.token())
	}
	if a := x.bearing(mine).get("team", "/-/whoami"); a.status != http.StatusOK {
		t.Errorf("logout ended the token that the login was made with: %d", a.status)
	}
}

// TestNpm_LegacyLogin: with an access token as the password.
func TestNpm_LegacyLogin(t *testing.T) {
	h := newHarness(t)
	x, reg := h.acme, h.acme.team("team")
	mine, _ := x.person("ana", access.TokenInput{Write: true}, access.Place{Role: access.Publisher, Registry: reg})
	s := newShell(h, x.url("team", ""), "")
	login := func(password string) (string, error) {
		cmd := s.command("login", "--auth-type=legacy")
		in, err := cmd.StdinPipe()
		if err != nil {
			t.Fatal(err)
		}
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		cmd.Stderr = cmd.Stdout
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		// npm reads one answer per question, and drops what came too early.
		var said strings.Builder
		answers := map[string]string{"Username:": "ana\n", "Password:": password + "\n"}
		for r := bufio.NewReader(out); ; {
			b, err := r.ReadByte()
			if err != nil {
				break
			}
			said.WriteByte(b)
			for question, answer := range answers {
				if strings.HasSuffix(said.String(), question) {
					delete(answers, question)
					_, _ = in.Write([]byte(answer))
				}
			}
		}
		return said.String(), cmd.Wait()
	}
	if out, err := login("hunter2"); err == nil || !strings.Contains(out, "E401") {
		t.Errorf("a wrong password: %v\n%s", err, out)
	}
	if out, err := login(mine); err != nil || s.token() == "" || s.token() == mine {
		t.Fatalf("login: %v\n%s", err, out)
	}
	s.npm("ana@acme.example", "whoami")
	s.npm("", "logout")
}

// TestNpm_Tokens: npm token list, create and revoke.
func TestNpm_Tokens(t *testing.T) {
	h := newHarness(t)
	x, reg := h.acme, h.acme.team("team")
	mine, _ := x.person("ana", access.TokenInput{Write: true, Name: "laptop"}, access.Place{Role: access.Publisher, Registry: reg})
	s := newShell(h, x.url("team", ""), mine)
	s.npm("laptop", "token", "list")
	out := s.npm("Created token sluice_", "token", "create", "--password=x", "--name=ci", "--packages=widgets", "--scopes=@acme", "--cidr=127.0.0.0/8", "--expires=7")
	if !strings.Contains(out, "127.0.0.0/8") {
		t.Errorf("npm does not show the network: %s", out)
	}
	secret := regexp.MustCompile(`sluice_\w+`).FindString(out)
	if a := x.bearing(secret).get("team", "/-/whoami"); a.status != http.StatusOK {
		t.Errorf("the new token is %d", a.status)
	}
	if !x.mayFrom(secret, "127.0.0.1", reg, "@acme/a") || x.mayFrom(secret, "127.0.0.1", reg, "lodash") {
		t.Error("the new token's packages are not those asked for")
	}
	s.npm("ci", "token", "list")
	s.npm("Removed 1 token", "token", "revoke", secret)
	if a := x.bearing(secret).get("team", "/-/whoami"); a.status != http.StatusUnauthorized {
		t.Errorf("the revoked token is %d", a.status)
	}
	other, _ := x.person("bob", access.TokenInput{Name: "of bob"}, access.Place{Role: access.Reader, Registry: reg})
	s.fails("E404", "token", "revoke", other)
	if list := s.npm("laptop", "token", "list"); strings.Contains(list, "of bob") {
		t.Errorf("npm lists somebody else's token: %s", list)
	}
}

// TestNpm_Access: npm access, org and team.
func TestNpm_Access(t *testing.T) {
	h := newHarness(t)
	x, reg := h.acme, h.acme.team("team")
	x.publish(reg, "@acme/w", "1.0.0", []byte("w"))
	ana, _ := x.person("ana", access.TokenInput{Write: true}, access.Place{Role: access.Publisher, Registry: reg})
	x.person("bob", access.TokenInput{}, access.Place{Role: access.Reader, Registry: reg})
	s := newShell(h, x.url("team", ""), ana)
	s.npm("@acme/w: read-write", "access", "list", "packages")
	s.npm("@acme/w: read-write", "access", "list", "packages", "acme")
	s.npm("@acme/w: read-only", "access", "list", "packages", "bob@acme.example")
	s.npm("bob@acme.example: read-only", "access", "list", "collaborators", "@acme/w")
	s.npm("@acme/w: private", "access", "get", "status", "@acme/w")
	s.fails("a package has no access settings of its own", "access", "set", "status=public", "@acme/w")
	s.fails("a package has no access settings of its own", "access", "set", "mfa=none", "@acme/w")
	s.fails("there are no teams here", "access", "grant", "read-only", "acme:devs", "@acme/w")
	s.fails("there are no teams here", "access", "revoke", "acme:devs", "@acme/w")
	s.npm("ana@acme.example - member", "org", "ls", "acme")
	s.fails("administrator of the organization", "org", "set", "acme", "eve", "admin")
	s.fails("administrator of the organization", "org", "rm", "acme", "bob@acme.example")
	s.fails("there is no organization", "org", "ls", "globex")
	s.npm("@acme has 0 teams", "team", "ls", "@acme")
	s.fails("there is no team", "team", "ls", "@acme:devs")
	s.fails("there are no teams here", "team", "create", "@acme:devs")
}

// TestNpm_Trust: npm trust makes, lists and revokes rules, and a build that
// matches one gets a token from npm publish's exchange at the host's root.
func TestNpm_Trust(t *testing.T) {
	ci, believe := newIssuer(t)
	h := newHarness(t, believe)
	ci.h = h
	x, reg := h.acme, h.acme.team("team")
	admin, _ := x.person("ad", access.TokenInput{Write: true}, access.Place{Role: access.RegistryAdmin, Registry: reg})
	s := newShell(h, x.url("team", ""), admin)
	s.npm("No trust configurations found", "trust", "list", "@acme/w")
	s.npm("Trust configuration created", "trust", "github", "@acme/w", "--file=release.yml", "--repo=acme/widgets", "--allow-publish", "--yes")
	s.npm("repository: acme/widgets", "trust", "list", "@acme/w")
	s.npm("file: .gitlab-ci.yml", "trust", "gitlab", "@acme/w", "--file=.gitlab-ci.yml", "--project=acme/widgets", "--allow-publish", "--yes")
	out := s.npm("release.yml", "trust", "list", "@acme/w")
	id := regexp.MustCompile(`id: ([0-9a-f-]{36})`).FindStringSubmatch(out)
	if id == nil {
		t.Fatalf("no id in %s", out)
	}
	s.npm("Revoked trusted configuration", "trust", "revoke", "@acme/w", "--id="+id[1])
	if n := x.count("trust_rules", "true"); n != 1 {
		t.Errorf("%d rules are left", n)
	}

	// At the organization's own host npm posts to the root. The node stands in
	// for a proxy, so that the name needs no DNS.
	x.bind("npm.acme.example", uuid.Nil)
	x.trust(reg, ci, "@acme/w")
	build := newShell(h, "http://npm.acme.example/npm/team", "")
	build.env = append(build.env, "npm_config_proxy="+x.at.server.URL)
	build.env = append(build.env, "GITLAB_CI=true", "CI=true", "NPM_ID_TOKEN="+ci.token("npm:npm.acme.example", nil))
	said, _ := build.try("publish", "--dry-run", "--loglevel=silly")
	if !strings.Contains(said, "oidc Successfully retrieved and set token") {
		t.Errorf("npm publish got no token:\n%s", said)
	}
	if n := x.count("tokens", "trust_rule_id IS NOT NULL"); n != 1 {
		t.Errorf("%d tokens were exchanged, want 1", n)
	}
	build.env[len(build.env)-1] = "NPM_ID_TOKEN=" + ci.token("npm:npm.acme.example", map[string]any{"repository": "acme/other"})
	if said, _ := build.try("publish", "--dry-run", "--loglevel=silly"); !strings.Contains(said, "this identity is not trusted to publish this package here") {
		t.Errorf("npm does not say why it got no token:\n%s", said)
	}
}
