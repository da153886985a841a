package jobs

import (
	"context"

	"github.com/riverqueue/river"

	"sluice.dev/sluice/ent/db"
	"sluice.dev/sluice/jobs/spec"
)

// partition makes the decision log's partitions of the coming days.
type partition struct {
	river.WorkerDefaults[spec.Partition]
	d Deps
}

// Work makes those of today, a day of UTC, and of the next seven; those that
// are there stay.
func (w *partition) Work(ctx context.Context, _ *river.Job[spec.Partition]) error {
	return w.d.DB.InGlobal(ctx, func(ctx context.Context, tx *db.Tx) error {
		_, err := tx.Exec(ctx, `SELECT ensure_decision_partitions($1::date, 7)`, w.d.Now().UTC())
		return err
	})
}
