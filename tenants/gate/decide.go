package gate

import (
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"

	"sluice.dev/sluice/tenants/coord"
	"sluice.dev/sluice/tenants/finding"
	"sluice.dev/sluice/tenants/policy"
	"sluice.dev/sluice/tenants/registry"
)

// decide says whether a registry lists and delivers a candidate: the rules of
// every hop on its path, the holds and tombstones of the registry itself and of
// every firewall upward, and ownership (P1, C2). A candidate of an upstream
// brings the upstream's verdicts, so that what withholds it there withholds it
// here, the hold of a package registry included (Q3). A copy that the registry
// holds itself is not touched by such a hold (C8).
func (c *compiler) decide(n *registry.Node, cand *candidate, version, closed string) policy.Decision {
	d := deciding{c: c, n: n, cand: cand, version: version, facts: policy.Facts{
		Version: coord.Version{Package: c.pkg, Version: version}, Origin: cand.origin, FromRemote: cand.remote != nil,
		Published: cand.listed.Published, License: cand.listed.License, AgeExempt: c.exempt[version],
		Advisories: policy.AdvisoryFacts{Snapshot: c.snapshot, Matches: c.matched(version)}}}
	above := c.firewallsAbove(n)
	if c.held[n.ID][version] != nil {
		d.bar(above, func(f *registry.Node) bool { return !slices.Contains(cand.path, f) })
		for _, hop := range cand.path {
			d.bar(above, func(f *registry.Node) bool { return f == hop })
			d.hop(hop, closed)
		}
		return d.decided()
	}
	if len(cand.path) > 1 {
		up := cand.path[len(cand.path)-2]
		d.bar(above, func(f *registry.Node) bool { return f != up && !slices.Contains(c.firewallsAbove(up), f) })
		d.take(cand.decision)
	} else {
		d.bar(above, func(*registry.Node) bool { return true })
	}
	d.hop(n, closed)
	return d.decided()
}

// deciding collects the verdicts about one candidate in one registry, in one
// registry holds before rules.
type deciding struct {
	c          *compiler
	n          *registry.Node
	cand       *candidate
	version    string
	facts      policy.Facts
	verdicts   []policy.Verdict
	validUntil time.Time
}

// decided puts the outer registries' verdicts first. Those of the path are in
// that order already, those of other firewalls may belong between them.
func (d *deciding) decided() policy.Decision {
	rank := d.c.ranks()
	slices.SortStableFunc(d.verdicts, func(a, b policy.Verdict) int { return rank[a.Registry] - rank[b.Registry] })
	return policy.Decide(d.verdicts, d.validUntil)
}

// ranks numbers the registries upward of the root so that each comes after
// those above it.
func (c *compiler) ranks() map[uuid.UUID]int {
	if c.rank != nil {
		return c.rank
	}
	c.rank = make(map[uuid.UUID]int, len(c.upward))
	var visit func(*registry.Node)
	visit = func(n *registry.Node) {
		if _, seen := c.rank[n.ID]; seen {
			return
		}
		for _, e := range n.Edges {
			if e.Source != nil {
				visit(e.Source)
			}
		}
		c.rank[n.ID] = len(c.rank) + 1
	}
	visit(c.root)
	return c.rank
}

func (d *deciding) take(from policy.Decision) {
	d.verdicts = append(d.verdicts, from.Verdicts...)
	if u := from.ValidUntil; !u.IsZero() && (d.validUntil.IsZero() || u.Before(d.validUntil)) {
		d.validUntil = u
	}
}

// hop adds what a registry on the path says by its rules, and the deciding
// registry also by its holds and by who owns the name.
func (d *deciding) hop(hop *registry.Node, closed string) {
	if hop == d.n {
		d.barIn(hop)
		if closed != "" && d.cand.origin == coord.External {
			d.verdicts = append(d.verdicts, policy.Verdict{Registry: hop.ID, RegistryName: hop.Name, Kind: policy.KindOwnership, Mode: policy.Enforce,
				Effect: policy.Deny, RuleName: "ownership", OnViolation: policy.Hide,
				Reason: closed})
		}
	}
	if len(hop.Rules) == 0 {
		return
	}
	d.take(policy.Evaluate([]policy.Hop{{Registry: hop.ID, RegistryName: hop.Name, Rules: hop.Rules,
		Holds: d.c.held[hop.ID][d.version] != nil, Acknowledged: d.c.state.Acknowledged(hop.ID, d.version)}}, d.facts, d.c.now))
}

// bar adds what bars the candidate in those of the firewalls.
func (d *deciding) bar(firewalls []*registry.Node, those func(*registry.Node) bool) {
	for _, f := range firewalls {
		if those(f) && d.reaches(f) {
			d.barIn(f)
		}
	}
}

// barIn adds what bars the coordinates in a registry besides rules.
func (d *deciding) barIn(r *registry.Node) {
	if h := d.c.state.Held(r.ID, d.version); h != nil {
		d.verdicts = append(d.verdicts, policy.Verdict{Registry: r.ID, RegistryName: r.Name, Kind: policy.KindHold, Mode: policy.Enforce,
			Effect: policy.Quarantine, RuleName: "quarantine", Reason: h.Reason, Evidence: h.Evidence, OnViolation: policy.Hide})
	}
	if t := d.c.state.Buried(r.ID, d.version); t != nil {
		d.verdicts = append(d.verdicts, policy.Verdict{Registry: r.ID, RegistryName: r.Name, Kind: policy.KindTombstone, Mode: policy.Enforce,
			Effect: policy.Deny, RuleName: "tombstone", OnViolation: policy.Hide,
			Reason: fmt.Sprintf("%s@%s was deleted for security: %s", d.c.pkg.Name, d.version, t.Reason)})
	}
}

// reaches reports whether what a firewall says about the coordinates is about
// this candidate (C1): one that came from outside, or the same bytes.
func (d *deciding) reaches(firewall *registry.Node) bool {
	if d.cand.origin == coord.External {
		return true
	}
	if d.cand.release == nil {
		return false
	}
	held := d.c.held[firewall.ID][d.version]
	if held != nil && held.Release.Digest == d.cand.release.Digest {
		return true
	}
	t := d.c.state.Buried(firewall.ID, d.version)
	return t != nil && t.Digest == d.cand.release.Digest
}

// firewallsAbove returns the firewalls upward of a registry, itself excluded,
// the outermost first.
func (c *compiler) firewallsAbove(n *registry.Node) []*registry.Node {
	out, ok := c.above[n]
	if !ok {
		for _, up := range n.Upward()[1:] {
			if up.Firewall {
				out = append(out, up)
			}
		}
		slices.Reverse(out)
		c.above[n] = out
	}
	return out
}

func (c *compiler) matched(version string) []policy.Match {
	m, ok := c.matches[version]
	if !ok && len(c.affected) > 0 {
		m = finding.Since(c.affected.Match(version), version, c.opened)
		c.matches[version] = m
	}
	return m
}
