package policy

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"sluice.dev/sluice/tenants/coord"
)

var now = time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC)

const day = 24 * time.Hour

func lodash(version string) coord.Version {
	return coord.Version{Package: coord.Package{Ecosystem: coord.NPM, Name: "lodash"}, Version: version}
}

// facts are those of a version without anything to say about.
func facts() Facts {
	return Facts{
		Version: lodash("4.17.20"), Origin: coord.External, FromRemote: true, Published: now.Add(-365 * day),
		Advisories: AdvisoryFacts{Snapshot: now.Add(-time.Hour)},
		License:    LicenseFact{State: LicenseDeclared, Expression: "MIT"},
	}
}

func injection() Match {
	return Match{
		ID: "GHSA-35jh-r3h4-6jhm", Aliases: []string{"CVE-2021-23337"}, Summary: "Command Injection in lodash",
		Severity: SeverityHigh, CVSS: 7.2, FixedIn: []string{"4.17.21"},
	}
}

func malware() Match {
	return Match{ID: "MAL-2026-1", Summary: "Malicious code in lodash", Severity: SeverityCritical, Malware: true}
}

func affected(matches ...Match) Facts {
	f := facts()
	f.Advisories.Matches = matches
	return f
}

// rule is an enforced rule of the kind with the defaults of the kind.
func rule(kind Kind, effect Effect, params Params) Rule {
	return Rule{
		ID: uuid.New(), Name: strings.ToLower(string(kind)), Kind: kind, Mode: Enforce, Effect: effect,
		Applies: DefaultScope(kind), OnViolation: Hide, Unknown: DefaultUnknown(kind), Params: params,
	}
}

func with(r Rule, change func(*Rule)) Rule {
	change(&r)
	return r
}

func hop(name string, rules ...Rule) Hop {
	return Hop{Registry: uuid.NewSHA1(uuid.Nil, []byte(name)), RegistryName: name, Rules: rules}
}

func one(rules ...Rule) []Hop { return []Hop{hop("edge", rules...)} }

func definitions(t testing.TB, texts ...string) Params {
	t.Helper()
	var p Params
	for _, text := range texts {
		d, err := coord.ParseDefinition(coord.NPM, text)
		if err != nil {
			t.Fatal(err)
		}
		p.Definitions = append(p.Definitions, d)
	}
	return p
}

// said is what tests compare of a decision.
type said struct {
	Effect   Effect
	Decisive string   // "registry: rule", "" for none
	Verdicts []string // "registry: rule EFFECT", in order
	Listed   bool
}

func summary(d Decision) said {
	s := said{Effect: d.Effect, Listed: d.Listed}
	if d.Decisive != nil {
		s.Decisive = d.Decisive.RegistryName + ": " + d.Decisive.RuleName
	}
	for _, v := range d.Verdicts {
		s.Verdicts = append(s.Verdicts, v.RegistryName+": "+v.RuleName+" "+v.Effect.String())
	}
	return s
}

func TestP1_TheFirstStrictestVerdictDecides(t *testing.T) {
	vulnerability := rule(KindVulnerability, Deny, Params{MinSeverity: SeverityHigh})
	warn := with(rule(KindVulnerability, Warn, Params{}), func(r *Rule) { r.Name = "any vulnerability" })
	block := rule(KindBlock, Deny, definitions(t, "lodash"))
	quarantine := rule(KindMalware, Quarantine, Params{})
	tests := []struct {
		name string
		hops []Hop
		f    Facts
		want said
	}{
		{"nothing to say", []Hop{hop("a", warn, vulnerability), hop("b", quarantine)}, facts(), said{Allow, "", nil, true}},
		{"no rules", []Hop{hop("a"), hop("b")}, affected(injection()), said{Allow, "", nil, true}},
		{"no hops", nil, affected(injection()), said{Allow, "", nil, true}},
		{"a warning is served and listed", one(warn), affected(injection()), said{Warn, "edge: any vulnerability", []string{"edge: any vulnerability WARN"}, true}},
		{
			"the outer registry comes first", []Hop{hop("a", vulnerability), hop("b", block)}, affected(injection()),
			said{Deny, "a: vulnerability", []string{"a: vulnerability DENY", "b: block DENY"}, false},
		},
		{
			"the order of rules decides within a registry", one(block, vulnerability), affected(injection()),
			said{Deny, "edge: block", []string{"edge: block DENY", "edge: vulnerability DENY"}, false},
		},
		{
			"a stricter effect further on wins, and everything is recorded",
			[]Hop{hop("a", warn, block), hop("b", quarantine), hop("c", vulnerability)}, affected(injection(), malware()),
			said{Quarantine, "b: malware", []string{"a: any vulnerability WARN", "a: block DENY", "b: malware QUARANTINE", "c: vulnerability DENY"}, false},
		},
		{
			"every hop must allow", []Hop{hop("a"), hop("b", block)}, facts(),
			said{Deny, "b: block", []string{"b: block DENY"}, false},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			d := Evaluate(tt.hops, tt.f, now)
			if diff := cmp.Diff(tt.want, summary(d)); diff != "" {
				t.Error(diff)
			}
			if d.Withheld() != (tt.want.Effect >= Deny) {
				t.Errorf("Withheld is %v", d.Withheld())
			}
			if d.Decisive != nil && (d.Decisive.Registry == uuid.Nil || d.Decisive.Rule == uuid.Nil || d.Decisive.Reason == "") {
				t.Errorf("incomplete verdict %+v", d.Decisive)
			}
		})
	}
}

func TestP2_EvaluatingTwiceSaysTheSameAndChangesNothing(t *testing.T) {
	hops := []Hop{hop("a", DefaultFirewallRules()...), hop("b", rule(KindMinimumAge, Deny, Params{MinAge: 7 * day}))}
	f := affected(injection(), malware(), Match{ID: "GHSA-2", FixedIn: []string{"5.0.0", "4.17.21"}})
	f.Published = now.Add(-day)
	before := affected(injection(), malware(), Match{ID: "GHSA-2", FixedIn: []string{"5.0.0", "4.17.21"}})
	first, second := Evaluate(hops, f, now), Evaluate(hops, f, now)
	if diff := cmp.Diff(first, second); diff != "" {
		t.Errorf("the second decision differs: %s", diff)
	}
	if diff := cmp.Diff(before.Advisories, f.Advisories); diff != "" {
		t.Errorf("the facts were changed: %s", diff)
	}
}

func TestP4_DryRunIsRecordedAndChangesNothing(t *testing.T) {
	dry := with(rule(KindBlock, Quarantine, definitions(t, "lodash")), func(r *Rule) { r.Mode = DryRun; r.Name = "trial" })
	warn := rule(KindVulnerability, Warn, Params{})
	d := Evaluate(one(dry, warn), affected(injection()), now)
	want := said{Warn, "edge: vulnerability", []string{"edge: trial QUARANTINE", "edge: vulnerability WARN"}, true}
	if diff := cmp.Diff(want, summary(d)); diff != "" {
		t.Error(diff)
	}
	if d.Verdicts[0].Mode != DryRun {
		t.Errorf("the verdict of the trial has mode %s", d.Verdicts[0].Mode)
	}
	if alone := Evaluate(one(dry), facts(), now); alone.Effect != Allow || alone.Decisive != nil || len(alone.Verdicts) != 1 {
		t.Errorf("alone: %+v", alone)
	}
}

func TestP5_NewOnlySkipsWhatItsOwnRegistryHolds(t *testing.T) {
	block := rule(KindBlock, Deny, definitions(t, "lodash"))
	both := with(block, func(r *Rule) { r.Applies = NewAndHeld })
	held := func(h Hop) Hop { h.Holds = true; return h }
	tests := []struct {
		name string
		hops []Hop
		want Effect
	}{
		{"new", []Hop{hop("a", block)}, Deny},
		{"held here", []Hop{held(hop("a", block))}, Allow},
		{"held by another registry of the path", []Hop{held(hop("a")), hop("b", block)}, Deny},
		{"rule for both, held", []Hop{held(hop("a", both))}, Deny},
		{"rule for both, new", []Hop{hop("a", both)}, Deny},
	}
	for _, tt := range tests {
		if got := Evaluate(tt.hops, facts(), now).Effect; got != tt.want {
			t.Errorf("%s: got %s, want %s", tt.name, got, tt.want)
		}
	}
	for kind, want := range map[Kind]Scope{
		KindVulnerability: NewAndHeld, KindMalware: NewAndHeld, KindLicense: NewAndHeld, KindBlock: NewOnly, KindMinimumAge: NewOnly,
	} {
		if got := DefaultScope(kind); got != want {
			t.Errorf("DefaultScope(%s) = %s, want %s", kind, got, want)
		}
	}
}

func TestP7_OnViolationFailStaysListed(t *testing.T) {
	block := rule(KindBlock, Deny, definitions(t, "lodash"))
	fail := with(block, func(r *Rule) { r.OnViolation = Fail })
	dryHide := with(block, func(r *Rule) { r.Mode = DryRun })
	warnHide := with(rule(KindVulnerability, Warn, Params{}), func(r *Rule) { r.OnViolation = Hide })
	tests := []struct {
		name string
		hops []Hop
		want bool
	}{
		{"hide", one(block), false},
		{"fail", one(fail), true},
		{"fail here, hide further on", []Hop{hop("a", fail), hop("b", block)}, false},
		{"hide here, fail further on", []Hop{hop("a", block), hop("b", fail)}, false},
		{"a trial that would hide", one(fail, dryHide), true},
		{"a warning hides nothing", one(fail, warnHide), true},
	}
	for _, tt := range tests {
		d := Evaluate(tt.hops, affected(injection()), now)
		if d.Listed != tt.want || !d.Withheld() {
			t.Errorf("%s: listed %v, withheld %v", tt.name, d.Listed, d.Withheld())
		}
	}
}

func TestP11_DefaultFirewallRules(t *testing.T) {
	rules := DefaultFirewallRules()
	for _, r := range rules {
		if err := r.Validate(); err != nil {
			t.Errorf("%s: %v", r.Name, err)
		}
		if r.ID != uuid.Nil || r.Mode != Enforce || r.Applies != NewAndHeld {
			t.Errorf("%s: %+v", r.Name, r)
		}
	}
	low := injection()
	low.Severity = SeverityMedium
	gpl := facts()
	gpl.License.Expression = "GPL-3.0-only"
	tests := []struct {
		name string
		f    Facts
		want said
	}{
		{"clean", facts(), said{Allow, "", nil, true}},
		{"high", affected(injection()), said{Quarantine, "edge: vulnerability from HIGH", []string{"edge: vulnerability from HIGH QUARANTINE"}, false}},
		{"medium", affected(low), said{Allow, "", nil, true}},
		{"malware", affected(malware()), said{Quarantine, "edge: malware", []string{"edge: malware QUARANTINE"}, false}},
		{"copyleft only warns", gpl, said{Warn, "edge: licence", []string{"edge: licence WARN"}, true}},
	}
	for _, tt := range tests {
		if diff := cmp.Diff(tt.want, summary(Evaluate(one(rules...), tt.f, now))); diff != "" {
			t.Errorf("%s: %s", tt.name, diff)
		}
	}
}

func TestF1_AnUnknownKindOfRuleWithholds(t *testing.T) {
	d := Evaluate(one(rule("SIGNATURE", Warn, Params{})), facts(), now)
	if d.Effect != Deny || !d.Decisive.Unknown || !strings.Contains(d.Decisive.Reason, "SIGNATURE") {
		t.Errorf("got %+v", d)
	}
}

func TestDecideTakesVerdictsThatAreNoRules(t *testing.T) {
	hold := Verdict{Kind: KindHold, Effect: Quarantine, Reason: "held", RegistryName: "edge"}
	d := Decide([]Verdict{{Kind: KindBlock, Effect: Deny, Mode: Enforce, OnViolation: Fail}, hold}, now)
	if d.Effect != Quarantine || d.Decisive.Kind != KindHold || d.Listed || d.ValidUntil != now {
		t.Errorf("got %+v", d)
	}
}

func BenchmarkEvaluateAllow(b *testing.B) {
	p := definitions(b, "@evil/*", "event-stream@3.3.6", "lodash@<4.0.0")
	hops := []Hop{
		hop("edge", append(DefaultFirewallRules(), rule(KindMinimumAge, Deny, Params{MinAge: 7 * day}))...),
		hop("team", rule(KindBlock, Deny, Params{Definitions: p.Definitions[:2]})),
	}
	f := facts()
	b.ReportAllocs()
	for b.Loop() {
		if Evaluate(hops, f, now).Effect != Allow {
			b.Fatal("withheld")
		}
	}
}

func BenchmarkEvaluateVulnerable(b *testing.B) {
	hops := one(DefaultFirewallRules()...)
	f := affected(injection())
	b.ReportAllocs()
	for b.Loop() {
		if Evaluate(hops, f, now).Effect != Quarantine {
			b.Fatal("served")
		}
	}
}
