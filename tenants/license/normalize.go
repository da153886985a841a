package license

import "strings"

// Parse reads what a package declares: an SPDX expression, or one of the many
// ways in which people write licences. It reports false, with the zero
// Expression, when the text is not understood or says nothing; the caller tells
// "nothing declared" by the empty text.
func Parse(declared string) (Expression, bool) {
	text := strings.TrimSpace(declared)
	if text == "" || len(text) > MaxLength {
		return Expression{}, false
	}
	e, err := ParseSPDX(text)
	return e, err == nil
}
