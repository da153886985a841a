package access_test

import (
	"context"
	_ "embed"
	"fmt"
	"testing"

	"github.com/google/uuid"

	"sluice.dev/sluice/tenants/access"
	"sluice.dev/sluice/tenants/errs"
)

//go:embed testdata/delegation.txt
var delegationTable string

// delegation is the set-up of testdata/delegation.txt.
type delegation struct {
	*bench
	places          map[string]uuid.UUID
	who             map[string]access.Subject
	teams, accounts map[string]uuid.UUID
	invited         int
}

func newDelegation(b *bench) *delegation {
	b.Helper()
	one, two := b.registry(b.ours, "one"), b.registry(b.ours, "two")
	b.ok(b.svc.CreateRole(b.ours, access.RoleInput{Name: "greeter", Actions: []access.Action{access.RegistryRead, access.GrantManage}}))
	b.ok(b.svc.CreateRole(b.ours, access.RoleInput{Name: "hr", Actions: []access.Action{access.MemberManage, access.MemberRead, access.OrganizationRead, access.TokenCreate, access.GrantManage}}))
	b.ok(b.svc.CreateRole(b.ours, access.RoleInput{Name: "keymaster", Actions: []access.Action{access.TokenManage, access.RegistryRead}}))
	b.ok(b.svc.CreateRole(b.ours, access.RoleInput{Name: "bypasser", Actions: []access.Action{access.RegistryBypassFirewall}}))
	b.ok(b.svc.CreateRole(b.ours, access.RoleInput{Name: "linker", Actions: []access.Action{access.RegistryLink}}))
	d := &delegation{bench: b, places: map[string]uuid.UUID{"org": uuid.Nil, "one": one, "two": two}}
	d.teams = map[string]uuid.UUID{
		"empty": b.team("empty"), "readers": b.team("readers", on(access.Reader, one)), "publishers": b.team("publishers", on(access.Publisher, one)),
		"both": b.team("both", on(access.Reader, one), on(access.Reader, two)), "admins": b.team("admins", on(access.Admin, uuid.Nil)),
		"owners": b.team("owners", on(access.Owner, uuid.Nil)), "greeters": b.team("greeters", on("greeter", one)),
	}
	d.accounts = map[string]uuid.UUID{
		"idle": b.account("idle"), "reads": b.account("reads", on(access.Reader, one)), "publishes": b.account("publishes", on(access.Publisher, one)),
		"rules": b.account("rules", on(access.Admin, uuid.Nil)),
	}
	d.who = map[string]access.Subject{
		"owner": b.member(b.ours, "owner", on(access.Owner, uuid.Nil)), "admin": b.member(b.ours, "admin", on(access.Admin, uuid.Nil)),
		"lead": b.member(b.ours, "lead", on(access.RegistryAdmin, one)), "greeter": b.member(b.ours, "greeter", on("greeter", one)),
		"hr": b.member(b.ours, "hr", on("hr", uuid.Nil)), "keymaster": b.member(b.ours, "keymaster", on("keymaster", uuid.Nil)),
		"hr-lead":   b.member(b.ours, "hr-lead", on("hr", uuid.Nil), on(access.RegistryAdmin, one)),
		"auditor":   b.member(b.ours, "auditor", on(access.Auditor, uuid.Nil)),
		"publisher": b.member(b.ours, "publisher", on(access.Publisher, one)),
		"robot":     token(b, b.ours, access.TokenInput{ServiceID: b.account("robot", on(access.RegistryAdmin, one)), Write: true}),
		"stranger":  b.member(b.ours, "stranger"),
		"foreigner": b.member(b.theirs, "foreigner", on(access.Owner, uuid.Nil)),
	}
	byTeam := b.member(b.ours, "lead-by-team")
	b.ok(b.svc.AddToTeam(b.ours, b.team("leads", on(access.RegistryAdmin, one)), byTeam.MemberID))
	d.who["lead-by-team"] = byTeam
	d.who["owners-token-for-one"] = personal(b, d.who["owner"], access.TokenInput{Write: true, Registries: []uuid.UUID{one}})
	d.who["owners-readonly-token"] = personal(b, d.who["owner"], access.TokenInput{})
	return d
}

// try does what a line says, as the subject, to somebody new.
func (d *delegation) try(ctx context.Context, verb, what string, place uuid.UUID) error {
	d.Helper()
	d.invited++
	name := fmt.Sprintf("target-%d", d.invited)
	switch verb {
	case "grant":
		return d.svc.Grant(ctx, access.MemberPrincipal(d.member(d.ours, name).MemberID), what, place)
	case "grant-team":
		return d.svc.Grant(ctx, access.TeamPrincipal(d.team(name)), what, place)
	case "add":
		return d.svc.AddToTeam(ctx, d.teams[what], d.member(d.ours, name).MemberID)
	case "invite":
		_, _, err := d.svc.Invite(ctx, access.InvitationInput{Email: name + "@acme.example", Admission: access.Admission{Roles: []access.Place{on(what, place)}}})
		return err
	case "invite-team":
		_, _, err := d.svc.Invite(ctx, access.InvitationInput{Email: name + "@acme.example", Admission: access.Admission{Roles: []access.Place{}, Teams: []uuid.UUID{d.teams[what]}}})
		return err
	case "token", "token-readonly":
		_, _, err := d.svc.CreateToken(ctx, access.TokenInput{Name: name, ServiceID: d.accounts[what], Write: verb == "token"})
		return err
	}
	d.Fatalf("no verb %q", verb)
	return nil
}

// TestA4_DelegationTable does what every line says and compares the answer.
func TestA4_DelegationTable(t *testing.T) {
	d := newDelegation(newBench(t))
	n, named := 0, map[string]bool{}
	for line, f := range lines(t, delegationTable, 5) {
		who, known := d.who[f[0]]
		place, placed := d.places[f[3]]
		if !known || !placed || (f[4] != "yes" && f[4] != "no") {
			t.Fatalf("line %d cannot be read: %q", line, f)
		}
		n, named[f[0]] = n+1, true
		err := d.try(d.as(d.ours, who), f[1], f[2], place)
		switch refused := errs.Is(err, errs.Forbidden) || errs.Is(err, errs.NotFound) || errs.Is(err, errs.Unauthenticated) || errs.Is(err, errs.Invalid); {
		case err != nil && !refused:
			t.Errorf("line %d: %s: %v", line, f, err)
		case (err == nil) != (f[4] == "yes"):
			t.Errorf("line %d: %s: %v", line, f, err)
		}
		// In another organization nothing of it can be done.
		if err := d.try(d.as(d.theirs, who), f[1], f[2], place); err == nil && f[0] != "foreigner" {
			t.Errorf("line %d: %s worked in globex", line, f)
		}
	}
	if n < 60 || len(named) != len(d.who) {
		t.Errorf("the table asked %d questions about %d of %d subjects", n, len(named), len(d.who))
	}
}
