package graph

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"

	"sluice.dev/sluice/ent"
	"sluice.dev/sluice/ent/db"
	"sluice.dev/sluice/graph/api"
	"sluice.dev/sluice/tenants/access"
	"sluice.dev/sluice/tenants/advisory"
	"sluice.dev/sluice/tenants/audit"
	"sluice.dev/sluice/tenants/finding"
	"sluice.dev/sluice/tenants/intake"
	"sluice.dev/sluice/tenants/quarantine"
)

// of names the changes of a kind.
func changesOf(kind db.ChangeKind) func(db.Change) (string, bool) {
	return func(c db.Change) (string, bool) { return c.Name, c.Kind == kind }
}

// slack is how much older than the last event one may be that comes after it:
// clocks of nodes, and transactions that take their time.
const slack = 2 * time.Minute

// CascadeProgress sends the cascade now, whenever it has come further, and when
// it is done. It ends with the cascade, the request, or the right to see it.
func (s subscriptions) CascadeProgress(ctx context.Context, id api.ID) (<-chan *ent.Cascade, error) {
	obj, err := s.find(s.fresh(ctx), id, "Cascade")
	if err != nil {
		return nil, err
	}
	first := obj.(*ent.Cascade)
	return follow(ctx, s, source[*ent.Cascade]{
		progress: true,
		match: func(c db.Change) (string, bool) {
			return "", c.Kind == db.Package && c.Ecosystem == first.Ecosystem && c.Name == first.Name
		},
		may: func(ctx context.Context) error { return s.require(ctx, access.VersionRead, first.RegistryID) },
		read: func(ctx context.Context, _ news) ([]*ent.Cascade, bool, error) {
			found, err := read(ctx, s.resolver, func(ctx context.Context, tx *db.Tx) (map[uuid.UUID]*ent.Cascade, error) {
				return quarantine.CascadesByIDs(ctx, tx, []uuid.UUID{first.ID})
			})
			if err != nil || found[first.ID] == nil {
				return nil, true, err
			}
			now := found[first.ID]
			return []*ent.Cascade{now}, now.FinishedAt != nil, nil
		},
		key:   func(*ent.Cascade) string { return "" },
		stamp: func(c *ent.Cascade) string { return fmt.Sprint(c.Done, c.Total, c.FinishedAt != nil) },
	})
}

// PullProgress sends the pull as [subscriptions.CascadeProgress] does a cascade.
func (s subscriptions) PullProgress(ctx context.Context, id api.ID) (<-chan *ent.Pull, error) {
	obj, err := s.find(s.fresh(ctx), id, "Pull")
	if err != nil {
		return nil, err
	}
	first := obj.(*ent.Pull)
	var counts intake.PullProgress
	return follow(ctx, s, source[*ent.Pull]{
		progress: true,
		match: func(c db.Change) (string, bool) {
			return "", c.Kind == db.Pulled && c.Name == first.ID.String()
		},
		may: func(ctx context.Context) error { return s.require(ctx, access.VersionRead, first.RegistryID) },
		read: func(ctx context.Context, _ news) (out []*ent.Pull, done bool, err error) {
			now, err := read(ctx, s.resolver, func(ctx context.Context, tx *db.Tx) (*ent.Pull, error) {
				all, err := intake.PullCounts(ctx, tx, []uuid.UUID{first.ID})
				if err != nil {
					return nil, err
				}
				counts = all[first.ID]
				return intake.PullByID(ctx, tx, first.ID)
			})
			if err != nil || now == nil {
				return nil, true, err
			}
			return []*ent.Pull{now}, now.EndedAt != nil, nil
		},
		key:   func(*ent.Pull) string { return "" },
		stamp: func(p *ent.Pull) string { return fmt.Sprint(counts, p.EndedAt != nil) },
	})
}

// DecisionRecorded sends decisions of the registries where the subject may read
// the log at that moment.
func (s subscriptions) DecisionRecorded(ctx context.Context, filter *api.DecisionFilter) (<-chan *audit.Recorded, error) {
	if filter == nil {
		filter = &api.DecisionFilter{}
	}
	only, err := s.onlyAt(ctx, filter.Registry)
	if err != nil {
		return nil, err
	}
	begin := s.Now()
	last := begin
	query := decisionQuery(filter)
	return follow(ctx, s, source[*audit.Recorded]{
		match: changesOf(db.Decided),
		may: func(ctx context.Context) error {
			reach, err := s.within(ctx, access.DecisionRead, only)
			if err != nil {
				return err
			}
			return somewhere(reach, access.DecisionRead)
		},
		read: func(ctx context.Context, n news) ([]*audit.Recorded, bool, error) {
			reach, err := s.within(ctx, access.DecisionRead, only)
			if err != nil {
				return nil, false, err
			}
			q := query
			q.Reach, q.Asc, q.Limit = auditReach(reach), true, s.live.Waiting+1
			rows, err := read(ctx, s.resolver, func(ctx context.Context, tx *db.Tx) (out []audit.Recorded, err error) {
				if len(n.keys) > 0 {
					q.IDs = n.keys
					if out, err = audit.DecisionLog(ctx, tx, q); err != nil {
						return nil, err
					}
				}
				if n.missed {
					q.IDs, q.From = nil, later(query.From, later(begin, last.Add(-slack)))
					more, err := audit.DecisionLog(ctx, tx, q)
					if err != nil {
						return nil, err
					}
					out = append(out, more...)
				}
				return out, nil
			})
			if err == nil && len(rows) > 2*s.live.Waiting {
				err = tooFast()
			}
			out := byAge(pointers(rows), func(d *audit.Recorded) time.Time { return d.At })
			if len(out) > 0 {
				last = later(last, out[len(out)-1].At)
			}
			return out, false, err
		},
		key:   func(d *audit.Recorded) string { return d.ID },
		stamp: func(d *audit.Recorded) string { return d.ID },
	})
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

// onlyAt is the registry that a stream is narrowed to, nil for none. One out of
// reach does not exist.
func (s subscriptions) onlyAt(ctx context.Context, registry *api.ID) (*access.Reach, error) {
	if registry == nil {
		return nil, nil
	}
	reach, err := s.narrowed(s.fresh(ctx), registry)
	return &reach, err
}

// HoldChanged sends holds of the registries where the subject may see versions
// at that moment.
func (s subscriptions) HoldChanged(ctx context.Context, registry *api.ID, filter *api.HoldFilter) (<-chan *ent.Hold, error) {
	only, err := s.onlyAt(ctx, registry)
	if err != nil {
		return nil, err
	}
	args, err := holdArgsOf(window{size: s.live.Waiting}, filter, api.DirectionAsc)
	if err != nil {
		return nil, err
	}
	begin := s.Now()
	last := begin
	return follow(ctx, s, source[*ent.Hold]{
		match: changesOf(db.Held),
		may: func(ctx context.Context) error {
			reach, err := s.within(ctx, access.VersionRead, only)
			if err != nil {
				return err
			}
			return somewhere(reach, access.VersionRead)
		},
		read: func(ctx context.Context, n news) ([]*ent.Hold, bool, error) {
			q := args.query()
			var err error
			if q.Reach, err = s.within(ctx, access.VersionRead, only); err != nil {
				return nil, false, err
			}
			rows, err := read(ctx, s.resolver, func(ctx context.Context, tx *db.Tx) (out []*ent.Hold, err error) {
				if len(n.keys) > 0 {
					if out, err = quarantine.HoldsOf(ctx, tx, q, n.keys); err != nil {
						return nil, err
					}
				}
				if n.missed {
					more, err := quarantine.HoldsSince(ctx, tx, q, quarantine.After{At: later(begin, last.Add(-slack))})
					if err != nil {
						return nil, err
					}
					out = append(out, more...)
				}
				return out, nil
			})
			if err == nil && len(rows) > 2*s.live.Waiting {
				err = tooFast()
			}
			for _, h := range rows {
				last = later(last, changedAt(h))
			}
			return byAge(rows, changedAt), false, err
		},
		key:   func(h *ent.Hold) string { return h.ID.String() },
		stamp: func(h *ent.Hold) string { return fmt.Sprint(h.ID, h.ReleasedAt != nil) },
	})
}

func changedAt(h *ent.Hold) time.Time {
	if h.ReleasedAt != nil {
		return *h.ReleasedAt
	}
	return h.OpenedAt
}

// AdvisoryImportProgress sends imports, which are the same for everybody.
func (s subscriptions) AdvisoryImportProgress(ctx context.Context) (<-chan *advisory.Imported, error) {
	return follow(ctx, s, source[*advisory.Imported]{
		progress: true,
		match:    changesOf(db.Imported),
		may: func(ctx context.Context) error {
			reach, err := s.within(ctx, access.FindingRead, nil)
			if err != nil {
				return err
			}
			return somewhere(reach, access.FindingRead)
		},
		read: func(ctx context.Context, n news) ([]*advisory.Imported, bool, error) {
			ids, running := named(n)
			q := advisory.ImportQuery{IDs: ids, Asc: true, Limit: s.live.Waiting}
			var out []advisory.Imported
			var err error
			if len(ids) > 0 {
				if out, err = s.Advisories.Imports(ctx, q); err != nil {
					return nil, false, err
				}
			}
			if running {
				q.IDs, q.State = nil, advisory.ImportRunning
				more, err := s.Advisories.Imports(ctx, q)
				if err != nil {
					return nil, false, err
				}
				out = append(out, more...)
			}
			return pointers(out), false, nil
		},
		key:   func(i *advisory.Imported) string { return i.ID.String() },
		stamp: func(i *advisory.Imported) string { return fmt.Sprint(i.ID, i.State, i.Read) },
	})
}

// named returns the ids that the news name, and whether those that run are to
// be looked at, too.
func named(n news) (ids []uuid.UUID, running bool) {
	for _, key := range n.keys {
		if id, err := uuid.Parse(key); err == nil {
			ids = append(ids, id)
		}
	}
	return ids, n.first || n.missed || n.beat
}

// ScanProgress sends the organization's scans.
func (s subscriptions) ScanProgress(ctx context.Context, filter *api.ScanFilter) (<-chan *finding.Scan, error) {
	query := scanQuery(filter)
	query.Asc, query.Limit = true, s.live.Waiting
	return follow(ctx, s, source[*finding.Scan]{
		progress: true,
		match:    changesOf(db.Scanned),
		may:      func(ctx context.Context) error { return s.require(ctx, access.FindingRead, uuid.Nil) },
		read: func(ctx context.Context, n news) ([]*finding.Scan, bool, error) {
			ids, running := named(n)
			rows, err := read(ctx, s.resolver, func(ctx context.Context, tx *db.Tx) (out []finding.Scan, err error) {
				if len(ids) > 0 {
					q := query
					q.IDs = ids
					if out, err = finding.Scans(ctx, tx, q); err != nil {
						return nil, err
					}
				}
				if running && (query.State == "" || query.State == finding.ScanRunning) {
					q := query
					q.State = finding.ScanRunning
					more, err := finding.Scans(ctx, tx, q)
					if err != nil {
						return nil, err
					}
					out = append(out, more...)
				}
				return out, nil
			})
			return pointers(rows), false, err
		},
		key:   func(x *finding.Scan) string { return x.ID.String() },
		stamp: func(x *finding.Scan) string { return fmt.Sprint(x.ID, x.Attempt, x.State, x.Done) },
	})
}
