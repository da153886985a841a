package access_test

import (
	"bytes"
	"context"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"sluice.dev/sluice/ent/db"
	"sluice.dev/sluice/tenants/access"
	"sluice.dev/sluice/tenants/errs"
)

func TestA2_TokenIsShownOnceAndStoredHashed(t *testing.T) {
	b := newBench(t)
	secret, tok, err := b.svc.CreateToken(b.ours, access.TokenInput{Name: "ci"})
	b.ok(err)
	if !strings.HasPrefix(secret, "sluice_") || len(secret) != 43 || !access.LooksLikeToken(secret) {
		t.Fatalf("secret %q has not the form that scanners look for", secret)
	}
	if !strings.HasSuffix(secret, tok.Hint) || len(tok.Hint) != 4 {
		t.Errorf("hint %q does not end %q", tok.Hint, secret)
	}
	list, err := b.svc.Tokens(b.ours, access.Page{})
	b.ok(err)
	shown, err := json.Marshal(list)
	b.ok(err)
	if len(list) != 1 || bytes.Contains(shown, []byte(secret[7:37])) {
		t.Errorf("the list shows the secret: %s", shown)
	}
	b.ok(b.db.InSnapshot(b.ours, func(ctx context.Context, tx *db.Tx) error {
		var found int
		err := tx.QueryRow(ctx, `SELECT (SELECT count(*) FROM tokens t WHERE t::text LIKE $1) + (SELECT count(*) FROM audit_events a WHERE a::text LIKE $1)`,
			"%"+secret[7:37]+"%").Scan(&found)
		if found != 0 {
			t.Errorf("the secret is stored in %d rows", found)
		}
		return err
	}))
	if n := b.events(b.ours, "token:create"); n != 1 {
		t.Errorf("%d audit events, want 1", n)
	}
}

func TestA2_MistypedTokenNeedsNoDatabase(t *testing.T) {
	b := newBench(t)
	secret, _ := b.service(b.ours, access.TokenInput{})
	swapped := []byte(secret)
	swapped[10], swapped[11] = swapped[11]+1, swapped[10]
	b.db.Close() // whoever asks it now gets another kind of error
	for _, s := range []string{"", "sluice_", secret[:42], secret + "0", string(swapped), "npm_" + secret[7:], strings.ToUpper(secret)} {
		_, err := b.svc.Authenticate(b.ours, s, "192.0.2.7")
		b.is(err, errs.Unauthenticated)
	}
}

func TestT3_TokenOfAnotherOrganizationIsLikeAnInventedOne(t *testing.T) {
	b := newBench(t)
	secret, subject := b.service(b.ours, access.TokenInput{Roles: []access.Place{{Role: access.Owner}}, Write: true})
	other, _ := b.service(b.ours, access.TokenInput{Name: "gone"})
	list, err := b.svc.Tokens(b.ours, access.Page{})
	b.ok(err)
	b.ok(b.svc.RevokeToken(b.ours, list[1].ID))
	_, foreign := b.svc.Authenticate(b.theirs, secret, "192.0.2.7")
	_, revoked := b.svc.Authenticate(b.ours, other, "192.0.2.7")
	_, invented := b.svc.Authenticate(b.theirs, other, "192.0.2.7")
	for _, err := range []error{foreign, revoked, invented} {
		b.is(err, errs.Unauthenticated)
		if errs.Public(err) != errs.Public(foreign) {
			t.Errorf("answers differ: %q and %q", errs.Public(err), errs.Public(foreign))
		}
	}
	// Even a subject that was let in at home is nobody next door.
	reg := b.registry(b.theirs, "team-a")
	if b.can(b.theirs, subject, access.RegistryRead, reg) || b.reads(b.theirs, subject, reg) || b.can(b.theirs, subject, access.MemberRead, uuid.Nil) {
		t.Error("a subject of acme may do something in globex")
	}
	b.is(b.svc.RevokeToken(b.theirs, subject.TokenID), errs.NotFound)
	if _, err := b.svc.Authenticate(b.ours, secret, "192.0.2.7"); err != nil {
		t.Errorf("the token died of what globex tried: %v", err)
	}
}

func TestA2_RevokedTokenDiesAtOnce(t *testing.T) {
	b := newBench(t)
	reg := b.registry(b.ours, "team-a")
	secret, s := b.service(b.ours, access.TokenInput{Roles: []access.Place{{Role: access.Reader, Registry: reg}}})
	if !b.reads(b.ours, s, reg) {
		t.Fatal("the token cannot read")
	}
	b.ok(b.svc.RevokeToken(b.ours, s.TokenID))
	_, err := b.svc.Authenticate(b.ours, secret, "192.0.2.7")
	b.is(err, errs.Unauthenticated)
	if b.reads(b.ours, s, reg) || b.can(b.ours, s, access.RegistryRead, reg) {
		t.Error("a request that holds the subject still reads")
	}
	b.ok(b.svc.RevokeToken(b.ours, s.TokenID))
	if n := b.events(b.ours, "token:revoke"); n != 1 {
		t.Errorf("%d audit events for one revocation, want 1", n)
	}
}

func TestA2_TokenExpiresByTheClock(t *testing.T) {
	b := newBench(t)
	reg := b.registry(b.ours, "team-a")
	secret, s := b.service(b.ours, access.TokenInput{Roles: []access.Place{{Role: access.Reader, Registry: reg}}, ExpiresAt: b.clock.now().Add(time.Hour)})
	b.clock.add(time.Hour - time.Nanosecond)
	if _, err := b.svc.Authenticate(b.ours, secret, "192.0.2.7"); err != nil || !b.reads(b.ours, s, reg) {
		t.Fatalf("expired too early: %v", err)
	}
	b.clock.add(time.Nanosecond)
	_, err := b.svc.Authenticate(b.ours, secret, "192.0.2.7")
	b.is(err, errs.Unauthenticated)
	if b.reads(b.ours, s, reg) || b.can(b.ours, s, access.RegistryRead, reg) {
		t.Error("a request that holds the subject still reads")
	}
}

func TestA2_PersonalTokenFollowsItsOwner(t *testing.T) {
	b := newBench(t)
	one, two := b.registry(b.ours, "one"), b.registry(b.ours, "two")
	ana := b.member(b.ours, "ana", access.Place{Role: access.Ordinary}, access.Place{Role: access.Publisher, Registry: one}, access.Place{Role: access.Reader, Registry: two})
	secret, _, err := b.svc.CreateToken(b.as(b.ours, ana), access.TokenInput{Name: "laptop", MemberID: ana.MemberID, Write: true, Registries: []uuid.UUID{one}})
	b.ok(err)
	s, err := b.svc.Authenticate(b.ours, secret, "192.0.2.7")
	b.ok(err)
	if s.Kind != access.KindMember || s.Name != "ana@acme.example" || s.Actor("").ID != ana.MemberID || s.Actor("").TokenID != s.TokenID {
		t.Errorf("subject is %+v", s)
	}
	check := func(when string, publishOne, readTwo bool) {
		t.Helper()
		if got := b.can(b.ours, s, access.VersionPublish, one); got != publishOne {
			t.Errorf("%s: publish in one: %v, want %v", when, got, publishOne)
		}
		if got := b.reads(b.ours, s, two); got != readTwo {
			t.Errorf("%s: read two: %v, want %v", when, got, readTwo)
		}
	}
	check("at first", true, false)
	b.ok(b.svc.Revoke(b.ours, access.MemberPrincipal(ana.MemberID), access.Publisher, one))
	check("after the owner lost the role", false, false)
	if b.reads(b.ours, s, one) {
		t.Error("still reads one")
	}
	b.ok(b.svc.Grant(b.ours, access.MemberPrincipal(ana.MemberID), access.Publisher, uuid.Nil))
	check("after the owner got it everywhere", true, false)
}

func TestA2_DeactivatedMemberTakesTokensAlong(t *testing.T) {
	b := newBench(t)
	reg := b.registry(b.ours, "team-a")
	b.member(b.ours, "olga", access.Place{Role: access.Owner})
	ana := b.member(b.ours, "ana", access.Place{Role: access.Ordinary}, access.Place{Role: access.Reader, Registry: reg})
	secret, _, err := b.svc.CreateToken(b.as(b.ours, ana), access.TokenInput{Name: "laptop", MemberID: ana.MemberID})
	b.ok(err)
	s, err := b.svc.Authenticate(b.ours, secret, "192.0.2.7")
	b.ok(err)
	b.ok(b.svc.DeactivateMember(b.ours, ana.MemberID))
	_, err = b.svc.Authenticate(b.ours, secret, "192.0.2.7")
	b.is(err, errs.Unauthenticated)
	_, err = b.svc.MemberSubject(b.ours, ana.MemberID)
	b.is(err, errs.Unauthenticated)
	if b.reads(b.ours, s, reg) || b.reads(b.ours, ana, reg) || b.can(b.ours, ana, access.MemberRead, uuid.Nil) {
		t.Error("the member or token still reads")
	}
	b.ok(b.svc.ReactivateMember(b.ours, ana.MemberID))
	if !b.reads(b.ours, ana, reg) {
		t.Error("the member's grants did not come back")
	}
	_, err = b.svc.Authenticate(b.ours, secret, "192.0.2.7")
	b.is(err, errs.Unauthenticated) // tokens end for good
}

// TestA2_TokenOfADeactivatedMemberIsDeadEvenIfNobodyRevokedIt writes what the
// service never leaves behind.
func TestA2_TokenOfADeactivatedMemberIsDeadEvenIfNobodyRevokedIt(t *testing.T) {
	b := newBench(t)
	ana := b.member(b.ours, "ana", access.Place{Role: access.Ordinary})
	secret, _, err := b.svc.CreateToken(b.as(b.ours, ana), access.TokenInput{Name: "laptop", MemberID: ana.MemberID})
	b.ok(err)
	b.ok(b.db.InTx(b.ours, func(ctx context.Context, tx *db.Tx) error {
		return tx.Ent.Member.UpdateOneID(ana.MemberID).SetDeactivatedAt(b.clock.now()).Exec(ctx)
	}))
	_, err = b.svc.Authenticate(b.ours, secret, "192.0.2.7")
	b.is(err, errs.Unauthenticated)
}

func TestA2_ReadOnlyTokenOnlyReads(t *testing.T) {
	b := newBench(t)
	reg := b.registry(b.ours, "team-a")
	_, s := b.service(b.ours, access.TokenInput{Roles: []access.Place{{Role: access.Owner}}})
	for _, d := range access.Actions() {
		want := strings.HasSuffix(string(d.Action), ":read")
		if got := b.can(b.ours, s, d.Action, reg); got != want {
			t.Errorf("%s: %v, want %v", d.Action, got, want)
		}
	}
	err := b.svc.Require(b.ours, s, access.VersionPublish, reg)
	b.is(err, errs.Forbidden)
	if msg := errs.Public(err); !strings.Contains(msg, "version:publish") || !strings.Contains(msg, "read-only") {
		t.Errorf("message %q names neither the action nor the reason", msg)
	}
}

func TestA4_TokensAreBoundedByWhoMakesThem(t *testing.T) {
	b := newBench(t)
	one, two := b.registry(b.ours, "one"), b.registry(b.ours, "two")
	b.ok(b.svc.CreateRole(b.ours, access.RoleInput{Name: "token-clerk", Actions: []access.Action{access.TokenManage, access.TokenCreate, access.GrantManage}}))
	clerk := b.member(b.ours, "clerk", access.Place{Role: "token-clerk"}, access.Place{Role: access.Reader, Registry: one})
	ana := b.member(b.ours, "ana", access.Place{Role: access.Ordinary})
	for name, c := range map[string]struct {
		by   access.Subject
		in   access.TokenInput
		kind errs.Kind
	}{
		"role that the maker lacks":      {clerk, access.TokenInput{Roles: []access.Place{{Role: access.Publisher, Registry: one}}}, errs.Forbidden},
		"registry that the maker's not":  {clerk, access.TokenInput{Roles: []access.Place{{Role: access.Reader, Registry: two}}}, errs.Forbidden},
		"role on the organization":       {clerk, access.TokenInput{Roles: []access.Place{{Role: access.Reader}}}, errs.Forbidden},
		"scope that the maker can't see": {clerk, access.TokenInput{Registries: []uuid.UUID{two}}, errs.NotFound},
		"somebody else's personal token": {clerk, access.TokenInput{MemberID: ana.MemberID}, errs.Forbidden},
		"service token without right":    {ana, access.TokenInput{}, errs.Forbidden},
		"nobody":                         {access.Anonymous(), access.TokenInput{}, errs.Unauthenticated},
		"roles on a personal token":      {ana, access.TokenInput{MemberID: ana.MemberID, Roles: []access.Place{{Role: access.Reader, Registry: one}}}, errs.Invalid},
		"expired already":                {clerk, access.TokenInput{ExpiresAt: b.clock.now()}, errs.Invalid},
	} {
		c.in.Name = "x"
		_, _, err := b.svc.CreateToken(b.as(b.ours, c.by), c.in)
		if !errs.Is(err, c.kind) {
			t.Errorf("%s: %v, want %v", name, err, c.kind)
		}
	}
	if list, err := b.svc.Tokens(b.ours, access.Page{}); err != nil || len(list) != 0 {
		t.Errorf("refusals left %d tokens behind (%v)", len(list), err)
	}
	_, _, err := b.svc.CreateToken(b.as(b.ours, clerk), access.TokenInput{Name: "ok", Roles: []access.Place{{Role: access.Reader, Registry: one}}})
	b.ok(err)
}

func TestA4_TokenMadeWithATokenIsNoWider(t *testing.T) {
	b := newBench(t)
	reg := b.registry(b.ours, "team-a")
	ana := b.member(b.ours, "ana", access.Place{Role: access.Ordinary}, access.Place{Role: access.Publisher, Registry: reg})
	make := func(by access.Subject, in access.TokenInput) (access.Subject, error) {
		in.Name, in.MemberID = "t", ana.MemberID
		secret, _, err := b.svc.CreateToken(b.as(b.ours, by), in)
		if err != nil {
			return access.Subject{}, err
		}
		return b.svc.Authenticate(b.ours, secret, "192.0.2.7")
	}
	readonly, err := make(ana, access.TokenInput{})
	b.ok(err)
	scoped, err := make(ana, access.TokenInput{Write: true, Registries: []uuid.UUID{reg}})
	b.ok(err)
	short, err := make(ana, access.TokenInput{Write: true, ExpiresAt: b.clock.now().Add(time.Hour)})
	b.ok(err)
	_, err = make(readonly, access.TokenInput{})
	b.is(err, errs.Forbidden)
	_, err = make(scoped, access.TokenInput{Write: true})
	b.is(err, errs.Forbidden)
	_, err = make(short, access.TokenInput{Write: true})
	b.is(err, errs.Forbidden)
	_, err = make(short, access.TokenInput{Write: true, ExpiresAt: b.clock.now().Add(2 * time.Hour)})
	b.is(err, errs.Forbidden)
	_, err = make(short, access.TokenInput{Write: true, ExpiresAt: b.clock.now().Add(time.Hour)})
	b.ok(err)
}

func TestA2_OneSeesAndRevokesOnlyOnesOwnTokens(t *testing.T) {
	b := newBench(t)
	ana := b.member(b.ours, "ana", access.Place{Role: access.Ordinary})
	bob := b.member(b.ours, "bob", access.Place{Role: access.Ordinary})
	_, anas, err := b.svc.CreateToken(b.as(b.ours, ana), access.TokenInput{Name: "a", MemberID: ana.MemberID})
	b.ok(err)
	b.is(b.svc.RevokeToken(b.as(b.ours, bob), anas.ID), errs.NotFound)
	for _, who := range []struct {
		s access.Subject
		n int
	}{{ana, 1}, {bob, 0}} {
		list, err := b.svc.Tokens(b.as(b.ours, who.s), access.Page{})
		b.ok(err)
		if len(list) != who.n {
			t.Errorf("%s sees %d tokens, want %d", who.s.Name, len(list), who.n)
		}
	}
	b.ok(b.svc.RevokeToken(b.as(b.ours, ana), anas.ID))
	if list, err := b.svc.Tokens(b.theirs, access.Page{}); err != nil || len(list) != 0 {
		t.Errorf("globex sees %d tokens (%v)", len(list), err)
	}
}

func TestA2_LastUseIsBatched(t *testing.T) {
	b := newBench(t)
	secret, s := b.service(b.ours, access.TokenInput{})
	last := func() *time.Time {
		list, err := b.svc.Tokens(b.ours, access.Page{})
		b.ok(err)
		return list[0].LastUsedAt
	}
	if last() != nil {
		t.Fatal("written before Flush")
	}
	b.clock.add(time.Minute)
	_, err := b.svc.Authenticate(b.ours, secret, "192.0.2.7")
	b.ok(err)
	b.ok(b.svc.Flush(context.Background()))
	if at := last(); at == nil || !at.Equal(b.clock.now()) {
		t.Fatalf("last use is %v, want %v", at, b.clock.now())
	}
	// A failed write is not forgotten.
	b.clock.add(time.Minute)
	_, err = b.svc.Authenticate(b.ours, secret, "192.0.2.7")
	b.ok(err)
	dead, cancel := context.WithCancel(context.Background())
	cancel()
	if b.svc.Flush(dead) == nil {
		t.Fatal("Flush says that it wrote with a dead context")
	}
	b.ok(b.svc.Flush(context.Background()))
	if at := last(); !at.Equal(b.clock.now()) {
		t.Errorf("last use is %v, want %v", at, b.clock.now())
	}
	if s.TokenID == uuid.Nil {
		t.Error("no token in the subject")
	}
}
