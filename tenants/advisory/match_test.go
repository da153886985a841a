package advisory

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"sluice.dev/sluice/tenants/coord"
	"sluice.dev/sluice/tenants/policy"
)

// events reads "introduced 1.0, fixed 2.0".
func events(t testing.TB, text string) []Event {
	t.Helper()
	var list []Event
	for part := range strings.SplitSeq(text, ", ") {
		kind, v, _ := strings.Cut(part, " ")
		switch kind {
		case "introduced":
			list = append(list, Event{Introduced: v})
		case "fixed":
			list = append(list, Event{Fixed: v})
		case "last_affected":
			list = append(list, Event{LastAffected: v})
		case "limit":
			list = append(list, Event{Limit: v})
		default:
			t.Fatalf("unknown event %q", part)
		}
	}
	return list
}

func entry(t testing.TB, e coord.Ecosystem, versions string, ranges ...string) Entry {
	t.Helper()
	entry := Entry{Package: coord.Package{Ecosystem: e, Name: "p"}, Versions: strings.Fields(versions)}
	for _, r := range ranges {
		entry.Ranges = append(entry.Ranges, Range{Type: rangeSemver, Events: events(t, r)})
	}
	return entry
}

func TestAffects(t *testing.T) {
	for _, c := range []struct {
		name     string
		eco      coord.Ecosystem
		versions string
		ranges   []string
		yes, no  string
	}{
		{"from zero to the fix", coord.NPM, "", []string{"introduced 0, fixed 1.2.6"}, "0.0.0-0 0.0.1 1.2.5 1.2.6-rc.1", "1.2.6 2.0.0"},
		{"no end", coord.NPM, "", []string{"introduced 0"}, "0.0.1 99.0.0", ""},
		{"not zero", coord.NPM, "", []string{"introduced 1.0.0, fixed 1.2.0"}, "1.0.0 1.1.9", "0.9.9 1.0.0-rc.1 1.2.0"},
		{"last affected is affected", coord.NPM, "", []string{"introduced 0, last_affected 4.5.0"}, "4.4.9 4.5.0", "4.5.1"},
		{"unsorted events are sorted", coord.NPM, "", []string{"fixed 1.5.0, introduced 1.0.0, introduced 2.0.0, fixed 2.5.0"}, "1.0.0 2.4.9", "0.9.0 1.5.0 1.9.9 2.5.0"},
		{"inverted: affected from the beginning on", coord.NPM, "", []string{"introduced 2.0.0, fixed 1.0.0"}, "2.0.0 9.0.0", "0.5.0 1.0.0 1.9.9"},
		{"empty range", coord.NPM, "", []string{"introduced 1.0.0, fixed 1.0.0"}, "", "0.9.0 1.0.0 1.1.0"},
		{"fixed and introduced again", coord.NPM, "", []string{"introduced 0, fixed 1.0.0, introduced 1.0.0, fixed 2.0.0"}, "0.1.0 1.0.0 1.9.0", "2.0.0"},
		{"two fixes: the sweep ends with the first", coord.NPM, "", []string{"introduced 0, fixed 1.0.0, fixed 2.0.0"}, "0.9.0", "1.0.0 1.5.0 2.0.0"},
		{"limit", coord.NPM, "", []string{"introduced 0, limit 2.0.0"}, "1.9.9", "2.0.0 3.0.0"},
		{"several limits: before any of them", coord.NPM, "", []string{"introduced 0, limit 1.0.0, limit 2.0.0"}, "1.5.0", "2.0.0"},
		{"no limit said explicitly", coord.NPM, "", []string{"introduced 0, limit *"}, "9.0.0", ""},
		{"any of several ranges", coord.NPM, "", []string{"introduced 1.0.0, fixed 1.1.0", "introduced 2.0.0, fixed 2.1.0"}, "1.0.5 2.0.5", "1.1.0 2.1.0"},
		{"list only", coord.NPM, "0.30.4 1.14.1", nil, "0.30.4 1.14.1 v1.14.1 1.14.1+build", "1.14.0 1.14.2"},
		{"list or range", coord.NPM, "9.9.9", []string{"introduced 0, fixed 1.0.0"}, "9.9.9 0.1.0", "1.0.0"},
		{"neither", coord.NPM, "", nil, "", "1.0.0"},
		{"PEP 440 order", coord.PyPI, "", []string{"introduced 1.0, fixed 1.0.post1"}, "1.0 1.0.0 1.0+local", "1.0rc1 1.0.post1 1!0.5"},
		{"PEP 440 equality in lists", coord.PyPI, "1.0 2.0-rc1", nil, "1.0.0 2.0rc1", "1.0.1 2.0"},
		{"Maven order", coord.Maven, "", []string{"introduced 1.0-alpha-1, fixed 1.0"}, "1.0-alpha-1 1.0-rc1 1.0-SNAPSHOT", "1.0 1.0.0 1.0-sp1"},
		{"NuGet: four parts, leading zeros, case", coord.NuGet, "", []string{"introduced 0, fixed 03.02.01"}, "3.2.0.9 3.2.1-BETA", "3.2.1 3.2.1.0 3.2.1.1"},
		{"unreadable version is affected from zero", coord.PyPI, "", []string{"introduced 0, fixed 2.0"}, "what", ""},
		{"unreadable version before other beginnings", coord.PyPI, "", []string{"introduced 1.0, fixed 2.0"}, "", "what"},
		{"unreadable beginning is before everything", coord.PyPI, "", []string{"introduced what, fixed 2.0"}, "0.1 1.9", "2.0"},
		{"unreadable end ends nothing readable", coord.PyPI, "", []string{"introduced 0, last_affected 2.9.0-NA"}, "1.0 3.0", ""},
		{"unreadable end ends itself", coord.PyPI, "", []string{"introduced 0, fixed 0.2.0-n653"}, "1.0", "0.2.0-n653"},
		{"unreadable limit is none", coord.PyPI, "", []string{"introduced 0, limit what"}, "1.0", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			e := entry(t, c.eco, c.versions, c.ranges...)
			for v := range strings.FieldsSeq(c.yes) {
				if !Affects(e, v) {
					t.Errorf("%s is not affected", v)
				}
			}
			for v := range strings.FieldsSeq(c.no) {
				if Affects(e, v) {
					t.Errorf("%s is affected", v)
				}
			}
		})
	}
}

func TestAffectsIgnoresCommits(t *testing.T) {
	e := entry(t, coord.NPM, "")
	e.Ranges = []Range{{Type: rangeGit, Events: []Event{{Introduced: "0"}}}}
	if Affects(e, "1.0.0") {
		t.Error("a range of commits affects a version")
	}
}

// plain is the pseudo code of the OSV schema's "Evaluation" chapter, word for
// word, for readable versions.
func plain(e Entry, version string) bool {
	eco := e.Package.Ecosystem
	compare := func(bound string) int {
		if bound == "0" {
			return 1
		}
		return coord.Compare(eco, version, bound)
	}
	if slices.Contains(e.Versions, version) {
		return true
	}
	for _, r := range e.Ranges {
		limited, before := false, false
		for _, ev := range r.Events {
			if ev.Limit != "" {
				limited = true
				before = before || ev.Limit == "*" || coord.Compare(eco, version, ev.Limit) < 0
			}
		}
		if limited && !before {
			continue
		}
		sorted := slices.Clone(r.Events)
		slices.SortStableFunc(sorted, func(a, b Event) int {
			switch x, y := a.version(), b.version(); {
			case x == y:
				return 0
			case x == "0":
				return -1
			case y == "0":
				return 1
			default:
				return coord.Compare(eco, x, y)
			}
		})
		vulnerable := false
		for _, ev := range sorted {
			if ev.Introduced != "" && compare(ev.Introduced) >= 0 {
				vulnerable = true
			}
			if ev.Fixed != "" && compare(ev.Fixed) >= 0 {
				vulnerable = false
			}
			if ev.LastAffected != "" && compare(ev.LastAffected) > 0 {
				vulnerable = false
			}
		}
		if vulnerable {
			return true
		}
	}
	return false
}

// TestAffectsAgainstPseudoCode tries many small ranges, inverted, repeated and
// unsorted ones among them.
func TestAffectsAgainstPseudoCode(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	version := func() string { return fmt.Sprintf("%d.%d.0", rnd.IntN(3), rnd.IntN(3)) }
	for range 20_000 {
		e := Entry{Package: coord.Package{Ecosystem: coord.NPM, Name: "p"}}
		for range rnd.IntN(3) {
			evs := []Event{{Introduced: "0"}}
			for range rnd.IntN(6) {
				switch rnd.IntN(8) {
				case 0, 1, 2:
					evs = append(evs, Event{Introduced: version()})
				case 3, 4, 5:
					evs = append(evs, Event{Fixed: version()})
				case 6:
					evs = append(evs, Event{LastAffected: version()})
				default:
					evs = append(evs, Event{Limit: version()})
				}
			}
			rnd.Shuffle(len(evs), func(i, j int) { evs[i], evs[j] = evs[j], evs[i] })
			e.Ranges = append(e.Ranges, Range{Type: rangeSemver, Events: evs[rnd.IntN(2)*rnd.IntN(len(evs)):]})
		}
		if v := version(); Affects(e, v) != plain(e, v) {
			t.Fatalf("%+v: %s: affected is %v, want %v", e.Ranges, v, Affects(e, v), plain(e, v))
		}
	}
}

func TestFixedIn(t *testing.T) {
	one := entry(t, coord.NPM, "", "introduced 2.0.0, fixed 2.10.0", "introduced 1.0.0, fixed 1.2.0")
	two := entry(t, coord.NPM, "", "introduced 0, fixed 0.9.0", "introduced 3.0.0, last_affected 3.1.0", "introduced 2.0.0, fixed 2.10.0")
	if got, want := FixedIn(one, two), []string{"0.9.0", "1.2.0", "2.10.0"}; !slices.Equal(got, want) {
		t.Errorf("FixedIn = %v, want %v", got, want)
	}
	if got := FixedIn(entry(t, coord.NPM, "1.0.0")); got != nil {
		t.Errorf("FixedIn without a fix = %v, want nil", got)
	}
}

func TestMatch(t *testing.T) {
	l := Advisories{
		NewAffected(Advisory{ID: "GHSA-1", Aliases: []string{"CVE-1"}, Summary: "s", Severity: policy.SeverityHigh, CVSS: 7.2},
			[]Entry{entry(t, coord.NPM, "", "introduced 0, fixed 1.0.0"), entry(t, coord.NPM, "", "introduced 2.0.0, fixed 2.1.0")}),
		NewAffected(Advisory{ID: "GHSA-2", Withdrawn: time.Unix(1, 0)}, []Entry{entry(t, coord.NPM, "", "introduced 0")}),
		NewAffected(Advisory{ID: "MAL-1", Malware: true}, []Entry{entry(t, coord.NPM, "2.0.5")}),
	}
	got := l.Match("2.0.5")
	if len(got) != 2 || got[0].ID != "GHSA-1" || got[1].ID != "MAL-1" || !got[1].Malware {
		t.Fatalf("Match = %+v, want GHSA-1 once and MAL-1, and nothing withdrawn (Q5)", got)
	}
	if m := got[0]; m.Severity != policy.SeverityHigh || m.CVSS != 7.2 || m.Summary != "s" ||
		!slices.Equal(m.Aliases, []string{"CVE-1"}) || !slices.Equal(m.FixedIn, []string{"1.0.0", "2.1.0"}) {
		t.Errorf("Match = %+v", m)
	}
	if got := l.Match("1.5.0"); got != nil {
		t.Errorf("Match = %+v, want nil", got)
	}
	if got := Advisories(nil).Match("1.0.0"); got != nil {
		t.Errorf("Match of no advisories = %+v", got)
	}
	if l[0].Affects("1.5.0") || !l[0].Affects("2.0.0") || l[1].Affects("1.0.0") {
		t.Error("Affects differs from Match")
	}
}

func BenchmarkMatch(b *testing.B) {
	l := Advisories{NewAffected(Advisory{ID: "GHSA-1"}, []Entry{entry(b, coord.NPM, "", "introduced 1.0.0, fixed 1.2.6"), entry(b, coord.NPM, "", "introduced 0, fixed 0.2.4")})}
	for b.Loop() {
		l.Match("1.2.5")
	}
}
