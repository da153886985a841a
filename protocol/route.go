package protocol

import (
	"context"
	"net/http"
	"net/url"
	"strings"

	"github.com/google/uuid"

	"sluice.dev/sluice/tenants/coord"
	"sluice.dev/sluice/tenants/errs"
)

// RegistryRef is what a route needs to know of a registry.
type RegistryRef struct {
	ID            uuid.UUID
	Ecosystem     coord.Ecosystem
	Name          string
	Kind          string // PACKAGE or FIREWALL
	AnonymousRead bool   // readable without a credential (A5)
	Archived      bool   // nothing may be changed in it
}

// Registries finds the registries of the context's organization. One that does
// not exist, is of another ecosystem or was deleted is errs.NotFound. It is
// asked on every request, and so must answer from memory.
type Registries interface {
	ByName(ctx context.Context, e coord.Ecosystem, name string) (RegistryRef, error)
	ByID(ctx context.Context, id uuid.UUID) (RegistryRef, error)
}

// Bounds of a request line (F3), in bytes.
const maxURL = 8 << 10

// ecosystems by the first segment of a package route.
var ecosystems = map[string]coord.Ecosystem{"npm": coord.NPM, "pypi": coord.PyPI, "maven": coord.Maven, "nuget": coord.NuGet}

// Segment returns the first segment of the ecosystem's routes: npm, pypi, maven
// or nuget.
func Segment(e coord.Ecosystem) string {
	for s, x := range ecosystems {
		if x == e {
			return s
		}
	}
	return ""
}

// isRegistryName reports whether a registry can have the name: 1 to 64 of a-z,
// 0-9 and, between them, dot, underscore and hyphen.
func isRegistryName(s string) bool {
	if len(s) == 0 || len(s) > 64 || strings.ContainsRune("._-", rune(s[0])) || strings.ContainsRune("._-", rune(s[len(s)-1])) {
		return false
	}
	for i := range len(s) {
		if c := s[i]; (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '.' && c != '_' && c != '-' {
			return false
		}
	}
	return true
}

// route is a package route: /{ecosystem}/{registry}/{rest}.
type route struct {
	ecosystem coord.Ecosystem
	registry  string // "" when no registry can have the name that was asked for
	rest      string // escaped, starts with a slash
}

// packageRoute takes the escaped path below the organization's root apart; ok
// tells whether it is a package route at all.
func packageRoute(path string) (rt route, ok bool) {
	first, below, _ := strings.Cut(strings.TrimPrefix(path, "/"), "/")
	e, ok := ecosystems[first]
	if !ok {
		return route{}, false
	}
	name, rest, _ := strings.Cut(below, "/")
	rt = route{ecosystem: e, rest: "/" + rest}
	if plain, err := url.PathUnescape(name); err == nil && isRegistryName(plain) {
		rt.registry = plain
	}
	return rt, true
}

// checkRequest refuses requests whose line no client of ours sends. The path is
// judged as it was escaped and decoded exactly once: a doubly encoded character
// stays what it is, a literal percent sign.
func checkRequest(r *http.Request) error {
	const op = "protocol.route"
	if n := len(r.URL.EscapedPath()) + len(r.URL.RawQuery); n > maxURL {
		return errs.New(errs.TooLarge, op, "the URL has %d bytes; at most %d are allowed", n, maxURL).On("url")
	}
	path := r.URL.EscapedPath()
	if !strings.HasPrefix(path, "/") {
		return errs.New(errs.Invalid, op, "the path must start with a slash").On("url")
	}
	plain, err := url.PathUnescape(path)
	if err != nil {
		return errs.New(errs.Invalid, op, "the path has a broken percent-encoding").On("url")
	}
	for i := range len(plain) {
		if c := plain[i]; c < 0x20 || c == 0x7f || c == '\\' {
			return errs.New(errs.Invalid, op, "the path has the character %q, which no package path has", rune(c)).On("url")
		}
	}
	// Also between encoded slashes, where a file system would look up.
	for segment := range strings.SplitSeq(plain, "/") {
		if segment == "." || segment == ".." {
			return errs.New(errs.Invalid, op, "the path has a segment %q", segment).On("url")
		}
	}
	return nil
}
