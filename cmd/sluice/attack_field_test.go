package main

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"sluice.dev/sluice/ent/db/dbtest"
	"sluice.dev/sluice/tenants/access"
	"sluice.dev/sluice/tenants/intake"
	"sluice.dev/sluice/tenants/login"
	"sluice.dev/sluice/tenants/policy"
)

// field is where attacks take place: two nodes behind a proxy, two
// organizations with a provider each, one of everything in both of them, and
// people of every role in acme.
type field struct {
	*loginBench
	ci      *issuer   // a CI service that both organizations trust for a package
	super   *pgx.Conn // past all walls, to look
	sums    string
	said    strings.Builder // what was sent since it was reset
	second  *served
	ours    *estate // acme's
	theirs  *estate // globex's
	secrets []string
	tokens  map[string]string // of people of acme, by role
	spent   map[string]string // tokens that have ended, by how
}

// estate is what one organization has.
type estate struct {
	*tenant
	home  string // its address
	words map[string]string
	reg   map[string]uuid.UUID // registries, by what they are for
	ids   map[string]uuid.UUID
	owner string // a token that may everything
	refer string // the reference of a decision
}

// words are the names of things, which nobody else uses.
var (
	acmeWords = map[string]string{"firewall": "acme-wall", "team": "workshop", "other": "attic", "open": "showroom", "package": "@acme/widgets", "public": "openlib",
		"remote": "acme-source", "rule": "acme-rule", "role": "acme-role", "crew": "acme-crew", "robot": "acme-robot"}
	globexWords = map[string]string{"firewall": "moat", "team": "vault", "other": "dungeon", "open": "balcony", "package": "@hush/sauce", "public": "hushlib",
		"remote": "quarry", "rule": "password-is-swordfish", "role": "locksmith", "crew": "safecrackers", "robot": "doomsday-machine"}
)

func newField(t *testing.T) *field {
	t.Helper()
	ci, believe := newIssuer(t)
	f := &field{loginBench: newLoginBench(t, believe), ci: ci, tokens: map[string]string{}, spent: map[string]string{}}
	ci.h = f.harness
	f.super = dbtest.Superuser(t, f.first.db)
	f.flags.Operators = []string{olga}
	f.second = f.serve() // where Olga operates the platform
	f.ours, f.theirs = f.furnish(f.acme, acmeWords), f.furnish(f.globex, globexWords)
	f.people()
	for _, s := range f.theirs.words {
		f.secrets = append(f.secrets, s)
	}
	f.secrets = append(f.secrets, "gil@globex.example", "gone@globex.example", "guest@globex.example", "Gus Globex", f.theirs.owner, f.theirs.secret, "the bytes of "+f.theirs.words["package"])
	for _, id := range f.theirs.ids {
		f.secrets = append(f.secrets, id.String())
	}
	return f
}

func (f *field) ok(err error) {
	f.Helper()
	if err != nil {
		f.Fatal(err)
	}
}

// furnish gives an organization one of everything that it can have.
func (f *field) furnish(x *tenant, words map[string]string) *estate {
	f.Helper()
	e := &estate{tenant: x, home: "https://" + x.slug + ".sluice.example", words: words, reg: map[string]uuid.UUID{}, ids: map[string]uuid.UUID{}}
	e.ids["organization"], e.ids["npm-public"] = f.orgOf(x), x.public
	e.ids["remote"] = x.remote(words["remote"], "https://"+words["remote"]+".example", false)
	e.reg["firewall"] = x.firewall(words["firewall"], from(x.public))
	e.reg["team"] = x.team(words["team"], source(e.reg["firewall"]))
	e.reg["other"], e.reg["open"] = x.team(words["other"]), x.team(words["open"])
	var one int
	x.scan(&one, `UPDATE registries SET anonymous_read = true WHERE id = $1 RETURNING 1`, e.reg["open"])
	gone := x.team(words["team"] + "-gone")
	f.ok(x.at.registries.Delete(x.ctx, gone))
	for word, reg := range e.reg {
		e.ids["registry "+word] = reg
	}
	x.publish(e.reg["team"], words["package"], "1.0.0", []byte("the bytes of "+words["package"]))
	x.publish(e.reg["team"], words["package"], "1.1.0", []byte("the new bytes of "+words["package"]))
	x.publish(e.reg["open"], words["public"], "1.0.0", []byte("public bytes"))
	_, err := x.at.intake.Stage(x.ctx, x.publication(e.reg["team"], words["package"], "2.0.0", []byte("waiting")), "ann")
	f.ok(err)
	pull, err := x.at.intake.StartPull(x.ctx, intake.PullInput{Registry: e.reg["team"], Source: "yarn.lock", Versions: []intake.PullVersion{{Name: "left-pad", Version: "2.0.0"}}})
	f.ok(err)
	e.ids["pull"] = pull.ID
	f.quarantine(e)
	f.society(e)
	e.owner, _ = x.person("root", access.TokenInput{Write: true}, access.Place{Role: access.Owner})
	_, _, err = x.at.logins.BreakGlass(x.ctx, "root@"+x.slug+".example", "the provider is away")
	f.ok(err)
	return e
}

func (f *field) orgOf(x *tenant) (id uuid.UUID) {
	f.Helper()
	x.scan(&id, `SELECT current_setting('app.org')::uuid`)
	return id
}

// quarantine leaves a hold, a cascade, a tombstone, a rule, a finding and a
// recorded decision.
func (f *field) quarantine(e *estate) {
	f.Helper()
	x := e.tenant
	rule := x.rule(e.reg["team"], policy.Rule{Name: e.words["rule"], Kind: policy.KindBlock, Effect: policy.Deny, Params: policy.Params{Definitions: f.definitions("forbidden")}})
	hold := x.hold(e.reg["firewall"], "left-pad@1.1.0", "looks odd")
	x.hold(e.reg["firewall"], "evil@6.6.6", "is odd")
	_, err := x.at.quarantine.Delete(x.ctx, e.reg["firewall"], "evil", "6.6.6", "it is evil")
	f.ok(err)
	x.hold(e.reg["team"], e.words["package"]+"@1.1.0", "odd, too")
	e.ids["hold"], e.ids["rule"] = hold.ID, rule.ID
	var one int
	for _, place := range []any{nil, e.reg["team"]} {
		x.scan(&one, `INSERT INTO findings (id, org_id, registry_id, ecosystem, name, version, kind, reference, severity, opened_at)
			VALUES (gen_random_uuid(), current_setting('app.org')::uuid, $1, 'NPM', $2, '1.0.0', 'VULNERABILITY', 'GHSA-x', 'HIGH', now()) RETURNING 1`, place, e.words["package"])
	}
	x.scan(&one, `INSERT INTO scans (id, org_id, scanner, registry_id, ecosystem, packages, total, done, state, started_at, ended_at)
		VALUES (gen_random_uuid(), current_setting('app.org')::uuid, 'advisories', $1, 'NPM', jsonb_build_array($2::text), 1, 1, 'DONE', now(), now()) RETURNING 1`, e.reg["team"], e.words["package"])
	e.refer = f.send(call{to: e.home + "/npm/" + e.words["team"] + tarball(e.words["package"], "1.1.0"), token: x.secret}).header.Get("Sluice-Decision")
	if e.refer == "" {
		f.Fatal("no decision was recorded")
	}
	f.ok(x.at.decisions.Flush(x.ctx))
}

// society leaves people, teams, service accounts, roles, invitations, requests
// to join, rules of trust, and what a provider maps.
func (f *field) society(e *estate) {
	f.Helper()
	x, a := e.tenant, e.tenant.at.access
	f.ok(a.CreateRole(x.ctx, access.RoleInput{Name: e.words["role"], Actions: []access.Action{access.RegistryRead, access.VersionRelease}}))
	crew, err := a.CreateTeam(x.ctx, access.TeamInput{Name: e.words["crew"]})
	f.ok(err)
	f.ok(a.Grant(x.ctx, access.TeamPrincipal(crew.ID), access.Publisher, e.reg["team"]))
	robot, err := a.CreateServiceAccount(x.ctx, access.ServiceAccountInput{Name: e.words["robot"], Roles: []access.Place{{Role: access.Publisher, Registry: e.reg["team"]}}})
	f.ok(err)
	guest, err := a.CreateMember(x.ctx, access.MemberInput{Email: "gone@" + x.slug + ".example", Name: "Gus " + strings.ToUpper(x.slug[:1]) + x.slug[1:]})
	f.ok(err)
	f.ok(a.AddToTeam(x.ctx, crew.ID, guest.ID))
	_, invited, err := a.Invite(x.ctx, access.InvitationInput{Email: "guest@" + x.slug + ".example"})
	f.ok(err)
	_, err = x.at.orgs.TakeJoinRequests(x.ctx, true)
	f.ok(err)
	asks, err := a.RequestToJoin(x.ctx, access.Person{Issuer: f.platform.URL, Subject: "asks-" + x.slug, Email: "asks@" + x.slug + ".example"}, "let me in")
	f.ok(err)
	trust, err := a.CreateTrustRule(x.ctx, access.TrustRuleInput{Registries: []uuid.UUID{e.reg["team"]}, Write: true, Name: "release", Issuer: f.ci.url, Packages: []string{e.words["package"]},
		Claims: map[string]string{"repository": x.slug + "/widgets"}})
	f.ok(err)
	provider := f.provider
	if x.slug == "globex" {
		provider = f.loginBench.second
	}
	mapping, err := x.at.logins.AddMapping(x.ctx, login.Mapping{Provider: provider.ID, Group: "ops-of-" + x.slug, Place: access.Place{Role: access.Auditor}})
	f.ok(err)
	if br := f.browser(); br.login(e.home, "staff").status != 303 {
		f.Fatal("nobody can log in")
	}
	e.ids["team"], e.ids["service account"], e.ids["member"], e.ids["invitation"], e.ids["join request"] = crew.ID, robot.ID, guest.ID, invited.ID, asks.ID
	e.ids["trust rule"], e.ids["identity provider"], e.ids["mapping"] = trust.ID, provider.ID, mapping.ID
}

// people are acme's: one of every role, each with a personal token, and tokens
// of every kind.
func (f *field) people() {
	f.Helper()
	x, reg := f.acme, f.ours.reg
	for role, places := range map[string][]access.Place{
		"owner": {{Role: access.Owner}}, "admin": {{Role: access.Admin}}, "auditor": {{Role: access.Auditor}}, "member": nil,
		"registry-admin": {{Role: access.RegistryAdmin, Registry: reg["team"]}}, "security": {{Role: access.Security, Registry: reg["team"]}},
		"publisher": {{Role: access.Publisher, Registry: reg["team"]}}, "reader": {{Role: access.Reader, Registry: reg["team"]}},
	} {
		f.tokens[role], _ = x.person(role, access.TokenInput{Write: true}, places...)
	}
	owner := access.Place{Role: access.Owner}
	f.tokens["read-only"], _ = x.person("looker", access.TokenInput{}, owner)
	f.tokens["for one registry"], _ = x.person("narrow", access.TokenInput{Write: true, Registries: []uuid.UUID{reg["team"]}}, owner)
	f.tokens["for one package"] = f.service(access.TokenInput{Name: "package", Write: true, Packages: []string{"@acme/other"}, Roles: []access.Place{{Role: access.Publisher}}})
	f.tokens["for one network"] = f.service(access.TokenInput{Name: "network", Networks: []string{"192.0.2.0/24"}, Roles: []access.Place{{Role: access.Reader}}})
	f.tokens["service account"] = f.service(access.TokenInput{Name: "robot", Write: true, ServiceID: f.ours.ids["service account"]})

	f.spent["expired"] = f.service(access.TokenInput{Name: "old", ExpiresAt: f.clock.Now().Add(time.Minute), Roles: []access.Place{{Role: access.Reader}}})
	revoked, made, err := x.at.access.CreateToken(x.ctx, access.TokenInput{Name: "revoked", Roles: []access.Place{{Role: access.Reader}}})
	f.ok(err)
	f.warm(revoked)
	f.ok(x.at.access.RevokeToken(x.ctx, made.ID))
	f.spent["revoked"] = revoked
	gone, who := x.person("gone-too", access.TokenInput{Write: true}, owner)
	f.warm(gone)
	f.ok(x.at.access.DeactivateMember(x.ctx, who.MemberID))
	f.spent["of a member who was deactivated"] = gone
	old, err := x.at.access.CreateServiceAccount(x.ctx, access.ServiceAccountInput{Name: "old-robot", Roles: []access.Place{{Role: access.Reader}}})
	f.ok(err)
	f.spent["of a service account that was deactivated"] = f.service(access.TokenInput{Name: "of old robot", ServiceID: old.ID})
	f.ok(x.at.access.DeactivateServiceAccount(x.ctx, old.ID))
	f.clock.pass(2 * time.Minute)
}

// warm makes both nodes know a token.
func (f *field) warm(secret string) {
	for _, node := range []*served{f.first, f.second} {
		if a := f.send(call{to: acmeAt + "/npm/workshop/-/whoami", token: secret, at: node}); a.status != 200 {
			f.Fatalf("a good token is not taken: %d %s", a.status, a.body)
		}
	}
}

func (f *field) service(in access.TokenInput) string {
	f.Helper()
	secret, _, err := f.acme.at.access.CreateToken(f.acme.ctx, in)
	f.ok(err)
	return secret
}

// subject is a person of acme as the services know them.
func (f *field) subject(role string) context.Context {
	f.Helper()
	who, err := f.first.access.Authenticate(f.acme.ctx, f.tokens[role], "127.0.0.1")
	f.ok(err)
	return access.As(f.acme.ctx, who, "127.0.0.1")
}
