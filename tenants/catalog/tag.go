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

// Latest is the tag that installers follow.
const Latest = "latest"

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

// DropTag removes a registry's tag of a package and reports whether there was
// one.
func DropTag(ctx context.Context, tx *db.Tx, registry uuid.UUID, pkg coord.Package, tag string) (bool, error) {
	done, err := tx.Exec(ctx, `DELETE FROM dist_tags t USING package_names n WHERE n.org_id = `+db.Ours+` AND n.id = t.package_id
		AND t.registry_id = $1 AND n.ecosystem = $2 AND n.name = $3 AND t.tag = $4`, registry, pkg.Ecosystem, pkg.Name, tag)
	if err != nil {
		return false, fmt.Errorf("catalog: drop tag: %w", err)
	}
	return done.RowsAffected() > 0, Changed(ctx, tx, pkg)
}

// Untag takes a registry's tags off a version that it has just given up:
// latest moves to the highest stable version that it still holds, or to the
// highest if none is stable; other tags are dropped.
func Untag(ctx context.Context, tx *db.Tx, now time.Time, registry uuid.UUID, gone coord.Version) error {
	var follow bool
	err := tx.QueryRow(ctx, `WITH dropped AS (DELETE FROM dist_tags t USING package_names n WHERE n.org_id = `+db.Ours+` AND n.id = t.package_id
			AND t.registry_id = $1 AND n.ecosystem = $2 AND n.name = $3 AND t.version = $4 RETURNING t.tag)
		SELECT coalesce(bool_or(tag = $5), false) FROM dropped`, registry, gone.Ecosystem, gone.Name, gone.Version, Latest).Scan(&follow)
	if err != nil {
		return fmt.Errorf("catalog: untag: %w", err)
	}
	if !follow {
		return Changed(ctx, tx, gone.Package)
	}
	held, err := VersionsOf(ctx, tx, []At{{Registry: registry, Package: gone.Package}})
	if err != nil {
		return err
	}
	to := ""
	for _, h := range held[At{Registry: registry, Package: gone.Package}] { // the highest first
		if v := h.Version.Version; to == "" || coord.IsPrerelease(gone.Ecosystem, to) && !coord.IsPrerelease(gone.Ecosystem, v) {
			to = v
		}
	}
	if to == "" {
		return Changed(ctx, tx, gone.Package)
	}
	return SetTag(ctx, tx, now, registry, coord.Version{Package: gone.Package, Version: to}, Latest)
}
