package advisory

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"sluice.dev/sluice/ent/db"
	"sluice.dev/sluice/tenants/coord"
)

// writer stores the batches of one import. It relies on the lock that every
// import takes: between looking and writing nobody else changes advisories.
type writer struct {
	tx       *db.Tx
	feed     string
	now      time.Time
	progress func(Report)
	report   Report

	usable  int                           // records that could be decoded
	named   map[coord.Ecosystem]bool      // ecosystems that some record names
	covered map[coord.Ecosystem]bool      // those that some record names alone
	changed map[coord.Ecosystem]stringSet // names of packages whose advisories changed
}

type stringSet map[string]struct{}

func newWriter(tx *db.Tx, o Options) *writer {
	w := &writer{tx: tx, feed: o.Feed, now: o.Now, progress: o.Progress,
		named: map[coord.Ecosystem]bool{}, covered: map[coord.Ecosystem]bool{}, changed: map[coord.Ecosystem]stringSet{}}
	for _, e := range coord.Ecosystems() {
		w.changed[e] = stringSet{}
	}
	return w
}

// known is what decides whether a record replaces the stored one.
type known struct {
	feed     string
	modified time.Time
	stored   bool // in the database before this batch
}

// superseded reports whether a record of the feed with that time replaces k.
func (k known) superseded(feed string, modified, now time.Time) bool {
	switch {
	case feed == DemoFeed && k.feed != DemoFeed:
		return false
	case feed != DemoFeed && k.feed == DemoFeed:
		return true
	case k.modified.After(now):
		return !modified.Equal(k.modified)
	}
	return modified.After(k.modified)
}

func (w *writer) write(ctx context.Context, b *batch) error {
	w.report.Read += b.read
	for _, p := range b.skipped {
		w.report.skip(p)
	}
	w.report.note(b.noted)
	have, err := w.lookUp(ctx, b.rows)
	if err != nil {
		return err
	}
	fresh := map[string]row{}
	var replaced []string
	for _, r := range b.rows {
		w.usable++
		w.cover(r.Record)
		old, exists := have[r.ID]
		switch {
		case exists && !old.superseded(w.feed, r.Modified, w.now):
			w.report.Unchanged++
			continue
		case !exists && len(r.affected) == 0:
			w.report.Foreign++
			continue
		}
		if old.stored {
			replaced = append(replaced, r.ID)
		}
		if _, twice := fresh[r.ID]; !twice {
			w.report.Stored++
		}
		have[r.ID] = known{feed: w.feed, modified: r.Modified}
		fresh[r.ID] = r
	}
	if err := w.remove(ctx, replaced); err != nil {
		return err
	}
	if err := w.insert(ctx, fresh); err != nil {
		return err
	}
	if w.progress != nil {
		w.progress(w.report)
	}
	return nil
}

// cover remembers which ecosystems the feed is about. A record about several
// ecosystems is in the feed of each, so it alone proves none of them.
func (w *writer) cover(r *Record) {
	var first coord.Ecosystem
	alone := true
	for _, e := range r.Entries {
		w.named[e.Package.Ecosystem] = true
		if first == "" {
			first = e.Package.Ecosystem
		}
		alone = alone && e.Package.Ecosystem == first
	}
	if first != "" && alone {
		w.covered[first] = true
	}
}

func (w *writer) lookUp(ctx context.Context, rows []row) (map[string]known, error) {
	ids := make([]string, len(rows))
	for i, r := range rows {
		ids[i] = r.ID
	}
	found, err := w.tx.Query(ctx, `SELECT id, feed, modified FROM advisories WHERE id = ANY ($1)`, ids)
	if err != nil {
		return nil, fmt.Errorf("look up advisories: %w", err)
	}
	have := map[string]known{}
	var id string
	k := known{stored: true}
	_, err = pgx.ForEachRow(found, []any{&id, &k.feed, &k.modified}, func() error {
		have[id] = k
		return nil
	})
	return have, err
}

// remove deletes stored records that are about to be replaced. The packages
// that they named count as changed, since the new ones may not name them.
func (w *writer) remove(ctx context.Context, ids []string) error {
	if len(ids) == 0 {
		return nil
	}
	rows, err := w.tx.Query(ctx, `DELETE FROM advisory_affected WHERE advisory_id = ANY ($1) RETURNING ecosystem, name`, ids)
	if err != nil {
		return fmt.Errorf("replace advisories: %w", err)
	}
	var ecosystem coord.Ecosystem
	var name string
	if _, err = pgx.ForEachRow(rows, []any{&ecosystem, &name}, func() error {
		w.touch(ecosystem, name)
		return nil
	}); err != nil {
		return fmt.Errorf("replace advisories: %w", err)
	}
	_, err = w.tx.Exec(ctx, `DELETE FROM advisories WHERE id = ANY ($1)`, ids)
	return err
}

func (w *writer) touch(e coord.Ecosystem, name string) {
	if names, ok := w.changed[e]; ok {
		names[name] = struct{}{}
	}
}

func (w *writer) insert(ctx context.Context, fresh map[string]row) error {
	if len(fresh) == 0 {
		return nil
	}
	var heads, affected [][]any
	for _, r := range fresh {
		heads = append(heads, []any{r.ID, w.feed, r.Modified, nullable(r.Published), nullable(r.Withdrawn),
			r.Summary, list(r.Aliases), r.Severity.String(), r.CVSS, r.Malware, r.gzip})
		for _, a := range r.affected {
			affected = append(affected, []any{r.ID, string(a.Package.Ecosystem), a.Package.Name, a.ranges, a.versions})
			w.touch(a.Package.Ecosystem, a.Package.Name)
		}
	}
	if _, err := w.tx.CopyFrom(ctx, pgx.Identifier{"advisories"}, []string{"id", "feed", "modified", "published", "withdrawn",
		"summary", "aliases", "severity", "cvss", "malware", "record"}, pgx.CopyFromRows(heads)); err != nil {
		return fmt.Errorf("store advisories: %w", err)
	}
	if _, err := w.tx.CopyFrom(ctx, pgx.Identifier{"advisory_affected"},
		[]string{"advisory_id", "ecosystem", "name", "ranges", "versions"}, pgx.CopyFromRows(affected)); err != nil {
		return fmt.Errorf("store affected packages: %w", err)
	}
	return nil
}

func nullable(t time.Time) any {
	if t.IsZero() {
		return nil
	}
	return t
}
