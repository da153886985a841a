package gate

import (
	"context"
	"errors"
	"sync"
	"time"

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
// withheld meanwhile can be cut (Q2). The zero value is ready.
type running struct {
	mu  sync.Mutex
	all map[runKey]*run // the newest; older ones hang on it
}

// run is one response. It is entered before its version is decided, so that no
// hold can fall between the decision and the delivery unnoticed.
type run struct {
	key        runKey
	older, new *run // neighbours among those of the same key
	stop       context.CancelCauseFunc
	end        func() // how the response is broken off

	mu         sync.Mutex
	cut        bool // withheld since it was entered
	delivering bool
}

var errCut = errors.New("the version was withheld while it was delivered")

func (r *running) enter(ctx context.Context, k runKey, end func()) (context.Context, *run) {
	ctx, stop := context.WithCancelCause(ctx)
	x := &run{key: k, stop: stop, end: end}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.all == nil {
		r.all = map[runKey]*run{}
	}
	if x.older = r.all[k]; x.older != nil {
		x.older.new = x
	}
	r.all[k] = x
	return ctx, x
}

func (r *running) leave(x *run) {
	x.stop(context.Canceled)
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case x.new != nil:
		x.new.older = x.older
	case x.older != nil:
		r.all[x.key] = x.older
	default:
		delete(r.all, x.key)
	}
	if x.older != nil {
		x.older.new = x.new
	}
}

// deliver says that bytes go out from now on, and reports whether they may: not
// when the version was withheld since the run was entered.
func (x *run) deliver() bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.delivering = !x.cut
	return x.delivering
}

// wasCut reports whether the version was withheld since the run was entered.
func (x *run) wasCut() bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.cut
}

// breakOff ends what the run waits for, and its response if it has begun.
func (x *run) breakOff() {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.cut {
		return
	}
	x.cut = true
	x.stop(errCut)
	if x.delivering && x.end != nil {
		x.end()
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
	var runs []*run
	for x := r.all[k]; x != nil; x = x.older {
		runs = append(runs, x)
	}
	r.mu.Unlock()
	for _, x := range runs {
		x.breakOff()
	}
}

// recheck decides again on what is being delivered, and cuts what is withheld
// now or cannot be decided (F1).
func (g *Gate) recheck(about func(runKey) bool) {
	if keys := g.running.matching(about); len(keys) > 0 {
		g.work.run(func() { g.decideAgain(keys) })
	}
}

func (g *Gate) decideAgain(keys []runKey) {
	for _, k := range keys {
		ctx, stop := g.detached(scope.With(context.Background(), k.org))
		v, err := g.look(ctx, k.registry, k.version.Package)
		stop()
		if err == nil {
			if e := v.Entry(k.version.Version); e != nil && !e.Decision.Withheld() {
				continue
			}
		}
		g.running.cut(k)
	}
}

// watch decides again and again on what is being delivered while the change
// feed is silent, for a hold on another node would not be heard of (Q2).
func (g *Gate) watch() {
	t := time.NewTicker(100 * time.Millisecond)
	defer t.Stop()
	for {
		select {
		case <-g.life.Done():
			return
		case <-t.C:
		}
		if keys := g.running.matching(everything); len(keys) > 0 && !g.DB.Feed.Trusted() {
			g.decideAgain(keys)
		}
	}
}
