package registry

import (
	"context"
	"slices"
	"strings"

	"github.com/google/uuid"

	"sluice.dev/sluice/ent"
	"sluice.dev/sluice/ent/db"
	"sluice.dev/sluice/ent/predicate"
	entupstream "sluice.dev/sluice/ent/upstream"
	"sluice.dev/sluice/tenants/audit"
	"sluice.dev/sluice/tenants/coord"
	"sluice.dev/sluice/tenants/errs"
)

// UpstreamInput describes a new edge. Exactly one of Source, Remote and
// NewRemote is set.
type UpstreamInput struct {
	Registry uuid.UUID
	Source   uuid.UUID // another registry
	Remote   uuid.UUID
	// NewRemote is made together with the edge, in the same transaction. Its
	// ecosystem is the registry's, whatever it says.
	NewRemote *RemoteInput
	Position  *int     // 0 = first; nil = last
	Include   []string // name patterns (R10); empty = everything
	Exclude   []string
	// MayBypass says that the caller holds registry:bypass-firewall, which a
	// remote beside a firewall, and the last path to one, need (R9).
	MayBypass bool
}

func sourceIs(id uuid.UUID) predicate.Upstream { return entupstream.SourceRegistryID(id) }

// AddUpstream adds an edge, unless it would break the graph (R8).
func (s *Service) AddUpstream(ctx context.Context, in UpstreamInput) (*ent.Upstream, error) {
	var made *ent.Upstream
	err := s.inGraph(ctx, func(ctx context.Context, tx *db.Tx) error {
		_, err := lockedLive(ctx, tx, "add upstream", in.Registry)
		if err != nil {
			return err
		}
		if made, err = s.addUpstream(ctx, tx, in); err != nil {
			return err
		}
		if s.AfterLink != nil {
			if err := s.AfterLink(ctx, tx, in.Registry); err != nil {
				return err
			}
		}
		return s.changed(ctx, tx)
	})
	return made, err
}

// inGraph is a transaction that may meet others at the holds that an edge
// carries, and is then tried again.
func (s *Service) inGraph(ctx context.Context, fn func(context.Context, *db.Tx) error) error {
	return db.Retry(ctx, func() error { return s.DB.InTx(ctx, fn) })
}

// addUpstream needs the graph's lock.
func (s *Service) addUpstream(ctx context.Context, tx *db.Tx, in UpstreamInput) (*ent.Upstream, error) {
	const op = "add upstream"
	r, err := live(ctx, tx, op, in.Registry)
	if err != nil {
		return nil, err
	}
	if given(in.Source != uuid.Nil, in.Remote != uuid.Nil, in.NewRemote != nil) != 1 {
		return nil, errs.New(errs.Invalid, op, "an upstream is a registry, a remote, or a new remote; give exactly one").On("source")
	}
	for field, patterns := range map[string][]string{"include": in.Include, "exclude": in.Exclude} {
		for _, p := range patterns {
			if _, err := coord.ParsePattern(r.Ecosystem, p); err != nil {
				return nil, errs.Wrap(err, errs.Invalid, op, "the pattern %q cannot be used: %v", p, err).On(field)
			}
		}
	}
	shape, err := loadGraph(ctx, tx, r.Ecosystem)
	if err != nil {
		return nil, err
	}
	if len(shape.up[r.ID])+len(shape.remotes[r.ID]) >= MaxUpstreams {
		return nil, errs.New(errs.Invalid, op, "the registry %q has %d upstreams, and that is the limit", r.Name, MaxUpstreams)
	}
	if in.NewRemote != nil {
		if in.Remote, err = s.remoteFor(ctx, tx, r, *in.NewRemote); err != nil {
			return nil, err
		}
	}
	if in.Remote != uuid.Nil {
		err = s.checkRemoteEdge(ctx, tx, op, shape, r, in)
	} else {
		err = s.checkRegistryEdge(ctx, tx, op, shape, r, in)
	}
	if err != nil {
		return nil, err
	}
	return s.insertEdge(ctx, tx, op, shape, r, in)
}

func given(options ...bool) (n int) {
	for _, o := range options {
		if o {
			n++
		}
	}
	return n
}

// remoteFor makes the remote that a new edge brings along.
func (s *Service) remoteFor(ctx context.Context, tx *db.Tx, r *ent.Registry, in RemoteInput) (uuid.UUID, error) {
	in.Ecosystem = r.Ecosystem
	if err := in.check(); err != nil {
		return uuid.Nil, err
	}
	made, err := s.addRemote(ctx, tx, in)
	if err != nil {
		return uuid.Nil, err
	}
	return made.ID, nil
}

func (s *Service) checkRemoteEdge(ctx context.Context, tx *db.Tx, op string, shape *graph, r *ent.Registry, in UpstreamInput) error {
	remote, err := s.remote(ctx, tx, op, in.Remote)
	if err != nil {
		return err
	}
	if remote.Ecosystem != r.Ecosystem {
		return errs.New(errs.Invalid, op, "the remote %q is a source of %s, and the registry %q is of %s; both must be of one ecosystem",
			remote.Name, remote.Ecosystem, r.Name, r.Ecosystem).On("remote")
	}
	if shape.underFirewall(r.ID) && !in.MayBypass {
		return errs.New(errs.Forbidden, op, "the registry %q has a firewall above it; a remote of its own would go round it, which needs the action registry:bypass-firewall", r.Name)
	}
	return nil
}

func (s *Service) checkRegistryEdge(ctx context.Context, tx *db.Tx, op string, shape *graph, r *ent.Registry, in UpstreamInput) error {
	source, err := live(ctx, tx, op, in.Source)
	if err != nil {
		return err
	}
	if source.Ecosystem != r.Ecosystem {
		return errs.New(errs.Invalid, op, "the registry %q is of %s, and %q is of %s; both must be of one ecosystem",
			source.Name, source.Ecosystem, r.Name, r.Ecosystem).On("source")
	}
	if way := shape.path(source.ID, r.ID); way != nil {
		return errs.New(errs.Invalid, op, "this edge would close a circle: %s", strings.Join(append([]string{r.Name}, shape.names(way)...), " -> ")).On("source")
	}
	// The picture alone: what is stored is read again by nobody here.
	shape.add(r.ID, source.ID)
	defer shape.cut(r.ID, source.ID)
	return shape.checkLimits(op, r.ID)
}

func (s *Service) insertEdge(ctx context.Context, tx *db.Tx, op string, shape *graph, r *ent.Registry, in UpstreamInput) (*ent.Upstream, error) {
	pos := len(shape.up[r.ID]) + len(shape.remotes[r.ID])
	if in.Position != nil && *in.Position < pos {
		pos = max(*in.Position, 0)
		if _, err := tx.Exec(ctx, `UPDATE upstreams SET position = position + 1 WHERE registry_id = $1 AND position >= $2`, r.ID, pos); err != nil {
			return nil, err
		}
	}
	c := tx.Ent.Upstream.Create().SetRegistryID(r.ID).SetPosition(pos).SetCreatedAt(s.Now())
	if len(in.Include) > 0 {
		c.SetInclude(in.Include)
	}
	if len(in.Exclude) > 0 {
		c.SetExclude(in.Exclude)
	}
	if in.Source != uuid.Nil {
		c.SetSourceRegistryID(in.Source)
	} else {
		c.SetRemoteID(in.Remote)
	}
	e, err := c.Save(ctx)
	if _, dup := db.IsUnique(err); dup {
		return nil, errs.Wrap(err, errs.Conflict, op, "the registry %q has this upstream already", r.Name).On("source")
	}
	if err != nil {
		return nil, err
	}
	return e, s.Audit.Record(ctx, tx, audit.Event{Action: "upstream:add", ObjectType: "upstream", ObjectID: e.ID.String(), Registry: r.ID,
		After: map[string]any{"source": in.Source, "remote": in.Remote, "position": pos, "include": in.Include, "exclude": in.Exclude}})
}

// RemoveUpstream removes an edge. Inherited holds that came through it are
// written down first and stay until their root is released (R9).
func (s *Service) RemoveUpstream(ctx context.Context, id uuid.UUID, mayBypass bool) error {
	const op = "remove upstream"
	return s.inGraph(ctx, func(ctx context.Context, tx *db.Tx) error {
		e, r, err := lockedEdge(ctx, tx, op, id)
		if err != nil {
			return err
		}
		if e.SourceRegistryID != nil {
			if err := s.checkRemoval(ctx, tx, op, r, *e.SourceRegistryID, mayBypass); err != nil {
				return err
			}
			if s.BeforeUnlink != nil {
				if err := s.BeforeUnlink(ctx, tx, r.ID, *e.SourceRegistryID); err != nil {
					return err
				}
			}
		}
		if err := tx.Ent.Upstream.DeleteOneID(id).Exec(ctx); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, `UPDATE upstreams SET position = position - 1 WHERE registry_id = $1 AND position > $2`, r.ID, e.Position); err != nil {
			return err
		}
		if err := s.Audit.Record(ctx, tx, audit.Event{Action: "upstream:remove", ObjectType: "upstream", ObjectID: id.String(), Registry: r.ID,
			Before: map[string]any{"source": e.SourceRegistryID, "remote": e.RemoteID, "position": e.Position}}); err != nil {
			return err
		}
		return s.changed(ctx, tx)
	})
}

// lockedEdge returns an edge of a live registry under the graph's lock.
func lockedEdge(ctx context.Context, tx *db.Tx, op string, id uuid.UUID) (*ent.Upstream, *ent.Registry, error) {
	find := func() (*ent.Upstream, error) {
		e, err := tx.Ent.Upstream.Query().Where(entupstream.ID(id)).Only(ctx)
		if ent.IsNotFound(err) {
			return nil, errs.New(errs.NotFound, op, "there is no upstream %s", id)
		}
		return e, err
	}
	e, err := find()
	if err != nil {
		return nil, nil, err
	}
	r, err := lockedLive(ctx, tx, op, e.RegistryID)
	if err != nil {
		return nil, nil, err
	}
	e, err = find() // its position may have changed, or it has gone
	return e, r, err
}

func (s *Service) checkRemoval(ctx context.Context, tx *db.Tx, op string, r *ent.Registry, source uuid.UUID, mayBypass bool) error {
	shape, err := loadGraph(ctx, tx, r.Ecosystem)
	if err != nil {
		return err
	}
	before := shape.underFirewall(r.ID)
	shape.cut(r.ID, source)
	if before && !shape.underFirewall(r.ID) && !mayBypass {
		return errs.New(errs.Forbidden, op, "this is the last path from the registry %q to a firewall; removing it needs the action registry:bypass-firewall", r.Name)
	}
	return nil
}

// Reorder gives a registry's upstreams a new order; ids must be exactly its
// edges.
func (s *Service) Reorder(ctx context.Context, registryID uuid.UUID, ids []uuid.UUID) error {
	const op = "reorder upstreams"
	return s.DB.InTx(ctx, func(ctx context.Context, tx *db.Tx) error {
		if _, err := lockedLive(ctx, tx, op, registryID); err != nil {
			return err
		}
		have, err := tx.Ent.Upstream.Query().Where(entupstream.RegistryID(registryID)).Order(ent.Asc(entupstream.FieldPosition)).IDs(ctx)
		if err != nil || slices.Equal(have, ids) {
			return err
		}
		if !sameSet(have, ids) {
			return errs.New(errs.Invalid, op, "the order must name each of the registry's %d upstreams exactly once", len(have)).On("upstreams")
		}
		for i, id := range ids {
			if err := tx.Ent.Upstream.UpdateOneID(id).SetPosition(i).Exec(ctx); err != nil {
				return err
			}
		}
		if err := s.Audit.Record(ctx, tx, audit.Event{Action: "upstream:reorder", ObjectType: "registry", ObjectID: registryID.String(), Registry: registryID, After: ids}); err != nil {
			return err
		}
		return s.changed(ctx, tx)
	})
}

func sameSet(a, b []uuid.UUID) bool {
	if len(a) != len(b) {
		return false
	}
	seen := make(map[uuid.UUID]bool, len(a))
	for _, id := range a {
		seen[id] = true
	}
	for _, id := range b {
		if !seen[id] {
			return false
		}
		delete(seen, id)
	}
	return true
}
