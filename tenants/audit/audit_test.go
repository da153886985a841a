package audit_test

import (
	"context"
	"encoding/json"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"sluice.dev/sluice/ent"
	"sluice.dev/sluice/ent/db"
	"sluice.dev/sluice/ent/db/dbtest"
	"sluice.dev/sluice/tenants/audit"
	"sluice.dev/sluice/tenants/coord"
	"sluice.dev/sluice/tenants/scope"
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

// bench is two organizations, each with a registry, and the log of one node.
type bench struct {
	*testing.T
	url          string
	db           *db.DB
	clock        *clock
	log          *audit.Decisions
	ours, theirs context.Context
	reg, foreign uuid.UUID
}

func newBench(t *testing.T) *bench {
	t.Helper()
	t.Parallel()
	b := &bench{T: t, url: dbtest.URL(t), clock: &clock{at: time.Date(2026, 3, 1, 12, 10, 0, 123456789, time.UTC)}}
	b.db = dbtest.Open(t, b.url)
	b.log = audit.NewDecisions(b.db, b.clock.now)
	b.ours, b.theirs = dbtest.TwoOrgs(t, b.db)
	b.reg, b.foreign = b.registry(b.ours), b.registry(b.theirs)
	return b
}

func (b *bench) registry(ctx context.Context) (id uuid.UUID) {
	b.Helper()
	b.in(ctx, func(ctx context.Context, tx *db.Tx) error {
		r, err := tx.Ent.Registry.Create().SetEcosystem(coord.NPM).SetKind("FIREWALL").SetName("fw").SetCreatedAt(b.clock.now()).Save(ctx)
		if err == nil {
			id = r.ID
		}
		return err
	})
	return id
}

func (b *bench) ok(err error) {
	b.Helper()
	if err != nil {
		b.Fatal(err)
	}
}

func (b *bench) in(ctx context.Context, fn func(context.Context, *db.Tx) error) {
	b.Helper()
	b.ok(b.db.InTx(ctx, fn))
}

// sql runs statements as a superuser.
func (b *bench) sql(statements ...string) {
	b.Helper()
	super := dbtest.Superuser(b, b.db)
	for _, q := range statements {
		_, err := super.Exec(context.Background(), q)
		b.ok(err)
	}
}

func leftPad(version string) coord.Version {
	return coord.Version{Package: coord.Package{Ecosystem: coord.NPM, Name: "left-pad"}, Version: version}
}

// TestAudit_WithItsTransaction: an event exists exactly if what it tells of
// does, and says who did it.
func TestAudit_WithItsTransaction(t *testing.T) {
	b := newBench(t)
	log := audit.New(b.clock.now)
	ann := scope.Actor{Kind: scope.ActorMember, ID: uuid.New(), TokenID: uuid.New(), Name: "ann@acme", IP: "192.0.2.7"}
	record := func(fail error) error {
		return b.db.InTx(scope.WithActor(b.ours, ann), func(ctx context.Context, tx *db.Tx) error {
			err := log.Record(ctx, tx, audit.Event{Action: "version:quarantine", ObjectType: "hold", ObjectID: "1", Registry: b.reg, Reason: "odd",
				Before: map[string]any{"open": false}, After: map[string]any{"open": true}}, audit.Event{Action: "version:release", ObjectType: "hold", ObjectID: "2"})
			return errors.Join(err, fail)
		})
	}
	if err := record(errors.New("oops")); err == nil {
		t.Fatal("the transaction did not fail")
	}
	if n := len(b.events(b.ours)); n != 0 {
		t.Errorf("%d events of a transaction that was rolled back", n)
	}
	b.ok(record(nil))
	got := b.events(b.ours)
	if len(got) != 2 {
		t.Fatalf("%d events", len(got))
	}
	first, second := got[0], got[1]
	if first.ActorKind != "MEMBER" || *first.ActorID != ann.ID || *first.TokenID != ann.TokenID || first.ActorName != ann.Name || first.IP != ann.IP ||
		first.Action != "version:quarantine" || first.ObjectID != "1" || *first.RegistryID != b.reg || first.Reason != "odd" {
		t.Errorf("event %+v", first)
	}
	var state map[string]bool
	if json.Unmarshal(first.Before, &state) != nil || state["open"] || json.Unmarshal(first.After, &state) != nil || !state["open"] {
		t.Errorf("states %s, %s", first.Before, first.After)
	}
	if second.RegistryID != nil || second.Before != nil || second.After != nil {
		t.Errorf("an event without registry and states: %+v", second)
	}
	if n := len(b.events(b.theirs)); n != 0 {
		t.Errorf("the other organization sees %d events", n)
	}
}

func (b *bench) events(ctx context.Context) (out []*ent.AuditEvent) {
	b.Helper()
	b.in(ctx, func(ctx context.Context, tx *db.Tx) (err error) {
		out, err = tx.Ent.AuditEvent.Query().Order(ent.Asc("id")).All(ctx)
		return err
	})
	return out
}

// TestAudit_Refuses: without an organization, and what is no JSON; nothing to
// record is nothing.
func TestAudit_Refuses(t *testing.T) {
	b := newBench(t)
	log := audit.New(b.clock.now)
	b.in(b.ours, func(ctx context.Context, tx *db.Tx) error {
		if err := log.Record(context.Background(), tx, audit.Event{Action: "x"}); !errors.Is(err, scope.ErrNoOrg) {
			t.Errorf("without an organization: %v", err)
		}
		if err := log.Record(ctx, tx, audit.Event{Action: "x", After: make(chan int)}); err == nil {
			t.Error("what is no JSON was recorded")
		}
		return log.Record(ctx, tx)
	})
	if n := len(b.events(b.ours)); n != 0 {
		t.Errorf("%d events", n)
	}
}
