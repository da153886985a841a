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
	"sluice.dev/sluice/tenants/catalog"
	"sluice.dev/sluice/tenants/coord"
	"sluice.dev/sluice/tenants/quarantine"
)

type holdFields struct{ *resolver }

// ID resolves the field; so do the methods below, each its own.
func (f holdFields) ID(_ context.Context, h *ent.Hold) (*api.ID, error) {
	id := api.Of("Hold", h.ID)
	return &id, nil
}

func (f holdFields) Registry(ctx context.Context, h *ent.Hold) (*ent.Registry, error) {
	return f.anyRegistry(ctx, h.RegistryID)
}

// ended is the hold whose end a hold has: itself, or the root of an inherited
// one, which may be released before that is written down (C4). It is nil while
// the hold is in force.
func (f holdFields) ended(ctx context.Context, h *ent.Hold) (*ent.Hold, error) {
	if h.ReleasedAt != nil {
		return h, nil
	}
	if h.RootID == nil {
		return nil, nil
	}
	root, err := from(ctx).hold.Load(ctx, *h.RootID)
	if err != nil || root == nil || root.ReleasedAt == nil {
		return nil, err
	}
	return root, nil
}

func (f holdFields) Open(ctx context.Context, h *ent.Hold) (bool, error) {
	end, err := f.ended(ctx, h)
	return end == nil, err
}

func (f holdFields) ReleasedAt(ctx context.Context, h *ent.Hold) (*time.Time, error) {
	end, err := f.ended(ctx, h)
	if end == nil {
		return nil, err
	}
	return end.ReleasedAt, nil
}

func (f holdFields) ReleasedBy(ctx context.Context, h *ent.Hold) (*string, error) {
	end, err := f.ended(ctx, h)
	if end == nil {
		return nil, err
	}
	return api.Text(end.ReleasedBy), nil
}

func (f holdFields) ReleaseReason(ctx context.Context, h *ent.Hold) (*string, error) {
	end, err := f.ended(ctx, h)
	if end == nil {
		return nil, err
	}
	return api.Text(end.ReleaseReason), nil
}

func (f holdFields) Root(ctx context.Context, h *ent.Hold) (*ent.Hold, error) {
	if h.RootID == nil {
		return nil, nil
	}
	root, err := from(ctx).hold.Load(ctx, *h.RootID)
	if err != nil || root == nil {
		return nil, err
	}
	may, err := f.Access.Can(ctx, access.Of(ctx), access.VersionRead, root.RegistryID)
	if err != nil || !may {
		return nil, err
	}
	return root, nil
}

func (f holdFields) Inherited(ctx context.Context, h *ent.Hold, first *int, after *string, registry *api.ID, direction api.Direction) (*api.HoldConnection, error) {
	w, err := newWindow(first, after, byTime)
	if err != nil {
		return nil, err
	}
	args := inheritedArgs{desc: direction == api.DirectionDesc}
	if args.at, args.id, err = w.timed(); err != nil {
		return nil, err
	}
	args.limit = w.limit()
	if registry != nil {
		if registry.Type != "Registry" {
			return nil, notFound("Registry")
		}
		args.only = registry.UUID
	}
	rows, err := from(ctx).inherited.Load(ctx, of[inheritedArgs]{h.ID, args})
	if err != nil {
		return nil, err
	}
	return holdPage(ctx, w, rows, func() (int, error) { return from(ctx).inheritedCount.Load(ctx, of[uuid.UUID]{h.ID, args.only}) })
}

func (f holdFields) Cascades(ctx context.Context, h *ent.Hold) ([]*ent.Cascade, error) {
	return from(ctx).holdCascades.Load(ctx, h.ID)
}

func (f holdFields) BlastRadius(ctx context.Context, h *ent.Hold) (*api.BlastRadius, error) {
	return f.blast(ctx, coord.Package{Ecosystem: h.Ecosystem, Name: h.Name}, func(version string) (bool, error) { return quarantine.Covers(h, version) })
}

// blast is who has, and who fetched, the versions of a package that a condition
// is about (C7).
func (r *resolver) blast(ctx context.Context, pkg coord.Package, about func(version string) (bool, error)) (*api.BlastRadius, error) {
	out := &api.BlastRadius{Fetched: audit.Fetched{Package: pkg}}
	holders := map[uuid.UUID]bool{}
	_, err := read(ctx, r, func(ctx context.Context, tx *db.Tx) (any, error) {
		spread, err := catalog.Spread(ctx, tx, pkg)
		if err != nil {
			return nil, err
		}
		fetched, err := audit.FetchedVersions(ctx, tx, pkg)
		if err != nil {
			return nil, err
		}
		for version, registries := range spread {
			yes, err := about(version)
			if err != nil {
				return nil, err
			}
			for _, id := range registries {
				holders[id] = holders[id] || yes
			}
		}
		for _, version := range fetched {
			yes, err := about(version)
			if err != nil {
				return nil, err
			}
			if yes {
				out.Fetched.Versions = append(out.Fetched.Versions, version)
			}
		}
		out.Totals, err = audit.TotalOf(ctx, tx, out.Fetched)
		return nil, err
	})
	if err != nil {
		return nil, err
	}
	for id, yes := range holders {
		if yes {
			out.Holders = append(out.Holders, id)
		}
	}
	return out, r.hide(ctx, out)
}

// hide counts the holders that the subject may not see instead of naming them.
func (r *resolver) hide(ctx context.Context, b *api.BlastRadius) error {
	reach, err := r.Access.Where(ctx, access.Of(ctx), access.RegistryRead)
	if err != nil {
		return err
	}
	all := b.Holders
	b.Holders = nil
	for _, id := range all {
		if reaches(reach, id) {
			b.Holders = append(b.Holders, id)
		}
	}
	b.HiddenRegistries = len(all) - len(b.Holders)
	return nil
}

type blastRadiusFields struct{ *resolver }

func (f blastRadiusFields) Registries(ctx context.Context, b *api.BlastRadius) ([]*ent.Registry, error) {
	return f.visibleRegistries(ctx, b.Holders)
}

func (f blastRadiusFields) Deliveries(ctx context.Context, b *api.BlastRadius, first *int, after *string, registry *api.ID, direction api.Direction) (*api.DeliveryConnection, error) {
	w, err := newWindow(first, after, byID)
	if err != nil {
		return nil, err
	}
	ids, err := w.ids(2)
	if err != nil {
		return nil, err
	}
	var last *audit.Delivery
	if ids != nil {
		last = &audit.Delivery{Registry: ids[0], Token: ids[1]}
	}
	query := audit.DeliveryQuery{Fetched: b.Fetched, After: last, Desc: direction == api.DirectionDesc, Limit: w.limit()}
	if registry != nil {
		reg, err := object[ent.Registry](ctx, f.resolver, *registry, "Registry")
		if err != nil {
			return nil, err
		}
		query.Registry = reg.ID
	}
	rows, err := read(ctx, f.resolver, func(ctx context.Context, tx *db.Tx) ([]audit.Delivery, error) {
		return audit.Deliveries(ctx, tx, query)
	})
	if err != nil {
		return nil, err
	}
	out := &api.DeliveryConnection{}
	out.Edges, out.PageInfo = connect(w, rows, func(d audit.Delivery) string { return cursor(byID, d.Registry.String(), d.Token.String()) },
		func(d audit.Delivery, c string) *api.DeliveryEdge { return &api.DeliveryEdge{Cursor: c, Node: &d} })
	return out, nil
}

type deliveryFields struct{ *resolver }

func (f deliveryFields) Registry(ctx context.Context, d *audit.Delivery) (*ent.Registry, error) {
	return f.visibleRegistry(ctx, d.Registry)
}

func (f deliveryFields) Token(ctx context.Context, d *audit.Delivery) (*api.TokenName, error) {
	return tokenNamed(ctx, d.Token)
}

// tokenNamed returns how a token is shown, nil for anonymous.
func tokenNamed(ctx context.Context, id uuid.UUID) (*api.TokenName, error) {
	if id == uuid.Nil {
		return nil, nil
	}
	return from(ctx).tokenName.Load(ctx, id)
}

type tombstoneFields struct{ *resolver }

func (f tombstoneFields) ID(_ context.Context, t *ent.Tombstone) (*api.ID, error) {
	id := api.Of("Tombstone", t.ID)
	return &id, nil
}

func (f tombstoneFields) Registry(ctx context.Context, t *ent.Tombstone) (*ent.Registry, error) {
	return f.anyRegistry(ctx, t.RegistryID)
}

func (f tombstoneFields) LiftedBy(_ context.Context, t *ent.Tombstone) (*string, error) {
	return api.Text(t.LiftedBy), nil
}

func (f tombstoneFields) Cascade(ctx context.Context, t *ent.Tombstone) (*ent.Cascade, error) {
	return from(ctx).deletion.Load(ctx, t.ID)
}

type cascadeFields struct{ *resolver }

func (f cascadeFields) ID(_ context.Context, c *ent.Cascade) (*api.ID, error) {
	id := api.Of("Cascade", c.ID)
	return &id, nil
}

func (f cascadeFields) Registry(ctx context.Context, c *ent.Cascade) (*ent.Registry, error) {
	return f.anyRegistry(ctx, c.RegistryID)
}

func (f cascadeFields) Hold(ctx context.Context, c *ent.Cascade) (*ent.Hold, error) {
	if c.HoldID == nil {
		return nil, nil
	}
	return from(ctx).hold.Load(ctx, *c.HoldID)
}

func (f cascadeFields) Tombstone(ctx context.Context, c *ent.Cascade) (*ent.Tombstone, error) {
	if c.TombstoneID == nil {
		return nil, nil
	}
	return from(ctx).tombstone.Load(ctx, *c.TombstoneID)
}
