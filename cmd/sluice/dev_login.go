package main

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"time"

	"sluice.dev/sluice/cmd/internal/demologin"
	"sluice.dev/sluice/ent"
	"sluice.dev/sluice/ent/db"
	"sluice.dev/sluice/ent/identityprovider"
	"sluice.dev/sluice/tenants/access"
	"sluice.dev/sluice/tenants/errs"
	"sluice.dev/sluice/tenants/login"
	"sluice.dev/sluice/tenants/org"
	"sluice.dev/sluice/tenants/scope"
)

// Names of the demonstration's second organization, which has a provider of its
// own.
const (
	secondOrg      = "globex"
	secondProvider = "staff"
	demoClient     = "sluice"
	demoOperator   = "olga@sluice.example"
)

// People of the demonstration. Sam is in both organizations, by the platform's
// provider.
var (
	platformPeople = []demologin.Person{
		{ID: "admin", Name: "Ada Admin", Email: demoAdmin, About: "owner of Acme"},
		{ID: "sec", Name: "Selma Security", Email: "selma@acme.example", About: "security engineer of Acme"},
		{ID: "dev", Name: "Dan Developer", Email: "dan@acme.example", About: "developer in Acme's team A"},
		{ID: "sam", Name: "Sam Consultant", Email: "sam@consulting.example", About: "auditor of Acme and member of Globex"},
		{ID: "ops", Name: "Olga Operator", Email: demoOperator, About: "operates the platform, and is a member of nothing"},
		{ID: "nobody", Name: "Nora Nobody", Email: "nora@elsewhere.example", About: "a member of nothing"},
	}
	secondPeople = []demologin.Person{
		{ID: "g1", Name: "Gil Globex", Email: "gil@globex.example", About: "owner, by the group admins", Groups: []string{"admins", "staff"}},
		{ID: "g2", Name: "Gwen Globex", Email: "gwen@globex.example", About: "becomes a member by logging in", Groups: []string{"staff"}},
	}
)

// voucher is the demonstration's identity providers, two behind one listener.
type voucher struct {
	base, secret string
	server       *http.Server
}

// startVoucher listens on loopback, on the port of the last time if it is free:
// issuers are part of who people are.
func startVoucher(state *devState, publicURL, port string) (*voucher, error) {
	ln, err := listenLoopback(state.LoginAddress)
	if err != nil {
		return nil, fmt.Errorf("the demonstration's identity provider cannot listen: %w", err)
	}
	state.LoginAddress = ln.Addr().String()
	var random [16]byte
	_, _ = rand.Read(random[:]) // never fails
	v := &voucher{base: "http://" + state.LoginAddress, secret: hex.EncodeToString(random[:])}
	back := func(home string) string { return home + "/login/callback/" + secondProvider }
	homes := []string{publicURL + "/o/" + secondOrg, "http://" + secondOrg + ".localhost:" + port}
	mux := http.NewServeMux()
	for path, c := range map[string]demologin.Config{
		"/platform/": {Issuer: v.base + "/platform", Title: "Demonstration accounts", People: platformPeople,
			Redirects: []string{publicURL + "/login/callback"}, Leave: []string{publicURL + "/login"}},
		"/globex/": {Issuer: v.base + "/globex", Title: "Globex staff", People: secondPeople,
			Redirects: []string{back(homes[0]), back(homes[1])}, Leave: []string{homes[0] + "/login", homes[1] + "/login"}},
	} {
		c.ClientID, c.Secret = demoClient, v.secret
		p, err := demologin.New(c)
		if err != nil {
			ln.Close()
			return nil, err
		}
		mux.Handle(path, p)
	}
	v.server = &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	go func() { _ = v.server.Serve(ln) }()
	return v, nil
}

// listenLoopback listens on a port of this machine alone: the address wanted, if
// it is such a one and free.
func listenLoopback(wanted string) (net.Listener, error) {
	if strings.HasPrefix(wanted, "127.0.0.1:") {
		if ln, err := net.Listen("tcp", wanted); err == nil {
			return ln, nil
		}
	}
	return net.Listen("tcp", "127.0.0.1:0")
}

func (v *voucher) close() {
	if err := v.server.Close(); err != nil {
		slog.Debug("the demonstration's identity provider did not close", "error", err)
	}
}

// flags are the platform's provider.
func (v *voucher) flags() oidcFlags {
	return oidcFlags{Issuer: v.base + "/platform", ClientID: demoClient, ClientSecret: secret(v.secret), Title: "a demonstration account", Scopes: []string{"profile", "email"}}
}

// seedLogins makes the people of acme who log in by the platform's provider.
func (d *demo) seedLogins(ctx context.Context) error {
	shape, err := d.n.shapes.Of(ctx)
	if err != nil {
		return err
	}
	at := func(role, name string) access.Place {
		p := access.Place{Role: role}
		for _, r := range shape.All() {
			if r.Name == name {
				p.Registry = r.ID
			}
		}
		return p
	}
	ordinary := access.Place{Role: access.Ordinary}
	for _, m := range []access.MemberInput{
		{Email: platformPeople[1].Email, Name: platformPeople[1].Name, Roles: []access.Place{ordinary, {Role: access.Security}}},
		{Email: platformPeople[2].Email, Name: platformPeople[2].Name, Roles: []access.Place{ordinary, at(access.Publisher, "team-a"), at(access.Reader, "solo-firewall")}},
		{Email: platformPeople[3].Email, Name: platformPeople[3].Name, Roles: []access.Place{{Role: access.Auditor}}},
	} {
		if err := d.n.ensureMember(ctx, m); err != nil {
			return err
		}
	}
	return nil
}

func (n *node) ensureMember(ctx context.Context, in access.MemberInput) error {
	_, err := n.access.CreateMember(ctx, in)
	if errs.Is(err, errs.Conflict) {
		return nil
	}
	return err
}

// seedSecond makes the organization globex with a provider of its own, unless
// they are there, and points the provider at where it is now.
func (n *node) seedSecond(ctx context.Context, v *voucher) error {
	ctx = access.As(ctx, access.System("demonstration"), "")
	ref, err := n.resolver.BySlug(ctx, secondOrg)
	if errs.Is(err, errs.NotFound) {
		var made org.Organization
		made, err = n.orgs.Create(ctx, org.Input{Slug: secondOrg, Name: "Globex"})
		ref.ID = made.ID
	}
	if err != nil {
		return err
	}
	ctx = scope.With(ctx, ref.ID)
	for _, m := range []access.MemberInput{
		{Email: secondPeople[0].Email, Name: secondPeople[0].Name, Roles: []access.Place{{Role: access.Owner}}},
		{Email: platformPeople[3].Email, Name: platformPeople[3].Name},
	} {
		if err := n.ensureMember(ctx, m); err != nil {
			return err
		}
	}
	return n.seedProvider(ctx, v)
}

func (n *node) seedProvider(ctx context.Context, v *voucher) error {
	newSecret := login.Secret(v.secret)
	in := login.ProviderInput{Name: secondProvider, Title: "Globex staff", Issuer: v.base + "/globex", ClientID: demoClient, ClientSecret: &newSecret,
		Scopes: []string{"profile", "email", "groups"}, Domains: []string{"globex.example"}, Joins: true, Enabled: true}
	var have *ent.IdentityProvider
	err := n.db.InSnapshot(ctx, func(ctx context.Context, tx *db.Tx) (err error) {
		have, err = tx.Ent.IdentityProvider.Query().Where(identityprovider.Name(secondProvider)).Only(ctx)
		return err
	})
	if err == nil {
		_, err = n.logins.UpdateProvider(ctx, have.ID, in)
		return err
	}
	if !ent.IsNotFound(err) {
		return err
	}
	made, err := n.logins.CreateProvider(ctx, in)
	if err != nil {
		return err
	}
	_, err = n.logins.AddMapping(ctx, login.Mapping{Provider: made.ID, Group: "admins", Place: access.Place{Role: access.Owner}})
	return err
}
