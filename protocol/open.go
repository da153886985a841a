package protocol

import (
	"context"
	"net/http"

	"sluice.dev/sluice/tenants/access"
	"sluice.dev/sluice/tenants/coord"
)

// OpenHandler is a [PackageHandler] with endpoints that answer before it is
// known who asks, because they are how somebody becomes known: logins, and the
// exchange of a credential that is not Sluice's.
//
// Nothing was looked up when they are called, and whatever credential came with
// the request was not looked at. They must answer the same whether the registry
// exists or not, until who asks has proved to be somebody (T3).
type OpenHandler interface {
	PackageHandler
	// Opens reports whether the method and escaped path below a registry are
	// such an endpoint. It depends on nothing else.
	Opens(method, path string) bool
	// ServeOpen answers there.
	ServeOpen(w http.ResponseWriter, r *http.Request, v Visit)
}

// Visit is where a request of an open endpoint was sent to.
type Visit struct {
	OrgSlug string
	// Registry is the name that was asked for; there may be none of that name.
	Registry string
	BaseURL  string // of such a registry, as in [Target]
	OrgURL   string
	Path     string // escaped, below the registry
	IP       string // of the client
	// Find looks the registry up; errs.NotFound when there is none.
	Find func(context.Context) (RegistryRef, error)
}

// serveOpen answers open endpoints; it reports false for everything else.
func (s *Server) serveOpen(w http.ResponseWriter, r *http.Request, p Place, a asked) bool {
	if p.Form == RegistryForm {
		// The host says that the registry exists; its name is looked up.
		ref, err := a.find(r.Context())
		if err != nil {
			return false
		}
		a.ecosystem, a.name = ref.Ecosystem, ref.Name
	}
	h, ok := s.Packages[a.ecosystem].(OpenHandler)
	if !ok || a.name == "" || !h.Opens(r.Method, a.path) {
		return false
	}
	w.Header().Set("Cache-Control", "private, no-store")
	h.ServeOpen(w, s.prepared(w, r, access.Anonymous(), p), Visit{OrgSlug: p.Org.Slug, Registry: a.name,
		BaseURL: a.base(RegistryRef{Ecosystem: a.ecosystem, Name: a.name}), OrgURL: p.Home, Path: a.path, IP: p.IP, Find: a.find})
	return true
}

// sought is the ecosystem and the name of the registry that was asked for, ""
// when they are not known yet.
type sought struct {
	ecosystem coord.Ecosystem
	name      string
}
