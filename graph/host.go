package graph

import (
	"context"

	"github.com/google/uuid"

	"sluice.dev/sluice/graph/api"
	"sluice.dev/sluice/tenants/errs"
	"sluice.dev/sluice/tenants/org"
)

// hosts returns what binds host names, or says that nothing does.
func (r *resolver) hosts() (*org.Hosts, error) {
	if r.Hosts == nil {
		return nil, errs.New(errs.Unavailable, "graph", "host names of one's own are switched off here")
	}
	return r.Hosts, nil
}

// HostNames resolves the field; so do the methods below, each its own.
func (q queries) HostNames(ctx context.Context) ([]*org.HostName, error) {
	h, err := q.hosts()
	if err != nil {
		return nil, err
	}
	all, err := h.List(ctx)
	return pointers(all), err
}

func (q queries) HostProof(ctx context.Context, host string) (*api.HostProof, error) {
	h, err := q.hosts()
	if err != nil {
		return nil, err
	}
	name, value, err := h.Proof(ctx, host)
	if err != nil {
		return nil, err
	}
	return &api.HostProof{Name: name, Type: "TXT", Value: value}, nil
}

func (m mutations) BindHost(ctx context.Context, in api.BindHostInput) (*api.BindHostPayload, error) {
	h, err := m.hosts()
	if err != nil {
		return nil, err
	}
	registry := uuid.Nil
	if in.Registry != nil {
		registry = in.Registry.UUID
	}
	bound, err := h.Bind(ctx, in.Host, registry)
	out := &api.BindHostPayload{}
	if out.UserErrors, err = userErrors(err); err == nil && len(out.UserErrors) == 0 {
		out.HostName = &bound
	}
	return out, err
}

func (m mutations) UnbindHost(ctx context.Context, in api.UnbindHostInput) (*api.UnbindHostPayload, error) {
	h, err := m.hosts()
	if err != nil {
		return nil, err
	}
	err = h.Unbind(ctx, in.Host)
	out := &api.UnbindHostPayload{}
	if out.UserErrors, err = userErrors(err); err == nil && len(out.UserErrors) == 0 {
		host := org.CanonicalHost(in.Host)
		out.Host = &host
	}
	return out, err
}
