package registry

import (
	"context"
	"strings"

	"github.com/google/uuid"

	"sluice.dev/sluice/ent"
	"sluice.dev/sluice/ent/db"
	"sluice.dev/sluice/tenants/audit"
	"sluice.dev/sluice/tenants/errs"
)

// Forwarding says that a registry pushes every new version of its own to an
// upstream (R11). The zero value says that it does not.
type Forwarding struct {
	To           uuid.UUID // a registry upward of it
	ReleasesOnly bool      // prereleases stay where they are
}

func forwardingOf(r *ent.Registry) Forwarding {
	if r.ForwardTo == nil {
		return Forwarding{}
	}
	return Forwarding{To: *r.ForwardTo, ReleasesOnly: r.ForwardReleasesOnly}
}

// SetForwarding has a registry forward its new versions, or ends that with the
// zero value. The target must be a direct or indirect upstream. Whether the
// caller may push into it is for the caller to check.
func (s *Service) SetForwarding(ctx context.Context, id uuid.UUID, to Forwarding) (*ent.Registry, error) {
	const op = "set forwarding"
	var out *ent.Registry
	err := s.inGraph(ctx, func(ctx context.Context, tx *db.Tx) error {
		old, err := lockedLive(ctx, tx, op, id)
		if err != nil {
			return err
		}
		if err := s.checkForwarding(ctx, tx, op, old, to); err != nil {
			return err
		}
		if out = old; forwardingOf(old) == to {
			return nil // no change means no audit
		}
		up := tx.Ent.Registry.UpdateOne(old).SetForwardReleasesOnly(to.ReleasesOnly)
		if to.To == uuid.Nil {
			up.ClearForwardTo()
		} else {
			up.SetForwardTo(to.To)
		}
		if out, err = up.Save(ctx); err != nil {
			return err
		}
		describe := func(f Forwarding) map[string]any {
			return map[string]any{"forwardTo": f.To, "releasesOnly": f.ReleasesOnly}
		}
		if err := s.Audit.Record(ctx, tx, audit.Event{Action: "registry:forward", ObjectType: "registry", ObjectID: id.String(), Registry: id,
			Before: describe(forwardingOf(old)), After: describe(to)}); err != nil {
			return err
		}
		return s.changed(ctx, tx)
	})
	return out, err
}

func (s *Service) checkForwarding(ctx context.Context, tx *db.Tx, op string, r *ent.Registry, to Forwarding) error {
	if to.To == uuid.Nil {
		if to.ReleasesOnly {
			return errs.New(errs.Invalid, op, "forwarding of releases only needs a registry to forward to").On("to")
		}
		return nil
	}
	target, err := live(ctx, tx, op, to.To)
	if err != nil {
		return err
	}
	shape, err := loadGraph(ctx, tx, r.Ecosystem)
	if err != nil {
		return err
	}
	if target.ID == r.ID || shape.path(r.ID, target.ID) == nil {
		above := shape.names(shape.above(r.ID))
		if len(above) == 0 {
			return errs.New(errs.Invalid, op, "the registry %q has no registry upstream, so there is nothing to forward to", r.Name).On("to")
		}
		return errs.New(errs.Invalid, op, "the registry %q is no upstream of %q; choose one of %s", target.Name, r.Name, strings.Join(above, ", ")).On("to")
	}
	return nil
}

// above returns what is reachable upward, the nearest first.
func (g *graph) above(id uuid.UUID) []uuid.UUID {
	seen, out := map[uuid.UUID]bool{id: true}, []uuid.UUID{id}
	for i := 0; i < len(out); i++ {
		for _, next := range g.up[out[i]] {
			if !seen[next] {
				seen[next], out = true, append(out, next)
			}
		}
	}
	return out[1:]
}
