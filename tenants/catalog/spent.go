package catalog

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"sluice.dev/sluice/ent/db"
	"sluice.dev/sluice/tenants/coord"
	"sluice.dev/sluice/tenants/scope"
)

// Dropped is a version that a registry held until now.
type Dropped struct {
	Digest string // SHA-256 of the primary file
	Own    bool   // it was the registry's own, see [Holding.Own]
}

// Drop removes a registry's holding of a version, and returns what it was; nil
// when the registry did not hold it. The caller has the package's exclusive
// lock, and sees to tags with [Untag].
func Drop(ctx context.Context, tx *db.Tx, registry uuid.UUID, v coord.Version) (*Dropped, error) {
	var d Dropped
	var h Holding
	h.Release = &Release{}
	err := tx.QueryRow(ctx, `DELETE FROM holdings h USING package_names n, package_versions v
		WHERE n.id = h.package_id AND v.id = h.version_id AND n.org_id = `+db.Ours+` AND h.registry_id = $1 AND n.ecosystem = $2 AND n.name = $3 AND h.version = $4
		RETURNING v.digest, v.origin, h.arrived`, registry, v.Ecosystem, v.Name, v.Version).Scan(&d.Digest, &h.Release.Origin, &h.How)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("catalog: drop: %w", err)
	}
	d.Own = h.Own()
	return &d, nil
}

// Spend notes that a version was published in a registry and deleted there, so
// that nobody publishes other bytes under a number that people know.
func Spend(ctx context.Context, tx *db.Tx, now time.Time, registry uuid.UUID, v coord.Version) error {
	org, err := scope.Org(ctx)
	if err != nil {
		return err
	}
	_, err = tx.Exec(ctx, `INSERT INTO spent_versions (id, org_id, registry_id, package_id, version, deleted_at)
		SELECT $1, $2, $3, id, $4, $5 FROM package_names WHERE org_id = $2 AND ecosystem = $6 AND name = $7
		ON CONFLICT (org_id, registry_id, package_id, version) DO NOTHING`, uuid.Must(uuid.NewV7()), org, registry, v.Version, now, v.Ecosystem, v.Name)
	if err != nil {
		return fmt.Errorf("catalog: spend: %w", err)
	}
	return nil
}

// Spent reports since when a version's number is spent in a registry; zero when
// it is not.
func Spent(ctx context.Context, tx *db.Tx, registry uuid.UUID, v coord.Version) (since time.Time, err error) {
	err = tx.QueryRow(ctx, `SELECT s.deleted_at FROM spent_versions s JOIN package_names n ON n.id = s.package_id
		WHERE n.org_id = `+db.Ours+` AND s.registry_id = $1 AND n.ecosystem = $2 AND n.name = $3 AND s.version = $4`, registry, v.Ecosystem, v.Name, v.Version).Scan(&since)
	if errors.Is(err, pgx.ErrNoRows) {
		return time.Time{}, nil
	}
	if err != nil {
		return time.Time{}, fmt.Errorf("catalog: spent: %w", err)
	}
	return since, nil
}
