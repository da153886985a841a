package npm

import (
	"bytes"
	"fmt"
	"slices"
	"time"

	"sluice.dev/sluice/tenants/coord"
	"sluice.dev/sluice/tenants/errs"
	"sluice.dev/sluice/tenants/gate"
)

// Bounds of a document (F3); its size is the guarded client's.
const (
	maxVersions = 100_000
	maxTags     = 10_000
	maxSkipped  = 100 // remembered for the log
)

// Packument is what was found at the top level of a package document
// (Listing.Document).
type Packument struct {
	raw     []byte
	parts   []part
	created time.Time // zero when the source does not say
}

// part is a piece of the top level, in order: one of the members that every
// rendering writes anew, one that a registry may have a word of its own on, or a
// run of members that pass through.
type part struct {
	member string // "" for a run
	span   span   // of the run, or of a member that may pass through
}

// rewritten are the top-level members that renderings write themselves. An
// upstream's policyRestrictions and stagedVersions would offer versions that no
// rule of ours has seen, _attachments are bytes, and none of these nor
// __proto__ passes through.
var rewritten = map[string]bool{
	"_id": true, "name": true, "dist-tags": true, "versions": true, "time": true, "modified": true,
	"policyRestrictions": true, "stagedVersions": true, "_attachments": true, "__proto__": true,
}

// ownable are the top-level members that the asked registry writes itself when
// it has a word of its own on the package.
var ownable = map[string]bool{"_rev": true, "maintainers": true, "users": true}

// decoder reads one document.
type decoder struct {
	*reader
	pkg      string
	doc      *Packument
	list     *gate.Listing
	names    map[string]bool // of versions, normalized
	times    map[string]time.Time
	licenses licenses
	keys     [][]byte // under which the document has list.Versions
	name     []byte
	f        found
	passing  bool // the last member was passed through
}

// Decode implements gate.Protocol.
func (*Protocol) Decode(pkg string, raw []byte) (*gate.Listing, error) {
	r, err := newReader(raw)
	if err == nil {
		d := &decoder{
			reader: r, pkg: pkg, doc: &Packument{raw: raw},
			names: map[string]bool{}, times: map[string]time.Time{}, licenses: licenses{},
		}
		d.list = &gate.Listing{
			Package:  coord.Package{Ecosystem: coord.NPM, Name: pkg},
			Tags:     map[string]string{},
			Raw:      raw,
			Document: d.doc,
		}
		if err = d.read(); err == nil {
			return d.list, nil
		}
	}
	return nil, errs.New(errs.Upstream, "npm.decode", "the source's document for %s cannot be used: %s", pkg, wrong(raw, err))
}

// wrong says what is wrong with a document that could not be read.
func wrong(raw []byte, err error) string {
	if bytes.HasPrefix(bytes.TrimSpace(raw), []byte("<")) {
		return "it is an HTML or XML page, not JSON"
	}
	return explain(err)
}

func (d *decoder) read() error {
	if !d.is('{') {
		if _, err := d.value(); err != nil {
			return err
		}
		return fmt.Errorf("it is not a JSON object")
	}
	if _, err := d.object(d.top); err != nil {
		return err
	}
	if err := d.end(); err != nil {
		return err
	}
	return d.finish()
}

// top reads one member of the top level.
func (d *decoder) top(key []byte, at int32) (err error) {
	var v span
	switch string(key) {
	case "versions":
		v, err = d.objectOr("versions", d.version)
	case "dist-tags":
		v, err = d.objectOr("dist-tags", d.tag)
	case "time":
		v, err = d.objectOr("time", d.when)
	default:
		v, err = d.value()
	}
	if err != nil {
		return err
	}
	if string(key) == "name" || string(key) == "_id" && d.name == nil {
		d.name = text(v.of(d.raw))
	}
	d.part(string(key), span{at, v.to})
	return nil
}

// objectOr reads an object whose name is known, or says that it is none.
func (d *decoder) objectOr(name string, f func(key []byte, at int32) error) (span, error) {
	if !d.is('{') {
		if _, err := d.value(); err != nil {
			return span{}, err
		}
		return span{}, fmt.Errorf("%s is not an object", name)
	}
	return d.object(f)
}

// part notes where a top-level member is; members that pass through and are
// neighbours become one run.
func (d *decoder) part(key string, s span) {
	parts := d.doc.parts
	switch {
	case rewritten[key]:
		d.doc.parts = append(parts, part{member: key})
	case ownable[key]:
		d.doc.parts = append(parts, part{member: key, span: s})
	case d.passing:
		parts[len(parts)-1].span.to = s.to
	default:
		d.doc.parts = append(parts, part{span: s})
	}
	d.passing = !rewritten[key] && !ownable[key]
}

func (d *decoder) version(key []byte, _ int32) error {
	if err := d.manifest(&d.f); err != nil {
		return err
	}
	if len(d.list.Versions) == maxVersions {
		return fmt.Errorf("it has more than the bound of %d versions", maxVersions)
	}
	norm, err := coord.NormalizeVersion(coord.NPM, string(key))
	if err == nil && d.names[norm] {
		err = fmt.Errorf("listed twice, as spellings of %s", norm)
	}
	var l *gate.Listed
	if err == nil {
		l, err = d.f.listed(d.pkg, norm, d.licenses.fact(d.raw, &d.f))
	}
	if err != nil {
		d.skip(key, err)
		return nil
	}
	d.names[norm] = true
	d.list.Versions = append(d.list.Versions, l)
	d.keys = append(d.keys, key)
	return nil
}

func (d *decoder) skip(version []byte, why error) {
	switch n := len(d.list.Skipped); {
	case n < maxSkipped:
		d.list.Skipped = append(d.list.Skipped, fmt.Sprintf("%.256s: %v", version, why))
	case n == maxSkipped:
		d.list.Skipped = append(d.list.Skipped, "and more")
	}
}

// tag reads one dist-tag. What is no string or no version is left out: a tag
// that nobody can resolve offers nothing.
func (d *decoder) tag(key []byte, _ int32) error {
	v, err := d.value()
	if err != nil {
		return err
	}
	if len(d.list.Tags) == maxTags {
		return fmt.Errorf("it has more than the bound of %d dist-tags", maxTags)
	}
	version, err := coord.NormalizeVersion(coord.NPM, string(text(v.of(d.raw))))
	if err != nil || len(key) == 0 || len(key) > coord.MaxNameLength || string(key) == "__proto__" {
		d.skip(append([]byte("dist-tag "), key...), fmt.Errorf("it does not name a version"))
		return nil
	}
	d.list.Tags[string(key)] = version
	return nil
}

// when reads one publish time. What is no time is left out (R5: unknown).
func (d *decoder) when(key []byte, _ int32) error {
	v, err := d.value()
	if err != nil {
		return err
	}
	t, err := time.Parse(time.RFC3339, string(text(v.of(d.raw))))
	if err != nil {
		return nil
	}
	if string(key) == "created" {
		d.doc.created = t.UTC()
	} else if len(d.times) < 2*maxVersions {
		d.times[string(key)] = t.UTC()
	}
	return nil
}

// finish checks what the document says of itself and brings its parts together.
func (d *decoder) finish() error {
	switch {
	case d.name == nil:
		return fmt.Errorf("it is not a package document: it has no name")
	case string(d.name) != d.pkg:
		return fmt.Errorf("it is about another package, %.200q", d.name)
	}
	for i, l := range d.list.Versions {
		l.Published = d.times[string(d.keys[i])]
	}
	d.list.Versions = ascending(d.list.Versions)
	return nil
}

// ascending sorts versions in npm's order, reading each version once.
func ascending(in []*gate.Listed) []*gate.Listed {
	type keyed struct {
		key coord.Key
		l   *gate.Listed
	}
	all := make([]keyed, len(in))
	for i, l := range in {
		all[i] = keyed{coord.KeyOf(coord.NPM, l.Version), l}
	}
	slices.SortStableFunc(all, func(a, b keyed) int { return a.key.Compare(b.key) })
	for i := range all {
		in[i] = all[i].l
	}
	return in
}

// DecodeVersion implements gate.Protocol. It answers as Decode does for the
// same manifest, but for the publish time, which a manifest does not have.
func (*Protocol) DecodeVersion(pkg string, raw []byte) (*gate.Listed, error) {
	r, err := newReader(raw)
	var f found
	if err == nil {
		if err = r.manifest(&f); err == nil {
			err = r.end()
		}
	}
	if err != nil {
		return nil, errs.New(errs.Upstream, "npm.decode", "the manifest of a version of %s cannot be used: %s", pkg, wrong(raw, err))
	}
	l, err := f.listed(pkg, "", licenses{}.fact(raw, &f))
	if err != nil {
		return nil, errs.New(errs.Upstream, "npm.decode", "the manifest of a version of %s cannot be used: %s", pkg, err)
	}
	return l, nil
}
