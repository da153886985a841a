package pages

import (
	"bytes"
	"embed"
	"html/template"
	"log/slog"
	"net/http"
	"time"

	"sluice.dev/sluice/protocol"
	"sluice.dev/sluice/tenants/errs"
)

//go:embed html
var files embed.FS

var templates = template.Must(template.New("").Funcs(template.FuncMap{
	"time": func(t time.Time) string { return t.UTC().Format("2 January 2006, 15:04 UTC") },
	"head": func(title string, page map[string]any, nav bool) map[string]any {
		return map[string]any{"Title": title, "Page": page, "Nav": nav}
	},
}).ParseFS(files, "html/*.html"))

// policy allows a page its style sheet and forms to its own origin.
const policy = "default-src 'none'; style-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

// harden sets the headers of every page. Its address goes to no other site; to
// its own it does, since a browser that tells no referrer tells no Origin
// either.
func harden(h http.Header) {
	h.Set("Content-Security-Policy", policy)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Frame-Options", "DENY")
	h.Set("Referrer-Policy", "same-origin")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cache-Control", "private, no-store")
}

// show answers with a page.
func (p *Pages) show(w http.ResponseWriter, r *http.Request, status int, name string, data map[string]any) {
	place, _ := protocol.PlaceOf(r.Context())
	if data == nil {
		data = map[string]any{}
	}
	data["Base"], data["Organization"] = place.Home, place.Org.Name
	if place.Org.Name == "" {
		data["Organization"] = place.Org.Slug
	}
	var page bytes.Buffer
	if err := templates.ExecuteTemplate(&page, name+".html", data); err != nil {
		slog.ErrorContext(r.Context(), "a page cannot be shown", "page", name, "error", err)
		http.Error(w, "something went wrong inside Sluice; the operator's log has the details", http.StatusInternalServerError)
		return
	}
	harden(w.Header())
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	if r.Method != http.MethodHead {
		_, _ = w.Write(page.Bytes())
	}
}

// refuse answers a login that is not let in. The page is the same whatever was
// wrong; the log says what, and which kind of page: an address can be a secret.
func (p *Pages) refuse(w http.ResponseWriter, r *http.Request, err error) {
	slog.InfoContext(r.Context(), "login refused", "page", r.Pattern, "error", err)
	p.show(w, r, http.StatusForbidden, "refused", nil)
}

// fail answers with an error: nobody learns why a login failed, but that a
// provider does not answer may be known.
func (p *Pages) fail(w http.ResponseWriter, r *http.Request, err error) {
	switch errs.KindOf(err) {
	case errs.Upstream, errs.Unavailable:
		slog.WarnContext(r.Context(), "login failed", "page", r.Pattern, "error", err)
		p.show(w, r, http.StatusServiceUnavailable, "later", nil)
	case errs.Internal:
		slog.ErrorContext(r.Context(), "login failed", "page", r.Pattern, "error", err)
		p.show(w, r, http.StatusInternalServerError, "later", nil)
	default:
		p.refuse(w, r, err)
	}
}

// send leads a browser on. The address never comes from the request.
func (p *Pages) send(w http.ResponseWriter, to string) {
	harden(w.Header())
	w.Header().Set("Location", to)
	w.WriteHeader(http.StatusSeeOther)
}

func style(w http.ResponseWriter, _ *http.Request) {
	b, err := files.ReadFile("html/style.css")
	if err != nil {
		panic(err) // embedded: it is there or did not compile
	}
	harden(w.Header())
	w.Header().Set("Cache-Control", "public, max-age=3600")
	w.Header().Set("Content-Type", "text/css; charset=utf-8")
	_, _ = w.Write(b)
}
