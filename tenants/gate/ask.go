package gate

import (
	"context"
	"errors"
	"fmt"
	"time"

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
	if err := c.g.fetchAll(ctx, c.pkg, internal); err != nil {
		return err
	}
	if c.closed(c.root) != "" {
		return nil
	}
	if s, _ := c.upstreamSwitch(c.root); s.Upstream == catalog.Allow {
		return c.g.fetchAll(ctx, c.pkg, public)
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
	return c.g.fetchAll(ctx, c.pkg, public)
}

// reachable returns the remotes upward whose edges carry the package.
func (c *compiler) reachable() (internal, public []*asked) {
	for _, remote := range reached(c.root, c.pkg) {
		r := &asked{Remote: remote}
		c.remotes[r.ID] = r
		if r.Internal {
			internal = append(internal, r)
		} else {
			public = append(public, r)
		}
	}
	return internal, public
}

// fetchAll gets the documents of remotes; each has its own error.
func (g *Gate) fetchAll(ctx context.Context, pkg coord.Package, remotes []*asked) error {
	var all errgroup.Group
	for _, r := range remotes {
		all.Go(func() error {
			r.doc, r.listing, r.err = g.documentOf(ctx, r.Remote, pkg)
			if r.err != nil {
				r.doc = nil
				return nil
			}
			r.failing = r.doc.failing()
			return nil
		})
	}
	_ = all.Wait()
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
