package graph_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"sluice.dev/sluice/tenants/access"
	"sluice.dev/sluice/tenants/audit"
	"sluice.dev/sluice/tenants/catalog"
	"sluice.dev/sluice/tenants/coord"
	"sluice.dev/sluice/tenants/intake"
	"sluice.dev/sluice/tenants/login"
	"sluice.dev/sluice/tenants/quarantine"
	"sluice.dev/sluice/tenants/registry"
)

// nested are questions for every list of the schema with what its objects have
// below them. What asks the gate for each object (explain, ownership,
// blastRadius) is not in them: it is counted as 50 each by the limits.
var nested = map[string]string{
	"Query.registries":               `{ registries(first: 100) { totalCount edges { node { name upstreams { source { ... on Registry { name } } } downstreams { name } rules { name } } } } }`,
	"Query.remotes":                  `{ remotes(first: 100) { totalCount edges { node { name hasCredential } } } }`,
	"Query.packages":                 `query($r: ID!) { packages(registry: $r, first: 100) { totalCount edges { node { name registry { name } tags { name } maintainers { name } } } } }`,
	"Package.versions":               `query($r: ID!) { packages(registry: $r, first: 100) { edges { node { versions(first: 3) { totalCount edges { node { version deprecation files { name } holds { id } findings { id } heldBy { name } package { name } } } } } } } }`,
	"Registry.packages":              `{ registries(first: 100) { edges { node { packages(first: 5) { totalCount edges { node { name tags { name } } } } } } } }`,
	"Query.holds":                    `{ holds(first: 100) { totalCount edges { node { package registry { name } root { id } cascades { total } } } } }`,
	"Registry.holds":                 `{ registries(first: 100) { edges { node { holds(first: 5) { totalCount edges { node { package registry { name } } } } } } } }`,
	"Hold.inherited":                 `{ holds(first: 100) { edges { node { inherited(first: 3) { totalCount edges { node { id registry { name } root { id } } } } } } } }`,
	"Query.tombstones":               `{ tombstones(first: 100) { totalCount edges { node { package registry { name } cascade { total registry { name } } } } } }`,
	"Query.cascades":                 `{ cascades(first: 100) { totalCount edges { node { total registry { name } hold { package registry { name } } tombstone { package } } } } }`,
	"Query.findings":                 `{ findings(first: 100) { totalCount edges { node { package registry { name } } } } }`,
	"Query.scans":                    `{ scans(first: 100) { edges { node { packages registry { name } } } } }`,
	"Query.decisions":                `{ decisions(first: 100) { edges { node { package registry { name } token { name member } decisive { reason } } } } }`,
	"Query.auditEvents":              `{ auditEvents(first: 100, filter: {actionPrefix: "registry:"}) { edges { node { action registry { name } seal { hash } } } } }`,
	"Query.advisories":               `{ advisories(first: 100) { totalCount edges { node { osvId affected { name } } } } }`,
	"Query.advisoryImports":          `{ advisoryImports(first: 100) { edges { node { feed changed { packages } } } } }`,
	"Query.identityProviders":        `{ identityProviders(first: 100) { edges { node { title hasSecret joinRole } } } }`,
	"IdentityProvider.groupMappings": `{ identityProviders(first: 100) { edges { node { groupMappings(first: 3) { edges { node { group role registry { name } team } } } } } } }`,
	"Query.sessions":                 `{ sessions(first: 100, everybody: true) { edges { node { member { email } identityProvider { title } } } } }`,
	"Query.linkedAccounts":           `query($m: ID!) { linkedAccounts(first: 100, member: $m) { edges { node { issuer member { email } } } } }`,
	"Query.breakGlassLinks":          `{ breakGlassLinks(first: 100) { edges { node { createdAt member { email } } } } }`,
	"Query.trustRules":               `{ trustRules(first: 100) { edges { node { name serviceAccount registries { name } claims { name } } } } }`,
	"Query.members":                  `{ members(first: 100) { edges { node { email } } } }`,
	"Query.tokens":                   `{ tokens(first: 100) { edges { node { name member { email } registries { name } } } } }`,
	"Registry.ownedNames":            `{ registries(first: 100) { edges { node { ownedNames(first: 3) { edges { node { package registry { name } } } } } } } }`,
	"Registry.nameSwitches":          `{ registries(first: 100) { edges { node { nameSwitches(first: 3) { edges { node { package registry { name } } } } } } } }`,
	"Registry.stagedVersions":        `{ registries(first: 100) { edges { node { stagedVersions(first: 3) { totalCount edges { node { package digest registry { name } } } } } } } }`,
	"Registry.pulls":                 `{ registries(first: 100) { edges { node { pulls(first: 3) { edges { node { source total held registry { name } } } } } } } }`,
	"Pull.items":                     `{ registries(first: 100) { edges { node { pulls(first: 3) { edges { node { items(first: 3) { edges { node { package state } } } } } } } } } }`,
	"BlastRadius.deliveries":         `query($r: ID!) { blastRadius(registry: $r, package: "left-pad") { deliveries(first: 100) { edges { node { count registry { name } token { name member } } } } } }`,
}

// TestNoNPlusOne_EveryList: whatever the length of the page, each list costs the
// same number of statements with what is below its objects.
func TestNoNPlusOne_EveryList(t *testing.T) {
	s := schema(t)
	elsewhere := []string{ // TestNoNPlusOne_People
		"Query.teams", "Query.serviceAccounts", "Query.invitations", "Query.joinRequests", "Query.grants", "Registry.grants", "Role.grants", "Team.members",
		"Team.grants", "Member.teams", "Member.grants", "Member.tokens", "ServiceAccount.grants", "ServiceAccount.tokens", "Token.grants",
	}
	for name, def := range s.Types {
		for _, f := range def.Fields {
			if at := name + "." + f.Name; strings.HasSuffix(f.Type.Name(), "Connection") && nested[at] == "" && !slices.Contains(elsewhere, at) {
				t.Errorf("%s: ask here for what is below its objects", at)
			}
		}
	}
	w := newWorldWaiting(t, 60*time.Millisecond) // however slow the machine, what belongs together comes together
	seeded := w.seed(w.ours)
	owner := w.member(w.ours, "owner", access.Place{Role: access.Owner})
	ask := func(query string) (statements int64, edges int) {
		v := vars{}
		if strings.Contains(query, "$r") {
			v["r"] = seeded.words["firewall"]
		}
		if strings.Contains(query, "$m") {
			v["m"] = seeded.words["someone"]
		}
		before := w.sql.n.Load()
		a := w.ask(owner, query, v)
		if len(a.Errors) > 0 {
			t.Fatalf("%s: %s", query, a.Errors[0].Message)
		}
		return w.sql.n.Load() - before, strings.Count(string(a.Data), `"node":`)
	}
	warm := func() { ask(`{ viewer { actions } }`) } // rights are read anew after a change of them
	w.grow(seeded, 1, 2)
	warm()
	few, small := map[string]int64{}, map[string]int{}
	for at, query := range nested {
		few[at], small[at] = ask(query)
	}
	w.grow(seeded, 2, 12)
	warm()
	for at, query := range nested {
		many, large := ask(query)
		if large < small[at]+8 && at != "Query.advisories" { // the same in every test
			t.Errorf("%s: %d rows and then %d, so this proves nothing", at, small[at], large)
		}
		if many > few[at]+2 {
			t.Errorf("%s: %d statements for %d rows, and %d for %d: some field asks once per object", at, few[at], small[at], many, large)
		}
	}
}

// grow makes n more of everything that there are lists of.
func (w *world) grow(s seeded, round, n int) {
	w.Helper()
	allow := catalog.Allow
	for i := range n {
		name := fmt.Sprintf("grown-%d-%d", round, i)
		team, err := w.registries.Create(w.ours, registry.CreateInput{Kind: registry.PackageRegistry, Ecosystem: coord.NPM, Name: name, Upstream: &registry.UpstreamInput{Source: s.firewall}})
		w.ok(err)
		_, err = w.registries.CreateRemote(w.ours, registry.RemoteInput{Ecosystem: coord.NPM, Name: name, BaseURL: "https://remote.example"})
		w.ok(err)
		w.hold(w.ours, s.remote, name, "1.0.0", s.firewall, team.ID)
		_, err = w.quarantine.Hold(w.ours, quarantine.HoldInput{Registry: s.firewall, Name: name, Version: "1.0.0", Reason: "odd"})
		w.ok(err)
		w.holdOn(w.ours, team.ID, name)
		gone := "gone-" + name
		w.holdOn(w.ours, s.firewall, gone)
		_, err = w.quarantine.Delete(w.ours, s.firewall, gone, "1.0.0", "odd")
		w.ok(err)
		w.finding(w.ours, name, "1.0.0")
		w.ok(w.scanner.Scan(w.ours, uuid.Must(uuid.NewV7()), 1, coord.NPM, []string{name}))
		_, err = w.importer.ImportDemo(w.ours, w.now)
		w.ok(err)
		own := "own-" + name
		_, err = w.intake.Publish(w.ours, w.published(w.ours, team.ID, own, "1.0.0", "latest"))
		w.ok(err)
		_, err = w.intake.Stage(w.ours, w.published(w.ours, team.ID, own, "2.0.0", "latest"), "ann")
		w.ok(err)
		w.ok(w.intake.SetNameSwitch(w.ours, team.ID, own, &allow, nil, "so"))
		_, err = w.intake.StartPull(w.ours, intake.PullInput{Registry: team.ID, Source: name, Versions: []intake.PullVersion{{Name: "left-pad", Version: "2.0.0"}}})
		w.ok(err)
		w.member(w.ours, name)
		p := w.provider(w.ours, name)
		_, err = w.logins.AddMapping(w.ours, login.Mapping{Provider: p.ID, Group: "ops", Place: access.Place{Role: access.Reader, Registry: team.ID}})
		w.ok(err)
		w.enter(w.ours, p, name, name+"@acme.example")
		_, _, err = w.logins.BreakGlass(w.ours, "someone@acme.example", "a rehearsal")
		w.ok(err)
		w.enter(w.ours, p, "someone", "someone@acme.example")
		_, err = w.access.CreateTrustRule(w.ours, access.TrustRuleInput{Name: name, Issuer: "https://ci.example", Claims: map[string]string{"repository": "acme/" + name},
			Registries: []uuid.UUID{team.ID}})
		w.ok(err)
		_, token, err := w.access.CreateToken(w.ours, access.TokenInput{Name: name, Registries: []uuid.UUID{team.ID}})
		w.ok(err)
		v := coord.Version{Package: coord.Package{Ecosystem: coord.NPM, Name: "left-pad"}, Version: "1.0.0"}
		w.ok(w.decisions.Allowed(w.ours, team.ID, token.ID, v))
		_, err = w.decisions.Refused(w.ours, audit.Answer{Registry: team.ID, Token: token.ID, Version: v, Channel: audit.ChannelFile, Effect: "DENY", Decision: map[string]any{}})
		w.ok(err)
	}
	w.ok(w.decisions.Flush(w.ours))
	w.work(w.ours)
}
