package quarantine_test

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"syscall"
	"testing"
	"time"

	"github.com/google/uuid"

	"sluice.dev/sluice/ent/cascade"
	"sluice.dev/sluice/ent/db"
	"sluice.dev/sluice/tenants/quarantine"
	"sluice.dev/sluice/tenants/scope"
)

// TestWorkerProcess is no test: it is the process that TestC3_Kill kills. It
// carries one cascade, and says when it begins each page.
func TestWorkerProcess(t *testing.T) {
	url := os.Getenv("SLUICE_TEST_WORKER_URL")
	if url == "" {
		t.Skip("run by TestC3_Kill")
	}
	d, err := db.Open(t.Context(), url, 2)
	if err != nil {
		t.Fatal(err)
	}
	q, _ := services(d)
	ctx := scope.With(t.Context(), uuid.MustParse(os.Getenv("SLUICE_TEST_WORKER_ORG")))
	id := uuid.MustParse(os.Getenv("SLUICE_TEST_WORKER_CASCADE"))
	for done := false; !done; {
		fmt.Println("page")
		if done, err = q.Step(ctx, id); err != nil {
			t.Fatal(err)
		}
	}
}

// TestC3_Kill kills a worker's process with SIGKILL in the middle of a page that
// has written its holds and has not committed, at the first page and at the
// second. What had been committed is there, nothing else is, and another worker
// goes on from there.
func TestC3_Kill(t *testing.T) {
	for page := range 2 {
		t.Run(fmt.Sprintf("page %d", page+1), func(t *testing.T) {
			b := newBench(t)
			fw := b.firewall("fw")
			n := quarantine.Page + 100
			b.many(fw, n)
			b.hold(fw, "1.3.0")
			c := b.cascades(cascade.ActionHOLD)[0]
			if page == 1 {
				if _, err := b.q.Step(b.ours, c.ID); err != nil {
					t.Fatal(err)
				}
			}
			b.killInPage(c.ID)
			want := page * quarantine.Page
			if open, _ := b.inheritedHolds(); open != want {
				t.Errorf("after the kill %d holds are there, want %d", open, want)
			}
			if got := b.cascades(cascade.ActionHOLD)[0]; got.Done != want || got.FinishedAt != nil {
				t.Errorf("after the kill %d are done, finished %v", got.Done, got.FinishedAt)
			}
			b.carry()
			if open, _ := b.inheritedHolds(); open != n {
				t.Errorf("in the end %d holds are there, want %d", open, n)
			}
			if e := len(b.events("version:quarantine")); e != n+1 {
				t.Errorf("%d audit events for %d holds", e, n+1)
			}
			if got := b.cascades(cascade.ActionHOLD)[0]; got.Done != n || got.Total != n {
				t.Errorf("%d of %d", got.Done, got.Total)
			}
		})
	}
}

// killInPage starts a worker, stops the database in the middle of its page, and
// kills it there.
func (b *bench) killInPage(id uuid.UUID) {
	b.Helper()
	ctx := context.Background()
	// Updating the cascade's row is the page's last statement but one; before it
	// every hold of the page has been written.
	super, watch := superuser(b), superuser(b)
	for _, q := range []string{
		`CREATE FUNCTION stand_still() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_advisory_xact_lock(4242); RETURN NEW; END $$`,
		`CREATE TRIGGER stand_still BEFORE UPDATE ON cascades FOR EACH ROW EXECUTE FUNCTION stand_still()`,
	} {
		_, err := super.Exec(ctx, q)
		b.ok(err)
	}
	tx, err := super.Begin(ctx)
	b.ok(err)
	_, err = tx.Exec(ctx, `SELECT pg_advisory_xact_lock(4242)`)
	b.ok(err)
	org, err := scope.Org(b.ours)
	b.ok(err)
	worker := exec.Command(os.Args[0], "-test.run=^TestWorkerProcess$", "-test.count=1")
	worker.Env = append(os.Environ(), "SLUICE_TEST_WORKER_URL="+b.url, "SLUICE_TEST_WORKER_ORG="+org.String(), "SLUICE_TEST_WORKER_CASCADE="+id.String())
	out, err := worker.StdoutPipe()
	b.ok(err)
	b.ok(worker.Start())
	if !bufio.NewScanner(out).Scan() {
		b.Fatal("the worker's process said nothing")
	}
	var backend int
	eventually(b, 20*time.Second, "the worker stands in the middle of a page", func() bool {
		return watch.QueryRow(ctx, `SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND objid = 4242 AND NOT granted
			AND database = (SELECT oid FROM pg_database WHERE datname = current_database())`).Scan(&backend) == nil
	})
	b.ok(worker.Process.Signal(syscall.SIGKILL))
	_ = worker.Wait()
	b.ok(tx.Rollback(ctx))
	eventually(b, 10*time.Second, "the database has noticed", func() bool {
		var there bool
		b.ok(watch.QueryRow(ctx, `SELECT EXISTS (SELECT 1 FROM pg_stat_activity WHERE pid = $1)`, backend).Scan(&there))
		return !there
	})
	_, err = super.Exec(ctx, `DROP TRIGGER stand_still ON cascades`)
	b.ok(err)
}
