package graph

import (
	"context"

	"github.com/google/uuid"

	"sluice.dev/sluice/ent"
	"sluice.dev/sluice/graph/api"
	"sluice.dev/sluice/tenants/access"
	"sluice.dev/sluice/tenants/registry"
)

type mutations struct{ *resolver }

// CreateFirewall resolves the field; so do the methods below, each its own.
func (m mutations) CreateFirewall(ctx context.Context, in api.CreateFirewallInput) (*api.CreateFirewallPayload, error) {
	made, err := m.createRegistry(ctx, registry.CreateInput{Kind: registry.Firewall, Ecosystem: in.Ecosystem, Name: in.Name, Description: in.Description}, in.Upstream)
	wrong, err := userErrors(err)
	return &api.CreateFirewallPayload{Registry: made, UserErrors: wrong}, err
}

func (m mutations) CreateRegistry(ctx context.Context, in api.CreateRegistryInput) (*api.CreateRegistryPayload, error) {
	made, err := m.createRegistry(ctx, registry.CreateInput{Kind: registry.PackageRegistry, Ecosystem: in.Ecosystem, Name: in.Name,
		Description: in.Description, Internal: &in.Internal}, in.Upstream)
	wrong, err := userErrors(err)
	return &api.CreateRegistryPayload{Registry: made, UserErrors: wrong}, err
}

func (m mutations) createRegistry(ctx context.Context, in registry.CreateInput, source *api.UpstreamSourceInput) (*ent.Registry, error) {
	if source != nil {
		up, err := m.upstreamInput(ctx, source)
		if err != nil {
			return nil, err
		}
		in.Upstream = &up
	}
	return m.Registries.Create(ctx, in)
}

// upstreamInput is a source as the service takes it, with whether the subject
// may go past a firewall (R9).
func (m mutations) upstreamInput(ctx context.Context, source *api.UpstreamSourceInput) (up registry.UpstreamInput, err error) {
	up.Source, up.Remote = uuidOf(source.Registry), uuidOf(source.Remote)
	if n := source.NewRemote; n != nil {
		up.NewRemote = &registry.RemoteInput{Name: n.Name, BaseURL: n.BaseURL, Credential: credential(n.Credential), Internal: n.Internal, FileHosts: n.FileHosts}
	}
	up.MayBypass, err = m.mayBypass(ctx)
	return up, err
}

func (m mutations) mayBypass(ctx context.Context) (bool, error) {
	return m.Access.Can(ctx, access.Of(ctx), access.RegistryBypassFirewall, uuid.Nil)
}

func uuidOf(id *api.ID) uuid.UUID {
	if id == nil {
		return uuid.Nil
	}
	return id.UUID
}

func credential(in *api.CredentialInput) registry.Credential {
	if in == nil {
		return registry.Credential{}
	}
	return registry.Credential{Bearer: valueOf(in.Bearer), Username: valueOf(in.Username), Password: valueOf(in.Password)}
}

func (m mutations) UpdateRegistry(ctx context.Context, in api.UpdateRegistryInput) (*api.UpdateRegistryPayload, error) {
	now, err := m.Registries.Update(ctx, in.Registry.UUID, in.Name, in.Description, in.Internal)
	wrong, err := userErrors(err)
	return &api.UpdateRegistryPayload{Registry: now, UserErrors: wrong}, err
}

func (m mutations) DeleteRegistry(ctx context.Context, in api.DeleteRegistryInput) (*api.DeleteRegistryPayload, error) {
	now, wrong, err := m.after(ctx, in.Registry.UUID, m.Registries.Delete(ctx, in.Registry.UUID))
	return &api.DeleteRegistryPayload{Registry: now, UserErrors: wrong}, err
}

func (m mutations) UndeleteRegistry(ctx context.Context, in api.UndeleteRegistryInput) (*api.UndeleteRegistryPayload, error) {
	now, wrong, err := m.after(ctx, in.Registry.UUID, m.Registries.Undelete(ctx, in.Registry.UUID))
	return &api.UndeleteRegistryPayload{Registry: now, UserErrors: wrong}, err
}

// after returns a registry as it is after a change of it, or why there was none.
func (m mutations) after(ctx context.Context, id uuid.UUID, err error) (*ent.Registry, []*api.UserError, error) {
	wrong, err := userErrors(err)
	if err != nil || len(wrong) > 0 {
		return nil, wrong, err
	}
	now, err := m.anyRegistry(ctx, id)
	return now, wrong, err
}

func (m mutations) CreateRemote(ctx context.Context, in api.CreateRemoteInput) (*api.CreateRemotePayload, error) {
	made, err := m.Registries.CreateRemote(ctx, registry.RemoteInput{Ecosystem: in.Ecosystem, Name: in.Name, BaseURL: in.BaseURL,
		Credential: credential(in.Credential), Internal: in.Internal, FileHosts: in.FileHosts})
	wrong, err := userErrors(err)
	return &api.CreateRemotePayload{Remote: made, UserErrors: wrong}, err
}

func (m mutations) AddUpstream(ctx context.Context, in api.AddUpstreamInput) (*api.AddUpstreamPayload, error) {
	up, err := m.upstreamInput(ctx, in.Source)
	if err != nil {
		return nil, err
	}
	up.Registry, up.Position, up.Include, up.Exclude = in.Registry.UUID, in.Position, in.Include, in.Exclude
	made, err := m.Registries.AddUpstream(ctx, up)
	wrong, err := userErrors(err)
	return &api.AddUpstreamPayload{Upstream: made, UserErrors: wrong}, err
}

func (m mutations) RemoveUpstream(ctx context.Context, in api.RemoveUpstreamInput) (*api.RemoveUpstreamPayload, error) {
	edge, err := m.find(m.fresh(ctx), in.Upstream, "Upstream")
	if err != nil {
		return nil, err
	}
	bypass, err := m.mayBypass(ctx)
	if err != nil {
		return nil, err
	}
	now, wrong, err := m.after(ctx, registryOf(edge), m.Registries.RemoveUpstream(ctx, in.Upstream.UUID, bypass))
	return &api.RemoveUpstreamPayload{Registry: now, UserErrors: wrong}, err
}

func (m mutations) ReorderUpstreams(ctx context.Context, in api.ReorderUpstreamsInput) (*api.ReorderUpstreamsPayload, error) {
	ids := make([]uuid.UUID, len(in.Upstreams))
	for i, id := range in.Upstreams {
		if id.Type == "Upstream" {
			ids[i] = id.UUID // anything else stays nil, which is no edge
		}
	}
	now, wrong, err := m.after(ctx, in.Registry.UUID, m.Registries.Reorder(ctx, in.Registry.UUID, ids))
	return &api.ReorderUpstreamsPayload{Registry: now, UserErrors: wrong}, err
}
