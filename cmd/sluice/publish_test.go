package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"

	"sluice.dev/sluice/protocol/protocoltest"
	"sluice.dev/sluice/tenants/access"
)

// publisher makes a registry without upstreams and a tenant who publishes there.
func publisher(t *testing.T) (*harness, *tenant) {
	h := newHarness(t)
	h.acme.team("team")
	h.globex.team("team")
	return h, h.acme.as(access.Publisher, access.RegistryAdmin)
}

// published sends what npm sends, and fails the test unless it is accepted.
func (x *tenant) published(registry, pkg, version string, files map[string]string) []byte {
	x.h.Helper()
	tgz := protocoltest.PackOf(pkg, version, files)
	a := x.send("PUT", registry, "/"+wire(pkg), protocoltest.PublishBody("npm", pkg, version, tgz).String())
	if a.status != 201 || a.err != nil {
		x.h.Fatalf("publish %s@%s = %d %s %v", pkg, version, a.status, a.body, a.err)
	}
	return tgz
}

// wire is a package's name as clients write it into paths.
func wire(pkg string) string { return strings.Replace(pkg, "/", "%2f", 1) }

// TestPublish_EachClient publishes what each client sends, as it is, compressed
// and in pieces, and reads it back as clients do.
func TestPublish_EachClient(t *testing.T) {
	h, x := publisher(t)
	for _, client := range protocoltest.Clients {
		for i, pkg := range []string{client + "-plain", "@acme/" + client} {
			tgz := protocoltest.PackOf(pkg, "1.2.3", map[string]string{"client": client})
			body := protocoltest.PublishBody(client, pkg, "1.2.3", tgz).String()
			var a answer
			if i == 0 {
				a = x.send("PUT", "team", "/"+wire(pkg), zipped(body), "Content-Encoding", "gzip")
			} else {
				a = x.sendFrom("PUT", "team", "/"+wire(pkg), struct{ *strings.Reader }{strings.NewReader(body)}) // of unknown length: chunked
			}
			var said struct{ Ok, Success bool }
			if json.Unmarshal(a.body, &said) != nil || a.status != 201 || !said.Ok || !said.Success {
				t.Fatalf("%s, %s: %d %s %v", client, pkg, a.status, a.body, a.err)
			}
			for _, accept := range []string{"*/*", corgi} {
				d := x.get("team", "/"+wire(pkg), "Accept", accept).packument()
				m := d.Versions["1.2.3"]
				if m.Dist.Integrity != integrity(tgz) || m.Dist.Tarball != x.url("team", tarball(pkg, "1.2.3")) || d.Tags["latest"] != "1.2.3" {
					t.Errorf("%s, %s: %+v", client, pkg, d)
				}
				if d.Time["1.2.3"] != h.clock.Now().Format("2006-01-02T15:04:05.000Z") {
					t.Errorf("%s, %s: time %v", client, pkg, d.Time)
				}
			}
			if got := x.get("team", tarball(pkg, "1.2.3")); !bytes.Equal(got.body, tgz) {
				t.Errorf("%s, %s: %d bytes came back, %s", client, pkg, len(got.body), got.phrase)
			}
			again := x.send("PUT", "team", "/"+wire(pkg), body)
			if !again.says(403, "You cannot publish over the previously published versions: 1.2.3") {
				t.Errorf("%s, %s again: %d %s %v", client, pkg, again.status, again.body, again.err)
			}
		}
	}
	if a := h.globex.get("team", "/"+protocoltest.Clients[0]+"-plain"); a.status != 404 {
		t.Errorf("the other organization sees it: %d %s", a.status, a.body)
	}
}

// TestPublish_Provenance keeps the bundle as a second file of the version.
func TestPublish_Provenance(t *testing.T) {
	_, x := publisher(t)
	const pkg = "@acme/left"
	tgz := protocoltest.PackOf(pkg, "1.0.0", nil)
	bundle := protocoltest.Bundle("pkg:npm/%40acme/left@1.0.0", tgz)
	a := x.send("PUT", "team", "/"+wire(pkg), protocoltest.PublishBody("npm", pkg, "1.0.0", tgz).WithBundle(pkg, "1.0.0", bundle).String())
	if a.status != 201 {
		t.Fatalf("%d %s", a.status, a.body)
	}
	if got := x.get("team", "/"+wire(pkg)); !strings.Contains(string(got.body), `"attestations":{"url":"`+x.url("team", "/-/npm/v1/attestations/"+wire(pkg)+"@1.0.0")+`"`) {
		t.Errorf("%s", got.body)
	}
	if n := x.count("version_files", "name = $1 AND position = 1 AND size = $2", "left-1.0.0.sigstore", len(bundle)); n != 1 {
		t.Errorf("%d files with the bundle", n)
	}
}

// writeDoc reads the document for changing a package.
func (x *tenant) writeDoc(pkg string) map[string]any {
	x.h.Helper()
	a := x.get("team", "/"+wire(pkg)+"?write=true")
	var doc map[string]any
	if a.status != 200 || json.Unmarshal(a.body, &doc) != nil || a.header.Get("Cache-Control") != "private, no-store" {
		x.h.Fatalf("%s for writing = %d %s", pkg, a.status, a.body)
	}
	return doc
}

func jsonOf(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err) // tests make only what encodes
	}
	return string(b)
}

// TestDeprecate_AsNPMDoes reads the whole document, changes it and sends it
// back; the versions stay, and a stale document is refused.
func TestDeprecate_AsNPMDoes(t *testing.T) {
	_, x := publisher(t)
	x.published("team", "@acme/a", "1.0.0", nil)
	x.published("team", "@acme/a", "1.1.0", nil)
	stale := x.writeDoc("@acme/a")
	for _, message := range []string{"use \"b\" instead", "", "again"} {
		doc := x.writeDoc("@acme/a")
		doc["versions"].(map[string]any)["1.0.0"].(map[string]any)["deprecated"] = message
		delete(doc["versions"].(map[string]any), "1.1.0") // never a deletion
		if a := x.send("PUT", "team", "/@acme%2fa", jsonOf(doc)); a.status != 201 {
			t.Fatalf("%q: %d %s", message, a.status, a.body)
		}
		for _, accept := range []string{"*/*", corgi} {
			d := x.get("team", "/@acme%2fa", "Accept", accept).packument()
			if d.Versions["1.0.0"].Deprecated != message || len(d.Versions) != 2 || d.Versions["1.1.0"].Deprecated != "" {
				t.Errorf("%q: %+v", message, d.Versions)
			}
		}
		if got, _ := x.writeDoc("@acme/a")["versions"].(map[string]any)["1.0.0"].(map[string]any)["deprecated"].(string); got != message {
			t.Errorf("for writing: %q, want %q", got, message)
		}
	}
	if a := x.send("PUT", "team", "/@acme%2fa", jsonOf(stale)); a.status != 409 {
		t.Errorf("a stale document = %d %s", a.status, a.body)
	}
}

// TestUnpublish_OneVersionAsNPMDoes: the document without it, then its tarball.
func TestUnpublish_OneVersionAsNPMDoes(t *testing.T) {
	_, x := publisher(t)
	for _, v := range []string{"1.0.0", "1.1.0", "2.0.0"} {
		x.published("team", "@acme/a", v, nil)
	}
	doc := x.writeDoc("@acme/a")
	rev := doc["_rev"].(string)
	delete(doc["versions"].(map[string]any), "2.0.0")
	doc["dist-tags"] = map[string]string{"latest": "1.1.0"}
	publish := x.as(access.Publisher)
	if a := publish.send("PUT", "team", "/@acme%2fa/-rev/"+rev, jsonOf(doc)); !a.says(403, "version:delete") {
		t.Errorf("a publisher unpublishes: %d %s", a.status, a.body)
	}
	if a := x.send("PUT", "team", "/@acme%2fa/-rev/"+rev, jsonOf(doc)); a.status != 200 {
		t.Fatalf("%d %s", a.status, a.body)
	}
	next := x.writeDoc("@acme/a")["_rev"].(string)
	if next == rev {
		t.Error("the revision is the same")
	}
	file := tarball("@acme/a", "2.0.0")
	for _, r := range []string{next, rev} { // nothing is left to delete: any revision will do
		if a := x.send("DELETE", "team", file+"/-rev/"+r, ""); a.status != 200 {
			t.Errorf("tarball at %s = %d %s", r, a.status, a.body)
		}
	}
	d := x.doc("team", "@acme/a")
	if len(d.Versions) != 2 || d.Tags["latest"] != "1.1.0" {
		t.Errorf("%+v", d)
	}
	if a := x.get("team", file); a.status != 404 {
		t.Errorf("the tarball = %s", a.phrase)
	}
	tgz := protocoltest.PackOf("@acme/a", "2.0.0", nil)
	if a := x.send("PUT", "team", "/@acme%2fa", protocoltest.PublishBody("npm", "@acme/a", "2.0.0", tgz).String()); a.status != 403 {
		t.Errorf("the number again = %d %s", a.status, a.body)
	}
	if a := x.send("PUT", "team", "/@acme%2fa/-rev/"+rev, jsonOf(doc)); a.status != 409 && a.status != 200 {
		t.Errorf("stale = %d %s", a.status, a.body)
	}
	// A tarball that is still there goes, at the current revision only.
	file = tarball("@acme/a", "1.0.0")
	if a := x.send("DELETE", "team", file+"/-rev/"+rev, ""); a.status != 409 {
		t.Errorf("stale = %d %s", a.status, a.body)
	}
	if a := x.send("DELETE", "team", file+"/-rev/"+next, ""); a.status != 200 || len(x.doc("team", "@acme/a").Versions) != 1 {
		t.Errorf("%d %s", a.status, a.body)
	}
}

func TestUnpublish_WholePackage(t *testing.T) {
	h, x := publisher(t)
	x.published("team", "left", "1.0.0", nil)
	if a := x.send("DELETE", "team", "/left/-rev/9-0", ""); a.status != 409 {
		t.Errorf("stale = %d %s", a.status, a.body)
	}
	rev := x.writeDoc("left")["_rev"].(string)
	if a := h.globex.as(access.RegistryAdmin).send("DELETE", "team", "/left/-rev/"+rev, ""); a.status != 404 {
		t.Errorf("the other organization = %d %s", a.status, a.body)
	}
	if a := x.send("DELETE", "team", "/left/-rev/"+rev, ""); a.status != 200 {
		t.Fatalf("%d %s", a.status, a.body)
	}
	if a := x.get("team", "/left"); a.status != 404 {
		t.Errorf("%d %s", a.status, a.body)
	}
}

// TestTags_AsClientsDo sets, lists and removes dist-tags.
func TestTags_AsClientsDo(t *testing.T) {
	_, x := publisher(t)
	x.published("team", "@acme/a", "1.0.0", nil)
	x.published("team", "@acme/a", "1.1.0", nil)
	const tags = "/-/package/@acme%2fa/dist-tags"
	for _, c := range []struct {
		method, path, body string
		status             int
		want               string
	}{
		{"PUT", tags + "/next", `"1.0.0"`, 201, `{"latest":"1.1.0","next":"1.0.0"}`},
		{"POST", tags + "/next", ` "1.1.0" `, 201, `{"latest":"1.1.0","next":"1.1.0"}`},
		{"POST", tags, `{"beta":"1.0.0","old":"1.0.0"}`, 201, `{"beta":"1.0.0","latest":"1.1.0","next":"1.1.0","old":"1.0.0"}`},
		{"DELETE", tags + "/beta", "", 200, `{"latest":"1.1.0","next":"1.1.0","old":"1.0.0"}`},
		{"DELETE", tags + "/old", "", 200, `{"latest":"1.1.0","next":"1.1.0"}`},
		{"PUT", tags + "/latest", `"1.0.0"`, 201, `{"latest":"1.0.0","next":"1.1.0"}`},
		{"DELETE", tags + "/latest", "", 400, `{"latest":"1.0.0","next":"1.1.0"}`},
		{"DELETE", tags + "/none", "", 404, `{"latest":"1.0.0","next":"1.1.0"}`},
		{"PUT", tags + "/9.x", `"1.0.0"`, 400, `{"latest":"1.0.0","next":"1.1.0"}`},
		{"PUT", tags + "/next", `"3.0.0"`, 404, `{"latest":"1.0.0","next":"1.1.0"}`},
		{"PUT", tags + "/next", `1.0.0`, 400, `{"latest":"1.0.0","next":"1.1.0"}`},
	} {
		if a := x.send(c.method, "team", c.path, c.body); a.status != c.status {
			t.Errorf("%s %s %s = %d %s, want %d", c.method, c.path, c.body, a.status, a.body, c.status)
		}
		if got := x.get("team", tags); string(got.body) != c.want {
			t.Errorf("after %s %s: %s, want %s", c.method, c.path, got.body, c.want)
		}
	}
}

// TestOwners_AndStars as npm owner, npm star and npm stars do.
func TestOwners_AndStars(t *testing.T) {
	h, x := publisher(t)
	x.published("team", "@acme/a", "1.0.0", nil)
	if _, err := h.first.access.CreateMember(h.acme.ctx, access.MemberInput{Email: "bob@acme.example"}); err != nil {
		t.Fatal(err)
	}
	owner := h.acme.as(access.Publisher, access.Ordinary)
	a := owner.get("team", "/-/user/org.couchdb.user:"+url.PathEscape("bob@acme.example"))
	var bob struct{ Name, Email string }
	if json.Unmarshal(a.body, &bob) != nil || bob.Email != "bob@acme.example" || bob.Name != "bob@acme.example" {
		t.Fatalf("bob = %d %s", a.status, a.body)
	}
	if a := h.globex.as(access.Publisher, access.Ordinary).get("team", "/-/user/org.couchdb.user:bob@acme.example"); a.status != 404 {
		t.Errorf("bob in the other organization = %d %s", a.status, a.body)
	}
	// npm owner reads the document that everybody gets, not the one for writing.
	doc := map[string]any{}
	if a := x.get("team", "/@acme%2fa"); json.Unmarshal(a.body, &doc) != nil || doc["_rev"] != x.writeDoc("@acme/a")["_rev"] {
		t.Fatalf("%d %s", a.status, a.body)
	}
	people := doc["maintainers"].([]any)
	if len(people) != 1 {
		t.Fatalf("maintainers %v", people)
	}
	people = append(people, map[string]string{"name": bob.Name, "email": bob.Email})
	body := jsonOf(map[string]any{"_id": doc["_id"], "_rev": doc["_rev"], "maintainers": people})
	path := "/@acme%2fa/-rev/" + doc["_rev"].(string)
	if a := x.send("PUT", "team", path, body); a.status != 200 {
		t.Fatalf("%d %s", a.status, a.body)
	}
	if a := x.send("PUT", "team", path, body); a.status != 409 {
		t.Errorf("stale = %d %s", a.status, a.body)
	}
	for _, path := range []string{"/@acme%2fa?write=true", "/@acme%2fa"} {
		if a := x.get("team", path); !strings.Contains(string(a.body), `,{"name":"bob@acme.example","email":"bob@acme.example"}]`) {
			t.Errorf("%s: %s", path, a.body)
		}
	}
	me := "ci-publisher-registry-admin"
	for _, on := range []bool{true, false} {
		users := map[string]any{"somebody": true}
		if on {
			users[me] = true
		}
		doc = x.writeDoc("@acme/a")
		if a := x.send("PUT", "team", "/@acme%2fa", jsonOf(map[string]any{"_id": doc["_id"], "_rev": doc["_rev"], "users": users})); a.status != 201 {
			t.Fatalf("%d %s", a.status, a.body)
		}
		want, rows := `{}`, `{"rows":[]}`
		if on {
			want, rows = fmt.Sprintf(`{%q:true}`, me), `{"rows":[{"value":"@acme/a"}]}`
		}
		if got := jsonOf(x.writeDoc("@acme/a")["users"]); got != want {
			t.Errorf("users %s, want %s", got, want)
		}
		if got := x.get("team", "/-/_view/starredByUser?key="+url.QueryEscape(`"`+me+`"`)); string(got.body) != rows {
			t.Errorf("stars %s, want %s", got.body, rows)
		}
	}
}

// TestStage_AsNPMDoes stages, lists, shows, downloads, approves and rejects.
func TestStage_AsNPMDoes(t *testing.T) {
	h, x := publisher(t)
	stage := func(version string) (string, []byte) {
		tgz := protocoltest.PackOf("@acme/a", version, nil)
		a := x.send("POST", "team", "/-/stage/package/@acme%2fa", protocoltest.PublishBody("npm", "@acme/a", version, tgz).String())
		var said struct{ StageID string }
		if a.status != 201 || json.Unmarshal(a.body, &said) != nil || said.StageID == "" {
			t.Fatalf("stage %s = %d %s", version, a.status, a.body)
		}
		return said.StageID, tgz
	}
	first, tgz := stage("1.0.0")
	second, _ := stage("1.1.0")
	if a := x.get("team", "/@acme%2fa"); a.status != 404 {
		t.Errorf("a staged version is listed: %d %s", a.status, a.body)
	}
	var page struct {
		Items []struct{ ID, PackageName, Version, Tag, Actor, Shasum string }
		Total int
	}
	a := x.get("team", "/-/stage?page=1&perPage=1&package=@acme/a")
	if json.Unmarshal(a.body, &page) != nil || page.Total != 2 || len(page.Items) != 1 || page.Items[0].ID != second || page.Items[0].Tag != "latest" {
		t.Errorf("%d %s", a.status, a.body)
	}
	if a := x.get("team", "/-/stage/"+first); a.status != 200 || !strings.Contains(string(a.body), `"version":"1.0.0"`) {
		t.Errorf("%d %s", a.status, a.body)
	}
	if a := x.get("team", "/-/stage/"+first+"/tarball"); !bytes.Equal(a.body, tgz) {
		t.Errorf("%d, %d bytes", a.status, len(a.body))
	}
	reader := h.acme.as(access.Reader)
	for path, method := range map[string]string{"/-/stage": "GET", "/-/stage/" + first: "GET", "/-/stage/" + first + "/tarball": "GET", "/-/stage/" + first + "/approve": "POST"} {
		if a := reader.send(method, "team", path, ""); a.status != 403 {
			t.Errorf("a reader: %s %s = %d %s", method, path, a.status, a.body)
		}
		if a := h.globex.as(access.Publisher).send(method, "team", path, ""); a.status == 200 && path != "/-/stage" || a.status == 201 {
			t.Errorf("the other organization: %s %s = %d %s", method, path, a.status, a.body)
		}
	}
	if a := x.send("POST", "team", "/-/stage/"+first+"/approve", ""); a.status != 201 {
		t.Errorf("approve = %d %s", a.status, a.body)
	}
	if a := x.send("DELETE", "team", "/-/stage/"+second, ""); a.status != 200 {
		t.Errorf("reject = %d %s", a.status, a.body)
	}
	if d := x.doc("team", "@acme/a"); len(d.Versions) != 1 || d.Tags["latest"] != "1.0.0" {
		t.Errorf("%+v", d)
	}
	again := protocoltest.PublishBody("npm", "@acme/a", "1.0.0", tgz).String()
	if a := x.send("POST", "team", "/-/stage/package/@acme%2fa", again); !a.says(403, "You cannot publish over the previously published versions: 1.0.0") {
		t.Errorf("%d %s", a.status, a.body)
	}
	for _, id := range []string{first, second, "00000000-0000-4000-8000-000000000000", "nonsense"} {
		if a := x.get("team", "/-/stage/"+id); a.status != 404 {
			t.Errorf("%s = %d %s", id, a.status, a.body)
		}
	}
}

// TestA5_EachChangeNeedsItsRight: readers and strangers change nothing.
func TestA5_EachChangeNeedsItsRight(t *testing.T) {
	h, x := publisher(t)
	x.published("team", "@acme/a", "1.0.0", nil)
	rev := x.writeDoc("@acme/a")["_rev"].(string)
	publication := protocoltest.PublishBody("npm", "@acme/a", "2.0.0", protocoltest.PackOf("@acme/a", "2.0.0", nil)).String()
	changes := []struct{ method, path, body string }{
		{"GET", "/@acme%2fa?write=true", ""},
		{"PUT", "/@acme%2fa", publication},
		{"PUT", "/@acme%2fa", `{"_id":"@acme/a","users":{}}`},
		{"PUT", "/@acme%2fa/-rev/" + rev, `{"_id":"@acme/a","maintainers":[{"name":"eve"}]}`},
		{"DELETE", "/@acme%2fa/-rev/" + rev, ""},
		{"DELETE", tarball("@acme/a", "1.0.0") + "/-rev/" + rev, ""},
		{"PUT", "/-/package/@acme%2fa/dist-tags/next", `"1.0.0"`},
		{"POST", "/-/package/@acme%2fa/dist-tags", `{"next":"1.0.0"}`},
		{"DELETE", "/-/package/@acme%2fa/dist-tags/next", ""},
		{"POST", "/-/stage/package/@acme%2fa", publication},
	}
	before := x.kept()
	nobody := *h.acme
	nobody.secret = ""
	for _, c := range changes {
		for name, who := range map[string]struct {
			*tenant
			status []int
		}{
			"a reader":      {h.acme.as(access.Reader), []int{403}},
			"who only asks": {h.acme, []int{403}},
			"nobody":        {&nobody, []int{401}},
			// A stranger may write to a registry of the same name in the own organization.
			"a stranger": {h.globex.as(access.RegistryAdmin), []int{200, 201, 403, 404, 409}},
		} {
			a := who.send(c.method, "team", c.path, c.body)
			if !slices.Contains(who.status, a.status) {
				t.Errorf("%s: %s %s = %d %s", name, c.method, c.path, a.status, a.body)
			}
		}
	}
	after := x.kept()
	if before[0] != after[0]-1 { // the stranger's own version has bytes of its own
		t.Errorf("blobs %d, then %d", before[0], after[0])
	}
	before[0], after[0] = 0, 0
	if before != after {
		t.Errorf("kept %v, then %v", before, after)
	}
}
