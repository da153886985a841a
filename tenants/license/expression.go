package license

import (
	"fmt"
	"strings"

	"github.com/github/go-spdx/v2/spdxexp/spdxlicenses"
)

// MaxLength bounds declared licences and expressions, in bytes; longer ones are
// licence texts, not names.
const MaxLength = 2000

// maxDepth bounds the nesting of parentheses.
const maxDepth = 50

// Expression is an SPDX licence expression with ids spelled as the SPDX list
// spells them and deprecated ids replaced by what they mean today. The zero
// Expression is none.
type Expression struct {
	root *node
}

// node is a licence, or two nodes joined.
type node struct {
	id          string // "MIT", "GPL-2.0-only WITH Classpath-exception-2.0", "LicenseRef-x"; "" when joined
	or          bool   // joined by OR, else by AND
	left, right *node
}

// ParseSPDX reads an SPDX licence expression (SPDX 2.3, annex D): ids of the
// SPDX list in any case, "+", WITH, AND, OR, parentheses, LicenseRef- and
// DocumentRef-. Operators may be in lower case. The error says what is wrong and
// at which byte.
func ParseSPDX(text string) (Expression, error) {
	if len(text) > MaxLength {
		return Expression{}, fmt.Errorf("licence expression of %d bytes: at most %d are allowed", len(text), MaxLength)
	}
	p := spdxParser{text: text}
	p.next()
	root, err := p.or(0)
	if err == nil && p.token != "" {
		err = p.fail("expected AND, OR or the end")
	}
	if err != nil {
		return Expression{}, err
	}
	return Expression{root: root}, nil
}

// IsZero reports whether e is no expression.
func (e Expression) IsZero() bool { return e.root == nil }

// String returns the normalized expression, "" for the zero Expression.
// Parentheses are written where they change the meaning only.
func (e Expression) String() string {
	if e.root == nil {
		return ""
	}
	return e.root.String()
}

func (n *node) String() string {
	switch {
	case n.id != "":
		return n.id
	case n.or:
		return n.left.String() + " OR " + n.right.String()
	}
	return n.left.inAnd() + " AND " + n.right.inAnd()
}

func (n *node) inAnd() string {
	if n.or {
		return "(" + n.String() + ")"
	}
	return n.String()
}

// Licenses returns the licences of the expression in the order in which they
// are written, each once.
func (e Expression) Licenses() []string {
	var ids []string
	seen := map[string]bool{}
	var walk func(*node)
	walk = func(n *node) {
		if n == nil {
			return
		}
		if n.id != "" && !seen[n.id] {
			seen[n.id] = true
			ids = append(ids, n.id)
		}
		walk(n.left)
		walk(n.right)
	}
	walk(e.root)
	return ids
}

// joined returns a and b joined; the other when one is none.
func joined(a, b Expression, or bool) Expression {
	switch {
	case a.root == nil:
		return b
	case b.root == nil:
		return a
	}
	return Expression{root: &node{or: or, left: a.root, right: b.root}}
}

// spdxParser reads token by token.
type spdxParser struct {
	text  string
	at    int // offset of token
	end   int // offset after token
	token string
}

func (p *spdxParser) fail(msg string) error {
	return fmt.Errorf("licence expression %q at byte %d: %s", p.text, p.at, msg)
}

// next moves to the next token: a parenthesis or a word; "" at the end.
func (p *spdxParser) next() {
	p.at = p.end
	for p.at < len(p.text) && isSpace(p.text[p.at]) {
		p.at++
	}
	p.end = p.at
	if p.at < len(p.text) && isParenthesis(p.text[p.at]) {
		p.end++
	} else {
		for p.end < len(p.text) && !isSpace(p.text[p.end]) && !isParenthesis(p.text[p.end]) {
			p.end++
		}
	}
	p.token = p.text[p.at:p.end]
}

func isSpace(b byte) bool       { return b == ' ' || b == '\t' || b == '\n' || b == '\r' }
func isParenthesis(b byte) bool { return b == '(' || b == ')' }

func (p *spdxParser) or(depth int) (*node, error) {
	left, err := p.and(depth)
	for err == nil && strings.EqualFold(p.token, "OR") {
		p.next()
		var right *node
		right, err = p.and(depth)
		left = &node{or: true, left: left, right: right}
	}
	return left, err
}

func (p *spdxParser) and(depth int) (*node, error) {
	left, err := p.term(depth)
	for err == nil && strings.EqualFold(p.token, "AND") {
		p.next()
		var right *node
		right, err = p.term(depth)
		left = &node{left: left, right: right}
	}
	return left, err
}

func (p *spdxParser) term(depth int) (*node, error) {
	if p.token != "(" {
		return p.license()
	}
	if depth == maxDepth {
		return nil, p.fail("is nested too deeply")
	}
	p.next()
	n, err := p.or(depth + 1)
	if err != nil {
		return nil, err
	}
	if p.token != ")" {
		return nil, p.fail("expected ')'")
	}
	p.next()
	return n, nil
}

func (p *spdxParser) license() (*node, error) {
	if p.token == "" || p.token == ")" {
		return nil, p.fail("expected a licence")
	}
	id, ok := canonicalID(p.token)
	if !ok {
		return nil, p.fail(fmt.Sprintf("%q is no id of the SPDX licence list", p.token))
	}
	p.next()
	if !strings.EqualFold(p.token, "WITH") {
		return &node{id: id}, nil
	}
	p.next()
	known, exception := spdxlicenses.IsException(p.token)
	if !known && !isReference(p.token, "AdditionRef-") {
		return nil, p.fail(fmt.Sprintf("%q is no exception of the SPDX licence list", p.token))
	}
	if strings.Contains(id, " WITH ") {
		return nil, p.fail("a licence has one exception only")
	}
	p.next()
	return &node{id: id + " WITH " + exception}, nil
}

// plainIDs are the ids that stand for themselves.
var plainIDs = func() map[string]bool {
	ids := map[string]bool{}
	for _, id := range spdxlicenses.GetLicenses() {
		ids[id] = replacements[id] == ""
	}
	return ids
}()

// canonicalID returns the id as the SPDX list spells it today, with "+" where
// it is part of the text and means something. References are kept as they are.
func canonicalID(text string) (string, bool) {
	if known, id := spdxlicenses.IsActiveLicense(text); known {
		if replaced, ok := replacements[id]; ok {
			return replaced, true
		}
		return id, true
	}
	if replaced, ok := deprecatedID(text); ok {
		return replaced, true
	}
	if isReference(text, "LicenseRef-") {
		return text, true
	}
	if document, reference, found := strings.Cut(text, ":"); found && isReference(document, "DocumentRef-") && isReference(reference, "LicenseRef-") {
		return text, true
	}
	base, plus := strings.CutSuffix(text, "+")
	if !plus {
		return "", false
	}
	id, known := canonicalID(base)
	if !known || strings.HasSuffix(base, "+") || strings.Contains(id, " WITH ") || isReference(id, "LicenseRef-") {
		return "", false
	}
	if family, only := strings.CutSuffix(id, "-only"); only {
		return family + "-or-later", true
	}
	if strings.HasSuffix(id, "-or-later") {
		return id, true
	}
	return id + "+", true
}

// isReference reports whether text is prefix and at least one of the characters
// that SPDX allows in references.
func isReference(text, prefix string) bool {
	if len(text) <= len(prefix) || !strings.EqualFold(text[:len(prefix)], prefix) {
		return false
	}
	for _, b := range []byte(text[len(prefix):]) {
		ok := 'a' <= b && b <= 'z' || 'A' <= b && b <= 'Z' || '0' <= b && b <= '9' || b == '-' || b == '.'
		if !ok {
			return false
		}
	}
	return true
}
