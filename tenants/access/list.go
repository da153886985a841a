package access

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"entgo.io/ent/dialect/sql"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"sluice.dev/sluice/ent/db"
)

// After is the row behind which a page of an ordered list begins. Of Text and
// At, the one counts that the list is ordered by; neither does when that is the
// order in which rows were made.
type After struct {
	Text string
	At   time.Time
	ID   uuid.UUID
}

// Slice is a page of an ordered list. The lists of this file's callers check
// no right, and are of the context's organization.
type Slice struct {
	After *After // nil from the start
	Desc  bool
	Limit int // rows at most
}

// Kinds of order.
const (
	byID   = iota // rows are made with ever larger ids
	byText        // After.Text
	byTime        // After.At
)

// sorted puts a query's rows in order by an expression over them, and by id
// where that is the same, behind the row that the slice says.
func (p Slice) sorted(s *sql.Selector, kind int, expression func(column func(string) string) string) {
	direction, relation := "", " > "
	if p.Desc {
		direction, relation = " DESC", " < "
	}
	key := ""
	if kind != byID {
		key = expression(s.C)
		s.OrderExpr(sql.Expr(key + direction))
	}
	s.OrderExpr(sql.Expr(s.C("id") + direction))
	if p.After != nil {
		s.Where(sql.P(func(b *sql.Builder) {
			switch kind {
			case byID:
				b.WriteString(s.C("id") + relation).Arg(p.After.ID)
			case byText:
				b.WriteString("("+key+", "+s.C("id")+")"+relation+"(").Args(p.After.Text, p.After.ID).WriteString(")")
			case byTime:
				b.WriteString("("+key+", "+s.C("id")+")"+relation+"(").Args(p.After.At, p.After.ID).WriteString(")")
			}
		}))
	}
	if p.Limit > 0 {
		s.Limit(p.Limit)
	}
}

func column(name string) func(func(string) string) string {
	return func(c func(string) string) string { return c(name) }
}

// either keeps rows in which one of the columns contains the text, whatever its
// case.
func either(text string, columns ...string) func(*sql.Selector) {
	return func(s *sql.Selector) {
		var any []*sql.Predicate
		for _, c := range columns {
			any = append(any, sql.ContainsFold(s.C(c), text))
		}
		s.Where(sql.Or(any...))
	}
}

// amongIDs keeps rows whose id the subquery has, in which ? stands for the
// arguments in their order.
func amongIDs(subquery string, args ...any) func(*sql.Selector) {
	return func(s *sql.Selector) {
		s.Where(sql.P(func(b *sql.Builder) {
			b.WriteString(s.C("id") + " IN (")
			rest := subquery
			for _, a := range args {
				before, after, _ := strings.Cut(rest, "?")
				b.WriteString(before).Arg(a)
				rest = after
			}
			b.WriteString(rest + ")")
		}))
	}
}

// below returns, for each parent, the ids of a page of what is below it, in the
// order in which that was made. The table and condition call the row x and the
// parent g.id, and their arguments $2 and so on.
func below[K uuid.UUID | string](ctx context.Context, tx *db.Tx, from string, parents []K, p Slice, args ...any) (map[K][]uuid.UUID, error) {
	direction, relation := "", ">"
	if p.Desc {
		direction, relation = " DESC", "<"
	}
	var after *uuid.UUID
	if p.After != nil {
		after = &p.After.ID
	}
	args = append([]any{parents}, append(args, after, p.Limit)...)
	a, l := "$"+strconv.Itoa(len(args)-1), "$"+strconv.Itoa(len(args))
	rows, err := tx.Query(ctx, `SELECT g.id, p.id FROM `+keys(parents)+` CROSS JOIN LATERAL (
		SELECT x.id FROM `+from+` AND (`+a+`::uuid IS NULL OR x.id `+relation+` `+a+`)
		ORDER BY x.id`+direction+` LIMIT `+l+`) p ORDER BY g.id, p.id`+direction, args...)
	if err != nil {
		return nil, fmt.Errorf("list below: %w", err)
	}
	out := make(map[K][]uuid.UUID, len(parents))
	var parent K
	var id uuid.UUID
	_, err = pgx.ForEachRow(rows, []any{&parent, &id}, func() error {
		out[parent] = append(out[parent], id)
		return nil
	})
	return out, err
}

// keys are the parents as a table.
func keys[K uuid.UUID | string](parents []K) string {
	if _, named := any(parents).([]string); named {
		return `unnest($1::text[]) g (id)`
	}
	return `unnest($1::uuid[]) g (id)`
}

// countBelow counts, for each parent, what is below it; see [below].
func countBelow[K uuid.UUID | string](ctx context.Context, tx *db.Tx, from string, parents []K, args ...any) (map[K]int, error) {
	rows, err := tx.Query(ctx, `SELECT g.id, (SELECT count(*) FROM `+from+`) FROM `+keys(parents), append([]any{parents}, args...)...)
	if err != nil {
		return nil, fmt.Errorf("count below: %w", err)
	}
	out := make(map[K]int, len(parents))
	var parent K
	var n int
	_, err = pgx.ForEachRow(rows, []any{&parent, &n}, func() error {
		out[parent] = n
		return nil
	})
	return out, err
}

// inPlaces puts what was read by id into the lists that named it. What has gone
// meanwhile is left out.
func inPlaces[K comparable, V any](ids map[K][]uuid.UUID, read func([]uuid.UUID) (map[uuid.UUID]V, error)) (map[K][]V, error) {
	var all []uuid.UUID
	for _, list := range ids {
		all = append(all, list...)
	}
	out := make(map[K][]V, len(ids))
	if len(all) == 0 {
		return out, nil
	}
	found, err := read(all)
	for parent, list := range ids {
		for _, id := range list {
			if v, ok := found[id]; ok {
				out[parent] = append(out[parent], v)
			}
		}
	}
	return out, err
}
