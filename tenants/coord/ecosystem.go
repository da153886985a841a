package coord

import "strings"

// Ecosystem is one of the four package ecosystems, spelled as in the GraphQL API.
type Ecosystem string

// The ecosystems.
const (
	NPM   Ecosystem = "NPM"
	PyPI  Ecosystem = "PYPI"
	Maven Ecosystem = "MAVEN"
	NuGet Ecosystem = "NUGET"
)

// Ecosystems returns the four, in the order in which they are always shown.
func Ecosystems() []Ecosystem { return []Ecosystem{NPM, PyPI, Maven, NuGet} }

// ParseEcosystem returns the ecosystem with that name, in any case: npm, pypi,
// maven or nuget, which are also its OSV and purl names.
func ParseEcosystem(name string) (Ecosystem, error) {
	if e := Ecosystem(strings.ToUpper(name)); e.Valid() {
		return e, nil
	}
	return "", &SyntaxError{What: "ecosystem", Text: name, Offset: -1, Msg: "must be one of npm, pypi, maven, nuget"}
}

// Valid reports whether e is one of the four.
func (e Ecosystem) Valid() bool {
	switch e {
	case NPM, PyPI, Maven, NuGet:
		return true
	}
	return false
}

// OSV returns the ecosystem's name in OSV records: npm, PyPI, Maven or NuGet;
// "" when e is not valid.
func (e Ecosystem) OSV() string {
	switch e {
	case NPM:
		return "npm"
	case PyPI:
		return "PyPI"
	case Maven:
		return "Maven"
	case NuGet:
		return "NuGet"
	}
	return ""
}

// PURLType returns the ecosystem's type in a package URL: npm, pypi, maven or
// nuget; "" when e is not valid.
func (e Ecosystem) PURLType() string { return strings.ToLower(e.OSV()) }
