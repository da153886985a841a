package intake

import (
	"sluice.dev/sluice/tenants/policy"
	"sluice.dev/sluice/tenants/registry"
)

// BlocksDownstream returns the rule by which the registry takes no pushes from
// registries below it (P9), nil when there is none.
func BlocksDownstream(n *registry.Node) *policy.Rule {
	for i := range n.Rules {
		if r := &n.Rules[i]; r.Kind == policy.KindBlockDownstream && r.Mode == policy.Enforce {
			return r
		}
	}
	return nil
}
