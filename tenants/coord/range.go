package coord

// MaxRangeLength bounds the text of a range, in bytes.
const MaxRangeLength = 1000

// Range is a set of versions of one ecosystem, written in its own syntax. The
// zero Range contains nothing.
//
// In every ecosystem a range contains what lies between its bounds in the order
// of [Compare], prereleases included, because ranges here say what is blocked,
// held or affected: "<2.0.0" contains 2.0.0-beta, "<2" contains 2.0rc1 and "[1,2)"
// contains 2-SNAPSHOT. That is what npm's includePrerelease, Maven and NuGet do.
// It differs from PEP 440, where "<2" leaves out the prereleases of 2 and ">2"
// the post releases of 2.
type Range struct {
	ecosystem Ecosystem
	text      string
	any       []conjunction // alternatives
}

// conjunction is a set of conditions that all must hold.
type conjunction []interval

// interval is what lies between two bounds, or outside them.
type interval struct {
	min, max         Key // not Valid: unbounded on that side
	minOpen, maxOpen bool
	outside          bool   // the complement: for "!="
	exactly          string // "===" of PEP 440: the same text, in any case
	local            bool   // a PEP 440 bound has a local version, so it counts
}

// ParseRange reads a range in the syntax of the ecosystem's own clients:
//
//   - npm: node-semver, for example "<4.17.21", "^1.2.0 || 2.x", "1.0 - 2.3".
//   - PyPI: PEP 440 specifiers joined by commas, for example ">=2,!=2.1.*,<3".
//   - Maven and NuGet: intervals, for example "[1.0,2.0)", "(,1.5]", "[1.2]";
//     Maven joins several by commas. A version alone is that version in Maven and
//     that version or a later one in NuGet, which also has "1.2.*".
//
// The error is a [*SyntaxError] with the position of the mistake.
func ParseRange(e Ecosystem, text string) (Range, error) {
	if !e.Valid() {
		return Range{}, unknownEcosystem(e)
	}
	p := rangeParser{what: e.OSV() + " range", text: text}
	if len(text) > MaxRangeLength {
		return Range{}, p.fail(MaxRangeLength, "is %d bytes long; at most %d are allowed", len(text), MaxRangeLength)
	}
	if p.skipSpaces(); p.done() {
		return Range{}, p.fail(0, "must not be empty")
	}
	r := Range{ecosystem: e, text: text}
	var err error
	switch e {
	case NPM:
		r.any, err = p.npm()
	case PyPI:
		r.any, err = p.pypi()
	case Maven:
		r.any, err = p.maven()
	default:
		r.any, err = p.nuget()
	}
	if err != nil {
		return Range{}, err
	}
	return r, nil
}

// String returns the text that the range was parsed from.
func (r Range) String() string { return r.text }

// Contains reports whether the version is in the range. A version that cannot
// be read is in none.
func (r Range) Contains(version string) bool { return r.ContainsKey(KeyOf(r.ecosystem, version)) }

// ContainsKey is [Range.Contains] for a version that was read before.
func (r Range) ContainsKey(k Key) bool {
	if !k.Valid() {
		return false
	}
	for _, all := range r.any {
		if all.contains(k) {
			return true
		}
	}
	return false
}

func (c conjunction) contains(k Key) bool {
	for i := range c {
		if !c[i].contains(k) {
			return false
		}
	}
	return true
}

func (v *interval) contains(k Key) bool {
	if v.exactly != "" {
		return foldPEP440(k.text) == v.exactly
	}
	if k.pypi != nil && k.pypi.local != nil && !v.local {
		public := *k.pypi
		public.local = nil
		k.pypi = &public
	}
	inside := true
	if v.min.Valid() {
		c := k.Compare(v.min)
		inside = c > 0 || c == 0 && !v.minOpen
	}
	if inside && v.max.Valid() {
		c := k.Compare(v.max)
		inside = c < 0 || c == 0 && !v.maxOpen
	}
	return inside != v.outside
}

// rangeParser is the position in a text, shared by the four grammars.
type rangeParser struct {
	what, text string
	at         int
}

func (p *rangeParser) fail(at int, format string, args ...any) error {
	return wrong(p.what, p.text, at, format, args...)
}

func (p *rangeParser) done() bool { return p.at >= len(p.text) }

// peek returns the next byte, 0 at the end.
func (p *rangeParser) peek() byte {
	if p.done() {
		return 0
	}
	return p.text[p.at]
}

// skipSpaces moves to the next byte that is no space and reports whether there
// was one.
func (p *rangeParser) skipSpaces() bool {
	start := p.at
	for p.peek() == ' ' || p.peek() == '\t' {
		p.at++
	}
	return p.at > start
}

// word consumes w when it is next.
func (p *rangeParser) word(w string) bool {
	if len(p.text)-p.at < len(w) || p.text[p.at:p.at+len(w)] != w {
		return false
	}
	p.at += len(w)
	return true
}

// until consumes up to the first of the stop bytes or the end.
func (p *rangeParser) until(stops string) string {
	start := p.at
	for !p.done() && !containsByte(stops, p.text[p.at]) {
		p.at++
	}
	return p.text[start:p.at]
}

func containsByte(s string, b byte) bool {
	for i := range len(s) {
		if s[i] == b {
			return true
		}
	}
	return false
}
