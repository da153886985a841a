package quarantine

import (
	"context"
	"fmt"

	"sluice.dev/sluice/ent"
	"sluice.dev/sluice/ent/cascade"
	"sluice.dev/sluice/ent/db"
	"sluice.dev/sluice/tenants/access"
	"sluice.dev/sluice/tenants/coord"
)

// CascadeQuery selects cascades for a list, the newest first unless asked
// otherwise. Its zero value selects none.
type CascadeQuery struct {
	Reach     access.Reach
	Action    cascade.Action // "" = all
	Running   *bool          // nil = both
	Ecosystem coord.Ecosystem
	Package   string // exact, normalized; "" = all
	After     *After
	Asc       bool // the oldest first
	Limit     int
}

func (q CascadeQuery) where() (string, []any) {
	return `($1 OR h.registry_id = ANY ($2)) AND ($3::boolean IS NULL OR (h.finished_at IS NULL) = $3) AND ($4 = '' OR h.ecosystem = $4)
		AND ($5 = '' OR h.name = $5) AND ($6 = '' OR h.action = $6)`,
		[]any{q.Reach.All, nonNil(q.Reach.Registries), q.Running, string(q.Ecosystem), q.Package, string(q.Action)}
}

// BrowseCascades returns a page of cascades, by the registry where they began.
func BrowseCascades(ctx context.Context, tx *db.Tx, q CascadeQuery) ([]*ent.Cascade, error) {
	where, args := q.where()
	rest, args := pageBehind("started_at", q.After, !q.Asc, q.Limit, args)
	ids, err := collect(ctx, tx, `SELECT h.id FROM cascades h WHERE `+where+rest, args...)
	if err != nil || len(ids) == 0 {
		return nil, err
	}
	byID, err := CascadesByIDs(ctx, tx, ids)
	if err != nil {
		return nil, err
	}
	out := make([]*ent.Cascade, 0, len(ids))
	for _, id := range ids {
		out = append(out, byID[id])
	}
	return out, nil
}

// CountCascades returns how many cascades the query selects over all pages.
func CountCascades(ctx context.Context, tx *db.Tx, q CascadeQuery) (n int, err error) {
	where, args := q.where()
	err = tx.QueryRow(ctx, `SELECT count(*) FROM cascades h WHERE `+where, args...).Scan(&n)
	return n, err
}

// HoldsSince returns the holds within the reach of which the time of opening or
// of release lies in the span that began then, at most so many, the oldest
// first: what somebody may have missed who follows holds.
func HoldsSince(ctx context.Context, tx *db.Tx, q Query, since After) ([]*ent.Hold, error) {
	q.After = nil
	where, args := q.where()
	ids, err := collect(ctx, tx, `SELECT h.id`+fromHolds+`WHERE `+where+fmt.Sprintf(` AND (h.opened_at >= $%d OR h.released_at >= $%d)
		ORDER BY greatest(h.opened_at, h.released_at), h.id LIMIT $%d`, len(args)+1, len(args)+1, len(args)+2), append(args, since.At, q.Limit)...)
	if err != nil {
		return nil, fmt.Errorf("list holds: %w", err)
	}
	return inOrder(ctx, tx, ids)
}

// HoldsOf returns those of the holds that the query selects, in no order; its
// page does not matter.
func HoldsOf(ctx context.Context, tx *db.Tx, q Query, ids []string) ([]*ent.Hold, error) {
	where, args := q.where()
	found, err := collect(ctx, tx, `SELECT h.id`+fromHolds+`WHERE `+where+fmt.Sprintf(` AND h.id = ANY ($%d::uuid[]) ORDER BY h.opened_at, h.id`, len(args)+1), append(args, ids)...)
	if err != nil {
		return nil, fmt.Errorf("list holds: %w", err)
	}
	return inOrder(ctx, tx, found)
}
