package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"sluice.dev/sluice/protocol/protocoltest"
)

// A row is one case that every client is taken through.
type row struct {
	name  string
	long  bool // left out of the short form
	begin func(*stage, *testing.T)
	run   func(*testing.T, *desk) outcome
	end   func(*stage, *testing.T)
}

// TestNPMClients takes every client through every row and prints the table.
// Clients work at the same time, rows one after the other.
func TestNPMClients(t *testing.T) {
	if testing.Short() {
		t.Skip("builds the program and runs seven package clients for minutes")
	}
	s := newNPMStage(t)
	s.dev(t)
	desks := s.desks(t)
	var names []string
	for _, d := range desks {
		names = append(names, d.name)
	}
	only, err := regexp.Compile(os.Getenv("SLUICE_E2E_CASES"))
	if err != nil {
		t.Fatalf("SLUICE_E2E_CASES: %v", err)
	}
	g := newGrid(names)
	began := time.Now()
	defer func() {
		g.write(os.Stdout)
		fmt.Printf("%s in %s\n", strings.Join(names, ", "), time.Since(began).Round(time.Second))
	}()
	for _, r := range npmRows() {
		if r.long && !s.long || !only.MatchString(r.name) {
			continue
		}
		ok := t.Run(r.name, func(t *testing.T) {
			if r.begin != nil {
				r.begin(s, t)
			}
			if r.end != nil {
				t.Cleanup(func() { r.end(s, t) })
			}
			for _, d := range desks {
				t.Run(d.name, func(t *testing.T) {
					t.Parallel()
					result := outcome{mark: failed}
					defer func() { // a case that ends early has failed, or was not chosen by -run
						if t.Failed() {
							result = outcome{mark: failed}
						}
						g.set(r.name, d.name, result)
					}()
					result = r.run(t, d)
				})
			}
		})
		s.explain(t, !ok)
	}
	s.endNodes(t)
}

// npmRows in the order of a package's life.
func npmRows() []row {
	var out []row
	for _, family := range [][]row{installRows(), withheldRows(), publishRows(), changeRows(), holdRows(), auditRows(), accountRows()} {
		out = append(out, family...)
	}
	return out
}

// newNPMStage is a stage whose source is the fixture; in the long form with
// everything behind it that the configured registry has.
func newNPMStage(t *testing.T) *stage {
	t.Helper()
	s := newFolder(t)
	s.public = protocoltest.NewNPM(t)
	s.public.WellKnown(time.Now())
	withholdable(s.public)
	behind := s.public.URL
	if s.long {
		behind = joined(t, s.public, configuredRemote(t))
	}
	s.source = newSource(t, behind)
	return s
}

// withholdable adds ways to versions that npm-firewall withholds by its
// vulnerability rule and the demonstration's advisories.
func withholdable(n *protocoltest.NPM) {
	n.Tag("lodash", "legacy", bad)
	n.Tag("ws", "latest", "8.16.0")
	n.Publish("needs-old", "1.0.0", protocoltest.Release{Dependencies: map[string]string{"lodash": bad}})
	n.Publish("around-old", "1.0.0", protocoltest.Release{Dependencies: map[string]string{"lodash": ">=4.17.0", "minimist": "<=1.2.6"}})
}

// desks makes a registry and a token for each client.
func (s *stage) desks(t *testing.T) []*desk {
	t.Helper()
	var out []*desk
	for _, k := range findKits(t) {
		d := &desk{stage: s, kit: k, team: "desk-" + k.name, folder: filepath.Join(s.dir, "desk-"+k.name)}
		if err := os.Mkdir(d.folder, 0o755); err != nil {
			t.Fatal(err)
		}
		var made struct {
			CreateRegistry struct{ Registry struct{ ID string } }
		}
		s.graph(t, `mutation($name: String!, $upstream: ID!) { createRegistry(input: {ecosystem: NPM, name: $name, upstream: {registry: $upstream}}) {
			registry { id } userErrors { message } } }`, map[string]any{"name": d.team, "upstream": s.id(t, "integration")}, &made)
		d.registryID = made.CreateRegistry.Registry.ID
		s.graph(t, `mutation($registry: ID!, $source: ID!) { addUpstream(input: {registry: $registry, source: {registry: $source}}) { userErrors { message } } }`,
			map[string]any{"registry": d.registryID, "source": s.id(t, "npm-firewall")}, nil)
		d.secret = s.roleToken(t, k.name+"-ci", d.registryID, "registry-admin", true)
		out = append(out, d)
	}
	return out
}

// roleToken makes a service token with one role on one registry.
func (s *stage) roleToken(t *testing.T, name, registry, role string, write bool) string {
	t.Helper()
	var made struct{ CreateServiceToken struct{ Secret string } }
	s.graph(t, `mutation($name: String!, $registry: ID!, $role: String!, $write: Boolean!) {
		createServiceToken(input: {name: $name, write: $write, registries: [$registry], roles: [{role: $role, registry: $registry}]}) {
		secret userErrors { message } } }`, map[string]any{"name": name, "registry": registry, "role": role, "write": write}, &made)
	return made.CreateServiceToken.Secret
}
