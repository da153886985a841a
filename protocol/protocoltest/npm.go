// Package protocoltest has package sources on loopback for tests: they answer
// as the real ones do, count what they are asked, and misbehave on command.
// Nothing in it sleeps; whatever waits, waits for the test.
package protocoltest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"net/http/httptest"
	"sync"
	"testing"
	"time"
)

// NPM is a faithful npm registry: full and abbreviated documents with strong
// ETags and 304, gzip, truthful times, several dist-tags, integrity, shasum and
// signatures (verifiable with the key at /-/npm/v1/keys), attestations in signed
// envelopes, search, single manifests, tarballs with HEAD and ranges. Nobody can
// write to it over HTTP.
type NPM struct {
	URL string // of the registry, no trailing slash

	server *httptest.Server
	key    *ecdsa.PrivateKey
	keyID  string

	mu       sync.Mutex
	packages map[string]*npmPackage
	faults   []*fault
	log      []Request
	token    string
}

type npmPackage struct {
	name     string
	rev      int
	created  time.Time
	versions []*npmVersion // in the order of publishing
	tags     map[string]string
	untimed  bool
}

type npmVersion struct {
	version   string
	manifest  map[string]any
	tarball   []byte
	published time.Time
	attested  bool
}

// NewNPM starts a registry that ends with the test.
func NewNPM(t testing.TB) *NPM {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	spki, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(spki)
	n := &NPM{key: key, keyID: "SHA256:" + base64.RawStdEncoding.EncodeToString(sum[:]), packages: map[string]*npmPackage{}}
	n.server = httptest.NewServer(n)
	n.URL = n.server.URL
	t.Cleanup(func() {
		n.Heal() // lets hanging handlers end
		n.server.Close()
	})
	return n
}

// Host is host:port of the registry, as allow lists want it.
func (n *NPM) Host() string { return n.server.Listener.Addr().String() }

// RequireToken makes every request without that bearer token a 401.
func (n *NPM) RequireToken(token string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.token = token
}

// Close stops the registry before the test ends: connections are refused.
func (n *NPM) Close() {
	n.Heal()
	n.server.Close()
}

// Tag points a dist-tag at a version; an empty version removes it.
func (n *NPM) Tag(pkg, tag, version string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	p := n.packages[pkg]
	p.rev++
	if version == "" {
		delete(p.tags, tag)
		return
	}
	p.tags[tag] = version
}

// Unpublish removes a version and the tags that point at it. Its tarball is
// gone too. A package without versions is a 404.
func (n *NPM) Unpublish(pkg, version string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	p := n.packages[pkg]
	p.rev++
	kept := p.versions[:0]
	for _, v := range p.versions {
		if v.version != version {
			kept = append(kept, v)
		}
	}
	p.versions = kept
	for tag, v := range p.tags {
		if v == version {
			delete(p.tags, tag)
		}
	}
	if len(p.versions) == 0 {
		delete(n.packages, pkg)
	}
}

// Deprecate sets the deprecation of a version.
func (n *NPM) Deprecate(pkg, version, message string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	p := n.packages[pkg]
	p.rev++
	for _, v := range p.versions {
		if v.version == version {
			v.manifest["deprecated"] = message
		}
	}
}

// Tarball returns the bytes of a published version, nil when there is none.
func (n *NPM) Tarball(pkg, version string) []byte {
	n.mu.Lock()
	defer n.mu.Unlock()
	if v := n.find(pkg, version); v != nil {
		return v.tarball
	}
	return nil
}

// Has reports whether a package is published.
func (n *NPM) Has(pkg string) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.packages[pkg] != nil
}

// find needs the lock.
func (n *NPM) find(pkg, version string) *npmVersion {
	p := n.packages[pkg]
	if p == nil {
		return nil
	}
	for _, v := range p.versions {
		if v.version == version {
			return v
		}
	}
	return nil
}

// document writes one of the two forms; it needs the lock.
func (n *NPM) document(p *npmPackage, full bool) []byte {
	versions := map[string]any{}
	times := map[string]any{}
	modified := p.created
	for _, v := range p.versions {
		if v.published.After(modified) {
			modified = v.published
		}
		times[v.version] = npmTime(v.published)
		if full {
			versions[v.version] = v.manifest
			continue
		}
		versions[v.version] = abbreviate(v.manifest)
	}
	times["created"], times["modified"] = npmTime(p.created), npmTime(modified)
	doc := map[string]any{"name": p.name, "dist-tags": p.tags, "versions": versions}
	if !full {
		doc["modified"] = npmTime(modified)
	} else {
		doc["_id"] = p.name
		doc["_rev"] = revision(p)
		doc["readme"] = "# " + p.name
		doc["maintainers"] = []any{map[string]any{"name": "ann", "email": "ann@example.org"}}
		if !p.untimed {
			doc["time"] = times
		}
	}
	body, err := json.Marshal(doc)
	if err != nil {
		panic(err) // manifests are made of JSON values
	}
	return body
}
