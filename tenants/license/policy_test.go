package license

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func evaluate(t *testing.T, p Policy, expression string) Violation {
	t.Helper()
	e, err := ParseSPDX(expression)
	if err != nil {
		t.Fatal(err)
	}
	v := p.Evaluate(e)
	if again := p.EvaluateText(e.String()); again != v {
		t.Errorf("%q: from the text %+v, from the expression %+v", expression, again, v)
	}
	return v
}

func TestP11_DefaultPolicyIsMild(t *testing.T) {
	p := DefaultPolicy()
	if err := p.Validate(); err != nil {
		t.Fatal(err)
	}
	tests := map[string]Severity{
		"MIT": None, "Apache-2.0": None, "BSD-3-Clause": None, "LGPL-3.0-only": Low, "MPL-2.0": Low, "GPL-3.0-only": Medium, "AGPL-3.0-only": High,
		"BUSL-1.1": High, "Glide": Low, "LicenseRef-Ours": Low, "GPL-2.0-only WITH Classpath-exception-2.0": Low,
	}
	for id, want := range tests {
		if got := evaluate(t, p, id); got.Severity != want || (got.Severity == None) != (got == Violation{}) {
			t.Errorf("%s: got %+v, want %s", id, got, want)
		}
	}
	if p.EvaluateMissing().Severity != Low || p.EvaluateUnknown("ours").Severity != Low || p.Evaluate(Expression{}) != p.EvaluateMissing() {
		t.Error("missing and unknown licences are not low")
	}
	if got := p.EvaluateText("Apache 2"); got != p.EvaluateUnknown("Apache 2") {
		t.Errorf("text that is no expression: %+v", got)
	}
}

func TestAlternativesTakeTheBestAndTogetherTheWorst(t *testing.T) {
	p := DefaultPolicy()
	tests := []struct {
		expression string
		want       Severity
		license    string
	}{
		{"MIT OR AGPL-3.0-only", None, ""},
		{"AGPL-3.0-only OR MIT", None, ""},
		{"MIT AND AGPL-3.0-only", High, "AGPL-3.0-only"},
		{"AGPL-3.0-only AND MIT", High, "AGPL-3.0-only"},
		{"GPL-3.0-only OR AGPL-3.0-only", Medium, "GPL-3.0-only"},
		{"AGPL-3.0-only OR GPL-3.0-only", Medium, "GPL-3.0-only"},
		{"(MIT OR AGPL-3.0-only) AND GPL-3.0-only", Medium, "GPL-3.0-only"},
		{"(GPL-3.0-only AND MPL-2.0) OR (AGPL-3.0-only AND MIT)", Medium, "GPL-3.0-only"},
		{"MPL-2.0 AND LGPL-2.1-only", Low, "MPL-2.0"},
	}
	for _, tt := range tests {
		if got := evaluate(t, p, tt.expression); got.Severity != tt.want || got.License != tt.license {
			t.Errorf("%s: got %+v, want %s by %s", tt.expression, got, tt.want, tt.license)
		}
	}
}

func TestTheMostExactRuleCounts(t *testing.T) {
	p := Policy{
		Rules: []Rule{
			{Category: StrongCopyleft, Severity: High},
			{License: "GPL-*", Severity: Critical},
			{License: "GPL-2.0-*", Severity: Medium},
			{License: "GPL-2.0-only", Severity: Low, Note: "only in tools"},
			{License: "GPL-2.0-only WITH Classpath-exception-2.0", Severity: None},
			{License: "LicenseRef-Ours", Severity: None},
		},
		NonMatching: Medium,
	}
	if err := p.Validate(); err != nil {
		t.Fatal(err)
	}
	tests := map[string]Severity{
		"OSL-3.0": High, "GPL-3.0-only": Critical, "GPL-2.0-or-later": Medium, "GPL-2.0-only": Low, "GPL-2.0-only WITH Classpath-exception-2.0": None,
		"GPL-2.0-only WITH Font-exception-2.0": Low, "MIT": Medium, "LicenseRef-Ours": None,
	}
	for id, want := range tests {
		if got := evaluate(t, p, id).Severity; got != want {
			t.Errorf("%s: got %s, want %s", id, got, want)
		}
	}
}

func TestReasons(t *testing.T) {
	p := DefaultPolicy()
	p.Rules = append(p.Rules, Rule{License: "JSON", Severity: Critical, Note: "shall be used for good"})
	tests := map[string]string{
		"GPL-3.0-only":                 "is licensed under GPL-3.0-only, a strong copyleft licence (MEDIUM)",
		"MIT AND JSON":                 "is licensed under JSON (of MIT AND JSON), which the licence policy lists (CRITICAL): shall be used for good",
		"Glide":                        "is licensed under Glide, which no licence rule names (LOW)",
		"SSPL-1.0 AND (MIT OR Glide)":  "is licensed under SSPL-1.0 (of SSPL-1.0 AND (MIT OR Glide)), a network copyleft licence (HIGH)",
		"CC-BY-NC-4.0 OR CC-BY-ND-4.0": "is licensed under CC-BY-NC-4.0 (of CC-BY-NC-4.0 OR CC-BY-ND-4.0), a licence that restricts commercial use (HIGH)",
	}
	for expression, want := range tests {
		if got := evaluate(t, p, expression).Reason; got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
	if got := p.EvaluateUnknown(strings.Repeat("x", 100)).Reason; got != `declares the licence "`+strings.Repeat("x", 80)+`...", which is not understood (LOW)` {
		t.Errorf("got %s", got)
	}
	if got := p.EvaluateMissing().Reason; got != "declares no licence (LOW)" {
		t.Errorf("got %s", got)
	}
}

func TestValidateCollectsAllMistakes(t *testing.T) {
	p := Policy{
		Rules: []Rule{
			{License: "MIT"}, {}, {License: "MIT", Category: Permissive}, {Category: "NICE"}, {License: "mit"}, {License: "Apache 2"},
			{License: "MIT OR ISC"}, {License: "*"}, {License: "G*L*"}, {License: "AGPL-*", Severity: High}, {License: "MIT", Severity: 9},
		},
		NonMatching: 7,
	}
	err := p.Validate()
	if err == nil {
		t.Fatal("is valid")
	}
	lines := strings.Split(err.Error(), "\n")
	says := []string{"nonMatching", "rule 2: must name either", "rule 3: must name either", `rule 4: category "NICE"`, `rule 5: licence "mit": write it as "MIT"`, "rule 6", "rule 7: licence \"MIT OR ISC\": must be one", "rule 8", "rule 9", "rule 11: 9 is no severity"}
	if len(lines) != len(says) {
		t.Errorf("%d mistakes, want %d: %v", len(lines), len(says), err)
	}
	for _, s := range says {
		if !strings.Contains(err.Error(), s) {
			t.Errorf("%q is not in: %v", s, err)
		}
	}
	if err := (Policy{Rules: make([]Rule, MaxRules+1)}).Validate(); err == nil || !strings.Contains(err.Error(), "at most 500") {
		t.Errorf("too many rules: %v", err)
	}
}

func TestPolicyJSON(t *testing.T) {
	p := DefaultPolicy()
	data, err := json.Marshal(p)
	if err != nil {
		t.Fatal(err)
	}
	if want := `{"category":"NETWORK_COPYLEFT","severity":"HIGH"}`; !strings.Contains(string(data), want) {
		t.Errorf("%s is not in %s", want, data)
	}
	var back Policy
	if err := json.Unmarshal(data, &back); err != nil || cmp.Diff(p, back) != "" {
		t.Errorf("%v %s", err, cmp.Diff(p, back))
	}
	if err := json.Unmarshal([]byte(`{"missing":"SEVERE"}`), &back); err == nil {
		t.Error("a severity that does not exist was read")
	}
	if _, err := json.Marshal(Severity(9)); err == nil {
		t.Error("severity 9 was written")
	}
}

func BenchmarkEvaluateText(b *testing.B) {
	p := DefaultPolicy()
	b.ReportAllocs()
	for b.Loop() {
		if p.EvaluateText("Apache-2.0").Severity != None {
			b.Fatal("severe")
		}
	}
}
