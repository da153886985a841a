package e2e

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"sluice.dev/sluice/cmd/internal/postgres"
)

// spread is the package that many registries hold.
const (
	spread        = "pad-left"
	spreadVersion = "2.1.0"
)

// many is how many registries hold it.
func (s *stage) many() int {
	if s.long {
		return 10_000
	}
	return 1_200
}

func cascadeCases() []testCase {
	return []testCase{
		{"C3: a hold reaches every holder below", cascades},
		{"C3: a cascade survives kill -9 in the middle", survives},
	}
}

// cascades makes the holders, and times a hold and its release.
func cascades(t *testing.T, s *stage) {
	s.serves(t, "team-a", spread, spreadVersion)
	s.multiply(t)
	n := s.many()
	began := time.Now()
	hold := s.hold(t, "npm-firewall", spread, spreadVersion, "carried to everybody")
	done := s.cascaded(t, hold, "HOLD")
	s.note("hold in %d registries %s", done.Done, seconds(time.Since(began)))
	s.counts(t, done)
	began = time.Now()
	s.release(t, "npm-firewall", spread, spreadVersion)
	done = s.cascaded(t, hold, "RELEASE")
	s.note("release %s", seconds(time.Since(began)))
	if done.Done < n {
		t.Errorf("the release reached %d registries, want at least %d", done.Done, n)
	}
	if open, _ := s.inheritedSpread(t); open != 0 {
		t.Errorf("%d inherited holds are open after the release", open)
	}
}

// survives blocks the cascade in the middle by the lock of one registry's row,
// and kills the node there.
func survives(t *testing.T, s *stage) {
	ctx := context.Background()
	block := s.sql(t)
	tx, err := block.Begin(ctx)
	if err != nil {
		t.Fatal(err)
	}
	// In a query of its own, because FOR UPDATE also locks what OFFSET skips.
	_, err = tx.Exec(ctx, `SELECT id FROM registries WHERE id =
		(SELECT id FROM registries WHERE name LIKE 'holder-%' ORDER BY id OFFSET $1 LIMIT 1) FOR UPDATE`, s.many()*2/3)
	if err != nil {
		t.Fatal(err)
	}
	hold := s.hold(t, "npm-firewall", spread, spreadVersion, "carried to everybody, whatever happens")
	watch := s.sql(t)
	until(t, "the cascade waits for the lock", time.Minute, func() bool {
		var waiting bool
		err := watch.QueryRow(ctx, `SELECT EXISTS (SELECT 1 FROM pg_locks WHERE NOT granted AND locktype = 'transactionid')`).Scan(&waiting)
		if err != nil {
			t.Fatal(err)
		}
		return waiting && s.progress(t, watch) > 0
	})
	s.node.kill(t)
	done := s.progress(t, watch)
	if done >= s.many() {
		t.Errorf("the node was killed after %d of %d registries, which is not the middle", done, s.many())
	}
	if err := tx.Rollback(ctx); err != nil {
		t.Fatal(err)
	}
	_ = block.Close(ctx)
	_ = watch.Close(ctx)
	s.note("killed after %d", done)
	database := s.database(t)
	s.note("start after kill -9 %s", seconds(s.restart(t)))
	if alive(database) {
		t.Errorf("the PostgreSQL of the killed node, process %d, still runs", database)
	}
	began := time.Now()
	c := s.cascaded(t, hold, "HOLD")
	s.note("the rest %s", seconds(time.Since(began)))
	s.counts(t, c)
	s.refuses(t, "team-a", spread, spreadVersion, "whatever happens")
	s.refuses(t, fmt.Sprintf("holder-%05d", s.many()-1), spread, spreadVersion, "whatever happens")
}

// progress returns how far the cascade is that has not finished.
func (s *stage) progress(t *testing.T, c *pgx.Conn) (done int) {
	t.Helper()
	if err := c.QueryRow(context.Background(), `SELECT done FROM cascades WHERE finished_at IS NULL`).Scan(&done); err != nil {
		t.Fatal(err)
	}
	return done
}

// counts checks that every holder has exactly one open inherited hold.
func (s *stage) counts(t *testing.T, c cascade) {
	t.Helper()
	if c.Done != c.Total || c.Done < s.many() {
		t.Errorf("the cascade did %d of %d, want at least %d", c.Done, c.Total, s.many())
	}
	if holds, registries := s.inheritedSpread(t); holds != c.Done || registries != c.Done {
		t.Errorf("%d inherited holds are open in %d registries, want one in each of %d", holds, registries, c.Done)
	}
}

// inheritedSpread counts the open inherited holds on the package, and the
// registries that have one.
func (s *stage) inheritedSpread(t *testing.T) (holds, registries int) {
	t.Helper()
	err := s.sql(t).QueryRow(context.Background(), `SELECT count(*), count(DISTINCT registry_id) FROM holds
		WHERE cause = 'INHERITED' AND ecosystem = 'NPM' AND name = $1 AND released_at IS NULL`, spread).Scan(&holds, &registries)
	if err != nil {
		t.Fatal(err)
	}
	return holds, registries
}

// multiply makes the holders: package registries below npm-firewall that hold
// what team-a holds of the package. Rows stand in for the requests that would
// make them, which would take minutes.
func (s *stage) multiply(t *testing.T) {
	t.Helper()
	ctx := context.Background()
	owner := s.owner(t)
	for _, step := range []struct{ table, statement string }{
		{"registries", `INSERT INTO registries (id, org_id, ecosystem, kind, name, created_at)
			SELECT gen_random_uuid(), current_setting('app.org')::uuid, 'NPM', 'PACKAGE', 'holder-' || lpad(i::text, 5, '0'), now()
			FROM generate_series(0, $1 - 1) i`},
		{"upstreams", `INSERT INTO upstreams (id, org_id, registry_id, position, source_registry_id, created_at)
			SELECT gen_random_uuid(), r.org_id, r.id, 0, f.id, now() FROM registries r JOIN registries f ON f.name = 'npm-firewall'
			WHERE r.name LIKE 'holder-%' AND $1 > 0`},
		{"holdings", `INSERT INTO holdings (id, org_id, registry_id, package_id, version, version_id, path, arrived, held_at)
			SELECT gen_random_uuid(), r.org_id, r.id, h.package_id, h.version, h.version_id, h.path, h.arrived, now()
			FROM registries r JOIN holdings h ON h.registry_id = (SELECT id FROM registries WHERE name = 'team-a')
			JOIN package_names n ON n.id = h.package_id AND n.name = '` + spread + `'
			WHERE r.name LIKE 'holder-%' AND $1 > 0`},
	} {
		if _, err := s.sql(t).Exec(ctx, step.statement, s.many()); err != nil {
			t.Fatal(err)
		}
		// What autovacuum does within a minute. Until then the checks of foreign
		// keys read whole tables, which were tiny a moment ago.
		if _, err := owner.Exec(ctx, `ANALYZE `+step.table); err != nil {
			t.Fatal(err)
		}
	}
}

// owner connects in the role that owns the tables.
func (s *stage) owner(t *testing.T) *pgx.Conn {
	t.Helper()
	secret, err := os.ReadFile(filepath.Join(s.data, "secrets", postgres.DefaultNames().Owner+".password"))
	if err != nil {
		t.Fatal(err)
	}
	u, err := url.Parse(s.state.DatabaseURL)
	if err != nil {
		t.Fatal(err)
	}
	u.User = url.UserPassword(postgres.DefaultNames().Owner, strings.TrimSpace(string(secret)))
	c, err := pgx.Connect(context.Background(), u.String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close(context.Background()) })
	return c
}
