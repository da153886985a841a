package e2e

import (
	"fmt"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"

	"sluice.dev/sluice/tenants/coord"
)

// bad is withheld by the vulnerability rule of npm-firewall and an advisory of
// the demonstration.
const (
	bad         = "4.17.20"
	badAdvisory = "GHSA-35jh-r3h4-6jhm"
)

// says is what each client prints for a version that is hidden from the list,
// and for one that a lock file pins. Only npm shows the sentence in both cases;
// pnpm shows the status line of a tarball, yarn 1 only its status.
var says = map[string]struct{ exact, pinned []string }{
	"npm":  {[]string{"policy violations", badAdvisory, "/-/decisions/"}, []string{"lodash@4.17.20 is withheld by", badAdvisory, "/-/decisions/", "instead"}},
	"pnpm": {[]string{"No matching version found for lodash@4.17.20"}, []string{"lodash@4.17.20 is withheld by", badAdvisory, "/-/decisions/"}},
	"yarn": {[]string{`Couldn't find any versions for "lodash" that matches "4.17.20"`}, []string{"lodash-4.17.20.tgz", "403"}},
}

func refusalCases() []testCase {
	var cases []testCase
	for _, name := range []string{"npm", "pnpm", "yarn"} {
		cases = append(cases,
			testCase{"P7: " + name + " is refused lodash@4.17.20", func(t *testing.T, s *stage) { refusedExactly(t, s, s.client(t, name)) }},
			testCase{"P7: " + name + " resolves a range to the newest allowed version", func(t *testing.T, s *stage) { resolvesAround(t, s, s.client(t, name)) }},
			testCase{"P2: " + name + " is refused a version that its lock file pins", func(t *testing.T, s *stage) { refusedPinned(t, s, s.client(t, name)) }},
		)
	}
	return cases
}

var link = regexp.MustCompile(`http://[^ )]*/-/decisions/[A-Za-z0-9_-]+`)

func refusedExactly(t *testing.T, s *stage, c client) {
	p := s.project(t, c, "team-a", s.state.TeamA, nil)
	out, ok := p.try(t, append(slices.Clone(p.add), "lodash@"+bad)...)
	p.refused(t, out, ok, says[c.name].exact)
	if c.name != "npm" {
		return
	}
	if page := ask(t, http.MethodGet, link.FindString(out), "", nil); page.status != http.StatusOK || !strings.Contains(page.body, badAdvisory) {
		t.Errorf("the page behind npm's link answers %d: %.300s", page.status, page.body)
	}
}

// refused checks that the client failed and printed all the words.
func (p *project) refused(t *testing.T, out string, ok bool, words []string) {
	t.Helper()
	if ok {
		t.Errorf("%s succeeded:\n%s", p.name, out)
	}
	for _, w := range words {
		if !strings.Contains(out, w) {
			t.Errorf("%s did not print %q:\n%s", p.name, w, out)
		}
	}
	if v := p.installed(t, "lodash"); v != "" {
		t.Errorf("lodash %s is installed", v)
	}
}

// resolvesAround asks for a range whose newest versions are withheld: every ws
// from 8.0.0 on that it contains.
func resolvesAround(t *testing.T, s *stage, c client) {
	const within = ">=7.5.0 <8.17.1"
	want := s.highest(t, "ws", within+" <8.0.0-0")
	p := s.project(t, c, "team-a", s.state.TeamA, map[string]string{"ws": within, "lodash": "^4.17.0"})
	p.must(t, p.install...)
	if got := p.installed(t, "ws"); got != want {
		t.Errorf("ws %s is installed, want %s", got, want)
	}
	if got, want := p.installed(t, "lodash"), s.highest(t, "lodash", "^4.17.0"); got != want {
		t.Errorf("lodash %s is installed, want %s", got, want)
	}
	s.note("ws %s", want)
}

// highest returns the highest version in a range that the source itself has.
func (s *stage) highest(t *testing.T, name, within string) string {
	t.Helper()
	r, err := coord.ParseRange(coord.NPM, within)
	if err != nil {
		t.Fatal(err)
	}
	all := slices.DeleteFunc(slices.Collect(maps.Keys(s.document(t, s.source.URL+"/"+name, "").Versions)), func(v string) bool {
		return !r.Contains(v) || strings.Contains(v, "-")
	})
	if len(all) == 0 {
		t.Fatalf("the source has no %s in %s", name, within)
	}
	return slices.MaxFunc(all, func(a, b string) int { return coord.Compare(coord.NPM, a, b) })
}

// pins are lock files from before the advisory was known. Their addresses are
// filled in.
var pins = map[string]string{
	"npm": `{"name":"project","version":"1.0.0","lockfileVersion":3,"requires":true,"packages":{
  "":{"name":"project","version":"1.0.0","license":"MIT","dependencies":{"lodash":"4.17.20"}},
  "node_modules/lodash":{"version":"4.17.20","resolved":"%slodash/-/lodash-4.17.20.tgz"}}}
`,
	"pnpm": `lockfileVersion: '9.0'
settings:
  autoInstallPeers: true
  excludeLinksFromLockfile: false
importers:
  .:
    dependencies:
      lodash:
        specifier: 4.17.20
        version: 4.17.20
packages:
  lodash@4.17.20:
    resolution: {integrity: sha512-PlhdFcillOINfeV7Ni6oF1TAEayyZBoZ8bcshTHqOYJYlrqzRK5hagpagky5o4HfCzzd1TRkXPMFq6cKk9rGmA==}
snapshots:
  lodash@4.17.20: {}
`,
	"yarn": `# yarn lockfile v1


lodash@4.17.20:
  version "4.17.20"
  resolved "%slodash/-/lodash-4.17.20.tgz#b44a9b6297bcb698f1c51a3545a2b3b368d59c52"
`,
}

func refusedPinned(t *testing.T, s *stage, c client) {
	p := s.project(t, c, "team-a", s.state.TeamA, map[string]string{"lodash": bad})
	lock := pins[c.name]
	if strings.Contains(lock, "%s") {
		lock = fmt.Sprintf(lock, s.registry("team-a"))
	}
	p.write(t, p.lock, lock)
	out, ok := p.try(t, p.frozen...)
	p.refused(t, out, ok, says[c.name].pinned)
}

// demoCases are the other things that the demonstration shows.
func demoCases() []testCase {
	return []testCase{
		{"P1: team-b has rules of its own", func(t *testing.T, s *stage) {
			s.serves(t, "team-a", "left-pad", "1.3.0")
			s.refuses(t, "team-b", "left-pad", "1.3.0", "left-pad")
		}},
		{"O4: a public look-alike of Acme's package is not seen", func(t *testing.T, s *stage) {
			p := s.project(t, s.npm(), "corp-a", s.state.TeamA, map[string]string{"@acme/greeting": "*", "left-pad": "1.3.1-acme.1"})
			p.must(t, p.install...)
			if got := p.installed(t, "@acme/greeting"); got != "1.0.0" {
				t.Errorf("@acme/greeting %s is installed, want 1.0.0", got)
			}
			if got := p.installed(t, "left-pad"); got != "1.3.1-acme.1" {
				t.Errorf("left-pad %s is installed, want the patched one", got)
			}
		}},
		{"T3: a token does not see another team's registry", func(t *testing.T, s *stage) {
			a := ask(t, http.MethodGet, s.registry("team-b")+"lodash", s.state.TeamA, nil)
			b := ask(t, http.MethodGet, s.registry("no-such")+"lodash", s.state.TeamA, nil)
			if a.status != http.StatusNotFound || a.body != b.body {
				t.Errorf("team-b: %d %s\nno-such: %d %s", a.status, a.body, b.status, b.body)
			}
		}},
	}
}
