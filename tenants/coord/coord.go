// Package coord is the identity of things: ecosystems, package names, versions
// and their order, ranges, name patterns and purls. It is pure and a leaf.
//
// Names are compared only after normalization (law O7).
package coord

// Ecosystem is one of the four package ecosystems, spelled as in the GraphQL API.
type Ecosystem string

// The ecosystems.
const (
	NPM   Ecosystem = "NPM"
	PyPI  Ecosystem = "PYPI"
	Maven Ecosystem = "MAVEN"
	NuGet Ecosystem = "NUGET"
)

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

// Origin tells whose a version is (law O1).
type Origin string

// The origins.
const (
	Internal Origin = "INTERNAL" // published here, or from a source flagged internal
	External Origin = "EXTERNAL" // from a public remote
)

// Definition says which versions of which packages something is about (P10).
type Definition struct {
	Text string `json:"text"`
}
