package advisory

import (
	"slices"

	"sluice.dev/sluice/tenants/coord"
)

// Span is the versions between two bounds, in the order of their ecosystem.
type Span struct {
	From, To         string // as the record spells them; "" = unbounded on that side
	FromOpen, ToOpen bool   // whether the bound itself lies outside
}

// Spans returns what the advisory affects as spans that do not overlap,
// ascending. For every version that the ecosystem can read, one of them has it
// exactly when [Affected.Affects] says so. A withdrawn advisory has none.
func (a *Affected) Spans() []Span {
	if !a.Withdrawn.IsZero() || len(a.Entries) == 0 {
		return nil
	}
	eco := a.Entries[0].Package.Ecosystem
	var all []Span
	for _, e := range a.Entries {
		for _, v := range e.Versions {
			if coord.KeyOf(eco, v).Valid() {
				all = append(all, Span{From: v, To: v})
			}
		}
		for _, r := range e.Ranges {
			if r.Type == rangeSemver || r.Type == rangeEcosystem {
				all = append(all, spansOf(eco, r.Events)...)
			}
		}
	}
	return union(eco, all)
}

// spansOf sweeps a range's events as [Affects] does: sorted by version, what is
// introduced lasts to the next end.
func spansOf(eco coord.Ecosystem, events []Event) (out []Span) {
	events = sorted(eco, events)
	limit, limited := limitOf(eco, events)
	open, from := false, ""
	end := func(to string, outside bool) {
		if open {
			out = append(out, Span{From: from, To: to, ToOpen: outside})
		}
		open = false
	}
	for _, e := range events {
		switch {
		case e.Introduced != "" && !open:
			open, from = true, e.Introduced
			if first(eco, e) {
				from = ""
			}
		case e.Fixed != "" && coord.KeyOf(eco, e.Fixed).Valid():
			end(e.Fixed, true)
			for i := range out { // also when it was the last affected one before
				if !out[i].ToOpen && out[i].To != "" && coord.Compare(eco, out[i].To, e.Fixed) == 0 {
					out[i].ToOpen = true
				}
			}
		case e.LastAffected != "" && coord.KeyOf(eco, e.LastAffected).Valid():
			end(e.LastAffected, false)
		}
	}
	end("", false)
	if !limited {
		return out
	}
	for i, s := range out {
		if s.To == "" || coord.Compare(eco, s.To, limit) >= 0 {
			out[i].To, out[i].ToOpen = limit, true
		}
	}
	return out
}

// first reports whether an event introduces before every version.
func first(eco coord.Ecosystem, e Event) bool {
	return e.Introduced == "0" || e.Introduced != "" && !coord.KeyOf(eco, e.Introduced).Valid()
}

func sorted(eco coord.Ecosystem, events []Event) []Event {
	events = slices.Clone(events)
	slices.SortStableFunc(events, func(a, b Event) int {
		switch x, y := first(eco, a), first(eco, b); {
		case x && y:
			return 0
		case x:
			return -1
		case y:
			return 1
		}
		return coord.KeyOf(eco, a.version()).Compare(coord.KeyOf(eco, b.version()))
	})
	return events
}

// limitOf returns from where on a range says nothing: the highest of its limits
// (one that is met is enough), none when one of them is unbounded.
func limitOf(eco coord.Ecosystem, events []Event) (limit string, limited bool) {
	for _, e := range events {
		switch {
		case e.Limit == "":
		case e.Limit == "*" || !coord.KeyOf(eco, e.Limit).Valid():
			return "", false
		case !limited || coord.Compare(eco, e.Limit, limit) > 0:
			limit, limited = e.Limit, true
		}
	}
	return limit, limited
}

// union sorts spans, joins those that touch, and drops the empty ones.
func union(eco coord.Ecosystem, all []Span) []Span {
	all = slices.DeleteFunc(all, func(s Span) bool { return s.empty(eco) })
	slices.SortStableFunc(all, func(a, b Span) int { return compareFrom(eco, a, b) })
	var out []Span
	for _, s := range all {
		if n := len(out); n > 0 && touches(eco, out[n-1], s) {
			if compareTo(eco, s, out[n-1]) > 0 {
				out[n-1].To, out[n-1].ToOpen = s.To, s.ToOpen
			}
			continue
		}
		out = append(out, s)
	}
	return out
}

func (s Span) empty(eco coord.Ecosystem) bool {
	if s.From == "" || s.To == "" {
		return false
	}
	c := coord.Compare(eco, s.From, s.To)
	return c > 0 || c == 0 && (s.FromOpen || s.ToOpen)
}

func compareFrom(eco coord.Ecosystem, a, b Span) int {
	switch {
	case a.From == "" && b.From == "":
		return 0
	case a.From == "":
		return -1
	case b.From == "":
		return 1
	}
	if c := coord.Compare(eco, a.From, b.From); c != 0 || a.FromOpen == b.FromOpen {
		return c
	}
	if a.FromOpen {
		return 1
	}
	return -1
}

func compareTo(eco coord.Ecosystem, a, b Span) int {
	switch {
	case a.To == "" && b.To == "":
		return 0
	case a.To == "":
		return 1
	case b.To == "":
		return -1
	}
	if c := coord.Compare(eco, a.To, b.To); c != 0 || a.ToOpen == b.ToOpen {
		return c
	}
	if a.ToOpen {
		return -1
	}
	return 1
}

// touches reports whether no version lies between a and b, of which a begins
// first.
func touches(eco coord.Ecosystem, a, b Span) bool {
	if a.To == "" || b.From == "" {
		return true
	}
	c := coord.Compare(eco, b.From, a.To)
	return c < 0 || c == 0 && !(a.ToOpen && b.FromOpen)
}

// Has reports whether the version lies in the span.
func (s Span) Has(eco coord.Ecosystem, version string) bool {
	if s.From != "" {
		if c := coord.Compare(eco, version, s.From); c < 0 || c == 0 && s.FromOpen {
			return false
		}
	}
	if s.To != "" {
		if c := coord.Compare(eco, version, s.To); c > 0 || c == 0 && s.ToOpen {
			return false
		}
	}
	return true
}

// Without cuts single versions out of spans that are ascending.
func Without(eco coord.Ecosystem, spans []Span, versions []string) []Span {
	for _, v := range versions {
		i := slices.IndexFunc(spans, func(s Span) bool { return s.Has(eco, v) })
		if i < 0 {
			continue
		}
		below, above := spans[i], spans[i]
		below.To, below.ToOpen = v, true
		above.From, above.FromOpen = v, true
		var parts []Span
		for _, p := range []Span{below, above} {
			if !p.empty(eco) {
				parts = append(parts, p)
			}
		}
		spans = slices.Concat(spans[:i], parts, spans[i+1:])
	}
	return spans
}
