package coord

import "strings"

// pypi reads PEP 440 specifiers joined by commas.
func (p *rangeParser) pypi() ([]conjunction, error) {
	var all conjunction
	for {
		p.skipSpaces()
		v, err := p.pypiSpecifier()
		if err != nil {
			return nil, err
		}
		all = append(all, v...)
		p.skipSpaces()
		if p.done() {
			return []conjunction{all}, nil
		}
		if !p.word(",") {
			return nil, p.fail(p.at, "expected ',' or the end")
		}
		if p.skipSpaces(); p.done() {
			return []conjunction{all}, nil // packaging ignores a comma at the end
		}
	}
}

var pypiOperators = []string{"===", "==", "~=", "!=", "<=", ">=", "<", ">"}

func (p *rangeParser) pypiSpecifier() (conjunction, error) {
	if p.word("*") {
		return conjunction{}, nil
	}
	operator := ""
	for _, op := range pypiOperators {
		if p.word(op) {
			operator = op
			break
		}
	}
	if operator == "" {
		return nil, p.fail(p.at, "expected an operator: ==, !=, ~=, <, <=, >, >= or ===")
	}
	p.skipSpaces()
	start := p.at
	text := strings.TrimRight(p.until(", \t"), " ")
	if text == "" {
		return nil, p.fail(start, "expected a version after %s", operator)
	}
	if operator == "===" {
		return conjunction{{exactly: foldPEP440(text)}}, nil
	}
	if prefix, isPrefix := strings.CutSuffix(text, ".*"); isPrefix {
		return p.pypiPrefix(operator, prefix, start)
	}
	v, err := parsePEP440(text)
	if err != nil {
		return nil, within(err, p.what, p.text, start)
	}
	return p.pypiCompare(operator, v, start)
}

func (p *rangeParser) pypiCompare(operator string, v pep440, start int) (conjunction, error) {
	key := Key{text: v.String(), pypi: &v}
	if v.local != nil && operator != "==" && operator != "!=" {
		return nil, p.fail(start, "a local version (+…) is allowed after == and != only")
	}
	switch operator {
	case "==", "!=":
		return conjunction{{min: key, max: key, outside: operator == "!=", local: v.local != nil}}, nil
	case "<":
		return conjunction{{max: key, maxOpen: true}}, nil
	case "<=":
		return conjunction{{max: key}}, nil
	case ">":
		return conjunction{{min: key, minOpen: true}}, nil
	case ">=":
		return conjunction{{min: key}}, nil
	}
	if len(v.release) < 2 {
		return nil, p.fail(start, "~= needs at least two numbers, for example ~=1.2")
	}
	series := pep440{epoch: v.epoch, release: v.release[:len(v.release)-1]}
	return conjunction{{min: key}, series.series()}, nil
}

// pypiPrefix is "== 1.2.*" or "!= 1.2.*".
func (p *rangeParser) pypiPrefix(operator, prefix string, start int) (conjunction, error) {
	if operator != "==" && operator != "!=" {
		return nil, p.fail(start+len(prefix), "a wildcard is allowed after == and != only")
	}
	v, err := parsePEP440(prefix)
	if err != nil {
		return nil, within(err, p.what, p.text, start)
	}
	if v.pre != "" || v.hasPost || v.hasDev || v.local != nil {
		return nil, p.fail(start, "a wildcard may follow numbers only, for example ==1.2.*")
	}
	s := v.series()
	s.outside = operator == "!="
	return conjunction{s}, nil
}

// series is every version whose release begins with that of v: from its first
// development release up to that of the next series.
func (v pep440) series() interval {
	low := pep440{epoch: v.epoch, release: v.release, hasDev: true, devNum: "0"}
	high := low
	high.release = append([]string(nil), v.release...)
	last := len(high.release) - 1
	high.release[last] = addOne(high.release[last])
	return interval{
		min: Key{text: low.String(), pypi: &low},
		max: Key{text: high.String(), pypi: &high}, maxOpen: true,
	}
}

// addOne adds one to a number written in digits.
func addOne(digits string) string {
	b := []byte(digits)
	for i := len(b) - 1; i >= 0; i-- {
		if b[i] < '9' {
			b[i]++
			return string(b)
		}
		b[i] = '0'
	}
	return "1" + string(b)
}

// foldPEP440 is how "===" compares texts: ignoring case.
func foldPEP440(s string) string { return strings.ToLower(s) }
