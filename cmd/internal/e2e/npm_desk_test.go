package e2e

import (
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// desk is where one client works: a registry of its own below npm-firewall and
// integration, and a token that may do everything there.
type desk struct {
	*stage
	kit
	team       string // the registry's name
	registryID string
	secret     string
	folder     string // everything of the client is in it
	before     *bench // has one of before a hold
	locked     *bench // has the lock file of the first row
}

// own names a package of the desk's own.
func (d *desk) own(name string) string { return "@acme/" + d.name + "-" + name }

// address is that of the desk's registry, with a slash at its end.
func (d *desk) address() string { return d.registry(d.team) }

// bench is a project of a desk, with a home of its own.
type bench struct {
	*desk
	dir  string
	home string
	as   string   // the token in SLUICE_TOKEN
	env  []string // more of the environment
}

// bench makes a project with the settings of docs/npm.md. more are other members
// of package.json.
func (d *desk) bench(t *testing.T, more map[string]any) *bench {
	t.Helper()
	dir, err := os.MkdirTemp(d.folder, "project-")
	if err != nil {
		t.Fatal(err)
	}
	b := &bench{desk: d, dir: dir, as: d.secret}
	manifest := map[string]any{"name": "project", "version": "1.0.0", "private": true, "license": "MIT", "dependencies": map[string]string{}}
	for k, v := range more {
		manifest[k] = v
		if v == nil {
			delete(manifest, k)
		}
	}
	text, err := json.Marshal(manifest)
	if err != nil {
		t.Fatal(err)
	}
	b.write(t, "package.json", string(text))
	b.fresh(t)
	return b
}

// needs is package.json with dependencies, for bench.
func needs(of map[string]string) map[string]any { return map[string]any{"dependencies": of} }

// fresh gives the client an empty home: no cache, no store, no login.
func (b *bench) fresh(t *testing.T) {
	t.Helper()
	home, err := os.MkdirTemp(b.folder, "home-")
	if err != nil {
		t.Fatal(err)
	}
	b.home = home
	if err := os.RemoveAll(filepath.Join(b.dir, "node_modules")); err != nil {
		t.Fatal(err)
	}
	for name, text := range b.kit.files(t) {
		text = strings.ReplaceAll(text, "https://sluice.example", "http://"+b.addr)
		text = strings.ReplaceAll(text, "//sluice.example", "//"+b.addr)
		text = strings.ReplaceAll(text, "/npm/team-a", "/npm/"+b.team)
		if rest, ok := strings.CutPrefix(name, "~/"); ok {
			text += "update-notifier=false\nfund=false\n"
			if err := os.WriteFile(filepath.Join(home, rest), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			continue
		}
		if name == ".yarnrc.yml" { // what loopback and looking into node_modules need
			text += "unsafeHttpWhitelist: [\"127.0.0.1\"]\nenableTelemetry: false\nnodeLinker: node-modules\nenableGlobalCache: true\n"
			b.ensure(t, "yarn.lock")
		}
		b.write(t, name, text)
	}
}

// ensure makes an empty file unless there is one.
func (b *bench) ensure(t *testing.T, name string) {
	t.Helper()
	if _, err := os.Stat(filepath.Join(b.dir, name)); err != nil {
		b.write(t, name, "")
	}
}

func (b *bench) write(t *testing.T, name, text string) {
	t.Helper()
	path := filepath.Join(b.dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func (b *bench) read(t *testing.T, name string) string {
	t.Helper()
	return read(t, filepath.Join(b.dir, name))
}

// command prepares a run of the client with nothing of the user's own settings.
func (b *bench) command(ctx context.Context, t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	cmd := exec.CommandContext(ctx, b.path(t), args...)
	cmd.Dir = b.dir
	cmd.WaitDelay = 10 * time.Second
	at := func(name string) string { return filepath.Join(b.home, name) }
	cmd.Env = append([]string{
		"PATH=" + inPath(t), "HOME=" + b.home, "TMPDIR=" + os.TempDir(), "LANG=C.UTF-8", "NO_COLOR=1", "FORCE_COLOR=0",
		"XDG_CACHE_HOME=" + at("cache"), "XDG_DATA_HOME=" + at("data"), "XDG_STATE_HOME=" + at("state"), "XDG_CONFIG_HOME=" + at("config"),
		"npm_config_cache=" + at("npm"), "YARN_CACHE_FOLDER=" + at("yarn"), "YARN_GLOBAL_FOLDER=" + at("berry"),
		"BUN_INSTALL_CACHE_DIR=" + at("bun"), "DENO_DIR=" + at("deno"), "DENO_NO_UPDATE_CHECK=1", "PNPM_HOME=" + at("pnpm"),
		"SLUICE_TOKEN=" + b.as,
	}, b.env...)
	if b.program == "pnpm" {
		cmd.Env = append(cmd.Env, "npm_config_store_dir="+at("store"))
	}
	return cmd
}

// try runs the client and returns what it printed, and whether it succeeded.
func (b *bench) try(t *testing.T, args ...string) (string, bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	out, err := b.command(ctx, t, args...).CombinedOutput()
	if ctx.Err() != nil {
		t.Fatalf("%s %s: not within five minutes\n%s", b.name, strings.Join(args, " "), out)
	}
	if os.Getenv("SLUICE_E2E_VERBOSE") != "" {
		t.Logf("$ %s %s\n%s", b.name, strings.Join(args, " "), out)
	}
	return plain(string(out)), err == nil
}

// must runs the client and expects success.
func (b *bench) must(t *testing.T, args ...string) string {
	t.Helper()
	out, ok := b.try(t, args...)
	if !ok {
		t.Fatalf("%s %s failed:\n%s", b.name, strings.Join(args, " "), out)
	}
	return out
}

// does runs a verb and expects success; has is false when the client has no
// such command, which is then proved by trying npm's.
func (b *bench) does(t *testing.T, verb string, with map[string]string) (out string, has bool) {
	t.Helper()
	args, has := b.line(verb, with)
	if !has {
		b.lacks(t, verb, with)
		return "", false
	}
	return b.must(t, args...), true
}

// lacks proves that the client does not have a command.
func (b *bench) lacks(t *testing.T, verb string, with map[string]string) {
	t.Helper()
	args := fill(npmVerbs[verb], with)
	if b.name == "yarn4" {
		args = append([]string{"npm"}, args...)
	}
	out, ok := b.try(t, args...)
	if e, is := b.says[verb]; is && !ok && strings.Contains(out, e.prints) {
		return
	}
	if ok || !slices.ContainsFunc(b.unknown, func(text string) bool { return strings.Contains(out, text) }) {
		t.Errorf("%s was believed not to have %q; it printed:\n%s", b.name, args[0], out)
	}
}

// refused runs a command line, expects failure, and one of the texts in what is
// printed; and none of a withheld package in node_modules.
func (b *bench) refused(t *testing.T, args []string, texts ...string) string {
	t.Helper()
	out, ok := b.try(t, args...)
	if ok {
		t.Errorf("%s %s succeeded:\n%s", b.name, strings.Join(args, " "), out)
	}
	flat := strings.Join(strings.Fields(out), " ")
	for _, text := range texts {
		if !strings.Contains(out, text) && !strings.Contains(flat, text) {
			t.Errorf("%s %s did not print %q:\n%s", b.name, strings.Join(args, " "), text, out)
		}
	}
	return out
}

// installed returns the version of a package in node_modules, "" when it is not
// there.
func (b *bench) installed(t *testing.T, name string) string {
	t.Helper()
	return (&project{dir: b.dir}).installed(t, name)
}

// plain removes terminal colours.
func plain(s string) string {
	var out strings.Builder
	for {
		before, after, ok := strings.Cut(s, "\x1b[")
		out.WriteString(before)
		if !ok {
			return out.String()
		}
		end := strings.IndexFunc(after, func(r rune) bool { return r >= '@' && r <= '~' })
		s = after[min(end+1, len(after)):]
	}
}
