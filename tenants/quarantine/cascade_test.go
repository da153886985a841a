package quarantine_test

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"

	"github.com/google/uuid"

	"sluice.dev/sluice/ent/cascade"
	"sluice.dev/sluice/ent/db"
	"sluice.dev/sluice/ent/finding"
	"sluice.dev/sluice/ent/hold"
	"sluice.dev/sluice/tenants/coord"
	"sluice.dev/sluice/tenants/errs"
	"sluice.dev/sluice/tenants/quarantine"
)

// TestC1_WhoInherits: every direct and indirect registry below that holds the
// coordinates from outside, whatever the bytes, or the same bytes; nobody else.
func TestC1_WhoInherits(t *testing.T) {
	b := newBench(t)
	above := b.registry("above")
	fw := b.firewall("fw", above)
	direct := b.registry("direct", fw)
	indirect := b.registry("indirect", direct)
	twoWays := b.registry("two-ways", indirect, fw)
	otherBytes, sameBytes, patch := b.registry("other-bytes", fw), b.registry("same-bytes", fw), b.registry("patch", direct)
	otherVersion, aside := b.registry("other-version", fw), b.registry("aside")
	b.external("1.3.0", fw, direct, indirect)
	b.external("1.3.0", above)
	b.external("1.3.0", twoWays)
	b.external("1.3.0", aside)
	b.ok(arrive(b.ours, b.db, b.q, arrival(leftPad("1.3.0"), coord.External, "from another remote", otherBytes)))
	b.internal("1.3.0", "public 1.3.0", sameBytes)
	b.internal("1.3.0", "our patch", patch)
	b.external("1.2.0", otherVersion)

	root := b.hold(fw, "1.3.0")
	b.carry()
	for name, c := range map[string]struct {
		id   uuid.UUID
		want bool
	}{"direct": {direct, true}, "indirect": {indirect, true}, "two ways": {twoWays, true}, "other bytes from outside": {otherBytes, true}, "published with the same bytes": {sameBytes, true},
		"patch": {patch, false}, "another version": {otherVersion, false}, "above": {above, false}, "aside": {aside, false}} {
		rows := b.rows(c.id, hold.CauseINHERITED)
		if (len(rows) == 1) != c.want || b.held(c.id, "1.3.0") != c.want {
			t.Errorf("%s: %d inherited holds, in force %v", name, len(rows), b.held(c.id, "1.3.0"))
		}
		if c.want && (*rows[0].RootID != root.ID || rows[0].Reason != root.Reason || *rows[0].Version != "1.3.0") {
			t.Errorf("%s: inherited %+v", name, rows[0])
		}
	}
	b.patches(root.ID, patch)
	c := b.cascades(cascade.ActionHOLD)[0]
	if c.Total != 5 || c.Done != 5 || c.FinishedAt == nil {
		t.Errorf("progress: %d of %d", c.Done, c.Total)
	}
	if n := len(b.events("version:quarantine")); n != 6 {
		t.Errorf("%d audit events for a root and five inherited holds", n)
	}
}

// patches wants exactly one open finding about other bytes, in the registry.
func (b *bench) patches(root, id uuid.UUID) {
	b.Helper()
	b.in(func(ctx context.Context, tx *db.Tx) error {
		all, err := tx.Ent.Finding.Query().Where(finding.ClosedAtIsNil()).All(ctx)
		if len(all) != 1 || *all[0].RegistryID != id || all[0].Kind != finding.KindCONTENT_MISMATCH || all[0].Reference != root.String() || all[0].Version != "1.3.0" {
			b.Errorf("findings: %+v", all)
		}
		return err
	})
}

// TestC1_PatchFindingEndsWithTheHold, as what the hold caused.
func TestC1_PatchFindingEndsWithTheHold(t *testing.T) {
	b := newBench(t)
	fw := b.firewall("fw")
	patch := b.registry("patch", fw)
	b.external("1.3.0", fw)
	b.internal("1.3.0", "our patch", patch)
	h := b.hold(fw, "1.3.0")
	b.carry()
	b.patches(h.ID, patch)
	b.release(h)
	b.carry()
	b.in(func(ctx context.Context, tx *db.Tx) error {
		n, err := tx.Ent.Finding.Query().Where(finding.ClosedAtIsNil()).Count(ctx)
		if n != 0 {
			t.Errorf("%d findings are open after the release", n)
		}
		return err
	})
}

// TestC1_BytesThatArriveLater: a hold may be older than the bytes it is about.
// When they are brought in for review, copies published with them are known.
func TestC1_BytesThatArriveLater(t *testing.T) {
	b := newBench(t)
	fw := b.firewall("fw")
	same, patch := b.registry("same", fw), b.registry("patch", b.registry("mid", fw))
	b.internal("1.3.0", "public 1.3.0", same)
	b.internal("1.3.0", "our patch", patch)
	b.hold(fw, "1.3.0")
	b.carry()
	if b.held(same, "1.3.0") {
		t.Fatal("bytes are known before they came")
	}
	b.external("1.3.0", fw)
	if !b.held(same, "1.3.0") || b.held(patch, "1.3.0") {
		t.Errorf("the same bytes are on hold %v, the patch %v", b.held(same, "1.3.0"), b.held(patch, "1.3.0"))
	}
}

// TestC1_RangesAndPackages: each covered version below inherits, tomorrow's on
// arrival.
func TestC1_RangesAndPackages(t *testing.T) {
	b := newBench(t)
	fw := b.firewall("fw")
	team := b.registry("team", fw)
	for _, v := range []string{"1.0.0", "1.1.0", "2.0.0"} {
		b.external(v, fw, team)
	}
	within, err := b.q.Hold(b.ours, quarantine.HoldInput{Registry: fw, Name: "left-pad", Range: "<2", Reason: "x"})
	b.ok(err)
	b.carry()
	if got := b.open(team); !slices.Equal(sorted(got), []string{"1.0.0", "1.1.0"}) {
		t.Errorf("inherited from the range: %v", got)
	}
	b.external("1.2.0", fw, team)
	b.external("2.1.0", fw, team)
	if got := b.open(team); !slices.Equal(sorted(got), []string{"1.0.0", "1.1.0", "1.2.0"}) {
		t.Errorf("after arrivals: %v", got)
	}
	whole := b.hold(fw, "")
	b.carry()
	b.external("3.0.0", fw, team)
	if got := b.open(team); len(got) != 3+6 {
		t.Errorf("with the package on hold too: %v", got)
	}
	b.release(whole)
	b.carry()
	if got := b.open(team); !slices.Equal(sorted(got), []string{"1.0.0", "1.1.0", "1.2.0"}) {
		t.Errorf("with the package released: %v", got)
	}
	b.release(within)
	b.carry()
	if got := b.open(team); len(got) != 0 {
		t.Errorf("with both released: %v", got)
	}
}

func sorted(s []string) []string {
	out := slices.Clone(s)
	slices.Sort(out)
	return out
}

// TestC4_InheritedCannotBeReleased: by nobody below; the message names where the
// root is.
func TestC4_InheritedCannotBeReleased(t *testing.T) {
	b := newBench(t)
	fw := b.firewall("corp-firewall")
	team := b.registry("team", fw)
	b.external("1.3.0", fw, team)
	b.hold(fw, "1.3.0")
	b.carry()
	inherited := b.rows(team, hold.CauseINHERITED)[0]
	before := b.written()
	_, err := b.q.Release(b.ours, inherited.ID, "we need it")
	b.is(err, errs.Conflict, `inherited from the registry "corp-firewall"`)
	b.ok(b.q.LiftPolicy(b.ours, inherited.ID, "x"))
	if !b.held(team, "1.3.0") || b.written() != before {
		t.Error("an inherited hold was released")
	}
}

// TestC4_ReleaseFreesAllAtOnce: when the release commits nothing below is on hold
// any more, before any job has run; what the holds of others caused stays.
func TestC4_ReleaseFreesAllAtOnce(t *testing.T) {
	b := newBench(t)
	fw := b.firewall("fw")
	a, local := b.registry("a", fw), b.registry("b", fw)
	b.external("1.3.0", fw, a)
	b.external("1.3.0", fw, local)
	own := b.hold(local, "1.3.0")
	root := b.hold(fw, "1.3.0")
	b.carry()
	b.release(root)
	if b.held(fw, "1.3.0") || b.held(a, "1.3.0") {
		t.Error("before a job has run the version is still on hold")
	}
	if !b.held(local, "1.3.0") {
		t.Error("a hold of the registry's own went with the root")
	}
	b.carry()
	for _, id := range []uuid.UUID{a, local} {
		rows := b.rows(id, hold.CauseINHERITED)
		if len(rows) != 1 || rows[0].ReleasedAt == nil || rows[0].ReleasedBy != "cascade" || rows[0].ReleaseReason != "looked at it" {
			t.Errorf("inherited after the release: %+v", rows)
		}
	}
	if own = b.rows(local, hold.CauseMANUAL)[0]; own.ReleasedAt != nil {
		t.Error("the registry's own hold is released")
	}
	if c := b.cascades(cascade.ActionRELEASE); len(c) != 1 || c[0].Total != 2 || c[0].Done != 2 {
		t.Errorf("release cascades: %+v", c)
	}
}

// TestC4_TwoRoots: a version that inherits from two firewalls is free when both
// have released it.
func TestC4_TwoRoots(t *testing.T) {
	b := newBench(t)
	outer := b.firewall("outer")
	inner := b.firewall("inner", outer)
	team := b.registry("team", inner)
	b.external("1.3.0", outer, inner, team)
	first, second := b.hold(outer, "1.3.0"), b.hold(inner, "1.3.0")
	b.carry()
	if got := b.open(team); len(got) != 2 {
		t.Fatalf("inherited: %v", got)
	}
	b.release(first)
	b.carry()
	if !b.held(team, "1.3.0") || !b.held(inner, "1.3.0") {
		t.Error("the outer release freed what the inner firewall holds back")
	}
	b.release(second)
	if b.held(team, "1.3.0") {
		t.Error("with both released the version is not free")
	}
}

// TestC8_PackageRegistriesDoNotCascade.
func TestC8_PackageRegistriesDoNotCascade(t *testing.T) {
	b := newBench(t)
	base := b.registry("base")
	team := b.registry("team", base)
	b.external("1.3.0", base, team)
	h := b.hold(base, "1.3.0")
	if b.carry() != 0 || b.held(team, "1.3.0") || len(b.rows(team, hold.CauseINHERITED)) != 0 {
		t.Error("a hold of a package registry cascades")
	}
	b.external("1.4.0", base)
	b.hold(base, "1.4.0")
	b.external("1.4.0", team) // nor does it reach arrivals
	if b.held(team, "1.4.0") {
		t.Error("an arrival inherits from a package registry")
	}
	b.release(h)
	if n := b.jobs(""); n != 0 {
		t.Errorf("%d jobs", n)
	}
}

// TestC3_StepIsIdempotent: every page twice, the finished cascade again, and
// pages of one cascade from many workers at once write everything once.
func TestC3_StepIsIdempotent(t *testing.T) {
	b := newBench(t)
	fw := b.firewall("fw")
	var below []uuid.UUID
	for i := range 5 {
		id := b.registry(fmt.Sprintf("team-%d", i), fw)
		b.external("1.3.0", fw, id)
		below = append(below, id)
	}
	b.hold(fw, "1.3.0")
	c := b.cascades(cascade.ActionHOLD)[0]
	var wg sync.WaitGroup
	for range 6 {
		wg.Go(func() {
			for range 2 {
				if done, err := b.q.Step(b.ours, c.ID); err != nil || !done {
					t.Errorf("step: %v, %v", done, err)
				}
			}
		})
	}
	wg.Wait()
	for _, id := range below {
		if n := len(b.rows(id, hold.CauseINHERITED)); n != 1 {
			t.Errorf("%d inherited holds", n)
		}
	}
	if e := len(b.events("version:quarantine")); e != 6 {
		t.Errorf("%d audit events for a root and five inherited holds", e)
	}
	if f := len(b.events("cascade:finish")); f != 1 {
		t.Errorf("the cascade finished %d times", f)
	}
	if got := b.cascades(cascade.ActionHOLD)[0]; got.Done != 5 || got.Total != 5 {
		t.Errorf("progress %d of %d", got.Done, got.Total)
	}
	// A page whose cursor was lost does the same again and adds nothing.
	b.in(func(ctx context.Context, tx *db.Tx) error {
		return tx.Ent.Cascade.UpdateOneID(c.ID).ClearCursor().ClearFinishedAt().SetDone(0).Exec(ctx)
	})
	b.carry()
	for _, id := range below {
		if n := len(b.rows(id, hold.CauseINHERITED)); n != 1 {
			t.Errorf("a page that ran again wrote a hold: %d", n)
		}
	}
	if e := len(b.events("version:quarantine")); e != 6 {
		t.Errorf("a page that ran again left audit events: %d", e)
	}
}

// TestC3_UnknownCascade: a job for a cascade that is not there is done.
func TestC3_UnknownCascade(t *testing.T) {
	b := newBench(t)
	if done, err := b.q.Step(b.ours, uuid.New()); err != nil || !done {
		t.Errorf("done %v, %v", done, err)
	}
}
