package npm

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"net/http"

	"github.com/google/uuid"

	"sluice.dev/sluice/protocol"
	"sluice.dev/sluice/tenants/coord"
	"sluice.dev/sluice/tenants/errs"
	"sluice.dev/sluice/tenants/gate"
)

// Provenance is where signing keys and attestations come from; [gate.Gate] has
// them.
type Provenance interface {
	// BesideAll returns what each remote that a registry reaches has at a path
	// below its base URL, with values of Warning headers about the others.
	BesideAll(ctx context.Context, registry uuid.UUID, e coord.Ecosystem, path string) (bodies [][]byte, warnings []string, err error)
	// BesideVersion returns what the source of a version has at a path of its
	// host. NotFound when it has nothing there.
	BesideVersion(ctx context.Context, v *gate.View, e *gate.Entry, path string) (body []byte, warning string, err error)
	// Stored returns a file of a version that is kept besides the tarball, nil
	// when there is none.
	Stored(ctx context.Context, v *gate.View, e *gate.Entry, name string, most int64) ([]byte, error)
}

var _ Provenance = (*gate.Gate)(nil)

var keysPaths = []*endpoint{{"/-/npm/v1/keys", map[string]action{"GET": (*Handler).keys}}}

// keys answers GET /-/npm/v1/keys with the keys of all remotes that the registry
// reaches, as they are (R6). Clients take 404 for "nothing is signed here", so
// that is only said when every remote says it.
func (h *Handler) keys(w http.ResponseWriter, r *http.Request, t protocol.Target, _ params) {
	bodies, warnings, err := h.Provenance.BesideAll(r.Context(), t.Registry, coord.NPM, "/-/npm/v1/keys")
	if err != nil {
		protocol.Problem(w, r, err)
		return
	}
	all, err := mergeKeys(bodies)
	if err == nil && len(all) == 0 {
		err = errs.New(errs.NotFound, "npm.keys", "no source of the registry %q has signing keys", t.RegistryName)
	}
	if err != nil {
		protocol.Problem(w, r, err)
		return
	}
	wr := &writer{}
	wr.open('{')
	wr.key("keys")
	wr.open('[')
	for _, key := range all {
		wr.comma()
		wr.b = append(wr.b, key...)
	}
	wr.shut(']')
	wr.shut('}')
	sendBeside(w, r, t, wr.b, warnings)
}

// maxKeys bounds the keys of one source.
const maxKeys = 1000

// mergeKeys takes the keys out of documents, each key id once, byte for byte.
func mergeKeys(bodies [][]byte) (all [][]byte, err error) {
	seen := map[string]bool{}
	for _, body := range bodies {
		keys, err := elementsOf(body, "keys", maxKeys)
		if err != nil {
			return nil, errs.New(errs.Upstream, "npm.keys", "a source's signing keys cannot be used: %s", err)
		}
		for _, key := range keys {
			id := stringMember(key, "keyid")
			if id != "" && !seen[id] {
				seen[id] = true
				all = append(all, key)
			}
		}
	}
	return all, nil
}

// sendBeside answers with a small document that is made for each request.
func sendBeside(w http.ResponseWriter, r *http.Request, t protocol.Target, body []byte, warnings []string) {
	sum := sha256.Sum256(body)
	etag := `"` + base64.RawURLEncoding.EncodeToString(sum[:18]) + `"`
	h := w.Header()
	h["Etag"] = []string{etag}
	h["Cache-Control"] = []string{t.CacheControl()}
	if len(warnings) > 0 {
		h["Warning"] = warnings
	}
	if none := r.Header.Get("If-None-Match"); none != "" && matches(none, etag) {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	h["Content-Type"] = typeJSON
	write(w, r, body)
}
