package e2e

import (
	"context"
	"path/filepath"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"sluice.dev/sluice/cmd/internal/postgres"
)

// cluster is the database of the demonstration while no `sluice dev` runs it.
type cluster struct {
	server *postgres.Server
	urls   postgres.URLs
}

// serveWithoutWorker runs the demonstration's database here, and a node on it as
// an operator would: configured by the environment, its worker elsewhere. No
// job runs until work is called.
func (s *stage) serveWithoutWorker(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	dir := filepath.Join(s.data, "postgres")
	major, err := postgres.ClusterMajor(dir)
	if err != nil {
		t.Fatal(err)
	}
	bin, err := postgres.Find(ctx, postgres.Options{Major: major})
	if err != nil {
		t.Fatal(err)
	}
	server, err := postgres.Start(ctx, postgres.Config{Dir: dir, Binaries: bin})
	if err != nil {
		t.Fatal(err)
	}
	s.cluster = &cluster{server: server}
	if s.cluster.urls, err = postgres.EnsureDatabase(ctx, server.AdminURL(), postgres.DefaultNames(), filepath.Join(s.data, "secrets")); err != nil {
		t.Fatal(err)
	}
	s.state.DatabaseURL = s.cluster.urls.App
	s.node = s.start(t, serveReady, s.settings(), "serve", "--no-worker", "--listen", s.addr, "--public-url", "http://"+s.addr)
}

// work runs a worker beside the node.
func (s *stage) work(t *testing.T) {
	t.Helper()
	s.start(t, workReady, s.settings(), "work")
}

// settings configure a node by the environment.
func (s *stage) settings() []string {
	return []string{
		"SLUICE_DATABASE_URL=" + s.cluster.urls.App, "SLUICE_SECRET_KEYS=" + s.state.SecretKey,
		"SLUICE_BLOB_DIR=" + filepath.Join(s.data, "blobs"), "SLUICE_ALLOW_REMOTES=" + s.source.addr,
	}
}

// endNodes ends what serveWithoutWorker and work started.
func (s *stage) endNodes(t *testing.T) {
	t.Helper()
	for _, p := range s.started {
		if p.running() {
			p.interrupt(t)
		}
	}
	s.endDatabase(t)
}

func (s *stage) endDatabase(t *testing.T) {
	t.Helper()
	if s.cluster == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	if err := s.cluster.server.Stop(ctx); err != nil {
		t.Error(err)
	}
	s.cluster = nil
}

// sql connects to the running database in the role of the nodes, bound to the
// organization acme: row-level security holds here too.
func (s *stage) sql(t *testing.T) *pgx.Conn {
	t.Helper()
	ctx := context.Background()
	c, err := pgx.Connect(ctx, s.state.DatabaseURL)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close(ctx) })
	if _, err := c.Exec(ctx, `SELECT set_config('app.org', (SELECT id::text FROM organization_by_slug('acme')), false)`); err != nil {
		t.Fatal(err)
	}
	return c
}
