package jobs

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/riverqueue/river"

	"sluice.dev/sluice/ent/db"
	"sluice.dev/sluice/jobs/spec"
	"sluice.dev/sluice/tenants/coord"
	"sluice.dev/sluice/tenants/finding"
)

// reassess looks again at what an organization holds of some packages (P5, Q5).
type reassess struct {
	river.WorkerDefaults[spec.Reassess]
	f *finding.Service
}

// Work reads the advisories as they are now. A job that is tried again is the
// same scan.
func (w *reassess) Work(ctx context.Context, job *river.Job[spec.Reassess]) error {
	id := uuid.NewSHA1(job.Args.Org, fmt.Appendf(nil, "reassess %d", job.ID))
	return w.f.Scan(inOrg(ctx, job.Args.Org, "reassess"), id, job.Attempt, coord.Ecosystem(job.Args.Ecosystem), job.Args.Names)
}

// sweep asks to look again at packages with findings, so that a vulnerability
// whose grace time has ended is held (P5).
type sweep struct {
	river.WorkerDefaults[spec.Sweep]
	d Deps
}

// Timeout of the whole sweep.
func (w *sweep) Timeout(*river.Job[spec.Sweep]) time.Duration { return timeout }

// Work enqueues; the looking happens in reassess jobs.
func (w *sweep) Work(ctx context.Context, _ *river.Job[spec.Sweep]) error {
	orgs, err := organizations(ctx, w.d.DB)
	if err != nil {
		return err
	}
	for _, org := range orgs {
		ctx := inOrg(ctx, org, "sweep")
		err := w.d.DB.InTx(ctx, func(ctx context.Context, tx *db.Tx) error {
			due, err := finding.Due(ctx, tx)
			if err != nil {
				return err
			}
			for e, names := range due {
				for len(names) > 0 {
					n := min(len(names), spec.MaxReassessNames)
					if err := tx.Enqueue(ctx, spec.Reassess{Org: org, Ecosystem: string(e), Names: names[:n]}, nil); err != nil {
						return err
					}
					names = names[n:]
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}
