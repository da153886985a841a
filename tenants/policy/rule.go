package policy

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"sluice.dev/sluice/tenants/license"
)

// Bounds of a rule.
const (
	MaxMinAge      = 90 * 24 * time.Hour // P9
	MaxDefinitions = 5000
	MaxRuleName    = 200 // bytes
	MaxGrace       = 90 * 24 * time.Hour
	DefaultGrace   = 7 * 24 * time.Hour // P5
)

// DefaultFirewallRules returns the rules that a new firewall has (P11):
// vulnerability (quarantine from HIGH), malware (quarantine) and licence (warn,
// by the default licence policy). They have no ids yet.
func DefaultFirewallRules() []Rule {
	licences := license.DefaultPolicy()
	rule := func(name string, kind Kind, effect Effect, params Params) Rule {
		return Rule{
			Name: name, Kind: kind, Mode: Enforce, Effect: effect, Applies: DefaultScope(kind),
			OnViolation: Hide, Unknown: DefaultUnknown(kind), Params: params, AutoRelease: true,
		}
	}
	return []Rule{
		rule("vulnerability from HIGH", KindVulnerability, Quarantine, Params{MinSeverity: SeverityHigh}),
		rule("malware", KindMalware, Quarantine, Params{}),
		rule("licence", KindLicense, Warn, Params{License: &licences}),
	}
}

// DefaultScope returns to which versions a rule of the kind applies unless it
// says otherwise (P5).
func DefaultScope(k Kind) Scope {
	if k == KindBlock || k == KindMinimumAge {
		return NewOnly
	}
	return NewAndHeld
}

// DefaultUnknown returns what a rule of the kind does without its fact unless
// it says otherwise (P3).
func DefaultUnknown(k Kind) Unknown {
	if k == KindBlock || k == KindMinimumAge {
		return UnknownDeny
	}
	return UnknownWarn
}

// Validate returns all mistakes of the rule, joined; nil when there is none.
func (r Rule) Validate() error {
	var problems []error
	fail := func(field, format string, args ...any) {
		problems = append(problems, fmt.Errorf("%s: "+format, append([]any{field}, args...)...))
	}
	if strings.TrimSpace(r.Name) == "" {
		fail("name", "must not be empty")
	} else if len(r.Name) > MaxRuleName {
		fail("name", "is %d bytes long; at most %d are allowed", len(r.Name), MaxRuleName)
	}
	if r.Mode != Enforce && r.Mode != DryRun {
		fail("mode", "%q must be ENFORCE or DRY_RUN", r.Mode)
	}
	if r.Effect <= Allow || r.Effect > Quarantine {
		fail("effect", "%v must be WARN, DENY or QUARANTINE", r.Effect)
	}
	if r.Applies != NewOnly && r.Applies != NewAndHeld {
		fail("applies", "%q must be NEW or NEW_AND_HELD", r.Applies)
	}
	if r.OnViolation != Hide && r.OnViolation != Fail {
		fail("onViolation", "%q must be HIDE or FAIL", r.OnViolation)
	}
	switch r.Unknown {
	case UnknownAllow, UnknownWarn, UnknownDeny, UnknownQuarantine:
	default:
		fail("unknown", "%q must be ALLOW, WARN, DENY or QUARANTINE", r.Unknown)
	}
	r.validateParams(fail)
	return errors.Join(problems...)
}

// validateParams looks at the parameters that the kind reads.
func (r Rule) validateParams(fail func(field, format string, args ...any)) {
	p := r.Params
	switch r.Kind {
	case KindVulnerability, KindMalware:
		if p.MaxFeedAge < 0 {
			fail("params.maxFeedAge", "must not be negative")
		}
		if g := p.Grace; g != nil && (*g < 0 || *g > MaxGrace) {
			fail("params.grace", "%s must be at least 0 and at most %s", days(*g), days(MaxGrace))
		}
	case KindLicense:
		if p.License == nil {
			fail("params.license", "must have a licence policy")
		} else if err := p.License.Validate(); err != nil {
			fail("params.license", "%w", err)
		}
	case KindBlock:
		if len(p.Definitions) == 0 {
			fail("params.definitions", "must name at least one package, for example lodash@<4.17.21")
		}
	case KindMinimumAge:
		if p.MinAge <= 0 || p.MinAge > MaxMinAge {
			fail("params.minAge", "%s must be more than 0 and at most %s", days(p.MinAge), days(MaxMinAge))
		}
	case KindImmutable, KindBlockDownstream:
		if r.Mode == DryRun {
			fail("mode", "a rule of the kind %s is about writes, which have no dry run; it must be ENFORCE", r.Kind)
		}
		if r.Effect != Deny {
			fail("effect", "a rule of the kind %s refuses writes; it must be DENY", r.Kind)
		}
	default:
		fail("kind", "%q must be one of VULNERABILITY, MALWARE, LICENSE, BLOCK, MINIMUM_AGE, IMMUTABLE, BLOCK_DOWNSTREAM", r.Kind)
	}
	if !p.MinSeverity.Valid() {
		fail("params.minSeverity", "%v must be UNKNOWN, LOW, MEDIUM, HIGH or CRITICAL", p.MinSeverity)
	}
	if len(p.Definitions) > MaxDefinitions {
		fail("params.definitions", "has %d entries; at most %d are allowed", len(p.Definitions), MaxDefinitions)
	}
	for i, d := range p.Definitions {
		if !d.Valid() {
			fail("params.definitions", "entry %d (%q) was not parsed", i+1, d.Text)
		}
	}
}

// paramsJSON is the stored form of Params: durations as text.
type paramsJSON struct {
	plainParams
	MinAge     string `json:"minAge,omitempty"`
	MaxFeedAge string `json:"maxFeedAge,omitempty"`
	Grace      string `json:"grace,omitempty"`
}

type plainParams Params

// MarshalJSON writes durations as text that people can read ("168h0m0s") and
// leaves out what is not set.
func (p Params) MarshalJSON() ([]byte, error) {
	stored := paramsJSON{plainParams: plainParams(p)}
	if p.MinAge != 0 {
		stored.MinAge = p.MinAge.String()
	}
	if p.MaxFeedAge != 0 {
		stored.MaxFeedAge = p.MaxFeedAge.String()
	}
	if p.Grace != nil {
		stored.Grace = p.Grace.String()
	}
	return json.Marshal(stored)
}

// UnmarshalJSON reads the form of [Params.MarshalJSON].
func (p *Params) UnmarshalJSON(data []byte) error {
	var stored paramsJSON
	if err := json.Unmarshal(data, &stored); err != nil {
		return err
	}
	read := Params(stored.plainParams)
	var err error
	if read.MinAge, err = duration("minAge", stored.MinAge); err != nil {
		return err
	}
	if read.MaxFeedAge, err = duration("maxFeedAge", stored.MaxFeedAge); err != nil {
		return err
	}
	read.Grace = nil
	if stored.Grace != "" {
		g, err := duration("grace", stored.Grace)
		if err != nil {
			return err
		}
		read.Grace = &g
	}
	*p = read
	return nil
}

func duration(field, text string) (time.Duration, error) {
	if text == "" {
		return 0, nil
	}
	d, err := time.ParseDuration(text)
	if err != nil {
		return 0, fmt.Errorf("%s %q: must be a duration such as 168h", field, text)
	}
	return d, nil
}
