package npm

import (
	"testing"

	"github.com/google/uuid"

	"sluice.dev/sluice/tenants/coord"
	"sluice.dev/sluice/tenants/gate"
	"sluice.dev/sluice/tenants/policy"
)

var at = Place{Registry: "https://acme.sluice.example/npm/team", Org: "https://acme.sluice.example"}

// decode reads a document that must be readable.
func decode(t testing.TB, pkg string, raw []byte) *gate.Listing {
	t.Helper()
	l, err := (&Protocol{}).Decode(pkg, raw)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// allow is the decision for what nothing forbids.
var allow = policy.Decision{Effect: policy.Allow, Listed: true}

// deny is a decision of a rule that hides, or lists so that installs fail.
func deny(reason string, listed bool) policy.Decision {
	return policy.Decision{
		Effect: policy.Deny,
		Listed: listed,
		Decisive: &policy.Verdict{
			RegistryName: "npm-firewall", RuleName: "vulnerability from HIGH", Kind: policy.KindVulnerability,
			Mode: policy.Enforce, Effect: policy.Deny, Reason: reason,
		},
	}
}

// viewOf makes a view as the gate compiles it: every version of the listing
// with the given decision, tags only on versions that lists show.
func viewOf(l *gate.Listing, decisions map[string]policy.Decision) *gate.View {
	v := &gate.View{
		Org: uuid.UUID{1}, Registry: uuid.UUID{2}, Name: "team", Package: l.Package, Base: l,
		Tags: map[string]string{}, Print: "print",
	}
	shown := map[string]bool{}
	for _, x := range l.Versions {
		d, ok := decisions[x.Version]
		if !ok {
			d = allow
		}
		if d.Withheld() {
			v.DecisionID = "0123456789abcdef0123456789abcdef"
		}
		if d.Listed {
			shown[x.Version] = true
			if x.Published.After(v.Modified) {
				v.Modified = x.Published
			}
		}
		v.Entries = append(v.Entries, gate.Entry{Listed: x, Origin: coord.External, Decision: d})
	}
	for tag, version := range l.Tags {
		if shown[version] {
			v.Tags[tag] = version
		}
	}
	return gate.Freeze(v, gate.NewRenders(1<<20))
}
