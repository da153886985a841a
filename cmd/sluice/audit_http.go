package main

import (
	"context"
	"net/http"
	"time"

	"github.com/google/uuid"

	"sluice.dev/sluice/ent/db"
	"sluice.dev/sluice/protocol"
	"sluice.dev/sluice/tenants/access"
	"sluice.dev/sluice/tenants/audit"
	"sluice.dev/sluice/tenants/errs"
)

// exportPath is where an organization's audit trail can be had as NDJSON.
const exportPath = "/-/audit.ndjson"

// exportWrite is how long a client may take to read what is written.
const exportWrite = 30 * time.Second

// auditExport answers with what the subject may read of the audit events, as
// `sluice audit export` writes them. The export itself is an audit event, which
// is in it. It breaks off, so that the client sees that something is missing,
// when reading fails or the right is lost.
type auditExport struct {
	db     *db.DB
	access *access.Service
	log    *audit.Log
}

// ServeHTTP implements http.Handler.
func (x auditExport) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	protocol.Harden(w.Header())
	if r.Method != http.MethodGet {
		protocol.NotAllowed(w, r, "GET")
		return
	}
	q, err := x.query(r)
	if err == nil {
		err = x.record(r.Context(), q)
	}
	if err != nil {
		protocol.Problem(w, r, err)
		return
	}
	h := w.Header()
	h.Set("Content-Type", "application/x-ndjson")
	h.Set("Content-Disposition", `attachment; filename="audit.ndjson"`)
	h.Set("Cache-Control", "private, no-store")
	out := &watched{ResponseWriter: w, conn: http.NewResponseController(w), still: func() error { return x.still(r.Context(), q.Reach) }}
	if _, err := audit.Export(r.Context(), x.db, q, out); err != nil {
		panic(http.ErrAbortHandler) // the status is sent; an end in the middle is all that can be told
	}
	_ = out.conn.SetWriteDeadline(time.Time{})
}

func (x auditExport) query(r *http.Request) (q audit.ExportQuery, err error) {
	if q.Reach, err = x.access.AuditReach(r.Context()); err != nil {
		return q, err
	}
	for name, at := range map[string]*time.Time{"from": &q.From, "to": &q.To} {
		text := r.URL.Query().Get(name)
		if text == "" {
			continue
		}
		if *at, err = time.Parse(time.RFC3339, text); err != nil {
			return q, errs.New(errs.Invalid, "audit export", "%s=%.40q is no time; write it as 2026-03-01T00:00:00Z", name, text).On(name)
		}
	}
	if !q.From.IsZero() && !q.To.IsZero() && !q.From.Before(q.To) {
		return q, errs.New(errs.Invalid, "audit export", "from must be before to").On("from")
	}
	return q, nil
}

func (x auditExport) record(ctx context.Context, q audit.ExportQuery) error {
	return x.db.InTx(ctx, func(ctx context.Context, tx *db.Tx) error {
		span := map[string]any{"registries": q.Reach.Registries}
		for name, at := range map[string]time.Time{"from": q.From, "to": q.To} {
			if !at.IsZero() {
				span[name] = at
			}
		}
		registry := uuid.Nil
		if len(q.Reach.Registries) == 1 {
			registry = q.Reach.Registries[0]
		}
		return x.log.Record(ctx, tx, audit.Event{Action: "audit:export", ObjectType: "audit", ObjectID: "events", Registry: registry, After: span})
	})
}

// still is nil while the subject may read all that the export began with.
func (x auditExport) still(ctx context.Context, began audit.Reach) error {
	who, known, err := access.Again(ctx)
	if err != nil {
		return err
	}
	if known {
		ctx = access.As(ctx, who, "")
	}
	now, err := x.access.AuditReach(ctx)
	if err != nil || now.All {
		return err
	}
	have := map[uuid.UUID]bool{}
	for _, id := range now.Registries {
		have[id] = true
	}
	for _, id := range began.Registries {
		if !have[id] {
			return errs.New(errs.Forbidden, "audit export", "the right has ended")
		}
	}
	if began.All {
		return errs.New(errs.Forbidden, "audit export", "the right has ended")
	}
	return nil
}

// watched looks before each write whether it may still be made, and gives it a
// time.
type watched struct {
	http.ResponseWriter
	conn  *http.ResponseController
	still func() error
}

// Write implements io.Writer.
func (w *watched) Write(p []byte) (int, error) {
	if err := w.still(); err != nil {
		return 0, err
	}
	_ = w.conn.SetWriteDeadline(time.Now().Add(exportWrite)) // not every connection can
	return w.ResponseWriter.Write(p)
}
