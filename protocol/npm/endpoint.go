package npm

import (
	"net/http"
	"slices"
	"strings"

	"sluice.dev/sluice/protocol"
)

// action answers one method at one endpoint.
type action func(h *Handler, w http.ResponseWriter, r *http.Request, t protocol.Target, p params)

// params is what stands in a path. What the endpoint's path does not have is "".
type params struct {
	pkg  string            // {pkg}, normalized
	rest string            // {version}, {file}
	rev  string            // {rev}
	vars map[string]string // of endpoints below /-/: everything in braces but {pkg}
}

// endpoint is a form of path with what it answers, by method. GET answers HEAD
// too.
type endpoint struct {
	path string
	on   map[string]action
}

// The endpoints that begin with a package's name.
var (
	atRoot        = &endpoint{"/", map[string]action{"GET": (*Handler).info}}
	atPackage     = &endpoint{"/{pkg}", map[string]action{"GET": (*Handler).packument}}
	atPackageRev  = &endpoint{"/{pkg}/-rev/{rev}", map[string]action{}}
	atVersion     = &endpoint{"/{pkg}/{version}", map[string]action{"GET": (*Handler).version}}
	atTarball     = &endpoint{"/{pkg}/-/{file}", map[string]action{"GET": (*Handler).tarball}}
	atTarballRev  = &endpoint{"/{pkg}/-/{file}/-rev/{rev}", map[string]action{}}
	registryPaths = []*endpoint{
		{"/-/ping", map[string]action{"GET": (*Handler).ping}},
		{"/-/whoami", map[string]action{"GET": (*Handler).whoami}},
		{"/-/package/{pkg}/dist-tags", map[string]action{"GET": (*Handler).distTags}},
	}
)

// below are the endpoints below /-/. A literal segment wins over one in braces,
// so the order among them does not matter.
var below = table(registryPaths, profilePaths, tokenPaths, accessPaths, trustPaths)

// table splits the paths of endpoints once.
func table(families ...[]*endpoint) (out []pattern) {
	for _, family := range families {
		for _, e := range family {
			out = append(out, pattern{strings.Split(strings.TrimPrefix(e.path, "/-/"), "/"), e})
		}
	}
	slices.SortStableFunc(out, func(a, b pattern) int { return a.braces() - b.braces() })
	return out
}

// pattern is the path of an endpoint below /-/, by segments.
type pattern struct {
	segs []string
	*endpoint
}

func (p pattern) braces() (n int) {
	for _, s := range p.segs {
		if s[0] == '{' {
			n++
		}
	}
	return n
}

// match fills the params from the segments behind /-/. It reports false when
// the pattern is another one, and an error when it is this one with a name that
// is none.
func (p pattern) match(segs []string) (out params, ok bool, err error) {
	for i, want := range p.segs {
		switch {
		case len(segs) == 0:
			return params{}, false, nil
		case want == "{pkg}":
			// What is left of the pattern must fit too, before the name is judged.
			take := 1
			if segs[0][0] == '@' {
				take = 2
			}
			if len(segs)-take != len(p.segs)-i-1 || !fits(p.segs[i+1:], segs[take:]) {
				return params{}, false, nil
			}
			if out.pkg, segs, err = takeName(segs); err != nil {
				return params{}, true, err
			}
			continue
		case want[0] == '{':
			if out.vars == nil {
				out.vars = map[string]string{}
			}
			out.vars[strings.Trim(want, "{}")] = segs[0]
		case want != segs[0]:
			return params{}, false, nil
		}
		segs = segs[1:]
	}
	return out, len(segs) == 0, nil
}

// fits reports whether segments have the literals of a pattern at their places.
func fits(want, segs []string) bool {
	for i, w := range want {
		if w[0] != '{' && w != segs[i] {
			return false
		}
	}
	return true
}

// methods lists what an endpoint answers, for an Allow header.
func (e *endpoint) methods() string {
	var out []string
	for m := range e.on {
		out = append(out, m)
		if m == http.MethodGet {
			out = append(out, http.MethodHead)
		}
	}
	slices.Sort(out)
	return strings.Join(out, ", ")
}

// of returns what answers a method, or nil.
func (e *endpoint) of(method string) action {
	if method == http.MethodHead {
		method = http.MethodGet
	}
	return e.on[method]
}
