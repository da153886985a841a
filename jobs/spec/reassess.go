package spec

import (
	"github.com/google/uuid"
	"github.com/riverqueue/river"
)

// MaxReassessNames bounds the names of one [Reassess] job, so that one
// advisory feed becomes many short jobs that a node can lose at any time.
const MaxReassessNames = 200

// Reassess asks to evaluate again what an organization holds of some packages,
// because advisories that name them have changed (P5, Q5). It is enqueued in
// the transaction that changed the advisories and is idempotent: it carries
// names, and the worker reads the advisories as they are when it runs.
type Reassess struct {
	Org       uuid.UUID `json:"org"`
	Ecosystem string    `json:"ecosystem"` // as in the database: NPM, PYPI, MAVEN or NUGET
	Names     []string  `json:"names"`     // normalized, at most MaxReassessNames
}

// Kind returns the job's name in the queue.
func (Reassess) Kind() string { return "reassess" }

// InsertOpts makes reassessing wait for jobs that somebody is waiting for.
func (Reassess) InsertOpts() river.InsertOpts { return river.InsertOpts{Priority: 2} }
