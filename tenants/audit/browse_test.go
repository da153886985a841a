package audit_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/google/uuid"

	"sluice.dev/sluice/ent"
	"sluice.dev/sluice/ent/db"
	"sluice.dev/sluice/ent/db/dbtest"
	"sluice.dev/sluice/tenants/audit"
	"sluice.dev/sluice/tenants/coord"
)

func peek[T any](ctx context.Context, t *testing.T, d *db.DB, fn func(context.Context, *db.Tx) (T, error)) (out T) {
	t.Helper()
	err := d.InSnapshot(ctx, func(ctx context.Context, tx *db.Tx) (err error) {
		out, err = fn(ctx, tx)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func newRegistry(ctx context.Context, t *testing.T, d *db.DB, name string) uuid.UUID {
	t.Helper()
	id := uuid.Must(uuid.NewV7())
	err := d.InTx(ctx, func(ctx context.Context, tx *db.Tx) error {
		return tx.Ent.Registry.Create().SetID(id).SetEcosystem(coord.NPM).SetKind("PACKAGE").SetName(name).SetCreatedAt(time.Now()).Exec(ctx)
	})
	if err != nil {
		t.Fatal(err)
	}
	return id
}

// TestT2_BrowseEvents: the newest first, only within reach, nothing from
// another organization.
func TestT2_BrowseEvents(t *testing.T) {
	t.Parallel()
	d := dbtest.New(t)
	ours, theirs := dbtest.TwoOrgs(t, d)
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	log := audit.New(func() time.Time { return now })
	a := newRegistry(ours, t, d, "a")
	for i := range 6 {
		if i%2 == 0 {
			now = now.Add(time.Minute)
		}
		e := audit.Event{Action: fmt.Sprintf("thing:do-%d", i%2), ObjectType: "thing", ObjectID: fmt.Sprint(i)}
		if i < 4 {
			e.Registry = a
		}
		if err := d.InTx(ours, func(ctx context.Context, tx *db.Tx) error { return log.Record(ctx, tx, e) }); err != nil {
			t.Fatal(err)
		}
	}
	all := audit.Reach{All: true}
	for name, c := range map[string]struct {
		ctx  context.Context
		q    audit.EventQuery
		want string
	}{
		"nothing is within reach unless said so": {ours, audit.EventQuery{}, "[]"},
		"everything":                             {ours, audit.EventQuery{Reach: all}, "[5 4 3 2 1 0]"},
		"one registry":                           {ours, audit.EventQuery{Reach: audit.Reach{Registries: []uuid.UUID{a}}}, "[3 2 1 0]"},
		"an action":                              {ours, audit.EventQuery{Reach: all, Action: "thing:do-1"}, "[5 3 1]"},
		"a thing":                                {ours, audit.EventQuery{Reach: all, ObjectType: "thing", ObjectID: "2"}, "[2]"},
		"an actor":                               {ours, audit.EventQuery{Reach: all, Actor: "somebody"}, "[]"},
		"from":                                   {ours, audit.EventQuery{Reach: all, From: now}, "[5 4]"},
		"to":                                     {ours, audit.EventQuery{Reach: all, To: now}, "[3 2 1 0]"},
		"another organization":                   {theirs, audit.EventQuery{Reach: all}, "[]"},
	} {
		got := []string{}
		c.q.Limit = 2
		for range 4 {
			page := peek(c.ctx, t, d, func(ctx context.Context, tx *db.Tx) ([]*ent.AuditEvent, error) { return audit.Events(ctx, tx, c.q) })
			for _, e := range page {
				got = append(got, e.ObjectID)
				c.q.After = &audit.Mark{At: e.At, ID: e.ID.String()}
			}
		}
		if fmt.Sprint(got) != c.want {
			t.Errorf("%s: %v, want %s", name, got, c.want)
		}
	}
}

// TestC7_BrowseDeliveries: who fetched what, from where, since when, how often.
func TestC7_BrowseDeliveries(t *testing.T) {
	t.Parallel()
	d := dbtest.New(t)
	ours, theirs := dbtest.TwoOrgs(t, d)
	start := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	now := start
	log := audit.NewDecisions(d, func() time.Time { return now })
	pkg := coord.Package{Ecosystem: coord.NPM, Name: "left-pad"}
	a, token := newRegistry(ours, t, d, "a"), uuid.Must(uuid.NewV7())
	for range 3 {
		for _, who := range []uuid.UUID{token, uuid.Nil} {
			if err := log.Allowed(ours, a, who, coord.Version{Package: pkg, Version: "1.0.0"}); err != nil {
				t.Fatal(err)
			}
		}
		now = now.Add(2 * time.Hour)
	}
	if err := log.Allowed(ours, a, token, coord.Version{Package: pkg, Version: "2.0.0"}); err != nil {
		t.Fatal(err)
	}
	if err := log.Flush(ours); err != nil {
		t.Fatal(err)
	}
	one, whole := audit.Fetched{Package: pkg, Versions: []string{"1.0.0"}}, audit.Fetched{Package: pkg, Whole: true}
	total := func(ctx context.Context, f audit.Fetched) audit.Totals {
		return peek(ctx, t, d, func(ctx context.Context, tx *db.Tx) (audit.Totals, error) { return audit.TotalOf(ctx, tx, f) })
	}
	if n := total(ours, one); n.Tokens != 2 || n.Fetches != 6 || !n.FirstAt.Equal(start) || !n.LastAt.Equal(start.Add(4*time.Hour)) {
		t.Errorf("%+v", n)
	}
	if n := total(ours, whole); n.Fetches != 7 {
		t.Errorf("the whole package: %+v", n)
	}
	if n := total(ours, audit.Fetched{Package: pkg}); n.Fetches != 0 || n.FirstAt != nil {
		t.Errorf("no version at all: %+v", n)
	}
	if n := total(theirs, whole); n.Fetches != 0 {
		t.Errorf("another organization: %+v", n)
	}
	page := func(ctx context.Context, after *audit.Delivery) []audit.Delivery {
		return peek(ctx, t, d, func(ctx context.Context, tx *db.Tx) ([]audit.Delivery, error) {
			return audit.Deliveries(ctx, tx, audit.DeliveryQuery{Fetched: one, After: after, Limit: 1})
		})
	}
	first := page(ours, nil)
	if len(first) != 1 || first[0].Token != uuid.Nil || first[0].Count != 3 {
		t.Fatalf("%+v", first)
	}
	second := page(ours, &first[0])
	if len(second) != 1 || second[0].Token != token || len(page(ours, &second[0])) != 0 || len(page(theirs, nil)) != 0 {
		t.Errorf("%+v", second)
	}
}

// TestT2_BrowseDecisions: the newest first, only within reach.
func TestT2_BrowseDecisions(t *testing.T) {
	t.Parallel()
	d := dbtest.New(t)
	ours, theirs := dbtest.TwoOrgs(t, d)
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	log := audit.NewDecisions(d, func() time.Time { return now })
	a, b := newRegistry(ours, t, d, "a"), newRegistry(ours, t, d, "b")
	var ids []string
	for i, where := range []uuid.UUID{a, b, a, b} {
		now = now.Add(time.Duration(i%2) * time.Minute) // two at a time have the same
		v := coord.Version{Package: coord.Package{Ecosystem: coord.NPM, Name: "left-pad"}, Version: fmt.Sprintf("1.0.%d", i)}
		id, err := log.Refused(ours, audit.Answer{Registry: where, Version: v, Channel: audit.ChannelFile, Effect: []string{"WARN", "DENY"}[i/2], Decision: map[string]any{"n": i}})
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, id)
	}
	all := audit.Reach{All: true}
	for name, c := range map[string]struct {
		ctx  context.Context
		q    audit.DecisionQuery
		want int
	}{
		"nothing is within reach unless said so": {ours, audit.DecisionQuery{}, 0},
		"everything":                             {ours, audit.DecisionQuery{Reach: all}, 4},
		"one registry":                           {ours, audit.DecisionQuery{Reach: audit.Reach{Registries: []uuid.UUID{a}}}, 2},
		"a package":                              {ours, audit.DecisionQuery{Reach: all, Package: "left-pad"}, 4},
		"a version":                              {ours, audit.DecisionQuery{Reach: all, Version: "1.0.1"}, 1},
		"an effect":                              {ours, audit.DecisionQuery{Reach: all, Effect: "DENY"}, 2},
		"from":                                   {ours, audit.DecisionQuery{Reach: all, From: now}, 1},
		"to":                                     {ours, audit.DecisionQuery{Reach: all, To: now}, 3},
		"another organization":                   {theirs, audit.DecisionQuery{Reach: all}, 0},
	} {
		seen := map[string]bool{}
		c.q.Limit = 1
		for range 5 {
			page := peek(c.ctx, t, d, func(ctx context.Context, tx *db.Tx) ([]audit.Recorded, error) { return audit.DecisionLog(ctx, tx, c.q) })
			for _, r := range page {
				if seen[r.ID] {
					t.Errorf("%s: %s comes twice", name, r.ID)
				}
				seen[r.ID] = true
				c.q.After = &audit.Mark{At: r.At, ID: r.ID}
			}
		}
		if len(seen) != c.want {
			t.Errorf("%s: %d, want %d", name, len(seen), c.want)
		}
	}
	byID := func(ctx context.Context, id string) *audit.Recorded {
		return peek(ctx, t, d, func(ctx context.Context, tx *db.Tx) (*audit.Recorded, error) { return audit.RecordedByID(ctx, tx, id) })
	}
	if r := byID(ours, ids[0]); r == nil || r.Registry != a || r.Version != "1.0.0" || r.Effect != "WARN" {
		t.Errorf("%+v", r)
	}
	if byID(theirs, ids[0]) != nil || byID(ours, "nothing") != nil {
		t.Error("a decision is found where there is none")
	}
}
