package coord

import "strings"

// maven reads intervals joined by commas; a version alone is only itself.
func (p *rangeParser) maven() ([]conjunction, error) {
	if p.peek() != '[' && p.peek() != '(' {
		start := p.at
		text := strings.TrimRight(p.text[p.at:], " \t")
		if i := strings.IndexAny(text, "<>=^~*"); i >= 0 {
			return nil, p.fail(start+i, "a Maven range is written as an interval, for example [1.0,2.0) or (,1.5]")
		}
		k, err := p.bound(Maven, text, start)
		if err != nil {
			return nil, err
		}
		return []conjunction{{{min: k, max: k}}}, nil
	}
	var alternatives []conjunction
	for {
		p.skipSpaces()
		v, err := p.interval(Maven)
		if err != nil {
			return nil, err
		}
		alternatives = append(alternatives, conjunction{v})
		p.skipSpaces()
		if p.done() {
			return alternatives, nil
		}
		if !p.word(",") {
			return nil, p.fail(p.at, "expected ',' and another interval, or the end")
		}
	}
}

// nuget reads one interval, a floating version like 1.2.*, or a version alone,
// which stands for itself and everything later.
func (p *rangeParser) nuget() ([]conjunction, error) {
	start := p.at
	if p.peek() != '[' && p.peek() != '(' {
		text := strings.TrimRight(p.text[p.at:], " \t")
		if prefix, floating := strings.CutSuffix(text, "*"); floating {
			v, err := p.nugetFloating(prefix, start)
			return []conjunction{{v}}, err
		}
		if i := strings.IndexAny(text, "<>=^~"); i >= 0 {
			return nil, p.fail(start+i, "a NuGet range is written as an interval, for example [1.0,2.0) or (,1.5]")
		}
		k, err := p.bound(NuGet, text, start)
		return []conjunction{{{min: k}}}, err
	}
	v, err := p.interval(NuGet)
	if err != nil {
		return nil, err
	}
	if p.skipSpaces(); !p.done() {
		return nil, p.fail(p.at, "expected the end; NuGet has one interval only")
	}
	return []conjunction{{v}}, nil
}

// nugetFloating is every version that begins with the numbers of prefix, which
// is "" or ends with a dot.
func (p *rangeParser) nugetFloating(prefix string, start int) (interval, error) {
	if prefix == "" {
		return interval{}, nil
	}
	numbers := strings.Split(strings.TrimSuffix(prefix, "."), ".")
	at := start
	for _, n := range numbers {
		if !allDigits(n) || len(n) > 9 {
			return interval{}, p.fail(at, "a floating version has numbers before the '*', for example 1.2.*")
		}
		at += len(n) + 1
	}
	if !strings.HasSuffix(prefix, ".") || len(numbers) > 3 {
		return interval{}, p.fail(at-1, "expected one to three numbers and '.' before the '*'")
	}
	next := append([]string(nil), numbers...)
	next[len(next)-1] = addOne(trimZeros(next[len(next)-1]))
	return interval{
		min: KeyOf(NuGet, strings.Join(numbers, ".")+"-0"),
		max: KeyOf(NuGet, strings.Join(next, ".")+"-0"), maxOpen: true,
	}, nil
}

// interval reads "[1,2)" and its relatives.
func (p *rangeParser) interval(e Ecosystem) (interval, error) {
	start := p.at
	if p.peek() != '[' && p.peek() != '(' {
		return interval{}, p.fail(p.at, "expected '[' or '('")
	}
	v := interval{minOpen: p.peek() == '('}
	p.at++
	low, lowAt := p.trimmed(",)]")
	high, highAt := low, lowAt
	single := p.peek() != ','
	if !single {
		p.at++
		high, highAt = p.trimmed(",)]")
	}
	if p.peek() != ')' && p.peek() != ']' {
		return interval{}, p.fail(p.at, "expected ')' or ']'")
	}
	v.maxOpen = p.peek() == ')'
	p.at++
	if single && (v.minOpen || v.maxOpen || low == "") {
		return interval{}, p.fail(start, "one version needs square brackets, for example [1.2]; otherwise two bounds, for example [1.0,2.0)")
	}
	var err error
	if v.min, err = p.bound(e, low, lowAt); err != nil {
		return interval{}, err
	}
	if v.max, err = p.bound(e, high, highAt); err != nil {
		return interval{}, err
	}
	return v, p.checkOrder(v, start)
}

// checkOrder refuses intervals that contain nothing.
func (p *rangeParser) checkOrder(v interval, start int) error {
	if !v.min.Valid() || !v.max.Valid() {
		return nil
	}
	c := v.min.Compare(v.max)
	if c > 0 {
		return p.fail(start, "the lower bound is above the upper one")
	}
	if c == 0 && (v.minOpen || v.maxOpen) {
		return p.fail(start, "contains no version: the bounds are the same and one of them is left out")
	}
	return nil
}

// trimmed consumes up to a stop byte and returns the text without the spaces
// around it, and its offset.
func (p *rangeParser) trimmed(stops string) (string, int) {
	p.skipSpaces()
	start := p.at
	return strings.TrimRight(p.until(stops), " \t"), start
}

// bound reads a version as a bound; "" is no bound.
func (p *rangeParser) bound(e Ecosystem, text string, at int) (Key, error) {
	if text == "" {
		return Key{}, nil
	}
	if _, err := NormalizeVersion(e, text); err != nil {
		return Key{}, within(err, p.what, p.text, at)
	}
	k := KeyOf(e, text)
	if !k.Valid() {
		return Key{}, p.fail(at, "cannot be read as a version")
	}
	return k, nil
}
