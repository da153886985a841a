package access_test

import (
	"context"
	_ "embed"
	"strings"
	"testing"

	"github.com/google/uuid"

	"sluice.dev/sluice/tenants/access"
)

//go:embed testdata/roles.txt
var roleTable string

// TestA3_RoleTable asks every question of the table three times: of the
// enforcer, of the compiled sets, and of the lists made from them.
func TestA3_RoleTable(t *testing.T) {
	b := newBench(t)
	places := map[string]uuid.UUID{"org": uuid.Nil, "one": b.registry(b.ours, "one"), "two": b.registry(b.ours, "two")}
	who := subjects(b, places["one"], places["two"])
	asked, named := 0, map[string]bool{}
	for n, line := range strings.Split(roleTable, "\n") {
		f := strings.Fields(line)
		if len(f) == 0 || f[0] == "#" {
			continue
		}
		subject, known := who[f[0]]
		place, placed := places[f[2]]
		if len(f) != 4 || !known || !placed || !access.Action(f[1]).Valid() || (f[3] != "yes" && f[3] != "no") {
			t.Fatalf("line %d cannot be read: %q", n+1, line)
		}
		asked, named[f[0]] = asked+1, true
		want, action := f[3] == "yes", access.Action(f[1])
		if got := b.can(b.ours, subject, action, place); got != want {
			t.Errorf("line %d: %s: got %v", n+1, line, got)
		}
		if action.PerRegistry() || place == uuid.Nil {
			checkCompiled(b, n+1, subject, action, place, want)
		}
	}
	if asked < 300 || len(named) != len(who) {
		t.Errorf("the table asked %d questions about %d of %d subjects", asked, len(named), len(who))
	}
}

func checkCompiled(b *bench, line int, s access.Subject, a access.Action, place uuid.UUID, want bool) {
	b.Helper()
	list, err := b.svc.Allowed(b.ours, s, place)
	b.ok(err)
	listed := false
	for _, x := range list {
		listed = listed || x == a
	}
	if listed != want {
		b.Errorf("line %d: the compiled set says %v, want %v", line, listed, want)
	}
	if a == access.RegistryRead && b.reads(b.ours, s, place) != want {
		b.Errorf("line %d: Reads disagrees", line)
	}
	reach, err := b.svc.Where(b.ours, s, a)
	b.ok(err)
	reached := reach.All
	for _, id := range reach.Registries {
		reached = reached || id == place
	}
	if place != uuid.Nil && reached != want {
		b.Errorf("line %d: Where reaches %v, want %v", line, reached, want)
	}
}

func subjects(b *bench, one, two uuid.UUID) map[string]access.Subject {
	on := func(role string, reg uuid.UUID) access.Place { return access.Place{Role: role, Registry: reg} }
	b.ok(b.svc.CreateRole(b.ours, access.RoleInput{Name: "releaser", Actions: []access.Action{access.RegistryRead, access.VersionRelease}}))
	b.ok(b.svc.CreateRole(b.ours, access.RoleInput{Name: "bypasser", Actions: []access.Action{access.RegistryBypassFirewall}}))
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
		"bypasser":             b.member(b.ours, "bypasser", on("bypasser", uuid.Nil)),
		"deactivated-owner":    b.member(b.ours, "deactivated-owner", on(access.Owner, uuid.Nil)),
		"globex-owner":         b.member(b.theirs, "globex-owner", on(access.Owner, uuid.Nil)),
	}
	b.ok(b.svc.DeactivateMember(b.ours, who["deactivated-owner"].MemberID))
	personal := func(owner string, in access.TokenInput) access.Subject {
		in.MemberID = who[owner].MemberID
		return token(b, b.as(b.ours, who[owner]), in)
	}
	who["owners-token-for-one"] = personal("owner", access.TokenInput{Write: true, Registries: []uuid.UUID{one}})
	who["owners-readonly-token"] = personal("owner", access.TokenInput{})
	who["ci-publisher-of-two"] = token(b, b.ours, access.TokenInput{Write: true, Roles: []access.Place{on(access.Publisher, two)}})
	// Made while its owner could still see the second registry.
	b.ok(b.svc.Grant(b.ours, access.MemberPrincipal(who["publisher-of-one"].MemberID), access.Publisher, two))
	who["publishers-token-for-both"] = personal("publisher-of-one", access.TokenInput{Write: true, Registries: []uuid.UUID{two, one}})
	b.ok(b.svc.Revoke(b.ours, access.MemberPrincipal(who["publisher-of-one"].MemberID), access.Publisher, two))
	return who
}

func token(b *bench, ctx context.Context, in access.TokenInput) access.Subject {
	b.Helper()
	_, s := b.service(ctx, in)
	return s
}

// TestA3_CompiledSetsAgreeWithCasbin compares the two for every subject of the
// table, every action and every place, so that no question can be forgotten.
func TestA3_CompiledSetsAgreeWithCasbin(t *testing.T) {
	b := newBench(t)
	one, two := b.registry(b.ours, "one"), b.registry(b.ours, "two")
	for name, s := range subjects(b, one, two) {
		for _, place := range []uuid.UUID{uuid.Nil, one, two, uuid.New()} {
			list, err := b.svc.Allowed(b.ours, s, place)
			b.ok(err)
			compiled := map[access.Action]bool{}
			for _, a := range list {
				compiled[a] = true
			}
			for _, d := range access.Actions() {
				if got, want := compiled[d.Action], b.can(b.ours, s, d.Action, place); got != want {
					t.Errorf("%s: %s at %s: compiled %v, Casbin %v", name, d.Action, place, got, want)
				}
			}
		}
	}
}
