package main

import (
	"net/http"
	"strconv"
	"strings"
	"testing"

	"sluice.dev/sluice/protocol/protocoltest"
	"sluice.dev/sluice/tenants/access"
	"sluice.dev/sluice/tenants/errs"
	"sluice.dev/sluice/tenants/org"
)

// TestT5_RequestsOfAnOrganization: over the quota each node answers 429 and says
// when to come again, whoever in the organization asks and for what; the other
// organization and the platform's health do not feel it.
func TestT5_RequestsOfAnOrganization(t *testing.T) {
	h := newHarness(t)
	h.acme.team("team-a")
	h.globex.team("team-a")
	if _, err := h.first.orgs.SetQuota(h.acme.ctx, org.Quota{Requests: 2}); err != nil {
		t.Fatal(err)
	}
	ping := func(x *tenant) answer { return x.get("team-a", "/-/ping") }
	refused := 0
	for range 60 { // the burst is ten seconds of the quota
		if a := ping(h.acme); a.status == http.StatusTooManyRequests {
			refused++
			seconds, err := strconv.Atoi(a.header.Get("Retry-After"))
			if err != nil || seconds < 1 || a.problem().Code != "TOO_MANY_REQUESTS" {
				t.Fatalf("Retry-After %q, %s", a.header.Get("Retry-After"), a.body)
			}
		}
	}
	if refused < 20 || refused > 40 {
		t.Errorf("%d of 60 requests were refused", refused)
	}
	second := *h.acme
	second.secret = h.acme.token("another")
	if a := ping(&second); a.status != http.StatusTooManyRequests {
		t.Errorf("another token of the organization: %d", a.status)
	}
	api := func(x *tenant) int {
		return x.fetch(http.MethodPost, x.at.server.URL+"/o/"+x.slug+"/graphql", "Content-Type", "application/json").status
	}
	if got := api(h.acme); got != http.StatusTooManyRequests {
		t.Errorf("GraphQL: %d", got)
	}
	if a := ping(h.globex); a.status != http.StatusOK || api(h.globex) == http.StatusTooManyRequests {
		t.Errorf("the other organization: %d", a.status)
	}
	for range 100 {
		if a := h.acme.fetch(http.MethodGet, h.first.server.URL+"/healthz"); a.status != http.StatusOK {
			t.Fatalf("health: %d", a.status)
		}
	}
	if _, err := h.first.orgs.SetQuota(h.acme.ctx, org.Quota{}); err != nil {
		t.Fatal(err)
	}
	if a := ping(h.acme); a.status != http.StatusOK {
		t.Errorf("without quota again: %d", a.status)
	}
}

// TestT5_RequestsOfACredential: one that asks too much is refused alone, writes
// sooner than reads, and at the platform's own host an address without
// credential is bounded too.
func TestT5_RequestsOfACredential(t *testing.T) {
	h := newHarness(t)
	h.flags.RequestRate = 5
	s := h.serve()
	x := h.acme.on(s)
	x.team("team-a")
	many := func(f func() answer) (refused int) {
		for range 200 {
			if a := f(); a.status == http.StatusTooManyRequests {
				refused++
				if a.header.Get("Retry-After") == "" {
					t.Fatal("no Retry-After")
				}
			}
		}
		return refused
	}
	if n := many(func() answer { return x.get("team-a", "/-/ping") }); n < 50 {
		t.Errorf("%d of 200 requests of a token were refused", n)
	}
	other := *x
	other.secret = x.token("another")
	if a := other.get("team-a", "/-/ping"); a.status != http.StatusOK {
		t.Errorf("another token: %d", a.status)
	}
	nobody := *x
	nobody.secret = ""
	if n := many(func() answer { return nobody.fetch(http.MethodGet, s.server.URL+"/login") }); n < 100 {
		t.Errorf("%d of 200 requests of an address were refused", n)
	}
	if a := nobody.fetch(http.MethodGet, s.server.URL+"/healthz"); a.status != http.StatusOK {
		t.Errorf("health: %d", a.status)
	}
}

// TestT5_StorageOfAnOrganization: what does not fit is refused at publishing and
// pulling, by exact size and whatever was measured when; the same bytes again
// cost nothing, and what is there is served.
func TestT5_StorageOfAnOrganization(t *testing.T) {
	h, x := publisher(t)
	reg := h.acme.team("second")
	put := func(registry, version string, tgz []byte) answer {
		return x.send(http.MethodPut, registry, "/@acme%2fx", protocoltest.PublishBody("npm", "@acme/x", version, tgz).String())
	}
	one := x.published("team", "@acme/x", "1.0.0", nil)
	two := protocoltest.PackOf("@acme/x", "2.0.0", map[string]string{"more": "than before"})
	quota := org.Quota{Storage: int64(len(one) + len(two))}
	if _, err := h.first.orgs.SetQuota(h.acme.ctx, quota); err != nil {
		t.Fatal(err)
	}
	large := protocoltest.PackOf("@acme/x", "3.0.0", map[string]string{"much": strings.Repeat(h.Name(), 50), "more": "than there is room for, whatever it is that packing makes of it"})
	if len(large) <= len(two) {
		t.Fatalf("%d bytes are no more than %d", len(large), len(two))
	}
	if a := put("team", "3.0.0", large); !a.says(http.StatusConflict, "ask the operator for more") {
		t.Errorf("too much: %d %s", a.status, a.body)
	}
	if a := put("team", "2.0.0", two); a.status != http.StatusCreated {
		t.Errorf("what fits: %d %s", a.status, a.body)
	}
	if a := put("second", "2.0.0", two); a.status != http.StatusCreated {
		t.Errorf("the same bytes in another registry: %d %s", a.status, a.body)
	}
	if a := put("team", "4.0.0", protocoltest.PackOf("@acme/x", "4.0.0", nil)); a.status != http.StatusConflict {
		t.Errorf("the room was taken by what came before: %d %s", a.status, a.body)
	}
	if a := x.get("team", tarball("@acme/x", "2.0.0")); a.status != http.StatusOK {
		t.Errorf("what is there: %d", a.status)
	}
	if _, err := h.first.orgs.Measure(h.acme.ctx); err != nil {
		t.Fatal(err)
	}
	u, err := h.first.orgs.Usage(h.acme.ctx)
	if err != nil || u.Storage != quota.Storage || len(u.Warnings()) != 1 || !strings.Contains(u.Warnings()[0], "(100 %)") {
		t.Errorf("usage %+v, warnings %q, %v", u, u.Warnings(), err)
	}
	if n := h.acme.count("audit_events", "action = 'organization:quota-warning'"); n != 1 {
		t.Errorf("%d warnings in the audit trail", n)
	}
	if _, err := h.first.intake.Pull(h.acme.ctx, reg, "left-pad", "1.3.0"); !errs.Is(err, errs.Conflict) || !strings.Contains(errs.Public(err), "its quota is") {
		t.Errorf("a pull into a full organization: %v", err)
	}
	theirs := h.globex.as(access.Publisher, access.RegistryAdmin)
	theirs.published("team", "@globex/x", "1.0.0", map[string]string{"much": h.Name()})
}
