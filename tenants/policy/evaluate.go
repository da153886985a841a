package policy

import (
	"slices"
	"time"

	"sluice.dev/sluice/tenants/coord"
)

// Evaluate decides about one version. Hops are the registries of its path in
// flow order, outermost upstream first (P1); every rule of every hop is asked,
// and all that was not a plain allow is recorded. It looks at nothing but its
// arguments (P2).
//
// Holds, tombstones and ownership are not rules: the gate adds their verdicts
// with [Decide].
func Evaluate(hops []Hop, f Facts, now time.Time) Decision {
	e := evaluation{facts: &f, now: now}
	for i := range hops {
		e.hop = &hops[i]
		for j := range e.hop.Rules {
			e.rule = &e.hop.Rules[j]
			if e.rule.Applies == NewOnly && e.hop.Holds {
				continue // P5
			}
			e.apply()
		}
	}
	return Decide(e.verdicts, e.validUntil)
}

// Decide makes a decision of verdicts that are in flow and rule order: the
// strictest effect of those that are enforced, and the first verdict that has
// it (P1, P4). ValidUntil is passed through. The decision keeps the slice.
func Decide(verdicts []Verdict, validUntil time.Time) Decision {
	d := Decision{Verdicts: verdicts, ValidUntil: validUntil, Listed: true}
	for i := range verdicts {
		v := &verdicts[i]
		if v.Mode == DryRun {
			continue
		}
		if v.Effect > d.Effect {
			d.Effect, d.Decisive = v.Effect, v
		}
		if v.Effect >= Deny && v.OnViolation != Fail {
			d.Listed = false // P7
		}
	}
	return d
}

// evaluation is the state of one call of Evaluate: the rule in hand, and what
// was said so far.
type evaluation struct {
	facts      *Facts
	now        time.Time
	hop        *Hop
	rule       *Rule
	verdicts   []Verdict
	validUntil time.Time
}

func (e *evaluation) apply() {
	switch e.rule.Kind {
	case KindVulnerability, KindMalware:
		e.advisories()
	case KindLicense:
		e.license()
	case KindBlock:
		e.block()
	case KindMinimumAge:
		e.minimumAge()
	case KindImmutable, KindBlockDownstream: // about writes, not about what is served
	default:
		// A rule that this program does not know, for example because a newer
		// one wrote it, must not let anything through (F1).
		v := e.verdict(max(e.rule.Effect, Deny))
		v.Unknown = true
		v.Reason = ascii("rule of the kind " + string(e.rule.Kind) + ", which this version of Sluice does not know")
	}
}

// verdict appends a verdict of the rule in hand and returns it to be filled in.
func (e *evaluation) verdict(effect Effect) *Verdict {
	e.verdicts = append(e.verdicts, Verdict{
		Registry:     e.hop.Registry,
		RegistryName: e.hop.RegistryName,
		Rule:         e.rule.ID,
		RuleName:     e.rule.Name,
		Kind:         e.rule.Kind,
		Mode:         e.rule.Mode,
		Effect:       effect,
		OnViolation:  e.rule.OnViolation,
	})
	return &e.verdicts[len(e.verdicts)-1]
}

// unknown appends the verdict for a fact that is not known, if the rule says
// anything but allow about that.
func (e *evaluation) unknown(fallback Unknown) *Verdict {
	choice := e.rule.Unknown
	if choice == "" {
		choice = fallback
	}
	effect := choice.effect()
	if effect == Allow {
		return nil
	}
	v := e.verdict(effect)
	v.Unknown = true
	return v
}

// effect of the choice; a value that is none of them fails closed.
func (u Unknown) effect() Effect {
	switch u {
	case UnknownAllow:
		return Allow
	case UnknownWarn:
		return Warn
	case UnknownQuarantine:
		return Quarantine
	}
	return Deny
}

// until says that time alone may change the decision at t.
func (e *evaluation) until(t time.Time) {
	if t.After(e.now) && (e.validUntil.IsZero() || t.Before(e.validUntil)) {
		e.validUntil = t
	}
}

func (e *evaluation) acknowledged(evidence string) bool {
	return slices.Contains(e.hop.Acknowledged, evidence)
}

// block withholds what one of the definitions is about.
func (e *evaluation) block() {
	for i := range e.rule.Params.Definitions {
		d := &e.rule.Params.Definitions[i]
		if d.Valid() && (!d.Matches(e.facts.Version) || e.acknowledged(d.Text)) {
			continue
		}
		v := e.verdict(e.rule.Effect)
		v.Evidence = []string{d.Text}
		v.Unknown = !d.Valid() // never read: it could be about anything (F1)
		v.Reason = ascii(e.facts.Version.String() + " is blocked by the definition " + d.Text)
		return
	}
}

// minimumAge looks at versions from remotes only, lets through the exemptions
// of P9, and tells when it ends.
func (e *evaluation) minimumAge() {
	if !e.facts.FromRemote || e.facts.AgeExempt || exempt(e.rule.Params.Definitions, e.facts.Version) {
		return
	}
	age := e.rule.Params.MinAge
	if e.facts.Published.IsZero() {
		if v := e.unknown(UnknownDeny); v != nil {
			v.Reason = ascii(e.facts.Version.String() + " has no known publish time, and must be at least " + days(age) + " old")
		}
		return
	}
	end := e.facts.Published.Add(age)
	if !end.After(e.now) {
		return
	}
	e.until(end)
	v := e.verdict(e.rule.Effect)
	if e.rule.Effect != Quarantine {
		v.Until = end // a hold does not end by itself
	}
	v.Reason = ascii(e.facts.Version.String() + " was published " + stamp(e.facts.Published) + " and must be at least " +
		days(age) + " old: it becomes available " + stamp(end))
}

func exempt(definitions []coord.Definition, v coord.Version) bool {
	for i := range definitions {
		if definitions[i].Matches(v) {
			return true
		}
	}
	return false
}
