package policy

import (
	"strconv"
	"strings"
	"time"
	"unicode"

	"golang.org/x/text/unicode/norm"
)

// maxQuoted bounds how much of an advisory's summary a reason repeats, in bytes.
const maxQuoted = 120

// lookalikes are the marks that summaries have instead of ASCII ones.
var lookalikes = strings.NewReplacer(
	"\u2018", "'", "\u2019", "'", "\u201c", `"`, "\u201d", `"`, "\u00ab", `"`, "\u00bb", `"`,
	"\u2010", "-", "\u2011", "-", "\u2012", "-", "\u2013", "-", "\u2014", "-", "\u2212", "-",
	"\u2026", "...", "\u00df", "ss", "\u00d7", "x", "\u2192", "->", "\u2264", "<=", "\u2265", ">=",
)

// ascii returns s as one line of printable ASCII, because the reason of a
// refusal is sent in the reason phrase of HTTP/1.1 and in header fields. Accents
// are dropped, other letters become "?".
func ascii(s string) string {
	if isPrintableASCII(s) {
		return s
	}
	var b strings.Builder
	for _, r := range norm.NFKD.String(lookalikes.Replace(s)) {
		switch {
		case unicode.Is(unicode.Mn, r):
		case unicode.IsSpace(r) || unicode.IsControl(r):
			b.WriteByte(' ')
		case r > unicode.MaxASCII:
			b.WriteByte('?')
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}

func isPrintableASCII(s string) bool {
	for i := range len(s) {
		if s[i] < ' ' || s[i] > '~' {
			return false
		}
	}
	return true
}

// quotable shortens a summary and makes it safe between double quotes.
func quotable(summary string) string {
	s := strings.Join(strings.Fields(ascii(summary)), " ")
	s = strings.ReplaceAll(s, `"`, "'")
	if len(s) > maxQuoted {
		s = strings.TrimRight(s[:maxQuoted-3], " ") + "..."
	}
	return strings.TrimRight(s, ".") + dots(s)
}

// dots keeps the "..." of a shortened text, and drops a full stop.
func dots(s string) string {
	if strings.HasSuffix(s, "...") {
		return "..."
	}
	return ""
}

// days says a duration in days when it is whole days, else in hours and so on.
func days(d time.Duration) string {
	const day = 24 * time.Hour
	switch {
	case d == day:
		return "1 day"
	case d > 0 && d%day == 0:
		return strconv.Itoa(int(d/day)) + " days"
	case d == time.Hour:
		return "1 hour"
	case d > 0 && d%time.Hour == 0:
		return strconv.Itoa(int(d/time.Hour)) + " hours"
	}
	return d.String()
}

// stamp says a time to the minute, in UTC.
func stamp(t time.Time) string { return t.UTC().Format("2006-01-02 15:04 UTC") }
