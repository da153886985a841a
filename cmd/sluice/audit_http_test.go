package main

import (
	"bufio"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"sluice.dev/sluice/tenants/access"
	"sluice.dev/sluice/tenants/audit"
	"sluice.dev/sluice/tenants/scope"
)

// export asks for the audit trail.
func (x *tenant) export(secret, query string) (status int, body string, h http.Header) {
	x.h.Helper()
	r, err := http.NewRequest(http.MethodGet, x.at.server.URL+"/o/"+x.slug+exportPath+query, nil)
	if err != nil {
		x.h.Fatal(err)
	}
	if secret != "" {
		r.Header.Set("Authorization", "Bearer "+secret)
	}
	resp, err := client.Do(r)
	if err != nil {
		x.h.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		x.h.Fatal(err)
	}
	return resp.StatusCode, string(b), resp.Header
}

// TestT3_AuditExport: who may read audit events gets their organization's, as
// the command writes them, and nobody else anything.
func TestT3_AuditExport(t *testing.T) {
	h := newHarness(t)
	lib := h.acme.team("lib")
	h.acme.team("other")
	h.globex.team("theirs")
	token := func(x *tenant, roles ...access.Place) string {
		secret, _, err := x.at.access.CreateToken(x.ctx, access.TokenInput{Name: "export", Roles: roles})
		if err != nil {
			t.Fatal(err)
		}
		return secret
	}
	auditor, some := token(h.acme, access.Place{Role: access.Auditor}), token(h.acme, access.Place{Role: access.Security, Registry: lib})
	foreign := token(h.globex, access.Place{Role: access.Owner})
	if _, err := audit.NewSealer(h.first.db, h.clock.Now).Seal(t.Context()); err != nil {
		t.Fatal(err)
	}
	h.clock.pass(time.Hour)
	status, all, head := h.acme.export(auditor, "")
	if status != 200 || head.Get("Content-Type") != "application/x-ndjson" || !strings.Contains(head.Get("Cache-Control"), "no-store") || head.Get("X-Content-Type-Options") != "nosniff" {
		t.Fatalf("%d %v", status, head)
	}
	report, err := audit.VerifyExport(strings.NewReader(all))
	if err != nil || len(report.Faults) > 0 || report.Sealed < 5 {
		t.Errorf("the export: %+v %v", report, err)
	}
	acme, err := scope.Org(h.acme.ctx)
	if err != nil {
		t.Fatal(err)
	}
	lines := 0
	for in := bufio.NewScanner(strings.NewReader(all)); in.Scan(); lines++ {
		var l audit.Line
		if err := json.Unmarshal(in.Bytes(), &l); err != nil || l.Org != acme {
			t.Fatalf("%s %v", in.Text(), err)
		}
	}
	if !strings.Contains(all, `"action":"audit:export"`) || strings.Contains(all, "theirs") {
		t.Errorf("the export: %s", all)
	}
	if status, part, _ := h.acme.export(some, ""); status != 200 || !strings.Contains(part, lib.String()) || strings.Count(part, "\n") >= lines || strings.Contains(part, `"registry":null`) {
		t.Errorf("of one registry: %d %s", status, part)
	}
	if status, late, _ := h.acme.export(auditor, "?from="+h.clock.Now().Add(-time.Minute).UTC().Format(time.RFC3339)); status != 200 || strings.Contains(late, "registry:create") || !strings.Contains(late, "audit:export") {
		t.Errorf("of the last minute: %d %s", status, late)
	}
	for name, c := range map[string]struct {
		secret, query string
		status        int
	}{
		"nobody": {"", "", 401}, "a reader": {h.acme.secret, "", 403}, "another organization's owner": {foreign, "", 401},
		"no time": {auditor, "?from=yesterday", 400}, "backwards": {auditor, "?from=2026-03-02T00:00:00Z&to=2026-03-01T00:00:00Z", 400},
	} {
		if status, body, _ := h.acme.export(c.secret, c.query); status != c.status || strings.Contains(body, "registry:create") {
			t.Errorf("%s: %d %s, want %d", name, status, body, c.status)
		}
	}
}
