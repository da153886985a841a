package intake

import (
	"context"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"

	"sluice.dev/sluice/ent"
	"sluice.dev/sluice/ent/db"
	"sluice.dev/sluice/ent/ownedname"
	"sluice.dev/sluice/tenants/audit"
	"sluice.dev/sluice/tenants/catalog"
	"sluice.dev/sluice/tenants/coord"
	"sluice.dev/sluice/tenants/errs"
)

// Ownership is a name that a registry owns, as seen from there and below, since
// a version of the organization's own came in (O3).
type Ownership struct {
	ID       uuid.UUID
	Registry uuid.UUID
	Package  coord.Package
	Since    time.Time
}

// OwnershipQuery selects what registries own.
type OwnershipQuery struct {
	Registry uuid.UUID // nil = every registry
	Prefix   string    // what names begin with; "" = all
	After    uuid.UUID // the ownership behind which a page begins; nil = from the start
	Limit    int       // at most 500; 0 = 100
}

// Ownerships returns a page of the names that are owned by the ledger, the
// oldest first. Names owned by a reserved pattern or an internal remote are not
// in it.
func (s *Service) Ownerships(ctx context.Context, q OwnershipQuery) (out []Ownership, err error) {
	if q.Limit <= 0 || q.Limit > mostPage {
		q.Limit = usualPage
	}
	err = s.DB.InSnapshot(ctx, func(ctx context.Context, tx *db.Tx) error {
		find := tx.Ent.OwnedName.Query().Where(ownedname.LiftedAtIsNil(), ownedname.NameHasPrefix(q.Prefix))
		if q.Registry != uuid.Nil {
			find.Where(ownedname.RegistryID(q.Registry))
		}
		if q.After != uuid.Nil {
			after, err := tx.Ent.OwnedName.Get(ctx, q.After)
			if ent.IsNotFound(err) {
				return errs.New(errs.NotFound, "list owned names", "there is no owned name %s to go on behind", q.After).On("after")
			}
			if err != nil {
				return err
			}
			find.Where(ownedname.Or(ownedname.OwnedSinceGT(after.OwnedSince), ownedname.And(ownedname.OwnedSince(after.OwnedSince), ownedname.IDGT(after.ID))))
		}
		rows, err := find.Order(ent.Asc(ownedname.FieldOwnedSince, ownedname.FieldID)).Limit(q.Limit).All(ctx)
		for _, r := range rows {
			out = append(out, Ownership{ID: r.ID, Registry: r.RegistryID, Package: coord.Package{Ecosystem: r.Ecosystem, Name: r.Name}, Since: r.OwnedSince})
		}
		return err
	})
	return out, err
}

// Pages of lists.
const (
	usualPage = 100
	mostPage  = 500
)

// LiftOwnership ends that a registry owns a name. It is a Conflict while the
// registry holds versions of its own: they own the name themselves. (To let
// public versions in beside them there is [Service.SetNameSwitch].)
func (s *Service) LiftOwnership(ctx context.Context, registry uuid.UUID, name, reason string) error {
	const op = "lift ownership"
	n, pkg, err := s.named(ctx, op, registry, name)
	if err != nil {
		return err
	}
	if err := reasonGiven(op, "lifting the ownership of a name", reason); err != nil {
		return err
	}
	return s.locked(ctx, pkg, func(ctx context.Context, tx *db.Tx) error {
		held, err := catalog.Held(ctx, tx, pkg, []uuid.UUID{n.ID})
		if err != nil {
			return err
		}
		own := 0
		for _, h := range held {
			if h.Release.Origin == coord.Internal {
				own++
			}
		}
		if own > 0 {
			return errs.New(errs.Conflict, op, "the registry %q still holds %d versions of %s that are the organization's own; delete them first, or let public versions in beside them by the name's upstream switch", n.Name, own, pkg.Name).On("name")
		}
		changed, err := tx.Ent.OwnedName.Update().Where(ownedname.RegistryID(n.ID), ownedname.Ecosystem(pkg.Ecosystem), ownedname.Name(pkg.Name), ownedname.LiftedAtIsNil()).
			SetLiftedAt(s.Now()).SetLiftReason(reason).Save(ctx)
		if err != nil {
			return err
		}
		if changed == 0 {
			return errs.New(errs.NotFound, op, "the registry %q does not own %s", n.Name, pkg.Name).On("name")
		}
		e := audit.Event{Action: "name:lift", ObjectType: "package", ObjectID: pkg.Name, Registry: n.ID, Reason: reason}
		if err := s.Audit.Record(ctx, tx, e); err != nil {
			return err
		}
		return catalog.Changed(ctx, tx, pkg)
	})
}

// locked runs fn under the package's exclusive lock.
func (s *Service) locked(ctx context.Context, pkg coord.Package, fn func(context.Context, *db.Tx) error) error {
	return db.Retry(ctx, func() error {
		return s.DB.InTx(ctx, func(ctx context.Context, tx *db.Tx) error {
			if err := catalog.LockPackage(ctx, tx, pkg, false); err != nil {
				return err
			}
			return fn(ctx, tx)
		})
	})
}

// maxReason bounds what people write as a reason, in characters.
const maxReason = 2000

func reasonGiven(op, what, reason string) error {
	if strings.TrimSpace(reason) == "" {
		return errs.New(errs.Invalid, op, "%s needs a reason", what).On("reason")
	}
	if n := utf8.RuneCountInString(reason); n > maxReason {
		return errs.New(errs.Invalid, op, "the reason has %d characters; the limit is %d", n, maxReason).On("reason")
	}
	return nil
}
