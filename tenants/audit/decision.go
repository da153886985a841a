package audit

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/maypok86/otter/v2"
	"golang.org/x/sync/singleflight"

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
	known *otter.Cache[answerKey, row]
	first singleflight.Group

	mu      sync.Mutex
	buffers map[uuid.UUID]*buffer // by organization
}

// answerKey is what deduplicated answers have in common.
type answerKey struct {
	org, registry, token, rule uuid.UUID
	version                    coord.Version
	channel, kind, effect      string
	hour                       int64
}

func (a *Answer) key(org uuid.UUID, now time.Time) answerKey {
	return answerKey{org, a.Registry, a.Token, a.Rule, a.Version, a.Channel, a.Kind, a.Effect, now.Unix() / 3600}
}

// row names a row of the log; its time says in which partition it is.
type row struct {
	id string
	at time.Time
}

// NewDecisions returns a node's log.
func NewDecisions(d *db.DB, now func() time.Time) *Decisions {
	return &Decisions{db: d, now: now, buffers: map[uuid.UUID]*buffer{}, known: otter.Must(&otter.Options[answerKey, row]{MaximumSize: 100_000})}
}

// NewID returns an id for a decision: 128 random bits (F2).
func NewID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails
	return base64.RawURLEncoding.EncodeToString(b[:])
}

// Refused records an answer and returns the id of its row, which is committed
// when it returns. Those who are refused the same at once get one row.
func (l *Decisions) Refused(ctx context.Context, a Answer) (string, error) {
	org, err := scope.Org(ctx)
	if err != nil {
		return "", err
	}
	now := l.now()
	key := a.key(org, now)
	if have, ok := l.known.GetIfPresent(key); ok {
		return have.id, l.repeated(ctx, key, have, now)
	}
	mine := false
	got, err, _ := l.first.Do(fmt.Sprint(key), func() (any, error) {
		if have, ok := l.known.GetIfPresent(key); ok {
			return have, nil
		}
		mine = true
		// Others wait for it too, so it does not end with the first client.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
		defer cancel()
		made := row{NewID(), now}
		body, err := json.Marshal(a.Decision)
		if err != nil {
			return made, fmt.Errorf("decision log: encode: %w", err)
		}
		err = l.db.InTx(ctx, func(ctx context.Context, tx *db.Tx) error {
			tx.Changed(db.Change{Kind: db.Decided, Org: org, Name: made.id})
			_, err := tx.Exec(ctx, insertDecision, decisionArgs(org, made, a, body)...)
			return err
		})
		if err == nil {
			l.known.Set(key, made)
		}
		return made, err
	})
	if err != nil {
		return "", errs.Wrap(err, errs.Unavailable, "decision log", "the decision cannot be recorded at the moment")
	}
	have := got.(row)
	if mine {
		return have.id, nil
	}
	return have.id, l.repeated(ctx, key, have, now)
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
	if have, ok := l.known.GetIfPresent(key); ok {
		return l.repeated(ctx, key, have, now)
	}
	// Encoded here, so that what cannot be is this caller's error and does not
	// stand in the way of everything that is flushed with it.
	body, err := json.Marshal(a.Decision)
	if err != nil {
		return fmt.Errorf("decision log: encode: %w", err)
	}
	made := row{NewID(), now}
	a.Decision = nil // the buffer keeps the text alone
	return l.add(ctx, org, func(*waiting) bool { return false }, func(w *waiting) {
		if have, ok := l.known.GetIfPresent(key); ok {
			w.count(have, now)
			return
		}
		w.warned = append(w.warned, warning{made, a, body})
		l.known.Set(key, made)
	})
}

// repeated counts an answer that has a row already.
func (l *Decisions) repeated(ctx context.Context, key answerKey, have row, now time.Time) error {
	return l.add(ctx, key.org, func(w *waiting) bool { return w.again[have] != nil }, func(w *waiting) { w.count(have, now) })
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
	return l.add(ctx, org, func(w *waiting) bool { return w.allowed[key] != nil }, func(w *waiting) {
		t := w.allowed[key]
		if t == nil {
			t = &tally{first: now}
			w.allowed[key] = t
		}
		t.count++
		t.last = now
	})
}

// FirstDelivery writes a delivery in the transaction that brought the version
// in, so that the first one is never lost.
func (l *Decisions) FirstDelivery(ctx context.Context, tx *db.Tx, registry, token uuid.UUID, v coord.Version) error {
	org, err := scope.Org(ctx)
	if err != nil {
		return err
	}
	now := l.now()
	_, err = tx.Exec(ctx, upsertDelivery, delivery{registry, token, v, now.Unix() / 3600}.args(org, &tally{1, now, now})...)
	return err
}
