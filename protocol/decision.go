package protocol

import (
	"context"
	"encoding/json"
	"html/template"
	"net/http"
	"path"
	"slices"
	"strings"
	"time"

	"sluice.dev/sluice/tenants/coord"
	"sluice.dev/sluice/tenants/errs"
	"sluice.dev/sluice/tenants/gate"
	"sluice.dev/sluice/tenants/policy"
)

// Decisions finds recorded answers; *gate.Gate is one.
type Decisions interface {
	Recorded(ctx context.Context, id string) (*gate.Recorded, error)
}

// DecisionPage answers /-/decisions/{id}: the page behind the link of a
// refusal. It needs no login and shows only what the refusal said (F2); who
// asks for JSON gets JSON, and a browser gets a page also when there is no such
// decision.
func DecisionPage(log Decisions) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			w.Header().Set("Allow", "GET, HEAD")
			http.Error(w, "only GET and HEAD work here", http.StatusMethodNotAllowed)
			return
		}
		d, err := log.Recorded(r.Context(), path.Base(r.URL.Path))
		html := strings.Contains(r.Header.Get("Accept"), "text/html")
		if err != nil && !(html && errs.Is(err, errs.NotFound)) {
			Problem(w, r, err)
			return
		}
		h := w.Header()
		Harden(h)
		h.Set("Cache-Control", "private, no-store")
		if err == nil && strings.Contains(r.Header.Get("Accept"), "json") {
			h.Set("Content-Type", "application/json")
			_ = json.NewEncoder(w).Encode(map[string]any{"id": d.ID, "at": d.At, "purl": d.Version.PURL(), "snapshot": d.Snapshot,
				"registry": d.Registry, "instead": d.Instead, "withheld": d.Withheld, "count": d.Count})
			return
		}
		h.Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'")
		h.Set("Content-Type", "text/html; charset=utf-8")
		if err != nil {
			w.WriteHeader(http.StatusNotFound)
			_ = decisionPage.ExecuteTemplate(w, "none", nil)
			return
		}
		_ = decisionPage.Execute(w, map[string]any{"D": d, "Causes": causes(d), "More": d.Count - len(d.Withheld)})
	})
}

// cause is one verdict with all the versions that it is about.
type cause struct {
	Versions []string // the newest first
	Reason   string   // without the coordinates
	*policy.Verdict
}

// causes puts versions that are withheld for the same reason together: a list
// often has a hundred of them.
func causes(d *gate.Recorded) []*cause {
	var out []*cause
	seen := map[string]*cause{}
	for _, line := range slices.Backward(d.Withheld) {
		if line.Verdict == nil {
			continue
		}
		v := coord.Version{Package: d.Version.Package, Version: line.Version}
		reason := strings.TrimPrefix(line.Verdict.Reason, v.String()+" ")
		key := line.Verdict.RegistryName + "\x00" + line.Verdict.RuleName + "\x00" + reason + "\x00" + rfc3339(line.Verdict.Until)
		if seen[key] == nil {
			seen[key] = &cause{Reason: reason, Verdict: line.Verdict}
			out = append(out, seen[key])
		}
		seen[key].Versions = append(seen[key].Versions, line.Version)
	}
	return out
}

func minute(t time.Time) string { return t.UTC().Format("2 January 2006 15:04 UTC") }

var decisionPage = template.Must(template.New("decision").Funcs(template.FuncMap{"minute": minute}).Parse(`
{{- define "head"}}<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>{{.}}</title>
<style>
body{font:16px/1.5 system-ui,sans-serif;max-width:46rem;margin:3rem auto;padding:0 1rem;color:#1c2430;background:#fff}
h1{font-size:1.4rem;margin:0 0 1rem}code{background:#eef1f5;padding:.1em .3em;border-radius:3px}
.why{border-left:4px solid #c0392b;padding:.4rem 1rem;margin:.8rem 0;background:#fdf3f2}.why p{margin:.3rem 0;overflow-wrap:anywhere}
.do{border-left:4px solid #1e8449;padding:.4rem 1rem;margin:.8rem 0;background:#f0f9f3}
small{color:#5b6675}
@media(prefers-color-scheme:dark){body{background:#14181f;color:#e6eaf0}code{background:#252c37}.why{background:#2c1b1a}.do{background:#16281c}small{color:#97a3b4}}
</style></head><body>{{end}}
{{- define "none"}}{{template "head" "No such decision"}}
<h1>There is no decision with this id</h1>
<p>The link is incomplete, or the decision is older than what your organization keeps. Ask for the package again, and follow the new link.</p>
</body></html>
{{end}}
{{- template "head" (printf "Withheld: %s" .D.Version.Name)}}
<h1>{{if .D.Version.Version}}<code>{{.D.Version.Name}}@{{.D.Version.Version}}</code> is
{{- else if eq .D.Count 1}}A version of <code>{{.D.Version.Name}}</code> is
{{- else}}{{.D.Count}} versions of <code>{{.D.Version.Name}}</code> are{{end}} withheld by the registry {{.D.Registry}}</h1>
{{range .Causes}}<div class="why"><p><strong>{{range $i, $v := .Versions}}{{if $i}}, {{end}}{{$v}}{{end}}</strong></p>
<p>{{.Reason}}.{{if not .Until.IsZero}} Available from {{minute .Until}}.{{end}}</p>
<p><small>Decided by the registry {{.RegistryName}}{{with .RuleName}}, rule "{{.}}"{{end}} ({{.Kind}}).</small></p></div>
{{end}}{{if gt .More 0}}<p>And {{.More}} more.</p>
{{end}}{{with .D.Instead}}<div class="do">Install <code>{{.}}</code> instead.</div>
{{end}}<p><small>Decision {{.D.ID}} of {{minute .D.At}}, made with {{if .D.Snapshot.IsZero}}no advisory feed but the demonstration's{{else}}advisory data of {{minute .D.Snapshot}}{{end}}. A security engineer of your organization can say more.</small></p>
</body></html>
`))
