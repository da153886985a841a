package main

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"sluice.dev/sluice/protocol/protocoltest"
	"sluice.dev/sluice/tenants/registry"
)

// post sends a body to a path below a registry; header is name, value, ….
func (x *tenant) post(reg, path string, body []byte, header ...string) (a answer) {
	x.h.Helper()
	req, err := http.NewRequest(http.MethodPost, x.url(reg, path), bytes.NewReader(body))
	if err != nil {
		x.h.Fatal(err)
	}
	if x.secret != "" {
		req.Header.Set("Authorization", "Bearer "+x.secret)
	}
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	resp, err := client.Do(req)
	if err != nil {
		return answer{err: err}
	}
	defer resp.Body.Close()
	a = answer{status: resp.StatusCode, phrase: resp.Status, header: resp.Header}
	a.body, a.err = io.ReadAll(resp.Body)
	return a
}

const (
	bulkPath  = "/-/npm/v1/security/advisories/bulk"
	quickPath = "/-/npm/v1/security/audits/quick"
	treePath  = "/-/npm/v1/security/audits"
)

// found is an advisory in the answer to a bulk request.
type found struct {
	ID                 int
	URL                string
	Title              string
	Severity           string
	VulnerableVersions string `json:"vulnerable_versions"`
	CWE                []string
	CVSS               struct {
		Score        float64
		VectorString *string
	}
}

// bulk audits versions, which come as name@version.
func (x *tenant) bulk(reg string, installed ...string) map[string][]found {
	x.h.Helper()
	a := x.post(reg, bulkPath, bulkBody(installed...))
	var out map[string][]found
	if err := json.Unmarshal(a.body, &out); a.status != 200 || err != nil {
		x.h.Fatalf("bulk audit = %s %s %v", a.phrase, a.body, err)
	}
	return out
}

func bulkBody(installed ...string) []byte {
	in := map[string][]string{}
	for _, spec := range installed {
		i := strings.LastIndexByte(spec, '@')
		in[spec[:i]] = append(in[spec[:i]], spec[i+1:])
	}
	body, _ := json.Marshal(in) // strings always encode
	return body
}

// report is the answer to an audit of a tree.
type report struct {
	Actions []struct {
		Action, Module, Target string
		IsMajor                bool
		Depth                  int
		Resolves               []struct {
			ID   int
			Path string
		}
	}
	Advisories map[string]struct {
		found
		Findings []struct {
			Version string
			Paths   []string
		}
		ModuleName      string `json:"module_name"`
		PatchedVersions string `json:"patched_versions"`
		Recommendation  string
		GHSA            string `json:"github_advisory_id"`
	}
	Muted    []any
	Metadata struct {
		Vulnerabilities   map[string]int
		TotalDependencies int
	}
}

// tree audits a tree.
func (x *tenant) tree(reg string, tree map[string]any) (r report) {
	x.h.Helper()
	body, err := json.Marshal(tree)
	if err != nil {
		x.h.Fatal(err)
	}
	a, quick := x.post(reg, treePath, body), x.post(reg, quickPath, body)
	if err := json.Unmarshal(a.body, &r); a.status != 200 || err != nil || !bytes.Equal(a.body, quick.body) {
		x.h.Fatalf("audit = %s %s %v, quick = %s", a.phrase, a.body, err, quick.phrase)
	}
	return r
}

// locked is a node of a tree: its version, what it requires (name@range), and
// what is installed in it.
func locked(version string, requires []string, inside map[string]any) map[string]any {
	n := map[string]any{"version": version}
	r := map[string]string{}
	for _, spec := range requires {
		i := strings.LastIndexByte(spec, '@')
		r[spec[:i]] = spec[i+1:]
	}
	if len(r) > 0 {
		n["requires"] = r
	}
	if inside != nil {
		n["dependencies"] = inside
	}
	return n
}

func TestP2_AuditSpeaksOfWhatTheGateServes(t *testing.T) {
	h := newHarness(t)
	for _, v := range []string{"4.17.19", "4.17.20", "4.17.21", "4.17.22", "5.0.0"} {
		h.up.Publish("lodash", v, protocoltest.Release{})
	}
	h.up.Publish("tool", "1.0.0", protocoltest.Release{Dependencies: map[string]string{"lodash": "^4.17.0"}})
	h.up.Publish("pinned", "1.0.0", protocoltest.Release{Dependencies: map[string]string{"lodash": "4.17.20"}})
	record := vulnerable("GHSA-35jh-r3h4-6jhm", "lodash", "0", "4.17.21")
	record["aliases"] = []any{"CVE-2021-23337"}
	record["database_specific"] = map[string]any{"cwe_ids": []any{"CWE-94"}}
	h.advise(record)
	fw := h.acme.firewall("fw", from(h.acme.public))
	h.acme.team("team", source(fw))
	h.acme.doc("team", "lodash")
	h.acme.hold(fw, "lodash@4.17.21", "odd")
	h.up.Forget()

	got := h.acme.bulk("team", "lodash@4.17.20", "lodash@4.17.22", "left-pad@1.0.0", "not a name!@1.0.0", "lodash@git+ssh")["lodash"]
	if len(got) != 1 || got[0].VulnerableVersions != "<4.17.21" || got[0].Severity != "critical" || got[0].CVSS.Score != 9.8 || got[0].ID <= 0 ||
		!slices.Equal(got[0].CWE, []string{"CWE-94"}) || got[0].URL != "https://github.com/advisories/GHSA-35jh-r3h4-6jhm" || got[0].Title != "lodash does harm" {
		t.Errorf("bulk = %+v", got)
	}
	if again := h.acme.bulk("team", "lodash@4.17.19")["lodash"]; len(again) != 1 || again[0].ID != got[0].ID {
		t.Errorf("the id is not stable: %+v", again)
	}

	r := h.acme.tree("team", map[string]any{"name": "project", "version": "1.0.0", "requires": map[string]string{"tool": "^1.0.0", "pinned": "^1.0.0", "lodash": "^4.17.0"},
		"dependencies": map[string]any{"tool": locked("1.0.0", []string{"lodash@^4.17.0"}, nil), "lodash": locked("4.17.20", nil, nil),
			"pinned": locked("1.0.0", []string{"lodash@4.17.20"}, map[string]any{"lodash": locked("4.17.20", nil, nil)})}})
	if len(r.Advisories) != 1 || r.Metadata.TotalDependencies != 4 || r.Metadata.Vulnerabilities["critical"] != 3 || r.Muted == nil {
		t.Fatalf("report = %+v", r)
	}
	for id, a := range r.Advisories {
		if id != fmt.Sprint(got[0].ID) || a.PatchedVersions != ">=4.17.22" || strings.Contains(a.Recommendation, "4.17.21") || a.ModuleName != "lodash" || a.GHSA != "GHSA-35jh-r3h4-6jhm" {
			t.Errorf("advisory %s = %+v", id, a)
		}
		if len(a.Findings) != 1 || !slices.Equal(a.Findings[0].Paths, []string{"lodash", "tool>lodash", "pinned>lodash"}) {
			t.Errorf("findings = %+v", a.Findings)
		}
	}
	var actions []string
	for _, a := range r.Actions {
		for _, to := range a.Resolves {
			actions = append(actions, fmt.Sprintf("%s %s %s %d %s", a.Action, a.Module, a.Target, a.Depth, to.Path))
		}
	}
	if want := []string{"install lodash 4.17.22 0 lodash", "update lodash 4.17.22 2 tool>lodash", "review lodash  0 pinned>lodash"}; !slices.Equal(actions, want) {
		t.Errorf("actions = %q, want %q", actions, want)
	}
	if n := len(h.up.Requests()); n != 0 {
		t.Errorf("audits asked the remote %d times", n)
	}
	// Without a version to go to, nothing is proposed.
	h.acme.hold(fw, "lodash@>4.17.20", "odd")
	r = h.acme.tree("team", map[string]any{"requires": map[string]string{"lodash": "^4.17.0"}, "dependencies": map[string]any{"lodash": locked("4.17.20", nil, nil)}})
	for _, a := range r.Advisories {
		if a.PatchedVersions != "<0.0.0" || r.Actions[0].Action != "review" || r.Actions[0].Target != "" {
			t.Errorf("with every fix on hold: %+v, %+v", a, r.Actions)
		}
	}
}

// TestO1_AuditKnowsTheOrganizationsOwn: a public advisory is not about a package
// of the organization's own that has the same name, and not about a patch that
// has a number in its range, but about the public versions beside it.
func TestO1_AuditKnowsTheOrganizationsOwn(t *testing.T) {
	h := newHarness(t)
	for _, v := range []string{"1.0.0", "1.3.0", "2.0.0"} {
		h.up.Publish("left-pad", v, protocoltest.Release{})
	}
	no := false
	fw := h.acme.firewall("fw", from(h.acme.public))
	patches := h.acme.create(registry.CreateInput{Kind: registry.PackageRegistry, Name: "patches", Internal: &no}, nil)
	own := h.acme.team("own")
	h.acme.team("team", source(own), source(patches), source(fw))
	h.acme.publish(own, "lodash", "1.0.0", []byte("ours"))
	h.acme.publish(own, "@acme/tool", "1.0.0", []byte("ours"))
	h.acme.publish(patches, "left-pad", "1.3.0-acme.1", []byte("patched"))
	h.advise(vulnerable("GHSA-aaaa-aaaa-aaaa", "lodash", "0", "4.17.21"), vulnerable("GHSA-bbbb-bbbb-bbbb", "left-pad", "0", "2.0.0"),
		vulnerable("MAL-2026-1", "@acme/tool", "0", ""))
	if got := h.acme.bulk("team", "lodash@1.0.0", "@acme/tool@1.0.0", "left-pad@1.3.0-acme.1"); len(got) != 0 {
		t.Errorf("advisories about the organization's own: %+v", got)
	}
	got := h.acme.bulk("team", "left-pad@1.3.0-acme.1", "left-pad@1.3.0", "@acme/tool@9.9.9")
	if l := got["left-pad"]; len(l) != 1 || l[0].VulnerableVersions != "<1.3.0-acme.1 || >1.3.0-acme.1 <2.0.0" {
		t.Errorf("the public versions of a patched name: %+v", l)
	}
	if l := got["@acme/tool"]; len(l) != 1 || l[0].Severity != "critical" || l[0].VulnerableVersions != "<1.0.0 || >1.0.0" {
		t.Errorf("somebody else's version of an own name: %+v", l)
	}
	h.acme.doc("team", "left-pad")
	r := h.acme.tree("team", map[string]any{"requires": map[string]string{"left-pad": "^1.0.0"}, "dependencies": map[string]any{"left-pad": locked("1.3.0", nil, nil)}})
	for _, a := range r.Advisories {
		if a.PatchedVersions != "1.3.0-acme.1 || >=2.0.0" {
			t.Errorf("where to go from there: %s", a.PatchedVersions)
		}
	}
	// A hidden version of the organization's own is as unknown as any other.
	h.acme.hold(patches, "left-pad@1.3.0-acme.1", "odd")
	if l := h.acme.bulk("team", "left-pad@1.3.0")["left-pad"]; len(l) != 1 || l[0].VulnerableVersions != "<2.0.0" {
		t.Errorf("a hidden patch shows in the range: %+v", l)
	}
	// What the registry cannot have is not spoken of, and neither is what is
	// another organization's.
	h.globex.team("alone")
	if got := h.globex.bulk("alone", "lodash@1.0.0", "left-pad@1.3.0"); len(got) != 0 {
		t.Errorf("a registry without sources: %+v", got)
	}
	gfw := h.globex.firewall("fw", registry.UpstreamInput{Remote: h.globex.public, Exclude: []string{"left-*"}})
	h.globex.team("team", source(gfw))
	if got := h.globex.bulk("team", "lodash@1.0.0", "left-pad@1.3.0"); len(got) != 1 || got["lodash"][0].VulnerableVersions != "<4.17.21" {
		t.Errorf("the other organization: %+v", got)
	}
}

// TestQ4_AcknowledgedFindingsAreNotAudited where they were acknowledged, until a
// rule counts them again.
func TestQ4_AcknowledgedFindingsAreNotAudited(t *testing.T) {
	h := newHarness(t)
	h.up.Publish("x", "1.0.0", protocoltest.Release{})
	h.up.Publish("x", "1.1.0", protocoltest.Release{})
	fw := h.acme.firewall("fw", from(h.acme.public))
	h.acme.team("team", source(fw))
	h.advise(vulnerable("GHSA-aaaa-aaaa-aaaa", "x", "0", ""))
	if a := h.acme.get("team", tarball("x", "1.0.0")); !a.withheld() {
		t.Fatal(a.phrase)
	}
	if got := h.acme.bulk("team", "x@1.0.0"); len(got) != 1 {
		t.Fatalf("before: %+v", got)
	}
	var id uuid.UUID
	h.acme.scan(&id, "SELECT id FROM holds WHERE released_at IS NULL AND cause = 'POLICY'")
	if _, err := h.first.quarantine.Release(h.acme.ctx, id, "not reachable in our code"); err != nil {
		t.Fatal(err)
	}
	if a := h.acme.get("team", tarball("x", "1.0.0")); a.status != 200 {
		t.Fatal(a.phrase)
	}
	if got := h.acme.bulk("team", "x@1.0.0"); len(got) != 0 {
		t.Errorf("acknowledged: %+v", got)
	}
	if got := h.acme.bulk("team", "x@1.0.0", "x@1.1.0")["x"]; len(got) != 1 || got[0].VulnerableVersions != "<1.0.0 || >1.0.0" {
		t.Errorf("another version: %+v", got)
	}
}

// TestP3_AnAuditWithoutAFeedSaysSo in a header that npm shows.
func TestP3_AnAuditWithoutAFeedSaysSo(t *testing.T) {
	h := newHarness(t)
	h.acme.team("team")
	a := h.acme.post("team", bulkPath, []byte(`{"x":["1.0.0"]}`))
	if a.status != 200 || string(a.body) != "{}" || !strings.Contains(a.header.Get("Npm-Notice"), "no advisory feed") {
		t.Errorf("without a feed: %s %s %v", a.phrase, a.body, a.header)
	}
	h.advise(vulnerable("GHSA-aaaa-aaaa-aaaa", "y", "0", ""))
	a = h.acme.post("team", bulkPath, []byte(`{"x":["1.0.0"]}`))
	if a.status != 200 || a.header.Get("Npm-Notice") != "" || a.header.Get("Sluice-Advisories") == "" {
		t.Errorf("with a feed: %s %v", a.phrase, a.header)
	}
}

func TestF3_AuditBodies(t *testing.T) {
	h := newHarness(t)
	h.acme.team("team", from(h.acme.public))
	h.advise(vulnerable("GHSA-aaaa-aaaa-aaaa", "x", "0", ""))
	zip := func(b []byte) []byte {
		var out bytes.Buffer
		z := gzip.NewWriter(&out)
		_, _ = z.Write(b)
		_ = z.Close()
		return out.Bytes()
	}
	good := bulkBody("x@1.0.0")
	if a := h.acme.post("team", bulkPath, zip(good), "Content-Encoding", "gzip"); a.status != 200 || !strings.Contains(string(a.body), "GHSA-aaaa") {
		t.Errorf("gzip = %s %s", a.phrase, a.body)
	}
	for _, c := range []struct {
		name, path, body, encoding string
		status                     int
		says                       string
	}{
		{"not gzip", bulkPath, "{}", "gzip", 400, "not gzip"},
		{"half of it", bulkPath, string(zip(good)[:20]), "gzip", 400, "too early"},
		{"an encoding that is not known", bulkPath, "{}", "br", 400, `"br"`},
		{"not JSON", bulkPath, "x", "", 400, "not JSON"},
		{"a list", bulkPath, "[]", "", 400, "array"},
		{"null", bulkPath, "null", "", 400, "null"},
		{"versions that are none", bulkPath, `{"x":"1.0.0"}`, "", 400, "string"},
		{"a bomb", bulkPath, string(zip(bytes.Repeat([]byte(" "), 40<<20))), "gzip", 413, "32 MiB"},
		{"too large", bulkPath, strings.Repeat(" ", 33<<20), "", 413, "32 MiB"},
		{"a tree without dependencies", treePath, `{"name":"x"}`, "", 400, "dependencies"},
		{"a tree with null", treePath, `{"dependencies":{"x":null}}`, "", 400, "dependencies.x"},
		{"a tree that is a list", quickPath, `[]`, "", 400, "array"},
		{"a tree that is too deep", treePath, strings.Repeat(`{"dependencies":{"x":`, 600) + "{}" + strings.Repeat("}}", 600), "", 413, "deeper"},
	} {
		header := []string{}
		if c.encoding != "" {
			header = []string{"Content-Encoding", c.encoding}
		}
		a := h.acme.post("team", c.path, []byte(c.body), header...)
		if p := a.problem(); a.status != c.status || !strings.Contains(p.Detail, c.says) {
			t.Errorf("%s = %s %s, want %d with %q", c.name, a.phrase, a.body, c.status, c.says)
		}
	}
	for _, path := range []string{bulkPath, quickPath, treePath} {
		if a := h.acme.get("team", path); a.status != 405 {
			t.Errorf("GET %s = %s", path, a.phrase)
		}
		nobody := *h.acme
		nobody.secret = ""
		if a := nobody.post("team", path, []byte(`{"dependencies":{}}`)); a.status != 401 {
			t.Errorf("nobody's %s = %s", path, a.phrase)
		}
		if a := h.globex.post("team", path, []byte(`{"dependencies":{}}`)); a.status != 404 {
			t.Errorf("the other organization's %s = %s", path, a.phrase)
		}
	}
}

// TestP2_TwoThousandPackagesAreAuditedAtOnce with one statement for the
// advisories of all of them, and no question to a remote.
func TestP2_TwoThousandPackagesAreAuditedAtOnce(t *testing.T) {
	h := newHarness(t)
	fw := h.acme.firewall("fw", from(h.acme.public))
	own := h.acme.team("own")
	h.acme.team("team", source(own), source(fw))
	var installed []string
	var records []map[string]any
	for i := range 2000 {
		name := fmt.Sprintf("pkg-%d", i)
		installed = append(installed, name+"@1.0.0")
		if i%10 == 0 {
			records = append(records, vulnerable(fmt.Sprintf("GHSA-%04d-aaaa-aaaa", i), name, "0", "2.0.0"))
		}
	}
	h.advise(records...)
	h.acme.publish(own, "pkg-0", "1.0.0", []byte("ours"))
	began := time.Now()
	got := h.acme.bulk("team", installed...)
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("it took %v", took)
	}
	if len(got) != 199 || len(got["pkg-10"]) != 1 || got["pkg-0"] != nil {
		t.Errorf("%d packages are affected", len(got))
	}
	if n := len(h.up.Requests()); n != 0 {
		t.Errorf("the remote was asked %d times", n)
	}
}
