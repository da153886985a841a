package quarantine

import (
	"context"

	"github.com/jackc/pgx/v5"

	"sluice.dev/sluice/ent/db"
	"sluice.dev/sluice/tenants/scope"
)

// told tells those who follow holds which ones were opened or released.
func told(ctx context.Context, tx *db.Tx, holds ...string) error {
	org, err := scope.Org(ctx)
	if err != nil {
		return err
	}
	for _, id := range holds {
		tx.Changed(db.Change{Kind: db.Held, Org: org, Name: id})
	}
	return nil
}

// tellHolds runs a statement that returns the ids of the holds it opened or
// released, and tells of them.
func tellHolds(ctx context.Context, tx *db.Tx, statement string, args ...any) error {
	rows, err := tx.Query(ctx, statement, args...)
	if err != nil {
		return err
	}
	ids, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return err
	}
	return told(ctx, tx, ids...)
}
