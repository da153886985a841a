package lockfile

import (
	"encoding/json"
	"fmt"
	"strings"
)

// bun reads bun.lock, which is JSON with comments and final commas. A package is
// a list that begins with name@version.
func (r *reading) bun() error {
	w, version, found := r.walk(plainJSON(r.raw)), 0, false
	err := w.object(func(key string) error {
		switch key {
		case "lockfileVersion":
			found = true
			return w.value(&version)
		case "packages":
			return w.object(func(string) error { return r.bunPackage(w) })
		}
		return w.skip()
	})
	if err == nil {
		err = w.end()
	}
	switch {
	case err != nil:
		return err
	case !found:
		return r.wrong(0, `has no "lockfileVersion", so it is no lock file of bun`)
	case version < 0 || version > 1:
		return r.wrong(0, "has the version %d; versions 0 and 1 can be read", version)
	}
	r.format = fmt.Sprintf("%s, version %d", r.name, version)
	return nil
}

func (r *reading) bunPackage(w *walker) error {
	var parts []json.RawMessage
	line := w.line()
	if err := w.value(&parts); err != nil {
		return err
	}
	var spec string
	if len(parts) == 0 || json.Unmarshal(parts[0], &spec) != nil {
		return r.wrong(line, "a package must be a list that begins with name@version")
	}
	name, version := splitSpec(spec)
	switch why := foreign(version); {
	case strings.HasPrefix(version, "workspace:"), strings.HasPrefix(version, "root:"):
		return nil // the project itself
	case why != "":
		return r.leave(spec, line, why)
	}
	return r.add(name, version, line)
}

// plainJSON replaces comments and final commas by spaces, so that everything
// stays where it was.
func plainJSON(raw []byte) []byte {
	out := append([]byte(nil), raw...)
	comma := -1 // of the last comma, while nothing but space followed it
	for i := 0; i < len(out); i++ {
		switch c := out[i]; {
		case c == '"':
			i, comma = stringEnd(out, i), -1
		case c == '/' && i+1 < len(out) && (out[i+1] == '/' || out[i+1] == '*'):
			i = blank(out, i)
		case c == ',':
			comma = i
		case (c == '}' || c == ']') && comma >= 0:
			out[comma], comma = ' ', -1
		case c != ' ' && c != '\t' && c != '\n' && c != '\r':
			comma = -1
		}
	}
	return out
}

// stringEnd returns where the string ends that begins at i.
func stringEnd(b []byte, i int) int {
	for i++; i < len(b) && b[i] != '"'; i++ {
		if b[i] == '\\' {
			i++
		}
	}
	return i
}

// blank blanks the comment that begins at i and returns its last place.
func blank(b []byte, i int) int {
	block := b[i+1] == '*'
	b[i], b[i+1] = ' ', ' '
	for i += 2; i < len(b); i++ {
		switch {
		case b[i] == '\n' && !block:
			return i
		case block && b[i] == '*' && i+1 < len(b) && b[i+1] == '/':
			b[i], b[i+1] = ' ', ' '
			return i + 1
		case b[i] != '\n':
			b[i] = ' '
		}
	}
	return i
}
