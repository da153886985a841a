package license

import "fmt"

// Severity is how much a licence matters to an organization. The order is
// that of the constants, and the numbers from Low on are those of the severities
// of advisories in package policy.
type Severity int

// The severities. None is "no risk": no issue at all.
const (
	None Severity = iota
	Low
	Medium
	High
	Critical
)

var severityNames = [...]string{"NONE", "LOW", "MEDIUM", "HIGH", "CRITICAL"}

// Valid reports whether s is one of the constants.
func (s Severity) Valid() bool { return s >= None && s <= Critical }

// String returns the name, for example "HIGH".
func (s Severity) String() string {
	if !s.Valid() {
		return fmt.Sprintf("Severity(%d)", int(s))
	}
	return severityNames[s]
}

// MarshalText returns the name; an error for a number that is no severity.
func (s Severity) MarshalText() ([]byte, error) {
	if !s.Valid() {
		return nil, fmt.Errorf("license severity %d does not exist", int(s))
	}
	return []byte(severityNames[s]), nil
}

// UnmarshalText reads the name in capital letters.
func (s *Severity) UnmarshalText(text []byte) error {
	for i, name := range severityNames {
		if name == string(text) {
			*s = Severity(i)
			return nil
		}
	}
	return fmt.Errorf("license severity %q: must be one of NONE, LOW, MEDIUM, HIGH, CRITICAL", text)
}
