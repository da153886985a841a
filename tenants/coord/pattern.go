package coord

import (
	"strings"
	"unicode"
)

// Pattern is a package name in which each "*" stands for any run of characters,
// also none, and also over "/", ":" and ".": "@acme/*", "com.acme.*", "Acme.*",
// "*". The zero Pattern matches nothing.
type Pattern struct {
	ecosystem Ecosystem
	text      string // normalized
	wild      bool
}

// ParsePattern reads a name or a name with wildcards and normalizes it as
// [NormalizeName] does. The error is a [*SyntaxError] with the position.
func ParsePattern(e Ecosystem, text string) (Pattern, error) {
	if !strings.Contains(text, "*") {
		name, err := NormalizeName(e, text)
		return Pattern{ecosystem: e, text: name}, err
	}
	if !e.Valid() {
		return Pattern{}, unknownEcosystem(e)
	}
	what := e.OSV() + " name pattern"
	if err := checkText(what, text, MaxNameLength); err != nil {
		return Pattern{}, err
	}
	if i, r := firstOutside(text, func(r rune) bool { return patternChar(e, r) }); i >= 0 {
		return Pattern{}, wrong(what, text, i, "must not contain %q", r)
	}
	if e == NPM {
		if err := checkNPMPattern(what, text); err != nil {
			return Pattern{}, err
		}
	}
	if i := strings.IndexByte(text, ':'); i != strings.LastIndexByte(text, ':') {
		return Pattern{}, wrong(what, text, strings.LastIndexByte(text, ':'), "has a second ':'; must be group:artifact")
	}
	return Pattern{ecosystem: e, text: foldPattern(e, text), wild: true}, nil
}

// patternChar reports whether names of the ecosystem may have the character, or
// whether it is the wildcard.
func patternChar(e Ecosystem, r rune) bool {
	if r == '*' || isAlphanumeric(r) || isPyPISeparator(r) {
		return true
	}
	switch e {
	case NPM:
		return isNPMChar(r) || r == '@' || r == '/'
	case Maven:
		return r == ':'
	case NuGet:
		return isNuGetWord(r)
	}
	return false
}

// checkNPMPattern looks at the places of "@" and "/", which only scopes have.
func checkNPMPattern(what, text string) error {
	if i := strings.LastIndexByte(text, '@'); i > 0 {
		return wrong(what, text, i, "'@' may only begin a scope")
	}
	if i := strings.LastIndexByte(text, '/'); i >= 0 && (strings.IndexByte(text, '/') != i || text[0] != '@' && text[0] != '*') {
		return wrong(what, text, i, "'/' may only end a scope, as in @acme/*")
	}
	return nil
}

func foldPattern(e Ecosystem, text string) string {
	switch e {
	case PyPI:
		return foldPyPI(text)
	case NuGet:
		return strings.Map(unicode.ToLower, text)
	}
	return text
}

// String returns the normalized pattern.
func (p Pattern) String() string { return p.text }

// Literal reports whether the pattern is one name without wildcards.
func (p Pattern) Literal() bool { return p.text != "" && !p.wild }

// Match reports whether the package is of the pattern's ecosystem and its
// normalized name fits.
func (p Pattern) Match(pkg Package) bool {
	if pkg.Ecosystem != p.ecosystem || p.text == "" {
		return false
	}
	if !p.wild {
		return pkg.Name == p.text
	}
	return wildcardMatch(p.text, pkg.Name)
}

// wildcardMatch matches greedily and goes back to the last "*" only, which is
// enough for a single kind of wildcard and needs no more than len(pattern) *
// len(name) steps.
func wildcardMatch(pattern, name string) bool {
	p, n := 0, 0
	star, mark := -1, 0
	for n < len(name) {
		switch {
		case p < len(pattern) && pattern[p] == '*':
			star, mark = p, n
			p++
		case p < len(pattern) && pattern[p] == name[n]:
			p++
			n++
		case star >= 0:
			mark++
			p, n = star+1, mark
		default:
			return false
		}
	}
	return strings.Trim(pattern[p:], "*") == ""
}
