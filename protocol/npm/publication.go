package npm

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"

	"sluice.dev/sluice/tenants/blob"
	"sluice.dev/sluice/tenants/coord"
	"sluice.dev/sluice/tenants/errs"
)

// publication is a version to publish whose parts agree with each other.
type publication struct {
	pkg, version string
	tags         []string
	manifest     []byte // as the client sent it
	contents     *contents
	declared     blob.Declared // of the tarball
	bundle       *provenance   // nil for none
}

// maxNewTags bounds the tags that one publish sets.
const maxNewTags = 20

// publication checks that the path, the body, its manifest, its attachments and
// package.json in the tarball speak of the same one version.
func (b *body) publication(pkg string, c *contents) (*publication, error) {
	refuse := func(field, format string, args ...any) (*publication, error) {
		return nil, errs.New(errs.Invalid, opPublish, format, args...).On(field)
	}
	switch {
	case b.Tarball == nil:
		return refuse("_attachments", "the body has a provenance bundle but no tarball")
	case b.Name == "":
		return refuse("name", "the body has no name; it must be %s", pkg)
	case len(b.Versions) != 1:
		return refuse("versions", "the body has %d versions; with a tarball it must have the one that is published", len(b.Versions))
	}
	version := b.Versions[0].Version
	if err := checkAccess(pkg, b.Access); err != nil {
		return nil, err
	}
	for _, a := range []*attachment{b.Tarball, b.Bundle} {
		if a != nil && a.Version != version {
			return refuse("_attachments", "the body is about version %s, but its attachment is %.300q", version, a.Name)
		}
	}
	if c.name != pkg {
		return refuse("name", "the path is about %s, but package.json in the tarball has the name %.200q", pkg, c.name)
	}
	if inside, err := coord.NormalizeVersion(coord.NPM, c.version); err != nil || inside != version {
		return refuse("version", "the body is about version %s, but package.json in the tarball has the version %.256q", version, c.version)
	}
	p := &publication{pkg: pkg, version: version, manifest: b.Manifest, contents: c}
	var err error
	if p.declared, err = declared(pkg, version, b.Manifest); err != nil {
		return nil, err
	}
	if p.tags, err = newTags(b.Tags, version); err != nil {
		return nil, err
	}
	if b.Bundle != nil {
		p.bundle, err = p.provenance(b.Bundle.Text)
	}
	return p, err
}

// checkAccess judges who may read a new version, as the client asks for it. In a
// Sluice registry its own readers do, whatever the client says.
func checkAccess(pkg, access string) error {
	scoped := strings.HasPrefix(pkg, "@")
	switch {
	case access == "" || access == "public" || access == "private" && scoped || access == "restricted" && scoped:
		return nil
	case access == "restricted" || access == "private":
		return errs.New(errs.Invalid, opPublish, "access %s is for packages with a scope, and %s has none", access, pkg).On("access")
	}
	return errs.New(errs.Invalid, opPublish, "access is %.100q; it must be public or restricted", access).On("access")
}

// declared reads what the manifest says of the tarball.
func declared(pkg, version string, manifest []byte) (blob.Declared, error) {
	refuse := func(field, format string, args ...any) (blob.Declared, error) {
		return blob.Declared{}, errs.New(errs.Invalid, opPublish, format, args...).On(field)
	}
	r, err := newReader(manifest)
	var f found
	if err == nil {
		err = r.manifest(&f)
	}
	if err != nil {
		return refuse("versions", "the manifest of %s cannot be used: %s", version, explain(err))
	}
	if string(f.name) != pkg {
		return refuse("name", "the path is about %s, but the manifest in the body has the name %.200q", pkg, f.name)
	}
	if v, err := coord.NormalizeVersion(coord.NPM, string(f.version)); err != nil || v != version {
		return refuse("version", "versions has %s, but the manifest there has the version %.256q", version, f.version)
	}
	sums, err := digests(f.integrity, f.shasum)
	if err != nil {
		return refuse("dist", "%v", err)
	}
	return blob.Declared{Size: blob.SizeUnknown, SHA512: sums.SHA512, SHA256: sums.SHA256, SHA1: sums.SHA1}, nil
}

// newTags are the tags of a publish: latest when it names none.
func newTags(tags map[string]string, version string) ([]string, error) {
	if len(tags) > maxNewTags {
		return nil, errs.New(errs.TooLarge, opPublish, "the body has more than the bound of %d dist-tags", maxNewTags)
	}
	out := make([]string, 0, 1)
	for tag, to := range tags {
		if err := checkTag(tag); err != nil {
			return nil, err
		}
		if norm, err := coord.NormalizeVersion(coord.NPM, to); err != nil || norm != version {
			return nil, errs.New(errs.Invalid, opPublish, "the dist-tag %s is to point at %.256q, but the version that is published is %s", tag, to, version).On("dist-tags")
		}
		out = append(out, tag)
	}
	if len(out) == 0 {
		out = append(out, "latest")
	}
	return out, nil
}

// checkTag refuses names of dist-tags that clients could take for a version or a
// range.
func checkTag(tag string) error {
	refuse := func(format string, args ...any) error {
		return errs.New(errs.Invalid, "npm.tag", format, args...).On("dist-tags")
	}
	if tag == "" || len(tag) > coord.MaxNameLength || tag != strings.TrimSpace(tag) || strings.ContainsFunc(tag, unprintable) {
		return refuse("%.100q cannot be a dist-tag; it must be printable, without spaces around it, and at most %d bytes long", tag, coord.MaxNameLength)
	}
	if _, err := coord.ParseRange(coord.NPM, tag); err == nil {
		return refuse("the dist-tag %s would be taken for a version or a range", tag)
	}
	if tag == "__proto__" {
		return refuse("%s cannot be a dist-tag", tag)
	}
	return nil
}

// mismatch explains, to the one who declared them, that the bytes are others.
func mismatch(m *blob.Mismatch) error {
	say := func(hexadecimal string) string { return hexadecimal }
	field := "dist.shasum"
	if m.What != "sha1" {
		field = "dist.integrity"
		say = func(hexadecimal string) string {
			sum, err := hex.DecodeString(hexadecimal)
			if err != nil {
				return hexadecimal
			}
			return m.What + "-" + base64.StdEncoding.EncodeToString(sum)
		}
	}
	return errs.Wrap(m, errs.Invalid, opPublish, "the tarball is not the declared one: %s says %s, but %s came", field, say(m.Declared), say(m.Received)).On(field)
}

// replaced are the members of a manifest that the registry writes itself.
var replaced = map[string]bool{
	"dist": true, "version": true, "_id": true, "_npmUser": true, "_hasShrinkwrap": true,
	"gypfile": true, "hasInstallScript": true, "_attachments": true,
}

// metadata is the manifest as the registry keeps it: what the client sent, with
// the members that say something about the tarball made from the tarball.
func (p *publication) metadata(info blob.Info, by coord.Person) ([]byte, error) {
	r, err := newReader(p.manifest)
	if err != nil {
		return nil, err
	}
	w := &writer{b: make([]byte, 0, len(p.manifest)+2048)}
	w.open('{')
	var f found
	_, err = r.object(func(key []byte, at int32) error {
		if err := r.member(&f, key, at); err != nil {
			return err
		}
		if !replaced[string(key)] {
			w.comma()
			w.b = append(w.b, p.manifest[at:r.pos()]...)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	w.text("version", p.version)
	w.text("_id", p.pkg+"@"+p.version)
	if by.Name != "" {
		w.person("_npmUser", by)
	}
	w.flag("_hasShrinkwrap", p.contents.locked)
	if p.contents.builds {
		w.flag("gypfile", true)
	}
	if p.contents.runs && !f.runs {
		w.flag("hasInstallScript", true)
	}
	w.published(p, info)
	w.shut('}')
	return w.b, nil
}

// published writes the member dist.
func (w *writer) published(p *publication, info blob.Info) {
	w.key("dist")
	w.open('{')
	w.text("integrity", subresource(info.SHA512[:]))
	w.text("shasum", hex.EncodeToString(info.SHA1[:]))
	w.text("tarball", "/"+p.pkg+"/-/"+FileName(p.pkg, p.version))
	w.key("fileCount")
	w.b = strconv.AppendInt(w.b, int64(p.contents.files), 10)
	w.key("unpackedSize")
	w.b = strconv.AppendInt(w.b, p.contents.unpacked, 10)
	if p.bundle != nil {
		w.key("attestations")
		w.open('{')
		w.text("url", "/-/npm/v1/attestations/"+wireName(p.pkg)+"@"+p.version)
		w.key("provenance")
		w.open('{')
		w.text("predicateType", p.bundle.predicate)
		w.shut('}')
		w.shut('}')
	}
	w.shut('}')
}

// subresource is a SHA-512 as Subresource Integrity has it (W3C).
func subresource(sha512 []byte) string { return "sha512-" + base64.StdEncoding.EncodeToString(sha512) }

// flag and person write members.
func (w *writer) flag(k string, v bool) {
	w.key(k)
	w.b = strconv.AppendBool(w.b, v)
}

func (w *writer) person(k string, p coord.Person) {
	w.key(k)
	w.open('{')
	w.text("name", p.Name)
	if p.Email != "" {
		w.text("email", p.Email)
	}
	w.shut('}')
}

// about is what a search finds the package by: its description and keywords.
func about(manifest []byte) string {
	const most = 2000
	var description string
	var keywords []string
	r, err := newReader(manifest)
	if err != nil {
		return ""
	}
	_, err = r.object(func(key []byte, _ int32) error {
		if string(key) == "keywords" && r.is('[') {
			return r.strings(func(word string) { keywords = append(keywords, word) })
		}
		v, err := r.value()
		if err == nil && string(key) == "description" {
			description = string(text(v.of(r.raw)))
		}
		return err
	})
	if err != nil {
		return ""
	}
	out := strings.TrimSpace(fmt.Sprintf("%s\n%s", description, strings.Join(keywords, " ")))
	if len(out) > most {
		out = string(bytes.ToValidUTF8([]byte(out[:most]), nil))
	}
	return out
}

// strings reads an array and calls f for each string in it.
func (r *reader) strings(f func(string)) error {
	from, err := r.enter()
	if err != nil {
		return err
	}
	for !r.is(']') {
		v, err := r.value()
		if err != nil {
			return err
		}
		if b := text(v.of(r.raw)); b != nil {
			f(string(b))
		}
	}
	_, err = r.leave(from)
	return err
}
