package license

import (
	"slices"
	"strings"
)

// nameFamily is a licence in all its versions, and the names it goes by.
type nameFamily struct {
	versions map[string]string          // ids by version without ".0" at the end
	fallback string                     // without a version, or with one that is not listed
	resolve  func(rest []string) string // instead of the two above
	everyday bool                       // its name is a word that is also said of other things
}

// maxRest is how many words may stand beside the name before it is taken for
// part of a sentence that says something else.
func (f *nameFamily) maxRest() int {
	if f.everyday {
		return 1
	}
	return 6
}

// id returns the SPDX expression for the words around the name.
func (f *nameFamily) id(rest []string) string {
	if f.resolve != nil {
		return f.resolve(rest)
	}
	if id := f.versions[versionIn(rest)]; id != "" {
		return id
	}
	return f.fallback
}

// mention is a family that a text names, and the words that are not the name.
type mention struct {
	family *nameFamily
	rest   []string
}

// mentions returns the different families that the words name, in order.
func mentions(w []string) []mention {
	var found []mention
	var rest []string
	for at := 0; at < len(w); {
		f, n := familyAt(w[at:])
		if f == nil {
			rest = append(rest, w[at])
			at++
			continue
		}
		at += n
		if !slices.ContainsFunc(found, func(m mention) bool { return m.family == f }) {
			found = append(found, mention{family: f})
		}
	}
	for i := range found {
		found[i].rest = rest
	}
	return withoutPublicDomain(found)
}

// withoutPublicDomain drops "public domain" beside a licence that brings it
// about: "Public Domain (CC0)".
func withoutPublicDomain(found []mention) []mention {
	dedicated := slices.ContainsFunc(found, func(m mention) bool { return m.family == cc0 || m.family == unlicense })
	return slices.DeleteFunc(found, func(m mention) bool { return dedicated && m.family == publicDomain })
}

// familyAt returns the family with the longest name at the beginning of w.
func familyAt(w []string) (*nameFamily, int) {
	for n := min(len(w), 5); n > 0; n-- {
		if f := familyNames[strings.Join(w[:n], " ")]; f != nil {
			return f, n
		}
	}
	return nil, 0
}

// versionIn returns the first number among the words, without ".0" at its end:
// "2", "2.1", "". Digits that were run together ("20", "21") are taken apart.
func versionIn(w []string) string {
	for _, word := range w {
		if word[0] < '0' || '9' < word[0] {
			continue
		}
		if len(word) == 2 && !strings.Contains(word, ".") {
			word = word[:1] + "." + word[1:]
		}
		for strings.HasSuffix(word, ".0") {
			word = strings.TrimSuffix(word, ".0")
		}
		return word
	}
	return ""
}

// gnu resolves a GNU licence: the family's versions, "or later" where it is
// said or where no version is, and the Classpath exception.
func gnu(prefix, newestImplied string, versions ...string) func(rest []string) string {
	return func(rest []string) string {
		version := versionIn(rest)
		if !slices.Contains(versions, version) {
			version = ""
		}
		suffix := "-only"
		if version == "" {
			version, suffix = newestImplied, "-or-later"
		}
		if slices.Contains(rest, "orlater") {
			suffix = "-or-later"
		}
		if !strings.Contains(version, ".") {
			version += ".0"
		}
		id := prefix + "-" + version + suffix
		switch {
		case slices.Contains(rest, "classpath"):
			id += " WITH Classpath-exception-2.0"
		case slices.Contains(rest, "foss"):
			id += " WITH Universal-FOSS-exception-1.0"
		}
		return id
	}
}

// bsd resolves the BSD licences by their clauses or nicknames.
func bsd(rest []string) string {
	has := func(any ...string) bool { return slicesContainAny(rest, any) }
	switch {
	case has("clear"):
		return "BSD-3-Clause-Clear"
	case has("nuclear"):
		return "BSD-3-Clause-No-Nuclear-Warranty"
	case has("attribution"):
		return "BSD-3-Clause-Attribution"
	case has("0", "zero"):
		return "0BSD"
	case has("2", "two", "simplified", "netbsd"):
		return "BSD-2-Clause"
	case has("free"):
		return "BSD-2-Clause-Views"
	case has("4", "four", "original", "old"):
		return "BSD-4-Clause"
	}
	return "BSD-3-Clause"
}

// creativeCommons resolves by the elements of the licence's name.
func creativeCommons(rest []string) string {
	has := func(any ...string) bool { return slicesContainAny(rest, any) }
	switch {
	case has("zero"):
		return "CC0-1.0"
	case has("domain"):
		return "CC-PDDC"
	}
	id := "CC-BY"
	if has("nc", "noncommercial") {
		id += "-NC"
	}
	if has("nd", "noderivatives", "noderivs") {
		id += "-ND"
	}
	if has("sa", "sharealike") {
		id += "-SA"
	}
	version := versionIn(rest)
	switch {
	case version == "" && id == "CC-BY":
		version = "3"
	case version == "":
		version = "4"
	}
	if !strings.Contains(version, ".") {
		version += ".0"
	}
	return id + "-" + version
}

// always is a resolver for what has one version.
func always(id string) func([]string) string { return func([]string) string { return id } }
