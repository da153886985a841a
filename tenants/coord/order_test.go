package coord

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

func TestCompare(t *testing.T) {
	tests := []struct {
		ecosystem Ecosystem
		ascending []string // with "=" before a version that is the same as the one before
	}{
		{NPM, []string{"no version", "0.0.1", "1.0.0-0", "1.0.0-alpha", "1.0.0-alpha.1", "1.0.0-alpha.beta", "1.0.0-rc.2", "1.0.0-rc.11", "1.0.0", "=1.0.0+build", "=v1.0.0", "1.2", "1.10.0"}},
		{PyPI, []string{"french toast", "1.0.dev1", "1.0a0", "1.0a0.post0.dev0", "1.0a0.post0", "1.0a1.dev1", "1.0a1.dev1+local", "1.0a1", "1.0b2", "1.0rc1", "=1.0c1", "1.0", "=1.0.0", "=v1", "1.0+abc", "1.0+5", "1.0.post1.dev2", "1.0.post1", "=1.0-1", "1.1", "1!0.1"}},
		{Maven, []string{"1-alpha-1", "1-beta", "1-rc", "=1-cr", "1-SNAPSHOT", "1", "=1.0", "=1-ga", "1-sp", "1-foo", "1.1", "1.123456789012345678901", "1.123456789012345678902", "=1.0123456789012345678902"}},
		{NuGet, []string{"1.0.0-0", "1.0.0-ALPHA", "=1.0.0-alpha", "1.0.0-rc.9", "1.0.0-rc.10", "1.0.0", "=1.0", "=1.0.0.0", "=01.0.0+meta", "1.0.0.1", "1.0.1"}},
	}
	for _, tt := range tests {
		var rank []int
		var versions []string
		for i, v := range tt.ascending {
			same, isSame := strings.CutPrefix(v, "=")
			versions = append(versions, same)
			if isSame {
				rank = append(rank, rank[i-1])
			} else {
				rank = append(rank, i)
			}
		}
		for i, a := range versions {
			for j, b := range versions {
				want := 0
				if rank[i] < rank[j] {
					want = -1
				} else if rank[i] > rank[j] {
					want = 1
				}
				if got := Compare(tt.ecosystem, a, b); got != want {
					t.Errorf("%s: Compare(%q, %q) = %d, want %d", tt.ecosystem, a, b, got, want)
				}
			}
		}
	}
}

func TestHighest(t *testing.T) {
	tests := []struct {
		e          Ecosystem
		versions   []string
		prerelease bool
		want       string
	}{
		{NPM, []string{"1.9.0", "1.10.0", "2.0.0-rc.1", "junk"}, false, "1.10.0"},
		{NPM, []string{"1.9.0", "1.10.0", "2.0.0-rc.1"}, true, "2.0.0-rc.1"},
		{NPM, []string{"2.0.0-rc.1"}, false, ""},
		{NPM, []string{"junk"}, true, ""},
		{NPM, nil, true, ""},
		{PyPI, []string{"1.0", "1.1.dev3", "1.1a1"}, false, "1.0"},
		{Maven, []string{"1.0", "1.1-SNAPSHOT", "1.1-M2", "1.0.1-jre"}, false, "1.0.1-jre"},
		{NuGet, []string{"1.0.0", "1.0.0.1", "1.1.0-beta"}, false, "1.0.0.1"},
	}
	for _, tt := range tests {
		if got := Highest(tt.e, tt.versions, tt.prerelease); got != tt.want {
			t.Errorf("Highest(%s, %q, %v) = %q, want %q", tt.e, tt.versions, tt.prerelease, got, tt.want)
		}
	}
}

func TestIsPrerelease(t *testing.T) {
	tests := []struct {
		e       Ecosystem
		version string
		want    bool
	}{
		{NPM, "1.0.0", false}, {NPM, "1.0.0-rc.1", true}, {NPM, "1.0.0+x-y", false}, {NPM, "x", false},
		{PyPI, "1.0", false}, {PyPI, "1.0rc1", true}, {PyPI, "1.0.dev1", true}, {PyPI, "1.0.post1", false}, {PyPI, "1.0+a1", false},
		{Maven, "1.0", false}, {Maven, "1.0-SNAPSHOT", true}, {Maven, "1.0-M1", true}, {Maven, "1.0-b2", true},
		{Maven, "32.1-jre", false}, {Maven, "1.0-preview.2", true}, {Maven, "1.0.m", false}, {Maven, "4.1.0.Final", false},
		{NuGet, "1.0", false}, {NuGet, "1.0-beta", true},
	}
	for _, tt := range tests {
		if got := IsPrerelease(tt.e, tt.version); got != tt.want {
			t.Errorf("IsPrerelease(%s, %q) = %v, want %v", tt.e, tt.version, got, tt.want)
		}
	}
}

func TestSort(t *testing.T) {
	versions := []string{"1.10.0", "zzz", "1.9.0", "1.9.0-rc.1", "aaa"}
	Sort(NPM, versions)
	if want := []string{"aaa", "zzz", "1.9.0-rc.1", "1.9.0", "1.10.0"}; !slices.Equal(versions, want) {
		t.Errorf("got %q, want %q", versions, want)
	}
}

// contradictions are rows of the truth tables that another row, or the
// specification that the ecosystem follows, contradicts.
var contradictions = map[string]string{
	"MAVEN 2.0.a < 2-1":                 "Maven 4's own list; the order specification says 2-1 < 2.0.a, as another row does",
	"NUGET 1.0.0-BETA+AA != 1.0.0-beta": "the test compares text and metadata too; as versions they are equal",
}

func TestCompareAgainstTruthTables(t *testing.T) {
	for _, e := range Ecosystems() {
		t.Run(string(e), func(t *testing.T) {
			rows, agreed := 0, 0
			sharedLines(t, "versions/"+e.PURLType()+".compare.tsv", func(line string) {
				f := strings.Split(line, "\t")
				a, op, b := f[0], f[1], f[2]
				if contradictions[string(e)+" "+a+" "+op+" "+b] != "" {
					return
				}
				rows++
				got := Compare(e, a, b)
				if holds(got, op) && Compare(e, b, a) == -got {
					agreed++
				} else {
					t.Errorf("%s: got %d", line, got)
				}
			})
			t.Logf("%s: %d of %d rows agree", e, agreed, rows)
		})
	}
}

func holds(c int, op string) bool {
	switch op {
	case "<":
		return c < 0
	case ">":
		return c > 0
	case "!=":
		return c != 0
	}
	return c == 0
}

// TestOrderIsTotal proves what sorting and sweeping rely on: for any three
// versions, the comparisons do not contradict each other. For Maven that holds
// where no zero stands directly before a qualifier, see [Compare].
func TestOrderIsTotal(t *testing.T) {
	pieces := map[Ecosystem][]string{
		NPM:   {"1", "0", "2", ".", ".", "-", "+", "a", "rc", "00", "x"},
		PyPI:  {"1", "0", "2", ".", "-", "+", "a", "rc", ".dev", ".post", "!", "b1", "_"},
		Maven: {".1", ".0", ".2", "-1", "-a", "-rc", "-SNAPSHOT", "-sp", "-ga", "-foo", ".1234567890123456789", "-alpha1"},
		NuGet: {"1", "0", "2", ".", ".", "-", "+", "a", "A", "rc", "00"},
	}
	random := rand.New(rand.NewPCG(1, 2))
	for _, e := range Ecosystems() {
		versions := []string{}
		for range 120 {
			s := "1"
			for range random.IntN(6) {
				s += pieces[e][random.IntN(len(pieces[e]))]
			}
			versions = append(versions, s)
		}
		checkTotal(t, e, versions)
	}
}

func checkTotal(t *testing.T, e Ecosystem, versions []string) {
	t.Helper()
	failures := 0
	keys := make([]Key, len(versions))
	for i, v := range versions {
		keys[i] = KeyOf(e, v)
	}
	for i, a := range keys {
		for j, b := range keys {
			ab := a.Compare(b)
			if ab != -b.Compare(a) {
				t.Errorf("%s: %q and %q compare as %d and %d", e, versions[i], versions[j], ab, b.Compare(a))
				failures++
			}
			for k, c := range keys {
				if ab <= 0 && b.Compare(c) <= 0 && a.Compare(c) > 0 && failures < 20 {
					t.Errorf("%s: %q <= %q <= %q, but the first is after the last", e, versions[i], versions[j], versions[k])
					failures++
				}
			}
		}
		if failures >= 20 {
			return
		}
	}
}
