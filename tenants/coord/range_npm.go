package coord

import "strings"

// npm reads alternatives joined by "||" (node-semver's range set).
func (p *rangeParser) npm() ([]conjunction, error) {
	var alternatives []conjunction
	for {
		all, err := p.npmAlternative()
		if err != nil {
			return nil, err
		}
		alternatives = append(alternatives, all)
		if p.done() {
			return alternatives, nil
		}
		p.at += len("||")
	}
}

// npmAlternative reads "1.2 - 2.3" or comparators separated by spaces, up to
// "||" or the end. No comparator at all is every version.
func (p *rangeParser) npmAlternative() (conjunction, error) {
	all := conjunction{}
	for {
		p.skipSpaces()
		if p.done() || strings.HasPrefix(p.text[p.at:], "||") {
			return all, nil
		}
		start := p.at
		operator := p.npmOperator()
		from, err := p.npmPartial()
		if err != nil {
			return nil, err
		}
		if to, found, err := p.npmHyphen(); err != nil {
			return nil, err
		} else if found {
			if operator != "" || len(all) > 0 {
				return nil, p.fail(start, "a range with ' - ' stands alone, without operators")
			}
			all = append(all, hyphenated(from, to))
			if p.skipSpaces(); !p.done() && !strings.HasPrefix(p.text[p.at:], "||") {
				return nil, p.fail(p.at, "a range with ' - ' stands alone; expected '||' or the end")
			}
			return all, nil
		}
		all = append(all, comparator(operator, from))
	}
}

var npmOperators = []string{">=", "<=", "~>", ">", "<", "=", "~", "^"}

func (p *rangeParser) npmOperator() string {
	for _, op := range npmOperators {
		if p.word(op) {
			return op
		}
	}
	return ""
}

// npmHyphen reads " - to", which needs its spaces.
func (p *rangeParser) npmHyphen() (to partial, found bool, err error) {
	start := p.at
	if !p.skipSpaces() || !p.word("-") || !p.skipSpaces() {
		p.at = start
		return partial{}, false, nil
	}
	to, err = p.npmPartial()
	return to, true, err
}

// partial is a version of which the last numbers may be missing or wildcards.
type partial struct {
	semver
	known int // how many of the numbers are there
}

// npmPartial reads "1", "1.2", "1.x", "1.2.3-beta", "*", with spaces, "v" and "="
// before it, as node-semver does, but refuses a number or prerelease after a
// wildcard, of which node-semver ignores some and refuses others.
func (p *rangeParser) npmPartial() (partial, error) {
	for containsByte("v= \t", p.peek()) {
		p.at++
	}
	start := p.at
	text := p.until(" \t|<>=~^,")
	if p.peek() == ',' {
		return partial{}, p.fail(p.at, "npm joins conditions by a space, alternatives by '||'")
	}
	if text == "" && p.peek() != '|' {
		return partial{}, p.fail(p.at, "expected a version")
	}
	if p.peek() == '|' && !strings.HasPrefix(p.text[p.at:], "||") {
		return partial{}, p.fail(p.at, "alternatives are joined by '||'")
	}
	if text == "" {
		return partial{}, p.fail(p.at, "expected a version before '||'")
	}
	v, err := parsePartial(text)
	if err != nil {
		return partial{}, within(err, p.what, p.text, start)
	}
	return v, nil
}

func parsePartial(text string) (partial, error) {
	const what = "npm version"
	var v partial
	rest, _, _ := strings.Cut(text, "+")
	core, _, _ := strings.Cut(rest, "-")
	numbers := strings.Split(core, ".")
	wildcard := false
	at := 0
	for i, number := range numbers {
		switch {
		case i == 3:
			return v, wrong(what, text, at, "a version has at most three numbers")
		case number == "*" || number == "x" || number == "X":
			wildcard = true
		default:
			num, next, problem := readNumber(number, 0)
			if problem == "" && next != len(number) {
				problem = "expected a number or a wildcard"
			}
			if problem == "" && wildcard {
				problem = "a number cannot follow a wildcard"
			}
			if problem != "" {
				return v, wrong(what, text, at, "%s, like 1.2.3, 1.x or *", problem)
			}
			v.nums[i], v.known = num, i+1
		}
		at += len(number) + 1
	}
	if len(core) == len(text) {
		return v, nil
	}
	if v.known < 3 {
		return v, wrong(what, text, len(core), "a prerelease or build needs three numbers before it")
	}
	full, err := parseSemver(text)
	v.semver = full
	return v, err
}

// floor is the least version that the partial stands for; lowest includes its
// prereleases.
func (v partial) floor(lowest bool) Key {
	f := v.semver
	if lowest && f.pre == "" {
		f.pre = "0"
	}
	return KeyOf(NPM, f.String())
}

// after is the lower end of what follows when the n-th number goes up by one,
// prereleases included: after(0) of 1.2.3 is 2.0.0-0.
func (v partial) after(n int) Key {
	next := semver{pre: "0"}
	copy(next.nums[:n], v.nums[:n])
	next.nums[n] = v.nums[n] + 1
	return KeyOf(NPM, next.String())
}

// nothing is an interval that contains no version.
func nothing() interval { return below(KeyOf(NPM, "0.0.0-0")) }

func below(k Key) interval { return interval{max: k, maxOpen: true} }

// comparator is what node-semver makes of an operator and a partial version
// when prereleases are included (classes/range.js).
func comparator(operator string, v partial) interval {
	switch operator {
	case "^":
		return caret(v)
	case "~", "~>":
		if v.known == 0 {
			return interval{}
		}
		return interval{min: v.floor(v.known < 3), max: v.after(min(v.known, 2) - 1), maxOpen: true}
	}
	if v.known == 0 {
		if operator == "<" || operator == ">" {
			return nothing()
		}
		return interval{}
	}
	whole := v.known == 3
	switch operator {
	case ">":
		if !whole {
			return interval{min: v.after(v.known - 1)}
		}
		return interval{min: v.floor(false), minOpen: true}
	case ">=":
		return interval{min: v.floor(!whole)}
	case "<":
		return below(v.floor(!whole))
	case "<=":
		if !whole {
			return below(v.after(v.known - 1))
		}
		return interval{max: v.floor(false)}
	}
	if !whole {
		return interval{min: v.floor(true), max: v.after(v.known - 1), maxOpen: true}
	}
	return interval{min: v.floor(false), max: v.floor(false)}
}

// caret allows changes to the right of the first number that is not zero.
func caret(v partial) interval {
	if v.known == 0 {
		return interval{}
	}
	n := 0
	for n < v.known-1 && v.nums[n] == 0 {
		n++
	}
	return interval{min: v.floor(v.known < 3), max: v.after(n), maxOpen: true}
}

// hyphenated is "from - to", both included.
func hyphenated(from, to partial) interval {
	var v interval
	if from.known > 0 {
		v.min = from.floor(true)
	}
	switch {
	case to.known == 0:
	case to.pre != "":
		v.max = to.floor(false)
	default:
		v.max, v.maxOpen = to.after(to.known-1), true
	}
	return v
}
