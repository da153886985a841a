package graph

import (
	"context"
	"time"

	"github.com/google/uuid"

	"sluice.dev/sluice/ent"
	"sluice.dev/sluice/ent/db"
	"sluice.dev/sluice/graph/api"
	"sluice.dev/sluice/tenants/access"
	"sluice.dev/sluice/tenants/audit"
	"sluice.dev/sluice/tenants/policy"
)

func (q queries) Decisions(ctx context.Context, first *int, after *string, filter *api.DecisionFilter, direction api.Direction) (*api.DecisionConnection, error) {
	if filter == nil {
		filter = &api.DecisionFilter{}
	}
	w, err := newWindow(first, after, byText)
	if err != nil {
		return nil, err
	}
	reach, err := q.narrowed(ctx, filter.Registry)
	if err != nil {
		return nil, err
	}
	query := decisionQuery(filter)
	query.Reach, query.Asc, query.Limit = auditReach(reach), direction == api.DirectionAsc, w.limit()
	if query.After, err = w.mark(); err != nil {
		return nil, err
	}
	rows, err := read(ctx, q.resolver, func(ctx context.Context, tx *db.Tx) ([]audit.Recorded, error) {
		return audit.DecisionLog(ctx, tx, query)
	})
	if err != nil {
		return nil, err
	}
	out := &api.DecisionConnection{}
	out.Edges, out.PageInfo = connect(w, rows, func(d audit.Recorded) string { return cursor(byText, d.At.UTC().Format(time.RFC3339Nano), d.ID) },
		func(d audit.Recorded, c string) *api.DecisionEdge { return &api.DecisionEdge{Cursor: c, Node: &d} })
	return out, nil
}

// decisionQuery is what a filter says but for its registry.
func decisionQuery(f *api.DecisionFilter) audit.DecisionQuery {
	return audit.DecisionQuery{Package: valueOf(f.Package), Version: valueOf(f.Version), Effect: effectText(f.Effect), Ecosystem: valueOf(f.Ecosystem),
		Channel: string(valueOf(f.Channel)), From: valueOf(f.From), To: valueOf(f.To)}
}

func effectText(e *policy.Effect) string {
	if e == nil {
		return ""
	}
	return e.String()
}

// mark reads a cursor of time and text; nil from the start.
func (w window) mark() (*audit.Mark, error) {
	if w.after == nil {
		return nil, nil
	}
	if len(w.after) != 2 {
		return nil, badCursor()
	}
	at, err := time.Parse(time.RFC3339Nano, w.after[0])
	if err != nil {
		return nil, badCursor()
	}
	return &audit.Mark{At: at, ID: w.after[1]}, nil
}

func (q queries) AuditEvents(ctx context.Context, first *int, after *string, filter *api.AuditEventFilter, direction api.Direction) (*api.AuditEventConnection, error) {
	if filter == nil {
		filter = &api.AuditEventFilter{}
	}
	w, err := newWindow(first, after, byTime)
	if err != nil {
		return nil, err
	}
	reach, err := q.narrowed(ctx, filter.Registry)
	if err != nil {
		return nil, err
	}
	query := audit.EventQuery{Reach: auditReach(reach), Action: valueOf(filter.Action), Actor: valueOf(filter.Actor), ObjectType: valueOf(filter.ObjectType),
		ObjectID: valueOf(filter.ObjectID), Prefix: valueOf(filter.ActionPrefix), ActorKind: valueOf(filter.ActorKind), IP: valueOf(filter.IP), Asc: direction == api.DirectionAsc, From: valueOf(filter.From), To: valueOf(filter.To), Limit: w.limit()}
	if _, _, err = w.timed(); err != nil {
		return nil, err
	}
	if query.After, err = w.mark(); err != nil {
		return nil, err
	}
	rows, err := read(ctx, q.resolver, func(ctx context.Context, tx *db.Tx) ([]*ent.AuditEvent, error) { return audit.Events(ctx, tx, query) })
	if err != nil {
		return nil, err
	}
	out := &api.AuditEventConnection{}
	out.Edges, out.PageInfo = connect(w, rows, func(e *ent.AuditEvent) string { return timeCursor(e.At, e.ID) },
		func(n *ent.AuditEvent, c string) *api.AuditEventEdge { return &api.AuditEventEdge{Cursor: c, Node: n} })
	return out, nil
}

// accessPage is a page of the lists of package access.
func accessPage(first *int, after *string) (window, access.Page, error) {
	w, err := newWindow(first, after, byID)
	if err != nil {
		return w, access.Page{}, err
	}
	ids, err := w.ids(1)
	if err != nil {
		return w, access.Page{}, err
	}
	return w, access.Page{After: append(ids, uuid.Nil)[0], Limit: w.limit()}, nil
}

func (q queries) Roles(ctx context.Context) ([]*access.Role, error) {
	roles, err := q.Access.Roles(ctx)
	return pointers(roles), err
}

func pointers[T any](list []T) []*T {
	out := make([]*T, len(list))
	for i := range list {
		out[i] = &list[i]
	}
	return out
}
