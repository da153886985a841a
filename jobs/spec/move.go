package spec

import (
	"github.com/google/uuid"
	"github.com/riverqueue/river"
)

// Queues of what moves versions. Pulls wait for remotes, so nothing else waits
// behind them.
const (
	QueueForward = "forward"
	QueuePull    = "pull"
)

// Forward pushes a version that came into a registry to where the registry
// forwards to (R11). It is enqueued in the transaction of the arrival and not
// unique: the same version may come in again after a deletion.
type Forward struct {
	Org      uuid.UUID `json:"org"`
	Registry uuid.UUID `json:"registry"`
	Name     string    `json:"name"`
	Version  string    `json:"version"`
}

// Kind names the job.
func (Forward) Kind() string { return "forward" }

// InsertOpts are the job's options.
func (Forward) InsertOpts() river.InsertOpts {
	return river.InsertOpts{Queue: QueueForward, MaxAttempts: 12}
}

// Pull brings in the versions that a lock file names. Resume makes another job
// after a crash; steps are idempotent.
type Pull struct {
	Org    uuid.UUID `json:"org" river:"unique"`
	Pull   uuid.UUID `json:"pull" river:"unique"`
	Resume string    `json:"resume,omitempty" river:"unique"`
}

// Kind names the job.
func (Pull) Kind() string { return "pull" }

// InsertOpts are the job's options.
func (Pull) InsertOpts() river.InsertOpts {
	return river.InsertOpts{Queue: QueuePull, MaxAttempts: 12, Priority: 3, UniqueOpts: river.UniqueOpts{ByArgs: true}}
}
