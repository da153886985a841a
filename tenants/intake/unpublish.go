package intake

import (
	"context"
	"slices"

	"github.com/google/uuid"

	"sluice.dev/sluice/tenants/audit"
	"sluice.dev/sluice/tenants/catalog"
	"sluice.dev/sluice/tenants/coord"
	"sluice.dev/sluice/tenants/errs"
	"sluice.dev/sluice/tenants/quarantine"
)

// Unpublish deletes versions of the registry's own. Their numbers are spent;
// latest moves to the highest stable version that is left, other tags on them
// are dropped; who owns the name stays (O3). Refused as a Conflict for a
// version in quarantine ([ErrOnHold], Q3), a copy that came in from an
// upstream, or a revision that is not the current one ([ErrStale]; "" is not checked);
// as Forbidden in a registry whose versions are immutable (P9). It does all or
// nothing.
func (s *Service) Unpublish(ctx context.Context, registry uuid.UUID, name, revision string, versions []string) error {
	const op = "unpublish"
	n, pkg, err := s.named(ctx, op, registry, name)
	if err != nil {
		return err
	}
	if len(versions) == 0 {
		return errs.New(errs.Invalid, op, "name at least one version").On("version")
	}
	numbers := make([]string, len(versions))
	for i, v := range versions {
		if numbers[i], err = number(op, n.Ecosystem, v); err != nil {
			return err
		}
	}
	slices.Sort(numbers)
	numbers = slices.Compact(numbers)
	return s.write(ctx, op, n, pkg, revision, func(ctx context.Context, c *change) ([]audit.Event, error) { return c.unpublish(ctx, numbers) })
}

// UnpublishPackage deletes all versions of the registry's own, as [Unpublish]
// does each; copies that came in from an upstream stay. Its maintainers and
// stars go with the last version.
func (s *Service) UnpublishPackage(ctx context.Context, registry uuid.UUID, name, revision string) error {
	const op = "unpublish"
	n, pkg, err := s.named(ctx, op, registry, name)
	if err != nil {
		return err
	}
	return s.write(ctx, op, n, pkg, revision, func(ctx context.Context, c *change) ([]audit.Event, error) {
		var own []string
		for v, h := range c.held {
			if h.Own() {
				own = append(own, v)
			}
		}
		if len(own) == 0 && len(c.held) == 0 {
			return nil, errs.New(errs.NotFound, op, "the registry %q has nothing of %s", n.Name, pkg.Name).On("name")
		}
		if len(own) == 0 {
			return nil, errs.New(errs.Conflict, op, "%s was not published in the registry %q, which only holds copies from its upstreams", pkg.Name, n.Name).On("name")
		}
		return c.unpublish(ctx, own)
	})
}

func (c *change) unpublish(ctx context.Context, versions []string) ([]audit.Event, error) {
	rule, err := quarantine.Immutable(ctx, c.tx, c.node.ID)
	if err != nil {
		return nil, err
	}
	if rule != "" {
		return nil, errs.New(errs.Forbidden, c.op, "versions cannot be unpublished from the registry %q: its rule %q makes them immutable; deprecate them instead", c.node.Name, rule)
	}
	slices.SortFunc(versions, func(a, b string) int { return coord.Compare(c.pkg.Ecosystem, a, b) })
	events := make([]audit.Event, 0, len(versions))
	for _, v := range versions {
		e, err := c.unpublishOne(ctx, v)
		if err != nil {
			return nil, err
		}
		events = append(events, e)
	}
	if err := catalog.ForgetDeprecations(ctx, c.tx, c.node.ID, c.pkg, versions); err != nil {
		return nil, err
	}
	if len(c.held) == 0 {
		c.own = catalog.OwnState{}
	}
	return events, nil
}

func (c *change) unpublishOne(ctx context.Context, version string) (audit.Event, error) {
	v := coord.Version{Package: c.pkg, Version: version}
	e := c.event("version:unpublish", version)
	h := c.held[version]
	switch {
	case h == nil:
		return e, errs.New(errs.NotFound, c.op, "the registry %q does not hold %s@%s", c.node.Name, c.pkg.Name, version).On("version")
	case !h.Own():
		return e, errs.New(errs.Conflict, c.op, "%s@%s was not published in the registry %q: it is a copy from an upstream, which cannot be unpublished here; delete the copy, or ask for it to be blocked",
			c.pkg.Name, version, c.node.Name).On("version")
	}
	if err := c.free(ctx, version); err != nil {
		return e, err
	}
	if _, err := catalog.Drop(ctx, c.tx, c.node.ID, v); err != nil {
		return e, err
	}
	delete(c.held, version)
	e.Before = map[string]string{"digest": h.Release.Digest}
	if err := catalog.Spend(ctx, c.tx, c.now, c.node.ID, v); err != nil {
		return e, err
	}
	return e, catalog.Untag(ctx, c.tx, c.now, c.node.ID, v)
}
