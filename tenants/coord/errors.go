package coord

import (
	"fmt"
	"strconv"
	"strings"
)

// maxQuoted bounds how much of a bad input an error repeats, in bytes.
const maxQuoted = 120

// SyntaxError says what is wrong with a text that somebody typed or sent. Its
// message has no secrets and may be shown as it is. Callers that answer people
// wrap it as an error of kind Invalid.
type SyntaxError struct {
	What   string // what the text should have been, for example "npm range"
	Text   string // the text as it was given
	Offset int    // byte offset in Text of the mistake; -1 when the whole text is meant
	Msg    string // what is wrong there and what would be right
}

// Error returns the sentence: what, the text, where, and what is wrong.
func (e *SyntaxError) Error() string {
	text := e.Text
	if len(text) > maxQuoted {
		text = strings.ToValidUTF8(text[:maxQuoted], "") + "…"
	}
	where := ""
	if e.Offset >= 0 {
		where = " at byte " + strconv.Itoa(e.Offset)
	}
	return e.What + " " + strconv.Quote(text) + where + ": " + e.Msg
}

// wrong makes a SyntaxError with a formatted message.
func wrong(what, text string, offset int, format string, args ...any) *SyntaxError {
	return &SyntaxError{What: what, Text: text, Offset: offset, Msg: fmt.Sprintf(format, args...)}
}

// within returns err as an error about outer, of which the text that err is
// about starts at byte start.
func within(err error, what, outer string, start int) *SyntaxError {
	inner, ok := err.(*SyntaxError)
	if !ok {
		return wrong(what, outer, start, "%v", err)
	}
	return &SyntaxError{What: what, Text: outer, Offset: start + max(inner.Offset, 0), Msg: inner.Msg}
}

// unknownEcosystem is the answer to a value of [Ecosystem] that is none.
func unknownEcosystem(e Ecosystem) *SyntaxError {
	return wrong("ecosystem", string(e), -1, "must be one of NPM, PYPI, MAVEN, NUGET")
}
