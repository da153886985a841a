package registry_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"sluice.dev/sluice/ent/db"
	"sluice.dev/sluice/ent/db/dbtest"
	"sluice.dev/sluice/tenants/coord"
	"sluice.dev/sluice/tenants/registry"
	"sluice.dev/sluice/tenants/scope"
)

func eventually(t testing.TB, within time.Duration, what string, holds func() bool) {
	t.Helper()
	for end := time.Now().Add(within); !holds(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("not within %s: %s", within, what)
		}
	}
}

// settled returns an organization's snapshot once it is kept: a node hears of
// its own changes twice, the second time from the database.
func (b *bench) settled(ctx context.Context) (snap *registry.Snapshot) {
	b.Helper()
	eventually(b, 5*time.Second, "the snapshot is kept", func() bool {
		first, err := b.shapes.Of(ctx)
		b.ok(err)
		snap, err = b.shapes.Of(ctx)
		b.ok(err)
		return first == snap
	})
	return snap
}

// TestQ2_SnapshotsAreKept: while nothing changes the database is not asked, and
// a change on this node shows at once.
func TestQ2_SnapshotsAreKept(t *testing.T) {
	b := newBench(t)
	b.registry("first")
	ours, theirs := b.settled(b.ours), b.settled(b.theirs)
	if theirs.Named(coord.NPM, "first") != nil || theirs.Org == ours.Org {
		t.Error("the other organization's snapshot shows our registry")
	}
	b.registry("second")
	now, err := b.shapes.Of(b.ours)
	b.ok(err)
	if now.Named(coord.NPM, "second") == nil || ours.Named(coord.NPM, "second") != nil {
		t.Error("the change does not show, or shows in a snapshot that was handed out before")
	}
	if _, err := b.shapes.Of(context.Background()); !errors.Is(err, scope.ErrNoOrg) {
		t.Errorf("without an organization: %v", err)
	}
}

// TestQ2_ChangesAreOfOneOrganization: ours leave the others' snapshot in place.
// A feed that was lost for a moment makes all new, so that there are some tries.
func TestQ2_ChangesAreOfOneOrganization(t *testing.T) {
	b := newBench(t)
	for _, name := range []string{"one", "two", "three", "four", "five"} {
		theirs := b.settled(b.theirs)
		b.registry(name)
		if again, err := b.shapes.Of(b.theirs); err == nil && again == theirs {
			return
		}
	}
	t.Error("each of our changes made the other organization's snapshot new")
}

// TestQ2_SnapshotsOfOtherNodes: what changes through another node's pool shows
// here within a second.
func TestQ2_SnapshotsOfOtherNodes(t *testing.T) {
	b := newBench(t)
	other := *b.svc
	other.DB = dbtest.Open(t, b.url)
	for _, name := range []string{"one", "two", "three"} {
		if _, err := b.shapes.Of(b.ours); err != nil { // something to be forgotten
			t.Fatal(err)
		}
		_, err := other.Create(b.ours, registry.CreateInput{Kind: registry.PackageRegistry, Ecosystem: coord.NPM, Name: name})
		b.ok(err)
		eventually(t, time.Second, "the other node's registry shows", func() bool {
			snap, err := b.shapes.Of(b.ours)
			b.ok(err)
			return snap.Named(coord.NPM, name) != nil
		})
	}
}

// TestQ2_UntrustedReadsTheDatabase: a node whose feed does not run sees every
// change at once, since it keeps nothing.
func TestQ2_UntrustedReadsTheDatabase(t *testing.T) {
	b := newBench(t)
	deaf := dbtest.Open(t, b.url) // its feed is never started
	shapes := registry.NewSnapshots(deaf, b.seal)
	for _, name := range []string{"one", "two", "three"} {
		if _, err := shapes.Of(b.ours); err != nil {
			t.Fatal(err)
		}
		b.registry(name)
		snap, err := shapes.Of(b.ours)
		b.ok(err)
		if snap.Named(coord.NPM, name) == nil {
			t.Fatalf("a node without a feed does not see %s", name)
		}
	}
}

// TestQ2_UntrustedSharesNoLoad: who asks a node without a feed after a change is
// not given what somebody else began to read before it.
func TestQ2_UntrustedSharesNoLoad(t *testing.T) {
	b := newBench(t)
	deaf := dbtest.Open(t, b.url)
	shapes := registry.NewSnapshots(deaf, b.seal)
	super := dbtest.Superuser(t, b.db)
	// The first reader stands in the middle of its snapshot: it has seen the
	// registries, and waits for the rules.
	lock, err := super.Begin(t.Context())
	b.ok(err)
	_, err = lock.Exec(t.Context(), `LOCK TABLE policy_rules IN ACCESS EXCLUSIVE MODE`)
	b.ok(err)
	slow := make(chan *registry.Snapshot, 1)
	go func() {
		snap, err := shapes.Of(b.ours)
		if err != nil {
			t.Error(err)
		}
		slow <- snap
	}()
	watch := dbtest.Superuser(t, b.db)
	waiting := func(n int) func() bool {
		return func() bool {
			var got int
			b.ok(watch.QueryRow(t.Context(), `SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`).Scan(&got))
			return got >= n
		}
	}
	eventually(t, 5*time.Second, "the first reader waits", waiting(1))
	b.registry("late") // a package registry has no rules, so it does not wait
	fast := make(chan *registry.Snapshot, 1)
	go func() {
		snap, err := shapes.Of(b.ours)
		if err != nil {
			t.Error(err)
		}
		fast <- snap
	}()
	eventually(t, 5*time.Second, "the second reader reads for itself", waiting(2))
	b.ok(lock.Rollback(t.Context()))
	if (<-slow).Named(coord.NPM, "late") != nil {
		t.Error("the first reader's snapshot is not of one moment")
	}
	if (<-fast).Named(coord.NPM, "late") == nil {
		t.Error("who asked after the change was given what was read before it")
	}
}

// TestQ2_LoadBeforeAChangeIsNotKept: a snapshot that was read before a change
// and finished after it is not the one that later callers get.
func TestQ2_LoadBeforeAChangeIsNotKept(t *testing.T) {
	b := newBench(t)
	super, watch := dbtest.Superuser(t, b.db), dbtest.Superuser(t, b.db)
	lock, err := super.Begin(t.Context())
	b.ok(err)
	_, err = lock.Exec(t.Context(), `LOCK TABLE policy_rules IN ACCESS EXCLUSIVE MODE`)
	b.ok(err)
	done := make(chan error, 1)
	go func() { _, err := b.shapes.Of(b.ours); done <- err }()
	eventually(t, 5*time.Second, "the reader waits", func() bool {
		var n int
		b.ok(watch.QueryRow(t.Context(), `SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`).Scan(&n))
		return n > 0
	})
	b.registry("late")
	b.ok(lock.Rollback(t.Context()))
	b.ok(<-done)
	snap, err := b.shapes.Of(b.ours)
	b.ok(err)
	if snap.Named(coord.NPM, "late") == nil {
		t.Error("a snapshot of before the change was kept")
	}
}

// TestO3_ReservedPatterns: the snapshot tells which pattern covers a name.
func TestO3_ReservedPatterns(t *testing.T) {
	b := newBench(t)
	b.in(b.ours, func(ctx context.Context, tx *db.Tx) error {
		tx.Changed(db.Change{Kind: db.Config, Org: org(t, ctx)})
		return tx.Ent.Organization.UpdateOneID(org(t, ctx)).
			SetReservedPatterns([]coord.ReservedPattern{{Ecosystem: coord.NPM, Pattern: "@acme/*"}, {Ecosystem: coord.PyPI, Pattern: "acme-*"}}).Exec(ctx)
	})
	snap, err := b.shapes.Of(b.ours)
	b.ok(err)
	for _, c := range []struct {
		e    coord.Ecosystem
		name string
		want string
	}{{coord.NPM, "@acme/ui", "@acme/*"}, {coord.NPM, "acme-ui", ""}, {coord.PyPI, "acme-ui", "acme-*"}, {coord.PyPI, "@acme/ui", ""}} {
		if got := snap.Reserved(coord.Package{Ecosystem: c.e, Name: c.name}); got != c.want {
			t.Errorf("%s %s: %q, want %q", c.e, c.name, got, c.want)
		}
	}
}
