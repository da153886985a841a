package access_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"sluice.dev/sluice/ent/db"
	"sluice.dev/sluice/tenants/access"
	"sluice.dev/sluice/tenants/audit"
	"sluice.dev/sluice/tenants/errs"
	"sluice.dev/sluice/tenants/org"
)

func (b *bench) orgs() *org.Service {
	return org.New(b.db, audit.New(b.clock.now), b.clock.now)
}

func TestA1_JoinRequestIsApproved(t *testing.T) {
	b := newBench(t)
	one := b.registry(b.ours, "one")
	team := b.team("platform", on(access.Publisher, one))
	asked, err := b.svc.RequestToJoin(b.ours, person("bob"), "  let me\nin "+strings.Repeat("x", 600))
	b.ok(err)
	if !strings.HasPrefix(asked.Message, "let me in xxx") || len(asked.Message) != access.MaxJoinMessage || asked.Who != person("bob") {
		t.Errorf("request %+v", asked)
	}
	again, err := b.svc.RequestToJoin(b.ours, person("bob"), "please")
	b.ok(err)
	if again.ID != asked.ID || b.events(b.ours, "join:request") != 1 {
		t.Error("asking twice made two requests")
	}
	// It grants nothing, and who decides is bounded (A4).
	_, err = b.svc.MemberByEmail(b.ours, "bob@acme.example")
	b.is(err, errs.NotFound)
	admin := b.as(b.ours, b.member(b.ours, "admin", on(access.Admin, uuid.Nil)))
	_, err = b.svc.ApproveJoinRequest(admin, asked.ID, access.Admission{Roles: []access.Place{on(access.Owner, uuid.Nil)}}, nil)
	b.is(err, errs.Forbidden)
	_, err = b.svc.ApproveJoinRequest(b.as(b.ours, b.member(b.ours, "ana")), asked.ID, access.Admission{}, nil)
	b.is(err, errs.Forbidden)
	_, err = b.svc.ApproveJoinRequest(b.theirs, asked.ID, access.Admission{}, nil)
	b.is(err, errs.NotFound)
	var bound access.Person
	m, err := b.svc.ApproveJoinRequest(admin, asked.ID, access.Admission{Teams: []uuid.UUID{team}},
		func(_ context.Context, _ *db.Tx, who access.Person, _ access.Member) error { bound = who; return nil })
	b.ok(err)
	s, err := b.svc.MemberSubject(b.ours, m.ID)
	b.ok(err)
	if bound != person("bob") || !b.can(b.ours, s, access.VersionPublish, one) || !b.can(b.ours, s, access.TokenCreate, uuid.Nil) {
		t.Error("the member lacks what was decided, or was not bound")
	}
	_, err = b.svc.ApproveJoinRequest(admin, asked.ID, access.Admission{}, nil)
	b.is(err, errs.Conflict)
	list, err := b.svc.JoinRequests(admin, access.Page{})
	b.ok(err)
	if len(list) != 1 || !list[0].Approved || list[0].DecidedBy != "admin@acme.example" || list[0].MemberID != m.ID {
		t.Errorf("list %+v", list)
	}
	_, err = b.svc.RequestToJoin(b.ours, person("bob"), "")
	b.is(err, errs.Conflict)
	if list, err := b.svc.JoinRequests(b.theirs, access.Page{}); err != nil || len(list) != 0 {
		t.Errorf("globex sees %+v, %v", list, err)
	}
}

func TestA1_JoinRequestIsRefused(t *testing.T) {
	b := newBench(t)
	asked, err := b.svc.RequestToJoin(b.ours, person("bob"), "")
	b.ok(err)
	b.is(b.svc.RefuseJoinRequest(b.theirs, asked.ID), errs.NotFound)
	b.ok(b.svc.RefuseJoinRequest(b.ours, asked.ID))
	b.is(b.svc.RefuseJoinRequest(b.ours, asked.ID), errs.Conflict)
	_, err = b.svc.RequestToJoin(b.ours, person("bob"), "")
	b.is(err, errs.Conflict)
	_, err = b.svc.RequestToJoin(b.theirs, person("bob"), "")
	b.ok(err)
	b.clock.add(access.AskAgainAfter)
	again, err := b.svc.RequestToJoin(b.ours, person("bob"), "")
	b.ok(err)
	if again.ID == asked.ID {
		t.Error("the refused request was opened again")
	}
	_, err = b.svc.RequestToJoin(b.ours, access.Person{Issuer: "https://id.example", Subject: "1"}, "")
	b.is(err, errs.Invalid)
	_, err = b.svc.RequestToJoin(b.ours, access.Person{Email: "eve@acme.example"}, "")
	b.is(err, errs.Invalid)
}

func TestA1_OrganizationsNeedNotTakeRequests(t *testing.T) {
	b := newBench(t)
	_, err := b.orgs().TakeJoinRequests(b.ours, false)
	b.ok(err)
	_, err = b.svc.RequestToJoin(b.ours, person("bob"), "")
	b.is(err, errs.Forbidden)
	_, err = b.svc.RequestToJoin(b.theirs, person("bob"), "")
	b.ok(err)
}

// TestA2_LeavingEndsEverything: tokens, and the rights; sessions are tested
// through a whole node.
func TestA2_LeavingEndsEverything(t *testing.T) {
	b := newBench(t)
	one := b.registry(b.ours, "one")
	b.member(b.ours, "olga", on(access.Owner, uuid.Nil))
	ana := b.member(b.ours, "ana", on(access.Ordinary, uuid.Nil), on(access.Reader, one))
	secret, _, err := b.svc.CreateToken(b.as(b.ours, ana), access.TokenInput{Name: "laptop", MemberID: ana.MemberID, Write: true, Registries: []uuid.UUID{one}})
	b.ok(err)
	limited, err := b.svc.Authenticate(b.ours, secret, "192.0.2.7")
	b.ok(err)
	b.is(b.svc.Leave(b.as(b.ours, limited)), errs.Forbidden)
	b.is(b.svc.Leave(b.ours), errs.Forbidden)
	b.is(b.svc.Leave(b.as(b.theirs, ana)), errs.Unauthenticated)
	b.ok(b.svc.Leave(b.as(b.ours, ana)))
	if b.reads(b.ours, ana, one) || b.events(b.ours, "member:leave") != 1 {
		t.Error("who left still reads")
	}
	_, err = b.svc.Authenticate(b.ours, secret, "192.0.2.7")
	b.is(err, errs.Unauthenticated)
	_, err = b.svc.MemberSubject(b.ours, ana.MemberID)
	b.is(err, errs.Unauthenticated)
}

func TestA4_OwnershipIsTransferredInPerson(t *testing.T) {
	b := newBench(t)
	olga := b.member(b.ours, "olga", on(access.Owner, uuid.Nil))
	ana := b.member(b.ours, "ana", on(access.Admin, uuid.Nil))
	foreign := b.member(b.theirs, "eve")
	b.is(b.svc.Leave(b.as(b.ours, olga)), errs.Conflict)
	b.is(b.svc.TransferOwnership(b.as(b.ours, ana), ana.MemberID), errs.Invalid)
	b.is(b.svc.TransferOwnership(b.as(b.ours, ana), olga.MemberID), errs.Forbidden)
	b.is(b.svc.TransferOwnership(b.as(b.ours, olga), foreign.MemberID), errs.NotFound)
	b.is(b.svc.TransferOwnership(b.ours, ana.MemberID), errs.Forbidden)
	readonly := personal(b, olga, access.TokenInput{})
	b.is(b.svc.TransferOwnership(b.as(b.ours, readonly), ana.MemberID), errs.Forbidden)
	if !b.can(b.ours, olga, access.RegistryBypassFirewall, uuid.Nil) {
		t.Fatal("a failed transfer took the ownership")
	}
	b.ok(b.svc.TransferOwnership(b.as(b.ours, olga), ana.MemberID))
	if b.can(b.ours, olga, access.RegistryBypassFirewall, uuid.Nil) || !b.can(b.ours, olga, access.MemberManage, uuid.Nil) || !b.can(b.ours, ana, access.RegistryBypassFirewall, uuid.Nil) {
		t.Error("the ownership is not where it should be")
	}
	if b.events(b.ours, "organization:transfer") != 1 {
		t.Error("no audit event")
	}
	b.ok(b.svc.Leave(b.as(b.ours, olga)))
	b.is(b.svc.Leave(b.as(b.ours, ana)), errs.Conflict)
}

// TestA2_ExpiringTokensAreWarnedOfOnce a week before.
func TestA2_ExpiringTokensAreWarnedOfOnce(t *testing.T) {
	b := newBench(t)
	day := 24 * time.Hour
	ana := b.member(b.ours, "ana", on(access.Ordinary, uuid.Nil))
	soon := token(b, b.ours, access.TokenInput{Name: "soon", ExpiresAt: b.clock.now().Add(10 * day)})
	mine := personal(b, ana, access.TokenInput{Name: "mine", ExpiresAt: b.clock.now().Add(9 * day)})
	token(b, b.ours, access.TokenInput{Name: "later", ExpiresAt: b.clock.now().Add(30 * day)})
	token(b, b.ours, access.TokenInput{Name: "never"})
	short := token(b, b.ours, access.TokenInput{Name: "short", ExpiresAt: b.clock.now().Add(5 * day)})
	gone := token(b, b.ours, access.TokenInput{Name: "gone", ExpiresAt: b.clock.now().Add(10 * day)})
	b.ok(b.svc.RevokeToken(b.ours, gone.TokenID))
	token(b, b.theirs, access.TokenInput{Name: "theirs", ExpiresAt: b.clock.now().Add(10 * day)})
	warned := func(want ...access.Subject) {
		t.Helper()
		got, err := b.svc.WarnExpiring(b.ours)
		b.ok(err)
		if len(got) != len(want) {
			t.Fatalf("warned of %+v, want %d", got, len(want))
		}
		for i := range want {
			if got[i].ID != want[i].TokenID {
				t.Errorf("warned of %s, want %s", got[i].Name, want[i].Name)
			}
		}
	}
	warned()
	list, err := b.svc.Expiring(b.ours, access.Page{})
	b.ok(err)
	if len(list) != 1 || list[0].ID != short.TokenID {
		t.Errorf("expiring now: %+v", list)
	}
	b.clock.add(3 * day)
	warned(soon, mine)
	warned()
	if n := b.events(b.ours, "token:expiring"); n != 2 {
		t.Errorf("%d audit events", n)
	}
	if list, err := b.svc.Expiring(b.as(b.ours, ana), access.Page{}); err != nil || len(list) != 1 || list[0].ID != mine.TokenID {
		t.Errorf("ana sees %+v, %v", list, err)
	}
	if list, err := b.svc.Expiring(b.ours, access.Page{}); err != nil || len(list) != 3 {
		t.Errorf("%d expiring, %v", len(list), err)
	}
	if list, err := b.svc.Expiring(b.theirs, access.Page{}); err != nil || len(list) != 1 {
		t.Errorf("globex sees %+v, %v", list, err)
	}
	if n := b.events(b.theirs, "token:expiring"); n != 0 {
		t.Errorf("%d warnings in globex", n)
	}
}
