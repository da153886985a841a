// Package frontend carries the web pages inside the program: what `make
// frontend` builds into dist, and a committed page that says how to, so that
// the program compiles and runs without Node. Nothing is loaded from elsewhere.
package frontend

import (
	"embed"
	"io/fs"
	"net/http"
	"path"
	"strings"
)

//go:embed all:dist
var dist embed.FS

// ExplorerPath is where the explorer belongs, relative to the GraphQL
// endpoint: /graphql/explorer/ on an organization's host and
// /o/acme/graphql/explorer/ in the path form (T1). The page finds the endpoint
// from there.
const ExplorerPath = "/explorer/"

// explorerPolicy allows the explorer its own files and requests to its own
// origin, and nothing inline. Fonts and small pictures are data in its style
// sheet.
const explorerPolicy = "default-src 'none'; script-src 'self'; connect-src 'self'; " +
	"style-src 'self'; img-src 'self' data:; font-src 'self' data:; " +
	"base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// Explorer serves the GraphQL explorer. Mount it under the GraphQL endpoint
// at ExplorerPath, with or without http.StripPrefix. It needs no login: it has
// no data, and the endpoint decides on every request that the page makes.
//
// It answers GET and HEAD; other methods get 405, unknown files 404, and
// everything 503 when the program was built without the front end.
func Explorer() http.Handler {
	files, err := fs.Sub(dist, "dist")
	if err != nil {
		panic(err) // "dist" is a valid path
	}
	return explorer{files}
}

type explorer struct{ files fs.FS }

// ServeHTTP implements http.Handler.
func (e explorer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Content-Security-Policy", explorerPolicy)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Frame-Options", "DENY")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cache-Control", "no-cache")
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		h.Set("Allow", "GET, HEAD")
		http.Error(w, "the explorer answers GET and HEAD; the GraphQL endpoint is the path above it", http.StatusMethodNotAllowed)
		return
	}
	name, ok := explorerFile(r.URL.Path)
	if !ok {
		// Relative, so that it is right under any prefix; the page's own
		// addresses are relative to the folder.
		h.Set("Location", strings.Trim(ExplorerPath, "/")+"/")
		w.WriteHeader(http.StatusPermanentRedirect)
		return
	}
	e.serve(w, r, name)
}

func (e explorer) serve(w http.ResponseWriter, r *http.Request, name string) {
	if _, err := fs.Stat(e.files, "explorer/index.html"); err != nil {
		w.Header().Set("Content-Type", types[".html"])
		w.WriteHeader(http.StatusServiceUnavailable)
		page, _ := fs.ReadFile(e.files, "placeholder.html") // embedded: it is there or did not compile
		if r.Method == http.MethodGet {
			_, _ = w.Write(page) // the client is gone: nobody to tell
		}
		return
	}
	ext := path.Ext(name)
	st, err := fs.Stat(e.files, "explorer/"+name)
	if !fs.ValidPath(name) || err != nil || st.IsDir() || types[ext] == "" {
		http.Error(w, "the explorer has no such file", http.StatusNotFound)
		return
	}
	w.Header().Set("Content-Type", types[ext])
	if strings.HasPrefix(name, "assets/") {
		// Their names contain a hash of their content.
		w.Header().Set("Cache-Control", "public, max-age=31536000, immutable")
	}
	http.ServeFileFS(w, r, e.files, "explorer/"+name)
}

// types are the content types of everything that the build makes; the
// system's own table would differ from machine to machine.
var types = map[string]string{
	".html":  "text/html; charset=utf-8",
	".js":    "text/javascript; charset=utf-8",
	".css":   "text/css; charset=utf-8",
	".svg":   "image/svg+xml",
	".woff2": "font/woff2",
	".woff":  "font/woff",
	".png":   "image/png",
	".md":    "text/plain; charset=utf-8",
}

// explorerFile returns which file of the explorer a request path means; ok is
// false for the explorer's path without its last slash.
func explorerFile(p string) (name string, ok bool) {
	dir := strings.TrimSuffix(ExplorerPath, "/")
	if strings.HasSuffix(p, dir) {
		return "", false
	}
	if i := strings.LastIndex(p, ExplorerPath); i >= 0 {
		p = p[i+len(ExplorerPath):]
	}
	name = strings.TrimPrefix(p, "/")
	if name == "" {
		name = "index.html"
	}
	return name, true
}
