package intake_test

import (
	"context"
	"testing"

	"github.com/google/uuid"

	"sluice.dev/sluice/tenants/errs"
	"sluice.dev/sluice/tenants/intake"
	"sluice.dev/sluice/tenants/policy"
	"sluice.dev/sluice/tenants/registry"
)

// TestP9_ImmutableVersions can be neither unpublished nor deleted, except for
// security (D1); what is said about them can change.
func TestP9_ImmutableVersions(t *testing.T) {
	b := newBench(t)
	fw := b.firewall("fw")
	team := b.team("team", above(fw))
	for _, reg := range []uuid.UUID{fw, team} {
		b.publish(reg, "tool", "1.0.0", "latest")
		b.publish(reg, "tool", "1.1.0", "latest")
		b.rule(reg, policy.KindImmutable)
	}
	for name, fn := range map[string]func() error{
		"unpublish":           func() error { return b.in.Unpublish(b.ours, team, "tool", "", []string{"1.0.0"}) },
		"package":             func() error { return b.in.UnpublishPackage(b.ours, team, "tool", "") },
		"delete":              func() error { _, err := b.in.Delete(b.ours, team, "tool", "1.0.0", "x"); return err },
		"delete, in firewall": func() error { _, err := b.in.Delete(b.ours, fw, "tool", "1.0.0", "x"); return err },
	} {
		b.is(b.unchanged(name, fn), errs.Forbidden, nil, "IMMUTABLE rule", "immutable")
	}
	b.ok(b.in.SetTag(b.ours, team, "tool", "latest", "1.0.0"))
	b.ok(b.in.Deprecate(b.ours, team, "tool", "", map[string]string{"1.0.0": "old"}))
	b.publish(team, "tool", "1.2.0")
	if l := b.listed(team, "tool"); l != "1.0.0 1.1.0 1.2.0" {
		t.Errorf("the rule says something about reading: %s", l)
	}
	b.hold(fw, "tool", "1.0.0")
	gone, err := b.in.Delete(b.ours, fw, "tool", "1.0.0", "malware")
	b.ok(err)
	if gone.Tombstone == nil {
		t.Error("no tombstone")
	}
}

// TestP9_BlockDownstream is known to whoever pushes.
func TestP9_BlockDownstream(t *testing.T) {
	b := newBench(t)
	fw := b.firewall("fw")
	open := b.team("open", above(fw))
	b.rule(fw, policy.KindBlockDownstream)
	b.publish(open, "tool", "1.0.0")
	seal, err := registry.NewSealer(make([]byte, 32))
	b.ok(err)
	for _, c := range []struct {
		ctx  context.Context
		id   uuid.UUID
		want string
	}{{b.ours, fw, "the BLOCK_DOWNSTREAM rule"}, {b.ours, open, ""}} {
		shape, err := registry.NewSnapshots(b.db, seal).Of(c.ctx)
		b.ok(err)
		r := intake.BlocksDownstream(shape.Node(c.id))
		if got := ""; r != nil && r.Name != c.want || r == nil && c.want != got {
			t.Errorf("%s: %+v", b.name(c.id), r)
		}
	}
	if l := b.listed(open, "tool"); l != "1.0.0" {
		t.Errorf("the rule says something about reading: %s", l)
	}
}
