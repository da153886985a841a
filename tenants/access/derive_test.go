package access_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"sluice.dev/sluice/tenants/access"
	"sluice.dev/sluice/tenants/errs"
)

// derive makes a token as the subject and authenticates it.
func (b *bench) derive(who access.Subject, in access.TokenInput) (string, access.Subject) {
	b.Helper()
	if in.Name == "" {
		in.Name = "child"
	}
	secret, _, err := b.svc.DeriveToken(b.as(b.ours, who), in)
	b.ok(err)
	s, err := b.svc.Authenticate(b.ours, secret, "192.0.2.7")
	b.ok(err)
	return secret, s
}

// TestA4_DerivedTokensAreNeverWider: a token that is made from one has at most
// what that one has, in every direction.
func TestA4_DerivedTokensAreNeverWider(t *testing.T) {
	b := newBench(t)
	reg, other := b.registry(b.ours, "team"), b.registry(b.ours, "other")
	foreign := b.registry(b.theirs, "team")
	end := b.clock.now().Add(time.Hour)
	_, parent := b.service(b.ours, access.TokenInput{Write: true, Registries: []uuid.UUID{reg}, Packages: []string{"@acme/*", "widgets"},
		Networks: []string{"192.0.2.0/24"}, ExpiresAt: end, Roles: []access.Place{{Role: access.Publisher}}})
	_, reads := b.service(b.ours, access.TokenInput{Roles: []access.Place{{Role: access.Publisher}}})

	for name, c := range map[string]struct {
		by   access.Subject
		in   access.TokenInput
		kind errs.Kind
	}{
		"writes":             {reads, access.TokenInput{Write: true}, errs.Forbidden},
		"later":              {parent, access.TokenInput{ExpiresAt: end.Add(time.Second)}, errs.Forbidden},
		"another registry":   {parent, access.TokenInput{Registries: []uuid.UUID{other}}, errs.NotFound},
		"one more registry":  {parent, access.TokenInput{Registries: []uuid.UUID{reg, other}}, errs.NotFound},
		"a foreign registry": {reads, access.TokenInput{Registries: []uuid.UUID{foreign}}, errs.NotFound},
		"an invented one":    {reads, access.TokenInput{Registries: []uuid.UUID{uuid.New()}}, errs.NotFound},
		"another package":    {parent, access.TokenInput{Packages: []string{"lodash"}}, errs.Forbidden},
		"a wider pattern":    {parent, access.TokenInput{Packages: []string{"*"}}, errs.Forbidden},
		"another pattern":    {parent, access.TokenInput{Packages: []string{"@acme/a*"}}, errs.Forbidden},
		"another network":    {parent, access.TokenInput{Networks: []string{"198.51.100.0/24"}}, errs.Forbidden},
		"a wider network":    {parent, access.TokenInput{Networks: []string{"192.0.0.0/16"}}, errs.Forbidden},
		"nobody":             {access.Anonymous(), access.TokenInput{}, errs.Unauthenticated},
		"the system":         {access.System("x"), access.TokenInput{}, errs.Unauthenticated},
	} {
		c.in.Name = "child"
		if _, _, err := b.svc.DeriveToken(b.as(b.ours, c.by), c.in); !errs.Is(err, c.kind) {
			t.Errorf("%s: %v, want %v", name, err, c.kind)
		}
	}

	secret, child := b.derive(parent, access.TokenInput{Write: true, Packages: []string{"@acme/a"}, Networks: []string{"192.0.2.7"}})
	if child.Kind != access.KindToken || !slices.Equal(child.Registries, []uuid.UUID{reg}) || !child.Expires.Equal(end) || !slices.Equal(child.Packages, []string{"@acme/a"}) {
		t.Errorf("the child is %+v", child)
	}
	b.ok(b.svc.Write(b.as(b.ours, child), access.VersionPublish, reg, pkg("@acme/a")))
	b.is(b.svc.Write(b.as(b.ours, child), access.VersionPublish, reg, pkg("widgets")), errs.Forbidden)
	_, err := b.svc.Authenticate(b.ours, secret, "192.0.2.8")
	b.is(err, errs.Unauthenticated)
	_, err = b.svc.Authenticate(b.theirs, secret, "192.0.2.7")
	b.is(err, errs.Unauthenticated)
	if _, all := b.derive(parent, access.TokenInput{Write: true}); !slices.Equal(all.Packages, parent.Packages) || len(all.Networks) != 1 {
		t.Errorf("what was left out is %v %v", all.Packages, all.Networks)
	}
}

// TestA2_DerivedTokensFollowTheirParent: its rights, its end, its revocation.
func TestA2_DerivedTokensFollowTheirParent(t *testing.T) {
	b := newBench(t)
	reg := b.registry(b.ours, "team")
	_, parent := b.service(b.ours, access.TokenInput{Write: true})
	b.ok(b.svc.Grant(b.ours, access.TokenPrincipal(parent.TokenID), access.Publisher, reg))
	_, child := b.derive(parent, access.TokenInput{Write: true})
	secret, grand := b.derive(child, access.TokenInput{})
	if !b.can(b.ours, child, access.VersionPublish, reg) || b.can(b.ours, grand, access.VersionPublish, reg) || !b.reads(b.ours, grand, reg) {
		t.Error("a derived token has not its parent's rights within its own scope")
	}
	if n := b.events(b.ours, "token:create"); n != 3 {
		t.Errorf("%d tokens were made in the audit, want 3", n)
	}
	b.ok(b.svc.Revoke(b.ours, access.TokenPrincipal(parent.TokenID), access.Publisher, reg))
	if b.reads(b.ours, grand, reg) {
		t.Error("a right that the parent lost is still there")
	}
	b.ok(b.svc.RevokeToken(b.ours, child.TokenID))
	_, err := b.svc.Authenticate(b.ours, secret, "192.0.2.7")
	b.is(err, errs.Unauthenticated)
	if n := b.events(b.ours, "token:revoke"); n != 2 {
		t.Errorf("%d tokens were revoked in the audit, want 2", n)
	}
	if own, err := b.svc.OwnTokens(b.as(b.ours, parent), access.Page{}); err != nil || len(own) != 1 || own[0].ID != parent.TokenID {
		t.Errorf("the service's own tokens are %v, %v", own, err)
	}
	b.ok(b.svc.RevokeToken(b.ours, child.TokenID)) // again: nothing
	if n := b.events(b.ours, "token:revoke"); n != 2 {
		t.Errorf("revoking again wrote %d events", n)
	}
}

// TestA2_DerivedPersonalTokens: they are the member's, and end with the member.
func TestA2_DerivedPersonalTokens(t *testing.T) {
	b := newBench(t)
	reg := b.registry(b.ours, "team")
	ana := b.member(b.ours, "ana", access.Place{Role: access.Ordinary}, access.Place{Role: access.Publisher, Registry: reg})
	secret, _, err := b.svc.CreateToken(b.as(b.ours, ana), access.TokenInput{Name: "all", MemberID: ana.MemberID, Write: true, Registries: []uuid.UUID{reg}})
	b.ok(err)
	laptop, err := b.svc.Authenticate(b.ours, secret, "")
	b.ok(err)
	// Limited to a registry it lacks token:create, and still makes a child.
	_, child := b.derive(laptop, access.TokenInput{Write: true})
	if child.Kind != access.KindMember || child.MemberID != ana.MemberID || !b.can(b.ours, child, access.VersionPublish, reg) {
		t.Errorf("the child is %+v", child)
	}
	own, err := b.svc.OwnTokens(b.as(b.ours, child), access.Page{Limit: 1})
	b.ok(err)
	more, err := b.svc.OwnTokens(b.as(b.ours, child), access.Page{After: own[0].ID})
	b.ok(err)
	if len(own) != 1 || len(more) != 1 || more[0].Parent != own[0].ID {
		t.Errorf("own tokens: %+v then %+v", own, more)
	}
	// A member who is logged in makes a token that lives by itself.
	_, session := b.derive(ana, access.TokenInput{Write: true})
	_, made, err := b.svc.DeriveToken(b.as(b.ours, session), access.TokenInput{Name: "again"})
	b.ok(err)
	if made.Parent != session.TokenID || made.MemberID != ana.MemberID {
		t.Errorf("made = %+v", made)
	}
	b.ok(b.svc.DeactivateMember(b.ours, ana.MemberID))
	if b.reads(b.ours, child, reg) {
		t.Error("the child outlives the membership")
	}
}

// TestA2_OwnTokensOnly: what is one's own can be ended; a token that leaks and
// only reads ends nothing but itself.
func TestA2_OwnTokensOnly(t *testing.T) {
	b := newBench(t)
	ana := b.member(b.ours, "ana", access.Place{Role: access.Ordinary})
	eve := b.member(b.ours, "eve", access.Place{Role: access.Ordinary})
	mine := func(who access.Subject, write bool) (string, access.Subject) {
		secret, _, err := b.svc.CreateToken(b.as(b.ours, who), access.TokenInput{Name: "x", MemberID: who.MemberID, Write: write})
		b.ok(err)
		s, err := b.svc.Authenticate(b.ours, secret, "")
		b.ok(err)
		return secret, s
	}
	first, one := mine(ana, true)
	leaked, reads := mine(ana, false)
	_, evil := mine(eve, true)
	for name, who := range map[string]access.Subject{"another member": evil, "a token that reads": reads, "nobody": access.Anonymous()} {
		want := errs.NotFound
		if who.IsAnonymous() {
			want = errs.Unauthenticated
		}
		if err := b.svc.RevokeToken(b.as(b.ours, who), one.TokenID); !errs.Is(err, want) {
			t.Errorf("%s by id: %v", name, err)
		}
		if err := b.svc.RevokeSecret(b.as(b.ours, who), first); !errs.Is(err, want) {
			t.Errorf("%s by secret: %v", name, err)
		}
	}
	b.is(b.svc.RevokeToken(b.as(b.theirs, one), one.TokenID), errs.Unauthenticated)
	b.is(b.svc.RevokeSecret(b.as(b.ours, one), "sluice_nonsense"), errs.Unauthenticated)
	b.ok(b.svc.RevokeSecret(b.as(b.ours, reads), leaked)) // itself
	_, err := b.svc.Authenticate(b.ours, leaked, "")
	b.is(err, errs.Unauthenticated)
	b.ok(b.svc.RevokeSecret(b.as(b.ours, one), first))
	_, err = b.svc.OwnTokens(b.as(b.ours, one), access.Page{})
	b.is(err, errs.Unauthenticated)
}

// TestF3_GenerationsAreBounded.
func TestF3_GenerationsAreBounded(t *testing.T) {
	b := newBench(t)
	_, who := b.service(b.ours, access.TokenInput{Write: true})
	for range 4 {
		_, who = b.derive(who, access.TokenInput{Write: true})
	}
	_, _, err := b.svc.DeriveToken(b.as(b.ours, who), access.TokenInput{Name: "one too many"})
	if !errs.Is(err, errs.Forbidden) || !strings.Contains(errs.Public(err), "make the new one from an earlier token") {
		t.Errorf("the sixth generation: %v", err)
	}
}

// TestRedact: secrets leave no trace in logs.
func TestRedact(t *testing.T) {
	secret := "sluice_" + strings.Repeat("aB3", 12)
	for in, want := range map[string]string{
		"/-/user/token/" + secret: "/-/user/token/sluice_***", secret + "?x=" + secret + ".": "sluice_***?x=sluice_***.", "/plain": "/plain", "": "",
	} {
		if got := access.Redact(in); got != want {
			t.Errorf("Redact(%q) = %q, want %q", in, got, want)
		}
	}
}
