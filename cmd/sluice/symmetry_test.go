package main

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"sluice.dev/sluice/protocol/protocoltest"
	"sluice.dev/sluice/tenants/coord"
	"sluice.dev/sluice/tenants/license"
	"sluice.dev/sluice/tenants/policy"
)

// scene is one cell of the matrix: a package of which 1.1.0 must be withheld
// and 1.0.0 need not, in a team below a firewall.
type scene struct {
	*tenant
	pkg      string
	firewall uuid.UUID
	team     uuid.UUID
	teamName string
}

// cause withholds 1.1.0, or with whole the package.
type cause struct {
	name   string
	kind   policy.Kind
	whole  bool
	absent bool // what is not held yet is not even asked for: 404 (O4)
	do     func(s *scene)
}

func (s *scene) denies(reg uuid.UUID, r policy.Rule) {
	r.Effect, r.Applies = policy.Deny, policy.NewAndHeld // so that it is about held versions, too
	s.rule(reg, r)
}

var noGrace = time.Duration(0)

var causes = []cause{
	{name: "vulnerability", kind: policy.KindVulnerability, do: func(s *scene) {
		s.denies(s.firewall, policy.Rule{Kind: policy.KindVulnerability, Params: policy.Params{MinSeverity: policy.SeverityHigh, Grace: &noGrace}})
		s.h.advise(vulnerable("GHSA-"+strings.ReplaceAll(s.teamName, "team-", "aaaa-bbbb-"), s.pkg, "1.1.0", ""))
	}},
	{name: "malware", kind: policy.KindMalware, do: func(s *scene) {
		s.h.advise(vulnerable("MAL-2026-"+s.teamName, s.pkg, "1.1.0", ""))
	}},
	{name: "licence", kind: policy.KindLicense, do: func(s *scene) {
		s.denies(s.team, policy.Rule{Kind: policy.KindLicense, Params: policy.Params{MinSeverity: policy.SeverityHigh,
			License: &license.Policy{Rules: []license.Rule{{License: "GPL-3.0-only", Severity: license.High}}}}})
	}},
	{name: "block list", kind: policy.KindBlock, do: func(s *scene) {
		s.denies(s.firewall, policy.Rule{Kind: policy.KindBlock, Params: policy.Params{Definitions: s.h.definitions(s.pkg + "@>=1.1.0")}})
	}},
	{name: "minimum age", kind: policy.KindMinimumAge, do: func(s *scene) {
		s.denies(s.team, policy.Rule{Kind: policy.KindMinimumAge, Params: policy.Params{MinAge: 3 * day}})
	}},
	{name: "hold in the registry", kind: policy.KindHold, do: func(s *scene) { s.hold(s.team, s.pkg+"@1.1.0", "looks odd") }},
	{name: "hold in the firewall", kind: policy.KindHold, do: func(s *scene) { s.hold(s.firewall, s.pkg+"@1.1.0", "looks odd") }},
	{name: "hold on a range", kind: policy.KindHold, do: func(s *scene) { s.hold(s.firewall, s.pkg+"@>1.0.0", "looks odd") }},
	{name: "hold on the package", kind: policy.KindHold, whole: true, do: func(s *scene) { s.hold(s.firewall, s.pkg, "looks odd") }},
	{name: "tombstone", kind: policy.KindTombstone, do: func(s *scene) {
		s.hold(s.firewall, s.pkg+"@1.1.0", "looks odd")
		if _, err := s.at.quarantine.Delete(s.ctx, s.firewall, s.pkg, "1.1.0", "it is malware"); err != nil {
			s.h.Fatal(err)
		}
	}},
	{name: "ownership", kind: policy.KindOwnership, whole: true, absent: true, do: func(s *scene) {
		o, err := s.at.orgs.Get(s.ctx)
		if err == nil {
			_, err = s.at.orgs.ReservePatterns(s.ctx, append(o.ReservedPatterns, coord.ReservedPattern{Ecosystem: coord.NPM, Pattern: s.pkg}))
		}
		if err != nil {
			s.h.Fatal(err)
		}
	}},
}

// phases are how far the version got before it was withheld.
var phases = []struct {
	name   string
	before func(s *scene)
	held   bool
}{
	{"before anything was asked", func(*scene) {}, false},
	{"after its lists were cached", func(s *scene) {
		for _, accept := range []string{"*/*", corgi} {
			if a := s.get(s.teamName, "/"+s.pkg, "Accept", accept); a.status != 200 || a.packument().Tags["latest"] != "1.1.0" {
				s.h.Fatalf("before: %d %s", a.status, a.body)
			}
		}
	}, false},
	{"after it was delivered", func(s *scene) {
		for _, v := range []string{"1.1.0", "1.0.0"} {
			if a := s.get(s.teamName, tarball(s.pkg, v)); a.status != 200 || a.err != nil {
				s.h.Fatalf("before: %d %s %v", a.status, a.body, a.err)
			}
		}
	}, true},
}

// TestP2_EveryPathGivesTheSameVerdict is the matrix: causes, how far the
// version got before, and every path that reveals or delivers.
func TestP2_EveryPathGivesTheSameVerdict(t *testing.T) {
	h := newHarness(t)
	n := 0
	for _, c := range causes {
		for _, p := range phases {
			for _, form := range []string{"evil-%d", "@scope/evil-%d"} {
				n++
				s := &scene{tenant: h.acme, pkg: fmt.Sprintf(form, n), teamName: fmt.Sprintf("team-%d", n)}
				t.Run(c.name+"/"+p.name+"/"+s.pkg, func(t *testing.T) {
					h.in(t)
					s.publish()
					s.firewall = s.tenant.firewall(fmt.Sprintf("fw-%d", n), from(s.public))
					s.team = s.tenant.team(s.teamName, source(s.firewall))
					p.before(s)
					c.do(s)
					h.up.Forget()
					for range 2 { // the second time everything is cached
						s.verify(t, c, p.held)
					}
					if k := h.up.Count("/" + s.pkg + "/-/"); k != 0 {
						t.Errorf("the remote was asked %d times for bytes that nobody may have", k)
					}
				})
			}
		}
	}
}

func (s *scene) publish() {
	s.h.up.Publish(s.pkg, "1.0.0", protocoltest.Release{Tags: []string{"latest", "old"}})
	s.h.up.Publish(s.pkg, "1.1.0", protocoltest.Release{Tags: []string{"latest", "next"}, License: "GPL-3.0-only", Published: s.h.clock.Now().Add(-time.Hour)})
}

func (s *scene) verify(t *testing.T, c cause, held bool) {
	absent := c.absent && !held
	for _, name := range spellings(s.pkg) {
		s.verifyLists(t, c, name, absent)
		s.verifyManifests(t, c, name, absent)
		s.verifyFiles(t, c, name, absent)
	}
	s.verifyStrangers(t)
}

// spellings of a package's name in a path.
func spellings(pkg string) []string {
	if !strings.HasPrefix(pkg, "@") {
		return []string{pkg}
	}
	return []string{pkg, strings.Replace(pkg, "/", "%2f", 1), "%40" + strings.Replace(pkg[1:], "/", "%2F", 1)}
}

func (s *scene) verifyLists(t *testing.T, c cause, name string, absent bool) {
	t.Helper()
	latest := "1.0.0"
	if c.whole {
		latest = ""
	}
	for _, accept := range []string{"*/*", corgi} {
		a := s.get(s.teamName, "/"+name, "Accept", accept)
		if absent {
			if a.status != http.StatusNotFound {
				t.Errorf("GET %s as %s = %d", name, accept, a.status)
			}
			continue
		}
		d := a.packument()
		_, listed := d.Versions["1.1.0"]
		_, dated := d.Time["1.1.0"]
		if _, told := d.PolicyRestrictions.Versions["1.1.0"]; a.status != 200 || listed || dated || !told || a.header.Get("Sluice-Decision") == "" {
			t.Errorf("GET %s as %s = %d, listed %v, dated %v, told %v", name, accept, a.status, listed, dated, told)
		}
		for tag, v := range d.Tags {
			if v == "1.1.0" || tag == "next" {
				t.Errorf("%s: the tag %s is %s", name, tag, v)
			}
		}
		if d.Tags["latest"] != latest {
			t.Errorf("%s: latest = %q", name, d.Tags["latest"])
		}
		head := s.ask(http.MethodHead, s.teamName, "/"+name, "Accept", accept)
		if head.status != a.status || head.header.Get("ETag") != a.header.Get("ETag") {
			t.Errorf("HEAD %s = %d %v", name, head.status, head.header)
		}
	}
	if a := s.get(s.teamName, "/-/package/"+name+"/dist-tags"); strings.Contains(string(a.body), "1.1.0") || absent != (a.status == http.StatusNotFound) {
		t.Errorf("dist-tags = %d %s", a.status, a.body)
	}
}

// expect checks one refusal, or with absent a 404.
func (s *scene) expect(t *testing.T, c cause, absent bool, what string, a answer) {
	t.Helper()
	if absent {
		if a.status != http.StatusNotFound {
			t.Errorf("%s = %s", what, a.phrase)
		}
		return
	}
	if !a.withheld() || a.header.Get("ETag") != "" || a.header.Get("Cache-Control") != "private, no-store" {
		t.Errorf("%s = %s %v %s", what, a.phrase, a.header, a.body)
	}
	if strings.HasPrefix(what, "HEAD") {
		return
	}
	p := a.problem()
	// A firewall's own rules quarantine advisories: from the second time on it is
	// a hold (Q6).
	advised := c.kind == policy.KindVulnerability || c.kind == policy.KindMalware
	if kind := policy.Kind(p.Kind); kind != c.kind && (kind != policy.KindHold || !advised) {
		t.Errorf("%s: kind %s, want %s: %s", what, p.Kind, c.kind, p.Detail)
	}
	if want := "pkg:npm/" + strings.Replace(s.pkg, "@", "%40", 1) + "@1.1.0"; p.PURL != want || p.DecisionID == "" || !strings.Contains(p.Instance, p.DecisionID) {
		t.Errorf("%s: problem %+v, want %s", what, p, want)
	}
}

func (s *scene) verifyManifests(t *testing.T, c cause, name string, absent bool) {
	t.Helper()
	for _, method := range []string{"GET", "HEAD"} {
		for _, v := range []string{"1.1.0", "v1.1.0"} {
			s.expect(t, c, absent, method+" "+name+"/"+v, s.ask(method, s.teamName, "/"+name+"/"+v, "If-None-Match", "*"))
		}
		if a := s.ask(method, s.teamName, "/"+name+"/next"); a.status != http.StatusNotFound {
			t.Errorf("%s the tag next = %s", method, a.phrase)
		}
		if a := s.ask(method, s.teamName, "/"+name+"/latest"); c.whole && a.status != http.StatusNotFound || !c.whole && a.status != 200 {
			t.Errorf("%s the tag latest = %s", method, a.phrase)
		}
	}
}

func (s *scene) verifyFiles(t *testing.T, c cause, name string, absent bool) {
	t.Helper()
	base := s.pkg[strings.IndexByte(s.pkg, '/')+1:]
	files := []string{base + "-1.1.0.tgz"}
	if strings.HasPrefix(s.pkg, "@") {
		files = append(files, s.pkg+"-1.1.0.tgz")
	}
	for _, f := range files {
		path := "/" + name + "/-/" + f
		for _, ask := range [][]string{{"GET"}, {"HEAD"}, {"GET", "Range", "bytes=0-9"}, {"HEAD", "Range", "bytes=0-9"}, {"GET", "If-None-Match", "*"},
			{"GET", "If-Range", `"x"`, "Range", "bytes=5-"}} {
			s.expect(t, c, absent, strings.Join(ask, " ")+" "+path, s.ask(ask[0], s.teamName, path, ask[1:]...))
		}
	}
}

// verifyStrangers asks without a token, and from the other organization.
func (s *scene) verifyStrangers(t *testing.T) {
	t.Helper()
	nobody, stranger := *s.tenant, *s.tenant
	nobody.secret, stranger.secret = "", s.h.globex.secret
	for _, path := range []string{"/" + s.pkg, "/" + s.pkg + "/1.1.0", tarball(s.pkg, "1.1.0"), tarball(s.pkg, "1.0.0")} {
		for who, x := range map[string]*tenant{"nobody": &nobody, "globex's token": &stranger} {
			if a := x.get(s.teamName, path); a.status != http.StatusUnauthorized || a.header.Get("Sluice-Decision") != "" {
				t.Errorf("%s of %s = %d", path, who, a.status)
			}
		}
		if a := s.h.globex.get(s.teamName, path); a.status != http.StatusNotFound {
			t.Errorf("%s in globex = %d", path, a.status)
		}
	}
}
