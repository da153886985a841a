package gate

import (
	"context"
	"slices"

	"github.com/google/uuid"

	"sluice.dev/sluice/tenants/catalog"
	"sluice.dev/sluice/tenants/coord"
	"sluice.dev/sluice/tenants/policy"
	"sluice.dev/sluice/tenants/registry"
	"sluice.dev/sluice/tenants/scope"
)

// Admission is what the gate says about a version that somebody wants to put
// into a registry by another way than a fetch: pushed or promoted.
type Admission struct {
	Decision policy.Decision
	Path     []uuid.UUID // to record with the holding: the registries above whose rules keep deciding, outermost first (P1)
}

// Admit decides whether a registry may come to hold a release that another one
// holds. One that came from a remote must pass every firewall above the registry
// as if it had come through them, so that no push is a way past one; of one that
// was published, the registry's own rules decide. Rules for new versions apply
// here, and nothing is recorded.
//
// Errors: NotFound when there is no such registry, Unavailable when it cannot be
// told who owns the name (O3).
func (g *Gate) Admit(ctx context.Context, reg uuid.UUID, pkg coord.Package, rel *catalog.Release) (Admission, error) {
	org, err := scope.Org(ctx)
	if err != nil {
		return Admission{}, err
	}
	c, err := g.compilerOf(ctx, viewKey{org, reg, pkg})
	if err != nil {
		return Admission{}, err
	}
	closed, err := c.closedTo(ctx, rel.Origin)
	if err != nil {
		return Admission{}, err
	}
	cand, err := c.offered(rel)
	if err != nil {
		return Admission{}, err
	}
	d := deciding{c: c, n: c.root, cand: cand, version: rel.Version, facts: policy.Facts{
		Version: coord.Version{Package: pkg, Version: rel.Version}, Origin: rel.Origin, FromRemote: cand.remote != nil,
		Published: rel.Published, License: rel.License, AgeExempt: c.exempt[rel.Version],
		Advisories: policy.AdvisoryFacts{Snapshot: c.snapshot, Matches: c.matched(rel.Version)}}}
	d.bar(c.firewallsAbove(c.root), func(*registry.Node) bool { return true })
	out := Admission{}
	for _, hop := range cand.path {
		d.hop(hop, closed)
		if hop != c.root {
			out.Path = append(out.Path, hop.ID)
		}
	}
	out.Decision = d.decided()
	return out, nil
}

// closedTo says why a version of that origin is kept out of the root; "" when it
// is not. What a remote says decides about public versions only, so for others
// none is asked.
func (c *compiler) closedTo(ctx context.Context, origin coord.Origin) (string, error) {
	if origin != coord.External {
		return "", nil
	}
	internal, public := c.reachable()
	if err := c.g.fetchAll(ctx, c.pkg, internal); err != nil {
		return "", err
	}
	if closed := c.closed(c.root); closed != "" {
		return closed, nil
	}
	if s, _ := c.upstreamSwitch(c.root); s.Upstream != catalog.Allow {
		for _, a := range internal {
			if a.err != nil {
				return "", c.outage(c.root, a)
			}
		}
	}
	if !c.needsExemption() {
		return "", nil
	}
	if err := c.g.fetchAll(ctx, c.pkg, public); err != nil {
		return "", err
	}
	c.findExemption(c.list(c.root))
	return "", nil
}

// offered is a release as a candidate of the root registry.
func (c *compiler) offered(rel *catalog.Release) (*candidate, error) {
	listed, err := c.storedListing(rel)
	if err != nil {
		return nil, err
	}
	cand := &candidate{listed: listed, origin: rel.Origin, release: rel, source: rel.ID.String(), seen: rel.PublishedFrom == "FIRST_SEEN",
		digests: digestsOf(rel), remote: c.remoteNamed(rel.Remote)}
	if cand.remote != nil || cand.origin == coord.External {
		rank := c.ranks()
		cand.path = slices.Clone(c.firewallsAbove(c.root))
		slices.SortStableFunc(cand.path, func(a, b *registry.Node) int { return rank[a.ID] - rank[b.ID] })
	}
	cand.path = append(cand.path, c.root)
	cand.holder = len(cand.path) - 1
	return cand, nil
}

// Pull brings a version into a registry along its path, as a fetch would, and
// delivers nothing. It does nothing when the registry holds it. A withheld
// version is refused, which opens the hold of a rule that quarantines (Q6).
//
// Errors: NotFound when there is no such version; otherwise as List.
func (g *Gate) Pull(ctx context.Context, reg uuid.UUID, version coord.Version) (*Refusal, error) {
	return g.bring(ctx, reg, version, catalog.ByPull)
}
