package protocoltest

import (
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// search answers /-/v1/search: words are looked for in names, descriptions and
// keywords, and all of them must be found; scope:, keywords:, author: and
// maintainer: narrow. At most 250 at once, 20 unless size says otherwise, by
// name from the offset from.
func (n *NPM) search(w http.ResponseWriter, query url.Values) {
	number := func(key string, otherwise int) int {
		if v, err := strconv.Atoi(query.Get(key)); err == nil && v >= 0 {
			return v
		}
		return otherwise
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	found := []any{}
	for _, name := range slices.Sorted(maps.Keys(n.packages)) {
		if o := n.hit(n.packages[name], strings.Fields(query.Get("text"))); o != nil {
			found = append(found, o)
		}
	}
	total := len(found)
	found = found[min(number("from", 0), total):]
	found = found[:min(number("size", 20), 250, len(found))]
	writeJSON(w, http.StatusOK, map[string]any{"objects": found, "total": total, "time": npmTime(time.Now())})
}

// hit returns what search says of a package, nil when a word does not match. It
// needs the lock.
func (n *NPM) hit(p *npmPackage, words []string) any {
	v := n.find(p.name, p.tags["latest"])
	if v == nil {
		return nil
	}
	keywords := stringsOf(v.manifest["keywords"])
	description, _ := v.manifest["description"].(string)
	text := strings.ToLower(p.name + " " + description + " " + strings.Join(keywords, " "))
	for _, word := range words {
		qualifier, value, _ := strings.Cut(word, ":")
		ok := strings.Contains(text, strings.ToLower(word))
		switch qualifier {
		case "scope":
			ok = strings.HasPrefix(p.name, "@"+strings.TrimPrefix(value, "@")+"/")
		case "keywords":
			ok = slices.ContainsFunc(strings.Split(value, ","), func(k string) bool { return slices.Contains(keywords, k) })
		case "author", "maintainer":
			ok = value == publisher["username"]
		}
		if !ok {
			return nil
		}
	}
	return map[string]any{
		"package": map[string]any{
			"name": p.name, "version": v.version, "description": description, "keywords": keywords,
			"scope": strings.TrimPrefix(p.name[:strings.IndexByte("/"+p.name, '/')], "@"), "date": npmTime(v.published),
			"links": map[string]any{"npm": n.URL + "/package/" + p.name}, "publisher": publisher, "maintainers": []any{publisher},
		},
		"score":       map[string]any{"final": 0.5, "detail": map[string]any{"quality": 0.5, "popularity": 0.5, "maintenance": 0.5}},
		"searchScore": 1,
	}
}

// publisher is who publishes everything.
var publisher = map[string]any{"username": "ann", "email": "ann@example.org"}

func stringsOf(v any) []string {
	switch v := v.(type) {
	case []string:
		return v
	case []any:
		var out []string
		for _, x := range v {
			if s, ok := x.(string); ok {
				out = append(out, s)
			}
		}
		return out
	}
	return []string{}
}
