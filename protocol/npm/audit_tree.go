package npm

import (
	"encoding/json"
	"slices"
	"strings"

	"sluice.dev/sluice/tenants/coord"
	"sluice.dev/sluice/tenants/errs"
)

// lockTree is a tree of locked versions as clients send it: where each one is
// installed, and by what it is required. The first node is the project.
type lockTree struct {
	nodes []lockNode
}

// lockNode is one installed version.
type lockNode struct {
	name, version          string // as the registry knows them, so not of an alias
	parent                 int    // index; -1 for the project
	children               map[string]int
	requires               map[string]string // ranges by the name under which they are installed
	dev, optional, bundled bool
}

// rawNode is a node on the wire. Clients differ in the types of what does not
// matter here, so that anything is taken there.
type rawNode struct {
	Version      loose[string]            `json:"version"`
	Requires     loose[map[string]string] `json:"requires"` // true in some trees
	Dependencies map[string]*rawNode      `json:"dependencies"`
	Dev          loose[bool]              `json:"dev"`
	Optional     loose[bool]              `json:"optional"`
	Bundled      loose[bool]              `json:"bundled"`
}

// loose is a value of which any other type counts as absent.
type loose[T any] struct{ v T }

// UnmarshalJSON never fails on valid JSON.
func (l *loose[T]) UnmarshalJSON(b []byte) error {
	var v T
	if json.Unmarshal(b, &v) == nil {
		l.v = v
	}
	return nil
}

// maxTreeDepth bounds how deep installed versions lie in one another.
const maxTreeDepth = 500

// decodeTree reads the body of a request for an audit of a tree.
func decodeTree(body []byte) (*lockTree, error) {
	const op = "npm.audit"
	var n *rawNode
	err := json.Unmarshal(body, &n)
	switch {
	case err != nil:
		return nil, errs.New(errs.Invalid, op, "the body must be an object with the locked dependencies of a project, as npm makes it from a lock file: %s", whatJSON(err))
	case n == nil || n.Dependencies == nil:
		return nil, errs.New(errs.Invalid, op, "the body has no dependencies; it must be an object with the locked dependencies of a project").On("dependencies")
	}
	t := &lockTree{}
	return t, t.add("", n, -1, 0)
}

func (t *lockTree) add(name string, n *rawNode, parent, depth int) error {
	const op = "npm.audit"
	switch {
	case n == nil:
		return errs.New(errs.Invalid, op, "dependencies.%.200s is null; it must be an object with a version", name)
	case len(t.nodes) > maxAuditVersions:
		return errs.New(errs.TooLarge, op, "the tree has more than the bound of %d versions", maxAuditVersions)
	case depth > maxTreeDepth:
		return errs.New(errs.TooLarge, op, "the tree is deeper than the bound of %d", maxTreeDepth)
	}
	at := len(t.nodes)
	node := lockNode{name: name, version: n.Version.v, parent: parent, requires: n.Requires.v, children: make(map[string]int, len(n.Dependencies)),
		dev: n.Dev.v, optional: n.Optional.v, bundled: n.Bundled.v}
	if real, ok := strings.CutPrefix(node.version, "npm:"); ok { // an alias
		if i := strings.LastIndexByte(real, '@'); i > 0 {
			node.name, node.version = real[:i], real[i+1:]
		}
	}
	if v, err := coord.NormalizeVersion(coord.NPM, node.version); err == nil {
		node.version = v
	}
	t.nodes = append(t.nodes, node)
	names := make([]string, 0, len(n.Dependencies))
	for child := range n.Dependencies {
		names = append(names, child)
	}
	slices.Sort(names) // so that the same tree always gets the same report
	for _, child := range names {
		t.nodes[at].children[child] = len(t.nodes)
		if err := t.add(child, n.Dependencies[child], at, depth+1); err != nil {
			return err
		}
	}
	return nil
}

// installed lists the versions of the tree by package.
func (t *lockTree) installed() map[string][]string {
	out := map[string][]string{}
	for i := range t.nodes[1:] {
		n := &t.nodes[i+1]
		if !slices.Contains(out[n.name], n.version) {
			out[n.name] = append(out[n.name], n.version)
		}
	}
	return out
}

// resolve finds what a node gets for a name: what is installed in it, or in the
// nearest node around it. It returns -1 when nothing is.
func (t *lockTree) resolve(from int, name string) int {
	for at := from; at >= 0; at = t.nodes[at].parent {
		if child, ok := t.nodes[at].children[name]; ok {
			return child
		}
	}
	return -1
}

// needs returns the nodes that a node requires, by the names under which they
// are installed. A project that does not say what it requires has its children.
func (t *lockTree) needs(at int) (out []int) {
	n := &t.nodes[at]
	if n.requires == nil {
		for _, child := range n.children {
			out = append(out, child)
		}
		slices.Sort(out)
		return out
	}
	for name := range n.requires {
		if child := t.resolve(at, name); child > 0 {
			out = append(out, child)
		}
	}
	slices.Sort(out)
	return out
}
