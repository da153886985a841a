package advisory

import (
	"archive/zip"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"sluice.dev/sluice/ent/db"
	"sluice.dev/sluice/jobs/spec"
	"sluice.dev/sluice/tenants/coord"
	"sluice.dev/sluice/tenants/scope"
)

// today is when the tests' imports happen.
var today = time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC)

const (
	january  = "2026-01-01T00:00:00Z"
	february = "2026-02-01T00:00:00Z"
)

// affects makes an affected list of one npm package with one range.
func affects(ecosystem, name, fixed string) string {
	return fmt.Sprintf(`[{"package":{"ecosystem":%q,"name":%q},"ranges":[{"type":"ECOSYSTEM","events":[{"introduced":"0"},{"fixed":%q}]}]}]`, ecosystem, name, fixed)
}

// folder writes files, by path, and returns the folder.
func folder(t testing.TB, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// zipped writes a zip of files at path, which it returns.
func zipped(t testing.TB, path string, files map[string]string) string {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	z := zip.NewWriter(f)
	for _, name := range slices.Sorted(maps.Keys(files)) {
		w, err := z.Create(name)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write([]byte(files[name])); err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	return path
}

func imported(t testing.TB, d *db.DB, path string, now time.Time) Report {
	t.Helper()
	r, err := NewImporter(d).Import(t.Context(), path, Options{Feed: "osv", Now: now})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// global runs a query of one column without an organization.
func global[T any](t testing.TB, d *db.DB, query string, args ...any) (list []T) {
	t.Helper()
	err := d.InGlobal(t.Context(), func(ctx context.Context, tx *db.Tx) error {
		rows, err := tx.Query(ctx, query, args...)
		if err != nil {
			return err
		}
		list, err = pgx.CollectRows(rows, pgx.RowTo[T])
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// rowVersions identifies every stored row, so that a test can tell whether
// anything was written.
func rowVersions(t testing.TB, d *db.DB) []string {
	t.Helper()
	return slices.Concat(
		global[string](t, d, `SELECT id || xmin::text || ctid::text FROM advisories ORDER BY id`),
		global[string](t, d, `SELECT id::text || xmin::text || ctid::text FROM advisory_affected ORDER BY id`))
}

// reassessments returns the enqueued jobs, by organization.
func reassessments(t testing.TB, d *db.DB) map[uuid.UUID][]spec.Reassess {
	t.Helper()
	all := map[uuid.UUID][]spec.Reassess{}
	for _, raw := range global[[]byte](t, d, `SELECT args FROM river.river_job WHERE kind = $1 ORDER BY id`, spec.Reassess{}.Kind()) {
		var job spec.Reassess
		if err := json.Unmarshal(raw, &job); err != nil {
			t.Fatal(err)
		}
		all[job.Org] = append(all[job.Org], job)
	}
	return all
}

// lone returns a database whose node hears only of its own transactions.
// InTx tells it before it returns, so that nothing has to be waited for.
func lone(t testing.TB, url string) *db.DB {
	t.Helper()
	d, err := db.Open(t.Context(), url, 4)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(d.Close)
	return d
}

// changes collects what a node hears of.
type changes struct {
	mu   sync.Mutex
	seen map[db.Change]bool
}

func listen(d *db.DB) *changes {
	c := &changes{seen: map[db.Change]bool{}}
	d.Feed.Subscribe(func(change db.Change) {
		c.mu.Lock()
		defer c.mu.Unlock()
		if change.Kind != db.Imported { // of which nodes keep nothing
			c.seen[change] = true
		}
	}, func() {})
	return c
}

// take returns what was heard since the last call.
func (c *changes) take() map[db.Change]bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	seen := c.seen
	c.seen = map[db.Change]bool{}
	return seen
}

func orgOf(t testing.TB, ctx context.Context) uuid.UUID {
	t.Helper()
	id, err := scope.Org(ctx)
	if err != nil {
		t.Fatal(err)
	}
	return id
}

// hold makes the context's organization hold versions of a package.
func hold(t testing.TB, d *db.DB, ctx context.Context, e coord.Ecosystem, name string, versions ...string) {
	t.Helper()
	org := orgOf(t, ctx)
	id := func() uuid.UUID { return uuid.Must(uuid.NewV7()) }
	registry, pkg := id(), id()
	err := d.InTx(ctx, func(ctx context.Context, tx *db.Tx) error {
		b := &pgx.Batch{}
		b.Queue(`INSERT INTO registries (id, org_id, ecosystem, kind, name, created_at) VALUES ($1, $2, $3, 'FIREWALL', $4, now())`,
			registry, org, string(e), "r"+registry.String())
		b.Queue(`INSERT INTO package_names (id, org_id, ecosystem, name, created_at) VALUES ($1, $2, $3, $4, now())`, pkg, org, string(e), name)
		for _, v := range versions {
			version := id()
			b.Queue(`INSERT INTO package_versions (id, org_id, package_id, version, digest, origin, published_at, published_from, license_state, metadata, created_at)
				VALUES ($1, $2, $3, $4, 'd', 'EXTERNAL', now(), 'SOURCE', 'MISSING', '', now())`, version, org, pkg, v)
			b.Queue(`INSERT INTO holdings (id, org_id, registry_id, package_id, version, version_id, arrived, held_at)
				VALUES ($1, $2, $3, $4, $5, $6, 'FETCH', now())`, id(), org, registry, pkg, v, version)
		}
		return tx.SendBatch(ctx, b).Close()
	})
	if err != nil {
		t.Fatal(err)
	}
}

// forPackage asks the service inside an organization.
func forPackage(t testing.TB, d *db.DB, ctx context.Context, e coord.Ecosystem, name string) (found Advisories) {
	t.Helper()
	err := d.InTx(ctx, func(ctx context.Context, tx *db.Tx) (err error) {
		found, err = NewService(d).ForPackage(ctx, tx, e, name)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func snapshot(t testing.TB, d *db.DB, ctx context.Context, e coord.Ecosystem) (at time.Time) {
	t.Helper()
	err := d.InTx(ctx, func(ctx context.Context, tx *db.Tx) (err error) {
		at, err = NewService(d).Snapshot(ctx, tx, e)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return at
}
