package coord

import (
	"cmp"
	"slices"
	"strings"

	depsdev "deps.dev/util/semver"
)

// Key is a version made ready to be compared, for code that compares one
// version with many. The zero Key is less than every other.
type Key struct {
	text  string
	other *depsdev.Version // npm, Maven, NuGet; nil when not parseable
	pypi  *pep440          // PyPI; nil when not parseable
	huge  bool             // other was parsed from a text with clamped numbers
}

// KeyOf reads a version of the ecosystem for comparison. It is more tolerant
// than [NormalizeVersion], because advisories name versions like "1.2" of npm
// packages: a [Key.Valid] key is no promise that the ecosystem would accept it.
func KeyOf(e Ecosystem, version string) Key {
	k := Key{text: strings.TrimSpace(version)}
	if len(k.text) == 0 || len(k.text) > MaxVersionLength {
		return k
	}
	switch e {
	case PyPI:
		if v, err := parsePEP440(k.text); err == nil {
			k.pypi = &v
		}
	case NPM:
		k.parse(depsdev.NPM, strings.TrimLeft(k.text, "v="))
	case NuGet:
		k.parse(depsdev.NuGet, k.text)
	case Maven:
		if strings.ContainsRune(k.text, '∞') {
			return k // the library's own mark for "above every number"
		}
		clamped := clampNumbers(k.text)
		k.huge = clamped != k.text
		k.parse(depsdev.Maven, clamped)
	}
	return k
}

// parse reads npm, NuGet and Maven versions. Wildcards are no versions, and on
// some of NuGet's the library panics.
func (k *Key) parse(system depsdev.System, text string) {
	if strings.Contains(text, "*") {
		return
	}
	v, err := system.Parse(text)
	if err == nil && !v.IsWildcard() {
		k.other = v
	}
}

// Valid reports whether the version could be read as one of its ecosystem.
func (k Key) Valid() bool { return k.other != nil || k.pypi != nil }

// Compare returns -1, 0 or 1 as k is before, the same as, or after o, which
// must be of the same ecosystem. Versions that cannot be read come before all
// that can, ordered by their bytes.
func (k Key) Compare(o Key) int {
	switch {
	case k.pypi != nil && o.pypi != nil:
		return k.pypi.compare(o.pypi)
	case k.other != nil && o.other != nil:
		c := cmp.Compare(k.other.Compare(o.other), 0)
		if c == 0 && (k.huge || o.huge) {
			return compareRuns(k.text, o.text)
		}
		return c
	case k.Valid() != o.Valid():
		return compareBool(k.Valid(), o.Valid())
	}
	return strings.Compare(k.text, o.text)
}

// Compare returns -1, 0 or 1 as version a comes before, is the same as, or
// comes after b, in the order of the ecosystem: SemVer 2.0 (npm), PEP 440,
// Maven's version order specification, NuGet's. Versions that cannot be read
// come before all that can, ordered by their bytes.
//
// Maven's specification itself goes round in a circle for a few odd spellings
// in which a zero stands directly before a qualifier ("1-aa" < "1..alpha1" < "1" <
// "1-aa"); [Sort] then still ends, with them in some order.
func Compare(e Ecosystem, a, b string) int {
	if a == b {
		return 0
	}
	return KeyOf(e, a).Compare(KeyOf(e, b))
}

// Sort sorts versions in ascending order; it reads each of them once.
func Sort(e Ecosystem, versions []string) {
	keys := make([]Key, len(versions))
	for i, v := range versions {
		keys[i] = KeyOf(e, v)
		keys[i].text = v
	}
	slices.SortStableFunc(keys, func(a, b Key) int { return a.Compare(b) })
	for i, k := range keys {
		versions[i] = k.text
	}
}

// Highest returns the highest of the versions, without prereleases unless they
// are asked for; "" when there is none. Versions that cannot be read never are.
func Highest(e Ecosystem, versions []string, includePrerelease bool) string {
	var best Key
	highest := ""
	for _, v := range versions {
		k := KeyOf(e, v)
		if !k.Valid() || !includePrerelease && k.prerelease(e) {
			continue
		}
		if highest == "" || k.Compare(best) > 0 {
			best, highest = k, v
		}
	}
	return highest
}

// IsPrerelease reports whether clients of the ecosystem take the version only
// when asked to: SemVer prereleases (npm, NuGet), PEP 440 pre and development
// releases, and for Maven, which has no such rule, versions with a qualifier
// that says so (snapshot, alpha, beta, milestone, rc, cr, preview, ea, dev).
// A version that cannot be read is not one.
func IsPrerelease(e Ecosystem, version string) bool { return KeyOf(e, version).prerelease(e) }

func (k Key) prerelease(e Ecosystem) bool {
	switch {
	case k.pypi != nil:
		return k.pypi.isPrerelease()
	case k.other == nil:
		return false
	case e == Maven:
		return mavenPrerelease(k.text)
	}
	return k.other.IsPrerelease()
}

var mavenPreWords = []string{"snapshot", "alpha", "beta", "milestone", "rc", "cr", "pre", "preview", "ea", "dev", "a", "b", "m"}

// mavenPrerelease looks for a prerelease word among the runs of letters; a, b
// and m count only directly before a number, as in Maven's order.
func mavenPrerelease(version string) bool {
	v := strings.ToLower(version)
	for at := 0; at < len(v); {
		end := at
		for end < len(v) && 'a' <= v[end] && v[end] <= 'z' {
			end++
		}
		if end == at {
			at++
			continue
		}
		beforeNumber := end < len(v) && '0' <= v[end] && v[end] <= '9'
		if slices.Contains(mavenPreWords, v[at:end]) && (end-at > 1 || beforeNumber) {
			return true
		}
		at = end
	}
	return false
}

// hugeDigits is the number of digits that always fit the library's integers.
const hugeDigits = 18

// clampNumbers replaces every number of more than hugeDigits digits by the
// largest of that length, because the library refuses larger ones, while Maven
// has numbers of any length.
func clampNumbers(s string) string {
	if len(s) <= hugeDigits {
		return s
	}
	var b strings.Builder
	for s != "" {
		n := digitRun(s)
		if n > 0 && len(trimZeros(s[:n])) > hugeDigits {
			b.WriteString(strings.Repeat("9", hugeDigits))
		} else {
			b.WriteString(s[:max(n, 1)])
		}
		s = s[max(n, 1):]
	}
	return b.String()
}

func digitRun(s string) int {
	n := 0
	for n < len(s) && '0' <= s[n] && s[n] <= '9' {
		n++
	}
	return n
}

// compareRuns compares two texts whose versions are equal but for the length of
// huge numbers: numbers by value, everything else by bytes.
func compareRuns(a, b string) int {
	for a != "" && b != "" {
		an, bn := digitRun(a), digitRun(b)
		if an > 0 && bn > 0 {
			if c := compareDigits(trimZeros(a[:an]), trimZeros(b[:bn])); c != 0 {
				return c
			}
			a, b = a[an:], b[bn:]
			continue
		}
		if a[0] != b[0] {
			return cmp.Compare(a[0], b[0])
		}
		a, b = a[1:], b[1:]
	}
	return cmp.Compare(len(a), len(b))
}
