package coord

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// MaxNameLength bounds every package name that is read, in bytes. Ecosystems
// that are stricter say so in their own error.
const MaxNameLength = 512

// NormalizeName returns the one spelling of a package name under which it is
// stored and compared (O7), or a [*SyntaxError]:
//
//   - npm: as it is, with its scope. Old public packages have capital letters
//     and some punctuation, so both are read; publishing asks [NewName] too.
//   - PyPI: lower case, runs of "-", "_" and "." become one "-" (PEP 503).
//   - Maven: "group:artifact" as it is.
//   - NuGet: lower case, at most 100 characters.
//
// Whatever is accepted is safe as segments of a path and of a URL: no empty
// segment, none that begins with ".", no separator, percent or control
// character, and nothing that Unicode could spell in two ways.
func NormalizeName(e Ecosystem, raw string) (string, error) {
	if !e.Valid() {
		return "", unknownEcosystem(e)
	}
	if err := checkText(nameOf(e), raw, MaxNameLength); err != nil {
		return "", err
	}
	switch e {
	case NPM:
		return raw, checkNPMName(raw)
	case PyPI:
		return normalizePyPIName(raw)
	case Maven:
		return raw, checkMavenName(raw)
	default:
		return normalizeNuGetName(raw)
	}
}

func nameOf(e Ecosystem) string { return e.OSV() + " package name" }

// checkText refuses what no ecosystem has in a name or a version and what is
// dangerous further on: emptiness, excess, broken or ambiguous Unicode, spaces
// and control characters, separators of paths and the percent sign. (The slash
// of an npm scope is the one that names may have; the caller looks at it.)
func checkText(what, raw string, limit int) error {
	switch {
	case raw == "":
		return wrong(what, raw, -1, "must not be empty")
	case len(raw) > limit:
		return wrong(what, raw, limit, "is %d bytes long; at most %d are allowed", len(raw), limit)
	case !utf8.ValidString(raw):
		return wrong(what, raw, -1, "is not valid UTF-8")
	}
	for i, r := range raw {
		switch {
		case r == '\\' || r == '%':
			return wrong(what, raw, i, "must not contain %q", r)
		case unicode.IsSpace(r):
			return wrong(what, raw, i, "must not contain spaces")
		case unicode.IsControl(r) || unicode.Is(unicode.Cf, r):
			return wrong(what, raw, i, "must not contain control or invisible characters")
		}
	}
	if !norm.NFC.IsNormalString(raw) {
		return wrong(what, raw, -1, "has a Unicode spelling that is not canonical (NFC)")
	}
	return nil
}

// firstOutside returns the offset and rune of the first character of s that is
// not allowed, or -1.
func firstOutside(s string, allowed func(rune) bool) (int, rune) {
	for i, r := range s {
		if !allowed(r) {
			return i, r
		}
	}
	return -1, 0
}

func isAlphanumeric(r rune) bool {
	return 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9'
}

// normalizePyPIName checks the name as the core metadata specification does
// (letters and digits of ASCII, ".", "-" and "_" between them) and folds it as
// PEP 503 says.
func normalizePyPIName(raw string) (string, error) {
	what := nameOf(PyPI)
	if i, r := firstOutside(raw, func(r rune) bool { return isAlphanumeric(r) || isPyPISeparator(r) }); i >= 0 {
		return "", wrong(what, raw, i, "must not contain %q; only letters, digits, '.', '-' and '_'", r)
	}
	if isPyPISeparator(rune(raw[0])) || isPyPISeparator(rune(raw[len(raw)-1])) {
		return "", wrong(what, raw, -1, "must begin and end with a letter or digit")
	}
	return foldPyPI(raw), nil
}

func isPyPISeparator(r rune) bool { return r == '-' || r == '_' || r == '.' }

// foldPyPI lower-cases s and makes one "-" of every run of separators.
func foldPyPI(s string) string {
	var b strings.Builder
	b.Grow(len(s))
	for i := range len(s) {
		if isPyPISeparator(rune(s[i])) {
			if i == 0 || !isPyPISeparator(rune(s[i-1])) {
				b.WriteByte('-')
			}
			continue
		}
		b.WriteRune(unicode.ToLower(rune(s[i])))
	}
	return b.String()
}

// checkMavenName checks "group:artifact" with the characters that Maven's own
// model validator allows in ids.
func checkMavenName(raw string) error {
	what := nameOf(Maven)
	group, artifact, found := strings.Cut(raw, ":")
	if !found {
		return wrong(what, raw, -1, "must be group:artifact, for example org.slf4j:slf4j-api")
	}
	if i := strings.IndexByte(artifact, ':'); i >= 0 {
		return wrong(what, raw, len(group)+1+i, "has a second ':'; must be group:artifact")
	}
	if i, r := firstOutside(raw, func(r rune) bool { return isMavenIDChar(r) || r == ':' }); i >= 0 {
		return wrong(what, raw, i, "must not contain %q; only letters, digits, '.', '-' and '_'", r)
	}
	if group == "" || artifact == "" {
		return wrong(what, raw, -1, "must have a group before and an artifact after the ':'")
	}
	// The dots of a group become the slashes of a path.
	if strings.HasPrefix(group, ".") || strings.HasSuffix(group, ".") || strings.Contains(group, "..") {
		return wrong(what, raw, -1, "must not have an empty part in the group")
	}
	if strings.HasPrefix(artifact, ".") {
		return wrong(what, raw, len(group)+1, "must not have an artifact that begins with '.'")
	}
	return nil
}

func isMavenIDChar(r rune) bool { return isAlphanumeric(r) || r == '.' || r == '-' || r == '_' }

// maxNuGetName is the limit of package ids that NuGet clients and servers share.
const maxNuGetName = 100

// normalizeNuGetName checks an id as NuGet's PackageIdValidator does (word
// characters, with single ".", "-" or "_" between them) and lower-cases it.
func normalizeNuGetName(raw string) (string, error) {
	what := nameOf(NuGet)
	if n := utf8.RuneCountInString(raw); n > maxNuGetName {
		return "", wrong(what, raw, -1, "is %d characters long; at most %d are allowed", n, maxNuGetName)
	}
	if i, r := firstOutside(raw, func(r rune) bool { return isNuGetWord(r) || r == '.' || r == '-' }); i >= 0 {
		return "", wrong(what, raw, i, "must not contain %q; only letters, digits, '.', '-' and '_'", r)
	}
	var last rune
	for i, r := range raw {
		if (r == '.' || r == '-') && (i == 0 || last == '.' || last == '-') {
			return "", wrong(what, raw, i, "must have a letter, digit or '_' before %q", r)
		}
		if r > unicode.MaxASCII && unicode.ToLower(r) <= unicode.MaxASCII {
			return "", wrong(what, raw, i, "must not contain %q, which lower case would turn into an ASCII letter", r)
		}
		last = r
	}
	if last == '.' || last == '-' {
		return "", wrong(what, raw, len(raw)-1, "must not end with %q", last)
	}
	return lowerNuGet(raw), nil
}

// isNuGetWord is .NET's \w, with which ids are validated.
func isNuGetWord(r rune) bool {
	return r == '_' || isAlphanumeric(r) ||
		r > unicode.MaxASCII && (unicode.IsLetter(r) || unicode.In(r, unicode.Mn, unicode.Nd, unicode.Pc))
}

// lowerNuGet lower-cases character by character, as the invariant culture does.
func lowerNuGet(s string) string { return norm.NFC.String(strings.Map(unicode.ToLower, s)) }
