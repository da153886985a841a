package main

import (
	"context"
	"net/http"

	"github.com/google/uuid"

	"sluice.dev/sluice/ent/db"
	"sluice.dev/sluice/frontend"
	"sluice.dev/sluice/protocol"
	"sluice.dev/sluice/protocol/npm"
	"sluice.dev/sluice/tenants/coord"
	"sluice.dev/sluice/tenants/errs"
	"sluice.dev/sluice/tenants/registry"
)

// handler is everything that the node answers over HTTP.
func (n *node) handler() (http.Handler, error) {
	proxies, err := n.flags.proxies()
	if err != nil {
		return nil, err
	}
	s, err := protocol.NewServer(protocol.Config{
		Addresses:     protocol.Addresses{PublicURL: n.flags.PublicURL, BaseDomains: n.flags.BaseDomain, Subdomains: n.flags.Subdomains, TrustedProxies: proxies},
		Organizations: n.resolver, Access: n.access, Registries: registries{n.shapes},
		Packages: map[coord.Ecosystem]protocol.PackageHandler{coord.NPM: &npm.Handler{Gate: n.gate}},
	})
	if err != nil {
		return nil, err
	}
	s.Handle("/-/decisions/", protocol.DecisionPage(n.gate))
	s.Handle("/explorer", frontend.Explorer())
	s.HandleRoot(n.health())
	return s, nil
}

// health answers load balancers at the platform's own host: /healthz while the
// process runs, /readyz while the database answers too.
func (n *node) health() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("ok\n")) })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, r *http.Request) {
		err := n.db.InGlobal(r.Context(), func(context.Context, *db.Tx) error { return nil })
		if err != nil {
			http.Error(w, "the database does not answer", http.StatusServiceUnavailable)
			return
		}
		_, _ = w.Write([]byte("ok\n"))
	})
	return mux
}

// registries finds registries in the compiled snapshot.
type registries struct{ shapes *registry.Snapshots }

// ByName implements protocol.Registries.
func (r registries) ByName(ctx context.Context, e coord.Ecosystem, name string) (protocol.RegistryRef, error) {
	s, err := r.shapes.Of(ctx)
	if err != nil {
		return protocol.RegistryRef{}, err
	}
	return ref(s.Named(e, name))
}

// ByID implements protocol.Registries.
func (r registries) ByID(ctx context.Context, id uuid.UUID) (protocol.RegistryRef, error) {
	s, err := r.shapes.Of(ctx)
	if err != nil {
		return protocol.RegistryRef{}, err
	}
	return ref(s.Node(id))
}

func ref(n *registry.Node) (protocol.RegistryRef, error) {
	if n == nil {
		return protocol.RegistryRef{}, errs.New(errs.NotFound, "registry", "there is no such registry")
	}
	kind := "PACKAGE"
	if n.Firewall {
		kind = "FIREWALL"
	}
	return protocol.RegistryRef{ID: n.ID, Ecosystem: n.Ecosystem, Name: n.Name, Kind: kind, AnonymousRead: n.AnonymousRead, Archived: n.Archived}, nil
}
