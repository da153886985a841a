package graph

import (
	"context"
	"time"

	"github.com/google/uuid"

	"sluice.dev/sluice/ent"
	"sluice.dev/sluice/graph/api"
	"sluice.dev/sluice/tenants/audit"
	"sluice.dev/sluice/tenants/errs"
	"sluice.dev/sluice/tenants/scope"
)

// verifyWithin bounds how long a request may read a chain of audit events.
const verifyWithin = 30 * time.Second

// Seal resolves the field; so do the methods below, each its own.
func (f auditEventFields) Seal(ctx context.Context, e *ent.AuditEvent) (*audit.Seal, error) {
	s, err := from(ctx).seal.Load(ctx, e.ID)
	if err != nil || s.Seq == 0 {
		return nil, err
	}
	return &s, nil
}

func (q queries) AuditChain(ctx context.Context) (*api.AuditChain, error) {
	c, err := read(ctx, q.resolver, audit.ChainOf)
	if err != nil {
		return nil, err
	}
	out := &api.AuditChain{Last: c.Head, Waiting: c.Waiting}
	if c.Head != nil {
		out.Head = headText(audit.Head{Seq: c.Head.Seq, Hash: c.Head.Hash})
	}
	return out, nil
}

func headText(h audit.Head) *string {
	if h.Seq == 0 {
		return nil
	}
	return api.Text(h.String())
}

func (q queries) VerifyAudit(ctx context.Context, head *string) (*api.AuditReport, error) {
	var kept *audit.Head
	if head != nil {
		h, err := audit.ParseHead(*head)
		if err != nil {
			return nil, errs.Wrap(err, errs.Invalid, "graph", "%v", err).On("head")
		}
		kept = &h
	}
	org, err := scope.Org(ctx)
	if err != nil {
		return nil, err
	}
	if _, busy := q.verifying.LoadOrStore(org, true); busy {
		return nil, errs.New(errs.Unavailable, "graph", "the audit events are being verified by somebody else; try again in a moment")
	}
	defer q.verifying.Delete(org)
	within, cancel := context.WithTimeout(ctx, verifyWithin)
	defer cancel()
	r, err := audit.Verify(within, q.DB, kept, q.Now())
	if within.Err() != nil && ctx.Err() == nil {
		return nil, errs.New(errs.Unavailable, "graph", "verifying takes longer than %s; ask the operator to run sluice audit verify", verifyWithin)
	}
	if err != nil {
		return nil, err
	}
	return auditReport(r), nil
}

func auditReport(r audit.Report) *api.AuditReport {
	out := &api.AuditReport{Holds: len(r.Faults) == 0, Sealed: int(r.Sealed), Waiting: r.Waiting, Head: headText(r.Head), Faults: []*api.AuditFault{}}
	for _, f := range r.Faults {
		x := &api.AuditFault{At: api.Moment(f.At), Message: f.What}
		if f.Seq > 0 {
			seq := int(f.Seq)
			x.Seq = &seq
		}
		if f.Event != uuid.Nil {
			id := api.Of("AuditEvent", f.Event)
			x.Event = &id
		}
		out.Faults = append(out.Faults, x)
	}
	return out
}
