package gate

import (
	"context"
	"fmt"
	"log/slog"
	"runtime/debug"
	"sync"
	"time"

	"sluice.dev/sluice/tenants/errs"
)

// tasks are the goroutines of a gate. When the gate has ended none starts any
// more. The zero value is ready.
type tasks struct {
	mu    sync.RWMutex
	ended bool
	group sync.WaitGroup
}

// run starts f in a goroutine and reports whether it did.
func (t *tasks) run(f func()) bool {
	t.mu.RLock()
	defer t.mu.RUnlock()
	if t.ended {
		return false
	}
	t.group.Go(f)
	return true
}

// wait lets no more start and returns when all have ended.
func (t *tasks) wait() {
	t.mu.Lock()
	t.ended = true
	t.mu.Unlock()
	t.group.Wait()
}

// detached returns a context with the values of ctx that ends with the node,
// and in any case after a time that no shared work takes.
func (g *Gate) detached(ctx context.Context) (context.Context, context.CancelFunc) {
	out, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Minute)
	stop := context.AfterFunc(g.life, cancel)
	return out, func() { stop(); cancel() }
}

// shared makes one call of concurrent ones with the same key. The work belongs
// to the node: it goes on when everybody who waits for it has left, and ends
// with the node. The zero value is ready.
type shared[K comparable, V any] struct {
	mu    sync.Mutex
	calls map[K]*call[V]
}

type call[V any] struct {
	done chan struct{}
	v    V
	err  error
}

// do returns what f returns, or ctx's error when that ends before. f gets a
// context with the first caller's values and a life of its own.
func (s *shared[K, V]) do(ctx context.Context, g *Gate, key K, f func(context.Context) (V, error)) (V, error) {
	var none V
	s.mu.Lock()
	c := s.calls[key]
	if c == nil {
		c = &call[V]{done: make(chan struct{})}
		if s.calls == nil {
			s.calls = map[K]*call[V]{}
		}
		s.calls[key] = c
		if !g.work.run(func() { s.finish(ctx, g, key, c, f) }) {
			delete(s.calls, key)
			s.mu.Unlock()
			return none, stopping()
		}
	}
	s.mu.Unlock()
	select {
	case <-c.done:
		return c.v, c.err
	case <-ctx.Done():
		return none, ctx.Err()
	}
}

func (s *shared[K, V]) finish(ctx context.Context, g *Gate, key K, c *call[V], f func(context.Context) (V, error)) {
	ctx, stop := g.detached(ctx)
	defer stop()
	defer func() {
		// A panic would otherwise end the process, and leave the others waiting.
		if p := recover(); p != nil {
			slog.ErrorContext(ctx, "panic", "value", p, "stack", string(debug.Stack()))
			c.err = fmt.Errorf("gate: panic: %v", p)
		}
		s.mu.Lock()
		delete(s.calls, key)
		s.mu.Unlock()
		close(c.done)
	}()
	c.v, c.err = f(ctx)
}

func stopping() error {
	return errs.New(errs.Unavailable, "gate", "this node is stopping; try again")
}
