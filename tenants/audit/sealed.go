package audit

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"sluice.dev/sluice/ent/db"
)

// Seal is the place of an event in the chain.
type Seal struct {
	Seq      int64 // from 1, without gaps
	Prev     Hash  // of the seal before; zeros in the first
	Hash     Hash
	SealedAt time.Time
}

// SealsOf returns the seals of events. Those that wait to be sealed are not in
// the answer.
func SealsOf(ctx context.Context, tx *db.Tx, events []uuid.UUID) (map[uuid.UUID]Seal, error) {
	rows, err := tx.Query(ctx, `SELECT event_id, seq, prev, hash, sealed_at FROM audit_seals WHERE org_id = `+db.Ours+` AND event_id = ANY ($1)`, events)
	if err != nil {
		return nil, fmt.Errorf("audit: seals: %w", err)
	}
	defer rows.Close()
	out := map[uuid.UUID]Seal{}
	for rows.Next() {
		var id uuid.UUID
		var s Seal
		var prev, hash []byte
		if err := rows.Scan(&id, &s.Seq, &prev, &hash, &s.SealedAt); err != nil {
			return nil, err
		}
		s.Prev, s.Hash = hashOf(prev), hashOf(hash)
		out[id] = s
	}
	return out, rows.Err()
}

// Chain is how far an organization's chain is.
type Chain struct {
	Head    *Seal // nil while nothing is sealed
	Waiting int   // events that wait to be sealed
}

// ChainOf returns how far the context's organization's chain is.
func ChainOf(ctx context.Context, tx *db.Tx) (c Chain, err error) {
	var s Seal
	var prev, hash []byte
	err = tx.QueryRow(ctx, `SELECT seq, prev, hash, sealed_at FROM audit_seals WHERE org_id = `+db.Ours+` ORDER BY seq DESC LIMIT 1`).Scan(&s.Seq, &prev, &hash, &s.SealedAt)
	switch {
	case err == nil:
		s.Prev, s.Hash = hashOf(prev), hashOf(hash)
		c.Head = &s
	case !errors.Is(err, pgx.ErrNoRows):
		return c, fmt.Errorf("audit: chain: %w", err)
	}
	err = tx.QueryRow(ctx, `SELECT count(*) FROM audit_pending WHERE org_id = `+db.Ours).Scan(&c.Waiting)
	return c, err
}
