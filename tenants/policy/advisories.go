package policy

import (
	"slices"
	"strconv"
	"strings"

	"sluice.dev/sluice/tenants/coord"
)

// Effective returns the severity by which the match counts: its own, else that
// of its CVSS score, else MEDIUM.
func (m *Match) Effective() Severity {
	if m.Severity != SeverityUnknown {
		return m.Severity
	}
	if s := SeverityOfCVSS(m.CVSS); s != SeverityUnknown {
		return s
	}
	return SeverityMedium
}

// advisories applies a vulnerability or a malware rule. The age of the snapshot
// is looked at apart from the matches, so that what is known acts even when the
// feed is missing or old (P3).
func (e *evaluation) advisories() {
	var counted []*Match
	for i := range e.facts.Advisories.Matches {
		if m := &e.facts.Advisories.Matches[i]; e.counts(m) {
			counted = append(counted, m)
		}
	}
	now, later := e.graced(counted)
	if len(now) > 0 {
		e.matched(now, e.rule.Effect)
	}
	if len(later) > 0 {
		e.matched(later, min(e.rule.Effect, Warn))
	}
	e.feed()
}

// graced splits off the vulnerabilities that became known about a version which
// the rule's registry holds, and whose grace time has not ended: they warn (P5).
func (e *evaluation) graced(counted []*Match) (now, later []*Match) {
	grace := DefaultGrace
	if g := e.rule.Params.Grace; g != nil {
		grace = *g
	}
	if !e.hop.Holds || e.rule.Kind != KindVulnerability || grace == 0 {
		return counted, nil
	}
	for _, m := range counted {
		since := m.Since
		if since.IsZero() {
			since = e.now
		}
		if end := since.Add(grace); end.After(e.now) {
			later = append(later, m)
			e.until(end)
		} else {
			now = append(now, m)
		}
	}
	return now, later
}

// counts reports whether the rule in hand is about the match, and nobody has
// acknowledged it (Q4).
func (e *evaluation) counts(m *Match) bool {
	if m.Malware != (e.rule.Kind == KindMalware) {
		return false
	}
	return (m.Malware || m.Effective() >= e.rule.Params.MinSeverity) && !e.acknowledged(m.ID)
}

// matched appends one verdict for all matches that count, the worst first.
func (e *evaluation) matched(counted []*Match, effect Effect) {
	slices.SortStableFunc(counted, func(a, b *Match) int { return int(b.Effective()) - int(a.Effective()) })
	v := e.verdict(effect)
	for _, m := range counted {
		v.Evidence = append(v.Evidence, m.ID)
		if !m.Malware {
			v.FixedIn = append(v.FixedIn, m.FixedIn...)
		}
	}
	if len(counted) > 1 && len(v.FixedIn) > 1 {
		coord.Sort(e.facts.Version.Ecosystem, v.FixedIn)
		v.FixedIn = slices.Compact(v.FixedIn)
	}
	v.Reason = advisoryReason(e.facts.Version, counted)
}

// feed appends the verdict for advisory data that is missing or too old.
func (e *evaluation) feed() {
	snapshot, maxAge := e.facts.Advisories.Snapshot, e.rule.Params.MaxFeedAge
	if snapshot.IsZero() {
		if v := e.unknown(UnknownWarn); v != nil {
			v.Reason = "no advisory feed imported yet: whether " + ascii(e.facts.Version.String()) + " is " + e.subject() + " is not known"
		}
		return
	}
	if maxAge <= 0 {
		return
	}
	if end := snapshot.Add(maxAge); end.After(e.now) {
		e.until(end)
		return
	}
	if v := e.unknown(UnknownWarn); v != nil {
		v.Reason = "the advisory feed is of " + stamp(snapshot) + ", older than the " + days(maxAge) + " that are allowed: whether " +
			ascii(e.facts.Version.String()) + " is " + e.subject() + " is not known"
	}
}

func (e *evaluation) subject() string {
	if e.rule.Kind == KindMalware {
		return "malware"
	}
	return "vulnerable"
}

// advisoryReason is the sentence about matches, of which the first is the worst.
func advisoryReason(version coord.Version, matches []*Match) string {
	worst := matches[0]
	var b strings.Builder
	b.WriteString(version.String())
	if worst.Malware {
		b.WriteString(" is malware according to " + worst.ID)
	} else {
		b.WriteString(" is affected by " + worst.ID + " (" + worst.severityWord() + ")")
	}
	if worst.Summary != "" {
		b.WriteString(`, "` + quotable(worst.Summary) + `"`)
	}
	switch more := len(matches) - 1; {
	case more == 1:
		b.WriteString(", and 1 more advisory")
	case more > 1:
		b.WriteString(", and " + strconv.Itoa(more) + " more advisories")
	}
	if !worst.Malware {
		b.WriteString(fixSentence(version, matches))
	}
	return ascii(b.String())
}

// severityWord is the severity as it is said, which for a match without one
// tells by what it counts.
func (m *Match) severityWord() string {
	if m.Severity == SeverityUnknown && SeverityOfCVSS(m.CVSS) == SeverityUnknown {
		return "severity unknown, counted as " + m.Effective().String()
	}
	return m.Effective().String()
}

// fixSentence names the lowest version that is above this one and fixes
// everything, or says that there is none.
func fixSentence(version coord.Version, matches []*Match) string {
	fixed := ""
	for _, m := range matches {
		lowest := lowestAbove(version, m.FixedIn)
		if lowest == "" {
			return "; no fixed version is known"
		}
		if fixed == "" || coord.Compare(version.Ecosystem, lowest, fixed) > 0 {
			fixed = lowest
		}
	}
	return "; fixed in " + fixed
}

// lowestAbove returns the lowest of the versions that is above v, "" for none.
func lowestAbove(v coord.Version, versions []string) string {
	lowest := ""
	for _, candidate := range versions {
		if coord.Compare(v.Ecosystem, candidate, v.Version) > 0 &&
			(lowest == "" || coord.Compare(v.Ecosystem, candidate, lowest) < 0) {
			lowest = candidate
		}
	}
	return lowest
}
