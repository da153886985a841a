package coord

import (
	"encoding/json"
	"strings"
)

// MaxDefinitionLength bounds the text of a definition, in bytes.
const MaxDefinitionLength = MaxNameLength + 1 + MaxRangeLength

// Definition says which versions of which packages something is about (P10): a
// name, a name with wildcards, "name@version", or "name@range" with the range in
// the ecosystem's own syntax: "lodash", "@acme/*", "lodash@4.17.20",
// "lodash@<4.17.21", "@scope/x@^1.0.0", "requests@>=2,<2.31", "org.x:y@[1,2)",
// "Newtonsoft.Json@(,13.0.1)". A version alone is that version in every
// ecosystem. See [Range] for prereleases.
//
// It is read once, by [ParseDefinition] or from JSON; matching parses nothing
// but the version that is asked about. A Definition made in another way matches
// nothing, and [Definition.Valid] tells.
type Definition struct {
	Ecosystem Ecosystem
	Text      string // as it was typed, without the spaces around it

	pattern Pattern
	only    Key    // the one version; not Valid when there is none
	within  *Range // nil when there is none
}

// ParseDefinition reads a definition. The error is a [*SyntaxError] with the
// position of the mistake in text.
func ParseDefinition(e Ecosystem, text string) (Definition, error) {
	if !e.Valid() {
		return Definition{}, unknownEcosystem(e)
	}
	what := e.OSV() + " definition"
	if len(text) > MaxDefinitionLength {
		return Definition{}, wrong(what, text, MaxDefinitionLength, "is %d bytes long; at most %d are allowed", len(text), MaxDefinitionLength)
	}
	trimmed := strings.TrimSpace(text)
	if trimmed == "" {
		return Definition{}, wrong(what, text, -1, "must not be empty; for example a name, name@version or name@range")
	}
	start := strings.Index(text, trimmed)
	d := Definition{Ecosystem: e, Text: trimmed}
	name, versions, at := splitDefinition(trimmed)
	var err error
	if d.pattern, err = ParsePattern(e, name); err != nil {
		if i := strings.IndexAny(name, "<>=!^~[( "); i > 0 {
			return Definition{}, wrong(what, text, start+i, "write '@' between the name and a version or range")
		}
		return Definition{}, within(err, what, text, start)
	}
	if at < 0 {
		return d, nil
	}
	if err := d.readVersions(versions); err != nil {
		return Definition{}, within(err, what, text, start+at)
	}
	return d, nil
}

// splitDefinition cuts at the "@" that is not the beginning of an npm scope and
// returns the offset of what comes after it, -1 when there is none.
func splitDefinition(text string) (name, versions string, at int) {
	i := strings.IndexByte(text[1:], '@')
	if i < 0 {
		return text, "", -1
	}
	return text[:i+1], text[i+2:], i + 2
}

func (d *Definition) readVersions(text string) error {
	trimmed := strings.TrimSpace(text)
	if trimmed == "" {
		return wrong(d.Ecosystem.OSV()+" definition", text, 0, "expected a version or a range after '@'")
	}
	if version, err := NormalizeVersion(d.Ecosystem, trimmed); err == nil && !looksLikeMavenRange(d.Ecosystem, trimmed) {
		if d.only = KeyOf(d.Ecosystem, version); d.only.Valid() {
			return nil
		}
	}
	r, err := ParseRange(d.Ecosystem, text)
	if err != nil {
		return err
	}
	d.within = &r
	return nil
}

// looksLikeMavenRange catches the operators and wildcards of other ecosystems,
// which Maven would take for parts of a version.
func looksLikeMavenRange(e Ecosystem, text string) bool {
	return e == Maven && strings.ContainsAny(text, "<>=^~*")
}

// Valid reports whether d was read by [ParseDefinition] or from JSON.
func (d Definition) Valid() bool { return d.pattern.text != "" }

// String returns the text that was typed.
func (d Definition) String() string { return d.Text }

// Pattern returns the name part.
func (d Definition) Pattern() Pattern { return d.pattern }

// WholePackage reports whether the definition has no version part.
func (d Definition) WholePackage() bool { return d.Valid() && !d.only.Valid() && d.within == nil }

// Matches reports whether the definition is about the version.
func (d Definition) Matches(v Version) bool {
	if !d.pattern.Match(v.Package) {
		return false
	}
	switch {
	case d.only.Valid():
		return KeyOf(d.Ecosystem, v.Version).Compare(d.only) == 0
	case d.within != nil:
		return d.within.Contains(v.Version)
	}
	return true
}

// definitionJSON is the stored form.
type definitionJSON struct {
	Ecosystem Ecosystem `json:"ecosystem"`
	Text      string    `json:"text"`
}

// MarshalJSON returns {"ecosystem":"NPM","text":"lodash@<4.17.21"}.
func (d Definition) MarshalJSON() ([]byte, error) {
	return json.Marshal(definitionJSON{d.Ecosystem, d.Text})
}

// UnmarshalJSON reads the form of [Definition.MarshalJSON] and parses the text,
// so that a stored definition that cannot be understood is an error and never a
// definition that matches nothing.
func (d *Definition) UnmarshalJSON(data []byte) error {
	var stored definitionJSON
	if err := json.Unmarshal(data, &stored); err != nil {
		return err
	}
	parsed, err := ParseDefinition(stored.Ecosystem, stored.Text)
	if err != nil {
		return err
	}
	*d = parsed
	return nil
}
