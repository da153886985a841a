package npm

import (
	"bytes"
	"io"
	"strconv"
	"strings"
	"unicode/utf16"

	"sluice.dev/sluice/tenants/coord"
	"sluice.dev/sluice/tenants/errs"
)

// Bounds of what a client may send to change a package (F3), in bytes.
const (
	maxManifest  = 8 << 20  // one member of the document, or one version's manifest
	maxBundle    = 1 << 20  // a provenance bundle
	maxDocuments = 64 << 20 // everything besides the tarball
	maxMembers   = 1_000
)

// body is what a client sent to change a package, without the bytes of the
// tarball. It serves publishing (the document has an attachment), and changing
// what a registry says of a package (it has none).
type body struct {
	ID, Name, Rev string // "" when absent
	Access        string
	Tags          map[string]string // nil when absent
	Versions      []bodyVersion     // in the body's order
	HasVersions   bool
	Manifest      []byte // of the version, when there is exactly one
	Users         []string
	HasUsers      bool
	Maintainers   []coord.Person
	HasPeople     bool
	Tarball       *attachment
	Bundle        *attachment
}

// bodyVersion is a version in a body.
type bodyVersion struct {
	Version    string // normalized
	Deprecated string // "" for not deprecated
}

// attachment is a file in a body.
type attachment struct {
	Name    string // as the body has it
	Version string // that the name says, normalized
	Size    int64  // bytes that came
	Text    string // of a provenance bundle
}

// arrivals are called while a body is read.
type arrivals struct {
	// version learns which version the tarball is of, before its bytes come.
	version func(version string) error
	// tarball reads the tarball to its end.
	tarball func(data io.Reader) error
}

// bodyReader reads one body.
type bodyReader struct {
	*scanner
	pkg string
	on  arrivals
	out body
}

// readBody reads the body of a change to a package, whatever the order of its
// members: clients differ. The tarball passes by in a stream; everything else is
// bounded. A name in it must be the package's. The error is Invalid or TooLarge,
// or what an arrival returned.
func readBody(from io.Reader, pkg string, on arrivals) (*body, error) {
	b := &bodyReader{scanner: newScanner(from, maxDocuments), pkg: pkg, on: on}
	if err := b.members("the document", maxMembers, b.member); err != nil {
		return nil, err
	}
	if err := b.end(); err != nil {
		return nil, err
	}
	for what, name := range map[string]string{"name": b.out.Name, "_id": b.out.ID} {
		if name != "" && name != pkg {
			return nil, errs.New(errs.Invalid, opPublish, "the path is about %s, but %s in the body is %.200q", pkg, what, name).On(what)
		}
	}
	return &b.out, nil
}

// member reads one member of the document.
func (b *bodyReader) member(key string) error {
	var err error
	switch key {
	case "_id":
		b.out.ID, err = b.text(key)
	case "name":
		b.out.Name, err = b.text(key)
	case "_rev":
		b.out.Rev, err = b.text(key)
	case "access":
		b.out.Access, err = b.text(key)
	case "versions":
		b.out.HasVersions = true
		err = b.members("versions", maxVersions, b.version)
	case "dist-tags":
		b.out.Tags = map[string]string{}
		err = b.members("dist-tags", maxTags, func(tag string) (err error) {
			b.out.Tags[tag], err = b.text("the dist-tag " + tag)
			return err
		})
	case "users":
		b.out.HasUsers = true
		err = b.members("users", maxTags, b.user)
	case "maintainers":
		b.out.HasPeople = true
		b.out.Maintainers, err = b.people()
	case "_attachments":
		err = b.members("_attachments", maxMembers, b.attachment)
	default:
		_, err = b.any(maxManifest, key)
	}
	return err
}

// any reads a value and checks that it is JSON.
func (b *bodyReader) any(limit int, what string) ([]byte, error) {
	raw, err := b.value(limit, what)
	if err != nil {
		return nil, err
	}
	return b.checked(raw, what)
}

// text reads a string; null is "".
func (b *bodyReader) text(what string) (string, error) {
	raw, err := b.any(maxKey, what)
	if err != nil || string(raw) == "null" {
		return "", err
	}
	if raw[0] != '"' {
		return "", b.wrong("%.200s is not a string", what)
	}
	return string(text(raw)), nil
}

// user reads one member of users: who has starred the package.
func (b *bodyReader) user(name string) error {
	raw, err := b.any(maxKey, "users")
	if err == nil && string(raw) == "true" {
		b.out.Users = append(b.out.Users, name)
	}
	return err
}

// version reads one member of versions.
func (b *bodyReader) version(key string) error {
	raw, err := b.any(maxManifest, "the manifest of "+key)
	if err != nil {
		return err
	}
	version, err := coord.NormalizeVersion(coord.NPM, key)
	if err != nil {
		return errs.New(errs.Invalid, opPublish, "versions has %.256q: %v", key, err).On("versions")
	}
	r, err := newReader(raw)
	if err != nil {
		return b.wrong("the manifest of %s cannot be used: %s", version, explain(err))
	}
	var f found
	if err := r.manifest(&f); err != nil {
		return b.wrong("the manifest of %s cannot be used: %s", version, explain(err))
	}
	if f.problem != "" {
		return b.wrong("the manifest of %s cannot be used: %s", version, f.problem)
	}
	b.out.Manifest = nil
	if len(b.out.Versions) == 0 {
		b.out.Manifest = bytes.Clone(raw)
	}
	b.out.Versions = append(b.out.Versions, bodyVersion{version, string(text(f.m.deprecated.of(raw)))})
	return nil
}

// attachment reads one member of _attachments.
func (b *bodyReader) attachment(key string) error {
	name, bundle := strings.CutSuffix(key, ".sigstore")
	if bundle {
		name += ".tgz"
	}
	version, ok := versionOf(b.pkg, name)
	if !ok {
		return errs.New(errs.Invalid, opPublish, "the attachment %.300q is neither %s-{version}.tgz nor %[2]s-{version}.sigstore", key, b.pkg).On("_attachments")
	}
	a := &attachment{Name: key, Version: version, Size: -1}
	length, stub := int64(-1), false
	err := b.members("the attachment "+key, maxMembers, func(member string) error {
		switch {
		case member == "data" && bundle:
			return b.bundle(a)
		case member == "data":
			return b.tarball(a)
		}
		raw, err := b.any(maxKey, "the attachment's "+member)
		switch {
		case err != nil:
			return err
		case member == "stub":
			stub = string(raw) == "true"
		case member == "length":
			if length, err = strconv.ParseInt(string(raw), 10, 64); err != nil || length < 0 {
				return b.wrong("the length of the attachment %s is not a number of bytes: %.40s", key, raw)
			}
		case member == "content_type" && bundle && !strings.HasPrefix(string(text(raw)), "application/vnd.dev.sigstore.bundle"):
			return b.wrong("the content type of the attachment %s is %.200s; it must be that of a Sigstore bundle, application/vnd.dev.sigstore.bundle…", key, raw)
		}
		return nil
	})
	switch {
	case err != nil:
		return err
	case a.Size < 0 && stub:
		return nil // a document that was read says so of the files that it does not carry
	case a.Size < 0:
		return b.wrong("the attachment %s has no data", key)
	case length >= 0 && length != a.Size && (!bundle || length != int64(len(utf16.Encode([]rune(a.Text))))):
		return errs.New(errs.Invalid, opPublish, "the attachment %s says that its length is %d, but %d bytes came", key, length, a.Size).On("_attachments")
	}
	return b.attach(a, bundle)
}

func (b *bodyReader) attach(a *attachment, bundle bool) error {
	at := &b.out.Tarball
	if bundle {
		at = &b.out.Bundle
	}
	if *at != nil {
		return b.twice(*at, a)
	}
	*at = a
	return nil
}

func (b *bodyReader) twice(first, second *attachment) error {
	return errs.New(errs.Invalid, opPublish, "there are two attachments of a kind, %.300q and %.300q; one version is published at a time", first.Name, second.Name).On("_attachments")
}

// bundle reads the text of a provenance bundle.
func (b *bodyReader) bundle(a *attachment) error {
	raw, err := b.any(2*maxBundle, "the provenance bundle")
	if err != nil {
		return err
	}
	if raw[0] != '"' {
		return b.wrong("the data of the attachment %s is not a string", a.Name)
	}
	a.Text = string(text(raw))
	a.Size = int64(len(a.Text))
	if a.Size > maxBundle {
		return errs.New(errs.TooLarge, opPublish, "the provenance bundle is larger than the bound of %d bytes", maxBundle)
	}
	return nil
}

// tarball streams the tarball to whom it may concern.
func (b *bodyReader) tarball(a *attachment) error {
	if b.out.Tarball != nil {
		return b.twice(b.out.Tarball, a)
	}
	if err := b.on.version(a.Version); err != nil {
		return err
	}
	data, err := b.base64("the data of the attachment " + a.Name)
	if err != nil {
		return err
	}
	counted := &counter{from: data}
	if err := b.on.tarball(counted); err != nil {
		return err
	}
	if !data.closed {
		return errs.New(errs.Internal, opPublish, "the tarball was not read to its end")
	}
	a.Size = counted.n
	return nil
}
