package org

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"sluice.dev/sluice/ent"
	"sluice.dev/sluice/ent/db"
	"sluice.dev/sluice/tenants/errs"
	"sluice.dev/sluice/tenants/scope"
)

// EraseAfter is how long a deleted organization can be brought back.
const EraseAfter = 30 * 24 * time.Hour

// erasePage is how many rows of a table go in one transaction.
const erasePage = 2_000

// Delete ends all access to the organization at once, on every node: its slug
// and hosts are like ones that do not exist, and nobody's credential counts.
// For [EraseAfter] nothing is lost and Undelete brings it back; then Erase
// removes it. Deleting again does not lengthen that. It checks no right.
func (s *Service) Delete(ctx context.Context) (Organization, error) {
	return s.change(ctx, "organization:delete", func(o Organization, u *ent.OrganizationUpdateOne) change {
		if o.DeletedAt != nil {
			return change{}
		}
		now := s.now()
		u.SetDeletedAt(now)
		return change{made: true, after: map[string]time.Time{"eraseAfter": now.Add(EraseAfter)}, tells: everything}
	})
}

// Undelete brings a deleted organization back as it was. One that is not
// deleted stays as it is.
func (s *Service) Undelete(ctx context.Context) (Organization, error) {
	return s.change(ctx, "organization:undelete", func(o Organization, u *ent.OrganizationUpdateOne) change {
		if o.DeletedAt == nil {
			return change{}
		}
		u.ClearDeletedAt()
		return change{made: true, before: map[string]time.Time{"deletedAt": *o.DeletedAt}, tells: everything}
	})
}

// Erase removes everything that organizations whose grace time has ended own,
// their audit trail too, page by page, each in a transaction, and returns how
// many organizations have gone. It may die and run again. Bytes stay until they
// are collected, which asks whether anybody's rows name them (D3). The slug is
// nobody's ever after.
func (s *Service) Erase(ctx context.Context) (erased int, err error) {
	before := s.now().Add(-EraseAfter)
	var due []uuid.UUID
	err = s.db.InGlobal(ctx, func(ctx context.Context, tx *db.Tx) error {
		rows, err := tx.Query(ctx, `SELECT organizations_to_erase($1)`, before)
		if err != nil {
			return err
		}
		due, err = pgx.CollectRows(rows, pgx.RowTo[uuid.UUID])
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("find organizations to erase: %w", err)
	}
	for _, id := range due {
		for gone := int64(1); gone > 0; {
			if gone, err = s.erasePage(scope.With(ctx, id), before); err != nil {
				return erased, fmt.Errorf("erase the organization %s: %w", id, err)
			}
		}
		left, err := s.exists(scope.With(ctx, id))
		if err != nil {
			return erased, err
		}
		if left {
			return erased, fmt.Errorf("erase the organization %s: rows that refer to each other are left", id)
		}
		erased++
	}
	return erased, nil
}

func (s *Service) erasePage(ctx context.Context, before time.Time) (gone int64, err error) {
	err = db.Retry(ctx, func() error {
		return s.db.InTx(ctx, func(ctx context.Context, tx *db.Tx) error {
			id, err := scope.Org(ctx)
			if err != nil {
				return err
			}
			for _, kind := range []db.ChangeKind{db.Host, db.Access, db.Config} {
				tx.Changed(db.Change{Kind: kind, Org: id})
			}
			return tx.QueryRow(ctx, `SELECT erase_organization($1, $2)`, before, erasePage).Scan(&gone)
		})
	})
	return gone, err
}

func (s *Service) exists(ctx context.Context) (there bool, err error) {
	err = s.db.InSnapshot(ctx, func(ctx context.Context, tx *db.Tx) error {
		there, err = tx.Ent.Organization.Query().Exist(ctx)
		return err
	})
	return there, err
}

// Listed is an organization as its operator sees it.
type Listed struct {
	ID          uuid.UUID
	Slug        string
	Name        string
	CreatedAt   time.Time
	SuspendedAt *time.Time
	DeletedAt   *time.Time
}

// List returns every organization by slug, deleted ones too. It is for the
// operator and checks no right.
func (s *Service) List(ctx context.Context) ([]Listed, error) { return s.list(ctx, "") }

// BySlug finds an organization for the operator, a deleted one too. No such one
// is NotFound.
func (s *Service) BySlug(ctx context.Context, slug string) (Listed, error) {
	if slug == "" {
		return Listed{}, unknown("org.BySlug", slug)
	}
	got, err := s.list(ctx, slug)
	if err == nil && len(got) == 0 {
		err = unknown("org.BySlug", slug)
	}
	if err != nil {
		return Listed{}, err
	}
	return got[0], nil
}

func (s *Service) list(ctx context.Context, slug string) (out []Listed, err error) {
	err = s.db.InGlobal(ctx, func(ctx context.Context, tx *db.Tx) error {
		rows, err := tx.Query(ctx, `SELECT id, slug, name, created_at, suspended_at, deleted_at FROM organization_list($1)`, slug)
		if err != nil {
			return err
		}
		out, err = pgx.CollectRows(rows, pgx.RowToStructByPos[Listed])
		return err
	})
	if err != nil {
		return nil, errs.Wrap(err, errs.Unavailable, "org.List", "the organizations cannot be listed now; try again")
	}
	return out, nil
}

// Founded counts the organizations that somebody has signed up, by e-mail
// address.
func (s *Service) Founded(ctx context.Context, email string) (n int, err error) {
	err = s.db.InGlobal(ctx, func(ctx context.Context, tx *db.Tx) error {
		return tx.QueryRow(ctx, `SELECT organizations_founded($1)`, email).Scan(&n)
	})
	return n, err
}
