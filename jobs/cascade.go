package jobs

import (
	"context"
	"log/slog"

	"github.com/google/uuid"
	"github.com/riverqueue/river"

	"sluice.dev/sluice/ent/db"
	"sluice.dev/sluice/jobs/spec"
	"sluice.dev/sluice/tenants/quarantine"
	"sluice.dev/sluice/tenants/scope"
)

// cascade carries holds, releases and deletions to the registries below, page
// by page, each page a transaction (C3).
type cascade struct {
	river.WorkerDefaults[spec.Cascade]
	q *quarantine.Service
}

// Work goes on where the last page ended.
func (w *cascade) Work(ctx context.Context, job *river.Job[spec.Cascade]) error {
	ctx = inOrg(ctx, job.Args.Org, "cascade")
	for {
		done, err := w.q.Step(ctx, job.Args.Cascade)
		if done || err != nil {
			return err
		}
	}
}

// inOrg binds a job to its organization; the job's name is its actor.
func inOrg(ctx context.Context, org uuid.UUID, name string) context.Context {
	return scope.WithActor(scope.With(ctx, org), scope.System(name))
}

// Resume gives unfinished cascades a job again, for a worker that was killed:
// River would take minutes to notice. A second job for one that still runs does
// no harm, since pages lock the cascade.
func Resume(ctx context.Context, d *db.DB, q *quarantine.Service) error {
	orgs, err := organizations(ctx, d)
	if err != nil {
		return err
	}
	for _, org := range orgs {
		ctx := inOrg(ctx, org, "cascade")
		ids, err := q.Unfinished(ctx)
		if err != nil {
			return err
		}
		for _, id := range ids {
			args := spec.Cascade{Org: org, Cascade: id, Resume: uuid.NewString()}
			if err := d.InTx(ctx, func(ctx context.Context, tx *db.Tx) error { return tx.Enqueue(ctx, args, nil) }); err != nil {
				return err
			}
			slog.InfoContext(ctx, "resuming an unfinished cascade", "cascade", id)
		}
	}
	return nil
}

// organizations returns the ids of all organizations.
func organizations(ctx context.Context, d *db.DB) (ids []uuid.UUID, err error) {
	err = d.InGlobal(ctx, func(ctx context.Context, tx *db.Tx) error {
		rows, err := tx.Query(ctx, `SELECT organization_ids()`)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var id uuid.UUID
			if err := rows.Scan(&id); err != nil {
				return err
			}
			ids = append(ids, id)
		}
		return rows.Err()
	})
	return ids, err
}
