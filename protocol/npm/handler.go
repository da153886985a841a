package npm

import (
	"net/http"

	"sluice.dev/sluice/protocol"
	"sluice.dev/sluice/tenants/coord"
)

// Handler answers npm clients. It is safe for concurrent use.
type Handler struct {
	Gate protocol.Gate
}

// Serve answers a request for the registry of the target. Whoever calls it has
// authenticated and authorized the request.
func (h *Handler) Serve(w http.ResponseWriter, r *http.Request, t protocol.Target) {
	protocol.Harden(w.Header())
	to, err := parse(t.Path)
	if err != nil {
		protocol.Problem(w, r, err)
		return
	}
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		protocol.NotAllowed(w, r, "GET, HEAD")
		return
	}
	switch to.family {
	case routeInfo:
		h.info(w, r, t)
	case routePing:
		h.ping(w, r, t)
	case routeWhoami:
		h.whoami(w, r, t)
	case routeTags:
		h.distTags(w, r, t, to.pkg)
	case routePackument:
		h.packument(w, r, t, to.pkg)
	case routeVersion:
		h.version(w, r, t, to.pkg, to.rest)
	case routeTarball:
		h.tarball(w, r, t, to.pkg, to.rest)
	}
}

func npmPackage(name string) coord.Package {
	return coord.Package{Ecosystem: coord.NPM, Name: name}
}

func place(t protocol.Target) Place { return Place{Registry: t.BaseURL, Org: t.OrgURL} }
