package quarantine_test

import (
	"context"
	"fmt"
	"sync"
	"testing"

	"github.com/google/uuid"

	"sluice.dev/sluice/ent/cascade"
	"sluice.dev/sluice/ent/db"
	"sluice.dev/sluice/ent/db/dbtest"
	"sluice.dev/sluice/ent/hold"
	"sluice.dev/sluice/tenants/coord"
	"sluice.dev/sluice/tenants/errs"
	"sluice.dev/sluice/tenants/quarantine"
)

func (b *bench) delete(id uuid.UUID, version string) quarantine.Deleted {
	b.Helper()
	d, err := b.q.Delete(b.ours, id, "left-pad", version, "malware")
	b.ok(err)
	return d
}

// TestD1_DeleteOfQuarantined: what is on hold in a firewall goes from every
// registry below by C1's identity, and leaves a tombstone; the holds that named
// it end, since the tombstone stands in their place.
func TestD1_DeleteOfQuarantined(t *testing.T) {
	b := newBench(t)
	fw := b.firewall("fw")
	mid := b.registry("mid", fw)
	team, other := b.registry("team", mid), b.registry("other", fw)
	same, patch, aside := b.registry("same", fw), b.registry("patch", fw), b.registry("aside")
	b.external("1.3.0", fw, mid, team)
	b.external("1.2.0", fw, mid, team)
	b.ok(arrive(b.ours, b.db, b.q, arrival(leftPad("1.3.0"), coord.External, "from another remote", other)))
	b.internal("1.3.0", "public 1.3.0", same)
	b.internal("1.3.0", "our patch", patch)
	b.external("1.3.0", aside)
	b.hold(fw, "1.3.0")
	b.carry()
	d := b.delete(fw, "1.3.0")
	if d.Tombstone == nil || *d.Tombstone.Digest != digest("public 1.3.0") || d.Tombstone.Reason != "malware" || d.Tombstone.CreatedBy != "test" {
		t.Fatalf("tombstone: %+v", d.Tombstone)
	}
	if b.holds(fw, "1.3.0") {
		t.Error("the firewall still holds it")
	}
	b.carry()
	for name, c := range map[string]struct {
		id   uuid.UUID
		kept bool
	}{"mid": {mid, false}, "team": {team, false}, "other bytes from outside": {other, false}, "the same bytes": {same, false}, "patch": {patch, true}, "aside": {aside, true}} {
		if got := b.holds(c.id, "1.3.0"); got != c.kept {
			t.Errorf("%s: kept %v", name, got)
		}
		if got := b.open(c.id); len(got) != 0 {
			t.Errorf("%s: holds on what is gone: %v", name, got)
		}
	}
	if !b.holds(team, "1.2.0") {
		t.Error("another version went too")
	}
	if c := b.cascades(cascade.ActionDELETE); len(c) != 1 || c[0].Total != 4 || c[0].Done != 4 || c[0].FinishedAt == nil {
		t.Errorf("progress: %+v", c)
	}
	if e := b.events("version:delete"); len(e) != 5 {
		t.Errorf("%d audit events for five deletions", len(e))
	}
	if h := b.rows(fw, hold.CauseMANUAL)[0]; h.ReleasedAt == nil || h.ReleasedBy != quarantine.LiftedBy {
		t.Errorf("the hold that named it: %+v", h)
	}
}

// TestD1_RefusesReentry: by coordinates in the firewall and every registry
// below, whatever the bytes, and by digest; until it is lifted. A patch of one's
// own may stay and come.
func TestD1_RefusesReentry(t *testing.T) {
	b := newBench(t)
	fw := b.firewall("fw")
	mid := b.registry("mid", fw)
	team := b.registry("team", mid)
	aside := b.registry("aside")
	b.external("1.3.0", fw, mid, team)
	b.hold(fw, "1.3.0")
	d := b.delete(fw, "1.3.0")
	refused := func(a string, err error) {
		t.Helper()
		b.is(err, errs.Conflict, "left-pad@1.3.0 was deleted for security", `"fw"`, "malware")
		if b.holds(fw, "1.3.0") {
			t.Errorf("%s came in", a)
		}
	}
	// Before the job has run, and after.
	for range 2 {
		refused("the firewall's own", arrive(b.ours, b.db, b.q, arrival(leftPad("1.3.0"), coord.External, "public 1.3.0", fw)))
		refused("other bytes", arrive(b.ours, b.db, b.q, arrival(leftPad("1.3.0"), coord.External, "other bytes", fw, mid, team)))
		refused("past the firewall", arrive(b.ours, b.db, b.q, arrival(leftPad("1.3.0"), coord.External, "public 1.3.0", team)))
		refused("published with the same bytes", arrive(b.ours, b.db, b.q, arrival(leftPad("1.3.0"), coord.Internal, "public 1.3.0", team)))
		b.carry()
	}
	b.external("1.3.0", aside)
	b.internal("1.3.0", "our patch", team)
	b.in(func(ctx context.Context, tx *db.Tx) error {
		for bytes, want := range map[string]string{"public 1.3.0": "left-pad@1.3.0", "our patch": ""} {
			if got, err := quarantine.BuriedDigest(ctx, tx, []uuid.UUID{team, mid, fw}, digest(bytes)); err != nil || got != want {
				t.Errorf("buried by digest of %q: %q, %v", bytes, got, err)
			}
		}
		s, err := quarantine.Read(ctx, tx, leftPad("1.3.0").Package, []uuid.UUID{fw, team})
		if err == nil && (s.Buried(fw, "1.3.0") == nil || s.Buried(fw, "1.3.0").ID != d.Tombstone.ID || s.Buried(fw, "1.2.0") != nil || s.Buried(team, "1.3.0") != nil) {
			t.Error("the tombstone is not read where it is, or where it is not")
		}
		return err
	})
	lifted, err := b.q.Lift(b.ours, d.Tombstone.ID, "it was a false alarm")
	b.ok(err)
	if lifted.LiftedAt == nil || lifted.LiftedBy != "test" {
		t.Errorf("lifted: %+v", lifted)
	}
	b.external("1.3.0", fw, mid)
	if !b.holds(mid, "1.3.0") || b.held(mid, "1.3.0") {
		t.Error("after the lift it does not come back, or comes back on hold")
	}
	before := b.written()
	_, err = b.q.Lift(b.ours, d.Tombstone.ID, "again")
	b.ok(err)
	if b.written() != before || len(b.events("tombstone:lift")) != 1 {
		t.Error("a second lift wrote something")
	}
}

// TestD1_LiftWaitsForTheDeletion: what came back meanwhile would be deleted.
func TestD1_LiftWaitsForTheDeletion(t *testing.T) {
	b := newBench(t)
	fw := b.firewall("fw")
	b.external("1.3.0", fw, b.registry("team", fw))
	b.hold(fw, "1.3.0")
	d := b.delete(fw, "1.3.0")
	_, err := b.q.Lift(b.ours, d.Tombstone.ID, "x")
	b.is(err, errs.Conflict, "still being deleted")
	b.carry()
	_, err = b.q.Lift(b.ours, d.Tombstone.ID, "x")
	b.ok(err)
}

// TestD1_HeldByAFirewallAbove: what an outer firewall holds back is quarantined
// in the inner one too, whether or not that has been written down.
func TestD1_HeldByAFirewallAbove(t *testing.T) {
	for _, carried := range []bool{false, true} {
		t.Run(fmt.Sprintf("carried %v", carried), func(t *testing.T) {
			b := newBench(t)
			outer := b.firewall("outer")
			inner := b.firewall("inner", outer)
			team := b.registry("team", inner)
			b.external("1.3.0", outer, inner, team)
			_, err := b.q.Hold(b.ours, quarantine.HoldInput{Registry: outer, Name: "left-pad", Range: "<2", Reason: "x"})
			b.ok(err)
			if carried {
				b.carry()
			}
			if d := b.delete(inner, "1.3.0"); d.Tombstone == nil {
				t.Error("the deletion left no tombstone")
			}
			b.carry()
			if b.holds(team, "1.3.0") || !b.holds(outer, "1.3.0") {
				t.Errorf("below it is held %v, above %v", b.holds(team, "1.3.0"), b.holds(outer, "1.3.0"))
			}
		})
	}
}

// TestD1_NeverHeld: coordinates on hold that the firewall never had the bytes of
// can be deleted too: from below, by coordinates.
func TestD1_NeverHeld(t *testing.T) {
	b := newBench(t)
	fw := b.firewall("fw")
	team := b.registry("team", fw)
	b.external("1.3.0", team)
	whole := b.hold(fw, "")
	d := b.delete(fw, "1.3.0")
	if d.Tombstone == nil || d.Tombstone.Digest != nil {
		t.Errorf("tombstone %+v", d.Tombstone)
	}
	b.carry()
	if b.holds(team, "1.3.0") {
		t.Error("the copy below is still there")
	}
	if got := b.rows(fw, hold.CauseMANUAL); got[0].ID != whole.ID || got[0].ReleasedAt != nil {
		t.Error("a hold on the whole package ended with one version")
	}
	before := b.written()
	if again := b.delete(fw, "1.3.0"); again.Tombstone == nil || again.Tombstone.ID != d.Tombstone.ID || b.written() != before {
		t.Errorf("deleting again wrote: %s, before: %s", b.written(), before)
	}
}

// TestD2_DeleteOfOthers: what is not on hold, or on hold in a package registry,
// goes there only and may come back.
func TestD2_DeleteOfOthers(t *testing.T) {
	b := newBench(t)
	fw := b.firewall("fw")
	base := b.registry("base", fw)
	team := b.registry("team", base)
	b.external("1.3.0", fw, base, team)
	b.external("1.2.0", fw, base, team)
	b.hold(base, "1.2.0")
	for _, c := range []struct {
		id      uuid.UUID
		version string
	}{{fw, "1.3.0"}, {base, "1.2.0"}} {
		if d := b.delete(c.id, c.version); d.Tombstone != nil {
			t.Errorf("a tombstone for %s: %+v", c.version, d.Tombstone)
		}
		if b.carry() != 0 || b.holds(c.id, c.version) || !b.holds(team, c.version) {
			t.Errorf("%s: still here %v, below %v", c.version, b.holds(c.id, c.version), b.holds(team, c.version))
		}
		b.external(c.version, c.id)
		if !b.holds(c.id, c.version) {
			t.Errorf("%s does not come back", c.version)
		}
	}
	if !b.held(base, "1.2.0") {
		t.Error("a hold in a package registry ended with the copy that it was on")
	}
	if e := b.events("version:delete"); len(e) != 2 || e[0].Reason != "malware" {
		t.Errorf("audit: %+v", e)
	}
}

// TestD1_NoWindow: deletions and arrivals at once, on two nodes: in the end
// nobody below holds what was deleted.
func TestD1_NoWindow(t *testing.T) {
	b := newBench(t)
	second := dbtest.Open(t, b.url)
	q2, _ := services(second)
	fw := b.firewall("fw")
	team := b.registry("team", fw)
	late := b.registry("late", team)
	for round := range 25 {
		v := fmt.Sprintf("1.%d.0", round)
		b.external(v, fw, team)
		b.hold(fw, v)
		var wg sync.WaitGroup
		wg.Go(func() {
			if _, err := b.q.Delete(b.ours, fw, "left-pad", v, "malware"); err != nil {
				t.Error(err)
			}
			b.carry()
		})
		for _, path := range [][]uuid.UUID{{fw, team, late}, {late}} {
			wg.Go(func() {
				err := arrive(b.ours, second, q2, arrival(leftPad(v), coord.External, "public "+v, path...))
				if err != nil && !errs.Is(err, errs.Conflict) {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		b.carry()
		for _, id := range []uuid.UUID{fw, team, late} {
			if b.holds(id, v) {
				t.Fatalf("round %d: a copy of what was deleted for security is left", round)
			}
		}
	}
}
