package finding_test

import (
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"sluice.dev/sluice/ent/db"
	"sluice.dev/sluice/ent/hold"
	"sluice.dev/sluice/ent/policyrule"
	"sluice.dev/sluice/tenants/coord"
	"sluice.dev/sluice/tenants/finding"
	"sluice.dev/sluice/tenants/policy"
	"sluice.dev/sluice/tenants/quarantine"
	"sluice.dev/sluice/tenants/scope"
)

// TestP5_VulnerabilityOnHeld: a new vulnerability opens a finding at once, and a
// hold when its grace time has ended.
func TestP5_VulnerabilityOnHeld(t *testing.T) {
	b := newBench(t)
	b.arrive(b.ours, "2.0.0", b.fw)
	b.feed(record{id: "GHSA-1", fixed: "1.4.0", severity: "HIGH"}, record{id: "GHSA-2", fixed: "9.0.0", severity: "LOW"})
	b.reassess()
	b.want("findings", b.findings(b.ours), "1.3.0 VULNERABILITY GHSA-1 HIGH", "1.3.0 VULNERABILITY GHSA-2 LOW", "2.0.0 VULNERABILITY GHSA-2 LOW")
	b.want("holds at once", b.open(b.ours))
	b.pass(policy.DefaultGrace - 2*time.Minute)
	b.reassess()
	b.want("holds within the grace time", b.open(b.ours))
	b.pass(3 * time.Minute)
	b.reassess()
	b.want("holds after the grace time", b.open(b.ours), "1.3.0 GHSA-1")
	h := b.holds(b.ours)[0]
	if h.RegistryID != b.fw || h.RuleID == nil || !strings.Contains(h.Reason, "GHSA-1") {
		t.Errorf("hold %+v", h)
	}
	b.want("the other organization, which nobody asked about", append(b.findings(b.theirs), b.open(b.theirs)...))
}

// TestP5_GraceOfTheRule: zero holds at once.
func TestP5_GraceOfTheRule(t *testing.T) {
	b := newBench(t)
	b.rule(func(r *policy.Rule) { zero := time.Duration(0); r.Params.Grace = &zero })
	b.feed(record{id: "GHSA-1", fixed: "1.4.0", severity: "CRITICAL"})
	b.reassess()
	b.want("holds", b.open(b.ours), "1.3.0 GHSA-1")
}

// rule changes the firewall's vulnerability rule.
func (b *bench) rule(change func(*policy.Rule)) {
	b.Helper()
	snap, err := b.svc.Shapes.Of(b.ours)
	b.ok(err)
	for _, r := range snap.Node(b.fw).Rules {
		if r.Kind == policy.KindVulnerability {
			change(&r)
			b.ok(b.reg.UpdateRule(b.ours, r))
		}
	}
}

// TestP5_MalwareActsAtOnce: and so the hold is there before any grace time, with
// its cascade and a review.
func TestP5_MalwareActsAtOnce(t *testing.T) {
	b := newBench(t)
	b.feed(record{id: "MAL-2026-1", fixed: "9.0.0"})
	b.reassess()
	b.want("findings", b.findings(b.ours), "1.3.0 MALWARE MAL-2026-1 MEDIUM")
	b.want("holds", b.open(b.ours), "1.3.0 MAL-2026-1")
	var cascades, reviews int
	b.ok(b.db.Pool.QueryRow(t.Context(), `SELECT count(*) FILTER (WHERE kind = 'cascade'), count(*) FILTER (WHERE kind = 'review') FROM river.river_job`).Scan(&cascades, &reviews))
	if cascades != 1 || reviews != 1 {
		t.Errorf("%d cascades and %d reviews were asked for", cascades, reviews)
	}
}

// TestReassess_IsIdempotent: again, and many times at once, writes nothing more.
func TestReassess_IsIdempotent(t *testing.T) {
	b := newBench(t)
	b.feed(record{id: "MAL-2026-1", fixed: "9.0.0"}, record{id: "GHSA-1", fixed: "1.4.0", severity: "HIGH"})
	var wg sync.WaitGroup
	for range 6 {
		wg.Go(func() {
			if err := b.svc.Reassess(b.ours, coord.NPM, []string{"left-pad", "never-met"}); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	b.want("findings", b.findings(b.ours), "1.3.0 MALWARE MAL-2026-1 MEDIUM", "1.3.0 VULNERABILITY GHSA-1 HIGH")
	b.want("holds", b.open(b.ours), "1.3.0 MAL-2026-1")
	before := b.written()
	b.reassess()
	if after := b.written(); after != before {
		t.Errorf("a reassessment of nothing new wrote: %s, before: %s", after, before)
	}
}

// TestQ5_WithdrawnLifts: the hold ends by itself, and the audit says why; the
// finding is closed; when the advisory comes back, so does the hold.
func TestQ5_WithdrawnLifts(t *testing.T) {
	b := newBench(t)
	b.feed(record{id: "MAL-2026-1", fixed: "9.0.0"})
	b.reassess()
	b.feed(record{id: "MAL-2026-1", fixed: "9.0.0", withdrawn: true})
	b.reassess()
	b.want("findings after the withdrawal", b.findings(b.ours))
	b.want("holds after the withdrawal", b.open(b.ours))
	h := b.holds(b.ours)[0]
	if h.ReleasedBy != quarantine.LiftedBy || h.ReleaseReason != "MAL-2026-1 no longer affects left-pad@1.3.0" {
		t.Errorf("released by %q: %q", h.ReleasedBy, h.ReleaseReason)
	}
	var why string
	b.in(b.ours, func(ctx context.Context, tx *db.Tx) error {
		return tx.QueryRow(ctx, `SELECT reason FROM audit_events WHERE action = 'version:release'`).Scan(&why)
	})
	if why != h.ReleaseReason {
		t.Errorf("the audit says %q", why)
	}
	b.feed(record{id: "MAL-2026-1", fixed: "9.0.0"})
	b.reassess()
	b.want("holds after it came back", b.open(b.ours), "1.3.0 MAL-2026-1")
}

// TestQ5_WithdrawnLeavesTheRest: a hold ends with its own cause, and what else is
// known of the version holds it from the same moment; what was not its cause
// does not keep it open under a false name.
func TestQ5_WithdrawnLeavesTheRest(t *testing.T) {
	b := newBench(t)
	b.feed(record{id: "MAL-2026-1", fixed: "9.0.0"})
	b.reassess()
	b.feed(record{id: "MAL-2026-1", fixed: "9.0.0", withdrawn: true}, record{id: "MAL-2026-2", fixed: "9.0.0"})
	b.reassess()
	b.want("holds", b.open(b.ours), "1.3.0 MAL-2026-2")
	b.feed(record{id: "MAL-2026-3", fixed: "9.0.0"})
	b.reassess()
	b.want("holds with a second advisory", b.open(b.ours), "1.3.0 MAL-2026-2")
}

// TestQ5_OnlyWhereTheRuleSaysSo: with its automatic release off, or the rule
// gone, a person decides; a person's own hold is never the policy's to lift.
func TestQ5_OnlyWhereTheRuleSaysSo(t *testing.T) {
	for name, prepare := range map[string]func(*bench){
		"automatic release off": func(b *bench) { b.rule(func(r *policy.Rule) { r.AutoRelease = false }) },
		"the rule is gone": func(b *bench) {
			b.rule(func(r *policy.Rule) { b.ok(b.reg.RemoveRule(b.ours, r.ID)); *r = b.someRule() })
		},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			b.rule(func(r *policy.Rule) { zero := time.Duration(0); r.Params.Grace = &zero })
			b.feed(record{id: "GHSA-1", fixed: "1.4.0", severity: "HIGH"})
			b.reassess()
			_, err := b.svc.Quarantine.Hold(b.ours, quarantine.HoldInput{Registry: b.fw, Name: "left-pad", Version: "1.3.0", Reason: "mine"})
			b.ok(err)
			prepare(b)
			b.feed(record{id: "GHSA-1", fixed: "1.4.0", severity: "HIGH", withdrawn: true})
			b.reassess()
			b.want("holds", b.open(b.ours), "1.3.0 GHSA-1")
			b.want("findings", b.findings(b.ours))
		})
	}
	b := newBench(t)
	b.feed(record{id: "MAL-2026-1", fixed: "9.0.0"})
	_, err := b.svc.Quarantine.Hold(b.ours, quarantine.HoldInput{Registry: b.fw, Name: "left-pad", Version: "1.3.0", Reason: "mine"})
	b.ok(err)
	b.reassess()
	b.feed(record{id: "MAL-2026-1", fixed: "9.0.0", withdrawn: true})
	b.reassess()
	b.in(b.ours, func(ctx context.Context, tx *db.Tx) error {
		n, err := tx.Ent.Hold.Query().Where(hold.CauseEQ(hold.CauseMANUAL), hold.ReleasedAtIsNil()).Count(ctx)
		if n != 1 {
			t.Errorf("%d holds of people are open, want one", n)
		}
		return err
	})
}

// someRule is a rule that is there, so that an update of it changes nothing.
func (b *bench) someRule() (out policy.Rule) {
	b.Helper()
	snap, err := b.svc.Shapes.Of(b.ours)
	b.ok(err)
	return snap.Node(b.fw).Rules[0]
}

// TestQ4_AcknowledgedDoesNotHoldAgain: what a person accepted when they released
// the hold is accepted; something new is not.
func TestQ4_AcknowledgedDoesNotHoldAgain(t *testing.T) {
	b := newBench(t)
	b.feed(record{id: "MAL-2026-1", fixed: "9.0.0"})
	b.reassess()
	ann := scope.WithActor(b.ours, scope.Actor{Kind: scope.ActorMember, Name: "ann@acme"})
	_, err := b.svc.Quarantine.Release(ann, b.holds(b.ours)[0].ID, "false alarm")
	b.ok(err)
	for range 2 {
		b.pass(30 * 24 * time.Hour)
		b.reassess()
		b.want("holds after the release", b.open(b.ours))
	}
	b.want("findings, which stay", b.findings(b.ours), "1.3.0 MALWARE MAL-2026-1 MEDIUM")
	b.in(b.ours, func(ctx context.Context, tx *db.Tx) error {
		f, err := tx.Ent.Finding.Query().Only(ctx)
		if err == nil && (f.AcknowledgedAt == nil || f.AcknowledgedBy != "ann@acme") {
			t.Errorf("the finding was acknowledged by %q at %v", f.AcknowledgedBy, f.AcknowledgedAt)
		}
		return err
	})
	b.feed(record{id: "MAL-2026-2", fixed: "9.0.0"})
	b.reassess()
	b.want("holds after something new", b.open(b.ours), "1.3.0 MAL-2026-2")
}

// TestQ4_AcknowledgedInOneRegistry: another registry's rule asks for itself.
func TestQ4_AcknowledgedInOneRegistry(t *testing.T) {
	b := newBench(t)
	second := b.firewall(b.ours, "second")
	b.arrive(b.ours, "1.3.0", second)
	b.feed(record{id: "MAL-2026-1", fixed: "9.0.0"})
	b.reassess()
	b.want("holds", b.open(b.ours), "1.3.0 MAL-2026-1", "1.3.0 MAL-2026-1")
	for _, h := range b.holds(b.ours) {
		if h.RegistryID == second {
			_, err := b.svc.Quarantine.Release(b.ours, h.ID, "false alarm")
			b.ok(err)
		}
	}
	b.reassess()
	left := b.holds(b.ours)
	if len(left) != 2 || len(b.open(b.ours)) != 1 {
		t.Errorf("holds %v", left)
	}
	// The sweep goes on to look at it, for the others.
	b.feed(record{id: "GHSA-1", fixed: "1.4.0", severity: "HIGH"})
	b.reassess()
	b.in(b.ours, func(ctx context.Context, tx *db.Tx) error {
		if err := tx.Ent.Finding.Update().SetAcknowledgedAt(b.now()).Exec(ctx); err != nil {
			return err
		}
		due, err := finding.Due(ctx, tx)
		if len(due[coord.NPM]) != 1 {
			t.Errorf("due: %v", due)
		}
		return err
	})
}

// TestReassess_Corrections: a record that changes brings its findings up to date,
// and one that turns out to be malware is not two findings.
func TestReassess_Corrections(t *testing.T) {
	b := newBench(t)
	b.feed(record{id: "GHSA-1", fixed: "1.4.0", severity: "LOW"})
	b.reassess()
	b.feed(record{id: "GHSA-1", fixed: "1.4.0", severity: "CRITICAL"})
	b.reassess()
	b.want("a higher severity", b.findings(b.ours), "1.3.0 VULNERABILITY GHSA-1 CRITICAL")
	b.feed(record{id: "GHSA-1", fixed: "1.2.0", severity: "CRITICAL"})
	b.reassess()
	b.want("a version that is not affected after all", b.findings(b.ours))
	b.in(b.ours, func(ctx context.Context, tx *db.Tx) error {
		// As a record that was one thing and is another now leaves it.
		return tx.Ent.Finding.Create().SetEcosystem(coord.NPM).SetName("left-pad").SetVersion("1.3.0").SetKind("VULNERABILITY").SetReference("MAL-2026-1").
			SetSeverity("LOW").SetOpenedAt(b.now()).Exec(ctx)
	})
	b.feed(record{id: "MAL-2026-1", fixed: "9.0.0"})
	b.reassess()
	b.want("what became malware", b.findings(b.ours), "1.3.0 MALWARE MAL-2026-1 MEDIUM")
}

// TestP4_DryRunHoldsNothing: it says what it would have done, elsewhere.
func TestP4_DryRunHoldsNothing(t *testing.T) {
	b := newBench(t)
	b.in(b.ours, func(ctx context.Context, tx *db.Tx) error {
		tx.Changed(db.Change{Kind: db.Config, Org: org(t, ctx)})
		return tx.Ent.PolicyRule.Update().Where(policyrule.RegistryID(b.fw)).SetMode("DRY_RUN").Exec(ctx)
	})
	b.feed(record{id: "MAL-2026-1", fixed: "9.0.0"})
	b.reassess()
	b.want("holds", b.open(b.ours))
	b.want("findings", b.findings(b.ours), "1.3.0 MALWARE MAL-2026-1 MEDIUM")
}

// TestReassess_OneFailureStopsNobodyElse: a package that fails does not keep the
// others of the job from being looked at.
func TestReassess_OneFailureStopsNobodyElse(t *testing.T) {
	b := newBench(t)
	b.feed(record{id: "MAL-2026-1", fixed: "9.0.0"}, record{id: "MAL-2026-2", fixed: "9.0.0", name: "broken"})
	if err := b.db.InGlobal(t.Context(), func(ctx context.Context, tx *db.Tx) error {
		_, err := tx.Exec(ctx, `UPDATE advisory_affected SET ranges = '"nonsense"' WHERE name = 'broken'`)
		return err
	}); err != nil {
		t.Fatal(err)
	}
	err := b.svc.Reassess(b.ours, coord.NPM, []string{"broken", "left-pad"})
	if err == nil || !strings.Contains(err.Error(), "reassess broken") {
		t.Errorf("the broken package: %v", err)
	}
	b.want("holds", b.open(b.ours), "1.3.0 MAL-2026-1")
}

// TestT2_OtherOrganizations: what we do about an advisory is ours.
func TestT2_OtherOrganizations(t *testing.T) {
	b := newBench(t)
	b.feed(record{id: "MAL-2026-1", fixed: "9.0.0"})
	b.reassess()
	b.want("theirs before they reassess", append(b.findings(b.theirs), b.open(b.theirs)...))
	b.ok(b.svc.Reassess(b.theirs, coord.NPM, []string{"left-pad"}))
	b.want("theirs", append(b.findings(b.theirs), b.open(b.theirs)...), "1.3.0 MALWARE MAL-2026-1 MEDIUM", "1.3.0 MAL-2026-1")
	if got := b.holds(b.theirs); len(got) != 1 || got[0].RegistryID != b.foreign {
		t.Errorf("their holds: %v", got)
	}
	if err := b.svc.Reassess(context.Background(), coord.NPM, []string{"left-pad"}); err == nil {
		t.Error("without an organization something was reassessed")
	}
}

func org(t testing.TB, ctx context.Context) uuid.UUID {
	t.Helper()
	id, err := scope.Org(ctx)
	if err != nil {
		t.Fatal(err)
	}
	return id
}
