package coord

import (
	"strconv"
	"strings"
	"unicode"
)

// MaxVersionLength bounds every version that is read, in bytes; it is the
// bound of the npm client, and the widest of the four.
const MaxVersionLength = 256

// NormalizeVersion returns the one spelling of a version under which it is
// stored and compared, or a [*SyntaxError]:
//
//   - npm: strict SemVer 2.0 without a leading "v" or "=" and without build
//     metadata, which the registry does not keep.
//   - PyPI: PEP 440's normal form. It keeps trailing zeros, so "1.0" and
//     "1.0.0" are two spellings of one version: [Compare] finds them equal.
//   - Maven: as it is.
//   - NuGet: lower case, at least three numbers without leading zeros, a fourth
//     one only when it is not zero, no build metadata (as in paths of the flat
//     container).
func NormalizeVersion(e Ecosystem, raw string) (string, error) {
	if !e.Valid() {
		return "", unknownEcosystem(e)
	}
	what := e.OSV() + " version"
	if err := checkText(what, raw, MaxVersionLength); err != nil {
		return "", err
	}
	if i := strings.IndexByte(raw, '/'); i >= 0 {
		return "", wrong(what, raw, i, "must not contain '/'")
	}
	switch e {
	case NPM:
		return normalizeNPMVersion(raw)
	case PyPI:
		v, err := parsePEP440(raw)
		if err != nil {
			return "", err
		}
		return v.String(), nil
	case Maven:
		return raw, checkMavenVersion(raw)
	default:
		return normalizeNuGetVersion(raw)
	}
}

// maxSafeInteger is the largest number that a component of an npm version may
// be: JavaScript's Number.MAX_SAFE_INTEGER.
const maxSafeInteger = 1<<53 - 1

// semver is a version as SemVer 2.0 has it, without build metadata.
type semver struct {
	nums [3]uint64
	pre  string // without the "-"; "" for a release
}

func (v semver) String() string {
	s := strconv.FormatUint(v.nums[0], 10) + "." + strconv.FormatUint(v.nums[1], 10) + "." + strconv.FormatUint(v.nums[2], 10)
	if v.pre != "" {
		s += "-" + v.pre
	}
	return s
}

func normalizeNPMVersion(raw string) (string, error) {
	const what = "npm version"
	start := len(raw) - len(strings.TrimLeft(raw, "v="))
	v, err := parseSemver(raw[start:])
	if err != nil {
		return "", within(err, what, raw, start)
	}
	return v.String(), nil
}

// parseSemver reads a strict SemVer 2.0 version. The error is about s.
func parseSemver(s string) (semver, error) {
	const what = "npm version"
	var v semver
	rest, plus, hasBuild := strings.Cut(s, "+")
	if hasBuild {
		if i := badIdentifiers(plus, true); i >= 0 {
			return v, wrong(what, s, len(rest)+1+i, "has bad build metadata; letters, digits and '-' between dots")
		}
	}
	core, pre, hasPre := strings.Cut(rest, "-")
	if hasPre {
		if i := badIdentifiers(pre, false); i >= 0 {
			return v, wrong(what, s, len(core)+1+i, "has a bad prerelease; letters, digits and '-' between dots, numbers without leading zeros")
		}
		v.pre = pre
	}
	at := 0
	for n := range 3 {
		num, next, err := readNumber(s[:len(core)], at)
		if err != "" {
			return v, wrong(what, s, at, "%s; a version has three numbers, like 1.2.3", err)
		}
		v.nums[n], at = num, next
		if n < 2 {
			if at == len(core) || core[at] != '.' {
				return v, wrong(what, s, at, "expected '.'; a version has three numbers, like 1.2.3")
			}
			at++
		}
	}
	if at != len(core) {
		return v, wrong(what, s, at, "expected the end, '-' or '+' after three numbers")
	}
	return v, nil
}

// readNumber reads a number without leading zeros, at most maxSafeInteger, and
// returns the offset after it, or what is wrong.
func readNumber(s string, at int) (num uint64, next int, problem string) {
	next = at
	for next < len(s) && '0' <= s[next] && s[next] <= '9' {
		next++
	}
	switch {
	case next == at:
		return 0, at, "expected a number"
	case next > at+1 && s[at] == '0':
		return 0, at, "a number must not have a leading zero"
	}
	num, err := strconv.ParseUint(s[at:next], 10, 64)
	if err != nil || num > maxSafeInteger {
		return 0, at, "a number is larger than " + strconv.Itoa(maxSafeInteger)
	}
	return num, next, ""
}

// badIdentifiers returns the offset of the first of the dot-separated
// identifiers that SemVer does not allow, or -1. Numbers with leading zeros are
// allowed in build metadata only.
func badIdentifiers(s string, leadingZeros bool) int {
	at := 0
	for id := range strings.SplitSeq(s, ".") {
		i, _ := firstOutside(id, func(r rune) bool { return isAlphanumeric(r) || r == '-' })
		if id == "" || i >= 0 || !leadingZeros && len(id) > 1 && id[0] == '0' && allDigits(id) {
			return at + max(i, 0)
		}
		at += len(id) + 1
	}
	return -1
}

func allDigits(s string) bool {
	for i := range len(s) {
		if s[i] < '0' || '9' < s[i] {
			return false
		}
	}
	return s != ""
}

// checkMavenVersion refuses the characters that Maven's own model validator
// refuses in versions, and those of ranges.
func checkMavenVersion(raw string) error {
	const what = "Maven version"
	if i := strings.IndexAny(raw, `:"<>|?*[](),`); i >= 0 {
		return wrong(what, raw, i, `must not contain %q; a range looks like [1.0,2.0)`, raw[i])
	}
	if raw[0] == '.' {
		return wrong(what, raw, 0, "must not begin with '.'")
	}
	if i, r := firstOutside(raw, func(r rune) bool { return r <= unicode.MaxASCII }); i >= 0 {
		return wrong(what, raw, i, "must not contain %q; only ASCII", r)
	}
	return nil
}

// normalizeNuGetVersion reads what NuGetVersion.Parse reads: one to four
// numbers, a prerelease, build metadata.
func normalizeNuGetVersion(raw string) (string, error) {
	const what = "NuGet version"
	rest, plus, hasBuild := strings.Cut(raw, "+")
	if hasBuild {
		if i := badIdentifiers(plus, true); i >= 0 {
			return "", wrong(what, raw, len(rest)+1+i, "has bad build metadata; letters, digits and '-' between dots")
		}
	}
	core, pre, hasPre := strings.Cut(rest, "-")
	if hasPre {
		if i := badIdentifiers(pre, true); i >= 0 {
			return "", wrong(what, raw, len(core)+1+i, "has a bad prerelease; letters, digits and '-' between dots")
		}
	}
	nums, err := nugetNumbers(raw, core)
	if err != nil {
		return "", err
	}
	s := strings.Join(nums, ".")
	if hasPre {
		s += "-" + strings.ToLower(pre)
	}
	return s, nil
}

// nugetNumbers returns the three or four numbers of core, the beginning of raw.
func nugetNumbers(raw, core string) ([]string, error) {
	const what = "NuGet version"
	nums := strings.Split(core, ".")
	if len(nums) > 4 {
		return nil, wrong(what, raw, -1, "has %d numbers; at most four are allowed", len(nums))
	}
	at := 0
	for i, text := range nums {
		if !allDigits(text) {
			return nil, wrong(what, raw, at, "expected a number")
		}
		n, err := strconv.ParseInt(text, 10, 32)
		if err != nil {
			return nil, wrong(what, raw, at, "a number is larger than 2147483647")
		}
		nums[i] = strconv.FormatInt(n, 10)
		at += len(text) + 1
	}
	if len(nums) == 4 && nums[3] == "0" {
		nums = nums[:3]
	}
	for len(nums) < 3 {
		nums = append(nums, "0")
	}
	return nums, nil
}
