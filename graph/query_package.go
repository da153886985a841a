package graph

import (
	"context"

	"github.com/google/uuid"

	"sluice.dev/sluice/graph/api"
	"sluice.dev/sluice/tenants/catalog"
	"sluice.dev/sluice/tenants/coord"
	"sluice.dev/sluice/tenants/errs"
)

func (q queries) Package(ctx context.Context, registry api.ID, name string) (*api.Package, error) {
	reg, err := q.anyRegistry(ctx, registry.UUID)
	if err != nil {
		return nil, err
	}
	pkg, err := packageName(reg.Ecosystem, name)
	if err != nil {
		return nil, err
	}
	return object[api.Package](ctx, q.resolver, api.ID{Type: "Package", UUID: reg.ID, Text: pkg.Name}, "Package")
}

func (q queries) Packages(ctx context.Context, registry api.ID, first *int, after *string, search *string, direction api.Direction) (*api.PackageConnection, error) {
	return q.packagesOf(ctx, registry.UUID, first, after, search, direction)
}

// packagesOf is a page of the packages that a registry holds.
func (r *resolver) packagesOf(ctx context.Context, registry uuid.UUID, first *int, after *string, search *string, direction api.Direction) (*api.PackageConnection, error) {
	w, err := newWindow(first, after, byName)
	if err != nil {
		return nil, err
	}
	args := packageArgs{prefix: valueOf(search), desc: direction == api.DirectionDesc, limit: w.limit()}
	if w.after != nil {
		args.after = w.after[0]
	}
	rows, err := from(ctx).packages.Load(ctx, of[packageArgs]{registry, args})
	if err != nil {
		return nil, err
	}
	out := &api.PackageConnection{}
	out.Edges, out.PageInfo = connect(w, rows, func(p catalog.HeldPackage) string { return cursor(byName, p.Name) },
		func(p catalog.HeldPackage, c string) *api.PackageEdge {
			return &api.PackageEdge{Cursor: c, Node: &api.Package{At: catalog.At{Registry: p.Registry, Package: p.Package}, VersionCount: p.Versions, LastHeldAt: &p.LastHeld}}
		})
	out.TotalCount, err = countIf(ctx, func() (int, error) { return from(ctx).packageCount.Load(ctx, of[string]{registry, args.prefix}) })
	return out, err
}

func (q queries) Version(ctx context.Context, registry api.ID, name, version string) (*api.Version, error) {
	v, err := q.typedVersion(ctx, registry.UUID, name, version)
	if err != nil {
		return nil, err
	}
	return object[api.Version](ctx, q.resolver, versionID(registry.UUID, v), "Version")
}

// typedVersion is a version of a registry's ecosystem as somebody typed it.
func (r *resolver) typedVersion(ctx context.Context, registry uuid.UUID, name, version string) (coord.Version, error) {
	reg, err := r.anyRegistry(ctx, registry)
	if err != nil {
		return coord.Version{}, err
	}
	pkg, err := packageName(reg.Ecosystem, name)
	if err != nil {
		return coord.Version{}, err
	}
	return versionText(pkg, version)
}

func versionID(registry uuid.UUID, v coord.Version) api.ID {
	return api.ID{Type: "Version", UUID: registry, Text: v.Name + "\n" + v.Version}
}

func (q queries) Explain(ctx context.Context, registry api.ID, purl string) (*api.Explanation, error) {
	reg, err := q.anyRegistry(ctx, registry.UUID)
	if err != nil {
		return nil, err
	}
	v, err := coord.ParsePURL(purl)
	switch {
	case err != nil:
		return nil, errs.Wrap(err, errs.Invalid, "graph", "%v", err).On("purl")
	case v.Version == "":
		return nil, errs.New(errs.Invalid, "graph", "the package URL names no version; write for example %s@1.0.0", purl).On("purl")
	case v.Ecosystem != reg.Ecosystem:
		return nil, errs.New(errs.Invalid, "graph", "the package URL is of %s, and the registry %q of %s", v.Ecosystem, reg.Name, reg.Ecosystem).On("purl")
	}
	e, err := q.Gate.Explain(ctx, reg.ID, v)
	if err != nil {
		return nil, err
	}
	return &api.Explanation{Explanation: e}, nil
}
