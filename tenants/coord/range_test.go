package coord

import (
	"errors"
	"strings"
	"testing"
)

func TestRangeContains(t *testing.T) {
	tests := []struct {
		e       Ecosystem
		text    string
		in, out []string
	}{
		{NPM, "<4.17.21", []string{"4.17.20", "0.0.0-0", "4.17.21-beta"}, []string{"4.17.21", "5.0.0"}},
		{NPM, "<2.0.0", []string{"2.0.0-beta", "1.9.9"}, []string{"2.0.0"}},
		{NPM, "^1.2.0 || 2.x", []string{"1.2.0", "1.9.0-rc.1", "2.0.0-0", "2.9.0"}, []string{"1.1.9", "3.0.0", "3.0.0-0"}},
		{NPM, "1.0 - 2.3", []string{"1.0.0", "1.0.0-a", "2.3.9"}, []string{"2.4.0", "2.4.0-0", "0.9.9"}},
		{NPM, "~1.2.3-beta.2", []string{"1.2.3-beta.2", "1.2.9"}, []string{"1.2.3-beta.1", "1.3.0-0"}},
		{NPM, "^0.2.3", []string{"0.2.3", "0.2.9"}, []string{"0.3.0", "0.3.0-0", "0.2.2"}},
		{NPM, "^0.0.3", []string{"0.0.3"}, []string{"0.0.4", "0.0.4-0"}},
		{NPM, ">=1.2 <1.4 >1.2.5", []string{"1.3.0"}, []string{"1.2.5", "1.4.0-0"}},
		{NPM, "*", []string{"1.0.0", "1.0.0-rc.1"}, []string{"junk"}},
		{NPM, "1.2.3", []string{"1.2.3", "1.2.3+b"}, []string{"1.2.4"}},
		{NPM, "> 1.2 || = v0.1.0", []string{"1.3.0", "0.1.0"}, []string{"1.2.9", "0.1.1"}},
		{NPM, "<x", nil, []string{"0.0.0", "0.0.0-0"}},
		{PyPI, ">=2,<3", []string{"2", "2.5", "3rc1", "2.31.0+local"}, []string{"1.9", "3", "junk"}},
		{PyPI, ">=2,!=2.1.*,<3", []string{"2.0", "2.2"}, []string{"2.1", "2.1.5", "2.1rc1", "2.1.dev1"}},
		{PyPI, "~=1.4.2", []string{"1.4.2", "1.4.9", "1.4.10.post1"}, []string{"1.4.1", "1.5"}},
		{PyPI, "==1.0", []string{"1.0", "1", "1.0.0", "1.0+local"}, []string{"1.0.1", "1.0.post1"}},
		{PyPI, "==1.0+abc", []string{"1.0+abc", "1+ABC"}, []string{"1.0", "1.0+abd"}},
		{PyPI, "==9.*", []string{"9", "9.9"}, []string{"10", "10.dev0", "8.9"}},
		{PyPI, "===1.0", []string{"1.0"}, []string{"1.0.0"}},
		{PyPI, "*", []string{"1"}, nil},
		{Maven, "[1.0,2.0)", []string{"1.0", "1.9", "2.0-SNAPSHOT", "1"}, []string{"1.0-rc", "2.0"}},
		{Maven, "(,1.0],[1.2,)", []string{"0.1", "1.0", "1.2", "99"}, []string{"1.1"}},
		{Maven, "[1.5]", []string{"1.5", "1.5.0"}, []string{"1.5.1"}},
		{Maven, "1.5", []string{"1.5"}, []string{"1.6"}},
		{NuGet, "[1.0, 2.0)", []string{"1.0.0", "2.0.0-beta"}, []string{"1.0.0-beta", "2.0.0"}},
		{NuGet, "(,13.0.1)", []string{"1.0", "13.0.1-x"}, []string{"13.0.1"}},
		{NuGet, "1.0", []string{"1.0.0", "9.0"}, []string{"0.9"}},
		{NuGet, "1.2.*", []string{"1.2.0", "1.2.9-a"}, []string{"1.3.0", "1.3.0-a", "1.1.9"}},
		{NuGet, "*", []string{"1.0", "1.0-a"}, nil},
	}
	for _, tt := range tests {
		r, err := ParseRange(tt.e, tt.text)
		if err != nil {
			t.Errorf("%s %q: %v", tt.e, tt.text, err)
			continue
		}
		for _, v := range tt.in {
			if !r.Contains(v) {
				t.Errorf("%s %q does not contain %s", tt.e, tt.text, v)
			}
		}
		for _, v := range tt.out {
			if r.Contains(v) {
				t.Errorf("%s %q contains %s", tt.e, tt.text, v)
			}
		}
	}
}

func TestP10_RangeErrorsHaveAPosition(t *testing.T) {
	tests := []struct {
		e      Ecosystem
		text   string
		offset int
		says   string
	}{
		{NPM, "", 0, "must not be empty"},
		{NPM, ">=1.a", 4, "expected a number"},
		{NPM, ">=1.2.3.4", 8, "at most three"},
		{NPM, ">=1.02", 4, "leading zero"},
		{NPM, ">1 <", 4, "expected a version"},
		{NPM, ">1, <2", 2, "space"},
		{NPM, "1 | 2", 2, "'||'"},
		{NPM, "1 - 2 3", 6, "stands alone"},
		{NPM, ">1 - 2", 0, "stands alone"},
		{NPM, "latest", 0, "expected a number"},
		{NPM, "1.2-beta", 3, "three numbers"},
		{NPM, "^1.2.3-01", 7, "bad prerelease"},
		{PyPI, "1.0", 0, "expected an operator"},
		{PyPI, ">=1.0 <2", 6, "expected ','"},
		{PyPI, ">=1.0,<2x", 8, "expected the end"},
		{PyPI, ">=1.*", 3, "wildcard"},
		{PyPI, "~=1", 2, "two numbers"},
		{PyPI, ">=1+x", 2, "local"},
		{PyPI, "==", 2, "expected a version"},
		{PyPI, "==1a1.*", 2, "numbers only"},
		{Maven, "[1,2", 4, "expected ')'"},
		{Maven, "[2,1]", 0, "above"},
		{Maven, "(1)", 0, "square brackets"},
		{Maven, "[1,2) [3,4]", 6, "expected ','"},
		{Maven, "<2.0", 0, "interval"},
		{Maven, "[1,1)", 0, "no version"},
		{NuGet, "[1.x,2]", 3, "expected a number"},
		{NuGet, "[1,2),[3,4]", 5, "one interval"},
		{NuGet, ">=1", 0, "interval"},
		{NuGet, "1.a.*", 2, "numbers before"},
		{NuGet, "1.2*", 3, "'.' before"},
		{"CARGO", "1", -1, "one of NPM"},
	}
	for _, tt := range tests {
		_, err := ParseRange(tt.e, tt.text)
		var syntax *SyntaxError
		if !errors.As(err, &syntax) {
			t.Errorf("%s %q: got %v, want a SyntaxError", tt.e, tt.text, err)
			continue
		}
		if syntax.Offset != tt.offset || !strings.Contains(syntax.Msg, tt.says) {
			t.Errorf("%s %q: got offset %d, %q; want %d, %q", tt.e, tt.text, syntax.Offset, syntax.Msg, tt.offset, tt.says)
		}
	}
}

func TestRangeTooLong(t *testing.T) {
	if _, err := ParseRange(NPM, strings.Repeat("1 ", MaxRangeLength)); err == nil || !strings.Contains(err.Error(), "at most 1000") {
		t.Errorf("got %v", err)
	}
}

type rangeRow struct {
	Range             string
	Version           string
	In                bool
	Loose             bool
	IncludePrerelease bool
	Source            string
}

func TestRangeAgainstTruthTables(t *testing.T) {
	for _, e := range Ecosystems() {
		t.Run(string(e), func(t *testing.T) {
			rows, agreed, deliberate, refused := 0, 0, 0, 0
			sharedJSON(t, "versions/"+e.PURLType()+".ranges.jsonl", func(row rangeRow) {
				if row.Range == "" || row.Loose || e == NPM && !strictNPM(row.Version) {
					return // the vers notation, or the loose mode of node-semver
				}
				if e == Maven && !strings.ContainsAny(row.Range, "[(") {
					return // a wish that every version fulfils to Maven; here, that version
				}
				if rangeContradictions[row.Range+" "+row.Version] != "" {
					return
				}
				rows++
				r, err := ParseRange(e, row.Range)
				switch {
				case err != nil:
					refused++
					t.Errorf("%+v: %v", row, err)
				case r.Contains(row.Version) == row.In:
					agreed++
				case plainOrderDiffers(e, row):
					deliberate++
				default:
					t.Errorf("%+v: we say %v", row, !row.In)
				}
			})
			t.Logf("%s: %d of %d rows agree, %d differ because prereleases are contained by order, %d refused", e, agreed, rows, deliberate, refused)
		})
	}
}

// rangeContradictions are rows in which the reference contradicts its standard.
var rangeContradictions = map[string]string{
	"==2!1.0.0.0.* 2!1.0.0": "missing numbers are zero (PEP 440), which packaging 23.0 forgets when there is an epoch",
	"==2!1.0.* 2!1.0.0":     "the same",
}

func strictNPM(version string) bool {
	_, err := NormalizeVersion(NPM, version)
	return err == nil
}

// plainOrderDiffers reports whether the row is of the one kind in which a Range
// differs from the reference on purpose: a prerelease (or a post release in PEP
// 440) at a bound, which the reference leaves out.
func plainOrderDiffers(e Ecosystem, row rangeRow) bool {
	switch {
	case row.In:
		return false
	case e == NPM:
		return !row.IncludePrerelease && IsPrerelease(e, row.Version)
	case e == PyPI:
		return IsPrerelease(e, row.Version) || strings.Contains(row.Version, "post") ||
			strings.HasPrefix(row.Range, ">") && strings.Contains(row.Version, "+")
	}
	return false
}
