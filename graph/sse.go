package graph

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"
)

// isStream reports whether a request wants its answer as server-sent events.
func isStream(r *http.Request) bool {
	return r.Method == http.MethodPost && strings.Contains(r.Header.Get("Accept"), "text/event-stream") && !isForm(r)
}

// serveStream answers a request with a stream: with a sign of life now and
// then, so that nothing between takes the connection for dead, and until the
// client does not read any more (F3). Nothing is buffered for it here.
func (l *live) serveStream(next http.Handler, w http.ResponseWriter, r *http.Request) {
	ctx, cut := context.WithCancel(context.WithValue(r.Context(), streamKey{}, true))
	defer cut()
	out := &streamWriter{ResponseWriter: w, conn: http.NewResponseController(w), within: l.Write, cut: cut}
	defer out.end()
	var beats sync.WaitGroup
	defer beats.Wait()
	beats.Go(func() {
		t := time.NewTicker(l.Ping)
		defer t.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-t.C:
				out.beat()
			}
		}
	})
	next.ServeHTTP(out, r.WithContext(ctx))
	cut()
}

// streamWriter gives each write a time, and ends the request when one fails:
// whoever writes events does not look.
type streamWriter struct {
	http.ResponseWriter
	conn   *http.ResponseController
	within time.Duration
	cut    context.CancelFunc

	mu     sync.Mutex
	stream bool // events have begun
	failed error
}

// Write implements io.Writer.
func (w *streamWriter) Write(p []byte) (n int, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.stream = w.stream || w.Header().Get("Content-Type") == "text/event-stream"
	err = w.timed(func() error { n, err = w.ResponseWriter.Write(p); return err })
	return n, err
}

// Flush implements http.Flusher.
func (w *streamWriter) Flush() {
	w.mu.Lock()
	defer w.mu.Unlock()
	_ = w.timed(w.conn.Flush)
}

// beat writes a comment, which clients ignore, between events.
func (w *streamWriter) beat() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.stream {
		_ = w.timed(func() error {
			_, err := io.WriteString(w.ResponseWriter, ": ping\n\n")
			return errors.Join(err, w.conn.Flush())
		})
	}
}

// timed needs the lock.
func (w *streamWriter) timed(write func() error) error {
	if w.failed != nil {
		return w.failed
	}
	_ = w.conn.SetWriteDeadline(time.Now().Add(w.within)) // not every connection can
	if err := write(); err != nil {
		w.failed = err
		w.cut()
	}
	return w.failed
}

// end lets the connection be used for the next request.
func (w *streamWriter) end() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.failed == nil {
		_ = w.conn.SetWriteDeadline(time.Time{})
	}
	w.failed = http.ErrHandlerTimeout // nothing is written behind the handler's back
}

// Unwrap is for http.ResponseController.
func (w *streamWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }
