package intake

import (
	"sluice.dev/sluice/tenants/policy"
	"sluice.dev/sluice/tenants/registry"
)

// Immutable returns the rule by which versions of the registry cannot be
// unpublished or deleted (P9), nil when there is none. Deletion for security
// passes (D1, C6).
func Immutable(n *registry.Node) *policy.Rule { return ruleOf(n, policy.KindImmutable) }

// BlocksDownstream returns the rule by which the registry takes no pushes from
// registries below it (P9), nil when there is none.
func BlocksDownstream(n *registry.Node) *policy.Rule { return ruleOf(n, policy.KindBlockDownstream) }

func ruleOf(n *registry.Node, k policy.Kind) *policy.Rule {
	for i := range n.Rules {
		if r := &n.Rules[i]; r.Kind == k && r.Mode == policy.Enforce {
			return r
		}
	}
	return nil
}
