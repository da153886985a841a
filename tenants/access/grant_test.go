package access_test

import (
	"context"
	"strings"
	"testing"

	"github.com/google/uuid"

	"sluice.dev/sluice/ent/db"
	"sluice.dev/sluice/tenants/access"
	"sluice.dev/sluice/tenants/errs"
	"sluice.dev/sluice/tenants/scope"
)

func TestA4_OneGrantsOnlyWhatOneMayDoThereOneself(t *testing.T) {
	b := newBench(t)
	one, two := b.registry(b.ours, "one"), b.registry(b.ours, "two")
	b.ok(b.svc.CreateRole(b.ours, access.RoleInput{Name: "greeter", Actions: []access.Action{access.RegistryRead, access.GrantManage}}))
	b.ok(b.svc.CreateRole(b.ours, access.RoleInput{Name: "bypasser", Actions: []access.Action{access.RegistryBypassFirewall}}))
	owner := b.member(b.ours, "owner", access.Place{Role: access.Owner})
	admin := b.member(b.ours, "admin", access.Place{Role: access.Admin})
	lead := b.member(b.ours, "lead", access.Place{Role: access.RegistryAdmin, Registry: one})
	greeter := b.member(b.ours, "greeter", access.Place{Role: "greeter", Registry: one})
	ana := access.MemberPrincipal(b.member(b.ours, "ana").MemberID)
	foreign := b.registry(b.theirs, "one")
	const ok = errs.Kind(-1)
	for _, c := range []struct {
		name string
		by   access.Subject
		role string
		reg  uuid.UUID
		want errs.Kind
	}{
		{"a lead delegates below", lead, access.Publisher, one, ok},
		{"a lead delegates all of it", lead, access.RegistryAdmin, one, ok},
		{"a lead elsewhere", lead, access.Reader, two, errs.NotFound},
		{"a lead on the organization", lead, access.Reader, uuid.Nil, errs.Forbidden},
		{"a lead makes an admin", lead, access.Admin, uuid.Nil, errs.Forbidden},
		{"a greeter gives more than they have", greeter, access.Reader, one, errs.Forbidden},
		{"a greeter gives what they have", greeter, "greeter", one, ok},
		{"an admin makes an admin", admin, access.Admin, uuid.Nil, ok},
		{"an admin makes an owner", admin, access.Owner, uuid.Nil, errs.Forbidden},
		{"an admin gives past the firewall", admin, "bypasser", uuid.Nil, errs.Forbidden},
		{"an owner gives past the firewall", owner, "bypasser", uuid.Nil, ok},
		{"past the firewall on a registry (R9)", owner, "bypasser", one, errs.Invalid},
		{"an organization's role on a registry", owner, access.Admin, one, errs.Invalid},
		{"a role that does not exist", owner, "wizard", one, errs.Invalid},
		{"a registry of another organization (T3)", owner, access.Reader, foreign, errs.NotFound},
		{"a registry that does not exist", owner, access.Reader, uuid.New(), errs.NotFound},
		{"nobody", access.Anonymous(), access.Reader, one, errs.Unauthenticated},
	} {
		before := b.events(b.ours, "grant:create")
		err := b.svc.Grant(b.as(b.ours, c.by), ana, c.role, c.reg)
		if (c.want == ok && err != nil) || (c.want != ok && !errs.Is(err, c.want)) {
			t.Errorf("%s: %v, want %v", c.name, err, c.want)
		}
		if wrote := b.events(b.ours, "grant:create") - before; (wrote == 1) != (c.want == ok) {
			t.Errorf("%s: %d audit events", c.name, wrote)
		}
	}
	b.is(b.svc.Grant(b.as(b.theirs, owner), ana, access.Reader, foreign), errs.Unauthenticated)
	b.is(b.svc.Grant(b.theirs, ana, access.Reader, foreign), errs.NotFound)
}

func TestA4_RefusalNamesTheActions(t *testing.T) {
	b := newBench(t)
	one := b.registry(b.ours, "one")
	b.ok(b.svc.CreateRole(b.ours, access.RoleInput{Name: "greeter", Actions: []access.Action{access.RegistryRead, access.GrantManage}}))
	greeter := b.member(b.ours, "greeter", access.Place{Role: "greeter", Registry: one})
	err := b.svc.Grant(b.as(b.ours, greeter), access.MemberPrincipal(greeter.MemberID), access.Reader, one)
	if msg := errs.Public(err); !strings.Contains(msg, "version:read, policy:read, finding:read, waiver:request") || strings.Contains(msg, "registry:read") {
		t.Errorf("message %q", msg)
	}
}

func TestA3_GrantIsIdempotentAndWorksAtOnce(t *testing.T) {
	b := newBench(t)
	one := b.registry(b.ours, "one")
	ana := b.member(b.ours, "ana")
	who := access.MemberPrincipal(ana.MemberID)
	if b.reads(b.ours, ana, one) {
		t.Fatal("reads without a grant")
	}
	for range 2 {
		b.ok(b.svc.Grant(b.ours, who, access.Reader, one))
	}
	if n := b.events(b.ours, "grant:create"); n != 1 {
		t.Errorf("granting twice wrote %d events", n)
	}
	if !b.reads(b.ours, ana, one) {
		t.Error("does not read after the grant")
	}
	b.ok(b.svc.Revoke(b.ours, who, access.Reader, one))
	if b.reads(b.ours, ana, one) {
		t.Error("still reads after the revocation")
	}
	b.is(b.svc.Revoke(b.ours, who, access.Reader, one), errs.NotFound)
}

func TestQ2_OtherNodesHearOfARevocation(t *testing.T) {
	b := newBench(t)
	one := b.registry(b.ours, "one")
	ana := b.member(b.ours, "ana", access.Place{Role: access.Reader, Registry: one})
	if !b.reads(b.ours, ana, one) {
		t.Fatal("does not read")
	}
	// Another node changes the grants behind this one's back; its notification
	// is all that this one gets.
	other := otherNode(b)
	b.ok(other.Revoke(b.ours, access.MemberPrincipal(ana.MemberID), access.Reader, one))
	eventually(t, "the revocation is heard", func() bool { return !b.reads(b.ours, ana, one) })
}

func TestQ2_SilentFeedMeansTheDatabaseIsAsked(t *testing.T) {
	b := newBench(t)
	one := b.registry(b.ours, "one")
	secret, s := b.service(b.ours, access.TokenInput{Roles: []access.Place{{Role: access.Reader, Registry: one}}})
	if !b.reads(b.ours, s, one) {
		t.Fatal("does not read")
	}
	b.stopFeed()
	eventually(t, "the feed is no longer trusted", func() bool { return !b.db.Feed.Trusted() })
	if _, err := b.svc.Authenticate(b.ours, secret, "192.0.2.7"); err != nil || !b.reads(b.ours, s, one) {
		t.Errorf("a silent feed locks everybody out: %v", err)
	}
	b.ok(otherNode(b).RevokeToken(b.ours, s.TokenID))
	_, err := b.svc.Authenticate(b.ours, secret, "192.0.2.7")
	b.is(err, errs.Unauthenticated)
	if b.reads(b.ours, s, one) {
		t.Error("reads by what was remembered")
	}
}

func TestA4_RevokingIsBoundedLikeGranting(t *testing.T) {
	b := newBench(t)
	one := b.registry(b.ours, "one")
	owner := b.member(b.ours, "owner", access.Place{Role: access.Owner})
	second := b.member(b.ours, "second", access.Place{Role: access.Owner})
	admin := b.member(b.ours, "admin", access.Place{Role: access.Admin})
	lead := b.member(b.ours, "lead", access.Place{Role: access.RegistryAdmin, Registry: one})
	b.is(b.svc.Revoke(b.as(b.ours, admin), access.MemberPrincipal(owner.MemberID), access.Owner, uuid.Nil), errs.Forbidden)
	b.is(b.svc.Revoke(b.as(b.ours, lead), access.MemberPrincipal(admin.MemberID), access.Admin, uuid.Nil), errs.Forbidden)
	b.is(b.svc.DeactivateMember(b.as(b.ours, admin), owner.MemberID), errs.Forbidden)
	b.is(b.svc.DeactivateMember(b.as(b.ours, lead), admin.MemberID), errs.Forbidden)
	b.ok(b.svc.Revoke(b.as(b.ours, owner), access.MemberPrincipal(second.MemberID), access.Owner, uuid.Nil))
	b.is(b.svc.Revoke(b.as(b.ours, owner), access.MemberPrincipal(owner.MemberID), access.Owner, uuid.Nil), errs.Conflict)
	b.is(b.svc.DeactivateMember(b.as(b.ours, owner), owner.MemberID), errs.Conflict)
	b.ok(b.svc.Grant(b.ours, access.MemberPrincipal(second.MemberID), access.Owner, uuid.Nil))
	b.ok(b.svc.DeactivateMember(b.ours, second.MemberID))
	b.is(b.svc.DeactivateMember(b.ours, owner.MemberID), errs.Conflict) // a deactivated owner is none
	b.is(b.svc.DeactivateMember(b.theirs, owner.MemberID), errs.NotFound)
	b.is(b.svc.ReactivateMember(b.as(b.ours, admin), second.MemberID), errs.Forbidden)
	b.ok(b.svc.ReactivateMember(b.as(b.ours, owner), second.MemberID))
}

func TestA4_EditingAGrantedRoleIsBounded(t *testing.T) {
	b := newBench(t)
	one := b.registry(b.ours, "one")
	b.ok(b.svc.CreateRole(b.ours, access.RoleInput{Name: "clerk", Actions: []access.Action{access.RoleManage}}))
	clerk := b.member(b.ours, "clerk", access.Place{Role: "clerk"})
	as := b.as(b.ours, clerk)
	b.ok(b.svc.CreateRole(as, access.RoleInput{Name: "team", Actions: []access.Action{access.RegistryRead}}))
	b.ok(b.svc.UpdateRole(as, access.RoleInput{Name: "team", Actions: []access.Action{access.RegistryRead, access.VersionRead}})) // nobody has it
	ana := b.member(b.ours, "ana", access.Place{Role: "team", Registry: one})
	b.is(b.svc.UpdateRole(as, access.RoleInput{Name: "team", Actions: []access.Action{access.RegistryRead, access.VersionRead, access.VersionPublish}}), errs.Forbidden)
	b.is(b.svc.UpdateRole(as, access.RoleInput{Name: "clerk", Actions: []access.Action{access.RoleManage, access.MemberManage}}), errs.Forbidden)
	b.ok(b.svc.UpdateRole(as, access.RoleInput{Name: "team", Actions: []access.Action{access.RegistryRead}})) // taking away is no delegation
	if b.can(b.ours, ana, access.VersionRead, one) || !b.can(b.ours, ana, access.RegistryRead, one) {
		t.Error("the edit did not take effect")
	}
	b.is(b.svc.UpdateRole(b.ours, access.RoleInput{Name: "team", Actions: []access.Action{access.RegistryBypassFirewall}}), errs.Conflict)
	b.is(b.svc.DeleteRole(as, "team"), errs.Conflict)
	b.ok(b.svc.Revoke(b.ours, access.MemberPrincipal(ana.MemberID), "team", one))
	b.ok(b.svc.DeleteRole(as, "team"))
	b.is(b.svc.DeleteRole(as, "team"), errs.NotFound)
	b.is(b.svc.UpdateRole(b.theirs, access.RoleInput{Name: "clerk", Actions: []access.Action{access.RoleManage}}), errs.NotFound)
}

func TestA3_CustomRolesAreChecked(t *testing.T) {
	b := newBench(t)
	read := []access.Action{access.RegistryRead}
	for name, c := range map[string]struct {
		in   access.RoleInput
		kind errs.Kind
	}{
		"built-in name":  {access.RoleInput{Name: "owner", Actions: read}, errs.Conflict},
		"a subject":      {access.RoleInput{Name: "member:1", Actions: read}, errs.Invalid},
		"no name":        {access.RoleInput{Actions: read}, errs.Invalid},
		"no action":      {access.RoleInput{Name: "x"}, errs.Invalid},
		"unknown action": {access.RoleInput{Name: "x", Actions: []access.Action{"registry:paint"}}, errs.Invalid},
		"wildcard":       {access.RoleInput{Name: "x", Actions: []access.Action{"*"}}, errs.Invalid},
		"long text":      {access.RoleInput{Name: "x", Actions: read, Description: strings.Repeat("x", 501)}, errs.Invalid},
	} {
		if err := b.svc.CreateRole(b.ours, c.in); !errs.Is(err, c.kind) {
			t.Errorf("%s: %v, want %v", name, err, c.kind)
		}
	}
	b.ok(b.svc.CreateRole(b.ours, access.RoleInput{Name: "x", Actions: read}))
	b.is(b.svc.CreateRole(b.ours, access.RoleInput{Name: "x", Actions: read}), errs.Conflict)
	b.ok(b.svc.CreateRole(b.theirs, access.RoleInput{Name: "x", Actions: read}))
	roles, err := b.svc.Roles(b.ours)
	b.ok(err)
	if last := roles[len(roles)-1]; len(roles) != 9 || last.Name != "x" || last.BuiltIn || !last.OnRegistry || roles[0].Name != access.Owner {
		t.Errorf("roles: %+v", roles)
	}
}

func TestA5_NoOrganizationIsAnError(t *testing.T) {
	b := newBench(t)
	ctx := access.As(context.Background(), access.System("test"), "")
	_, err := b.svc.Can(ctx, access.System("test"), access.RegistryRead, uuid.Nil)
	_, err2 := b.svc.Reads(ctx, access.System("test"), uuid.Nil)
	_, err3 := b.svc.Authenticate(ctx, "sluice_x", "192.0.2.7")
	err4 := b.svc.Grant(ctx, access.MemberPrincipal(uuid.New()), access.Reader, uuid.Nil)
	for i, err := range []error{err, err2, err3, err4} {
		if err == nil || !strings.Contains(err.Error(), "no organization") {
			t.Errorf("%d: %v", i, err)
		}
	}
	if _, err := b.svc.Can(b.ours, access.System("test"), "registry:paint", uuid.Nil); err == nil {
		t.Error("an action that does not exist is allowed")
	}
}

func TestA5_ForgedSubjectsMayNothing(t *testing.T) {
	b := newBench(t)
	one := b.registry(b.ours, "one")
	owner := b.member(b.ours, "owner", access.Place{Role: access.Owner})
	for _, s := range []access.Subject{{}, {Kind: access.KindMember, MemberID: owner.MemberID, Write: true}, {Kind: access.KindToken, TokenID: uuid.New(), Write: true}} {
		if b.can(b.ours, s, access.RegistryRead, one) || b.reads(b.ours, s, one) {
			t.Errorf("%+v reads", s)
		}
		_, err := b.svc.CreateMember(b.as(b.ours, s), access.MemberInput{Email: "x@acme.example"})
		b.is(err, errs.Unauthenticated)
	}
}

func TestT3_RequireHidesWhatOneMayNotSee(t *testing.T) {
	b := newBench(t)
	one, two, foreign := b.registry(b.ours, "one"), b.registry(b.ours, "two"), b.registry(b.theirs, "one")
	ana := b.member(b.ours, "ana", access.Place{Role: access.Reader, Registry: one})
	b.ok(b.svc.Require(b.ours, ana, access.VersionRead, one))
	err := b.svc.Require(b.ours, ana, access.VersionPublish, one)
	b.is(err, errs.Forbidden)
	if !strings.Contains(errs.Public(err), "version:publish") {
		t.Errorf("message %q does not name the action", errs.Public(err))
	}
	b.is(b.svc.Require(b.ours, ana, access.VersionPublish, two), errs.NotFound)
	hidden, unknown := b.svc.Require(b.ours, ana, access.RegistryRead, foreign), b.svc.Require(b.ours, ana, access.RegistryRead, uuid.New())
	b.is(hidden, errs.NotFound)
	if errs.Public(hidden) != errs.Public(unknown) {
		t.Errorf("%q and %q differ", errs.Public(hidden), errs.Public(unknown))
	}
	b.is(b.svc.Require(b.ours, access.Anonymous(), access.VersionRead, one), errs.Unauthenticated)
	b.is(b.svc.Require(b.ours, ana, access.MemberManage, uuid.Nil), errs.Forbidden)
	// The same inside a transaction, by what it sees.
	b.ok(b.db.InTx(b.as(b.ours, ana), func(ctx context.Context, tx *db.Tx) error {
		b.ok(b.svc.RequireIn(ctx, tx, access.VersionRead, one))
		b.is(b.svc.RequireIn(ctx, tx, access.VersionPublish, one), errs.Forbidden)
		b.is(b.svc.RequireIn(ctx, tx, access.VersionPublish, two), errs.NotFound)
		return nil
	}))
}

// TestR9_OrganizationWideActionsNeverCountOnARegistry writes the grant that the
// service refuses, as a faulty or newer node might.
func TestR9_OrganizationWideActionsNeverCountOnARegistry(t *testing.T) {
	b := newBench(t)
	one := b.registry(b.ours, "one")
	b.ok(b.svc.CreateRole(b.ours, access.RoleInput{Name: "bypasser", Actions: []access.Action{access.RegistryRead, access.RegistryBypassFirewall}}))
	ana := b.member(b.ours, "ana")
	b.ok(b.db.InTx(b.ours, func(ctx context.Context, tx *db.Tx) error {
		org, err := scope.Org(ctx)
		b.ok(err)
		tx.Changed(db.Change{Kind: db.Access, Org: org})
		return tx.Ent.RoleGrant.Create().SetSubjectKind("MEMBER").SetSubjectID(ana.MemberID).SetRole("bypasser").SetRegistryID(one).SetCreatedAt(b.clock.now()).Exec(ctx)
	}))
	if !b.reads(b.ours, ana, one) {
		t.Fatal("the grant does not work at all")
	}
	list, err := b.svc.Allowed(b.ours, ana, one)
	b.ok(err)
	if b.can(b.ours, ana, access.RegistryBypassFirewall, one) || b.can(b.ours, ana, access.RegistryBypassFirewall, uuid.Nil) || len(list) != 1 {
		t.Errorf("past the firewall by a grant on a registry; allowed: %v", list)
	}
}
