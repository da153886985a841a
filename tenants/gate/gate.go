package gate

import (
	"context"
	"math"
	"time"

	"github.com/google/uuid"
	"github.com/maypok86/otter/v2"
	"golang.org/x/sync/semaphore"

	"sluice.dev/sluice/ent/db"
	"sluice.dev/sluice/tenants/advisory"
	"sluice.dev/sluice/tenants/audit"
	"sluice.dev/sluice/tenants/blob"
	"sluice.dev/sluice/tenants/coord"
	"sluice.dev/sluice/tenants/errs"
	"sluice.dev/sluice/tenants/quarantine"
	"sluice.dev/sluice/tenants/registry"
	"sluice.dev/sluice/tenants/scope"
)

// Config is what a gate is made of.
type Config struct {
	DB         *db.DB
	Blobs      blob.Store
	Shapes     *registry.Snapshots
	Advisories *advisory.Service
	Quarantine *quarantine.Service
	Decisions  *audit.Decisions
	Protocols  []Protocol
	Now        func() time.Time

	Fresh        time.Duration // how long a remote's document is not asked for again; default 5 minutes (R3)
	Background   time.Duration // how long after that it is served at once while one revalidation runs; default 1 hour
	Stale        time.Duration // how long it is served while the remote fails; default 7 days
	MaxFile      int64         // bytes of one file; default 5 GiB
	RenderBudget int64         // bytes of rendered answers in memory; default 128 MiB
	DecodeBudget int64         // bytes of decoded documents in memory; default 128 MiB
	ViewBudget   int64         // bytes of compiled views in memory, with what they keep of documents; default 512 MiB
}

// Gate answers List and Open. One per node.
type Gate struct {
	Config
	protocols map[coord.Ecosystem]Protocol
	renders   *Renders
	views     *otter.Cache[viewKey, *View]
	listings  *otter.Cache[string, *Listing]
	documents *otter.Cache[docKey, *document]
	compiling shared[compileKey, *View]
	fetching  shared[docKey, *document]
	keeping   shared[runKey, struct{}]
	gens      gens
	flights   flights
	running   running
	advising  *semaphore.Weighted // [Gate.Advise]
	searches  *otter.Cache[searchKey, searchPage]
	searching shared[searchKey, searchPage]
	told      *otter.Cache[mismatch, struct{}] // content mismatches that have a finding

	life context.Context // of the node: shared work belongs to it, not to the first client
	work tasks
}

type viewKey struct {
	org, registry uuid.UUID
	pkg           coord.Package
}

// compileKey names a compilation: who asks after a change must not get what was
// read before it.
type compileKey struct {
	viewKey
	at stamp
}

// New returns a gate whose shared work ends with the context. Call Wait after
// that.
func New(life context.Context, c Config) *Gate {
	orDefault(&c.Fresh, 5*time.Minute)
	orDefault(&c.Background, time.Hour)
	orDefault(&c.Stale, 7*24*time.Hour)
	orDefault(&c.MaxFile, 5<<30)
	orDefault(&c.RenderBudget, 128<<20)
	orDefault(&c.DecodeBudget, 128<<20)
	orDefault(&c.ViewBudget, 512<<20)
	g := &Gate{Config: c, life: life, protocols: map[coord.Ecosystem]Protocol{}, renders: NewRenders(c.RenderBudget),
		views: otter.Must(&otter.Options[viewKey, *View]{MaximumWeight: uint64(c.ViewBudget),
			Weigher: func(_ viewKey, v *View) uint32 { return v.weight() }}),
		listings: otter.Must(&otter.Options[string, *Listing]{MaximumWeight: uint64(c.DecodeBudget),
			Weigher: func(_ string, l *Listing) uint32 { return bounded(1024 + len(l.Raw) + 512*len(l.Versions)) }}),
		documents: otter.Must(&otter.Options[docKey, *document]{MaximumSize: 200_000}),
		searches:  otter.Must(&otter.Options[searchKey, searchPage]{MaximumSize: 2000}),
		told:      otter.Must(&otter.Options[mismatch, struct{}]{MaximumSize: 20_000}),
	}
	g.gens = newGens()
	g.advising = semaphore.NewWeighted(maxAdvised)
	for _, p := range c.Protocols {
		g.protocols[p.Ecosystem()] = p
	}
	c.DB.Feed.Subscribe(g.changed, g.forget)
	g.work.run(g.watch)
	return g
}

// bounded is a weight as the caches want it.
func bounded(n int) uint32 { return uint32(min(n, math.MaxUint32)) }

func orDefault[T ~int64](v *T, d T) {
	if *v == 0 {
		*v = d
	}
}

// Wait returns when the shared work has ended, after the life's context has.
func (g *Gate) Wait() { g.work.wait() }

// List returns the view of a package in a registry: which versions there are,
// which are withheld and why. Whether the caller may read the registry has been
// decided before.
//
// Errors: NotFound when no source knows the name, Upstream or Unavailable when
// a source fails and nothing is remembered (R1).
func (g *Gate) List(ctx context.Context, reg uuid.UUID, pkg coord.Package) (*View, error) {
	v, err := g.look(ctx, reg, pkg)
	if err != nil {
		return nil, err
	}
	if len(v.Entries) == 0 {
		return nil, errs.New(errs.NotFound, "list", "the package %s is not known in the registry %q or above it", pkg.Name, v.Name)
	}
	return v, nil
}

// look returns the view of now, also one without entries.
func (g *Gate) look(ctx context.Context, reg uuid.UUID, pkg coord.Package) (*View, error) {
	org, err := scope.Org(ctx)
	if err != nil {
		return nil, err
	}
	key := viewKey{org, reg, pkg}
	if !g.DB.Feed.Trusted() {
		return g.compileAlone(ctx, key)
	}
	if v, ok := g.views.GetIfPresent(key); ok && g.current(v) {
		return v, nil
	}
	for range 4 {
		at := g.gens.of(org, pkg)
		v, err := g.compiling.do(ctx, g, compileKey{key, at}, func(ctx context.Context) (*View, error) {
			v, err := g.compile(ctx, key)
			if err == nil {
				v.stamp = at
				if at == g.gens.of(org, pkg) {
					g.views.Set(key, v)
				}
			}
			return v, err
		})
		if err != nil || at == g.gens.of(org, pkg) {
			return v, err
		}
	}
	// Something keeps changing; what this caller needs is the state of now.
	return g.compileAlone(ctx, key)
}

func (g *Gate) compileAlone(ctx context.Context, key viewKey) (*View, error) {
	at := g.gens.of(key.org, key.pkg)
	v, err := g.compile(ctx, key)
	if err == nil {
		v.stamp = at
	}
	return v, err
}

// current reports whether a view is still true, and starts revalidations that
// have become due.
func (g *Gate) current(v *View) bool {
	now := g.Now()
	if v.stamp != g.gens.of(v.Org, v.Package) || !v.ValidUntil.IsZero() && !now.Before(v.ValidUntil) {
		return false
	}
	for i := range v.sources {
		s := &v.sources[i]
		if newer, ok := g.documents.GetIfPresent(s.doc.key); ok && newer != s.doc || s.failing != s.doc.failing() {
			return false
		}
		switch g.age(s.doc, now) {
		case expired:
			return false
		case due:
			g.revalidate(v.Org, s.remote, s.doc)
		}
	}
	return true
}

func (g *Gate) protocol(e coord.Ecosystem) (Protocol, error) {
	p := g.protocols[e]
	if p == nil {
		return nil, errs.New(errs.Invalid, "gate", "the %s protocol is not built yet", e)
	}
	return p, nil
}
