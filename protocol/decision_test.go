package protocol

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"sluice.dev/sluice/tenants/coord"
	"sluice.dev/sluice/tenants/errs"
	"sluice.dev/sluice/tenants/gate"
	"sluice.dev/sluice/tenants/policy"
)

// recordings are answers by their ids.
type recordings map[string]*gate.Recorded

// Recorded implements Decisions.
func (r recordings) Recorded(_ context.Context, id string) (*gate.Recorded, error) {
	if d := r[id]; d != nil {
		return d, nil
	}
	return nil, errs.New(errs.NotFound, "decision", "there is no decision with this id")
}

func line(version, reason string, until time.Time) gate.WithheldLine {
	return gate.WithheldLine{Version: version, Verdict: &policy.Verdict{RegistryName: "npm-firewall", RuleName: "age & <more>", Kind: policy.KindMinimumAge,
		Reason: "x " + version + " " + reason, Until: until}}
}

func TestF2_DecisionPage(t *testing.T) {
	x := coord.Package{Ecosystem: coord.NPM, Name: "x"}
	at := time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)
	h := DecisionPage(recordings{
		"list": {ID: "list", At: at, Version: coord.Version{Package: x}, Registry: "team-a", Count: 5, Snapshot: at,
			Withheld: []gate.WithheldLine{line("1.0.0", "is affected by A-1", time.Time{}), line("1.1.0", "is affected by A-1", time.Time{}),
				line("1.1.1", "is too young", at), line("1.2.0", "is affected by A-1", time.Time{})}},
		"file": {ID: "file", At: at, Version: coord.Version{Package: x, Version: "1.0.0"}, Registry: "team-a", Count: 1, Instead: "1.3.0",
			Withheld: []gate.WithheldLine{line("1.0.0", "is affected by <script>", time.Time{})}},
	})
	for _, c := range []struct {
		id, accept string
		status     int
		kind       string
		has        []string
		hasNot     []string
	}{
		{"list", "text/html", 200, "text/html; charset=utf-8",
			[]string{"5 versions of <code>x</code> are withheld by the registry team-a", "<strong>1.2.0, 1.1.0, 1.0.0</strong>", "<strong>1.1.1</strong>",
				"is affected by A-1.", "Available from 4 March 2026 05:06 UTC.", "And 1 more.", "age &amp; &lt;more&gt;", "advisory data of 4 March 2026"},
			[]string{"instead", "x 1.0.0 is"}},
		{"file", "", 200, "text/html; charset=utf-8",
			[]string{"<code>x@1.0.0</code> is withheld", "&lt;script&gt;", "Install <code>1.3.0</code> instead", "no advisory feed"}, []string{"<script>", "And "}},
		{"file", "application/json", 200, "application/json", []string{`"instead":"1.3.0"`, `"purl":"pkg:npm/x@1.0.0"`}, nil},
		{"gone", "text/html,application/xhtml+xml", 404, "text/html; charset=utf-8", []string{"There is no decision with this id"}, nil},
		{"gone", "application/json", 404, "application/problem+json", []string{`"code":"NOT_FOUND"`}, nil},
	} {
		r := httptest.NewRequest(http.MethodGet, "/-/decisions/"+c.id, nil)
		r.Header.Set("Accept", c.accept)
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if w.Code != c.status || w.Header().Get("Content-Type") != c.kind || w.Header().Get("Cache-Control") != "private, no-store" ||
			!strings.HasPrefix(w.Header().Get("Content-Security-Policy"), "default-src 'none'") {
			t.Errorf("%s as %q: %d %v", c.id, c.accept, w.Code, w.Header())
		}
		for _, want := range c.has {
			if !strings.Contains(w.Body.String(), want) {
				t.Errorf("%s as %q lacks %q:\n%s", c.id, c.accept, want, w.Body)
			}
		}
		for _, bad := range c.hasNot {
			if strings.Contains(w.Body.String(), bad) {
				t.Errorf("%s as %q has %q:\n%s", c.id, c.accept, bad, w.Body)
			}
		}
		if strings.Contains(c.kind, "json") && !json.Valid(w.Body.Bytes()) {
			t.Errorf("%s as %q is no JSON: %s", c.id, c.accept, w.Body)
		}
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(http.MethodPost, "/-/decisions/list", nil))
	if w.Code != http.StatusMethodNotAllowed {
		t.Errorf("POST = %d", w.Code)
	}
}
