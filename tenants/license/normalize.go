package license

import (
	"html"
	"regexp"
	"slices"
	"strings"
)

// maxName bounds the texts that are read as names of licences, in bytes: longer
// ones quote a licence, and reading a name into them would be a guess.
const maxName = 300

// Parse reads what a package declares: an SPDX expression, or one of the many
// ways in which people write the names of licences ("Apache 2.0", "The MIT
// License (MIT)", "GPLv2+", "CDDL/GPLv2+CE", addresses of licence texts, PyPI
// classifiers). It reports false, with the zero Expression, when the text is not
// understood, says nothing ("SEE LICENSE IN LICENSE.md") or grants nothing (npm's
// "UNLICENSED"); the caller tells "nothing declared" by the empty text.
//
// A bare name means what it mostly means: "Apache" is Apache-2.0, "BSD" is
// BSD-3-Clause, "GPL" is GPL-2.0-or-later, "GPLv3" without "or later" is
// GPL-3.0-only.
func Parse(declared string) (Expression, bool) {
	if len(declared) > MaxLength {
		return Expression{}, false
	}
	text := tidy(declared)
	if e, err := ParseSPDX(text); err == nil {
		return e, true
	}
	if len(text) > maxName {
		return Expression{}, false
	}
	return parseNames(text)
}

var (
	spaces     = regexp.MustCompile(`\s+`)
	address    = regexp.MustCompile(`(?i)<?https?://[^\s<>()]+>?`)
	seeFile    = regexp.MustCompile(`(?i)^(see|refer to|custom|licen[cs]ed? (in|under the file))\b|^licen[cs]e(\.(txt|md|rst))?$|\bsee (the )?(file|\S*licen[cs]e|copying)\b`)
	classifier = regexp.MustCompile(`(?i)^license :: (osi approved :: )?`)
)

// tidy undoes what markup and templates did to the text.
func tidy(text string) string {
	text = html.UnescapeString(text)
	text = strings.ReplaceAll(text, `\"`, `"`)
	text = strings.TrimSpace(spaces.ReplaceAllString(text, " "))
	text = strings.TrimSuffix(text, " */ ' \" =end --")
	text = strings.Trim(text, `"'`+"` ")
	if inner, ok := strings.CutPrefix(text, "["); ok {
		text = strings.Trim(strings.TrimSuffix(inner, "]"), `"' `)
	}
	return strings.TrimSpace(classifier.ReplaceAllString(text, ""))
}

// parseNames reads a text that is no SPDX expression.
func parseNames(text string) (Expression, bool) {
	links := address.FindAllString(text, -1)
	name := strings.TrimSpace(address.ReplaceAllString(text, " "))
	if len(links) > 0 && !hasLetter(name) {
		return ofAddress(links[0])
	}
	// "MIT License, see LICENSE.md": what comes before the pointer counts.
	if at := seeFile.FindStringIndex(name); at != nil {
		name = name[:at[0]]
	}
	return ofNames(words(name))
}

func hasLetter(s string) bool {
	return strings.ContainsFunc(s, func(r rune) bool { return 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' })
}

// ofNames reads one name, or several that are joined.
func ofNames(w []string) (Expression, bool) {
	if slicesContainAny(w, doubts) {
		return Expression{}, false
	}
	if len(mentions(w)) < 2 {
		return ofName(w)
	}
	for _, join := range joins {
		parts := withVersions(split(w, join.words))
		if len(parts) < 2 {
			continue
		}
		or := join.or || slicesContainAny(w, []string{"dual"})
		return ofParts(parts, or || join.words[0] == "+" && isCDDLAndGPL(w))
	}
	return Expression{}, false
}

// joins are the ways to put names together, the loosest first.
var joins = []struct {
	words []string
	or    bool
}{
	{[]string{"or", "|"}, true},
	{[]string{"and", "&", ",", ";"}, false},
	{[]string{"/"}, true},
	{[]string{"+"}, false},
}

// withVersions puts parts that name no licence but a version back to the name
// before them: "Apache License, Version 2.0, and MIT".
func withVersions(parts [][]string) [][]string {
	var merged [][]string
	for _, part := range parts {
		if n := len(merged); n > 0 && len(mentions(part)) == 0 && plainWords(part) == 0 {
			merged[n-1] = append(slices.Clip(merged[n-1]), part...)
			continue
		}
		merged = append(merged, part)
	}
	return merged
}

// marks are the words that [words] puts for phrases that qualify a name.
var marks = []string{"orlater", "classpath", "foss", "dual"}

// plainWords counts the words that are neither numbers nor of our own making.
func plainWords(w []string) int {
	n := 0
	for _, word := range w {
		if word[0] >= 'a' && !slices.Contains(marks, word) {
			n++
		}
	}
	return n
}

// isCDDLAndGPL knows the one pair that is written with "+" and means a choice.
func isCDDLAndGPL(w []string) bool {
	found := mentions(w)
	return len(found) == 2 && found[0].family == cddl && found[1].family == gpl
}

// ofParts joins parts that must all be understood; parts without any words of
// their own ("and" at the end) are left out.
func ofParts(parts [][]string, or bool) (Expression, bool) {
	var all Expression
	for _, part := range parts {
		if len(part) == 0 {
			continue
		}
		e, ok := ofNames(part)
		if !ok {
			return Expression{}, false
		}
		if !contains(all, e) {
			all = joined(all, e, or)
		}
	}
	return all, !all.IsZero()
}

// contains reports whether e is one licence that all has already.
func contains(all, e Expression) bool {
	for _, id := range all.Licenses() {
		if e.root.id == id {
			return true
		}
	}
	return false
}

// ofName reads the name of one licence.
func ofName(w []string) (Expression, bool) {
	if e, err := ParseSPDX(strings.Join(w, "-")); err == nil {
		return e, true
	}
	for _, join := range joins {
		// "MIT and something else" is more than MIT.
		for _, part := range split(w, join.words) {
			if plainWords(part) > 0 && len(mentions(part)) == 0 && len(mentions(w)) > 0 {
				return Expression{}, false
			}
		}
	}
	found := mentions(w)
	if len(found) != 1 || plainWords(found[0].rest) > found[0].family.maxRest() {
		return Expression{}, false
	}
	id := found[0].family.id(found[0].rest)
	e, err := ParseSPDX(id)
	return e, err == nil
}
