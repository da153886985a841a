package npm

import (
	"net/http"

	"sluice.dev/sluice/protocol"
)

// distTags answers GET /-/package/{pkg}/dist-tags with the tags after the
// policy: none points at a version that lists hide (P7).
func (h *Handler) distTags(w http.ResponseWriter, r *http.Request, t protocol.Target, p params) {
	v, err := h.Gate.List(r.Context(), t.Registry, npmPackage(p.pkg))
	if err != nil {
		protocol.Problem(w, r, err)
		return
	}
	send(w, r, t, v, "dist-tags", typeJSON, func() ([]byte, error) { return DistTags(v), nil })
}
