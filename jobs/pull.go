package jobs

import (
	"context"
	"log/slog"
	"time"

	"github.com/google/uuid"
	"github.com/riverqueue/river"

	"sluice.dev/sluice/ent/db"
	"sluice.dev/sluice/jobs/spec"
	"sluice.dev/sluice/tenants/intake"
)

// pull brings in the versions of a list, page by page.
type pull struct {
	river.WorkerDefaults[spec.Pull]
	m Mover
}

// Timeout lets the slowest page end.
func (w *pull) Timeout(*river.Job[spec.Pull]) time.Duration { return 2 * intake.PullPageWithin }

// Work goes on where the last page ended, and gives way before its time is over.
func (w *pull) Work(ctx context.Context, job *river.Job[spec.Pull]) error {
	ctx = inOrg(ctx, job.Args.Org, "pull")
	for {
		done, err := w.m.PullStep(ctx, job.Args.Pull)
		if done || err != nil {
			return err
		}
		if end, bounded := ctx.Deadline(); bounded && time.Until(end) < intake.PullPageWithin {
			return river.JobSnooze(0)
		}
	}
}

// ResumePulls gives unfinished pulls a job again, for a worker that was killed. A
// second job for one that still runs does no harm.
func ResumePulls(ctx context.Context, d *db.DB, m Mover) error {
	orgs, err := organizations(ctx, d)
	if err != nil {
		return err
	}
	for _, org := range orgs {
		ctx := inOrg(ctx, org, "pull")
		ids, err := m.UnfinishedPulls(ctx)
		if err != nil {
			return err
		}
		for _, id := range ids {
			args := spec.Pull{Org: org, Pull: id, Resume: uuid.NewString()}
			if err := d.InTx(ctx, func(ctx context.Context, tx *db.Tx) error { return tx.Enqueue(ctx, args, nil) }); err != nil {
				return err
			}
			slog.InfoContext(ctx, "resuming an unfinished pull", "pull", id)
		}
	}
	return nil
}
