package advisory

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"sluice.dev/sluice/ent/db"
	"sluice.dev/sluice/tenants/coord"
)

// Feed is what was imported last from one source for one ecosystem.
type Feed struct {
	Name       string
	Ecosystem  coord.Ecosystem
	ImportedAt time.Time
	Records    int        // that decisions use: of all real feeds together, or of the demonstration's
	Newest     *time.Time // when the newest record was changed; nil without records
}

// Demo reports whether these are the demonstration's advisories, which never
// count as a feed (P3).
func (f Feed) Demo() bool { return f.Name == DemoFeed }

// Feeds returns every snapshot, by feed and ecosystem. It needs no organization
// in the context.
func (s *Service) Feeds(ctx context.Context) (out []Feed, err error) {
	err = s.db.InGlobal(ctx, func(ctx context.Context, tx *db.Tx) error {
		rows, err := tx.Query(ctx, `SELECT feed, ecosystem, imported_at, records, newest FROM advisory_snapshots ORDER BY feed, ecosystem`)
		if err != nil {
			return err
		}
		out, err = pgx.CollectRows(rows, pgx.RowToStructByPos[Feed])
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list feeds: %w", err)
	}
	return out, nil
}
