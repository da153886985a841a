package platform

import (
	"context"
	"encoding/json"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"sluice.dev/sluice/ent/db"
)

// Times of a node's beats.
const (
	BeatEvery  = 5 * time.Second
	StaleAfter = 20 * time.Second // without a beat a node is not believed to run
	forget     = 24 * time.Hour   // after which a node that went without a word is not shown any more
)

// Node is a running process.
type Node struct {
	ID        uuid.UUID
	Name      string // of the machine, or as the operator calls it
	Version   string
	StartedAt time.Time
	BeatAt    time.Time
	Trusted   bool           // it hears the change feed, so that what it keeps in memory counts (Q2)
	Works     bool           // it runs jobs
	Memories  map[string]int // how many entries it keeps, by what they are
}

// Stale reports whether a node has been silent for too long.
func (n Node) Stale(now time.Time) bool { return now.Sub(n.BeatAt) >= StaleAfter }

// Beat says that a node runs, and how; BeatAt is set here. Nodes that nobody has
// heard of for a day are forgotten.
func (s *Service) Beat(ctx context.Context, n Node) error {
	memories, err := json.Marshal(n.Memories)
	if err != nil {
		return err
	}
	now := s.Now()
	return s.DB.InGlobal(ctx, func(ctx context.Context, tx *db.Tx) error {
		_, err := tx.Exec(ctx, `INSERT INTO nodes (id, name, version, started_at, beat_at, trusted, works, memories) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
			ON CONFLICT (id) DO UPDATE SET beat_at = excluded.beat_at, trusted = excluded.trusted, works = excluded.works, memories = excluded.memories`,
			n.ID, n.Name, n.Version, n.StartedAt, now, n.Trusted, n.Works, memories)
		if err != nil {
			return err
		}
		_, err = tx.Exec(ctx, `DELETE FROM nodes WHERE id IN (SELECT id FROM nodes WHERE beat_at < $1 FOR UPDATE SKIP LOCKED)`, now.Add(-forget))
		return err
	})
}

// Left says that a node has ended in good order.
func (s *Service) Left(ctx context.Context, id uuid.UUID) error {
	return s.DB.InGlobal(ctx, func(ctx context.Context, tx *db.Tx) error {
		_, err := tx.Exec(ctx, `DELETE FROM nodes WHERE id = $1`, id)
		return err
	})
}

// Nodes returns the nodes, those that beat last first, 1000 at most.
func (s *Service) Nodes(ctx context.Context) (out []Node, err error) {
	err = s.DB.InGlobal(ctx, func(ctx context.Context, tx *db.Tx) error {
		rows, err := tx.Query(ctx, `SELECT id, name, version, started_at, beat_at, trusted, works, memories FROM nodes ORDER BY beat_at DESC, name, id LIMIT 1000`)
		if err != nil {
			return err
		}
		out, err = pgx.CollectRows(rows, pgx.RowToStructByPos[Node])
		return err
	})
	return out, err
}
