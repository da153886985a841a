package policy

import "fmt"

var (
	severityNames = [...]string{"UNKNOWN", "LOW", "MEDIUM", "HIGH", "CRITICAL"}
	effectNames   = [...]string{"ALLOW", "WARN", "DENY", "QUARANTINE"}
)

// Valid reports whether s is one of the constants.
func (s Severity) Valid() bool { return s >= SeverityUnknown && s <= SeverityCritical }

// String returns the name, for example "HIGH".
func (s Severity) String() string {
	if !s.Valid() {
		return fmt.Sprintf("Severity(%d)", int(s))
	}
	return severityNames[s]
}

// ParseSeverity returns the severity of that name, in capital letters.
func ParseSeverity(name string) (Severity, error) {
	for i, n := range severityNames {
		if n == name {
			return Severity(i), nil
		}
	}
	return 0, fmt.Errorf("severity %q: must be one of UNKNOWN, LOW, MEDIUM, HIGH, CRITICAL", name)
}

// MarshalText returns the name; an error for a number that is no severity.
func (s Severity) MarshalText() ([]byte, error) {
	if !s.Valid() {
		return nil, fmt.Errorf("severity %d does not exist", int(s))
	}
	return []byte(severityNames[s]), nil
}

// UnmarshalText is [ParseSeverity].
func (s *Severity) UnmarshalText(text []byte) (err error) {
	*s, err = ParseSeverity(string(text))
	return err
}

// SeverityOfCVSS returns the band of a CVSS v3 or v4 base score (0.1 to 10);
// SeverityUnknown for 0 and for what is no score.
func SeverityOfCVSS(score float64) Severity {
	switch {
	case score >= 9 && score <= 10:
		return SeverityCritical
	case score >= 7 && score < 9:
		return SeverityHigh
	case score >= 4 && score < 7:
		return SeverityMedium
	case score > 0 && score < 4:
		return SeverityLow
	}
	return SeverityUnknown
}

// Valid reports whether e is one of the constants.
func (e Effect) Valid() bool { return e >= Allow && e <= Quarantine }

// String returns the name, for example "QUARANTINE".
func (e Effect) String() string {
	if !e.Valid() {
		return fmt.Sprintf("Effect(%d)", int(e))
	}
	return effectNames[e]
}

// ParseEffect returns the effect of that name, in capital letters.
func ParseEffect(name string) (Effect, error) {
	for i, n := range effectNames {
		if n == name {
			return Effect(i), nil
		}
	}
	return 0, fmt.Errorf("effect %q: must be one of ALLOW, WARN, DENY, QUARANTINE", name)
}

// MarshalText returns the name; an error for a number that is no effect.
func (e Effect) MarshalText() ([]byte, error) {
	if !e.Valid() {
		return nil, fmt.Errorf("effect %d does not exist", int(e))
	}
	return []byte(effectNames[e]), nil
}

// UnmarshalText is [ParseEffect].
func (e *Effect) UnmarshalText(text []byte) (err error) {
	*e, err = ParseEffect(string(text))
	return err
}
