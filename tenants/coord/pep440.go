package coord

import (
	"cmp"
	"strings"
)

// pep440 is a version as PEP 440 has it. Numbers are digits without leading
// zeros, so that any length compares exactly.
type pep440 struct {
	epoch   string   // "0" when not written
	release []string // at least one
	pre     string   // "a", "b", "rc", or "" for none
	preNum  string
	hasPost bool
	postNum string
	hasDev  bool
	devNum  string
	local   []string // lower case; nil for none
}

// parsePEP440 reads a version in any of the spellings that PEP 440 accepts
// (appendix B).
func parsePEP440(raw string) (pep440, error) {
	p := pepParser{text: raw, s: strings.ToLower(raw)}
	v, problem := p.version()
	if problem != "" {
		return pep440{}, wrong("PyPI version", raw, p.at, "%s (PEP 440)", problem)
	}
	return v, nil
}

// pepParser reads s, the lower-case text, from at.
type pepParser struct {
	text, s string
	at      int
}

func (p *pepParser) version() (v pep440, problem string) {
	p.word("v")
	v.epoch = "0"
	n := p.digits()
	if n == "" {
		return v, "expected a number"
	}
	if p.word("!") {
		v.epoch = n
		if n = p.digits(); n == "" {
			return v, "expected a number after the epoch"
		}
	}
	v.release = append(v.release, n)
	for p.nextIsNumberAfterDot() {
		p.at++
		v.release = append(v.release, p.digits())
	}
	p.preRelease(&v)
	p.postRelease(&v)
	v.devNum, v.hasDev = p.segment("dev")
	if p.word("+") {
		if v.local, problem = p.localVersion(); problem != "" {
			return v, problem
		}
	}
	if p.at != len(p.s) {
		return v, "expected the end of the version"
	}
	return v, ""
}

// word consumes w when it is next.
func (p *pepParser) word(w string) bool {
	if !strings.HasPrefix(p.s[p.at:], w) {
		return false
	}
	p.at += len(w)
	return true
}

// digits consumes a run of digits and returns it without leading zeros, "" when
// there is none.
func (p *pepParser) digits() string {
	start := p.at
	for p.at < len(p.s) && '0' <= p.s[p.at] && p.s[p.at] <= '9' {
		p.at++
	}
	return trimZeros(p.s[start:p.at])
}

// trimZeros drops leading zeros of digits but keeps one digit.
func trimZeros(digits string) string {
	if t := strings.TrimLeft(digits, "0"); t != "" || digits == "" {
		return t
	}
	return "0"
}

func (p *pepParser) nextIsNumberAfterDot() bool {
	return p.at+1 < len(p.s) && p.s[p.at] == '.' && '0' <= p.s[p.at+1] && p.s[p.at+1] <= '9'
}

func (p *pepParser) separator() {
	if p.at < len(p.s) && isPyPISeparator(rune(p.s[p.at])) {
		p.at++
	}
}

// segment consumes "[sep]word[sep][number]" and returns the number, "0" when it
// is left out, as appendix B allows also after the separator ("1.0rc."). Nothing
// is consumed when the word is not next.
func (p *pepParser) segment(words ...string) (num string, found bool) {
	start := p.at
	p.separator()
	for _, w := range words {
		if !p.word(w) {
			continue
		}
		p.separator()
		return cmp.Or(p.digits(), "0"), true
	}
	p.at = start
	return "", false
}

// pepPreWords are the spellings of the prerelease phases, longest first.
var pepPreWords = []struct{ word, phase string }{
	{"alpha", "a"}, {"a", "a"}, {"beta", "b"}, {"b", "b"}, {"preview", "rc"}, {"pre", "rc"}, {"rc", "rc"}, {"c", "rc"},
}

func (p *pepParser) preRelease(v *pep440) {
	for _, w := range pepPreWords {
		if num, ok := p.segment(w.word); ok {
			v.pre, v.preNum = w.phase, num
			return
		}
	}
}

func (p *pepParser) postRelease(v *pep440) {
	start := p.at
	if p.word("-") {
		// "1.0-1" is a post release without the word.
		if v.postNum = p.digits(); v.postNum != "" {
			v.hasPost = true
			return
		}
		p.at = start
	}
	v.postNum, v.hasPost = p.segment("post", "rev", "r")
}

func (p *pepParser) localVersion() (parts []string, problem string) {
	for {
		start := p.at
		for p.at < len(p.s) && isAlphanumeric(rune(p.s[p.at])) {
			p.at++
		}
		part := p.s[start:p.at]
		if part == "" {
			return nil, "expected letters or digits in the local version"
		}
		if allDigits(part) {
			part = trimZeros(part)
		}
		parts = append(parts, part)
		if p.at == len(p.s) || !isPyPISeparator(rune(p.s[p.at])) {
			return parts, ""
		}
		p.at++
	}
}

// String returns the normal form of PEP 440.
func (v pep440) String() string {
	var b strings.Builder
	if v.epoch != "0" {
		b.WriteString(v.epoch + "!")
	}
	b.WriteString(strings.Join(v.release, "."))
	if v.pre != "" {
		b.WriteString(v.pre + v.preNum)
	}
	if v.hasPost {
		b.WriteString(".post" + v.postNum)
	}
	if v.hasDev {
		b.WriteString(".dev" + v.devNum)
	}
	if v.local != nil {
		b.WriteString("+" + strings.Join(v.local, "."))
	}
	return b.String()
}

// compare orders two versions as PEP 440 does.
func (v *pep440) compare(o *pep440) int {
	return cmp.Or(
		compareDigits(v.epoch, o.epoch),
		v.compareRelease(o),
		cmp.Compare(v.preRank(), o.preRank()),
		compareDigits(v.preNum, o.preNum),
		compareBool(v.hasPost, o.hasPost),
		compareDigits(v.postNum, o.postNum),
		compareBool(!v.hasDev, !o.hasDev),
		compareDigits(v.devNum, o.devNum),
		compareLocal(v.local, o.local),
	)
}

// preRank orders the phases: a development release of the release itself comes
// before every prerelease, and a release after all of them.
func (v *pep440) preRank() int {
	switch {
	case v.pre == "a":
		return 1
	case v.pre == "b":
		return 2
	case v.pre == "rc":
		return 3
	case v.hasDev && !v.hasPost:
		return 0
	}
	return 4
}

// compareRelease compares number by number; missing ones are zero.
func (v *pep440) compareRelease(o *pep440) int {
	for i := range max(len(v.release), len(o.release)) {
		a, b := "0", "0"
		if i < len(v.release) {
			a = v.release[i]
		}
		if i < len(o.release) {
			b = o.release[i]
		}
		if c := compareDigits(a, b); c != 0 {
			return c
		}
	}
	return 0
}

// compareDigits compares numbers without leading zeros; "" is the least.
func compareDigits(a, b string) int {
	return cmp.Or(cmp.Compare(len(a), len(b)), strings.Compare(a, b))
}

func compareBool(a, b bool) int {
	switch {
	case a == b:
		return 0
	case a:
		return 1
	}
	return -1
}

// compareLocal compares part by part: numbers are greater than words, and a
// longer version is greater than its beginning.
func compareLocal(a, b []string) int {
	for i := range min(len(a), len(b)) {
		an, bn := allDigits(a[i]), allDigits(b[i])
		c := compareBool(an, bn)
		if c == 0 && an {
			c = compareDigits(a[i], b[i])
		} else if c == 0 {
			c = strings.Compare(a[i], b[i])
		}
		if c != 0 {
			return c
		}
	}
	return cmp.Compare(len(a), len(b))
}

// isPrerelease reports whether installers take the version only when asked to.
func (v *pep440) isPrerelease() bool { return v.pre != "" || v.hasDev }
