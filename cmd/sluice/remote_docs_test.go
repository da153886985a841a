package main

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/alecthomas/kong"
	"github.com/google/uuid"

	"sluice.dev/sluice/tenants/access"
)

// blocks returns the fenced parts of a page of the documentation whose first
// line is this.
func blocks(t *testing.T, page, first string) (out []string) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("../../docs", page))
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range regexp.MustCompile("(?ms)^```"+first+"\n(.*?)^```$").FindAllStringSubmatch(string(text), -1) {
		out = append(out, m[1])
	}
	if len(out) == 0 {
		t.Fatalf("%s has no part %q", page, first)
	}
	return out
}

// TestDocs_Commands: every command line in the documentation is one that exists.
func TestDocs_Commands(t *testing.T) {
	t.Parallel()
	var lines []string
	for _, block := range blocks(t, "cli.md", "sh") {
		lines = append(lines, strings.Split(block, "\n")...)
	}
	for _, block := range append(blocks(t, "ci.md", "yaml [^\n]*"), blocks(t, "cli.md", "sh")[0]) {
		lines = append(lines, strings.Split(block, "\n")...)
	}
	n := 0
	for _, line := range lines {
		at := strings.Index(line, "sluice ")
		if at < 0 || strings.HasPrefix(strings.TrimSpace(line), "export SLUICE_S") {
			continue
		}
		line, _, _ = strings.Cut(strings.TrimSuffix(line[at+len("sluice "):], ")"), " < ")
		var args []string
		for _, m := range regexp.MustCompile(`"([^"]*)"|(\S+)`).FindAllStringSubmatch(line, -1) {
			args = append(args, m[1]+m[2])
		}
		var c cli
		p, err := kong.New(&c, options(kong.Writers(io.Discard, io.Discard), kong.Exit(func(int) {}))...)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := p.Parse(args); err != nil {
			t.Errorf("sluice %s: %v", line, err)
		}
		n++
	}
	if n < 20 {
		t.Errorf("%d command lines were looked at, so this test proves little", n)
	}
}

// TestDocs_CI runs the documentation's rule and scripts, as the jobs of GitHub
// and GitLab would, with the example's address replaced.
func TestDocs_CI(t *testing.T) {
	t.Parallel()
	for _, tool := range []string{"bash", "curl", "jq"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skipf("%s is not installed", tool)
		}
	}
	ci, believe := newIssuer(t)
	h := newHarness(t, believe)
	ci.h = h
	x := h.acme
	team := x.team("team")
	var doc struct {
		Input struct {
			Rule struct {
				Name, Provider string
				Claims         []struct{ Name, Value string }
				Write          bool
				Packages       []string
			}
		}
	}
	if err := json.Unmarshal([]byte(blocks(t, "ci.md", "json createTrustRule")[0]), &doc); err != nil {
		t.Fatal(err)
	}
	in := access.TrustRuleInput{Name: doc.Input.Rule.Name, Provider: access.TrustProvider(doc.Input.Rule.Provider), Issuer: ci.url, Write: doc.Input.Rule.Write,
		Packages: doc.Input.Rule.Packages, Registries: []uuid.UUID{team}, Claims: map[string]string{}}
	claims := map[string]any{}
	for _, c := range doc.Input.Rule.Claims {
		in.Claims[c.Name], claims[c.Name] = c.Value, c.Value
	}
	x.trusting(in)
	hub := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_ = json.NewEncoder(w).Encode(map[string]string{"value": ci.token(r.URL.Query().Get("audience"), claims)})
	}))
	t.Cleanup(hub.Close)
	run := func(name string, env ...string) string {
		script := strings.ReplaceAll(blocks(t, "ci.md", "sh "+name)[0], "https://acme.sluice.example", x.home())
		cmd := exec.CommandContext(t.Context(), "bash", "-euo", "pipefail", "-c", script+"\nprintf 'token %s' \"$SLUICE_TOKEN\"")
		cmd.Env = append(os.Environ(), append(env, "no_proxy=*")...)
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%s: %v\n%s", name, err, out)
		}
		_, token, _ := strings.Cut(string(out), "token ")
		return token
	}
	file := filepath.Join(t.TempDir(), "env")
	for name, token := range map[string]string{
		"github": run("github", "ACTIONS_ID_TOKEN_REQUEST_TOKEN=x", "ACTIONS_ID_TOKEN_REQUEST_URL="+hub.URL+"/?api-version=2.0", "GITHUB_ENV="+file),
		"gitlab": run("gitlab", "SLUICE_ID_TOKEN="+ci.token(x.home(), claims)),
	} {
		if !x.may(token, team, "@acme/widgets") || x.may(token, team, "lodash") {
			t.Errorf("%s: the token may not publish @acme/widgets alone", name)
		}
	}
	if line, err := os.ReadFile(file); err != nil || !strings.HasPrefix(string(line), "SLUICE_TOKEN=sluice_") {
		t.Errorf("GitHub's environment: %v", err)
	}
}
