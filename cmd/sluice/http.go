package main

import (
	"context"
	"net/http"

	"sluice.dev/sluice/ent/db"
	"sluice.dev/sluice/frontend"
	"sluice.dev/sluice/graph"
	"sluice.dev/sluice/protocol"
	"sluice.dev/sluice/protocol/npm"
	"sluice.dev/sluice/tenants/coord"
)

// handler is everything that the node answers over HTTP.
func (n *node) handler() (http.Handler, error) {
	proxies, err := n.flags.proxies()
	if err != nil {
		return nil, err
	}
	s, err := protocol.NewServer(protocol.Config{
		Addresses:     protocol.Addresses{PublicURL: n.flags.PublicURL, BaseDomains: n.flags.BaseDomain, Subdomains: n.flags.Subdomains, TrustedProxies: proxies},
		Organizations: n.resolver, Access: n.access, Registries: protocol.FromSnapshots(n.shapes),
		Packages: map[coord.Ecosystem]protocol.PackageHandler{coord.NPM: &npm.Handler{Gate: n.gate}},
	})
	if err != nil {
		return nil, err
	}
	s.Handle("/-/decisions/", protocol.DecisionPage(n.gate))
	s.Handle("/graphql/explorer", frontend.Explorer())
	s.Handle("/graphql/explorer/", frontend.Explorer())
	api, err := graph.NewHandler(graph.Deps{DB: n.db, Access: n.access, Orgs: n.orgs, Registries: n.registries, Quarantine: n.quarantine, Intake: n.intake,
		Gate: n.gate, Advisories: n.advisories, RegistryURL: registryURL})
	if err != nil {
		return nil, err
	}
	s.Handle("/graphql", api)
	s.HandleRoot(n.health())
	return s, nil
}

// registryURL is where the request that is being answered finds a registry (T1).
func registryURL(ctx context.Context, e coord.Ecosystem, name string) string {
	place, _ := protocol.PlaceOf(ctx)
	return place.Home + "/" + protocol.Segment(e) + "/" + name
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
