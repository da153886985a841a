package api

import (
	"time"

	"github.com/google/uuid"

	"sluice.dev/sluice/tenants/audit"
	"sluice.dev/sluice/tenants/catalog"
	"sluice.dev/sluice/tenants/coord"
	"sluice.dev/sluice/tenants/gate"
	"sluice.dev/sluice/tenants/intake"
	"sluice.dev/sluice/tenants/policy"
)

// Node is any object that has an id.
type Node any

// UpstreamSource is a registry or a remote.
type UpstreamSource any

// Principal is a member, team, service account or token.
type Principal any

// Arrival is how a version came to be held, as package catalog names it.
type Arrival string

// PublishedFrom is where a time of publication comes from (R5).
type PublishedFrom string

// RunState is how far something is that runs by itself.
type RunState string

// Package is a package as one registry has it.
type Package struct {
	catalog.At
	VersionCount int
	LastHeldAt   *time.Time // nil when it holds no version
}

// PURL returns the package URL.
func (p Package) PURL() string { return p.Package.PURL() }

// Version is a version as one registry sees it. What only a held version has is
// nil or empty for others.
type Version struct {
	coord.Version
	Registry      uuid.UUID
	Release       uuid.UUID // the row of its bytes; nil when it is not held
	HeldAt        *time.Time
	Arrival       *Arrival
	Origin        coord.Origin
	PublishedAt   *time.Time
	PublishedFrom *PublishedFrom
	Digest        *string
	License       *policy.LicenseFact
}

// Text returns the version itself.
func (v Version) Text() string { return v.Version.Version }

// PURL returns the package URL.
func (v Version) PURL() string { return v.Version.PURL() }

// Held reports whether the registry holds it.
func (v Version) Held() bool { return v.HeldAt != nil }

// Explanation is what the gate answers for a version.
type Explanation struct{ *gate.Explanation }

// PURL returns the package URL of the version.
func (e Explanation) PURL() string { return e.Version.PURL() }

// Effect returns what is done with it.
func (e Explanation) Effect() policy.Effect { return e.Decision.Effect }

// Withheld reports whether it is neither listed nor delivered.
func (e Explanation) Withheld() bool { return e.Decision.Withheld() }

// Listed reports whether lists show it.
func (e Explanation) Listed() bool { return e.Decision.Listed }

// Decisive returns the verdict that decides, nil when nothing speaks against it.
func (e Explanation) Decisive() *policy.Verdict { return e.Decision.Decisive }

// Verdicts returns everything that was not a plain allow.
func (e Explanation) Verdicts() []policy.Verdict { return e.Decision.Verdicts }

// AdvisorySnapshot returns when the advisory data was imported, nil for none.
func (e Explanation) AdvisorySnapshot() *time.Time { return Moment(e.Snapshot) }

// AvailableAt returns when it heals by itself, nil when not by time.
func (e Explanation) AvailableAt() *time.Time { return Moment(e.Available) }

// PublishedAt returns when it was published, nil when nobody knows.
func (e Explanation) PublishedAt() *time.Time { return Moment(e.Published) }

// PublishedFrom tells where that date comes from, nil when there is none.
func (e Explanation) PublishedFrom() *PublishedFrom {
	from := PublishedFrom("SOURCE")
	switch {
	case e.Published.IsZero():
		return nil
	case e.FirstSeen:
		from = "FIRST_SEEN"
	case e.Held && e.Explanation.Remote == "":
		from = "PUBLISH"
	}
	return &from
}

// Remote returns the name of the remote, nil when there is none.
func (e Explanation) Remote() *string { return Text(e.Explanation.Remote) }

// Instead returns the version to install instead, nil when there is none.
func (e Explanation) Instead() *string { return Text(e.Explanation.Instead) }

// Moment returns a time as GraphQL has it: nil when it is zero.
func Moment(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

// Text returns a text as GraphQL has it where the empty one means none.
func Text(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

// BlastRadius is who has versions of a package, and who fetched them (C7).
type BlastRadius struct {
	Fetched audit.Fetched
	audit.Totals
	Holders          []uuid.UUID // that may be seen
	HiddenRegistries int
}

// Ownership is to whom a package's name belongs, as seen from a registry.
type Ownership struct {
	At       catalog.At
	Owner    *string
	Closed   *string
	Ledger   []*intake.Ownership
	Switches []*intake.NameSwitch
}
