package npm

import (
	"fmt"
	"slices"
	"strings"

	"sluice.dev/sluice/protocol"
	"sluice.dev/sluice/tenants/coord"
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
		w.withheld(e.Listed, reason(w.v, e))
	}
	w.shut('}')
	w.shut('}')
}

// reason says in one ASCII line why an entry is withheld, and by whom.
func reason(v *gate.View, e *gate.Entry) string {
	d := e.Decision.Decisive
	if d == nil {
		return "withheld by policy"
	}
	because := protocol.Because(coord.Version{Package: v.Package, Version: e.Version}, e.Decision)
	return "withheld by " + protocol.ASCII(d.RegistryName, 80) + ": " + protocol.ASCII(because, maxReason)
}

// message summarises what is withheld, newest first: npm shows the same text
// whichever version was asked for. Versions that one rule withholds share the
// reason of the newest of them, and what to install instead of that one, as its
// refusal says too; an advice that all share comes once.
func message(v *gate.View, withheld []*gate.Entry, at Place) string {
	type group struct {
		reason   string
		instead  string
		versions []string
	}
	var order []*group
	groups := map[string]*group{}
	for i := len(withheld) - 1; i >= 0; i-- {
		e, rule := withheld[i], ""
		if d := e.Decision.Decisive; d != nil {
			rule = d.RegistryName + "\x00" + string(d.Kind) + "\x00" + d.RuleName
		}
		g := groups[rule]
		if g == nil {
			g = &group{reason: reason(v, e), instead: v.Suggest(e.Version)}
			groups[rule], order = g, append(order, g)
		}
		g.versions = append(g.versions, e.Version)
	}
	advice := func(version string) string {
		if version == "" {
			return ""
		}
		return "; install " + protocol.ASCII(version, 40) + " instead"
	}
	shared := !slices.ContainsFunc(order, func(g *group) bool { return g.instead != order[0].instead })
	end := ""
	if shared {
		end = advice(order[0].instead)
	}
	if v.DecisionID != "" {
		end += "; details: " + at.Org + (&gate.Refusal{DecisionID: v.DecisionID}).Path()
	}
	var b strings.Builder
	for i, g := range order {
		part := some(g.versions) + " " + g.reason
		if !shared {
			part += advice(g.instead)
		}
		full := i == maxReasonKinds || b.Len()+len(part)+len(end) > maxMessage
		if full {
			part = "and more"
		}
		if i > 0 {
			b.WriteString("; ")
		}
		b.WriteString(part)
		if full {
			break
		}
	}
	return b.String() + end
}

// some names the first few of many versions.
func some(versions []string) string {
	for i, v := range versions[:min(len(versions), maxNamed)] {
		versions[i] = protocol.ASCII(v, 40)
	}
	if extra := len(versions) - maxNamed; extra > 0 {
		return fmt.Sprintf("%s and %d more", strings.Join(versions[:maxNamed], ", "), extra)
	}
	return strings.Join(versions, ", ")
}
