package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/alecthomas/kong"
	"github.com/google/uuid"

	"sluice.dev/sluice/cmd/internal/apiclient"
	"sluice.dev/sluice/protocol/protocoltest"
	"sluice.dev/sluice/tenants/access"
	"sluice.dev/sluice/tenants/registry"
)

// terminal is somebody at a command line with a token of a tenant.
type terminal struct {
	*tenant
	out bytes.Buffer
}

func (x *tenant) terminal(secret string) *terminal { return &terminal{tenant: x.bearing(secret)} }

// try runs a command line, without the program's name, as main does.
func (c *terminal) try(args ...string) (string, error) {
	c.h.Helper()
	c.out.Reset()
	var parsed cli
	p, err := kong.New(&parsed, options(kong.Writers(io.Discard, io.Discard), kong.Exit(func(int) {}))...)
	if err != nil {
		c.h.Fatal(err)
	}
	k, err := p.Parse(append(args, "--server", c.home(), "--token", c.secret))
	if err != nil {
		return "", err
	}
	var f remoteFlags
	f.Server, f.Token = c.home(), secret(c.secret)
	f.JSON = k.Selected().Target.FieldByName("JSON").Bool()
	r, err := f.connect(&c.out)
	if err != nil {
		return "", err
	}
	r.now = c.h.clock.Now
	command := k.Selected().Target.Addr().Interface().(interface {
		run(context.Context, *remote) error
	})
	err = command.run(context.Background(), r)
	return c.out.String(), err
}

// says runs a command and wants words in what it prints.
func (c *terminal) says(words []string, args ...string) string {
	c.h.Helper()
	out, err := c.try(args...)
	if err != nil {
		c.h.Errorf("%v: %v", args, err)
	}
	for _, w := range words {
		if !strings.Contains(out, w) {
			c.h.Errorf("%v: no %q in\n%s", args, w, out)
		}
	}
	if strings.Contains(out, c.secret) {
		c.h.Errorf("%v prints the token", args)
	}
	return out
}

// fails runs a command and wants an error of the API.
func (c *terminal) fails(code string, args ...string) {
	c.h.Helper()
	out, err := c.try(args...)
	var e *apiclient.Error
	if !errors.As(err, &e) || e.Code != code || e.Message == "" || exitStatus(err) != 1 {
		c.h.Errorf("%v: %v, want %s\n%s", args, err, code, out)
	}
	if err != nil && strings.Contains(err.Error(), c.secret) {
		c.h.Errorf("%v: the error has the token", args)
	}
}

// misuses runs a command and wants it refused before anything was asked.
func (c *terminal) misuses(says string, args ...string) {
	c.h.Helper()
	_, err := c.try(args...)
	if err == nil || !strings.Contains(err.Error(), says) {
		c.h.Errorf("%v: %v, want %q", args, err, says)
	}
	var parse *kong.ParseError
	if !errors.As(err, &parse) && exitStatus(err) != 2 {
		c.h.Errorf("%v: exit status %d, want 2", args, exitStatus(err))
	}
}

// list reads what a command prints with --json.
func (c *terminal) list(args ...string) (out []map[string]any) {
	c.h.Helper()
	text := c.says(nil, append(args, "--json")...)
	if err := json.Unmarshal([]byte(text), &out); err != nil {
		c.h.Fatalf("%v: %v in %s", args, err, text)
	}
	return out
}

// commanding is a harness with a firewall and a team below it in both
// organizations, and an owner of each at a terminal.
func commanding(t *testing.T) (h *harness, acme, globex *terminal) {
	t.Helper()
	t.Setenv("XDG_CONFIG_HOME", t.TempDir()) // nobody's real login
	h = newHarness(t)
	var at []*terminal
	for _, x := range []*tenant{h.acme, h.globex} {
		public := x.remote("public", h.up.URL, false)
		x.team("team", registry.UpstreamInput{Source: x.firewall("fw", registry.UpstreamInput{Remote: public})})
		secret, _ := x.person("ann", access.TokenInput{Write: true}, access.Place{Role: access.Owner})
		at = append(at, x.terminal(secret))
	}
	return h, at[0], at[1]
}

// TestT3_CommandsOfTwoOrganizations: each command does its work where its token
// is of, and nowhere else.
func TestT3_CommandsOfTwoOrganizations(t *testing.T) {
	h, acme, globex := commanding(t)
	h.up.Publish("left-pad", "1.0.0", protocoltest.Release{})
	h.up.Publish("left-pad", "1.1.0", protocoltest.Release{})
	acme.says([]string{"ann@acme.example, member, in acme", "token:manage"}, "whoami")
	globex.says([]string{"ann@globex.example"}, "whoami")
	acme.says([]string{"NAME", "team", "package", "npm", acme.home() + "/npm/team"}, "registries", "list")
	if rows := acme.list("registries", "list", "--kind", "firewall"); len(rows) != 1 || rows[0]["name"] != "fw" || rows[0]["kind"] != "FIREWALL" {
		t.Errorf("firewalls = %v", rows)
	}
	acme.says([]string{"# npm: .npmrc", "registry=" + acme.home() + "/npm/team/", "${SLUICE_TOKEN}"}, "settings", "team", "--client", "npm")
	if a := acme.get("team", "/left-pad/-/left-pad-1.0.0.tgz"); a.status != http.StatusOK {
		t.Fatalf("%d %s", a.status, a.body)
	}
	acme.says([]string{"left-pad", "pkg:npm/left-pad"}, "packages", "--registry", "team")
	acme.says([]string{"pkg:npm/left-pad@1.0.0 is served", "path"}, "explain", "pkg:npm/left-pad@1.0.0", "--registry", "team", "--check")

	acme.says([]string{"left-pad@1.0.0 is held in fw"}, "quarantine", "pkg:npm/left-pad@1.0.0", "--registry", "fw", "--reason", "looks \x1b[31modd")
	acme.says([]string{"is withheld", "looks  [31modd"}, "explain", "pkg:npm/left-pad@1.0.0", "--registry", "team")
	acme.fails("QUARANTINE", "explain", "pkg:npm/left-pad@1.0.0", "--registry", "team", "--check")
	if a := acme.get("team", "/left-pad/-/left-pad-1.0.0.tgz"); !a.withheld() {
		t.Errorf("after the command it is served: %d", a.status)
	}
	if a := globex.get("team", "/left-pad/-/left-pad-1.0.0.tgz"); a.status != http.StatusOK {
		t.Errorf("it is held in the other organization: %d %s", a.status, a.body)
	}
	acme.says([]string{"left-pad >=1.1.0"}, "quarantine", "pkg:npm/left-pad", "--registry", "fw", "--range", ">=1.1.0", "--reason", "odd, too")
	acme.says([]string{"evil is held"}, "quarantine", "pkg:npm/evil", "--registry", "fw", "--reason", "malware")
	if rows := acme.list("holds", "list", "--limit", "2"); len(rows) != 2 || rows[0]["package"] != "evil" {
		t.Errorf("two holds = %v", rows)
	}
	holds := acme.list("holds", "list", "--registry", "fw", "--package", "left-pad", "--cause", "manual")
	if len(holds) != 2 || holds[1]["version"] != "1.0.0" || holds[1]["open"] != true {
		t.Fatalf("holds = %v", holds)
	}
	hold := holds[1]["id"].(string)
	if rows := globex.list("holds", "list", "--all"); len(rows) != 0 {
		t.Errorf("the other organization sees %v", rows)
	}
	globex.fails("NOT_FOUND", "release", hold, "--reason", "mine now")
	acme.says([]string{"left-pad@1.0.0 is released in fw"}, "release", hold, "--reason", "it was fine")
	if rows := acme.list("holds", "list", "--package", "left-pad", "--all"); len(rows) < 2 {
		t.Errorf("released holds = %v", rows)
	}
	acme.says([]string{"fetched"}, "blast-radius", "pkg:npm/left-pad@1.0.0", "--registry", "fw")

	acme.at.flushOnce(context.Background())
	acme.says([]string{"left-pad@1.0.0", "quarantine", "odd"}, "decisions", "--effect", "quarantine", "--since", "1h")
	if rows := globex.list("decisions", "--effect", "quarantine"); len(rows) != 0 {
		t.Errorf("the other organization sees %v", rows)
	}
	events := acme.list("audit", "tail", "--since", "1h")
	if last := events[len(events)-1]; last["action"] != "version:release" || last["reason"] != "it was fine" {
		t.Errorf("the last event is %v", last)
	}
	acme.says([]string{"version:release", "ann@acme.example"}, "audit", "tail", "--action", "version:release")
}

// TestA2_CommandsOfTokens: a token that a command made works until a command
// ends it.
func TestA2_CommandsOfTokens(t *testing.T) {
	_, acme, globex := commanding(t)
	made := strings.TrimSpace(acme.says(nil, "tokens", "create", "laptop", "--registry", "team", "--expires-in", "24h", "--secret-only"))
	if a := acme.bearing(made).get("team", "/-/ping"); a.status != http.StatusOK {
		t.Fatalf("%d %s", a.status, a.body)
	}
	acme.terminal(made).fails("FORBIDDEN", "tokens", "create", "another")
	acme.says([]string{"laptop", "team", "read", "valid"}, "tokens", "list")
	id := ""
	for _, row := range acme.list("tokens", "list") {
		if row["name"] == "laptop" {
			id = row["id"].(string)
			if text, _ := json.Marshal(row); strings.Contains(string(text), made) {
				t.Errorf("the list has the secret: %s", text)
			}
		}
	}
	globex.fails("NOT_FOUND", "tokens", "revoke", id)
	acme.says([]string{"revoked"}, "tokens", "revoke", id)
	if a := acme.bearing(made).get("team", "/-/ping"); a.status != http.StatusUnauthorized {
		t.Errorf("after its end = %d", a.status)
	}
	acme.terminal(made).fails("UNAUTHENTICATED", "whoami")
	var out struct{ Secret, ID string }
	if err := json.Unmarshal([]byte(acme.says(nil, "tokens", "create", "with json", "--json")), &out); err != nil || out.Secret == "" || out.ID == "" {
		t.Errorf("%+v %v", out, err)
	}
}

// TestF5_CommandsRefuse: mistakes of the call are exit status 2, what the server
// refuses is 1 with its code.
func TestF5_CommandsRefuse(t *testing.T) {
	_, acme, globex := commanding(t)
	acme.misuses("pkg:npm/lodash@4.17.21", "explain", "lodash", "--registry", "team")
	acme.misuses("has no version", "explain", "pkg:npm/lodash", "--registry", "team")
	acme.misuses("not both", "quarantine", "pkg:npm/a@1.0.0", "--registry", "fw", "--range", "1", "--reason", "x")
	acme.misuses("--limit 0", "holds", "list", "--limit", "0")
	acme.misuses("--reason", "release", "x")
	acme.misuses("must be one of", "holds", "list", "--cause", "whim")
	acme.misuses("negative", "decisions", "--since=-1h")
	acme.fails("NOT_FOUND", "explain", "pkg:npm/lodash@1.0.0", "--registry", "ghost")
	acme.fails("NOT_FOUND", "release", "nothing", "--reason", "x")
	acme.fails("NOT_FOUND", "settings", "team", "--client", "emacs")
	acme.fails("INVALID", "quarantine", "pkg:npm/a@1.0.0", "--registry", "fw", "--reason", " ")
	acme.fails("NOT_FOUND", "trust", "test", "ghost", "--claim", "a=b")
	(&terminal{tenant: globex.bearing(acme.secret)}).fails("UNAUTHENTICATED", "whoami")
	reader, _ := acme.person("rea", access.TokenInput{}, access.Place{Role: access.Reader})
	acme.terminal(reader).fails("FORBIDDEN", "quarantine", "pkg:npm/a@1.0.0", "--registry", "fw", "--reason", "x")
}

// TestF1_CommandsWithoutServer: what is no server of Sluice is said to be none,
// with what to try, and gets no token that is not for it.
func TestF1_CommandsWithoutServer(t *testing.T) {
	t.Setenv("XDG_CONFIG_HOME", t.TempDir())
	elsewhere := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/moved/graphql":
			http.Redirect(w, r, "https://evil.example/graphql", http.StatusPermanentRedirect)
		case "/html/graphql":
			_, _ = w.Write([]byte("<html>"))
		default:
			http.Error(w, "no such thing", http.StatusNotFound)
		}
	}))
	closed := httptest.NewServer(nil)
	closed.Close()
	defer elsewhere.Close()
	for address, says := range map[string]string{
		closed.URL:               "does not answer",
		elsewhere.URL + "/moved": "leads to",
		elsewhere.URL + "/html":  "no Sluice of this version",
		elsewhere.URL + "/none":  "answered 404",
	} {
		r, err := remoteFlags{Server: address, Token: "sluice_secret"}.connect(io.Discard)
		if err != nil {
			t.Fatal(err)
		}
		err = (&whoamiCmd{}).run(t.Context(), r)
		if err == nil || !strings.Contains(err.Error(), says) || !strings.Contains(err.Error(), address) || strings.Contains(err.Error(), "sluice_secret") || exitStatus(err) != 1 {
			t.Errorf("%s: %v, want %q", address, err, says)
		}
	}
	for address, says := range map[string]string{
		"":                            "which server?",
		"acme":                        "no address of an organization",
		"ftp://acme.example":          "no address of an organization",
		"https://u:p@acme.example":    "no address of an organization",
		"http://acme.sluice.example":  "over http",
		"https://acme.example?x=y":    "no address of an organization",
		"http://192.0.2.7:8080/o/a":   "over http",
		"http://localhost.evil.test/": "over http",
	} {
		if _, err := (remoteFlags{Server: address, Token: "x"}).connect(io.Discard); err == nil || !strings.Contains(err.Error(), says) || exitStatus(err) != 2 {
			t.Errorf("%q: %v, want %q", address, err, says)
		}
	}
	if _, err := (remoteFlags{Server: "http://192.0.2.7:8080/o/a", Token: "x", PlainHTTP: true}).connect(io.Discard); err != nil {
		t.Error(err)
	}
}

// TestLogin keeps a token that works, for its user and its server alone.
func TestLogin(t *testing.T) {
	_, acme, globex := commanding(t)
	var out bytes.Buffer
	log := func(server, token, input string) error {
		out.Reset()
		c := loginCmd{remoteFlags{Server: server, Token: secret(token)}}
		return c.run(t.Context(), strings.NewReader(input), &out)
	}
	file := filepath.Join(os.Getenv("XDG_CONFIG_HOME"), "sluice", "config.json")
	if err := log(acme.home(), "", "sluice_wrong\n"); err == nil {
		t.Error("a token that is none was kept")
	}
	if err := log(acme.home(), "", "\n"); err == nil || exitStatus(err) != 2 {
		t.Errorf("no token: %v", err)
	}
	if _, err := os.Stat(file); err == nil {
		t.Fatal("something was kept")
	}
	if err := log(acme.home()+"/", "", acme.secret+"\n"); err != nil || !strings.Contains(out.String(), "ann@acme.example") || strings.Contains(out.String(), acme.secret) {
		t.Fatalf("%v %s", err, out.String())
	}
	info, err := os.Stat(file)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Fatalf("%v %v", info, err)
	}
	r, err := remoteFlags{}.connect(&out)
	if err != nil {
		t.Fatal(err)
	}
	if err := (&whoamiCmd{}).run(t.Context(), r); err != nil {
		t.Error(err)
	}
	// Another server does not get it.
	if _, err := (remoteFlags{Server: globex.home()}).connect(&out); err == nil || exitStatus(err) != 2 {
		t.Errorf("the kept token went to another server: %v", err)
	}
	if err := os.Chmod(file, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := (remoteFlags{}).connect(&out); err == nil || !strings.Contains(err.Error(), "read by others") || strings.Contains(err.Error(), acme.secret) {
		t.Errorf("a file that others can read: %v", err)
	}
	if err := (logoutCmd{}).Run(); err != nil {
		t.Fatal(err)
	}
	if _, err := (remoteFlags{}).connect(&out); err == nil || exitStatus(err) != 2 {
		t.Errorf("after logging out: %v", err)
	}
}

// TestCommandsOfTrust: rules are listed and tried out, by claims and by an
// identity token, and a rule that does not match is a failure.
func TestCommandsOfTrust(t *testing.T) {
	t.Setenv("XDG_CONFIG_HOME", t.TempDir())
	ci, believe := newIssuer(t)
	h := newHarness(t, believe)
	ci.h = h
	team := h.acme.team("team")
	h.acme.trusting(access.TrustRuleInput{Name: "release", Issuer: ci.url, Claims: map[string]string{"repository": "acme/widgets", "ref": "refs/tags/*"}, Registries: []uuid.UUID{team}, Write: true})
	secret, _ := h.acme.person("ann", access.TokenInput{Write: true}, access.Place{Role: access.Owner})
	acme := h.acme.terminal(secret)
	acme.says([]string{"release", ci.url, "ref=refs/tags/* repository=acme/widgets", "team", "write"}, "trust", "list")
	acme.says([]string{"refs/tags/v1", "yes"}, "trust", "test", "release", "--claim", "repository=acme/widgets", "--claim", "ref=refs/tags/v1")
	acme.fails("NO_MATCH", "trust", "test", "release", "--claim", "repository=acme/widgets")
	acme.misuses("SLUICE_ID_TOKEN", "trust", "test", "release")
	t.Setenv(idTokenVariable, ci.token(acme.home(), map[string]any{"ref": "refs/tags/v2"}))
	acme.says([]string{"refs/tags/v2", "yes"}, "trust", "test", "release")
	t.Setenv(idTokenVariable, ci.token("https://elsewhere.example", map[string]any{"ref": "refs/tags/v2"}))
	acme.fails("NO_MATCH", "trust", "test", "release")
	if n := acme.count("audit_events", "action = 'token:exchange'"); n != 0 {
		t.Errorf("trying out exchanged %d tokens", n)
	}
	// The identity service of GitHub, and the environment of GitLab.
	hub := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer of the runner" {
			http.Error(w, "who?", http.StatusUnauthorized)
			return
		}
		_ = json.NewEncoder(w).Encode(map[string]string{"value": ci.token(r.URL.Query().Get("audience"), map[string]any{"ref": "refs/tags/v3"})})
	}))
	defer hub.Close()
	env := filepath.Join(t.TempDir(), "env")
	github := map[string]string{"GITHUB_ACTIONS": "true", "GITHUB_ENV": env, "ACTIONS_ID_TOKEN_REQUEST_URL": hub.URL + "/?api-version=2", "ACTIONS_ID_TOKEN_REQUEST_TOKEN": "of the runner"}
	var out, notes bytes.Buffer
	run := func(c ciTokenCmd, vars map[string]string) error {
		out.Reset()
		notes.Reset()
		return c.run(t.Context(), job{func(name string) string { return vars[name] }, &http.Client{Transport: transport()}, &out, &notes})
	}
	if err := run(ciTokenCmd{Server: acme.home()}, github); err != nil || !acme.may(strings.TrimSpace(out.String()), team, "w") || notes.String() != "::add-mask::"+out.String() {
		t.Errorf("GitHub: %v, %s, %s", err, out.String(), notes.String())
	}
	if err := run(ciTokenCmd{Server: acme.home(), GitHubEnv: "SLUICE_TOKEN"}, github); err != nil || out.Len() != 0 {
		t.Errorf("GitHub's environment: %v, %s", err, out.String())
	}
	line, _ := os.ReadFile(env)
	if name, value, _ := strings.Cut(strings.TrimSpace(string(line)), "="); name != "SLUICE_TOKEN" || !acme.may(value, team, "w") {
		t.Errorf("GitHub's environment has %q", name)
	}
	gitlab := map[string]string{idTokenVariable: ci.token(acme.home(), map[string]any{"ref": "refs/tags/v4"})}
	var got exchanged
	if err := run(ciTokenCmd{Server: acme.home(), JSON: true, ReadOnly: true}, gitlab); err != nil || json.Unmarshal(out.Bytes(), &got) != nil || got.Scope != "read" || got.Seconds != 900 || acme.may(got.Token, team, "w") {
		t.Errorf("GitLab: %v, %s", err, out.String())
	}
	for says, c := range map[string]struct {
		cmd  ciTokenCmd
		vars map[string]string
	}{
		"no identity token":     {ciTokenCmd{Server: acme.home()}, nil},
		"invalid_grant":         {ciTokenCmd{Server: acme.home()}, map[string]string{idTokenVariable: ci.token(acme.home(), nil)}},
		"answered 401":          {ciTokenCmd{Server: acme.home()}, map[string]string{"ACTIONS_ID_TOKEN_REQUEST_URL": hub.URL, "ACTIONS_ID_TOKEN_REQUEST_TOKEN": "another"}},
		"must be the name of a": {ciTokenCmd{Server: acme.home(), GitHubEnv: "A\nB"}, github},
		"over http":             {ciTokenCmd{Server: "http://acme.example"}, gitlab},
	} {
		if err := run(c.cmd, c.vars); err == nil || !strings.Contains(err.Error(), says) || out.Len() != 0 {
			t.Errorf("%v, want %q; printed %s", err, says, out.String())
		}
	}
}
