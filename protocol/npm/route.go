package npm

import (
	"net/url"
	"strings"

	"sluice.dev/sluice/tenants/coord"
	"sluice.dev/sluice/tenants/errs"
)

// The families of routes that are read.
const (
	routeInfo      = iota // GET /
	routePing             // GET /-/ping
	routeWhoami           // GET /-/whoami
	routeTags             // GET /-/package/{pkg}/dist-tags
	routePackument        // GET /{pkg}
	routeVersion          // GET /{pkg}/{version|tag}
	routeTarball          // GET /{pkg}/-/{file}
)

// route is a parsed path.
type route struct {
	family int
	pkg    string // normalized
	rest   string // version, tag or file
}

// parse reads the escaped path below a registry. A scoped name may come as
// @s/p, @s%2fp or @s%2Fp, with an escaped @ too; every segment is decoded
// exactly once, so that nothing can hide behind a second encoding (O7).
func parse(path string) (route, error) {
	segs, err := segments(path)
	switch {
	case err != nil:
		return route{}, err
	case len(segs) == 0:
		return route{family: routeInfo}, nil
	case segs[0] == "-":
		return parseDash(segs[1:])
	}
	pkg, rest, err := takeName(segs)
	if err != nil {
		return route{}, err
	}
	scope, _, scoped := strings.Cut(pkg, "/")
	switch {
	case len(rest) == 0:
		return route{routePackument, pkg, ""}, nil
	case len(rest) == 1:
		return route{routeVersion, pkg, rest[0]}, nil
	case rest[0] == "-" && len(rest) == 2:
		return route{routeTarball, pkg, rest[1]}, nil
	case rest[0] == "-" && len(rest) == 3 && scoped && rest[1] == scope:
		// The old spelling: /@s/p/-/@s/p-1.0.0.tgz.
		return route{routeTarball, pkg, rest[1] + "/" + rest[2]}, nil
	}
	return route{}, nothingHere()
}

func parseDash(segs []string) (route, error) {
	switch {
	case len(segs) == 1 && segs[0] == "ping":
		return route{family: routePing}, nil
	case len(segs) == 1 && segs[0] == "whoami":
		return route{family: routeWhoami}, nil
	case len(segs) >= 3 && segs[0] == "package" && segs[len(segs)-1] == "dist-tags":
		pkg, rest, err := takeName(segs[1 : len(segs)-1])
		if err != nil {
			return route{}, err
		}
		if len(rest) == 0 {
			return route{family: routeTags, pkg: pkg}, nil
		}
	}
	return route{}, nothingHere()
}

// segments decodes the segments of a path. A slash may be escaped only between a
// scope and what belongs to it; there it is a separator like any other.
func segments(path string) ([]string, error) {
	path = strings.TrimSuffix(strings.TrimPrefix(path, "/"), "/")
	if path == "" {
		return nil, nil
	}
	segs := make([]string, 0, 6)
	for raw := range strings.SplitSeq(path, "/") {
		seg := raw
		if strings.IndexByte(raw, '%') >= 0 {
			var err error
			if seg, err = url.PathUnescape(raw); err != nil {
				return nil, errs.New(errs.Invalid, "npm.route", "the path has an escape that is not %%XX: %.100q", raw)
			}
		}
		scope, rest, slash := strings.Cut(seg, "/")
		switch {
		case seg == "":
			return nil, nothingHere()
		case !slash:
			segs = append(segs, seg)
		case seg[0] == '@' && rest != "" && strings.IndexByte(rest, '/') < 0:
			segs = append(segs, scope, rest)
		default:
			return nil, errs.New(errs.Invalid, "npm.route", "the path has an escaped slash that does not follow a scope: %.100q", raw)
		}
	}
	return segs, nil
}

// takeName takes a package name off the front of the segments.
func takeName(segs []string) (pkg string, rest []string, err error) {
	pkg, rest = segs[0], segs[1:]
	if pkg[0] == '@' {
		if len(rest) == 0 {
			return "", nil, errs.New(errs.Invalid, "npm.route", "%.200q is a scope; a package is @scope/name", pkg)
		}
		pkg, rest = pkg+"/"+rest[0], rest[1:]
	}
	if pkg, err = coord.NormalizeName(coord.NPM, pkg); err != nil {
		return "", nil, errs.New(errs.Invalid, "npm.route", "%s", err)
	}
	return pkg, rest, nil
}

func nothingHere() error {
	return errs.New(errs.NotFound, "npm.route", "there is nothing at this path; packages are at /{name}, their tarballs at /{name}/-/{file}")
}
