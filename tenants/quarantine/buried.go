package quarantine

import (
	"context"
	"errors"
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"sluice.dev/sluice/ent/db"
)

// BuriedDigest returns the coordinates of an open tombstone in the registries
// whose primary file had the digest, or "" (D1: by digest for publish, push and
// promote).
func BuriedDigest(ctx context.Context, tx *db.Tx, registries []uuid.UUID, sha256 string) (what string, err error) {
	err = tx.QueryRow(ctx, `SELECT name || '@' || version FROM tombstones
		WHERE org_id = `+db.Ours+` AND digest = $1 AND registry_id = ANY ($2) AND lifted_at IS NULL ORDER BY id LIMIT 1`, sha256, registries).Scan(&what)
	if errors.Is(err, pgx.ErrNoRows) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("read tombstones: %w", err)
	}
	return what, nil
}
