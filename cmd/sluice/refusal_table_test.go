package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"sluice.dev/sluice/protocol/protocoltest"
)

// reasons are the kinds of causes by which a version is withheld, one of each.
var reasons = []string{"hold in the registry", "hold in the firewall", "block list", "malware", "tombstone", "ownership", "minimum age"}

// refusalPath is a way to a version that a client could try.
type refusalPath struct {
	name   string
	method string
	path   func(pkg, v string) string
	header []string
	// lists tells that the path answers for the package, and may only be silent
	// about the version; the others deliver or refuse it.
	lists bool
}

var refusalPaths = func() (out []refusalPath) {
	lists := func(name string, path func(pkg, v string) string, header ...string) {
		for _, method := range []string{"GET", "HEAD"} {
			out = append(out, refusalPath{name, method, path, header, true})
		}
	}
	delivers := func(name string, path func(pkg, v string) string, header ...string) {
		for _, method := range []string{"GET", "HEAD"} {
			out = append(out, refusalPath{name, method, path, header, false})
		}
	}
	// spelled are the ways to write a name into a path.
	spelled := func(path func(name, v string) string) map[string]func(pkg, v string) string {
		out := map[string]func(pkg, v string) string{"plain": path}
		for how, write := range map[string]*strings.Replacer{"%2f": strings.NewReplacer("/", "%2f"), "%40 and %2F": strings.NewReplacer("@", "%40", "/", "%2F")} {
			out[how] = func(pkg, v string) string { return path(write.Replace(pkg), v) }
		}
		return out
	}
	for how, path := range spelled(func(name, _ string) string { return "/" + name }) {
		lists("full document, "+how, path, "Accept", "application/json")
		lists("abbreviated document, "+how, path, "Accept", corgi)
		lists("document to be written, "+how, func(pkg, v string) string { return path(pkg, v) + "?write=true" })
		lists("document, conditionally, "+how, path, "If-None-Match", `"x"`)
	}
	for how, path := range spelled(func(name, _ string) string { return "/-/package/" + name + "/dist-tags" }) {
		lists("dist-tags, "+how, path)
	}
	for how, path := range spelled(func(name, v string) string { return "/" + name + "/" + v }) {
		delivers("manifest by number, "+how, path)
		delivers("manifest by number with v, "+how, func(pkg, v string) string { return path(pkg, "v"+v) })
		delivers("manifest, conditionally, "+how, path, "If-None-Match", "*")
		delivers("manifest by tag, "+how, func(pkg, _ string) string { return path(pkg, "next") })
	}
	for how, path := range spelled(func(name, file string) string { return "/" + name + "/-/" + file }) {
		file := func(pkg, v string) string { return path(pkg, pkg[strings.IndexByte(pkg, '/')+1:]+"-"+v+".tgz") }
		delivers("tarball, "+how, file)
		delivers("tarball's range, "+how, file, "Range", "bytes=0-9")
		delivers("tarball's last bytes, "+how, file, "Range", "bytes=-1")
		delivers("tarball, conditionally, "+how, file, "If-None-Match", "*")
		delivers("tarball, since, "+how, file, "If-Modified-Since", "Mon, 01 Jan 2035 00:00:00 GMT")
		delivers("tarball, if range, "+how, file, "If-Range", `"x"`, "Range", "bytes=5-")
		delivers("tarball by its old name, "+how, func(pkg, v string) string { return path(pkg, pkg+"-"+v+".tgz") })
	}
	for how, path := range spelled(func(name, v string) string { return "/-/npm/v1/attestations/" + name + "@" + v }) {
		delivers("attestations, "+how, path)
		delivers("attestations, conditionally, "+how, path, "If-None-Match", "*")
	}
	for _, text := range []string{"%s", "scope:none %s", "keywords:only-in-the-new-one %s", "%s is:unstable"} {
		lists("search for "+text, func(pkg, _ string) string {
			return "/-/v1/search?text=" + strings.ReplaceAll(fmt.Sprintf(text, pkg), " ", "+")
		})
	}
	lists("search behind it", func(pkg, _ string) string { return "/-/v1/search?size=1&from=1&text=" + pkg })
	return out
}()

// auditBodies are bodies that ask about a version.
func auditBodies(pkg, v string) map[string]map[string]any {
	tree := map[string]any{"name": "p", "requires": map[string]string{pkg: "^1.0.0"}, "dependencies": map[string]any{pkg: map[string]any{"version": v}}}
	return map[string]map[string]any{bulkPath: {pkg: []string{v}}, quickPath: tree, treePath: tree}
}

// TestP2_NoPathRevealsOrDelivers is the table: every path by which a client
// could come to a withheld version or hear of it, every kind of reason, in two
// organizations, for what the registry holds and for what it does not. The
// version is known only by its number, its bytes and the word that its manifest
// alone has.
func TestP2_NoPathRevealsOrDelivers(t *testing.T) {
	h := newHarness(t)
	n := 0
	for _, reason := range reasons {
		for _, org := range []*tenant{h.acme, h.globex} {
			for _, held := range []bool{false, true} {
				for _, form := range []string{"bad-%d", "@scope/bad-%d"} {
					n++
					s := &scene{tenant: org, pkg: fmt.Sprintf(form, n), teamName: fmt.Sprintf("team-%d", n)}
					c := causeOf(t, reason)
					t.Run(fmt.Sprintf("%s/%s/held %v/%s", reason, org.slug, held, s.pkg), func(t *testing.T) {
						h.in(t)
						s.publishTelling()
						s.firewall = s.tenant.firewall(fmt.Sprintf("fw-%d", n), from(s.public))
						s.team = s.tenant.team(s.teamName, source(s.firewall))
						if held {
							for _, path := range []string{tarball(s.pkg, "1.1.0"), tarball(s.pkg, "1.0.0"), attestationsPath(s.pkg, "1.1.0")} {
								if a := s.get(s.teamName, path); a.status != 200 {
									t.Fatalf("before: %s = %s %s", path, a.phrase, a.body)
								}
							}
						}
						c.do(s)
						h.up.Forget()
						s.tryAll(t, c)
						if k := h.up.Count("/" + s.pkg + "/-/"); k != 0 {
							t.Errorf("the remote was asked %d times for bytes that nobody may have", k)
						}
						if k := h.up.Count("/-/npm/v1/attestations/"); k != 0 {
							t.Errorf("the remote was asked %d times for attestations that nobody may have", k)
						}
					})
				}
			}
		}
	}
}

func causeOf(t *testing.T, name string) cause {
	t.Helper()
	for _, c := range causes {
		if c.name == name {
			return c
		}
	}
	t.Fatalf("there is no cause %q", name)
	return cause{}
}

// telling is a word that only the withheld version's manifest has.
const telling = "only-in-the-new-one"

func (s *scene) publishTelling() {
	s.h.up.Publish(s.pkg, "1.0.0", protocoltest.Release{Tags: []string{"latest", "old"}})
	s.h.up.Publish(s.pkg, "1.1.0", protocoltest.Release{Tags: []string{"latest", "next"}, Attested: true, Published: s.h.clock.Now().Add(-minute),
		Manifest: map[string]any{"description": telling, "keywords": []string{telling}}})
}

func (s *scene) tryAll(t *testing.T, c cause) {
	t.Helper()
	bytesOf := string(s.h.up.Tarball(s.pkg, "1.1.0"))
	for _, p := range refusalPaths {
		path := p.path(s.pkg, "1.1.0")
		a := s.ask(p.method, s.teamName, path, p.header...)
		what := fmt.Sprintf("%s: %s %s", p.name, p.method, path)
		switch {
		case a.err != nil:
			t.Errorf("%s: %v", what, a.err)
		case strings.Contains(string(a.body), bytesOf) || strings.Contains(string(a.body), telling):
			t.Errorf("%s delivers: %s", what, a.body)
		case !p.lists && a.status < 400:
			t.Errorf("%s = %s", what, a.phrase)
		case a.status >= 500 || a.status == 304:
			t.Errorf("%s = %s %s", what, a.phrase, a.body)
		case p.lists && a.status == 200 && p.method == http.MethodGet:
			s.silent(t, what, a)
		}
	}
	s.tryAudits(t, c)
}

// silent checks that a list says nothing of the version but what is told of
// withheld ones on purpose, and points at it nowhere.
func (s *scene) silent(t *testing.T, what string, a answer) {
	t.Helper()
	var doc map[string]json.RawMessage
	if err := json.Unmarshal(a.body, &doc); err != nil {
		t.Errorf("%s: %v: %s", what, err, a.body)
		return
	}
	delete(doc, "policyRestrictions")
	for member, value := range doc {
		if strings.Contains(string(value), "1.1.0") {
			t.Errorf("%s: %s has it: %s", what, member, value)
		}
	}
}

// tryAudits: whether the version is there or was never published, audits say the
// same, and propose nothing that is not served.
func (s *scene) tryAudits(t *testing.T, c cause) {
	t.Helper()
	for path, body := range auditBodies(s.pkg, "1.1.0") {
		other := auditBodies(s.pkg, "1.1.7")[path]
		a, b := s.post(s.teamName, path, mustJSON(t, body)), s.post(s.teamName, path, mustJSON(t, other))
		if a.status != 200 || b.status != 200 {
			t.Errorf("%s = %s %s", path, a.phrase, b.phrase)
			continue
		}
		if got, want := strings.ReplaceAll(string(a.body), "1.1.0", "VERSION"), strings.ReplaceAll(strings.ReplaceAll(string(b.body), "1.1.0", "VERSION"), "1.1.7", "VERSION"); got != want {
			t.Errorf("%s tells a withheld version from one that never was:\n%s\n%s", path, a.body, b.body)
		}
		if strings.Contains(string(a.body), telling) || c.name != "malware" && c.name != "vulnerability" && strings.Contains(string(a.body), "1.1.0") {
			t.Errorf("%s reveals: %s", path, a.body)
		}
		old := s.post(s.teamName, path, mustJSON(t, auditBodies(s.pkg, "1.0.0")[path]))
		if strings.Contains(string(old.body), "1.1.0") {
			t.Errorf("%s proposes it: %s", path, old.body)
		}
	}
}

func mustJSON(t *testing.T, v any) []byte {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return b
}
