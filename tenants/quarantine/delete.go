package quarantine

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/google/uuid"

	"sluice.dev/sluice/ent"
	"sluice.dev/sluice/ent/cascade"
	"sluice.dev/sluice/ent/db"
	"sluice.dev/sluice/ent/policyrule"
	entregistry "sluice.dev/sluice/ent/registry"
	"sluice.dev/sluice/ent/tombstone"
	"sluice.dev/sluice/tenants/audit"
	"sluice.dev/sluice/tenants/catalog"
	"sluice.dev/sluice/tenants/coord"
	"sluice.dev/sluice/tenants/errs"
	"sluice.dev/sluice/tenants/policy"
	"sluice.dev/sluice/tenants/scope"
)

// Deleted tells what a deletion did.
type Deleted struct {
	Tombstone *ent.Tombstone // nil when the version was not on hold, or the registry is no firewall (D2)
}

// Delete deletes a version from a registry. One that is on hold in a firewall
// goes from every registry below too, and leaves a tombstone (D1); any other
// goes here only and may come back from an upstream (D2).
func (s *Service) Delete(ctx context.Context, registry uuid.UUID, name, version, reason string) (Deleted, error) {
	const op = "delete version"
	var out Deleted
	if strings.TrimSpace(reason) == "" {
		return out, errs.New(errs.Invalid, op, "deleting a version needs a reason").On("reason")
	}
	err := s.inPackage(ctx, op, registry, name, func(ctx context.Context, tx *db.Tx, r *ent.Registry, pkg coord.Package) error {
		v, err := coord.NormalizeVersion(r.Ecosystem, version)
		if err != nil {
			return errs.Wrap(err, errs.Invalid, op, "%q is no version: %v", version, err).On("version")
		}
		state, err := Read(ctx, tx, pkg, []uuid.UUID{r.ID})
		if err != nil {
			return err
		}
		security, err := s.quarantined(ctx, tx, state, r, pkg, v)
		if err != nil {
			return err
		}
		if !security {
			if err := refuseImmutable(ctx, tx, op, r); err != nil {
				return err
			}
		}
		digest, err := s.drop(ctx, tx, r.ID, coord.Version{Package: pkg, Version: v}, !security)
		if err != nil {
			return err
		}
		if digest == "" && !security {
			return errs.New(errs.NotFound, op, "the registry %q does not hold %s@%s", r.Name, pkg.Name, v)
		}
		if security {
			var fresh bool
			if out.Tombstone, fresh, err = s.bury(ctx, tx, r, coord.Version{Package: pkg, Version: v}, digest, reason); err != nil {
				return err
			}
			if !fresh && digest == "" {
				return nil // it was deleted before, and has not come back
			}
			if err := s.closeExact(ctx, tx, r, pkg, v); err != nil {
				return err
			}
		}
		err = s.Audit.Record(ctx, tx, audit.Event{Action: "version:delete", ObjectType: "version", ObjectID: pkg.Name + "@" + v, Registry: r.ID, Reason: reason,
			Before: map[string]any{"digest": digest, "quarantined": security}})
		if err != nil {
			return err
		}
		return catalog.Changed(ctx, tx, pkg)
	})
	return out, err
}

// quarantined reports whether a deletion of the version deletes for security: a
// hold of the firewall itself, or one of a firewall above that has not been
// written down here yet, is in force on it (C2, D1).
func (s *Service) quarantined(ctx context.Context, tx *db.Tx, state *State, r *ent.Registry, pkg coord.Package, version string) (bool, error) {
	if r.Kind != entregistry.KindFIREWALL {
		return false, nil
	}
	if state.Held(r.ID, version) != nil {
		return true, nil
	}
	covering, err := s.covering(ctx, tx, &pkg, []uuid.UUID{r.ID})
	return slices.ContainsFunc(covering, func(c covered) bool { return c.version == version }), err
}

// drop removes a holding and returns the digest of what it was, "" when the
// registry did not hold the version. The number of a version of the registry's
// own is spent, unless it goes for security: the tombstone tells then whether
// it may come back.
func (s *Service) drop(ctx context.Context, tx *db.Tx, registry uuid.UUID, v coord.Version, spend bool) (digest string, err error) {
	now := s.Now()
	d, err := catalog.Drop(ctx, tx, registry, v)
	if err != nil || d == nil {
		return "", err
	}
	if err := catalog.Bump(ctx, tx, now, registry, v.Package); err != nil || !d.Own {
		return d.Digest, err
	}
	if spend {
		if err := catalog.Spend(ctx, tx, now, registry, v); err != nil {
			return "", err
		}
	}
	if err := catalog.ForgetDeprecations(ctx, tx, registry, v.Package, []string{v.Version}); err != nil {
		return "", err
	}
	return d.Digest, catalog.Untag(ctx, tx, now, registry, v)
}

// Immutable returns the name of the rule by which versions of a registry can be
// neither unpublished nor deleted (P9), "" when there is none. Deletion for
// security passes it (D1).
func Immutable(ctx context.Context, tx *db.Tx, registry uuid.UUID) (rule string, err error) {
	r, err := tx.Ent.PolicyRule.Query().Where(policyrule.RegistryID(registry), policyrule.Kind(string(policy.KindImmutable)), policyrule.Mode(string(policy.Enforce))).
		Order(ent.Asc(policyrule.FieldPosition)).First(ctx)
	if ent.IsNotFound(err) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("read rules: %w", err)
	}
	return r.Name, nil
}

func refuseImmutable(ctx context.Context, tx *db.Tx, op string, r *ent.Registry) error {
	rule, err := Immutable(ctx, tx, r.ID)
	if err != nil || rule == "" {
		return err
	}
	return errs.New(errs.Forbidden, op, "versions cannot be deleted from the registry %q: its rule %q makes them immutable; a version in quarantine in a firewall can", r.Name, rule)
}

// bury leaves a tombstone and starts the cascade, and reports whether the
// tombstone is new. An open one stays; what has come to be held below it since,
// past it by its own origin, is looked for again.
func (s *Service) bury(ctx context.Context, tx *db.Tx, r *ent.Registry, v coord.Version, digest, reason string) (t *ent.Tombstone, fresh bool, err error) {
	have, err := tx.Ent.Tombstone.Query().Where(tombstone.RegistryID(r.ID), tombstone.Ecosystem(v.Ecosystem), tombstone.Name(v.Name),
		tombstone.Version(v.Version), tombstone.LiftedAtIsNil()).Only(ctx)
	if err == nil && digest != "" {
		return have, false, s.startCascade(ctx, tx, cascade.ActionDELETE, r.ID, nil, have)
	}
	if err == nil || !ent.IsNotFound(err) {
		return have, false, err
	}
	c := tx.Ent.Tombstone.Create().SetRegistryID(r.ID).SetEcosystem(v.Ecosystem).SetName(v.Name).SetVersion(v.Version).
		SetReason(reason).SetCreatedBy(scope.ActorOf(ctx).Name).SetCreatedAt(s.Now())
	if digest != "" {
		c.SetDigest(digest)
	}
	if t, err = c.Save(ctx); err != nil {
		return nil, false, fmt.Errorf("leave tombstone: %w", err)
	}
	return t, true, s.startCascade(ctx, tx, cascade.ActionDELETE, r.ID, nil, t)
}

// closeExact ends the holds that named exactly the deleted version here: the
// tombstone stands in their place. Holds on a range or the whole package stay.
func (s *Service) closeExact(ctx context.Context, tx *db.Tx, r *ent.Registry, pkg coord.Package, version string) error {
	holds, err := openExact(ctx, tx, r.ID, pkg, version)
	if err != nil {
		return err
	}
	for _, h := range holds {
		h.Edges.Registry = r
		if _, err := s.release(scope.WithActor(ctx, scope.System(LiftedBy)), tx, h, "the version was deleted"); err != nil {
			return err
		}
	}
	return nil
}

// Lift removes a tombstone's effect: the version may come back. While the
// deletion is still being carried to the registries below it is a Conflict,
// since what came back would be deleted again.
func (s *Service) Lift(ctx context.Context, id uuid.UUID, reason string) (*ent.Tombstone, error) {
	const op = "lift tombstone"
	if strings.TrimSpace(reason) == "" {
		return nil, errs.New(errs.Invalid, op, "lifting a tombstone needs a reason").On("reason")
	}
	var out *ent.Tombstone
	err := s.DB.InTx(ctx, func(ctx context.Context, tx *db.Tx) error {
		t, err := tx.Ent.Tombstone.Query().Where(tombstone.ID(id)).ForUpdate().Only(ctx)
		if ent.IsNotFound(err) {
			return errs.New(errs.NotFound, op, "there is no tombstone %s", id)
		}
		if out = t; err != nil || t.LiftedAt != nil {
			return err
		}
		running, err := tx.Ent.Cascade.Query().Where(cascade.TombstoneID(id), cascade.FinishedAtIsNil()).Exist(ctx)
		if err != nil {
			return err
		}
		if running {
			return errs.New(errs.Conflict, op, "%s@%s is still being deleted from the registries below; lift the tombstone when that has finished", t.Name, t.Version)
		}
		if out, err = tx.Ent.Tombstone.UpdateOne(t).SetLiftedAt(s.Now()).SetLiftedBy(scope.ActorOf(ctx).Name).Save(ctx); err != nil {
			return err
		}
		err = s.Audit.Record(ctx, tx, audit.Event{Action: "tombstone:lift", ObjectType: "tombstone", ObjectID: id.String(), Registry: t.RegistryID, Reason: reason})
		if err != nil {
			return err
		}
		return catalog.Changed(ctx, tx, coord.Package{Ecosystem: t.Ecosystem, Name: t.Name})
	})
	return out, err
}
