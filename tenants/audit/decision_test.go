package audit_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"sluice.dev/sluice/ent"
	"sluice.dev/sluice/ent/db"
	"sluice.dev/sluice/ent/db/dbtest"
	"sluice.dev/sluice/tenants/audit"
	"sluice.dev/sluice/tenants/errs"
	"sluice.dev/sluice/tenants/scope"
)

func (b *bench) answer() audit.Answer {
	return audit.Answer{Registry: b.reg, Token: uuid.UUID{1}, Version: leftPad("1.3.0"), Channel: audit.ChannelFile, Effect: "DENY", Rule: uuid.UUID{2}, Kind: "BLOCK",
		Decision: map[string]any{"reason": "blocked"}, Snapshot: b.clock.now().Add(-time.Hour)}
}

func (b *bench) refused(ctx context.Context, a audit.Answer) string {
	b.Helper()
	id, err := b.log.Refused(ctx, a)
	b.ok(err)
	return id
}

// decisions are the rows of an organization's log.
func (b *bench) decisions(ctx context.Context) (out []*ent.Decision) {
	b.Helper()
	b.in(ctx, func(ctx context.Context, tx *db.Tx) (err error) {
		out, err = tx.Ent.Decision.Query().All(ctx)
		return err
	})
	return out
}

// TestF2_RefusedIsCommitted: when Refused returns, the row behind the link is
// there; ids are long and differ.
func TestF2_RefusedIsCommitted(t *testing.T) {
	b := newBench(t)
	a := b.answer()
	id := b.refused(b.ours, a)
	if len(id) != 22 || id == audit.NewID() {
		t.Errorf("id %q", id)
	}
	got, err := b.log.ByID(b.ours, id)
	b.ok(err)
	if got.Effect != "DENY" || got.Version != leftPad("1.3.0") || got.Count != 1 || string(got.Body) != `{"reason": "blocked"}` ||
		!got.Snapshot.Equal(a.Snapshot.Truncate(time.Microsecond)) || !got.At.Equal(b.clock.now().Truncate(time.Microsecond)) {
		t.Errorf("got %+v", got)
	}
	for _, c := range []struct {
		ctx context.Context
		id  string
	}{{b.theirs, id}, {b.ours, id[:21]}, {b.ours, "x"}, {b.ours, ""}} {
		if _, err := b.log.ByID(c.ctx, c.id); !errs.Is(err, errs.NotFound) {
			t.Errorf("a decision that does not exist for the asker: %v", err)
		}
	}
	if _, err := b.log.Refused(context.Background(), a); !errors.Is(err, scope.ErrNoOrg) {
		t.Errorf("without an organization: %v", err)
	}
}

// TestDecisions_Deduplicated: the same refusal again within the hour is one row
// with one id and a count; whatever makes it another one makes another row.
func TestDecisions_Deduplicated(t *testing.T) {
	b := newBench(t)
	first := b.refused(b.ours, b.answer())
	for range 4 {
		b.clock.add(time.Minute)
		if id := b.refused(b.ours, b.answer()); id != first {
			t.Fatalf("the same refusal has the id %s, and %s", first, id)
		}
	}
	if n := len(b.decisions(b.ours)); n != 1 {
		t.Errorf("%d rows", n)
	}
	b.ok(b.log.Flush(b.ours))
	got, err := b.log.ByID(b.ours, first)
	b.ok(err)
	if got.Count != 5 {
		t.Errorf("counted %d of 5", got.Count)
	}
	if last := b.decisions(b.ours)[0].LastAt; !last.Equal(b.clock.now().Truncate(time.Microsecond)) {
		t.Errorf("last at %s, now it is %s", last, b.clock.now())
	}
	ids := map[string]string{first: "the first"}
	for name, change := range map[string]func(*audit.Answer){
		"token":    func(a *audit.Answer) { a.Token = uuid.UUID{9} },
		"registry": func(a *audit.Answer) { a.Registry = uuid.UUID{9} },
		"version":  func(a *audit.Answer) { a.Version.Version = "1.3.1" },
		"rule":     func(a *audit.Answer) { a.Rule = uuid.UUID{9} },
		"kind":     func(a *audit.Answer) { a.Rule, a.Kind = uuid.Nil, "HOLD" },
		"channel":  func(a *audit.Answer) { a.Channel = audit.ChannelList },
		"effect":   func(a *audit.Answer) { a.Effect = "QUARANTINE" },
	} {
		a := b.answer()
		change(&a)
		id := b.refused(b.ours, a)
		if other, twice := ids[id]; twice {
			t.Errorf("another %s has the id of %s", name, other)
		}
		ids[id] = name
	}
	theirs := b.refused(b.theirs, b.answer())
	b.clock.add(time.Hour)
	if later := b.refused(b.ours, b.answer()); ids[later] != "" || ids[theirs] != "" || later == theirs {
		t.Error("the next hour, or the other organization, has the id of this one")
	}
}

// TestDecisions_DeduplicatedAtOnce: also when the same refusal is asked for many
// times at once, and every one counts.
func TestDecisions_DeduplicatedAtOnce(t *testing.T) {
	b := newBench(t)
	const n = 40
	ids := make([]string, n)
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() { ids[i], _ = b.log.Refused(b.ours, b.answer()) })
		wg.Go(func() {
			a := b.answer()
			a.Effect = "WARN"
			if err := b.log.Warned(b.ours, a); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	for _, id := range ids {
		if id == "" || id != ids[0] {
			t.Fatalf("ids %v", ids)
		}
	}
	b.ok(b.log.Flush(b.ours))
	rows := b.decisions(b.ours)
	if len(rows) != 2 || rows[0].Count != n || rows[1].Count != n {
		t.Errorf("rows %v", rows)
	}
}

// TestDecisions_FirstClientLeaves: the one whose request writes the row may go
// away; the others get their id.
func TestDecisions_FirstClientLeaves(t *testing.T) {
	b := newBench(t)
	gone, leave := context.WithCancel(b.ours)
	leave()
	if id, err := b.log.Refused(gone, b.answer()); err != nil || id == "" {
		t.Errorf("the refusal of a client that left: %q, %v", id, err)
	}
	if n := len(b.decisions(b.ours)); n != 1 {
		t.Errorf("%d rows", n)
	}
}

// TestDecisions_WarningsWait: they are written with the next flush and counted
// like refusals.
func TestDecisions_WarningsWait(t *testing.T) {
	b := newBench(t)
	a := b.answer()
	a.Effect = "WARN"
	for range 3 {
		b.ok(b.log.Warned(b.ours, a))
	}
	if n := len(b.decisions(b.ours)); n != 0 {
		t.Errorf("%d rows before the flush", n)
	}
	b.ok(b.log.Flush(b.ours))
	b.ok(b.log.Warned(b.ours, a))
	b.ok(b.log.Flush(b.ours))
	b.ok(b.log.Flush(b.ours)) // has nothing left
	rows := b.decisions(b.ours)
	if len(rows) != 1 || rows[0].Count != 4 || rows[0].Effect != "WARN" {
		t.Errorf("rows %v", rows)
	}
	if n := len(b.decisions(b.theirs)); n != 0 {
		t.Errorf("the other organization has %d rows", n)
	}
	// What cannot be encoded is its caller's error and stops nobody else.
	a.Version.Version, a.Decision = "9.9.9", make(chan int)
	if err := b.log.Warned(b.ours, a); err == nil {
		t.Error("a decision that is no JSON was taken")
	}
	if _, err := b.log.Refused(b.ours, a); err == nil {
		t.Error("a refusal that is no JSON was taken")
	}
	b.ok(b.log.Flush(b.ours))
}

// delivered are the counts of an organization's deliveries, by version and hour.
func (b *bench) delivered(ctx context.Context) map[string]int {
	b.Helper()
	out := map[string]int{}
	b.in(ctx, func(ctx context.Context, tx *db.Tx) error {
		rows, err := tx.Query(ctx, `SELECT version, extract(hour FROM hour AT TIME ZONE 'UTC')::int, count, first_at, last_at FROM deliveries`)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var version string
			var hour, count int
			var first, last time.Time
			if err := rows.Scan(&version, &hour, &count, &first, &last); err != nil {
				return err
			}
			if first.After(last) || first.Hour() != last.Hour() {
				b.Errorf("a count from %s to %s", first, last)
			}
			out[fmt.Sprintf("%s at %d", version, hour)] += count
		}
		return rows.Err()
	})
	return out
}

// TestDecisions_Deliveries: counted per version and hour, the first one with the
// transaction that brought the version in.
func TestDecisions_Deliveries(t *testing.T) {
	b := newBench(t)
	token := uuid.New()
	first := func(fail error) error {
		return b.db.InTx(b.ours, func(ctx context.Context, tx *db.Tx) error {
			return errors.Join(b.log.FirstDelivery(ctx, tx, b.reg, token, leftPad("1.3.0")), fail)
		})
	}
	if err := first(errors.New("oops")); err == nil || len(b.delivered(b.ours)) != 0 {
		t.Errorf("a delivery that was rolled back counts: %v", b.delivered(b.ours))
	}
	b.ok(first(nil))
	for range 3 {
		b.ok(b.log.Allowed(b.ours, b.reg, token, leftPad("1.3.0")))
	}
	b.ok(b.log.Allowed(b.ours, b.reg, uuid.Nil, leftPad("1.3.0")))
	b.ok(b.log.Allowed(b.ours, b.reg, token, leftPad("1.2.0")))
	b.ok(b.log.Allowed(b.theirs, b.foreign, token, leftPad("1.3.0")))
	if got := b.delivered(b.ours); got["1.3.0 at 12"] != 1 {
		t.Errorf("before the flush: %v", got)
	}
	b.ok(b.log.Flush(context.Background()))
	b.clock.add(time.Hour)
	b.ok(b.log.Allowed(b.ours, b.reg, token, leftPad("1.3.0")))
	b.ok(b.log.Flush(context.Background()))
	if got := b.delivered(b.ours); len(got) != 3 || got["1.3.0 at 12"] != 5 || got["1.2.0 at 12"] != 1 || got["1.3.0 at 13"] != 1 {
		t.Errorf("ours: %v", got)
	}
	if got := b.delivered(b.theirs); len(got) != 1 || got["1.3.0 at 12"] != 1 {
		t.Errorf("theirs: %v", got)
	}
	if err := b.log.Allowed(context.Background(), b.reg, token, leftPad("1.3.0")); !errors.Is(err, scope.ErrNoOrg) {
		t.Errorf("without an organization: %v", err)
	}
}

// TestDecisions_NodesCountTheSame: several nodes that flush counts of the same
// versions at once lose none.
func TestDecisions_NodesCountTheSame(t *testing.T) {
	b := newBench(t)
	nodes := []*audit.Decisions{b.log, audit.NewDecisions(dbtest.Open(t, b.url), b.clock.now), audit.NewDecisions(dbtest.Open(t, b.url), b.clock.now)}
	const rounds, versions = 10, 30
	var wg sync.WaitGroup
	for _, n := range nodes {
		wg.Go(func() {
			for range rounds {
				for v := range versions {
					if err := n.Allowed(b.ours, b.reg, uuid.Nil, leftPad(fmt.Sprintf("1.%d.0", v))); err != nil {
						t.Error(err)
					}
				}
				if err := n.Flush(b.ours); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	got := b.delivered(b.ours)
	for v := range versions {
		if n := got[fmt.Sprintf("1.%d.0 at 12", v)]; n != rounds*len(nodes) {
			t.Errorf("version %d was counted %d times, want %d", v, n, rounds*len(nodes))
		}
	}
}
