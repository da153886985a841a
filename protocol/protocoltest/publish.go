package protocoltest

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// Release describes a version to publish. The zero value is a version of 2020
// with one source file, licence MIT, and the tag latest.
type Release struct {
	Published    time.Time         // default 2020-01-01 plus a day for each version published before
	Tags         []string          // default latest
	Dependencies map[string]string //
	License      any               // default "MIT"; anything that JSON has; NoLicense for none
	Scripts      map[string]string //
	Deprecated   string            //
	Files        map[string]string // more files of the tarball, below package/
	Manifest     map[string]any    // more members of the manifest, or other values
	Dist         map[string]any    // more members of dist, or other values; nil removes
	Attested     bool              // dist.attestations, and what stands behind it
}

// NoLicense as Release.License leaves the member out.
var NoLicense = struct{}{}

// Publish makes a real tarball and lists it. Publishing a version again
// replaces it, which real registries do not allow and tests of changed bytes
// need.
func (n *NPM) Publish(pkg, version string, r Release) {
	n.mu.Lock()
	defer n.mu.Unlock()
	p := n.packages[pkg]
	if p == nil {
		p = &npmPackage{name: pkg, tags: map[string]string{}}
		n.packages[pkg] = p
	}
	p.rev++
	if r.Published.IsZero() {
		r.Published = time.Date(2020, 1, 1, 12, 0, 0, 0, time.UTC).AddDate(0, 0, len(p.versions))
	}
	if p.created.IsZero() || r.Published.Before(p.created) {
		p.created = r.Published
	}
	manifest := manifestOf(pkg, version, r)
	v := &npmVersion{version: version, published: r.Published, attested: r.Attested, tarball: tarball(manifest, r.Files)}
	manifest["_id"] = pkg + "@" + version
	manifest["_npmUser"] = map[string]any{"name": "ann", "email": "ann@example.org"}
	manifest["maintainers"] = []any{map[string]any{"name": "ann", "email": "ann@example.org"}}
	manifest["dist"] = n.dist(pkg, version, r, v.tarball)
	if r.Deprecated != "" {
		manifest["deprecated"] = r.Deprecated
	}
	v.manifest = manifest
	p.versions = slices.DeleteFunc(p.versions, func(old *npmVersion) bool { return old.version == version })
	p.versions = append(p.versions, v)
	if r.Tags == nil {
		r.Tags = []string{"latest"}
	}
	for _, tag := range r.Tags {
		p.tags[tag] = version
	}
}

// Untimed makes the full document of a package lack time, as some sources do.
func (n *NPM) Untimed(pkg string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.packages[pkg].untimed = true
}

func manifestOf(pkg, version string, r Release) map[string]any {
	m := map[string]any{
		"name": pkg, "version": version, "description": "the package " + pkg,
		"main": "index.js", "license": "MIT", "engines": map[string]any{"node": ">=4"},
	}
	if r.License == NoLicense {
		delete(m, "license")
	} else if r.License != nil {
		m["license"] = r.License
	}
	if r.Dependencies != nil {
		m["dependencies"] = r.Dependencies
	}
	if r.Scripts != nil {
		m["scripts"] = r.Scripts
	}
	maps.Copy(m, r.Manifest)
	return m
}

// dist is what the registry adds about the tarball.
func (n *NPM) dist(pkg, version string, r Release, tgz []byte) map[string]any {
	s1, s512 := sha1.Sum(tgz), sha512.Sum512(tgz)
	integrity := "sha512-" + base64.StdEncoding.EncodeToString(s512[:])
	digest := sha256.Sum256([]byte(pkg + "@" + version + ":" + integrity))
	sig, err := ecdsa.SignASN1(rand.Reader, n.key, digest[:])
	if err != nil {
		panic(err) // a P-256 key can sign
	}
	d := map[string]any{
		"tarball":      n.URL + "/" + pkg + "/-/" + base(pkg) + "-" + version + ".tgz",
		"shasum":       hex.EncodeToString(s1[:]),
		"integrity":    integrity,
		"fileCount":    2 + len(r.Files),
		"unpackedSize": 1000,
		"signatures":   []any{map[string]any{"keyid": n.keyID, "sig": base64.StdEncoding.EncodeToString(sig)}},
	}
	if r.Attested {
		d["attestations"] = map[string]any{
			"url":        n.URL + "/-/npm/v1/attestations/" + strings.Replace(pkg, "/", "%2f", 1) + "@" + version,
			"provenance": map[string]any{"predicateType": ProvenanceType},
		}
	}
	for k, v := range r.Dist {
		if v == nil {
			delete(d, k)
		} else {
			d[k] = v
		}
	}
	return d
}

// tarball packs a manifest and files as npm does; the same input gives the same
// bytes.
func tarball(manifest map[string]any, files map[string]string) []byte {
	pkg, err := json.MarshalIndent(manifest, "", "  ")
	if err != nil {
		panic(err) // manifests are made of JSON values
	}
	all := map[string]string{
		"package.json": string(pkg),
		"index.js":     fmt.Sprintf("module.exports = %q\n", manifest["version"]),
	}
	maps.Copy(all, files)
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	t := tar.NewWriter(z)
	for _, name := range slices.Sorted(maps.Keys(all)) {
		body := all[name]
		header := &tar.Header{Name: "package/" + name, Mode: 0o644, Size: int64(len(body)), ModTime: time.Date(1985, 10, 26, 8, 15, 0, 0, time.UTC)}
		if err := t.WriteHeader(header); err != nil {
			panic(err) // a buffer takes everything
		}
		_, _ = t.Write([]byte(body))
	}
	_ = t.Close()
	_ = z.Close()
	return b.Bytes()
}

// base is a package name without its scope.
func base(pkg string) string { return pkg[strings.IndexByte(pkg, '/')+1:] }

func npmTime(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z") }

func revision(p *npmPackage) string {
	sum := sha256.Sum256(fmt.Appendf(nil, "%s %d", p.name, p.rev))
	return fmt.Sprintf("%d-%x", p.rev, sum[:16])
}

// abbreviate keeps the members that installers need.
func abbreviate(m map[string]any) map[string]any {
	out := map[string]any{}
	for _, k := range strings.Fields("name version deprecated dependencies acceptDependencies optionalDependencies devDependencies bundleDependencies " +
		"peerDependencies peerDependenciesMeta bin directories dist engines funding cpu os libc _hasShrinkwrap") {
		if v, ok := m[k]; ok {
			out[k] = v
		}
	}
	if scripts, _ := m["scripts"].(map[string]string); scripts["preinstall"]+scripts["install"]+scripts["postinstall"] != "" {
		out["hasInstallScript"] = true
	}
	return out
}
