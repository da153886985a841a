package advisory

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"sluice.dev/sluice/tenants/coord"
	"sluice.dev/sluice/tenants/policy"
)

const npmAffected = `[{"package":{"ecosystem":"npm","name":"p"},"ranges":[{"type":"SEMVER","events":[{"introduced":"0"}]}]}]`

// record makes a small record with more fields.
func record(id, modified, affected, more string) string {
	if more != "" {
		more = "," + more
	}
	return `{"id":"` + id + `","modified":"` + modified + `","affected":` + affected + more + `}`
}

func decode(t testing.TB, text string) (*Record, []Problem) {
	t.Helper()
	rec, problems, err := Decode("f.json", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return rec, problems
}

func TestDecode(t *testing.T) {
	rec, problems := decode(t, `{"schema_version":"1.7.3","id":"GHSA-35jh-r3h4-6jhm","modified":"2025-08-12T21:55:57.719943999Z",
		"published":"2021-05-06T16:05:51Z","withdrawn":"2025-08-13T00:00:00+02:00","aliases":["SNYK-1","CVE-2021-23337"],
		"summary":"Command\tInjection\nin lodash","details":"long",
		"severity":[{"type":"CVSS_V3","score":"CVSS:3.1/AV:N/AC:L/PR:H/UI:N/S:U/C:H/I:H/A:H"}],
		"affected":[
			{"package":{"name":"lodash","ecosystem":"npm","purl":"pkg:npm/lodash"},"ranges":[
				{"type":"GIT","repo":"https://git.example","events":[{"introduced":"zzz"}]},
				{"type":"SEMVER","events":[{"introduced":"0"},{"fixed":"4.17.21"}],"database_specific":{"x":1}}],"versions":["1.0.0"]},
			{"package":{"name":"lodash-rails","ecosystem":"RubyGems"},"versions":["1"]},
			{"package":{"name":"Foo__Bar","ecosystem":"PyPI"},"versions":["1.0"]},
			{"package":{"name":"org.g:a","ecosystem":"Maven:https://repo.example"},"ranges":[{"type":"ECOSYSTEM","events":[{"introduced":"0","fixed":"2"}]}]}],
		"database_specific":{"severity":"LOW","cwe_ids":"odd"},"new_field":{"a":[1]}}`)
	if len(problems) != 0 {
		t.Errorf("problems: %v", problems)
	}
	want := Advisory{ID: "GHSA-35jh-r3h4-6jhm", Modified: time.Date(2025, 8, 12, 21, 55, 57, 719943000, time.UTC),
		Published: time.Date(2021, 5, 6, 16, 5, 51, 0, time.UTC), Withdrawn: time.Date(2025, 8, 12, 22, 0, 0, 0, time.UTC),
		Summary: "Command Injection", Aliases: []string{"CVE-2021-23337", "SNYK-1"}, Severity: policy.SeverityHigh, CVSS: 7.2}
	got, _ := json.Marshal(rec.Advisory)
	if wanted, _ := json.Marshal(want); string(got) != string(wanted) {
		t.Errorf("head\n got %s\nwant %s", got, wanted)
	}
	entries, _ := json.Marshal(rec.Entries)
	const wantEntries = `[{"Package":{"Ecosystem":"NPM","Name":"lodash"},"Ranges":[{"type":"SEMVER","events":[{"introduced":"0"},{"fixed":"4.17.21"}]}],"Versions":["1.0.0"]},` +
		`{"Package":{"Ecosystem":"PYPI","Name":"foo-bar"},"Ranges":null,"Versions":["1.0"]},` +
		`{"Package":{"Ecosystem":"MAVEN","Name":"org.g:a"},"Ranges":[{"type":"ECOSYSTEM","events":[{"introduced":"0"},{"fixed":"2"}]}],"Versions":null}]`
	if string(entries) != wantEntries {
		t.Errorf("entries\n got %s\nwant %s", entries, wantEntries)
	}
}

// TestDecodeRefuses proves that an error names the file, the record, the field
// and what would be right (F5).
func TestDecodeRefuses(t *testing.T) {
	const when = "2025-01-01T00:00:00Z"
	for _, c := range []struct{ name, text, want string }{
		{"empty", ``, "f.json: is not JSON"},
		{"not JSON", `{"id":`, "f.json: is not JSON: unexpected end of JSON input at byte 6"},
		{"a list", `[]`, "f.json: is a JSON array; an OSV record is an object"},
		{"null", `null`, "id is missing"},
		{"no id", `{"modified":"` + when + `"}`, "id is missing; it must be an OSV id"},
		{"odd id", record("a b", when, npmAffected, ""), `a b: id "a b" must have only printable ASCII`},
		{"id with a NUL", record(`a\u0000`, when, npmAffected, ""), "must have only printable ASCII"},
		{"long id", record(strings.Repeat("x", 201), when, npmAffected, ""), "id has 201 bytes; at most 200"},
		{"no modified", `{"id":"X-1"}`, "f.json: X-1: modified is missing"},
		{"odd modified", record("X-1", "yesterday", npmAffected, ""), `f.json: X-1: modified "yesterday" must be a time like`},
		{"modified is a number", `{"id":"X-1","modified":1}`, "f.json: X-1: modified is a JSON number; it must be a string"},
		{"affected is an object", record("X-1", when, `{}`, ""), "affected is a JSON object; it must be a list"},
		{"version is a number", record("X-1", when, `[{"package":{"ecosystem":"npm","name":"p"},"versions":[1]}]`, ""), "affected.versions is a JSON number; it must be a string"},
		{"event without boundary", record("X-1", when, `[{"package":{"ecosystem":"npm","name":"p"},"ranges":[{"type":"SEMVER","events":[{}]}]}]`, ""),
			"affected[0]: a range has an event without introduced, fixed, last_affected or limit"},
		{"range without beginning", record("X-1", when, `[{"package":{"ecosystem":"npm","name":"p"},"ranges":[{"type":"SEMVER","events":[{"fixed":"1"}]}]}]`, ""),
			"affected[0]: a range has no introduced event"},
		{"unknown range", record("X-1", when, `[{"package":{"ecosystem":"npm","name":"p"},"ranges":[{"type":"MOON","events":[{"introduced":"0"}]}]}]`, ""),
			`range type "MOON" is none of SEMVER, ECOSYSTEM, GIT`},
		{"bad name", record("X-1", when, `[{"package":{"ecosystem":"npm","name":"../p"},"versions":["1"]}]`, ""), `affected[0]: npm package name "../p"`},
		{"no name", record("X-1", when, `[{"package":{"ecosystem":"NuGet"},"versions":["1"]}]`, ""), "affected[0]: NuGet package name"},
		{"too long", record("X-1", when, npmAffected, `"details":"`+strings.Repeat("x", MaxRecordBytes)+`"`), "at most 8388608 are read"},
	} {
		t.Run(c.name, func(t *testing.T) {
			rec, _, err := Decode("f.json", []byte(c.text))
			if err == nil {
				t.Fatalf("accepted: %+v", rec)
			}
			if !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %q, want it to contain %q", err, c.want)
			}
		})
	}
}

// TestDecodeNotes proves that one bad part does not lose the rest of a record,
// and is told.
func TestDecodeNotes(t *testing.T) {
	const when = "2025-01-01T00:00:00Z"
	for _, c := range []struct {
		name, text, note string
		entries          int
	}{
		{"bad name beside a good one", record("X-1", when, `[{"package":{"ecosystem":"npm","name":"../p"}},`+npmAffected[1:], ""), "the package is left out", 1},
		{"bad range beside versions", record("X-1", when, `[{"package":{"ecosystem":"npm","name":"p"},"versions":["1.0.0"],"ranges":[{"type":"SEMVER","events":[{}]}]}]`, ""), "the range is left out", 1},
		{"empty version", record("X-1", when, `[{"package":{"ecosystem":"npm","name":"p"},"versions":["","1.0.0"]}]`, ""), "a version is empty", 1},
		{"version with a NUL", record("X-1", when, `[{"package":{"ecosystem":"npm","name":"p"},"versions":["1\u0000","1.0.0"]}]`, ""), "has control characters", 1},
		{"endless version", record("X-1", when, `[{"package":{"ecosystem":"npm","name":"p"},"versions":["`+strings.Repeat("1", 300)+`","1.0.0"]}]`, ""), "at most 256", 1},
		{"odd withdrawal leaves it in force", record("X-1", when, npmAffected, `"withdrawn":"soon"`), `withdrawn "soon" must be a time`, 1},
		{"odd vector", record("X-1", when, npmAffected, `"severity":[{"type":"CVSS_V3","score":"CVSS:3.1/AV:X"}]`), "is not a CVSS vector", 1},
		{"odd alias", record("X-1", when, npmAffected, `"aliases":["a b"]`), `alias "a b" is not an id`, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			rec, problems := decode(t, c.text)
			if len(problems) != 1 || !strings.Contains(problems[0].Msg, c.note) || problems[0].ID != "X-1" || problems[0].File != "f.json" {
				t.Errorf("problems %v, want one with %q", problems, c.note)
			}
			if len(rec.Entries) != c.entries || !rec.Withdrawn.IsZero() {
				t.Errorf("record %+v, want %d entries and no withdrawal", rec, c.entries)
			}
		})
	}
}

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

// TestDecodeRealRecords reads every record of the shared data. Those that are
// refused are about packages whose names npm itself does not allow any more.
func TestDecodeRealRecords(t *testing.T) {
	read := 0
	var refused []string
	sharedRecords(t, "full", func(file string, data []byte) {
		read++
		rec, problems, err := Decode(file, data)
		switch {
		case err != nil && !strings.Contains(err.Error(), "must not begin with '-'"):
			t.Error(err)
		case err != nil:
			refused = append(refused, file)
		case len(problems) > 0 || len(rec.Entries) == 0 || rec.ID != strings.TrimSuffix(filepath.Base(file), ".json"):
			t.Errorf("%s: %d entries, problems %v", rec.ID, len(rec.Entries), problems)
		}
	})
	if read < 48_000 || len(refused) > 50 {
		t.Errorf("read %d records, refused %d: %v", read, len(refused), refused)
	}
}

func FuzzDecode(f *testing.F) {
	f.Add([]byte(record("X-1", "2025-01-01T00:00:00Z", npmAffected, `"severity":[{"type":"CVSS_V4","score":"CVSS:4.0/AV:N"}]`)))
	f.Add([]byte(`{"id":"MAL-1","modified":"2025-01-01T00:00:00Z","affected":[{"package":{"ecosystem":"PyPI","name":"A.b"},"versions":["1.0"]}]}`))
	f.Add([]byte(`{"id":"X","modified":"0001-01-01T00:00:00+23:59","aliases":["CVE-1"],"details":"a\nb"}`))
	seeds, err := filepath.Glob("demo/*.json")
	if err != nil {
		f.Fatal(err)
	}
	for _, name := range seeds {
		data, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		rec, problems, err := Decode("f.json", data)
		if err != nil {
			if strings.ContainsRune(err.Error(), 0) {
				t.Errorf("error with a NUL: %q", err)
			}
			return
		}
		if checkID(rec.ID) != nil || rec.Modified.IsZero() || len(problems) > maxProblemsOfRecord {
			t.Errorf("unusable record %+v, %d problems", rec.Advisory, len(problems))
		}
		text := slices.Concat([]string{rec.Summary}, rec.Aliases)
		for _, e := range rec.Entries {
			if again, err := coord.NormalizeName(e.Package.Ecosystem, e.Package.Name); err != nil || again != e.Package.Name {
				t.Errorf("name %q is not normal: %q, %v", e.Package.Name, again, err)
			}
			text = append(append(text, e.Versions...), string(list(e.Ranges)))
			Affects(e, "1.0.0")
			FixedIn(e)
		}
		for _, s := range text {
			if strings.ContainsRune(s, 0) || strings.ToValidUTF8(s, "") != s {
				t.Errorf("text that PostgreSQL refuses: %q", s)
			}
		}
	})
}
