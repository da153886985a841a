package audit

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/maypok86/otter/v2"

	"sluice.dev/sluice/ent/db"
	"sluice.dev/sluice/tenants/coord"
	"sluice.dev/sluice/tenants/errs"
	"sluice.dev/sluice/tenants/scope"
)

// Channels in which a decision was asked for.
const (
	ChannelList = "LIST"
	ChannelFile = "FILE"
)

// Answer is a refusal or warning of the gate, as the decision log keeps it.
type Answer struct {
	Registry uuid.UUID
	Token    uuid.UUID // nil: anonymous, or a list compiled for everybody
	Version  coord.Version
	Channel  string
	Effect   string
	Rule     uuid.UUID // nil for a hold, tombstone or ownership
	Kind     string    // of the decisive verdict; tells deduplicated answers apart
	Decision any       // the whole decision, as JSON
	Snapshot time.Time // age of the advisory data; zero = none
}

// Decisions is the decision log of a node: refusals and warnings are rows,
// deduplicated per token, version, rule and hour with a count and one id;
// allowed deliveries are counted. Counts reach the database within a second
// ([Decisions.Flush]); a crash loses at most that second of them.
type Decisions struct {
	db    *db.DB
	now   func() time.Time
	known *otter.Cache[answerKey, string]

	mu      sync.Mutex
	rows    map[answerKey]chan struct{} // being written
	again   map[answerKey]*repeat
	warned  map[uuid.UUID][]warning // by organization, not written yet
	allowed map[uuid.UUID]map[delivery]*tally
}

type answerKey struct {
	org, registry, token, rule uuid.UUID
	version                    coord.Version
	channel, kind              string
	hour                       int64
}

type repeat struct {
	id    string
	count int
	last  time.Time
}

// warning is a warned delivery that waits for its row.
type warning struct {
	id string
	at time.Time
	Answer
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

// maxPending bounds the uncounted deliveries of one organization. Reaching it
// makes that organization's next download wait for a flush; nothing is dropped.
const maxPending = 10_000

// NewDecisions returns a node's log.
func NewDecisions(d *db.DB, now func() time.Time) *Decisions {
	return &Decisions{db: d, now: now, rows: map[answerKey]chan struct{}{}, again: map[answerKey]*repeat{}, warned: map[uuid.UUID][]warning{}, allowed: map[uuid.UUID]map[delivery]*tally{},
		known: otter.Must(&otter.Options[answerKey, string]{MaximumSize: 100_000})}
}

// NewID returns an id for a decision: 128 random bits (F2).
func NewID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails
	return base64.RawURLEncoding.EncodeToString(b[:])
}

// Refused records an answer and returns the id of its row, which is committed
// when it returns.
func (l *Decisions) Refused(ctx context.Context, a Answer) (string, error) {
	org, err := scope.Org(ctx)
	if err != nil {
		return "", err
	}
	now := l.now()
	key := a.key(org, now)
	for {
		if id, ok := l.repeated(key, now); ok {
			return id, nil
		}
		done, first := l.writing(key)
		if !first { // somebody is writing the row: theirs is this one's, unless they fail
			select {
			case <-done:
				continue
			case <-ctx.Done():
				return "", ctx.Err()
			}
		}
		id := NewID()
		err = l.db.InTx(ctx, func(ctx context.Context, tx *db.Tx) error { return l.insert(ctx, tx, org, id, now, a) })
		if err == nil {
			l.known.Set(key, id)
		}
		l.written(key, done)
		if err != nil {
			return "", errs.Wrap(err, errs.Unavailable, "decision log", "the decision cannot be recorded at the moment")
		}
		return id, nil
	}
}

// writing says that the caller writes the key's row, or else what is closed when
// who does has ended.
func (l *Decisions) writing(key answerKey) (done chan struct{}, first bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if done = l.rows[key]; done != nil {
		return done, false
	}
	done = make(chan struct{})
	l.rows[key] = done
	return done, true
}

func (l *Decisions) written(key answerKey, done chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.rows, key)
	close(done)
}

func (a *Answer) key(org uuid.UUID, now time.Time) answerKey {
	return answerKey{org, a.Registry, a.Token, a.Rule, a.Version, a.Channel, a.Kind, now.Unix() / 3600}
}

// repeated counts an answer that has a row already.
func (l *Decisions) repeated(key answerKey, now time.Time) (id string, ok bool) {
	if id, ok = l.known.GetIfPresent(key); !ok {
		return "", false
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	r := l.again[key]
	if r == nil {
		r = &repeat{id: id}
		l.again[key] = r
	}
	r.count++
	r.last = now
	return id, true
}

// Warned records a delivery that a rule warned about. Its row is written with
// the next flush; only a full buffer makes the caller wait.
func (l *Decisions) Warned(ctx context.Context, a Answer) error {
	org, err := scope.Org(ctx)
	if err != nil {
		return err
	}
	now := l.now()
	key := a.key(org, now)
	if _, ok := l.repeated(key, now); ok {
		return nil
	}
	id := NewID()
	l.mu.Lock()
	l.warned[org] = append(l.warned[org], warning{id, now, a})
	full := len(l.warned[org]) >= maxPending
	l.mu.Unlock()
	l.known.Set(key, id)
	if full {
		return l.flushWarned(ctx, org)
	}
	return nil
}

func (l *Decisions) flushWarned(ctx context.Context, org uuid.UUID) error {
	l.mu.Lock()
	pending := l.warned[org]
	delete(l.warned, org)
	l.mu.Unlock()
	if len(pending) == 0 {
		return nil
	}
	err := l.db.InTx(ctx, func(ctx context.Context, tx *db.Tx) error {
		for _, w := range pending {
			if err := l.insert(ctx, tx, org, w.id, w.at, w.Answer); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		l.mu.Lock()
		l.warned[org] = append(pending, l.warned[org]...)
		l.mu.Unlock()
		return fmt.Errorf("record warnings: %w", err)
	}
	return nil
}

func (l *Decisions) insert(ctx context.Context, tx *db.Tx, org uuid.UUID, id string, now time.Time, a Answer) error {
	body, err := json.Marshal(a.Decision)
	if err != nil {
		return err
	}
	var snapshot *time.Time
	if !a.Snapshot.IsZero() {
		snapshot = &a.Snapshot
	}
	_, err = tx.Exec(ctx, `INSERT INTO decisions (id, org_id, at, registry_id, token_id, ecosystem, name, version, channel, effect, rule_id, decision, snapshot_at, last_at)
		VALUES ($1,$2,$3,$4,$5,$6,$7,$8,$9,$10,$11,$12,$13,$3)`, id, org, now, a.Registry, a.Token, a.Version.Ecosystem, a.Version.Name,
		a.Version.Version, a.Channel, a.Effect, nullable(a.Rule), body, snapshot)
	return err
}

// Allowed counts a delivery. It touches the database only when the
// organization's buffer is full.
func (l *Decisions) Allowed(ctx context.Context, registry, token uuid.UUID, v coord.Version) error {
	org, err := scope.Org(ctx)
	if err != nil {
		return err
	}
	now := l.now()
	key := delivery{registry, token, v, now.Unix() / 3600}
	l.mu.Lock()
	pending := l.allowed[org]
	if pending == nil {
		pending = map[delivery]*tally{}
		l.allowed[org] = pending
	}
	t := pending[key]
	if t == nil {
		t = &tally{first: now}
		pending[key] = t
	}
	t.count++
	t.last = now
	full := len(pending) >= maxPending
	l.mu.Unlock()
	if full {
		return l.flushAllowed(ctx, org)
	}
	return nil
}

// FirstDelivery writes a delivery in the transaction that brought the version
// in, so that the first one is never lost.
func (l *Decisions) FirstDelivery(ctx context.Context, tx *db.Tx, registry, token uuid.UUID, v coord.Version) error {
	org, err := scope.Org(ctx)
	if err != nil {
		return err
	}
	now := l.now()
	_, err = tx.Exec(ctx, upsertDelivery, org, time.Unix(now.Unix()/3600*3600, 0), registry, token, v.Ecosystem, v.Name, v.Version, 1, now, now)
	return err
}

const upsertDelivery = `INSERT INTO deliveries (org_id, hour, registry_id, token_id, ecosystem, name, version, count, first_at, last_at)
	VALUES ($1,$2,$3,$4,$5,$6,$7,$8,$9,$10)
	ON CONFLICT (org_id, ecosystem, name, version, registry_id, token_id, hour) DO UPDATE
	SET count = deliveries.count + excluded.count, last_at = greatest(deliveries.last_at, excluded.last_at)`

// Flush writes all counts. The node calls it every second and once at the end.
func (l *Decisions) Flush(ctx context.Context) error {
	l.mu.Lock()
	orgs := slices.Collect(maps.Keys(l.allowed))
	warned := slices.Collect(maps.Keys(l.warned))
	l.mu.Unlock()
	var failed []error
	for _, org := range warned {
		failed = append(failed, l.flushWarned(scope.With(ctx, org), org))
	}
	for _, org := range orgs {
		failed = append(failed, l.flushAllowed(scope.With(ctx, org), org))
	}
	return errors.Join(append(failed, l.flushRepeats(ctx))...)
}

func (l *Decisions) flushAllowed(ctx context.Context, org uuid.UUID) error {
	l.mu.Lock()
	pending := l.allowed[org]
	delete(l.allowed, org)
	l.mu.Unlock()
	if len(pending) == 0 {
		return nil
	}
	err := l.db.InTx(ctx, func(ctx context.Context, tx *db.Tx) error {
		b := &pgx.Batch{}
		for k, t := range pending {
			b.Queue(upsertDelivery, org, time.Unix(k.hour*3600, 0), k.registry, k.token, k.version.Ecosystem, k.version.Name, k.version.Version, t.count, t.first, t.last)
		}
		return tx.SendBatch(ctx, b).Close()
	})
	if err != nil {
		l.putBack(org, pending)
		return fmt.Errorf("count deliveries: %w", err)
	}
	return nil
}

func (l *Decisions) putBack(org uuid.UUID, pending map[delivery]*tally) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.allowed[org] == nil {
		l.allowed[org] = pending
		return
	}
	for k, t := range pending {
		if have := l.allowed[org][k]; have != nil {
			have.count += t.count
			have.first = t.first
		} else {
			l.allowed[org][k] = t
		}
	}
}

func (l *Decisions) flushRepeats(ctx context.Context) error {
	l.mu.Lock()
	again := l.again
	l.again = map[answerKey]*repeat{}
	l.mu.Unlock()
	byOrg := map[uuid.UUID]map[answerKey]*repeat{}
	for k, r := range again {
		if byOrg[k.org] == nil {
			byOrg[k.org] = map[answerKey]*repeat{}
		}
		byOrg[k.org][k] = r
	}
	var failed []error
	for org, repeats := range byOrg {
		b := &pgx.Batch{}
		for _, r := range repeats {
			b.Queue(`UPDATE decisions SET count = count + $2, last_at = $3 WHERE id = $1`, r.id, r.count, r.last)
		}
		err := l.db.InTx(scope.With(ctx, org), func(ctx context.Context, tx *db.Tx) error { return tx.SendBatch(ctx, b).Close() })
		if err != nil {
			l.putBackRepeats(repeats)
			failed = append(failed, fmt.Errorf("count repeated answers: %w", err))
		}
	}
	return errors.Join(failed...)
}

func (l *Decisions) putBackRepeats(repeats map[answerKey]*repeat) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for k, r := range repeats {
		if have := l.again[k]; have != nil {
			have.count += r.count
		} else {
			l.again[k] = r
		}
	}
}
