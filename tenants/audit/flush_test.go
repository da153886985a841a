package audit_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/google/uuid"

	"sluice.dev/sluice/tenants/scope"
)

// breaks makes the database refuse an organization's counts, until mend.
func (b *bench) breaks(ctx context.Context) (mend func()) {
	b.Helper()
	org, err := scope.Org(ctx)
	b.ok(err)
	b.sql(fmt.Sprintf(`CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
			IF NEW.org_id = '%s' THEN RAISE EXCEPTION 'disk full'; END IF; RETURN NEW; END $$`, org),
		`CREATE TRIGGER refuse BEFORE INSERT OR UPDATE ON deliveries FOR EACH ROW EXECUTE FUNCTION refuse()`)
	return func() { b.sql(`DROP TRIGGER refuse ON deliveries`, `DROP FUNCTION refuse()`) }
}

// TestDecisions_FlushFailurePutsBack: what could not be written (counts, repeats
// and warnings alike) is written later, with what has come in meanwhile; the
// other organization does not notice.
func TestDecisions_FlushFailurePutsBack(t *testing.T) {
	b := newBench(t)
	warning := b.answer()
	warning.Effect = "WARN"
	act := func() {
		b.ok(b.log.Allowed(b.ours, b.reg, uuid.Nil, leftPad("1.3.0")))
		b.ok(b.log.Allowed(b.theirs, b.foreign, uuid.Nil, leftPad("1.3.0")))
		b.refused(b.ours, b.answer())
		b.ok(b.log.Warned(b.ours, warning))
	}
	act()
	mend := b.breaks(b.ours)
	for range 2 {
		if err := b.log.Flush(context.Background()); err == nil || !strings.Contains(err.Error(), "disk full") {
			t.Fatalf("the flush: %v", err)
		}
		act()
	}
	if got := b.delivered(b.theirs); got["1.3.0 at 12"] != 2 {
		t.Errorf("the other organization's counts: %v", got)
	}
	if rows := b.decisions(b.ours); len(rows) != 1 || rows[0].Count != 1 {
		t.Errorf("a flush that failed wrote %v", rows)
	}
	mend()
	b.ok(b.log.Flush(context.Background()))
	if got := b.delivered(b.ours); got["1.3.0 at 12"] != 3 {
		t.Errorf("ours: %v", got)
	}
	if got := b.delivered(b.theirs); got["1.3.0 at 12"] != 3 {
		t.Errorf("theirs: %v", got)
	}
	rows := b.decisions(b.ours)
	if len(rows) != 2 || rows[0].Count != 3 || rows[1].Count != 3 {
		t.Errorf("rows %v", rows)
	}
}

// TestDecisions_Bounded: an organization whose buffer is full waits for a flush,
// and is refused when there can be none; what is counted already goes on, nothing
// is lost, and the other organization notices nothing.
func TestDecisions_Bounded(t *testing.T) {
	b := newBench(t)
	mend := b.breaks(b.ours)
	const bound = 10_000
	for i := range bound {
		b.ok(b.log.Allowed(b.ours, b.reg, uuid.Nil, leftPad(fmt.Sprintf("1.%d.0", i))))
	}
	for range 3 {
		if err := b.log.Allowed(b.ours, b.reg, uuid.Nil, leftPad("2.0.0")); err == nil || !strings.Contains(err.Error(), "disk full") {
			t.Fatalf("one more than fits, and no way to write: %v", err)
		}
	}
	b.ok(b.log.Allowed(b.ours, b.reg, uuid.Nil, leftPad("1.7.0")))
	b.ok(b.log.Allowed(b.theirs, b.foreign, uuid.Nil, leftPad("2.0.0")))
	mend()
	b.ok(b.log.Allowed(b.ours, b.reg, uuid.Nil, leftPad("2.0.0"))) // makes room by itself
	if got := b.delivered(b.ours); len(got) != bound || got["1.7.0 at 12"] != 2 {
		t.Errorf("%d versions were counted, %d times the seventh", len(got), got["1.7.0 at 12"])
	}
	b.ok(b.log.Flush(context.Background()))
	if got := b.delivered(b.ours); len(got) != bound+1 || got["2.0.0 at 12"] != 1 {
		t.Errorf("%d versions, and the last one %d times", len(got), got["2.0.0 at 12"])
	}
}

// TestDecisions_FlushesAtOnce: any number of flushes beside any number of
// answers count each of them once.
func TestDecisions_FlushesAtOnce(t *testing.T) {
	b := newBench(t)
	warning := b.answer()
	warning.Effect = "WARN"
	const n = 60
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range n {
				if err := b.log.Allowed(b.ours, b.reg, uuid.Nil, leftPad("1.3.0")); err != nil {
					t.Error(err)
				}
				if err := b.log.Warned(b.ours, warning); err != nil {
					t.Error(err)
				}
			}
		})
		wg.Go(func() {
			for range n / 4 {
				if err := b.log.Flush(context.Background()); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	b.ok(b.log.Flush(context.Background()))
	if got := b.delivered(b.ours); got["1.3.0 at 12"] != 4*n {
		t.Errorf("counted %v of %d", got, 4*n)
	}
	if rows := b.decisions(b.ours); len(rows) != 1 || rows[0].Count != 4*n {
		t.Errorf("warnings: %v", rows)
	}
}
