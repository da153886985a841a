package access

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/google/uuid"

	"sluice.dev/sluice/ent/db"
	"sluice.dev/sluice/ent/registry"
	"sluice.dev/sluice/tenants/audit"
	"sluice.dev/sluice/tenants/errs"
	"sluice.dev/sluice/tenants/scope"
)

// turn is one change of an organization's access. Turns of one organization
// follow each other, so that what is checked still holds when it is written.
type turn struct {
	*db.Tx
	s   *Service
	org uuid.UUID
	st  *state
	by  Subject
	me  *credential // of by; nil for a system subject
}

// change runs fn as the context's subject.
func (s *Service) change(ctx context.Context, fn func(context.Context, *turn) error) error {
	return db.Retry(ctx, func() error {
		return s.db.InTx(ctx, func(ctx context.Context, tx *db.Tx) error {
			org, err := scope.Org(ctx)
			if err != nil {
				return err
			}
			if err := tx.Lock(ctx, false, "access", org.String()); err != nil {
				return fmt.Errorf("lock access: %w", err)
			}
			t, err := s.turn(ctx, tx)
			if err != nil {
				return err
			}
			return fn(ctx, t)
		})
	})
}

// turn reads what holds now, in the transaction, for the context's subject. A
// subject whose credential has ended is Unauthenticated.
func (s *Service) turn(ctx context.Context, tx *db.Tx) (*turn, error) {
	st, err := load(ctx, tx)
	if err != nil {
		return nil, err
	}
	t := &turn{Tx: tx, s: s, org: st.org, st: st, by: Of(ctx)}
	if t.by.Kind == KindSystem {
		return t, nil
	}
	if t.by.live == nil || t.by.org != t.org {
		return nil, errs.New(errs.Unauthenticated, "access", "this needs somebody; log in or send a token")
	}
	t.me, err = st.find(ctx, tx, t.by.key)
	if err != nil && !errors.Is(err, errClosed) {
		return nil, err
	}
	if t.me == nil || t.me.expired(s.now()) {
		return nil, noLonger()
	}
	return t, nil
}

// RequireIn is Require for the context's subject inside a transaction, by what
// the transaction sees.
func (s *Service) RequireIn(ctx context.Context, tx *db.Tx, a Action, registry uuid.UUID) error {
	t, err := s.turn(ctx, tx)
	if err != nil {
		return err
	}
	return t.require(a, registry)
}

func (t *turn) can(a Action, registry uuid.UUID) (bool, error) {
	if t.me == nil {
		return true, nil
	}
	return t.me.can(a, registry)
}

func (t *turn) require(a Action, registry uuid.UUID) error {
	ok, err := t.can(a, registry)
	if err != nil || ok {
		return err
	}
	if registry != uuid.Nil {
		sees, err := t.can(RegistryRead, registry)
		if err != nil {
			return err
		}
		if !sees {
			return noRegistry()
		}
	}
	return missing(t.by, a, registry)
}

// bound refuses to hand on actions that the acting subject may not do there
// itself (A4).
func (t *turn) bound(what string, list []Action, registry uuid.UUID) error {
	var beyond []string
	for _, a := range list {
		ok, err := t.can(a, registry)
		if err != nil {
			return err
		}
		if !ok {
			beyond = append(beyond, string(a))
		}
	}
	if len(beyond) == 0 {
		return nil
	}
	where := "on the organization"
	if registry != uuid.Nil {
		where = "on this registry"
	}
	return errs.New(errs.Forbidden, "access", "%s allows what you may not do %s yourself: %s", what, where, strings.Join(beyond, ", "))
}

// registryExists refuses a registry that does not exist, or was deleted.
func (t *turn) registryExists(ctx context.Context, ids ...uuid.UUID) error {
	slices.SortFunc(ids, compareIDs)
	ids = slices.Compact(ids)
	n, err := t.Ent.Registry.Query().Where(registry.IDIn(ids...), registry.DeletedAtIsNil()).Count(ctx)
	if err != nil {
		return err
	}
	if n != len(ids) {
		return noRegistry()
	}
	return nil
}

// done tells every node and writes the audit event.
func (t *turn) done(ctx context.Context, e audit.Event) error {
	t.Changed(db.Change{Kind: db.Access, Org: t.org})
	return t.s.audit.Record(ctx, t.Tx, e)
}
