package npm

import (
	"slices"

	"sluice.dev/sluice/tenants/errs"
	"sluice.dev/sluice/tenants/gate"
)

// edit replaces a piece of a manifest.
type edit struct {
	at span
	by []byte
}

// size bounds how long the manifest becomes without its edits.
func (m *Manifest) size(short bool) int {
	if !short {
		return len(m.raw)
	}
	n := 32
	for _, s := range m.kept {
		n += int(s.to-s.from) + 1
	}
	return n
}

// manifest writes a version's manifest: the original with its URLs replaced by
// ours (R4), and everything else in dist as it was (R6). A reason becomes the
// manifest's deprecation, which makes every npm rank the version last.
func (w *writer) manifest(l *gate.Listed, reason string) {
	m, ok := l.Document.(*Manifest)
	if !ok {
		w.err = errs.New(errs.Internal, "npm.render", "%s@%s was not decoded by this package", w.v.Package.Name, l.Version)
		return
	}
	var store [3]edit
	edits := append(store[:0], edit{m.tarball, w.tarballURL(l.Version)})
	if !m.attestation.empty() {
		edits = append(edits, edit{m.attestation, quote(nil, w.attestationURL(l.Version))})
	}
	if reason != "" && !m.deprecated.empty() {
		edits = append(edits, edit{m.deprecated, quote(nil, reason)})
	}
	slices.SortFunc(edits, func(a, b edit) int { return int(a.at.from - b.at.from) })

	w.open('{')
	if w.short || reason != "" {
		for _, run := range m.kept {
			w.comma()
			edits = w.splice(m.raw, run, edits)
		}
		if m.InstallScript {
			w.key("hasInstallScript")
			w.b = append(w.b, "true"...)
		}
	} else {
		w.first = false
		w.splice(m.raw, span{1, int32(len(m.raw)) - 1}, edits)
	}
	if reason != "" && m.deprecated.empty() {
		w.text("deprecated", reason)
	}
	w.shut('}')
}

// splice copies a piece of raw with the edits that lie in it, and returns the
// edits behind it.
func (w *writer) splice(raw []byte, run span, edits []edit) []edit {
	from := run.from
	for len(edits) > 0 && edits[0].at.from < run.to {
		if e := edits[0]; e.at.from >= from {
			w.b = append(w.b, raw[from:e.at.from]...)
			w.b = append(w.b, e.by...)
			from = e.at.to
		}
		edits = edits[1:]
	}
	w.b = append(w.b, raw[from:run.to]...)
	return edits
}

// tarballURL is the JSON string of the tarball's address here.
func (w *writer) tarballURL(version string) []byte {
	out := make([]byte, 0, len(w.tarball)+len(version)+5)
	out = append(append(out, w.tarball...), version...)
	return append(out, `.tgz"`...)
}
