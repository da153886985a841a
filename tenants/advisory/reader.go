package advisory

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"

	"sluice.dev/sluice/tenants/errs"
)

// Bounds of what lies in memory between reading and writing.
const (
	batchRecords = 2000
	batchBytes   = 8 << 20
)

// row is a record ready to be stored.
type row struct {
	*Record
	gzip     []byte
	affected []affectedRow
}

// affectedRow is an entry with its columns encoded.
type affectedRow struct {
	Entry
	ranges, versions []byte // JSON
}

// batch is some records of a feed, and what went wrong among them.
type batch struct {
	read    int
	bytes   int
	rows    []row
	skipped []Problem
	noted   []Problem
}

// reader turns a source into batches.
type reader struct {
	out     chan<- *batch
	current *batch
	records int
	bytes   int64
	zip     *gzip.Writer
}

func (r *reader) run(ctx context.Context, src source) error {
	r.current = &batch{}
	err := src(ctx, func(it item) error { return r.add(ctx, it) })
	if err != nil {
		return err
	}
	return r.send(ctx)
}

func (r *reader) send(ctx context.Context) error {
	select {
	case r.out <- r.current:
		r.current = &batch{}
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (r *reader) add(ctx context.Context, it item) error {
	const op = "advisory.Import"
	r.records++
	r.bytes += int64(len(it.data))
	switch {
	case r.records > MaxRecords:
		return errs.New(errs.TooLarge, op, "the feed has more than %d records, which is the most that is read", MaxRecords)
	case r.bytes > MaxImportBytes:
		return errs.New(errs.TooLarge, op, "the feed's records have more than %d bytes, which is the most that is read", int64(MaxImportBytes))
	}
	b := r.current
	b.read++
	b.bytes += len(it.data)
	if p, ok := r.decode(it); !ok {
		b.skipped = append(b.skipped, p)
	}
	if b.read < batchRecords && b.bytes < batchBytes {
		return nil
	}
	return r.send(ctx)
}

func (r *reader) decode(it item) (Problem, bool) {
	if it.err != nil {
		return Problem{File: it.file, Msg: it.err.Error()}, false
	}
	rec, noted, err := Decode(it.file, it.data)
	if err != nil {
		var p *problemError
		errors.As(err, &p)
		return p.Problem, false
	}
	r.current.noted = append(r.current.noted, noted...)
	if it.gzip == nil {
		it.gzip = r.compress(it.data)
	}
	encoded := row{Record: rec, gzip: it.gzip, affected: make([]affectedRow, len(rec.Entries))}
	for i, e := range rec.Entries {
		encoded.affected[i] = affectedRow{Entry: e, ranges: list(e.Ranges), versions: list(e.Versions)}
	}
	r.current.rows = append(r.current.rows, encoded)
	return Problem{}, true
}

func (r *reader) compress(data []byte) []byte {
	var b bytes.Buffer
	if r.zip == nil {
		r.zip, _ = gzip.NewWriterLevel(&b, gzip.BestSpeed) // fails for unknown levels only
	} else {
		r.zip.Reset(&b)
	}
	r.zip.Write(data) // a bytes.Buffer takes everything
	r.zip.Close()
	return b.Bytes()
}

// list encodes a JSON list; an empty one for nil.
func list[T Range | string](v []T) []byte {
	if len(v) == 0 {
		return []byte("[]")
	}
	b, err := json.Marshal(v)
	if err != nil {
		panic(err) // strings and structs of strings always encode
	}
	return b
}
