package operator

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"strings"
)

// riverPolicy allows River's interface its own scripts and styles, and requests
// to where it comes from.
const riverPolicy = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; font-src 'self'; connect-src 'self'; " +
	"manifest-src 'self'; form-action 'none'; base-uri 'none'; frame-ancestors 'none'"

// jobs is River's own interface. What changes something there is written into
// the platform's audit log first: it has no transaction to share.
func (h *Handler) jobs(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxForm))
		if err != nil {
			http.Error(w, "the request is too large", http.StatusRequestEntityTooLarge)
			return
		}
		var detail any
		if json.Valid(body) {
			detail = json.RawMessage(body)
		}
		what := r.Method + " " + strings.TrimPrefix(r.URL.Path, Path+"/river")
		if err := h.Record(as(r, ""), Change{Action: "queue:change", Object: what, Detail: detail}); err != nil {
			h.fail(w, r, err)
			return
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
	}
	harden(w.Header(), riverPolicy)
	if strings.HasPrefix(r.URL.Path, Path+"/river/assets/") {
		// Their names carry a hash of what is in them.
		w.Header().Set("Cache-Control", "private, max-age=86400")
	}
	h.Jobs.ServeHTTP(w, r)
}
