package intake

import (
	"context"

	"github.com/google/uuid"

	"sluice.dev/sluice/ent/db"
	"sluice.dev/sluice/jobs/spec"
	"sluice.dev/sluice/tenants/audit"
	"sluice.dev/sluice/tenants/catalog"
	"sluice.dev/sluice/tenants/coord"
	"sluice.dev/sluice/tenants/errs"
	"sluice.dev/sluice/tenants/registry"
	"sluice.dev/sluice/tenants/scope"
)

// ForwardRefused is the action of the audit event that says why a version was
// not forwarded.
const ForwardRefused = "version:forward-refused"

// forward has a job push a version that just came into a registry, when the
// registry forwards (R11). The job is enqueued in the transaction of the arrival.
func (s *Service) forward(ctx context.Context, tx *db.Tx, n *registry.Node, v coord.Version) error {
	if !forwards(n, v) {
		return nil
	}
	org, err := scope.Org(ctx)
	if err != nil {
		return err
	}
	return tx.Enqueue(ctx, spec.Forward{Org: org, Registry: n.ID, Name: v.Name, Version: v.Version}, nil)
}

func forwards(n *registry.Node, v coord.Version) bool {
	f := n.Forward
	return f.To != uuid.Nil && (!f.ReleasesOnly || !coord.IsPrerelease(v.Ecosystem, v.Version))
}

// Forward pushes a version to where its registry forwards to at this time, if
// it does. It may run twice. That the version cannot go there is audited and no
// error, since trying again would not help; an error is what may pass by itself.
func (s *Service) Forward(ctx context.Context, reg uuid.UUID, name, version string) error {
	shape, err := s.Shapes.Of(ctx)
	if err != nil {
		return err
	}
	n := shape.Node(reg)
	if n == nil || !forwards(n, coord.Version{Package: coord.Package{Ecosystem: n.Ecosystem, Name: name}, Version: version}) {
		return nil // deleted, or set otherwise meanwhile
	}
	_, err = s.carry(ctx, "push", catalog.ByPush, CopyInput{From: reg, To: n.Forward.To, Name: name, Version: version})
	switch errs.KindOf(err) {
	case errs.Invalid, errs.Conflict, errs.Forbidden, errs.NotFound:
	default:
		return err
	}
	if err == nil {
		return nil
	}
	return s.DB.InTx(ctx, func(ctx context.Context, tx *db.Tx) error {
		return s.Audit.Record(ctx, tx, audit.Event{Action: ForwardRefused, ObjectType: "version", ObjectID: name + "@" + version, Registry: reg,
			Reason: errs.Public(err), After: map[string]any{"to": n.Forward.To}})
	})
}
