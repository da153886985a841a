package catalog

import (
	"context"
	"errors"
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"sluice.dev/sluice/ent/db"
	"sluice.dev/sluice/tenants/coord"
	"sluice.dev/sluice/tenants/errs"
)

// refuseBuried refuses an arrival of coordinates that were deleted for security
// in one of the registries or in a firewall above it, unless it is a version of
// one's own with other bytes (D1). Whoever decided to bring the version in may
// have done so before the deletion; here nothing can come between.
func refuseBuried(ctx context.Context, tx *db.Tx, a Arrival) error {
	ids := make([]uuid.UUID, len(a.Holders))
	for i, h := range a.Holders {
		ids[i] = h.Registry
	}
	var name, reason string
	err := tx.QueryRow(ctx, `WITH RECURSIVE up (holder, above) AS (
			SELECT x, x FROM unnest($1::uuid[]) x
			UNION SELECT up.holder, u.source_registry_id FROM up JOIN upstreams u ON u.registry_id = up.above WHERE u.source_registry_id IS NOT NULL)
		SELECT r.name, t.reason FROM tombstones t JOIN registries r ON r.id = t.registry_id
		WHERE t.ecosystem = $2 AND t.name = $3 AND t.version = $4 AND t.lifted_at IS NULL AND ($5 OR t.digest = $6)
		AND EXISTS (SELECT 1 FROM up WHERE up.above = t.registry_id AND (r.kind = 'FIREWALL' OR up.holder = up.above))
		ORDER BY t.created_at LIMIT 1`, ids, a.Version.Ecosystem, a.Version.Name, a.Version.Version, a.Origin == coord.External, a.Files[0].Blob.SHA256).
		Scan(&name, &reason)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("catalog: tombstones: %w", err)
	}
	return errs.New(errs.Conflict, "arrive", "%s@%s was deleted for security in the registry %q (%s) and cannot come back until that is lifted",
		a.Version.Name, a.Version.Version, name, reason)
}
