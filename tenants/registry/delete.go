package registry

import (
	"context"
	"strings"
	"time"

	"github.com/google/uuid"

	"sluice.dev/sluice/ent"
	"sluice.dev/sluice/ent/db"
	entregistry "sluice.dev/sluice/ent/registry"
	entupstream "sluice.dev/sluice/ent/upstream"
	"sluice.dev/sluice/tenants/audit"
	"sluice.dev/sluice/tenants/errs"
	"sluice.dev/sluice/tenants/org"
)

// UndeleteWithin is how long a deleted registry can be brought back (D4).
const UndeleteWithin = 7 * 24 * time.Hour

// Delete hides a registry; it can be undone for 7 days (D4). One that others
// use as an upstream cannot be deleted.
func (s *Service) Delete(ctx context.Context, id uuid.UUID) error {
	const op = "delete registry"
	return s.DB.InTx(ctx, func(ctx context.Context, tx *db.Tx) error {
		r, err := lockedLive(ctx, tx, op, id)
		if err != nil {
			return err
		}
		below, err := directDownstream(ctx, tx, id)
		if err != nil {
			return err
		}
		if len(below) > 0 {
			return errs.New(errs.Conflict, op, "the registry %q is an upstream of %s; remove it there first", r.Name, strings.Join(below, ", "))
		}
		if err := tx.Ent.Registry.UpdateOne(r).SetDeletedAt(s.Now()).Exec(ctx); err != nil {
			return err
		}
		if err := s.Audit.Record(ctx, tx, audit.Event{Action: "registry:delete", ObjectType: "registry", ObjectID: id.String(), Registry: id}); err != nil {
			return err
		}
		return s.changed(ctx, tx)
	})
}

// Undelete brings a deleted registry back within 7 days, unless its name has
// been taken meanwhile, or its place in the graph has gone: a source of it was
// deleted too, or the graph above has outgrown its limits (R8).
func (s *Service) Undelete(ctx context.Context, id uuid.UUID) error {
	const op = "undelete registry"
	return s.DB.InTx(ctx, func(ctx context.Context, tx *db.Tx) error {
		r, err := tx.Ent.Registry.Get(ctx, id)
		if err == nil {
			if err := LockGraph(ctx, tx, r.Ecosystem, false); err != nil {
				return err
			}
			r, err = tx.Ent.Registry.Get(ctx, id) // as it is under the lock
		}
		switch {
		case ent.IsNotFound(err):
			return notFound(op, id)
		case err != nil:
			return err
		case r.DeletedAt == nil:
			return nil
		case s.Now().Sub(*r.DeletedAt) > UndeleteWithin:
			return errs.New(errs.Conflict, op, "the registry %q was deleted more than 7 days ago", r.Name)
		}
		if err := checkReturn(ctx, tx, op, r); err != nil {
			return err
		}
		if err := org.RoomForRegistry(ctx, tx); err != nil {
			return err
		}
		err = tx.Ent.Registry.UpdateOne(r).ClearDeletedAt().Exec(ctx)
		if _, dup := db.IsUnique(err); dup {
			return errs.Wrap(err, errs.Conflict, op, "another registry is named %q now; rename that one first", r.Name)
		}
		if err != nil {
			return err
		}
		if s.AfterLink != nil {
			// Holds of its firewalls may have come while it was away.
			if err := s.AfterLink(ctx, tx, id); err != nil {
				return err
			}
		}
		if err := s.Audit.Record(ctx, tx, audit.Event{Action: "registry:undelete", ObjectType: "registry", ObjectID: id.String(), Registry: id}); err != nil {
			return err
		}
		return s.changed(ctx, tx)
	})
}

// checkReturn checks what adding the edges of a deleted registry anew would.
func checkReturn(ctx context.Context, tx *db.Tx, op string, r *ent.Registry) error {
	sources, err := tx.Ent.Upstream.Query().Where(entupstream.RegistryID(r.ID), entupstream.SourceRegistryIDNotNil()).WithSourceRegistry().All(ctx)
	if err != nil {
		return err
	}
	for _, u := range sources {
		if src := u.Edges.SourceRegistry; src.DeletedAt != nil {
			return errs.New(errs.Conflict, op, "the registry %q has the upstream %q, which is deleted too; bring that one back first", r.Name, src.Name)
		}
	}
	shape, err := loadGraph(ctx, tx, r.Ecosystem)
	if err != nil {
		return err
	}
	shape.name[r.ID] = r.Name
	for _, u := range sources {
		shape.add(r.ID, *u.SourceRegistryID)
	}
	if err := shape.checkLimits(op, r.ID); err != nil {
		return errs.Wrap(err, errs.Conflict, op, "the registry %q does not fit back: %s", r.Name, errs.Public(err))
	}
	return nil
}

func directDownstream(ctx context.Context, tx *db.Tx, id uuid.UUID) ([]string, error) {
	return tx.Ent.Registry.Query().Where(entregistry.DeletedAtIsNil(), entregistry.HasUpstreamsWith(sourceIs(id))).
		Order(ent.Asc(entregistry.FieldName)).Select(entregistry.FieldName).Strings(ctx)
}
