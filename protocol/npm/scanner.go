package npm

import (
	"bufio"
	"errors"
	"io"
	"net/http"

	"sluice.dev/sluice/tenants/errs"
)

// opPublish names what fails in this family of routes.
const opPublish = "npm.publish"

// scanner reads a JSON document as it arrives, in memory that does not depend on
// how long it is: members are visited one by one, small values are captured
// whole, and one long string can be read as a stream. What it captures is only
// known to have balanced brackets; [newReader] judges it.
//
// Its errors are of package errs and say at which byte of the body.
type scanner struct {
	in    *bufio.Reader
	at    int64  // bytes read
	left  int64  // bytes that may still come outside of streamed strings (F3)
	bound int64  // what left began with
	buf   []byte // the value captured last
}

// newScanner reads from r at most bound bytes besides the contents of strings
// that are streamed.
func newScanner(r io.Reader, bound int64) *scanner {
	return &scanner{in: bufio.NewReaderSize(r, 64<<10), left: bound, bound: bound}
}

// wrong is an error about the document at the byte that was read last.
func (s *scanner) wrong(format string, args ...any) error {
	return errs.New(errs.Invalid, opPublish, "the body is wrong at byte %d: "+format, append([]any{s.at}, args...)...)
}

// broken explains why no more could be read.
func (s *scanner) broken(err error) error {
	var over *http.MaxBytesError
	var ours *errs.Error
	switch {
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		// Not wrapped: readers above would take it for a proper end.
		return errs.New(errs.Invalid, opPublish, "the body ends too early, after %d bytes", s.at)
	case errors.As(err, &over):
		return errs.Wrap(err, errs.TooLarge, opPublish, "the body is larger than the bound of %d bytes", over.Limit)
	case errors.As(err, &ours):
		return err
	}
	return errs.Wrap(err, errs.Invalid, opPublish, "the body could not be read further than byte %d", s.at)
}

// next reads one byte.
func (s *scanner) next() (byte, error) {
	c, err := s.in.ReadByte()
	if err != nil {
		return 0, s.broken(err)
	}
	s.at++
	if s.left--; s.left < 0 {
		return 0, errs.New(errs.TooLarge, opPublish, "the body has more than the bound of %d bytes besides the tarball", s.bound)
	}
	return c, nil
}

// back gives the byte back that was read last.
func (s *scanner) back() {
	_ = s.in.UnreadByte() // next has just read one
	s.at--
	s.left++
}

// peek returns the next byte that is not white space, without reading it.
func (s *scanner) peek() (byte, error) {
	for {
		c, err := s.next()
		if err != nil {
			return 0, err
		}
		if !isSpace(c) {
			s.back()
			return c, nil
		}
	}
}

func isSpace(c byte) bool { return c == ' ' || c == '\n' || c == '\r' || c == '\t' }

// expect reads the next byte that is not white space, which must be c.
func (s *scanner) expect(c byte, before string) error {
	got, err := s.peek()
	if err != nil {
		return err
	}
	if got != c {
		return s.wrong("%q must stand %s, not %q", c, before, got)
	}
	_, err = s.next()
	return err
}

// members reads an object and calls f for each member, behind its name. f must
// read exactly one value. Names that occur twice and more than most members are
// errors; what is the object's name in messages.
func (s *scanner) members(what string, most int, f func(key string) error) error {
	if err := s.expect('{', "at the beginning of "+what+", which is an object"); err != nil {
		return err
	}
	seen := map[string]bool{}
	for {
		c, err := s.peek()
		if err != nil {
			return err
		}
		if c == '}' && len(seen) == 0 {
			_, err := s.next()
			return err
		}
		key, err := s.name(what)
		switch {
		case err != nil:
			return err
		case seen[key]:
			return s.wrong("the name %.200q occurs twice in %s", key, what)
		case len(seen) == most:
			return errs.New(errs.TooLarge, opPublish, "%s has more than the bound of %d members", what, most)
		}
		seen[key] = true
		if err := s.expect(':', "behind a name"); err != nil {
			return err
		}
		if err := f(key); err != nil {
			return err
		}
		if c, err = s.peek(); err != nil {
			return err
		}
		if _, err := s.next(); err != nil {
			return err
		}
		switch c {
		case '}':
			return nil
		case ',':
		default:
			return s.wrong("',' or '}' must stand behind a member of %s, not %q", what, c)
		}
	}
}

// maxKey bounds the name of a member that is visited, in bytes.
const maxKey = 1 << 10

func (s *scanner) name(what string) (string, error) {
	c, err := s.peek()
	if err != nil {
		return "", err
	}
	if c != '"' {
		return "", s.wrong("a name of %s must begin with '\"', not %q", what, c)
	}
	raw, err := s.value(maxKey, "a name of "+what)
	if err != nil {
		return "", err
	}
	if raw, err = s.checked(raw, "a name of "+what); err != nil {
		return "", err
	}
	return string(text(raw)), nil
}

// value captures one value of at most limit bytes. It stays valid until the
// next capture.
func (s *scanner) value(limit int, what string) ([]byte, error) {
	if _, err := s.peek(); err != nil {
		return nil, err
	}
	s.buf = s.buf[:0]
	var depth int
	var quoted, escaped bool
	for {
		c, err := s.next()
		if err != nil {
			return nil, err
		}
		switch {
		case quoted && escaped:
			escaped = false
		case quoted && c == '\\':
			escaped = true
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '{', c == '[':
			if depth++; depth > maxDepth {
				return nil, s.wrong("%s is nested deeper than the bound of %d", what, maxDepth)
			}
		case depth > 0 && (c == '}' || c == ']'):
			depth--
		case depth == 0 && (c == '}' || c == ']' || c == ',' || c == ':' || isSpace(c)):
			s.back() // the end of a number or a word
			return s.buf, nil
		}
		if len(s.buf) == limit {
			return nil, errs.New(errs.TooLarge, opPublish, "%s is larger than the bound of %d bytes", what, limit)
		}
		s.buf = append(s.buf, c)
		if depth == 0 && !quoted && (c == '"' || c == '}' || c == ']') {
			return s.buf, nil
		}
	}
}

// checked tells whether a captured value is JSON without duplicate names.
func (s *scanner) checked(raw []byte, what string) ([]byte, error) {
	r, err := newReader(raw)
	if err == nil {
		if _, err = r.value(); err == nil {
			err = r.end()
		}
	}
	if err != nil {
		return nil, s.wrong("%s cannot be used: %s", what, explain(err))
	}
	return raw, nil
}

// end checks that nothing follows but white space.
func (s *scanner) end() error {
	for {
		c, err := s.in.ReadByte()
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return s.broken(err)
		case !isSpace(c):
			return s.wrong("something follows the document")
		}
		s.at++
		if s.left--; s.left < 0 {
			return errs.New(errs.TooLarge, opPublish, "the body has more than the bound of %d bytes besides the tarball", s.bound)
		}
	}
}
