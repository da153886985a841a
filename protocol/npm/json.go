package npm

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
)

// span is a piece of a document by offsets; the zero span is no piece.
type span struct{ from, to int32 }

func (s span) of(raw []byte) []byte { return raw[s.from:s.to:s.to] }

func (s span) empty() bool { return s.to == 0 }

// shift makes the offsets of a piece relative to base.
func (s *span) shift(base int32) {
	if !s.empty() {
		s.from, s.to = s.from-base, s.to-base
	}
}

// reader walks a JSON document once and tells where in it things are. It is
// strict: duplicate names, text that is not UTF-8 and anything after the value
// are errors. It accepts escaped lone surrogates, which truncated texts in real
// documents contain; they pass through as they are.
type reader struct {
	raw   []byte
	dec   *jsontext.Decoder
	depth int
	names []*nameSet // by depth
}

// Bounds of a document (F3). Offsets fit into an int32; the guarded client
// stops far below maxDocument.
const (
	maxDocument = 1 << 30
	maxDepth    = 200
)

func newReader(raw []byte) (*reader, error) {
	if len(raw) > maxDocument {
		return nil, fmt.Errorf("it is larger than the bound of %d bytes", maxDocument)
	}
	if !utf8.Valid(raw) {
		return nil, errors.New("it is not UTF-8")
	}
	dec := jsontext.NewDecoder(bytes.NewBuffer(raw), jsontext.AllowInvalidUTF8(true), jsontext.AllowDuplicateNames(true))
	return &reader{raw: raw, dec: dec}, nil
}

// pos is the offset behind what was read last.
func (r *reader) pos() int32 { return int32(r.dec.InputOffset()) }

func (r *reader) is(k jsontext.Kind) bool { return r.dec.PeekKind() == k }

// value reads one whole value.
func (r *reader) value() (span, error) {
	switch r.dec.PeekKind() {
	case '{':
		return r.object(func([]byte, int32) error {
			_, err := r.value()
			return err
		})
	case '[':
		return r.array()
	}
	v, err := r.dec.ReadValue()
	if err != nil {
		return span{}, err
	}
	return r.last(v), nil
}

func (r *reader) last(v jsontext.Value) span {
	end := r.pos()
	return span{end - int32(len(v)), end}
}

// enter begins an object or array.
func (r *reader) enter() (from int32, err error) {
	if r.depth == maxDepth {
		return 0, fmt.Errorf("it is nested deeper than the bound of %d (byte %d)", maxDepth, r.pos())
	}
	if _, err := r.dec.ReadToken(); err != nil {
		return 0, err
	}
	r.depth++
	return r.pos() - 1, nil
}

// leave ends what enter began.
func (r *reader) leave(from int32) (span, error) {
	if _, err := r.dec.ReadToken(); err != nil {
		return span{}, err
	}
	r.depth--
	return span{from, r.pos()}, nil
}

func (r *reader) array() (span, error) {
	from, err := r.enter()
	if err != nil {
		return span{}, err
	}
	for !r.is(']') {
		if _, err := r.value(); err != nil {
			return span{}, err
		}
	}
	return r.leave(from)
}

// object reads an object and calls f for each member, behind its name. f must
// read exactly one value. The key stays valid; at is where it begins.
func (r *reader) object(f func(key []byte, at int32) error) (span, error) {
	from, err := r.enter()
	if err != nil {
		return span{}, err
	}
	for len(r.names) < r.depth {
		r.names = append(r.names, &nameSet{})
	}
	names := r.names[r.depth-1]
	names.reset()
	for !r.is('}') {
		raw, err := r.dec.ReadValue()
		if err != nil {
			return span{}, err
		}
		key, at := text(raw), r.last(raw).from
		if !names.add(key) {
			return span{}, fmt.Errorf("the name %.200q occurs twice in one object (byte %d)", key, at)
		}
		if err := f(key, at); err != nil {
			return span{}, err
		}
	}
	return r.leave(from)
}

// end checks that nothing follows.
func (r *reader) end() error {
	_, err := r.dec.ReadToken()
	if errors.Is(err, io.EOF) {
		return nil
	}
	if err == nil {
		err = fmt.Errorf("something follows the document at byte %d", r.pos())
	}
	return err
}

// text returns what a JSON string says; nil when v is not a string. It allocates only
// when something in it is escaped.
func text(v []byte) []byte {
	if len(v) < 2 || v[0] != '"' {
		return nil
	}
	if bytes.IndexByte(v, '\\') < 0 {
		return v[1 : len(v)-1]
	}
	// The only error left is a lone surrogate, which has become U+FFFD.
	out, _ := jsontext.AppendUnquote(nil, v)
	return out
}

// quote writes s as a JSON string.
func quote(dst []byte, s string) []byte {
	out, err := jsontext.AppendQuote(dst, s)
	if err != nil {
		// Invalid UTF-8 has become U+FFFD; the string is complete.
		return out
	}
	return out
}

// explain turns a reader's error into words for an error message.
func explain(err error) string {
	var syntax *jsontext.SyntacticError
	if !errors.As(err, &syntax) {
		if errors.Is(err, io.EOF) {
			return "it is empty"
		}
		return err.Error()
	}
	what := "it is not JSON"
	if errors.Is(err, io.ErrUnexpectedEOF) {
		what = "it ends too early"
	}
	where := string(syntax.JSONPointer)
	if len(where) > 200 {
		where = where[:200] + "…"
	}
	return fmt.Sprintf("%s (byte %d, at %q)", what, syntax.ByteOffset, where)
}
