package lockfile

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// pnpm reads pnpm-lock.yaml. It may have two documents, of which the first is
// about pnpm itself; both name versions.
func (r *reading) pnpm() error {
	documents, err := r.yaml()
	if err != nil {
		return err
	}
	for _, doc := range documents {
		version := doc.get("lockfileVersion")
		if version == nil {
			return r.wrong(doc.line(), `has no "lockfileVersion", so it is no lock file of pnpm`)
		}
		slash := false
		switch {
		case strings.HasPrefix(version.Value, "6."):
			slash = true
		case strings.HasPrefix(version.Value, "9."):
		default:
			return r.wrong(version.Line, "has the version %.20q; versions 6 and 9 can be read, which pnpm 8 and newer write", version.Value)
		}
		r.format = fmt.Sprintf("%s, version %s", r.name, version.Value)
		err := doc.each("packages", func(key string, e mapping) error { return r.pnpmPackage(key, e, slash) })
		if err != nil {
			return err
		}
	}
	return nil
}

// pnpmPackage reads an entry of "packages": /name@version(peers) in version 6,
// name@version in version 9.
func (r *reading) pnpmPackage(key string, e mapping, slash bool) error {
	spec, bare := key, ""
	if slash {
		if spec, _ = strings.CutPrefix(key, "/"); spec == key {
			bare = "it comes from somewhere that is no registry"
		}
	}
	spec, _, _ = strings.Cut(spec, "(")
	name, version := splitSpec(spec)
	if how := e.sub("resolution"); how.get("repo") != nil || how.get("directory") != nil {
		bare = "it comes from a repository or a folder"
	}
	if why := foreign(version); why != "" {
		bare = why
	}
	if bare != "" {
		return r.leave(key, e.line(), bare)
	}
	return r.add(name, version, e.line())
}

// mapping is a mapping of a YAML document; the zero one is empty.
type mapping struct{ node, key *yaml.Node }

func (m mapping) line() int {
	switch {
	case m.key != nil:
		return m.key.Line
	case m.node != nil:
		return m.node.Line
	}
	return 0
}

// get returns a scalar, or nil.
func (m mapping) get(name string) *yaml.Node {
	if v := m.find(name); v != nil && v.Kind == yaml.ScalarNode {
		return v
	}
	return nil
}

func (m mapping) sub(name string) mapping { return mapping{node: m.find(name)} }

func (m mapping) find(name string) *yaml.Node {
	if m.node == nil || m.node.Kind != yaml.MappingNode {
		return nil
	}
	for i := 0; i+1 < len(m.node.Content); i += 2 {
		if m.node.Content[i].Value == name {
			return m.node.Content[i+1]
		}
	}
	return nil
}

// each calls fn with the entries of a mapping in the mapping, none when it is
// not there.
func (m mapping) each(name string, fn func(key string, e mapping) error) error {
	return mapping{node: m.find(name)}.all(fn)
}

func (m mapping) all(fn func(key string, e mapping) error) error {
	if m.node == nil || m.node.Kind != yaml.MappingNode {
		return nil
	}
	for i := 0; i+1 < len(m.node.Content); i += 2 {
		k := m.node.Content[i]
		if err := fn(k.Value, mapping{node: m.node.Content[i+1], key: k}); err != nil {
			return err
		}
	}
	return nil
}

// yamlLine finds where the YAML library says that something is.
var yamlLine = regexp.MustCompile(`^yaml: line (\d+): (.*)`)

// Bounds of a YAML file. The library keeps some hundred bytes of each value, so
// the signs that could begin one are bounded, too.
const (
	maxDocuments = 4
	maxSigns     = 1_000_000
)

// yaml reads a file's documents, each of which must be a mapping. Aliases, which
// no lock file has and which make a small file large, are an error.
func (r *reading) yaml() ([]mapping, error) {
	signs := 0
	for _, c := range r.raw {
		switch c {
		case '\n', ',', ':', '[', '{', '-', '?':
			signs++
		}
	}
	if signs > maxSigns {
		return nil, r.wrong(0, "has more than %d lines and values, which is the limit", maxSigns)
	}
	var out []mapping
	dec := yaml.NewDecoder(bytes.NewReader(r.raw))
	for {
		var doc yaml.Node
		err := dec.Decode(&doc)
		if errors.Is(err, io.EOF) && len(out) > 0 {
			return out, nil
		}
		if errors.Is(err, io.EOF) {
			return nil, r.wrong(0, "is empty")
		}
		if err != nil {
			return nil, r.wrongYAML(err)
		}
		if len(out) == maxDocuments {
			return nil, r.wrong(doc.Line, "has more than %d documents, which is the limit", maxDocuments)
		}
		if len(doc.Content) != 1 || doc.Content[0].Kind != yaml.MappingNode {
			return nil, r.wrong(doc.Line, "a mapping is expected here")
		}
		if line := aliased(&doc); line > 0 {
			return nil, r.wrong(line, "an alias stands here, which lock files do not have")
		}
		out = append(out, mapping{node: doc.Content[0]})
	}
}

func (r *reading) wrongYAML(err error) error {
	if m := yamlLine.FindStringSubmatch(err.Error()); m != nil {
		line, _ := strconv.Atoi(m[1]) // it is digits
		return r.wrong(line, "is no YAML: %s", m[2])
	}
	return r.wrong(0, "is no YAML: %s", strings.TrimPrefix(err.Error(), "yaml: "))
}

// aliased returns the line of the first alias, 0 without one.
func aliased(n *yaml.Node) int {
	if n.Kind == yaml.AliasNode {
		return n.Line
	}
	for _, c := range n.Content {
		if line := aliased(c); line > 0 {
			return line
		}
	}
	return 0
}
