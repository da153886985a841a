package npm

import (
	"net/http"
	"strings"

	"sluice.dev/sluice/protocol"
	"sluice.dev/sluice/tenants/coord"
	"sluice.dev/sluice/tenants/errs"
	"sluice.dev/sluice/tenants/gate"
)

// packument answers GET /{pkg} in the full or the abbreviated form.
func (h *Handler) packument(w http.ResponseWriter, r *http.Request, t protocol.Target, p params) {
	if r.URL.RawQuery != "" && r.URL.Query().Get("write") == "true" {
		h.writable(w, r, t, p)
		return
	}
	v, err := h.Gate.List(r.Context(), t.Registry, npmPackage(p.pkg))
	if err != nil {
		protocol.Problem(w, r, err)
		return
	}
	if wantsAbbreviated(strings.Join(r.Header["Accept"], ",")) {
		send(w, r, t, v, "abbreviated", typeCorgi, func() ([]byte, error) { return Abbreviated(v, place(t)) })
		return
	}
	send(w, r, t, v, "full", typeJSON, func() ([]byte, error) { return Full(v, place(t)) })
}

// version answers GET /{pkg}/{version|tag} with one manifest, or a refusal.
func (h *Handler) version(w http.ResponseWriter, r *http.Request, t protocol.Target, p params) {
	v, err := h.Gate.List(r.Context(), t.Registry, npmPackage(p.pkg))
	if err != nil {
		protocol.Problem(w, r, err)
		return
	}
	e, err := pick(v, p.rest)
	if err != nil {
		protocol.Problem(w, r, err)
		return
	}
	if e.Decision.Withheld() {
		h.refuse(w, r, t, v, e)
		return
	}
	send(w, r, t, v, "version\x00"+e.Version, typeJSON, func() ([]byte, error) { return Version(v, e, place(t)) })
}

// pick finds the entry that a tag or a version means. A tag comes first, as on
// the public registry.
func pick(v *gate.View, which string) (*gate.Entry, error) {
	version, tagged := v.Tags[which]
	if !tagged {
		norm, err := coord.NormalizeVersion(coord.NPM, which)
		if err != nil {
			return nil, errs.New(errs.NotFound, "npm.version", "%s has no dist-tag %.100q, and that is no version either", v.Package.Name, which)
		}
		version = norm
	}
	if e := v.Entry(version); e != nil {
		return e, nil
	}
	return nil, errs.New(errs.NotFound, "npm.version", "%s has no version %s", v.Package.Name, version)
}

// refuse tells that an entry is withheld (F2).
func (h *Handler) refuse(w http.ResponseWriter, r *http.Request, t protocol.Target, v *gate.View, e *gate.Entry) {
	refusal, err := h.Gate.Refuse(r.Context(), v, e)
	if err != nil {
		protocol.Problem(w, r, err)
		return
	}
	protocol.Refuse(w, r, refusal, t.OrgURL+refusal.Path())
}
