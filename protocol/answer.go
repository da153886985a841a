package protocol

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"time"
)

// answer sends a problem. A phrase that is not "" replaces the standard reason
// phrase where that is possible.
func answer(w http.ResponseWriter, r *http.Request, p problem, phrase string) {
	body, err := json.Marshal(p)
	if err != nil {
		panic(err) // strings and numbers always encode
	}
	h := w.Header()
	Harden(h)
	for _, name := range []string{"ETag", "Last-Modified", "Content-Encoding", "Content-Disposition", "Accept-Ranges"} {
		h.Del(name)
	}
	h.Set("Content-Type", "application/problem+json")
	h.Set("Content-Length", strconv.Itoa(len(body)))
	if phrase != "" && sendPhrase(w, r, p.Status, phrase, body) {
		return
	}
	w.WriteHeader(p.Status)
	if r.Method != http.MethodHead {
		_, _ = w.Write(body)
	}
}

// sendPhrase writes the whole HTTP/1 response itself, because net/http can send
// only standard reason phrases, and closes the connection. It reports false,
// with nothing sent, where that cannot be done: HTTP/2 has no reason phrase.
func sendPhrase(w http.ResponseWriter, r *http.Request, status int, phrase string, body []byte) bool {
	if r.ProtoMajor != 1 {
		return false
	}
	h := w.Header().Clone()
	conn, buf, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return false
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
	if r.Method == http.MethodHead {
		body = nil
	}
	if h.Get("Date") == "" {
		h.Set("Date", time.Now().UTC().Format(http.TimeFormat))
	}
	h.Set("Connection", "close")
	if err := writeResponse(buf.Writer, h, status, phrase, body); err == nil {
		linger(conn, r)
	}
	return true
}

func writeResponse(out *bufio.Writer, h http.Header, status int, phrase string, body []byte) error {
	fmt.Fprintf(out, "HTTP/1.1 %d %s\r\n", status, phrase)
	if err := h.Write(out); err != nil {
		return err
	}
	_, _ = out.WriteString("\r\n")
	_, _ = out.Write(body)
	return out.Flush()
}

// linger reads what is left of a request's body for a moment. Closing with
// unread bytes makes the kernel reset the connection, and the client could lose
// the answer.
func linger(conn net.Conn, r *http.Request) {
	if r.ContentLength == 0 || r.Body == nil {
		return
	}
	half, ok := conn.(interface{ CloseWrite() error })
	if !ok || half.CloseWrite() != nil {
		return
	}
	_ = conn.SetReadDeadline(time.Now().Add(500 * time.Millisecond))
	_, _ = io.CopyN(io.Discard, conn, 1<<20)
}
