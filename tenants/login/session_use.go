package login

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

// usage collects when sessions were last used, to the second, until it is
// written. It is bounded by the number of sessions in use between two writes.
type usage struct {
	mu    sync.Mutex
	dirty map[uuid.UUID]map[uuid.UUID]int64 // by organization and session
}

// note is called on every request, so that it takes the lock at most once per
// second and session.
func (u *usage) note(l *live, org uuid.UUID, now time.Time) {
	sec := now.Unix()
	if last := l.used.Load(); last >= sec || !l.used.CompareAndSwap(last, sec) {
		return
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	u.set(org, l.ID, sec)
}

func (u *usage) set(org, id uuid.UUID, sec int64) {
	if u.dirty == nil {
		u.dirty = make(map[uuid.UUID]map[uuid.UUID]int64)
	}
	if u.dirty[org] == nil {
		u.dirty[org] = make(map[uuid.UUID]int64)
	}
	u.dirty[org][id] = max(sec, u.dirty[org][id])
}

// pending is when this node saw a session last and has not written it yet, 0
// for never.
func (u *usage) pending(org, id uuid.UUID) int64 {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.dirty[org][id]
}

func (u *usage) take() map[uuid.UUID]map[uuid.UUID]int64 {
	u.mu.Lock()
	defer u.mu.Unlock()
	d := u.dirty
	u.dirty = nil
	return d
}

func (u *usage) putBack(org uuid.UUID, uses map[uuid.UUID]int64) {
	u.mu.Lock()
	defer u.mu.Unlock()
	for id, sec := range uses {
		u.set(org, id, sec)
	}
}

// Flush writes when sessions were last used, one statement per organization. It
// needs no organization in the context. The node calls it every second and once
// when it stops; what could not be written is tried again.
func (s *Service) Flush(ctx context.Context) error {
	var failed []error
	for org, uses := range s.used.take() {
		if err := s.flush(scope.With(ctx, org), uses); err != nil {
			s.used.putBack(org, uses)
			failed = append(failed, fmt.Errorf("write last use of sessions of organization %s: %w", org, err))
		}
	}
	return errors.Join(failed...)
}

func (s *Service) flush(ctx context.Context, uses map[uuid.UUID]int64) error {
	ids, times := make([]uuid.UUID, 0, len(uses)), make([]time.Time, 0, len(uses))
	for id, sec := range uses {
		ids, times = append(ids, id), append(times, time.Unix(sec, 0))
	}
	return s.DB.InTx(ctx, func(ctx context.Context, tx *db.Tx) error {
		// Rows are locked in the order of their ids, so that two nodes cannot
		// wait for each other.
		_, err := tx.Exec(ctx, `
			WITH used AS (SELECT id, at FROM unnest($1::uuid[], $2::timestamptz[]) AS u (id, at)),
			     mine AS (SELECT s.id FROM sessions s JOIN used USING (id) WHERE s.org_id = `+db.Ours+` ORDER BY s.id FOR NO KEY UPDATE OF s)
			UPDATE sessions s SET last_used_at = greatest(s.last_used_at, u.at)
			FROM mine m JOIN used u USING (id) WHERE s.org_id = `+db.Ours+` AND s.id = m.id`, ids, times)
		return err
	})
}
