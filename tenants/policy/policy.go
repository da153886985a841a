// Package policy decides. [Evaluate] is a pure function of rules, facts and
// the time (law P2): no clock, no network, no database, no context. Whatever
// reveals or delivers a version asks the gate, and the gate asks this package.
package policy

import (
	"time"

	"github.com/google/uuid"

	"sluice.dev/sluice/tenants/coord"
	"sluice.dev/sluice/tenants/license"
)

// Effect is what a rule, and in the end a decision, does with a version. The
// order is strictness: a larger one wins (P1, P6).
type Effect int

// The effects.
const (
	Allow      Effect = iota // served
	Warn                     // served, recorded, a finding
	Deny                     // withheld while the condition is true; heals by itself
	Quarantine               // withheld by a hold, until a person or Q5 releases it
)

// Kind names what a rule looks at (P9).
type Kind string

// The rule kinds that work.
const (
	KindVulnerability Kind = "VULNERABILITY"
	KindMalware       Kind = "MALWARE"
	KindLicense       Kind = "LICENSE"
	KindBlock         Kind = "BLOCK"
	KindMinimumAge    Kind = "MINIMUM_AGE"
)

// The rule kinds that are asked when somebody writes. They say nothing about
// what is served.
const (
	KindImmutable       Kind = "IMMUTABLE"        // versions cannot be unpublished or deleted
	KindBlockDownstream Kind = "BLOCK_DOWNSTREAM" // registries below push nothing here
)

// OnWrite reports whether rules of the kind are about writes only.
func (k Kind) OnWrite() bool { return k == KindImmutable || k == KindBlockDownstream }

// Reasons for a withheld version that are no rule of a registry; they appear
// as [Verdict].Kind beside the rule kinds.
const (
	KindHold      Kind = "HOLD"      // an open hold (Q1)
	KindTombstone Kind = "TOMBSTONE" // deleted for security (D1)
	KindOwnership Kind = "OWNERSHIP" // the name is owned by the organization (O4)
)

// Mode tells whether a rule acts or only says what it would have done (P4).
type Mode string

// The modes.
const (
	Enforce Mode = "ENFORCE"
	DryRun  Mode = "DRY_RUN"
)

// Scope tells to which versions a rule applies (P5).
type Scope string

// The scopes. Held means held by the registry that owns the rule.
const (
	NewOnly    Scope = "NEW"
	NewAndHeld Scope = "NEW_AND_HELD"
)

// OnViolation tells how a withheld version looks in lists (P7).
type OnViolation string

// The ways.
const (
	Hide OnViolation = "HIDE" // not listed: resolvers choose the newest allowed version
	Fail OnViolation = "FAIL" // stays listed, so that the install fails loudly
)

// Unknown tells what a rule does with a fact that is not known (P3). The empty
// value is the default of the kind: WARN without an advisory feed, DENY without
// a publish time. (A licence policy has severities of its own for what is unknown
// or missing.)
type Unknown string

// The choices.
const (
	UnknownAllow      Unknown = "ALLOW"
	UnknownWarn       Unknown = "WARN"
	UnknownDeny       Unknown = "DENY"
	UnknownQuarantine Unknown = "QUARANTINE"
)

// Severity of an advisory or a licence violation, ordered.
type Severity int

// The severities, as CVSS v3 names them; SeverityUnknown sorts lowest. A match
// without a severity counts by its CVSS score, and as MEDIUM when it has none
// either: too little to be withheld by a rule that starts at HIGH, too much to
// be passed over by one that starts at LOW. See [Match.Effective].
const (
	SeverityUnknown Severity = iota
	SeverityLow
	SeverityMedium
	SeverityHigh
	SeverityCritical
)

// Rule is one condition with an effect, of one registry.
type Rule struct {
	ID          uuid.UUID
	Name        string // shown in reasons, for example "vulnerability from HIGH"
	Kind        Kind
	Mode        Mode
	Effect      Effect
	Applies     Scope
	OnViolation OnViolation
	Unknown     Unknown
	Params      Params
	AutoRelease bool // whether a hold of this rule ends by itself when its cause has gone (Q5)
}

// Params are the settings of a rule; only those of its kind are read. The JSON
// form is what the database and the API hold; see [Params.MarshalJSON].
type Params struct {
	MinSeverity Severity           `json:"minSeverity,omitempty"` // VULNERABILITY, LICENSE: from this one upward; UNKNOWN = all
	MinAge      time.Duration      `json:"minAge,omitempty"`      // MINIMUM_AGE: up to 90 days
	Definitions []coord.Definition `json:"definitions,omitempty"` // BLOCK: what is blocked; MINIMUM_AGE: what is exempt
	License     *license.Policy    `json:"license,omitempty"`     // LICENSE: nil means that everything is allowed
	// Grace is how long a vulnerability that became known about a version which
	// the rule's registry holds only warns (P5); nil = 7 days, 0 = act at once.
	Grace      *time.Duration `json:"grace,omitempty"`
	MaxFeedAge time.Duration  `json:"maxFeedAge,omitempty"` // VULNERABILITY, MALWARE: older snapshots are unknown; 0 = any age
}

// Hop is one registry on the path of a version with its rules, in order.
type Hop struct {
	Registry     uuid.UUID
	RegistryName string
	Holds        bool // whether this registry holds the version (P5)
	Rules        []Rule
	Acknowledged []string // evidence that a released POLICY hold acknowledged here (Q4): it does not count again
}

// Decision is the answer for one version: a value, never an error.
type Decision struct {
	Effect     Effect
	Decisive   *Verdict  // first, in flow and rule order, with the strictest effect; nil when Effect is Allow
	Verdicts   []Verdict // everything that was not a plain allow, dry-run included, in order
	ValidUntil time.Time // next instant at which time alone may change the decision; zero = never
	Listed     bool      // whether lists show it: allowed, or withheld and every verdict that withholds says Fail
}

// Withheld reports whether the version must not be revealed or delivered.
func (d Decision) Withheld() bool { return d.Effect >= Deny }

// Verdict is what one rule (or hold, tombstone, ownership) says.
type Verdict struct {
	Registry     uuid.UUID   `json:"registry"`
	RegistryName string      `json:"registryName"`
	Rule         uuid.UUID   `json:"rule"` // nil for HOLD, TOMBSTONE, OWNERSHIP
	RuleName     string      `json:"ruleName"`
	Kind         Kind        `json:"kind"`
	Mode         Mode        `json:"mode"`
	Effect       Effect      `json:"effect"`
	Reason       string      `json:"reason"`             // one sentence for people, no trailing stop
	Evidence     []string    `json:"evidence,omitempty"` // finding ids: advisory ids, licence expression, definition
	Until        time.Time   `json:"until,omitzero"`     // when it heals by itself; zero = not by time
	FixedIn      []string    `json:"fixedIn,omitempty"`  // VULNERABILITY: versions that fix it, ascending
	Unknown      bool        `json:"unknown,omitempty"`  // decided on a missing fact
	OnViolation  OnViolation `json:"onViolation,omitempty"`
}

// Facts is what rules may look at, unknowns explicit (P3).
type Facts struct {
	Version    coord.Version
	Origin     coord.Origin
	FromRemote bool      // reached the organization from a remote (minimum age looks at these only)
	Published  time.Time // zero = unknown
	AgeExempt  bool      // the one fix that minimum age lets through (P9); the caller works it out
	Advisories AdvisoryFacts
	License    LicenseFact
}

// AdvisoryFacts is what the advisory snapshot says about a version.
type AdvisoryFacts struct {
	Snapshot time.Time // when the newest real feed was imported; zero = there is none (demonstration advisories never count)
	Matches  []Match   // open matches, demonstration ones included
}

// Match is one advisory that affects the version.
type Match struct {
	ID       string   // OSV id
	Aliases  []string // CVE first
	Summary  string
	Severity Severity
	CVSS     float64 // 0 = none given
	Malware  bool
	FixedIn  []string  // fixed versions that the advisory names for this package, ascending
	Since    time.Time // when the organization's finding was opened; zero = not yet, which counts as now
}

// LicenseState tells whether a licence is known.
type LicenseState string

// The states. NotCollected never hides a version from a list (P3); the empty
// state means the same.
const (
	LicenseDeclared     LicenseState = "DECLARED"
	LicenseMissing      LicenseState = "MISSING"
	LicenseUnknown      LicenseState = "UNKNOWN" // declared, but not an SPDX expression that we understand
	LicenseNotCollected LicenseState = "NOT_COLLECTED"
)

// LicenseFact is the declared licence of a version.
type LicenseFact struct {
	State      LicenseState
	Expression string // normalized SPDX expression when DECLARED, else the text as found
}
