package protocoltest

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// corgi is the media type of abbreviated documents.
const corgi = "application/vnd.npm.install-v1+json"

// Request is one request that a source received.
type Request struct {
	Method string
	Path   string // as on the wire, still escaped
	Header http.Header
}

// ServeHTTP implements http.Handler: log, credential, fault, answer.
func (n *NPM) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	n.mu.Lock()
	n.log = append(n.log, Request{r.Method, r.URL.EscapedPath(), r.Header.Clone()})
	token := n.token
	n.mu.Unlock()
	if token != "" && r.Header.Get("Authorization") != "Bearer "+token {
		w.Header().Set("WWW-Authenticate", "Bearer")
		writeJSON(w, http.StatusUnauthorized, map[string]any{"error": "authentication required"})
		return
	}
	if f := n.faultFor(r.URL.EscapedPath()); f != nil {
		f.f(w, r, http.HandlerFunc(n.answer))
		return
	}
	n.answer(w, r)
}

func (n *NPM) answer(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		writeJSON(w, http.StatusMethodNotAllowed, map[string]any{"error": "read only"})
		return
	}
	path := strings.TrimPrefix(r.URL.EscapedPath(), "/")
	switch {
	case path == "-/ping":
		writeJSON(w, http.StatusOK, map[string]any{})
		return
	case path == "-/npm/v1/keys":
		n.keys(w)
		return
	case path == "-/v1/search":
		n.search(w, r.URL.Query())
		return
	case strings.HasPrefix(path, "-/npm/v1/attestations/"):
		n.attestations(w, strings.TrimPrefix(path, "-/npm/v1/attestations/"))
		return
	}
	tags := strings.HasPrefix(path, "-/package/") && strings.HasSuffix(path, "/dist-tags")
	path = strings.TrimSuffix(strings.TrimPrefix(path, "-/package/"), "/dist-tags")
	path, err := url.PathUnescape(path)
	if err != nil {
		notFound(w)
		return
	}
	pkg, rest, _ := strings.Cut(path, "/")
	if strings.HasPrefix(pkg, "@") {
		var name string
		name, rest, _ = strings.Cut(rest, "/")
		pkg += "/" + name
	}
	file, isFile := strings.CutPrefix(rest, "-/")
	switch {
	case tags:
		n.serveTags(w, pkg)
	case isFile:
		n.serveTarball(w, r, pkg, file)
	case rest != "":
		n.serveManifest(w, pkg, rest)
	default:
		n.servePackument(w, r, pkg)
	}
}

func (n *NPM) keys(w http.ResponseWriter) {
	spki, err := x509.MarshalPKIXPublicKey(&n.key.PublicKey)
	if err != nil {
		panic(err) // it was made by NewNPM
	}
	writeJSON(w, http.StatusOK, map[string]any{"keys": []any{map[string]any{
		"expires": nil, "keyid": n.keyID, "keytype": "ecdsa-sha2-nistp256", "scheme": "ecdsa-sha2-nistp256",
		"key": base64.StdEncoding.EncodeToString(spki),
	}}})
}

func (n *NPM) servePackument(w http.ResponseWriter, r *http.Request, pkg string) {
	full := !strings.Contains(r.Header.Get("Accept"), corgi)
	n.mu.Lock()
	p := n.packages[pkg]
	var body []byte
	if p != nil {
		body = n.document(p, full)
	}
	n.mu.Unlock()
	if body == nil {
		notFound(w)
		return
	}
	h := w.Header()
	h.Set("Content-Type", "application/json")
	if !full {
		h.Set("Content-Type", corgi)
	}
	sum := sha256.Sum256(body)
	h.Set("ETag", `"`+hex.EncodeToString(sum[:8])+`"`)
	h.Set("Cache-Control", "public, max-age=300")
	h.Set("Vary", "Accept-Encoding, Accept")
	if r.Header.Get("If-None-Match") == h.Get("ETag") {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	if strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") {
		h.Set("Content-Encoding", "gzip")
		z := gzip.NewWriter(w)
		_, _ = z.Write(body)
		_ = z.Close()
		return
	}
	_, _ = w.Write(body)
}

func (n *NPM) serveManifest(w http.ResponseWriter, pkg, version string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if p := n.packages[pkg]; p != nil && p.tags[version] != "" {
		version = p.tags[version]
	}
	if v := n.find(pkg, version); v != nil {
		writeJSON(w, http.StatusOK, v.manifest)
		return
	}
	notFound(w)
}

func (n *NPM) serveTags(w http.ResponseWriter, pkg string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if p := n.packages[pkg]; p != nil {
		writeJSON(w, http.StatusOK, p.tags)
		return
	}
	notFound(w)
}

func (n *NPM) serveTarball(w http.ResponseWriter, r *http.Request, pkg, file string) {
	version, ok := strings.CutPrefix(strings.TrimSuffix(file, ".tgz"), base(pkg)+"-")
	body := n.Tarball(pkg, version)
	if !ok || body == nil {
		notFound(w)
		return
	}
	sum := sha256.Sum256(body)
	w.Header().Set("Content-Type", "application/octet-stream")
	w.Header().Set("ETag", `"`+hex.EncodeToString(sum[:8])+`"`)
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(body))
}

func notFound(w http.ResponseWriter) {
	writeJSON(w, http.StatusNotFound, map[string]any{"error": "Not found"})
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v)
}

// Requests returns everything received so far, in order.
func (n *NPM) Requests() []Request {
	n.mu.Lock()
	defer n.mu.Unlock()
	return append([]Request(nil), n.log...)
}

// Count returns how many requests had a path with that prefix.
func (n *NPM) Count(prefix string) int {
	c := 0
	for _, r := range n.Requests() {
		if strings.HasPrefix(r.Path, prefix) {
			c++
		}
	}
	return c
}

// Forget empties the log of requests.
func (n *NPM) Forget() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.log = nil
}
