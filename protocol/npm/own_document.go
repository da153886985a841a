package npm

import (
	"slices"
	"time"

	"sluice.dev/sluice/tenants/catalog"
	"sluice.dev/sluice/tenants/coord"
	"sluice.dev/sluice/tenants/errs"
	"sluice.dev/sluice/tenants/gate"
	"sluice.dev/sluice/tenants/intake"
)

// ownDocument renders what a registry itself has and says of a package, with
// its revision, for clients that change it and send it back. Nothing of an
// upstream's list is in it, and what policies withhold is: it is what may be
// written, not what may be installed. It is pure.
func ownDocument(o intake.Own, at Place) ([]byte, error) {
	w := newWriter(&gate.View{Package: o.Package, Tags: o.Tags}, at, false)
	w.open('{')
	w.text("_id", o.Package.Name)
	w.text("_rev", o.Revision)
	w.text("name", o.Package.Name)
	w.tags()
	w.key("versions")
	w.open('{')
	for _, r := range o.Releases {
		l, err := (*Protocol)(nil).DecodeVersion(o.Package.Name, r.Metadata)
		if err != nil {
			return nil, errs.Wrap(err, errs.Internal, "npm.own", "the kept manifest of %s@%s cannot be read", o.Package.Name, r.Version)
		}
		w.versionKey(r.Version)
		var against *string
		if message, said := o.Deprecated[r.Version]; said {
			against = &message
		}
		w.manifest(l, against)
	}
	w.shut('}')
	w.ownTimes(o)
	w.people(o.Maintainers)
	w.users(o.Stars)
	w.shut('}')
	return w.b, w.err
}

// people writes the member maintainers.
func (w *writer) people(all []coord.Person) {
	w.key("maintainers")
	w.open('[')
	for _, p := range all {
		w.comma()
		w.open('{')
		w.text("name", p.Name)
		w.text("email", p.Email)
		w.shut('}')
	}
	w.shut(']')
}

// users writes the member users: who has starred the package.
func (w *writer) users(names []string) {
	w.key("users")
	w.open('{')
	for _, name := range names {
		w.flag(name, true)
	}
	w.shut('}')
}

func (w *writer) ownTimes(o intake.Own) {
	w.key("time")
	w.open('{')
	for _, t := range []struct {
		key string
		at  time.Time
	}{{"created", o.Created}, {"modified", o.Modified}} {
		if !t.at.IsZero() {
			w.text(t.key, stamp(t.at))
		}
	}
	for _, r := range o.Releases {
		if !r.Published.IsZero() {
			w.text(r.Version, stamp(r.Published))
		}
	}
	w.shut('}')
}

// deprecation is what a registry's own document says against a version, "" for
// nothing.
func deprecation(o intake.Own, version string) string {
	if message, said := o.Deprecated[version]; said {
		return message
	}
	for _, r := range o.Releases {
		if r.Version != version {
			continue
		}
		if l, err := (*Protocol)(nil).DecodeVersion(o.Package.Name, r.Metadata); err == nil {
			return l.Deprecated
		}
	}
	return ""
}

// holds reports whether the registry itself has a version.
func holds(o intake.Own, version string) bool {
	return slices.ContainsFunc(o.Releases, func(r *catalog.Release) bool { return r.Version == version })
}
