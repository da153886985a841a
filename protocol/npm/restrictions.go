package npm

import (
	"fmt"
	"strings"

	"sluice.dev/sluice/tenants/gate"
)

// Bounds of what a list says about the versions that it withholds. Terminals
// and npm's own error take it as one line.
const (
	maxMessage     = 900
	maxReason      = 240
	maxReasonKinds = 4 // reasons told apart in one message
	maxNamed       = 5 // versions named per reason
)

// restrictions writes policyRestrictions, npm's native way to say why a version
// cannot be had: npm ranks these versions last, and when only they match it
// fails with the message. Each carries its reason as a deprecation too, because
// npm 8 and 9 do not rank them last otherwise.
func (w *writer) restrictions() {
	var out []*gate.Entry
	for i := range w.v.Entries {
		if e := &w.v.Entries[i]; isHidden(e.Decision) {
			out = append(out, e)
		}
	}
	if len(out) == 0 {
		return
	}
	w.key("policyRestrictions")
	w.open('{')
	w.text("message", message(w.v, out, w.at))
	w.key("versions")
	w.open('{')
	for _, e := range out {
		w.versionKey(e.Version)
		w.manifest(e.Listed, reason(e))
	}
	w.shut('}')
	w.shut('}')
}

// reason says in one ASCII line why an entry is withheld, and by whom.
func reason(e *gate.Entry) string {
	d := e.Decision.Decisive
	if d == nil {
		return "withheld by policy"
	}
	s := "withheld by " + plain(d.RegistryName, 80) + ": " + plain(d.Reason, maxReason)
	if !d.Until.IsZero() {
		s += ", until " + stamp(d.Until)
	}
	return s
}

// message summarises what is withheld, newest first: npm shows the same text
// whichever version was asked for.
func message(v *gate.View, withheld []*gate.Entry, at Place) string {
	var order []string
	groups := map[string][]string{}
	for i := len(withheld) - 1; i >= 0; i-- {
		r := reason(withheld[i])
		if groups[r] == nil {
			order = append(order, r)
		}
		groups[r] = append(groups[r], withheld[i].Version)
	}
	end := ""
	if latest := v.Tags["latest"]; latest != "" {
		end += "; install " + latest + " instead"
	}
	if v.DecisionID != "" {
		end += "; details and waivers: " + plain(at.Org, 200) + (&gate.Refusal{DecisionID: v.DecisionID}).Path()
	}
	var b strings.Builder
	for i, r := range order {
		part := some(groups[r]) + " " + r
		if i == maxReasonKinds || b.Len()+len(part)+len(end) > maxMessage {
			part = "and more"
		}
		if i > 0 {
			b.WriteString("; ")
		}
		b.WriteString(part)
		if part == "and more" {
			break
		}
	}
	return b.String() + end
}

// some names the first few of many versions.
func some(versions []string) string {
	for i, v := range versions[:min(len(versions), maxNamed)] {
		versions[i] = plain(v, 40)
	}
	if extra := len(versions) - maxNamed; extra > 0 {
		return fmt.Sprintf("%s and %d more", strings.Join(versions[:maxNamed], ", "), extra)
	}
	return strings.Join(versions, ", ")
}

// plain makes one line of printable ASCII, at most max bytes long: reasons quote
// texts that publishers wrote, and this goes to terminals.
func plain(s string, max int) string {
	var b strings.Builder
	for _, r := range s {
		if b.Len() >= max-3 {
			return b.String() + "..."
		}
		switch {
		case r == '\n' || r == '\t' || r == '\r':
			b.WriteByte(' ')
		case r < ' ' || r > '~':
			b.WriteByte('?')
		default:
			b.WriteByte(byte(r))
		}
	}
	return b.String()
}
