package quarantine

import (
	"context"

	"github.com/google/uuid"

	"sluice.dev/sluice/ent"
	"sluice.dev/sluice/ent/cascade"
	"sluice.dev/sluice/ent/db"
	"sluice.dev/sluice/ent/tombstone"
	"sluice.dev/sluice/tenants/access"
	"sluice.dev/sluice/tenants/coord"
)

// CascadesByIDs returns cascades. Those that do not exist are not in the answer.
func CascadesByIDs(ctx context.Context, tx *db.Tx, ids []uuid.UUID) (map[uuid.UUID]*ent.Cascade, error) {
	rows, err := tx.Ent.Cascade.Query().Where(cascade.IDIn(ids...)).All(ctx)
	out := make(map[uuid.UUID]*ent.Cascade, len(rows))
	for _, c := range rows {
		out[c.ID] = c
	}
	return out, err
}

// CascadesOfHolds returns the cascades that carried holds or their release, the
// newest first.
func CascadesOfHolds(ctx context.Context, tx *db.Tx, holds []uuid.UUID) (map[uuid.UUID][]*ent.Cascade, error) {
	rows, err := tx.Ent.Cascade.Query().Where(cascade.HoldIDIn(holds...)).Order(ent.Desc(cascade.FieldStartedAt, cascade.FieldID)).All(ctx)
	out := make(map[uuid.UUID][]*ent.Cascade, len(holds))
	for _, c := range rows {
		out[*c.HoldID] = append(out[*c.HoldID], c)
	}
	return out, err
}

// CascadesOfTombstones returns the cascades that carried deletions.
func CascadesOfTombstones(ctx context.Context, tx *db.Tx, tombstones []uuid.UUID) (map[uuid.UUID]*ent.Cascade, error) {
	rows, err := tx.Ent.Cascade.Query().Where(cascade.TombstoneIDIn(tombstones...)).Order(ent.Asc(cascade.FieldStartedAt, cascade.FieldID)).All(ctx)
	out := make(map[uuid.UUID]*ent.Cascade, len(tombstones))
	for _, c := range rows {
		out[*c.TombstoneID] = c
	}
	return out, err
}

// TombstoneQuery selects tombstones for a list, the newest first unless asked
// otherwise. Its zero value selects none.
type TombstoneQuery struct {
	Reach     access.Reach
	Open      *bool // in force, or lifted; nil = both
	Ecosystem coord.Ecosystem
	Package   string // exact, normalized; "" = all
	Version   string // exact; "" = all
	After     *After
	Asc       bool // the oldest first
	Limit     int
}

func (q TombstoneQuery) where() (string, []any) {
	return `($1 OR h.registry_id = ANY ($2)) AND ($3::boolean IS NULL OR (h.lifted_at IS NULL) = $3) AND ($4 = '' OR h.ecosystem = $4)
		AND ($5 = '' OR h.name = $5) AND ($6 = '' OR h.version = $6)`,
		[]any{q.Reach.All, nonNil(q.Reach.Registries), q.Open, string(q.Ecosystem), q.Package, q.Version}
}

// BrowseTombstones returns a page of tombstones.
func BrowseTombstones(ctx context.Context, tx *db.Tx, q TombstoneQuery) ([]*ent.Tombstone, error) {
	where, args := q.where()
	rest, args := pageBehind("created_at", q.After, !q.Asc, q.Limit, args)
	ids, err := collect(ctx, tx, `SELECT h.id FROM tombstones h WHERE `+where+rest, args...)
	if err != nil || len(ids) == 0 {
		return nil, err
	}
	byID, err := TombstonesByIDs(ctx, tx, ids)
	if err != nil {
		return nil, err
	}
	out := make([]*ent.Tombstone, 0, len(ids))
	for _, id := range ids {
		out = append(out, byID[id])
	}
	return out, nil
}

// CountTombstones returns how many tombstones the query selects over all pages.
func CountTombstones(ctx context.Context, tx *db.Tx, q TombstoneQuery) (n int, err error) {
	where, args := q.where()
	err = tx.QueryRow(ctx, `SELECT count(*) FROM tombstones h WHERE `+where, args...).Scan(&n)
	return n, err
}

// TombstonesByIDs returns tombstones. Those that do not exist are not in the
// answer.
func TombstonesByIDs(ctx context.Context, tx *db.Tx, ids []uuid.UUID) (map[uuid.UUID]*ent.Tombstone, error) {
	rows, err := tx.Ent.Tombstone.Query().Where(tombstone.IDIn(ids...)).All(ctx)
	out := make(map[uuid.UUID]*ent.Tombstone, len(rows))
	for _, t := range rows {
		out[t.ID] = t
	}
	return out, err
}
