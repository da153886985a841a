package graph

import (
	"context"
	"time"

	"github.com/google/uuid"

	"sluice.dev/sluice/ent"
	"sluice.dev/sluice/graph/api"
	"sluice.dev/sluice/graph/client"
	"sluice.dev/sluice/tenants/access"
	"sluice.dev/sluice/tenants/license"
	"sluice.dev/sluice/tenants/policy"
	"sluice.dev/sluice/tenants/registry"
)

type registryFields struct{ *resolver }

// ID resolves the field; so do the methods below, each its own.
func (f registryFields) ID(_ context.Context, r *ent.Registry) (*api.ID, error) {
	id := api.Of("Registry", r.ID)
	return &id, nil
}

func (f registryFields) URL(ctx context.Context, r *ent.Registry) (string, error) {
	return f.RegistryURL(ctx, r.Ecosystem, r.Name), nil
}

func (f registryFields) ViewerActions(ctx context.Context, r *ent.Registry) ([]string, error) {
	may, err := f.Access.Allowed(ctx, access.Of(ctx), r.ID)
	return actionNames(may), err
}

func actionNames(actions []access.Action) []string {
	out := make([]string, len(actions))
	for i, a := range actions {
		out[i] = string(a)
	}
	return out
}

func (f registryFields) Upstreams(ctx context.Context, r *ent.Registry) ([]*ent.Upstream, error) {
	return from(ctx).upstreams.Load(ctx, r.ID)
}

func (f registryFields) Downstreams(ctx context.Context, r *ent.Registry) ([]*ent.Registry, error) {
	ids, err := from(ctx).downstreams.Load(ctx, r.ID)
	if err != nil {
		return nil, err
	}
	return f.visibleRegistries(ctx, ids)
}

func (f registryFields) Rules(ctx context.Context, r *ent.Registry) ([]*registry.Rule, error) {
	rules, err := from(ctx).rules.Load(ctx, r.ID)
	return pointers(rules), err
}

func (f registryFields) Packages(ctx context.Context, r *ent.Registry, first *int, after *string, search *string, direction api.Direction) (*api.PackageConnection, error) {
	return f.packagesOf(ctx, r.ID, first, after, search, direction)
}

func (f registryFields) Holds(ctx context.Context, r *ent.Registry, first *int, after *string, filter *api.HoldFilter, direction api.Direction) (*api.HoldConnection, error) {
	w, err := newWindow(first, after, byTime)
	if err != nil {
		return nil, err
	}
	args, err := holdArgsOf(w, filter, direction)
	if err != nil {
		return nil, err
	}
	rows, err := from(ctx).holds.Load(ctx, of[holdArgs]{r.ID, args})
	if err != nil {
		return nil, err
	}
	return holdPage(ctx, w, rows, func() (int, error) {
		args.pageArgs = pageArgs{} // all pages have the same count
		return from(ctx).holdCount.Load(ctx, of[holdArgs]{r.ID, args})
	})
}

func (f registryFields) ClientSettings(ctx context.Context, r *ent.Registry) ([]*client.Setting, error) {
	return pointers(client.Settings(r.Ecosystem, r.Name, f.RegistryURL(ctx, r.Ecosystem, r.Name))), nil
}

type remoteFields struct{ *resolver }

func (f remoteFields) ID(_ context.Context, r *ent.Remote) (*api.ID, error) {
	id := api.Of("Remote", r.ID)
	return &id, nil
}

func (f remoteFields) HasCredential(_ context.Context, r *ent.Remote) (bool, error) {
	return r.Credential != nil && len(*r.Credential) > 0, nil
}

type upstreamFields struct{ *resolver }

func (f upstreamFields) ID(_ context.Context, u *ent.Upstream) (*api.ID, error) {
	id := api.Of("Upstream", u.ID)
	return &id, nil
}

func (f upstreamFields) Registry(ctx context.Context, u *ent.Upstream) (*ent.Registry, error) {
	return f.anyRegistry(ctx, u.RegistryID)
}

func (f upstreamFields) Source(ctx context.Context, u *ent.Upstream) (api.UpstreamSource, error) {
	if u.SourceRegistryID != nil {
		return there(f.visibleRegistry(ctx, *u.SourceRegistryID))
	}
	may, err := f.Access.Can(ctx, access.Of(ctx), access.RemoteRead, uuid.Nil)
	if err != nil || !may {
		return nil, err
	}
	return there(from(ctx).remote.Load(ctx, *u.RemoteID))
}

type ruleFields struct{ *resolver }

func (f ruleFields) ID(_ context.Context, r *registry.Rule) (*api.ID, error) {
	id := api.Of("Rule", r.ID)
	return &id, nil
}

func (f ruleFields) Registry(ctx context.Context, r *registry.Rule) (*ent.Registry, error) {
	return f.anyRegistry(ctx, r.RegistryID)
}

func (f ruleFields) MinSeverity(_ context.Context, r *registry.Rule) (*policy.Severity, error) {
	if r.Kind != policy.KindVulnerability && r.Kind != policy.KindLicense {
		return nil, nil
	}
	return &r.Params.MinSeverity, nil
}

func (f ruleFields) MinAge(_ context.Context, r *registry.Rule) (*time.Duration, error) {
	return length(r.Params.MinAge), nil
}

func length(d time.Duration) *time.Duration {
	if d == 0 {
		return nil
	}
	return &d
}

func (f ruleFields) Definitions(_ context.Context, r *registry.Rule) ([]string, error) {
	out := make([]string, len(r.Params.Definitions))
	for i, d := range r.Params.Definitions {
		out[i] = d.Text
	}
	return out, nil
}

func (f ruleFields) LicensePolicy(_ context.Context, r *registry.Rule) (*license.Policy, error) {
	return r.Params.License, nil
}

func (f ruleFields) MaxFeedAge(_ context.Context, r *registry.Rule) (*time.Duration, error) {
	return length(r.Params.MaxFeedAge), nil
}

func (f ruleFields) Grace(_ context.Context, r *registry.Rule) (*time.Duration, error) {
	return r.Params.Grace, nil
}

type licenseRuleFields struct{ *resolver }

func (f licenseRuleFields) License(_ context.Context, r *license.Rule) (*string, error) {
	return api.Text(r.License), nil
}

func (f licenseRuleFields) Category(_ context.Context, r *license.Rule) (*string, error) {
	return api.Text(string(r.Category)), nil
}
