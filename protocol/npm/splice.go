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

// manifest writes a version's manifest as the rendering's form has it: the
// original with its URLs replaced by ours (R4), and everything else in dist as
// it was (R6). Deprecated, if not nil, is said against the version's use instead
// of what the manifest says, "" for nothing.
func (w *writer) manifest(l *gate.Listed, deprecated *string) { w.form(l, deprecated, w.short) }

// withheld writes a version's manifest in the short form. The reason becomes
// its deprecation, which makes every npm rank the version last.
func (w *writer) withheld(l *gate.Listed, reason string) { w.form(l, &reason, true) }

func (w *writer) form(l *gate.Listed, deprecated *string, short bool) {
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
	runs := m.kept
	if !short {
		runs = []span{{1, int32(len(m.raw)) - 1}}
	}
	if deprecated != nil && !m.deprecated.empty() {
		if *deprecated != "" {
			edits = append(edits, edit{m.deprecated, quote(nil, *deprecated)})
		} else {
			edits = append(edits, edit{at: m.withoutDeprecation(runs)})
		}
	}
	slices.SortFunc(edits, func(a, b edit) int { return int(a.at.from - b.at.from) })

	w.open('{')
	for _, run := range runs {
		if len(edits) > 0 && edits[0].at == run {
			edits = edits[1:] // nothing is left of it
			continue
		}
		w.comma()
		edits = w.splice(m.raw, run, edits)
	}
	if short && m.InstallScript {
		w.key("hasInstallScript")
		w.b = append(w.b, "true"...)
	}
	if deprecated != nil && *deprecated != "" && m.deprecated.empty() {
		w.text("deprecated", *deprecated)
	}
	w.shut('}')
}

// withoutDeprecation is the piece to leave out of the runs so that the member
// deprecated is not in them: the member with the comma behind it, or the one
// before it when it is the last, or the whole run.
func (m *Manifest) withoutDeprecation(runs []span) span {
	cut := m.deprecation
	for _, run := range runs {
		if cut.from < run.from || cut.to > run.to {
			continue
		}
		for i := cut.to; i < run.to; i++ {
			if m.raw[i] == ',' {
				return span{cut.from, i + 1}
			}
		}
		for i := cut.from - 1; i >= run.from; i-- {
			if m.raw[i] == ',' {
				return span{i, cut.to}
			}
		}
		return run
	}
	return cut
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
