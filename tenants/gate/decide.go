package gate

import (
	"fmt"
	"slices"

	"sluice.dev/sluice/tenants/coord"
	"sluice.dev/sluice/tenants/finding"
	"sluice.dev/sluice/tenants/policy"
	"sluice.dev/sluice/tenants/registry"
)

// decide says whether a registry lists and delivers a candidate: the rules of
// every hop on its path, the holds and tombstones of every firewall upward and
// of the registry itself, and ownership (P1, C2).
func (c *compiler) decide(n *registry.Node, cand *candidate, version string, owner string) policy.Decision {
	hops := make([]policy.Hop, len(cand.path))
	for i, p := range cand.path {
		hops[i] = policy.Hop{Registry: p.ID, RegistryName: p.Name, Rules: p.Rules, Holds: c.held[p.ID][version] != nil,
			Acknowledged: c.state.Acknowledged(p.ID, version)}
	}
	facts := policy.Facts{Version: coord.Version{Package: c.pkg, Version: version}, Origin: cand.origin, FromRemote: cand.remote != nil,
		Published: cand.listed.Published, License: cand.listed.License, AgeExempt: c.exempt[version],
		Advisories: policy.AdvisoryFacts{Snapshot: c.snapshot, Matches: c.matched(version)}}
	d := policy.Evaluate(hops, facts, c.now)
	barred := c.barred(n, cand, version, owner)
	if len(barred) == 0 {
		return d
	}
	return policy.Decide(inFlowOrder(n, barred, d.Verdicts), d.ValidUntil)
}

func (c *compiler) matched(version string) []policy.Match {
	m, ok := c.matches[version]
	if !ok && len(c.affected) > 0 {
		m = finding.Since(c.affected.Match(version), version, c.opened)
		c.matches[version] = m
	}
	return m
}

// barred returns what withholds the candidate besides rules.
func (c *compiler) barred(n *registry.Node, cand *candidate, version, owner string) []policy.Verdict {
	var out []policy.Verdict
	for _, up := range n.Upward() {
		if up != n && (!up.Firewall || !c.reaches(up, cand, version)) {
			continue
		}
		if h := c.state.Held(up.ID, version); h != nil {
			out = append(out, policy.Verdict{Registry: up.ID, RegistryName: up.Name, Kind: policy.KindHold, Mode: policy.Enforce, Effect: policy.Quarantine,
				RuleName: "quarantine", Reason: h.Reason, Evidence: h.Evidence, OnViolation: policy.Hide})
		}
		if t := c.state.Buried(up.ID, version); t != nil {
			out = append(out, policy.Verdict{Registry: up.ID, RegistryName: up.Name, Kind: policy.KindTombstone, Mode: policy.Enforce, Effect: policy.Deny,
				RuleName: "tombstone", Reason: fmt.Sprintf("%s@%s was deleted for security: %s", c.pkg.Name, version, t.Reason), OnViolation: policy.Hide})
		}
	}
	if owner != "" && cand.origin == coord.External {
		out = append(out, policy.Verdict{Registry: n.ID, RegistryName: n.Name, Kind: policy.KindOwnership, Mode: policy.Enforce, Effect: policy.Deny,
			RuleName: "ownership", Reason: fmt.Sprintf("the name %s is owned by %s, so public versions of it are not served", c.pkg.Name, owner), OnViolation: policy.Hide})
	}
	return out
}

// reaches reports whether what a firewall says about the coordinates is about
// this candidate (C1): one that came from outside, or the same bytes.
func (c *compiler) reaches(firewall *registry.Node, cand *candidate, version string) bool {
	if cand.origin == coord.External {
		return true
	}
	held := c.held[firewall.ID][version]
	if held != nil && cand.release != nil && held.Release.Digest == cand.release.Digest {
		return true
	}
	t := c.state.Buried(firewall.ID, version)
	return t != nil && cand.release != nil && t.Digest == cand.release.Digest
}

// inFlowOrder puts the verdicts of outer registries first, and in one registry
// holds before rules.
func inFlowOrder(n *registry.Node, barred, rules []policy.Verdict) []policy.Verdict {
	up := n.Upward()
	place := make(map[[16]byte]int, len(up))
	for i, r := range up {
		place[r.ID] = len(up) - i
	}
	out := append(slices.Clone(barred), rules...)
	slices.SortStableFunc(out, func(a, b policy.Verdict) int { return place[a.Registry] - place[b.Registry] })
	return out
}

func (c *compiler) needsExemption() bool {
	if len(c.affected) == 0 {
		return false
	}
	for _, n := range c.upward {
		for _, r := range n.Rules {
			if r.Kind == policy.KindMinimumAge {
				return true
			}
		}
	}
	return false
}

// findExemption finds the versions that minimum age must let through: the
// lowest fixed version that an advisory names, for an affected version that a
// registry upward holds, while no allowed version already fixes it (P9).
func (c *compiler) findExemption(res *result) {
	c.exempt = map[string]bool{}
	e := c.pkg.Ecosystem
	for _, held := range c.held {
		for have := range held {
			for _, m := range c.matched(have) {
				if m.Malware {
					continue
				}
				fix := lowestAbove(e, m.FixedIn, have)
				if fix != "" && !c.fixedAlready(res, m.ID, have) {
					c.exempt[fix] = true
				}
			}
		}
	}
}

func lowestAbove(e coord.Ecosystem, fixed []string, have string) string {
	for _, f := range fixed {
		if coord.Compare(e, f, have) > 0 {
			return f
		}
	}
	return ""
}

func (c *compiler) fixedAlready(res *result, id, have string) bool {
	for v, cand := range res.candidates {
		if cand.decision.Withheld() || coord.Compare(c.pkg.Ecosystem, v, have) <= 0 {
			continue
		}
		if !slices.ContainsFunc(c.matched(v), func(m policy.Match) bool { return m.ID == id }) {
			return true
		}
	}
	return false
}
