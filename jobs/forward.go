package jobs

import (
	"context"

	"github.com/google/uuid"
	"github.com/riverqueue/river"

	"sluice.dev/sluice/jobs/spec"
)

// Mover moves versions between registries. [intake.Service] is one.
type Mover interface {
	Forward(ctx context.Context, registry uuid.UUID, name, version string) error
	PullStep(ctx context.Context, pull uuid.UUID) (done bool, err error)
	UnfinishedPulls(ctx context.Context) ([]uuid.UUID, error)
}

// forward pushes what came into a registry to where it forwards to (R11).
type forward struct {
	river.WorkerDefaults[spec.Forward]
	m Mover
}

// Work tries again what may pass by itself; a refusal of the target is no error.
func (w *forward) Work(ctx context.Context, job *river.Job[spec.Forward]) error {
	a := job.Args
	return w.m.Forward(inOrg(ctx, a.Org, "forward"), a.Registry, a.Name, a.Version)
}
