package npm

import (
	"encoding/base64"
	"errors"
	"io"

	"sluice.dev/sluice/tenants/errs"
)

// base64String streams the bytes that a JSON string has in base64 (RFC 4648,
// section 4, padded, no line breaks), as attachments of a publish do. It ends
// behind the string's closing quote, and never before it.
type base64String struct {
	s       *scanner
	decoder io.Reader
	digits  int64 // of base64 so far, padding included
	padded  bool
	closed  bool
	err     error // why the text below the decoder ended, if not well
}

// base64 begins to stream the next value, which must be a string.
func (s *scanner) base64(what string) (*base64String, error) {
	if err := s.expect('"', "at the beginning of "+what+", which is a string"); err != nil {
		return nil, err
	}
	b := &base64String{s: s}
	b.decoder = base64.NewDecoder(base64.StdEncoding.Strict(), textOf{b})
	return b, nil
}

// Read implements io.Reader.
func (b *base64String) Read(p []byte) (int, error) {
	n, err := b.decoder.Read(p)
	var corrupt base64.CorruptInputError
	switch {
	case err == nil || errors.Is(err, io.EOF) && b.closed && b.err == nil:
	case b.err != nil:
		err = b.err
	case errors.Is(err, io.ErrUnexpectedEOF):
		err = b.s.wrong("the base64 of the attachment is cut off: it has %d digits, which is no multiple of 4", b.digits)
	case errors.As(err, &corrupt):
		err = b.s.wrong("the attachment is not base64: its last digits or its padding are wrong")
	default:
		err = errs.Wrap(err, errs.Invalid, opPublish, "the attachment is not base64")
	}
	return n, err
}

// textOf is the text of a base64String, for its decoder.
type textOf struct{ *base64String }

// Read yields digits of base64.
func (t textOf) Read(p []byte) (int, error) {
	b := t.base64String
	if b.err != nil {
		return 0, b.err
	}
	if b.closed {
		return 0, io.EOF
	}
	n, err := b.fill(p)
	if err != nil && !errors.Is(err, io.EOF) {
		b.err = err
	}
	return n, err
}

func (b *base64String) fill(p []byte) (n int, err error) {
	in := b.s.in
	if in.Buffered() == 0 {
		if _, err := in.Peek(1); err != nil {
			return 0, b.s.broken(err)
		}
	}
	have, _ := in.Peek(min(in.Buffered(), len(p))) // that much is buffered
	for _, c := range have {
		if !isDigit64(c) || b.padded {
			break
		}
		n++
	}
	if n > 0 {
		copy(p, have[:n])
		_, _ = in.Discard(n)
		b.s.at += int64(n)
		b.digits += int64(n)
		return n, nil
	}
	return b.special(p)
}

// special reads one byte of the string that is no plain digit.
func (b *base64String) special(p []byte) (int, error) {
	c, err := b.s.next()
	if err != nil {
		return 0, err
	}
	switch c {
	case '"':
		b.closed = true
		return 0, io.EOF
	case '\\':
		if c, err = b.escaped(); err != nil {
			return 0, err
		}
	}
	switch {
	case c == '=':
		b.padded = true
	case !isDigit64(c):
		return 0, b.s.wrong("the attachment is not base64: it has %q", c)
	case b.padded:
		return 0, b.s.wrong("the attachment is not base64: something follows its padding")
	}
	p[0] = c
	b.digits++
	return 1, nil
}

// escaped reads what follows a backslash. JSON lets a writer escape any
// character; of those in base64 some writers escape the slash.
func (b *base64String) escaped() (byte, error) {
	c, err := b.s.next()
	if err != nil || c == '/' {
		return c, err
	}
	if c != 'u' {
		return 0, b.s.wrong("the attachment is not base64: it has the escape \\%c", c)
	}
	var code int
	for range 4 {
		if c, err = b.s.next(); err != nil {
			return 0, err
		}
		digit := hexDigit(c)
		if digit < 0 {
			return 0, b.s.wrong("an escape must be \\u and four hexadecimal digits, not %q", c)
		}
		code = code<<4 | digit
	}
	if code >= 0x80 {
		return 0, b.s.wrong("the attachment is not base64: it has U+%04X", code)
	}
	return byte(code), nil
}

func hexDigit(c byte) int {
	switch {
	case '0' <= c && c <= '9':
		return int(c - '0')
	case 'a' <= c && c <= 'f':
		return int(c-'a') + 10
	case 'A' <= c && c <= 'F':
		return int(c-'A') + 10
	}
	return -1
}

func isDigit64(c byte) bool {
	return 'A' <= c && c <= 'Z' || 'a' <= c && c <= 'z' || '0' <= c && c <= '9' || c == '+' || c == '/'
}
