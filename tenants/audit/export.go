package audit

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"time"

	"sluice.dev/sluice/ent/db"
)

// Line is a line of an export: an event, and its hash in the chain with the one
// before. Both are null while it waits to be sealed.
type Line struct {
	Sealed
	Prev *Hash `json:"prev"`
	Hash *Hash `json:"hash"`
}

// ExportQuery selects what is exported. Its zero value is nothing.
type ExportQuery struct {
	Reach Reach
	From  time.Time // zero = no bound
	To    time.Time // exclusive; zero = no bound
}

// exportPage is how many events are read at once.
const exportPage = 1_000

// Export writes the context's organization's events as NDJSON, one [Line] each,
// in the order of the chain and what is not sealed yet last, and returns how
// many. A whole export can be verified without the database: [VerifyExport]. It
// reads page by page, so that events that come meanwhile may be in it.
func Export(ctx context.Context, d *db.DB, q ExportQuery, w io.Writer) (lines int, err error) {
	out := bufio.NewWriter(w)
	enc := json.NewEncoder(out)
	enc.SetEscapeHTML(false)
	for behind := int64(0); ; {
		var page []Line
		last := false
		err := d.InSnapshot(ctx, func(ctx context.Context, tx *db.Tx) (err error) {
			if page, err = q.read(ctx, tx, `s.seq > $5 ORDER BY s.seq LIMIT $6`, behind, exportPage); err != nil || len(page) == exportPage {
				return err
			}
			// By the same state of the database, so that none is between them.
			last = true
			waiting, err := q.read(ctx, tx, `s.seq IS NULL ORDER BY e.at, e.id`)
			page = append(page, waiting...)
			return err
		})
		if err != nil {
			return lines, fmt.Errorf("audit: export: %w", err)
		}
		for _, l := range page {
			if err := enc.Encode(l); err != nil {
				return lines, err
			}
			lines++
		}
		if last {
			return lines, out.Flush()
		}
		behind = page[len(page)-1].Seq
	}
}

// read returns the lines of the query that a further condition narrows.
func (q ExportQuery) read(ctx context.Context, tx *db.Tx, and string, args ...any) (out []Line, err error) {
	rows, err := tx.Query(ctx, `SELECT `+eventColumns+`, coalesce(s.seq, 0), s.sealed_at, s.prev, s.hash FROM audit_events e
		LEFT JOIN audit_seals s ON s.org_id = e.org_id AND s.event_id = e.id
		WHERE e.org_id = `+db.Ours+` AND ($1 OR e.registry_id = ANY ($2)) AND ($3::timestamptz IS NULL OR e.at >= $3)
			AND ($4::timestamptz IS NULL OR e.at < $4) AND `+and, append([]any{q.Reach.All, q.Reach.Registries, orNull(q.From), orNull(q.To)}, args...)...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var l Line
		var sealedAt *time.Time
		var prev, hash []byte
		if err := rows.Scan(append(l.columns(), &l.Seq, &sealedAt, &prev, &hash)...); err != nil {
			return nil, err
		}
		if sealedAt != nil {
			p, h := hashOf(prev), hashOf(hash)
			l.SealedAt, l.Prev, l.Hash = sealedAt.UTC(), &p, &h
		}
		l.At = l.At.UTC()
		out = append(out, l)
	}
	return out, rows.Err()
}

func orNull(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

// maxLine bounds a line of an export that is read, in bytes.
const maxLine = 16 << 20

// VerifyExport checks the chain of an export: every line follows the one
// before and has the hash of what it says. A part of an export, from anywhere
// to anywhere, is checked from its first line on. Errors are of reading; what
// does not hold is in the report.
func VerifyExport(r io.Reader) (Report, error) {
	var out Report
	in := bufio.NewScanner(r)
	in.Buffer(make([]byte, 64<<10), maxLine)
	for n := 1; in.Scan(); n++ {
		text := bytes.TrimSpace(in.Bytes())
		if len(text) == 0 {
			continue
		}
		var l Line
		if err := json.Unmarshal(text, &l); err != nil {
			return out, fmt.Errorf("line %d is no line of an export: %w", n, err)
		}
		if l.Seq == 0 || l.Prev == nil || l.Hash == nil {
			out.Waiting++
			continue
		}
		if err := out.follow(l); err != nil {
			return out, fmt.Errorf("line %d: %w", n, err)
		}
	}
	return out, in.Err()
}

func (r *Report) follow(l Line) error {
	fault := func(what string) {
		if len(r.Faults) < maxFaults {
			r.Faults = append(r.Faults, Fault{Seq: l.Seq, Event: l.ID, At: l.At, What: what})
		}
	}
	if r.Sealed > 0 && (l.Seq != r.Head.Seq+1 || *l.Prev != r.Head.Hash) {
		fault(fmt.Sprintf("the line does not follow seal %d: lines between them were removed, inserted or moved", r.Head.Seq))
	}
	want, err := l.hashAfter(*l.Prev)
	if err != nil {
		return err
	}
	if want != *l.Hash {
		fault("the line was changed")
	}
	r.Sealed, r.Head = r.Sealed+1, Head{l.Seq, *l.Hash}
	return nil
}
