package graph

import (
	"context"
	"slices"
	"strings"
	"time"

	"sluice.dev/sluice/ent"
	"sluice.dev/sluice/graph/api"
	"sluice.dev/sluice/tenants/advisory"
	"sluice.dev/sluice/tenants/catalog"
	"sluice.dev/sluice/tenants/coord"
	"sluice.dev/sluice/tenants/errs"
	"sluice.dev/sluice/tenants/policy"
	"sluice.dev/sluice/tenants/quarantine"
)

type packageFields struct{ *resolver }

// ID resolves the field; so do the methods below, each its own.
func (f packageFields) ID(_ context.Context, p *api.Package) (*api.ID, error) {
	return &api.ID{Type: "Package", UUID: p.Registry, Text: p.Name}, nil
}

func (f packageFields) Registry(ctx context.Context, p *api.Package) (*ent.Registry, error) {
	return f.anyRegistry(ctx, p.Registry)
}

func (f packageFields) Versions(ctx context.Context, p *api.Package, first *int, after *string, search *string, origin *coord.Origin, direction api.Direction) (*api.VersionConnection, error) {
	w, err := newWindow(first, after, byName)
	if err != nil {
		return nil, err
	}
	all, err := from(ctx).versions.Load(ctx, p.At)
	if err != nil {
		return nil, err
	}
	var rows []catalog.HeldVersion
	for _, v := range all {
		if strings.Contains(v.Version.Version, valueOf(search)) && (origin == nil || v.Origin == *origin) {
			rows = append(rows, v)
		}
	}
	out, sign := &api.VersionConnection{TotalCount: len(rows)}, -1
	if direction == api.DirectionAsc {
		slices.Reverse(rows)
		sign = 1
	}
	if w.after != nil {
		// Also when that version has been deleted meanwhile.
		for len(rows) > 0 && sign*coord.Compare(p.Ecosystem, rows[0].Version.Version, w.after[0]) <= 0 {
			rows = rows[1:]
		}
	}
	out.Edges, out.PageInfo = connect(w, rows, func(v catalog.HeldVersion) string { return cursor(byName, v.Version.Version) },
		func(v catalog.HeldVersion, c string) *api.VersionEdge {
			return &api.VersionEdge{Cursor: c, Node: heldVersion(v)}
		})
	return out, nil
}

type versionFields struct{ *resolver }

func (f versionFields) ID(_ context.Context, v *api.Version) (*api.ID, error) {
	id := versionID(v.Registry, v.Version)
	return &id, nil
}

func (f versionFields) Registry(ctx context.Context, v *api.Version) (*ent.Registry, error) {
	return f.anyRegistry(ctx, v.Registry)
}

func (f versionFields) Package(ctx context.Context, v *api.Version) (*api.Package, error) {
	return f.heldPackage(ctx, catalog.At{Registry: v.Registry, Package: v.Package})
}

func (f versionFields) Files(ctx context.Context, v *api.Version) ([]*catalog.HeldFile, error) {
	if !v.Held() {
		return []*catalog.HeldFile{}, nil
	}
	files, err := from(ctx).files.Load(ctx, v.Release)
	return pointers(files), err
}

func (f versionFields) Explain(ctx context.Context, v *api.Version) (*api.Explanation, error) {
	e, err := f.Gate.Explain(ctx, v.Registry, v.Version)
	if errs.Is(err, errs.NotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return &api.Explanation{Explanation: e}, nil
}

func (f versionFields) Holds(ctx context.Context, v *api.Version) ([]*ent.Hold, error) {
	holds, err := from(ctx).openOn.Load(ctx, quarantine.Place{Registry: v.Registry, Package: v.Package})
	if err != nil {
		return nil, err
	}
	out := []*ent.Hold{}
	for _, h := range holds {
		about, err := quarantine.Covers(h, v.Text())
		if err != nil {
			return nil, err
		}
		if about {
			out = append(out, h)
		}
	}
	return out, nil
}

func (f versionFields) Findings(ctx context.Context, v *api.Version) ([]*ent.Finding, error) {
	all, err := from(ctx).findings.Load(ctx, v.Version)
	if err != nil {
		return nil, err
	}
	out := []*ent.Finding{}
	for _, found := range all {
		if found.RegistryID == nil || *found.RegistryID == v.Registry {
			out = append(out, found)
		}
	}
	return out, nil
}

func (f versionFields) HeldBy(ctx context.Context, v *api.Version) ([]*ent.Registry, error) {
	ids, err := from(ctx).holders.Load(ctx, v.Version)
	if err != nil {
		return nil, err
	}
	return f.visibleRegistries(ctx, ids)
}

type fileFields struct{ *resolver }

func (f fileFields) Size(_ context.Context, file *catalog.HeldFile) (float64, error) {
	return float64(file.Size), nil // exact up to 2^53
}

type verdictFields struct{ *resolver }

func (f verdictFields) Kind(_ context.Context, v *policy.Verdict) (string, error) {
	return string(v.Kind), nil
}

func (f verdictFields) Until(_ context.Context, v *policy.Verdict) (*time.Time, error) {
	return api.Moment(v.Until), nil
}

type findingFields struct{ *resolver }

func (f findingFields) ID(_ context.Context, found *ent.Finding) (*api.ID, error) {
	id := api.Of("Finding", found.ID)
	return &id, nil
}

func (f findingFields) Registry(ctx context.Context, found *ent.Finding) (*ent.Registry, error) {
	return f.visibleRegistry(ctx, orNil(found.RegistryID))
}

func (f findingFields) Severity(_ context.Context, found *ent.Finding) (policy.Severity, error) {
	s, err := policy.ParseSeverity(found.Severity)
	if err != nil { // written by a newer version; nobody here can say
		return policy.SeverityUnknown, nil
	}
	return s, nil
}

func (f findingFields) AcknowledgedBy(_ context.Context, found *ent.Finding) (*string, error) {
	return api.Text(found.AcknowledgedBy), nil
}

type advisoryFields struct{ *resolver }

func (f advisoryFields) ID(_ context.Context, a *advisory.Detail) (*api.ID, error) {
	return &api.ID{Type: "Advisory", Text: a.ID}, nil
}

func (f advisoryFields) Cvss(_ context.Context, a *advisory.Detail) (*float64, error) {
	if a.CVSS == 0 {
		return nil, nil
	}
	return &a.CVSS, nil
}

func (f advisoryFields) PublishedAt(_ context.Context, a *advisory.Detail) (*time.Time, error) {
	return api.Moment(a.Published), nil
}

func (f advisoryFields) WithdrawnAt(_ context.Context, a *advisory.Detail) (*time.Time, error) {
	return api.Moment(a.Withdrawn), nil
}

func (f advisoryFields) Affected(_ context.Context, a *advisory.Detail) ([]*api.AdvisoryPackage, error) {
	byPackage := map[coord.Package][]advisory.Entry{}
	var order []coord.Package
	for _, e := range a.Entries {
		if byPackage[e.Package] == nil {
			order = append(order, e.Package)
		}
		byPackage[e.Package] = append(byPackage[e.Package], e)
	}
	out := make([]*api.AdvisoryPackage, len(order))
	for i, p := range order {
		fixed := advisory.FixedIn(byPackage[p]...)
		if fixed == nil {
			fixed = []string{}
		}
		out[i] = &api.AdvisoryPackage{Ecosystem: p.Ecosystem, Name: p.Name, FixedIn: fixed}
	}
	return out, nil
}
