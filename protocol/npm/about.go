package npm

import (
	"encoding/json"
	"net/url"
	"strings"

	"sluice.dev/sluice/protocol"
	"sluice.dev/sluice/tenants/gate"
)

// aboutManifest is what a manifest says for people. Publishers write anything
// into these members, so that what is of another type counts as absent.
type aboutManifest struct {
	Name        loose[string]            `json:"name"`
	Description loose[string]            `json:"description"`
	Keywords    loose[json.RawMessage]   `json:"keywords"`
	Homepage    loose[string]            `json:"homepage"`
	Repository  loose[json.RawMessage]   `json:"repository"`
	Bugs        loose[json.RawMessage]   `json:"bugs"`
	License     loose[string]            `json:"license"`
	Author      loose[json.RawMessage]   `json:"author"`
	Publisher   loose[json.RawMessage]   `json:"_npmUser"`
	Maintainers loose[[]json.RawMessage] `json:"maintainers"`
}

func aboutOf(manifest []byte) (m aboutManifest) {
	_ = json.Unmarshal(manifest, &m) // a manifest that is none says nothing
	return m
}

// Bounds of what search tells about a package, in bytes and elements.
const (
	maxDescription  = 1000
	maxKeywords     = 50
	maxSearchPeople = 50
)

func (m *aboutManifest) keywords() (out []string) {
	var list []json.RawMessage
	if json.Unmarshal(m.Keywords.v, &list) != nil {
		var one string
		_ = json.Unmarshal(m.Keywords.v, &one)
		return strings.FieldsFunc(clip(one, maxDescription), func(r rune) bool { return r == ',' || r == ' ' })
	}
	for _, raw := range list[:min(len(list), maxKeywords)] {
		var k string
		if json.Unmarshal(raw, &k) == nil && k != "" {
			out = append(out, clip(k, 100))
		}
	}
	return out
}

// searchPerson is a person in a search result.
type searchPerson struct {
	Username string `json:"username"`
	Email    string `json:"email,omitempty"`
}

// personOf reads an object with name and email, or "Name <email> (url)".
func personOf(raw json.RawMessage) (p searchPerson, ok bool) {
	var object struct {
		Name     loose[string] `json:"name"`
		Username loose[string] `json:"username"`
		Email    loose[string] `json:"email"`
	}
	var line string
	switch {
	case len(raw) == 0:
		return p, false
	case json.Unmarshal(raw, &line) == nil:
		name, rest, _ := strings.Cut(line, "<")
		email, _, _ := strings.Cut(rest, ">")
		name, _, _ = strings.Cut(name, "(")
		p = searchPerson{strings.TrimSpace(name), strings.TrimSpace(email)}
	case json.Unmarshal(raw, &object) == nil:
		p = searchPerson{object.Username.v, object.Email.v}
		if p.Username == "" {
			p.Username = object.Name.v
		}
	}
	p.Username, p.Email = clip(p.Username, 200), clip(p.Email, 200)
	return p, p.Username != "" || p.Email != ""
}

func (m *aboutManifest) maintainers() []searchPerson {
	out := []searchPerson{} // npm wants a list
	for _, raw := range m.Maintainers.v[:min(len(m.Maintainers.v), maxSearchPeople)] {
		if p, ok := personOf(raw); ok {
			out = append(out, p)
		}
	}
	return out
}

// people are all that a manifest names.
func (m *aboutManifest) people() []searchPerson {
	out := m.maintainers()
	for _, raw := range []json.RawMessage{m.Author.v, m.Publisher.v} {
		if p, ok := personOf(raw); ok {
			out = append(out, p)
		}
	}
	return out
}

var _ gate.Describer = (*Protocol)(nil)

// About is what a manifest says of its package for search: description and
// keywords; "" for nothing.
func About(manifest []byte) string {
	m := aboutOf(manifest)
	return strings.TrimSpace(clip(m.Description.v, maxDescription) + " " + strings.Join(m.keywords(), " "))
}

// About implements gate.Describer.
func (*Protocol) About(l *gate.Listed) string { return About(l.Raw) }

func clip(s string, most int) string {
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "") + "…"
}

// searchPackage is a package in a search result.
type searchPackage struct {
	Name        string            `json:"name"`
	Scope       string            `json:"scope"`
	Version     string            `json:"version"`
	Description string            `json:"description,omitempty"`
	Keywords    []string          `json:"keywords"`
	Date        string            `json:"date,omitempty"`
	License     string            `json:"license,omitempty"`
	Links       map[string]string `json:"links"`
	Author      *searchPerson     `json:"author,omitempty"`
	Publisher   *searchPerson     `json:"publisher,omitempty"`
	Maintainers []searchPerson    `json:"maintainers"`
}

func packageOf(hit gate.SearchHit, t protocol.Target) searchPackage {
	m := aboutOf(hit.Raw)
	p := searchPackage{Name: hit.Package.Name, Scope: "unscoped", Version: hit.Version, Description: clip(m.Description.v, maxDescription), Keywords: m.keywords(),
		License: hit.License.Expression, Maintainers: m.maintainers(), Links: map[string]string{"npm": t.BaseURL + "/" + wireName(hit.Package.Name)}}
	if scope, _, scoped := strings.Cut(p.Name, "/"); scoped {
		p.Scope = strings.TrimPrefix(scope, "@")
	}
	if p.Keywords == nil {
		p.Keywords = []string{}
	}
	if !hit.Published.IsZero() {
		p.Date = stamp(hit.Published)
	}
	if who, ok := personOf(m.Author.v); ok {
		p.Author = &who
	}
	if who, ok := personOf(m.Publisher.v); ok {
		p.Publisher = &who
		if len(p.Maintainers) == 0 {
			p.Maintainers = []searchPerson{who}
		}
	} else if len(p.Maintainers) > 0 {
		p.Publisher = &p.Maintainers[0]
	}
	for name, link := range map[string]string{"homepage": webLink(m.Homepage.v), "repository": linkOf(m.Repository.v), "bugs": linkOf(m.Bugs.v)} {
		if link != "" {
			p.Links[name] = link
		}
	}
	return p
}

// linkOf reads an address, or an object that has one as url.
func linkOf(raw json.RawMessage) string {
	var text string
	var object struct {
		URL loose[string] `json:"url"`
	}
	if json.Unmarshal(raw, &text) != nil && json.Unmarshal(raw, &object) == nil {
		text = object.URL.v
	}
	return webLink(strings.TrimSuffix(strings.TrimPrefix(text, "git+"), ".git"))
}

// webLink is an address that a browser may follow, "" for anything else.
func webLink(s string) string {
	u, err := url.Parse(s)
	if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" || u.User != nil || len(s) > 1000 {
		return ""
	}
	return u.String()
}
