package main

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"time"

	"sluice.dev/sluice/protocol/protocoltest"
	"sluice.dev/sluice/tenants/policy"
)

// TestR4_EveryURLIsOurs in every document, warm and cold, whatever registry was
// asked and however its address is spelt.
func TestR4_EveryURLIsOurs(t *testing.T) {
	h := newHarness(t)
	h.up.Publish("@acme/x", "1.0.0", protocoltest.Release{Attested: true})
	h.up.Publish("@acme/x", "1.1.0", protocoltest.Release{Attested: true})
	fw := h.acme.firewall("fw", from(h.acme.public))
	h.acme.team("team", source(fw))
	h.acme.block(fw, "@acme/x@1.1.0")
	for _, held := range []bool{false, true} {
		for _, reg := range []string{"fw", "team"} {
			for _, path := range []string{"/@acme/x", "/@acme%2fx", "/@acme/x/1.0.0", "/@acme%2Fx/latest"} {
				for _, accept := range []string{"*/*", corgi} {
					a := h.acme.get(reg, path, "Accept", accept)
					if a.status != 200 || strings.Contains(string(a.body), h.up.Host()) {
						t.Errorf("held %v: %s in %s = %d, with an address of the remote: %s", held, path, reg, a.status, a.body)
					}
					if !strings.Contains(string(a.body), `"tarball":"`+h.acme.url(reg, tarball("@acme/x", "1.0.0"))+`"`) {
						t.Errorf("held %v: %s in %s: %s", held, path, reg, a.body)
					}
				}
			}
		}
		if a := h.acme.get("team", tarball("@acme/x", "1.0.0")); a.status != 200 {
			t.Fatal(a.phrase)
		}
	}
}

// TestR5_PublishTimes are the source's, else since when we know the version,
// also after it is held, after a restart, and after the source's next document.
func TestR5_PublishTimes(t *testing.T) {
	h := newHarness(t)
	h.up.Publish("dated", "1.0.0", protocoltest.Release{Published: time.Date(2024, 5, 6, 7, 8, 9, 0, time.UTC)})
	h.up.Publish("undated", "1.0.0", protocoltest.Release{})
	h.up.Untimed("undated")
	fw := h.acme.firewall("fw", from(h.acme.public))
	h.acme.team("team", source(fw))
	first := h.clock.Now()
	check := func(x *tenant, when string) {
		t.Helper()
		for _, accept := range []string{"*/*", corgi} {
			for pkg, want := range map[string]string{"dated": "2024-05-06T07:08:09.000Z", "undated": first.Format("2006-01-02T15:04:05.000Z")} {
				if d := x.get("team", "/"+pkg, "Accept", accept).packument(); d.Time["1.0.0"] != want || d.Time["modified"] == "" || d.Time["created"] == "" {
					t.Errorf("%s: time of %s = %v, want %s", when, pkg, d.Time, want)
				}
			}
		}
	}
	check(h.acme, "listed")
	h.clock.pass(time.Hour)
	for _, pkg := range []string{"dated", "undated"} {
		if a := h.acme.get("team", tarball(pkg, "1.0.0")); a.status != 200 {
			t.Fatal(a.phrase)
		}
	}
	check(h.acme, "held")
	if n := h.acme.count("package_versions", "published_from = 'FIRST_SEEN'"); n != 1 {
		t.Errorf("%d versions say that their date is first-seen", n)
	}
	h.clock.pass(day)
	h.up.Publish("undated", "1.1.0", protocoltest.Release{})
	h.up.Untimed("undated")
	second := h.serve()
	check(h.acme.on(second), "on another node")
	if d := h.acme.on(second).doc("team", "undated"); d.Time["1.1.0"] != h.clock.Now().Format("2006-01-02T15:04:05.000Z") {
		t.Errorf("the next version = %v", d.Time)
	}
	h.up.Close()
	check(h.acme.on(second), "in an outage")
	e, err := second.gate.Explain(h.acme.ctx, fw, npmVersion("undated", "1.0.0"))
	if err != nil || !e.FirstSeen || !e.Published.Equal(first) {
		t.Errorf("explain = %+v, %v", e, err)
	}
}

// TestP3_AnUnknownPublishTimeIsFirstSeen: the age of a version without a date
// counts from when it was first seen, so that it is old enough one day.
func TestP3_AnUnknownPublishTimeIsFirstSeen(t *testing.T) {
	h := newHarness(t)
	h.up.Publish("undated", "1.0.0", protocoltest.Release{})
	h.up.Untimed("undated")
	fw := h.acme.firewall("fw", from(h.acme.public))
	h.acme.rule(fw, policy.Rule{Kind: policy.KindMinimumAge, Effect: policy.Deny, Params: policy.Params{MinAge: 3 * day}})
	if a := h.acme.get("fw", tarball("undated", "1.0.0")); !a.withheld() {
		t.Errorf("new = %s", a.phrase)
	}
	h.clock.pass(3*day + minute)
	if a := h.acme.get("fw", tarball("undated", "1.0.0")); a.status != 200 {
		t.Errorf("after three days = %s", a.phrase)
	}
}

// TestR6_DistIsUntouched but for its addresses: cold, held, and from the
// version's own document.
func TestR6_DistIsUntouched(t *testing.T) {
	h := newHarness(t)
	h.up.Publish("x", "1.0.0", protocoltest.Release{Attested: true, Dist: map[string]any{"extra": []any{1.5, "ü", nil}}})
	fw := h.acme.firewall("fw", from(h.acme.public))
	h.acme.team("team", source(fw))
	dist := func(url string) map[string]any {
		t.Helper()
		var m struct{ Dist map[string]any }
		if err := json.Unmarshal(h.acme.fetch("GET", url).body, &m); err != nil {
			t.Fatal(err)
		}
		return m.Dist
	}
	want := dist(h.up.URL + "/x/1.0.0")
	if want["signatures"] == nil || want["attestations"] == nil {
		t.Fatalf("the fixture has no signatures: %v", want)
	}
	want["tarball"] = h.acme.url("team", tarball("x", "1.0.0"))
	want["attestations"].(map[string]any)["url"] = h.acme.url("team", "/-/npm/v1/attestations/x@1.0.0")
	for range 2 {
		var doc struct {
			Versions map[string]struct{ Dist map[string]any }
		}
		for _, accept := range []string{"*/*", corgi} {
			if err := json.Unmarshal(h.acme.get("team", "/x", "Accept", accept).body, &doc); err != nil {
				t.Fatal(err)
			}
			if got := doc.Versions["1.0.0"].Dist; !reflect.DeepEqual(got, want) {
				t.Errorf("%s: dist = %v, want %v", accept, got, want)
			}
		}
		if got := dist(h.acme.url("team", "/x/latest")); !reflect.DeepEqual(got, want) {
			t.Errorf("dist of the manifest = %v", got)
		}
		h.acme.get("team", tarball("x", "1.0.0"))
	}
}

// TestF6_ACredentialGoesOnlyToItsRemote: it is sent there, and a remote that
// wants one gets it.
func TestF6_ACredentialGoesOnlyToItsRemote(t *testing.T) {
	h := newHarness(t)
	h.up.Publish("x", "1.0.0", protocoltest.Release{})
	h.up.RequireToken("sesame")
	other := protocoltest.NewNPM(t)
	other.Publish("x", "1.0.0", protocoltest.Release{})
	// A document of the remote that names a file on another host.
	h.up.Publish("y", "1.0.0", protocoltest.Release{Dist: map[string]any{"tarball": other.URL + "/x/-/x-1.0.0.tgz"}})
	h.acme.firewall("fw", from(h.acme.credential("private", h.up.URL, "sesame")))
	if a := h.acme.get("fw", tarball("x", "1.0.0")); a.status != 200 {
		t.Errorf("with the credential = %d %s", a.status, a.body)
	}
	a := h.acme.get("fw", tarball("y", "1.0.0"))
	if a.status != 502 || !strings.Contains(a.problem().Detail, "names the file host") {
		t.Errorf("a file elsewhere = %d %s", a.status, a.body)
	}
	if n := len(other.Requests()); n != 0 {
		t.Errorf("the other host was asked %d times", n)
	}
}
