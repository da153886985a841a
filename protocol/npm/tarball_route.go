package npm

import (
	"errors"
	"io"
	"log/slog"
	"net/http"
	"strconv"
	"sync"
	"time"

	"sluice.dev/sluice/protocol"
	"sluice.dev/sluice/tenants/errs"
	"sluice.dev/sluice/tenants/gate"
)

// tarball answers GET /{pkg}/-/{file} with the bytes, or a refusal. Bytes that
// still arrive from a remote are passed on as they come; the gate keeps the last
// ones back until the digest matches (R2).
func (h *Handler) tarball(w http.ResponseWriter, r *http.Request, t protocol.Target, p params) {
	pkg, file := p.pkg, p.rest
	version, ok := versionOf(pkg, file)
	if !ok {
		protocol.Problem(w, r, errs.New(errs.NotFound, "npm.tarball", "%.200q is no tarball of %s; they are named %s-{version}.tgz", file, pkg, baseName(pkg)))
		return
	}
	running := &response{w: w}
	defer running.end()
	opened, err := h.Gate.Open(r.Context(), gate.OpenRequest{
		Registry: t.Registry,
		Package:  npmPackage(pkg),
		Version:  version,
		File:     FileName(pkg, version),
		Whole:    needsWhole(r),
		Cut:      running.cut,
	})
	switch {
	case err != nil:
		protocol.Problem(w, r, err)
	case opened.Refusal != nil:
		protocol.Refuse(w, r, opened.Refusal, t.OrgURL+opened.Refusal.Path())
	default:
		defer opened.Content.Close()
		deliver(w, r, t, opened.Content)
	}
}

// needsWhole tells for which requests all bytes must be here and verified: HEAD
// and ranges, and HTTP/1.0, which cannot show that a response was broken off
// when its length was not known.
func needsWhole(r *http.Request) bool {
	return r.Method == http.MethodHead || r.Header.Get("Range") != "" || !r.ProtoAtLeast(1, 1)
}

func deliver(w http.ResponseWriter, r *http.Request, t protocol.Target, c *gate.Content) {
	h := w.Header()
	h["Content-Type"] = typeFile
	h["Content-Disposition"] = []string{`attachment; filename="` + c.Name + `"`}
	h["Cache-Control"] = []string{t.CacheControl()}
	if c.SHA256 != "" {
		h["Etag"] = []string{`"` + c.SHA256 + `"`}
	}
	if c.Warning != "" {
		h["Warning"] = []string{c.Warning}
	}
	if c.Seeker != nil {
		http.ServeContent(w, r, "", c.Modified, c.Seeker)
		return
	}
	if !c.Modified.IsZero() {
		h["Last-Modified"] = []string{c.Modified.UTC().Format(http.TimeFormat)}
	}
	if c.Size >= 0 {
		h["Content-Length"] = []string{strconv.FormatInt(c.Size, 10)}
	}
	if r.Method != http.MethodHead {
		stream(w, r, c)
	}
}

var buffers = sync.Pool{New: func() any { return new([32 << 10]byte) }}

// stream copies bytes as they come. What fails before the first byte is an
// error with a message; afterwards only a broken connection can tell the client
// that it does not have the file.
func stream(w http.ResponseWriter, r *http.Request, c *gate.Content) {
	buf := buffers.Get().(*[32 << 10]byte)
	defer buffers.Put(buf)
	out := http.NewResponseController(w)
	for sent := false; ; {
		n, err := c.Stream.Read(buf[:])
		if n > 0 {
			sent = true
			if _, err := w.Write(buf[:n]); err != nil {
				panic(http.ErrAbortHandler) // the client has gone, or was cut off
			}
			_ = out.Flush()
		}
		switch {
		case errors.Is(err, io.EOF):
			return
		case err != nil && !sent:
			protocol.Problem(w, r, err)
			return
		case err != nil:
			slog.WarnContext(r.Context(), "download broken off", "file", c.Name, "error", err)
			panic(http.ErrAbortHandler)
		}
	}
}

// response can be broken off from outside while it runs (Q2).
type response struct {
	w     http.ResponseWriter
	mu    sync.Mutex
	ended bool
	fired bool
}

// cut makes every further write of the response fail, also one that waits in
// the kernel. After the end it does nothing: the connection may already carry
// another response.
func (x *response) cut() {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.ended || x.fired {
		return
	}
	x.fired = true
	_ = http.NewResponseController(x.w).SetWriteDeadline(time.Unix(1, 0))
}

// end ends the response. One that was cut may have looked complete to
// net/http: its connection is closed without what is still in buffers.
func (x *response) end() {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.ended = true
	if x.fired {
		panic(http.ErrAbortHandler)
	}
}
