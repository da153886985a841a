package advisory

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

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
