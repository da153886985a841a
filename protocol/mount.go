package protocol

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"sluice.dev/sluice/tenants/access"
	"sluice.dev/sluice/tenants/errs"
)

type mount struct {
	prefix string
	open   bool // no credential is looked at
	http.Handler
}

// Handle mounts a handler below the root of every organization: "/graphql" is
// that path alone, "/-/decisions/" everything below it, and "/" what nothing
// else wants. The longest prefix wins; package routes win over all. The handler
// sees the path below the organization's root, whatever the form, and a context
// with the organization, the subject (by token, else by session, else
// anonymous) and the [Place].
func (s *Server) Handle(prefix string, h http.Handler) { s.mount(mount{prefix, false, h}) }

// HandleOpen is Handle for what has credentials of its own: the subject is
// anonymous whatever the request carries, and nobody is refused before the
// handler is called.
func (s *Server) HandleOpen(prefix string, h http.Handler) { s.mount(mount{prefix, true, h}) }

func (s *Server) mount(m mount) {
	prefix := m.prefix
	if !strings.HasPrefix(prefix, "/") {
		panic(fmt.Sprintf("protocol: the prefix %q does not start with a slash", prefix))
	}
	s.mounts = append(s.mounts, m)
	slices.SortStableFunc(s.mounts, func(a, b mount) int { return len(b.prefix) - len(a.prefix) })
}

// HandleRoot mounts what the platform's own host answers outside of any
// organization; without it everything there is 404.
func (s *Server) HandleRoot(h http.Handler) { s.root = h }

// Counted bounds the requests of one address to a part of what HandleRoot
// mounts. What tells whether the node is well is better left uncounted.
func (s *Server) Counted(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		place, _ := PlaceOf(r.Context())
		if !s.refusedForNow(w, r, place, access.Anonymous()) {
			h.ServeHTTP(w, r)
		}
	})
}

func (s *Server) serveRoot(w http.ResponseWriter, r *http.Request, p Place) {
	if s.root == nil {
		Problem(w, r, errs.New(errs.NotFound, "protocol.Server", "there is nothing here; an organization is at /o/{slug}/ or at its own host"))
		return
	}
	s.root.ServeHTTP(w, r.WithContext(withPlace(r.Context(), p)))
}

func (s *Server) serveMount(w http.ResponseWriter, r *http.Request, p Place) {
	h, found := s.mounted(p.Path)
	switch {
	case !found:
		Problem(w, r, errs.New(errs.NotFound, "protocol.Server", "there is nothing at this path; registries are at /npm/, /pypi/, /maven/ and /nuget/ and their name"))
		return
	case r.Method == http.MethodTrace || r.Method == http.MethodConnect:
		NotAllowed(w, r, packageMethods)
		return
	case p.Form == PathForm && r.URL.EscapedPath() == "/o/"+p.Org.Slug && r.Method == http.MethodGet:
		// Relative links of a page count from the last slash.
		http.Redirect(w, r, p.Base+"/", http.StatusPermanentRedirect)
		return
	}
	who, err := access.Anonymous(), error(nil)
	if !h.open {
		who, err = s.subject(r, p)
	}
	if err != nil {
		Problem(w, r, err)
		return
	}
	if s.refusedForNow(w, r, p, who) {
		return
	}
	ctx := access.As(r.Context(), who, p.IP)
	if !h.open {
		ctx = s.withAgain(ctx, r, p)
	}
	out := r.WithContext(ctx)
	if out.URL, err = below(r.URL, p.Path); err != nil {
		Problem(w, r, err)
		return
	}
	h.ServeHTTP(w, out)
}

func (s *Server) mounted(path string) (mount, bool) {
	for _, m := range s.mounts {
		if path == m.prefix || (strings.HasSuffix(m.prefix, "/") && strings.HasPrefix(path, m.prefix)) {
			return m, true
		}
	}
	return mount{}, false
}

// below returns the URL with another escaped path.
func below(u *url.URL, path string) (*url.URL, error) {
	plain, err := url.PathUnescape(path)
	if err != nil {
		return nil, errors.Join(err, errs.New(errs.Invalid, "protocol.Server", "the path has a broken percent-encoding"))
	}
	out := *u
	out.Path, out.RawPath = plain, path
	return &out, nil
}
