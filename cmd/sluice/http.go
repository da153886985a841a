package main

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"sluice.dev/sluice/ent/db"
	"sluice.dev/sluice/frontend"
	"sluice.dev/sluice/graph"
	"sluice.dev/sluice/protocol"
	"sluice.dev/sluice/protocol/npm"
	"sluice.dev/sluice/protocol/pages"
	"sluice.dev/sluice/protocol/workload"
	"sluice.dev/sluice/tenants/access"
	"sluice.dev/sluice/tenants/audit"
	"sluice.dev/sluice/tenants/coord"
	"sluice.dev/sluice/tenants/org"
)

// handler is everything that the node answers over HTTP.
func (n *node) handler() (http.Handler, error) {
	proxies, err := n.flags.proxies()
	if err != nil {
		return nil, err
	}
	registries, attempts := protocol.FromSnapshots(n.shapes), n.attempts()
	packages := &npm.Handler{Gate: n.gate, Intake: n.intake, Access: n.access, Blobs: n.blobs, Members: n.access, Accounts: n.accounts(attempts),
		Advice: n.gate, Search: n.gate, Provenance: n.gate}
	people := n.pages()
	s, err := protocol.NewServer(protocol.Config{
		Sessions:      people,
		Addresses:     protocol.Addresses{PublicURL: n.flags.PublicURL, BaseDomains: n.flags.BaseDomain, Subdomains: n.flags.Subdomains, TrustedProxies: proxies},
		Organizations: n.resolver, Access: n.access, Limits: n.flags.limits(), Registries: registries,
		Packages: map[coord.Ecosystem]protocol.PackageHandler{coord.NPM: packages},
	})
	if err != nil {
		return nil, err
	}
	s.Handle("/-/decisions/", protocol.DecisionPage(n.gate))
	s.Handle("/-/login/", &protocol.LoginPage{Logins: n.clientLogins, Visitor: protocol.TokenVisitor{Access: n.access}, People: people, Access: n.access, Registries: registries,
		Attempts: attempts})
	s.HandleOpen(npm.ExchangePrefix, packages.ExchangeAtRoot())
	workloads := n.workloads(s.HomeOf)
	s.HandleOpen(workload.Path, workloads)
	s.Handle("/graphql/explorer", frontend.Explorer())
	s.Handle("/graphql/explorer/", frontend.Explorer())
	s.Handle("/explorer", redirectTo("/graphql"+frontend.ExplorerPath))
	api, err := graph.NewHandler(graph.Deps{DB: n.db, Access: n.access, Orgs: n.orgs, Registries: n.registries, Quarantine: n.quarantine, Intake: n.intake,
		Gate: n.gate, Advisories: n.advisories, Bind: n.logins.Bind, Workloads: workloads, RegistryURL: registryURL,
		Logins: n.logins, TestProvider: n.vouchers.Test, LoginAddresses: loginAddresses(people),
		Hosts: n.hosts(), Now: n.now, PersistedOnly: n.flags.PersistedOnly,
		Uploads:   map[coord.Ecosystem]graph.Uploads{coord.NPM: packages},
		Lockfiles: map[coord.Ecosystem]graph.Lockfiles{coord.NPM: npmLockfiles{}}})
	if err != nil {
		return nil, err
	}
	s.Handle("/graphql", api)
	s.Handle(exportPath, auditExport{db: n.db, access: n.access, log: audit.New(n.now)})
	people.HomeOf = s.HomeOf
	people.Mount(s)
	operators, err := n.operators(people, s.HomeOf)
	if err != nil {
		return nil, err
	}
	s.HandleRoot(n.root(s.Counted(people.AtPlatform()), s.Counted(operators)))
	return s, nil
}

// hosts binds host names of organizations, none of which may lie under the
// platform's (T6).
func (n *node) hosts() *org.Hosts {
	platform := slices.Clone(n.flags.BaseDomain)
	if u, err := url.Parse(n.flags.PublicURL); err == nil {
		platform = append(platform, u.Hostname())
	}
	return org.NewHosts(n.db, audit.New(n.now), n.now, platform, net.DefaultResolver.LookupTXT)
}

// pages are what people log in with.
func (n *node) pages() *pages.Pages {
	return pages.New(pages.Config{Login: n.logins, Access: n.access, Client: n.vouchers, Platform: n.platform, PublicURL: strings.TrimRight(n.flags.PublicURL, "/"),
		Orgs: n.orgs, Organizations: n.resolver, Subdomains: n.flags.Subdomains, Development: n.flags.development, Registries: n.readable, Now: n.now})
}

// loginAddresses says what an organization's identity provider must know of it.
func loginAddresses(people *pages.Pages) func(context.Context, string) graph.LoginAddresses {
	return func(ctx context.Context, provider string) (a graph.LoginAddresses) {
		place, _ := protocol.PlaceOf(ctx) // the server sets it before it calls a mount
		a.Redirect, a.Backchannel, a.AfterLogout = people.Addresses(place, provider)
		return a
	}
}

// readable lists the registries that the context's subject may read, by name.
func (n *node) readable(ctx context.Context) ([]pages.Registry, error) {
	shape, err := n.shapes.Of(ctx)
	if err != nil {
		return nil, err
	}
	reach, err := n.access.Where(ctx, access.Of(ctx), access.RegistryRead)
	if err != nil {
		return nil, err
	}
	var out []pages.Registry
	for _, r := range shape.All() {
		if reach.All || slices.Contains(reach.Registries, r.ID) {
			out = append(out, pages.Registry{ID: r.ID, Name: protocol.Segment(r.Ecosystem) + "/" + r.Name})
		}
	}
	slices.SortFunc(out, func(a, b pages.Registry) int { return strings.Compare(a.Name, b.Name) })
	return out, nil
}

// redirectTo sends people to a path of the same organization.
func redirectTo(path string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		place, _ := protocol.PlaceOf(r.Context()) // the server sets it before it calls a mount
		http.Redirect(w, r, place.Home+path, http.StatusFound)
	})
}

// registryURL is where the request that is being answered finds a registry (T1).
func registryURL(ctx context.Context, e coord.Ecosystem, name string) string {
	place, _ := protocol.PlaceOf(ctx)
	return place.Home + "/" + protocol.Segment(e) + "/" + name
}

// greeting answers people who open the platform's address in a browser.
const greeting = `Sluice %s, a dependency firewall and package registry.

Registries          /o/{organization}/npm/{registry}/
GraphQL             /o/{organization}/graphql
GraphQL explorer    /o/{organization}/graphql/explorer/
Logging in          /login
`

// root answers at the platform's own host: /healthz while the process runs,
// /readyz while the database answers too, and at / what is where.
func (n *node) root(people, operators http.Handler) http.Handler {
	mux := http.NewServeMux()
	for path, h := range map[string]http.Handler{"/login": people, pages.OperatorPath: operators} {
		mux.Handle(path, h)
		mux.Handle(path+"/", h)
	}
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) {
		protocol.Harden(w.Header())
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		_, _ = fmt.Fprintf(w, greeting, version)
	})
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
