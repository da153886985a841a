package policy

import "sluice.dev/sluice/tenants/license"

// EvidenceNoLicense is the evidence of a verdict about a version that declares
// no licence.
const EvidenceNoLicense = "no licence declared"

// license applies a licence rule. What is not collected yet is no reason for
// anything (P3): it is asked for again at the file.
func (e *evaluation) license() {
	p := e.rule.Params.License
	if p == nil {
		return
	}
	var found license.Violation
	evidence := e.facts.License.Expression
	switch e.facts.License.State {
	case LicenseNotCollected, "":
		return
	case LicenseDeclared:
		found = p.EvaluateText(evidence)
	case LicenseMissing:
		found, evidence = p.EvaluateMissing(), EvidenceNoLicense
	default:
		found = p.EvaluateUnknown(evidence)
	}
	if found.Severity == license.None || Severity(found.Severity) < e.rule.Params.MinSeverity || e.acknowledged(evidence) {
		return
	}
	v := e.verdict(e.rule.Effect)
	v.Evidence = []string{evidence}
	v.Unknown = e.facts.License.State != LicenseDeclared
	v.Reason = ascii(e.facts.Version.String() + " " + found.Reason)
}
