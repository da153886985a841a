package advisory

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"sluice.dev/sluice/ent/db"
	"sluice.dev/sluice/tenants/coord"
)

// ListQuery selects advisories for a list.
type ListQuery struct {
	Search    string          // in the id, an alias or the summary, in any case; "" = all
	Feed      string          // exact; "" = all
	Ecosystem coord.Ecosystem // that they name a package of; "" = all
	Package   string          // that they name, normalized; "" = all
	Severity  string          // exact; "" = all
	Malware   *bool           // nil = both
	Withdrawn *bool           // nil = both
	From      time.Time       // changed then or later; zero = no bound

	ByID  bool      // order by id, else by the last change
	Desc  bool      // the last first
	After *ListMark // nil = from the start
	Limit int
}

// ListMark is the place in a list behind which a page begins.
type ListMark struct {
	At time.Time // ignored when ordered by id
	ID string
}

// conditions on advisory a, with the arguments from $1 on.
func (q ListQuery) where() (string, []any) {
	var from *time.Time
	if !q.From.IsZero() {
		from = &q.From
	}
	return `($1 = '' OR position($1 in lower(a.id)) > 0 OR position($1 in lower(a.summary)) > 0 OR position($1 in lower(a.aliases::text)) > 0)
		AND ($2 = '' OR a.feed = $2) AND ($3 = '' AND $4 = '' OR EXISTS (SELECT 1 FROM advisory_affected f WHERE f.advisory_id = a.id AND ($3 = '' OR f.ecosystem = $3) AND ($4 = '' OR f.name = $4)))
		AND ($5 = '' OR a.severity = $5) AND ($6::boolean IS NULL OR a.malware = $6) AND ($7::boolean IS NULL OR (a.withdrawn IS NOT NULL) = $7)
		AND ($8::timestamptz IS NULL OR a.modified >= $8)`,
		[]any{strings.ToLower(q.Search), q.Feed, string(q.Ecosystem), q.Package, q.Severity, q.Malware, q.Withdrawn, from}
}

// List returns a page of advisories, each with all that it says.
func (s *Service) List(ctx context.Context, q ListQuery) (out []Detail, err error) {
	where, args := q.where()
	key, cmp, dir := "(a.modified, a.id)", ">", "ASC"
	if q.Desc {
		cmp, dir = "<", "DESC"
	}
	order := "a.modified " + dir + ", a.id " + dir
	if q.ByID {
		key, order = "a.id", "a.id "+dir
	}
	switch {
	case q.After != nil && q.ByID:
		where, args = where+" AND "+key+" "+cmp+" $10", append(args, q.Limit, q.After.ID)
	case q.After != nil:
		where, args = where+" AND "+key+" "+cmp+" ($10, $11)", append(args, q.Limit, q.After.At, q.After.ID)
	default:
		args = append(args, q.Limit)
	}
	err = s.db.InGlobal(ctx, func(ctx context.Context, tx *db.Tx) error {
		rows, err := tx.Query(ctx, `SELECT `+headColumns+`, a.record FROM advisories a WHERE `+where+` ORDER BY `+order+` LIMIT $9`, args...)
		if err != nil {
			return err
		}
		if out, err = pgx.CollectRows(rows, scanDetail); err != nil {
			return err
		}
		return fillEntries(ctx, tx, out)
	})
	if err != nil {
		return nil, fmt.Errorf("list advisories: %w", err)
	}
	return out, nil
}

func scanDetail(row pgx.CollectableRow) (d Detail, err error) {
	var packed []byte
	if d.Advisory, err = scanHead(row, &packed); err != nil {
		return d, err
	}
	if d.Record, err = unpack(packed); err != nil {
		return d, fmt.Errorf("advisory %s: %w", d.ID, err)
	}
	return d, nil
}

// fillEntries reads what all the advisories are about in one statement.
func fillEntries(ctx context.Context, tx *db.Tx, list []Detail) error {
	at, ids := make(map[string]int, len(list)), make([]string, len(list))
	for i, d := range list {
		at[d.ID], ids[i] = i, d.ID
	}
	rows, err := tx.Query(ctx, `SELECT advisory_id, ecosystem, name, ranges, versions FROM advisory_affected WHERE advisory_id = ANY ($1) ORDER BY id`, ids)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var id string
		var e Entry
		var ranges, versions []byte
		if err := rows.Scan(&id, &e.Package.Ecosystem, &e.Package.Name, &ranges, &versions); err != nil {
			return err
		}
		if err := decodeEntry(id, &e, ranges, versions); err != nil {
			return err
		}
		list[at[id]].Entries = append(list[at[id]].Entries, e)
	}
	return rows.Err()
}

// Count returns how many advisories the query selects over all pages.
func (s *Service) Count(ctx context.Context, q ListQuery) (n int, err error) {
	where, args := q.where()
	err = s.db.InGlobal(ctx, func(ctx context.Context, tx *db.Tx) error {
		return tx.QueryRow(ctx, `SELECT count(*) FROM advisories a WHERE `+where, args...).Scan(&n)
	})
	return n, err
}
