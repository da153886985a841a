package quarantine

import (
	"context"
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"sluice.dev/sluice/ent/db"
	"sluice.dev/sluice/tenants/coord"
)

// Accepted returns which of the packages have findings that people acknowledged
// by releasing a POLICY hold in one of the registries (Q4). [Read] has them.
func Accepted(ctx context.Context, tx *db.Tx, e coord.Ecosystem, names []string, registries []uuid.UUID) ([]string, error) {
	rows, err := tx.Query(ctx, `SELECT DISTINCT name FROM holds
		WHERE org_id = `+db.Ours+` AND ecosystem = $1 AND name = ANY ($2) AND registry_id = ANY ($3) AND cause = 'POLICY' AND version IS NOT NULL
		AND released_at IS NOT NULL AND released_by <> $4`, e, names, registries, LiftedBy)
	if err != nil {
		return nil, fmt.Errorf("read acknowledgements: %w", err)
	}
	return pgx.CollectRows(rows, pgx.RowTo[string])
}
