package lockfile

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
)

// walker reads JSON piece by piece, and knows where it is.
type walker struct {
	r   *reading
	raw []byte
	dec *json.Decoder
}

func (r *reading) walk(raw []byte) *walker {
	return &walker{r: r, raw: raw, dec: json.NewDecoder(bytes.NewReader(raw))}
}

// line is where the walker is.
func (w *walker) line() int { return lineAt(w.raw, w.dec.InputOffset()) }

func lineAt(raw []byte, offset int64) int {
	return 1 + bytes.Count(raw[:max(0, min(offset, int64(len(raw))))], []byte("\n"))
}

// explain gives an error of the decoder its line.
func (w *walker) explain(err error) error {
	var own *Error
	var syntax *json.SyntaxError
	var typ *json.UnmarshalTypeError
	switch {
	case errors.As(err, &own):
		return own
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return w.r.wrong(lineAt(w.raw, int64(len(w.raw))), "the file ends in the middle")
	case errors.As(err, &syntax):
		return w.r.wrong(w.line(), "is no JSON: %v", err)
	case errors.As(err, &typ):
		return w.r.wrong(w.line(), "a %s stands where another kind of value is expected", typ.Value)
	}
	return w.r.wrong(w.line(), "%v", err)
}

// object reads an object; each is called behind every key and must read the
// value.
func (w *walker) object(each func(key string) error) error {
	if err := w.open('{'); err != nil {
		return err
	}
	for w.dec.More() {
		t, err := w.dec.Token()
		if err != nil {
			return w.explain(err)
		}
		key, ok := t.(string)
		if !ok {
			return w.r.wrong(w.line(), "a key is expected here")
		}
		if err := each(key); err != nil {
			return err
		}
	}
	_, err := w.dec.Token()
	if err != nil {
		return w.explain(err)
	}
	return nil
}

func (w *walker) open(want json.Delim) error {
	t, err := w.dec.Token()
	if err != nil {
		return w.explain(err)
	}
	if t != want {
		return w.r.wrong(w.line(), "%q is expected here", want.String())
	}
	return nil
}

// value reads a whole value.
func (w *walker) value(into any) error {
	if err := w.dec.Decode(into); err != nil {
		return w.explain(err)
	}
	return nil
}

func (w *walker) skip() error {
	var v json.RawMessage
	return w.value(&v)
}

// end checks that nothing follows.
func (w *walker) end() error {
	if _, err := w.dec.Token(); !errors.Is(err, io.EOF) {
		return w.r.wrong(w.line(), "something follows behind the end of the object")
	}
	return nil
}
