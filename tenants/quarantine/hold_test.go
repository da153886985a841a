package quarantine_test

import (
	"context"
	"strings"
	"sync"
	"testing"

	"github.com/google/uuid"

	"sluice.dev/sluice/ent/db"
	"sluice.dev/sluice/ent/finding"
	"sluice.dev/sluice/ent/hold"
	"sluice.dev/sluice/tenants/coord"
	"sluice.dev/sluice/tenants/errs"
	"sluice.dev/sluice/tenants/quarantine"
	"sluice.dev/sluice/tenants/scope"
)

// TestQ1_HoldsAreASet: a version is available only when no hold on it is open,
// and each has its own cause, reason and opener.
func TestQ1_HoldsAreASet(t *testing.T) {
	b := newBench(t)
	id := b.registry("team")
	exact := b.hold(id, "1.3.0")
	whole, err := b.q.Hold(scope.WithActor(b.ours, scope.Actor{Kind: scope.ActorMember, ID: uuid.New(), Name: "ann@acme"}),
		quarantine.HoldInput{Registry: id, Name: "left-pad", Reason: "the author was hacked"})
	b.ok(err)
	if whole.OpenedBy != "ann@acme" || whole.Cause != hold.CauseMANUAL || whole.Version != nil || !whole.OpenedAt.After(noon) {
		t.Errorf("the hold is %+v", whole)
	}
	b.release(exact)
	if !b.held(id, "1.3.0") {
		t.Error("with one of two holds released the version is available")
	}
	b.release(whole)
	if b.held(id, "1.3.0") {
		t.Error("with both holds released the version is not available")
	}
	if again := b.hold(id, "1.3.0"); again.ID == exact.ID {
		t.Error("a hold after a release is the released one")
	}
}

// TestQ1_CoordinatesHeldOrNot: a hold needs no version that anybody has met; a
// range or the whole package covers tomorrow's versions too.
func TestQ1_CoordinatesHeldOrNot(t *testing.T) {
	b := newBench(t)
	exact, within, whole := b.registry("exact"), b.registry("within"), b.registry("whole")
	b.hold(exact, "9.9.9")
	_, err := b.q.Hold(b.ours, quarantine.HoldInput{Registry: within, Name: "left-pad", Range: ">=1.2.0 <2", Reason: "x"})
	b.ok(err)
	b.hold(whole, "")
	for _, c := range []struct {
		id      uuid.UUID
		version string
		held    bool
	}{
		{exact, "9.9.9", true}, {exact, "9.9.8", false},
		{within, "1.1.9", false}, {within, "1.2.0", true}, {within, "1.99.0", true}, {within, "2.0.0", false},
		{whole, "0.0.1", true}, {whole, "77.0.0", true},
	} {
		if got := b.held(c.id, c.version); got != c.held {
			t.Errorf("%s: held %v, want %v", c.version, got, c.held)
		}
	}
	b.in(func(ctx context.Context, tx *db.Tx) error {
		s, err := quarantine.Read(ctx, tx, coord.Package{Ecosystem: coord.NPM, Name: "right-pad"}, []uuid.UUID{exact, within, whole})
		if err == nil && s.Held(whole, "1.0.0") != nil {
			t.Error("a hold on one package covers another")
		}
		return err
	})
}

// TestQ7_TwiceWritesNothing: the same hold again, be it on a version, a range or
// a package, by a person or by policy, is the first one.
func TestQ7_TwiceWritesNothing(t *testing.T) {
	b := newBench(t)
	id := b.firewall("fw")
	b.external("1.3.0", id, b.registry("team", id))
	for _, in := range []quarantine.HoldInput{{Version: "1.3.0"}, {Range: "<2"}, {}} {
		in.Registry, in.Name, in.Reason = id, "left-pad", "first"
		first, err := b.q.Hold(b.ours, in)
		b.ok(err)
		b.carry()
		before := b.written()
		in.Reason = "second"
		again, err := b.q.Hold(b.ours, in)
		b.ok(err)
		if again.ID != first.ID || again.Reason != "first" {
			t.Errorf("the second hold is another one: %+v", again)
		}
		if after := b.written(); after != before {
			t.Errorf("the second hold wrote: %s, before: %s", after, before)
		}
	}
	policy := quarantine.PolicyHold{Registry: id, Version: leftPad("1.3.0"), Rule: uuid.New(), Reason: "GHSA-1", Evidence: []string{"GHSA-1"}}
	b.ok(b.q.HoldByPolicy(b.ours, policy))
	if n := b.jobs("review"); n != 1 {
		t.Errorf("%d reviews asked for, want one", n)
	}
	b.carry()
	before := b.written()
	policy.Reason, policy.Evidence = "GHSA-2", []string{"GHSA-2"}
	b.ok(b.q.HoldByPolicy(b.ours, policy))
	if after := b.written(); after != before {
		t.Errorf("the second hold by policy wrote: %s, before: %s", after, before)
	}
}

// TestQ7_AtOnce: many who open the same hold at once open one.
func TestQ7_AtOnce(t *testing.T) {
	b := newBench(t)
	id := b.firewall("fw")
	var wg sync.WaitGroup
	ids := make([]uuid.UUID, 8)
	for i := range ids {
		wg.Go(func() {
			h, err := b.q.Hold(b.ours, quarantine.HoldInput{Registry: id, Name: "left-pad", Version: "1.3.0", Reason: "x"})
			if err != nil {
				t.Error(err)
				return
			}
			ids[i] = h.ID
		})
	}
	wg.Wait()
	for _, got := range ids {
		if got != ids[0] {
			t.Errorf("holds %v", ids)
			break
		}
	}
	if e, c := len(b.events("version:quarantine")), b.jobs("cascade"); e != 1 || c != 1 {
		t.Errorf("%d audit events and %d jobs for one hold", e, c)
	}
}

// TestQ4_ReleaseNeedsAReason, and says the rest of what makes no sense.
func TestQ4_BadInput(t *testing.T) {
	b := newBench(t)
	id := b.registry("team")
	h := b.hold(id, "1.3.0")
	before := b.written()
	in := func(spoil func(*quarantine.HoldInput)) quarantine.HoldInput {
		i := quarantine.HoldInput{Registry: id, Name: "left-pad", Version: "1.0.0", Reason: "x"}
		spoil(&i)
		return i
	}
	for _, c := range []struct {
		in    quarantine.HoldInput
		kind  errs.Kind
		words string
	}{
		{in(func(i *quarantine.HoldInput) { i.Reason = " \t" }), errs.Invalid, "needs a reason"},
		{in(func(i *quarantine.HoldInput) { i.Reason = strings.Repeat("ü", 2001) }), errs.Invalid, "2001 characters; the limit is 2000"},
		{in(func(i *quarantine.HoldInput) { i.Name = "left pad" }), errs.Invalid, "no package name"},
		{in(func(i *quarantine.HoldInput) { i.Version = "one" }), errs.Invalid, `"one" is no version`},
		{in(func(i *quarantine.HoldInput) { i.Version, i.Range = "", "one" }), errs.Invalid, `"one" is no version range`},
		{in(func(i *quarantine.HoldInput) { i.Range = "<2" }), errs.Invalid, "not both"},
		{in(func(i *quarantine.HoldInput) { i.Registry = uuid.New() }), errs.NotFound, "there is no registry"},
	} {
		_, err := b.q.Hold(b.ours, c.in)
		b.is(err, c.kind, c.words)
	}
	_, err := b.q.Release(b.ours, h.ID, "")
	b.is(err, errs.Invalid, "needs a reason")
	_, err = b.q.Release(b.ours, uuid.New(), "x")
	b.is(err, errs.NotFound)
	_, err = b.q.Delete(b.ours, id, "left-pad", "1.3.0", "")
	b.is(err, errs.Invalid, "needs a reason")
	_, err = b.q.Delete(b.ours, id, "left-pad", "one", "x")
	b.is(err, errs.Invalid, "no version")
	_, err = b.q.Delete(b.ours, id, "left-pad", "1.0.0", "x")
	b.is(err, errs.NotFound, `"team" does not hold left-pad@1.0.0`)
	_, err = b.q.Lift(b.ours, uuid.New(), "x")
	b.is(err, errs.NotFound)
	_, err = b.q.Lift(b.ours, uuid.New(), "")
	b.is(err, errs.Invalid, "needs a reason")
	if after := b.written(); after != before {
		t.Errorf("bad input wrote: %s, before: %s", after, before)
	}
}

// TestQ4_Release: once, with who and why; again it is the same and writes
// nothing.
func TestQ4_Release(t *testing.T) {
	b := newBench(t)
	h := b.hold(b.registry("team"), "1.3.0")
	bob := scope.WithActor(b.ours, scope.Actor{Kind: scope.ActorMember, ID: uuid.New(), Name: "bob@acme"})
	got, err := b.q.Release(bob, h.ID, "false alarm")
	b.ok(err)
	if got.ReleasedAt == nil || got.ReleasedBy != "bob@acme" || got.ReleaseReason != "false alarm" {
		t.Errorf("released: %+v", got)
	}
	e := b.events("version:release")
	if len(e) != 1 || e[0].Reason != "false alarm" || e[0].ActorName != "bob@acme" || e[0].ObjectID != h.ID.String() {
		t.Errorf("audit: %+v", e)
	}
	before := b.written()
	again, err := b.q.Release(b.ours, h.ID, "once more")
	b.ok(err)
	if again.ReleaseReason != "false alarm" || b.written() != before {
		t.Errorf("a second release changed something: %+v", again)
	}
}

// TestQ4_Acknowledges: a person who releases a POLICY hold accepts the findings
// that caused it, in its registry; the policy itself accepts nothing.
func TestQ4_Acknowledges(t *testing.T) {
	b := newBench(t)
	here, there := b.firewall("here"), b.firewall("there")
	b.in(func(ctx context.Context, tx *db.Tx) error {
		for _, ref := range []string{"GHSA-1", "GHSA-2", "GHSA-3"} {
			if err := tx.Ent.Finding.Create().SetEcosystem(coord.NPM).SetName("left-pad").SetVersion("1.3.0").SetKind("VULNERABILITY").SetReference(ref).
				SetSeverity("HIGH").SetOpenedAt(noon).Exec(ctx); err != nil {
				return err
			}
		}
		return nil
	})
	accepted := func(id uuid.UUID) (out []string) {
		b.in(func(ctx context.Context, tx *db.Tx) error {
			s, err := quarantine.Read(ctx, tx, leftPad("1.3.0").Package, []uuid.UUID{id})
			if err == nil {
				out = s.Acknowledged(id, "1.3.0")
				if s.Acknowledged(id, "1.3.1") != nil {
					t.Error("another version's findings are acknowledged")
				}
			}
			return err
		})
		return out
	}
	by := func(id uuid.UUID, evidence ...string) *quarantine.PolicyHold {
		p := quarantine.PolicyHold{Registry: id, Version: leftPad("1.3.0"), Rule: uuid.New(), Reason: "x", Evidence: evidence}
		b.ok(b.q.HoldByPolicy(b.ours, p))
		return &p
	}
	by(here, "GHSA-1", "GHSA-2")
	b.release(b.rows(here, hold.CausePOLICY)[0])
	if got := accepted(here); len(got) != 2 {
		t.Errorf("acknowledged: %v", got)
	}
	by(there, "GHSA-3")
	b.ok(b.q.LiftPolicy(b.ours, b.rows(there, hold.CausePOLICY)[0].ID, "gone"))
	if got := accepted(there); len(got) != 0 {
		t.Errorf("a release by the policy acknowledged %v", got)
	}
	b.in(func(ctx context.Context, tx *db.Tx) error {
		all, err := tx.Ent.Finding.Query().Order(finding.ByReference()).All(ctx)
		for i, f := range all {
			if want := i < 2; (f.AcknowledgedAt != nil) != want || (f.AcknowledgedBy == "test") != want {
				t.Errorf("%s: acknowledged at %v by %q", f.Reference, f.AcknowledgedAt, f.AcknowledgedBy)
			}
		}
		return err
	})
	manual := b.hold(there, "1.3.0")
	b.ok(b.q.LiftPolicy(b.ours, manual.ID, "x")) // not the policy's to lift
	if !b.held(there, "1.3.0") {
		t.Error("the policy released a hold of a person")
	}
}

// TestQ6_HoldByPolicyBringsTheBytesIn: the hold and the review job are one
// transaction.
func TestQ6_HoldByPolicyBringsTheBytesIn(t *testing.T) {
	b := newBench(t)
	id := b.firewall("fw")
	b.ok(b.q.HoldByPolicy(b.ours, quarantine.PolicyHold{Registry: id, Version: leftPad("1.3.0"), Rule: uuid.New(), Reason: "MAL-1 says so", Evidence: []string{"MAL-1"}}))
	h := b.rows(id, hold.CausePOLICY)
	if len(h) != 1 || h[0].Evidence[0] != "MAL-1" || h[0].RuleID == nil || !b.held(id, "1.3.0") {
		t.Fatalf("holds: %+v", h)
	}
	var args string
	b.ok(b.db.Pool.QueryRow(t.Context(), `SELECT args::text FROM river.river_job WHERE kind = 'review'`).Scan(&args))
	for _, word := range []string{h[0].ID.String(), id.String(), "left-pad", "1.3.0"} {
		if !strings.Contains(args, word) {
			t.Errorf("the review's arguments %s lack %s", args, word)
		}
	}
}

// TestT3_OtherOrganizationsFindNothing: every operation from the other
// organization finds nothing, changes nothing and tells nothing apart.
func TestT3_OtherOrganizationsFindNothing(t *testing.T) {
	b := newBench(t)
	fw := b.firewall("fw")
	team := b.registry("team", fw)
	b.external("1.3.0", fw, team)
	h := b.hold(fw, "1.3.0")
	deleted, err := b.q.Delete(b.ours, fw, "left-pad", "1.3.0", "malware")
	b.ok(err)
	running := b.cascades("DELETE")[0]
	before := b.written()
	_, err = b.q.Hold(b.theirs, quarantine.HoldInput{Registry: fw, Name: "left-pad", Version: "1.0.0", Reason: "x"})
	b.is(err, errs.NotFound)
	b.is(b.q.HoldByPolicy(b.theirs, quarantine.PolicyHold{Registry: fw, Version: leftPad("1.0.0"), Rule: uuid.New(), Reason: "x"}), errs.NotFound)
	_, err = b.q.Release(b.theirs, h.ID, "x")
	b.is(err, errs.NotFound)
	b.is(b.q.LiftPolicy(b.theirs, h.ID, "x"), errs.NotFound)
	_, err = b.q.Delete(b.theirs, team, "left-pad", "1.3.0", "x")
	b.is(err, errs.NotFound)
	_, err = b.q.Lift(b.theirs, deleted.Tombstone.ID, "x")
	b.is(err, errs.NotFound)
	if done, err := b.q.Step(b.theirs, running.ID); err != nil || !done {
		t.Errorf("a step of a foreign cascade: %v, %v", done, err)
	}
	if ids, err := b.q.Unfinished(b.theirs); err != nil || len(ids) != 0 {
		t.Errorf("foreign cascades: %v, %v", ids, err)
	}
	if after := b.written(); after != before {
		t.Errorf("the other organization wrote: %s, before: %s", after, before)
	}
	b.ok(b.db.InTx(b.theirs, func(ctx context.Context, tx *db.Tx) error {
		s, err := quarantine.Read(ctx, tx, leftPad("1.3.0").Package, []uuid.UUID{fw, team})
		if err == nil && (s.Held(fw, "1.3.0") != nil || s.Buried(fw, "1.3.0") != nil) {
			t.Error("the other organization reads our holds")
		}
		what, err2 := quarantine.BuriedDigest(ctx, tx, []uuid.UUID{fw}, digest("public 1.3.0"))
		if what != "" {
			t.Errorf("the other organization reads our tombstones: %s", what)
		}
		if err == nil {
			err = err2
		}
		return err
	}))
}
