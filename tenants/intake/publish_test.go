package intake_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"

	"sluice.dev/sluice/ent/db"
	"sluice.dev/sluice/tenants/catalog"
	"sluice.dev/sluice/tenants/coord"
	"sluice.dev/sluice/tenants/errs"
	"sluice.dev/sluice/tenants/intake"
	"sluice.dev/sluice/tenants/scope"
)

// TestO1_PublishedIsInternal, with all that a publication writes, and nothing
// when it is refused.
func TestO1_PublishedIsInternal(t *testing.T) {
	b := newBench(t)
	team := b.team("team")
	b.ok(b.in.Check(b.ours, team, "tool", "1.0.0"))
	b.publish(team, "tool", "1.0.0", "latest")
	second := input(team, "tool", "1.1.0", "latest", "next")
	second.Maintainer = person("bob")
	_, err := b.in.Publish(b.ours, second)
	b.ok(err)
	o := b.own(team, "tool")
	if held(o) != "1.0.0 1.1.0" || o.Releases[0].Origin != coord.Internal || o.Revision != "2-0" || o.Tags["latest"] != "1.1.0" || o.Tags["next"] != "1.1.0" {
		t.Errorf("own = %+v", o)
	}
	if len(o.Maintainers) != 1 || o.Maintainers[0] != person("ann") {
		t.Errorf("maintainers = %v, want who published first", o.Maintainers)
	}
	if o.Created.IsZero() || !o.Modified.After(o.Created) {
		t.Errorf("created %v, modified %v", o.Created, o.Modified)
	}
	var about string
	b.ok(b.db.InTx(b.ours, func(ctx context.Context, tx *db.Tx) error {
		return tx.QueryRow(ctx, `SELECT about FROM package_names WHERE name = 'tool'`).Scan(&about)
	}))
	if about != "about tool" || len(b.events("version:publish")) != 2 {
		t.Errorf("about = %q, %d events", about, len(b.events("version:publish")))
	}
	for name, c := range map[string]struct {
		change   func(*intake.PublishInput)
		kind     errs.Kind
		sentinel error
		says     string
	}{
		"the same version":        {func(in *intake.PublishInput) {}, errs.Conflict, intake.ErrExists, "tool@1.0.0"},
		"the same, other bytes":   {func(in *intake.PublishInput) { in.Files = fileOf("other") }, errs.Conflict, intake.ErrExists, "publish another version"},
		"no version":              {func(in *intake.PublishInput) { in.Version = "one" }, errs.Invalid, nil, `"one"`},
		"no name":                 {func(in *intake.PublishInput) { in.Name = "Tool Box" }, errs.Invalid, nil, "Tool Box"},
		"no file":                 {func(in *intake.PublishInput) { in.Files = nil }, errs.Invalid, nil, "at least one file"},
		"a tag that is a range":   {func(in *intake.PublishInput) { in.Version, in.Tags = "2.0.0", []string{"1.x"} }, errs.Invalid, nil, "range"},
		"a maintainer sans name":  {func(in *intake.PublishInput) { in.Version, in.Maintainer = "2.0.0", coord.Person{Email: "x"} }, errs.Invalid, nil, "no name"},
		"a registry that is none": {func(in *intake.PublishInput) { in.Registry[0]++ }, errs.NotFound, nil, "no registry"},
	} {
		in := input(team, "tool", "1.0.0")
		c.change(&in)
		b.is(b.unchanged(name, func() error { _, err := b.in.Publish(b.ours, in); return err }), c.kind, c.sentinel, c.says)
	}
	b.is(b.in.Check(b.ours, team, "tool", "1.0.0"), errs.Conflict, intake.ErrExists)
	b.foreign(map[string]func(context.Context) error{
		"publish": func(ctx context.Context) error { _, err := b.in.Publish(ctx, input(team, "tool", "3.0.0")); return err },
		"check":   func(ctx context.Context) error { return b.in.Check(ctx, team, "tool", "3.0.0") },
		"own":     func(ctx context.Context) error { _, err := b.in.Own(ctx, team, "tool"); return err },
	})
}

// together runs functions at once and returns their errors.
func together(fns ...func() error) []error {
	out, start := make([]error, len(fns)), make(chan struct{})
	var all sync.WaitGroup
	for i, fn := range fns {
		all.Go(func() {
			<-start
			out[i] = fn()
		})
	}
	close(start)
	all.Wait()
	return out
}

// TestF7_OneOfManyPublishersWins, whatever bytes they have; the others hear
// that the version exists.
func TestF7_OneOfManyPublishersWins(t *testing.T) {
	b := newBench(t)
	team := b.team("team")
	for round := range 5 {
		v := fmt.Sprintf("1.0.%d", round)
		fns := make([]func() error, 6)
		for i := range fns {
			in := input(team, "tool", v, "latest")
			in.Files = fileOf(fmt.Sprint("bytes of ", i%3))
			fns[i] = func() error { _, err := b.in.Publish(b.ours, in); return err }
		}
		won := 0
		for _, err := range together(fns...) {
			if err == nil {
				won++
				continue
			}
			b.is(err, errs.Conflict, intake.ErrExists)
		}
		if won != 1 {
			t.Fatalf("%d publishers won", won)
		}
	}
	if n := len(b.events("version:publish")); n != 5 {
		t.Errorf("%d publications are audited", n)
	}
	if o := b.own(team, "tool"); len(o.Releases) != 5 || o.Revision != "5-0" {
		t.Errorf("own = %s at %s", held(o), o.Revision)
	}
}

// TestQ3_PublishAgainstHold: whichever comes first, a version on hold is never
// served.
func TestQ3_PublishAgainstHold(t *testing.T) {
	b := newBench(t)
	team := b.team("team")
	b.publish(team, "tool", "0.1.0")
	for round := range 8 {
		v := fmt.Sprintf("1.0.%d", round)
		got := together(
			func() error { _, err := b.in.Publish(b.ours, input(team, "tool", v)); return err },
			func() error { b.hold(team, "tool", v); return nil },
		)
		if got[0] != nil {
			b.is(got[0], errs.Conflict, intake.ErrOnHold, "looks odd")
		}
		if l := b.listed(team, "tool"); l != "0.1.0" {
			t.Errorf("round %d: %v: lists %s", round, got[0], l)
		}
	}
	b.is(b.unchanged("publish on hold", func() error { _, err := b.in.Publish(b.ours, input(team, "tool", "1.0.0")); return err }), errs.Conflict, nil)
	b.hold(team, "tool", "2.0.0")
	b.is(b.in.Check(b.ours, team, "tool", "2.0.0"), errs.Conflict, intake.ErrOnHold, "looks odd")
}

// TestF7_StaleRevisions: of two who read the same state, the second to write is
// refused, whatever the two do.
func TestF7_StaleRevisions(t *testing.T) {
	b := newBench(t)
	team := b.team("team")
	b.publish(team, "tool", "1.0.0", "latest")
	b.publish(team, "tool", "1.1.0", "latest")
	stale := b.own(team, "tool").Revision
	b.publish(team, "tool", "2.0.0", "latest")
	for name, fn := range map[string]func() error{
		"unpublish":         func() error { return b.in.Unpublish(b.ours, team, "tool", stale, []string{"1.0.0"}) },
		"unpublish package": func() error { return b.in.UnpublishPackage(b.ours, team, "tool", stale) },
		"deprecate": func() error {
			return b.in.Deprecate(b.ours, team, "tool", stale, map[string]string{"1.0.0": "old"})
		},
		"maintainers": func() error { return b.in.SetMaintainers(b.ours, team, "tool", stale, []coord.Person{person("eve")}) },
	} {
		b.is(b.unchanged(name, fn), errs.Conflict, intake.ErrStale, stale, b.own(team, "tool").Revision)
	}
	// At once: a publication and an unpublication of what was read before it.
	for round := range 6 {
		read := b.own(team, "tool").Revision
		v := fmt.Sprintf("3.0.%d", round)
		got := together(
			func() error { _, err := b.in.Publish(b.ours, input(team, "tool", v, "latest")); return err },
			func() error { return b.in.UnpublishPackage(b.ours, team, "tool", read) },
		)
		b.ok(got[0])
		if got[1] != nil {
			b.is(got[1], errs.Conflict, intake.ErrStale)
		} else if o := b.own(team, "tool"); held(o) != v {
			t.Errorf("round %d: the package went first, and now has %s", round, held(o))
		}
	}
}

// TestD1_TheDeletedDoesNotComeBack by publication, in other bytes or under
// another number.
func TestD1_TheDeletedDoesNotComeBack(t *testing.T) {
	b := newBench(t)
	fw := b.firewall("fw")
	team := b.team("team", above(fw))
	b.publish(fw, "tool", "1.0.0")
	b.hold(fw, "tool", "1.0.0")
	_, err := b.in.Delete(b.ours, fw, "tool", "1.0.0", "malware")
	b.ok(err)
	again := input(team, "tool", "2.0.0")
	again.Files = fileOf("tool@1.0.0")
	_, err = b.in.Publish(b.ours, again)
	b.is(err, errs.Conflict, nil, "the same bytes", "tool@1.0.0")
	_, err = b.in.Publish(b.ours, input(team, "tool", "1.0.0"))
	b.is(err, errs.Conflict, nil, "deleted for security", `"fw"`)
	b.is(b.in.Check(b.ours, team, "tool", "1.0.0"), errs.Conflict, nil, "deleted for security")
	if errors.Is(err, intake.ErrSpent) {
		t.Error("its number is spent, so lifting the tombstone would not bring it back")
	}
}

// TestR11_ArchivedRegistriesTakeNoChange of any kind.
func TestR11_ArchivedRegistriesTakeNoChange(t *testing.T) {
	b := newBench(t)
	team := b.team("team")
	b.publish(team, "tool", "1.0.0", "latest", "old")
	b.ok(b.db.InTx(b.ours, func(ctx context.Context, tx *db.Tx) error {
		org, err := scope.Org(ctx)
		if err != nil {
			return err
		}
		tx.Changed(db.Change{Kind: db.Config, Org: org})
		return tx.Ent.Registry.UpdateOneID(team).SetArchivedAt(b.now()).Exec(ctx)
	}))
	allow := catalog.Allow
	for name, fn := range map[string]func() error{
		"publish":     func() error { _, err := b.in.Publish(b.ours, input(team, "tool", "1.1.0")); return err },
		"stage":       func() error { _, err := b.in.Stage(b.ours, input(team, "tool", "1.1.0"), "ann"); return err },
		"tag":         func() error { return b.in.SetTag(b.ours, team, "tool", "edge", "1.0.0") },
		"remove tag":  func() error { return b.in.RemoveTag(b.ours, team, "tool", "old") },
		"deprecate":   func() error { return b.in.Deprecate(b.ours, team, "tool", "", map[string]string{"1.0.0": "old"}) },
		"unpublish":   func() error { return b.in.Unpublish(b.ours, team, "tool", "", []string{"1.0.0"}) },
		"package":     func() error { return b.in.UnpublishPackage(b.ours, team, "tool", "") },
		"maintainers": func() error { return b.in.SetMaintainers(b.ours, team, "tool", "", []coord.Person{person("eve")}) },
		"star":        func() error { return b.in.Star(b.ours, team, "tool", "ann", true) },
		"lift":        func() error { return b.in.LiftOwnership(b.ours, team, "tool", "x") },
		"switch":      func() error { return b.in.SetNameSwitch(b.ours, team, "tool", &allow, nil, "x") },
	} {
		b.is(b.unchanged(name, fn), errs.Conflict, nil, "archived", `"team"`)
	}
}
