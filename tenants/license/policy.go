package license

import (
	"errors"
	"fmt"
	"strings"
)

// MaxRules bounds the rules of a policy.
const MaxRules = 500

// Policy is an organization's licence policy: how severe each licence is. The
// JSON form is what the database and the API hold. The zero Policy finds
// nothing severe.
type Policy struct {
	Rules       []Rule   `json:"rules"`
	NonMatching Severity `json:"nonMatching"` // a known licence that no rule names
	Unknown     Severity `json:"unknown"`     // a declared text that is no licence we understand
	Missing     Severity `json:"missing"`     // nothing declared
}

// Rule gives a severity to a licence or to a category; exactly one of the two
// is set.
//
// License is an id of the SPDX list ("GPL-3.0-only"), one with an exception
// ("GPL-2.0-only WITH Classpath-exception-2.0"), a reference ("LicenseRef-x"), or
// a beginning followed by "*" ("AGPL-*"). An id without exception is also about
// the same licence with one, unless a more exact rule is there.
type Rule struct {
	License  string   `json:"license,omitempty"`
	Category Category `json:"category,omitempty"`
	Severity Severity `json:"severity"`
	Note     string   `json:"note,omitempty"` // shown in the reason, why the organization says so
}

// DefaultPolicy is the policy that a new organization starts with. It is mild,
// because the licence rule that uses it only warns (P11): permissive licences
// are fine, copyleft is named by its strength, everything else is low.
func DefaultPolicy() Policy {
	return Policy{
		Rules: []Rule{
			{Category: Permissive, Severity: None},
			{Category: WeakCopyleft, Severity: Low},
			{Category: StrongCopyleft, Severity: Medium},
			{Category: NetworkCopyleft, Severity: High},
			{Category: NonCommercial, Severity: High},
		},
		NonMatching: Low,
		Unknown:     Low,
		Missing:     Low,
	}
}

// Validate returns all mistakes of the policy, joined; nil when there is none.
func (p Policy) Validate() error {
	var problems []error
	if len(p.Rules) > MaxRules {
		problems = append(problems, fmt.Errorf("licence policy has %d rules; at most %d are allowed", len(p.Rules), MaxRules))
	}
	for name, s := range map[string]Severity{"nonMatching": p.NonMatching, "unknown": p.Unknown, "missing": p.Missing} {
		if !s.Valid() {
			problems = append(problems, fmt.Errorf("licence policy: %s is no severity", name))
		}
	}
	for i, r := range p.Rules {
		if err := r.validate(); err != nil {
			problems = append(problems, fmt.Errorf("licence rule %d: %w", i+1, err))
		}
	}
	return errors.Join(problems...)
}

func (r Rule) validate() error {
	switch {
	case !r.Severity.Valid():
		return fmt.Errorf("%d is no severity", int(r.Severity))
	case (r.License == "") == (r.Category == ""):
		return errors.New("must name either a licence or a category")
	case r.Category != "" && !r.Category.Valid():
		return fmt.Errorf("category %q: must be one of %v", r.Category, Categories())
	case r.Category != "":
		return nil
	}
	if begin, wild := strings.CutSuffix(r.License, "*"); wild {
		if begin == "" || strings.Contains(begin, "*") {
			return fmt.Errorf("licence %q: '*' may only follow a beginning, for example AGPL-*", r.License)
		}
		return nil
	}
	e, err := ParseSPDX(r.License)
	if err != nil {
		return err
	}
	if e.root.id == "" {
		return fmt.Errorf("licence %q: must be one licence; write a rule for each", r.License)
	}
	if e.root.id != r.License {
		return fmt.Errorf("licence %q: write it as %q", r.License, e.root.id)
	}
	return nil
}

// Violation is what a policy says about a licence. Severity None means that
// there is nothing to say, and then the other fields are empty.
type Violation struct {
	Severity Severity
	License  string // the licence that decides, or the text that is not understood
	Reason   string // one sentence for people, no trailing stop
}

// Evaluate says how severe the expression is: of alternatives the best counts,
// of licences that apply together the worst. The zero Expression is missing.
func (p *Policy) Evaluate(e Expression) Violation {
	if e.root == nil {
		return p.EvaluateMissing()
	}
	severity, decisive, rule := p.worst(e.root)
	if severity == None {
		return Violation{}
	}
	return Violation{Severity: severity, License: decisive, Reason: reason(severity, decisive, rule, e)}
}

// EvaluateText is [Policy.Evaluate] for an expression that was normalized
// before and is read again; text that is no expression is unknown.
func (p *Policy) EvaluateText(text string) Violation {
	if plainIDs[text] {
		// The usual case, one licence that is fine, allocates nothing.
		if severity, _ := p.severityOf(text); severity == None {
			return Violation{}
		}
	}
	e, err := ParseSPDX(text)
	if err != nil {
		return p.EvaluateUnknown(text)
	}
	return p.Evaluate(e)
}

// EvaluateUnknown says how severe a declared text is that is not understood.
func (p *Policy) EvaluateUnknown(text string) Violation {
	if p.Unknown == None {
		return Violation{}
	}
	return Violation{Severity: p.Unknown, License: text, Reason: fmt.Sprintf("declares the licence %q, which is not understood (%s)", shortened(text), p.Unknown)}
}

// EvaluateMissing says how severe it is that nothing is declared.
func (p *Policy) EvaluateMissing() Violation {
	if p.Missing == None {
		return Violation{}
	}
	return Violation{Severity: p.Missing, Reason: fmt.Sprintf("declares no licence (%s)", p.Missing)}
}

// maxShown bounds what a reason repeats of a declared text, in bytes.
const maxShown = 80

func shortened(text string) string {
	if len(text) <= maxShown {
		return text
	}
	return strings.ToValidUTF8(text[:maxShown], "") + "..."
}

// worst returns the severity of n, and the licence and the rule that decide it;
// the rule is nil for a licence that no rule names.
func (p *Policy) worst(n *node) (Severity, string, *Rule) {
	if n.id != "" {
		severity, rule := p.severityOf(n.id)
		return severity, n.id, rule
	}
	left, leftID, leftRule := p.worst(n.left)
	right, rightID, rightRule := p.worst(n.right)
	if n.or == (right < left) && right != left {
		return right, rightID, rightRule
	}
	return left, leftID, leftRule
}

// severityOf finds the rule for one licence: the same id first, then the id
// without its exception, then the longest beginning, then the category.
func (p *Policy) severityOf(id string) (Severity, *Rule) {
	base, _, _ := strings.Cut(id, " WITH ")
	category := CategoryOf(id)
	var best *Rule
	bestRank := 0
	for i := range p.Rules {
		if rank := p.Rules[i].rank(id, base, category); rank > bestRank {
			best, bestRank = &p.Rules[i], rank
		}
	}
	if best == nil {
		return p.NonMatching, nil
	}
	return best.Severity, best
}

// rank is how exactly the rule is about the licence; 0 when it is not.
func (r *Rule) rank(id, base string, category Category) int {
	const byID, byBase, byBeginning, byCategory = MaxLength + 3, MaxLength + 2, 2, 1
	switch {
	case r.Category != "":
		if r.Category == category {
			return byCategory
		}
	case r.License == id:
		return byID
	case r.License == base:
		return byBase
	default:
		if begin, wild := strings.CutSuffix(r.License, "*"); wild && strings.HasPrefix(id, begin) {
			return byBeginning + min(len(begin), MaxLength-1)
		}
	}
	return 0
}

// reason explains the severity of a licence.
func reason(severity Severity, id string, rule *Rule, e Expression) string {
	var b strings.Builder
	fmt.Fprintf(&b, "is licensed under %s", shortened(id))
	if whole := e.String(); whole != id {
		fmt.Fprintf(&b, " (of %s)", shortened(whole))
	}
	switch {
	case rule == nil:
		fmt.Fprintf(&b, ", which no licence rule names (%s)", severity)
	case rule.Category != "":
		fmt.Fprintf(&b, ", %s (%s)", categoryWords[rule.Category], severity)
	default:
		fmt.Fprintf(&b, ", which the licence policy lists (%s)", severity)
	}
	if rule != nil && rule.Note != "" {
		b.WriteString(": " + shortened(rule.Note))
	}
	return b.String()
}

var categoryWords = map[Category]string{
	Permissive:      "a permissive licence",
	WeakCopyleft:    "a weak copyleft licence",
	StrongCopyleft:  "a strong copyleft licence",
	NetworkCopyleft: "a network copyleft licence",
	NonCommercial:   "a licence that restricts commercial use",
}
