package advisory

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/google/uuid"

	"sluice.dev/sluice/ent/db"
	"sluice.dev/sluice/ent/db/dbtest"
	"sluice.dev/sluice/tenants/coord"
)

// TestImportsAreShown: one that is done with what came into force, one that
// failed with nothing, and one whose process died as failed by the next.
func TestImportsAreShown(t *testing.T) {
	d := dbtest.New(t)
	s := NewService(d)
	died := uuid.Must(uuid.NewV7())
	err := d.InGlobal(t.Context(), func(ctx context.Context, tx *db.Tx) error {
		_, err := tx.Exec(ctx, `INSERT INTO advisory_imports (id, feed, state, started_at) VALUES ($1, 'osv', 'RUNNING', $2)`, died, today.Add(-time.Hour))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	imported(t, d, folder(t, map[string]string{"a.json": record("X-1", "2026-01-01T00:00:00Z", affects("npm", "p", "3.0.0"), "")}), today)
	broken := errors.New("the disk is broken")
	_, err = NewImporter(d).load(t.Context(), "x", func(context.Context, func(item) error) error { return broken }, Options{Feed: "other", Now: today.Add(time.Hour)})
	if !errors.Is(err, broken) {
		t.Fatal(err)
	}
	all, err := s.Imports(t.Context(), ImportQuery{Asc: true, Limit: 10})
	if err != nil || len(all) != 3 {
		t.Fatalf("%+v %v", all, err)
	}
	if x := all[0]; x.ID != died || x.State != ImportFailed || x.EndedAt == nil || x.Problem == "" {
		t.Errorf("the one that died: %+v", x)
	}
	if x := all[1]; x.State != ImportDone || x.Stored != 1 || x.Changed[coord.NPM] != 1 || x.EndedAt == nil || x.Problem != "" {
		t.Errorf("the one that is done: %+v", x)
	}
	if x := all[2]; x.State != ImportFailed || x.Feed != "other" || x.Stored != 0 || x.Changed[coord.NPM] != 0 || x.Problem == "" || x.Problem == broken.Error() {
		t.Errorf("the one that failed: %+v", x)
	}
	if page, err := s.Imports(t.Context(), ImportQuery{State: ImportFailed, Feed: "osv", Limit: 10}); err != nil || len(page) != 1 || page[0].ID != died {
		t.Errorf("%+v %v", page, err)
	}
}
