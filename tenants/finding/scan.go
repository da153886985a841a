package finding

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
	"sluice.dev/sluice/tenants/scope"
)

// AdvisoryScanner is the scanner that compares what is held with the advisories.
const AdvisoryScanner = "advisories"

// States of a scan.
const (
	ScanRunning = "RUNNING"
	ScanDone    = "DONE"
	ScanFailed  = "FAILED" // some package could not be looked at; it is tried again
)

// Bounds of what is kept and shown of scans.
const (
	scanTold = 20                  // packages after which a scan shows how far it is
	scanKept = 30 * 24 * time.Hour // after which a scan is forgotten
)

// Scan is a run of a scanner over packages that the organization holds.
type Scan struct {
	ID        uuid.UUID
	Scanner   string // AdvisoryScanner, so far
	Registry  uuid.UUID
	Ecosystem coord.Ecosystem
	Packages  []string // names, normalized
	Total     int      // packages
	Done      int      // of them
	Failed    int      // of those that are done
	Changed   int      // of those that are done: with other findings than before
	Attempt   int      // from 1
	State     string
	StartedAt time.Time
	EndedAt   *time.Time // nil while it runs
}

// Scan is [Service.Reassess] that shows how far it is, as the scan of that id:
// a job that is tried again is the same scan.
func (s *Service) Scan(ctx context.Context, id uuid.UUID, attempt int, e coord.Ecosystem, names []string) error {
	scan := Scan{ID: id, Scanner: AdvisoryScanner, Ecosystem: e, Packages: names, Total: len(names), Attempt: attempt, State: ScanRunning, StartedAt: s.Now()}
	if err := s.beginScan(ctx, scan); err != nil {
		return err
	}
	shape, err := s.Shapes.Of(ctx)
	if err != nil {
		return err
	}
	var failed []error
	for _, name := range names {
		changed, err := s.reassess(ctx, shape, coord.Package{Ecosystem: e, Name: name})
		if ctx.Err() != nil {
			return ctx.Err() // the node stops, which says nothing about the package
		}
		if err != nil {
			failed = append(failed, fmt.Errorf("reassess %s: %w", name, err))
			scan.Failed++
		}
		if changed {
			scan.Changed++
		}
		if scan.Done++; scan.Done%scanTold == 0 && scan.Done < scan.Total {
			if err := s.tellScan(ctx, scan); err != nil {
				return err
			}
		}
	}
	scan.State = ScanDone
	if len(failed) > 0 {
		scan.State = ScanFailed
	}
	now := s.Now()
	scan.EndedAt = &now
	return errors.Join(append(failed, s.tellScan(ctx, scan))...)
}

func (s *Service) beginScan(ctx context.Context, x Scan) error {
	names, err := json.Marshal(x.Packages)
	if err != nil {
		return err
	}
	return s.DB.InTx(ctx, func(ctx context.Context, tx *db.Tx) error {
		org, err := scope.Org(ctx)
		if err != nil {
			return err
		}
		_, err = tx.Exec(ctx, `INSERT INTO scans (id, org_id, scanner, ecosystem, packages, total, attempt, state, started_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
			ON CONFLICT (id) DO UPDATE SET attempt = excluded.attempt, state = excluded.state, done = 0, failed = 0, changed = 0, ended_at = NULL`,
			x.ID, org, x.Scanner, x.Ecosystem, names, x.Total, x.Attempt, x.State, x.StartedAt)
		if err != nil {
			return fmt.Errorf("begin scan: %w", err)
		}
		_, err = tx.Exec(ctx, `DELETE FROM scans WHERE org_id = `+db.Ours+` AND started_at < $1`, x.StartedAt.Add(-scanKept))
		tx.Changed(db.Change{Kind: db.Scanned, Org: org, Name: x.ID.String()})
		return err
	})
}

// tellScan writes how far a scan is.
func (s *Service) tellScan(ctx context.Context, x Scan) error {
	return s.DB.InTx(ctx, func(ctx context.Context, tx *db.Tx) error {
		org, err := scope.Org(ctx)
		if err != nil {
			return err
		}
		tx.Changed(db.Change{Kind: db.Scanned, Org: org, Name: x.ID.String()})
		_, err = tx.Exec(ctx, `UPDATE scans SET done = $2, failed = $3, changed = $4, state = $5, ended_at = $6 WHERE org_id = `+db.Ours+` AND id = $1`,
			x.ID, x.Done, x.Failed, x.Changed, x.State, x.EndedAt)
		return err
	})
}

// ScanQuery selects scans for a list, by the time at which they began.
type ScanQuery struct {
	IDs       []uuid.UUID // only these; nil = all
	State     string      // "" = all
	Scanner   string      // "" = all
	Ecosystem coord.Ecosystem
	After     *After // nil = from the start
	Asc       bool   // the oldest first
	Limit     int
}

// After is the place in a list behind which a page begins: time and id of the
// last one that was seen.
type After struct {
	At time.Time
	ID uuid.UUID
}

// parts returns the arguments of a mark.
func (a *After) parts() (at *time.Time, id uuid.UUID) {
	if a == nil {
		return nil, id
	}
	return &a.At, a.ID
}

// Scans returns a page of scans. Scans of 30 days are kept.
func Scans(ctx context.Context, tx *db.Tx, q ScanQuery) ([]Scan, error) {
	cmp, dir := "<", "DESC"
	if q.Asc {
		cmp, dir = ">", "ASC"
	}
	at, id := q.After.parts()
	rows, err := tx.Query(ctx, `SELECT id, scanner, registry_id, ecosystem, packages, total, done, failed, changed, attempt, state, started_at, ended_at FROM scans
		WHERE org_id = `+db.Ours+` AND ($1::uuid[] IS NULL OR id = ANY ($1)) AND ($2 = '' OR state = $2) AND ($3 = '' OR scanner = $3) AND ($4 = '' OR ecosystem = $4)
		AND ($5::timestamptz IS NULL OR (started_at, id) `+cmp+` ($5, $6)) ORDER BY started_at `+dir+`, id `+dir+` LIMIT $7`,
		q.IDs, q.State, q.Scanner, string(q.Ecosystem), at, id, q.Limit)
	if err != nil {
		return nil, fmt.Errorf("list scans: %w", err)
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (x Scan, err error) {
		var names []byte
		var registry *uuid.UUID
		err = row.Scan(&x.ID, &x.Scanner, &registry, &x.Ecosystem, &names, &x.Total, &x.Done, &x.Failed, &x.Changed, &x.Attempt, &x.State, &x.StartedAt, &x.EndedAt)
		if err != nil {
			return x, err
		}
		if registry != nil {
			x.Registry = *registry
		}
		return x, json.Unmarshal(names, &x.Packages)
	})
}

// ScanByID returns a scan, or nil.
func ScanByID(ctx context.Context, tx *db.Tx, id uuid.UUID) (*Scan, error) {
	found, err := Scans(ctx, tx, ScanQuery{IDs: []uuid.UUID{id}, Limit: 1})
	if err != nil || len(found) == 0 {
		return nil, err
	}
	return &found[0], nil
}
