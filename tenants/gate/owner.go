package gate

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"

	"sluice.dev/sluice/ent/db"
	"sluice.dev/sluice/tenants/catalog"
	"sluice.dev/sluice/tenants/coord"
	"sluice.dev/sluice/tenants/registry"
)

// naming is what tells whom a name belongs to as seen from a registry.
type naming struct {
	shape    *registry.Snapshot
	pkg      coord.Package
	held     map[uuid.UUID]map[string]*catalog.Holding // by registry and version
	owned    map[uuid.UUID]time.Time                   // the ledger
	switches map[uuid.UUID]catalog.Switch
	remotes  map[uuid.UUID]*asked
}

// readNaming reads what the database knows about the name in the registries.
func (o *naming) readNaming(ctx context.Context, tx *db.Tx, registries []uuid.UUID) error {
	holdings, err := catalog.Held(ctx, tx, o.pkg, registries)
	if err != nil {
		return err
	}
	o.held = map[uuid.UUID]map[string]*catalog.Holding{}
	for i := range holdings {
		h := &holdings[i]
		if o.held[h.Registry] == nil {
			o.held[h.Registry] = map[string]*catalog.Holding{}
		}
		o.held[h.Registry][h.Release.Version] = h
	}
	if o.owned, err = catalog.Owned(ctx, tx, o.pkg, registries); err != nil {
		return err
	}
	o.switches, err = catalog.Switches(ctx, tx, o.pkg, registries)
	return err
}

// closed says, in a sentence without a stop, why sources that are not internal
// contribute nothing for the name as seen from a registry; "" when they may.
// The nearest registry with a switch decides (O5), else who owns the name (O4).
func (o *naming) closed(n *registry.Node) string {
	s, by := o.upstreamSwitch(n)
	switch s.Upstream {
	case catalog.Allow:
		return ""
	case catalog.Block:
		return fmt.Sprintf("public versions of %s are kept out by a switch of the registry %q: %s", o.pkg.Name, by.Name, s.Reason)
	}
	if owner := o.owner(n); owner != "" {
		return fmt.Sprintf("the name %s is owned by %s, so public versions of it are not served", o.pkg.Name, owner)
	}
	return ""
}

// upstreamSwitch returns the switch for upstreams in force as seen from a
// registry, and whose it is; nil when there is none.
func (o *naming) upstreamSwitch(n *registry.Node) (catalog.Switch, *registry.Node) {
	if len(o.switches) > 0 {
		for _, r := range n.Upward() { // nearest first
			if s := o.switches[r.ID]; s.Upstream != "" {
				return s, r
			}
		}
	}
	return catalog.Switch{}, nil
}

// owner says by what the organization owns the name as seen from a registry
// (O3), "" when it does not.
func (o *naming) owner(n *registry.Node) string {
	if p := o.shape.Reserved(o.pkg); p != "" {
		return fmt.Sprintf("the reserved pattern %s", p)
	}
	up := n.Upward()
	slices.Reverse(up) // the outermost one is where it came from
	for _, r := range up {
		for _, h := range o.held[r.ID] {
			if h.Release.Origin == coord.Internal && o.owns(r, h) {
				return fmt.Sprintf("the registry %q, which has versions of its own", r.Name)
			}
		}
	}
	for _, r := range up {
		if since := o.owned[r.ID]; r.Internal && !since.IsZero() {
			return fmt.Sprintf("the registry %q, which had versions of its own since %s", r.Name, since.UTC().Format("2006-01-02"))
		}
	}
	for _, r := range up {
		for _, e := range r.Edges {
			if e.Remote == nil || !e.Remote.Internal || !e.Carries(o.pkg) {
				continue
			}
			if a := o.remotes[e.Remote.ID]; a != nil && a.listing != nil {
				return fmt.Sprintf("the internal remote %q", e.Remote.Name)
			}
		}
	}
	return ""
}

// owns reports whether an INTERNAL version that a registry holds makes the name
// owned from there on downward. A copy counts as where it was published does:
// a patch that was fetched from a registry which merges with the public ones
// must not take the public ones away (O2).
func (o *naming) owns(holder *registry.Node, h *catalog.Holding) bool {
	if len(h.Path) == 0 || h.Release.Remote != uuid.Nil {
		return holder.Internal
	}
	published := o.shape.Node(h.Path[0])
	return published == nil || published.Internal
}
