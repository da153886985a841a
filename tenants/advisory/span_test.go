package advisory

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"sluice.dev/sluice/tenants/coord"
)

func (s Span) String() string {
	l, r := "[", "]"
	if s.FromOpen || s.From == "" {
		l = "("
	}
	if s.ToOpen || s.To == "" {
		r = ")"
	}
	return l + s.From + "," + s.To + r
}

func TestSpans(t *testing.T) {
	for _, c := range []struct {
		versions string
		ranges   []string
		want     string
	}{
		{"", []string{"introduced 0, fixed 1.2.6"}, "[(,1.2.6)]"},
		{"", []string{"introduced 0"}, "[(,)]"},
		{"", []string{"introduced 1.0.0, last_affected 4.5.0"}, "[[1.0.0,4.5.0]]"},
		{"", []string{"fixed 1.5.0, introduced 1.0.0, introduced 2.0.0, fixed 2.5.0"}, "[[1.0.0,1.5.0) [2.0.0,2.5.0)]"},
		{"", []string{"introduced 2.0.0, fixed 1.0.0"}, "[[2.0.0,)]"},
		{"", []string{"introduced 1.0.0, fixed 1.0.0"}, "[]"},
		{"", []string{"introduced 1.0.0, fixed 2.0.0", "introduced 1.5.0, fixed 3.0.0"}, "[[1.0.0,3.0.0)]"},
		{"", []string{"introduced 1.0.0, fixed 2.0.0", "introduced 2.0.0, fixed 3.0.0"}, "[[1.0.0,3.0.0)]"},
		{"", []string{"introduced 0, limit 2.0.0"}, "[(,2.0.0)]"},
		{"", []string{"introduced 0, fixed 1.0.0, limit 2.0.0"}, "[(,1.0.0)]"},
		{"", []string{"introduced 0, limit 2.0.0, limit *"}, "[(,)]"},
		{"1.0.1 1.0.0 1.0.0", nil, "[[1.0.0,1.0.0] [1.0.1,1.0.1]]"},
		{"1.0.1 5.0.0", []string{"introduced 1.0.0, fixed 2.0.0"}, "[[1.0.0,2.0.0) [5.0.0,5.0.0]]"},
		{"2.0.0", []string{"introduced 1.0.0, fixed 2.0.0"}, "[[1.0.0,2.0.0]]"},
		{"nonsense", []string{"introduced nonsense, fixed 2.0.0"}, "[(,2.0.0)]"},
	} {
		a := NewAffected(Advisory{ID: "X"}, []Entry{entry(t, coord.NPM, c.versions, c.ranges...)})
		if got := fmt.Sprint(a.Spans()); got != c.want {
			t.Errorf("%s %q = %s, want %s", c.versions, c.ranges, got, c.want)
		}
		a.Withdrawn = time.Unix(1, 0)
		if got := a.Spans(); got != nil {
			t.Errorf("withdrawn: %v", got)
		}
	}
}

// TestSpansAgreeWithMatching compares the spans with the literal sweep on many
// records, also of nonsense, and with versions taken out.
func TestSpansAgreeWithMatching(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	var pool []string
	for _, v := range strings.Fields("0.0.1 0.9.0-rc.1 1.0.0-alpha 1.0.0 1.0.1 1.2.0 2.0.0-beta.2 2.0.0 2.5.0 10.0.0") {
		pool = append(pool, v)
	}
	bounds := append([]string{"0", "1.2", "bad"}, pool...)
	pick := func(from []string) string { return from[r.IntN(len(from))] }
	for range 5000 {
		e := Entry{Package: coord.Package{Ecosystem: coord.NPM, Name: "p"}}
		for range r.IntN(3) {
			var events []Event
			for range 1 + r.IntN(5) {
				events = append(events, [...]Event{{Introduced: pick(bounds)}, {Fixed: pick(bounds)}, {LastAffected: pick(bounds)}, {Limit: pick(bounds)}}[r.IntN(4)])
			}
			e.Ranges = append(e.Ranges, Range{Type: rangeSemver, Events: events})
		}
		for range r.IntN(3) {
			e.Versions = append(e.Versions, pick(bounds[2:]))
		}
		a := NewAffected(Advisory{ID: "X"}, []Entry{e})
		spans := a.Spans()
		out := []string{pick(pool), pick(pool)}
		cut := Without(coord.NPM, spans, out)
		for _, v := range pool {
			in := func(l []Span) bool {
				return slices.ContainsFunc(l, func(s Span) bool { return s.Has(coord.NPM, v) })
			}
			if in(spans) != a.Affects(v) {
				t.Fatalf("%+v: spans %v, %s affected %v", e, spans, v, a.Affects(v))
			}
			if in(cut) != (a.Affects(v) && !slices.Contains(out, v)) {
				t.Fatalf("%v without %v = %v is wrong about %s", spans, out, cut, v)
			}
		}
	}
}
