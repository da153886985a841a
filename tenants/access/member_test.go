package access_test

import (
	"strings"
	"testing"

	"github.com/google/uuid"

	"sluice.dev/sluice/tenants/access"
	"sluice.dev/sluice/tenants/errs"
)

func TestF5_MemberInput(t *testing.T) {
	b := newBench(t)
	for _, email := range []string{"", "ana", "ana@", "Ana <ana@acme.example>", "a b@acme.example", strings.Repeat("a", 250) + "@x.example"} {
		_, err := b.svc.CreateMember(b.ours, access.MemberInput{Email: email})
		b.is(err, errs.Invalid)
	}
	_, err := b.svc.CreateMember(b.ours, access.MemberInput{Email: "ana@acme.example", Name: "a\x00b"})
	b.is(err, errs.Invalid)
	m, err := b.svc.CreateMember(b.ours, access.MemberInput{Email: " Ana@Acme.example ", Name: "Ana"})
	b.ok(err)
	if m.Email != "ana@acme.example" || m.Name != "Ana" || !m.CreatedAt.Equal(b.clock.now()) {
		t.Errorf("member %+v", m)
	}
	_, err = b.svc.CreateMember(b.ours, access.MemberInput{Email: "ANA@acme.example"})
	b.is(err, errs.Conflict)
	_, err = b.svc.CreateMember(b.theirs, access.MemberInput{Email: "ana@acme.example"})
	b.ok(err)
	found, err := b.svc.MemberByEmail(b.ours, "ANA@acme.example")
	b.ok(err)
	if found.ID != m.ID {
		t.Errorf("found %+v", found)
	}
	_, err = b.svc.MemberByEmail(b.ours, "bob@acme.example")
	b.is(err, errs.NotFound)
	// A new member can see the organization and make tokens, and no registry.
	s, err := b.svc.MemberSubject(b.ours, m.ID)
	b.ok(err)
	if !b.can(b.ours, s, access.TokenCreate, uuid.Nil) || !b.can(b.ours, s, access.MemberRead, uuid.Nil) || b.reads(b.ours, s, b.registry(b.ours, "one")) {
		t.Error("the ordinary role is not what it says")
	}
}

func TestT3_MembersAreTheOrganizationsOwn(t *testing.T) {
	b := newBench(t)
	ana := b.member(b.ours, "ana", access.Place{Role: access.Ordinary})
	bob := b.member(b.ours, "bob")
	list, err := b.svc.Members(b.as(b.ours, ana), access.Page{Limit: 1})
	b.ok(err)
	if len(list) != 1 || list[0].ID != ana.MemberID {
		t.Fatalf("first page: %+v", list)
	}
	list, err = b.svc.Members(b.as(b.ours, ana), access.Page{After: ana.MemberID})
	b.ok(err)
	if len(list) != 1 || list[0].ID != bob.MemberID {
		t.Fatalf("second page: %+v", list)
	}
	_, err = b.svc.Members(b.as(b.ours, bob), access.Page{})
	b.is(err, errs.Forbidden)
	if list, err := b.svc.Members(b.theirs, access.Page{}); err != nil || len(list) != 0 {
		t.Errorf("globex sees %d members (%v)", len(list), err)
	}
	_, err = b.svc.MemberSubject(b.theirs, ana.MemberID)
	b.is(err, errs.Unauthenticated)
	_, err = b.svc.MemberSubject(b.ours, uuid.Nil)
	b.is(err, errs.Unauthenticated)
	b.is(b.svc.Grant(b.theirs, access.MemberPrincipal(ana.MemberID), access.Reader, uuid.Nil), errs.NotFound)
	b.is(b.svc.Grant(b.ours, access.MemberPrincipal(uuid.New()), access.Reader, uuid.Nil), errs.NotFound)
}

func TestA3_GrantsAreSeenWhereOneDelegates(t *testing.T) {
	b := newBench(t)
	one, two := b.registry(b.ours, "one"), b.registry(b.ours, "two")
	lead := b.member(b.ours, "lead", access.Place{Role: access.RegistryAdmin, Registry: one})
	b.member(b.ours, "ana", access.Place{Role: access.Reader, Registry: one}, access.Place{Role: access.Reader, Registry: two})
	auditor := b.member(b.ours, "auditor", access.Place{Role: access.Auditor})
	for _, c := range []struct {
		who  access.Subject
		want int
	}{{lead, 2}, {auditor, 4}, {access.System("test"), 4}} {
		list, err := b.svc.Grants(b.as(b.ours, c.who))
		b.ok(err)
		if len(list) != c.want {
			t.Errorf("%s sees %d grants, want %d", c.who.Name, len(list), c.want)
		}
	}
	if list, err := b.svc.Grants(b.theirs); err != nil || len(list) != 0 {
		t.Errorf("globex sees %d grants (%v)", len(list), err)
	}
}

// TestA3_FailedChangeLeavesNothing makes a member with a role that cannot be
// granted: neither the member nor an audit event stays.
func TestA3_FailedChangeLeavesNothing(t *testing.T) {
	b := newBench(t)
	_, err := b.svc.CreateMember(b.ours, access.MemberInput{Email: "ana@acme.example", Roles: []access.Place{{Role: access.Reader}, {Role: "wizard"}}})
	b.is(err, errs.Invalid)
	_, err = b.svc.MemberByEmail(b.ours, "ana@acme.example")
	b.is(err, errs.NotFound)
	if n := b.events(b.ours, "member:create") + b.events(b.ours, "grant:create"); n != 0 {
		t.Errorf("%d audit events of what did not happen", n)
	}
}
