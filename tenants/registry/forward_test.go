package registry_test

import (
	"context"
	"testing"

	"github.com/google/uuid"

	"sluice.dev/sluice/ent/db"
	"sluice.dev/sluice/tenants/audit"
	"sluice.dev/sluice/tenants/coord"
	"sluice.dev/sluice/tenants/errs"
	"sluice.dev/sluice/tenants/registry"
)

// TestR11_SetForwarding: a registry forwards to one that is reachable upward, of
// its own organization, and to nothing else; setting the same again writes
// nothing.
func TestR11_SetForwarding(t *testing.T) {
	b := newBench(t)
	top := b.registry("top")
	mid := b.registry("mid", top)
	team, beside := b.registry("team", mid), b.registry("beside")
	python := b.make(b.ours, registry.CreateInput{Kind: registry.PackageRegistry, Ecosystem: coord.PyPI, Name: "python"}).ID
	set := func(to uuid.UUID, releases bool) error {
		_, err := b.svc.SetForwarding(b.ours, team, registry.Forwarding{To: to, ReleasesOnly: releases})
		return err
	}
	b.is(set(beside, false), errs.Invalid, `"beside" is no upstream of "team"`, "choose one of mid, top")
	b.is(set(team, false), errs.Invalid, "is no upstream")
	b.is(set(python, false), errs.Invalid, "is no upstream")
	b.is(set(uuid.New(), false), errs.NotFound)
	b.is(set(uuid.Nil, true), errs.Invalid, "needs a registry to forward to")
	_, err := b.svc.SetForwarding(b.ours, beside, registry.Forwarding{To: top})
	b.is(err, errs.Invalid, "has no registry upstream")

	forwards := func() registry.Forwarding {
		t.Helper()
		shape, err := b.shapes.Of(b.ours)
		b.ok(err)
		return shape.Node(team).Forward
	}
	for range 2 {
		b.ok(set(top, true))
	}
	if f := forwards(); f != (registry.Forwarding{To: top, ReleasesOnly: true}) {
		t.Errorf("forwards to %+v", f)
	}
	b.ok(set(mid, false))
	b.ok(set(uuid.Nil, false))
	if f := forwards(); f != (registry.Forwarding{}) {
		t.Errorf("forwards to %+v", f)
	}
	b.ok(b.db.InSnapshot(b.ours, func(ctx context.Context, tx *db.Tx) error {
		events, err := audit.Events(ctx, tx, audit.EventQuery{Reach: audit.Reach{All: true}, Action: "registry:forward", Limit: 10})
		if len(events) != 3 {
			t.Errorf("%d audited changes, want 3", len(events))
		}
		return err
	}))
	_, err = b.svc.SetForwarding(b.theirs, team, registry.Forwarding{To: top})
	b.is(err, errs.NotFound)
}
