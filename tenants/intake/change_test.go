package intake_test

import (
	"context"
	"slices"
	"strings"
	"testing"

	"sluice.dev/sluice/tenants/coord"
	"sluice.dev/sluice/tenants/errs"
	"sluice.dev/sluice/tenants/intake"
)

// TestF7_Tags: a registry's tags point at what it holds or lists; setting one
// twice writes nothing.
func TestF7_Tags(t *testing.T) {
	b := newBench(t)
	b.public.set("left-pad", "1.2.0", "1.3.0")
	team := b.team("team", from(b.remote("public", false)))
	b.publish(team, "@acme/tool", "1.0.0", "latest")
	b.publish(team, "@acme/tool", "2.0.0", "latest")
	b.ok(b.in.SetTag(b.ours, team, "@acme/tool", "stable", "1.0.0"))
	b.ok(b.unchanged("the same tag", func() error { return b.in.SetTag(b.ours, team, "@acme/tool", "stable", "1.0.0") }))
	b.ok(b.in.SetTag(b.ours, team, "left-pad", "ours", "1.2.0")) // which an upstream lists
	o := b.own(team, "@acme/tool")
	if o.Tags["stable"] != "1.0.0" || o.Tags["latest"] != "2.0.0" || o.Revision != "3-0" {
		t.Errorf("tags = %v at %s", o.Tags, o.Revision)
	}
	v, err := b.gate.List(b.ours, team, npm("left-pad"))
	b.ok(err)
	if v.Tags["ours"] != "1.2.0" || v.Tags["latest"] != "1.3.0" {
		t.Errorf("tags of left-pad = %v", v.Tags)
	}
	if o := b.own(team, "left-pad"); len(o.Releases) != 0 || o.Tags["ours"] != "1.2.0" {
		t.Errorf("own = %+v", o)
	}
	b.ok(b.in.RemoveTag(b.ours, team, "@acme/tool", "stable"))
	for name, c := range map[string]struct {
		fn   func() error
		kind errs.Kind
		says string
	}{
		"removed already":     {func() error { return b.in.RemoveTag(b.ours, team, "@acme/tool", "stable") }, errs.NotFound, `"stable"`},
		"latest":              {func() error { return b.in.RemoveTag(b.ours, team, "@acme/tool", "latest") }, errs.Invalid, "latest cannot be removed"},
		"unknown version":     {func() error { return b.in.SetTag(b.ours, team, "@acme/tool", "edge", "9.0.0") }, errs.NotFound, "9.0.0"},
		"unknown package":     {func() error { return b.in.SetTag(b.ours, team, "nothing", "edge", "9.0.0") }, errs.NotFound, "nothing"},
		"a range":             {func() error { return b.in.SetTag(b.ours, team, "@acme/tool", "^1", "1.0.0") }, errs.Invalid, "range"},
		"a version":           {func() error { return b.in.SetTag(b.ours, team, "@acme/tool", "v1.0.0", "1.0.0") }, errs.Invalid, "range"},
		"no name":             {func() error { return b.in.SetTag(b.ours, team, "@acme/tool", "", "1.0.0") }, errs.Invalid, "no name"},
		"a long name":         {func() error { return b.in.SetTag(b.ours, team, "@acme/tool", strings.Repeat("x", 215), "1.0.0") }, errs.Invalid, "214"},
		"a control char":      {func() error { return b.in.SetTag(b.ours, team, "@acme/tool", "a\nb", "1.0.0") }, errs.Invalid, "not allowed"},
		"what JSON hides":     {func() error { return b.in.SetTag(b.ours, team, "@acme/tool", "__proto__", "1.0.0") }, errs.Invalid, "__proto__"},
		"no version at all":   {func() error { return b.in.SetTag(b.ours, team, "@acme/tool", "edge", "next") }, errs.Invalid, `"next"`},
		"not a name of npm's": {func() error { return b.in.SetTag(b.ours, team, "../x", "edge", "1.0.0") }, errs.Invalid, "../x"},
	} {
		b.is(b.unchanged(name, c.fn), c.kind, nil, c.says)
	}
	b.hold(team, "@acme/tool", "1.0.0")
	b.is(b.unchanged("on hold", func() error { return b.in.SetTag(b.ours, team, "@acme/tool", "edge", "1.0.0") }), errs.Conflict, intake.ErrOnHold, "looks odd")
	if set, removed := b.events("tag:set"), b.events("tag:remove"); len(set) != 2 || len(removed) != 1 || *removed[0].RegistryID != team {
		t.Errorf("%d and %d events", len(set), len(removed))
	}
	b.foreign(map[string]func(context.Context) error{
		"set":    func(ctx context.Context) error { return b.in.SetTag(ctx, team, "@acme/tool", "edge", "2.0.0") },
		"remove": func(ctx context.Context) error { return b.in.RemoveTag(ctx, team, "@acme/tool", "next") },
	})
}

// TestF7_Unpublish: a number is spent, tags move, and the registry's other
// versions stay.
func TestF7_Unpublish(t *testing.T) {
	b := newBench(t)
	team := b.team("team")
	for _, v := range []string{"1.0.0", "1.1.0", "2.0.0", "3.0.0-rc.1", "2.1.0"} {
		b.publish(team, "tool", v, "latest")
	}
	b.ok(b.in.SetTag(b.ours, team, "tool", "old", "1.0.0"))
	b.ok(b.in.SetTag(b.ours, team, "tool", "new", "2.1.0"))
	b.ok(b.in.Deprecate(b.ours, team, "tool", "", map[string]string{"2.1.0": "bad", "1.0.0": "old"}))
	b.ok(b.in.Unpublish(b.ours, team, "tool", b.own(team, "tool").Revision, []string{"2.1.0", "2.1.0"}))
	o := b.own(team, "tool")
	if held(o) != "1.0.0 1.1.0 2.0.0 3.0.0-rc.1" || o.Tags["latest"] != "2.0.0" || o.Tags["old"] != "1.0.0" || len(o.Tags) != 2 || len(o.Deprecated) != 1 {
		t.Errorf("after one: %s, tags %v, deprecated %v", held(o), o.Tags, o.Deprecated)
	}
	if b.listed(team, "tool") != held(o) {
		t.Errorf("lists %s", b.listed(team, "tool"))
	}
	_, err := b.in.Publish(b.ours, input(team, "tool", "2.1.0"))
	b.is(err, errs.Conflict, intake.ErrSpent, "tool@2.1.0", "cannot be used again")
	b.is(b.in.Check(b.ours, team, "tool", "2.1.0"), errs.Conflict, intake.ErrSpent)
	// All or nothing.
	b.is(b.unchanged("one that is not there", func() error { return b.in.Unpublish(b.ours, team, "tool", "", []string{"1.0.0", "9.0.0"}) }), errs.NotFound, nil, "tool@9.0.0")
	b.is(b.unchanged("none", func() error { return b.in.Unpublish(b.ours, team, "tool", "", nil) }), errs.Invalid, nil, "at least one")
	b.ok(b.in.Unpublish(b.ours, team, "tool", "", []string{"1.0.0", "1.1.0", "2.0.0"}))
	if o = b.own(team, "tool"); o.Tags["latest"] != "3.0.0-rc.1" || len(o.Maintainers) != 1 {
		t.Errorf("with a prerelease alone: %v, %v", o.Tags, o.Maintainers)
	}
	b.ok(b.in.UnpublishPackage(b.ours, team, "tool", o.Revision))
	_, err = b.in.Own(b.ours, team, "tool")
	b.is(err, errs.NotFound, nil)
	b.is(b.unchanged("again", func() error { return b.in.UnpublishPackage(b.ours, team, "tool", "") }), errs.NotFound, nil, "nothing of tool")
	if n := len(b.events("version:unpublish")); n != 5 {
		t.Errorf("%d events", n)
	}
	// Whoever publishes it anew is its maintainer, at another revision.
	again := input(team, "tool", "4.0.0", "latest")
	again.Maintainer = person("bob")
	_, err = b.in.Publish(b.ours, again)
	b.ok(err)
	if n := b.own(team, "tool"); n.Maintainers[0] != person("bob") || n.Revision == "1-0" || n.Revision == o.Revision {
		t.Errorf("anew: %v at %s", n.Maintainers, n.Revision)
	}
	b.foreign(map[string]func(context.Context) error{
		"unpublish": func(ctx context.Context) error { return b.in.Unpublish(ctx, team, "tool", "", []string{"4.0.0"}) },
		"package":   func(ctx context.Context) error { return b.in.UnpublishPackage(ctx, team, "tool", "") },
	})
}

// TestQ3_NoUnpublishingOfWhatIsOnHold by the registry, or by a firewall above
// that no job has carried down yet (C2).
func TestQ3_NoUnpublishingOfWhatIsOnHold(t *testing.T) {
	b := newBench(t)
	fw := b.firewall("fw")
	team := b.team("team", above(fw))
	b.publish(team, "tool", "1.0.0", "latest")
	b.publish(team, "tool", "1.1.0", "latest")
	b.hold(team, "tool", "1.0.0")
	try := func() {
		t.Helper()
		b.is(b.unchanged("one", func() error { return b.in.Unpublish(b.ours, team, "tool", "", []string{"1.0.0"}) }), errs.Conflict, intake.ErrOnHold, "looks odd")
		b.is(b.unchanged("all", func() error { return b.in.UnpublishPackage(b.ours, team, "tool", "") }), errs.Conflict, intake.ErrOnHold, "tool@1.0.0")
	}
	try()
	// A copy with the firewall's bytes.
	b.publish(fw, "lib", "1.0.0")
	b.publish(team, "lib", "1.0.0")
	b.hold(fw, "lib", "1.0.0")
	b.is(b.unchanged("inherited", func() error { return b.in.Unpublish(b.ours, team, "lib", "", []string{"1.0.0"}) }), errs.Conflict, intake.ErrOnHold, "looks odd")
	b.is(b.unchanged("tagged", func() error { return b.in.SetTag(b.ours, team, "lib", "edge", "1.0.0") }), errs.Conflict, intake.ErrOnHold)
}

// TestD2_CopiesOfUpstreamsAreNotUnpublished: they are not the registry's own,
// be they public or another registry's.
func TestD2_CopiesOfUpstreamsAreNotUnpublished(t *testing.T) {
	b := newBench(t)
	b.public.set("left-pad", "1.3.0")
	patches := b.patches("patches")
	team := b.team("team", above(patches), from(b.remote("public", false)))
	b.publish(patches, "left-pad", "1.3.1-acme.1")
	b.brings(team, "left-pad", "1.3.0")
	b.brings(team, "left-pad", "1.3.1-acme.1")
	for _, v := range []string{"1.3.0", "1.3.1-acme.1"} {
		b.is(b.unchanged(v, func() error { return b.in.Unpublish(b.ours, team, "left-pad", "", []string{v}) }), errs.Conflict, nil, "left-pad@"+v, "copy from an upstream")
	}
	b.is(b.unchanged("package", func() error { return b.in.UnpublishPackage(b.ours, team, "left-pad", "") }), errs.Conflict, nil, "copies")
	_, err := b.in.Delete(b.ours, team, "left-pad", "1.3.0", "not needed")
	b.ok(err)
	if l := b.listed(team, "left-pad"); l != "1.3.0 1.3.1-acme.1" {
		t.Errorf("a deleted copy does not come back: %s", l)
	}
	b.ok(b.in.UnpublishPackage(b.ours, patches, "left-pad", ""))
}

// TestD2_DeletionSpendsWhatWasPublished there, and moves its tags, as
// unpublishing does.
func TestD2_DeletionSpendsWhatWasPublished(t *testing.T) {
	b := newBench(t)
	team := b.team("team")
	b.publish(team, "tool", "1.0.0", "latest")
	b.publish(team, "tool", "1.1.0", "latest", "next")
	read := b.own(team, "tool").Revision
	_, err := b.in.Delete(b.ours, team, "tool", "1.1.0", "broken")
	b.ok(err)
	if o := b.own(team, "tool"); o.Tags["latest"] != "1.0.0" || len(o.Tags) != 1 || o.Revision == read {
		t.Errorf("tags = %v at %s", o.Tags, o.Revision)
	}
	b.is(b.in.Check(b.ours, team, "tool", "1.1.0"), errs.Conflict, intake.ErrSpent)
}

// TestF7_MaintainersAndStars are kept by registry and package.
func TestF7_MaintainersAndStars(t *testing.T) {
	b := newBench(t)
	b.public.set("left-pad", "1.3.0")
	team := b.team("team", from(b.remote("public", false)))
	b.publish(team, "@acme/tool", "1.0.0")
	both := []coord.Person{person("bob"), person("ann")}
	b.ok(b.in.SetMaintainers(b.ours, team, "@acme/tool", b.own(team, "@acme/tool").Revision, both))
	b.ok(b.unchanged("the same maintainers", func() error { return b.in.SetMaintainers(b.ours, team, "@acme/tool", "", both) }))
	for _, pkg := range []string{"@acme/tool", "left-pad"} {
		b.ok(b.in.Star(b.ours, team, pkg, "ann", true))
		b.ok(b.in.Star(b.ours, team, pkg, "bob", true))
		b.ok(b.unchanged("the same star", func() error { return b.in.Star(b.ours, team, pkg, "bob", true) }))
		b.ok(b.in.Star(b.ours, team, pkg, "ann", false))
		b.ok(b.unchanged("no star", func() error { return b.in.Star(b.ours, team, pkg, "ann", false) }))
		if o := b.own(team, pkg); !slices.Equal(o.Stars, []string{"bob"}) {
			t.Errorf("%s: stars of %v", pkg, o.Stars)
		}
	}
	if o := b.own(team, "@acme/tool"); !slices.Equal(o.Maintainers, both) || o.Revision != "5-0" {
		t.Errorf("%v at %s", o.Maintainers, o.Revision)
	}
	for name, people := range map[string][]coord.Person{"nobody": {}, "no name": {{Email: "x@y"}}, "twice": {person("ann"), person("ann")},
		"too long": {person(strings.Repeat("x", 300))}, "a line": {{Name: "a\nb"}}} {
		b.is(b.unchanged(name, func() error { return b.in.SetMaintainers(b.ours, team, "@acme/tool", "", people) }), errs.Invalid, nil)
	}
	b.is(b.unchanged("an unknown package", func() error { return b.in.Star(b.ours, team, "nothing", "ann", true) }), errs.NotFound, nil)
	if n := len(b.events("package:star")); n != 6 {
		t.Errorf("%d stars are audited", n)
	}
	b.foreign(map[string]func(context.Context) error{
		"star": func(ctx context.Context) error { return b.in.Star(ctx, team, "@acme/tool", "eve", true) },
		"maintainers": func(ctx context.Context) error {
			return b.in.SetMaintainers(ctx, team, "@acme/tool", "", []coord.Person{person("eve")})
		},
	})
}
