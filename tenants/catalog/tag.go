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

// SetTag points a registry's tag of a package at a version. The package must be
// known; whether the registry holds the version is for the caller to check.
func SetTag(ctx context.Context, tx *db.Tx, now time.Time, registry uuid.UUID, v coord.Version, tag string) error {
	org, err := scope.Org(ctx)
	if err != nil {
		return err
	}
	_, err = tx.Exec(ctx, `INSERT INTO dist_tags (id, org_id, registry_id, package_id, tag, version, updated_at)
		SELECT $1, $2, $3, id, $4, $5, $6 FROM package_names WHERE org_id = $2 AND ecosystem = $7 AND name = $8
		ON CONFLICT (org_id, registry_id, package_id, tag) DO UPDATE SET version = excluded.version, updated_at = excluded.updated_at`,
		uuid.Must(uuid.NewV7()), org, registry, tag, v.Version, now, v.Ecosystem, v.Name)
	if err != nil {
		return fmt.Errorf("catalog: tag: %w", err)
	}
	return Changed(ctx, tx, v.Package)
}
