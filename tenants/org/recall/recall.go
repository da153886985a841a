// Package recall keeps in memory what was loaded from the database, until the
// change feed says that it changed. It never answers from memory while the feed
// is not trusted (law Q2), and never keeps what was loaded while a change was
// on its way.
package recall

import (
	"context"
	"fmt"
	"runtime/debug"
	"sync"
	"time"

	"github.com/maypok86/otter/v2"
	"golang.org/x/sync/singleflight"
)

// Feed is what a memory needs of the change feed; [db.Feed] is one.
//
// [db.Feed]: https://pkg.go.dev/sluice.dev/sluice/ent/db#Feed
type Feed interface {
	// Trusted reports whether every change so far has been heard.
	Trusted() bool
}

// Options of a memory.
type Options[K comparable, V any] struct {
	// Most is how many entries are kept; the ones least used go first.
	Most int
	// For bounds how long an entry is kept, by its value; zero is forever. Nil
	// keeps all of them forever.
	For func(V) time.Duration
}

// Memory keeps values by key. It is safe for concurrent use.
type Memory[K comparable, V any] struct {
	feed  Feed
	cache *otter.Cache[K, V]
	group singleflight.Group

	mu      sync.Mutex // makes "nothing changed meanwhile, so keep it" one step
	changes uint64
}

// New returns an empty memory. Whoever makes it subscribes its Forget methods
// to the feed.
func New[K comparable, V any](feed Feed, o Options[K, V]) *Memory[K, V] {
	oo := &otter.Options[K, V]{MaximumSize: o.Most}
	if o.For != nil {
		oo.ExpiryCalculator = otter.ExpiryCreatingFunc(func(e otter.Entry[K, V]) time.Duration {
			if d := o.For(e.Value); d > 0 {
				return d
			}
			return forever
		})
	}
	return &Memory[K, V]{feed: feed, cache: otter.Must(oo)}
}

// forever is longer than any node runs.
const forever = 100 * 365 * 24 * time.Hour

// Get returns the value of the key, from memory when that may be trusted, else
// by load. Concurrent misses of one key share a load, unless a change lies
// between them. Errors are not kept.
func (m *Memory[K, V]) Get(ctx context.Context, key K, load func(context.Context) (V, error)) (V, error) {
	if v, ok := m.Peek(key); ok {
		return v, nil
	}
	since := m.since()
	// A load that began before a change must not answer a caller that came
	// after it, so the count of changes is part of the flight's name.
	flight := fmt.Sprintf("%d %v", since, key)
	got := m.group.DoChan(flight, func() (any, error) {
		v, err := m.load(ctx, load)
		if err == nil {
			m.keep(key, v, since)
		}
		return v, err
	})
	var none V
	select {
	case <-ctx.Done():
		return none, ctx.Err()
	case r := <-got:
		if r.Err != nil {
			return none, r.Err
		}
		return r.Val.(V), nil
	}
}

// patience bounds a load, which no single caller may end.
const patience = 15 * time.Second

func (m *Memory[K, V]) load(ctx context.Context, load func(context.Context) (V, error)) (v V, err error) {
	// The first caller's leaving must not fail the others.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), patience)
	defer cancel()
	// A panic in a flight would end the process, not only the request.
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("recall: load panicked: %v\n%s", p, debug.Stack())
		}
	}()
	return load(ctx)
}

// Peek returns the value of the key if it is in memory and may be trusted.
func (m *Memory[K, V]) Peek(key K) (V, bool) {
	if !m.feed.Trusted() {
		var none V
		return none, false
	}
	return m.cache.GetIfPresent(key)
}

// Forget drops one key.
func (m *Memory[K, V]) Forget(key K) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.changes++
	m.cache.Invalidate(key)
}

// ForgetAll drops everything.
func (m *Memory[K, V]) ForgetAll() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.changes++
	m.cache.InvalidateAll()
}

func (m *Memory[K, V]) since() uint64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.changes
}

func (m *Memory[K, V]) keep(key K, v V, since uint64) {
	if !m.feed.Trusted() {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.changes == since {
		m.cache.Set(key, v)
	}
}

// Len returns how many entries are kept, after what is over the bound has gone.
func (m *Memory[K, V]) Len() int {
	m.cache.CleanUp()
	return m.cache.EstimatedSize()
}
