package advisory

import (
	"slices"

	"sluice.dev/sluice/tenants/coord"
)

// Affects reports whether the entry affects the version, by the evaluation
// algorithm of the OSV schema, taken literally: the version is in the list, or
// one range, whose events are sorted by version and then swept, ends the sweep
// with "vulnerable". A range whose end lies before its beginning thus affects
// everything from its beginning on.
//
// Events of the same version keep the record's order, and "0" comes before
// every version, as in OSV's own service. The list is compared with the
// ecosystem's order, so that "1.0" in it means PyPI's "1.0.0" too.
//
// What cannot be read as a version of the ecosystem errs on the safe side: such
// a version comes before all others, and so is affected by what begins with
// "0"; such an introduced is before every version; such an end ends nothing but
// versions that cannot be read either, by their bytes.
func Affects(e Entry, version string) bool {
	m := compile(e)
	return m.affects(version, coord.KeyOf(e.Package.Ecosystem, version))
}

// FixedIn returns the fixed versions that the entries, all about one package,
// name; ascending, each once, nil when there is none.
func FixedIn(entries ...Entry) []string {
	var fixed []string
	for _, e := range entries {
		for _, r := range e.Ranges {
			for _, ev := range r.Events {
				if ev.Fixed != "" {
					fixed = append(fixed, ev.Fixed)
				}
			}
		}
	}
	if len(fixed) == 0 {
		return nil
	}
	eco := entries[0].Package.Ecosystem
	coord.Sort(eco, fixed)
	return slices.CompactFunc(fixed, func(a, b string) bool { return coord.Compare(eco, a, b) == 0 })
}

// matcher is an entry with its versions parsed once.
type matcher struct {
	listed map[string]struct{} // as the record spells them
	keys   []coord.Key         // the listed ones that can be read, sorted
	ranges []sweep
}

// sweep is a range with its events in the order of their versions.
type sweep struct {
	events []boundary
	limits []boundary
}

type kind uint8

const (
	introduced kind = iota
	fixed
	lastAffected
)

// boundary is a parsed event. The zero key of an unbounded one is not used.
type boundary struct {
	kind      kind
	unbounded bool // introduced "0", limit "*"
	key       coord.Key
}

func compile(e Entry) matcher {
	var m matcher
	eco := e.Package.Ecosystem
	if len(e.Versions) > 0 {
		m.listed = make(map[string]struct{}, len(e.Versions))
	}
	for _, v := range e.Versions {
		m.listed[v] = struct{}{}
		if k := coord.KeyOf(eco, v); k.Valid() {
			m.keys = append(m.keys, k)
		}
	}
	slices.SortFunc(m.keys, coord.Key.Compare)
	for _, r := range e.Ranges {
		if r.Type == rangeSemver || r.Type == rangeEcosystem {
			m.ranges = append(m.ranges, newSweep(eco, r.Events))
		}
	}
	return m
}

func newSweep(eco coord.Ecosystem, events []Event) sweep {
	var s sweep
	for _, e := range events {
		key := coord.KeyOf(eco, e.version())
		switch {
		case e.Introduced != "":
			s.events = append(s.events, boundary{kind: introduced, unbounded: e.Introduced == "0" || !key.Valid(), key: key})
		case e.Limit != "":
			s.limits = append(s.limits, boundary{unbounded: e.Limit == "*" || !key.Valid(), key: key})
		case e.Fixed != "":
			s.events = append(s.events, boundary{kind: fixed, key: key})
		case e.LastAffected != "":
			s.events = append(s.events, boundary{kind: lastAffected, key: key})
		}
	}
	slices.SortStableFunc(s.events, func(a, b boundary) int {
		switch {
		case a.unbounded && b.unbounded:
			return 0
		case a.unbounded:
			return -1
		case b.unbounded:
			return 1
		}
		return a.key.Compare(b.key)
	})
	return s
}

func (m *matcher) affects(version string, key coord.Key) bool {
	if _, ok := m.listed[version]; ok {
		return true
	}
	if key.Valid() && len(m.keys) > 0 {
		if _, ok := slices.BinarySearchFunc(m.keys, key, coord.Key.Compare); ok {
			return true
		}
	}
	for i := range m.ranges {
		if m.ranges[i].contains(key) {
			return true
		}
	}
	return false
}

func (s *sweep) contains(key coord.Key) bool {
	if !s.beforeLimits(key) {
		return false
	}
	vulnerable := false
	for i := range s.events {
		b := &s.events[i]
		switch {
		case b.kind == introduced && (b.unbounded || key.Compare(b.key) >= 0):
			vulnerable = true
		case !b.key.Valid() && key.Valid():
		case b.kind == fixed && key.Compare(b.key) >= 0:
			vulnerable = false
		case b.kind == lastAffected && key.Compare(b.key) > 0:
			vulnerable = false
		}
	}
	return vulnerable
}

func (s *sweep) beforeLimits(key coord.Key) bool {
	if len(s.limits) == 0 {
		return true
	}
	return slices.ContainsFunc(s.limits, func(b boundary) bool { return b.unbounded || key.Compare(b.key) < 0 })
}
