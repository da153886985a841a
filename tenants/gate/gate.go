package gate

import (
	"context"
	"hash/maphash"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
	"github.com/maypok86/otter/v2"
	"golang.org/x/sync/singleflight"

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
}

// Gate answers List and Open. One per node.
type Gate struct {
	Config
	protocols map[coord.Ecosystem]Protocol
	renders   *renders
	views     *otter.Cache[viewKey, *View]
	listings  *otter.Cache[string, *Listing]
	documents *otter.Cache[docKey, *document]
	compiling singleflight.Group
	fetching  singleflight.Group
	gens      gens
	flights   flights
	running   running

	life context.Context // of the node: shared fetches belong to it, not to the first client
	work sync.WaitGroup
}

type viewKey struct {
	org, registry uuid.UUID
	pkg           coord.Package
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
	g := &Gate{Config: c, life: life, protocols: map[coord.Ecosystem]Protocol{}, renders: newRenders(c.RenderBudget),
		views: otter.Must(&otter.Options[viewKey, *View]{MaximumWeight: 2_000_000,
			Weigher: func(_ viewKey, v *View) uint32 { return uint32(16 + len(v.Entries)) }}),
		listings: otter.Must(&otter.Options[string, *Listing]{MaximumWeight: uint64(c.DecodeBudget),
			Weigher: func(_ string, l *Listing) uint32 { return uint32(1024 + 2*len(l.Raw)) }}),
		documents: otter.Must(&otter.Options[docKey, *document]{MaximumSize: 200_000}),
	}
	g.gens.seed = maphash.MakeSeed()
	for _, p := range c.Protocols {
		g.protocols[p.Ecosystem()] = p
	}
	c.DB.Feed.Subscribe(g.changed, g.forget)
	return g
}

func orDefault[T ~int64](v *T, d T) {
	if *v == 0 {
		*v = d
	}
}

// Wait returns when the shared work has ended, after the life's context has.
func (g *Gate) Wait() { g.work.Wait() }

// gens count changes, so that a view knows whether it is still true without
// anybody having to find it. Counters are shared by hash: a collision costs a
// compilation, never a wrong answer.
type gens struct {
	seed       maphash.Seed
	packages   [1 << 14]atomic.Uint64 // of one package in one organization
	advisories [1 << 14]atomic.Uint64 // about one package, for everybody
	orgs       [1 << 10]atomic.Uint64 // configuration
	all        atomic.Uint64
}

// stamp is the counters that a view depends on.
type stamp struct{ pkg, advisory, org, all uint64 }

func (n *gens) of(org uuid.UUID, pkg coord.Package) stamp {
	return stamp{n.pkg(org, pkg).Load(), n.advisory(pkg).Load(), n.org(org).Load(), n.all.Load()}
}

func (n *gens) pkg(org uuid.UUID, pkg coord.Package) *atomic.Uint64 {
	return &n.packages[maphash.Comparable(n.seed, viewKey{org: org, pkg: pkg})%uint64(len(n.packages))]
}

func (n *gens) advisory(pkg coord.Package) *atomic.Uint64 {
	return &n.advisories[maphash.Comparable(n.seed, pkg)%uint64(len(n.advisories))]
}

func (n *gens) org(org uuid.UUID) *atomic.Uint64 {
	return &n.orgs[maphash.Comparable(n.seed, org)%uint64(len(n.orgs))]
}

// changed hears of every change on every node (Q2).
func (g *Gate) changed(c db.Change) {
	pkg := coord.Package{Ecosystem: c.Ecosystem, Name: c.Name}
	switch c.Kind {
	case db.Package:
		g.gens.pkg(c.Org, pkg).Add(1)
		g.recheck(func(k runKey) bool { return k.org == c.Org && k.version.Package == pkg })
	case db.Advisory:
		g.gens.advisory(pkg).Add(1)
		g.recheck(func(k runKey) bool { return k.version.Package == pkg })
	case db.Config:
		g.gens.org(c.Org).Add(1)
		g.recheck(func(k runKey) bool { return k.org == c.Org })
	case db.Snapshot:
		g.gens.all.Add(1)
		g.recheck(func(runKey) bool { return true })
	}
}

func (g *Gate) forget() {
	g.gens.all.Add(1)
	g.documents.InvalidateAll()
	g.recheck(func(runKey) bool { return true })
}

// List returns the view of a package in a registry: which versions there are,
// which are withheld and why. Whether the caller may read the registry has been
// decided before.
//
// Errors: NotFound when no source knows the name, Upstream or Unavailable when
// a source fails and nothing is remembered (R1).
func (g *Gate) List(ctx context.Context, reg uuid.UUID, pkg coord.Package) (*View, error) {
	org, err := scope.Org(ctx)
	if err != nil {
		return nil, err
	}
	key := viewKey{org, reg, pkg}
	trusted := g.DB.Feed.Trusted()
	if trusted {
		if v, ok := g.views.GetIfPresent(key); ok && g.current(v) {
			return v, nil
		}
	}
	v, err := g.compileOnce(ctx, key, trusted)
	if err != nil {
		return nil, err
	}
	if len(v.Entries) == 0 {
		return nil, errs.New(errs.NotFound, "list", "the package %s is not known in the registry %q or above it", pkg.Name, v.Name)
	}
	return v, nil
}

// current reports whether a view is still true, and starts revalidations that
// have become due.
func (g *Gate) current(v *View) bool {
	now := g.Now()
	if v.stamp != g.gens.of(v.Org, v.Package) || !v.ValidUntil.IsZero() && !now.Before(v.ValidUntil) || len(v.Entries) == 0 {
		return false
	}
	for _, d := range v.documents {
		switch g.age(d, now) {
		case expired:
			return false
		case due:
			g.revalidate(v.Org, d)
		}
	}
	return true
}

func (g *Gate) compileOnce(ctx context.Context, key viewKey, trusted bool) (*View, error) {
	if !trusted {
		return g.compile(ctx, key)
	}
	for range 4 {
		at := g.gens.of(key.org, key.pkg)
		got, err, _ := g.compiling.Do(flightKey(key, at), func() (any, error) {
			// The compilation serves everybody who waits, so it does not end
			// with the first client.
			ctx, stop := g.detached(ctx)
			defer stop()
			v, err := g.compile(ctx, key)
			if err == nil && at == g.gens.of(key.org, key.pkg) {
				v.stamp = at
				g.views.Set(key, v)
			}
			return v, err
		})
		if err != nil {
			return nil, err
		}
		if v := got.(*View); at == g.gens.of(key.org, key.pkg) {
			return v, nil
		}
	}
	// Something keeps changing; what this caller needs is the state of now.
	return g.compile(ctx, key)
}

func flightKey(k viewKey, at stamp) string {
	var b [32]byte
	for i, n := range []uint64{at.pkg, at.advisory, at.org, at.all} {
		for j := range 8 {
			b[i*8+j] = byte(n >> (8 * j))
		}
	}
	return k.org.String() + k.registry.String() + string(k.pkg.Ecosystem) + k.pkg.Name + string(b[:])
}

// detached returns a context with the values of ctx that ends with the node.
func (g *Gate) detached(ctx context.Context) (context.Context, context.CancelFunc) {
	out, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Minute)
	stop := context.AfterFunc(g.life, cancel)
	return out, func() { stop(); cancel() }
}

func (g *Gate) protocol(e coord.Ecosystem) (Protocol, error) {
	p := g.protocols[e]
	if p == nil {
		return nil, errs.New(errs.Invalid, "gate", "the %s protocol is not built yet", e)
	}
	return p, nil
}
