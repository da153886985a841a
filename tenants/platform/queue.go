package platform

import (
	"context"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"sluice.dev/sluice/ent/db"
)

// States of jobs, in the order in which they are shown.
var States = []string{"available", "running", "retryable", "scheduled", "pending", "completed", "cancelled", "discarded"}

// Queue is one with its jobs.
type Queue struct {
	Name     string
	PausedAt *time.Time     // nil while it is worked on
	Counts   map[string]int // by state; a state without jobs is not there
	Oldest   *time.Time     // since when the first of those that could run waits; nil for none
}

// Failing is a kind of job that failed and is tried again, or was given up.
type Failing struct {
	Kind      string
	Retryable int // that are tried again
	Discarded int // that were given up
	LastAt    time.Time
	LastError string // the first line, 500 bytes at most
}

// Queues is the state of all jobs.
type Queues struct {
	Queues  []Queue
	Failing []Failing
}

// Queues returns every queue by name, and the kinds of job that fail, the ones
// that failed last first.
func (s *Service) Queues(ctx context.Context) (out Queues, err error) {
	err = s.DB.InGlobal(ctx, func(ctx context.Context, tx *db.Tx) error {
		if out.Queues, err = queues(ctx, tx); err != nil {
			return err
		}
		out.Failing, err = failing(ctx, tx)
		return err
	})
	return out, err
}

func queues(ctx context.Context, tx *db.Tx) (out []Queue, err error) {
	rows, err := tx.Query(ctx, `SELECT q.name, q.paused_at, coalesce(c.counts, '{}'), c.oldest FROM (
			SELECT name, paused_at FROM river.river_queue UNION ALL
			SELECT DISTINCT j.queue, NULL::timestamptz FROM river.river_job j WHERE NOT EXISTS (SELECT 1 FROM river.river_queue k WHERE k.name = j.queue)) q
		LEFT JOIN (SELECT queue, jsonb_object_agg(state, n) AS counts, min(oldest) AS oldest FROM (
				SELECT queue, state::text AS state, count(*) AS n, min(scheduled_at) FILTER (WHERE state = 'available') AS oldest
				FROM river.river_job GROUP BY queue, state) s GROUP BY queue) c ON c.queue = q.name
		ORDER BY q.name LIMIT 200`)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowToStructByPos[Queue])
}

func failing(ctx context.Context, tx *db.Tx) (out []Failing, err error) {
	rows, err := tx.Query(ctx, `SELECT kind, count(*) FILTER (WHERE state = 'retryable')::int, count(*) FILTER (WHERE state = 'discarded')::int,
			coalesce(max(attempted_at), max(created_at)),
			coalesce((array_agg(errors[array_upper(errors, 1)] ->> 'error' ORDER BY attempted_at DESC NULLS LAST))[1], '')
		FROM river.river_job WHERE state IN ('retryable', 'discarded') GROUP BY kind ORDER BY 4 DESC, 1 LIMIT 200`)
	if err != nil {
		return nil, err
	}
	if out, err = pgx.CollectRows(rows, pgx.RowToStructByPos[Failing]); err != nil {
		return nil, err
	}
	for i := range out {
		out[i].LastError, _, _ = strings.Cut(out[i].LastError, "\n")
		if len(out[i].LastError) > 500 {
			out[i].LastError = strings.ToValidUTF8(out[i].LastError[:500], "") + "…"
		}
	}
	return out, nil
}
