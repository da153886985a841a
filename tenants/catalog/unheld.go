package catalog

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"sluice.dev/sluice/ent/db"
	"sluice.dev/sluice/tenants/coord"
)

// unheld is the condition on a version v that no registry holds it; a registry
// that was deleted counts until that cannot be undone any more (D4).
const unheld = `NOT EXISTS (SELECT 1 FROM holdings h WHERE h.org_id = v.org_id AND h.version_id = v.id)`

// DropDeleted lets go of what registries held that were deleted before the
// given time, from which on that cannot be undone, and returns how many
// holdings there were.
func DropDeleted(ctx context.Context, tx *db.Tx, before time.Time) (int64, error) {
	if _, err := tx.Exec(ctx, `DELETE FROM dist_tags t USING registries r WHERE r.id = t.registry_id AND r.deleted_at < $1`, before); err != nil {
		return 0, fmt.Errorf("catalog: tags of deleted registries: %w", err)
	}
	tag, err := tx.Exec(ctx, `DELETE FROM holdings h USING registries r WHERE r.id = h.registry_id AND r.deleted_at < $1`, before)
	if err != nil {
		return 0, fmt.Errorf("catalog: holdings of deleted registries: %w", err)
	}
	return tag.RowsAffected(), nil
}

// Unheld returns the packages, at most so many and by name behind the given
// one, of which a version was recorded before that time and is held by no
// registry.
func Unheld(ctx context.Context, tx *db.Tx, before time.Time, behind coord.Package, atMost int) ([]coord.Package, error) {
	rows, err := tx.Query(ctx, `SELECT n.ecosystem, n.name FROM package_names n
		WHERE (n.ecosystem, n.name) > ($2, $3) AND EXISTS (SELECT 1 FROM package_versions v WHERE v.org_id = n.org_id AND v.package_id = n.id AND v.created_at < $1 AND `+unheld+`)
		ORDER BY n.ecosystem, n.name LIMIT $4`, before, behind.Ecosystem, behind.Name, atMost)
	if err != nil {
		return nil, fmt.Errorf("catalog: unheld versions: %w", err)
	}
	return pgx.CollectRows(rows, pgx.RowToStructByPos[coord.Package])
}

// ForgetUnheld removes the versions of a package that were recorded before that
// time and that no registry holds, and returns how many. Their bytes get their
// grace time anew, since this was what referred to them (D3). It waits for
// arrivals of the package, which may be about to hold one of them again.
func ForgetUnheld(ctx context.Context, tx *db.Tx, pkg coord.Package, before, now time.Time) (n int, err error) {
	if err := LockPackage(ctx, tx, pkg, false); err != nil {
		return 0, err
	}
	var digests []string
	err = tx.QueryRow(ctx, `WITH gone AS (
			DELETE FROM package_versions v USING package_names n WHERE n.id = v.package_id AND n.ecosystem = $1 AND n.name = $2
			AND v.created_at < $3 AND `+unheld+` RETURNING v.id)
		SELECT (SELECT count(*) FROM gone), coalesce(array_agg(DISTINCT f.sha256), '{}') FROM version_files f WHERE f.version_id IN (SELECT id FROM gone)`,
		pkg.Ecosystem, pkg.Name, before).Scan(&n, &digests)
	if err != nil {
		return 0, fmt.Errorf("catalog: forget versions: %w", err)
	}
	if _, err := tx.Exec(ctx, `SELECT renew_blobs($1, $2)`, digests, now); err != nil {
		return 0, fmt.Errorf("catalog: renew bytes: %w", err)
	}
	return n, nil
}

// CountUnheld returns how many versions of a package ForgetUnheld would remove.
func CountUnheld(ctx context.Context, tx *db.Tx, pkg coord.Package, before time.Time) (n int, err error) {
	err = tx.QueryRow(ctx, `SELECT count(*) FROM package_versions v JOIN package_names n ON n.id = v.package_id
		WHERE n.ecosystem = $1 AND n.name = $2 AND v.created_at < $3 AND `+unheld, pkg.Ecosystem, pkg.Name, before).Scan(&n)
	return n, err
}

// Recorded reports which of the digests have a row that says that their bytes
// are durable. Rows belong to no organization.
func Recorded(ctx context.Context, tx *db.Tx, digests []string) (map[string]bool, error) {
	rows, err := tx.Query(ctx, `SELECT sha256 FROM blobs WHERE sha256 = ANY ($1)`, digests)
	if err != nil {
		return nil, fmt.Errorf("catalog: recorded bytes: %w", err)
	}
	found, err := pgx.CollectRows(rows, pgx.RowTo[string])
	out := make(map[string]bool, len(found))
	for _, d := range found {
		out[d] = true
	}
	return out, err
}
