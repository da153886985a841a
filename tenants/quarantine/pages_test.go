package quarantine_test

import (
	"context"
	"errors"
	"flag"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"sluice.dev/sluice/ent/cascade"
	"sluice.dev/sluice/ent/db"
	"sluice.dev/sluice/tenants/quarantine"
)

// many makes n registries below a firewall, each holding left-pad 1.3.0, with a
// few statements.
func (b *bench) many(fw uuid.UUID, n int) {
	b.Helper()
	b.external("1.3.0", fw)
	b.in(func(ctx context.Context, tx *db.Tx) error {
		_, err := tx.Exec(ctx, `WITH made AS (
				INSERT INTO registries (id, org_id, ecosystem, kind, name, created_at)
				SELECT gen_random_uuid(), current_setting('app.org')::uuid, 'NPM', 'PACKAGE', 'team-' || i, $2 FROM generate_series(1, $3) i RETURNING id, org_id),
			linked AS (
				INSERT INTO upstreams (id, org_id, registry_id, position, source_registry_id, created_at)
				SELECT gen_random_uuid(), org_id, id, 0, $1, $2 FROM made)
			INSERT INTO holdings (id, org_id, registry_id, package_id, version, version_id, path, arrived, held_at)
			SELECT gen_random_uuid(), m.org_id, m.id, v.package_id, v.version, v.id, jsonb_build_array($1::uuid), 'FETCH', $2 FROM made m, package_versions v`, fw, noon, n)
		return err
	})
}

// inheritedHolds counts the open and the released inherited holds.
func (b *bench) inheritedHolds() (open, released int) {
	b.Helper()
	b.in(func(ctx context.Context, tx *db.Tx) error {
		return tx.QueryRow(ctx, `SELECT count(*) FILTER (WHERE released_at IS NULL), count(*) FILTER (WHERE released_at IS NOT NULL) FROM holds WHERE cause = 'INHERITED'`).
			Scan(&open, &released)
	})
	return open, released
}

// TestC3_Pages: a cascade over more registries than a page goes on where it
// ended, page by page, and shows how far it is.
func TestC3_Pages(t *testing.T) {
	b := newBench(t)
	fw := b.firewall("fw")
	n := 2*quarantine.Page + 200
	b.many(fw, n)
	root := b.hold(fw, "1.3.0")
	c := b.cascades(cascade.ActionHOLD)[0]
	for page, want := range []int{quarantine.Page, 2 * quarantine.Page, n} {
		done, err := b.q.Step(b.ours, c.ID)
		b.ok(err)
		open, _ := b.inheritedHolds()
		got := b.cascades(cascade.ActionHOLD)[0]
		if open != want || got.Done != want || got.Total != n || done != (page == 2) || done != (got.FinishedAt != nil) {
			t.Fatalf("after page %d: %d holds, %d of %d done, finished %v", page+1, open, got.Done, got.Total, done)
		}
	}
	b.release(root)
	if pages := b.carry(); pages != 3 {
		t.Errorf("the release took %d pages", pages)
	}
	if open, released := b.inheritedHolds(); open != 0 || released != n {
		t.Errorf("after the release %d holds are open and %d released", open, released)
	}
	if e := len(b.events("version:release")); e != n+1 {
		t.Errorf("%d audit events for %d releases", e, n+1)
	}
}

// TestC3_ExactPages: a number of registries that fills its pages exactly ends
// with an empty page and nothing missing.
func TestC3_ExactPages(t *testing.T) {
	b := newBench(t)
	fw := b.firewall("fw")
	b.many(fw, quarantine.Page)
	b.hold(fw, "1.3.0")
	if pages := b.carry(); pages != 2 {
		t.Errorf("%d pages", pages)
	}
	if open, _ := b.inheritedHolds(); open != quarantine.Page {
		t.Errorf("%d holds", open)
	}
}

// TestC3_RolledBackPage: a page whose transaction does not commit, whatever it
// wrote, leaves nothing, and the next attempt does all of it.
func TestC3_RolledBackPage(t *testing.T) {
	b := newBench(t)
	fw := b.firewall("fw")
	n := quarantine.Page + 30
	b.many(fw, n)
	b.hold(fw, "1.3.0")
	c := b.cascades(cascade.ActionHOLD)[0]
	// The audit log refuses its last event of the first page, so that everything
	// else of the page has been written already.
	b.fails(`CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
			IF (SELECT count(*) FROM holds WHERE cause = 'INHERITED') >= 500 THEN RAISE EXCEPTION 'disk full'; END IF; RETURN NEW; END $$`,
		`CREATE TRIGGER refuse BEFORE INSERT ON audit_events FOR EACH ROW EXECUTE FUNCTION refuse()`)
	if _, err := b.q.Step(b.ours, c.ID); err == nil || !strings.Contains(err.Error(), "disk full") {
		t.Fatalf("the page: %v", err)
	}
	if open, _ := b.inheritedHolds(); open != 0 {
		t.Errorf("a page that was rolled back left %d holds", open)
	}
	if got := b.cascades(cascade.ActionHOLD)[0]; got.Done != 0 || got.Cursor != nil {
		t.Errorf("a page that was rolled back left %d done", got.Done)
	}
	b.fails(`DROP TRIGGER refuse ON audit_events`)
	b.carry()
	if open, _ := b.inheritedHolds(); open != n {
		t.Errorf("%d holds in the end, want %d", open, n)
	}
	if e := len(b.events("version:quarantine")); e != n+1 {
		t.Errorf("%d audit events for %d holds", e, n+1)
	}
}

// TestC4_ReleaseDuringACascade: a release between two pages ends the cascade, and
// what the first pages wrote ends with its root; also when the pages of both
// alternate.
func TestC4_ReleaseDuringACascade(t *testing.T) {
	b := newBench(t)
	fw := b.firewall("fw")
	b.many(fw, 2*quarantine.Page)
	root := b.hold(fw, "1.3.0")
	holding := b.cascades(cascade.ActionHOLD)[0].ID
	_, err := b.q.Step(b.ours, holding)
	b.ok(err)
	b.release(root)
	releasing := b.cascades(cascade.ActionRELEASE)[0].ID
	done, err := b.q.Step(b.ours, holding)
	b.ok(err)
	if !done {
		t.Error("the cascade of a released hold goes on")
	}
	for done := false; !done; {
		done, err = b.q.Step(b.ours, releasing)
		b.ok(err)
	}
	if open, released := b.inheritedHolds(); open != 0 || released != quarantine.Page {
		t.Errorf("%d holds are open and %d released; only the first page was written", open, released)
	}
	if got := b.cascades(cascade.ActionHOLD)[0]; got.FinishedAt == nil || got.Done != quarantine.Page {
		t.Errorf("the cascade of the released hold: %+v", got)
	}
}

// TestC4_ReleaseWaitsForThePage: a release cannot come between what a page reads
// and what it writes.
func TestC4_ReleaseWaitsForThePage(t *testing.T) {
	b := newBench(t)
	fw := b.firewall("fw")
	team := b.registry("team", fw)
	b.external("1.3.0", fw, team)
	for range 20 {
		root := b.hold(fw, "1.3.0")
		c := b.cascades(cascade.ActionHOLD)
		released := make(chan error, 1)
		go func() { _, err := b.q.Release(b.ours, root.ID, "x"); released <- err }()
		_, err := b.q.Step(b.ours, c[len(c)-1].ID)
		b.ok(err)
		b.ok(<-released)
		b.carry()
		if open, _ := b.inheritedHolds(); open != 0 || b.held(team, "1.3.0") {
			t.Fatalf("%d inherited holds are open though the root is not", open)
		}
	}
}

// fails runs statements as a superuser.
func (b *bench) fails(statements ...string) {
	b.Helper()
	super := superuser(b)
	for _, q := range statements {
		_, err := super.Exec(context.Background(), q)
		b.ok(err)
	}
}

// TestC3_Cascade10000 prints how long a hold takes to be carried to 10,000
// registries, and how long its release does. It runs when it is asked for by
// name: go test -run Cascade10000 -v.
func TestC3_Cascade10000(t *testing.T) {
	if asked := flag.Lookup("test.run"); asked == nil || !strings.Contains(asked.Value.String(), "Cascade10000") {
		t.Skip("takes a while; TestC3_Pages does the same with 1,200")
	}
	b := newBench(t)
	fw := b.firewall("fw")
	const n = 10_000
	b.many(fw, n)
	b.fails(`ANALYZE`)
	timed := func(what string, fn func()) {
		start := time.Now()
		fn()
		t.Logf("%s: %s", what, time.Since(start).Round(time.Millisecond))
	}
	start := time.Now()
	root := b.hold(fw, "1.3.0")
	t.Logf("opening the hold, from which on it is in force everywhere: %s", time.Since(start).Round(time.Microsecond))
	timed("writing 10,000 inherited holds", func() { b.carry() })
	if open, _ := b.inheritedHolds(); open != n {
		t.Errorf("%d holds", open)
	}
	start = time.Now()
	b.release(root)
	t.Logf("releasing it, from which on all are free: %s", time.Since(start).Round(time.Microsecond))
	timed("closing 10,000 inherited holds", func() { b.carry() })
	b.hold(fw, "1.3.0")
	b.carry()
	_, err := b.q.Delete(b.ours, fw, "left-pad", "1.3.0", "malware")
	b.ok(err)
	timed("deleting 10,000 copies and closing their holds", func() { b.carry() })
	b.in(func(ctx context.Context, tx *db.Tx) error {
		var left int
		err := tx.QueryRow(ctx, `SELECT count(*) FROM holdings`).Scan(&left)
		if left != 0 {
			err = errors.Join(err, errors.New("copies are left"))
		}
		return err
	})
}
