package advisory

import (
	"bytes"
	"strings"

	gocvss20 "github.com/pandatix/go-cvss/20"
	gocvss30 "github.com/pandatix/go-cvss/30"
	gocvss31 "github.com/pandatix/go-cvss/31"
	gocvss40 "github.com/pandatix/go-cvss/40"

	"sluice.dev/sluice/tenants/policy"
)

// maxVector bounds a CVSS vector, in bytes; version 4 with every metric has 190.
const maxVector = 500

// baseScore returns the score of a CVSS vector of version 2, 3.0, 3.1 or 4.0
// and the severity that its specification gives that score; ok is false when
// it is no such vector.
func baseScore(vector string) (score float64, severity policy.Severity, ok bool) {
	if len(vector) > maxVector {
		return 0, 0, false
	}
	switch {
	case strings.HasPrefix(vector, "CVSS:4.0/"):
		v, err := gocvss40.ParseVector(vector)
		if err != nil {
			return 0, 0, false
		}
		score = v.Score()
	case strings.HasPrefix(vector, "CVSS:3.1/"):
		v, err := gocvss31.ParseVector(vector)
		if err != nil {
			return 0, 0, false
		}
		score = v.BaseScore()
	case strings.HasPrefix(vector, "CVSS:3.0/"):
		v, err := gocvss30.ParseVector(vector)
		if err != nil {
			return 0, 0, false
		}
		score = v.BaseScore()
	default:
		v, err := gocvss20.ParseVector(strings.TrimSuffix(strings.TrimPrefix(vector, "("), ")"))
		if err != nil {
			return 0, 0, false
		}
		return v.BaseScore(), rate2(v.BaseScore()), true
	}
	return score, rate(score), true
}

// rate returns a score's severity. The "none" of CVSS 3 and 4 (0.0) is a low
// one here: it is known, which the unknown one is not.
func rate(score float64) policy.Severity {
	return max(policy.SeverityOfCVSS(score), policy.SeverityLow)
}

// rate2 is the scale of the National Vulnerability Database for CVSS 2, which
// has no "critical".
func rate2(score float64) policy.Severity { return min(rate(score), policy.SeverityHigh) }

// namedSeverity reads database_specific.severity as the GitHub Advisory
// Database and others spell it.
func namedSeverity(name string) policy.Severity {
	switch strings.ToUpper(name) {
	case "CRITICAL":
		return policy.SeverityCritical
	case "HIGH", "IMPORTANT":
		return policy.SeverityHigh
	case "MODERATE", "MEDIUM":
		return policy.SeverityMedium
	case "LOW", "NONE", "NEGLIGIBLE":
		return policy.SeverityLow
	}
	return policy.SeverityUnknown
}

// severity is the highest of the CVSS vectors, of the record and of its
// packages, else what the database says, else unknown.
func (d *decoding) severity(raw *rawRecord) (severity policy.Severity, cvss float64) {
	take := func(list []rawSeverity) {
		for _, s := range list {
			if !strings.HasPrefix(s.Type, "CVSS_") {
				continue // scores of distributions
			}
			score, rated, ok := baseScore(s.Score)
			if !ok {
				d.note("severity %q is not a CVSS vector; it is ignored", printable(s.Score))
				continue
			}
			severity, cvss = max(severity, rated), max(cvss, score)
		}
	}
	take(raw.Severity)
	for i := range raw.Affected {
		take(raw.Affected[i].Severity)
	}
	// Looking first spares most records of malware, the bulk of all, a parse.
	if severity == policy.SeverityUnknown && bytes.Contains(raw.DatabaseSpecific, []byte(`"severity"`)) {
		severity = namedSeverity(databaseOf(raw).Severity.v)
	}
	return severity, cvss
}
