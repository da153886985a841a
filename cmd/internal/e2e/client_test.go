package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// client is a package manager and how it is told what to do.
type client struct {
	name    string
	path    string
	add     []string // and packages
	install []string
	frozen  []string // install exactly what the lock file says
	lock    string   // name of the lock file
}

// findClients returns npm, pnpm and yarn.
func findClients(t *testing.T) []client {
	t.Helper()
	npm, err := exec.LookPath("npm")
	if err != nil {
		t.Fatal("npm is not installed")
	}
	dir := os.Getenv("SLUICE_TEST_CLIENTS")
	if dir == "" {
		dir = filepath.Join("..", "..", "..", ".cache", "clients")
	}
	if dir, err = filepath.Abs(dir); err != nil {
		t.Fatal(err)
	}
	all := []client{
		{name: "npm", path: npm, add: []string{"install"}, install: []string{"install"}, frozen: []string{"ci"}, lock: "package-lock.json"},
		{name: "pnpm", add: []string{"add"}, install: []string{"install", "--no-frozen-lockfile"}, frozen: []string{"install", "--frozen-lockfile"}, lock: "pnpm-lock.yaml"},
		{name: "yarn", add: []string{"add", "--non-interactive"}, install: []string{"install", "--non-interactive"},
			frozen: []string{"install", "--frozen-lockfile", "--non-interactive"}, lock: "yarn.lock"},
	}
	for i := range all {
		if all[i].path != "" {
			continue
		}
		all[i].path = filepath.Join(dir, all[i].name, "node_modules", ".bin", all[i].name)
		if _, err := os.Stat(all[i].path); err != nil {
			t.Fatalf("%s is not in %s; scripts/install-tools.sh puts it there", all[i].name, dir)
		}
	}
	return all
}

// npm is the client that everybody has.
func (s *stage) npm() client { return s.clients[0] }

// project is a folder with a package.json, and a cache that belongs to it.
type project struct {
	client
	dir  string
	home string // the client's home, with its caches
}

// project makes one that installs from a registry with a token.
func (s *stage) project(t *testing.T, c client, registry, token string, needs map[string]string) *project {
	t.Helper()
	dir, err := os.MkdirTemp(s.dir, c.name+"-")
	if err != nil {
		t.Fatal(err)
	}
	p := &project{client: c, dir: dir}
	p.freshCache(t)
	if needs == nil {
		needs = map[string]string{} // pnpm takes no null
	}
	manifest, err := json.Marshal(map[string]any{"name": "project", "version": "1.0.0", "private": true, "license": "MIT", "dependencies": needs})
	if err != nil {
		t.Fatal(err)
	}
	url := s.registry(registry)
	npmrc := fmt.Sprintf("registry=%s\n%s:_authToken=%s\n", url, strings.TrimPrefix(url, "http:"), token)
	if c.name == "yarn" {
		npmrc += "always-auth=true\n"
	}
	if c.name == "npm" {
		npmrc += "omit-lockfile-registry-resolved=false\n"
	}
	p.write(t, "package.json", string(manifest))
	p.write(t, ".npmrc", npmrc)
	return p
}

func (p *project) write(t *testing.T, name, text string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(p.dir, name), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func (p *project) read(t *testing.T, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(p.dir, name))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// freshCache forgets everything that the client has downloaded, but the lock
// file.
func (p *project) freshCache(t *testing.T) {
	t.Helper()
	home, err := os.MkdirTemp(p.dir, ".home-")
	if err != nil {
		t.Fatal(err)
	}
	p.home = home
	if err := os.RemoveAll(filepath.Join(p.dir, "node_modules")); err != nil {
		t.Fatal(err)
	}
}

// try runs the client and returns what it printed, and whether it succeeded.
func (p *project) try(t *testing.T, args ...string) (string, bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, p.path, args...)
	cmd.Dir = p.dir
	// Nothing of the user's own settings; no CI, which makes pnpm freeze.
	cmd.Env = []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + p.home, "TMPDIR=" + os.TempDir(), "LANG=C.UTF-8", "NO_COLOR=1",
		"XDG_CACHE_HOME=" + filepath.Join(p.home, "cache"), "XDG_DATA_HOME=" + filepath.Join(p.home, "data"),
		"XDG_STATE_HOME=" + filepath.Join(p.home, "state"), "XDG_CONFIG_HOME=" + filepath.Join(p.home, "config"),
		"npm_config_cache=" + filepath.Join(p.home, "npm"), "npm_config_store_dir=" + filepath.Join(p.home, "store"),
		"YARN_CACHE_FOLDER=" + filepath.Join(p.home, "yarn"),
		"npm_config_audit=false", "npm_config_fund=false", "npm_config_update_notifier=false",
	}
	out, err := cmd.CombinedOutput()
	if ctx.Err() != nil {
		t.Fatalf("%s %s: not within ten minutes\n%s", p.name, strings.Join(args, " "), out)
	}
	return string(out), err == nil
}

// must runs the client and expects success.
func (p *project) must(t *testing.T, args ...string) string {
	t.Helper()
	out, ok := p.try(t, args...)
	if !ok {
		t.Fatalf("%s %s failed:\n%s", p.name, strings.Join(args, " "), out)
	}
	return out
}

// installed returns the version of a package in node_modules, "" when it is
// not there.
func (p *project) installed(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(p.dir, "node_modules", filepath.FromSlash(name), "package.json"))
	if os.IsNotExist(err) {
		return ""
	}
	var m struct{ Version string }
	if err == nil {
		err = json.Unmarshal(b, &m)
	}
	if err != nil {
		t.Fatal(err)
	}
	return m.Version
}
