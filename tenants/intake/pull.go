package intake

import (
	"context"

	"github.com/google/uuid"

	"sluice.dev/sluice/ent/db"
	"sluice.dev/sluice/tenants/audit"
	"sluice.dev/sluice/tenants/coord"
	"sluice.dev/sluice/tenants/org"
	"sluice.dev/sluice/tenants/registry"
)

// Pull brings a version into a registry along its path, as a fetch would (R2):
// every registry on the way holds it afterwards. One that the registry holds
// stays as it is. What the gate withholds is a Conflict ([ErrWithheld]), what no
// source lists is NotFound. An organization whose storage is full pulls nothing
// on purpose (a Conflict, T5); what clients install still passes.
func (s *Service) Pull(ctx context.Context, reg uuid.UUID, name, version string) (coord.Version, error) {
	const op = "pull"
	n, pkg, err := s.named(ctx, op, reg, name)
	if err != nil {
		return coord.Version{}, err
	}
	v := coord.Version{Package: pkg}
	if v.Version, err = number(op, n.Ecosystem, version); err != nil {
		return v, err
	}
	before, err := s.release(ctx, n.ID, v)
	if err == nil && before == nil {
		err = s.DB.InSnapshot(ctx, func(ctx context.Context, tx *db.Tx) error { return org.RoomForStorage(ctx, tx, 1) })
	}
	if err != nil {
		return v, err
	}
	if err := s.bring(ctx, n, v); err != nil || before != nil {
		return v, err
	}
	return v, s.DB.InTx(ctx, func(ctx context.Context, tx *db.Tx) error {
		return s.Audit.Record(ctx, tx, audit.Event{Action: "version:pull", ObjectType: "version", ObjectID: v.Name + "@" + v.Version, Registry: n.ID})
	})
}

// bring asks the gate to bring a version in.
func (s *Service) bring(ctx context.Context, n *registry.Node, v coord.Version) error {
	refusal, err := s.Gate.Pull(ctx, n.ID, v)
	if err == nil && refusal != nil {
		err = withheld("pull", v, n, refusal.Decision)
	}
	return err
}
