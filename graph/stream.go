package graph

import (
	"context"
	"slices"
	"time"

	"sluice.dev/sluice/ent/db"
	"sluice.dev/sluice/tenants/access"
	"sluice.dev/sluice/tenants/errs"
)

// source is what a subscription follows.
type source[T any] struct {
	// match tells whether a change is about it, and names what changed.
	match func(db.Change) (key string, mine bool)
	// may is nil while the subject has the right to follow it.
	may func(ctx context.Context) error
	// read returns what the subject may see of what changed, as it is now, and
	// whether nothing will come any more.
	read func(ctx context.Context, n news) (items []T, done bool, err error)
	// key is how changes name an item; stamp differs when there is something new
	// to say of it.
	key, stamp func(T) string
	// progress is of one thing, or a few: it shows signs of life, and is not
	// looked at for every change.
	progress bool
}

type subscriptions struct{ *resolver }

// follow sends what the source has until it is done, the request ends, or the
// right does; the last is told as the stream's end. It follows before it reads,
// so that no change falls between.
func follow[T any](ctx context.Context, s subscriptions, src source[T]) (<-chan T, error) {
	f, err := s.live.join(ctx, src.match)
	if err != nil {
		return nil, err
	}
	r := &running[T]{source: src, s: s, f: f, out: make(chan T), sent: newRecent(2 * s.live.Waiting)}
	go func() {
		defer close(r.out)
		defer s.live.leave(f)
		if err := r.run(ctx); err != nil && ctx.Err() == nil {
			endingOf(ctx).because(err)
		}
	}()
	return r.out, nil
}

// running is a subscription at work.
type running[T any] struct {
	source[T]
	s    subscriptions
	f    *follower
	out  chan T
	sent *recent
}

func (r *running[T]) run(ctx context.Context) error {
	look := time.NewTicker(r.s.live.Look)
	defer look.Stop()
	beat := time.NewTicker(r.s.live.Beat)
	defer beat.Stop()
	for n := (news{first: true}); ; {
		if n.flood {
			return tooFast()
		}
		if err := r.stands(ctx); err != nil {
			return err
		}
		items, done, err := r.read(r.s.fresh(ctx), n)
		if err != nil {
			return err
		}
		whole, err := r.send(ctx, items, n.beat)
		if err != nil || done && whole {
			return err
		}
		if r.progress {
			pause(ctx, r.s.live.Pace)
		}
		if n, err = r.wait(ctx, look.C, beat.C); err != nil {
			return err
		}
	}
}

// send sends what is new of the items, and reports whether that was all of
// them: what was read before rights changed is read again.
func (r *running[T]) send(ctx context.Context, items []T, beat bool) (whole bool, err error) {
	for i, item := range items {
		if stamp := r.stamp(item); !beat && r.sent.has(stamp) {
			continue
		}
		select {
		case r.out <- item:
			r.sent.add(r.stamp(item))
		case <-r.f.rights:
			signal(r.f.rights) // for the next look
			for _, rest := range items[i:] {
				r.f.remember(r.key(rest))
			}
			return false, nil
		case <-ctx.Done():
			return false, ctx.Err()
		}
	}
	return true, nil
}

// wait returns the next news, and meanwhile looks whether the right is still
// there.
func (r *running[T]) wait(ctx context.Context, look, beat <-chan time.Time) (news, error) {
	for {
		select {
		case <-ctx.Done():
			return news{}, ctx.Err()
		case <-r.f.wake:
			return r.f.take(), nil
		case <-beat:
			if r.progress {
				n := r.f.take()
				n.beat = true
				return n, nil
			}
		case <-r.f.rights:
			if err := r.stands(ctx); err != nil {
				return news{}, err
			}
		case <-look:
			if err := r.stands(ctx); err != nil {
				return news{}, err
			}
		}
	}
}

// stands is nil while the login or token counts, and has the right.
func (r *running[T]) stands(ctx context.Context) error {
	now, known, err := access.Again(ctx)
	if err != nil {
		return err
	}
	if who := access.Of(ctx); known && (now.Kind != who.Kind || now.MemberID != who.MemberID || now.TokenID != who.TokenID) {
		return errs.New(errs.Unauthenticated, "graph", "the login or token has ended; log in again")
	}
	return r.may(ctx)
}

func tooFast() error {
	return errs.New(errs.Unavailable, "graph", "more has happened than was read; subscribe again, and read the list of what was missed")
}

func pause(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	}
}

// recent remembers the last stamps.
type recent struct {
	have map[string]bool
	ring []string
	next int
}

func newRecent(n int) *recent { return &recent{have: map[string]bool{}, ring: make([]string, n)} }

func (r *recent) has(stamp string) bool { return r.have[stamp] }

func (r *recent) add(stamp string) {
	if r.have[stamp] {
		return
	}
	delete(r.have, r.ring[r.next])
	r.ring[r.next] = stamp
	r.have[stamp] = true
	r.next = (r.next + 1) % len(r.ring)
}

// somewhere is nil while the reach is not empty: a stream whose last registry
// is lost ends.
func somewhere(reach access.Reach, a access.Action) error {
	if reach.All || len(reach.Registries) > 0 {
		return nil
	}
	return errs.New(errs.Forbidden, "graph", "this needs %s on some registry; ask somebody who may grant it", a)
}

// within is where the subject may do the action now, or at one registry of that.
func (s subscriptions) within(ctx context.Context, a access.Action, only *access.Reach) (access.Reach, error) {
	reach, err := s.Access.Where(ctx, access.Of(ctx), a)
	if err != nil || only == nil {
		return reach, err
	}
	out := access.Reach{}
	for _, id := range only.Registries {
		if reaches(reach, id) {
			out.Registries = append(out.Registries, id)
		}
	}
	return out, nil
}

// oldest first, so that what is sent is in the order in which it happened.
func byAge[T any](items []T, at func(T) time.Time) []T {
	slices.SortStableFunc(items, func(a, b T) int { return at(a).Compare(at(b)) })
	return items
}
