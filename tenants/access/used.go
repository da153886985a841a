package access

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/google/uuid"

	"sluice.dev/sluice/ent/db"
	"sluice.dev/sluice/tenants/scope"
)

// usage collects when tokens were last used (A2), to the second, until it is
// written. It is bounded by the number of tokens in use between two writes.
type usage struct {
	mu    sync.Mutex
	dirty map[uuid.UUID]map[uuid.UUID]time.Time // by organization and token
}

// note is called on every request, so that it takes the lock at most once per
// second and token.
func (u *usage) note(c *credential, org uuid.UUID, now time.Time) {
	if c.used == nil {
		return
	}
	sec := now.Unix()
	if last := c.used.Load(); last >= sec || !c.used.CompareAndSwap(last, sec) {
		return
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	u.set(org, c.subject.TokenID, now)
}

func (u *usage) set(org, token uuid.UUID, at time.Time) {
	if u.dirty == nil {
		u.dirty = make(map[uuid.UUID]map[uuid.UUID]time.Time)
	}
	if u.dirty[org] == nil {
		u.dirty[org] = make(map[uuid.UUID]time.Time)
	}
	if at.After(u.dirty[org][token]) {
		u.dirty[org][token] = at
	}
}

func (u *usage) take() map[uuid.UUID]map[uuid.UUID]time.Time {
	u.mu.Lock()
	defer u.mu.Unlock()
	d := u.dirty
	u.dirty = nil
	return d
}

func (u *usage) putBack(org uuid.UUID, uses map[uuid.UUID]time.Time) {
	u.mu.Lock()
	defer u.mu.Unlock()
	for token, at := range uses {
		u.set(org, token, at)
	}
}

// Flush writes when tokens were last used, one statement per organization. The
// node calls it every few seconds and once when it stops. What could not be
// written is tried again the next time.
func (s *Service) Flush(ctx context.Context) error {
	var failed []error
	for org, uses := range s.used.take() {
		if err := s.flush(scope.With(ctx, org), uses); err != nil {
			s.used.putBack(org, uses)
			failed = append(failed, fmt.Errorf("write last use of tokens of organization %s: %w", org, err))
		}
	}
	return errors.Join(failed...)
}

func (s *Service) flush(ctx context.Context, uses map[uuid.UUID]time.Time) error {
	ids, times := make([]uuid.UUID, 0, len(uses)), make([]time.Time, 0, len(uses))
	for id, at := range uses {
		ids, times = append(ids, id), append(times, at)
	}
	return s.db.InTx(ctx, func(ctx context.Context, tx *db.Tx) error {
		org, err := scope.Org(ctx)
		if err != nil {
			return err
		}
		// Rows are locked in the order of their ids, so that two nodes cannot
		// wait for each other.
		_, err = tx.Exec(ctx, `
			WITH used AS (SELECT id, at FROM unnest($2::uuid[], $3::timestamptz[]) AS u (id, at)),
			     mine AS (SELECT t.id FROM tokens t JOIN used USING (id) WHERE t.org_id = $1 ORDER BY t.id FOR NO KEY UPDATE OF t)
			UPDATE tokens t SET last_used_at = greatest(t.last_used_at, u.at)
			FROM mine m JOIN used u USING (id) WHERE t.org_id = $1 AND t.id = m.id`, org, ids, times)
		return err
	})
}
