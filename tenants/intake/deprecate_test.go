package intake_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"sluice.dev/sluice/tenants/errs"
)

// against is what a registry's view says against a version: the metadata's word
// unless the view has another.
func (b *bench) against(reg uuid.UUID, pkg, v string) string {
	b.Helper()
	view, err := b.gate.List(b.ours, reg, npm(pkg))
	b.ok(err)
	e := view.Entry(v)
	if e == nil {
		b.Fatalf("%s is not listed", v)
	}
	if e.Deprecated != nil {
		return *e.Deprecated
	}
	return e.Listed.Deprecated
}

// TestF7_Deprecate: a message holds in the registry and below it, the nearest
// registry's word counts, and "" takes back.
func TestF7_Deprecate(t *testing.T) {
	b := newBench(t)
	shared := b.team("shared")
	team := b.team("team", above(shared))
	leaf := b.team("leaf", above(team))
	aside := b.team("aside")
	for _, reg := range []uuid.UUID{shared, aside} {
		b.publish(reg, "tool", "1.0.0", "latest")
		b.publish(reg, "tool", "1.1.0", "latest")
	}
	b.brings(team, "tool", "1.1.0") // a copy
	b.publish(team, "own", "1.0.0")
	view, err := b.gate.List(b.ours, leaf, npm("tool"))
	b.ok(err)
	wants := func(v string, want map[uuid.UUID]string) {
		t.Helper()
		for reg, w := range want {
			if got := b.against(reg, "tool", v); got != w {
				t.Errorf("%s says %q against %s, want %q", b.name(reg), got, v, w)
			}
		}
	}
	read := b.own(shared, "tool").Revision
	b.ok(b.in.Deprecate(b.ours, shared, "tool", read, map[string]string{"1.0.0": "old", "1.1.0": "odd"}))
	for _, v := range []string{"1.0.0", "1.1.0"} {
		w := map[string]string{"1.0.0": "old", "1.1.0": "odd"}[v]
		wants(v, map[uuid.UUID]string{shared: w, team: w, leaf: w, aside: ""})
	}
	if now, err := b.gate.List(b.ours, leaf, npm("tool")); err != nil || now.Print == view.Print {
		t.Errorf("the view's print is the same, %v", err)
	}
	b.ok(b.unchanged("the same", func() error { return b.in.Deprecate(b.ours, shared, "tool", "", map[string]string{"1.0.0": "old"}) }))
	b.ok(b.in.Deprecate(b.ours, team, "tool", "", map[string]string{"1.0.0": "", "1.1.0": "use own"}))
	wants("1.0.0", map[uuid.UUID]string{shared: "old", team: "", leaf: ""})
	wants("1.1.0", map[uuid.UUID]string{shared: "odd", team: "use own", leaf: "use own"})
	b.ok(b.in.Deprecate(b.ours, shared, "tool", "", map[string]string{"1.0.0": ""}))
	wants("1.0.0", map[uuid.UUID]string{shared: ""})
	if o := b.own(team, "tool"); o.Deprecated["1.1.0"] != "use own" || len(o.Deprecated) != 2 {
		t.Errorf("own = %v", o.Deprecated)
	}
	for name, c := range map[string]struct {
		version, message string
		kind             errs.Kind
		says             string
	}{
		"unknown version": {"9.0.0", "x", errs.NotFound, "9.0.0"},
		"no version":      {"all", "x", errs.Invalid, `"all"`},
		"too long":        {"1.0.0", strings.Repeat("é", 1001), errs.Invalid, "1001"},
	} {
		b.is(b.unchanged(name, func() error {
			return b.in.Deprecate(b.ours, shared, "tool", "", map[string]string{"1.1.0": "changed", c.version: c.message})
		}), c.kind, nil, c.says)
	}
	b.is(b.in.Deprecate(b.ours, shared, "nothing", "", map[string]string{"1.0.0": "x"}), errs.NotFound, nil, "nothing")
	if e := b.events("version:deprecate"); len(e) != 3 {
		t.Errorf("%d events", len(e))
	}
	b.foreign(map[string]func(context.Context) error{
		"deprecate": func(ctx context.Context) error {
			return b.in.Deprecate(ctx, shared, "tool", "", map[string]string{"1.0.0": "x"})
		},
	})
}

// TestR1_UpstreamsDeprecations: what a remote says against a version by now is
// said about a copy that came in before, and a registry can say otherwise, also
// about what it does not hold.
func TestR1_UpstreamsDeprecations(t *testing.T) {
	b := newBench(t)
	b.public.set("left-pad", "1.2.0|ancient", "1.3.0")
	fw := b.firewall("fw", from(b.remote("public", false)))
	team := b.team("team", above(fw))
	b.brings(team, "left-pad", "1.3.0")
	b.brings(team, "left-pad", "1.2.0")
	for v, want := range map[string]string{"1.2.0": "ancient", "1.3.0": ""} {
		if got := b.against(team, "left-pad", v); got != want {
			t.Errorf("%s: %q, want %q", v, got, want)
		}
	}
	b.public.set("left-pad", "1.2.0", "1.3.0|use padStart", "1.4.0|too")
	b.pass(2 * time.Hour)
	for v, want := range map[string]string{"1.2.0": "", "1.3.0": "use padStart", "1.4.0": "too"} {
		if got := b.against(team, "left-pad", v); got != want {
			t.Errorf("by now %s: %q, want %q", v, got, want)
		}
	}
	b.ok(b.in.Deprecate(b.ours, fw, "left-pad", "", map[string]string{"1.3.0": "", "1.4.0": "we know why"}))
	for v, want := range map[string]string{"1.3.0": "", "1.4.0": "we know why"} {
		if got := b.against(team, "left-pad", v); got != want {
			t.Errorf("after the firewall's word %s: %q, want %q", v, got, want)
		}
	}
	// A version that the remote does not have any more says what it said.
	b.public.set("left-pad", "1.4.0")
	b.pass(2 * time.Hour)
	if got := b.against(team, "left-pad", "1.2.0"); got != "ancient" {
		t.Errorf("of a version that is gone: %q", got)
	}
}
