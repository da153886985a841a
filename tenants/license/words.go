package license

import (
	"regexp"
	"slices"
	"strings"
)

// phrases are said in several words and must be one word before names are
// taken apart, or they would look like joined names. They see lower case.
var phrases = []struct {
	pattern *regexp.Regexp
	word    string
}{
	{regexp.MustCompile(`,? *\(?\b(or|and)( \(?at your option\)?)?( any)? (later|newer|greater|above|higher)( versions?)?\)?`), " orlater "},
	{regexp.MustCompile(`\bmit *\+ *no-false-attribs\b`), "mitnfa"},
	{regexp.MustCompile(`\+ *attribution\b`), " attribution "},
	{regexp.MustCompile(`\b(the )?(universal )?foss exception(, v1\.0)?`), " foss "},
	{regexp.MustCompile(`(≥|>=|&ge;) *(\d)`), " $2 orlater "},
	{regexp.MustCompile(`\+ *(ce|cpe)\b`), " classpath "},
	{regexp.MustCompile(`(\d|gpl)\+([\s,;/)]|$)`), "$1 orlater $2"},
	{regexp.MustCompile(`\b(w/ *)?(cpe|ce)\b|\bclass-?path\b`), " classpath "},
	{regexp.MustCompile(`\blibrary or lesser\b`), "lesser"},
	{regexp.MustCompile(`"?new"? or "?revised"?`), "new"},
	{regexp.MustCompile(`"?simplified"? or "?freebsd"?`), "simplified"},
	{regexp.MustCompile(`\bcommon development (and|&) distribution\b`), "cddl"},
	{regexp.MustCompile(`\bacademic free\b`), "afl"},
	{regexp.MustCompile(`\bpermission notice and disclaimer\b`), "hpnd"},
	{regexp.MustCompile(`\bm\.i\.t\b`), "mit"},
	{regexp.MustCompile(`\bmit */ *(x11|x|expat)\b|\bexpat *\(mit/x11\)`), "mit"},
	{regexp.MustCompile(`\bzlib */ *libpng\b`), "zlib"},
	{regexp.MustCompile(`\bunicode */ *icu\b|\bicu-unicode\b`), "icu"},
	{regexp.MustCompile(`\bgnu */ *`), "gnu "},
	{regexp.MustCompile(`\bmpl */ *(\d)`), "mpl $1"},
	{regexp.MustCompile(`\bw3cl?\b`), "wwwc"},
	{regexp.MustCompile(`\bcc-?(0|zero)\b`), "cczero"},
	{regexp.MustCompile(`\bx11\b`), "xeleven"},
	{regexp.MustCompile(`\b0bsd\b`), "bsd 0"},
	{regexp.MustCompile(`- *or *-`), " or "},
	{regexp.MustCompile(`\bw/o?\b`), " "},
	{regexp.MustCompile(`\bdual[- ]licen[cs](e|ed|ing)( option)?\b`), "dual"},
	{regexp.MustCompile(`\([^()]*(copyright|©)[^()]*\)`), " "},
	{regexp.MustCompile(`([a-z)].*?)(copyright|©|\(c\)).*$`), "$1 "},
	{regexp.MustCompile(`\b(january|february|march|april|may|june|july|august|september|october|november|december)\b`), " "},
	{regexp.MustCompile(`\b(19|20)\d\d\b`), " "},
}

// piece is a word, a number with dots, or a sign that joins names.
var piece = regexp.MustCompile(`[a-z']+|\d+(?:[._]\d+)*|[,;/|&+]`)

// noise are words that distinguish no licence from another.
var noise = []string{
	"the", "a", "an", "license", "licence", "licensed", "licenses", "licences", "lisence", "lisense", "liscence", "licese",
	"version", "ver", "v", "style", "like", "standard", "agreement", "under", "terms", "of", "osi", "approved",
	"international", "unported", "generic", "see", "file", "for", "details", "with", "exception", "includes", "including",
}

// doubts are words that change what a name next to them means, so that the
// text is not understood.
var doubts = []string{
	"not", "non", "clause'", "commercial", "proprietary", "except", "restricted", "similar", "unlicensed", "based",
	"evaluation", "trial", "derived", "incompatible", "closed", "internal", "confidential",
}

// words takes a text apart into lower-case words, numbers and joining signs,
// without noise.
func words(text string) []string {
	text = strings.ToLower(text)
	text = strings.ReplaceAll(text, "commons clause", "clause'")
	for _, p := range phrases {
		text = p.pattern.ReplaceAllString(text, p.word)
	}
	var w []string
	for _, word := range piece.FindAllString(text, -1) {
		if !slices.Contains(noise, word) {
			w = append(w, strings.ReplaceAll(word, "_", "."))
		}
	}
	return trimJoins(w)
}

// trimJoins drops joining words at both ends.
func trimJoins(w []string) []string {
	for len(w) > 0 && isJoin(w[0]) {
		w = w[1:]
	}
	for len(w) > 0 && isJoin(w[len(w)-1]) {
		w = w[:len(w)-1]
	}
	return w
}

func isJoin(word string) bool {
	for _, j := range joins {
		if slices.Contains(j.words, word) {
			return true
		}
	}
	return false
}

// split cuts w at every one of the joining words.
func split(w, at []string) [][]string {
	parts := [][]string{nil}
	for _, word := range w {
		if slices.Contains(at, word) {
			parts = append(parts, nil)
			continue
		}
		last := len(parts) - 1
		parts[last] = append(parts[last], word)
	}
	return parts
}

func slicesContainAny(w, any []string) bool {
	return slices.ContainsFunc(w, func(word string) bool { return slices.Contains(any, word) })
}
