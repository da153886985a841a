// Package advisory keeps the advisories: records in the Open Source
// Vulnerability format (OSV, https://ossf.github.io/osv-schema/) that are the
// same for every organization. An [Importer] brings a feed into PostgreSQL, a
// [Service] answers which advisories name a package, and [Advisories.Match]
// says which of them affect a version.
//
// Whatever is imported announces the packages that it changed, and asks for a
// new evaluation of them in every organization that holds one (P5, Q5).
// Nothing here decides: package policy does.
package advisory

import (
	"time"

	"sluice.dev/sluice/tenants/coord"
	"sluice.dev/sluice/tenants/policy"
)

// DemoFeed is the feed of the bundled demonstration advisories. It never
// counts as a feed (P3): see [Service.Snapshot].
const DemoFeed = "demo"

// Advisory is the head of one OSV record.
type Advisory struct {
	ID        string // OSV id, for example GHSA-35jh-r3h4-6jhm
	Feed      string // where it came from; DemoFeed for a bundled one
	Modified  time.Time
	Published time.Time // zero = the record does not say
	Withdrawn time.Time // zero = in force; a withdrawn advisory matches nothing
	Summary   string    // one line; the first line of the details when the record has no summary
	Aliases   []string  // CVE first
	Severity  policy.Severity
	CVSS      float64 // the highest base score, 0 = none given
	Malware   bool
}

// Entry is what a record says about one package: one element of "affected".
type Entry struct {
	Package  coord.Package // normalized
	Ranges   []Range       // without the GIT ones
	Versions []string      // as the record spells them
}

// Range is one OSV range. Both types are compared as the ecosystem compares.
type Range struct {
	Type   string  `json:"type"` // SEMVER or ECOSYSTEM
	Events []Event `json:"events"`
}

// Event is one boundary of a range; exactly one field is set.
type Event struct {
	Introduced   string `json:"introduced,omitempty"` // first affected version; "0" is before every version
	Fixed        string `json:"fixed,omitempty"`      // first version that is not affected
	LastAffected string `json:"last_affected,omitempty"`
	Limit        string `json:"limit,omitempty"` // versions from here on are not spoken of; "*" = no limit
}

// Affected is one advisory with what it says about one package.
type Affected struct {
	Advisory
	Entries []Entry // all about the same package, never empty

	matchers []matcher
	fixedIn  []string
}

// NewAffected makes the entries ready to be matched. They must be about one
// package; head and entries must not be changed afterwards.
func NewAffected(head Advisory, entries []Entry) Affected {
	a := Affected{Advisory: head, Entries: entries, fixedIn: FixedIn(entries...)}
	for _, e := range entries {
		a.matchers = append(a.matchers, compile(e))
	}
	return a
}

// FixedIn returns the fixed versions that the advisory names for the package,
// in ascending order; nil when it names none.
func (a *Affected) FixedIn() []string { return a.fixedIn }

// Affects reports whether the advisory is in force and affects the version.
func (a *Affected) Affects(version string) bool {
	return len(a.Entries) > 0 && a.affects(version, coord.KeyOf(a.Entries[0].Package.Ecosystem, version))
}

func (a *Affected) affects(version string, key coord.Key) bool {
	if !a.Withdrawn.IsZero() {
		return false
	}
	for i := range a.matchers {
		if a.matchers[i].affects(version, key) {
			return true
		}
	}
	return false
}

// Advisories are the advisories that name one package.
type Advisories []Affected

// Match returns the advisories in force that affect the version, in the order
// of l, and nil when there is none. It is safe for concurrent use.
func (l Advisories) Match(version string) []policy.Match {
	if len(l) == 0 || len(l[0].Entries) == 0 {
		return nil
	}
	key := coord.KeyOf(l[0].Entries[0].Package.Ecosystem, version)
	var found []policy.Match
	for i := range l {
		a := &l[i]
		if a.affects(version, key) {
			found = append(found, policy.Match{ID: a.ID, Aliases: a.Aliases, Summary: a.Summary,
				Severity: a.Severity, CVSS: a.CVSS, Malware: a.Malware, FixedIn: a.fixedIn})
		}
	}
	return found
}
