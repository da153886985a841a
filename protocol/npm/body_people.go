package npm

import (
	"errors"
	"fmt"
	"strings"

	"sluice.dev/sluice/tenants/coord"
)

// maxPeople bounds the maintainers of a package.
const maxPeople = 500

// people reads maintainers: an array of {name, email}, or of "name <email>" as
// old documents have it. Other members of a person are not kept.
func (b *bodyReader) people() ([]coord.Person, error) {
	raw, err := b.any(maxManifest, "maintainers")
	if err != nil {
		return nil, err
	}
	people, err := readPeople(raw)
	if err != nil {
		return nil, b.wrong("maintainers cannot be used: %s", explain(err))
	}
	return people, nil
}

func readPeople(raw []byte) (out []coord.Person, err error) {
	r, err := newReader(raw)
	if err != nil {
		return nil, err
	}
	if !r.is('[') {
		return nil, errors.New("it is not an array")
	}
	if _, err := r.enter(); err != nil {
		return nil, err
	}
	for !r.is(']') {
		p, err := r.person()
		switch {
		case err != nil:
			return nil, err
		case p.Name == "":
			return nil, errors.New("somebody in it has no name")
		case len(out) == maxPeople:
			return nil, fmt.Errorf("it has more than the bound of %d people", maxPeople)
		}
		out = append(out, p)
	}
	return out, nil
}

func (r *reader) person() (p coord.Person, err error) {
	if !r.is('{') {
		v, err := r.value()
		if err != nil {
			return p, err
		}
		name, email, _ := strings.Cut(string(text(v.of(r.raw))), "<")
		return coord.Person{Name: strings.TrimSpace(name), Email: strings.TrimSuffix(strings.TrimSpace(email), ">")}, nil
	}
	_, err = r.object(func(key []byte, _ int32) error {
		v, err := r.value()
		switch string(key) {
		case "name":
			p.Name = string(text(v.of(r.raw)))
		case "email":
			p.Email = string(text(v.of(r.raw)))
		}
		return err
	})
	return p, err
}
