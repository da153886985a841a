package e2e

import (
	"net/http"
	"strings"
	"testing"
	"time"
)

// What the quarantine cases are about: held by both teams, and hidden from
// clients by holds that they open.
const (
	held        = "is-number"
	heldVersion = "7.0.0"
	heldBefore  = "6.0.0" // the next allowed one
)

// quarantineCases run in this order: no worker runs in the first two.
func quarantineCases() []testCase {
	var hold string
	return []testCase{
		{"C2: a hold is in force below before any job has run", func(t *testing.T, s *stage) { hold = holdsAtOnce(t, s) }},
		{"P7: latest moves for npm, pnpm and yarn", latestMoves},
		{"C3: the worker writes inherited holds below", func(t *testing.T, s *stage) {
			s.work(t)
			s.cascaded(t, hold, "HOLD")
			for _, registry := range []string{"team-a", "team-b"} {
				if roots := s.inherited(t, registry); len(roots) != 1 || roots[0] != hold {
					t.Errorf("%s has inherited holds with the roots %v, want only %s", registry, roots, hold)
				}
			}
		}},
		{"C4: a release frees both, and not what team-b holds itself", releases},
		{"D1: a deletion reaches below, and re-entry is refused", deletes},
	}
}

const quarantineVersion = `mutation($registry: ID!, $package: String!, $version: String!, $reason: String!) {
	quarantineVersion(input: {registry: $registry, package: $package, version: $version, reason: $reason}) {
		hold { id } userErrors { message } } }`

// hold quarantines a version and returns the hold's id.
func (s *stage) hold(t *testing.T, registry, name, version, reason string) string {
	t.Helper()
	var out struct {
		QuarantineVersion struct{ Hold struct{ ID string } }
	}
	s.graph(t, quarantineVersion, map[string]any{"registry": s.id(t, registry), "package": name, "version": version, "reason": reason}, &out)
	return out.QuarantineVersion.Hold.ID
}

// release ends the holds that a registry itself has on a version.
func (s *stage) release(t *testing.T, registry, name, version string) {
	t.Helper()
	s.graph(t, `mutation($registry: ID!, $package: String!, $version: String!) {
		releaseVersion(input: {registry: $registry, package: $package, version: $version, reason: "reviewed: it is harmless"}) {
			released { id } userErrors { message } } }`,
		map[string]any{"registry": s.id(t, registry), "package": name, "version": version}, nil)
}

// id returns a registry's id.
func (s *stage) id(t *testing.T, registry string) string {
	t.Helper()
	var out struct{ Registry struct{ ID string } }
	s.graph(t, `query($name: String!) { registry(name: $name) { id } }`, map[string]any{"name": registry}, &out)
	return out.Registry.ID
}

// cascade is a cascade as the API shows it.
type cascade struct {
	ID, Action  string
	Total, Done int
	FinishedAt  *time.Time
}

// cascades returns what a hold has been carrying below.
func (s *stage) cascades(t *testing.T, hold string) []cascade {
	t.Helper()
	var out struct{ Hold struct{ Cascades []cascade } }
	s.graph(t, `query($id: ID!) { hold(id: $id) { cascades { id action total done finishedAt } } }`, map[string]any{"id": hold}, &out)
	return out.Hold.Cascades
}

// cascaded waits until a hold, or its release, has been carried below.
func (s *stage) cascaded(t *testing.T, hold, action string) cascade {
	t.Helper()
	var done cascade
	until(t, "the cascade "+action, 2*time.Minute, func() bool {
		for _, c := range s.cascades(t, hold) {
			if c.Action == action && c.FinishedAt != nil {
				done = c
			}
		}
		return done.ID != ""
	})
	return done
}

// inherited returns the roots of a registry's open inherited holds on the
// package.
func (s *stage) inherited(t *testing.T, registry string) []string {
	t.Helper()
	var out struct {
		Holds struct {
			Edges []struct {
				Node struct{ Root struct{ ID string } }
			}
		}
	}
	s.graph(t, `query($registry: ID!, $package: String!) {
		holds(registry: $registry, filter: {open: true, cause: INHERITED, package: $package}) { edges { node { root { id } } } } }`,
		map[string]any{"registry": s.id(t, registry), "package": held}, &out)
	var roots []string
	for _, e := range out.Holds.Edges {
		roots = append(roots, e.Node.Root.ID)
	}
	return roots
}

func holdsAtOnce(t *testing.T, s *stage) string {
	for _, registry := range []string{"team-a", "team-b"} {
		s.serves(t, registry, held, heldVersion)
		s.serves(t, registry, held, heldBefore)
	}
	hold := s.hold(t, "npm-firewall", held, heldVersion, "it phones home")
	began := time.Now()
	for _, registry := range []string{"team-a", "team-b", "npm-firewall"} {
		s.refuses(t, registry, held, heldVersion, "it phones home")
		if _, listed := s.document(t, s.registry(registry)+held, s.token(registry)).Versions[heldVersion]; listed {
			t.Errorf("%s lists %s@%s", registry, held, heldVersion)
		}
	}
	s.note("refused in three registries within %s", seconds(time.Since(began)))
	for _, c := range s.cascades(t, hold) {
		if c.Done != 0 || c.FinishedAt != nil {
			t.Errorf("the cascade has run: %+v", c)
		}
	}
	if roots := s.inherited(t, "team-a"); len(roots) != 0 {
		t.Errorf("team-a has inherited holds already: %v", roots)
	}
	return hold
}

func latestMoves(t *testing.T, s *stage) {
	for _, c := range s.clients {
		p := s.project(t, c, "team-b", s.state.TeamB, nil)
		p.must(t, append(append([]string{}, p.add...), held)...)
		if got := p.installed(t, held); got != heldBefore {
			t.Errorf("%s installed %s, want %s", c.name, got, heldBefore)
		}
	}
	p := s.project(t, s.npm(), "team-a", s.state.TeamA, nil)
	out, ok := p.try(t, "install", held+"@"+heldVersion)
	p.refused(t, out, ok, []string{"it phones home", heldBefore, "/-/decisions/"})
}

func releases(t *testing.T, s *stage) {
	root := s.hold(t, "npm-firewall", held, heldVersion, "a second time: the same hold") // Q7: still the first
	local := s.hold(t, "team-b", held, heldVersion, "team B does not want it")
	var out struct {
		Holds struct {
			Edges []struct{ Node struct{ ID string } }
		}
	}
	s.graph(t, `query($registry: ID!) { holds(registry: $registry, filter: {open: true, cause: INHERITED}) { edges { node { id } } } }`,
		map[string]any{"registry": s.id(t, "team-a")}, &out)
	for _, e := range out.Holds.Edges {
		msg := s.tryGraph(t, s.state.AdminToken, `mutation($hold: ID!) { releaseHold(input: {hold: $hold, reason: "let me"}) { userErrors { message } } }`,
			map[string]any{"hold": e.Node.ID}, nil)
		if msg == "" {
			t.Error("team-a released a hold that it inherited")
		}
	}
	s.release(t, "npm-firewall", held, heldVersion)
	s.serves(t, "team-a", held, heldVersion)
	s.refuses(t, "team-b", held, heldVersion, "team B does not want it")
	s.cascaded(t, root, "RELEASE")
	for _, registry := range []string{"team-a", "team-b"} {
		if roots := s.inherited(t, registry); len(roots) != 0 {
			t.Errorf("%s still has inherited holds of %v", registry, roots)
		}
	}
	if cs := s.cascades(t, local); len(cs) != 0 {
		t.Errorf("C8: the hold of team-b, a package registry, cascades: %+v", cs)
	}
	s.refuses(t, "team-b", held, heldVersion, "team B does not want it")
	s.release(t, "team-b", held, heldVersion)
	s.serves(t, "team-b", held, heldVersion)
}

func deletes(t *testing.T, s *stage) {
	s.hold(t, "npm-firewall", held, heldVersion, "it is malware after all")
	var out struct {
		DeleteVersion struct {
			Tombstone struct{ ID string }
		}
	}
	s.graph(t, `mutation($registry: ID!, $package: String!, $version: String!) {
		deleteVersion(input: {registry: $registry, package: $package, version: $version, reason: "never again"}) {
			tombstone { id } userErrors { message } } }`,
		map[string]any{"registry": s.id(t, "npm-firewall"), "package": held, "version": heldVersion}, &out)
	tombstone := out.DeleteVersion.Tombstone.ID
	if tombstone == "" {
		t.Fatal("the deletion left no tombstone")
	}
	for _, registry := range []string{"team-a", "team-b"} {
		s.refuses(t, registry, held, heldVersion, "never again")
	}
	until(t, "the deletion below", time.Minute, func() bool {
		return !s.holds(t, "team-a") && !s.holds(t, "team-b") && !s.holds(t, "npm-firewall")
	})
	if a := ask(t, http.MethodGet, s.source.URL+"/"+held+"/"+heldVersion, "", nil); a.status != http.StatusOK || !strings.Contains(a.body, heldVersion) {
		t.Errorf("the source does not offer the version any more (%d), so a refusal proves nothing", a.status)
	}
	p := s.project(t, s.npm(), "team-a", s.state.TeamA, nil)
	text, ok := p.try(t, "install", held+"@"+heldVersion)
	p.refused(t, text, ok, []string{"never again", "/-/decisions/"})
	if s.holds(t, "team-a") {
		t.Error("team-a holds the version again")
	}
	s.graph(t, `mutation($id: ID!) { liftTombstone(input: {tombstone: $id, reason: "it was a mistake"}) { userErrors { message } } }`, map[string]any{"id": tombstone}, nil)
	s.serves(t, "team-a", held, heldVersion)
}

// holds asks whether a registry holds the version.
func (s *stage) holds(t *testing.T, registry string) bool {
	t.Helper()
	var out struct{ Version struct{ Held bool } }
	s.graph(t, `query($registry: ID!, $package: String!, $version: String!) { version(registry: $registry, package: $package, version: $version) { held } }`,
		map[string]any{"registry": s.id(t, registry), "package": held, "version": heldVersion}, &out)
	return out.Version.Held
}
