package graph

import (
	"context"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/google/uuid"

	"sluice.dev/sluice/ent"
	"sluice.dev/sluice/ent/db"
	"sluice.dev/sluice/graph/api"
	"sluice.dev/sluice/tenants/access"
	"sluice.dev/sluice/tenants/coord"
	"sluice.dev/sluice/tenants/quarantine"
)

// alive is after how long a subscriber hears something even if nothing happened,
// so that nothing between takes the connection for dead.
const alive = 15 * time.Second

// progress wakes subscribers when the change feed speaks of their package.
type progress struct {
	mu      sync.Mutex
	waiting map[topic]map[chan struct{}]bool
}

// topic is a package in an organization.
type topic struct {
	org       uuid.UUID
	ecosystem coord.Ecosystem
	name      string
}

func newProgress(feed *db.Feed) *progress {
	p := &progress{waiting: map[topic]map[chan struct{}]bool{}}
	feed.Subscribe(func(c db.Change) {
		if c.Kind == db.Package {
			p.wake(topic{c.Org, c.Ecosystem, c.Name})
		}
	}, p.wakeAll)
	return p
}

func (p *progress) wake(t topic) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for c := range p.waiting[t] {
		select {
		case c <- struct{}{}:
		default: // it has not looked since the last time
		}
	}
}

// wakeAll is for when changes may have been missed.
func (p *progress) wakeAll() {
	p.mu.Lock()
	topics := slices.Collect(maps.Keys(p.waiting))
	p.mu.Unlock()
	for _, t := range topics {
		p.wake(t)
	}
}

// follow returns a channel that has something whenever the topic may have
// changed since it was last received from.
func (p *progress) follow(t topic) (wake chan struct{}, stop func()) {
	wake = make(chan struct{}, 1)
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.waiting[t] == nil {
		p.waiting[t] = map[chan struct{}]bool{}
	}
	p.waiting[t][wake] = true
	return wake, func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		delete(p.waiting[t], wake)
		if len(p.waiting[t]) == 0 {
			delete(p.waiting, t)
		}
	}
}

type subscriptions struct{ *resolver }

// CascadeProgress sends the cascade now, whenever it has come further, and when
// it is done. It ends with the cascade, the request, or the right to see it.
func (s subscriptions) CascadeProgress(ctx context.Context, id api.ID) (<-chan *ent.Cascade, error) {
	obj, err := s.find(s.fresh(ctx), id, "Cascade")
	if err != nil {
		return nil, err
	}
	first := obj.(*ent.Cascade)
	org, err := s.Orgs.Get(ctx)
	if err != nil {
		return nil, err
	}
	wake, stop := s.progress.follow(topic{org.ID, first.Ecosystem, first.Name})
	out := make(chan *ent.Cascade)
	go func() {
		defer close(out)
		defer stop()
		s.send(ctx, first.ID, wake, out)
	}()
	return out, nil
}

// send follows one cascade. The row is read after the subscription has begun,
// so that no change falls between.
func (s subscriptions) send(ctx context.Context, id uuid.UUID, wake <-chan struct{}, out chan<- *ent.Cascade) {
	tick := time.NewTicker(alive)
	defer tick.Stop()
	var last *ent.Cascade
	for beat := true; ; {
		now, err := s.cascadeNow(ctx, id)
		if err != nil || now == nil {
			return
		}
		if beat || last == nil || now.Done != last.Done || now.Total != last.Total || now.FinishedAt != nil {
			select {
			case out <- now:
			case <-ctx.Done():
				return
			}
		}
		if now.FinishedAt != nil {
			return
		}
		last, beat = now, false
		select {
		case <-ctx.Done():
			return
		case <-wake:
		case <-tick.C:
			beat = true
		}
	}
}

// cascadeNow reads a cascade past everything remembered, if the subject may
// still see it.
func (s subscriptions) cascadeNow(ctx context.Context, id uuid.UUID) (*ent.Cascade, error) {
	found, err := read(ctx, s.resolver, func(ctx context.Context, tx *db.Tx) (map[uuid.UUID]*ent.Cascade, error) {
		return quarantine.CascadesByIDs(ctx, tx, []uuid.UUID{id})
	})
	if err != nil || found[id] == nil {
		return nil, err
	}
	return found[id], s.require(ctx, access.VersionRead, found[id].RegistryID)
}
