package access_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/google/uuid"

	"sluice.dev/sluice/ent/db"
	"sluice.dev/sluice/tenants/access"
	"sluice.dev/sluice/tenants/errs"
	"sluice.dev/sluice/tenants/org"
	"sluice.dev/sluice/tenants/scope"
)

func TestT1_SignUpIsTheOperatorsToAllow(t *testing.T) {
	b := newBench(t)
	orgs := b.orgs()
	ctx := context.Background()
	_, _, err := b.svc.SignUp(ctx, orgs, org.Input{Slug: "initech"}, person("bob"), nil)
	b.is(err, errs.Forbidden)
	orgs.OpenSignUp = true
	made, owner, err := b.svc.SignUp(ctx, orgs, org.Input{Slug: "initech", Name: "Initech"}, person("bob"), nil)
	b.ok(err)
	in := scope.With(ctx, made.ID)
	s, err := b.svc.MemberSubject(in, owner.ID)
	b.ok(err)
	if !b.can(in, s, access.RegistryBypassFirewall, uuid.Nil) || b.can(b.ours, s, access.OrganizationRead, uuid.Nil) {
		t.Error("the founder is not the owner of exactly this one")
	}
	for slug, want := range map[string]errs.Kind{"acme": errs.Conflict, "www": errs.Invalid, "sluice": errs.Invalid, "UP": errs.Invalid, "a--b": errs.Internal, "xn--a": errs.Invalid} {
		if _, _, err := b.svc.SignUp(ctx, orgs, org.Input{Slug: slug}, person("eve"), nil); want == errs.Internal && err != nil || want != errs.Internal && !errs.Is(err, want) {
			t.Errorf("%s: %v", slug, err)
		}
	}
	_, _, err = b.svc.SignUp(ctx, orgs, org.Input{Slug: "hooli"}, access.Person{Issuer: "i", Subject: "s"}, nil)
	b.is(err, errs.Invalid)
	for i := range access.MaxFounded - 1 {
		_, _, err := b.svc.SignUp(ctx, orgs, org.Input{Slug: fmt.Sprintf("more-%d", i)}, person("bob"), nil)
		b.ok(err)
	}
	_, _, err = b.svc.SignUp(ctx, orgs, org.Input{Slug: "one-more"}, person("bob"), nil)
	b.is(err, errs.Conflict)
	// Nothing is left of what failed after the organization was made.
	_, _, err = b.svc.SignUp(ctx, orgs, org.Input{Slug: "broken"}, person("kim"),
		func(context.Context, *db.Tx, access.Person, access.Member) error {
			return errs.New(errs.Unavailable, "test", "no")
		})
	b.is(err, errs.Unavailable)
	_, err = orgs.BySlug(ctx, "broken")
	b.is(err, errs.NotFound)
}

// TestT1_DeletionEndsAllAccessAtOnce and can be taken back, with everybody's
// rights and tokens as they were.
func TestT1_DeletionEndsAllAccessAtOnce(t *testing.T) {
	b := newBench(t)
	orgs := b.orgs()
	one := b.registry(b.ours, "one")
	olga := b.member(b.ours, "olga", on(access.Owner, uuid.Nil))
	admin := b.member(b.ours, "admin", on(access.Admin, uuid.Nil))
	secret, ci := b.service(b.ours, access.TokenInput{Roles: []access.Place{on(access.Reader, one)}})
	invited, _, err := b.svc.Invite(b.ours, invite("bob", access.Admission{}))
	b.ok(err)
	_, theirs := b.service(b.theirs, access.TokenInput{Roles: []access.Place{on(access.Owner, uuid.Nil)}})
	b.is(b.svc.DeleteOrganization(b.as(b.ours, admin), orgs, "acme"), errs.Forbidden)
	b.is(b.svc.DeleteOrganization(b.as(b.ours, personal(b, olga, access.TokenInput{})), orgs, "acme"), errs.Forbidden)
	b.is(b.svc.DeleteOrganization(b.as(b.ours, olga), orgs, "globex"), errs.Invalid)
	b.is(b.svc.DeleteOrganization(b.as(b.theirs, olga), orgs, "globex"), errs.Unauthenticated)
	if !b.reads(b.ours, ci, one) {
		t.Fatal("the token cannot read")
	}
	b.ok(b.svc.DeleteOrganization(b.as(b.ours, olga), orgs, "acme"))
	if b.reads(b.ours, ci, one) || b.can(b.ours, olga, access.OrganizationRead, uuid.Nil) {
		t.Error("subjects that were let in before still may")
	}
	_, err = b.svc.Authenticate(b.ours, secret, "192.0.2.7")
	b.is(err, errs.Unauthenticated)
	_, err = b.svc.MemberSubject(b.ours, olga.MemberID)
	b.is(err, errs.Unauthenticated)
	_, err = b.svc.AcceptInvitation(b.ours, invited, person("bob"), nil)
	b.is(err, errs.NotFound)
	_, err = b.svc.RequestToJoin(b.ours, person("kim"), "")
	b.is(err, errs.Forbidden)
	_, err = b.svc.CreateTeam(b.as(b.ours, olga), access.TeamInput{Name: "late"})
	b.is(err, errs.Unauthenticated)
	if !b.can(b.theirs, theirs, access.OrganizationRead, uuid.Nil) {
		t.Error("globex lost its access")
	}
	// Only who owns it learns that it is there.
	for _, c := range []struct{ slug, name string }{{"acme", "admin"}, {"acme", "eve"}, {"globex", "olga"}, {"initech", "olga"}} {
		b.is(b.svc.RestoreOrganization(context.Background(), orgs, c.slug, person(c.name)), errs.NotFound)
	}
	b.ok(b.svc.RestoreOrganization(context.Background(), orgs, "acme", person("olga")))
	if _, err := b.svc.Authenticate(b.ours, secret, "192.0.2.7"); err != nil || !b.reads(b.ours, ci, one) {
		t.Errorf("after the undoing: %v", err)
	}
}

// TestT1_SuspensionEndsAndComesBackAtOnce, also for a token that was asked about
// meanwhile.
func TestT1_SuspensionEndsAndComesBackAtOnce(t *testing.T) {
	b := newBench(t)
	orgs := b.orgs()
	one := b.registry(b.ours, "one")
	secret, ci := b.service(b.ours, access.TokenInput{Roles: []access.Place{on(access.Reader, one)}})
	_, err := orgs.Suspend(b.ours)
	b.ok(err)
	for range 2 {
		_, err := b.svc.Authenticate(b.ours, secret, "192.0.2.7")
		b.is(err, errs.Unauthenticated)
	}
	if b.reads(b.ours, ci, one) {
		t.Error("a request of before still reads")
	}
	_, err = orgs.Resume(b.ours)
	b.ok(err)
	if _, err := b.svc.Authenticate(b.ours, secret, "192.0.2.7"); err != nil || !b.reads(b.ours, ci, one) {
		t.Errorf("after the reinstatement: %v", err)
	}
	if n := b.events(b.ours, "organization:suspend") + b.events(b.ours, "organization:resume"); n != 2 {
		t.Errorf("%d audit events", n)
	}
	if n := b.events(b.theirs, "organization:suspend"); n != 0 {
		t.Error("globex was suspended")
	}
}

// TestA5_AuditIsReadWithAuditRead by those who have it, as far as they do.
func TestA5_AuditIsReadWithAuditRead(t *testing.T) {
	b := newBench(t)
	one := b.registry(b.ours, "one")
	all, err := b.svc.AuditReach(b.as(b.ours, b.member(b.ours, "auditor", on(access.Auditor, uuid.Nil))))
	b.ok(err)
	some, err := b.svc.AuditReach(b.as(b.ours, b.member(b.ours, "security", on(access.Security, one))))
	b.ok(err)
	if !all.All || some.All || len(some.Registries) != 1 || some.Registries[0] != one {
		t.Errorf("reaches %+v and %+v", all, some)
	}
	_, err = b.svc.AuditReach(b.as(b.ours, b.member(b.ours, "reader", on(access.Reader, one))))
	b.is(err, errs.Forbidden)
	_, err = b.svc.AuditReach(b.as(b.ours, access.Anonymous()))
	b.is(err, errs.Unauthenticated)
	_, err = b.svc.AuditReach(b.as(b.ours, b.member(b.theirs, "eve", on(access.Owner, uuid.Nil))))
	b.is(err, errs.Forbidden)
}
