package advisory

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/jackc/pgx/v5"

	"sluice.dev/sluice/ent/db"
	"sluice.dev/sluice/tenants/coord"
	"sluice.dev/sluice/tenants/errs"
	"sluice.dev/sluice/tenants/policy"
)

// Service answers questions about the stored advisories. They are the same in
// every organization.
type Service struct{ db *db.DB }

// NewService returns a service that reads from d.
func NewService(d *db.DB) *Service { return &Service{db: d} }

// headColumns are the columns that scanHead reads.
const headColumns = `a.id, a.feed, a.modified, a.published, a.withdrawn, a.summary, a.aliases, a.severity, a.cvss, a.malware`

// ForPackage returns the advisories that name a package, ordered by id, ready
// to be matched; the withdrawn ones too, which match nothing. name must be
// normalized. It is one indexed query.
func (s *Service) ForPackage(ctx context.Context, tx *db.Tx, e coord.Ecosystem, name string) (Advisories, error) {
	all, err := s.ForPackages(ctx, tx, e, []string{name})
	return all[name], err
}

// ForPackages is ForPackage for several packages of an ecosystem in one query.
// Packages that no advisory names are not in the answer.
func (s *Service) ForPackages(ctx context.Context, tx *db.Tx, e coord.Ecosystem, names []string) (map[string]Advisories, error) {
	rows, err := tx.Query(ctx, `SELECT `+headColumns+`, f.name, f.ranges, f.versions
		FROM advisory_affected f JOIN advisories a ON a.id = f.advisory_id
		WHERE f.ecosystem = $1 AND f.name = ANY ($2) ORDER BY f.name, a.id, f.id`, string(e), names)
	if err != nil {
		return nil, fmt.Errorf("read advisories: %w", err)
	}
	defer rows.Close()
	all := map[string]Advisories{}
	var head Advisory
	var entries []Entry
	flush := func() {
		if len(entries) > 0 {
			name := entries[0].Package.Name
			all[name] = append(all[name], NewAffected(head, entries))
		}
		entries = nil
	}
	for rows.Next() {
		h, entry, err := scanAffected(rows, e)
		if err != nil {
			return nil, err
		}
		if len(entries) > 0 && (h.ID != head.ID || entry.Package != entries[0].Package) {
			flush()
		}
		head, entries = h, append(entries, entry)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("read advisories: %w", err)
	}
	flush()
	return all, nil
}

// scanAffected reads headColumns and an entry's name, ranges and versions.
func scanAffected(rows pgx.Rows, e coord.Ecosystem) (Advisory, Entry, error) {
	entry := Entry{Package: coord.Package{Ecosystem: e}}
	var ranges, versions []byte
	head, err := scanHead(rows, &entry.Package.Name, &ranges, &versions)
	if err != nil {
		return head, entry, err
	}
	return head, entry, decodeEntry(head.ID, &entry, ranges, versions)
}

// scanHead reads headColumns and then more.
func scanHead(row pgx.Row, more ...any) (Advisory, error) {
	var a Advisory
	var aliases []byte
	var published, withdrawn *time.Time
	var severity string
	err := row.Scan(append([]any{&a.ID, &a.Feed, &a.Modified, &published, &withdrawn, &a.Summary, &aliases, &severity, &a.CVSS, &a.Malware}, more...)...)
	if err != nil {
		return a, fmt.Errorf("read advisory: %w", err)
	}
	if err := json.Unmarshal(aliases, &a.Aliases); err != nil {
		return a, fmt.Errorf("advisory %s: aliases: %w", a.ID, err)
	}
	if published != nil {
		a.Published = *published
	}
	if withdrawn != nil {
		a.Withdrawn = *withdrawn
	}
	if a.Severity, err = policy.ParseSeverity(severity); err != nil {
		return a, fmt.Errorf("advisory %s: %w", a.ID, err)
	}
	return a, nil
}

// decodeEntry fails rather than take an unreadable entry for one that affects
// nothing (F1).
func decodeEntry(id string, e *Entry, ranges, versions []byte) error {
	if err := json.Unmarshal(ranges, &e.Ranges); err != nil {
		return fmt.Errorf("advisory %s: ranges: %w", id, err)
	}
	if err := json.Unmarshal(versions, &e.Versions); err != nil {
		return fmt.Errorf("advisory %s: versions: %w", id, err)
	}
	return nil
}

// Snapshot returns when the newest real feed of the ecosystem was imported, and
// the zero time when there is none: demonstration advisories never count (P3).
func (s *Service) Snapshot(ctx context.Context, tx *db.Tx, e coord.Ecosystem) (time.Time, error) {
	var at *time.Time
	err := tx.QueryRow(ctx, `SELECT max(imported_at) FROM advisory_snapshots WHERE ecosystem = $1 AND feed <> $2`, string(e), DemoFeed).Scan(&at)
	if err != nil {
		return time.Time{}, fmt.Errorf("read snapshot: %w", err)
	}
	if at == nil {
		return time.Time{}, nil
	}
	return *at, nil
}

// Detail is an advisory with all that it says.
type Detail struct {
	Advisory
	Entries []Entry
	Record  json.RawMessage // the OSV record as it came
}

// Get returns an advisory by its OSV id, or an error of kind NotFound.
func (s *Service) Get(ctx context.Context, id string) (Detail, error) {
	const op = "advisory.Get"
	var d Detail
	err := s.db.InGlobal(ctx, func(ctx context.Context, tx *db.Tx) error {
		var packed []byte
		var err error
		d.Advisory, err = scanHead(tx.QueryRow(ctx, `SELECT `+headColumns+`, a.record FROM advisories a WHERE a.id = $1`, id), &packed)
		switch {
		case errors.Is(err, pgx.ErrNoRows):
			return errs.New(errs.NotFound, op, "there is no advisory %q here", printable(id))
		case err != nil:
			return err
		}
		if d.Record, err = unpack(packed); err != nil {
			return fmt.Errorf("advisory %s: %w", id, err)
		}
		d.Entries, err = entriesOf(ctx, tx, id)
		return err
	})
	return d, err
}

func entriesOf(ctx context.Context, tx *db.Tx, id string) ([]Entry, error) {
	rows, err := tx.Query(ctx, `SELECT ecosystem, name, ranges, versions FROM advisory_affected WHERE advisory_id = $1 ORDER BY id`, id)
	if err != nil {
		return nil, fmt.Errorf("read advisory: %w", err)
	}
	defer rows.Close()
	var entries []Entry
	for rows.Next() {
		var e Entry
		var ranges, versions []byte
		if err := rows.Scan(&e.Package.Ecosystem, &e.Package.Name, &ranges, &versions); err != nil {
			return nil, fmt.Errorf("read advisory: %w", err)
		}
		if err := decodeEntry(id, &e, ranges, versions); err != nil {
			return nil, err
		}
		entries = append(entries, e)
	}
	return entries, rows.Err()
}

func unpack(packed []byte) ([]byte, error) {
	z, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		return nil, err
	}
	return io.ReadAll(io.LimitReader(z, MaxRecordBytes))
}
