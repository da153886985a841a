package graph_test

import (
	"context"
	"strings"

	"sluice.dev/sluice/graph"
	"sluice.dev/sluice/tenants/access"
	"sluice.dev/sluice/tenants/login"
)

func init() {
	for name, who := range map[string]struct{ foreigner, powerless, reader string }{
		"identityProviders":      {empty, own, noRight},
		"sessions":               {missing, noRight, noRight},
		"linkedAccounts":         {missing, own, missing},
		"breakGlassLinks":        {empty, noRight, noRight},
		"createIdentityProvider": {own, noRight, noRight},
		"updateIdentityProvider": {missing, noRight, noRight},
		"deleteIdentityProvider": {missing, noRight, noRight},
		"testIdentityProvider":   {missing, noRight, noRight},
		"addGroupMapping":        {missing, noRight, noRight},
		"removeGroupMapping":     {missing, noRight, noRight},
		"unlinkAccount":          {missing, noRight, noRight},
		"endSession":             {missing, missing, missing},
		"endSessions":            {missing, noRight, noRight},
	} {
		reach[name] = who
	}
	last = append([]string{"testIdentityProvider", "addGroupMapping", "removeGroupMapping", "endSession", "endSessions", "unlinkAccount", "updateIdentityProvider",
		"deleteIdentityProvider"}, last...)
}

// testProvider stands for asking a provider: one whose client id is "broken" does
// not answer.
func testProvider(_ context.Context, p login.Provider) login.Report {
	if p.ClientID == "broken" {
		return login.Report{Problems: []string{"the provider at " + p.Issuer + " does not answer"}}
	}
	return login.Report{Auth: p.Issuer + "/auth", Token: p.Issuer + "/token", KeysURL: p.Issuer + "/keys", Keys: 2,
		Warnings: []string{"it has seen the secret " + string(p.ClientSecret[:1]) + "…"}}
}

func loginAddresses(_ context.Context, provider string) graph.LoginAddresses {
	const home = "https://acme.sluice.example"
	return graph.LoginAddresses{Redirect: home + "/login/callback/" + provider, Backchannel: home + "/login/backchannel/" + provider, AfterLogout: home + "/login"}
}

// provider adds one.
func (w *world) provider(ctx context.Context, name string) login.Provider {
	w.Helper()
	key := login.Secret("hunter2")
	p, err := w.logins.CreateProvider(ctx, login.ProviderInput{Name: name, Issuer: "https://" + name + ".example", ClientID: "sluice", ClientSecret: &key,
		Domains: []string{"acme.example"}, Enabled: true})
	w.ok(err)
	return p
}

// enter logs somebody in, as an account that the provider vouches for.
func (w *world) enter(ctx context.Context, p login.Provider, subject, email string) login.Session {
	w.Helper()
	yes := true
	_, s, err := w.logins.Enter(ctx, login.Arrival{Provider: p, IP: "192.0.2.7", Agent: "Firefox",
		Claims: login.Claims{Issuer: p.Issuer, Subject: subject, Email: email, Verified: &yes, Name: strings.ToUpper(subject)}})
	w.ok(err)
	return s
}

// seedLogin gives the organization a provider with a mapping, somebody who is
// logged in, and an emergency link.
func (w *world) seedLogin(ctx context.Context, s *seeded) {
	w.Helper()
	p := w.provider(ctx, "okta")
	m, err := w.logins.AddMapping(ctx, login.Mapping{Provider: p.ID, Group: "ops", Place: access.Place{Role: access.Reader, Registry: s.firewall}})
	w.ok(err)
	_, err = w.access.CreateTeam(ctx, access.TeamInput{Name: "platform"})
	w.ok(err)
	someone, err := w.access.CreateMember(ctx, access.MemberInput{Email: "someone@acme.example", Roles: []access.Place{{Role: access.Owner}}})
	w.ok(err)
	s.someone = someone.ID
	session := w.enter(ctx, p, "s1", someone.Email)
	accounts, err := w.logins.Identities(ctx, someone.ID)
	w.ok(err)
	_, _, err = w.logins.BreakGlass(ctx, someone.Email, "a rehearsal")
	w.ok(err)
	s.words["provider"], s.words["mapping"], s.words["someone"] = id("IdentityProvider", p.ID), id("GroupMapping", m.ID), id("Member", someone.ID)
	s.words["session"], s.words["linked"] = id("Session", session.ID), id("LinkedAccount", accounts[0].ID)
}
