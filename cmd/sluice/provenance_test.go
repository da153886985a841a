package main

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"testing"

	"github.com/google/uuid"

	"sluice.dev/sluice/protocol/npm"
	"sluice.dev/sluice/protocol/protocoltest"
	"sluice.dev/sluice/tenants/catalog"
	"sluice.dev/sluice/tenants/intake"
	"sluice.dev/sluice/tenants/policy"
)

const keysPath = "/-/npm/v1/keys"

// signingKeys reads an answer with keys, by id.
func signingKeys(t *testing.T, a answer) map[string]*ecdsa.PublicKey {
	t.Helper()
	var doc struct {
		Keys []struct{ KeyID, KeyType, Scheme, Key string }
	}
	if err := json.Unmarshal(a.body, &doc); a.status != 200 || err != nil {
		t.Fatalf("keys = %s %s %v", a.phrase, a.body, err)
	}
	out := map[string]*ecdsa.PublicKey{}
	for _, k := range doc.Keys {
		der, err := base64.StdEncoding.DecodeString(k.Key)
		if err != nil {
			t.Fatal(err)
		}
		pub, err := x509.ParsePKIXPublicKey(der)
		if err != nil {
			t.Fatal(err)
		}
		out[k.KeyID] = pub.(*ecdsa.PublicKey)
	}
	return out
}

// signed is what a manifest says about its tarball.
type signed struct {
	Dist struct {
		Tarball, Integrity string
		Signatures         []struct{ KeyID, Sig string }
		Attestations       struct {
			URL        string
			Provenance struct{ PredicateType string }
		}
	}
}

// TestR6_SignaturesVerifyThroughTheGate as npm audit signatures does: the
// signature of name@version:integrity with the registry's key, and the bytes
// with the integrity; from two sources with a key each.
func TestR6_SignaturesVerifyThroughTheGate(t *testing.T) {
	h := newHarness(t)
	second := protocoltest.NewNPM(t)
	h.up.Publish("left-pad", "1.0.0", protocoltest.Release{})
	second.Publish("@b/only", "1.0.0", protocoltest.Release{})
	fw := h.acme.firewall("fw", from(h.acme.public), from(h.acme.remote("second", second.URL, false)))
	h.acme.team("team", source(fw))
	keys := signingKeys(t, h.acme.get("team", keysPath))
	if len(keys) != 2 {
		t.Fatalf("%d keys, want those of both sources", len(keys))
	}
	for _, phase := range []string{"listed", "held"} {
		for _, pkg := range []string{"left-pad", "@b/only"} {
			var m signed
			if err := json.Unmarshal(h.acme.get("team", "/"+pkg+"/1.0.0").body, &m); err != nil || len(m.Dist.Signatures) != 1 {
				t.Fatalf("%s: %+v %v", pkg, m, err)
			}
			sig, err := base64.StdEncoding.DecodeString(m.Dist.Signatures[0].Sig)
			key := keys[m.Dist.Signatures[0].KeyID]
			digest := sha256.Sum256([]byte(pkg + "@1.0.0:" + m.Dist.Integrity))
			if err != nil || key == nil || !ecdsa.VerifyASN1(key, digest[:], sig) {
				t.Errorf("%s %s: the signature does not verify", phase, pkg)
			}
			a := h.acme.fetch("GET", m.Dist.Tarball)
			sum := sha512.Sum512(a.body)
			if a.status != 200 || m.Dist.Integrity != "sha512-"+base64.StdEncoding.EncodeToString(sum[:]) {
				t.Errorf("%s %s: the bytes are not those that were signed", phase, pkg)
			}
		}
	}
}

// TestR3_KeysAreCached, asked for conditionally or again after their time, and
// served stale; and 404 only when every source says so.
func TestR3_KeysAreCached(t *testing.T) {
	h := newHarness(t)
	fw := h.acme.firewall("fw", from(h.acme.public))
	h.acme.team("team", source(fw))
	first := h.acme.get("team", keysPath)
	if first.status != 200 || first.header.Get("ETag") == "" || first.header.Get("Cache-Control") != "private, no-cache" {
		t.Fatalf("keys = %s %v", first.phrase, first.header)
	}
	if a := h.acme.get("team", keysPath, "If-None-Match", first.header.Get("ETag")); a.status != 304 {
		t.Errorf("conditionally = %s", a.phrase)
	}
	if a := h.acme.ask("HEAD", "team", keysPath); a.status != 200 || len(a.body) != 0 {
		t.Errorf("HEAD = %s", a.phrase)
	}
	h.acme.get("fw", keysPath)
	if n := h.up.Count(keysPath); n != 1 {
		t.Errorf("the remote was asked %d times", n)
	}
	mend := h.up.Break(keysPath, protocoltest.Down())
	h.clock.pass(3 * day)
	a := h.acme.get("team", keysPath)
	if a.status != 200 || !bytes.Equal(a.body, first.body) || !strings.HasPrefix(a.header.Get("Warning"), "110") {
		t.Errorf("stale = %s %v", a.phrase, a.header)
	}
	h.clock.pass(8 * day)
	if a := h.acme.get("team", keysPath); a.status != 503 {
		t.Errorf("too old and down = %s", a.phrase)
	}
	mend()
	mend = h.up.Break(keysPath, protocoltest.HTML())
	if a := h.acme.get("team", keysPath); a.status != 502 {
		t.Errorf("a page = %s %s", a.phrase, a.body)
	}
	mend()
	if a := h.acme.get("team", keysPath); a.status != 200 {
		t.Errorf("mended = %s %s", a.phrase, a.body)
	}
	// Nothing is signed: where all sources say so, and where there is none.
	bare := protocoltest.NewNPM(t)
	for i, code := range []int{404, 400, 405, 410} {
		bare.Break(keysPath, protocoltest.Status(code))
		h.acme.team(fmt.Sprintf("bare-%d", i), from(h.acme.remote(fmt.Sprintf("bare-%d", i), bare.URL, false)))
		if a := h.acme.get(fmt.Sprintf("bare-%d", i), keysPath); a.status != 404 || !strings.Contains(a.problem().Detail, "no signing keys") && !strings.Contains(a.problem().Detail, "has signing keys") {
			t.Errorf("a source that answers %d: %s %s", code, a.phrase, a.body)
		}
	}
	h.globex.team("alone")
	if a := h.globex.get("alone", keysPath); a.status != 404 {
		t.Errorf("without sources = %s", a.phrase)
	}
	if a := h.globex.get("team", keysPath); a.status != 404 {
		t.Errorf("the other organization's = %s", a.phrase)
	}
}

func attestationsPath(pkg, version string) string {
	return "/-/npm/v1/attestations/" + strings.Replace(pkg, "/", "%2f", 1) + "@" + version
}

// TestR4_AttestationsComeThroughTheGate unchanged (R6), by the address that the
// manifest has here, cached, also when the version is held and its source down.
func TestR4_AttestationsComeThroughTheGate(t *testing.T) {
	h := newHarness(t)
	for _, pkg := range []string{"x", "@s/x"} {
		h.up.Publish(pkg, "1.0.0", protocoltest.Release{Attested: true})
		h.up.Publish(pkg, "2.0.0", protocoltest.Release{})
		h.up.Publish(pkg, "3.0.0", protocoltest.Release{Dist: map[string]any{"attestations": map[string]any{"url": "https://elsewhere.example/-/npm/v1/attestations/" + strings.Replace(pkg, "/", "%2f", 1) + "@1.0.0"}}})
	}
	fw := h.acme.firewall("fw", from(h.acme.public))
	h.acme.team("team", source(fw))
	for _, pkg := range []string{"x", "@s/x"} {
		var m signed
		if err := json.Unmarshal(h.acme.get("team", "/"+pkg+"/1.0.0").body, &m); err != nil {
			t.Fatal(err)
		}
		if want := h.acme.url("team", attestationsPath(pkg, "1.0.0")); m.Dist.Attestations.URL != want || m.Dist.Attestations.Provenance.PredicateType != protocoltest.ProvenanceType {
			t.Errorf("dist.attestations = %+v, want %s", m.Dist.Attestations, want)
		}
		// npm takes the path of it and asks the registry's host.
		u, err := url.Parse(m.Dist.Attestations.URL)
		if err != nil {
			t.Fatal(err)
		}
		a := h.acme.fetch("GET", h.first.server.URL+u.EscapedPath())
		var doc struct {
			Attestations []struct {
				PredicateType string
				Bundle        struct{ DSSEEnvelope struct{ Payload string } }
			}
		}
		if err := json.Unmarshal(a.body, &doc); a.status != 200 || err != nil || len(doc.Attestations) != 2 {
			t.Fatalf("%s = %s %s", pkg, a.phrase, a.body)
		}
		sum := sha512.Sum512(h.up.Tarball(pkg, "1.0.0"))
		payload, _ := base64.StdEncoding.DecodeString(doc.Attestations[1].Bundle.DSSEEnvelope.Payload)
		if s := string(payload); !strings.Contains(s, protocoltest.Subject(pkg, "1.0.0")) || !strings.Contains(s, hex.EncodeToString(sum[:])) {
			t.Errorf("the statement is %s", s)
		}
		for _, path := range []string{attestationsPath(pkg, "1.0.0"), "/-/npm/v1/attestations/" + pkg + "@1.0.0", "/-/npm/v1/attestations/" + strings.Replace(pkg, "/", "%2F", 1) + "@v1.0.0"} {
			if b := h.acme.get("team", path); !bytes.Equal(b.body, a.body) {
				t.Errorf("%s = %s", path, b.phrase)
			}
		}
		if n := h.up.Count("/-/npm/v1/attestations/" + strings.Replace(pkg, "/", "%2f", 1) + "@1.0.0"); n != 1 {
			t.Errorf("the remote was asked %d times", n)
		}
		// The host in the source's address does not matter (F6), its path does.
		if b := h.acme.get("team", attestationsPath(pkg, "3.0.0")); b.status != 200 {
			t.Errorf("an address elsewhere = %s %s", b.phrase, b.body)
		}
		for _, version := range []string{"2.0.0", "9.0.0", "nonsense"} {
			if b := h.acme.get("team", attestationsPath(pkg, version)); b.status != 404 {
				t.Errorf("%s = %s", version, b.phrase)
			}
		}
		if b := h.acme.get("team", tarball(pkg, "1.0.0")); b.status != 200 {
			t.Fatal(b.phrase)
		}
		mend := h.up.Break("/", protocoltest.Down())
		h.clock.pass(2 * day)
		b := h.acme.get("team", attestationsPath(pkg, "1.0.0"))
		if b.status != 200 || !bytes.Equal(b.body, a.body) || !strings.HasPrefix(b.header.Get("Warning"), "110") {
			t.Errorf("held, with the source down = %s %v", b.phrase, b.header)
		}
		mend()
		h.clock.pass(minute)
	}
	for _, path := range []string{"/-/npm/v1/attestations/x", "/-/npm/v1/attestations/@1.0.0", "/-/npm/v1/attestations/a/b/c@1.0.0"} {
		if a := h.acme.get("team", path); a.status != 404 && a.status != 400 {
			t.Errorf("%s = %s", path, a.phrase)
		}
	}
	if a := h.globex.get("team", attestationsPath("x", "1.0.0")); a.status != 404 {
		t.Errorf("the other organization's = %s", a.phrase)
	}
	mend := h.up.Break("/-/npm/v1/attestations/", protocoltest.HTML())
	defer mend()
	h.up.Publish("y", "1.0.0", protocoltest.Release{Attested: true})
	if a := h.acme.get("team", attestationsPath("y", "1.0.0")); a.status != 502 {
		t.Errorf("a page = %s", a.phrase)
	}
}

// publishWithProvenance is publish with a bundle beside the tarball.
func (x *tenant) publishWithProvenance(reg uuid.UUID, pkg, version string, file, bundle []byte) {
	x.h.Helper()
	store := func(name string, b []byte) catalog.StoredFile {
		info, err := x.at.blobs.Put(x.ctx, bytes.NewReader(b), int64(len(b)))
		if err != nil {
			x.h.Fatal(err)
		}
		return catalog.StoredFile{Name: name, Blob: catalog.Blob{SHA256: info.Digest.String(), SHA512: fmt.Sprintf("%x", info.SHA512),
			SHA1: fmt.Sprintf("%x", info.SHA1), MD5: fmt.Sprintf("%x", info.MD5), Size: info.Size}}
	}
	metadata, err := json.Marshal(map[string]any{"name": pkg, "version": version, "license": "MIT", "dist": map[string]any{
		"tarball": "https://localhost/" + npm.FileName(pkg, version), "integrity": integrity(file),
		"attestations": map[string]any{"url": "https://localhost/-/npm/v1/attestations/" + pkg + "@" + version, "provenance": map[string]any{"predicateType": protocoltest.ProvenanceType}}}})
	if err != nil {
		x.h.Fatal(err)
	}
	_, err = x.at.intake.Publish(x.ctx, intake.PublishInput{Registry: reg, Name: pkg, Version: version, Tags: []string{"latest"}, Metadata: metadata,
		License: policy.LicenseFact{State: policy.LicenseDeclared, Expression: "MIT"},
		Files:   []catalog.StoredFile{store(npm.FileName(pkg, version), file), store(npm.BundleName(pkg, version), bundle)}})
	if err != nil {
		x.h.Fatal(err)
	}
}

// TestR6_OwnProvenanceIsServed as it was published, in the registry and in those
// below it, and refused like the tarball.
func TestR6_OwnProvenanceIsServed(t *testing.T) {
	h := newHarness(t)
	own := h.acme.team("own")
	h.acme.team("team", source(own))
	file := []byte("the tarball")
	sum := sha512.Sum512(file)
	statement := fmt.Sprintf(`{"_type":"https://in-toto.io/Statement/v1","predicateType":%q,"subject":[{"name":"pkg:npm/%%40acme/tool@1.0.0","digest":{"sha512":"%x"}}]}`,
		protocoltest.ProvenanceType, sum)
	bundle := fmt.Sprintf(`{"mediaType":%q, "dsseEnvelope":{"payload":%q,"payloadType":"application/vnd.in-toto+json","signatures":[]}}`,
		protocoltest.BundleType, base64.StdEncoding.EncodeToString([]byte(statement)))
	h.acme.publishWithProvenance(own, "@acme/tool", "1.0.0", file, []byte(bundle))
	h.acme.publish(own, "@acme/tool", "0.9.0", []byte("without"))
	want := fmt.Sprintf(`{"attestations":[{"predicateType":%q,"bundle":%s}]}`, protocoltest.ProvenanceType, bundle)
	for _, reg := range []string{"own", "team"} {
		var m signed
		if err := json.Unmarshal(h.acme.get(reg, "/@acme/tool/1.0.0").body, &m); err != nil {
			t.Fatal(err)
		}
		if m.Dist.Attestations.URL != h.acme.url(reg, attestationsPath("@acme/tool", "1.0.0")) {
			t.Errorf("%s: the address is %s", reg, m.Dist.Attestations.URL)
		}
		if a := h.acme.fetch("GET", m.Dist.Attestations.URL); a.status != 200 || string(a.body) != want {
			t.Errorf("%s = %s %s", reg, a.phrase, a.body)
		}
		if a := h.acme.get(reg, attestationsPath("@acme/tool", "0.9.0")); a.status != 404 {
			t.Errorf("%s: a version without = %s", reg, a.phrase)
		}
		if a := h.acme.get(reg, tarball("@acme/tool", "1.0.0")); string(a.body) != string(file) {
			t.Errorf("%s: the tarball = %s", reg, a.phrase)
		}
	}
	h.acme.hold(own, "@acme/tool@1.0.0", "odd")
	if a := h.acme.get("own", attestationsPath("@acme/tool", "1.0.0")); !a.withheld() {
		t.Errorf("on hold = %s", a.phrase)
	}
	if a := h.globex.get("own", attestationsPath("@acme/tool", "1.0.0")); a.status != 404 {
		t.Errorf("the other organization's = %s", a.phrase)
	}
}
