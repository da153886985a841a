package intake_test

import (
	"context"
	"strings"
	"testing"

	"github.com/google/uuid"

	"sluice.dev/sluice/ent/db"
	"sluice.dev/sluice/tenants/catalog"
	"sluice.dev/sluice/tenants/coord"
	"sluice.dev/sluice/tenants/errs"
	"sluice.dev/sluice/tenants/intake"
	"sluice.dev/sluice/tenants/policy"
	"sluice.dev/sluice/tenants/scope"
)

var (
	allow, block = catalog.Allow, catalog.Block
)

// try publishes, and returns the error.
func (b *bench) try(reg uuid.UUID, pkg, v string) error {
	if _, err := b.blobs.Put(b.ours, strings.NewReader(pkg+"@"+v), 1<<20); err != nil {
		return err
	}
	_, err := b.in.Publish(b.ours, input(reg, pkg, v, "latest"))
	return err
}

// TestO5_PublishingWouldHide: a name that a public remote has, which the
// registry or one below it reaches, is refused with what would become hidden
// and where, and before bytes are sent; the publish switch lets it in.
func TestO5_PublishingWouldHide(t *testing.T) {
	b := newBench(t)
	b.public.set("left-pad", "1.1.0", "1.2.0", "1.3.0")
	fw := b.firewall("fw", from(b.remote("public", false)))
	shared := b.team("shared") // reaches nothing itself
	b.team("team-a", above(shared), above(fw))
	b.team("team-b", above(shared))
	b.team("aside", above(fw))
	err := b.unchanged("publish", func() error { return b.try(shared, "left-pad", "9.0.0") })
	b.is(err, errs.Forbidden, intake.ErrHides, "left-pad", `3 versions from "public" in the registry "team-a"`, `"shared"`, "ALLOW")
	for _, not := range []string{`"team-b"`, `"aside"`} {
		if strings.Contains(errs.Public(err), not) {
			t.Errorf("nothing becomes hidden in %s: %s", not, errs.Public(err))
		}
	}
	b.is(b.in.Check(b.ours, shared, "left-pad", "9.0.0"), errs.Forbidden, intake.ErrHides)
	_, err = b.in.Stage(b.ours, input(shared, "left-pad", "9.0.0"), "ann")
	b.is(err, errs.Forbidden, intake.ErrHides)
	b.ok(b.try(shared, "ours-alone", "1.0.0"))
	b.ok(b.in.SetNameSwitch(b.ours, shared, "left-pad", &allow, nil, "we took it over"))
	b.ok(b.in.Check(b.ours, shared, "left-pad", "9.0.0"))
	b.ok(b.try(shared, "left-pad", "9.0.0"))
	// From now on the name is owned, so the next version hides nothing more.
	b.ok(b.in.SetNameSwitch(b.ours, shared, "left-pad", nil, nil, "not needed any more"))
	b.ok(b.try(shared, "left-pad", "9.1.0"))
	if l := b.listed(shared, "left-pad"); l != "9.0.0 9.1.0" {
		t.Errorf("shared lists %s", l)
	}
}

// TestO2_PatchesStandBesideThePublic: a registry that is not internal hides
// nothing and asks nobody, and merges with its own upstreams too.
func TestO2_PatchesStandBesideThePublic(t *testing.T) {
	b := newBench(t)
	b.public.set("left-pad", "1.3.0")
	fw := b.firewall("fw", from(b.remote("public", false)))
	patches := b.patches("patches", above(fw))
	team := b.team("team", above(patches))
	b.ok(b.try(patches, "left-pad", "1.3.1-acme.1"))
	if b.public.heard("left-pad") {
		t.Error("the public source was asked about a patch")
	}
	for _, reg := range []uuid.UUID{patches, team} {
		if l := b.listed(reg, "left-pad"); l != "1.3.0 1.3.1-acme.1" {
			t.Errorf("lists %s", l)
		}
	}
	b.brings(team, "left-pad", "1.3.1-acme.1")
	if l := b.listed(team, "left-pad"); l != "1.3.0 1.3.1-acme.1" {
		t.Errorf("after the patch was fetched: %s", l)
	}
	if all, err := b.in.Ownerships(b.ours, intake.OwnershipQuery{}); err != nil || len(all) != 0 {
		t.Errorf("owned: %v, %v", all, err)
	}
}

// TestO5_UnknownFailsClosed: while it cannot be told whether a public remote
// has the name, nothing is published; what is remembered of a remote will do.
func TestO5_UnknownFailsClosed(t *testing.T) {
	b := newBench(t)
	b.public.set("left-pad", "1.3.0")
	team := b.team("team", from(b.remote("public", false)), from(b.remote("second", false)))
	if l := b.listed(team, "left-pad"); l != "1.3.0" {
		t.Fatal(l)
	}
	b.public.breaks("public", true)
	b.public.breaks("second", true)
	b.is(b.try(team, "left-pad", "9.0.0"), errs.Forbidden, intake.ErrHides, `1 version from`)
	b.is(b.unchanged("publish", func() error { return b.try(team, "new", "1.0.0") }), errs.Unavailable, nil, "new", "cannot be told")
	b.public.breaks("public", false)
	b.is(b.try(team, "new", "1.0.0"), errs.Unavailable, nil, `"second"`)
	b.ok(b.in.SetNameSwitch(b.ours, team, "new", &allow, nil, "it is ours"))
	b.ok(b.try(team, "new", "1.0.0"))
}

// TestO4_ReservedNamesAreNotAskedFor when they are published either.
func TestO4_ReservedNamesAreNotAskedFor(t *testing.T) {
	b := newBench(t)
	b.public.set("@acme/tool", "9.9.9")
	team := b.team("team", from(b.remote("public", false)))
	b.ok(b.db.InTx(b.ours, func(ctx context.Context, tx *db.Tx) error {
		org, err := scope.Org(ctx)
		if err != nil {
			return err
		}
		tx.Changed(db.Change{Kind: db.Config, Org: org})
		return tx.Ent.Organization.UpdateOneID(org).SetReservedPatterns([]coord.ReservedPattern{{Ecosystem: coord.NPM, Pattern: "@acme/*"}}).Exec(ctx)
	}))
	b.ok(b.try(team, "@acme/tool", "1.0.0"))
	if b.public.heard("@acme/tool") {
		t.Error("the name went out")
	}
	if l := b.listed(team, "@acme/tool"); l != "1.0.0" {
		t.Errorf("lists %s", l)
	}
}

// TestO5_BlockedNames are not published, whichever registry on the way down
// says so; the nearest one decides.
func TestO5_BlockedNames(t *testing.T) {
	b := newBench(t)
	parent := b.team("parent")
	team := b.team("team", above(parent))
	b.ok(b.in.SetNameSwitch(b.ours, parent, "tool", &block, nil, "use @acme/tool"))
	for _, reg := range []uuid.UUID{parent, team} {
		b.is(b.unchanged("publish", func() error { return b.try(reg, "tool", "1.0.0") }), errs.Forbidden, nil, `"parent"`, "use @acme/tool")
		b.is(b.in.Check(b.ours, reg, "tool", "1.0.0"), errs.Forbidden, nil, "use @acme/tool")
	}
	b.ok(b.in.SetNameSwitch(b.ours, team, "tool", &allow, nil, "an exception"))
	b.ok(b.try(team, "tool", "1.0.0"))
	b.is(b.try(parent, "tool", "1.0.0"), errs.Forbidden, nil)
}

// TestO5_UpstreamSwitch lets public versions in although the name is owned, and
// keeps them out although it is not, from the registry that says so on
// downward.
func TestO5_UpstreamSwitch(t *testing.T) {
	b := newBench(t)
	b.public.set("tool", "9.9.9")
	b.public.set("left-pad", "1.3.0")
	fw := b.firewall("fw", from(b.remote("public", false)))
	shared := b.team("shared")
	team := b.team("team", above(shared), above(fw))
	leaf := b.team("leaf", above(team))
	other := b.team("other", above(shared), above(fw))
	b.ok(b.in.SetNameSwitch(b.ours, shared, "tool", &allow, nil, "ours first"))
	b.ok(b.try(shared, "tool", "1.0.0"))
	lists := func(pkg string, want map[uuid.UUID]string) {
		t.Helper()
		for reg, w := range want {
			if l := b.listed(reg, pkg); l != w {
				t.Errorf("%s lists %q of %s, want %q", b.name(reg), l, pkg, w)
			}
		}
	}
	lists("tool", map[uuid.UUID]string{team: "1.0.0", leaf: "1.0.0", other: "1.0.0", fw: "9.9.9"})
	b.ok(b.in.SetNameSwitch(b.ours, team, "tool", nil, &allow, "both are needed"))
	lists("tool", map[uuid.UUID]string{team: "1.0.0 9.9.9", leaf: "1.0.0 9.9.9", other: "1.0.0", fw: "9.9.9"})
	b.ok(b.in.SetNameSwitch(b.ours, leaf, "tool", nil, &block, "not here"))
	lists("tool", map[uuid.UUID]string{team: "1.0.0 9.9.9", leaf: "1.0.0"})
	b.brings(team, "tool", "9.9.9")
	b.ok(b.in.SetNameSwitch(b.ours, team, "tool", nil, nil, "no more"))
	lists("tool", map[uuid.UUID]string{team: "1.0.0", leaf: "1.0.0"}) // what came in meanwhile is withheld

	lists("left-pad", map[uuid.UUID]string{fw: "1.3.0", team: "1.3.0", leaf: "1.3.0"})
	b.brings(team, "left-pad", "1.3.0")
	b.ok(b.in.SetNameSwitch(b.ours, fw, "left-pad", nil, &block, "abandoned"))
	v, err := b.gate.List(b.ours, team, npm("left-pad"))
	b.ok(err)
	d := v.Entry("1.3.0").Decision
	if !d.Withheld() || d.Decisive.Kind != policy.KindOwnership || !strings.Contains(d.Decisive.Reason, `the registry "fw": abandoned`) {
		t.Errorf("decision = %+v", d)
	}
	lists("left-pad", map[uuid.UUID]string{other: "", leaf: ""})
	b.ok(b.in.SetNameSwitch(b.ours, team, "left-pad", nil, &allow, "we read it"))
	lists("left-pad", map[uuid.UUID]string{team: "1.3.0", leaf: "1.3.0", other: ""})
}

// name is a registry's.
func (b *bench) name(reg uuid.UUID) (out string) {
	b.Helper()
	b.ok(b.db.InTx(b.ours, func(ctx context.Context, tx *db.Tx) error {
		r, err := tx.Ent.Registry.Get(ctx, reg)
		out = r.Name
		return err
	}))
	return out
}

// TestO5_SwitchesAreAudited, once per change, and are listed.
func TestO5_SwitchesAreAudited(t *testing.T) {
	b := newBench(t)
	team := b.team("team")
	b.ok(b.unchanged("no switch", func() error { return b.in.SetNameSwitch(b.ours, team, "tool", nil, nil, "x") }))
	b.ok(b.in.SetNameSwitch(b.ours, team, "tool", &allow, &block, "first"))
	b.ok(b.unchanged("the same", func() error { return b.in.SetNameSwitch(b.ours, team, "tool", &allow, &block, "again") }))
	b.ok(b.in.SetNameSwitch(b.ours, team, "tool", nil, &block, "second"))
	all, err := b.in.NameSwitches(b.ours, team, uuid.Nil, 0)
	b.ok(err)
	if len(all) != 1 || all[0].Publish != "" || all[0].Upstream != block || all[0].Reason != "second" || all[0].Package != npm("tool") {
		t.Errorf("switches = %+v", all)
	}
	b.ok(b.in.SetNameSwitch(b.ours, team, "tool", nil, nil, "third"))
	if all, err = b.in.NameSwitches(b.ours, team, uuid.Nil, 0); err != nil || len(all) != 0 {
		t.Errorf("switches = %+v, %v", all, err)
	}
	if e := b.events("name:switch"); len(e) != 3 || e[1].Reason != "second" {
		t.Errorf("%d events", len(e))
	}
	odd := "MAYBE"
	b.is(b.in.SetNameSwitch(b.ours, team, "tool", &odd, nil, "x"), errs.Invalid, nil, "MAYBE", "ALLOW or BLOCK")
	b.is(b.in.SetNameSwitch(b.ours, team, "tool", &allow, nil, " "), errs.Invalid, nil, "reason")
	b.foreign(map[string]func(context.Context) error{
		"set": func(ctx context.Context) error { return b.in.SetNameSwitch(ctx, team, "tool", &allow, nil, "x") },
	})
	b.ok(b.in.SetNameSwitch(b.ours, team, "tool", &allow, nil, "x"))
	if all, err = b.in.NameSwitches(b.theirs, uuid.Nil, uuid.Nil, 0); err != nil || len(all) != 0 {
		t.Errorf("theirs = %+v, %v", all, err)
	}
}

// TestO3_OwnershipOutlastsTheVersions until somebody lifts it with a reason.
func TestO3_OwnershipOutlastsTheVersions(t *testing.T) {
	b := newBench(t)
	fw := b.firewall("fw", from(b.remote("public", false)))
	shared := b.team("shared")
	team := b.team("team", above(shared), above(fw))
	b.public.set("tool", "9.9.9") // squatted
	b.ok(b.in.SetNameSwitch(b.ours, shared, "tool", &allow, nil, "ours"))
	b.ok(b.try(shared, "tool", "1.0.0"))
	b.ok(b.in.SetNameSwitch(b.ours, shared, "tool", nil, nil, "done"))
	b.brings(team, "tool", "1.0.0")
	all, err := b.in.Ownerships(b.ours, intake.OwnershipQuery{Prefix: "to"})
	b.ok(err)
	if len(all) != 2 || all[0].Package != npm("tool") || all[0].Since.IsZero() {
		t.Fatalf("owned: %+v", all)
	}
	if one, err := b.in.Ownerships(b.ours, intake.OwnershipQuery{Registry: shared, Limit: 1}); err != nil || len(one) != 1 || one[0].Registry != shared {
		t.Errorf("of one registry: %+v, %v", one, err)
	}
	if rest, err := b.in.Ownerships(b.ours, intake.OwnershipQuery{After: all[0].ID}); err != nil || len(rest) != 1 || rest[0].ID != all[1].ID {
		t.Errorf("the second page: %+v, %v", rest, err)
	}
	b.is(b.unchanged("lift", func() error { return b.in.LiftOwnership(b.ours, shared, "tool", "gone") }), errs.Conflict, nil, "still holds 1 version")
	b.ok(b.in.UnpublishPackage(b.ours, shared, "tool", ""))
	_, err = b.in.Delete(b.ours, team, "tool", "1.0.0", "gone")
	b.ok(err)
	if l := b.listed(team, "tool"); l != "NOT_FOUND" {
		t.Errorf("team lists %s", l)
	}
	if b.public.heard("tool") {
		t.Error("the public source was asked")
	}
	b.brings(fw, "tool", "9.9.9")
	if l := b.listed(team, "tool"); l != "" {
		t.Errorf("team lists %s, which the firewall holds", l)
	}
	b.is(b.in.LiftOwnership(b.ours, shared, "tool", ""), errs.Invalid, nil, "reason")
	b.ok(b.in.LiftOwnership(b.ours, shared, "tool", "given up"))
	b.is(b.unchanged("again", func() error { return b.in.LiftOwnership(b.ours, shared, "tool", "given up") }), errs.NotFound, nil, "does not own")
	if l := b.listed(team, "tool"); l != "" {
		t.Errorf("team owns it still, and lists %s", l)
	}
	b.ok(b.in.LiftOwnership(b.ours, team, "tool", "given up"))
	if l := b.listed(team, "tool"); l != "9.9.9" {
		t.Errorf("after lifting: %s", l)
	}
	if e := b.events("name:lift"); len(e) != 2 || e[0].Reason != "given up" {
		t.Errorf("%d events", len(e))
	}
	b.is(b.try(shared, "tool", "2.0.0"), errs.Forbidden, intake.ErrHides) // not ours any more
	b.foreign(map[string]func(context.Context) error{
		"lift": func(ctx context.Context) error { return b.in.LiftOwnership(ctx, shared, "tool", "x") },
	})
	if all, err := b.in.Ownerships(b.theirs, intake.OwnershipQuery{}); err != nil || len(all) != 0 {
		t.Errorf("theirs: %v, %v", all, err)
	}
}

// TestO3_InternalRemotesOwn what they list; publishing beside them asks no
// public source.
func TestO3_InternalRemotesOwn(t *testing.T) {
	b := newBench(t)
	b.public.set("tool", "1.0.0")
	team := b.team("team", from(b.remote("intern", true)), from(b.remote("public", false)))
	b.ok(b.try(team, "tool", "2.0.0"))
	b.brings(team, "tool", "1.0.0")
	if l := b.listed(team, "tool"); l != "1.0.0 2.0.0" {
		t.Errorf("lists %s", l)
	}
	b.public.breaks("intern", true)
	b.is(b.try(team, "other", "1.0.0"), errs.Unavailable, nil, `"intern"`)
}
