// Package spec names the background jobs: their arguments and options. It is a
// leaf, so that services can enqueue what workers carry out.
package spec

import (
	"time"

	"github.com/google/uuid"
	"github.com/riverqueue/river"
)

// Queues. Cascades and reviews have their own, so that neither waits behind
// the other.
const (
	QueueCascade = "cascade"
	QueueReview  = "review"
)

// Cascade carries a hold, a release or a deletion to the registries below
// (C3). It is unique by the cascade's id, never by the version's: uniqueness
// includes completed jobs. Resume makes another one after a crash; the pages
// themselves are idempotent.
type Cascade struct {
	Org     uuid.UUID `json:"org" river:"unique"`
	Cascade uuid.UUID `json:"cascade" river:"unique"`
	Resume  string    `json:"resume,omitempty" river:"unique"`
}

// Kind names the job.
func (Cascade) Kind() string { return "cascade" }

// InsertOpts are the job's options.
func (Cascade) InsertOpts() river.InsertOpts {
	return river.InsertOpts{Queue: QueueCascade, MaxAttempts: 25, UniqueOpts: river.UniqueOpts{ByArgs: true}}
}

// Review brings the bytes of a version on hold in for review and delivers
// nothing (Q6).
type Review struct {
	Org       uuid.UUID `json:"org" river:"unique"`
	Hold      uuid.UUID `json:"hold" river:"unique"`
	Registry  uuid.UUID `json:"registry"`
	Ecosystem string    `json:"ecosystem"`
	Name      string    `json:"name"`
	Version   string    `json:"version"`
}

// Kind names the job.
func (Review) Kind() string { return "review" }

// InsertOpts are the job's options.
func (Review) InsertOpts() river.InsertOpts {
	return river.InsertOpts{Queue: QueueReview, MaxAttempts: 8, Priority: 3, UniqueOpts: river.UniqueOpts{ByArgs: true}}
}

// Collect removes bytes that nothing refers to (D3).
type Collect struct{}

// Kind names the job.
func (Collect) Kind() string { return "collect" }

// InsertOpts are the job's options.
func (Collect) InsertOpts() river.InsertOpts {
	return river.InsertOpts{Priority: 4, UniqueOpts: river.UniqueOpts{ByPeriod: time.Hour}}
}

// Partition makes the decision log's partitions of the coming days.
type Partition struct{}

// Kind names the job.
func (Partition) Kind() string { return "partition" }

// InsertOpts are the job's options.
func (Partition) InsertOpts() river.InsertOpts {
	return river.InsertOpts{Priority: 4, UniqueOpts: river.UniqueOpts{ByPeriod: time.Hour}}
}

// Sweep asks to look again at packages with open findings (P5).
type Sweep struct{}

// Kind names the job.
func (Sweep) Kind() string { return "sweep" }

// InsertOpts are the job's options.
func (Sweep) InsertOpts() river.InsertOpts {
	return river.InsertOpts{Priority: 4, UniqueOpts: river.UniqueOpts{ByPeriod: time.Hour}}
}

// Expire removes credentials and logins that have run out.
type Expire struct{}

// Kind names the job.
func (Expire) Kind() string { return "expire" }

// InsertOpts are the job's options.
func (Expire) InsertOpts() river.InsertOpts {
	return river.InsertOpts{Priority: 4, UniqueOpts: river.UniqueOpts{ByPeriod: time.Hour}}
}
