package catalog

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"

	"sluice.dev/sluice/ent/db"
	"sluice.dev/sluice/tenants/coord"
	"sluice.dev/sluice/tenants/scope"
)

// Deprecations returns, by registry and version, what the registries say
// against the use of versions of a package; "" takes back what an upstream
// says.
func Deprecations(ctx context.Context, tx *db.Tx, pkg coord.Package, registries []uuid.UUID) (map[uuid.UUID]map[string]string, error) {
	rows, err := tx.Query(ctx, `SELECT d.registry_id, d.version, d.message FROM deprecations d JOIN package_names n ON n.id = d.package_id
		WHERE n.org_id = `+db.Ours+` AND n.ecosystem = $1 AND n.name = $2 AND d.registry_id = ANY ($3)`, pkg.Ecosystem, pkg.Name, registries)
	if err != nil {
		return nil, fmt.Errorf("catalog: deprecations: %w", err)
	}
	defer rows.Close()
	out := map[uuid.UUID]map[string]string{}
	for rows.Next() {
		var id uuid.UUID
		var version, message string
		if err := rows.Scan(&id, &version, &message); err != nil {
			return nil, err
		}
		if out[id] == nil {
			out[id] = map[string]string{}
		}
		out[id][version] = message
	}
	return out, rows.Err()
}

// Deprecate keeps what a registry says against the use of a version. The
// package becomes known if it is not.
func Deprecate(ctx context.Context, tx *db.Tx, now time.Time, registry uuid.UUID, v coord.Version, message string) error {
	org, err := scope.Org(ctx)
	if err != nil {
		return err
	}
	id, err := ensurePackage(ctx, tx, org, now, v.Package)
	if err != nil {
		return err
	}
	_, err = tx.Exec(ctx, `INSERT INTO deprecations (id, org_id, registry_id, package_id, version, message, updated_at) VALUES ($1,$2,$3,$4,$5,$6,$7)
		ON CONFLICT (org_id, registry_id, package_id, version) DO UPDATE SET message = excluded.message, updated_at = excluded.updated_at`,
		uuid.Must(uuid.NewV7()), org, registry, id, v.Version, message, now)
	if err != nil {
		return fmt.Errorf("catalog: deprecate: %w", err)
	}
	return Changed(ctx, tx, v.Package)
}

// ForgetDeprecations removes what a registry says about versions that it has
// given up.
func ForgetDeprecations(ctx context.Context, tx *db.Tx, registry uuid.UUID, pkg coord.Package, versions []string) error {
	_, err := tx.Exec(ctx, `DELETE FROM deprecations d USING package_names n WHERE n.org_id = `+db.Ours+` AND n.id = d.package_id
		AND d.registry_id = $1 AND n.ecosystem = $2 AND n.name = $3 AND d.version = ANY ($4)`, registry, pkg.Ecosystem, pkg.Name, versions)
	if err != nil {
		return fmt.Errorf("catalog: forget deprecations: %w", err)
	}
	return nil
}
