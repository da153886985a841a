package jobs

import (
	"context"

	"github.com/riverqueue/river"

	"sluice.dev/sluice/jobs/spec"
	"sluice.dev/sluice/tenants/coord"
	"sluice.dev/sluice/tenants/errs"
)

// review brings the bytes of a version on hold in (Q6).
type review struct {
	river.WorkerDefaults[spec.Review]
	r Reviewer
}

// Work gives up when the source has no such version any more.
func (w *review) Work(ctx context.Context, job *river.Job[spec.Review]) error {
	a := job.Args
	v := coord.Version{Package: coord.Package{Ecosystem: coord.Ecosystem(a.Ecosystem), Name: a.Name}, Version: a.Version}
	err := w.r.Review(inOrg(ctx, a.Org, "review"), a.Registry, v)
	if errs.Is(err, errs.NotFound) {
		return river.JobCancel(err)
	}
	return err
}
