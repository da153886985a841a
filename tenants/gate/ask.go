package gate

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"
	"golang.org/x/sync/errgroup"

	"sluice.dev/sluice/tenants/catalog"
	"sluice.dev/sluice/tenants/coord"
	"sluice.dev/sluice/tenants/errs"
	"sluice.dev/sluice/tenants/registry"
)

// askRemotes gets the documents of the remotes that may contribute. A name that
// the organization owns is never asked for at a public remote (O4), which would
// also give the name away.
func (c *compiler) askRemotes(ctx context.Context) error {
	internal, public := c.reachable()
	if err := c.fetchAll(ctx, internal); err != nil {
		return err
	}
	if c.owner(c.root) != "" {
		return nil
	}
	for _, r := range internal {
		if r.err != nil {
			// Whether the name is owned cannot be told, so public sources
			// contribute nothing (O3).
			for _, p := range public {
				p.err, p.blocker = r.err, r
			}
			return nil
		}
	}
	return c.fetchAll(ctx, public)
}

// reachable returns the remotes upward whose edges carry the package.
func (c *compiler) reachable() (internal, public []*asked) {
	visited := map[*registry.Node]bool{}
	var walk func(*registry.Node)
	walk = func(n *registry.Node) {
		if visited[n] {
			return
		}
		visited[n] = true
		for _, e := range n.Edges {
			switch {
			case !e.Carries(c.pkg):
			case e.Source != nil:
				walk(e.Source)
			case c.remotes[e.Remote.ID] == nil:
				r := &asked{Remote: e.Remote}
				c.remotes[r.ID] = r
				if r.Internal {
					internal = append(internal, r)
				} else {
					public = append(public, r)
				}
			}
		}
	}
	walk(c.root)
	return internal, public
}

func (c *compiler) fetchAll(ctx context.Context, remotes []*asked) error {
	var all errgroup.Group
	for _, r := range remotes {
		all.Go(func() error {
			r.doc, r.listing, r.err = c.g.documentOf(ctx, r.Remote, c.pkg)
			if r.err != nil {
				r.doc = nil
				return nil
			}
			r.failing = r.doc.failing()
			return nil
		})
	}
	_ = all.Wait() // each has its own error
	return ctx.Err()
}

// stale are the warnings about remotes that fail (R3).
func (c *compiler) stale() (out []string) {
	for _, n := range c.upward {
		for _, e := range n.Edges {
			if e.Remote == nil {
				continue
			}
			r := c.remotes[e.Remote.ID]
			if r == nil || r.doc == nil || r.doc.sha256 == "" || !r.failing {
				continue
			}
			out = append(out, staleWarning(r.Remote, r.doc))
		}
	}
	return out
}

// staleWarning is the value of a Warning header for a document that is served
// while its remote fails (R3).
func staleWarning(r *registry.Remote, d *document) string {
	return fmt.Sprintf(`110 - "the remote %s does not answer; this is what it said at %s"`,
		r.Name, time.Unix(0, d.checked.Load()).UTC().Format("2006-01-02 15:04 UTC"))
}

// owner says by what the organization owns the name as seen from a registry
// (O3), "" when it does not.
func (c *compiler) owner(n *registry.Node) string {
	if p := c.shape.Reserved(c.pkg); p != "" {
		return fmt.Sprintf("the reserved pattern %s", p)
	}
	up := n.Upward()
	slices.Reverse(up) // the outermost one is where it came from
	for _, r := range up {
		for _, h := range c.held[r.ID] {
			if h.Release.Origin == coord.Internal && c.owns(n, r, h) {
				return fmt.Sprintf("the registry %q, which has versions of its own", r.Name)
			}
		}
	}
	for _, r := range up {
		for _, e := range r.Edges {
			if e.Remote == nil || !e.Remote.Internal || !e.Carries(c.pkg) {
				continue
			}
			if a := c.remotes[e.Remote.ID]; a != nil && a.listing != nil {
				return fmt.Sprintf("the internal remote %q", e.Remote.Name)
			}
		}
	}
	return ""
}

// owns reports whether an INTERNAL version that a registry upward holds makes
// the name owned as seen from n. A copy counts as where it was published does:
// a patch that was fetched from a registry which merges with the public ones
// must not take the public ones away (O2).
func (c *compiler) owns(n, holder *registry.Node, h *catalog.Holding) bool {
	if len(h.Path) == 0 || h.Release.Remote != uuid.Nil {
		return holder.Internal || holder == n
	}
	published := c.shape.Node(h.Path[0])
	return published == nil || published.Internal
}

// outage says in R1's and F1's words what a registry lacks: 503 when the source
// does not answer, 502 when its answer cannot be used.
func (c *compiler) outage(n *registry.Node, r *asked) error {
	kind := errs.KindOf(r.err)
	if kind != errs.Upstream && kind != errs.Internal {
		kind = errs.Unavailable
	}
	const op = "list"
	if r.blocker != nil {
		return errs.Wrap(r.err, kind, op, "the registry %q cannot list %s: whether the name is internal is for the remote %q to say, which cannot tell: %s",
			n.Name, c.pkg.Name, r.blocker.Name, errs.Public(r.err))
	}
	return errs.Wrap(r.err, kind, op, "the registry %q cannot list %s from the remote %q, and nothing is remembered from there: %s",
		n.Name, c.pkg.Name, r.Name, errs.Public(r.err))
}

// worse joins two failures of sources into one that is told: the one that may
// pass by itself.
func worse(a, b error) error {
	switch {
	case a == nil:
		return b
	case b == nil || errs.Is(a, errs.Unavailable):
		return a
	case errs.Is(b, errs.Unavailable):
		return b
	}
	return errors.Join(a, b)
}
