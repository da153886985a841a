package e2e

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
)

func startCases() []testCase {
	return []testCase{
		{"the first start says how to use it", func(t *testing.T, s *stage) {
			for _, want := range []string{s.registry("team-a"), s.state.TeamA, s.state.AdminToken, "npm install lodash@4.17.20", "/explorer"} {
				if !strings.Contains(s.node.output(), want) {
					t.Errorf("the output lacks %q:\n%s", want, s.node.output())
				}
			}
			pages := map[string]int{"/readyz": 200, "/healthz": 200, "/": 200, "/o/acme/npm/team-a/lodash": 401, "/o/acme/explorer": 200}
			if !s.long {
				delete(pages, "/o/acme/explorer") // the short form also runs where nobody has built the web pages
			}
			for path, want := range pages {
				if a := ask(t, http.MethodGet, "http://"+s.addr+path, "", nil); a.status != want {
					t.Errorf("%s answers %d, want %d: %.200s", path, a.status, want, a.body)
				}
			}
		}},
	}
}

// needs is what the project of the installation cases depends on.
func (s *stage) needs() map[string]string {
	if s.long {
		return map[string]string{"express": "^4.21.0", "eslint": "^9.0.0", "jest": "^29.0.0", "webpack": "^5.0.0", "react": "^18.0.0"}
	}
	return map[string]string{tree(0): "^1.0.0"}
}

// atLeast is how many packages that project has.
const atLeast = 150

func installCases() []testCase {
	var fromTeamA *project
	cases := []testCase{
		{"npm install through team-a", func(t *testing.T, s *stage) {
			fromTeamA = s.project(t, s.npm(), "team-a", s.state.TeamA, s.needs())
			fromTeamA.must(t, fromTeamA.install...)
			s.note("%d packages", fromTeamA.locked(t, s.registry("team-a")))
		}},
		{"R7: npm ci with a fresh cache while the remote is down", func(t *testing.T, s *stage) {
			if fromTeamA == nil {
				t.Skip("nothing was installed")
			}
			fromTeamA.freshCache(t)
			s.source.off()
			defer s.source.on(t)
			fromTeamA.must(t, fromTeamA.frozen...)
			for name := range s.needs() {
				if fromTeamA.installed(t, name) == "" {
					t.Errorf("%s is not installed", name)
				}
			}
		}},
	}
	for _, name := range []string{"pnpm", "yarn"} {
		cases = append(cases, testCase{name + " install, and again from its lock file", func(t *testing.T, s *stage) {
			p := s.project(t, s.client(t, name), "team-a", s.state.TeamA, s.needs())
			p.must(t, p.install...)
			before := s.source.asked.Load()
			p.freshCache(t)
			p.must(t, p.frozen...)
			for name := range s.needs() {
				if p.installed(t, name) == "" {
					t.Errorf("%s is not installed", name)
				}
			}
			s.note("the second time asked the remote %d times", s.source.asked.Load()-before)
		}})
	}
	return cases
}

func (s *stage) client(t *testing.T, name string) client {
	t.Helper()
	for _, c := range s.clients {
		if c.name == name {
			return c
		}
	}
	t.Fatalf("there is no client %s", name)
	return client{}
}

// locked checks npm's lock file: enough packages, all of them from the registry
// that was asked (R4), all with integrity. It returns how many.
func (p *project) locked(t *testing.T, registry string) int {
	t.Helper()
	var lock struct {
		Packages map[string]struct {
			Resolved, Integrity string
		}
	}
	if err := json.Unmarshal(p.read(t, p.lock), &lock); err != nil {
		t.Fatal(err)
	}
	delete(lock.Packages, "")
	for name, l := range lock.Packages {
		if !strings.HasPrefix(l.Resolved, registry) || l.Integrity == "" {
			t.Errorf("%s: resolved %q, integrity %q; want an address below %s", name, l.Resolved, l.Integrity, registry)
		}
	}
	if len(lock.Packages) < atLeast {
		t.Errorf("%d packages, want at least %d", len(lock.Packages), atLeast)
	}
	return len(lock.Packages)
}
