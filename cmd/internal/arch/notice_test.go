package arch

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var (
	weakCopyleft   = regexp.MustCompile(`Mozilla Public License`)
	strongCopyleft = regexp.MustCompile(`GNU (AFFERO |LESSER )?GENERAL PUBLIC LICENSE`)
)

// TestNoticeListsCopyleft: a module whose licence asks for more than a mention
// is named in NOTICE, and none asks for our own source.
func TestNoticeListsCopyleft(t *testing.T) {
	notice, err := os.ReadFile(filepath.Join(root(t), "NOTICE"))
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("go", "list", "-deps", "-f", "{{with .Module}}{{if not .Main}}{{.Path}}\t{{.Dir}}{{end}}{{end}}", "./...")
	cmd.Dir = root(t)
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, line := range strings.Split(strings.TrimSpace(string(out)), "\n") {
		module, dir, ok := strings.Cut(line, "\t")
		if !ok || seen[module] {
			continue
		}
		seen[module] = true
		text := licenceText(t, dir)
		if text == nil {
			t.Errorf("%s has no licence file, so nothing allows its use", module)
		}
		if strongCopyleft.Match(text) && !bytes.Contains(text, []byte("Permission is hereby granted")) {
			t.Errorf("%s is under a GNU licence, which Sluice's own would have to follow", module)
		}
		if weakCopyleft.Match(text) && !regexp.MustCompile(`(?m)^  `+regexp.QuoteMeta(module)+`$`).Match(notice) {
			t.Errorf("%s is under the Mozilla Public License: add it to NOTICE", module)
		}
	}
	if len(seen) == 0 {
		t.Error("no modules found, so this test would prove nothing")
	}
}

// licenceText returns all licence files of a module, those of its parent when
// it has none: modules of one repository often share them.
func licenceText(t *testing.T, dir string) []byte {
	t.Helper()
	var all []byte
	for range 3 {
		entries, err := os.ReadDir(dir)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			if regexp.MustCompile(`(?i)^(licen[cs]e|copying|unlicense)`).MatchString(e.Name()) && !e.IsDir() {
				b, err := os.ReadFile(filepath.Join(dir, e.Name()))
				if err != nil {
					t.Fatal(err)
				}
				all = append(all, b...)
			}
		}
		if all != nil {
			return all
		}
		dir = filepath.Dir(dir)
	}
	return nil
}
