package intake_test

import (
	"context"
	"testing"

	"github.com/google/uuid"

	"sluice.dev/sluice/tenants/catalog"
	"sluice.dev/sluice/tenants/coord"
	"sluice.dev/sluice/tenants/errs"
	"sluice.dev/sluice/tenants/intake"
	"sluice.dev/sluice/tenants/policy"
	"sluice.dev/sluice/tenants/quarantine"
)

func copyOf(from, to uuid.UUID, name, version string) intake.CopyInput {
	return intake.CopyInput{From: from, To: to, Name: name, Version: version}
}

func (m *moving) hold(ctx context.Context, reg uuid.UUID, name, version string) {
	m.Helper()
	_, err := m.quarantine.Hold(ctx, quarantine.HoldInput{Registry: reg, Name: name, Version: version, Reason: "looks odd"})
	m.ok(err)
}

// TestO1_PromoteKeepsOriginAndFiles: the copy is the same release, every file of
// it, under another registry; a second time changes nothing, and so does nobody
// from another organization.
func TestO1_PromoteKeepsOriginAndFiles(t *testing.T) {
	m := newMoving(t)
	dev, prod := m.registry(m.ours, "dev"), m.registry(m.ours, "prod")
	m.publish(m.ours, dev, "@acme/a", "1.0.0", "bytes")
	in := copyOf(dev, prod, "@acme/a", "v1.0.0")
	in.Tag = "stable"
	for range 2 {
		v, err := m.intake.Promote(m.ours, in)
		m.ok(err)
		if v.Version != "1.0.0" {
			t.Errorf("promoted %v", v)
		}
	}
	a, b := m.held(m.ours, dev, "@acme/a", "1.0.0"), m.held(m.ours, prod, "@acme/a", "1.0.0")
	if b == nil || b.Release.ID != a.Release.ID || b.Release.Origin != coord.Internal || b.Release.Digest != sum("bytes") || len(b.Release.Files) != 2 || b.How != catalog.ByPromote || len(b.Path) != 0 {
		t.Errorf("held: %+v", b)
	}
	if tags := m.tags(m.ours, prod, "@acme/a"); tags["stable"] != "1.0.0" || len(m.tags(m.ours, dev, "@acme/a")) != 0 {
		t.Errorf("tags %v", tags)
	}
	if e := m.events(m.ours, "version:promote"); len(e) != 1 || e[0] != "@acme/a@1.0.0" {
		t.Errorf("audited %v", e)
	}
	in.Tag = "next"
	_, err := m.intake.Promote(m.ours, in)
	m.ok(err)
	if tags := m.tags(m.ours, prod, "@acme/a"); tags["next"] != "1.0.0" || len(m.events(m.ours, "tag:set")) != 1 {
		t.Errorf("tags %v", tags)
	}
	_, err = m.intake.Promote(m.theirs, in)
	m.refused(err, errs.NotFound, nil, "there is no registry")
}

// TestF7_PromoteRefusals: what cannot be, and why.
func TestF7_PromoteRefusals(t *testing.T) {
	m := newMoving(t)
	dev, prod, other := m.registry(m.ours, "dev"), m.registry(m.ours, "prod"), m.registry(m.theirs, "other")
	m.publish(m.ours, dev, "@acme/a", "1.0.0", "bytes")
	m.publish(m.ours, dev, "@acme/a", "2.0.0", "two")
	m.publish(m.ours, prod, "@acme/a", "2.0.0", "other bytes")
	for _, c := range []struct {
		in       intake.CopyInput
		push     bool
		kind     errs.Kind
		sentinel error
		says     string
	}{
		{in: copyOf(dev, prod, "@acme/a", "2.0.0"), kind: errs.Conflict, sentinel: intake.ErrExists, says: "holds other bytes of @acme/a@2.0.0"},
		{in: copyOf(dev, prod, "@acme/a", "9.0.0"), kind: errs.NotFound, says: "@acme/a@9.0.0 is not known"},
		{in: copyOf(dev, prod, "@acme/none", "1.0.0"), kind: errs.NotFound, says: "not known"},
		{in: copyOf(dev, prod, "@acme/a", "one"), kind: errs.Invalid, says: "is no version"},
		{in: copyOf(dev, prod, "A b", "1.0.0"), kind: errs.Invalid, says: "no package name"},
		{in: copyOf(dev, dev, "@acme/a", "1.0.0"), kind: errs.Invalid, says: "choose another one"},
		{in: copyOf(dev, other, "@acme/a", "1.0.0"), kind: errs.NotFound, says: "there is no registry"},
		{in: copyOf(other, prod, "@acme/a", "1.0.0"), kind: errs.NotFound, says: "there is no registry"},
		{in: copyOf(dev, prod, "@acme/a", "1.0.0"), push: true, kind: errs.Invalid, says: "is no upstream of"},
		{in: intake.CopyInput{From: dev, To: prod, Name: "@acme/a", Version: "1.0.0", Tag: "1.x"}, kind: errs.Invalid, says: "range"},
	} {
		do := m.intake.Promote
		if c.push {
			do = m.intake.Push
		}
		_, err := do(m.ours, c.in)
		m.refused(err, c.kind, c.sentinel, c.says)
	}
	if e := append(m.events(m.ours, "version:promote"), m.events(m.ours, "version:push")...); len(e) != 0 || m.held(m.ours, prod, "@acme/a", "1.0.0") != nil {
		t.Errorf("a refusal left %v", e)
	}
}

// TestQ3_HeldIsNotPromoted: neither a hold at the source, nor one in a firewall
// above it, nor one where it is to go lets a version be copied; a tombstone
// neither, also by its bytes alone (D1).
func TestQ3_HeldIsNotPromoted(t *testing.T) {
	m := newMoving(t)
	fw := m.registry(m.ours, "fw")
	dev, prod := m.registry(m.ours, "dev", fw), m.registry(m.ours, "prod")
	fw2 := m.registry(m.ours, "fw2")
	below := m.registry(m.ours, "below", fw2)
	for _, v := range []string{"1.0.0", "1.1.0", "1.2.0"} {
		m.publish(m.ours, dev, "@acme/a", v, "bytes of "+v)
	}
	m.hold(m.ours, dev, "@acme/a", "1.0.0")
	_, err := m.intake.Promote(m.ours, copyOf(dev, prod, "@acme/a", "1.0.0"))
	m.refused(err, errs.Conflict, intake.ErrWithheld, `withheld in the registry "dev": looks odd`)

	m.hold(m.ours, prod, "@acme/a", "1.1.0")
	_, err = m.intake.Promote(m.ours, copyOf(dev, prod, "@acme/a", "1.1.0"))
	m.refused(err, errs.Conflict, intake.ErrWithheld, `withheld in the registry "prod": looks odd`)

	// The bytes of 1.2.0 were deleted for security above the target, under
	// another name.
	m.publish(m.ours, fw2, "@acme/evil", "6.6.6", "bytes of 1.2.0")
	m.hold(m.ours, fw2, "@acme/evil", "6.6.6")
	_, err = m.intake.Delete(m.ours, fw2, "@acme/evil", "6.6.6", "it is evil")
	m.ok(err)
	_, err = m.intake.Promote(m.ours, copyOf(dev, below, "@acme/a", "1.2.0"))
	m.refused(err, errs.Conflict, nil, "the same bytes were deleted for security as @acme/evil@6.6.6")
}

// TestP1_PromotedExternalKeepsItsFirewalls: a version from a public source that
// is promoted below other firewalls must pass them, and their rules go on
// deciding about the copy. A version of one's own need not.
func TestP1_PromotedExternalKeepsItsFirewalls(t *testing.T) {
	m := newMoving(t)
	open := m.registry(m.ours, "open")
	m.public(m.ours, open)
	outer := m.registry(m.ours, "fw-outer")
	inner := m.registry(m.ours, "fw-inner", outer)
	prod := m.registry(m.ours, "prod", inner)
	m.rule(m.ours, outer, block("left-pad@1.0.0"))
	_, err := m.intake.Promote(m.ours, copyOf(open, prod, "left-pad", "1.0.0"))
	m.refused(err, errs.Conflict, intake.ErrWithheld, "(by the registry fw-outer)")

	_, err = m.intake.Promote(m.ours, copyOf(open, prod, "left-pad", "1.1.0"))
	m.ok(err)
	h := m.held(m.ours, prod, "left-pad", "1.1.0")
	if h == nil || h.Release.Origin != coord.External || len(h.Path) != 2 || h.Path[0] != outer || h.Path[1] != inner {
		t.Fatalf("held: %+v", h)
	}
	if m.held(m.ours, open, "left-pad", "1.1.0") == nil || m.held(m.ours, inner, "left-pad", "1.1.0") != nil {
		t.Error("the source must hold what it gave, and no firewall what it never saw")
	}
	if !m.allowed(m.ours, prod, "left-pad", "1.1.0") {
		t.Error("withheld before there is a reason")
	}
	m.rule(m.ours, outer, block("left-pad@1.1.0"))
	if m.allowed(m.ours, prod, "left-pad", "1.1.0") {
		t.Error("the outer firewall's rule does not decide about the copy")
	}
	// The target's own rules for new versions decide as well.
	m.rule(m.ours, prod, block("left-pad@2.0.0-rc.1"))
	_, err = m.intake.Promote(m.ours, copyOf(open, prod, "left-pad", "2.0.0-rc.1"))
	m.refused(err, errs.Conflict, intake.ErrWithheld, `in the registry "prod"`)

	dev := m.registry(m.ours, "dev")
	m.publish(m.ours, dev, "@acme/a", "1.0.0", "bytes")
	m.rule(m.ours, outer, block("@acme/a"))
	_, err = m.intake.Promote(m.ours, copyOf(dev, prod, "@acme/a", "1.0.0"))
	m.ok(err)
}

// TestC5_PromotedUnderAHold: a hold in a firewall above the target refuses the
// version, also one on a range, and one that comes later reaches the copy.
func TestC5_PromotedUnderAHold(t *testing.T) {
	m := newMoving(t)
	open := m.registry(m.ours, "open")
	m.public(m.ours, open)
	fw := m.registry(m.ours, "fw")
	prod := m.registry(m.ours, "prod", fw)
	_, err := m.quarantine.Hold(m.ours, quarantine.HoldInput{Registry: fw, Name: "left-pad", Range: "<1.1.0", Reason: "old"})
	m.ok(err)
	_, err = m.intake.Promote(m.ours, copyOf(open, prod, "left-pad", "1.0.0"))
	m.refused(err, errs.Conflict, intake.ErrWithheld, "old")
	_, err = m.intake.Promote(m.ours, copyOf(open, prod, "left-pad", "1.1.0"))
	m.ok(err)
	m.hold(m.ours, fw, "left-pad", "1.1.0")
	if m.allowed(m.ours, prod, "left-pad", "1.1.0") {
		t.Error("the firewall's hold does not reach the copy (C2)")
	}
}

// TestO5_PromoteThatHides: a version of one's own under a public name is refused
// where it would hide the public ones, and a public one where the name is owned
// (O4).
func TestO5_PromoteThatHides(t *testing.T) {
	m := newMoving(t)
	dev, prod := m.registry(m.ours, "dev"), m.registry(m.ours, "prod")
	m.public(m.ours, prod)
	m.publish(m.ours, dev, "left-pad", "1.0.0", "ours")
	_, err := m.intake.Promote(m.ours, copyOf(dev, prod, "left-pad", "1.0.0"))
	m.refused(err, errs.Forbidden, intake.ErrHides, "would become hidden")
	allow := "ALLOW"
	m.ok(m.intake.SetNameSwitch(m.ours, prod, "left-pad", &allow, nil, "it is ours now"))
	_, err = m.intake.Promote(m.ours, copyOf(dev, prod, "left-pad", "1.0.0"))
	m.ok(err)

	open := m.registry(m.ours, "open")
	m.public(m.ours, open)
	_, err = m.intake.Promote(m.ours, copyOf(open, dev, "left-pad", "1.1.0"))
	m.refused(err, errs.Conflict, intake.ErrWithheld, "owned by")
}

// TestP9_BlockDownstream: a registry that takes nothing from below refuses a
// push, and the same thing called a promotion.
func TestP9_BlockDownstream(t *testing.T) {
	m := newMoving(t)
	top := m.registry(m.ours, "top")
	mid := m.registry(m.ours, "mid", top)
	team := m.registry(m.ours, "team", mid)
	beside := m.registry(m.ours, "beside")
	m.publish(m.ours, team, "@acme/a", "1.0.0", "bytes")
	_, err := m.intake.Push(m.ours, copyOf(team, top, "@acme/a", "1.0.0")) // an indirect one
	m.ok(err)
	if h := m.held(m.ours, top, "@acme/a", "1.0.0"); h == nil || h.How != catalog.ByPush || m.held(m.ours, mid, "@acme/a", "1.0.0") != nil {
		t.Errorf("held: %+v", h)
	}
	if e := m.events(m.ours, "version:push"); len(e) != 1 {
		t.Errorf("audited %v", e)
	}
	m.rule(m.ours, mid, policy.Rule{Name: "nothing from below", Kind: policy.KindBlockDownstream})
	_, err = m.intake.Push(m.ours, copyOf(team, mid, "@acme/a", "1.0.0"))
	m.refused(err, errs.Forbidden, nil, "nothing from below")
	_, err = m.intake.Promote(m.ours, copyOf(team, mid, "@acme/a", "1.0.0"))
	m.refused(err, errs.Forbidden, nil, "nothing from below")
	m.publish(m.ours, beside, "@acme/b", "1.0.0", "b")
	_, err = m.intake.Promote(m.ours, copyOf(beside, mid, "@acme/b", "1.0.0"))
	m.ok(err)
}
