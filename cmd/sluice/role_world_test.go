package main

import (
	"context"
	"fmt"

	"github.com/google/uuid"

	"sluice.dev/sluice/tenants/access"
)

// roleWorld is a node with the subjects of tenants/access/testdata, each with a
// token that they can send.
type roleWorld struct {
	*harness
	places     map[string]uuid.UUID // one, two; org is uuid.Nil
	token      map[string]string    // by subject; "" is nobody
	members    map[string]uuid.UUID
	teams      map[string]uuid.UUID
	accounts   map[string]uuid.UUID
	remote     uuid.UUID
	tombstones map[uuid.UUID]uuid.UUID
	targets    int
}

func (w *roleWorld) ok(err error) {
	w.Helper()
	if err != nil {
		w.Fatal(err)
	}
}

// newRoleWorld makes registries one, below a firewall, and two; each with a
// package and a tombstone.
func newRoleWorld(h *harness) *roleWorld {
	h.Helper()
	w := &roleWorld{harness: h, places: map[string]uuid.UUID{}, token: map[string]string{"anonymous": ""}, members: map[string]uuid.UUID{},
		teams: map[string]uuid.UUID{}, accounts: map[string]uuid.UUID{}, tombstones: map[uuid.UUID]uuid.UUID{}}
	x := h.acme
	fw := x.firewall("firewall", from(x.public))
	w.remote = x.remote("beside", "https://beside.example", false)
	w.places["org"], w.places["one"], w.places["two"] = uuid.Nil, x.team("one", source(fw)), x.team("two")
	for _, name := range []string{"one", "two"} {
		reg := w.places[name]
		x.publish(reg, "@acme/lib-"+name, "1.0.0", []byte(name))
		var one int
		id := uuid.New()
		x.scan(&one, `INSERT INTO tombstones (id, org_id, registry_id, ecosystem, name, version, reason, created_by, created_at)
			VALUES ($1, current_setting('app.org')::uuid, $2, 'NPM', 'evil', '6.6.6', 'evil', 'test', now()) RETURNING 1`, id, reg)
		w.tombstones[reg] = id
	}
	return w
}

func place(role string, reg uuid.UUID) access.Place { return access.Place{Role: role, Registry: reg} }

// member makes a member with roles, and a token of theirs, for which they have
// the role member as long as it takes.
func (w *roleWorld) member(x *tenant, name string, roles ...access.Place) {
	w.Helper()
	m, err := x.at.access.CreateMember(x.ctx, access.MemberInput{Email: name + "@" + x.slug + ".example", Roles: append([]access.Place{}, roles...)})
	w.ok(err)
	w.members[name] = m.ID
	w.personal(x, name, name, access.TokenInput{Write: true})
}

// personal makes a token of a member under a name.
func (w *roleWorld) personal(x *tenant, owner, name string, in access.TokenInput) {
	w.Helper()
	id := w.members[owner]
	had := w.hasRole(x, id, access.Ordinary)
	w.ok(x.at.access.Grant(x.ctx, access.MemberPrincipal(id), access.Ordinary, uuid.Nil))
	who, err := x.at.access.MemberSubject(x.ctx, id)
	w.ok(err)
	in.Name, in.MemberID = name, id
	w.token[name], _, err = x.at.access.CreateToken(access.As(x.ctx, who, ""), in)
	w.ok(err)
	if !had {
		w.ok(x.at.access.Revoke(x.ctx, access.MemberPrincipal(id), access.Ordinary, uuid.Nil))
	}
}

func (w *roleWorld) hasRole(x *tenant, member uuid.UUID, role string) bool {
	w.Helper()
	return x.count("role_grants", "subject_id = $1 AND role = $2", member, role) > 0
}

// service makes a token that is nobody's own.
func (w *roleWorld) service(name string, in access.TokenInput) {
	w.Helper()
	in.Name = name
	var err error
	w.token[name], _, err = w.acme.at.access.CreateToken(w.acme.ctx, in)
	w.ok(err)
}

func (w *roleWorld) team(name string, roles ...access.Place) uuid.UUID {
	w.Helper()
	t, err := w.acme.at.access.CreateTeam(w.acme.ctx, access.TeamInput{Name: name})
	w.ok(err)
	for _, p := range roles {
		w.ok(w.acme.at.access.Grant(w.acme.ctx, access.TeamPrincipal(t.ID), p.Role, p.Registry))
	}
	w.teams[name] = t.ID
	return t.ID
}

func (w *roleWorld) account(name string, roles ...access.Place) uuid.UUID {
	w.Helper()
	a, err := w.acme.at.access.CreateServiceAccount(w.acme.ctx, access.ServiceAccountInput{Name: name, Roles: roles})
	w.ok(err)
	w.accounts[name] = a.ID
	return a.ID
}

func (w *roleWorld) role(name string, actions ...access.Action) {
	w.Helper()
	w.ok(w.acme.at.access.CreateRole(w.acme.ctx, access.RoleInput{Name: name, Actions: actions}))
}

// subjects makes those of roles.txt.
func (w *roleWorld) subjects() {
	w.Helper()
	x, one, two := w.acme, w.places["one"], w.places["two"]
	w.role("releaser", access.RegistryRead, access.VersionRelease)
	w.role("bypasser", access.RegistryBypassFirewall)
	w.role("linker", access.RegistryRead, access.RegistryLink)
	for name, roles := range map[string][]access.Place{
		"owner": {place(access.Owner, uuid.Nil)}, "admin": {place(access.Admin, uuid.Nil)}, "auditor": {place(access.Auditor, uuid.Nil)}, "member": {place(access.Ordinary, uuid.Nil)}, "stranger": {},
		"admin-of-one": {place(access.RegistryAdmin, one)}, "security-of-one": {place(access.Security, one)}, "reader-of-one": {place(access.Reader, one)},
		"publisher-of-one": {place(access.Publisher, one), place(access.Ordinary, uuid.Nil)}, "publisher-everywhere": {place(access.Publisher, uuid.Nil)},
		"releaser-of-one": {place("releaser", one)}, "linker-of-one": {place("linker", one)}, "linker-everywhere": {place("linker", uuid.Nil)}, "bypasser": {place("bypasser", uuid.Nil)},
		"deactivated-owner": {place(access.Owner, uuid.Nil)},
	} {
		w.member(x, name, roles...)
	}
	w.member(w.globex, "globex-owner", place(access.Owner, uuid.Nil))
	w.ok(x.at.access.DeactivateMember(x.ctx, w.members["deactivated-owner"]))
	w.personal(x, "owner", "owners-token-for-one", access.TokenInput{Write: true, Registries: []uuid.UUID{one}})
	w.personal(x, "owner", "owners-readonly-token", access.TokenInput{})
	w.service("ci-publisher-of-two", access.TokenInput{Write: true, Roles: []access.Place{place(access.Publisher, two)}})
	w.service("package-limited", access.TokenInput{Write: true, Packages: []string{"@acme/*"}, Roles: []access.Place{place(access.Publisher, one)}})
	lost := access.MemberPrincipal(w.members["publisher-of-one"])
	w.ok(x.at.access.Grant(x.ctx, lost, access.Publisher, two))
	w.personal(x, "publisher-of-one", "publishers-token-for-both", access.TokenInput{Write: true, Registries: []uuid.UUID{two, one}})
	w.ok(x.at.access.Revoke(x.ctx, lost, access.Publisher, two))
	w.teamSubjects(one, two)
	w.serviceSubjects(one, two)
}

func (w *roleWorld) teamSubjects(one, two uuid.UUID) {
	w.Helper()
	a, ctx := w.acme.at.access, w.acme.ctx
	publishers, readers, elsewhere := w.team("publishers", place(access.Publisher, one)), w.team("readers", place(access.Reader, one)), w.team("elsewhere", place(access.Publisher, two))
	auditors, gone := w.team("auditors", place(access.Auditor, uuid.Nil)), w.team("gone", place(access.Publisher, one))
	for name, teams := range map[string][]uuid.UUID{
		"team-publisher-of-one": {publishers}, "team-auditor": {auditors}, "in-two-teams": {readers, elsewhere}, "left-the-team": {publishers}, "of-a-deleted-team": {gone},
		"deactivated-in-team": {publishers}, "team-and-own-role": {publishers}, "crew": {publishers},
	} {
		w.member(w.acme, name)
		for _, id := range teams {
			w.ok(a.AddToTeam(ctx, id, w.members[name]))
		}
	}
	w.ok(a.RemoveFromTeam(ctx, publishers, w.members["left-the-team"]))
	w.ok(a.DeleteTeam(ctx, gone))
	w.ok(a.DeactivateMember(ctx, w.members["deactivated-in-team"]))
	w.ok(a.Grant(ctx, access.MemberPrincipal(w.members["team-and-own-role"]), "releaser", two))
	w.personal(w.acme, "crew", "token-of-team-member", access.TokenInput{Write: true})
	w.personal(w.acme, "crew", "readonly-token-of-team-member", access.TokenInput{})
	delete(w.token, "crew")
}

func (w *roleWorld) serviceSubjects(one, two uuid.UUID) {
	w.Helper()
	builds, everywhere := w.account("builds", place(access.Publisher, one)), w.account("everywhere", place(access.Publisher, uuid.Nil))
	w.service("service-of-one", access.TokenInput{ServiceID: builds, Write: true})
	w.service("service-of-one-readonly", access.TokenInput{ServiceID: builds})
	w.service("service-everywhere-for-two", access.TokenInput{ServiceID: everywhere, Write: true, Registries: []uuid.UUID{two}})
	w.service("service-security", access.TokenInput{ServiceID: w.account("robot", place(access.Security, one)), Write: true})
	old := w.account("old", place(access.Publisher, one))
	w.service("service-deactivated", access.TokenInput{ServiceID: old, Write: true})
	w.ok(w.acme.at.access.DeactivateServiceAccount(w.acme.ctx, old))
}

// delegates makes the subjects of delegation.txt, and what they hand on.
func (w *roleWorld) delegates() {
	w.Helper()
	x, one, two := w.acme, w.places["one"], w.places["two"]
	w.role("greeter", access.RegistryRead, access.GrantManage)
	w.role("hr", access.MemberManage, access.MemberRead, access.OrganizationRead, access.TokenCreate, access.GrantManage)
	w.role("keymaster", access.TokenManage, access.RegistryRead)
	w.role("bypasser", access.RegistryBypassFirewall)
	w.role("linker", access.RegistryLink)
	for name, roles := range map[string][]access.Place{
		"empty": nil, "readers": {place(access.Reader, one)}, "publishers": {place(access.Publisher, one)}, "both": {place(access.Reader, one), place(access.Reader, two)},
		"admins": {place(access.Admin, uuid.Nil)}, "owners": {place(access.Owner, uuid.Nil)}, "greeters": {place("greeter", one)}, "leads": {place(access.RegistryAdmin, one)},
	} {
		w.team(name, roles...)
	}
	for name, roles := range map[string][]access.Place{"idle": nil, "reads": {place(access.Reader, one)}, "publishes": {place(access.Publisher, one)}, "rules": {place(access.Admin, uuid.Nil)}} {
		w.account(name, roles...)
	}
	for name, roles := range map[string][]access.Place{
		"owner": {place(access.Owner, uuid.Nil)}, "admin": {place(access.Admin, uuid.Nil)}, "lead": {place(access.RegistryAdmin, one)}, "greeter": {place("greeter", one)}, "hr": {place("hr", uuid.Nil)},
		"keymaster": {place("keymaster", uuid.Nil)}, "hr-lead": {place("hr", uuid.Nil), place(access.RegistryAdmin, one)}, "auditor": {place(access.Auditor, uuid.Nil)},
		"publisher": {place(access.Publisher, one)}, "stranger": {}, "lead-by-team": {},
	} {
		w.member(x, name, roles...)
	}
	w.ok(x.at.access.AddToTeam(x.ctx, w.teams["leads"], w.members["lead-by-team"]))
	w.member(w.globex, "foreigner", place(access.Owner, uuid.Nil))
	w.service("robot", access.TokenInput{ServiceID: w.account("robot", place(access.RegistryAdmin, one)), Write: true})
	w.personal(x, "owner", "owners-token-for-one", access.TokenInput{Write: true, Registries: []uuid.UUID{one}})
	w.personal(x, "owner", "owners-readonly-token", access.TokenInput{})
}

// as is a context of acme for a subject, whose token is read as a request's
// would be. A token that is worth nothing there is nobody's.
func (w *roleWorld) as(name string) context.Context {
	w.Helper()
	who := access.Anonymous()
	if secret := w.token[name]; secret != "" {
		if found, err := w.acme.at.access.Authenticate(w.acme.ctx, secret, "127.0.0.1"); err == nil {
			who = found
		}
	}
	return access.As(w.acme.ctx, who, "127.0.0.1")
}

// hand does what a line of delegation.txt says, to somebody new.
func (w *roleWorld) hand(ctx context.Context, verb, what string, at uuid.UUID) (err error) {
	w.Helper()
	w.targets++
	a, name := w.acme.at.access, fmt.Sprintf("target-%d", w.targets)
	target := func() uuid.UUID {
		m, err := a.CreateMember(w.acme.ctx, access.MemberInput{Email: name + "@acme.example"})
		w.ok(err)
		return m.ID
	}
	switch verb {
	case "grant":
		return a.Grant(ctx, access.MemberPrincipal(target()), what, at)
	case "grant-team":
		return a.Grant(ctx, access.TeamPrincipal(w.team(name)), what, at)
	case "add":
		return a.AddToTeam(ctx, w.teams[what], target())
	case "invite":
		_, _, err = a.Invite(ctx, access.InvitationInput{Email: name + "@acme.example", Admission: access.Admission{Roles: []access.Place{place(what, at)}}})
	case "invite-team":
		_, _, err = a.Invite(ctx, access.InvitationInput{Email: name + "@acme.example", Admission: access.Admission{Roles: []access.Place{}, Teams: []uuid.UUID{w.teams[what]}}})
	case "token", "token-readonly":
		_, _, err = a.CreateToken(ctx, access.TokenInput{Name: name, ServiceID: w.accounts[what], Write: verb == "token"})
	default:
		w.Fatalf("there is no verb %q", verb)
	}
	return err
}
