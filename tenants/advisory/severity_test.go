package advisory

import (
	"strings"
	"testing"

	"sluice.dev/sluice/tenants/policy"
)

func TestSeverity(t *testing.T) {
	v3 := func(v string) string { return `{"type":"CVSS_V3","score":"` + v + `"}` }
	for _, c := range []struct {
		name, more string
		want       policy.Severity
		cvss       float64
	}{
		{"nothing", ``, policy.SeverityUnknown, 0},
		{"3.1", `"severity":[` + v3("CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H") + `]`, policy.SeverityCritical, 9.8},
		{"3.0", `"severity":[` + v3("CVSS:3.0/AV:N/AC:L/PR:L/UI:N/S:U/C:H/I:H/A:H") + `]`, policy.SeverityHigh, 8.8},
		{"2 has no critical", `"severity":[{"type":"CVSS_V2","score":"AV:N/AC:L/Au:N/C:C/I:C/A:C"}]`, policy.SeverityHigh, 10},
		{"2 in parentheses", `"severity":[{"type":"CVSS_V2","score":"(AV:N/AC:L/Au:N/C:N/I:P/A:N)"}]`, policy.SeverityMedium, 5},
		{"4.0", `"severity":[{"type":"CVSS_V4","score":"CVSS:4.0/AV:N/AC:L/AT:N/PR:N/UI:N/VC:N/VI:N/VA:H/SC:N/SI:N/SA:N"}]`, policy.SeverityHigh, 8.7},
		{"the highest of several", `"severity":[` + v3("CVSS:3.1/AV:N/AC:H/PR:N/UI:N/S:U/C:N/I:N/A:L") + `,{"type":"CVSS_V4","score":"CVSS:4.0/AV:N/AC:L/AT:N/PR:N/UI:N/VC:N/VI:N/VA:H/SC:N/SI:N/SA:N"}]`, policy.SeverityHigh, 8.7},
		{"vectors before names", `"severity":[` + v3("CVSS:3.1/AV:N/AC:H/PR:N/UI:N/S:U/C:N/I:N/A:L") + `],"database_specific":{"severity":"CRITICAL"}`, policy.SeverityLow, 3.7},
		{"none is low", `"severity":[` + v3("CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:N/I:N/A:N") + `]`, policy.SeverityLow, 0},
		{"name", `"database_specific":{"severity":"MODERATE"}`, policy.SeverityMedium, 0},
		{"name in lower case", `"database_specific":{"severity":"critical"}`, policy.SeverityCritical, 0},
		{"unknown name", `"database_specific":{"severity":"PURPLE"}`, policy.SeverityUnknown, 0},
		{"name of another type", `"database_specific":{"severity":7}`, policy.SeverityUnknown, 0},
		{"not an object", `"database_specific":[1]`, policy.SeverityUnknown, 0},
		{"a distribution's score", `"severity":[{"type":"Ubuntu","score":"high"}],"database_specific":{"severity":"LOW"}`, policy.SeverityLow, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			rec, problems := decode(t, record("X-1", "2025-01-01T00:00:00Z", npmAffected, c.more))
			if rec.Severity != c.want || rec.CVSS != c.cvss || len(problems) > 0 {
				t.Errorf("severity %v, CVSS %v, problems %v; want %v, %v", rec.Severity, rec.CVSS, problems, c.want, c.cvss)
			}
		})
	}
}

func TestMalware(t *testing.T) {
	affected := strings.Replace(npmAffected, `}]}]`, `}]}],"database_specific":{"cwes":[{"cweId":"CWE-506"}]}`, 1)
	for _, c := range []struct {
		name, id, affected, more string
		want                     bool
	}{
		{"vulnerability", "GHSA-1", npmAffected, `"database_specific":{"cwe_ids":["CWE-79"]}`, false},
		{"id", "MAL-2026-1", npmAffected, "", true},
		{"alias", "GHSA-1", npmAffected, `"aliases":["CVE-1","MAL-2026-1"]`, true},
		{"CWE of the record", "GHSA-1", npmAffected, `"database_specific":{"cwe_ids":["CWE-79","CWE-506"]}`, true},
		{"CWE of the package", "GHSA-1", affected, "", true},
		{"origins", "X-1", npmAffected, `"database_specific":{"malicious-packages-origins":[{"source":"x"}]}`, true},
		{"no origins", "X-1", npmAffected, `"database_specific":{"malicious-packages-origins":null}`, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			rec, _ := decode(t, record(c.id, "2025-01-01T00:00:00Z", c.affected, c.more))
			if rec.Malware != c.want {
				t.Errorf("malware = %v, want %v", rec.Malware, c.want)
			}
		})
	}
}

func TestSummary(t *testing.T) {
	for _, c := range []struct{ more, want string }{
		{`"summary":"one"`, "one"},
		{`"summary":" ","details":"\n first line \nsecond"`, "first line"},
		{`"details":7`, ""},
		{`"summary":"` + strings.Repeat("ä", 400) + `"`, strings.Repeat("ä", 248) + "…"},
		{`"summary":"a\u0000b\u001b[1m"`, "a b [1m"},
	} {
		rec, _ := decode(t, record("X-1", "2025-01-01T00:00:00Z", npmAffected, c.more))
		if rec.Summary != c.want {
			t.Errorf("%.40s: summary %q, want %q", c.more, rec.Summary, c.want)
		}
	}
}
