package jobs

import (
	"context"
	"testing"
	"time"

	"sluice.dev/sluice/jobs/spec"
	"sluice.dev/sluice/tenants/access"
	"sluice.dev/sluice/tenants/audit"
	"sluice.dev/sluice/tenants/org"
)

// TestA2_RemindTwice: tokens that end soon are warned of once in each
// organization, however often the job runs.
func TestA2_RemindTwice(t *testing.T) {
	b := newBench(t)
	for _, ctx := range []context.Context{b.ours, b.theirs} {
		_, _, err := b.deps.Access.CreateToken(access.As(ctx, access.System("test"), ""), access.TokenInput{Name: "ci", ExpiresAt: b.now().Add(10 * 24 * time.Hour)})
		b.ok(err)
	}
	_, err := b.deps.Orgs.SetQuota(b.ours, org.Quota{Registries: 1})
	b.ok(err)
	b.registry(b.ours, firewall, "fw")
	b.pass(5 * 24 * time.Hour)
	for range 2 {
		b.ok((&remind{d: b.deps}).Work(t.Context(), job(spec.Remind{})))
	}
	per := `SELECT count(*) FROM audit_events WHERE action = $1 AND org_id = $2`
	for _, ctx := range []context.Context{b.ours, b.theirs} {
		if n := b.number(per, "token:expiring", orgOf(t, ctx)); n != 1 {
			t.Errorf("%d warnings, want one", n)
		}
	}
	if a, z := b.number(per, "organization:quota-warning", orgOf(t, b.ours)), b.number(per, "organization:quota-warning", orgOf(t, b.theirs)); a != 1 || z != 0 {
		t.Errorf("quota warnings: %d and %d, want 1 and 0", a, z)
	}
}

// TestD3_ErasedOrganizationLeavesSharedBytes: its own bytes are collected, those
// that another organization names stay.
func TestD3_ErasedOrganizationLeavesSharedBytes(t *testing.T) {
	b := newBench(t)
	own, shared := b.document(b.ours, "only ours"), ""
	fw, foreign := b.registry(b.ours, firewall, "fw"), b.registry(b.theirs, firewall, "fw")
	shared = b.arrive(b.ours, "1.3.0", "of both", fw)
	if again := b.arrive(b.theirs, "1.3.0", "of both", foreign); again != shared {
		t.Fatal("the same bytes have two digests")
	}
	b.hold(b.ours, fw) // a cascade under way does not keep it
	_, err := b.deps.Orgs.Delete(b.ours)
	b.ok(err)
	erased := &erase{d: b.deps}
	b.ok(erased.Work(t.Context(), job(spec.Erase{})))
	if n := b.number(`SELECT count(*) FROM organizations`); n != 2 {
		t.Fatalf("erased before its time: %d organizations", n)
	}
	b.pass(org.EraseAfter + time.Hour)
	for range 2 {
		b.ok(erased.Work(t.Context(), job(spec.Erase{})))
	}
	if n := b.number(`SELECT count(*) FROM organizations`); n != 1 {
		t.Fatalf("%d organizations are left, want the other one", n)
	}
	if !b.stored(own) || !b.stored(shared) {
		t.Error("erasing removed bytes")
	}
	b.deps.Grace = time.Minute
	b.collect(false)
	if b.stored(own) || !b.stored(shared) || !b.recorded(shared) {
		t.Errorf("after collecting: own bytes %v, shared bytes %v", b.stored(own), b.stored(shared))
	}
}

// TestAudit_AnchorRuns over organizations with a chain and without one.
func TestAudit_AnchorRuns(t *testing.T) {
	b := newBench(t)
	_, err := b.deps.Orgs.Suspend(b.ours)
	b.ok(err)
	_, err = audit.NewSealer(b.deps.DB, b.now).Seal(t.Context())
	b.ok(err)
	b.ok((&anchor{d: b.deps}).Work(t.Context(), job(spec.Anchor{})))
	ended, stop := context.WithCancel(t.Context())
	stop()
	if err := (&anchor{d: b.deps}).Work(ended, job(spec.Anchor{})); err == nil {
		t.Error("an ended context is no error")
	}
}
