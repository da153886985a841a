package npm

import (
	"errors"
	"fmt"
	"slices"

	"sluice.dev/sluice/tenants/coord"
	"sluice.dev/sluice/tenants/gate"
	"sluice.dev/sluice/tenants/policy"
)

// Manifest is what was found in the manifest of one version (Listed.Document).
// It knows places, not contents: rendering copies the pieces of the original
// between them, so that everything else stays byte for byte what the publisher
// and the source signed (R6).
type Manifest struct {
	raw []byte

	// InstallScript tells whether installing the version runs something: a
	// preinstall, install or postinstall script, or an implicit node-gyp build.
	InstallScript bool

	tarball     span   // the value of dist.tarball
	attestation span   // the value of dist.attestations.url
	deprecated  span   // the value of deprecated
	deprecation span   // the whole member deprecated
	kept        []span // runs of members that the abbreviated form has
}

// abbreviated are the members of a manifest that the abbreviated form has.
// hasInstallScript is added from what the scripts say.
var abbreviated = map[string]bool{
	"name": true, "version": true, "deprecated": true, "dependencies": true, "acceptDependencies": true,
	"optionalDependencies": true, "devDependencies": true, "bundleDependencies": true, "bundledDependencies": true,
	"peerDependencies": true, "peerDependenciesMeta": true, "bin": true, "directories": true, "dist": true,
	"engines": true, "_hasShrinkwrap": true, "funding": true, "cpu": true, "os": true, "libc": true,
}

// found collects what one manifest says, until it is checked. Spans are of the
// reader's whole document until the manifest is complete.
type found struct {
	m                  Manifest
	name, version      []byte
	tarball            []byte
	integrity, shasum  []byte
	license, licenses  span
	runs, gyp, flagged bool   // scripts that run, gypfile, hasInstallScript
	keptLast           bool   // the last member was kept
	problem            string // what spoils this version, "" for nothing
}

// spoil notes what is wrong with the manifest. The document is not spoilt.
func (f *found) spoil(format string, args ...any) {
	if f.problem == "" {
		f.problem = fmt.Sprintf(format, args...)
	}
}

// manifest reads one manifest into f. An error means that the document as a
// whole is no JSON; what is wrong with the manifest itself is in f.problem.
func (r *reader) manifest(f *found) error {
	*f = found{m: Manifest{kept: f.m.kept[:0]}}
	if !r.is('{') {
		f.spoil("the manifest is not an object")
		_, err := r.value()
		return err
	}
	whole, err := r.object(func(key []byte, at int32) error { return r.member(f, key, at) })
	if err != nil {
		return err
	}
	f.m.raw = whole.of(r.raw)
	for _, s := range []*span{&f.m.tarball, &f.m.attestation, &f.m.deprecated, &f.m.deprecation} {
		s.shift(whole.from)
	}
	for i := range f.m.kept {
		f.m.kept[i].shift(whole.from)
	}
	f.m.InstallScript = f.runs || f.gyp || f.flagged
	return nil
}

func (r *reader) member(f *found, key []byte, at int32) error {
	var v span
	var err error
	switch string(key) {
	case "dist":
		v, err = r.dist(f)
	case "scripts":
		v, err = r.scripts(f)
	default:
		v, err = r.value()
	}
	if err != nil {
		return err
	}
	f.note(r.raw, key, v)
	if string(key) == "deprecated" {
		f.m.deprecation = span{at, v.to}
	}
	f.keep(abbreviated[string(key)], at, v.to)
	return nil
}

// note remembers the members that matter.
func (f *found) note(raw, key []byte, v span) {
	switch string(key) {
	case "name":
		f.name = text(v.of(raw))
	case "version":
		f.version = text(v.of(raw))
	case "license":
		f.license = v
	case "licenses":
		f.licenses = v
	case "deprecated":
		f.m.deprecated = v
	case "gypfile":
		f.gyp = string(v.of(raw)) == "true"
	case "hasInstallScript":
		f.flagged = string(v.of(raw)) == "true"
	case "__proto__":
		f.spoil("the manifest has a member named __proto__")
	}
}

// keep extends the runs of kept members: neighbours become one run, with
// whatever is between them.
func (f *found) keep(yes bool, from, to int32) {
	switch {
	case !yes:
	case f.keptLast:
		f.m.kept[len(f.m.kept)-1].to = to
	default:
		f.m.kept = append(f.m.kept, span{from, to})
	}
	f.keptLast = yes
}

func (r *reader) dist(f *found) (span, error) {
	if !r.is('{') {
		f.spoil("dist is not an object")
		return r.value()
	}
	return r.object(func(key []byte, _ int32) error {
		if string(key) == "attestations" && r.is('{') {
			return r.attestations(f)
		}
		v, err := r.value()
		if err != nil {
			return err
		}
		b := text(v.of(r.raw))
		switch string(key) {
		case "tarball":
			f.m.tarball, f.tarball = v, b
		case "integrity":
			f.integrity = b
		case "shasum":
			f.shasum = b
		default:
			return nil
		}
		if b == nil && string(v.of(r.raw)) != "null" {
			f.spoil("dist.%s is not a string", key)
		}
		return nil
	})
}

func (r *reader) attestations(f *found) error {
	_, err := r.object(func(key []byte, _ int32) error {
		v, err := r.value()
		if err == nil && string(key) == "url" && text(v.of(r.raw)) != nil {
			f.m.attestation = v
		}
		return err
	})
	return err
}

func (r *reader) scripts(f *found) (span, error) {
	if !r.is('{') {
		return r.value()
	}
	return r.object(func(key []byte, _ int32) error {
		install := string(key) == "preinstall" || string(key) == "install" || string(key) == "postinstall"
		v, err := r.value()
		if err == nil && install && len(text(v.of(r.raw))) > 0 {
			f.runs = true
		}
		return err
	})
}

// listed checks what was found and makes a Listed of it, with the licence that
// the caller read. version is the key under which the document has it, "" when
// it stands alone.
func (f *found) listed(pkg, version string, lic policy.LicenseFact) (*gate.Listed, error) {
	if f.problem != "" {
		return nil, errors.New(f.problem)
	}
	if string(f.name) != pkg {
		return nil, fmt.Errorf("the manifest says that its name is %.200q", f.name)
	}
	norm, err := coord.NormalizeVersion(coord.NPM, string(f.version))
	if err != nil {
		return nil, fmt.Errorf("in the manifest: %w", err)
	}
	if version != "" && norm != version {
		return nil, fmt.Errorf("the manifest says that its version is %q", f.version)
	}
	if len(f.tarball) == 0 {
		return nil, errors.New("dist.tarball is missing")
	}
	sums, err := digests(f.integrity, f.shasum)
	if err != nil {
		return nil, err
	}
	m := f.m
	m.kept = slices.Clone(f.m.kept)
	return &gate.Listed{
		Version:    norm,
		License:    lic,
		Deprecated: m.deprecatedText(),
		Files:      []gate.File{{Name: FileName(pkg, norm), URL: string(f.tarball), Digests: sums, Size: -1}},
		Raw:        m.raw,
		Document:   &m,
	}, nil
}

// deprecatedText is what the manifest says against its use, "" for nothing. Old
// documents have true and false, of which the first says no more than that.
func (m *Manifest) deprecatedText() string {
	if m.deprecated.empty() {
		return ""
	}
	switch v := m.deprecated.of(m.raw); {
	case string(v) == "true":
		return "deprecated"
	default:
		return string(text(v))
	}
}
