package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// kit is one of the npm clients: where it is, and how it is told what to do.
type kit struct {
	name    string            // as in the table
	folder  string            // below .cache/clients
	program string            // in node_modules/.bin
	heading string            // of its settings in docs/npm.md
	lock    string            // name of its lock file
	unknown []string          // one of these is printed for a command that it does not have
	says    map[string]excuse // of verbs that are there but cannot be used
	verbs   map[string]string // its command lines, by what they do
}

// excuse is why a client cannot be used for something, and what it prints then.
type excuse struct{ prints, why string }

// why says why a client cannot be used for a verb.
func (k kit) why(verb string) string {
	if e, ok := k.says[verb]; ok {
		return e.why
	}
	return "no such command"
}

// kits are the clients, in the order of the table's columns. A verb that a kit
// lacks is one that it does not have; rows that need it try the command of npm's
// name and expect unknown.
var kits = []kit{
	{name: "npm", folder: "npm", program: "npm", heading: "npm", lock: "package-lock.json", unknown: []string{"Unknown command"}, verbs: npmVerbs},
	{name: "pnpm10", folder: "pnpm", program: "pnpm", heading: "pnpm", lock: "pnpm-lock.yaml", unknown: []string{"ERR_PNPM_RECURSIVE_EXEC_FIRST_FAIL", "Unknown command"}, verbs: over(npmVerbs, map[string]string{
		"add": "add {spec}", "install": "install --no-frozen-lockfile", "frozen": "install --frozen-lockfile",
		"publish": "publish --no-git-checks", "audit fix": "audit --fix", "undeprecate": "deprecate {spec} {empty}",
	})},
	{name: "pnpm12", folder: "pnpm12", program: "pnpm", heading: "pnpm", lock: "pnpm-lock.yaml", unknown: []string{"not found", "unrecognized subcommand"}, verbs: over(npmVerbs, map[string]string{
		"add": "add {spec}", "install": "install --no-frozen-lockfile", "frozen": "install --frozen-lockfile",
		"publish": "publish --no-git-checks", "audit fix": "audit --fix",
		"owner add": "owner add {pkg} {user}", "owner rm": "owner rm {pkg} {user}", "token create": "token create",
	})},
	{name: "yarn1", folder: "yarn", program: "yarn", heading: "yarn 1", lock: "yarn.lock", unknown: []string{`not found`}, says: map[string]excuse{
		"owner add": {"Invalid package name", "takes only names for people that packages could have"},
		"owner rm":  {"Invalid package name", "takes only names for people that packages could have"},
		"audit":     {"/-/npm/v1/security/audits", "asks one public registry, whatever its settings are"},
		"audit fix": {"/-/npm/v1/security/audits", "asks one public registry, whatever its settings are"},
		"login":     {"unless a user TTY", "only remembers a name and a password"},
	}, verbs: map[string]string{
		"add": "add --non-interactive {spec}", "install": "install --non-interactive", "frozen": "install --frozen-lockfile --non-interactive",
		"publish": "publish --non-interactive", "publish next": "publish --non-interactive --tag next",
		"view": "info {spec} --json", "versions": "info {pkg} versions --json", "outdated": "outdated",
		"tag add": "tag add {spec} {tag}", "tag ls": "tag list {pkg}", "tag rm": "tag remove {pkg} {tag}",
		"owner ls": "owner list {pkg}",
		"logout":   "logout",
	}},
	{name: "yarn4", folder: "berry", program: "yarn", heading: "yarn 4", lock: "yarn.lock", unknown: []string{"Unknown Syntax Error", "Command not found"}, says: map[string]excuse{"login": {"Username", "knows only the login with a password"}}, verbs: map[string]string{
		"add": "add {spec}", "install": "install", "frozen": "install --immutable",
		"publish": "npm publish", "publish next": "npm publish --tag next", "publish attested": "npm publish --provenance",
		"view": "npm info {spec} --json", "versions": "npm info {pkg} --json --fields versions", "audit": "npm audit --all --no-deprecations", "whoami": "npm whoami",
		"tag add": "npm tag add {spec} {tag}", "tag ls": "npm tag list {pkg}", "tag rm": "npm tag remove {pkg} {tag}",
		"logout": "npm logout",
	}},
	{name: "bun", folder: "bun", program: "bun", heading: "bun", lock: "bun.lock", unknown: []string{"Script not found", "is not a valid command"}, says: map[string]excuse{"login": {"reserved for future use", "no such command"}}, verbs: map[string]string{
		"add": "add {spec}", "install": "install", "frozen": "install --frozen-lockfile",
		"publish": "publish", "publish next": "publish --tag next",
		"view": "info {spec} --json", "versions": "info {pkg} versions --json", "outdated": "outdated", "audit": "audit", "audit fix": "audit fix", "whoami": "pm whoami",
	}},
	{name: "deno", folder: "deno", program: "deno", heading: "deno", lock: "deno.lock", unknown: []string{"Module not found", "unrecognized subcommand"}, says: map[string]excuse{
		"audit":     {"Failed to deserialize", "sends no token with an audit"},
		"audit fix": {"Failed to deserialize", "sends no token with an audit"},
	}, verbs: map[string]string{
		"add": "add --save-exact --min-dep-age=0 npm:{spec}", "install": "install --min-dep-age=0", "frozen": "install --frozen --min-dep-age=0",
		"outdated": "outdated --min-dep-age=0",
	}},
}

// npmVerbs are npm's own, most of which pnpm has under the same names.
var npmVerbs = map[string]string{
	"add": "install {spec}", "install": "install", "frozen": "ci",
	"publish": "publish", "publish next": "publish --tag next", "publish attested": "publish --provenance",
	"view": "view {spec} --json", "versions": "view {pkg} versions --json", "outdated": "outdated", "audit": "audit", "audit fix": "audit fix", "search": "search --json {text}",
	"tag add": "dist-tag add {spec} {tag}", "tag ls": "dist-tag ls {pkg}", "tag rm": "dist-tag rm {pkg} {tag}",
	"deprecate": "deprecate {spec} {message}", "undeprecate": "undeprecate {spec}",
	"unpublish one": "unpublish {spec}", "unpublish all": "unpublish {pkg} --force",
	"owner ls": "owner ls {pkg}", "owner add": "owner add {user} {pkg}", "owner rm": "owner rm {user} {pkg}",
	"star": "star {pkg}", "unstar": "unstar {pkg}", "stars": "stars {user}",
	"whoami": "whoami", "ping": "ping", "login": "login", "logout": "logout",
	"token ls": "token list --json", "token create": "token create --name=desk", "token rm": "token revoke {id}",
	"stage": "stage publish",
}

// over returns a map with some values replaced; an empty one removes.
func over(base, with map[string]string) map[string]string {
	out := map[string]string{}
	for _, m := range []map[string]string{base, with} {
		for k, v := range m {
			out[k] = v
			if v == "" {
				delete(out, k)
			}
		}
	}
	return out
}

// findKits returns the clients that SLUICE_E2E_CLIENTS names, or all.
func findKits(t *testing.T) []kit {
	t.Helper()
	only := strings.Fields(os.Getenv("SLUICE_E2E_CLIENTS"))
	var out []kit
	for _, k := range kits {
		if len(only) > 0 && !strings.Contains(" "+strings.Join(only, " ")+" ", " "+k.name+" ") {
			continue
		}
		if _, err := os.Stat(k.path(t)); err != nil {
			t.Fatalf("%s is not in %s; scripts/install-tools.sh puts it there", k.name, k.path(t))
		}
		out = append(out, k)
	}
	if len(out) == 0 {
		t.Fatalf("SLUICE_E2E_CLIENTS names no client: %q", only)
	}
	return out
}

func clientsFolder(t *testing.T) string {
	t.Helper()
	dir := os.Getenv("SLUICE_TEST_CLIENTS")
	if dir == "" {
		dir = filepath.Join(top, ".cache", "clients")
	}
	dir, err := filepath.Abs(dir)
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

func (k kit) path(t *testing.T) string {
	t.Helper()
	return filepath.Join(clientsFolder(t), k.folder, "node_modules", ".bin", k.program)
}

// line fills a command line of the client; false when it has none of that name.
// Values may have spaces.
func (k kit) line(verb string, with map[string]string) ([]string, bool) {
	text, ok := k.verbs[verb]
	return fill(text, with), ok
}

func fill(text string, with map[string]string) []string {
	words := strings.Fields(text)
	for i, w := range words {
		for key, value := range with {
			w = strings.ReplaceAll(w, "{"+key+"}", value)
		}
		words[i] = w
	}
	return words
}

// files returns the settings that docs/npm.md has below the client's heading,
// by name; those whose name begins with ~/ belong into the home folder.
func (k kit) files(t *testing.T) map[string]string {
	t.Helper()
	_, rest, ok := strings.Cut(read(t, filepath.Join(top, "docs", "npm.md")), "\n### "+k.heading+"\n")
	section, _, _ := strings.Cut(rest, "\n##")
	files := map[string]string{}
	for _, m := range regexp.MustCompile("(?s)```\\w+ (\\S+)\n(.*?)```").FindAllStringSubmatch(section, -1) {
		files[m[1]] = m[2]
	}
	if !ok || len(files) == 0 {
		t.Fatalf("docs/npm.md has no settings below the heading %q", k.heading)
	}
	return files
}

// inPath returns a PATH on which npm is the one under test: pnpm 10 leaves to
// it what it does not do itself.
func inPath(t *testing.T) string {
	t.Helper()
	node, err := exec.LookPath("node")
	if err != nil {
		t.Fatal("node is not installed")
	}
	return filepath.Join(clientsFolder(t), "npm", "node_modules", ".bin") + ":" + filepath.Dir(node) + ":" + os.Getenv("PATH")
}
