package graph

import (
	"os"
	"strings"
	"testing"

	"github.com/vektah/gqlparser/v2"
	"github.com/vektah/gqlparser/v2/ast"
)

func realSchema(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("../schema.graphql")
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func parsed(t *testing.T, text string) *ast.Schema {
	t.Helper()
	s, err := gqlparser.LoadSchema(&ast.Source{Name: "schema.graphql", Input: text})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// TestA5_SchemaThatForgets changes the real schema in one place at a time: each
// change must keep a server from starting.
func TestA5_SchemaThatForgets(t *testing.T) {
	text := realSchema(t)
	if err := checkSchema(parsed(t, text)); err != nil {
		t.Fatalf("the schema itself: %v", err)
	}
	for name, c := range map[string]struct{ old, new, want string }{
		"a query without an action": {`organization: Organization @can(action: "organization:read")`, `organization: Organization`,
			"Query.organization declares no action"},
		"a mutation without an action": {` @can(action: "remote:create")
  "Add`, `
  "Add`, "Mutation.createRemote declares no action"},
		"a subscription without an action": {`Cascade! @can(action: "version:read", on: "id")`, `Cascade!`, "Subscription.cascadeProgress declares no action"},
		"an action that is none": {`"organization:read")
  "A registry,`, `"organization:raed")
  "A registry,`, `"organization:raed" is no action`},
		"no reason":                 {`@open(reason: "everybody may know who they are")`, `@open(reason: "")`, "@open needs a reason"},
		"an argument that is none":  {`on: "input.hold"`, `on: "input.hald"`, `on "input.hald" names no argument`},
		"an argument that is no id": {`on: "input.hold"`, `on: "input.reason"`, "is neither an id nor an input object"},
		"only what may be absent":   {`@can(action: "version:release", on: "input.hold")`, `@can(action: "version:release", on: "input.none")`, "names no argument"},
		"an optional argument alone": {`CreateRegistryPayload
    @can(action: "registry:create")`, `CreateRegistryPayload`, "nothing would be asked"},
		"parent of a root field":   {`roles: [Role!] @can(action: "member:read")`, `roles: [Role!] @can(action: "member:read", on: "parent")`, "a root field has none"},
		"a field that is not null": {`rules: [Rule!] @can`, `rules: [Rule!]! @can`, "must be nullable"},
		"a node for everybody":     {`type Hold implements Node @seen(by: "version:read")`, `type Hold implements Node`, "Hold has ids but does not say"},
		"a deprecation without a date": {`@deprecated(reason: "Use filter.open instead; until 2027-06-30.")`, `@deprecated(reason: "Use filter.open instead.")`,
			"Query.tombstones(open:) is deprecated without a date"},
		"a deprecation until never": {`until 2027-06-30`, `until 2027-06-31`, "which is no date"},
		"a node without an id":      {`type Role {`, `type Role implements Node @seen(by: "member:read") { id: ID!`, "Role is a Node in the schema or has a form of id"},
	} {
		t.Run(name, func(t *testing.T) {
			changed := strings.Replace(text, c.old, c.new, 1)
			if changed == text {
				t.Fatalf("%q is not in the schema", c.old)
			}
			if err := checkSchema(parsed(t, changed)); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
}

// TestSchemaIsDocumented: every type, field, value and argument says what it is.
func TestSchemaIsDocumented(t *testing.T) {
	s := parsed(t, realSchema(t))
	for name, def := range s.Types {
		if def.BuiltIn || strings.HasPrefix(name, "__") {
			continue
		}
		if def.Description == "" {
			t.Errorf("%s has no description", name)
		}
		for _, v := range def.EnumValues {
			if v.Description == "" {
				t.Errorf("%s.%s has no description", name, v.Name)
			}
		}
		for _, f := range ownFields(def) {
			if f.Description == "" {
				t.Errorf("%s.%s has no description", name, f.Name)
			}
			for _, a := range f.Arguments {
				if a.Description == "" && a.Name != "input" { // whose type has one
					t.Errorf("%s.%s(%s) has no description", name, f.Name, a.Name)
				}
			}
		}
	}
}

// TestEveryListIsBounded: a list has pages, or is short by the laws; those that
// are short are counted as plainList, and named here.
func TestEveryListIsBounded(t *testing.T) {
	short := map[string]string{
		"Query.nodes": "at most 100 ids", "Query.roles": "custom roles are few", "Registry.upstreams": "R8", "Registry.downstreams": "those that may be seen",
		"Registry.rules": "made by hand", "Registry.clientSettings": "one per client", "Version.files": "one release", "Version.holds": "open ones on one version",
		"Version.findings": "open ones on one version", "Version.heldBy": "those that may be seen", "Hold.cascades": "one per hold and release",
		"BlastRadius.registries": "those that may be seen", "Token.registries": "at most 200", "Explanation.verdicts": "rules on the path",
		"LicensePolicy.rules": "at most 500", "Advisory.affected": "one record", "Organization.reservedPatterns": "at most 500",
		"Package.tags": "made by people, one by one", "Package.maintainers": "at most 500", "Ownership.ledger": "R8", "Ownership.switches": "R8",
		"Ownership.wouldHide": "registries below, which the limits count as gateCost", "PullLockfilePayload.left": "at most 100",
		"Query.actions": "as many as the program knows", "Invitation.roles": "at most 50", "Invitation.teams": "at most 50",
		"TrustPreset.claims": "as many as the provider has", "TrustRule.claims": "at most 20", "TrustRule.registries": "at most 200",
		"Query.trustPresets": "as many as the program knows", "TrustTest.claims": "one per claim of the rule", "AuditReport.faults": "at most 100", "Query.hostNames": "at most 100", "AdvisoryImport.changed": "one per ecosystem",
		"ReleaseVersionPayload.released": "open ones on one version", "ReleaseVersionPayload.remaining": "open ones on one version",
	}
	s := parsed(t, realSchema(t))
	for name, def := range s.Types {
		if def.Kind != ast.Object || strings.HasPrefix(name, "__") {
			continue
		}
		for _, f := range ownFields(def) {
			elem := s.Types[f.Type.Name()]
			if f.Type.Elem == nil || elem.Kind == ast.Scalar || f.Type.Name() == "UserError" || strings.HasSuffix(name, "Connection") {
				continue
			}
			if short[name+"."+f.Name] == "" {
				t.Errorf("%s.%s is a list without pages: give it some, or say here why it is short", name, f.Name)
			}
		}
	}
}

// TestEveryConnection: a list with pages has a size that is 25 unless asked
// otherwise, goes on after a cursor, can be narrowed, and be ordered; or is
// named here with the reason.
func TestEveryConnection(t *testing.T) {
	plain := map[string]string{
		"Query.members": "as long as people come, in the order in which they came",
		"Query.tokens":  "in the order in which they were made",

		"Member.teams": "few", "Member.grants": "few", "Team.members": "in the order in which they came", "Team.grants": "few",
		"ServiceAccount.grants": "few", "Token.grants": "few", "Role.grants": "the list grants has filters and orders",
		"Registry.grants": "the list grants has filters and orders", "Query.identityProviders": "few, by title",
		"IdentityProvider.groupMappings": "by group", "Query.sessions": "the last opened first", "Query.linkedAccounts": "few",
		"Query.breakGlassLinks": "the last made first",
	}
	s, found := parsed(t, realSchema(t)), 0
	for name, def := range s.Types {
		if def.Kind != ast.Object || strings.HasPrefix(name, "__") {
			continue
		}
		for _, f := range ownFields(def) {
			if !strings.HasSuffix(f.Type.Name(), "Connection") {
				continue
			}
			found++
			at := name + "." + f.Name
			if first := f.Arguments.ForName("first"); first == nil || first.DefaultValue == nil || first.DefaultValue.Raw != "25" || !strings.Contains(first.Description, "capped at 100") {
				t.Errorf("%s: first must be 25 unless given, and say that it is capped at 100", at)
			}
			if f.Arguments.ForName("after") == nil {
				t.Errorf("%s has no after", at)
			}
			var narrows, orders bool
			for _, a := range f.Arguments {
				switch a.Name {
				case "first", "after":
				case "direction", "orderBy":
					orders = true
				default:
					narrows = true
				}
			}
			if (!narrows || !orders) && plain[at] == "" {
				t.Errorf("%s: give it a filter or search, and an order; or say here why it needs none", at)
			}
			c := s.Types[f.Type.Name()]
			if e := c.Fields.ForName("edges"); e == nil || e.Type.String() != "["+strings.TrimSuffix(c.Name, "Connection")+"Edge!]!" {
				t.Errorf("%s has no edges", c.Name)
			}
			if p := c.Fields.ForName("pageInfo"); p == nil || p.Type.String() != "PageInfo!" {
				t.Errorf("%s has no pageInfo", c.Name)
			}
		}
	}
	if found < 20 {
		t.Errorf("%d lists, so this proves little", found)
	}
}
