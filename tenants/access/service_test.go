package access_test

import (
	"context"
	"testing"
	"time"

	"github.com/google/uuid"

	"sluice.dev/sluice/ent/db"
	"sluice.dev/sluice/tenants/access"
	"sluice.dev/sluice/tenants/errs"
	"sluice.dev/sluice/tenants/scope"
)

func TestA2_ServiceAccountsHaveSeveralTokens(t *testing.T) {
	b := newBench(t)
	one := b.registry(b.ours, "one")
	acc, err := b.svc.CreateServiceAccount(b.ours, access.ServiceAccountInput{Name: "builds", Roles: []access.Place{on(access.Publisher, one)}})
	b.ok(err)
	first, s := b.service(b.ours, access.TokenInput{Name: "old", ServiceID: acc.ID, Write: true})
	_, next := b.service(b.ours, access.TokenInput{Name: "new", ServiceID: acc.ID, Write: true})
	if s.Kind != access.KindToken || s.ServiceID != acc.ID || s.Name != "builds/old" || s.Actor("").Kind != scope.ActorToken || s.Actor("").Name != "builds/old" {
		t.Errorf("subject %+v", s)
	}
	if who, is := s.Principal(); !is || who != access.ServicePrincipal(acc.ID) {
		t.Errorf("principal %v", who)
	}
	b.ok(b.svc.RevokeToken(b.ours, s.TokenID))
	_, err = b.svc.Authenticate(b.ours, first, "192.0.2.7")
	b.is(err, errs.Unauthenticated)
	if !b.can(b.ours, next, access.VersionPublish, one) {
		t.Error("the second token died with the first")
	}
	// Roles are the account's: granting and revoking them changes every token.
	b.ok(b.svc.Revoke(b.ours, access.ServicePrincipal(acc.ID), access.Publisher, one))
	if b.can(b.ours, next, access.VersionPublish, one) {
		t.Error("publishes without the role")
	}
	b.is(b.svc.Grant(b.ours, access.TokenPrincipal(next.TokenID), access.Reader, one), errs.NotFound)
	b.is(b.svc.Grant(b.theirs, access.ServicePrincipal(acc.ID), access.Reader, uuid.Nil), errs.NotFound)
	_, _, err = b.svc.CreateToken(b.theirs, access.TokenInput{Name: "x", ServiceID: acc.ID})
	b.is(err, errs.NotFound)
	if list, err := b.svc.ServiceAccounts(b.theirs, access.Page{}); err != nil || len(list) != 0 {
		t.Errorf("globex sees %+v, %v", list, err)
	}
}

// TestA2_DeactivatedServiceAccountTakesTokensAlong on every node.
func TestA2_DeactivatedServiceAccountTakesTokensAlong(t *testing.T) {
	b := newBench(t)
	one := b.registry(b.ours, "one")
	id := b.account("builds", on(access.Reader, one))
	secret, s := b.service(b.ours, access.TokenInput{ServiceID: id})
	alone, lone := b.service(b.ours, access.TokenInput{Name: "on its own", Roles: []access.Place{on(access.Reader, one)}})
	child, derived, err := b.svc.DeriveToken(b.as(b.ours, s), access.TokenInput{Name: "derived"})
	b.ok(err)
	if derived.ServiceID != id || !b.reads(b.ours, s, one) || !b.reads(b.ours, lone, one) {
		t.Fatalf("before: derived %+v", derived)
	}
	b.ok(otherNode(b).DeactivateServiceAccount(b.ours, id))
	eventually(t, "the token has ended on this node", func() bool { return !b.reads(b.ours, s, one) })
	for _, sec := range []string{secret, child} {
		_, err := b.svc.Authenticate(b.ours, sec, "192.0.2.7")
		b.is(err, errs.Unauthenticated)
	}
	if _, err := b.svc.Authenticate(b.ours, alone, "192.0.2.7"); err != nil || !b.reads(b.ours, lone, one) {
		t.Errorf("a token of no account died too: %v", err)
	}
	for range 2 {
		b.ok(b.svc.DeactivateServiceAccount(b.ours, id))
	}
	if n := b.events(b.ours, "service:deactivate"); n != 1 {
		t.Errorf("%d audit events", n)
	}
	_, _, err = b.svc.CreateToken(b.ours, access.TokenInput{Name: "x", ServiceID: id})
	b.is(err, errs.NotFound)
	b.is(b.svc.DeactivateServiceAccount(b.theirs, id), errs.NotFound)
	// It comes back with its roles and without its tokens.
	b.ok(b.svc.ReactivateServiceAccount(b.ours, id))
	_, err = b.svc.Authenticate(b.ours, secret, "192.0.2.7")
	b.is(err, errs.Unauthenticated)
	if _, again := b.service(b.ours, access.TokenInput{ServiceID: id}); !b.reads(b.ours, again, one) {
		t.Error("the account came back without its role")
	}
}

func TestA4_ServiceAccountsAreNoWayAround(t *testing.T) {
	b := newBench(t)
	one := b.registry(b.ours, "one")
	b.ok(b.svc.CreateRole(b.ours, access.RoleInput{Name: "keys", Actions: []access.Action{access.TokenManage, access.RegistryRead, access.GrantManage}}))
	keys := b.as(b.ours, b.member(b.ours, "keys", on("keys", uuid.Nil)))
	_, err := b.svc.CreateServiceAccount(keys, access.ServiceAccountInput{Name: "mine", Roles: []access.Place{on(access.Admin, uuid.Nil)}})
	b.is(err, errs.Forbidden)
	_, err = b.svc.CreateServiceAccount(keys, access.ServiceAccountInput{Name: "mine", Roles: []access.Place{on("keys", one)}})
	b.is(err, errs.Invalid) // token:manage is the organization's
	mine, err := b.svc.CreateServiceAccount(keys, access.ServiceAccountInput{Name: "mine"})
	b.ok(err)
	strong := b.account("strong", on(access.Security, one))
	for _, do := range []error{
		b.svc.DeactivateServiceAccount(keys, strong),
		b.svc.Grant(keys, access.ServicePrincipal(mine.ID), access.Security, one),
	} {
		b.is(do, errs.Forbidden)
	}
	_, _, err = b.svc.CreateToken(keys, access.TokenInput{Name: "x", ServiceID: strong, Write: true})
	b.is(err, errs.Forbidden)
	b.ok(b.svc.Grant(keys, access.ServicePrincipal(mine.ID), "keys", uuid.Nil))
	_, _, err = b.svc.CreateToken(keys, access.TokenInput{Name: "x", ServiceID: mine.ID, Write: true})
	b.ok(err)
}

func TestF5_ServiceAccountInput(t *testing.T) {
	b := newBench(t)
	id := b.account("builds")
	ana := b.member(b.ours, "ana", on(access.Ordinary, uuid.Nil))
	for _, in := range []access.TokenInput{
		{Name: "x", ServiceID: id, MemberID: ana.MemberID},
		{Name: "x", ServiceID: id, Roles: []access.Place{on(access.Reader, uuid.Nil)}},
	} {
		_, _, err := b.svc.CreateToken(b.ours, in)
		b.is(err, errs.Invalid)
	}
	_, err := b.svc.CreateServiceAccount(b.ours, access.ServiceAccountInput{})
	b.is(err, errs.Invalid)
	_, err = b.svc.CreateServiceAccount(b.ours, access.ServiceAccountInput{Name: "builds"})
	b.is(err, errs.Conflict)
	_, err = b.svc.CreateServiceAccount(b.theirs, access.ServiceAccountInput{Name: "builds"})
	b.ok(err)
	b.ok(b.svc.UpdateServiceAccount(b.ours, id, access.ServiceAccountInput{Name: "bots", Description: "all of them"}))
	b.is(b.svc.UpdateServiceAccount(b.ours, id, access.ServiceAccountInput{Name: "bots", Roles: []access.Place{on(access.Reader, uuid.Nil)}}), errs.Invalid)
	b.is(b.svc.UpdateServiceAccount(b.theirs, id, access.ServiceAccountInput{Name: "ours"}), errs.NotFound)
	list, err := b.svc.ServiceAccounts(b.ours, access.Page{})
	b.ok(err)
	if len(list) != 1 || list[0].Name != "bots" || list[0].Description != "all of them" {
		t.Errorf("accounts %+v", list)
	}
	// The database itself knows that a token has one owner at most.
	err = b.db.InTx(b.ours, func(ctx context.Context, tx *db.Tx) error {
		return tx.Ent.Token.Create().SetName("x").SetHash([]byte("x")).SetHint("x").SetMemberID(ana.MemberID).SetServiceID(id).SetCreatedAt(time.Now()).Exec(ctx)
	})
	if err == nil {
		t.Error("a token of two owners is kept")
	}
}
