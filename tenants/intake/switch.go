package intake

import (
	"context"

	"github.com/google/uuid"

	"sluice.dev/sluice/ent"
	"sluice.dev/sluice/ent/db"
	"sluice.dev/sluice/ent/nameswitch"
	"sluice.dev/sluice/tenants/audit"
	"sluice.dev/sluice/tenants/catalog"
	"sluice.dev/sluice/tenants/coord"
	"sluice.dev/sluice/tenants/errs"
)

// NameSwitch is the override of what ownership says about a name, as seen from
// a registry and below it; the nearest registry with a position decides (O5).
type NameSwitch struct {
	ID       uuid.UUID
	Registry uuid.UUID
	Package  coord.Package
	catalog.Switch
}

// SetNameSwitch sets the override of a name in a registry. publish BLOCK
// refuses versions of one's own, ALLOW lets them in although the name is public
// too; upstream ALLOW lets public sources contribute although the name is
// owned, BLOCK keeps them out although it is not. nil leaves a position to the
// next registry upward, and to ownership in the end; with both nil the override
// goes.
func (s *Service) SetNameSwitch(ctx context.Context, registry uuid.UUID, name string, publish, upstream *string, reason string) error {
	const op = "set name switch"
	n, pkg, err := s.named(ctx, op, registry, name)
	if err != nil {
		return err
	}
	if err := reasonGiven(op, "a switch of a name", reason); err != nil {
		return err
	}
	for field, p := range map[string]*string{"publish": publish, "upstream": upstream} {
		if p != nil && *p != catalog.Allow && *p != catalog.Block {
			return errs.New(errs.Invalid, op, "%q must be ALLOW or BLOCK, or left out", *p).On(field)
		}
	}
	return s.locked(ctx, pkg, func(ctx context.Context, tx *db.Tx) error {
		have, err := tx.Ent.NameSwitch.Query().Where(nameswitch.RegistryID(n.ID), nameswitch.Ecosystem(pkg.Ecosystem), nameswitch.Name(pkg.Name)).Only(ctx)
		if err != nil && !ent.IsNotFound(err) {
			return err
		}
		if same(have, publish, upstream) {
			return nil
		}
		if err := s.putSwitch(ctx, tx, have, NameSwitch{Registry: n.ID, Package: pkg}, publish, upstream, reason); err != nil {
			return err
		}
		e := audit.Event{Action: "name:switch", ObjectType: "package", ObjectID: pkg.Name, Registry: n.ID, Reason: reason,
			Before: positions(have), After: map[string]*string{"publish": publish, "upstream": upstream}}
		if err := s.Audit.Record(ctx, tx, e); err != nil {
			return err
		}
		return catalog.Changed(ctx, tx, pkg)
	})
}

func (s *Service) putSwitch(ctx context.Context, tx *db.Tx, have *ent.NameSwitch, at NameSwitch, publish, upstream *string, reason string) error {
	if publish == nil && upstream == nil {
		return tx.Ent.NameSwitch.DeleteOne(have).Exec(ctx)
	}
	if have != nil {
		u := tx.Ent.NameSwitch.UpdateOne(have).SetNillablePublish((*nameswitch.Publish)(publish)).SetNillableUpstream((*nameswitch.Upstream)(upstream))
		if publish == nil {
			u.ClearPublish()
		}
		if upstream == nil {
			u.ClearUpstream()
		}
		return u.SetReason(reason).SetUpdatedAt(s.Now()).Exec(ctx)
	}
	return tx.Ent.NameSwitch.Create().SetRegistryID(at.Registry).SetEcosystem(at.Package.Ecosystem).SetName(at.Package.Name).
		SetNillablePublish((*nameswitch.Publish)(publish)).SetNillableUpstream((*nameswitch.Upstream)(upstream)).
		SetReason(reason).SetUpdatedAt(s.Now()).Exec(ctx)
}

// positions are those of a row, for the audit.
func positions(r *ent.NameSwitch) any {
	if r == nil {
		return nil
	}
	return map[string]*string{"publish": (*string)(r.Publish), "upstream": (*string)(r.Upstream)}
}

func same(r *ent.NameSwitch, publish, upstream *string) bool {
	if r == nil {
		return publish == nil && upstream == nil
	}
	return alike((*string)(r.Publish), publish) && alike((*string)(r.Upstream), upstream)
}

func alike(a, b *string) bool { return a == b || a != nil && b != nil && *a == *b }

// NameSwitches returns a page of the overrides of a registry, or of every
// registry when it is nil, in the order in which they were made, behind the
// given one; nil = from the start. The limit is at most 500; 0 = 100.
func (s *Service) NameSwitches(ctx context.Context, registry, after uuid.UUID, limit int) (out []NameSwitch, err error) {
	if limit <= 0 || limit > mostPage {
		limit = usualPage
	}
	err = s.DB.InSnapshot(ctx, func(ctx context.Context, tx *db.Tx) error {
		find := tx.Ent.NameSwitch.Query().Where(nameswitch.IDGT(after))
		if registry != uuid.Nil {
			find.Where(nameswitch.RegistryID(registry))
		}
		rows, err := find.Order(ent.Asc(nameswitch.FieldID)).Limit(limit).All(ctx)
		for _, r := range rows {
			out = append(out, switchOf(r))
		}
		return err
	})
	return out, err
}

func switchOf(r *ent.NameSwitch) NameSwitch {
	x := NameSwitch{ID: r.ID, Registry: r.RegistryID, Package: coord.Package{Ecosystem: r.Ecosystem, Name: r.Name}}
	x.Reason, x.Updated = r.Reason, r.UpdatedAt
	if r.Publish != nil {
		x.Publish = string(*r.Publish)
	}
	if r.Upstream != nil {
		x.Upstream = string(*r.Upstream)
	}
	return x
}
