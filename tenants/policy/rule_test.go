package policy

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"sluice.dev/sluice/tenants/coord"
	"sluice.dev/sluice/tenants/license"
)

func TestRuleValidateCollectsAllMistakes(t *testing.T) {
	bad := license.Policy{Rules: []license.Rule{{License: "Apache 2"}}}
	tests := []struct {
		name string
		r    Rule
		says []string // every one, and as many lines; none = valid
	}{
		{"vulnerability", rule(KindVulnerability, Quarantine, Params{MinSeverity: SeverityHigh}), nil},
		{"block", rule(KindBlock, Deny, definitions(t, "lodash")), nil},
		{"minimum age", rule(KindMinimumAge, Deny, Params{MinAge: MaxMinAge}), nil},
		{"empty", Rule{}, []string{"name: must not be empty", "mode:", "effect: ALLOW must be", "applies:", "onViolation:", "unknown:", `kind: ""`}},
		{"immutable", rule(KindImmutable, Deny, Params{}), nil},
		{"block downstream", rule(KindBlockDownstream, Deny, Params{}), nil},
		{"immutable, dry", with(rule(KindImmutable, Deny, Params{}), func(r *Rule) { r.Mode = DryRun }), []string{"mode: a rule of the kind IMMUTABLE is about writes, which have no dry run; it must be ENFORCE"}},
		{"block downstream that warns", rule(KindBlockDownstream, Warn, Params{}), []string{"effect: a rule of the kind BLOCK_DOWNSTREAM refuses writes; it must be DENY"}},
		{"blocks nothing", rule(KindBlock, Deny, Params{}), []string{"params.definitions: must name at least one"}},
		{"unparsed definition", rule(KindBlock, Deny, Params{Definitions: []coord.Definition{{Text: "x"}}}), []string{`entry 1 ("x")`}},
		{"too old", rule(KindMinimumAge, Deny, Params{MinAge: MaxMinAge + day}), []string{"91 days must be more than 0 and at most 90 days"}},
		{"no age", rule(KindMinimumAge, Deny, Params{}), []string{"params.minAge"}},
		{"no licence policy", rule(KindLicense, Warn, Params{}), []string{"params.license"}},
		{"bad licence policy", rule(KindLicense, Warn, Params{License: &bad}), []string{`"Apache" is no id`}},
		{"negative feed age", rule(KindMalware, Warn, Params{MaxFeedAge: -1}), []string{"params.maxFeedAge"}},
		{"no severity", rule(KindVulnerability, Warn, Params{MinSeverity: 9}), []string{"params.minSeverity: Severity(9)"}},
		{"long name", with(rule(KindMalware, Warn, Params{}), func(r *Rule) { r.Name = strings.Repeat("x", 201) }), []string{"at most 200"}},
	}
	for _, tt := range tests {
		err := tt.r.Validate()
		if len(tt.says) == 0 {
			if err != nil {
				t.Errorf("%s: %v", tt.name, err)
			}
			continue
		}
		if err == nil {
			t.Errorf("%s: is valid", tt.name)
			continue
		}
		if n := strings.Count(err.Error(), "\n") + 1; n != len(tt.says) {
			t.Errorf("%s: %d mistakes, want %d: %v", tt.name, n, len(tt.says), err)
		}
		for _, s := range tt.says {
			if !strings.Contains(err.Error(), s) {
				t.Errorf("%s: %q is not in: %v", tt.name, s, err)
			}
		}
	}
}

func TestParamsJSON(t *testing.T) {
	licences := license.DefaultPolicy()
	p := Params{
		MinSeverity: SeverityHigh, MinAge: 7 * day, MaxFeedAge: 36 * time.Hour, License: &licences,
		Definitions: definitions(t, "lodash@<4.17.21", "@evil/*").Definitions,
	}
	data, err := json.Marshal(p)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range []string{`"minSeverity":"HIGH"`, `"minAge":"168h0m0s"`, `"maxFeedAge":"36h0m0s"`, `{"ecosystem":"NPM","text":"@evil/*"}`, `"nonMatching":"LOW"`} {
		if !strings.Contains(string(data), s) && !strings.Contains(string(data), strings.ReplaceAll(s, "<", `\u003c`)) {
			t.Errorf("%s is not in %s", s, data)
		}
	}
	var back Params
	if err := json.Unmarshal(data, &back); err != nil {
		t.Fatal(err)
	}
	if back.MinAge != p.MinAge || back.MaxFeedAge != p.MaxFeedAge || back.MinSeverity != p.MinSeverity || cmp.Diff(p.License, back.License) != "" {
		t.Errorf("got %+v", back)
	}
	if !back.Definitions[0].Matches(lodash("4.17.20")) || back.Definitions[0].Matches(lodash("4.17.21")) {
		t.Error("the definitions do not match as before")
	}
	if empty, _ := json.Marshal(Params{}); string(empty) != "{}" {
		t.Errorf("empty: %s", empty)
	}
	for _, bad := range []string{`{"minAge":"a week"}`, `{"maxFeedAge":"x"}`, `{"minSeverity":"SEVERE"}`, `{"definitions":[{"ecosystem":"NPM","text":"a@b@c"}]}`, `{"definitions":[{"text":"lodash"}]}`} {
		if err := json.Unmarshal([]byte(bad), &back); err == nil {
			t.Errorf("%s was read", bad)
		}
	}
}

func TestTextForms(t *testing.T) {
	type both struct {
		S Severity
		E Effect
	}
	for i := range 5 {
		in := both{Severity(i), Effect(i % 4)}
		data, err := json.Marshal(in)
		if err != nil {
			t.Fatal(err)
		}
		var out both
		if err := json.Unmarshal(data, &out); err != nil || in != out {
			t.Errorf("%s became %+v, %v", data, out, err)
		}
	}
	if got, _ := json.Marshal(both{SeverityHigh, Quarantine}); string(got) != `{"S":"HIGH","E":"QUARANTINE"}` {
		t.Errorf("got %s", got)
	}
	if _, err := json.Marshal(Severity(9)); err == nil {
		t.Error("severity 9 was written")
	}
	if _, err := json.Marshal(Effect(-1)); err == nil {
		t.Error("effect -1 was written")
	}
	if _, err := ParseEffect("deny"); err == nil {
		t.Error("lower case was read")
	}
}
