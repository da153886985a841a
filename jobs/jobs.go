// Package jobs carries out background work: one file per job, each a few lines
// around one domain function. Every job may run twice and may die halfway.
package jobs

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"

	"sluice.dev/sluice/ent/db"
	"sluice.dev/sluice/jobs/spec"
	"sluice.dev/sluice/tenants/access"
	"sluice.dev/sluice/tenants/blob"
	"sluice.dev/sluice/tenants/coord"
	"sluice.dev/sluice/tenants/finding"
	"sluice.dev/sluice/tenants/org"
	"sluice.dev/sluice/tenants/quarantine"
)

// Reviewer brings the bytes of a version in for review (Q6).
type Reviewer interface {
	Review(ctx context.Context, registry uuid.UUID, version coord.Version) error
}

// Deps is what the workers call.
type Deps struct {
	DB         *db.DB
	Orgs       *org.Service
	Access     *access.Service
	Quarantine *quarantine.Service
	Finding    *finding.Service
	Reviewer   Reviewer
	Mover      Mover
	Blobs      blob.Store
	Now        func() time.Time
	Grace      time.Duration // of what nothing refers to (D3), at least a minute; default 24 hours
}

// Times of a worker that dies: a job that ran longer than timeout is stopped,
// and one whose worker is gone is given to another after rescue.
const (
	timeout = 2 * time.Minute
	rescue  = 3 * time.Minute
)

// New returns a River client that works on all queues. Start it once per node;
// stop it before the database closes.
func New(d Deps, log *slog.Logger) (*river.Client[pgx.Tx], error) {
	if d.Grace == 0 {
		d.Grace = 24 * time.Hour
	}
	w := river.NewWorkers()
	for _, err := range []error{
		river.AddWorkerSafely(w, &cascade{q: d.Quarantine}),
		river.AddWorkerSafely(w, &review{r: d.Reviewer}),
		river.AddWorkerSafely(w, &forward{m: d.Mover}),
		river.AddWorkerSafely(w, &pull{m: d.Mover}),
		river.AddWorkerSafely(w, &reassess{f: d.Finding}),
		river.AddWorkerSafely(w, &sweep{d: d}),
		river.AddWorkerSafely(w, &collect{d: d}),
		river.AddWorkerSafely(w, &partition{d: d}),
		river.AddWorkerSafely(w, &expire{d: d}),
		river.AddWorkerSafely(w, &remind{d: d}),
		river.AddWorkerSafely(w, &erase{d: d}),
		river.AddWorkerSafely(w, &anchor{d: d}),
	} {
		if err != nil {
			return nil, err
		}
	}
	c, err := river.NewClient(riverpgxv5.New(d.DB.Pool), &river.Config{
		Schema:  db.RiverSchema,
		Workers: w,
		Logger:  log,
		Queues: map[string]river.QueueConfig{
			spec.QueueCascade:  {MaxWorkers: 2},
			spec.QueueReview:   {MaxWorkers: 4},
			spec.QueueForward:  {MaxWorkers: 2},
			spec.QueuePull:     {MaxWorkers: 2},
			river.QueueDefault: {MaxWorkers: 2},
		},
		FetchPollInterval:    time.Second,
		JobTimeout:           timeout,
		RescueStuckJobsAfter: rescue,
		// The reindexer would need to own River's tables, which the serving
		// role does not.
		ReindexerIndexNames: []string{},
		PeriodicJobs: []*river.PeriodicJob{
			periodic("collect", 24*time.Hour, func() river.JobArgs { return spec.Collect{} }),
			periodic("partition", 12*time.Hour, func() river.JobArgs { return spec.Partition{} }),
			periodic("expire", time.Hour, func() river.JobArgs { return spec.Expire{} }),
			periodic("remind", time.Hour, func() river.JobArgs { return spec.Remind{} }),
			periodic("erase", 6*time.Hour, func() river.JobArgs { return spec.Erase{} }),
			periodic("anchor", 24*time.Hour, func() river.JobArgs { return spec.Anchor{} }),
			periodic("sweep", time.Hour, func() river.JobArgs { return spec.Sweep{} }),
		},
	})
	if err != nil {
		return nil, fmt.Errorf("job queue: %w", err)
	}
	return c, nil
}

func periodic(id string, every time.Duration, args func() river.JobArgs) *river.PeriodicJob {
	return river.NewPeriodicJob(river.PeriodicInterval(every), func() (river.JobArgs, *river.InsertOpts) { return args(), nil },
		&river.PeriodicJobOpts{ID: id, RunOnStart: true})
}
