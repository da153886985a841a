package graph

import (
	"context"

	"github.com/google/uuid"

	"sluice.dev/sluice/ent"
	"sluice.dev/sluice/graph/api"
	"sluice.dev/sluice/tenants/catalog"
	"sluice.dev/sluice/tenants/coord"
	"sluice.dev/sluice/tenants/gate"
	"sluice.dev/sluice/tenants/intake"
	"sluice.dev/sluice/tenants/registry"
)

// Forwarding resolves the field; so do the methods below, each its own.
func (f registryFields) Forwarding(_ context.Context, r *ent.Registry) (*registry.Forwarding, error) {
	if r.ForwardTo == nil {
		return nil, nil
	}
	return &registry.Forwarding{To: *r.ForwardTo, ReleasesOnly: r.ForwardReleasesOnly}, nil
}

type forwardingFields struct{ *resolver }

func (f forwardingFields) To(ctx context.Context, to *registry.Forwarding) (*ent.Registry, error) {
	return f.visibleRegistry(ctx, to.To)
}

func (f registryFields) OwnedNames(ctx context.Context, r *ent.Registry, first *int, after *string, search *string, direction api.Direction) (*api.OwnedNameConnection, error) {
	w, q, err := eachPage(first, after, byTime, search, direction)
	if err != nil {
		return nil, err
	}
	rows, err := from(ctx).owned.Load(ctx, of[intake.EachQuery]{r.ID, q})
	if err != nil {
		return nil, err
	}
	out := &api.OwnedNameConnection{}
	out.Edges, out.PageInfo = connect(w, rows, func(o intake.Ownership) string { return timeCursor(o.Since, o.ID) },
		func(o intake.Ownership, c string) *api.OwnedNameEdge { return &api.OwnedNameEdge{Cursor: c, Node: &o} })
	return out, nil
}

// eachPage is a page of the lists below registries, with cursors of time and
// id, or of ids.
func eachPage(first *int, after *string, kind string, search *string, direction api.Direction) (window, intake.EachQuery, error) {
	q := intake.EachQuery{Search: valueOf(search), Desc: direction == api.DirectionDesc}
	w, err := newWindow(first, after, kind)
	if err != nil {
		return w, q, err
	}
	q.Limit = w.limit()
	if kind == byTime {
		q.After.At, q.After.ID, err = w.timed()
		return w, q, err
	}
	ids, err := w.ids(1)
	if err == nil && ids != nil {
		q.After.ID = ids[0]
	}
	return w, q, err
}

func (f registryFields) NameSwitches(ctx context.Context, r *ent.Registry, first *int, after *string, search *string, direction api.Direction) (*api.NameSwitchConnection, error) {
	w, q, err := eachPage(first, after, byID, search, direction)
	if err != nil {
		return nil, err
	}
	rows, err := from(ctx).switches.Load(ctx, of[intake.EachQuery]{r.ID, q})
	if err != nil {
		return nil, err
	}
	out := &api.NameSwitchConnection{}
	out.Edges, out.PageInfo = connect(w, rows, func(s intake.NameSwitch) string { return cursor(byID, s.ID.String()) },
		func(s intake.NameSwitch, c string) *api.NameSwitchEdge {
			return &api.NameSwitchEdge{Cursor: c, Node: &s}
		})
	return out, nil
}

func (f registryFields) StagedVersions(ctx context.Context, r *ent.Registry, first *int, after *string, search *string, direction api.Direction) (*api.StagedVersionConnection, error) {
	w, q, err := eachPage(first, after, byTime, search, direction)
	if err != nil {
		return nil, err
	}
	rows, err := from(ctx).staged.Load(ctx, of[intake.EachQuery]{r.ID, q})
	if err != nil {
		return nil, err
	}
	out := &api.StagedVersionConnection{}
	out.Edges, out.PageInfo = connect(w, rows, func(s intake.Staged) string { return timeCursor(s.At, s.ID) },
		func(s intake.Staged, c string) *api.StagedVersionEdge {
			return &api.StagedVersionEdge{Cursor: c, Node: &s}
		})
	out.TotalCount, err = countIf(ctx, func() (int, error) { return from(ctx).stagedCount.Load(ctx, of[string]{r.ID, q.Search}) })
	return out, err
}

func (f packageFields) Tags(ctx context.Context, p *api.Package) ([]*catalog.NamedTag, error) {
	said, err := from(ctx).said.Load(ctx, p.At)
	return pointers(said.Tags), err
}

func (f packageFields) Maintainers(ctx context.Context, p *api.Package) ([]*coord.Person, error) {
	said, err := from(ctx).said.Load(ctx, p.At)
	return pointers(said.Maintainers), err
}

func (f versionFields) Deprecation(ctx context.Context, v *api.Version) (*string, error) {
	said, err := from(ctx).said.Load(ctx, catalog.At{Registry: v.Registry, Package: v.Package})
	if message, ok := said.Deprecated[v.Text()]; ok {
		return &message, err
	}
	return nil, err
}

func (f packageFields) Ownership(ctx context.Context, p *api.Package) (*api.Ownership, error) {
	return f.ownership(ctx, p.At)
}

type maintainerFields struct{ *resolver }

func (f maintainerFields) Email(_ context.Context, p *coord.Person) (*string, error) {
	return api.Text(p.Email), nil
}

func (q queries) Ownership(ctx context.Context, registry api.ID, name string) (*api.Ownership, error) {
	reg, err := q.anyRegistry(ctx, registry.UUID)
	if err != nil {
		return nil, err
	}
	pkg, err := packageName(reg.Ecosystem, name)
	if err != nil {
		return nil, err
	}
	return q.ownership(ctx, catalog.At{Registry: reg.ID, Package: pkg})
}

// ownership is to whom a name belongs, as the gate sees it.
func (r *resolver) ownership(ctx context.Context, at catalog.At) (*api.Ownership, error) {
	whose, err := r.Gate.Whose(ctx, at.Registry, at.Package)
	if err != nil {
		return nil, err
	}
	out := &api.Ownership{At: at, Owner: api.Text(whose.Owner), Closed: api.Text(whose.Closed), Ledger: []*intake.Ownership{}, Switches: []*intake.NameSwitch{}}
	for _, o := range whose.Ledger {
		out.Ledger = append(out.Ledger, &intake.Ownership{Registry: o.Registry, Package: at.Package, Since: o.Since})
	}
	for _, s := range whose.Switches {
		out.Switches = append(out.Switches, &intake.NameSwitch{Registry: s.Registry, Package: at.Package, Switch: s.Switch})
	}
	return out, nil
}

type ownershipFields struct{ *resolver }

func (f ownershipFields) WouldHide(ctx context.Context, o *api.Ownership) ([]*gate.Hidden, error) {
	hidden, err := f.Gate.WouldHide(ctx, o.At.Registry, o.At.Package)
	return pointers(hidden), err
}

type hiddenFields struct{ *resolver }

func (f hiddenFields) Registry(ctx context.Context, h *gate.Hidden) (*ent.Registry, error) {
	return f.visibleRegistry(ctx, h.Registry)
}

type ownedNameFields struct{ *resolver }

func (f ownedNameFields) Registry(ctx context.Context, o *intake.Ownership) (*ent.Registry, error) {
	return f.visibleRegistry(ctx, o.Registry)
}

func (f ownedNameFields) Package(_ context.Context, o *intake.Ownership) (string, error) {
	return o.Package.Name, nil
}

type nameSwitchFields struct{ *resolver }

func (f nameSwitchFields) Registry(ctx context.Context, s *intake.NameSwitch) (*ent.Registry, error) {
	return f.visibleRegistry(ctx, s.Registry)
}

func (f nameSwitchFields) Package(_ context.Context, s *intake.NameSwitch) (string, error) {
	return s.Package.Name, nil
}

func (f nameSwitchFields) Publish(_ context.Context, s *intake.NameSwitch) (*api.SwitchPosition, error) {
	return position(s.Switch.Publish), nil
}

func (f nameSwitchFields) Upstream(_ context.Context, s *intake.NameSwitch) (*api.SwitchPosition, error) {
	return position(s.Switch.Upstream), nil
}

func position(text string) *api.SwitchPosition { return (*api.SwitchPosition)(api.Text(text)) }

type stagedFields struct{ *resolver }

func (f stagedFields) ID(_ context.Context, s *intake.Staged) (*api.ID, error) {
	return &api.ID{Type: "StagedVersion", UUID: s.Registry, Text: s.ID.String()}, nil
}

func (f stagedFields) Registry(ctx context.Context, s *intake.Staged) (*ent.Registry, error) {
	return f.anyRegistry(ctx, s.Registry)
}

func (f stagedFields) Package(_ context.Context, s *intake.Staged) (string, error) {
	return s.Version.Name, nil
}

func (f stagedFields) Version(_ context.Context, s *intake.Staged) (string, error) {
	return s.Version.Version, nil
}

func (f stagedFields) Digest(_ context.Context, s *intake.Staged) (string, error) {
	return s.Files[0].Blob.SHA256, nil
}

// stagedVersion returns a version that waits, nil for an id of none.
func (r *resolver) stagedVersion(ctx context.Context, id api.ID) (any, error) {
	own, err := uuid.Parse(id.Text)
	if err != nil || own.String() != id.Text {
		return nil, nil
	}
	s, err := r.Intake.StagedOne(ctx, id.UUID, own)
	if err != nil {
		return nil, err
	}
	return &s, nil
}
