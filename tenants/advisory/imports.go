package advisory

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"sluice.dev/sluice/ent/db"
	"sluice.dev/sluice/tenants/coord"
	"sluice.dev/sluice/tenants/errs"
)

// States of an import.
const (
	ImportRunning = "RUNNING"
	ImportDone    = "DONE"   // what it brought is in force
	ImportFailed  = "FAILED" // nothing has changed
)

const (
	toldEvery  = time.Second         // at most so often an import shows how far it is
	importKept = 90 * 24 * time.Hour // after which an import is forgotten
)

// Imported is an import as people see it. It belongs to no organization.
type Imported struct {
	ID        uuid.UUID
	Feed      string
	State     string
	Read      int // records found so far, usable or not
	Stored    int // new ones and changed ones
	Unchanged int
	Skipped   int
	Changed   map[coord.Ecosystem]int // packages whose advisories changed; nil before it is done
	Problem   string                  // why it failed; "" if it did not
	StartedAt time.Time
	EndedAt   *time.Time // nil while it runs
}

// shown is an import that is being carried out, in transactions of its own:
// others see nothing of the import's.
type shown struct {
	db   *db.DB
	id   uuid.UUID
	now  time.Time // when the import happens
	told time.Time
	last Report
}

// begin shows an import. It relies on the lock that every import takes: those
// that seem to run have died.
func (im *Importer) begin(ctx context.Context, o *Options) (*shown, error) {
	s := &shown{db: im.db, id: uuid.Must(uuid.NewV7()), now: o.Now}
	err := s.write(ctx, func(ctx context.Context, tx *db.Tx) error {
		_, err := tx.Exec(ctx, `UPDATE advisory_imports SET state = 'FAILED', ended_at = greatest($1, started_at), problem = 'the process that imported has ended' WHERE state = 'RUNNING'`, o.Now)
		if err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, `DELETE FROM advisory_imports WHERE started_at < $1`, o.Now.Add(-importKept)); err != nil {
			return err
		}
		_, err = tx.Exec(ctx, `INSERT INTO advisory_imports (id, feed, state, started_at) VALUES ($1, $2, 'RUNNING', $3)`, s.id, o.Feed, o.Now)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("show import: %w", err)
	}
	progress := o.Progress
	o.Progress = func(r Report) {
		if progress != nil {
			progress(r)
		}
		s.further(ctx, r)
	}
	return s, nil
}

func (s *shown) write(ctx context.Context, fn func(context.Context, *db.Tx) error) error {
	return s.db.InGlobal(ctx, func(ctx context.Context, tx *db.Tx) error {
		tx.Changed(db.Change{Kind: db.Imported, Name: s.id.String()})
		return fn(ctx, tx)
	})
}

// further writes how far the import is, now and then. What cannot be shown does
// not keep advisories out.
func (s *shown) further(ctx context.Context, r Report) {
	s.last = r
	if at := time.Now(); at.Sub(s.told) >= toldEvery {
		s.told = at
		_ = s.write(ctx, func(ctx context.Context, tx *db.Tx) error {
			_, err := tx.Exec(ctx, `UPDATE advisory_imports SET read = $2, stored = $3, unchanged = $4, skipped = $5 WHERE id = $1`, s.id, r.Read, r.Stored, r.Unchanged, r.SkippedCount)
			return err
		})
	}
}

// done writes the end in the import's own transaction, so that it is seen
// together with what has come into force.
func (s *shown) done(ctx context.Context, tx *db.Tx, r Report) error {
	changed, err := json.Marshal(r.Changed)
	if err != nil {
		return err
	}
	tx.Changed(db.Change{Kind: db.Imported, Name: s.id.String()})
	_, err = tx.Exec(ctx, `UPDATE advisory_imports SET state = 'DONE', read = $2, stored = $3, unchanged = $4, skipped = $5, changed = $6, ended_at = greatest($7, started_at) WHERE id = $1`,
		s.id, r.Read, r.Stored, r.Unchanged, r.SkippedCount, changed, s.now)
	return err
}

func (s *shown) failed(ctx context.Context, why error) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	return s.write(ctx, func(ctx context.Context, tx *db.Tx) error {
		_, err := tx.Exec(ctx, `UPDATE advisory_imports SET state = 'FAILED', read = $2, stored = 0, unchanged = 0, skipped = $3, problem = $4, ended_at = greatest($5, started_at) WHERE id = $1`,
			s.id, s.last.Read, s.last.SkippedCount, errs.Public(why), s.now)
		return err
	})
}

// ImportQuery selects imports for a list, by the time at which they began.
type ImportQuery struct {
	IDs   []uuid.UUID // only these; nil = all
	Feed  string      // exact; "" = all
	State string      // "" = all
	After *ImportMark // nil = from the start
	Asc   bool        // the oldest first
	Limit int
}

// ImportMark is the place in a list behind which a page begins.
type ImportMark struct {
	At time.Time
	ID uuid.UUID
}

// Imports returns a page of imports. Those of 90 days are kept.
func (s *Service) Imports(ctx context.Context, q ImportQuery) (out []Imported, err error) {
	cmp, dir := "<", "DESC"
	if q.Asc {
		cmp, dir = ">", "ASC"
	}
	var at *time.Time
	var id uuid.UUID
	if q.After != nil {
		at, id = &q.After.At, q.After.ID
	}
	err = s.db.InGlobal(ctx, func(ctx context.Context, tx *db.Tx) error {
		rows, err := tx.Query(ctx, `SELECT id, feed, state, read, stored, unchanged, skipped, changed, problem, started_at, ended_at FROM advisory_imports
			WHERE ($1::uuid[] IS NULL OR id = ANY ($1)) AND ($2 = '' OR feed = $2) AND ($3 = '' OR state = $3)
			AND ($4::timestamptz IS NULL OR (started_at, id) `+cmp+` ($4, $5)) ORDER BY started_at `+dir+`, id `+dir+` LIMIT $6`,
			q.IDs, q.Feed, q.State, at, id, q.Limit)
		if err != nil {
			return err
		}
		out, err = pgx.CollectRows(rows, scanImported)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list imports: %w", err)
	}
	return out, nil
}

func scanImported(row pgx.CollectableRow) (i Imported, err error) {
	var changed []byte
	err = row.Scan(&i.ID, &i.Feed, &i.State, &i.Read, &i.Stored, &i.Unchanged, &i.Skipped, &changed, &i.Problem, &i.StartedAt, &i.EndedAt)
	return i, errors.Join(err, unmarshalIf(err, changed, &i.Changed))
}

func unmarshalIf(before error, raw []byte, into any) error {
	if before != nil {
		return nil
	}
	return json.Unmarshal(raw, into)
}
