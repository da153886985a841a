// Package platform is what operators see of a whole installation (law T5):
// organizations with what they use, the nodes that run, and the queues.
//
// None of it needs an organization in the context, and none of it checks a
// right: who asks is decided before. What lies in organizations' tables is
// asked for by SQL functions alone (D3).
package platform

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"sluice.dev/sluice/ent/db"
	"sluice.dev/sluice/tenants/errs"
	"sluice.dev/sluice/tenants/org"
)

// Service answers for the whole platform. It is safe for concurrent use.
type Service struct {
	DB  *db.DB
	Now func() time.Time
}

// Organization is one with what it uses.
type Organization struct {
	org.Listed
	org.Usage
	Members int // that are active
}

// Orders of organizations.
const (
	BySlug       = "slug"
	ByNewest     = "newest"
	ByStorage    = "storage"
	ByRegistries = "registries"
	ByMembers    = "members"
	ByShare      = "share" // the larger part of a quota that is used
)

// Orders are all of them, as they are offered.
var Orders = []string{BySlug, ByNewest, ByStorage, ByRegistries, ByMembers, ByShare}

// Query selects organizations.
type Query struct {
	Text   string // part of the slug or the name, in any case; "" is all
	Order  string // one of [Orders]; anything else is by slug
	Offset int
	Limit  int
}

// Organizations returns a page of the organizations, deleted ones too, and how
// many match in all.
func (s *Service) Organizations(ctx context.Context, q Query) ([]Organization, int, error) {
	return s.organizations(ctx, q, "")
}

// Organization returns one by its slug, a deleted one too. No such one is
// NotFound.
func (s *Service) Organization(ctx context.Context, slug string) (Organization, error) {
	unknown := errs.New(errs.NotFound, "platform.Organization", "there is no organization %.64q", slug)
	if slug == "" {
		return Organization{}, unknown
	}
	got, _, err := s.organizations(ctx, Query{Limit: 1}, slug)
	if err == nil && len(got) == 0 {
		err = unknown
	}
	if err != nil {
		return Organization{}, err
	}
	return got[0], nil
}

func (s *Service) organizations(ctx context.Context, q Query, slug string) (out []Organization, total int, err error) {
	err = s.DB.InGlobal(ctx, func(ctx context.Context, tx *db.Tx) error {
		rows, err := tx.Query(ctx, `SELECT id, slug, name, created_at, suspended_at, deleted_at, quota_registries, quota_storage, quota_requests,
			registries, members, storage, measured_at, total FROM operator_organizations($1, $2, $3, $4, $5)`, q.Text, slug, q.Order, max(q.Offset, 0), q.Limit)
		if err != nil {
			return err
		}
		out, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (o Organization, err error) {
			var registries, requests *int
			var storage *int64
			var measured *time.Time
			err = row.Scan(&o.ID, &o.Slug, &o.Name, &o.CreatedAt, &o.SuspendedAt, &o.DeletedAt, &registries, &storage, &requests,
				&o.Registries, &o.Members, &o.Storage, &measured, &total)
			o.Quota = org.Quota{Registries: orZero(registries), Storage: orZero(storage), Requests: orZero(requests)}
			o.MeasuredAt = orZero(measured)
			return o, err
		})
		return err
	})
	return out, total, err
}

func orZero[T any](p *T) (v T) {
	if p != nil {
		v = *p
	}
	return v
}

// Totals is the platform in numbers.
type Totals struct {
	Organizations int   // that are not deleted
	Suspended     int   // of them
	Deleted       int   // that wait to be erased
	Members       int   // that are active, once in each organization
	Registries    int   // that are not deleted
	Storage       int64 // bytes in the blob store, each digest once
}

// Totals counts everything.
func (s *Service) Totals(ctx context.Context) (t Totals, err error) {
	err = s.DB.InGlobal(ctx, func(ctx context.Context, tx *db.Tx) error {
		return tx.QueryRow(ctx, `SELECT organizations, suspended, deleted, members, registries, storage FROM operator_totals()`).
			Scan(&t.Organizations, &t.Suspended, &t.Deleted, &t.Members, &t.Registries, &t.Storage)
	})
	return t, err
}

// Contact is how operators reach an organization.
type Contact struct {
	Owners []string // e-mail addresses of active owners, 50 at most
	Host   string   // a host name of its own at which people log in; "" for none
}

// Contact returns how the context's organization is reached.
func (s *Service) Contact(ctx context.Context) (c Contact, err error) {
	err = s.DB.InSnapshot(ctx, func(ctx context.Context, tx *db.Tx) error {
		rows, err := tx.Query(ctx, `SELECT DISTINCT m.email FROM role_grants g JOIN members m ON m.org_id = g.org_id AND m.id = g.subject_id
			WHERE g.org_id = `+db.Ours+` AND g.subject_kind = 'MEMBER' AND g.registry_id IS NULL AND g.role = $1 AND m.deactivated_at IS NULL ORDER BY 1 LIMIT 50`, owner)
		if err != nil {
			return err
		}
		if c.Owners, err = pgx.CollectRows(rows, pgx.RowTo[string]); err != nil {
			return err
		}
		return tx.QueryRow(ctx, `SELECT coalesce(min(host), '') FROM host_names WHERE org_id = `+db.Ours+` AND registry_id IS NULL`).Scan(&c.Host)
	})
	return c, err
}

// owner is the role of package access, which stands above this one.
const owner = "owner"
