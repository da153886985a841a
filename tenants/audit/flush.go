package audit

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"sluice.dev/sluice/ent/db"
	"sluice.dev/sluice/tenants/coord"
	"sluice.dev/sluice/tenants/scope"
)

// maxWaiting bounds what one organization has waiting for the next flush: rows
// of warnings, rows to be counted up, and counts of deliveries. Reaching it
// makes that organization's next answer wait for a flush, and fail when there
// can be none; nothing is dropped, and nobody else waits.
const maxWaiting = 10_000

// buffer is one organization's. Flushes of it follow one another, so that a row
// is there before it is counted up.
type buffer struct {
	flushing chan struct{}
	waiting  *waiting
}

// waiting is what one organization has waiting.
type waiting struct {
	warned  []warning
	again   map[row]*repeat
	allowed map[delivery]*tally
}

// warning is a warned delivery that waits for its row.
type warning struct {
	row
	Answer
	body []byte
}

type repeat struct {
	count int
	last  time.Time
}

type delivery struct {
	registry, token uuid.UUID
	version         coord.Version
	hour            int64
}

type tally struct {
	count       int
	first, last time.Time
}

func newWaiting() *waiting { return &waiting{again: map[row]*repeat{}, allowed: map[delivery]*tally{}} }

func (w *waiting) size() int { return len(w.warned) + len(w.again) + len(w.allowed) }

// count counts an answer that has a row, or will have one with the next flush.
func (w *waiting) count(have row, now time.Time) {
	r := w.again[have]
	if r == nil {
		r = &repeat{}
		w.again[have] = r
	}
	r.count++
	r.last = now
}

// add adds to what an organization has waiting. What has a place there already,
// as known tells, always finds room; for anything else a full buffer is flushed
// first.
func (l *Decisions) add(ctx context.Context, org uuid.UUID, known func(*waiting) bool, change func(*waiting)) error {
	for {
		l.mu.Lock()
		w := l.of(org).waiting
		if w.size() < maxWaiting || known(w) {
			change(w)
			l.mu.Unlock()
			return nil
		}
		l.mu.Unlock()
		if err := l.flush(scope.With(ctx, org), org); err != nil {
			return err
		}
	}
}

// of needs the lock.
func (l *Decisions) of(org uuid.UUID) *buffer {
	b := l.buffers[org]
	if b == nil {
		b = &buffer{flushing: make(chan struct{}, 1), waiting: newWaiting()}
		l.buffers[org] = b
	}
	return b
}

// Flush writes all that is waiting, each organization's in a transaction. What
// cannot be written waits for the next time. The node calls it every second and
// once at the end.
func (l *Decisions) Flush(ctx context.Context) error {
	l.mu.Lock()
	orgs := slices.Collect(maps.Keys(l.buffers))
	l.mu.Unlock()
	var failed []error
	for _, org := range orgs {
		failed = append(failed, l.flush(scope.With(ctx, org), org))
	}
	return errors.Join(failed...)
}

func (l *Decisions) flush(ctx context.Context, org uuid.UUID) error {
	l.mu.Lock()
	buf := l.of(org)
	l.mu.Unlock()
	select {
	case buf.flushing <- struct{}{}:
		defer func() { <-buf.flushing }()
	case <-ctx.Done():
		return ctx.Err()
	}
	l.mu.Lock()
	w := buf.waiting
	if w.size() > 0 {
		buf.waiting = newWaiting()
	}
	l.mu.Unlock()
	if w.size() == 0 {
		return nil
	}
	err := db.Retry(ctx, func() error {
		return l.db.InTx(ctx, func(ctx context.Context, tx *db.Tx) error {
			for _, x := range w.warned {
				tx.Changed(db.Change{Kind: db.Decided, Org: org, Name: x.id})
			}
			return tx.SendBatch(ctx, w.batch(org)).Close()
		})
	})
	if err != nil {
		l.putBack(org, w)
		return fmt.Errorf("write decisions and counts: %w", err)
	}
	return nil
}

// batch is all statements, in an order in which nodes that write the same rows
// do not wait for each other. Rows come before what counts them up.
func (w *waiting) batch(org uuid.UUID) *pgx.Batch {
	b := &pgx.Batch{}
	for _, x := range w.warned {
		b.Queue(insertDecision, decisionArgs(org, x.row, x.Answer, x.body)...)
	}
	for _, r := range slices.SortedFunc(maps.Keys(w.again), func(a, b row) int { return strings.Compare(a.id, b.id) }) {
		b.Queue(`UPDATE decisions SET count = count + $3, last_at = greatest(last_at, $4) WHERE org_id = `+db.Ours+` AND id = $1 AND at = $2`, r.id, r.at, w.again[r].count, w.again[r].last)
	}
	for _, d := range slices.SortedFunc(maps.Keys(w.allowed), delivery.compare) {
		b.Queue(upsertDelivery, d.args(org, w.allowed[d])...)
	}
	return b
}

func (d delivery) compare(o delivery) int {
	return cmp.Or(strings.Compare(string(d.version.Ecosystem), string(o.version.Ecosystem)), strings.Compare(d.version.Name, o.version.Name),
		strings.Compare(d.version.Version, o.version.Version), slices.Compare(d.registry[:], o.registry[:]), slices.Compare(d.token[:], o.token[:]), cmp.Compare(d.hour, o.hour))
}

// putBack returns what could not be written to what has come in meanwhile.
func (l *Decisions) putBack(org uuid.UUID, old *waiting) {
	l.mu.Lock()
	defer l.mu.Unlock()
	w := l.of(org).waiting
	w.warned = append(old.warned, w.warned...)
	for k, r := range old.again {
		if have := w.again[k]; have != nil {
			have.count += r.count
		} else {
			w.again[k] = r
		}
	}
	for k, t := range old.allowed {
		if have := w.allowed[k]; have != nil {
			have.count += t.count
			have.first = t.first
		} else {
			w.allowed[k] = t
		}
	}
}

const insertDecision = `INSERT INTO decisions (id, org_id, at, registry_id, token_id, ecosystem, name, version, channel, effect, rule_id, decision, snapshot_at, last_at)
	VALUES ($1,$2,$3,$4,$5,$6,$7,$8,$9,$10,$11,$12,$13,$3)`

func decisionArgs(org uuid.UUID, r row, a Answer, body []byte) []any {
	var snapshot *time.Time
	if !a.Snapshot.IsZero() {
		snapshot = &a.Snapshot
	}
	return []any{r.id, org, r.at, a.Registry, a.Token, a.Version.Ecosystem, a.Version.Name, a.Version.Version, a.Channel, a.Effect, nullable(a.Rule), body, snapshot}
}

const upsertDelivery = `INSERT INTO deliveries (org_id, hour, registry_id, token_id, ecosystem, name, version, count, first_at, last_at)
	VALUES ($1,$2,$3,$4,$5,$6,$7,$8,$9,$10)
	ON CONFLICT (org_id, ecosystem, name, version, registry_id, token_id, hour) DO UPDATE
	SET count = deliveries.count + excluded.count, first_at = least(deliveries.first_at, excluded.first_at), last_at = greatest(deliveries.last_at, excluded.last_at)`

func (d delivery) args(org uuid.UUID, t *tally) []any {
	return []any{org, time.Unix(d.hour*3600, 0), d.registry, d.token, d.version.Ecosystem, d.version.Name, d.version.Version, t.count, t.first, t.last}
}
