package npm

import (
	"net/http"

	"sluice.dev/sluice/protocol"
	"sluice.dev/sluice/tenants/coord"
)

// Handler answers npm clients. It is safe for concurrent use.
type Handler struct {
	Gate     protocol.Gate
	Accounts *Accounts // nil: nobody logs in through npm
}

// Serve answers a request for the registry of the target. Whoever calls it has
// authenticated the request and found that it may read the registry; what it
// may do besides, each endpoint asks.
func (h *Handler) Serve(w http.ResponseWriter, r *http.Request, t protocol.Target) {
	protocol.Harden(w.Header())
	e, p, err := parse(t.Path)
	if err != nil {
		protocol.Problem(w, r, err)
		return
	}
	answer := e.of(r.Method)
	if answer == nil {
		protocol.NotAllowed(w, r, e.methods())
		return
	}
	answer(h, w, r, t, p)
}

func npmPackage(name string) coord.Package {
	return coord.Package{Ecosystem: coord.NPM, Name: name}
}

func place(t protocol.Target) Place { return Place{Registry: t.BaseURL, Org: t.OrgURL} }
