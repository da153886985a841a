package lockfile

import (
	"bytes"
	"strconv"
	"strings"
)

// yarn reads both formats that are named yarn.lock.
func (r *reading) yarn() error {
	if bytes.HasPrefix(r.raw, []byte("__metadata:")) || bytes.Contains(r.raw, []byte("\n__metadata:")) {
		return r.berry()
	}
	return r.classic()
}

// classic reads the format of yarn 1: entries begin at the margin with the
// patterns that they answer and a colon; what is known of them is indented.
func (r *reading) classic() error {
	var patterns []string
	version, began, line := "", 0, 0
	for text := range strings.Lines(string(r.raw)) {
		line++
		text = strings.TrimRight(text, " \t\r\n")
		indent := len(text) - len(strings.TrimLeft(text, " "))
		switch body := text[indent:]; {
		case body == "" || body[0] == '#':
		case indent == 0:
			if err := r.classicEntry(patterns, version, began); err != nil {
				return err
			}
			var err error
			if patterns, err = r.patterns(body, line); err != nil {
				return err
			}
			version, began = "", line
		case patterns == nil:
			return r.wrong(line, "an entry must begin at the margin")
		case indent == 2 && strings.HasPrefix(body, "version "):
			version = unquote(strings.TrimPrefix(body, "version "))
		}
	}
	if began == 0 && !bytes.Contains(r.raw, []byte("# yarn lockfile v1")) {
		return r.wrong(0, "has neither entries nor the heading of a lock file of yarn")
	}
	r.format = "yarn.lock, version 1"
	return r.classicEntry(patterns, version, began)
}

// patterns reads the head of an entry.
func (r *reading) patterns(head string, line int) ([]string, error) {
	list, ok := strings.CutSuffix(head, ":")
	if !ok {
		return nil, r.wrong(line, "an entry must begin with name@range and a colon; this is %.60q", head)
	}
	var out []string
	for p := range strings.SplitSeq(list, ", ") {
		if p = unquote(strings.TrimSpace(p)); p == "" {
			return nil, r.wrong(line, "an entry must begin with name@range and a colon; this is %.60q", head)
		}
		out = append(out, p)
	}
	return out, nil
}

func unquote(s string) string {
	if plain, err := strconv.Unquote(s); err == nil && strings.HasPrefix(s, `"`) {
		return plain
	}
	return s
}

// classicEntry takes an entry; what its first pattern asks for says where it
// comes from.
func (r *reading) classicEntry(patterns []string, version string, line int) error {
	if patterns == nil {
		return nil
	}
	name, wanted := splitSpec(patterns[0])
	if version == "" {
		return r.wrong(line, "the entry of %.60q has no version", patterns[0])
	}
	if alias, ok := strings.CutPrefix(wanted, "npm:"); ok {
		name, wanted = splitSpec(alias)
	}
	if why := foreign(wanted); why != "" {
		return r.leave(patterns[0], line, why)
	}
	return r.add(name, version, line)
}

// berry reads the format of yarn 2 and newer, which is YAML: an entry's
// resolution is name@protocol:reference.
func (r *reading) berry() error {
	documents, err := r.yaml()
	if err != nil {
		return err
	}
	r.format = "yarn.lock"
	return documents[0].all(func(key string, e mapping) error {
		if key == "__metadata" {
			if v := e.get("version"); v != nil {
				r.format += ", version " + v.Value
			}
			return nil
		}
		return r.berryEntry(key, e)
	})
}

func (r *reading) berryEntry(key string, e mapping) error {
	resolution := e.get("resolution")
	if resolution == nil {
		return r.wrong(e.line(), "the entry of %.60q has no resolution", key)
	}
	name, ref := splitSpec(resolution.Value)
	version, registry := strings.CutPrefix(ref, "npm:")
	switch {
	case registry:
		version, _, _ = strings.Cut(version, "::") // what follows says how to fetch it
		return r.add(name, version, e.line())
	case strings.HasPrefix(ref, "workspace:"):
		return nil // the project itself
	case strings.HasPrefix(ref, "patch:"):
		return r.leave(resolution.Value, e.line(), "it is a patch of the project; what it patches has an entry of its own")
	}
	why := foreign(ref)
	if why == "" {
		why = "it comes from somewhere that is no registry"
	}
	return r.leave(resolution.Value, e.line(), why)
}
