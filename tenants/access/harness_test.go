package access_test

import (
	"context"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"sluice.dev/sluice/ent/auditevent"
	"sluice.dev/sluice/ent/db"
	"sluice.dev/sluice/ent/db/dbtest"
	"sluice.dev/sluice/tenants/access"
	"sluice.dev/sluice/tenants/audit"
	"sluice.dev/sluice/tenants/errs"
)

// clock is a time that tests move.
type clock struct {
	mu sync.Mutex
	at time.Time
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

func (c *clock) add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
}

// bench is a database with two organizations and the service.
type bench struct {
	testing.TB
	db           *db.DB
	clock        *clock
	svc          *access.Service
	ours, theirs context.Context // as the system
	url          string
	stopFeed     func() // the node then hears no changes any more
}

func newBench(t *testing.T) *bench {
	t.Helper()
	t.Parallel()
	return newBenchTB(t)
}

func newBenchTB(t testing.TB) *bench {
	t.Helper()
	url := dbtest.URL(t)
	d, err := db.Open(t.Context(), url, 8)
	if err != nil {
		t.Fatal(err)
	}
	b := &bench{TB: t, db: d, url: url, clock: &clock{at: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)}}
	b.svc = access.New(d, audit.New(b.clock.now), b.clock.now) // subscribes, so before the feed runs
	ctx, stop := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { d.Feed.Run(ctx) })
	b.stopFeed = func() { stop(); running.Wait() }
	t.Cleanup(func() { b.stopFeed(); d.Close() })
	dbtest.WaitTrusted(t, d)
	ours, theirs := dbtest.TwoOrgs(t, d)
	b.ours = access.As(ours, access.System("test"), "")
	b.theirs = access.As(theirs, access.System("test"), "")
	return b
}

func (b *bench) registry(ctx context.Context, name string) uuid.UUID {
	b.Helper()
	id := uuid.Must(uuid.NewV7())
	b.ok(b.db.InTx(ctx, func(ctx context.Context, tx *db.Tx) error {
		return tx.Ent.Registry.Create().SetID(id).SetEcosystem("NPM").SetKind("PACKAGE").SetName(name).SetCreatedAt(b.clock.now()).Exec(ctx)
	}))
	return id
}

// member makes one with only those roles and returns their session.
func (b *bench) member(ctx context.Context, name string, roles ...access.Place) access.Subject {
	b.Helper()
	if roles == nil {
		roles = []access.Place{}
	}
	m, err := b.svc.CreateMember(ctx, access.MemberInput{Email: name + "@acme.example", Roles: roles})
	b.ok(err)
	s, err := b.svc.MemberSubject(ctx, m.ID)
	b.ok(err)
	return s
}

// service makes a service token and authenticates it.
func (b *bench) service(ctx context.Context, in access.TokenInput) (string, access.Subject) {
	b.Helper()
	if in.Name == "" {
		in.Name = "ci"
	}
	secret, _, err := b.svc.CreateToken(ctx, in)
	b.ok(err)
	s, err := b.svc.Authenticate(ctx, secret, "192.0.2.7")
	b.ok(err)
	return secret, s
}

func (b *bench) as(ctx context.Context, s access.Subject) context.Context {
	return access.As(ctx, s, "192.0.2.7")
}

func (b *bench) can(ctx context.Context, s access.Subject, a access.Action, reg uuid.UUID) bool {
	b.Helper()
	ok, err := b.svc.Can(ctx, s, a, reg)
	b.ok(err)
	return ok
}

func (b *bench) reads(ctx context.Context, s access.Subject, reg uuid.UUID) bool {
	b.Helper()
	ok, err := b.svc.Reads(ctx, s, reg)
	b.ok(err)
	return ok
}

// events counts audit events of an action.
func (b *bench) events(ctx context.Context, action string) (n int) {
	b.Helper()
	b.ok(b.db.InSnapshot(ctx, func(ctx context.Context, tx *db.Tx) (err error) {
		n, err = tx.Ent.AuditEvent.Query().Where(auditevent.Action(action)).Count(ctx)
		return err
	}))
	return n
}

func (b *bench) ok(err error) {
	b.Helper()
	if err != nil {
		b.Fatal(err)
	}
}

func (b *bench) is(err error, k errs.Kind) {
	b.Helper()
	if !errs.Is(err, k) {
		b.Fatalf("got %v, want an error of kind %v", err, k)
	}
}

// otherNode is a second service on the same database whose changes reach the
// first only through PostgreSQL.
func otherNode(b *bench) *access.Service {
	b.Helper()
	d, err := db.Open(b.Context(), b.url, 4)
	b.ok(err)
	b.Cleanup(d.Close)
	return access.New(d, audit.New(b.clock.now), b.clock.now)
}

// eventually waits for what happens by itself within a second.
func eventually(t *testing.T, what string, is func() bool) {
	t.Helper()
	for end := time.Now().Add(2 * time.Second); !is(); runtime.Gosched() {
		if time.Now().After(end) {
			t.Fatalf("not within 2 s: %s", what)
		}
	}
}
