package main

import (
	"context"
	"net/http"

	"sluice.dev/sluice/ent/db"
	"sluice.dev/sluice/frontend"
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
