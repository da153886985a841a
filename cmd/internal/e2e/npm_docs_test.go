package e2e

import (
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestNPMGuideIsWhatRuns checks that every command of docs/npm.md is one that
// the clients are taken through, and that it shows the texts which they are
// expected to print. Its settings are what the clients run with.
func TestNPMGuideIsWhatRuns(t *testing.T) {
	guide := read(t, filepath.Join(top, "docs", "npm.md"))
	var run []*regexp.Regexp
	for _, k := range kits {
		if files := k.files(t); len(files) == 0 {
			t.Errorf("no settings for %s", k.name)
		}
		for _, line := range k.verbs {
			var words []string
			for _, w := range strings.Fields(line) {
				if !strings.HasPrefix(w, "--") {
					words = append(words, regexp.MustCompile(`\\\{\w+\\\}`).ReplaceAllString(regexp.QuoteMeta(w), `\S+`))
				}
			}
			run = append(run, regexp.MustCompile("^"+k.program+" "+strings.Join(words, " ")+"$"))
		}
	}
	found := 0
	for _, m := range regexp.MustCompile("`((?:npm|pnpm|yarn|bun|deno) [^`]+)`").FindAllStringSubmatch(guide, -1) {
		found++
		command := regexp.MustCompile(` --\S+`).ReplaceAllString(m[1], "")
		if !matches(run, command) {
			t.Errorf("docs/npm.md has the command %q, which no client runs in the cases", m[1])
		}
	}
	if found < 30 {
		t.Errorf("found %d commands, so this test proves little", found)
	}
	for client, s := range sentences {
		for _, text := range []string{s.hidden, s.file} {
			if !strings.Contains(guide, text) {
				t.Errorf("docs/npm.md does not show what %s prints: %q", client, text)
			}
		}
	}
}

func matches(all []*regexp.Regexp, s string) bool {
	for _, r := range all {
		if r.MatchString(s) {
			return true
		}
	}
	return false
}
