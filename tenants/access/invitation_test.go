package access_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"sluice.dev/sluice/ent/db"
	"sluice.dev/sluice/tenants/access"
	"sluice.dev/sluice/tenants/errs"
)

// person is somebody whom an identity provider has verified.
func person(name string) access.Person {
	return access.Person{Issuer: "https://id.example", Subject: "sub-" + name, Email: name + "@acme.example", Name: name}
}

func invite(name string, a access.Admission) access.InvitationInput {
	return access.InvitationInput{Email: name + "@acme.example", Name: name, Admission: a}
}

func TestA1_InvitationIsAcceptedOnce(t *testing.T) {
	b := newBench(t)
	one := b.registry(b.ours, "one")
	team := b.team("platform", on(access.Publisher, one))
	secret, inv, err := b.svc.Invite(b.ours, invite("Bob", access.Admission{Roles: []access.Place{on(access.Ordinary, uuid.Nil)}, Teams: []uuid.UUID{team, team}}))
	b.ok(err)
	if inv.Email != "bob@acme.example" || !inv.ExpiresAt.Equal(b.clock.now().Add(5*24*time.Hour)) || len(inv.Teams) != 1 || access.LooksLikeToken(secret) {
		t.Errorf("invitation %+v with %q", inv, secret)
	}
	if b.stored(secret) != 0 {
		t.Error("the secret is stored")
	}
	bound := uuid.Nil
	m, err := b.svc.AcceptInvitation(b.ours, secret, person("bob"), func(ctx context.Context, tx *db.Tx, who access.Person, m access.Member) error {
		if who.Issuer != "https://id.example" || who.Subject != "sub-bob" {
			t.Errorf("bound %+v", who)
		}
		bound = m.ID
		return nil
	})
	b.ok(err)
	s, err := b.svc.MemberSubject(b.ours, m.ID)
	b.ok(err)
	if bound != m.ID || !b.can(b.ours, s, access.VersionPublish, one) || !b.can(b.ours, s, access.TokenCreate, uuid.Nil) {
		t.Error("the member lacks what the invitation said, or was not bound")
	}
	_, err = b.svc.AcceptInvitation(b.ours, secret, person("bob"), nil)
	b.is(err, errs.NotFound)
	list, err := b.svc.Invitations(b.ours, access.Page{})
	b.ok(err)
	if len(list) != 1 || list[0].MemberID != m.ID || list[0].AcceptedAt == nil {
		t.Errorf("list %+v", list)
	}
	b.is(b.svc.RevokeInvitation(b.ours, inv.ID), errs.Conflict)
	if b.events(b.ours, "invitation:create")+b.events(b.ours, "invitation:accept") != 2 {
		t.Error("audit events are missing")
	}
}

// TestT3_EveryInvalidInvitationIsTheSame: expired, used, taken back, another
// organization's, another person's and an invented one.
func TestT3_EveryInvalidInvitationIsTheSame(t *testing.T) {
	b := newBench(t)
	make1 := func(name string) (string, access.Invitation) {
		secret, inv, err := b.svc.Invite(b.ours, invite(name, access.Admission{}))
		b.ok(err)
		return secret, inv
	}
	used, _ := make1("used")
	_, err := b.svc.AcceptInvitation(b.ours, used, person("used"), nil)
	b.ok(err)
	revoked, inv := make1("revoked")
	for range 2 {
		b.ok(b.svc.RevokeInvitation(b.ours, inv.ID))
	}
	resent, inv := make1("resent")
	fresh, _, err := b.svc.Resend(b.ours, inv.ID)
	b.ok(err)
	foreign, _ := make1("foreign")
	late, _ := make1("late")
	closed, _ := make1("closed")
	messages := map[string]bool{}
	refused := func(name string, ctx context.Context, secret string, who access.Person) {
		t.Helper()
		_, err := b.svc.AcceptInvitation(ctx, secret, who, nil)
		if !errs.Is(err, errs.NotFound) {
			t.Errorf("%s: %v", name, err)
		}
		messages[errs.Public(err)] = true
	}
	refused("used", b.ours, used, person("used"))
	refused("revoked", b.ours, revoked, person("revoked"))
	refused("the old secret of one that was sent again", b.ours, resent, person("resent"))
	refused("another organization's", b.theirs, foreign, person("foreign"))
	refused("somebody else's", b.ours, foreign, person("eve"))
	refused("invented", b.ours, "sluice_invitation_"+strings.Repeat("0", 36), person("eve"))
	refused("empty", b.ours, "", person("eve"))
	b.clock.add(access.InvitationFor - time.Nanosecond)
	_, err = b.svc.AcceptInvitation(b.ours, fresh, person("resent"), nil)
	b.ok(err)
	b.clock.add(time.Nanosecond)
	refused("expired", b.ours, late, person("late"))
	_ = closed
	if len(messages) != 1 {
		t.Errorf("the answers differ: %v", messages)
	}
	// An address without verification is none.
	_, err = b.svc.AcceptInvitation(b.ours, late, access.Person{Issuer: "https://id.example", Subject: "1"}, nil)
	b.is(err, errs.Invalid)
}

// TestA4_InvitationNeedsItsInviter: who has left, or lost the right, lets nobody
// in any more; resending makes it the affair of who resends.
func TestA4_InvitationNeedsItsInviter(t *testing.T) {
	b := newBench(t)
	b.member(b.ours, "olga", on(access.Owner, uuid.Nil))
	admin := b.member(b.ours, "admin", on(access.Admin, uuid.Nil))
	send := func(name string) (string, access.Invitation) {
		secret, inv, err := b.svc.Invite(b.as(b.ours, admin), invite(name, access.Admission{Roles: []access.Place{on(access.Admin, uuid.Nil)}}))
		b.ok(err)
		return secret, inv
	}
	first, _ := send("first")
	_, err := b.svc.AcceptInvitation(b.ours, first, person("first"), nil)
	b.ok(err)
	second, inv := send("second")
	b.ok(b.svc.Revoke(b.ours, access.MemberPrincipal(admin.MemberID), access.Admin, uuid.Nil))
	_, err = b.svc.AcceptInvitation(b.ours, second, person("second"), nil)
	b.is(err, errs.NotFound)
	_, _, err = b.svc.Resend(b.as(b.ours, admin), inv.ID)
	b.is(err, errs.Forbidden)
	b.ok(b.svc.Grant(b.ours, access.MemberPrincipal(admin.MemberID), access.Admin, uuid.Nil))
	third, _ := send("third")
	b.ok(b.svc.DeactivateMember(b.ours, admin.MemberID))
	_, err = b.svc.AcceptInvitation(b.ours, third, person("third"), nil)
	b.is(err, errs.NotFound)
	again, inv, err := b.svc.Resend(b.ours, inv.ID)
	b.ok(err)
	if inv.InvitedBy != "test" {
		t.Errorf("sent by %q", inv.InvitedBy)
	}
	_, err = b.svc.AcceptInvitation(b.ours, again, person("second"), nil)
	b.ok(err)
	_, _, err = b.svc.Resend(b.theirs, inv.ID)
	b.is(err, errs.NotFound)
	b.is(b.svc.RevokeInvitation(b.theirs, inv.ID), errs.NotFound)
}

func TestF5_InvitationInput(t *testing.T) {
	b := newBench(t)
	ana, gone := b.member(b.ours, "ana"), b.member(b.ours, "gone")
	b.ok(b.svc.DeactivateMember(b.ours, gone.MemberID))
	many := make([]access.Place, 51)
	for name, c := range map[string]struct {
		in   access.InvitationInput
		want errs.Kind
	}{
		"no address":          {access.InvitationInput{Email: "bob"}, errs.Invalid},
		"a member":            {invite("ana", access.Admission{}), errs.Conflict},
		"a former member":     {invite("gone", access.Admission{}), errs.Conflict},
		"a role that is none": {invite("bob", access.Admission{Roles: []access.Place{{Role: "wizard"}}}), errs.Invalid},
		"a foreign registry":  {invite("bob", access.Admission{Roles: []access.Place{on(access.Reader, b.registry(b.theirs, "one"))}}), errs.NotFound},
		"a team that is none": {invite("bob", access.Admission{Teams: []uuid.UUID{uuid.New()}}), errs.NotFound},
		"too many roles":      {invite("bob", access.Admission{Roles: many}), errs.Invalid},
	} {
		if _, _, err := b.svc.Invite(b.ours, c.in); !errs.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
	_, _, err := b.svc.Invite(b.ours, invite("bob", access.Admission{}))
	b.ok(err)
	_, _, err = b.svc.Invite(b.ours, invite("BOB", access.Admission{}))
	b.is(err, errs.Conflict)
	b.clock.add(access.InvitationFor) // an expired one is no reason
	_, _, err = b.svc.Invite(b.ours, invite("bob", access.Admission{}))
	b.ok(err)
	_, _, err = b.svc.Invite(b.theirs, invite("bob", access.Admission{}))
	b.ok(err)
	_, _, err = b.svc.Invite(b.as(b.ours, ana), invite("eve", access.Admission{}))
	b.is(err, errs.Forbidden)
	_, err = b.svc.Invitations(b.as(b.ours, ana), access.Page{})
	b.is(err, errs.Forbidden)
}

// TestA1_FailedBindingAdmitsNobody: what remembers the identity fails, and
// nothing has happened.
func TestA1_FailedBindingAdmitsNobody(t *testing.T) {
	b := newBench(t)
	secret, _, err := b.svc.Invite(b.ours, invite("bob", access.Admission{}))
	b.ok(err)
	broken := errors.New("broken")
	_, err = b.svc.AcceptInvitation(b.ours, secret, person("bob"), func(context.Context, *db.Tx, access.Person, access.Member) error { return broken })
	if !errors.Is(err, broken) {
		t.Errorf("error %v", err)
	}
	_, err = b.svc.MemberByEmail(b.ours, "bob@acme.example")
	b.is(err, errs.NotFound)
	_, err = b.svc.AcceptInvitation(b.ours, secret, person("bob"), nil)
	b.ok(err)
	_, err = b.svc.MemberByEmail(b.theirs, "bob@acme.example")
	b.is(err, errs.NotFound)
}

// stored counts rows of any kind that contain the random part of a secret.
func (b *bench) stored(secret string) (n int) {
	b.Helper()
	part := "%" + secret[len(secret)-30:] + "%"
	b.ok(b.db.InSnapshot(b.ours, func(ctx context.Context, tx *db.Tx) error {
		return tx.QueryRow(ctx, `SELECT (SELECT count(*) FROM tokens x WHERE x::text LIKE $1) + (SELECT count(*) FROM audit_events x WHERE x::text LIKE $1)
			+ (SELECT count(*) FROM invitations x WHERE x::text LIKE $1) + (SELECT count(*) FROM members x WHERE x::text LIKE $1)`, part).Scan(&n)
	}))
	return n
}
