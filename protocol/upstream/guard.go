package upstream

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/failsafe-go/failsafe-go"
	"github.com/failsafe-go/failsafe-go/circuitbreaker"
	"github.com/failsafe-go/failsafe-go/retrypolicy"
	"github.com/maypok86/otter/v2"
	"golang.org/x/sync/semaphore"
)

// guards keeps a breaker per remote and request slots per host. Both are
// bounded: what was used least is forgotten, which only means a fresh breaker.
type guards struct {
	cfg      Config
	breakers *otter.Cache[string, *breaker]
	slots    *otter.Cache[string, *semaphore.Weighted]
	retry    retrypolicy.RetryPolicy[any]
}

const maxGuards = 20_000

func newGuards(cfg Config) *guards {
	return &guards{
		cfg:      cfg,
		breakers: otter.Must(&otter.Options[string, *breaker]{MaximumSize: maxGuards}),
		slots:    otter.Must(&otter.Options[string, *semaphore.Weighted]{MaximumSize: maxGuards}),
		retry:    newRetry(cfg),
	}
}

// maxWait bounds the time between two attempts. A remote that asks to be left
// alone for longer is not asked again within this request.
const maxWait = 2 * time.Second

func newRetry(cfg Config) retrypolicy.RetryPolicy[any] {
	return retrypolicy.NewBuilder[any]().
		WithMaxAttempts(cfg.Attempts).
		WithBackoff(cfg.Backoff, max(maxWait, cfg.Backoff+1)).
		WithJitterFactor(0.25).
		WithDelayFunc(func(e failsafe.ExecutionAttempt[any]) time.Duration {
			if f, ok := asFault(e.LastError()); ok && f.after > 0 {
				return f.after
			}
			return -1 // the backoff
		}).
		HandleIf(func(_ any, err error) bool {
			f, ok := asFault(err)
			return ok && f.again && f.after <= maxWait
		}).
		ReturnLastFailure().
		Build()
}

// breaker is a circuit breaker that knows whether it lets a trial through.
type breaker struct {
	circuitbreaker.CircuitBreaker[any]
}

func (g *guards) breaker(r Remote) *breaker {
	b, _ := g.breakers.ComputeIfAbsent(r.ID+" "+r.BaseURL, func() (*breaker, bool) {
		return &breaker{circuitbreaker.NewBuilder[any]().
			WithFailureThreshold(uint(g.cfg.BreakerAfter)).
			WithSuccessThreshold(1).
			WithDelay(g.cfg.BreakerDelay).
			Build()}, false
	})
	return b
}

// record tells the breaker how an attempt ended. An attempt that its caller
// gave up says nothing about the remote; only a trial must still be settled,
// because it holds the half-open breaker's permit.
func (b *breaker) record(caller context.Context, err error) {
	switch {
	case caller.Err() != nil:
		if b.IsHalfOpen() {
			b.RecordFailure()
		}
	case IsOutage(err):
		b.RecordFailure()
	default:
		b.RecordSuccess()
	}
}

// attempt runs f under the remote's breaker, repeating it when another attempt
// may help. What f opened on success is the caller's.
func attempt[T any](ctx context.Context, g *guards, r Remote, f func() (T, error)) (T, error) {
	b := g.breaker(r)
	var last T
	var done bool
	_, err := failsafe.With(g.retry).WithContext(ctx).Get(func() (any, error) {
		if !b.TryAcquirePermit() {
			return nil, fail(r, &fault{outage: true, cause: circuitbreaker.ErrOpen},
				"has failed repeatedly and is not asked again for a moment")
		}
		v, err := f()
		b.record(ctx, err)
		last, done = v, err == nil
		return nil, err
	})
	if done {
		// Even when ctx ended meanwhile, which failsafe reports as an error: what
		// was opened must reach somebody who closes it.
		return last, nil
	}
	var zero T
	if _, ok := asFault(err); !ok {
		return zero, fail(r, &fault{cause: err}, "did not answer before the request was given up")
	}
	return zero, err
}

// slot waits for one of n request slots of a host, and returns how to give it
// back (any number of times).
func (g *guards) slot(ctx context.Context, r Remote, key string, n int) (release func(), err error) {
	sem, _ := g.slots.ComputeIfAbsent(key, func() (*semaphore.Weighted, bool) {
		return semaphore.NewWeighted(int64(n)), false
	})
	wait, cancel := context.WithTimeout(ctx, g.cfg.QueueTime)
	defer cancel()
	if err := sem.Acquire(wait, 1); err != nil {
		return nil, fail(r, &fault{outage: ctx.Err() == nil, cause: err},
			"is busy: %d requests to its host have been running for %v", n, g.cfg.QueueTime)
	}
	var done atomic.Bool
	return func() {
		if done.CompareAndSwap(false, true) {
			sem.Release(1)
		}
	}, nil
}
