package spec

import (
	"time"

	"github.com/riverqueue/river"
)

// Remind warns of tokens that end soon and of quotas that are nearly used up
// (T5).
type Remind struct{}

// Kind names the job.
func (Remind) Kind() string { return "remind" }

// InsertOpts are the job's options.
func (Remind) InsertOpts() river.InsertOpts {
	return river.InsertOpts{Priority: 4, UniqueOpts: river.UniqueOpts{ByPeriod: 10 * time.Minute}}
}

// Erase removes organizations whose time to be brought back has ended.
type Erase struct{}

// Kind names the job.
func (Erase) Kind() string { return "erase" }

// InsertOpts are the job's options.
func (Erase) InsertOpts() river.InsertOpts {
	return river.InsertOpts{Priority: 4, UniqueOpts: river.UniqueOpts{ByPeriod: time.Hour}}
}

// Anchor writes the heads of the audit chains into the log.
type Anchor struct{}

// Kind names the job.
func (Anchor) Kind() string { return "anchor" }

// InsertOpts are the job's options.
func (Anchor) InsertOpts() river.InsertOpts {
	return river.InsertOpts{Priority: 4, UniqueOpts: river.UniqueOpts{ByPeriod: 6 * time.Hour}}
}
