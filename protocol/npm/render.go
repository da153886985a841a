package npm

import (
	"slices"
	"strings"
	"time"

	"sluice.dev/sluice/tenants/gate"
	"sluice.dev/sluice/tenants/policy"
)

// Place says where a view is shown, for the URLs in it (R4).
type Place struct {
	Registry string // absolute URL of the registry, no trailing slash
	Org      string // absolute root URL of the organization, no trailing slash
}

// Full renders the full package document of a view: every top-level member that
// the first source has, the versions that lists show, their publish times, the
// view's tags, and policyRestrictions for what is withheld. Withheld versions
// are in no other member (P7). It is pure.
func Full(v *gate.View, at Place) ([]byte, error) {
	w := newWriter(v, at, false)
	w.reserve()
	w.open('{')
	w.text("_id", v.Package.Name)
	w.text("name", v.Package.Name)
	w.tags()
	doc := baseOf(v)
	for _, p := range doc.parts {
		switch {
		case p.member == "", ownable[p.member] && v.Own == nil:
			w.comma()
			w.b = append(w.b, p.span.of(doc.raw)...)
		case p.member == "versions":
			w.versions()
		case p.member == "time":
			w.times(doc)
		}
	}
	w.versions()
	w.times(doc)
	w.own()
	w.restrictions()
	w.shut('}')
	return w.b, w.err
}

// Abbreviated renders the document that installers ask for, "corgi": the
// members that resolving and installing need, and time, which installers with a
// minimum age read (R5). It is pure.
func Abbreviated(v *gate.View, at Place) ([]byte, error) {
	w := newWriter(v, at, true)
	w.reserve()
	doc := baseOf(v)
	w.open('{')
	w.text("name", v.Package.Name)
	if !v.Modified.IsZero() {
		w.text("modified", stamp(v.Modified))
	}
	w.tags()
	w.versions()
	w.times(doc)
	w.restrictions()
	w.shut('}')
	return w.b, w.err
}

// Version renders the full manifest of one version of a view. The caller has
// decided that it may be shown. It is pure.
func Version(v *gate.View, e *gate.Entry, at Place) ([]byte, error) {
	w := newWriter(v, at, false)
	w.manifest(e.Listed, e.Deprecated)
	return w.b, w.err
}

// own writes what the registry itself says of the package, with the revision
// that a change must name: npm owner reads this document, and no other, before
// it writes.
func (w *writer) own() {
	o := w.v.Own
	if o == nil {
		return
	}
	w.text("_rev", o.Revision)
	w.people(o.Maintainers)
	w.users(o.Stars)
}

// DistTags renders the view's tags as one object. It is pure.
func DistTags(v *gate.View) []byte {
	w := &writer{v: v}
	w.tagObject()
	return w.b
}

// baseOf returns the document whose top level is shown; an empty one when only
// held versions are known.
func baseOf(v *gate.View) *Packument {
	if v.Base != nil {
		if doc, ok := v.Base.Document.(*Packument); ok {
			return doc
		}
	}
	return &Packument{}
}

// writer builds one rendering.
type writer struct {
	v       *gate.View
	at      Place
	short   bool // abbreviated
	b       []byte
	first   bool   // the next member needs no comma before it
	tarball string // the tarballs' address as JSON, up to the version
	err     error

	didVersions, didTimes bool
}

func newWriter(v *gate.View, at Place, short bool) *writer {
	url := quote(nil, at.Registry+"/"+v.Package.Name+"/-/"+baseName(v.Package.Name)+"-")
	return &writer{v: v, at: at, short: short, tarball: string(url[:len(url)-1])}
}

// reserve makes room for a whole document, so that it is not copied while it
// grows.
func (w *writer) reserve() {
	size := 4 << 10
	for i := range w.v.Entries {
		e := &w.v.Entries[i]
		if m, ok := e.Document.(*Manifest); ok {
			size += m.size(w.short) + len(w.tarball) + 80
		}
		if e.Deprecated != nil {
			size += len(*e.Deprecated) + 20
		}
	}
	if !w.short {
		for _, p := range baseOf(w.v).parts {
			size += int(p.span.to - p.span.from)
		}
	}
	w.b = make([]byte, 0, size)
}

// open and shut write a bracket; comma goes before every member.
func (w *writer) open(c byte) { w.b, w.first = append(w.b, c), true }

func (w *writer) shut(c byte) { w.b, w.first = append(w.b, c), false }

func (w *writer) comma() {
	if !w.first {
		w.b = append(w.b, ',')
	}
	w.first = false
}

// key begins a member.
func (w *writer) key(k string) {
	w.comma()
	w.b = append(quote(w.b, k), ':')
}

// versionKey begins a member named by a version, which is normalized and has
// nothing to escape.
func (w *writer) versionKey(v string) {
	w.comma()
	w.b = append(append(append(w.b, '"'), v...), '"', ':')
}

// text writes a member whose value is a string.
func (w *writer) text(k, s string) {
	w.key(k)
	w.b = quote(w.b, s)
}

func (w *writer) tags() {
	w.key("dist-tags")
	w.tagObject()
}

func (w *writer) tagObject() {
	names := make([]string, 0, len(w.v.Tags))
	for name := range w.v.Tags {
		names = append(names, name)
	}
	slices.Sort(names)
	w.open('{')
	for _, name := range names {
		w.text(name, w.v.Tags[name])
	}
	w.shut('}')
}

// listed yields the entries that lists show.
func (w *writer) listed(f func(e *gate.Entry)) {
	for i := range w.v.Entries {
		if e := &w.v.Entries[i]; e.Decision.Listed {
			f(e)
		}
	}
}

// versions writes the versions that lists show, once.
func (w *writer) versions() {
	if w.didVersions {
		return
	}
	w.didVersions = true
	w.key("versions")
	w.open('{')
	w.listed(func(e *gate.Entry) {
		w.versionKey(e.Version)
		w.manifest(e.Listed, e.Deprecated)
	})
	w.shut('}')
}

// times writes the publish times of the versions that lists show, once. created
// is the source's word, else the earliest that is known.
func (w *writer) times(doc *Packument) {
	if w.didTimes {
		return
	}
	w.didTimes = true
	created := doc.created
	if created.IsZero() {
		w.listed(func(e *gate.Entry) {
			if p := e.Published; !p.IsZero() && (created.IsZero() || p.Before(created)) {
				created = p
			}
		})
	}
	w.key("time")
	w.open('{')
	for _, t := range []struct {
		key string
		at  time.Time
	}{{"created", created}, {"modified", w.v.Modified}} {
		if !t.at.IsZero() {
			w.text(t.key, stamp(t.at))
		}
	}
	w.listed(func(e *gate.Entry) {
		if !e.Published.IsZero() {
			w.versionKey(e.Version)
			w.b = e.Published.UTC().AppendFormat(append(w.b, '"'), stampLayout)
			w.b = append(w.b, '"')
		}
	})
	w.shut('}')
}

// stampLayout is how the registry writes times.
const stampLayout = "2006-01-02T15:04:05.000Z"

func stamp(t time.Time) string { return t.UTC().Format(stampLayout) }

// isHidden reports whether a version is left out of lists by a decision.
func isHidden(d policy.Decision) bool { return d.Withheld() && !d.Listed }

// attestationURL is where this registry has the attestations of a version.
func (w *writer) attestationURL(version string) string {
	return w.at.Registry + "/-/npm/v1/attestations/" + strings.Replace(w.v.Package.Name, "/", "%2f", 1) + "@" + version
}
