package npm

import (
	"bytes"
	"compress/gzip"
	"net/http"
	"strconv"

	"sluice.dev/sluice/protocol"
	"sluice.dev/sluice/tenants/gate"
)

// Header values that never change, as ready slices.
var (
	typeJSON  = []string{"application/json"}
	typeCorgi = []string{corgi}
	typeFile  = []string{"application/octet-stream"}
	encGzip   = []string{"gzip"}
	vary      = []string{"Accept, Accept-Encoding"}
)

// gzipLevel makes bodies within two percent of the smallest in half the time.
const gzipLevel = 5

// send answers with a rendering of a view, from the cache of renderings when it
// is there: in the encoding that the client takes, or with 304. The key names
// the representation among those of the view.
func send(w http.ResponseWriter, r *http.Request, t protocol.Target, v *gate.View, key string, ctype []string, render func() ([]byte, error)) {
	zip := wantsGzip(r.Header.Get("Accept-Encoding"))
	make, key := render, key+"\x00"+t.BaseURL+"\x00"+t.OrgURL
	if zip {
		key += "\x00gzip"
		make = func() ([]byte, error) { return zipped(render) }
	}
	got, err := v.Render(key, make)
	if err != nil {
		protocol.Problem(w, r, err)
		return
	}
	h := w.Header()
	h["Etag"] = []string{got.ETag}
	h["Vary"] = vary
	h["Cache-Control"] = []string{t.CacheControl()}
	if len(v.Warnings) > 0 {
		h["Warning"] = v.Warnings
	}
	if v.DecisionID != "" {
		h["Sluice-Decision"] = []string{v.DecisionID}
	}
	if none := r.Header.Get("If-None-Match"); none != "" && matches(none, got.ETag) {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	h["Content-Type"] = ctype
	if zip {
		h["Content-Encoding"] = encGzip
	}
	write(w, r, got.Body)
}

func write(w http.ResponseWriter, r *http.Request, body []byte) {
	writeStatus(w, r, http.StatusOK, body)
}

func writeStatus(w http.ResponseWriter, r *http.Request, status int, body []byte) {
	w.Header()["Content-Length"] = []string{strconv.Itoa(len(body))}
	w.WriteHeader(status)
	if r.Method != http.MethodHead {
		_, _ = w.Write(body)
	}
}

// zipped renders and compresses; the plain body is not kept, because clients
// that want it are few.
func zipped(render func() ([]byte, error)) ([]byte, error) {
	body, err := render()
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	b.Grow(len(body)/8 + 1<<10)
	z, err := gzip.NewWriterLevel(&b, gzipLevel)
	if err != nil {
		return nil, err
	}
	if _, err := z.Write(body); err != nil {
		return nil, err
	}
	if err := z.Close(); err != nil {
		return nil, err
	}
	return bytes.Clone(b.Bytes()), nil
}
