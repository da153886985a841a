package intake

import (
	"context"
	"maps"
	"slices"
	"unicode/utf8"

	"github.com/google/uuid"

	"sluice.dev/sluice/tenants/audit"
	"sluice.dev/sluice/tenants/catalog"
	"sluice.dev/sluice/tenants/coord"
	"sluice.dev/sluice/tenants/errs"
)

// maxMessage bounds a deprecation, in characters.
const maxMessage = 1000

// Deprecate says against the use of versions what the messages say, in the
// registry and below it; "" takes back what it or an upstream says. Versions
// that are not named stay as they are. A revision that is not "" must be the
// current one, see [ErrStale].
func (s *Service) Deprecate(ctx context.Context, registry uuid.UUID, name, revision string, messages map[string]string) error {
	const op = "deprecate"
	n, pkg, err := s.named(ctx, op, registry, name)
	if err != nil {
		return err
	}
	wanted := make(map[string]string, len(messages))
	for version, message := range messages {
		v, err := number(op, n.Ecosystem, version)
		if err != nil {
			return err
		}
		if c := utf8.RuneCountInString(message); c > maxMessage {
			return errs.New(errs.Invalid, op, "the message for %s has %d characters; the limit is %d", v, c, maxMessage).On("message")
		}
		wanted[v] = message
	}
	versions := slices.SortedFunc(maps.Keys(wanted), func(a, b string) int { return coord.Compare(n.Ecosystem, a, b) })
	if err := s.known(ctx, op, n, pkg, versions...); err != nil {
		return err
	}
	return s.write(ctx, op, n, pkg, revision, func(ctx context.Context, c *change) ([]audit.Event, error) {
		have, err := catalog.Deprecations(ctx, c.tx, pkg, []uuid.UUID{n.ID})
		if err != nil {
			return nil, err
		}
		before, after := map[string]*string{}, map[string]string{}
		for _, v := range versions {
			now, said := have[n.ID][v]
			if said && now == wanted[v] {
				continue
			}
			if before[v] = nil; said {
				before[v] = &now
			}
			after[v] = wanted[v]
			if err := catalog.Deprecate(ctx, c.tx, c.now, n.ID, coord.Version{Package: pkg, Version: v}, wanted[v]); err != nil {
				return nil, err
			}
		}
		if len(after) == 0 {
			return nil, nil
		}
		e := c.event("version:deprecate", "")
		e.Before, e.After = before, after
		return []audit.Event{e}, nil
	})
}
