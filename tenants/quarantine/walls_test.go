package quarantine_test

import (
	"context"
	"testing"

	"github.com/google/uuid"

	"sluice.dev/sluice/ent/db"
	"sluice.dev/sluice/ent/db/dbtest"
	"sluice.dev/sluice/tenants/catalog"
	"sluice.dev/sluice/tenants/quarantine"
	"sluice.dev/sluice/tenants/scope"
)

// TestT2_WithoutRowSecurity: with the wall of the database down, nothing that an
// organization does to its holds reaches another one that has the same names and
// versions, and nothing of it can be read from there by id.
func TestT2_WithoutRowSecurity(t *testing.T) {
	b := newBench(t)
	type place struct{ fw, mid, team uuid.UUID }
	set := func(b *bench) (p place) {
		p.fw = b.firewall("fw")
		p.mid = b.registry("mid", p.fw)
		p.team = b.registry("team", p.mid)
		for _, v := range []string{"1.2.0", "1.3.0", "1.4.0"} {
			b.external(v, p.fw, p.mid)
		}
		b.internal("1.3.0", "our patch", p.team)
		b.hold(p.fw, "1.3.0")
		b.hold(p.mid, "")
		b.carry()
		b.hold(p.fw, "1.4.0") // and its cascade is not finished
		return p
	}
	other := *b
	other.ours = b.theirs
	theirs, ours := set(&other), set(b)
	foreign, err := scope.Org(b.theirs)
	b.ok(err)
	dbtest.WithoutRowSecurity(t, b.db)
	dbtest.Untouched(t, b.db, foreign, func() {
		b.carry()
		b.external("1.5.0", ours.fw, ours.mid, ours.team)
		within, err := b.q.Hold(b.ours, quarantine.HoldInput{Registry: ours.fw, Name: "left-pad", Range: "<9", Reason: "x"})
		b.ok(err)
		b.ok(b.q.HoldByPolicy(b.ours, quarantine.PolicyHold{Registry: ours.fw, Version: leftPad("1.2.0"), Rule: uuid.New(), Reason: "x", Evidence: []string{"GHSA-1"}}))
		b.carry()
		d := b.delete(ours.fw, "1.3.0")
		b.carry()
		_, err = b.q.Lift(b.ours, d.Tombstone.ID, "x")
		b.ok(err)
		b.release(within)
		b.carry()
		edge := b.link(b.registry("late", ours.fw), ours.mid)
		b.ok(b.reg.RemoveUpstream(b.ours, edge, true))
	})
	b.ok(b.db.InTx(b.ours, func(ctx context.Context, tx *db.Tx) error {
		ids := []uuid.UUID{theirs.fw, theirs.mid, theirs.team}
		s, err := quarantine.Read(ctx, tx, leftPad("1.3.0").Package, ids)
		b.ok(err)
		held, err := catalog.Held(ctx, tx, leftPad("1.3.0").Package, ids)
		b.ok(err)
		if s.Held(theirs.fw, "1.3.0") != nil || s.Held(theirs.mid, "1.3.0") != nil || len(held) != 0 {
			t.Error("their holds and holdings can be read by the ids of their registries")
		}
		return nil
	}))
}
