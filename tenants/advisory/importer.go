package advisory

import (
	"context"
	"errors"
	"regexp"
	"time"

	"sluice.dev/sluice/ent/db"
	"sluice.dev/sluice/tenants/coord"
	"sluice.dev/sluice/tenants/errs"
)

// Importer brings feeds of OSV records into the database.
type Importer struct{ db *db.DB }

// NewImporter returns an importer into d.
func NewImporter(d *db.DB) *Importer { return &Importer{db: d} }

// Options of an import.
type Options struct {
	Feed     string       // the name of the feed, for example "osv"; not DemoFeed
	Now      time.Time    // when the import happens: the snapshot's time
	Progress func(Report) // called now and then with what was done so far; may be nil
}

// Report says what an import did.
type Report struct {
	Read      int // records found, usable or not
	Stored    int // new ones and changed ones
	Unchanged int // stored already, in this or a newer form: nothing was written
	Foreign   int // about packages of other ecosystems only: not stored

	SkippedCount int       // records that could not be used, and so were not stored
	Skipped      []Problem // the first MaxProblems of them
	NotedCount   int       // parts that were left out of stored records
	Noted        []Problem // the first MaxProblems of them

	Ecosystems []coord.Ecosystem       // whose snapshot this import renewed
	Changed    map[coord.Ecosystem]int // packages whose advisories changed
	Jobs       int                     // jobs enqueued to evaluate held versions again
}

func (r *Report) skip(p Problem) {
	r.SkippedCount++
	if len(r.Skipped) < MaxProblems {
		r.Skipped = append(r.Skipped, p)
	}
}

func (r *Report) note(list []Problem) {
	r.NotedCount += len(list)
	r.Noted = append(r.Noted, list[:min(len(list), MaxProblems-len(r.Noted))]...)
}

var feedName = regexp.MustCompile(`^[a-z0-9][a-z0-9._-]{0,62}$`)

// Import reads the feed at path: a folder of OSV records in JSON files, a zip
// of them, or a copy of OSV's bulk export. It does everything in one
// transaction: when it fails, what was imported before is as it was. Imports
// wait for each other, also those of other nodes.
//
// A record replaces a stored one when its "modified" is newer. A stored time
// that lies in the future proves nothing, so that any other replaces it. A
// record of a real feed replaces a demonstration one. Withdrawn records are
// kept with their withdrawal, and records that are not in the feed any more
// stay: OSV withdraws, it does not delete.
//
// Errors: Invalid for a path without a usable record, TooLarge for a feed over
// a bound. Single records that cannot be used are in the report instead.
func (im *Importer) Import(ctx context.Context, path string, o Options) (Report, error) {
	const op = "advisory.Import"
	switch {
	case !feedName.MatchString(o.Feed):
		return Report{}, errs.New(errs.Invalid, op, "feed name %q must have 1 to 63 lower-case letters, digits, '.', '_' or '-', and begin with a letter or digit", o.Feed).On("feed")
	case o.Feed == DemoFeed:
		return Report{}, errs.New(errs.Invalid, op, "feed name %q is kept for the demonstration advisories; choose another", o.Feed).On("feed")
	case o.Now.IsZero():
		return Report{}, errs.New(errs.Invalid, op, "an import needs the time")
	}
	src, err := openPath(path)
	if err != nil {
		return Report{}, err
	}
	return im.load(ctx, path, src, o)
}

// load imports the records of a source in one transaction.
func (im *Importer) load(ctx context.Context, path string, src source, o Options) (Report, error) {
	var report Report
	err := im.db.InGlobal(ctx, func(ctx context.Context, tx *db.Tx) error {
		if err := tx.Lock(ctx, false, "advisories"); err != nil {
			return err
		}
		// Nobody else imports from here on.
		shown, err := im.begin(ctx, &o)
		if err != nil {
			return err
		}
		w := newWriter(tx, o)
		if err = w.readAll(ctx, src); err == nil {
			err = w.finish(ctx, path)
		}
		if err == nil {
			err = shown.done(ctx, tx, w.report)
		}
		if err != nil {
			return errors.Join(err, shown.failed(ctx, err))
		}
		report = w.report
		return nil
	})
	return report, err
}

// readAll decodes the source beside writing: while PostgreSQL takes a batch,
// the next one is prepared.
func (w *writer) readAll(ctx context.Context, src source) error {
	reading, stop := context.WithCancel(ctx)
	batches := make(chan *batch, 1)
	failed := make(chan error, 1)
	go func() {
		r := reader{out: batches}
		failed <- r.run(reading, src)
		close(batches)
	}()
	var err error
	for b := range batches {
		if err = w.write(ctx, b); err != nil {
			break
		}
	}
	stop()
	// The source's files are closed when the reader has ended.
	if readErr := <-failed; err == nil {
		err = readErr
	}
	return err
}
