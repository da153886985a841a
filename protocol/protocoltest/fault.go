package protocoltest

import (
	"bytes"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
)

// Fault answers in place of the source. next is what the source would do.
type Fault func(w http.ResponseWriter, r *http.Request, next http.Handler)

type fault struct {
	prefix string
	f      Fault
	heal   func()
}

// Break makes requests whose path has the prefix meet the fault, until the
// returned function is called or Heal. The newest fault that matches wins.
func (n *NPM) Break(prefix string, f Fault) (mend func()) { return n.breakWith(prefix, f, nil) }

func (n *NPM) breakWith(prefix string, f Fault, heal func()) (mend func()) {
	this := &fault{prefix: prefix, f: f, heal: heal}
	n.mu.Lock()
	n.faults = append(n.faults, this)
	n.mu.Unlock()
	return func() {
		n.mu.Lock()
		n.faults = slices.DeleteFunc(n.faults, func(x *fault) bool { return x == this })
		n.mu.Unlock()
		if heal != nil {
			heal()
		}
	}
}

// Heal ends all faults and releases what hangs.
func (n *NPM) Heal() {
	n.mu.Lock()
	old := n.faults
	n.faults = nil
	n.mu.Unlock()
	for _, f := range old {
		if f.heal != nil {
			f.heal()
		}
	}
}

func (n *NPM) faultFor(path string) *fault {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, f := range slices.Backward(n.faults) {
		if strings.HasPrefix(path, f.prefix) {
			return f
		}
	}
	return nil
}

// Down breaks the connection without an answer.
func Down() Fault {
	return func(http.ResponseWriter, *http.Request, http.Handler) { panic(http.ErrAbortHandler) }
}

// Status answers with a status and a JSON error: 503 for an outage, 404 for a
// package taken down after it was served.
func Status(code int) Fault {
	return func(w http.ResponseWriter, _ *http.Request, _ http.Handler) {
		writeJSON(w, code, map[string]any{"error": http.StatusText(code)})
	}
}

// HTML answers 200 with a page, as captive portals and error pages do.
func HTML() Fault {
	return func(w http.ResponseWriter, _ *http.Request, _ http.Handler) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		fmt.Fprint(w, "<!DOCTYPE html><html><body>Please sign in</body></html>")
	}
}

// Malformed answers with the first half of the real body and a closed
// connection that does not show it: the document is complete as HTTP and broken
// as JSON.
func Malformed() Fault {
	return rewrite(func(body []byte) []byte { return body[:len(body)/2] })
}

// Corrupted answers with one byte of the real body changed: the digest does not
// match.
func Corrupted() Fault {
	return rewrite(func(body []byte) []byte {
		body = bytes.Clone(body)
		body[len(body)-9] ^= 1 // inside the checksum at the end of a gzip file
		return body
	})
}

// ContentType answers as usual with another Content-Type.
func ContentType(value string) Fault {
	return func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		rec := record(r, next)
		w.Header().Set("Content-Type", value)
		_, _ = w.Write(rec.Body.Bytes())
	}
}

// Truncated announces the whole length and ends the connection after half of
// the bytes.
func Truncated() Fault {
	return func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		body := record(r, next).Body.Bytes()
		w.Header().Set("Content-Length", fmt.Sprint(len(body)))
		_, _ = w.Write(body[:len(body)/2])
		w.(http.Flusher).Flush()
		panic(http.ErrAbortHandler)
	}
}

// Huge streams a JSON document of at least that many bytes, made as it goes.
func Huge(size int64) Fault {
	return func(w http.ResponseWriter, _ *http.Request, _ http.Handler) {
		w.Header().Set("Content-Type", "application/json")
		chunk := bytes.Repeat([]byte("x"), 1<<16)
		_, err := w.Write([]byte(`{"name":"`))
		for sent := int64(0); sent < size && err == nil; sent += int64(len(chunk)) {
			_, err = w.Write(chunk)
		}
		if err == nil {
			_, _ = w.Write([]byte(`"}`))
		}
	}
}

// rewrite answers with a changed body of the right length.
func rewrite(change func([]byte) []byte) Fault {
	return func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		rec := record(r, next)
		body := change(rec.Body.Bytes())
		w.Header().Set("Content-Type", rec.Header().Get("Content-Type"))
		w.Header().Set("Content-Length", fmt.Sprint(len(body)))
		_, _ = w.Write(body)
	}
}

// record runs the real answer to an unconditional, unencoded request.
func record(r *http.Request, next http.Handler) *httptest.ResponseRecorder {
	plain := r.Clone(r.Context())
	for _, h := range []string{"Accept-Encoding", "If-None-Match", "If-Modified-Since", "Range"} {
		plain.Header.Del(h)
	}
	rec := httptest.NewRecorder()
	next.ServeHTTP(rec, plain)
	return rec
}

// Hang makes requests with the prefix wait before the first byte. Each one that
// waits is announced on Reached; Release lets all go on, now and later.
func (n *NPM) Hang(prefix string) *Hanging {
	h := &Hanging{Reached: make(chan string, 100), free: make(chan struct{})}
	h.Release = n.breakWith(prefix, func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		h.Reached <- r.URL.EscapedPath()
		select {
		case <-h.free:
			next.ServeHTTP(w, r)
		case <-r.Context().Done():
		}
	}, sync.OnceFunc(func() { close(h.free) }))
	return h
}

// Hanging is a running Hang.
type Hanging struct {
	Reached chan string // paths of requests that wait; holds 100
	Release func()
	free    chan struct{}
}

// Drip makes requests with the prefix receive their body only as far as Allow
// has let it come. Only what was allowed is sent, and it is flushed.
func (n *NPM) Drip(prefix string) *Dripping {
	d := &Dripping{Reached: make(chan string, 100), allow: make(chan int), free: make(chan struct{})}
	d.Release = n.breakWith(prefix, func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		rec := record(r, next)
		body := rec.Body.Bytes()
		w.Header().Set("Content-Type", rec.Header().Get("Content-Type"))
		w.Header().Set("Content-Length", fmt.Sprint(len(body)))
		w.WriteHeader(rec.Code)
		w.(http.Flusher).Flush()
		d.Reached <- r.URL.EscapedPath()
		for len(body) > 0 {
			k := len(body)
			select {
			case k = <-d.allow:
				k = min(k, len(body))
			case <-d.free:
			case <-r.Context().Done():
				return
			}
			_, _ = w.Write(body[:k])
			w.(http.Flusher).Flush()
			body = body[k:]
		}
	}, sync.OnceFunc(func() { close(d.free) }))
	return d
}

// Dripping is a running Drip.
type Dripping struct {
	Reached chan string // paths of requests whose headers have gone out; holds 100
	Release func()      // lets everything come
	allow   chan int
	free    chan struct{}
}

// Allow lets the next k bytes of one waiting body come. It returns when the
// handler has taken the permission, and must not be called without one waiting.
func (d *Dripping) Allow(k int) { d.allow <- k }
