package protocol

import (
	"strings"
	"time"
	"unicode"

	"sluice.dev/sluice/tenants/coord"
	"sluice.dev/sluice/tenants/gate"
	"sluice.dev/sluice/tenants/policy"
)

// maxSentence bounds a refusal's sentence, in bytes.
const maxSentence = 600

// Sentence tells a person in one line what is withheld, by which registry, why,
// and what to install instead.
func Sentence(r *gate.Refusal) string {
	s := nameAtVersion(r.Version) + " is withheld"
	if d := r.Decision.Decisive; d != nil {
		s += ` by "` + d.RegistryName + `": ` + Because(r.Version, r.Decision)
	} else {
		s += ` by "` + r.Registry + `"`
	}
	s = shorten(clean(s), maxSentence)
	if r.Instead != "" {
		s += "; install " + clean(r.Instead) + " instead"
	}
	return s
}

// Because is the reason of a withheld version's decision, without the name that
// the reason may begin with, and with the time at which it heals by itself.
func Because(v coord.Version, d policy.Decision) string {
	if d.Decisive == nil {
		return "withheld by policy"
	}
	s := d.Decisive.Reason
	if rest, ok := strings.CutPrefix(s, v.String()+" "); ok {
		s = strings.TrimPrefix(strings.TrimPrefix(rest, "is "), "was ")
	}
	if until := d.Decisive.Until; !until.IsZero() && !strings.Contains(s, "available") {
		s += "; available from " + until.UTC().Format("2006-01-02 15:04 UTC")
	}
	return s
}

// nameAtVersion writes coordinates as people of the ecosystem type them.
func nameAtVersion(v coord.Version) string {
	switch v.Ecosystem {
	case coord.PyPI:
		return v.Name + "==" + v.Version
	case coord.Maven:
		return v.Name + ":" + v.Version
	case coord.NuGet:
		return v.Name + " " + v.Version
	}
	return v.Name + "@" + v.Version
}

// clean makes one line of s without control and invisible characters: it ends
// up on terminals, and parts of it were written by publishers.
func clean(s string) string {
	return strings.TrimSpace(strings.Map(func(r rune) rune {
		switch {
		case unicode.IsSpace(r):
			return ' '
		case unicode.IsControl(r) || unicode.Is(unicode.Cf, r) || r == unicode.ReplacementChar:
			return -1
		}
		return r
	}, s))
}

// ASCII makes one line of printable ASCII of at most max bytes, for reason
// phrases, header fields and terminals; other characters become "?".
func ASCII(s string, max int) string {
	return shorten(strings.Map(func(r rune) rune {
		if r > '~' {
			return '?'
		}
		return r
	}, clean(s)), max)
}

// shorten cuts s to at most max bytes, at a character, with dots.
func shorten(s string, max int) string {
	if len(s) <= max {
		return s
	}
	return strings.ToValidUTF8(s[:max-3], "") + "..."
}

// rfc3339 is a time for machines, "" for none.
func rfc3339(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339)
}
