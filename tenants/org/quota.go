package org

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"sluice.dev/sluice/ent"
	"sluice.dev/sluice/ent/db"
	entregistry "sluice.dev/sluice/ent/registry"
	"sluice.dev/sluice/tenants/audit"
	"sluice.dev/sluice/tenants/errs"
	"sluice.dev/sluice/tenants/scope"
)

// WarnAt is the part of a quota, in percent, from which usage is warned of (T5).
const WarnAt = 80

// Quota bounds what an organization uses (T5). Zero is no bound.
type Quota struct {
	Registries int   // that are not deleted; archived ones count
	Storage    int64 // bytes that its versions and remembered documents name, each digest once
	Requests   int   // per second, on each node
}

func (q Quota) validate() error {
	for name, n := range map[string]int64{"registries": int64(q.Registries), "storage": q.Storage, "requests": int64(q.Requests)} {
		if n < 0 {
			return errs.New(errs.Invalid, "org.SetQuota", "the quota of %s is %d; want 0 for none, or more", name, n).On(name)
		}
	}
	return nil
}

// SetQuota replaces the quota. What is over it stays; more does not come in. It
// checks no right: only the operator does this.
func (s *Service) SetQuota(ctx context.Context, q Quota) (Organization, error) {
	if err := q.validate(); err != nil {
		return Organization{}, err
	}
	return s.change(ctx, "organization:quota", func(o Organization, u *ent.OrganizationUpdateOne) change {
		if o.Quota == q {
			return change{}
		}
		u.ClearQuotaRegistries().ClearQuotaStorage().ClearQuotaRequests()
		if q.Registries > 0 {
			u.SetQuotaRegistries(q.Registries)
		}
		if q.Storage > 0 {
			u.SetQuotaStorage(q.Storage)
		}
		if q.Requests > 0 {
			u.SetQuotaRequests(q.Requests)
		}
		return change{made: true, before: o.Quota, after: q, tells: hosts}
	})
}

func readQuota(o *ent.Organization) (q Quota) {
	if o.QuotaRegistries != nil {
		q.Registries = *o.QuotaRegistries
	}
	if o.QuotaStorage != nil {
		q.Storage = *o.QuotaStorage
	}
	if o.QuotaRequests != nil {
		q.Requests = *o.QuotaRequests
	}
	return q
}

// Usage is what an organization uses of its quota.
type Usage struct {
	Quota      Quota
	Registries int
	Storage    int64     // bytes, as last measured
	MeasuredAt time.Time // zero when storage was never measured
}

// Warnings are sentences about each quota of which [WarnAt] percent are used,
// or more.
func (u Usage) Warnings() (out []string) {
	if reaches(int64(u.Registries), int64(u.Quota.Registries)) {
		out = append(out, fmt.Sprintf("%d of %d registries are used", u.Registries, u.Quota.Registries))
	}
	if reaches(u.Storage, u.Quota.Storage) {
		out = append(out, fmt.Sprintf("%d of %d bytes of storage are used (%d %%)", u.Storage, u.Quota.Storage, percent(u.Storage, u.Quota.Storage)))
	}
	return out
}

func reaches(used, most int64) bool { return most > 0 && percent(used, most) >= WarnAt }

func percent(used, most int64) int64 { return int64(float64(used) / float64(most) * 100) }

// Usage returns what the context's organization uses. It checks no right.
func (s *Service) Usage(ctx context.Context) (u Usage, err error) {
	err = s.db.InSnapshot(ctx, func(ctx context.Context, tx *db.Tx) (err error) {
		u, err = usage(ctx, tx)
		return err
	})
	return u, err
}

func usage(ctx context.Context, tx *db.Tx) (u Usage, err error) {
	o, err := current(ctx, tx, false)
	if err != nil {
		return Usage{}, err
	}
	u.Quota = o.Quota
	if u.Registries, err = registries(ctx, tx); err != nil {
		return Usage{}, err
	}
	err = tx.QueryRow(ctx, `SELECT storage, measured_at FROM organization_usage WHERE org_id = $1`, o.ID).Scan(&u.Storage, &u.MeasuredAt)
	if err == pgx.ErrNoRows { //nolint:errorlint // pgx returns it as it is
		err = nil
	}
	return u, err
}

func registries(ctx context.Context, tx *db.Tx) (int, error) {
	return tx.Ent.Registry.Query().Where(entregistry.DeletedAtIsNil()).Count(ctx)
}

// RoomForRegistry refuses, as a Conflict, one more registry than the quota
// allows. Call it in the transaction that makes or undeletes one, before: it
// keeps others from doing the same meanwhile.
func RoomForRegistry(ctx context.Context, tx *db.Tx) error {
	o, err := current(ctx, tx, false)
	if err != nil || o.Quota.Registries == 0 {
		return err
	}
	if err := tx.Lock(ctx, false, "registry quota", o.ID.String()); err != nil {
		return err
	}
	n, err := registries(ctx, tx)
	if err == nil && n >= o.Quota.Registries {
		err = errs.New(errs.Conflict, "org.Quota", "the organization has %d registries and its quota is %d; delete one, or ask the operator for more", n, o.Quota.Registries)
	}
	return err
}

// RoomForStorage refuses, as a Conflict, bytes that the storage quota has no
// room for, by what was last measured: the quota can be passed by what comes
// between two measurements. Call it before somebody brings in what has no size
// yet; where the size is known, [TakeStorage] is exact.
func RoomForStorage(ctx context.Context, tx *db.Tx, bytes int64) error {
	u, err := usage(ctx, tx)
	if err == nil && u.Quota.Storage > 0 && u.Storage+bytes > u.Quota.Storage {
		err = full(u.Storage, bytes, u.Quota.Storage)
	}
	return err
}

// Stored is bytes that a row is about to name.
type Stored struct {
	SHA256 string
	Size   int64
}

// TakeStorage refuses, as a Conflict, files that the storage quota has no room
// for, and counts them until the next measurement. Bytes that the organization
// names already cost nothing. Call it in the transaction that writes the rows,
// before, and under the package's lock.
func TakeStorage(ctx context.Context, tx *db.Tx, now time.Time, files ...Stored) error {
	o, err := current(ctx, tx, false)
	if err != nil || o.Quota.Storage == 0 {
		return err
	}
	if _, err := tx.Exec(ctx, measured+` ON CONFLICT (org_id) DO NOTHING`, o.ID, now); err != nil {
		return fmt.Errorf("measure storage: %w", err)
	}
	digests, sizes := make([]string, len(files)), make([]int64, len(files))
	for i, f := range files {
		digests[i], sizes[i] = f.SHA256, f.Size
	}
	// The row's lock keeps others from taking the same room meanwhile.
	var have, more int64
	if err := tx.QueryRow(ctx, `SELECT storage FROM organization_usage WHERE org_id = $1 FOR UPDATE`, o.ID).Scan(&have); err != nil {
		return err
	}
	err = tx.QueryRow(ctx, `SELECT coalesce(sum(f.size), 0)::bigint FROM (SELECT DISTINCT * FROM unnest($2::text[], $3::bigint[]) AS g (sha256, size)) AS f
		WHERE NOT EXISTS (SELECT 1 FROM version_files v WHERE v.org_id = $1 AND v.sha256 = f.sha256)
		  AND NOT EXISTS (SELECT 1 FROM remote_documents d WHERE d.org_id = $1 AND d.sha256 = f.sha256)
		  AND NOT EXISTS (SELECT 1 FROM staged_versions s WHERE s.org_id = $1 AND s.sha256 = f.sha256 AND s.ended_at IS NULL)`, o.ID, digests, sizes).Scan(&more)
	if err != nil || more == 0 {
		return err
	}
	if have+more > o.Quota.Storage {
		return full(have, more, o.Quota.Storage)
	}
	_, err = tx.Exec(ctx, `UPDATE organization_usage SET storage = storage + $2 WHERE org_id = $1`, o.ID, more)
	return err
}

func full(have, more, most int64) error {
	return errs.New(errs.Conflict, "org.Quota", "the organization stores %d bytes and its quota is %d; %d more do not fit; delete versions, or ask the operator for more", have, most, more)
}

// measured makes the row that says what an organization stores ($1) at a time
// ($2). Staged versions count while they wait.
const measured = `
	INSERT INTO organization_usage (org_id, storage, measured_at)
	SELECT $1, coalesce(sum(b.size), 0), $2 FROM blobs b WHERE b.sha256 IN (
		SELECT sha256 FROM version_files WHERE org_id = $1 UNION SELECT sha256 FROM remote_documents WHERE org_id = $1
		UNION SELECT sha256 FROM staged_versions WHERE org_id = $1 AND ended_at IS NULL)`

// Measure counts what the organization stores and keeps the number. When a
// quota is 80 % used for the first time, or again after less, that is audited
// and returned.
func (s *Service) Measure(ctx context.Context) (warnings []string, err error) {
	err = db.Retry(ctx, func() error {
		return s.db.InTx(ctx, func(ctx context.Context, tx *db.Tx) (err error) {
			warnings, err = s.measure(ctx, tx)
			return err
		})
	})
	return warnings, err
}

func (s *Service) measure(ctx context.Context, tx *db.Tx) ([]string, error) {
	id, err := scope.Org(ctx)
	if err != nil {
		return nil, err
	}
	_, err = tx.Exec(ctx, measured+` ON CONFLICT (org_id) DO UPDATE SET storage = excluded.storage, measured_at = excluded.measured_at`, id, s.now())
	if err != nil {
		return nil, fmt.Errorf("measure storage: %w", err)
	}
	u, err := usage(ctx, tx)
	if err != nil {
		return nil, err
	}
	return s.warn(ctx, tx, id, u)
}

// warn writes once that quotas are nearly used up.
func (s *Service) warn(ctx context.Context, tx *db.Tx, id uuid.UUID, u Usage) ([]string, error) {
	warnings := u.Warnings()
	if len(warnings) == 0 {
		_, err := tx.Exec(ctx, `UPDATE organization_usage SET warned_at = NULL WHERE org_id = $1 AND warned_at IS NOT NULL`, id)
		return nil, err
	}
	tag, err := tx.Exec(ctx, `UPDATE organization_usage SET warned_at = $2 WHERE org_id = $1 AND warned_at IS NULL`, id, s.now())
	if err != nil || tag.RowsAffected() == 0 {
		return nil, err
	}
	return warnings, s.audit.Record(ctx, tx, audit.Event{Action: "organization:quota-warning", ObjectType: "organization", ObjectID: id.String(), After: warnings})
}
