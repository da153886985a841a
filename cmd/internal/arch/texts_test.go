package arch

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// The forbidden texts are put together here, so that this file has none.
var (
	// hosts of public sources: where packages come from is a setting (SLUICE_NPM_REMOTE
	// and the like) or the user's own entry, so that Sluice works from any mirror.
	hosts = [][2]string{
		{"registry.npm", "js.org"},
		{"registry.npm", "js.com"},
		{"npm.jsr", ".io"},
		{"proxy.gol", "ang.org"},
		{"sum.gol", "ang.org"},
		{"py", "pi.org"},
		{"files.python", "hosted.org"},
		{"deb.deb", "ian.org"},
		{"security.deb", "ian.org"},
		{"archive.ubun", "tu.com"},
		{"repo1.ma", "ven.org"},
		{"repo.maven.apa", "che.org"},
		{"api.nu", "get.org"},
		{"www.nu", "get.org"},
	}
	// folders of one developer's machine.
	folders = []string{"/wo" + "rk/", "/home/" + "us" + "er/", "/Us" + "ers/"}
)

// forbidden matches any of the texts.
func forbidden() *regexp.Regexp {
	var alternatives []string
	for _, h := range hosts {
		alternatives = append(alternatives, `(?:^|[^a-z0-9-])`+regexp.QuoteMeta(h[0]+h[1]))
	}
	for _, f := range folders {
		// Absolute only: "a/work/" is somebody's relative path or address.
		alternatives = append(alternatives, `(?:^|[^A-Za-z0-9_.~/}-])`+regexp.QuoteMeta(f))
	}
	return regexp.MustCompile(`(?m)` + strings.Join(alternatives, "|"))
}

// committed lists the files that are, or would be, committed.
func committed(t *testing.T) []string {
	t.Helper()
	top := root(t)
	cmd := exec.Command("git", "ls-files", "-z", "--cached", "--others", "--exclude-standard")
	cmd.Dir = top
	out, err := cmd.Output()
	if err != nil {
		return walked(t, top) // a source archive, or no git
	}
	var files []string
	for _, name := range strings.Split(strings.TrimRight(string(out), "\x00"), "\x00") {
		files = append(files, filepath.Join(top, name))
	}
	return files
}

// walked is committed without git: everything but what is made.
func walked(t *testing.T, top string) []string {
	t.Helper()
	made := []string{".git", ".cache", "bin", "data", "node_modules", "dist"}
	var files []string
	err := filepath.WalkDir(top, func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() && slices.Contains(made, d.Name()) {
			return fs.SkipDir
		}
		if err == nil && d.Type().IsRegular() {
			files = append(files, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func TestNoForbiddenTexts(t *testing.T) {
	re := forbidden()
	files := committed(t)
	if len(files) < 20 {
		t.Fatalf("found %d files, so this test would prove nothing", len(files))
	}
	for _, name := range files {
		b, err := os.ReadFile(name)
		if errors.Is(err, fs.ErrNotExist) {
			continue // removed, and the removal is not committed yet
		}
		if err != nil {
			if st, serr := os.Stat(name); serr == nil && st.IsDir() {
				continue // a nested checkout
			}
			t.Fatal(err)
		}
		for _, at := range re.FindAllIndex(b, -1) {
			line := 1 + bytes.Count(b[:at[1]], []byte("\n"))
			t.Errorf("%s:%d: the text %q names one machine or one public source; use a setting or a path that is right everywhere", name, line, b[at[0]:at[1]])
		}
	}
}

// TestLockFileHasNoAddresses: where packages are downloaded from is npm's own
// setting.
func TestLockFileHasNoAddresses(t *testing.T) {
	for _, name := range committed(t) {
		if filepath.Base(name) != "package-lock.json" || strings.Contains(name, "testdata") {
			continue
		}
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if bytes.Contains(b, []byte(`"resolved":`)) {
			t.Errorf("%s has download addresses: run npm with omit-lockfile-registry-resolved=true, as frontend/.npmrc says", name)
		}
	}
}

func TestForbidden_Finds(t *testing.T) {
	re := forbidden()
	for text, want := range map[string]bool{
		"https://" + hosts[0][0] + hosts[0][1] + "/left-pad": true,
		"see " + hosts[5][0] + hosts[5][1]:                   true,
		hosts[5][0] + hosts[5][1]:                            true,
		"`" + folders[0] + "main`":                           true,
		folders[0] + "x":                                     true,
		"dir: " + folders[2] + "me":                          true,
		"net" + folders[0] + "x":                             false,
		"./a" + folders[0] + "x":                             false,
		"my" + hosts[5][0] + hosts[5][1]:                     false,
		"https://registry.yarnpkg.com":                       false,
	} {
		if got := re.MatchString(text); got != want {
			t.Errorf("%q: found %v, want %v", text, got, want)
		}
	}
}
