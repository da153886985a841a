package quarantine

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"sluice.dev/sluice/ent"
	"sluice.dev/sluice/ent/db"
	"sluice.dev/sluice/ent/hold"
	"sluice.dev/sluice/tenants/access"
	"sluice.dev/sluice/tenants/coord"
)

// After is the place in a list behind which a page begins: time and id of the
// last one that was seen.
type After struct {
	At time.Time
	ID uuid.UUID
}

// Query selects holds for a list, by the time of opening. Its zero value
// selects none: what the asking subject reaches must be said.
type Query struct {
	Reach   access.Reach
	Open    *bool      // in force, or not; nil = both. An inherited hold is in force while its root is (C4)
	Cause   hold.Cause // "" = all
	Package string     // exact, normalized; "" = all
	Version string     // exact: holds that name it, not ranges that contain it; "" = all
	Search  string     // text in the package's name, in any case; "" = all
	After   *After     // nil = from the start
	Desc    bool       // the newest first
	Limit   int
}

// inForce is whether hold h is in force; r is its root, all null when it has none.
const inForce = `(h.released_at IS NULL AND (h.root_id IS NULL OR r.released_at IS NULL))`

// where returns the condition on hold h with root r, and the arguments that it
// names from $1 on.
func (q Query) where() (string, []any) {
	args := []any{q.Reach.All, nonNil(q.Reach.Registries), q.Open, string(q.Cause), q.Package, q.Version, strings.ToLower(q.Search)}
	return `($1 OR h.registry_id = ANY ($2)) AND ($3::boolean IS NULL OR ` + inForce + ` = $3)
		AND ($4 = '' OR h.cause = $4) AND ($5 = '' OR h.name = $5) AND ($6 = '' OR h.version = $6) AND ($7 = '' OR position($7 in lower(h.name)) > 0)`, args
}

// pageBehind adds the condition, the order and the limit of a page, before the
// arguments of which there are n already.
func pageBehind(column string, after *After, desc bool, limit int, args []any) (string, []any) {
	cmp, dir := ">", "ASC"
	if desc {
		cmp, dir = "<", "DESC"
	}
	where := ""
	if after != nil {
		where = fmt.Sprintf(` AND (h.%s, h.id) %s ($%d, $%d)`, column, cmp, len(args)+1, len(args)+2)
		args = append(args, after.At, after.ID)
	}
	return where + fmt.Sprintf(` ORDER BY h.%s %s, h.id %s LIMIT $%d`, column, dir, dir, len(args)+1), append(args, limit)
}

func nonNil(ids []uuid.UUID) []uuid.UUID {
	if ids == nil {
		return []uuid.UUID{}
	}
	return ids
}

const fromHolds = ` FROM holds h LEFT JOIN holds r ON r.id = h.root_id `

// Browse returns a page of holds.
func Browse(ctx context.Context, tx *db.Tx, q Query) ([]*ent.Hold, error) {
	where, args := q.where()
	rest, args := pageBehind("opened_at", q.After, q.Desc, q.Limit, args)
	ids, err := collect(ctx, tx, `SELECT h.id`+fromHolds+`WHERE `+where+rest, args...)
	if err != nil {
		return nil, fmt.Errorf("list holds: %w", err)
	}
	return inOrder(ctx, tx, ids)
}

// Count returns how many holds the query selects over all pages.
func Count(ctx context.Context, tx *db.Tx, q Query) (n int, err error) {
	where, args := q.where()
	err = tx.QueryRow(ctx, `SELECT count(*)`+fromHolds+`WHERE `+where, args...).Scan(&n)
	return n, err
}

// BrowseEach returns a page of holds of each of the registries, whatever the
// query's reach, in as many statements as one page takes.
func BrowseEach(ctx context.Context, tx *db.Tx, registries []uuid.UUID, q Query) (map[uuid.UUID][]*ent.Hold, error) {
	q.Reach = access.Reach{Registries: registries}
	where, args := q.where()
	rest, args := pageBehind("opened_at", q.After, q.Desc, q.Limit, args)
	ids, err := collect(ctx, tx, `SELECT p.id FROM unnest($2::uuid[]) g (id) CROSS JOIN LATERAL (
		SELECT h.id`+fromHolds+`WHERE h.registry_id = g.id AND `+where+rest+`) p`, args...)
	if err != nil {
		return nil, fmt.Errorf("list holds: %w", err)
	}
	holds, err := inOrder(ctx, tx, ids)
	out := make(map[uuid.UUID][]*ent.Hold, len(registries))
	for _, h := range holds {
		out[h.RegistryID] = append(out[h.RegistryID], h)
	}
	return out, err
}

// CountEach returns how many holds of each of the registries the query selects,
// whatever its reach. Registries without any are not in the answer.
func CountEach(ctx context.Context, tx *db.Tx, registries []uuid.UUID, q Query) (map[uuid.UUID]int, error) {
	q.Reach = access.Reach{Registries: registries}
	where, args := q.where()
	return counts(ctx, tx, `SELECT h.registry_id, count(*)`+fromHolds+`WHERE `+where+` GROUP BY h.registry_id`, args...)
}

// InheritedEach returns, by root, a page of the holds that it caused within the
// reach, the oldest first unless asked otherwise.
func InheritedEach(ctx context.Context, tx *db.Tx, roots []uuid.UUID, reach access.Reach, after *After, desc bool, limit int) (map[uuid.UUID][]*ent.Hold, error) {
	rest, args := pageBehind("opened_at", after, desc, limit, []any{reach.All, nonNil(reach.Registries), roots})
	ids, err := collect(ctx, tx, `SELECT p.id FROM unnest($3::uuid[]) g (id) CROSS JOIN LATERAL (
		SELECT h.id FROM holds h WHERE h.root_id = g.id AND ($1 OR h.registry_id = ANY ($2))`+rest+`) p`, args...)
	if err != nil {
		return nil, fmt.Errorf("list inherited holds: %w", err)
	}
	holds, err := inOrder(ctx, tx, ids)
	out := make(map[uuid.UUID][]*ent.Hold, len(roots))
	for _, h := range holds {
		out[*h.RootID] = append(out[*h.RootID], h)
	}
	return out, err
}

// CountInheritedEach returns, by root, how many holds it caused within the
// reach. Roots without any are not in the answer.
func CountInheritedEach(ctx context.Context, tx *db.Tx, roots []uuid.UUID, reach access.Reach) (map[uuid.UUID]int, error) {
	return counts(ctx, tx, `SELECT h.root_id, count(*) FROM holds h WHERE h.root_id = ANY ($3) AND ($1 OR h.registry_id = ANY ($2))
		GROUP BY h.root_id`, reach.All, nonNil(reach.Registries), roots)
}

// HoldsByIDs returns holds. Those that do not exist are not in the answer.
func HoldsByIDs(ctx context.Context, tx *db.Tx, ids []uuid.UUID) (map[uuid.UUID]*ent.Hold, error) {
	rows, err := tx.Ent.Hold.Query().Where(hold.IDIn(ids...)).All(ctx)
	out := make(map[uuid.UUID]*ent.Hold, len(rows))
	for _, h := range rows {
		out[h.ID] = h
	}
	return out, err
}

// inOrder reads holds in the order of the ids.
func inOrder(ctx context.Context, tx *db.Tx, ids []uuid.UUID) ([]*ent.Hold, error) {
	if len(ids) == 0 {
		return nil, nil
	}
	byID, err := HoldsByIDs(ctx, tx, ids)
	if err != nil {
		return nil, err
	}
	out := make([]*ent.Hold, 0, len(ids))
	for _, id := range ids {
		if h := byID[id]; h != nil {
			out = append(out, h)
		}
	}
	return out, nil
}

// Place is a package in a registry.
type Place struct {
	Registry uuid.UUID
	coord.Package
}

// OpenOn returns the holds in force on packages in registries, the registries'
// own and inherited ones, on versions, ranges and whole packages. Which of them
// are about a version, [Covers] tells.
func OpenOn(ctx context.Context, tx *db.Tx, places []Place) (map[Place][]*ent.Hold, error) {
	registries, ecosystems, names := make([]uuid.UUID, len(places)), make([]string, len(places)), make([]string, len(places))
	for i, p := range places {
		registries[i], ecosystems[i], names[i] = p.Registry, string(p.Ecosystem), p.Name
	}
	ids, err := collect(ctx, tx, `SELECT h.id FROM unnest($1::uuid[], $2::text[], $3::text[]) a (registry, ecosystem, name)
		JOIN holds h ON h.ecosystem = a.ecosystem AND h.name = a.name AND h.registry_id = a.registry LEFT JOIN holds r ON r.id = h.root_id
		WHERE `+inForce+` ORDER BY h.opened_at, h.id`, registries, ecosystems, names)
	if err != nil {
		return nil, fmt.Errorf("list holds: %w", err)
	}
	holds, err := inOrder(ctx, tx, ids)
	out := make(map[Place][]*ent.Hold, len(places))
	for _, h := range holds {
		p := Place{h.RegistryID, coord.Package{Ecosystem: h.Ecosystem, Name: h.Name}}
		out[p] = append(out[p], h)
	}
	return out, err
}

// Covers reports whether a hold is about a version of its package.
func Covers(h *ent.Hold, version string) (bool, error) {
	switch {
	case h.Version != nil:
		return *h.Version == version, nil
	case h.VersionRange == nil:
		return true, nil
	}
	r, err := coord.ParseRange(h.Ecosystem, *h.VersionRange)
	if err != nil {
		return false, fmt.Errorf("hold %s: %w", h.ID, err)
	}
	return r.Contains(version), nil
}

func collect(ctx context.Context, tx *db.Tx, query string, args ...any) ([]uuid.UUID, error) {
	rows, err := tx.Query(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowTo[uuid.UUID])
}

func counts(ctx context.Context, tx *db.Tx, query string, args ...any) (map[uuid.UUID]int, error) {
	rows, err := tx.Query(ctx, query, args...)
	if err != nil {
		return nil, fmt.Errorf("count holds: %w", err)
	}
	defer rows.Close()
	out := map[uuid.UUID]int{}
	for rows.Next() {
		var id uuid.UUID
		var n int
		if err := rows.Scan(&id, &n); err != nil {
			return nil, err
		}
		out[id] = n
	}
	return out, rows.Err()
}
