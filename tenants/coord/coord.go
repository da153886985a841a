// Package coord is the identity of things: ecosystems, package names, versions
// and their order, ranges, name patterns and purls. It is pure and a leaf.
//
// Names are compared only after normalization (law O7). Bad input is answered
// with a [*SyntaxError], whose text may be shown to the person who typed it.
package coord

// Package is a name in an ecosystem, normalized.
type Package struct {
	Ecosystem Ecosystem
	Name      string
}

// Version is one release of a package; Version is normalized.
type Version struct {
	Package
	Version string
}

// String returns "name version", as reasons and logs show it.
func (v Version) String() string {
	if v.Version == "" {
		return v.Name
	}
	return v.Name + " " + v.Version
}

// Origin tells whose a version is (law O1).
type Origin string

// The origins.
const (
	Internal Origin = "INTERNAL" // published here, or from a source flagged internal
	External Origin = "EXTERNAL" // from a public remote
)
