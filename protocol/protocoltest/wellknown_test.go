package protocoltest

import (
	"crypto/ecdsa"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"
)

func TestNPMAttests(t *testing.T) {
	n := NewNPM(t)
	n.Publish("@acme/x", "1.0.0", Release{Attested: true})
	n.Publish("@acme/x", "2.0.0", Release{})
	_, body := ask(t, "GET", n.URL+"/@acme%2fx/1.0.0")
	var m struct {
		Dist struct{ Attestations struct{ URL string } }
	}
	if err := json.Unmarshal(body, &m); err != nil {
		t.Fatal(err)
	}
	_, body = ask(t, "GET", m.Dist.Attestations.URL)
	var answer struct {
		Attestations []struct {
			PredicateType string
			Bundle        struct {
				DSSEEnvelope struct {
					Payload, PayloadType string
					Signatures           []struct{ Sig, KeyID string }
				}
			}
		}
	}
	if err := json.Unmarshal(body, &answer); err != nil || len(answer.Attestations) != 2 {
		t.Fatalf("%v: %s", err, body)
	}
	sum := sha512.Sum512(n.Tarball("@acme/x", "1.0.0"))
	for _, a := range answer.Attestations {
		e := a.Bundle.DSSEEnvelope
		payload, _ := base64.StdEncoding.DecodeString(e.Payload)
		if s := string(payload); !strings.Contains(s, `"pkg:npm/%40acme/x@1.0.0"`) || !strings.Contains(s, hex.EncodeToString(sum[:])) || !strings.Contains(s, a.PredicateType) {
			t.Errorf("the statement is %s", payload)
		}
		sig, _ := base64.StdEncoding.DecodeString(e.Signatures[0].Sig)
		digest := sha256.Sum256(fmt.Appendf(nil, "DSSEv1 %d %s %d %s", len(e.PayloadType), e.PayloadType, len(payload), payload))
		if !ecdsa.VerifyASN1(&n.key.PublicKey, digest[:], sig) || e.Signatures[0].KeyID != n.keyID {
			t.Errorf("the signature of %s does not verify", a.PredicateType)
		}
	}
	for _, path := range []string{"@acme%2fx@2.0.0", "@acme%2fx@9.0.0", "@acme%2fx"} {
		if resp, body := ask(t, "GET", n.URL+"/-/npm/v1/attestations/"+path); resp.StatusCode != 404 {
			t.Errorf("%s = %d %s", path, resp.StatusCode, body)
		}
	}
}

func TestNPMSearch(t *testing.T) {
	n := NewNPM(t)
	n.WellKnown(time.Date(2026, 2, 3, 12, 0, 0, 0, time.UTC))
	n.Publish("@acme/tools", "1.0.0", Release{Manifest: map[string]any{"description": "Hammer and saw", "keywords": []string{"iron"}}})
	for query, want := range map[string]string{
		"text=hammer":                   "1: @acme/tools",
		"text=hammer+missing":           "0:",
		"text=scope:acme":               "1: @acme/tools",
		"text=keywords:iron":            "1: @acme/tools",
		"text=author:bob":               "0:",
		"text=is-":                      "3: is-even is-number is-odd",
		"text=is-&size=1&from=1":        "3: is-number",
		"text=is-&size=1&from=9":        "3:",
		"text=keywords:well-known+left": "2: left-pad pad-left",
	} {
		_, body := ask(t, "GET", n.URL+"/-/v1/search?"+query)
		var a struct {
			Total   int
			Objects []struct {
				Package struct{ Name, Version, Date string }
			}
		}
		if err := json.Unmarshal(body, &a); err != nil {
			t.Fatal(err)
		}
		got := fmt.Sprintf("%d:", a.Total)
		for _, o := range a.Objects {
			got += " " + o.Package.Name
			if o.Package.Version == "" || o.Package.Date == "" {
				t.Errorf("%s: %+v", query, o)
			}
		}
		if got != want {
			t.Errorf("%s = %s, want %s", query, got, want)
		}
	}
}
