package jobs

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"syscall"
	"testing"
	"time"

	"sluice.dev/sluice/ent/db"
	"sluice.dev/sluice/ent/db/dbtest"
	"sluice.dev/sluice/tenants/quarantine"
)

// TestNodeProcess is no test: it is the node that TestC3_KilledNode kills. It
// runs River's workers until then.
func TestNodeProcess(t *testing.T) {
	url := os.Getenv("SLUICE_TEST_NODE_URL")
	if url == "" {
		t.Skip("run by TestC3_KilledNode")
	}
	d, err := db.Open(t.Context(), url, 8)
	if err != nil {
		t.Fatal(err)
	}
	deps := depsOf(d, time.Now)
	deps.Reviewer = &reviewer{}
	c, err := New(deps, slog.New(slog.NewTextHandler(io.Discard, nil)))
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	fmt.Println("working")
	<-t.Context().Done()
}

// TestC3_KilledNode kills a node's process with SIGKILL while its worker is in
// the middle of a page. Its job looks as if it still ran, and River would take
// minutes to notice; the next node that starts takes the cascade up at once.
func TestC3_KilledNode(t *testing.T) {
	b := newBench(t)
	fw := b.registry(b.ours, firewall, "fw")
	b.arrive(b.ours, "1.3.0", "bytes", fw)
	n := quarantine.Page + 50
	b.in(b.ours, func(ctx context.Context, tx *db.Tx) error {
		_, err := tx.Exec(ctx, `WITH made AS (
				INSERT INTO registries (id, org_id, ecosystem, kind, name, created_at)
				SELECT gen_random_uuid(), current_setting('app.org')::uuid, 'NPM', 'PACKAGE', 'team-' || i, now() FROM generate_series(1, $2) i RETURNING id, org_id),
			linked AS (
				INSERT INTO upstreams (id, org_id, registry_id, position, source_registry_id, created_at)
				SELECT gen_random_uuid(), org_id, id, 0, $1, now() FROM made)
			INSERT INTO holdings (id, org_id, registry_id, package_id, version, version_id, arrived, held_at)
			SELECT gen_random_uuid(), m.org_id, m.id, v.package_id, v.version, v.id, 'FETCH', now() FROM made m, package_versions v`, fw, n)
		return err
	})
	for _, q := range []string{
		`CREATE FUNCTION stand_still() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_advisory_xact_lock(4242); RETURN NEW; END $$`,
		`CREATE TRIGGER stand_still BEFORE UPDATE ON cascades FOR EACH ROW EXECUTE FUNCTION stand_still()`,
	} {
		b.sql(q)
	}
	gate, err := dbtest.Superuser(t, b.deps.DB).Begin(t.Context())
	b.ok(err)
	_, err = gate.Exec(t.Context(), `SELECT pg_advisory_xact_lock(4242)`)
	b.ok(err)
	b.hold(b.ours, fw)

	node := exec.Command(os.Args[0], "-test.run=^TestNodeProcess$", "-test.count=1")
	node.Env = append(os.Environ(), "SLUICE_TEST_NODE_URL="+b.url)
	out, err := node.StdoutPipe()
	b.ok(err)
	b.ok(node.Start())
	if !bufio.NewScanner(out).Scan() {
		t.Fatal("the node's process said nothing")
	}
	eventually(t, 30*time.Second, "its worker stands in the middle of a page", func() bool {
		return b.number(`SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND objid = 4242 AND NOT granted
			AND database = (SELECT oid FROM pg_database WHERE datname = current_database())`) == 1
	})
	b.ok(node.Process.Signal(syscall.SIGKILL))
	_ = node.Wait()
	b.ok(gate.Rollback(t.Context()))
	eventually(t, 10*time.Second, "the database has let go of what it did", func() bool {
		return b.number(`SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND objid = 4242
			AND database = (SELECT oid FROM pg_database WHERE datname = current_database())`) == 0
	})
	b.sql(`DROP TRIGGER stand_still ON cascades`)
	if b.inherited() != 0 || b.unfinished() != 1 {
		t.Errorf("after the kill: %d inherited holds, %d cascades unfinished", b.inherited(), b.unfinished())
	}
	if running := b.number(`SELECT count(*) FROM river.river_job WHERE kind = 'cascade' AND state = 'running'`); running != 1 {
		t.Errorf("%d cascade jobs look as if they ran", running)
	}
	b.worker()
	b.ok(Resume(t.Context(), b.deps.DB, b.deps.Quarantine))
	eventually(t, 20*time.Second, "the next node has carried it", func() bool { return b.unfinished() == 0 })
	if got := b.inherited(); got != n {
		t.Errorf("%d inherited holds, want %d", got, n)
	}
	if got := b.number(`SELECT count(*) FROM audit_events WHERE action = 'version:quarantine'`); got != n+1 {
		t.Errorf("%d audit events for a root and %d inherited holds", got, n)
	}
}

// TestResume_OfEveryOrganization: each unfinished cascade gets one job, in its
// own organization; finished ones get none.
func TestResume_OfEveryOrganization(t *testing.T) {
	b := newBench(t)
	for _, ctx := range []context.Context{b.ours, b.theirs} {
		fw := b.registry(ctx, firewall, "fw")
		b.arrive(ctx, "1.3.0", "bytes", fw)
		b.hold(ctx, fw)
	}
	b.sql(`DELETE FROM river.river_job`) // as if they had been lost
	b.ok(Resume(t.Context(), b.deps.DB, b.deps.Quarantine))
	if n := b.number(`SELECT count(DISTINCT args->>'org') FROM river.river_job WHERE kind = 'cascade'`); n != 2 {
		t.Errorf("jobs of %d organizations", n)
	}
	b.worker()
	eventually(t, 20*time.Second, "both are finished", func() bool { return b.unfinished() == 0 })
	before := b.number(`SELECT count(*) FROM river.river_job WHERE kind = 'cascade'`)
	b.ok(Resume(t.Context(), b.deps.DB, b.deps.Quarantine))
	if after := b.number(`SELECT count(*) FROM river.river_job WHERE kind = 'cascade'`); after != before {
		t.Error("a finished cascade was resumed")
	}
}
