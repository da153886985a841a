package npm

import (
	"errors"
	"fmt"
)

// elementsOf returns the elements of a list that is a member of a document, as
// they are; nil when the document has no such member.
func elementsOf(raw []byte, name string, most int) (out [][]byte, err error) {
	r, err := newReader(raw)
	if err != nil {
		return nil, err
	}
	if !r.is('{') {
		return nil, errors.New(wrong(raw, errors.New("it is not a JSON object")))
	}
	_, err = r.object(func(key []byte, _ int32) error {
		if string(key) != name {
			_, err := r.value()
			return err
		}
		if !r.is('[') {
			return fmt.Errorf("%s is not a list", name)
		}
		from, err := r.enter()
		if err != nil {
			return err
		}
		for !r.is(']') {
			if len(out) == most {
				return fmt.Errorf("%s has more than the bound of %d elements", name, most)
			}
			v, err := r.value()
			if err != nil {
				return err
			}
			out = append(out, v.of(raw))
		}
		_, err = r.leave(from)
		return err
	})
	if err == nil {
		err = r.end()
	}
	if err != nil {
		return nil, errors.New(wrong(raw, err))
	}
	return out, nil
}

// stringMember returns a member of an object that is a string, "" for none.
func stringMember(raw []byte, name string) (out string) {
	r, err := newReader(raw)
	if err != nil || !r.is('{') {
		return ""
	}
	_, _ = r.object(func(key []byte, _ int32) error {
		v, err := r.value()
		if err == nil && string(key) == name {
			out = string(text(v.of(raw)))
		}
		return err
	})
	return out
}
