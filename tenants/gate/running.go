package gate

import (
	"context"
	"sync"

	"github.com/google/uuid"

	"sluice.dev/sluice/tenants/coord"
	"sluice.dev/sluice/tenants/scope"
)

// runKey names what a response delivers.
type runKey struct {
	org, registry uuid.UUID
	version       coord.Version
}

// running knows the responses under way, so that those of a version that is
// withheld meanwhile can be cut (Q2).
type running struct {
	mu   sync.Mutex
	next uint64
	all  map[runKey]map[uint64]func()
}

// enter registers a response and returns what ends it.
func (r *running) enter(k runKey, cut func()) (leave func()) {
	if cut == nil {
		return func() {}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.all == nil {
		r.all = map[runKey]map[uint64]func(){}
	}
	if r.all[k] == nil {
		r.all[k] = map[uint64]func(){}
	}
	r.next++
	id := r.next
	r.all[k][id] = cut
	return func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		delete(r.all[k], id)
		if len(r.all[k]) == 0 {
			delete(r.all, k)
		}
	}
}

func (r *running) matching(about func(runKey) bool) []runKey {
	r.mu.Lock()
	defer r.mu.Unlock()
	var out []runKey
	for k := range r.all {
		if about(k) {
			out = append(out, k)
		}
	}
	return out
}

func (r *running) cut(k runKey) {
	r.mu.Lock()
	cuts := r.all[k]
	delete(r.all, k)
	r.mu.Unlock()
	for _, cut := range cuts {
		cut()
	}
}

// recheck decides again on what is being delivered, and cuts what is withheld
// now or cannot be decided (F1).
func (g *Gate) recheck(about func(runKey) bool) {
	keys := g.running.matching(about)
	if len(keys) == 0 || g.life.Err() != nil {
		return
	}
	g.work.Go(func() {
		for _, k := range keys {
			ctx, stop := g.detached(scope.With(context.Background(), k.org))
			v, err := g.List(ctx, k.registry, k.version.Package)
			stop()
			if err == nil {
				if e := v.Entry(k.version.Version); e != nil && !e.Decision.Withheld() {
					continue
				}
			}
			g.running.cut(k)
		}
	})
}
