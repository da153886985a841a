package protocol

import (
	"context"
	"encoding/json"
	"html/template"
	"net/http"
	"path"
	"strings"
	"time"

	"sluice.dev/sluice/tenants/gate"
)

// Decisions finds recorded answers; *gate.Gate is one.
type Decisions interface {
	Recorded(ctx context.Context, id string) (*gate.Recorded, error)
}

// DecisionPage answers /-/decisions/{id}: the page behind the link of a
// refusal. It needs no login and shows only what the refusal said (F2); who
// asks for JSON gets JSON.
func DecisionPage(log Decisions) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			w.Header().Set("Allow", "GET, HEAD")
			http.Error(w, "only GET and HEAD work here", http.StatusMethodNotAllowed)
			return
		}
		d, err := log.Recorded(r.Context(), path.Base(r.URL.Path))
		if err != nil {
			Problem(w, r, err)
			return
		}
		h := w.Header()
		Harden(h)
		h.Set("Cache-Control", "private, no-store")
		if strings.Contains(r.Header.Get("Accept"), "json") {
			h.Set("Content-Type", "application/json")
			_ = json.NewEncoder(w).Encode(map[string]any{"id": d.ID, "at": d.At, "purl": d.Version.PURL(), "snapshot": d.Snapshot,
				"registry": d.Registry, "instead": d.Instead, "withheld": d.Withheld, "count": d.Count})
			return
		}
		h.Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'")
		h.Set("Content-Type", "text/html; charset=utf-8")
		_ = decisionPage.Execute(w, map[string]any{"D": d, "More": d.Count - len(d.Withheld), "Snapshot": snapshotText(d.Snapshot),
			"At": d.At.UTC().Format("2 January 2006 15:04 UTC")})
	})
}

func snapshotText(t time.Time) string {
	if t.IsZero() {
		return "no advisory feed had been imported"
	}
	return "advisory data of " + t.UTC().Format("2 January 2006 15:04 UTC")
}

var decisionPage = template.Must(template.New("decision").Parse(`<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>Withheld: {{.D.Version.Name}}</title>
<style>
body{font:16px/1.5 system-ui,sans-serif;max-width:46rem;margin:3rem auto;padding:0 1rem;color:#1c2430;background:#fff}
h1{font-size:1.4rem;margin:0 0 1rem}code{background:#eef1f5;padding:.1em .3em;border-radius:3px}
.why{border-left:4px solid #c0392b;padding:.4rem 1rem;margin:.8rem 0;background:#fdf3f2}
.do{border-left:4px solid #1e8449;padding:.4rem 1rem;margin:.8rem 0;background:#f0f9f3}
small{color:#5b6675}
@media(prefers-color-scheme:dark){body{background:#14181f;color:#e6eaf0}code{background:#252c37}.why{background:#2c1b1a}.do{background:#16281c}small{color:#97a3b4}}
</style></head><body>
<h1><code>{{.D.Version.Name}}{{with .D.Version.Version}}@{{.}}{{end}}</code> is withheld by the registry {{.D.Registry}}</h1>
{{range .D.Withheld}}{{$v := .Version}}{{with .Verdict}}<div class="why"><strong>{{$v}}</strong>: {{.Reason}}.<br>
<small>{{.Kind}}, decided by the registry {{.RegistryName}}, rule "{{.RuleName}}"{{if not .Until.IsZero}}; available from {{.Until.UTC.Format "2 January 2006 15:04 UTC"}}{{end}}</small></div>{{end}}{{end}}
{{if gt .More 0}}<p>and {{.More}} more</p>{{end}}{{with .D.Instead}}<div class="do">Install <code>{{.}}</code> instead.</div>{{end}}
<p><small>Decision {{.D.ID}} of {{.At}}; {{.Snapshot}}. A security engineer of your organization can say more.</small></p>
</body></html>
`))
