package intake

import (
	"context"
	"unicode"
	"unicode/utf8"

	"github.com/google/uuid"

	"sluice.dev/sluice/tenants/audit"
	"sluice.dev/sluice/tenants/catalog"
	"sluice.dev/sluice/tenants/coord"
	"sluice.dev/sluice/tenants/errs"
	"sluice.dev/sluice/tenants/quarantine"
)

// maxTag bounds a tag's name, in bytes, as npm bounds names of packages.
const maxTag = 214

// SetTag points a registry's tag of a package at a version that the registry
// holds, or lists from an upstream. A version in quarantine cannot be tagged
// (Q3).
func (s *Service) SetTag(ctx context.Context, registry uuid.UUID, name, tag, version string) error {
	const op = "tag"
	n, pkg, err := s.named(ctx, op, registry, name)
	if err != nil {
		return err
	}
	if err := tagName(op, n.Ecosystem, tag); err != nil {
		return err
	}
	v, err := number(op, n.Ecosystem, version)
	if err != nil {
		return err
	}
	if err := s.known(ctx, op, n, pkg, v); err != nil {
		return err
	}
	return s.write(ctx, op, n, pkg, "", func(ctx context.Context, c *change) ([]audit.Event, error) {
		if err := c.free(ctx, v); err != nil {
			return nil, err
		}
		tags, err := catalog.Tags(ctx, c.tx, pkg, []uuid.UUID{n.ID})
		if err != nil || tags[n.ID][tag] == v {
			return nil, err
		}
		// A package that is only listed so far becomes known by its tag.
		if err := catalog.Ensure(ctx, c.tx, c.now, pkg); err != nil {
			return nil, err
		}
		e := c.event("tag:set", v)
		e.Before, e.After = map[string]string{tag: tags[n.ID][tag]}, map[string]string{tag: v}
		return []audit.Event{e}, catalog.SetTag(ctx, c.tx, c.now, n.ID, coord.Version{Package: pkg, Version: v}, tag)
	})
}

// RemoveTag removes a registry's tag of a package. latest cannot be removed:
// npm installs nothing without it.
func (s *Service) RemoveTag(ctx context.Context, registry uuid.UUID, name, tag string) error {
	const op = "remove tag"
	n, pkg, err := s.named(ctx, op, registry, name)
	if err != nil {
		return err
	}
	if tag == catalog.Latest {
		return errs.New(errs.Invalid, op, "the tag latest cannot be removed; point it at another version instead").On("tag")
	}
	return s.write(ctx, op, n, pkg, "", func(ctx context.Context, c *change) ([]audit.Event, error) {
		tags, err := catalog.Tags(ctx, c.tx, pkg, []uuid.UUID{n.ID})
		if err != nil {
			return nil, err
		}
		was, there := tags[n.ID][tag]
		if !there {
			return nil, errs.New(errs.NotFound, op, "%s has no tag %.214q in the registry %q", pkg.Name, tag, n.Name).On("tag")
		}
		if _, err := catalog.DropTag(ctx, c.tx, n.ID, pkg, tag); err != nil {
			return nil, err
		}
		e := c.event("tag:remove", was)
		e.Before = map[string]string{tag: was}
		return []audit.Event{e}, nil
	})
}

// free refuses a version that is on hold in the registry (Q3).
func (c *change) free(ctx context.Context, version string) error {
	state, err := quarantine.Read(ctx, c.tx, c.pkg, []uuid.UUID{c.node.ID})
	if err != nil {
		return err
	}
	reason := ""
	if h := state.Held(c.node.ID, version); h != nil {
		reason = h.Reason
	} else if reason, err = c.Quarantine.Covered(ctx, c.tx, c.node.ID, coord.Version{Package: c.pkg, Version: version}); err != nil {
		return err
	}
	if reason == "" {
		return nil
	}
	return errs.Wrap(ErrOnHold, errs.Conflict, c.op, "%s@%s is in quarantine in the registry %q: %s", c.pkg.Name, version, c.node.Name, reason).On("version")
}

// tagName refuses what cannot be a tag: clients take what reads as a version or
// a range for one.
func tagName(op string, e coord.Ecosystem, tag string) error {
	switch {
	case tag == "":
		return errs.New(errs.Invalid, op, "the tag has no name").On("tag")
	case len(tag) > maxTag:
		return errs.New(errs.Invalid, op, "the name of the tag is %d bytes long; at most %d are allowed", len(tag), maxTag).On("tag")
	case tag == "__proto__" || !utf8.ValidString(tag):
		return errs.New(errs.Invalid, op, "%q cannot be the name of a tag", tag).On("tag")
	}
	for _, r := range tag {
		if unicode.IsControl(r) || unicode.IsSpace(r) || r == '/' || r == '@' {
			return errs.New(errs.Invalid, op, "%q cannot be the name of a tag: %q is not allowed in it", tag, r).On("tag")
		}
	}
	if _, err := coord.ParseRange(e, tag); err == nil {
		return errs.New(errs.Invalid, op, "%q cannot be the name of a tag: clients would read it as a range of versions", tag).On("tag")
	}
	return nil
}
