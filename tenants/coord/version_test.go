package coord

import (
	"encoding/json"
	"strings"
	"testing"
)

func TestO7_NormalizeVersion(t *testing.T) {
	tests := []struct {
		e         Ecosystem
		raw, want string
	}{
		{NPM, "1.2.3", "1.2.3"}, {NPM, "v1.2.3", "1.2.3"}, {NPM, "=v1.2.3", "1.2.3"}, {NPM, "1.2.3+build.007", "1.2.3"},
		{NPM, "1.2.3-Beta.1.x-y", "1.2.3-Beta.1.x-y"}, {NPM, "9007199254740991.0.0", "9007199254740991.0.0"}, {NPM, "1.2.3--", "1.2.3--"},
		{PyPI, "v1.0.Alpha-1", "1.0a1"}, {PyPI, "1.0-1", "1.0.post1"}, {PyPI, "1.00.0", "1.0.0"}, {PyPI, "1!2.dev", "1!2.dev0"},
		{PyPI, "1.0+Ubuntu_01", "1.0+ubuntu.1"}, {PyPI, "2024.01.02", "2024.1.2"}, {PyPI, "1.0rc.", "1.0rc0"}, {PyPI, "1a.post-", "1a0.post0"}, {PyPI, "1.0.PREVIEW3.rev4.dev5", "1.0rc3.post4.dev5"},
		{Maven, "1.0-SNAPSHOT", "1.0-SNAPSHOT"}, {Maven, "1.00", "1.00"}, {Maven, "2.0.0+x", "2.0.0+x"},
		{NuGet, "1.0", "1.0.0"}, {NuGet, "01.02.03.0", "1.2.3"}, {NuGet, "1.2.3.4", "1.2.3.4"}, {NuGet, "1.0.0-BETA.1+meta", "1.0.0-beta.1"}, {NuGet, "1", "1.0.0"},
	}
	for _, tt := range tests {
		got, err := NormalizeVersion(tt.e, tt.raw)
		if err != nil || got != tt.want {
			t.Errorf("%s %q: got %q, %v; want %q", tt.e, tt.raw, got, err, tt.want)
			continue
		}
		if again, err := NormalizeVersion(tt.e, got); err != nil || again != got {
			t.Errorf("%s %q: normalizing again gives %q, %v", tt.e, got, again, err)
		}
		if Compare(tt.e, tt.raw, got) != 0 {
			t.Errorf("%s: %q and its normal form %q are not the same", tt.e, tt.raw, got)
		}
	}
}

func TestNormalizeVersionRefuses(t *testing.T) {
	everywhere := []string{"", " ", "1 0", "../1", "1/2", "1\\2", "1%2e", "1\x00", "1\n", "\xff1", strings.Repeat("1", 257), "1.0\u202e"}
	only := map[Ecosystem][]string{
		NPM:   {"1", "1.2", "1.2.3.4", "01.2.3", "1.2.3-01", "1.2.3-", "1.2.3-a..b", "1.2.3+", "a.b.c", "9007199254740992.0.0", "latest", "^1.2.3", "1.x.0", "V1.0.0"},
		PyPI:  {"french toast", "1.0+", "1.0+a+b", "1.", "1..2", "a1", "1.0a.b", "!1", "1!", "1.0.x", "0.1-bulbasaur", "1.*"},
		Maven: {"[1,2)", "1:2", "..", ".1", "<1", "1*", "é"},
		NuGet: {"a", "1.a", "1.2.3.4.5", "1-", "1.0.0-a..b", "1.0.0-a_b", "2147483648", "-1", "1.0.0+", "1.*", "v1.0.0", "1..2"},
	}
	for _, e := range Ecosystems() {
		for _, raw := range append(everywhere, only[e]...) {
			if got, err := NormalizeVersion(e, raw); err == nil {
				t.Errorf("%s: %q became %q", e, raw, got)
			}
		}
	}
	if _, err := NormalizeVersion("CARGO", "1.0.0"); err == nil {
		t.Error("an ecosystem that does not exist has versions")
	}
}

func TestNormalizeVersionPositions(t *testing.T) {
	tests := []struct {
		e      Ecosystem
		raw    string
		offset int
	}{
		{NPM, "1.2", 3}, {NPM, "v1.02.3", 3}, {NPM, "1.2.3-a.01", 8}, {NPM, "1.2.3.4", 5}, {NPM, "1.2.3+a.$", 8},
		{PyPI, "1.0.x", 3}, {PyPI, "1.0+a+b", 5}, {NuGet, "1.a.3", 2}, {NuGet, "1.0.0-a..b", 8}, {Maven, "1[2", 1},
	}
	for _, tt := range tests {
		_, err := NormalizeVersion(tt.e, tt.raw)
		if syntax, ok := err.(*SyntaxError); !ok || syntax.Offset != tt.offset {
			t.Errorf("%s %q: got %v, want offset %d", tt.e, tt.raw, err, tt.offset)
		}
	}
}

// otherRow is a row of the parse, normalize and validity cases.
type otherRow struct {
	Kind       string
	V          any
	Normalized string
	Loose      bool
	Args       []any
	Major      json.Number
}

func TestNormalizeVersionAgainstTruthTables(t *testing.T) {
	cases := map[Ecosystem]func(row otherRow) (raw, want string, valid, ok bool){
		PyPI: func(row otherRow) (string, string, bool, bool) {
			raw, isText := row.V.(string)
			return raw, row.Normalized, row.Kind == "normalize", isText && (row.Kind == "normalize" || row.Kind == "invalid-version")
		},
		NPM: func(row otherRow) (string, string, bool, bool) {
			raw, isText := row.V.(string)
			return raw, "", row.Kind == "valid", isText && !row.Loose && (row.Kind == "valid" || row.Kind == "invalid")
		},
		NuGet: func(row otherRow) (string, string, bool, bool) {
			raw, isText := "", false
			if len(row.Args) > 0 {
				raw, isText = row.Args[0].(string)
			}
			invalid := row.Kind == "ParseThrowsIfStringIsNotAValidSemVer"
			valid := row.Kind == "ParseReadsSemverAndHybridSemverVersionNumbers" || row.Kind == "ParseReadsLegacyStyleVersionNumbers" || row.Kind == "StringConstructorParsesValuesCorrectly"
			return raw, "", valid, isText && (valid || invalid)
		},
	}
	for e, read := range cases {
		t.Run(string(e), func(t *testing.T) {
			rows, agreed := 0, 0
			sharedJSON(t, "versions/"+e.PURLType()+".other.jsonl", func(row otherRow) {
				raw, want, valid, ok := read(row)
				if !ok || strings.Contains(raw, `\`) {
					return // another kind of case, or one that is written with Python's escapes
				}
				rows++
				got, err := NormalizeVersion(e, strings.TrimSpace(raw))
				if valid == (err == nil) && (want == "" || got == want) {
					agreed++
				} else {
					t.Errorf("%+v: got %q, %v", row, got, err)
				}
			})
			t.Logf("%d of %d rows agree", agreed, rows)
		})
	}
}
