package main

import (
	"bytes"
	"encoding/json"
	"mime/multipart"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"sluice.dev/sluice/graph/api"
	"sluice.dev/sluice/protocol/protocoltest"
	"sluice.dev/sluice/tenants/access"
)

// mutate runs a mutation of one argument input, with a file for input.file if
// there is one, and returns the answer's text.
func (x *tenant) mutate(name, shows string, input map[string]any, fileName string, file []byte) string {
	x.h.Helper()
	kind := strings.ToUpper(name[:1]) + name[1:]
	operations, err := json.Marshal(map[string]any{"query": "mutation($input: " + kind + "Input!) { " + name + "(input: $input) { " + shows + " userErrors { message } } }",
		"variables": map[string]any{"input": input}})
	if err != nil {
		x.h.Fatal(err)
	}
	var body bytes.Buffer
	form := multipart.NewWriter(&body)
	_ = form.WriteField("operations", string(operations))
	places := `{}`
	if file != nil {
		places = `{"0":["variables.input.file"]}`
	}
	_ = form.WriteField("map", places)
	if file != nil {
		part, err := form.CreateFormFile("0", fileName)
		if err != nil {
			x.h.Fatal(err)
		}
		_, _ = part.Write(file)
	}
	_ = form.Close()
	req, err := http.NewRequest(http.MethodPost, x.at.server.URL+"/o/"+x.slug+"/graphql", &body)
	if err != nil {
		x.h.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+x.secret)
	req.Header.Set("Content-Type", form.FormDataContentType())
	req.Header.Set("GraphQL-Preflight", "1")
	resp, err := client.Do(req)
	if err != nil {
		x.h.Fatal(err)
	}
	defer resp.Body.Close()
	var out bytes.Buffer
	_, _ = out.ReadFrom(resp.Body)
	return out.String()
}

func registryID(id uuid.UUID) string { return api.Of("Registry", id).String() }

// TestO1_UploadPromoteInstall: a file that npm pack would make is uploaded,
// promoted, and delivered from the other registry byte by byte, with the tag; a
// lock file brings in what it names, through the firewall.
func TestO1_UploadPromoteInstall(t *testing.T) {
	h := newHarness(t)
	dev := h.acme.team("dev")
	prod := h.acme.team("prod")
	owner := h.acme.as(access.Owner)
	tarball, err := pack(map[string]any{"name": "@acme/tool", "version": "1.0.0", "license": "MIT", "description": "a tool"}, "module.exports = 1\n")
	if err != nil {
		t.Fatal(err)
	}
	got := owner.mutate("uploadVersion", "version { version origin arrival license { expression } }", map[string]any{"registry": registryID(dev), "file": nil}, "tool.tgz", tarball)
	if !strings.Contains(got, `"version":"1.0.0","origin":"INTERNAL","arrival":"PUBLISH","license":{"expression":"MIT"}`) {
		t.Fatalf("upload: %s", got)
	}
	if got := owner.mutate("uploadVersion", "version { version }", map[string]any{"registry": registryID(dev), "file": nil}, "tool.tgz", tarball); !strings.Contains(got, "holds @acme/tool@1.0.0 already") {
		t.Errorf("upload again: %s", got)
	}
	if got := owner.mutate("uploadVersion", "version { version }", map[string]any{"registry": registryID(dev), "file": nil}, "tool.tgz", []byte("junk")); !strings.Contains(got, "userErrors") || !strings.Contains(got, "tarball") {
		t.Errorf("upload of junk: %s", got)
	}
	got = owner.mutate("promoteVersion", "version { arrival }", map[string]any{"from": registryID(dev), "to": registryID(prod), "package": "@acme/tool", "version": "1.0.0", "tag": "stable"}, "", nil)
	if !strings.Contains(got, `"arrival":"PROMOTE"`) {
		t.Fatalf("promote: %s", got)
	}
	if a := h.acme.get("prod", "/@acme/tool/-/tool-1.0.0.tgz"); a.status != 200 || !bytes.Equal(a.body, tarball) {
		t.Errorf("delivered: %d, %d bytes", a.status, len(a.body))
	}
	if doc := h.acme.get("prod", "/@acme%2ftool"); doc.status != 200 || !strings.Contains(string(doc.body), `"stable":"1.0.0"`) {
		t.Errorf("document: %d %s", doc.status, doc.body)
	}
	stranger := h.globex.as(access.Owner)
	if got := stranger.mutate("promoteVersion", "version { arrival }", map[string]any{"from": registryID(dev), "to": registryID(prod), "package": "@acme/tool", "version": "1.0.0"}, "", nil); !strings.Contains(got, "NOT_FOUND") {
		t.Errorf("T3: %s", got)
	}
}

// TestPullLockfile: what a lock file names comes in through the firewall, whose
// refusals are told one by one.
func TestPullLockfile(t *testing.T) {
	h := newHarness(t)
	fw := h.acme.firewall("fw", from(h.acme.public))
	team := h.acme.team("team", source(fw))
	h.up.Publish("x", "1.0.0", protocoltest.Release{})
	h.up.Publish("y", "2.0.0", protocoltest.Release{})
	h.acme.block(fw, "y")
	owner := h.acme.as(access.Owner)
	lock := "lockfileVersion: '9.0'\npackages:\n  x@1.0.0: {}\n  y@2.0.0: {}\n  z@3.0.0: {}\n  f@file:../f: {}\n"
	got := owner.mutate("pullLockfile", "pull { id source total } left { entry line } leftCount", map[string]any{"registry": registryID(team), "file": nil}, "app/pnpm-lock.yaml", []byte(lock))
	if !strings.Contains(got, `"source":"pnpm-lock.yaml, version 9.0","total":3},"left":[{"entry":"f@file:../f","line":6}],"leftCount":1`) {
		t.Fatalf("pull: %s", got)
	}
	if got := owner.mutate("pullLockfile", "pull { id }", map[string]any{"registry": registryID(team), "file": nil}, "pnpm-lock.yaml", []byte("lockfileVersion: 5")); !strings.Contains(got, "pnpm-lock.yaml, line 1: has the version") {
		t.Errorf("a wrong file: %s", got)
	}
	if err := h.first.startWorker(h.acme.ctx); err != nil {
		t.Fatal(err)
	}
	h.eventually(10*time.Second, "the pull", func() bool { return h.acme.count("pulls", "ended_at IS NOT NULL") == 1 })
	for state, what := range map[string]string{"HELD": "x", "REFUSED": "y", "FAILED": "z"} {
		if n := h.acme.count("pull_items", "state = '"+state+"' AND name = '"+what+"'"); n != 1 {
			t.Errorf("%s is not %s", what, state)
		}
	}
	if n := h.acme.count("holdings", "arrived = 'PULL'"); n != 2 { // in the firewall and below it
		t.Errorf("%d holdings", n)
	}
	h.up.Close()
	if a := h.acme.get("team", tarball("x", "1.0.0")); a.status != 200 {
		t.Errorf("R7: %s", a.phrase)
	}
}
