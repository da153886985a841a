package protocoltest

import (
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
)

// Types of what a registry attests, and of the bundles that hold it.
const (
	ProvenanceType = "https://slsa.dev/provenance/v1"
	PublishType    = "https://github.com/npm/attestation/tree/main/specs/publish/v0.1"
	BundleType     = "application/vnd.dev.sigstore.bundle.v0.3+json"
)

// attestations answers /-/npm/v1/attestations/{pkg}@{version}: provenance of
// the build and the registry's own word, 404 for what was published without.
func (n *NPM) attestations(w http.ResponseWriter, escaped string) {
	spec, err := url.PathUnescape(escaped)
	at := strings.LastIndexByte(spec, '@')
	if err != nil || at <= 0 {
		notFound(w)
		return
	}
	pkg, version := spec[:at], spec[at+1:]
	n.mu.Lock()
	v := n.find(pkg, version)
	n.mu.Unlock()
	if v == nil || !v.attested {
		notFound(w)
		return
	}
	sum := sha512.Sum512(v.tarball)
	var all []any
	for _, kind := range []string{PublishType, ProvenanceType} {
		all = append(all, map[string]any{"predicateType": kind, "bundle": n.bundle(kind, pkg, version, hex.EncodeToString(sum[:]))})
	}
	writeJSON(w, http.StatusOK, map[string]any{"attestations": all})
}

// bundle is a statement about one version in an envelope (DSSE), signed with
// the registry's key. A public log, which real bundles prove to be in, is not
// part of it.
func (n *NPM) bundle(kind, pkg, version, sha512Hex string) map[string]any {
	statement := mustJSON(map[string]any{
		"_type":         "https://in-toto.io/Statement/v1",
		"predicateType": kind,
		"subject":       []any{map[string]any{"name": Subject(pkg, version), "digest": map[string]any{"sha512": sha512Hex}}},
		"predicate": map[string]any{"buildDefinition": map[string]any{
			"buildType":          "https://slsa-framework.github.io/github-actions-buildtypes/workflow/v1",
			"externalParameters": map[string]any{"workflow": map[string]any{"repository": "https://git.example/ann/" + base(pkg), "ref": "refs/heads/main"}},
		}},
	})
	const payloadType = "application/vnd.in-toto+json"
	digest := sha256.Sum256(fmt.Appendf(nil, "DSSEv1 %d %s %d %s", len(payloadType), payloadType, len(statement), statement))
	sig, err := ecdsa.SignASN1(rand.Reader, n.key, digest[:])
	if err != nil {
		panic(err) // a P-256 key can sign
	}
	return map[string]any{
		"mediaType":            BundleType,
		"verificationMaterial": map[string]any{"publicKey": map[string]any{"hint": n.keyID}},
		"dsseEnvelope": map[string]any{
			"payload": base64.StdEncoding.EncodeToString(statement), "payloadType": payloadType,
			"signatures": []any{map[string]any{"sig": base64.StdEncoding.EncodeToString(sig), "keyid": n.keyID}},
		},
	}
}

// Subject is the purl by which attestations name a version.
func Subject(pkg, version string) string {
	return "pkg:npm/" + strings.Replace(pkg, "@", "%40", 1) + "@" + version
}

func mustJSON(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err) // it was made here
	}
	return b
}
