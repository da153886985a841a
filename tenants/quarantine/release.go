package quarantine

import (
	"context"
	"strings"

	"github.com/google/uuid"

	"sluice.dev/sluice/ent"
	"sluice.dev/sluice/ent/db"
	"sluice.dev/sluice/ent/hold"
	"sluice.dev/sluice/tenants/coord"
	"sluice.dev/sluice/tenants/errs"
)

// ReleaseVersion releases, in one transaction, every root hold of a registry
// that names exactly this version. What still covers it (a hold on a range, on
// the whole package, or an inherited one) comes back as remaining. With nothing
// to release it is a Conflict that says what covers the version.
func (s *Service) ReleaseVersion(ctx context.Context, registry uuid.UUID, name, version, reason string) (released, remaining []*ent.Hold, err error) {
	const op = "release version"
	if strings.TrimSpace(reason) == "" {
		return nil, nil, errs.New(errs.Invalid, op, "releasing a version needs a reason").On("reason")
	}
	err = s.inPackage(ctx, op, registry, name, func(ctx context.Context, tx *db.Tx, r *ent.Registry, pkg coord.Package) error {
		released, remaining = nil, nil // of an attempt that was rolled back
		v, err := coord.NormalizeVersion(r.Ecosystem, version)
		if err != nil {
			return errs.Wrap(err, errs.Invalid, op, "%q is no version: %v", version, err).On("version")
		}
		exact, err := openExact(ctx, tx, r.ID, pkg, v)
		if err != nil {
			return err
		}
		for _, h := range exact {
			h.Edges.Registry = r
			out, err := s.release(ctx, tx, h, reason)
			if err != nil {
				return err
			}
			released = append(released, out)
		}
		if remaining, err = stillCovering(ctx, tx, Place{r.ID, pkg}, v); err != nil {
			return err
		}
		if len(released) == 0 {
			return nothingToRelease(op, r.Name, coord.Version{Package: pkg, Version: v}, remaining)
		}
		return nil
	})
	return released, remaining, err
}

func stillCovering(ctx context.Context, tx *db.Tx, at Place, version string) (out []*ent.Hold, err error) {
	open, err := OpenOn(ctx, tx, []Place{at})
	if err != nil {
		return nil, err
	}
	for _, h := range open[at] {
		about, err := Covers(h, version)
		if err != nil {
			return nil, err
		}
		if about {
			out = append(out, h)
		}
	}
	return out, nil
}

func nothingToRelease(op, registry string, v coord.Version, remaining []*ent.Hold) error {
	if len(remaining) == 0 {
		return errs.New(errs.Conflict, op, "the registry %q has no hold on %s@%s; nothing is to be released", registry, v.Name, v.Version)
	}
	switch h := remaining[0]; {
	case h.Cause == hold.CauseINHERITED:
		return errs.New(errs.Conflict, op, "the hold on %s@%s is inherited; it ends when the hold in the firewall above is released", v.Name, v.Version)
	case h.VersionRange != nil:
		return errs.New(errs.Conflict, op, "%s@%s is covered by the hold on the range %s, which other versions need too; release that hold itself", v.Name, v.Version, *h.VersionRange)
	}
	return errs.New(errs.Conflict, op, "%s@%s is covered by the hold on the whole package; release that hold itself", v.Name, v.Version)
}
