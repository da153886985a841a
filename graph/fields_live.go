package graph

import (
	"context"

	"github.com/google/uuid"

	"sluice.dev/sluice/ent"
	"sluice.dev/sluice/graph/api"
	"sluice.dev/sluice/tenants/advisory"
	"sluice.dev/sluice/tenants/audit"
	"sluice.dev/sluice/tenants/coord"
	"sluice.dev/sluice/tenants/finding"
	"sluice.dev/sluice/tenants/org"
)

// importByID returns an import of advisories, or nil.
func (r *resolver) importByID(ctx context.Context, id uuid.UUID) (*advisory.Imported, error) {
	found, err := r.Deps.Advisories.Imports(ctx, advisory.ImportQuery{IDs: []uuid.UUID{id}, Limit: 1})
	if err != nil || len(found) == 0 {
		return nil, err
	}
	return &found[0], nil
}

type importFields struct{ *resolver }

// ID resolves the field; so do the methods below, each its own.
func (f importFields) ID(_ context.Context, i *advisory.Imported) (*api.ID, error) {
	id := api.Of("AdvisoryImport", i.ID)
	return &id, nil
}

func (f importFields) State(_ context.Context, i *advisory.Imported) (api.RunState, error) {
	return api.RunState(i.State), nil
}

func (f importFields) Changed(_ context.Context, i *advisory.Imported) ([]*api.AdvisoryChange, error) {
	out := []*api.AdvisoryChange{}
	for _, e := range coord.Ecosystems() {
		if n := i.Changed[e]; n > 0 {
			out = append(out, &api.AdvisoryChange{Ecosystem: e, Packages: n})
		}
	}
	return out, nil
}

func (f importFields) Problem(_ context.Context, i *advisory.Imported) (*string, error) {
	return api.Text(i.Problem), nil
}

type scanFields struct{ *resolver }

func (f scanFields) ID(_ context.Context, s *finding.Scan) (*api.ID, error) {
	id := api.Of("Scan", s.ID)
	return &id, nil
}

func (f scanFields) State(_ context.Context, s *finding.Scan) (api.RunState, error) {
	return api.RunState(s.State), nil
}

func (f scanFields) Registry(ctx context.Context, s *finding.Scan) (*ent.Registry, error) {
	return f.visibleRegistry(ctx, s.Registry)
}

type sealFields struct{ *resolver }

func (f sealFields) Seq(_ context.Context, s *audit.Seal) (int, error) { return int(s.Seq), nil }
func (f sealFields) Prev(_ context.Context, s *audit.Seal) (string, error) {
	return s.Prev.String(), nil
}
func (f sealFields) Hash(_ context.Context, s *audit.Seal) (string, error) {
	return s.Hash.String(), nil
}

type hostNameFields struct{ *resolver }

func (f hostNameFields) Registry(ctx context.Context, h *org.HostName) (*ent.Registry, error) {
	return f.visibleRegistry(ctx, h.Registry)
}
