package registry_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/uuid"

	"sluice.dev/sluice/ent/db"
	"sluice.dev/sluice/ent/db/dbtest"
	"sluice.dev/sluice/ent/upstream"
	"sluice.dev/sluice/tenants/coord"
	"sluice.dev/sluice/tenants/errs"
	"sluice.dev/sluice/tenants/registry"
)

// TestR8_CycleShowsThePath: an edge that would close a circle is refused with
// the whole way round, and changes nothing.
func TestR8_CycleShowsThePath(t *testing.T) {
	b := newBench(t)
	ids := b.chain("c", 4) // c3 -> c2 -> c1 -> c0
	before := b.all()
	_, err := b.svc.AddUpstream(b.ours, registry.UpstreamInput{Registry: ids[0], Source: ids[3]})
	b.is(err, errs.Invalid, "c0 -> c3 -> c2 -> c1 -> c0")
	_, err = b.svc.AddUpstream(b.ours, registry.UpstreamInput{Registry: ids[1], Source: ids[1]})
	b.is(err, errs.Invalid, "c1 -> c1")
	if b.all() != before || len(b.sources(ids[0])) != 0 {
		t.Error("a refused edge left something behind")
	}
	b.link(ids[3], ids[0]) // a second way up is none
}

func TestR8_OneEcosystem(t *testing.T) {
	b := newBench(t)
	npm := b.registry("npm")
	pypi := b.make(b.ours, registry.CreateInput{Kind: registry.PackageRegistry, Name: "pypi", Ecosystem: coord.PyPI}).ID
	_, err := b.svc.AddUpstream(b.ours, registry.UpstreamInput{Registry: npm, Source: pypi})
	b.is(err, errs.Invalid, `"pypi" is of PYPI`, `"npm" is of NPM`)
	_, err = b.svc.AddUpstream(b.ours, registry.UpstreamInput{Registry: pypi, Remote: b.remote("public")})
	b.is(err, errs.Invalid, `"public" is a source of NPM`, `"pypi" is of PYPI`)
}

// TestR8_OneOrganization: what belongs to another organization does not exist.
func TestR8_OneOrganization(t *testing.T) {
	b := newBench(t)
	ours, remote := b.registry("ours"), b.remote("public")
	theirs := b.make(b.theirs, registry.CreateInput{Kind: registry.PackageRegistry, Name: "ours"}).ID // the same name is fine
	for _, in := range []registry.UpstreamInput{{Registry: ours, Source: theirs}, {Registry: theirs, Source: ours}, {Registry: theirs, Remote: remote}} {
		_, err := b.svc.AddUpstream(b.ours, in)
		b.is(err, errs.NotFound)
	}
	_, err := b.svc.AddUpstream(b.theirs, registry.UpstreamInput{Registry: theirs, Remote: remote})
	b.is(err, errs.NotFound, "there is no remote")
}

// TestR8_Depth: eight registries on the longest way up, counted for everything
// below the new edge, and the message shows the way.
func TestR8_Depth(t *testing.T) {
	b := newBench(t)
	upper, lower := b.chain("up", 5), b.chain("low", 4)
	_, err := b.svc.AddUpstream(b.ours, registry.UpstreamInput{Registry: lower[0], Source: upper[4]})
	b.is(err, errs.Invalid, `above "low3"`, "9 registries deep", "limit is 8", "low3 -> low2 -> low1 -> low0 -> up4 -> up3 -> up2 -> up1 -> up0")
	b.link(lower[0], upper[3]) // eight
	side := b.registry("side")
	_, err = b.svc.AddUpstream(b.ours, registry.UpstreamInput{Registry: upper[0], Source: side})
	b.is(err, errs.Invalid, "9 registries deep")
}

func TestR8_DirectUpstreams(t *testing.T) {
	b := newBench(t)
	id := b.registry("many")
	for i := range registry.MaxUpstreams - 1 {
		b.link(id, b.registry(fmt.Sprintf("s%d", i)))
	}
	_, err := b.svc.AddUpstream(b.ours, registry.UpstreamInput{Registry: id, Remote: b.remote("public")})
	b.ok(err) // the twenty-fifth
	_, err = b.svc.AddUpstream(b.ours, registry.UpstreamInput{Registry: id, Remote: b.remote("other")})
	b.is(err, errs.Invalid, `"many" has 25 upstreams`)
	_, err = b.svc.AddUpstream(b.ours, registry.UpstreamInput{Registry: id, Source: b.registry("one-more")})
	b.is(err, errs.Invalid, "25")
}

// TestR8_Reachable: a hundred registries upward, each counted once.
func TestR8_Reachable(t *testing.T) {
	b := newBench(t)
	bottom := b.registry("bottom")
	n := 0
	for hub := range 5 {
		h := b.registry(fmt.Sprintf("hub%d", hub))
		n++
		for range 19 {
			n++
			b.link(h, b.registry(fmt.Sprintf("leaf%d", n)))
		}
		b.link(bottom, h) // with the fifth one, a hundred are reachable
	}
	one := b.registry("one-more")
	_, err := b.svc.AddUpstream(b.ours, registry.UpstreamInput{Registry: bottom, Source: one})
	b.is(err, errs.Invalid, `"bottom" would reach 101 registries`, "limit is 100")
	hub, err := b.shapes.Of(b.ours)
	b.ok(err)
	_, err = b.svc.AddUpstream(b.ours, registry.UpstreamInput{Registry: hub.Named(coord.NPM, "hub0").ID, Source: one})
	b.is(err, errs.Invalid, `"bottom" would reach 101`) // also when the edge is further up
	if up := len(hub.Node(bottom).Upward()); up != 101 {
		t.Errorf("the walk meets %d registries, the bottom one included", up)
	}
}

// TestR8_DiamondsCostNothing: seven levels of five registries, each below all of
// the level above, have 5^7 ways up and 35 registries.
func TestR8_DiamondsCostNothing(t *testing.T) {
	b := newBench(t)
	var above []uuid.UUID
	for level := range 7 {
		var here []uuid.UUID
		for i := range 5 {
			here = append(here, b.registry(fmt.Sprintf("l%d-%d", level, i), above...))
		}
		above = here
	}
	bottom := b.registry("bottom", above...)
	snap, err := b.shapes.Of(b.ours)
	b.ok(err)
	if n := len(snap.Node(bottom).Upward()); n != 36 {
		t.Errorf("%d registries upward", n)
	}
	if n := len(snap.Named(coord.NPM, "l0-0").Downward()); n != 31 {
		t.Errorf("%d registries downward", n)
	}
	_, err = b.svc.AddUpstream(b.ours, registry.UpstreamInput{Registry: snap.Named(coord.NPM, "l0-0").ID, Source: bottom})
	b.is(err, errs.Invalid, "circle")
}

// TestR8_ConcurrentEdges: edges that are each fine, and together a circle, are
// not all let in, whichever node they are added on.
func TestR8_ConcurrentEdges(t *testing.T) {
	b := newBench(t)
	other := *b.svc
	other.DB = dbtest.Open(t, b.url)
	for round := range 10 {
		const n = 4
		var ids [n]uuid.UUID
		for i := range ids {
			ids[i] = b.registry(fmt.Sprintf("r%d-%d", round, i))
		}
		var wg sync.WaitGroup
		errors := make([]error, n)
		for i := range n {
			svc := b.svc
			if i%2 == 1 {
				svc = &other
			}
			wg.Go(func() {
				_, errors[i] = svc.AddUpstream(b.ours, registry.UpstreamInput{Registry: ids[i], Source: ids[(i+1)%n]})
			})
		}
		wg.Wait()
		refused := 0
		for _, err := range errors {
			if err != nil {
				b.is(err, errs.Invalid, "circle")
				refused++
			}
		}
		if refused != 1 {
			t.Fatalf("round %d: %d of %d edges of a circle were refused, want one: %v", round, refused, n, errors)
		}
	}
}

// TestR8_ConcurrentChangesOfOneRegistry: positions stay 0, 1, 2, … whatever
// happens at once, and an edge that is removed twice is gone once.
func TestR8_ConcurrentChangesOfOneRegistry(t *testing.T) {
	b := newBench(t)
	id := b.registry("busy")
	var doomed []uuid.UUID
	for i := range 4 {
		doomed = append(doomed, b.link(id, b.registry(fmt.Sprintf("old%d", i))).ID)
	}
	var wg sync.WaitGroup
	for i := range 6 {
		source := b.registry(fmt.Sprintf("new%d", i))
		wg.Go(func() {
			if _, err := b.svc.AddUpstream(b.ours, registry.UpstreamInput{Registry: id, Source: source, Position: ptr(i % 3)}); err != nil {
				t.Error(err)
			}
		})
	}
	missed := make(chan error, 2*len(doomed))
	for _, u := range append(doomed, doomed...) {
		wg.Go(func() {
			if err := b.svc.RemoveUpstream(b.ours, u, false); err != nil {
				missed <- err
			}
		})
	}
	wg.Wait()
	close(missed)
	if len(missed) != len(doomed) {
		t.Errorf("%d of %d second removals failed", len(missed), len(doomed))
	}
	for err := range missed {
		b.is(err, errs.NotFound, "no upstream")
	}
	if got := b.positions(id); !slices.Equal(got, []int{0, 1, 2, 3, 4, 5}) {
		t.Errorf("positions %v", got)
	}
}

func (b *bench) positions(id uuid.UUID) (out []int) {
	b.Helper()
	b.in(b.ours, func(ctx context.Context, tx *db.Tx) (err error) {
		out, err = tx.Ent.Upstream.Query().Where(upstream.RegistryID(id)).Order(upstream.ByPosition()).Select(upstream.FieldPosition).Ints(ctx)
		return err
	})
	return out
}

// TestUpstreams_Order: new edges go last or where they are told to, Reorder
// takes exactly the edges, and what changes nothing writes nothing.
func TestUpstreams_Order(t *testing.T) {
	b := newBench(t)
	a, c, d := b.registry("a"), b.registry("c"), b.registry("d")
	id := b.registry("r", a, c)
	first, err := b.svc.AddUpstream(b.ours, registry.UpstreamInput{Registry: id, Source: d, Position: ptr(0)})
	b.ok(err)
	for _, far := range []int{-5, 99} {
		if _, err := b.svc.AddUpstream(b.ours, registry.UpstreamInput{Registry: id, Remote: b.remote(fmt.Sprintf("far%d", max(far, 0))), Position: ptr(far)}); err != nil {
			t.Fatal(err)
		}
	}
	if got := b.sources(id); !slices.Equal(got, []string{"far0", "d", "a", "c", "far99"}) {
		t.Errorf("sources %v", got)
	}
	if got := b.positions(id); !slices.Equal(got, []int{0, 1, 2, 3, 4}) {
		t.Errorf("positions %v", got)
	}
	b.ok(b.svc.RemoveUpstream(b.ours, first.ID, false))
	var edges []uuid.UUID
	snap, err := b.shapes.Of(b.ours)
	b.ok(err)
	for _, e := range snap.Node(id).Edges {
		edges = append(edges, e.ID)
	}
	events := b.all()
	b.ok(b.svc.Reorder(b.ours, id, edges))
	if b.all() != events {
		t.Error("an order that was the order already left an audit event")
	}
	slices.Reverse(edges)
	b.ok(b.svc.Reorder(b.ours, id, edges))
	if got := b.sources(id); !slices.Equal(got, []string{"far99", "c", "a", "far0"}) {
		t.Errorf("sources after reordering %v", got)
	}
	for _, wrong := range [][]uuid.UUID{edges[1:], append(slices.Clone(edges[1:]), edges[1]), append(slices.Clone(edges[1:]), uuid.New()), nil} {
		b.is(b.svc.Reorder(b.ours, id, wrong), errs.Invalid, "4 upstreams exactly once")
	}
	_, err = b.svc.AddUpstream(b.ours, registry.UpstreamInput{Registry: id, Source: a})
	b.is(err, errs.Conflict, "has this upstream already")
	_, err = b.svc.AddUpstream(b.ours, registry.UpstreamInput{Registry: id})
	b.is(err, errs.Invalid, "exactly one")
	_, err = b.svc.AddUpstream(b.ours, registry.UpstreamInput{Registry: id, Source: a, Remote: a})
	b.is(err, errs.Invalid, "exactly one")
	b.is(b.svc.Reorder(b.theirs, id, edges), errs.NotFound)
	b.is(b.svc.RemoveUpstream(b.theirs, edges[0], true), errs.NotFound)
	b.is(b.svc.RemoveUpstream(b.ours, uuid.New(), true), errs.NotFound)
}

// TestR10_Patterns: what an edge carries, and that a pattern of another
// ecosystem's form is refused with its place.
func TestR10_Patterns(t *testing.T) {
	b := newBench(t)
	id := b.registry("r")
	_, err := b.svc.AddUpstream(b.ours, registry.UpstreamInput{Registry: id, Source: b.registry("s"), Include: []string{"@acme/*", "left-pad"}, Exclude: []string{"@acme/secret"}})
	b.ok(err)
	snap, err := b.shapes.Of(b.ours)
	b.ok(err)
	edge := snap.Node(id).Edges[0]
	for name, want := range map[string]bool{"@acme/ui": true, "left-pad": true, "@acme/secret": false, "right-pad": false, "acme": false} {
		if got := edge.Carries(coord.Package{Ecosystem: coord.NPM, Name: name}); got != want {
			t.Errorf("carries %s: %v", name, got)
		}
	}
	for _, in := range []registry.UpstreamInput{{Include: []string{"acme/*"}}, {Exclude: []string{""}}} {
		in.Registry, in.Source = id, b.registry(strings.ToLower("x"+uuid.NewString()))
		_, err := b.svc.AddUpstream(b.ours, in)
		b.is(err, errs.Invalid, "pattern")
	}
}
