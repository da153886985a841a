package intake_test

import (
	"context"
	"testing"

	"github.com/google/uuid"

	"sluice.dev/sluice/tenants/catalog"
	"sluice.dev/sluice/tenants/errs"
	"sluice.dev/sluice/tenants/intake"
)

// TestF7_StagedVersions are served to nobody until somebody approves them, and
// are then as if they had been published.
func TestF7_StagedVersions(t *testing.T) {
	b := newBench(t)
	team := b.team("team")
	in := input(team, "tool", "1.0.0", "latest")
	in.Files = append(in.Files, catalog.StoredFile{Name: "tool-1.0.0.sigstore", Blob: fileOf("bundle")[0].Blob})
	id, err := b.in.Stage(b.ours, in, "ann")
	b.ok(err)
	if l := b.listed(team, "tool"); l != "NOT_FOUND" {
		t.Errorf("lists %s", l)
	}
	_, err = b.in.Stage(b.ours, in, "bob")
	b.is(err, errs.Conflict, nil, "waits for approval already")
	other, err := b.in.Stage(b.ours, input(team, "lib", "1.0.0"), "bob")
	b.ok(err)
	all, total, err := b.in.Staged(b.ours, intake.StagedQuery{Registry: team, Limit: 1})
	b.ok(err)
	if total != 2 || len(all) != 1 || all[0].ID != id || all[0].By != "ann" || all[0].Version != version("tool", "1.0.0") || len(all[0].Files) != 2 || all[0].Tags[0] != "latest" {
		t.Errorf("staged = %+v of %d", all, total)
	}
	if all, total, err = b.in.Staged(b.ours, intake.StagedQuery{Registry: team, Name: "lib"}); err != nil || total != 1 || all[0].ID != other {
		t.Errorf("of lib: %+v of %d, %v", all, total, err)
	}
	if all, total, err = b.in.Staged(b.ours, intake.StagedQuery{Registry: team, Offset: 1}); err != nil || total != 2 || len(all) != 1 || all[0].ID != other {
		t.Errorf("the second page: %+v of %d, %v", all, total, err)
	}
	elsewhere := b.team("elsewhere")
	for name, ctx := range map[string]context.Context{"ours": b.ours, "theirs": b.theirs} {
		reg := elsewhere
		if name == "theirs" {
			reg = team
		}
		for what, fn := range map[string]func() error{
			"one":     func() error { _, err := b.in.StagedOne(ctx, reg, id); return err },
			"approve": func() error { _, err := b.in.Approve(ctx, reg, id, "eve"); return err },
			"drop":    func() error { return b.in.Drop(ctx, reg, id, "eve") },
		} {
			b.is(b.unchanged(what+" "+name, fn), errs.NotFound, nil)
		}
	}
	got := together(
		func() error { _, err := b.in.Approve(b.ours, team, id, "bob"); return err },
		func() error { _, err := b.in.Approve(b.ours, team, id, "cat"); return err },
	)
	if (got[0] == nil) == (got[1] == nil) {
		t.Errorf("approved twice or never: %v", got)
	}
	o := b.own(team, "tool")
	if held(o) != "1.0.0" || len(o.Releases[0].Files) != 2 || o.Tags["latest"] != "1.0.0" || o.Maintainers[0] != person("ann") {
		t.Errorf("own = %+v", o)
	}
	b.ok(b.in.Drop(b.ours, team, other, "ann"))
	b.is(b.in.Drop(b.ours, team, other, "ann"), errs.NotFound, nil)
	for action, n := range map[string]int{"version:stage": 2, "version:approve": 1, "version:drop": 1, "version:publish": 1} {
		if got := len(b.events(action)); got != n {
			t.Errorf("%d events %s, want %d", got, action, n)
		}
	}
	b.foreign(map[string]func(context.Context) error{
		"stage": func(ctx context.Context) error { _, err := b.in.Stage(ctx, in, "eve"); return err },
		"list": func(ctx context.Context) error {
			_, _, err := b.in.Staged(ctx, intake.StagedQuery{Registry: team})
			return err
		},
	})
}

// TestF7_ApprovalIsAPublication: what may not be published by now waits on.
func TestF7_ApprovalIsAPublication(t *testing.T) {
	b := newBench(t)
	team := b.team("team")
	stage := func(v string) uuid.UUID {
		id, err := b.in.Stage(b.ours, input(team, "tool", v), "ann")
		b.ok(err)
		return id
	}
	exists, held := stage("1.0.0"), stage("1.1.0")
	b.publish(team, "tool", "1.0.0")
	b.hold(team, "tool", "1.1.0")
	for id, sentinel := range map[uuid.UUID]error{exists: intake.ErrExists, held: intake.ErrOnHold} {
		b.is(b.unchanged("approve", func() error { _, err := b.in.Approve(b.ours, team, id, "bob"); return err }), errs.Conflict, sentinel)
		_, err := b.in.StagedOne(b.ours, team, id)
		b.ok(err)
	}
	_, err := b.in.Stage(b.ours, input(team, "tool", "1.0.0"), "ann")
	b.is(err, errs.Conflict, intake.ErrExists)
	_, err = b.in.Stage(b.ours, input(team, "tool", "1.1.0"), "ann")
	b.is(err, errs.Conflict, intake.ErrOnHold)
	three := input(team, "tool", "3.0.0")
	three.Files = append(append(three.Files, fileOf("b")...), fileOf("c")...)
	_, err = b.in.Stage(b.ours, three, "ann")
	b.is(err, errs.Invalid, nil, "3 files")
}
