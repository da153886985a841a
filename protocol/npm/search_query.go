package npm

import (
	"net/url"
	"slices"
	"strings"

	"sluice.dev/sluice/tenants/coord"
	"sluice.dev/sluice/tenants/errs"
	"sluice.dev/sluice/tenants/gate"
)

// Bounds of a search (F3).
const (
	maxSearchText = 512 // bytes
	maxSearchSize = 250
	maxSearchFrom = 1 << 20
	searchSize    = 20 // unless a client says otherwise
)

// searchQuery is what a client looks for.
type searchQuery struct {
	text       string // for remotes: without what is looked at here only
	words      []string
	scopes     []string
	keywords   []string // alternatives
	people     []string // each must be author, maintainer or publisher
	unstable   *bool    // is:unstable, not:unstable; nil = both
	from, size int
}

// parseSearch reads the parameters of a search. Qualifiers are scope:,
// keywords: (alternatives by commas), author:, maintainer:, is:unstable and
// not:unstable; other is:, not: and boost-exact: are passed over, since nothing
// here knows what they ask.
func parseSearch(q url.Values) (s searchQuery, err error) {
	s.text = strings.Join(strings.Fields(q.Get("text")), " ")
	if len(s.text) > maxSearchText {
		return s, errs.New(errs.Invalid, "npm.search", "text has %d bytes; at most %d are allowed", len(s.text), maxSearchText).On("text")
	}
	if s.size, err = searchNumber(q.Get("size"), "size", searchSize, maxSearchSize); err != nil {
		return s, err
	}
	if s.from, err = searchNumber(q.Get("from"), "from", 0, maxSearchFrom); err != nil {
		return s, err
	}
	var out []string
	for _, word := range strings.Fields(s.text) {
		qualifier, value, _ := strings.Cut(word, ":")
		known, ours := false, false
		if value != "" {
			known, ours = s.qualify(strings.ToLower(qualifier), value)
		}
		if !known {
			s.words = append(s.words, word)
		}
		if !ours {
			out = append(out, word)
		}
	}
	s.text = strings.Join(out, " ")
	return s, nil
}

// qualify reports whether a word is a qualifier, and whether it is one that not
// every source understands.
func (s *searchQuery) qualify(name, value string) (known, ours bool) {
	switch name {
	case "scope":
		s.scopes = append(s.scopes, "@"+strings.TrimPrefix(value, "@"))
	case "keywords":
		s.keywords = append(s.keywords, strings.Split(strings.ToLower(value), ",")...)
	case "author", "maintainer":
		s.people = append(s.people, strings.ToLower(value))
	case "is", "not":
		if yes := name == "is"; strings.EqualFold(value, "unstable") {
			s.unstable = &yes
		}
		return true, true
	case "boost-exact":
		return true, true
	default:
		return false, false
	}
	return true, false
}

// fits narrows hits by what their newest version says of itself, nil when
// nothing narrows.
func (s *searchQuery) fits() func(*gate.Listed) bool {
	if s.keywords == nil && s.people == nil && s.unstable == nil {
		return nil
	}
	return func(l *gate.Listed) bool {
		m := aboutOf(l.Raw)
		if s.unstable != nil && *s.unstable != isUnstable(l.Version) {
			return false
		}
		if s.keywords != nil && !slices.ContainsFunc(m.keywords(), func(k string) bool { return slices.Contains(s.keywords, strings.ToLower(k)) }) {
			return false
		}
		for _, who := range s.people {
			if !slices.ContainsFunc(m.people(), func(p searchPerson) bool {
				return strings.EqualFold(p.Username, who) || strings.EqualFold(p.Email, who)
			}) {
				return false
			}
		}
		return true
	}
}

// isUnstable is what npm means by it: below 1.0.0, or a prerelease.
func isUnstable(version string) bool {
	return strings.HasPrefix(version, "0.") || coord.IsPrerelease(coord.NPM, version)
}
