package protocol_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"sluice.dev/sluice/tenants/access/pace"
	"sluice.dev/sluice/tenants/org"
)

// asked remembers what was counted, and refuses on demand.
type asked struct {
	got  []pace.Request
	wait time.Duration
}

func (a *asked) Wait(r pace.Request) time.Duration {
	a.got = append(a.got, r)
	return a.wait
}

// TestT5_RequestsAreCountedOnceTheyAreSomebodys: not the challenges that some
// clients wait for, and nothing that is refused anyway.
func TestT5_RequestsAreCountedOnceTheyAreSomebodys(t *testing.T) {
	n := newNode(t)
	limits := &asked{}
	n.server.Limits = limits
	here, there := n.token(n.acme, "ci", n.teamA), n.token(n.globex, "ci", n.foreign)
	_, err := n.orgs.SetQuota(n.acme, org.Quota{Requests: 7})
	n.ok(err)
	const acme = "https://acme.sluice.example"
	for name, c := range map[string]struct {
		method, url string
		headers     []string
		status      int
		counted     bool
		write       bool
	}{
		"a reader":                    {"GET", acme + "/npm/team-a/left-pad", bearer(here), 200, true, false},
		"a writer":                    {"PUT", acme + "/npm/team-a/left-pad", bearer(here), 200, true, true},
		"an audit by POST reads":      {"POST", acme + "/npm/team-a/-/npm/v1/security/advisories/bulk", bearer(here), 200, true, false},
		"nobody, where anybody may":   {"GET", acme + "/npm/open/left-pad", nil, 200, true, false},
		"the challenge":               {"GET", acme + "/npm/team-a/left-pad", nil, 401, false, false},
		"a wrong token":               {"GET", acme + "/npm/team-a/left-pad", bearer("sluice_nonsense"), 401, false, false},
		"another organization's":      {"GET", acme + "/npm/team-a/left-pad", bearer(there), 401, false, false},
		"a registry that is not":      {"GET", acme + "/npm/nope/left-pad", bearer(here), 404, false, false},
		"the API":                     {"POST", acme + "/graphql", bearer(here), 200, true, false},
		"a page, by nobody":           {"GET", acme + "/-/decisions/x", nil, 200, true, false},
		"globex, which has no quota":  {"GET", "https://globex.sluice.example/npm/team-a/left-pad", bearer(there), 200, true, false},
		"a method that does not work": {"PATCH", acme + "/npm/team-a/left-pad", bearer(here), 405, false, false},
	} {
		before := len(limits.got)
		w := n.ask(c.method, c.url, c.headers...)
		if w.Code != c.status || len(limits.got) > before != c.counted {
			t.Errorf("%s: status %d, counted %v", name, w.Code, limits.got[before:])
			continue
		}
		if !c.counted {
			continue
		}
		got := limits.got[before]
		globex := strings.Contains(c.url, "globex")
		if got.Write != c.write || (got.Who == uuid.Nil) != (c.headers == nil) || got.IP != "203.0.113.9" || got.Org == uuid.Nil || (got.Quota == 7) == globex {
			t.Errorf("%s: counted %+v", name, got)
		}
	}
}

// TestT5_TooManyRequestsSayWhenToComeBack in whole seconds, and reach no
// handler.
func TestT5_TooManyRequestsSayWhenToComeBack(t *testing.T) {
	n := newNode(t)
	here, there := n.token(n.acme, "ci", n.teamA), n.token(n.globex, "ci", n.foreign)
	n.server.Limits = &asked{wait: 1200 * time.Millisecond}
	for _, url := range []string{"https://acme.sluice.example/npm/team-a/left-pad", "https://acme.sluice.example/graphql"} {
		before := n.seen.calls
		w := n.ask("GET", url, bearer(here)...)
		n.status(http.StatusTooManyRequests, w)
		h := w.Header()
		if h.Get("Retry-After") != "2" || h.Get("Cache-Control") != "private, no-store" || h.Get("WWW-Authenticate") != "" || h.Get("Content-Type") != "application/problem+json" ||
			!strings.Contains(w.Body.String(), "too many requests at once; try again in 2 s") {
			t.Errorf("%s: %v %s", url, h, w.Body)
		}
		if n.seen.calls != before {
			t.Errorf("%s reached its handler", url)
		}
	}
	w := n.ask("HEAD", "https://acme.sluice.example/npm/team-a/left-pad", bearer(here)...)
	if n.status(http.StatusTooManyRequests, w); w.Body.Len() != 0 {
		t.Errorf("HEAD has a body: %s", w.Body)
	}
	// With real limits one's requests are not another's.
	n.server.Limits = pace.New(pace.Config{Reads: pace.Rate{PerSecond: 0.001, Burst: 2}})
	for i, want := range []int{200, 200, 429} {
		if w := n.ask("GET", "https://acme.sluice.example/npm/team-a/left-pad", bearer(here)...); w.Code != want {
			t.Errorf("request %d: status %d, want %d", i+1, w.Code, want)
		}
	}
	n.status(200, n.ask("GET", "https://globex.sluice.example/npm/team-a/left-pad", bearer(there)...))
	n.status(401, n.ask("GET", "https://acme.sluice.example/npm/team-a/left-pad"))
}
