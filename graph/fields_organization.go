package graph

import (
	"context"

	"sluice.dev/sluice/graph/api"
	"sluice.dev/sluice/tenants/org"
)

// Usage resolves the field.
func (f organizationFields) Usage(ctx context.Context, _ *org.Organization) (*api.OrganizationUsage, error) {
	u, err := f.Orgs.Usage(ctx)
	if err != nil {
		return nil, err
	}
	out := &api.OrganizationUsage{Registries: u.Registries, Storage: float64(u.Storage), Warnings: u.Warnings(),
		Quota: &api.Quota{Registries: bound(u.Quota.Registries), RequestsPerSecond: bound(u.Quota.Requests)}}
	if u.Quota.Storage > 0 {
		most := float64(u.Quota.Storage)
		out.Quota.Storage = &most
	}
	if !u.MeasuredAt.IsZero() {
		out.MeasuredAt = &u.MeasuredAt
	}
	return out, nil
}

// bound is a quota, nil for none.
func bound(n int) *int {
	if n == 0 {
		return nil
	}
	return &n
}
