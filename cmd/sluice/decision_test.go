package main

import (
	"encoding/json"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"sluice.dev/sluice/protocol/protocoltest"
)

// page fetches a refusal's page without a token.
func (x *tenant) page(url string, header ...string) answer {
	nobody := *x
	nobody.secret = ""
	return nobody.fetch(http.MethodGet, url, header...)
}

// TestF2_ARefusalSaysWhatItsPageSays: status, phrase, problem, headers, and the
// page behind the link, as HTML and as JSON, without a login.
func TestF2_ARefusalSaysWhatItsPageSays(t *testing.T) {
	h := newHarness(t)
	h.up.Publish("x", "1.0.0", protocoltest.Release{})
	h.up.Publish("x", "1.1.0", protocoltest.Release{})
	fw := h.acme.firewall("fw", from(h.acme.public))
	h.acme.team("team", source(fw))
	h.acme.hold(fw, "x@1.1.0", `sends <script>"secrets"</script> home`)
	for _, path := range []string{tarball("x", "1.1.0"), "/x/1.1.0"} {
		a := h.acme.get("team", path)
		p := a.problem()
		id := a.header.Get("Sluice-Decision")
		if !a.withheld() || p.DecisionID != id || len(id) < 22 || p.Instead != "1.0.0" || p.Registry != "fw" || p.Kind != "HOLD" ||
			!strings.Contains(p.Error, "secrets") || p.Instance != h.acme.at.server.URL+"/o/acme/-/decisions/"+id ||
			a.header.Get("Www-Authenticate") != "" || !strings.Contains(a.header.Get("Npm-Notice"), p.Instance) || !strings.Contains(a.phrase, "x@1.1.0 is withheld by") {
			t.Fatalf("%s = %s %v %s", path, a.phrase, a.header, a.body)
		}
		html := h.acme.page(p.Instance)
		text := string(html.body)
		for _, want := range []string{"x", "1.1.0", "secrets", "team", "fw", "1.0.0", id, "no advisory feed"} {
			if html.status != 200 || !strings.Contains(text, want) {
				t.Errorf("the page = %d, without %q: %s", html.status, want, text)
			}
		}
		if strings.Contains(text, "<script") || strings.Contains(text, "ci") && strings.Contains(text, "token") || html.header.Get("X-Content-Type-Options") != "nosniff" ||
			html.header.Get("Cache-Control") != "private, no-store" || !strings.Contains(html.header.Get("Content-Security-Policy"), "default-src 'none'") {
			t.Errorf("the page: %v %s", html.header, text)
		}
		var j struct {
			ID, PURL, Registry, Instead string
			Withheld                    []struct {
				Version string
				Verdict struct{ Reason, RegistryName, Kind string }
			}
		}
		b := h.acme.page(p.Instance, "Accept", "application/json")
		if err := json.Unmarshal(b.body, &j); err != nil || j.ID != id || j.PURL != "pkg:npm/x@1.1.0" || j.Registry != "team" || j.Instead != "1.0.0" ||
			len(j.Withheld) != 1 || j.Withheld[0].Verdict.RegistryName != "fw" || j.Withheld[0].Verdict.Kind != "HOLD" {
			t.Errorf("as JSON = %s (%v)", b.body, err)
		}
		// From elsewhere it does not exist (T3).
		for _, url := range []string{strings.Replace(p.Instance, "/o/acme/", "/o/globex/", 1), p.Instance + "x", strings.Replace(p.Instance, id, "", 1)} {
			if a := h.acme.page(url); a.status != 404 {
				t.Errorf("%s = %d", url, a.status)
			}
		}
	}
}

// TestF2_AListHasADecisionToo: its page names what the list withholds.
func TestF2_AListHasADecisionToo(t *testing.T) {
	h := newHarness(t)
	for _, v := range []string{"1.0.0", "1.1.0", "1.2.0"} {
		h.up.Publish("x", v, protocoltest.Release{})
	}
	fw := h.acme.firewall("fw", from(h.acme.public))
	h.acme.block(fw, "x@>=1.1.0")
	first := h.acme.get("fw", "/x")
	id := first.header.Get("Sluice-Decision")
	for _, accept := range []string{"*/*", corgi} {
		a := h.acme.get("fw", "/x", "Accept", accept)
		if a.header.Get("Sluice-Decision") != id || id == "" || !strings.Contains(a.packument().PolicyRestrictions.Message, id) {
			t.Errorf("%s: decision %q, want %q: %s", accept, a.header.Get("Sluice-Decision"), id, a.body)
		}
	}
	text := string(h.acme.page(h.acme.at.server.URL + "/o/acme/-/decisions/" + id).body)
	for _, want := range []string{"1.1.0", "1.2.0", "is blocked by the definition"} {
		if !strings.Contains(text, want) {
			t.Errorf("the page lacks %q: %s", want, text)
		}
	}
	if strings.Contains(text, "<strong>1.0.0") {
		t.Error("the page names an allowed version")
	}
}

// TestDecisionsAreDeduplicated per token, version, rule and hour: one row and
// one link, with a count, also when all ask at once.
func TestDecisionsAreDeduplicated(t *testing.T) {
	h := newHarness(t)
	h.up.Publish("x", "1.0.0", protocoltest.Release{})
	fw := h.acme.firewall("fw", from(h.acme.public))
	h.acme.block(fw, "x")
	var mu sync.Mutex
	ids := map[string]int{}
	ask := func(x *tenant, times int) {
		var all sync.WaitGroup
		for range times {
			all.Go(func() {
				id := x.get("fw", tarball("x", "1.0.0")).header.Get("Sluice-Decision")
				mu.Lock()
				ids[id]++
				mu.Unlock()
			})
		}
		all.Wait()
		if err := h.first.decisions.Flush(h.acme.ctx); err != nil {
			t.Fatal(err)
		}
	}
	rows := func() (n, counted int) {
		return h.acme.count("decisions", "channel = 'FILE'"), h.acme.sum("decisions WHERE channel = 'FILE'", "count")
	}
	ask(h.acme, 40)
	if n, counted := rows(); n != 1 || counted != 40 || len(ids) != 1 {
		t.Errorf("%d rows count %d answers with %d ids", n, counted, len(ids))
	}
	other := *h.acme
	other.secret = h.acme.token("another")
	ask(&other, 2)
	if n, counted := rows(); n != 2 || counted != 42 || len(ids) != 2 {
		t.Errorf("another token: %d rows count %d answers with %d ids", n, counted, len(ids))
	}
	h.clock.pass(time.Hour)
	ask(h.acme, 2)
	if n, counted := rows(); n != 3 || counted != 44 || len(ids) != 3 {
		t.Errorf("the next hour: %d rows count %d answers with %d ids", n, counted, len(ids))
	}
	if n := h.globex.count("decisions", "true"); n != 0 {
		t.Errorf("globex has %d decisions", n)
	}
}

// TestP8_ExplainAnswersForEverything: allowed, withheld, held or not; it opens
// no hold.
func TestP8_ExplainAnswersForEverything(t *testing.T) {
	h := newHarness(t)
	for _, v := range []string{"1.0.0", "1.1.0", "2.0.0"} {
		h.up.Publish("x", v, protocoltest.Release{})
	}
	fw := h.acme.firewall("fw", from(h.acme.public))
	team := h.acme.team("team", source(fw))
	h.advise(vulnerable("GHSA-aaaa-bbbb-cccc", "x", "2.0.0", ""))
	h.acme.get("team", tarball("x", "1.0.0"))
	for v, held := range map[string]bool{"1.0.0": true, "1.1.0": false} {
		e, err := h.first.gate.Explain(h.acme.ctx, team, npmVersion("x", v))
		if err != nil || e.Decision.Withheld() || e.Held != held || e.Remote != "npm-public" || len(e.Path) != 2 || !e.Snapshot.Equal(h.clock.Now()) {
			t.Errorf("%s = %+v, %v", v, e, err)
		}
	}
	e, err := h.first.gate.Explain(h.acme.ctx, team, npmVersion("x", "2.0.0"))
	if err != nil || !e.Decision.Withheld() || e.Decision.Decisive.RegistryName != "fw" || e.Instead != "1.1.0" || !e.Available.IsZero() {
		t.Errorf("2.0.0 = %+v, %v", e, err)
	}
	if n := h.acme.count("holds", "true"); n != 0 {
		t.Errorf("explaining opened %d holds", n)
	}
	for _, v := range []string{"3.0.0"} {
		if _, err := h.first.gate.Explain(h.acme.ctx, team, npmVersion("x", v)); err == nil {
			t.Errorf("%s has an explanation", v)
		}
	}
	if _, err := h.first.gate.Explain(h.globex.ctx, team, npmVersion("x", "1.0.0")); err == nil {
		t.Error("globex gets an explanation in acme's registry")
	}
}
