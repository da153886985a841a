package db

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"sluice.dev/sluice/tenants/coord"
)

// Times and bounds of the change feed (law Q2).
const (
	beatEvery  = 250 * time.Millisecond
	trustUntil = 750 * time.Millisecond
	maxPayload = 7000 // PostgreSQL takes payloads below 8000 bytes
	channel    = "sluice"
	everything = "*" // stands for changes that cannot be told one by one: forget all
)

// ChangeKind tells what changed.
type ChangeKind string

// What nodes keep in memory, and so hear changes of.
const (
	Config   ChangeKind = "c" // registries, upstreams, remotes, rules of an organization
	Package  ChangeKind = "p" // what is held, tagged, on hold or deleted of one package in an organization
	Access   ChangeKind = "t" // tokens, members, roles and grants of an organization
	Advisory ChangeKind = "a" // advisories that name one package; for every organization
	Snapshot ChangeKind = "s" // the first import of a feed for an ecosystem; for every organization
	Host     ChangeKind = "h" // organizations and host names
	Login    ChangeKind = "l" // sessions of an organization: the one whose hash in hex is the name, or all of them

	// What only those hear who follow it; the name is the id of what changed.
	Decided  ChangeKind = "d" // a decision was recorded
	Held     ChangeKind = "q" // a hold was opened or released
	Pulled   ChangeKind = "u" // a pull has come further
	Scanned  ChangeKind = "j" // a scan has begun, come further or ended
	Imported ChangeKind = "i" // an import of advisories has begun, come further or ended; for every organization
)

// Change names something that changed. Org is nil for what is the same for
// every organization.
type Change struct {
	Kind      ChangeKind
	Org       uuid.UUID
	Ecosystem coord.Ecosystem
	Name      string
}

func (c Change) encode() string {
	return strings.Join([]string{string(c.Kind), c.Org.String(), string(c.Ecosystem), c.Name}, "\x1f")
}

func decodeChange(s string) (Change, bool) {
	f := strings.Split(s, "\x1f")
	if len(f) != 4 {
		return Change{}, false
	}
	org, err := uuid.Parse(f[1])
	if err != nil {
		return Change{}, false
	}
	return Change{Kind: ChangeKind(f[0]), Org: org, Ecosystem: coord.Ecosystem(f[2]), Name: f[3]}, true
}

// Feed tells this node what changed on any node. Caches ask [Feed.Trusted]
// before they answer: a node that has not heard the feed for 750 ms must read
// the database instead. Whenever trust comes back, everything that was kept is
// forgotten first.
type Feed struct {
	db    *DB
	start time.Time
	heard atomic.Int64 // nanoseconds since start, of the last sign of life; 0 = never

	mu    sync.RWMutex
	subs  []func(Change)
	reset []func()
}

func newFeed(d *DB) *Feed { return &Feed{db: d, start: time.Now()} }

// Subscribe calls change for every change, and reset when some may have been
// missed and everything must be forgotten. Both must return quickly. Subscribe
// before Run.
func (f *Feed) Subscribe(change func(Change), reset func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.subs = append(f.subs, change)
	f.reset = append(f.reset, reset)
}

// Trusted reports whether the feed was heard within the last 750 ms.
func (f *Feed) Trusted() bool {
	h := f.heard.Load()
	return h != 0 && time.Since(f.start)-time.Duration(h) < trustUntil
}

func (f *Feed) beat() { f.heard.Store(int64(time.Since(f.start)) | 1) }

// publish sends the changes inside the transaction, in as few notifications as
// fit. PostgreSQL delivers them when it commits.
func (f *Feed) publish(ctx context.Context, tx pgx.Tx, changes []Change) error {
	var b strings.Builder
	send := func() error {
		if b.Len() == 0 {
			return nil
		}
		_, err := tx.Exec(ctx, `SELECT pg_notify($1, $2)`, channel, b.String())
		b.Reset()
		return err
	}
	seen := make(map[Change]bool, len(changes))
	for _, c := range changes {
		if seen[c] {
			continue
		}
		seen[c] = true
		s := c.encode()
		if len(s) > maxPayload {
			s = everything
		}
		if b.Len()+len(s)+1 > maxPayload {
			if err := send(); err != nil {
				return err
			}
		}
		if b.Len() > 0 {
			b.WriteByte('\x1e')
		}
		b.WriteString(s)
	}
	return send()
}

func (f *Feed) apply(changes []Change) {
	f.mu.RLock()
	defer f.mu.RUnlock()
	for _, c := range changes {
		for _, s := range f.subs {
			s(c)
		}
	}
}

func (f *Feed) forget() {
	f.mu.RLock()
	defer f.mu.RUnlock()
	for _, r := range f.reset {
		r()
	}
}

// Run listens until the context ends, reconnecting as needed. Every node runs
// it once. Nothing of it runs any more when it returns.
func (f *Feed) Run(ctx context.Context) {
	var beats sync.WaitGroup
	beats.Go(func() { f.sendBeats(ctx) })
	defer beats.Wait()
	for ctx.Err() == nil {
		if err := f.listen(ctx); err != nil && ctx.Err() == nil {
			slog.WarnContext(ctx, "change feed lost; answering from the database until it is back", "error", err)
			pause(ctx, 100*time.Millisecond)
		}
	}
}

func (f *Feed) listen(ctx context.Context) error {
	conn, err := pgx.ConnectConfig(ctx, f.db.Pool.Config().ConnConfig.Copy())
	if err != nil {
		return fmt.Errorf("connect: %w", err)
	}
	defer conn.Close(context.WithoutCancel(ctx))
	if _, err := conn.Exec(ctx, "LISTEN "+channel); err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	f.forget() // changes before LISTEN took effect were not heard
	f.beat()
	for {
		wait, cancel := context.WithTimeout(ctx, 4*trustUntil)
		n, err := conn.WaitForNotification(wait)
		cancel()
		if err != nil {
			return err
		}
		if !f.Trusted() {
			// This node was stopped, or silence was long. More changes may wait
			// behind this notification, and a beat would bring trust back before
			// they are heard; what is read from now on has them already.
			f.forget()
		}
		if n.Payload != "" {
			f.receive(n.Payload)
		}
		f.beat()
	}
}

func (f *Feed) receive(payload string) {
	for part := range strings.SplitSeq(payload, "\x1e") {
		if c, ok := decodeChange(part); ok {
			f.apply([]Change{c})
		} else {
			f.forget() // a newer node speaks of something that we do not know
		}
	}
}

// sendBeats sends an empty notification when nothing was heard for a while. All
// nodes hear it, so that one sender is enough most of the time.
func (f *Feed) sendBeats(ctx context.Context) {
	t := time.NewTicker(beatEvery)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.C:
		}
		if h := f.heard.Load(); h != 0 && time.Since(f.start)-time.Duration(h) < beatEvery-20*time.Millisecond {
			continue
		}
		beat, cancel := context.WithTimeout(ctx, trustUntil)
		_, _ = f.db.Pool.Exec(beat, `SELECT pg_notify($1, '')`, channel) // a lost beat shows as silence
		cancel()
	}
}

func pause(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	}
}

// Wait returns when the feed is trusted for the first time.
func (f *Feed) Wait(ctx context.Context) error {
	for !f.Trusted() {
		if pause(ctx, 2*time.Millisecond); ctx.Err() != nil {
			return fmt.Errorf("the change feed did not come up: %w", ctx.Err())
		}
	}
	return nil
}
