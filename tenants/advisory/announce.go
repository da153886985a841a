package advisory

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"sluice.dev/sluice/ent/db"
	"sluice.dev/sluice/jobs/spec"
	"sluice.dev/sluice/tenants/coord"
	"sluice.dev/sluice/tenants/errs"
)

const (
	// maxAnnounced is how many changed packages of an ecosystem are announced
	// one by one; with more, nodes forget what they keep of the ecosystem.
	maxAnnounced = 2000

	// quiet is how old the last import may be for the next one to pass
	// unannounced. After a longer pause some organization may have come to
	// treat the snapshot as too old (P3), and must see that it is not any
	// more; an hourly feed never flushes what nodes keep.
	quiet = 2 * time.Hour
)

// finish renews the snapshots, announces what changed and asks for a new
// evaluation of what is held.
func (w *writer) finish(ctx context.Context, path string) error {
	if w.usable == 0 {
		return w.nothing(path)
	}
	if len(w.covered) == 0 {
		w.covered = w.named
	}
	for _, e := range coord.Ecosystems() {
		if w.covered[e] {
			w.report.Ecosystems = append(w.report.Ecosystems, e)
		}
	}
	before, err := w.snapshots(ctx)
	if err != nil {
		return err
	}
	if err := w.renew(ctx); err != nil {
		return err
	}
	w.report.Changed = map[coord.Ecosystem]int{}
	for _, e := range coord.Ecosystems() {
		names := slices.Sorted(maps.Keys(w.changed[e]))
		if len(names) > 0 {
			w.report.Changed[e] = len(names)
		}
		w.announce(e, names, w.feed != DemoFeed && w.covered[e] && before[e].Before(w.now.Add(-quiet)))
		if err := w.reassess(ctx, e, names); err != nil {
			return err
		}
	}
	return nil
}

func (w *writer) nothing(path string) error {
	const op = "advisory.Import"
	if len(w.report.Skipped) > 0 {
		return errs.New(errs.Invalid, op, "%s has no usable OSV record; the first of %d problems: %s", path, w.report.SkippedCount, w.report.Skipped[0])
	}
	return errs.New(errs.Invalid, op, "%s has no OSV record (a JSON file for each advisory)", path)
}

// snapshots returns when each ecosystem was last imported from a real feed.
func (w *writer) snapshots(ctx context.Context) (map[coord.Ecosystem]time.Time, error) {
	rows, err := w.tx.Query(ctx, `SELECT ecosystem, max(imported_at) FROM advisory_snapshots WHERE feed <> $1 GROUP BY 1`, DemoFeed)
	if err != nil {
		return nil, fmt.Errorf("read snapshots: %w", err)
	}
	before := map[coord.Ecosystem]time.Time{}
	var e coord.Ecosystem
	var at time.Time
	_, err = pgx.ForEachRow(rows, []any{&e, &at}, func() error {
		before[e] = at
		return nil
	})
	return before, err
}

// renew writes the snapshots' rows. Their counts are of what decisions use:
// all real feeds together, or the demonstration advisories. A time in the
// future is never the newest.
func (w *writer) renew(ctx context.Context) error {
	_, err := w.tx.Exec(ctx, `
		INSERT INTO advisory_snapshots AS s (feed, ecosystem, imported_at, records, newest)
		SELECT $1, e.name, $2, coalesce(n.records, 0), n.newest FROM unnest($3::text[]) AS e (name) LEFT JOIN (
			SELECT f.ecosystem, count(DISTINCT f.advisory_id) AS records, max(a.modified) FILTER (WHERE a.modified <= $2) AS newest
			FROM advisory_affected f JOIN advisories a ON a.id = f.advisory_id
			WHERE (a.feed = $4) = ($1 = $4) GROUP BY 1
		) n ON n.ecosystem = e.name
		ON CONFLICT (feed, ecosystem) DO UPDATE SET imported_at = greatest(s.imported_at, excluded.imported_at),
			records = excluded.records, newest = excluded.newest`,
		w.feed, w.now, ecosystemTexts(w.report.Ecosystems), DemoFeed)
	if err != nil {
		return fmt.Errorf("renew snapshots: %w", err)
	}
	return nil
}

func ecosystemTexts(list []coord.Ecosystem) []string {
	texts := make([]string, len(list))
	for i, e := range list {
		texts[i] = string(e)
	}
	return texts
}

// announce tells every node what changed (Q2); everything when the snapshot is
// news in itself.
func (w *writer) announce(e coord.Ecosystem, names []string, everything bool) {
	if everything || len(names) > maxAnnounced {
		w.tx.Changed(db.Change{Kind: db.Snapshot, Ecosystem: e})
		return
	}
	for _, n := range names {
		w.tx.Changed(db.Change{Kind: db.Advisory, Ecosystem: e, Name: n})
	}
}

// reassess enqueues the evaluation of what organizations hold of the packages.
func (w *writer) reassess(ctx context.Context, e coord.Ecosystem, names []string) error {
	if len(names) == 0 {
		return nil
	}
	rows, err := w.tx.Query(ctx, `SELECT org_id, name FROM organizations_holding($1, $2) ORDER BY org_id, name`, string(e), names)
	if err != nil {
		return fmt.Errorf("find holders: %w", err)
	}
	held := map[uuid.UUID][]string{}
	var org uuid.UUID
	var name string
	if _, err := pgx.ForEachRow(rows, []any{&org, &name}, func() error {
		held[org] = append(held[org], name)
		return nil
	}); err != nil {
		return fmt.Errorf("find holders: %w", err)
	}
	for org, names := range held {
		for part := range slices.Chunk(names, spec.MaxReassessNames) {
			if err := w.tx.Enqueue(ctx, spec.Reassess{Org: org, Ecosystem: string(e), Names: part}, nil); err != nil {
				return fmt.Errorf("enqueue reassessment: %w", err)
			}
			w.report.Jobs++
		}
	}
	return nil
}
