package e2e

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

const top = "../../.."

// TestDocsNameFilesThatExist checks links and file names in the documentation.
// A name without a folder may be anywhere.
func TestDocsNameFilesThatExist(t *testing.T) {
	names := files(t)
	pages, err := filepath.Glob(filepath.Join(top, "docs", "*.md"))
	if err != nil {
		t.Fatal(err)
	}
	links := regexp.MustCompile(`\]\(([^):#]+)(?:#[^)]*)?\)`)
	code := regexp.MustCompile("`([A-Za-z0-9_./-]+\\.(?:go|graphql|sql|sh|md))`")
	found := 0
	for _, page := range append(pages, filepath.Join(top, "README.md")) {
		text := read(t, page)
		for _, m := range links.FindAllStringSubmatch(text, -1) {
			found++
			if _, err := os.Stat(filepath.Join(filepath.Dir(page), m[1])); err != nil {
				t.Errorf("%s links to %s, which does not exist", page, m[1])
			}
		}
		for _, m := range code.FindAllStringSubmatch(text, -1) {
			found++
			name := m[1]
			if strings.Contains(name, "/") {
				name = "/" + name
			}
			if !names[name] {
				t.Errorf("%s names the file %s, which does not exist", page, m[1])
			}
		}
	}
	if found < 40 {
		t.Errorf("found %d names, so this test proves little", found)
	}
}

// files returns the paths of all files, with a slash in front, and their names.
func files(t *testing.T) map[string]bool {
	t.Helper()
	all := map[string]bool{}
	err := filepath.WalkDir(top, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		switch name := d.Name(); {
		case d.IsDir() && (name == "node_modules" || name == ".git" || name == ".cache" || name == "data"):
			return fs.SkipDir
		case !d.IsDir():
			all[name] = true
			all[strings.TrimPrefix(filepath.ToSlash(path), top)] = true
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func read(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// TestReadmeNamesEverySetting compares the README with the settings that the
// program takes from the environment.
func TestReadmeNamesEverySetting(t *testing.T) {
	sources, err := filepath.Glob(filepath.Join(top, "cmd", "sluice", "*.go"))
	if err != nil {
		t.Fatal(err)
	}
	readme := read(t, filepath.Join(top, "README.md"))
	// Settings of a group have a prefix, which stands where the group is embedded,
	// in the same file.
	tag, group := regexp.MustCompile(`env:"([A-Z_]+)"`), regexp.MustCompile(`envprefix:"([A-Z_]+)"`)
	settings := map[string]bool{}
	for _, source := range sources {
		text := read(t, source)
		for _, m := range tag.FindAllStringSubmatch(text, -1) {
			if strings.HasPrefix(m[1], "SLUICE_") {
				settings[m[1]] = true
				continue
			}
			for _, prefix := range group.FindAllStringSubmatch(text, -1) {
				settings[prefix[1]+m[1]] = true
			}
		}
	}
	if len(settings) < 10 {
		t.Fatalf("found %d settings, so this test proves nothing", len(settings))
	}
	for name := range settings {
		if !strings.Contains(readme, "`"+name+"`") {
			t.Errorf("the README does not name %s", name)
		}
	}
	for _, m := range regexp.MustCompile("`(SLUICE_[A-Z_]+)`").FindAllStringSubmatch(readme, -1) {
		if !settings[m[1]] {
			t.Errorf("the README names %s, which the program does not read", m[1])
		}
	}
}
