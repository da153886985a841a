package policy

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"sluice.dev/sluice/tenants/coord"
	"sluice.dev/sluice/tenants/license"
)

func TestVulnerabilityThreshold(t *testing.T) {
	match := func(s Severity, cvss float64) Match { return Match{ID: "GHSA-1", Severity: s, CVSS: cvss} }
	tests := []struct {
		from Severity
		m    Match
		want Effect
	}{
		{SeverityHigh, match(SeverityHigh, 0), Deny},
		{SeverityHigh, match(SeverityCritical, 0), Deny},
		{SeverityHigh, match(SeverityMedium, 9.8), Allow}, // its own severity goes before the score
		{SeverityHigh, match(SeverityUnknown, 7.0), Deny},
		{SeverityHigh, match(SeverityUnknown, 0), Allow},
		{SeverityMedium, match(SeverityUnknown, 0), Deny},
		{SeverityMedium, match(SeverityUnknown, 3.9), Allow},
		{SeverityUnknown, match(SeverityLow, 0), Deny},
		{SeverityUnknown, malware(), Allow}, // malware is the malware rule's
	}
	for _, tt := range tests {
		d := Evaluate(one(rule(KindVulnerability, Deny, Params{MinSeverity: tt.from})), affected(tt.m), now)
		if d.Effect != tt.want {
			t.Errorf("from %s, %s with CVSS %v: got %s, want %s", tt.from, tt.m.Severity, tt.m.CVSS, d.Effect, tt.want)
		}
	}
	if d := Evaluate(one(rule(KindMalware, Quarantine, Params{})), affected(injection()), now); d.Effect != Allow {
		t.Errorf("a vulnerability counted as malware: %+v", d)
	}
}

func TestReasonsAreSentences(t *testing.T) {
	vulnerability := rule(KindVulnerability, Deny, Params{})
	second := Match{ID: "GHSA-2", Severity: SeverityCritical, FixedIn: []string{"3.10.2", "4.17.23", "5.0.1"}}
	unscored := Match{ID: "PYSEC-1", Summary: "Bad \u201cthing\u201d\nhappens \u2026 na\u00efvely \u4e2d."}
	long := Match{ID: "GHSA-3", Severity: SeverityLow, Summary: strings.Repeat("word ", 100)}
	young := facts()
	young.Published = now.Add(-2*day - 30*time.Minute)
	noDate := facts()
	noDate.Published = time.Time{}
	age := rule(KindMinimumAge, Deny, Params{MinAge: 7 * day})
	tests := []struct {
		rule Rule
		f    Facts
		want string
	}{
		{vulnerability, affected(injection()), `lodash 4.17.20 is affected by GHSA-35jh-r3h4-6jhm (HIGH), "Command Injection in lodash"; fixed in 4.17.21`},
		{vulnerability, affected(injection(), second), `lodash 4.17.20 is affected by GHSA-2 (CRITICAL), and 1 more advisory; fixed in 4.17.23`},
		{vulnerability, affected(injection(), second, unscored), `lodash 4.17.20 is affected by GHSA-2 (CRITICAL), and 2 more advisories; no fixed version is known`},
		{vulnerability, affected(unscored), `lodash 4.17.20 is affected by PYSEC-1 (severity unknown, counted as MEDIUM), "Bad 'thing' happens ... naively ?"; no fixed version is known`},
		{vulnerability, affected(long), `lodash 4.17.20 is affected by GHSA-3 (LOW), "` + strings.Repeat("word ", 22) + `word wo..."; no fixed version is known`},
		{rule(KindMalware, Deny, Params{}), affected(malware()), `lodash 4.17.20 is malware according to MAL-2026-1, "Malicious code in lodash"`},
		{rule(KindBlock, Deny, definitions(t, "lodash@<4.17.21")), facts(), `lodash 4.17.20 is blocked by the definition lodash@<4.17.21`},
		{age, young, `lodash 4.17.20 was published 2026-05-30 11:30 UTC and must be at least 7 days old: it becomes available 2026-06-06 11:30 UTC`},
		{age, noDate, `lodash 4.17.20 has no known publish time, and must be at least 7 days old`},
	}
	for _, tt := range tests {
		d := Evaluate(one(tt.rule), tt.f, now)
		if d.Decisive == nil {
			t.Errorf("no verdict; want %q", tt.want)
			continue
		}
		if d.Decisive.Reason != tt.want {
			t.Errorf("got  %q\nwant %q", d.Decisive.Reason, tt.want)
		}
		if !isPrintableASCII(d.Decisive.Reason) {
			t.Errorf("not printable ASCII: %q", d.Decisive.Reason)
		}
	}
}

func TestVerdictHasEvidenceAndFixes(t *testing.T) {
	second := Match{ID: "GHSA-2", Severity: SeverityCritical, FixedIn: []string{"3.10.2", "4.17.21", "4.17.23"}}
	d := Evaluate(one(rule(KindVulnerability, Deny, Params{})), affected(injection(), second), now)
	if diff := cmp.Diff([]string{"GHSA-2", "GHSA-35jh-r3h4-6jhm"}, d.Decisive.Evidence); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"3.10.2", "4.17.21", "4.17.23"}, d.Decisive.FixedIn); diff != "" {
		t.Error(diff)
	}
}

func TestP3_AdvisoryFeedUnknown(t *testing.T) {
	set := func(snapshot time.Time, matches ...Match) Facts {
		f := affected(matches...)
		f.Advisories.Snapshot = snapshot
		return f
	}
	never := time.Time{}
	weekly := Params{MaxFeedAge: 7 * day}
	unknown := func(u Unknown, p Params) Rule {
		return with(rule(KindVulnerability, Quarantine, p), func(r *Rule) { r.Unknown = u })
	}
	tests := []struct {
		name       string
		rule       Rule
		f          Facts
		want       []string
		reason     string // of the first verdict
		validUntil time.Time
	}{
		{"no feed warns", unknown(UnknownWarn, Params{}), set(never), []string{"edge: vulnerability WARN"}, "no advisory feed imported yet", never},
		{"no feed warns by default", unknown("", Params{}), set(never), []string{"edge: vulnerability WARN"}, "no advisory feed imported yet", never},
		{"no feed, the organization denies", unknown(UnknownDeny, Params{}), set(never), []string{"edge: vulnerability DENY"}, "no advisory feed", never},
		{"no feed, quarantine", unknown(UnknownQuarantine, Params{}), set(never), []string{"edge: vulnerability QUARANTINE"}, "no advisory feed", never},
		{"no feed, allow", unknown(UnknownAllow, Params{}), set(never), nil, "", never},
		{"a choice that does not exist fails closed", unknown("MAYBE", Params{}), set(never), []string{"edge: vulnerability DENY"}, "no advisory feed", never},
		{
			"demonstration advisories act without a feed", unknown(UnknownWarn, Params{}), set(never, injection()),
			[]string{"edge: vulnerability QUARANTINE", "edge: vulnerability WARN"}, "lodash 4.17.20 is affected by", never,
		},
		{"fresh enough", unknown(UnknownDeny, weekly), set(now.Add(-6 * day)), nil, "", now.Add(day)},
		{
			"too old", unknown(UnknownDeny, weekly), set(now.Add(-7 * day)), []string{"edge: vulnerability DENY"},
			"the advisory feed is of 2026-05-25 12:00 UTC, older than the 7 days that are allowed", never,
		},
		{
			"too old, and what is known still acts", unknown(UnknownWarn, weekly), set(now.Add(-8*day), injection()),
			[]string{"edge: vulnerability QUARANTINE", "edge: vulnerability WARN"}, "lodash 4.17.20 is affected by", never,
		},
		{"any age is allowed", unknown(UnknownDeny, Params{}), set(now.Add(-900 * day)), nil, "", never},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			d := Evaluate(one(tt.rule), tt.f, now)
			if diff := cmp.Diff(tt.want, summary(d).Verdicts); diff != "" {
				t.Fatal(diff)
			}
			if !d.ValidUntil.Equal(tt.validUntil) {
				t.Errorf("valid until %s, want %s", d.ValidUntil, tt.validUntil)
			}
			if len(d.Verdicts) > 0 && !strings.HasPrefix(d.Verdicts[0].Reason, tt.reason) {
				t.Errorf("reason %q, want %q", d.Verdicts[0].Reason, tt.reason)
			}
			for _, v := range d.Verdicts {
				if v.Unknown != (len(v.Evidence) == 0) {
					t.Errorf("unknown is %v with evidence %q", v.Unknown, v.Evidence)
				}
			}
		})
	}
}

func TestP3_TheFirewallDefaultsWarnOncePerRuleWithoutAFeed(t *testing.T) {
	f := facts()
	f.Advisories.Snapshot = time.Time{}
	d := Evaluate(one(DefaultFirewallRules()...), f, now)
	want := said{Warn, "edge: vulnerability from HIGH", []string{"edge: vulnerability from HIGH WARN", "edge: malware WARN"}, true}
	if diff := cmp.Diff(want, summary(d)); diff != "" {
		t.Error(diff)
	}
}

func TestQ4_AcknowledgedFindingsDoNotCountAgain(t *testing.T) {
	rules := []Rule{
		rule(KindVulnerability, Quarantine, Params{}), rule(KindMalware, Quarantine, Params{}),
		with(rule(KindBlock, Deny, definitions(t, "lodash@<5", "lodash")), func(r *Rule) { r.Applies = NewAndHeld }),
	}
	other := Match{ID: "GHSA-new", Severity: SeverityHigh}
	tests := []struct {
		name         string
		acknowledged []string
		f            Facts
		want         []string
	}{
		{"nothing", nil, affected(injection()), []string{"edge: vulnerability QUARANTINE", "edge: block DENY"}},
		{"the finding", []string{"GHSA-35jh-r3h4-6jhm"}, affected(injection()), []string{"edge: block DENY"}},
		{"a new one holds", []string{"GHSA-35jh-r3h4-6jhm"}, affected(injection(), other), []string{"edge: vulnerability QUARANTINE", "edge: block DENY"}},
		{"malware", []string{"MAL-2026-1"}, affected(malware()), []string{"edge: block DENY"}},
		{"one of two definitions", []string{"lodash@<5"}, facts(), []string{"edge: block DENY"}},
		{"both definitions", []string{"lodash@<5", "lodash"}, facts(), nil},
	}
	for _, tt := range tests {
		h := hop("edge", rules...)
		h.Acknowledged = tt.acknowledged
		d := Evaluate([]Hop{h}, tt.f, now)
		if diff := cmp.Diff(tt.want, summary(d).Verdicts); diff != "" {
			t.Errorf("%s: %s", tt.name, diff)
		}
		if strings.HasPrefix(tt.name, "a new one") && cmp.Diff([]string{"GHSA-new"}, d.Decisive.Evidence) != "" {
			t.Errorf("evidence %q", d.Decisive.Evidence)
		}
	}
	elsewhere := hop("edge", rules[:1]...)
	elsewhere.Acknowledged = []string{"GHSA-35jh-r3h4-6jhm"}
	if d := Evaluate([]Hop{elsewhere, hop("team", rules[:1]...)}, affected(injection()), now); d.Effect != Quarantine || d.Decisive.RegistryName != "team" {
		t.Errorf("an acknowledgement of one registry counted in another: %+v", summary(d))
	}
}

func TestP9_MinimumAge(t *testing.T) {
	week := Params{MinAge: 7 * day}
	change := func(f func(*Facts)) Facts { x := facts(); x.Published = now.Add(-2 * day); f(&x); return x }
	end := now.Add(5 * day)
	never := time.Time{}
	tests := []struct {
		name       string
		rule       Rule
		f          Facts
		want       Effect
		until      time.Time
		validUntil time.Time
	}{
		{"too young", rule(KindMinimumAge, Deny, week), change(func(*Facts) {}), Deny, end, end},
		{"warns", rule(KindMinimumAge, Warn, week), change(func(*Facts) {}), Warn, end, end},
		{"a hold does not end by itself", rule(KindMinimumAge, Quarantine, week), change(func(*Facts) {}), Quarantine, never, end},
		{"exactly old enough", rule(KindMinimumAge, Deny, week), change(func(f *Facts) { f.Published = now.Add(-7 * day) }), Allow, never, never},
		{"a second too young", rule(KindMinimumAge, Deny, week), change(func(f *Facts) { f.Published = now.Add(-7*day + time.Second) }), Deny, now.Add(time.Second), now.Add(time.Second)},
		{"not from a remote", rule(KindMinimumAge, Deny, week), change(func(f *Facts) { f.FromRemote = false }), Allow, never, never},
		{"the lowest fix", rule(KindMinimumAge, Deny, week), change(func(f *Facts) { f.AgeExempt = true }), Allow, never, never},
		{"an exempt package", rule(KindMinimumAge, Deny, Params{MinAge: 7 * day, Definitions: definitions(t, "lodash@4").Definitions}), change(func(*Facts) {}), Allow, never, never},
		{"another package is exempt", rule(KindMinimumAge, Deny, Params{MinAge: 7 * day, Definitions: definitions(t, "left-pad").Definitions}), change(func(*Facts) {}), Deny, end, end},
		{"no publish time denies", rule(KindMinimumAge, Warn, week), change(func(f *Facts) { f.Published = never }), Deny, never, never},
		{"no publish time, allowed", with(rule(KindMinimumAge, Deny, week), func(r *Rule) { r.Unknown = UnknownAllow }), change(func(f *Facts) { f.Published = never }), Allow, never, never},
		{"no publish time of what is not from a remote", rule(KindMinimumAge, Deny, week), change(func(f *Facts) { f.Published, f.FromRemote = never, false }), Allow, never, never},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			d := Evaluate(one(tt.rule), tt.f, now)
			if d.Effect != tt.want || !d.ValidUntil.Equal(tt.validUntil) {
				t.Fatalf("got %s until %s, want %s until %s", d.Effect, d.ValidUntil, tt.want, tt.validUntil)
			}
			if d.Decisive != nil && !d.Decisive.Until.Equal(tt.until) {
				t.Errorf("heals at %s, want %s", d.Decisive.Until, tt.until)
			}
			if tt.want == Deny && !d.ValidUntil.IsZero() {
				if later := Evaluate(one(tt.rule), tt.f, d.ValidUntil); later.Effect != Allow {
					t.Errorf("when its time has come: %s", later.Effect)
				}
			}
		})
	}
}

func TestValidUntilIsTheNextChange(t *testing.T) {
	f := facts()
	f.Published = now.Add(-2 * day)
	rules := []Rule{
		rule(KindMinimumAge, Deny, Params{MinAge: 30 * day}), rule(KindMinimumAge, Deny, Params{MinAge: 7 * day}),
		rule(KindMalware, Deny, Params{MaxFeedAge: 20 * day}),
	}
	if got, want := Evaluate(one(rules...), f, now).ValidUntil, now.Add(5*day); !got.Equal(want) {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestLicenseRule(t *testing.T) {
	p := license.DefaultPolicy()
	quiet := license.Policy{}
	deny := rule(KindLicense, Deny, Params{License: &p})
	high := with(deny, func(r *Rule) { r.Params.MinSeverity = SeverityHigh })
	tests := []struct {
		rule     Rule
		fact     LicenseFact
		want     Effect
		reason   string
		evidence string
	}{
		{deny, LicenseFact{LicenseDeclared, "MIT"}, Allow, "", ""},
		{deny, LicenseFact{LicenseDeclared, "MIT OR GPL-3.0-only"}, Allow, "", ""},
		{deny, LicenseFact{LicenseDeclared, "MIT AND GPL-3.0-only"}, Deny, "lodash 4.17.20 is licensed under GPL-3.0-only (of MIT AND GPL-3.0-only), a strong copyleft licence (MEDIUM)", "MIT AND GPL-3.0-only"},
		{high, LicenseFact{LicenseDeclared, "GPL-3.0-only"}, Allow, "", ""},
		{high, LicenseFact{LicenseDeclared, "AGPL-3.0-only"}, Deny, "lodash 4.17.20 is licensed under AGPL-3.0-only, a network copyleft licence (HIGH)", "AGPL-3.0-only"},
		{deny, LicenseFact{LicenseMissing, ""}, Deny, "lodash 4.17.20 declares no licence (LOW)", EvidenceNoLicense},
		{deny, LicenseFact{LicenseUnknown, "Ours\u2122"}, Deny, `lodash 4.17.20 declares the licence "OursTM", which is not understood (LOW)`, "Ours\u2122"},
		{deny, LicenseFact{LicenseNotCollected, ""}, Allow, "", ""},
		{deny, LicenseFact{}, Allow, "", ""},
		{with(deny, func(r *Rule) { r.Params.License = &quiet }), LicenseFact{LicenseMissing, ""}, Allow, "", ""},
		{with(deny, func(r *Rule) { r.Params.License = nil }), LicenseFact{LicenseMissing, ""}, Allow, "", ""},
	}
	for _, tt := range tests {
		t.Run(fmt.Sprint(tt.fact), func(t *testing.T) {
			f := facts()
			f.License = tt.fact
			d := Evaluate(one(tt.rule), f, now)
			if d.Effect != tt.want {
				t.Fatalf("got %s, want %s", d.Effect, tt.want)
			}
			if d.Decisive == nil {
				return
			}
			if d.Decisive.Reason != tt.reason || cmp.Diff([]string{tt.evidence}, d.Decisive.Evidence) != "" {
				t.Errorf("got %q with %q\nwant %q with %q", d.Decisive.Reason, d.Decisive.Evidence, tt.reason, tt.evidence)
			}
			acknowledged := hop("edge", tt.rule)
			acknowledged.Acknowledged = d.Decisive.Evidence
			if again := Evaluate([]Hop{acknowledged}, f, now); again.Effect != Allow {
				t.Errorf("acknowledged (Q4), and still %s", again.Effect)
			}
		})
	}
}

func TestF1_ADefinitionThatWasNeverParsedBlocks(t *testing.T) {
	r := rule(KindBlock, Deny, Params{Definitions: []coord.Definition{{Text: "lodash@<4"}}})
	if d := Evaluate(one(r), facts(), now); d.Effect != Deny || !d.Decisive.Unknown {
		t.Errorf("got %+v", d)
	}
}

// TestP9_RulesAboutWritesSayNothingAboutReading, whatever the version is.
func TestP9_RulesAboutWritesSayNothingAboutReading(t *testing.T) {
	for _, k := range []Kind{KindImmutable, KindBlockDownstream} {
		if d := Evaluate(one(rule(k, Deny, Params{})), affected(injection(), malware()), now); d.Effect != Allow || len(d.Verdicts) != 0 || !k.OnWrite() {
			t.Errorf("%s: %+v", k, d)
		}
	}
	if KindBlock.OnWrite() {
		t.Error("a block list is about writes only")
	}
}
