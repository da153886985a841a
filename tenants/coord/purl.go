package coord

import (
	"strings"

	"github.com/package-url/packageurl-go"
)

// MaxPURLLength bounds the text of a package URL, in bytes.
const MaxPURLLength = 4096

// PURL returns the canonical package URL of the package, for example
// "pkg:npm/%40angular/core".
func (p Package) PURL() string { return Version{Package: p}.PURL() }

// PURL returns the canonical package URL of the version, for example
// "pkg:maven/org.slf4j/slf4j-api@2.0.13"; without a version when it has none.
func (v Version) PURL() string {
	namespace, name := "", v.Name
	switch v.Ecosystem {
	case NPM:
		if scope, base, at := splitNPM(v.Name); at > 0 {
			namespace, name = "@"+scope, base
		}
	case Maven:
		namespace, name, _ = strings.Cut(v.Name, ":")
	}
	return packageurl.NewPackageURL(v.Ecosystem.PURLType(), namespace, name, v.Version, nil, "").ToString()
}

// ParsePURL reads a package URL of one of the four ecosystems and normalizes
// its name and version. The version is "" when the purl has none. Qualifiers
// and subpath (a file of the version, a repository) are no part of the identity
// and are left out. The error is a [*SyntaxError].
func ParsePURL(text string) (Version, error) {
	const what = "package URL"
	if len(text) > MaxPURLLength {
		return Version{}, wrong(what, text, MaxPURLLength, "is %d bytes long; at most %d are allowed", len(text), MaxPURLLength)
	}
	purl, err := packageurl.FromString(text)
	if err != nil {
		return Version{}, wrong(what, text, -1, "%v; expected for example pkg:npm/lodash@4.17.21", err)
	}
	e, err := ParseEcosystem(purl.Type)
	if err != nil {
		return Version{}, wrong(what, text, -1, "has the type %q; must be npm, pypi, maven or nuget", purl.Type)
	}
	raw, problem := purlName(e, purl.Namespace, purl.Name)
	if problem != "" {
		return Version{}, wrong(what, text, -1, "%s", problem)
	}
	v := Version{Package: Package{Ecosystem: e}}
	if v.Name, err = NormalizeName(e, raw); err != nil {
		return Version{}, wrong(what, text, -1, "%v", err)
	}
	if purl.Version == "" {
		return v, nil
	}
	if v.Version, err = NormalizeVersion(e, purl.Version); err != nil {
		return Version{}, wrong(what, text, -1, "%v", err)
	}
	return v, nil
}

// purlName joins namespace and name as the ecosystem does.
func purlName(e Ecosystem, namespace, name string) (raw, problem string) {
	switch {
	case e == NPM && namespace != "":
		return namespace + "/" + name, ""
	case e == Maven && namespace == "":
		return "", "needs a namespace: the group, as in pkg:maven/org.slf4j/slf4j-api"
	case e == Maven:
		return namespace + ":" + name, ""
	case namespace != "":
		return "", "must not have a namespace"
	}
	return name, ""
}
