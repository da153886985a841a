package npm

import (
	"net/url"
	"strings"

	"sluice.dev/sluice/tenants/coord"
	"sluice.dev/sluice/tenants/errs"
)

// parse reads the escaped path below a registry. A scoped name may come as
// @s/p, @s%2fp or @s%2Fp, with an escaped @ too; every segment is decoded
// exactly once, so that nothing can hide behind a second encoding (O7).
func parse(path string) (*endpoint, params, error) {
	segs, err := segments(path)
	switch {
	case err != nil:
		return nil, params{}, err
	case len(segs) == 0:
		return atRoot, params{}, nil
	case segs[0] == "-":
		return parseBelow(segs[1:])
	}
	pkg, rest, err := takeName(segs)
	if err != nil {
		return nil, params{}, err
	}
	p := params{pkg: pkg}
	if n := len(rest); n >= 2 && rest[n-2] == "-rev" {
		p.rev, rest = rest[n-1], rest[:n-2]
	}
	scope, _, scoped := strings.Cut(pkg, "/")
	switch {
	case len(rest) == 0 && p.rev != "":
		return atPackageRev, p, nil
	case len(rest) == 0:
		return atPackage, p, nil
	case len(rest) == 1 && p.rev == "":
		p.rest = rest[0]
		return atVersion, p, nil
	case rest[0] == "-" && len(rest) == 2:
		p.rest = rest[1]
	case rest[0] == "-" && len(rest) == 3 && scoped && rest[1] == scope:
		// The old spelling: /@s/p/-/@s/p-1.0.0.tgz.
		p.rest = rest[1] + "/" + rest[2]
	default:
		return nil, params{}, nothingHere()
	}
	if p.rev != "" {
		return atTarballRev, p, nil
	}
	return atTarball, p, nil
}

func parseBelow(segs []string) (*endpoint, params, error) {
	for _, p := range below {
		if out, ok, err := p.match(segs); ok {
			return p.endpoint, out, err
		}
	}
	return nil, params{}, nothingHere()
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
