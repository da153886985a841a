package protocol

import (
	"context"
	"net/http"
	"time"

	"sluice.dev/sluice/tenants/access"
	"sluice.dev/sluice/tenants/coord"
	"sluice.dev/sluice/tenants/errs"
	"sluice.dev/sluice/tenants/scope"
)

// PackageHandler answers the package clients of one ecosystem. The request is
// authenticated and may read the registry; what else it may do is asked of
// package access with the context's subject.
type PackageHandler interface {
	Serve(w http.ResponseWriter, r *http.Request, t Target)
}

// Config is what a server is made of.
type Config struct {
	Addresses     Addresses
	Organizations Organizations
	Access        Access
	Registries    Registries
	Limits        Limits   // nil: none
	Sessions      Sessions // nil: nobody has one
	// Packages has the handlers; an ecosystem without one has no routes.
	Packages map[coord.Ecosystem]PackageHandler
	// MaxBody bounds the body of one request on package routes, in bytes;
	// default 5 GiB. Handlers have smaller bounds for what they hold in memory.
	MaxBody int64
}

// Server finds the organization of a request, who asks, and what for; then it
// calls the handler of an ecosystem, or what was mounted with Handle. It is
// safe for concurrent use once everything is mounted.
type Server struct {
	Config
	locator *locator
	mounts  []mount // the longest prefix first
	root    http.Handler
}

// NewServer returns a server, or an error that names the setting that is wrong.
func NewServer(c Config) (*Server, error) {
	l, err := newLocator(c.Addresses, c.Organizations)
	if err != nil {
		return nil, err
	}
	if c.MaxBody == 0 {
		c.MaxBody = 5 << 30
	}
	return &Server{Config: c, locator: l}, nil
}

// HomeOf returns the public URL of an organization's root as links to it are
// made where a request does not show it: its subdomain, or else its path form.
func (s *Server) HomeOf(slug string) string { return s.locator.home(slug) }

// HTTP returns an http.Server with bounds on what a client may send before it
// is known (F3). Uploads and downloads may take as long as they move.
func (s *Server) HTTP() *http.Server {
	return &http.Server{Handler: s, ReadHeaderTimeout: 10 * time.Second, IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 32 << 10}
}

// ServeHTTP implements http.Handler.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if err := checkRequest(r); err != nil {
		Problem(w, r, err)
		return
	}
	p, err := s.locator.locate(r)
	switch {
	case errs.Is(err, errs.NotFound):
		Problem(w, r, nothingAt(r.Host))
	case err != nil:
		Problem(w, r, err)
	case p.Form == NoForm:
		s.serveRoot(w, r, p)
	case p.Org.Suspended:
		Problem(w, r, errs.New(errs.Forbidden, "protocol.Server", "the organization %s is suspended; its owners should ask the operator", p.Org.Slug))
	default:
		s.serveOrganization(w, r.WithContext(withPlace(scope.With(r.Context(), p.Org.ID), p)), p)
	}
}

func nothingAt(host string) error {
	return errs.New(errs.NotFound, "protocol.Server", "there is no organization at %.253q", host)
}

func (s *Server) serveOrganization(w http.ResponseWriter, r *http.Request, p Place) {
	if p.Form == RegistryForm {
		s.servePackages(w, r, p, asked{
			find: func(ctx context.Context) (RegistryRef, error) { return s.Registries.ByID(ctx, p.Registry) },
			base: func(RegistryRef) string { return p.Base },
			path: p.Path,
		})
		return
	}
	if rt, ok := packageRoute(p.Path); ok {
		s.servePackages(w, r, p, asked{
			find: func(ctx context.Context) (RegistryRef, error) {
				if rt.registry == "" {
					return RegistryRef{}, noRegistry()
				}
				return s.Registries.ByName(ctx, rt.ecosystem, rt.registry)
			},
			base:   func(ref RegistryRef) string { return p.Base + "/" + Segment(ref.Ecosystem) + "/" + ref.Name },
			path:   rt.rest,
			sought: sought{rt.ecosystem, rt.registry},
		})
		return
	}
	s.serveMount(w, r, p)
}

// asked is the registry that a package route is for.
type asked struct {
	find func(context.Context) (RegistryRef, error)
	base func(RegistryRef) string
	path string
	sought
}

func noRegistry() error {
	return errs.New(errs.NotFound, "protocol.Server", "there is no such registry here, or you may not read it")
}

const packageMethods = "GET, HEAD, POST, PUT, DELETE"

// servePackages keeps the order of F2: who asks, which registry, may they read
// it; only then anything that could tell what is in it. Nobody hears 401 and
// somebody without the right 404, whether the registry exists or not (T3).
func (s *Server) servePackages(w http.ResponseWriter, r *http.Request, p Place, a asked) {
	Harden(w.Header())
	switch r.Method {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodDelete:
	default:
		NotAllowed(w, r, packageMethods)
		return
	}
	if s.serveOpen(w, r, p, a) {
		return
	}
	who, err := authenticate(r.Context(), s.Access, r.Header, p.IP)
	if err != nil {
		Problem(w, r, err)
		return
	}
	ref, err := s.readable(r.Context(), who, a)
	if err != nil {
		Problem(w, r, err)
		return
	}
	if s.refusedForNow(w, r, p, who) {
		return
	}
	h := s.Packages[ref.Ecosystem]
	if h == nil {
		Problem(w, r, noRegistry())
		return
	}
	if r.ContentLength > s.MaxBody {
		Problem(w, r, errs.New(errs.TooLarge, "protocol.Server", "the body has %d bytes; at most %d are allowed", r.ContentLength, s.MaxBody))
		return
	}
	t := Target{
		Org: p.Org.ID, OrgSlug: p.Org.Slug, Registry: ref.ID, RegistryName: ref.Name,
		BaseURL: a.base(ref), OrgURL: p.Home, Path: a.path,
		Subject: subjectName(who), Anonymous: ref.AnonymousRead,
	}
	w.Header().Set("Cache-Control", t.CacheControl())
	h.Serve(w, s.prepared(w, r, who, p), t)
}

// prepared is the request as handlers get it: with its subject, with a bounded
// body, and without cookies, which package routes ignore (T6).
func (s *Server) prepared(w http.ResponseWriter, r *http.Request, who access.Subject, p Place) *http.Request {
	out := r.WithContext(access.As(r.Context(), who, p.IP))
	if _, ok := r.Header["Cookie"]; ok {
		out.Header = r.Header.Clone()
		out.Header.Del("Cookie")
	}
	if r.Body != nil && r.Body != http.NoBody {
		out.Body = http.MaxBytesReader(w, r.Body, s.MaxBody)
	}
	return out
}

// readable returns the registry if the subject may read it. The registry's own
// readability comes first, so that everybody may read what anybody may.
func (s *Server) readable(ctx context.Context, who access.Subject, a asked) (RegistryRef, error) {
	ref, err := a.find(ctx)
	if err != nil && !errs.Is(err, errs.NotFound) {
		return RegistryRef{}, err
	}
	if err == nil {
		may := ref.AnonymousRead
		if !may {
			if may, err = s.Access.Reads(ctx, who, ref.ID); err != nil {
				return RegistryRef{}, err
			}
		}
		if may {
			return ref, nil
		}
	}
	if who.IsAnonymous() {
		return RegistryRef{}, errs.New(errs.Unauthenticated, "protocol.Server", "a token is needed to read this registry")
	}
	return RegistryRef{}, noRegistry()
}

func subjectName(who access.Subject) string {
	if who.IsAnonymous() {
		return ""
	}
	return who.Name
}
