package operator

import (
	"bytes"
	"embed"
	"fmt"
	"html/template"
	"log/slog"
	"net/http"
	"net/url"
	"time"

	"sluice.dev/sluice/tenants/errs"
)

//go:embed html
var files embed.FS

var templates = template.Must(template.New("").Funcs(template.FuncMap{
	"time":  func(t time.Time) string { return t.UTC().Format("2 January 2006, 15:04 UTC") },
	"ago":   func(now, t time.Time) string { return span(now.Sub(t)) },
	"bytes": size,
	"query": func(pairs ...string) string {
		q := url.Values{}
		for i := 0; i+1 < len(pairs); i += 2 {
			if pairs[i+1] != "" {
				q.Set(pairs[i], pairs[i+1])
			}
		}
		return "?" + q.Encode()
	},
	"day": func(t time.Time) string { return t.UTC().Format("2 January 2006") },
	"tab": func(page map[string]any, section, to, title string) map[string]any {
		return map[string]any{"Path": page["Path"], "To": to, "Title": title, "Here": page["Section"] == section}
	},
	"head": func(title string, page map[string]any) map[string]any {
		return map[string]any{"Title": title, "Page": page}
	},
}).ParseFS(files, "html/*.html"))

// size is a number of bytes as people read it, in powers of 1024.
func size(n int64) string {
	if n < 1<<10 {
		return fmt.Sprintf("%d bytes", n)
	}
	v, units := float64(n)/1024, []string{"KiB", "MiB", "GiB", "TiB", "PiB", "EiB"}
	for v >= 1024 && len(units) > 1 {
		v, units = v/1024, units[1:]
	}
	if v == float64(int64(v)) {
		return fmt.Sprintf("%.0f %s", v, units[0])
	}
	return fmt.Sprintf("%.1f %s", v, units[0])
}

// span is a time between two moments as people read it: one unit, rounded down.
func span(d time.Duration) string {
	for _, u := range []struct {
		of   time.Duration
		name string
	}{{24 * time.Hour, "day"}, {time.Hour, "hour"}, {time.Minute, "minute"}, {time.Second, "second"}} {
		if n := int64(d / u.of); n == 1 {
			return "1 " + u.name
		} else if n > 1 {
			return fmt.Sprintf("%d %ss", n, u.name)
		}
	}
	return "less than a second"
}

// policy allows a page its style sheet and forms to its own origin.
const policy = "default-src 'none'; style-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

func harden(h http.Header, policy string) {
	h.Set("Content-Security-Policy", policy)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Frame-Options", "DENY")
	h.Set("Referrer-Policy", "same-origin")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Cache-Control", "private, no-store")
}

func (h *Handler) show(w http.ResponseWriter, r *http.Request, status int, name string, data map[string]any) {
	v := who(r)
	if data == nil {
		data = map[string]any{}
	}
	data["Path"], data["Who"], data["Form"], data["Section"], data["Now"], data["River"] = Path, v.Name(), v.form, sections[name], h.Now(), h.Jobs != nil
	var page bytes.Buffer
	if err := templates.ExecuteTemplate(&page, name+".html", data); err != nil {
		slog.ErrorContext(r.Context(), "a page cannot be shown", "page", name, "error", err)
		http.Error(w, "something went wrong inside Sluice; the log has the details", http.StatusInternalServerError)
		return
	}
	harden(w.Header(), policy)
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	if r.Method != http.MethodHead {
		_, _ = w.Write(page.Bytes())
	}
}

// sections are those of the navigation that a page belongs to.
var sections = map[string]string{"overview": "overview", "organizations": "organizations", "organization": "organizations", "ask": "organizations", "link": "organizations",
	"feeds": "feeds", "nodes": "nodes", "queues": "queues", "log": "log", "sessions": "sessions"}

// fail answers with an error: an operator may know what is wrong.
func (h *Handler) fail(w http.ResponseWriter, r *http.Request, err error) {
	status := http.StatusInternalServerError
	switch errs.KindOf(err) {
	case errs.NotFound:
		status = http.StatusNotFound
	case errs.Unavailable, errs.Upstream:
		status = http.StatusServiceUnavailable
		slog.WarnContext(r.Context(), "an operator's page failed", "path", r.URL.Path, "error", err)
	case errs.Internal:
		slog.ErrorContext(r.Context(), "an operator's page failed", "path", r.URL.Path, "error", err)
	default:
		status = http.StatusUnprocessableEntity
	}
	h.show(w, r, status, "problem", map[string]any{"Problem": errs.Public(err)})
}

// send leads a browser on. The address never comes from the request.
func send(w http.ResponseWriter, to string) {
	harden(w.Header(), policy)
	w.Header().Set("Location", to)
	w.WriteHeader(http.StatusSeeOther)
}

func style(w http.ResponseWriter, _ *http.Request) {
	b, err := files.ReadFile("html/style.css")
	if err != nil {
		panic(err) // embedded: it is there or did not compile
	}
	harden(w.Header(), policy)
	w.Header().Set("Content-Type", "text/css; charset=utf-8")
	_, _ = w.Write(b)
}
