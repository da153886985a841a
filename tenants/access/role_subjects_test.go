package access_test

import (
	"context"

	"github.com/google/uuid"

	"sluice.dev/sluice/tenants/access"
)

func on(role string, reg uuid.UUID) access.Place { return access.Place{Role: role, Registry: reg} }

// subjects are those of testdata/roles.txt, by name.
func subjects(b *bench, one, two uuid.UUID) map[string]access.Subject {
	b.Helper()
	for name, actions := range map[string][]access.Action{
		"releaser": {access.RegistryRead, access.VersionRelease}, "bypasser": {access.RegistryBypassFirewall}, "linker": {access.RegistryRead, access.RegistryLink},
	} {
		b.ok(b.svc.CreateRole(b.ours, access.RoleInput{Name: name, Actions: actions}))
	}
	who := map[string]access.Subject{
		"anonymous":            access.Anonymous(),
		"owner":                b.member(b.ours, "owner", on(access.Owner, uuid.Nil)),
		"admin":                b.member(b.ours, "admin", on(access.Admin, uuid.Nil)),
		"auditor":              b.member(b.ours, "auditor", on(access.Auditor, uuid.Nil)),
		"member":               b.member(b.ours, "member", on(access.Ordinary, uuid.Nil)),
		"stranger":             b.member(b.ours, "stranger"),
		"admin-of-one":         b.member(b.ours, "admin-of-one", on(access.RegistryAdmin, one)),
		"security-of-one":      b.member(b.ours, "security-of-one", on(access.Security, one)),
		"publisher-of-one":     b.member(b.ours, "publisher-of-one", on(access.Publisher, one), on(access.Ordinary, uuid.Nil)),
		"reader-of-one":        b.member(b.ours, "reader-of-one", on(access.Reader, one)),
		"publisher-everywhere": b.member(b.ours, "publisher-everywhere", on(access.Publisher, uuid.Nil)),
		"releaser-of-one":      b.member(b.ours, "releaser-of-one", on("releaser", one)),
		"linker-of-one":        b.member(b.ours, "linker-of-one", on("linker", one)),
		"linker-everywhere":    b.member(b.ours, "linker-everywhere", on("linker", uuid.Nil)),
		"bypasser":             b.member(b.ours, "bypasser", on("bypasser", uuid.Nil)),
		"deactivated-owner":    b.member(b.ours, "deactivated-owner", on(access.Owner, uuid.Nil)),
		"globex-owner":         b.member(b.theirs, "globex-owner", on(access.Owner, uuid.Nil)),
	}
	b.ok(b.svc.DeactivateMember(b.ours, who["deactivated-owner"].MemberID))
	tokens(b, who, one, two)
	teams(b, who, one, two)
	services(b, who, one, two)
	return who
}

func tokens(b *bench, who map[string]access.Subject, one, two uuid.UUID) {
	b.Helper()
	who["owners-token-for-one"] = personal(b, who["owner"], access.TokenInput{Write: true, Registries: []uuid.UUID{one}})
	who["owners-readonly-token"] = personal(b, who["owner"], access.TokenInput{})
	who["ci-publisher-of-two"] = token(b, b.ours, access.TokenInput{Write: true, Roles: []access.Place{on(access.Publisher, two)}})
	who["package-limited"] = token(b, b.ours, access.TokenInput{Write: true, Packages: []string{"@acme/*"}, Roles: []access.Place{on(access.Publisher, one)}})
	// Made while its owner could still see the second registry.
	b.ok(b.svc.Grant(b.ours, access.MemberPrincipal(who["publisher-of-one"].MemberID), access.Publisher, two))
	who["publishers-token-for-both"] = personal(b, who["publisher-of-one"], access.TokenInput{Write: true, Registries: []uuid.UUID{two, one}})
	b.ok(b.svc.Revoke(b.ours, access.MemberPrincipal(who["publisher-of-one"].MemberID), access.Publisher, two))
}

func teams(b *bench, who map[string]access.Subject, one, two uuid.UUID) {
	b.Helper()
	publishers := b.team("publishers", on(access.Publisher, one))
	readers := b.team("readers", on(access.Reader, one))
	elsewhere := b.team("elsewhere", on(access.Publisher, two))
	auditors := b.team("auditors", on(access.Auditor, uuid.Nil))
	gone := b.team("gone", on(access.Publisher, one))
	in := func(name string, teams ...uuid.UUID) access.Subject {
		who[name] = b.member(b.ours, name)
		for _, id := range teams {
			b.ok(b.svc.AddToTeam(b.ours, id, who[name].MemberID))
		}
		return who[name]
	}
	in("team-publisher-of-one", publishers)
	in("team-auditor", auditors)
	in("in-two-teams", readers, elsewhere)
	in("left-the-team", publishers)
	b.ok(b.svc.RemoveFromTeam(b.ours, publishers, who["left-the-team"].MemberID))
	in("of-a-deleted-team", gone)
	b.ok(b.svc.DeleteTeam(b.ours, gone))
	in("deactivated-in-team", publishers)
	b.ok(b.svc.DeactivateMember(b.ours, who["deactivated-in-team"].MemberID))
	own := in("team-and-own-role", publishers)
	b.ok(b.svc.Grant(b.ours, access.MemberPrincipal(own.MemberID), "releaser", two))
	// The role member, which personal tokens need, comes and goes again.
	crew := in("crew", publishers)
	b.ok(b.svc.Grant(b.ours, access.MemberPrincipal(crew.MemberID), access.Ordinary, uuid.Nil))
	who["token-of-team-member"] = personal(b, crew, access.TokenInput{Write: true})
	who["readonly-token-of-team-member"] = personal(b, crew, access.TokenInput{})
	b.ok(b.svc.Revoke(b.ours, access.MemberPrincipal(crew.MemberID), access.Ordinary, uuid.Nil))
	delete(who, "crew")
}

func services(b *bench, who map[string]access.Subject, one, two uuid.UUID) {
	b.Helper()
	builds := b.account("builds", on(access.Publisher, one))
	everywhere := b.account("everywhere", on(access.Publisher, uuid.Nil))
	who["service-of-one"] = token(b, b.ours, access.TokenInput{ServiceID: builds, Write: true})
	who["service-of-one-readonly"] = token(b, b.ours, access.TokenInput{ServiceID: builds})
	who["service-everywhere-for-two"] = token(b, b.ours, access.TokenInput{ServiceID: everywhere, Write: true, Registries: []uuid.UUID{two}})
	who["service-security"] = token(b, b.ours, access.TokenInput{ServiceID: b.account("robot", on(access.Security, one)), Write: true})
	old := b.account("old", on(access.Publisher, one))
	who["service-deactivated"] = token(b, b.ours, access.TokenInput{ServiceID: old, Write: true})
	b.ok(b.svc.DeactivateServiceAccount(b.ours, old))
}

func personal(b *bench, owner access.Subject, in access.TokenInput) access.Subject {
	b.Helper()
	in.MemberID = owner.MemberID
	return token(b, b.as(b.ours, owner), in)
}

func token(b *bench, ctx context.Context, in access.TokenInput) access.Subject {
	b.Helper()
	_, s := b.service(ctx, in)
	return s
}

// team makes a team of ours with roles.
func (b *bench) team(name string, roles ...access.Place) uuid.UUID {
	b.Helper()
	t, err := b.svc.CreateTeam(b.ours, access.TeamInput{Name: name})
	b.ok(err)
	for _, p := range roles {
		b.ok(b.svc.Grant(b.ours, access.TeamPrincipal(t.ID), p.Role, p.Registry))
	}
	return t.ID
}

// account makes a service account of ours with roles.
func (b *bench) account(name string, roles ...access.Place) uuid.UUID {
	b.Helper()
	a, err := b.svc.CreateServiceAccount(b.ours, access.ServiceAccountInput{Name: name, Roles: roles})
	b.ok(err)
	return a.ID
}
