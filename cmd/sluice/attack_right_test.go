package main

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"

	"github.com/google/uuid"

	"sluice.dev/sluice/tenants/access"
	"sluice.dev/sluice/tenants/errs"
	"sluice.dev/sluice/tenants/login"
)

// done is what a service answered, as HTTP would say it. People's affairs are
// asked of the services themselves: whatever comes to them, by whatever way, is
// decided there.
func done(err error) answer {
	a := answer{status: http.StatusOK, phrase: "200 done", header: http.Header{}, body: []byte("done")}
	if err != nil {
		kind := errs.KindOf(err)
		a.status = map[errs.Kind]int{errs.Invalid: 400, errs.Unauthenticated: 401, errs.Forbidden: 403, errs.NotFound: 404, errs.Conflict: 409}[kind]
		a.phrase = kind.String()
		a.body, _ = json.Marshal(map[string]string{"code": kind.String(), "error": errs.Public(err)}) // of strings: cannot fail
	}
	return a
}

// rightAttempts are of people who give themselves, or others, more than they
// have.
func rightAttempts() (out []attempt) {
	const group = "Rights: more than one has (A3, A4, R9)"
	add := func(name, as string, try func(ctx context.Context, f *field) error) {
		out = append(out, attempt{group, name, as + " (in process)", func(f *field) shot {
			ctx := f.subject(as)
			return shot{fire: func() answer { return done(try(ctx, f)) }}
		}})
	}
	self := func(ctx context.Context) access.Principal { return access.MemberPrincipal(access.Of(ctx).MemberID) }
	grant := func(name, as, role string, registry string) {
		add(name, as, func(ctx context.Context, f *field) error {
			return f.first.access.Grant(ctx, self(ctx), role, f.ours.reg[registry])
		})
	}
	grant("the role owner for oneself", "member", access.Owner, "")
	grant("the role owner for oneself", "admin", access.Owner, "")
	grant("the role owner for oneself", "registry-admin", access.Owner, "")
	grant("the role owner for oneself", "read-only", access.Owner, "")
	grant("the role reader on a registry for oneself", "member", access.Reader, "team")
	grant("a role on another registry for oneself", "registry-admin", access.Reader, "other")
	grant("a role on the organization for oneself", "registry-admin", access.Reader, "")
	grant("the role publisher on one's registry for oneself", "reader", access.Publisher, "team")
	grant("the role publisher on one's registry for oneself", "security", access.Publisher, "team")
	grant("a role on a registry that the token is not for", "for one registry", access.Reader, "other")
	grant("a role for oneself", "auditor", access.Reader, "team")
	add("the role owner for a friend", "admin", func(ctx context.Context, f *field) error {
		return f.first.access.Grant(ctx, access.MemberPrincipal(f.ours.ids["member"]), access.Owner, uuid.Nil)
	})
	add("a role for a member of globex", "owner", func(ctx context.Context, f *field) error {
		return f.first.access.Grant(ctx, access.MemberPrincipal(f.foreign("member")), access.Reader, uuid.Nil)
	})
	add("a role for a team of globex", "owner", func(ctx context.Context, f *field) error {
		return f.first.access.Grant(ctx, access.TeamPrincipal(f.foreign("team")), access.Reader, uuid.Nil)
	})
	add("a role on a registry of globex", "owner", func(ctx context.Context, f *field) error {
		return f.first.access.Grant(ctx, self(ctx), access.Reader, f.foreign("registry team"))
	})
	add("taking the owner's role away", "admin", func(ctx context.Context, f *field) error {
		return f.first.access.Revoke(ctx, access.MemberPrincipal(f.ana.ID), access.Owner, uuid.Nil)
	})
	add("deactivating an owner", "admin", func(ctx context.Context, f *field) error { return f.first.access.DeactivateMember(ctx, f.ana.ID) })
	add("a role of one's own making", "member", func(ctx context.Context, f *field) error {
		return f.first.access.CreateRole(ctx, access.RoleInput{Name: "mine", Actions: []access.Action{access.RegistryBypassFirewall}})
	})
	out = append(out, attempt{group, "more actions for a role that somebody has, than the editor has", "admin (in process)", editRole})
	add("a team with more rights than oneself, as a way in", "registry-admin", func(ctx context.Context, f *field) error {
		return f.first.access.AddToTeam(ctx, f.ours.ids["team"], access.Of(ctx).MemberID)
	})
	add("oneself into a team of globex", "owner", func(ctx context.Context, f *field) error {
		return f.first.access.AddToTeam(ctx, f.foreign("team"), access.Of(ctx).MemberID)
	})
	add("a member of globex into one's team", "owner", func(ctx context.Context, f *field) error {
		return f.first.access.AddToTeam(ctx, f.ours.ids["team"], f.foreign("member"))
	})
	token := func(name, as string, in func(f *field) access.TokenInput) {
		add(name, as, func(ctx context.Context, f *field) error {
			_, _, err := f.first.access.CreateToken(ctx, in(f))
			return err
		})
	}
	token("a personal token of somebody else", "admin", func(f *field) access.TokenInput { return access.TokenInput{Name: "x", MemberID: f.ana.ID} })
	token("a token of a service account that may more", "registry-admin", func(f *field) access.TokenInput {
		return access.TokenInput{Name: "x", ServiceID: f.ours.ids["service account"], Write: true}
	})
	token("a token of a service account of globex", "owner", func(f *field) access.TokenInput {
		return access.TokenInput{Name: "x", ServiceID: f.foreign("service account"), Write: true}
	})
	token("a token for a registry of globex", "owner", func(f *field) access.TokenInput {
		return access.TokenInput{Name: "x", Roles: []access.Place{{Role: access.Reader}}, Registries: []uuid.UUID{f.foreign("registry team")}}
	})
	token("a token with a role on a registry of globex", "owner", func(f *field) access.TokenInput {
		return access.TokenInput{Name: "x", Roles: []access.Place{{Role: access.Reader, Registry: f.foreign("registry team")}}}
	})
	token("a service token with the role owner", "admin", func(*field) access.TokenInput {
		return access.TokenInput{Name: "x", Write: true, Roles: []access.Place{{Role: access.Owner}}}
	})
	token("a personal token by a service account", "service account", func(f *field) access.TokenInput { return access.TokenInput{Name: "x", MemberID: f.ana.ID} })
	add("transferring the ownership to oneself", "admin", func(ctx context.Context, f *field) error {
		return f.first.access.TransferOwnership(ctx, access.Of(ctx).MemberID)
	})
	add("deleting the organization", "admin", func(ctx context.Context, f *field) error {
		return f.first.access.DeleteOrganization(ctx, f.first.orgs, "acme")
	})
	add("an identity provider of one's own choice", "admin", func(ctx context.Context, f *field) error {
		_, err := f.first.logins.CreateProvider(ctx, login.ProviderInput{Name: "mine", Issuer: "https://evil.example", ClientID: "x", Enabled: true})
		return err
	})
	add("changing globex's identity provider", "owner", func(ctx context.Context, f *field) error {
		_, err := f.first.logins.UpdateProvider(ctx, f.foreign("identity provider"), login.ProviderInput{Issuer: "https://evil.example", ClientID: "x", Enabled: true})
		return err
	})
	add("a mapping of groups to the role owner", "admin", func(ctx context.Context, f *field) error {
		_, err := f.first.logins.AddMapping(ctx, login.Mapping{Provider: f.ours.ids["identity provider"], Group: "everybody", Place: access.Place{Role: access.Owner}})
		return err
	})
	add("a break-glass link", "admin", func(ctx context.Context, f *field) error {
		_, _, err := f.first.logins.BreakGlass(ctx, "admin@acme.example", "because")
		return err
	})
	add("a trust rule for a registry of globex", "owner", func(ctx context.Context, f *field) error {
		_, err := f.first.access.CreateTrustRule(ctx, access.TrustRuleInput{Registries: []uuid.UUID{f.foreign("registry team")}, Name: "x", Issuer: "https://ci.example", Packages: []string{"@hush/sauce"}, Claims: map[string]string{"repository": "evil/evil"}})
		return err
	})
	add("a trust rule for one's registry", "publisher", func(ctx context.Context, f *field) error {
		_, err := f.first.access.CreateTrustRule(ctx, access.TrustRuleInput{Registries: []uuid.UUID{f.ours.reg["team"]}, Name: "x", Issuer: "https://ci.example", Packages: []string{"@acme/widgets"}, Claims: map[string]string{"repository": "evil/evil"}})
		return err
	})
	return append(append(out, firewallAttempts()...), admissionAttempts()...)
}

// foreign is the number of something of globex, which the attacker has.
func (f *field) foreign(what string) uuid.UUID {
	f.Helper()
	id, ok := f.theirs.ids[what]
	if !ok {
		f.Fatalf("globex has no %s", what)
	}
	f.said.WriteString(id.String())
	return id
}

// editRole widens a role that somebody has.
func editRole(f *field) shot {
	f.ok(f.first.access.Grant(f.acme.ctx, access.MemberPrincipal(f.ours.ids["member"]), f.ours.words["role"], uuid.Nil))
	ctx := f.subject("admin")
	return shot{fire: func() answer {
		return done(f.first.access.UpdateRole(ctx, access.RoleInput{Name: f.ours.words["role"], Actions: []access.Action{access.RegistryBypassFirewall}}))
	}}
}

// firewallAttempts lead a registry past its firewall, or read through an edge
// that its owner did not allow (R9).
func firewallAttempts() (out []attempt) {
	const group = "Firewalls: past them, and through other people's registries (R9)"
	add := func(name, as, query string, vars func(f *field) map[string]any) {
		out = append(out, attempt{group, name, as, func(f *field) shot {
			v := vars(f)
			return shot{fire: func() answer { return f.ask(acmeAt, f.tokens[as], operation{query: query, vars: v}) }}
		}})
	}
	const source = `mutation($r: ID!, $s: UpstreamSourceInput!) { addUpstream(input: {registry: $r, source: $s}) { upstream { id } userErrors { message } } }`
	id := func(f *field, reg string) string { return regID(f.ours.reg[reg]) }
	with := func(reg, kind, what string) func(f *field) map[string]any {
		return func(f *field) map[string]any {
			s := map[string]any{"registry": id(f, what)}
			if kind == "remote" {
				s = map[string]any{"remote": f.ours.id(f, "Remote")}
			}
			if kind == "newRemote" {
				s = map[string]any{"newRemote": map[string]any{"name": "evil", "baseUrl": "https://evil.example"}}
			}
			return map[string]any{"r": id(f, reg), "s": s}
		}
	}
	add("a registry without registry:link on it, as an upstream", "registry-admin", source, with("team", "registry", "other"))
	add("a firewall without registry:link on it, as an upstream", "registry-admin", source, with("team", "registry", "firewall"))
	add("a remote below a firewall", "admin", source, with("team", "remote", ""))
	add("a new remote below a firewall", "admin", source, with("team", "newRemote", ""))
	add("a remote below a firewall", "registry-admin", source, with("team", "remote", ""))
	add("a new remote below a firewall", "registry-admin", source, with("team", "newRemote", ""))
	add("a new remote below a firewall", "for one registry", source, with("team", "newRemote", ""))
	add("the last path to a firewall taken away", "admin", `mutation($u: ID!) { removeUpstream(input: {upstream: $u}) { userErrors { message } } }`, lastEdge)
	add("the last path to a firewall taken away", "registry-admin", `mutation($u: ID!) { removeUpstream(input: {upstream: $u}) { userErrors { message } } }`, lastEdge)
	add("a registry beside the firewall with its remote", "registry-admin", `mutation { createRegistry(input: {ecosystem: NPM, name: "beside"}) { userErrors { message } } }`, func(*field) map[string]any { return nil })
	add("the firewall's rules softened", "registry-admin", `mutation($r: ID!) { addRule(input: {registry: $r, name: "x", kind: BLOCK, effect: WARN}) { userErrors { message } } }`,
		func(f *field) map[string]any { return map[string]any{"r": id(f, "firewall")} })
	add("a hold of the firewall released", "registry-admin", `mutation($h: ID!) { releaseHold(input: {hold: $h, reason: "mine"}) { userErrors { message } } }`,
		func(f *field) map[string]any { return map[string]any{"h": f.ours.id(f, "Hold")} })
	add("forwarding into a registry where one may not publish", "registry-admin", `mutation($r: ID!, $t: ID) { setForwarding(input: {registry: $r, to: $t}) { userErrors { message } } }`,
		func(f *field) map[string]any { return map[string]any{"r": id(f, "team"), "t": id(f, "other")} })
	add("promoting into a registry where one may not publish", "publisher", `mutation($f: ID!, $t: ID!) { promoteVersion(input: {from: $f, to: $t, package: "@acme/widgets", version: "1.0.0"}) { userErrors { message } } }`,
		func(f *field) map[string]any { return map[string]any{"f": id(f, "team"), "t": id(f, "other")} })
	add("approving a staged version", "reader", `mutation($s: ID!) { approveStagedVersion(input: {stagedVersion: $s}) { userErrors { message } } }`,
		func(f *field) map[string]any { return map[string]any{"s": f.ours.id(f, "StagedVersion")} })
	return out
}

// lastEdge is the edge from acme's team to its firewall.
func lastEdge(f *field) map[string]any {
	var edge uuid.UUID
	f.acme.scan(&edge, `SELECT id FROM upstreams WHERE registry_id = $1`, f.ours.reg["team"])
	return map[string]any{"u": upstreamID(edge)}
}

// admissionAttempts come in by what others were sent.
func admissionAttempts() (out []attempt) {
	const group = "Invitations and requests to join: of another organization, used, of others (A1)"
	who := func(f *field, email string) access.Person {
		return access.Person{Issuer: f.platform.URL, Subject: uuid.NewString(), Email: email}
	}
	type invitation struct {
		secret string
		id     uuid.UUID
		email  string
	}
	add := func(name, as string, try func(f *field, inv invitation) func() error) {
		out = append(out, attempt{group, name, as + " (in process)", func(f *field) shot {
			email := uuid.NewString() + "@acme.example"
			secret, made, err := f.first.access.Invite(f.acme.ctx, access.InvitationInput{Email: email, Admission: access.Admission{Roles: []access.Place{{Role: access.Admin}}}})
			f.ok(err)
			fire := try(f, invitation{secret, made.ID, email})
			return shot{fire: func() answer { return done(fire()) }}
		}})
	}
	accept := func(f *field, ctx context.Context, secret string, p access.Person) error {
		_, err := f.first.access.AcceptInvitation(ctx, secret, p, nil)
		return err
	}
	add("acme's invitation at globex", "who was invited", func(f *field, i invitation) func() error {
		return func() error { return accept(f, f.globex.ctx, i.secret, who(f, i.email)) }
	})
	add("an invitation a second time, by another account", "who found the mail", func(f *field, i invitation) func() error {
		f.ok(accept(f, f.acme.ctx, i.secret, who(f, i.email)))
		return func() error { return accept(f, f.acme.ctx, i.secret, who(f, i.email)) }
	})
	add("somebody else's invitation", "who found the mail", func(f *field, i invitation) func() error {
		return func() error { return accept(f, f.acme.ctx, i.secret, who(f, "eve@evil.example")) }
	})
	add("an invitation without a verified address", "who found the mail", func(f *field, i invitation) func() error {
		return func() error { return accept(f, f.acme.ctx, i.secret, who(f, "")) }
	})
	add("an invitation that was taken back", "who was invited", func(f *field, i invitation) func() error {
		f.ok(f.first.access.RevokeInvitation(f.acme.ctx, i.id))
		return func() error { return accept(f, f.acme.ctx, i.secret, who(f, i.email)) }
	})
	add("the old secret of an invitation that was sent again", "who found the mail", func(f *field, i invitation) func() error {
		_, _, err := f.first.access.Resend(f.acme.ctx, i.id)
		f.ok(err)
		return func() error { return accept(f, f.acme.ctx, i.secret, who(f, i.email)) }
	})
	add("an invented invitation", "nobody", func(f *field, i invitation) func() error {
		return func() error {
			return accept(f, f.acme.ctx, "sluice_invitation_"+invented(5, true)[7:], who(f, i.email))
		}
	})
	add("an invitation that was sent six days ago", "who was invited", func(f *field, i invitation) func() error {
		f.clock.pass(access.InvitationFor)
		return func() error { return accept(f, f.acme.ctx, i.secret, who(f, i.email)) }
	})
	as := func(name, role string, try func(ctx context.Context, f *field) error) {
		out = append(out, attempt{group, name, role + " (in process)", func(f *field) shot {
			ctx := f.subject(role)
			return shot{fire: func() answer { return done(try(ctx, f)) }}
		}})
	}
	as("an invitation to be owner, for a friend", "admin", func(ctx context.Context, f *field) error {
		_, _, err := f.first.access.Invite(ctx, access.InvitationInput{Email: "friend@evil.example", Admission: access.Admission{Roles: []access.Place{{Role: access.Owner}}}})
		return err
	})
	as("an invitation", "member", func(ctx context.Context, f *field) error {
		_, _, err := f.first.access.Invite(ctx, access.InvitationInput{Email: "friend@evil.example"})
		return err
	})
	as("an invitation of globex sent again, to oneself", "owner", func(ctx context.Context, f *field) error {
		_, _, err := f.first.access.Resend(ctx, f.foreign("invitation"))
		return err
	})
	as("a request to join globex approved", "owner", func(ctx context.Context, f *field) error {
		_, err := f.first.access.ApproveJoinRequest(ctx, f.foreign("join request"), access.Admission{}, nil)
		return err
	})
	as("a request to join approved", "member", func(ctx context.Context, f *field) error {
		_, err := f.first.access.ApproveJoinRequest(ctx, f.ours.ids["join request"], access.Admission{}, nil)
		return err
	})
	as("a request to join approved as owner", "admin", func(ctx context.Context, f *field) error {
		_, err := f.first.access.ApproveJoinRequest(ctx, f.ours.ids["join request"], access.Admission{Roles: []access.Place{{Role: access.Owner}}}, nil)
		return err
	})
	out = append(out, attempt{group, "a request to join under a member's address", "who has Ana's address (in process)", func(f *field) shot {
		return shot{fire: func() answer {
			_, err := f.first.access.RequestToJoin(f.acme.ctx, who(f, "ana@acme.example"), "it is me")
			return done(err)
		}}
	}})
	return append(out, elsewhereAttempts()...)
}

// elsewhereAttempts look for what organizations do not have on their addresses,
// and guess at links.
func elsewhereAttempts() (out []attempt) {
	const group = "Links and other addresses: guessed (F2, T3, T6)"
	for _, c := range []struct{ name, path string }{
		{"a decision of globex", "/-/decisions/THEIRS"}, {"a decision cut short", "/-/decisions/CUT"}, {"a decision in upper case", "/-/decisions/UPPER"},
		{"a decision by a pattern", "/-/decisions/%25"}, {"a decision with dot segments", "/-/decisions/../decisions/THEIRS"},
		{"a decision of globex through the path form", "/o/globex/-/decisions/THEIRS"},
	} {
		out = append(out, attempt{group, c.name, "nobody", func(f *field) shot {
			theirs := f.theirs.refer
			none := ghostReference(theirs)
			ask := func(ref string) func() answer {
				path := strings.NewReplacer("THEIRS", ref, "CUT", f.ours.refer[:10], "UPPER", strings.ToUpper(f.ours.refer)+"A").Replace(c.path)
				return func() answer { return f.send(call{to: acmeAt + path}) }
			}
			return shot{fire: ask(theirs), like: ask(none), sent: []string{theirs, none}, refused: func(a answer) bool {
				return declined(a) || a.status == http.StatusTemporaryRedirect || a.status == http.StatusMovedPermanently
			}}
		}})
	}
	for _, path := range []string{"/admin", "/-/operator", "/-/organizations", "/metrics", "/debug/pprof/", "/debug/vars", "/.git/config", "/-/audit/export", "/audit", "/api/v1/organizations", "/-/jobs", "/readyz", "/healthz", "/internal"} {
		out = append(out, attempt{group, "an operator's route: " + path, "the owner of acme", func(f *field) shot {
			return shot{fire: func() answer { return f.send(call{to: acmeAt + path, token: f.tokens["owner"]}) },
				like: func() answer { return f.send(call{to: acmeAt + "/nothing-here", token: f.tokens["owner"]}) }, sent: []string{path, "/nothing-here"}}
		}})
	}
	for _, c := range []struct{ name, as, query string }{
		{"the audit log of globex, by who did it", "the owner of acme", `{ auditEvents(filter: {actor: "gil@globex.example"}) { edges { node { id actor } } } }`},
		{"a registry of globex by its name", "the owner of acme", `{ registry(name: "vault") { id } }`},
		{"a registry of acme by its name", "a member of acme", `{ registry(name: "workshop") { id } }`},
	} {
		out = append(out, attempt{group, c.name, c.as, func(f *field) shot {
			token, none := f.tokens["owner"], strings.NewReplacer("vault", "ghost", "workshop", "ghost", "gil@globex", "eve@nobody").Replace(c.query)
			if c.as == "a member of acme" {
				token = f.tokens["member"]
			}
			ask := func(q string) func() answer {
				return func() answer { return f.ask(acmeAt, token, operation{query: q}) }
			}
			return shot{fire: ask(c.query), like: ask(none), refused: func(a answer) bool { return nothingOf(a) }, sent: []string{"vault", "ghost", "workshop", "ghost"}}
		}})
	}
	out = append(out, attempt{group, "npm's web login of acme, waited for at globex", "who saw the address", func(f *field) shot {
		begun := f.send(call{method: http.MethodPost, to: acmeAt + "/npm/workshop/-/v1/login", body: "{}"})
		var urls struct{ DoneURL string }
		f.ok(json.Unmarshal(begun.body, &urls))
		at := strings.Replace(urls.DoneURL, acmeAt, globexAt, 1)
		none := globexAt + "/npm/workshop/-/v1/done/" + strings.Repeat("A", 43)
		return shot{fire: func() answer { return f.send(call{to: at}) }, like: func() answer { return f.send(call{to: none}) }, sent: []string{at, none}}
	}}, attempt{group, "npm's web login, its page posted with a session instead of a token", "a page of globex", func(f *field) shot {
		begun := f.send(call{method: http.MethodPost, to: acmeAt + "/npm/workshop/-/v1/login", body: "{}"})
		var urls struct{ LoginURL, DoneURL string }
		f.ok(json.Unmarshal(begun.body, &urls))
		cookie := sessionCookie + "=" + f.enter().secret(acmeAt)
		return shot{fire: func() answer {
			return f.send(call{method: http.MethodPost, to: urls.LoginURL, header: []string{"Cookie", cookie, "Sec-Fetch-Site", "same-site", "Origin", globexAt, "Content-Type", "application/x-www-form-urlencoded"}, body: "token="})
		}, inside: func() string {
			if a := f.send(call{to: urls.DoneURL}); a.status == http.StatusOK {
				return "the login is done"
			}
			return ""
		}}
	}})
	return out
}

// ghostReference is another text of the same form, which nobody has.
func ghostReference(text string) string {
	last := map[bool]string{true: "b", false: "a"}[strings.HasSuffix(text, "a")]
	return text[:len(text)-1] + last
}
