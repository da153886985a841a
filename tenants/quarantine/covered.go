package quarantine

import (
	"context"
	"errors"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"sluice.dev/sluice/ent/db"
	"sluice.dev/sluice/tenants/coord"
)

// Covered returns the reason of a root hold in a firewall above that covers
// what a registry holds of a version, also when no job has written it down
// there yet (C2); "" when there is none.
func (s *Service) Covered(ctx context.Context, tx *db.Tx, registry uuid.UUID, v coord.Version) (reason string, err error) {
	all, err := s.covering(ctx, tx, &v.Package, []uuid.UUID{registry})
	if err != nil {
		return "", err
	}
	for _, c := range all {
		if c.version != v.Version {
			continue
		}
		err := tx.QueryRow(ctx, `SELECT reason FROM holds WHERE id = $1`, c.root).Scan(&reason)
		if errors.Is(err, pgx.ErrNoRows) {
			return "", nil
		}
		return reason, err
	}
	return "", nil
}
