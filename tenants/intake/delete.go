package intake

import (
	"context"
	"fmt"

	"github.com/google/uuid"

	"sluice.dev/sluice/ent/db"
	"sluice.dev/sluice/tenants/coord"
	"sluice.dev/sluice/tenants/errs"
	"sluice.dev/sluice/tenants/quarantine"
	"sluice.dev/sluice/tenants/registry"
)

// Delete deletes a version from a registry; what that means below is in
// [quarantine.Service.Delete] (D1, D2). An archived registry gives up only what
// is deleted for security: that passes through a freeze (C6).
func (s *Service) Delete(ctx context.Context, reg uuid.UUID, name, version, reason string) (quarantine.Deleted, error) {
	const op = "delete version"
	shape, err := s.Shapes.Of(ctx)
	if err != nil {
		return quarantine.Deleted{}, err
	}
	n := shape.Node(reg)
	if n == nil {
		return quarantine.Deleted{}, errs.New(errs.NotFound, op, "there is no registry %s", reg)
	}
	if n.Archived {
		held, err := s.onHold(ctx, n, name, version)
		if err != nil {
			return quarantine.Deleted{}, err
		}
		if !held {
			return quarantine.Deleted{}, errs.New(errs.Conflict, op, "the registry %q is archived; only versions in quarantine can be deleted from it", n.Name)
		}
	}
	return s.Quarantine.Delete(ctx, reg, name, version, reason)
}

func (s *Service) onHold(ctx context.Context, n *registry.Node, name, version string) (held bool, err error) {
	normal, err := coord.NormalizeName(n.Ecosystem, name)
	if err != nil {
		return false, errs.Wrap(err, errs.Invalid, "delete version", "%q is no package name: %v", name, err).On("package")
	}
	v, err := coord.NormalizeVersion(n.Ecosystem, version)
	if err != nil {
		return false, errs.Wrap(err, errs.Invalid, "delete version", "%q is no version: %v", version, err).On("version")
	}
	err = s.DB.InTx(ctx, func(ctx context.Context, tx *db.Tx) error {
		state, err := quarantine.Read(ctx, tx, coord.Package{Ecosystem: n.Ecosystem, Name: normal}, []uuid.UUID{n.ID})
		if err != nil {
			return fmt.Errorf("read holds: %w", err)
		}
		held = state.Held(n.ID, v) != nil
		return nil
	})
	return held, err
}
