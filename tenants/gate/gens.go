package gate

import (
	"hash/maphash"
	"sync/atomic"

	"github.com/google/uuid"

	"sluice.dev/sluice/ent/db"
	"sluice.dev/sluice/tenants/coord"
)

// gens count changes, so that a view knows whether it is still true without
// anybody having to find it. Counters are shared by hash: a collision costs a
// compilation, never a wrong answer.
type gens struct {
	seed       maphash.Seed
	packages   []atomic.Uint64 // of one package in one organization
	advisories []atomic.Uint64 // about one package, for everybody
	orgs       []atomic.Uint64 // configuration
	all        *atomic.Uint64
}

// stamp is the counters that a view depends on.
type stamp struct{ pkg, advisory, org, all uint64 }

func newGens() gens {
	return gens{seed: maphash.MakeSeed(), packages: make([]atomic.Uint64, 1<<14), advisories: make([]atomic.Uint64, 1<<14),
		orgs: make([]atomic.Uint64, 1<<10), all: new(atomic.Uint64)}
}

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
		g.recheck(everything)
	}
}

// forget follows a gap in the change feed: anything may have changed.
func (g *Gate) forget() {
	g.gens.all.Add(1)
	g.documents.InvalidateAll()
	g.recheck(everything)
}

func everything(runKey) bool { return true }
