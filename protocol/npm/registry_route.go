package npm

import (
	"net/http"

	"sluice.dev/sluice/protocol"
	"sluice.dev/sluice/tenants/errs"
)

// info answers GET / of a registry, which people open to see whether the
// address is right.
func (h *Handler) info(w http.ResponseWriter, r *http.Request, t protocol.Target, _ params) {
	small(w, r, [][2]string{{"registry", t.RegistryName}, {"ecosystem", "npm"}, {"url", t.BaseURL}})
}

// ping answers npm ping.
func (h *Handler) ping(w http.ResponseWriter, r *http.Request, _ protocol.Target, _ params) {
	small(w, r, nil)
}

// whoami answers npm whoami with the name of the subject.
func (h *Handler) whoami(w http.ResponseWriter, r *http.Request, t protocol.Target, _ params) {
	if t.Subject == "" {
		protocol.Problem(w, r, errs.New(errs.Unauthenticated, "npm.whoami", "no token came with the request; put one into the npmrc for %s", t.BaseURL))
		return
	}
	small(w, r, [][2]string{{"username", t.Subject}})
}

// small answers with an object of strings, which no cache may keep.
func small(w http.ResponseWriter, r *http.Request, members [][2]string) {
	wr := &writer{}
	wr.open('{')
	for _, m := range members {
		wr.text(m[0], m[1])
	}
	wr.shut('}')
	w.Header()["Content-Type"] = typeJSON
	w.Header().Set("Cache-Control", "private, no-store")
	write(w, r, wr.b)
}
