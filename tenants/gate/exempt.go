package gate

import (
	"slices"

	"sluice.dev/sluice/tenants/coord"
	"sluice.dev/sluice/tenants/policy"
)

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
