package main

import (
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"testing"

	"sluice.dev/sluice/protocol/protocoltest"
	"sluice.dev/sluice/tenants/coord"
	"sluice.dev/sluice/tenants/registry"
)

// searched is the answer to a search.
type searched struct {
	Objects []struct {
		Package struct {
			Name, Version, Description, Date string
			Keywords                         []string
			Links                            map[string]string
			Publisher                        *struct{ Username string }
			Maintainers                      []struct{ Username, Email string }
		}
		Score struct{ Final float64 }
	}
	Total int
	Time  string
}

// String is "total: name@version …".
func (s searched) String() string {
	out := fmt.Sprintf("%d:", s.Total)
	for _, o := range s.Objects {
		out += " " + o.Package.Name + "@" + o.Package.Version
	}
	return out
}

// search asks for packages; more is further parameters.
func (x *tenant) search(reg, text, more string) (s searched) {
	x.h.Helper()
	a := x.get(reg, "/-/v1/search?text="+url.QueryEscape(text)+more)
	if err := json.Unmarshal(a.body, &s); a.status != 200 || err != nil {
		x.h.Fatalf("search %q = %s %s %v", text, a.phrase, a.body, err)
	}
	return s
}

func described(description string, keywords ...string) protocoltest.Release {
	return protocoltest.Release{Manifest: map[string]any{"description": description, "keywords": keywords}}
}

func TestP2_SearchFindsOnlyWhatIsListed(t *testing.T) {
	h := newHarness(t)
	h.up.Publish("pad-left", "1.0.0", described("pads", "string"))
	h.up.Publish("pad-left", "1.1.0", described("pads better", "string"))
	h.up.Publish("pad-right", "1.0.0", described("pads too", "string"))
	h.up.Publish("pad-evil", "1.0.0", described("pads and steals", "string"))
	h.up.Publish("other", "1.0.0", described("something else"))
	fw := h.acme.firewall("fw", from(h.acme.public))
	team := h.acme.team("team", source(fw))
	h.acme.publish(team, "pad-ours", "0.1.0", []byte("ours"))
	h.advise(vulnerable("MAL-2026-1", "pad-evil", "0", ""))
	h.acme.block(fw, "pad-left@1.1.0")

	s := h.acme.search("team", "pad", "")
	if got := s.String(); got != "3: pad-ours@0.1.0 pad-left@1.0.0 pad-right@1.0.0" {
		t.Errorf("pad = %s", got)
	}
	p := s.Objects[1].Package
	if p.Description != "pads" || len(p.Keywords) != 1 || p.Date != "2020-01-01T12:00:00.000Z" || p.Links["npm"] != h.acme.url("team", "/pad-left") || p.Publisher.Username != "ann" {
		t.Errorf("pad-left = %+v", p)
	}
	if s.Objects[0].Score.Final <= s.Objects[1].Score.Final || s.Time == "" {
		t.Errorf("scores %+v", s)
	}
	for text, want := range map[string]string{
		"pad-evil":                "0:",
		"pad-right":               "1: pad-right@1.0.0",
		"keywords:string pad":     "2: pad-left@1.0.0 pad-right@1.0.0",
		"pad is:unstable":         "1: pad-ours@0.1.0",
		"pad not:unstable":        "2: pad-left@1.0.0 pad-right@1.0.0",
		"pad author:ann":          "2: pad-left@1.0.0 pad-right@1.0.0",
		"pad author:bob":          "0:",
		"nothing-has-this-name":   "0:",
		"scope:nobody":            "0:",
		"steals":                  "0:",
		"PAD-RIGHT":               "1: pad-right@1.0.0",
		"boost-exact:false other": "1: other@1.0.0",
	} {
		if got := h.acme.search("team", text, "").String(); got != want {
			t.Errorf("%s = %s, want %s", text, got, want)
		}
	}
	// Once it is held it is found by what it is about, with the source gone.
	if a := h.acme.get("team", tarball("pad-right", "1.0.0")); a.status != 200 {
		t.Fatal(a.phrase)
	}
	h.up.Break("/", protocoltest.Down())
	h.clock.pass(h.first.gate.Fresh + minute)
	a := h.acme.get("team", "/-/v1/search?text=pads+too")
	if a.status != 200 || !strings.Contains(string(a.body), `"pad-right"`) || !strings.Contains(a.header.Get("Warning"), "npm-public") {
		t.Errorf("with the source down = %s %v %s", a.phrase, a.header, a.body)
	}
	h.acme.hold(fw, "pad-right", "odd")
	if got := h.acme.search("team", "pads too", "").String(); got != "0:" {
		t.Errorf("held and on hold = %s", got)
	}
	if got := h.acme.search("team", "pad-right", "&from=1&size=1").String(); got != "0:" {
		t.Errorf("the total behind a hidden package = %s", got)
	}
	// The other organization has nothing of it.
	h.globex.team("team")
	if got := h.globex.search("team", "pad", "").String(); got != "0:" {
		t.Errorf("globex = %s", got)
	}
}

func TestR3_SearchPages(t *testing.T) {
	h := newHarness(t)
	team := h.acme.team("team", from(h.acme.public))
	no := false
	mixed := h.acme.create(registry.CreateInput{Kind: registry.PackageRegistry, Name: "mixed", Internal: &no}, nil)
	h.acme.link(registry.UpstreamInput{Registry: team, Source: mixed})
	for i := range 30 {
		h.up.Publish(fmt.Sprintf("x-public-%02d", i), "1.0.0", protocoltest.Release{})
		h.acme.publish(mixed, fmt.Sprintf("x-own-%02d", i), "1.0.0", []byte("ours"))
	}
	h.acme.hold(team, "x-own-03", "odd")
	h.acme.hold(team, "x-public-05", "odd")
	seen := map[string]bool{}
	for from := 0; from < 70; from += 8 {
		s := h.acme.search("team", "x-", fmt.Sprintf("&size=8&from=%d", from))
		for _, o := range s.Objects {
			if seen[o.Package.Name] {
				t.Errorf("%s stands on two pages", o.Package.Name)
			}
			seen[o.Package.Name] = true
		}
		if len(s.Objects) > 0 && from+len(s.Objects) > s.Total {
			t.Errorf("from %d: total %d", from, s.Total)
		}
	}
	if len(seen) != 58 || seen["x-own-03"] || seen["x-public-05"] {
		t.Errorf("%d packages on all pages", len(seen))
	}
	if s := h.acme.search("team", "x-", "&size=100"); s.Total != 58 || len(s.Objects) != 58 || s.Objects[0].Package.Name != "x-own-00" || s.Objects[29].Package.Name != "x-public-00" {
		t.Errorf("one page: %s", s)
	}
	if s := h.acme.search("team", "x-own-07", ""); s.Objects[0].Package.Name != "x-own-07" || s.Objects[0].Score.Final != 1 {
		t.Errorf("an exact name: %s", s)
	}
	if s := h.acme.search("team", "", "&size=250"); len(s.Objects) != 29 {
		t.Errorf("everything that is held: %s", s)
	}
	for query, says := range map[string]string{"size=x": "size", "from=-1": "from", "text=" + strings.Repeat("a", 600): "512"} {
		if a := h.acme.get("team", "/-/v1/search?"+query); a.status != 400 || !strings.Contains(a.problem().Detail, says) {
			t.Errorf("%s = %s %s", query, a.phrase, a.body)
		}
	}
}

// TestO4_SearchKeepsNamesInside: what names a package of the organization's own
// is not asked for in public, and what patterns keep out is not found.
func TestO4_SearchKeepsNamesInside(t *testing.T) {
	h := newHarness(t)
	intern := protocoltest.NewNPM(t)
	for _, pkg := range []string{"@acme/tool", "secret", "intern-lib", "free", "kept-out"} {
		h.up.Publish(pkg, "9.9.9", protocoltest.Release{})
	}
	intern.Publish("intern-lib", "1.0.0", protocoltest.Release{})
	if _, err := h.first.orgs.ReservePatterns(h.acme.ctx, []coord.ReservedPattern{{Ecosystem: coord.NPM, Pattern: "@acme/*"}}); err != nil {
		t.Fatal(err)
	}
	own := h.acme.team("own")
	h.acme.team("team", source(own), from(h.acme.remote("intern", intern.URL, true)),
		registry.UpstreamInput{Remote: h.acme.public, Exclude: []string{"kept-*"}})
	h.acme.publish(own, "secret", "1.0.0", []byte("ours"))
	for text, want := range map[string]string{"@acme/tool": "0:", "scope:acme": "0:", "scope:@acme tool": "0:", "secret": "1: secret@1.0.0", "intern-lib": "1: intern-lib@1.0.0"} {
		if got := h.acme.search("team", text, "").String(); got != want {
			t.Errorf("%s = %s, want %s", text, got, want)
		}
		for _, r := range h.up.Requests() {
			t.Errorf("%s went out: %s", text, r.Path)
		}
		h.up.Forget()
	}
	for text, want := range map[string]string{"free": "1: free@9.9.9", "kept-out": "0:"} {
		if got := h.acme.search("team", text, "").String(); got != want {
			t.Errorf("%s = %s, want %s", text, got, want)
		}
	}
	// A remote without search, or with nonsense, contributes nothing and says so.
	for _, fault := range []protocoltest.Fault{protocoltest.Status(404), protocoltest.Status(501), protocoltest.HTML(), protocoltest.Malformed()} {
		h.clock.pass(h.first.gate.Fresh + minute)
		mend := h.up.Break("/-/v1/search", fault)
		a := h.acme.get("team", "/-/v1/search?text=secret+9")
		b := h.acme.get("team", "/-/v1/search?text=free")
		if a.status != 200 || b.status != 200 || !strings.Contains(b.header.Get("Warning"), "npm-public") {
			t.Errorf("fault: %s %s %v", a.phrase, b.phrase, b.header)
		}
		mend()
	}
	if a := h.acme.get("team", "/free"); a.status != 200 {
		t.Errorf("a broken search broke the packages: %s", a.phrase)
	}
}
