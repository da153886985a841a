package quarantine_test

import (
	"bytes"
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"sluice.dev/sluice/ent"
	"sluice.dev/sluice/ent/auditevent"
	"sluice.dev/sluice/ent/db"
	"sluice.dev/sluice/ent/db/dbtest"
	"sluice.dev/sluice/ent/hold"
	"sluice.dev/sluice/tenants/coord"
	"sluice.dev/sluice/tenants/quarantine"
)

// TestC2_InForceBeforeAnyJob: when the hold has committed, whoever reads the
// firewalls upward finds it, and every other node hears of it within a second
// (Q2).
func TestC2_InForceBeforeAnyJob(t *testing.T) {
	b := newBench(t)
	fw := b.firewall("fw")
	team := b.registry("team", fw)
	b.external("1.3.0", fw, team)
	other := dbtest.Open(t, b.url)
	heard := make(chan db.Change, 100)
	other.Feed.Subscribe(func(c db.Change) { heard <- c }, func() {})
	dbtest.Start(t, other)
	root := b.hold(fw, "1.3.0")
	ok := other.InTx(b.ours, func(ctx context.Context, tx *db.Tx) error {
		s, err := quarantine.Read(ctx, tx, leftPad("1.3.0").Package, []uuid.UUID{team, fw})
		if err == nil && (s.Held(fw, "1.3.0") == nil || s.Held(fw, "1.3.0").ID != root.ID) {
			t.Error("the firewall's hold is not in force on another node")
		}
		return err
	})
	b.ok(ok)
	for timeout := time.After(time.Second); ; {
		select {
		case c := <-heard:
			if c.Kind == db.Package && c.Name == "left-pad" && c.Ecosystem == coord.NPM {
				return
			}
		case <-timeout:
			t.Fatal("the other node did not hear of the hold within a second")
		}
	}
}

// TestC5_Arrivals: a version that arrives below while a hold is open inherits
// it, and one that arrives in the firewall itself does not inherit its own.
func TestC5_Arrivals(t *testing.T) {
	b := newBench(t)
	outer := b.firewall("outer")
	inner := b.firewall("inner", outer)
	team, patch := b.registry("team", inner), b.registry("patch", inner)
	root := b.hold(outer, "1.3.0")
	b.external("1.3.0", outer, inner, team)
	b.internal("1.3.0", "our patch", patch)
	for _, id := range []uuid.UUID{inner, team} {
		rows := b.rows(id, hold.CauseINHERITED)
		if len(rows) != 1 || *rows[0].RootID != root.ID {
			t.Errorf("inherited on arrival: %+v", rows)
		}
	}
	if len(b.rows(outer, hold.CauseINHERITED)) != 0 || b.held(patch, "1.3.0") {
		t.Error("the firewall inherits from itself, or a patch inherits")
	}
	b.release(root)
	b.external("1.3.0", outer, inner, b.registry("late", inner))
	if open, _ := b.inheritedHolds(); open != 2 { // until the job closes them; neither is in force
		t.Errorf("%d inherited holds after an arrival that follows the release", open)
	}
}

// TestC5_NoWindow: holds, arrivals, pages and releases at once, on two nodes,
// many times: in the end a copy below has an inherited hold in force exactly if
// the root is open.
func TestC5_NoWindow(t *testing.T) {
	b := newBench(t)
	second := dbtest.Open(t, b.url)
	q2, _ := services(second)
	fw := b.firewall("fw")
	mid := b.registry("mid", fw)
	team := b.registry("team", mid)
	for round := range 40 {
		v := fmt.Sprintf("1.%d.0", round)
		if round%2 == 0 {
			b.external(v, fw, mid)
		}
		ends := round%3 == 0 // with a release
		var wg sync.WaitGroup
		wg.Go(func() {
			h, err := b.q.Hold(b.ours, quarantine.HoldInput{Registry: fw, Name: "left-pad", Version: v, Reason: "x"})
			if err == nil && ends {
				_, err = q2.Release(b.ours, h.ID, "x")
			}
			if err != nil {
				t.Error(err)
			}
		})
		for i, node := range []struct {
			d *db.DB
			q *quarantine.Service
		}{{b.db, b.q}, {second, q2}} {
			wg.Go(func() {
				path := []uuid.UUID{fw, mid, team}[:2+i]
				if err := arrive(b.ours, node.d, node.q, arrival(leftPad(v), coord.External, "public "+v, path...)); err != nil {
					t.Error(err)
				}
			})
			wg.Go(func() {
				for range 3 {
					ids, err := node.q.Unfinished(b.ours)
					for _, id := range ids {
						if err == nil {
							_, err = node.q.Step(b.ours, id)
						}
					}
					if err != nil {
						t.Error(err)
					}
				}
			})
		}
		wg.Wait()
		if b.withheld(fw, mid, v) == ends || b.withheld(fw, team, v) == ends {
			t.Fatalf("round %d: before the jobs end: mid %v, team %v, released %v", round, b.withheld(fw, mid, v), b.withheld(fw, team, v), ends)
		}
		b.carry()
		if b.held(mid, v) == ends || b.held(team, v) == ends {
			t.Fatalf("round %d: mid %v, team %v, released %v", round, b.held(mid, v), b.held(team, v), ends)
		}
	}
	var wrong int
	b.in(func(ctx context.Context, tx *db.Tx) error {
		return tx.QueryRow(ctx, `SELECT count(*) FROM holds h JOIN holds r ON r.id = h.root_id WHERE (h.released_at IS NULL) <> (r.released_at IS NULL)`).Scan(&wrong)
	})
	if wrong != 0 {
		t.Errorf("%d inherited holds are not as open as their root (C4)", wrong)
	}
}

// withheld reads what the gate reads: the registry and the firewall above it.
func (b *bench) withheld(fw, id uuid.UUID, version string) bool {
	return b.held(fw, version) || b.held(id, version)
}

// TestR9_UnlinkWritesInheritedHolds: what came through the edge stays on hold for
// the registry and everything below it, until the root is released; what is
// above or aside is not touched, and an unlink without holds writes none.
func TestR9_UnlinkWritesInheritedHolds(t *testing.T) {
	b := newBench(t)
	fw := b.firewall("fw")
	mid := b.registry("mid")
	edge := b.link(mid, fw)
	team, aside := b.registry("team", mid), b.registry("aside", fw)
	for _, v := range []string{"1.0.0", "1.3.0", "2.0.0"} {
		b.external(v, fw, mid, team)
		b.external(v, aside)
	}
	exact := b.hold(fw, "1.3.0")
	within, err := b.q.Hold(b.ours, quarantine.HoldInput{Registry: fw, Name: "left-pad", Range: ">=2", Reason: "x"})
	b.ok(err)
	// No job has run.
	b.ok(b.reg.RemoveUpstream(b.ours, edge, true))
	for _, id := range []uuid.UUID{mid, team} {
		if !b.held(id, "1.3.0") || !b.held(id, "2.0.0") || b.held(id, "1.0.0") {
			t.Errorf("after the unlink: 1.3.0 %v, 2.0.0 %v, 1.0.0 %v", b.held(id, "1.3.0"), b.held(id, "2.0.0"), b.held(id, "1.0.0"))
		}
	}
	if len(b.rows(aside, hold.CauseINHERITED)) != 0 {
		t.Error("the unlink wrote holds aside of the edge")
	}
	b.carry()
	b.release(exact)
	if b.held(team, "1.3.0") || !b.held(team, "2.0.0") {
		t.Error("the release did not free what came through the edge, or freed more")
	}
	b.release(within)
	b.carry()
	if got := append(b.open(mid), b.open(team)...); len(got) != 0 {
		t.Errorf("open after the releases: %v", got)
	}
	// What is held in the firewall from now on is none of the registry's.
	b.hold(fw, "1.0.0")
	b.carry()
	b.external("1.1.0", mid)
	if b.held(mid, "1.0.0") || b.held(team, "1.0.0") {
		t.Error("a hold reached a registry without an edge")
	}
}

// TestR9_LinkBringsHolds: an edge that is added writes the holds that come
// through it at once.
func TestR9_LinkBringsHolds(t *testing.T) {
	b := newBench(t)
	fw := b.firewall("fw")
	mid := b.registry("mid")
	team := b.registry("team", mid)
	b.external("1.3.0", mid, team)
	b.hold(fw, "1.3.0")
	b.carry()
	if b.held(mid, "1.3.0") {
		t.Fatal("a hold reaches a registry that is not below")
	}
	b.link(mid, fw)
	if !b.held(mid, "1.3.0") || !b.held(team, "1.3.0") {
		t.Error("the new edge brought no holds")
	}
}

// TestR9_UnlinkRacesWithHolds: an edge goes either before a hold is opened, and
// takes nothing along, or after, and leaves the hold behind.
func TestR9_UnlinkRacesWithHolds(t *testing.T) {
	b := newBench(t)
	second := dbtest.Open(t, b.url)
	_, reg2 := services(second)
	fw := b.firewall("fw")
	outcomes := map[bool]int{}
	for round := range 30 {
		v := fmt.Sprintf("1.%d.0", round)
		team := b.registry(fmt.Sprintf("team-%d", round))
		edge := b.link(team, fw)
		b.external(v, fw, team)
		var wg sync.WaitGroup
		wg.Go(func() {
			if _, err := b.q.Hold(b.ours, quarantine.HoldInput{Registry: fw, Name: "left-pad", Version: v, Reason: "x"}); err != nil {
				t.Error(err)
			}
		})
		wg.Go(func() {
			if err := reg2.RemoveUpstream(b.ours, edge, true); err != nil {
				t.Error(err)
			}
		})
		wg.Wait()
		b.carry()
		first := b.holdWasFirst(team, fw, v)
		outcomes[first]++
		if got := b.held(team, v); got != first {
			t.Fatalf("round %d: the hold was first: %v, and in force below: %v", round, first, got)
		}
	}
	t.Logf("the hold was first %d times, the unlink %d times", outcomes[true], outcomes[false])
}

// holdWasFirst compares the ids of the two audit events, which are made under
// locks that exclude each other and are ordered in time.
func (b *bench) holdWasFirst(team, fw uuid.UUID, version string) (first bool) {
	b.Helper()
	last := func(action string, id uuid.UUID) uuid.UUID {
		var e *ent.AuditEvent
		b.in(func(ctx context.Context, tx *db.Tx) (err error) {
			e, err = tx.Ent.AuditEvent.Query().Where(auditevent.Action(action), auditevent.RegistryID(id)).Order(ent.Desc(auditevent.FieldID)).First(ctx)
			return err
		})
		return e.ID
	}
	var opened uuid.UUID
	for _, h := range b.rows(fw, hold.CauseMANUAL) {
		if *h.Version == version {
			b.in(func(ctx context.Context, tx *db.Tx) (err error) {
				opened, err = tx.Ent.AuditEvent.Query().Where(auditevent.ObjectID(h.ID.String()), auditevent.Action("version:quarantine")).OnlyID(ctx)
				return err
			})
		}
	}
	unlinked := last("upstream:remove", team)
	return bytes.Compare(opened[:], unlinked[:]) < 0
}

// TestR9_ArrivalThroughAnEdgeThatGoes: a version that is on its way while its
// firewall holds it back and its edge is removed still inherits: it came through
// that firewall.
func TestR9_ArrivalThroughAnEdgeThatGoes(t *testing.T) {
	b := newBench(t)
	fw := b.firewall("fw")
	team := b.registry("team")
	edge := b.link(team, fw)
	late := arrival(leftPad("1.3.0"), coord.External, "public 1.3.0", fw, team)
	b.external("1.2.0", fw, team)
	root := b.hold(fw, "1.3.0")
	b.ok(b.reg.RemoveUpstream(b.ours, edge, true))
	b.hold(fw, "1.2.0") // opened after the edge had gone: none of the team's
	b.ok(arrive(b.ours, b.db, b.q, late))
	b.carry()
	if !b.held(team, "1.3.0") || b.held(team, "1.2.0") {
		t.Errorf("1.3.0 came through the firewall while it was on hold there: %v; 1.2.0 came before: %v", b.held(team, "1.3.0"), b.held(team, "1.2.0"))
	}
	b.release(root)
	if b.held(team, "1.3.0") {
		t.Error("the release of the root did not free it")
	}
}

// TestC4_UnlinkWaitsForRelease: an unlink that meets a release under way writes
// nothing down for it.
func TestC4_UnlinkWaitsForRelease(t *testing.T) {
	b := newBench(t)
	fw := b.firewall("fw")
	team := b.registry("team")
	edge := b.link(team, fw)
	b.external("1.3.0", fw, team)
	root := b.hold(fw, "1.3.0")
	watch := superuser(b)
	done := make(chan error, 1)
	b.in(func(ctx context.Context, tx *db.Tx) error { // a release that has not committed
		if err := tx.Ent.Hold.UpdateOneID(root.ID).SetReleasedAt(now()).SetReleasedBy("bob").Exec(ctx); err != nil {
			return err
		}
		go func() { done <- b.reg.RemoveUpstream(b.ours, edge, true) }()
		eventually(t, 5*time.Second, "the unlink waits", func() bool {
			var n int
			b.ok(watch.QueryRow(ctx, `SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`).Scan(&n))
			return n > 0 || len(done) > 0
		})
		return nil
	})
	b.ok(<-done)
	if open, released := b.inheritedHolds(); open+released != 0 {
		t.Errorf("%d inherited holds are open and %d released, and the root was released first", open, released)
	}
}
