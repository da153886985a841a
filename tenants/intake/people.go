package intake

import (
	"context"
	"slices"
	"strings"
	"unicode"

	"github.com/google/uuid"

	"sluice.dev/sluice/tenants/audit"
	"sluice.dev/sluice/tenants/coord"
	"sluice.dev/sluice/tenants/errs"
)

// Bounds of what people may write about themselves (F3).
const (
	maxMaintainers = 200
	maxStars       = 100_000
	maxPersonText  = 254 // bytes of a name or an address
)

// SetMaintainers replaces whom a package names as its maintainers in the
// registry. Who may publish is not decided by it (A3). A revision that is not
// "" must be the current one, see [ErrStale].
func (s *Service) SetMaintainers(ctx context.Context, registry uuid.UUID, name, revision string, people []coord.Person) error {
	const op = "set maintainers"
	n, pkg, err := s.named(ctx, op, registry, name)
	if err != nil {
		return err
	}
	if len(people) == 0 {
		return errs.New(errs.Invalid, op, "a package needs at least one maintainer").On("maintainers")
	}
	if err := validPeople(op, people); err != nil {
		return err
	}
	if err := s.known(ctx, op, n, pkg); err != nil {
		return err
	}
	return s.write(ctx, op, n, pkg, revision, func(_ context.Context, c *change) ([]audit.Event, error) {
		if slices.Equal(c.own.Maintainers, people) {
			return nil, nil
		}
		e := c.event("package:maintainers", "")
		e.Before, e.After = c.own.Maintainers, people
		c.own.Maintainers = people
		return []audit.Event{e}, nil
	})
}

func validPeople(op string, people []coord.Person) error {
	if len(people) > maxMaintainers {
		return errs.New(errs.Invalid, op, "there are %d maintainers; at most %d are allowed", len(people), maxMaintainers).On("maintainers")
	}
	seen := map[string]bool{}
	for _, p := range people {
		switch {
		case strings.TrimSpace(p.Name) == "":
			return errs.New(errs.Invalid, op, "a maintainer has no name").On("maintainers")
		case len(p.Name) > maxPersonText || len(p.Email) > maxPersonText:
			return errs.New(errs.Invalid, op, "the name or address of the maintainer %.40q is longer than %d bytes", p.Name, maxPersonText).On("maintainers")
		case strings.ContainsFunc(p.Name+p.Email, unicode.IsControl):
			return errs.New(errs.Invalid, op, "the maintainer %.40q has a control character in the name or address", p.Name).On("maintainers")
		case seen[p.Name]:
			return errs.New(errs.Invalid, op, "the maintainer %q is named twice", p.Name).On("maintainers")
		}
		seen[p.Name] = true
	}
	return nil
}

// Star adds a subject's star to a package in the registry, or takes it away.
func (s *Service) Star(ctx context.Context, registry uuid.UUID, name, who string, on bool) error {
	const op = "star"
	n, pkg, err := s.named(ctx, op, registry, name)
	if err != nil {
		return err
	}
	if err := validPeople(op, []coord.Person{{Name: who}}); err != nil {
		return err
	}
	if err := s.known(ctx, op, n, pkg); err != nil {
		return err
	}
	return s.write(ctx, op, n, pkg, "", func(_ context.Context, c *change) ([]audit.Event, error) {
		if slices.Contains(c.own.Stars, who) == on {
			return nil, nil
		}
		e := c.event("package:star", "")
		e.After = map[string]bool{who: on}
		if !on {
			c.own.Stars = slices.DeleteFunc(slices.Clone(c.own.Stars), func(x string) bool { return x == who })
			return []audit.Event{e}, nil
		}
		if len(c.own.Stars) >= maxStars {
			return nil, errs.New(errs.TooLarge, op, "%s has the most stars that are kept, %d", pkg.Name, maxStars)
		}
		c.own.Stars = append(slices.Clone(c.own.Stars), who)
		return []audit.Event{e}, nil
	})
}
