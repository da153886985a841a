package db_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"

	"sluice.dev/sluice/ent/db"
	"sluice.dev/sluice/ent/db/dbtest"
	"sluice.dev/sluice/tenants/coord"
)

// listener remembers what a feed says.
type listener struct {
	mu     sync.Mutex
	heard  map[db.Change]int
	resets atomic.Int64
}

func listen(d *db.DB) *listener {
	l := &listener{heard: map[db.Change]int{}}
	d.Feed.Subscribe(func(c db.Change) {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.heard[c]++
	}, func() { l.resets.Add(1) })
	return l
}

func (l *listener) count(c db.Change) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.heard[c]
}

// twoNodes opens one database twice and runs both feeds.
func twoNodes(t *testing.T) (a, b *db.DB, heardA, heardB *listener, ctx context.Context) {
	t.Helper()
	t.Parallel()
	url := dbtest.URL(t)
	a, b = dbtest.Open(t, url), dbtest.Open(t, url)
	heardA, heardB = listen(a), listen(b)
	dbtest.Start(t, a)
	dbtest.Start(t, b)
	ctx, _ = dbtest.TwoOrgs(t, a)
	return a, b, heardA, heardB, ctx
}

func announce(d *db.DB, ctx context.Context, changes ...db.Change) error {
	return d.InTx(ctx, func(_ context.Context, tx *db.Tx) error {
		tx.Changed(changes...)
		return nil
	})
}

// TestQ2_ChangesReachOtherNodes: within one second, whatever their kind and
// however many there are.
func TestQ2_ChangesReachOtherNodes(t *testing.T) {
	a, _, _, heard, ctx := twoNodes(t)
	org := orgOf(t, ctx)
	var all []db.Change
	for _, k := range []db.ChangeKind{db.Config, db.Package, db.Access, db.Advisory, db.Snapshot, db.Host} {
		all = append(all, db.Change{Kind: k, Org: org, Ecosystem: coord.NPM, Name: "@acme/left-pad"})
	}
	for i := range 2000 { // many times what one notification takes
		all = append(all, db.Change{Kind: db.Package, Org: org, Ecosystem: coord.PyPI, Name: strings.Repeat("x", i%400) + uuid.NewString()})
	}
	ok(t, announce(a, ctx, all...))
	eventually(t, time.Second, "every change has been heard", func() bool {
		for _, c := range all {
			if heard.count(c) == 0 {
				return false
			}
		}
		return true
	})
}

// TestQ2_OwnChangesAtOnce: this node hears of its change before InTx returns,
// and of one that was rolled back never.
func TestQ2_OwnChangesAtOnce(t *testing.T) {
	t.Parallel()
	d := dbtest.Open(t, dbtest.URL(t)) // whose feed does not even run
	heard := listen(d)
	ctx, _ := dbtest.TwoOrgs(t, d)
	kept, undone := db.Change{Kind: db.Config, Org: orgOf(t, ctx)}, db.Change{Kind: db.Access, Org: orgOf(t, ctx)}
	ok(t, d.InTx(ctx, func(_ context.Context, tx *db.Tx) error {
		tx.Changed(kept)
		if heard.count(kept) != 0 {
			t.Error("a change was heard before it was committed")
		}
		return nil
	}))
	if heard.count(kept) != 1 {
		t.Errorf("when InTx returned, the change had been heard %d times", heard.count(kept))
	}
	oops := errors.New("oops")
	if err := d.InTx(ctx, func(_ context.Context, tx *db.Tx) error { tx.Changed(undone); return oops }); !errors.Is(err, oops) {
		t.Fatal(err)
	}
	// A failing commit is no commit either.
	err := d.InTx(ctx, func(ctx context.Context, tx *db.Tx) error {
		tx.Changed(undone)
		_, _ = tx.Exec(ctx, `SELECT 1/0`)
		return nil
	})
	if err == nil {
		t.Error("committing a failed transaction succeeded")
	}
	if heard.count(undone) != 0 {
		t.Error("a change that was rolled back was heard")
	}
}

// TestQ2_RolledBackIsNotSent: nor does another node hear of it.
func TestQ2_RolledBackIsNotSent(t *testing.T) {
	a, _, _, heard, ctx := twoNodes(t)
	undone, after := db.Change{Kind: db.Access, Org: orgOf(t, ctx)}, db.Change{Kind: db.Config, Org: orgOf(t, ctx)}
	_ = a.InTx(ctx, func(_ context.Context, tx *db.Tx) error { tx.Changed(undone); return errors.New("oops") })
	ok(t, announce(a, ctx, after)) // notifications keep their order
	eventually(t, time.Second, "the later change has been heard", func() bool { return heard.count(after) > 0 })
	if heard.count(undone) != 0 {
		t.Error("another node heard of a change that was rolled back")
	}
}

// TestQ2_LostConnection: a node whose feed is cut off and cannot come back stops
// trusting its caches after 750 ms; when it is back it forgets first, since it
// may have missed something, and then hears again.
func TestQ2_LostConnection(t *testing.T) {
	a, b, _, heard, ctx := twoNodes(t)
	super := dbtest.Superuser(t, a)
	before := heard.resets.Load()
	// Connections that exist stay, new ones are refused, and the listening one
	// is ended.
	_, err := super.Exec(t.Context(), `REVOKE CONNECT ON DATABASE `+a.Pool.Config().ConnConfig.Database+` FROM PUBLIC`)
	ok(t, err)
	missed := db.Change{Kind: db.Config, Org: orgOf(t, ctx), Name: "missed"}
	ok(t, a.InTx(ctx, func(ctx context.Context, tx *db.Tx) error { // holds a pooled connection until the end has come
		_, err := super.Exec(ctx, `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND query = 'LISTEN sluice'`)
		if err != nil {
			return err
		}
		if took := eventually(t, 3*time.Second, "the feed is not trusted any more", func() bool { return !b.Feed.Trusted() }); took > 2*time.Second {
			t.Errorf("trust ended only after %s", took)
		}
		tx.Changed(missed)
		return nil
	}))
	if b.Feed.Trusted() || heard.count(missed) != 0 {
		t.Error("the feed heard something without a connection")
	}
	_, err = super.Exec(t.Context(), `GRANT CONNECT ON DATABASE `+a.Pool.Config().ConnConfig.Database+` TO PUBLIC`)
	ok(t, err)
	eventually(t, 5*time.Second, "the feed is trusted again", b.Feed.Trusted)
	if heard.resets.Load() <= before {
		t.Error("the feed is trusted again, and nothing was forgotten")
	}
	again := db.Change{Kind: db.Config, Org: orgOf(t, ctx), Name: "again"}
	ok(t, announce(a, ctx, again))
	eventually(t, time.Second, "changes are heard again", func() bool { return heard.count(again) > 0 })
}

// TestQ2_ReconnectsAtOnce: a connection that is ended while new ones are
// possible costs a reset and hardly any trust.
func TestQ2_ReconnectsAtOnce(t *testing.T) {
	a, b, _, heard, ctx := twoNodes(t)
	before := heard.resets.Load()
	_, err := dbtest.Superuser(t, a).Exec(t.Context(), `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND query = 'LISTEN sluice'`)
	ok(t, err)
	eventually(t, 5*time.Second, "the feed has been reset", func() bool { return heard.resets.Load() > before })
	eventually(t, 5*time.Second, "the feed is trusted", b.Feed.Trusted)
	c := db.Change{Kind: db.Config, Org: orgOf(t, ctx)}
	ok(t, announce(a, ctx, c))
	eventually(t, time.Second, "the change has been heard", func() bool { return heard.count(c) > 0 })
}

// TestQ2_Silence: a connection that stands but says nothing for 750 ms ends
// trust, and what was kept is forgotten before trust comes back: changes may
// wait behind the first sign of life.
func TestQ2_Silence(t *testing.T) {
	t.Parallel()
	d := dbtest.Open(t, dbtest.URL(t))
	heard := listen(d)
	dbtest.Start(t, d)
	ctx, _ := dbtest.TwoOrgs(t, d)
	before := heard.resets.Load()
	// Whoever takes all connections of the only node leaves none for beats.
	conns, max := 0, int(d.Pool.Config().MaxConns)
	var hold func(context.Context, *db.Tx) error
	hold = func(ctx context.Context, _ *db.Tx) error {
		if conns++; conns < max {
			return d.InTx(ctx, hold)
		}
		if took := eventually(t, 3*time.Second, "silence ends trust", func() bool { return !d.Feed.Trusted() }); took > 2*time.Second {
			t.Errorf("trust ended only after %s of silence", took)
		}
		if heard.resets.Load() != before {
			t.Error("a reset without any sign of life")
		}
		return nil
	}
	ok(t, d.InTx(ctx, hold))
	eventually(t, 5*time.Second, "the feed is trusted again", d.Feed.Trusted)
	if heard.resets.Load() != before+1 {
		t.Errorf("trust came back after silence, and there were %d resets, want one", heard.resets.Load()-before)
	}
}

// TestQ2_StaysTrusted: an idle pair of nodes does not lose trust by itself. A
// machine that stands still for longer than a beat proves nothing, so that
// there are some tries.
func TestQ2_StaysTrusted(t *testing.T) {
	a, b, _, heard, _ := twoNodes(t)
	for range 5 {
		before, start, last, worst := heard.resets.Load(), time.Now(), time.Now(), time.Duration(0)
		lost := false
		eventually(t, 10*time.Second, "three times the trust has passed", func() bool {
			lost = lost || !a.Feed.Trusted() || !b.Feed.Trusted()
			worst, last = max(worst, time.Since(last)), time.Now()
			return time.Since(start) > 2250*time.Millisecond
		})
		if !lost && heard.resets.Load() == before {
			return
		}
		t.Logf("trust was lost; the machine stood still for up to %s", worst)
	}
	t.Error("idle nodes lost trust five times")
}

// TestQ2_UnknownChangesForgetEverything: a newer node may speak of what this
// one does not know; and so does a change that no notification can hold.
func TestQ2_UnknownChangesForgetEverything(t *testing.T) {
	a, _, _, heard, ctx := twoNodes(t)
	before := heard.resets.Load()
	_, err := a.Pool.Exec(t.Context(), `SELECT pg_notify('sluice', 'something new')`)
	ok(t, err)
	eventually(t, time.Second, "everything has been forgotten", func() bool { return heard.resets.Load() == before+1 })
	ok(t, announce(a, ctx, db.Change{Kind: db.Package, Org: orgOf(t, ctx), Ecosystem: coord.NPM, Name: strings.Repeat("x", 9000)}))
	eventually(t, time.Second, "everything has been forgotten again", func() bool { return heard.resets.Load() == before+2 })
}

// TestFeed_NothingRunsAfterRun: Run ends with its context and leaves nothing
// behind; Wait says when the feed never comes up.
func TestFeed_NothingRunsAfterRun(t *testing.T) {
	t.Parallel()
	d := dbtest.Open(t, dbtest.URL(t))
	ended, stop := context.WithCancel(t.Context())
	stop()
	d.Feed.Run(ended)
	if d.Feed.Trusted() {
		t.Error("a feed that never ran is trusted")
	}
	if err := d.Feed.Wait(ended); !errors.Is(err, context.Canceled) {
		t.Errorf("waiting for a feed that never comes up: %v", err)
	}
}
