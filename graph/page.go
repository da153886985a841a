package graph

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"slices"
	"time"

	"github.com/99designs/gqlgen/graphql"
	"github.com/google/uuid"

	"sluice.dev/sluice/graph/api"
	"sluice.dev/sluice/tenants/errs"
)

// Sizes of a page.
const (
	defaultPage = 25
	maxPage     = 100
)

// window is which part of a list is asked for.
type window struct {
	size  int
	after []string // the parts of the cursor; nil = from the start
}

// limit is how many rows to read: one more than the page, to know whether it is
// the last.
func (w window) limit() int { return w.size + 1 }

// newWindow reads the arguments of a list whose cursors are of the kind.
func newWindow(first *int, after *string, kind string) (window, error) {
	w := window{size: defaultPage}
	if first != nil {
		if *first < 1 {
			return w, errs.New(errs.Invalid, "graph", "first is %d; must be 1 to %d", *first, maxPage).On("first")
		}
		w.size = min(*first, maxPage)
	}
	if after == nil {
		return w, nil
	}
	raw, err := base64.RawURLEncoding.DecodeString(*after)
	if err != nil || json.Unmarshal(raw, &w.after) != nil || len(w.after) < 2 || w.after[0] != kind {
		return w, errs.New(errs.Invalid, "graph", "after is no cursor of this list; pass the endCursor of its last page, in the same order").On("after")
	}
	w.after = w.after[1:]
	return w, nil
}

func cursor(kind string, parts ...string) string {
	raw, _ := json.Marshal(append([]string{kind}, parts...)) // of strings: cannot fail
	return base64.RawURLEncoding.EncodeToString(raw)
}

// Kinds of cursor.
const (
	byTime = "t" // time and id
	byName = "n" // name and id
	byID   = "i" // id or ids
	byText = "v" // time and text
)

func timeCursor(at time.Time, id uuid.UUID) string {
	return cursor(byTime, at.UTC().Format(time.RFC3339Nano), id.String())
}

// timed reads a cursor of time and id; both zero from the start.
func (w window) timed() (at time.Time, id uuid.UUID, err error) {
	if w.after == nil {
		return at, id, nil
	}
	if len(w.after) == 2 {
		if at, err = time.Parse(time.RFC3339Nano, w.after[0]); err == nil {
			id, err = uuid.Parse(w.after[1])
		}
	}
	if len(w.after) != 2 || err != nil {
		return at, id, badCursor()
	}
	return at, id, nil
}

// ids reads a cursor of n ids; nil from the start.
func (w window) ids(n int) ([]uuid.UUID, error) {
	if w.after == nil {
		return nil, nil
	}
	out := make([]uuid.UUID, 0, n)
	for _, text := range w.after {
		id, err := uuid.Parse(text)
		if err != nil {
			return nil, badCursor()
		}
		out = append(out, id)
	}
	if len(out) != n {
		return nil, badCursor()
	}
	return out, nil
}

func badCursor() error {
	return errs.New(errs.Invalid, "graph", "after is a broken cursor; pass the endCursor of the last page as it is").On("after")
}

// connect makes the edges of a page and says where it lies, from rows of which
// there is one too many when there is a next page.
func connect[T, E any](w window, rows []T, key func(T) string, edge func(T, string) *E) ([]*E, *api.PageInfo) {
	info := &api.PageInfo{HasNextPage: len(rows) > w.size, HasPreviousPage: w.after != nil}
	rows = rows[:min(len(rows), w.size)]
	edges := make([]*E, len(rows))
	for i, row := range rows {
		text := key(row)
		edges[i] = edge(row, text)
		if i == 0 {
			info.StartCursor = &text
		}
		info.EndCursor = &text
	}
	return edges, info
}

// wants reports whether the answer shall have a field of the present object.
func wants(ctx context.Context, field string) bool {
	return slices.Contains(graphql.CollectAllFields(ctx), field)
}

// countIf counts only what was asked for.
func countIf(ctx context.Context, count func() (int, error)) (int, error) {
	if !wants(ctx, "totalCount") {
		return 0, nil
	}
	return count()
}
