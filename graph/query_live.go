package graph

import (
	"context"
	"time"

	"github.com/google/uuid"

	"sluice.dev/sluice/ent"
	"sluice.dev/sluice/ent/db"
	"sluice.dev/sluice/graph/api"
	"sluice.dev/sluice/tenants/advisory"
	"sluice.dev/sluice/tenants/finding"
	"sluice.dev/sluice/tenants/quarantine"
)

// Advisories resolves the field; so do the methods below, each its own.
func (q queries) Advisories(ctx context.Context, first *int, after *string, filter *api.AdvisoryFilter, order *api.AdvisoryOrder) (*api.AdvisoryConnection, error) {
	query, err := advisoryQuery(filter)
	if err != nil {
		return nil, err
	}
	query.Desc = true
	if order != nil {
		query.ByID, query.Desc = order.By == api.AdvisoryOrderByID, order.Direction == api.DirectionDesc
	}
	kind, key := byText, func(d advisory.Detail) string {
		return cursor(byText, d.Modified.UTC().Format(time.RFC3339Nano), d.ID)
	}
	if query.ByID {
		kind, key = byName, func(d advisory.Detail) string { return cursor(byName, d.ID) }
	}
	w, err := newWindow(first, after, kind)
	if err != nil {
		return nil, err
	}
	query.Limit = w.limit()
	if query.After, err = w.advisory(query.ByID); err != nil {
		return nil, err
	}
	rows, err := q.Deps.Advisories.List(ctx, query)
	if err != nil {
		return nil, err
	}
	out := &api.AdvisoryConnection{}
	out.Edges, out.PageInfo = connect(w, rows, key, func(d advisory.Detail, c string) *api.AdvisoryEdge { return &api.AdvisoryEdge{Cursor: c, Node: &d} })
	out.TotalCount, err = countIf(ctx, func() (int, error) { return q.Deps.Advisories.Count(ctx, query) })
	return out, err
}

func advisoryQuery(f *api.AdvisoryFilter) (advisory.ListQuery, error) {
	if f == nil {
		return advisory.ListQuery{}, nil
	}
	query := advisory.ListQuery{Search: valueOf(f.Search), Feed: valueOf(f.Feed), Ecosystem: valueOf(f.Ecosystem), Package: valueOf(f.Package),
		Malware: f.Malware, Withdrawn: f.Withdrawn, From: valueOf(f.From)}
	if f.Severity != nil {
		query.Severity = f.Severity.String()
	}
	if query.Ecosystem != "" && query.Package != "" {
		pkg, err := packageName(query.Ecosystem, query.Package)
		if err != nil {
			return query, err
		}
		query.Package = pkg.Name
	}
	return query, nil
}

// advisory reads the cursor of a list of advisories.
func (w window) advisory(byID bool) (*advisory.ListMark, error) {
	if byID {
		if w.after == nil {
			return nil, nil
		}
		return &advisory.ListMark{ID: w.after[0]}, nil
	}
	mark, err := w.mark()
	if mark == nil {
		return nil, err
	}
	return &advisory.ListMark{At: mark.At, ID: mark.ID}, nil
}

func (q queries) AdvisoryImports(ctx context.Context, first *int, after *string, filter *api.AdvisoryImportFilter, direction api.Direction) (*api.AdvisoryImportConnection, error) {
	w, at, id, err := timedPage(first, after)
	if err != nil {
		return nil, err
	}
	query := advisory.ImportQuery{Asc: direction == api.DirectionAsc, Limit: w.limit()}
	if !at.IsZero() {
		query.After = &advisory.ImportMark{At: at, ID: id}
	}
	if filter != nil {
		query.Feed, query.State = valueOf(filter.Feed), string(valueOf(filter.State))
	}
	rows, err := q.Deps.Advisories.Imports(ctx, query)
	if err != nil {
		return nil, err
	}
	out := &api.AdvisoryImportConnection{}
	out.Edges, out.PageInfo = connect(w, rows, func(i advisory.Imported) string { return timeCursor(i.StartedAt, i.ID) },
		func(i advisory.Imported, c string) *api.AdvisoryImportEdge {
			return &api.AdvisoryImportEdge{Cursor: c, Node: &i}
		})
	return out, nil
}

// timedPage is a page of a list with cursors of time and id.
func timedPage(first *int, after *string) (w window, at time.Time, id uuid.UUID, err error) {
	if w, err = newWindow(first, after, byTime); err == nil {
		at, id, err = w.timed()
	}
	return w, at, id, err
}

func (q queries) Findings(ctx context.Context, first *int, after *string, registry *api.ID, filter *api.FindingFilter, direction api.Direction) (*api.FindingConnection, error) {
	w, at, id, err := timedPage(first, after)
	if err != nil {
		return nil, err
	}
	query := findingQuery(filter)
	query.Asc, query.Limit = direction == api.DirectionAsc, w.limit()
	if !at.IsZero() {
		query.After = &finding.After{At: at, ID: id}
	}
	if query.Reach, err = q.narrowed(ctx, registry); err != nil {
		return nil, err
	}
	rows, err := read(ctx, q.resolver, func(ctx context.Context, tx *db.Tx) ([]*ent.Finding, error) { return finding.Browse(ctx, tx, query) })
	if err != nil {
		return nil, err
	}
	out := &api.FindingConnection{}
	out.Edges, out.PageInfo = connect(w, rows, func(f *ent.Finding) string { return timeCursor(f.OpenedAt, f.ID) },
		func(n *ent.Finding, c string) *api.FindingEdge { return &api.FindingEdge{Cursor: c, Node: n} })
	out.TotalCount, err = countIf(ctx, func() (int, error) {
		return read(ctx, q.resolver, func(ctx context.Context, tx *db.Tx) (int, error) { return finding.Count(ctx, tx, query) })
	})
	return out, err
}

func findingQuery(f *api.FindingFilter) finding.Query {
	if f == nil {
		return finding.Query{}
	}
	query := finding.Query{Ecosystem: valueOf(f.Ecosystem), Package: valueOf(f.Package), Version: valueOf(f.Version), Kind: valueOf(f.Kind),
		Reference: valueOf(f.Reference), Open: f.Open, Acknowledged: f.Acknowledged}
	if f.Severity != nil {
		query.Severity = f.Severity.String()
	}
	return query
}

func (q queries) Scans(ctx context.Context, first *int, after *string, filter *api.ScanFilter, direction api.Direction) (*api.ScanConnection, error) {
	w, at, id, err := timedPage(first, after)
	if err != nil {
		return nil, err
	}
	query := scanQuery(filter)
	query.Asc, query.Limit = direction == api.DirectionAsc, w.limit()
	if !at.IsZero() {
		query.After = &finding.After{At: at, ID: id}
	}
	rows, err := read(ctx, q.resolver, func(ctx context.Context, tx *db.Tx) ([]finding.Scan, error) { return finding.Scans(ctx, tx, query) })
	if err != nil {
		return nil, err
	}
	out := &api.ScanConnection{}
	out.Edges, out.PageInfo = connect(w, rows, func(s finding.Scan) string { return timeCursor(s.StartedAt, s.ID) },
		func(s finding.Scan, c string) *api.ScanEdge { return &api.ScanEdge{Cursor: c, Node: &s} })
	return out, nil
}

func scanQuery(f *api.ScanFilter) finding.ScanQuery {
	if f == nil {
		return finding.ScanQuery{}
	}
	return finding.ScanQuery{State: string(valueOf(f.State)), Scanner: valueOf(f.Scanner), Ecosystem: valueOf(f.Ecosystem)}
}

func (q queries) Cascades(ctx context.Context, first *int, after *string, registry *api.ID, filter *api.CascadeFilter, direction api.Direction) (*api.CascadeConnection, error) {
	w, err := newWindow(first, after, byTime)
	if err != nil {
		return nil, err
	}
	query := quarantine.CascadeQuery{Asc: direction == api.DirectionAsc, Limit: w.limit()}
	if filter != nil {
		query.Action, query.Running, query.Ecosystem, query.Package = valueOf(filter.Action), filter.Running, valueOf(filter.Ecosystem), valueOf(filter.Package)
	}
	if query.After, err = w.holdAfter(); err != nil {
		return nil, err
	}
	if query.Reach, err = q.narrowed(ctx, registry); err != nil {
		return nil, err
	}
	rows, err := read(ctx, q.resolver, func(ctx context.Context, tx *db.Tx) ([]*ent.Cascade, error) {
		return quarantine.BrowseCascades(ctx, tx, query)
	})
	if err != nil {
		return nil, err
	}
	out := &api.CascadeConnection{}
	out.Edges, out.PageInfo = connect(w, rows, func(c *ent.Cascade) string { return timeCursor(c.StartedAt, c.ID) },
		func(n *ent.Cascade, c string) *api.CascadeEdge { return &api.CascadeEdge{Cursor: c, Node: n} })
	out.TotalCount, err = countIf(ctx, func() (int, error) {
		return read(ctx, q.resolver, func(ctx context.Context, tx *db.Tx) (int, error) { return quarantine.CountCascades(ctx, tx, query) })
	})
	return out, err
}
