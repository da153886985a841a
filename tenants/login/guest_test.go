package login_test

import (
	"context"
	"strings"
	"testing"

	"github.com/google/uuid"

	"sluice.dev/sluice/tenants/access"
	"sluice.dev/sluice/tenants/errs"
	"sluice.dev/sluice/tenants/login"
)

// vouched is what a provider says of somebody whose address it verified.
func vouched(p login.Provider, subject, email string, groups ...string) login.Claims {
	yes := true
	return login.Claims{Issuer: p.Issuer, Subject: subject, Email: email, Verified: &yes, Name: "Somebody", Groups: groups, SID: "sid-" + subject}
}

func (b *bench) provider(ctx context.Context) login.Provider {
	b.Helper()
	p, err := b.svc.CreateProvider(ctx, good())
	b.ok(err)
	return p
}

// guest is the secret of a guest.
func (b *bench) guest(ctx context.Context, p login.Provider, c login.Claims) string {
	b.Helper()
	secret, err := b.svc.Receive(ctx, p, c)
	b.ok(err)
	return secret
}

func (b *bench) invite(email string) (secret string, inv access.Invitation) {
	b.Helper()
	secret, inv, err := b.access.Invite(b.ours, access.InvitationInput{Email: email})
	b.ok(err)
	return secret, inv
}

// TestA1_GuestsAcceptInvitations: once, with the address that was invited, in
// the organization that invited, while the provider may let people in.
func TestA1_GuestsAcceptInvitations(t *testing.T) {
	b := newBench(t)
	p, theirs := b.provider(b.ours), b.provider(b.theirs)
	secret, _ := b.invite("new@acme.example")
	from := login.Arrival{IP: "192.0.2.7", Agent: "Firefox"}
	accept := func(ctx context.Context, guest, invitation string) error {
		_, _, err := b.svc.AcceptInvitation(ctx, guest, invitation, from)
		return err
	}
	b.is(accept(b.ours, b.guest(b.ours, p, vouched(p, "x", "other@acme.example")), secret), errs.NotFound)
	unsure := vouched(p, "x", "new@acme.example")
	*unsure.Verified = false
	b.is(accept(b.ours, b.guest(b.ours, p, unsure), secret), errs.Invalid)
	b.is(accept(b.theirs, b.guest(b.theirs, theirs, vouched(theirs, "x", "new@acme.example")), secret), errs.NotFound)
	b.is(accept(b.ours, b.guest(b.theirs, theirs, vouched(theirs, "x", "new@acme.example")), secret), errs.Forbidden)
	b.is(accept(b.ours, strings.Repeat("A", 43), secret), errs.Forbidden)
	late := b.guest(b.ours, p, vouched(p, "n", "new@acme.example"))
	b.now = b.now.Add(login.VisitTime)
	b.is(accept(b.ours, late, secret), errs.Forbidden)
	gone := b.guest(b.ours, p, vouched(p, "n", "new@acme.example"))
	_, err := b.svc.ChangeProvider(b.ours, p.ID, func(in *login.ProviderInput) { in.Enabled = false })
	b.ok(err)
	b.is(accept(b.ours, gone, secret), errs.Forbidden)
	_, err = b.svc.ChangeProvider(b.ours, p.ID, func(in *login.ProviderInput) { in.Enabled = true })
	b.ok(err)
	if _, err := b.access.MemberByEmail(b.ours, "new@acme.example"); !errs.Is(err, errs.NotFound) {
		t.Fatalf("a refusal made a member: %v", err)
	}
	guest := b.guest(b.ours, p, vouched(p, "n", "new@acme.example"))
	session, _, err := b.svc.AcceptInvitation(b.ours, guest, secret, from)
	b.ok(err)
	who, err := b.svc.Subject(b.ours, session)
	b.ok(err)
	if who.Name != "new@acme.example" {
		t.Errorf("the session is %s's", who.Name)
	}
	b.is(accept(b.ours, guest, secret), errs.Forbidden) // the guest has gone
	b.is(accept(b.ours, b.guest(b.ours, p, vouched(p, "n", "new@acme.example")), secret), errs.NotFound)
	ids, err := b.svc.Identities(b.ours, who.MemberID)
	b.ok(err)
	if len(ids) != 1 || ids[0].Subject != "n" {
		t.Errorf("%+v", ids)
	}
}

// TestA1_InvitationsDoNotInherit: an account that is a member by another address
// does not become a second one, and an address that changed hands does not
// become the old member.
func TestA1_InvitationsDoNotInherit(t *testing.T) {
	b := newBench(t)
	p := b.provider(b.ours)
	secret, _ := b.invite("ann@acme.example")
	_, _, err := b.svc.AcceptInvitation(b.ours, b.guest(b.ours, p, vouched(p, "ann", "ann@acme.example")), secret, login.Arrival{})
	b.ok(err)
	second, _ := b.invite("married@acme.example")
	_, _, err = b.svc.AcceptInvitation(b.ours, b.guest(b.ours, p, vouched(p, "ann", "married@acme.example")), second, login.Arrival{})
	b.is(err, errs.Conflict)
	if _, err := b.access.MemberByEmail(b.ours, "married@acme.example"); !errs.Is(err, errs.NotFound) {
		t.Errorf("half of it happened: %v", err)
	}
}

// TestA1_LogoutEndsVisitsAndGuests: whatever a provider vouched for is over when
// it says so, at the platform's host too; what another provider or session
// stands for stays.
func TestA1_LogoutEndsVisitsAndGuests(t *testing.T) {
	b := newBench(t)
	own := b.provider(b.ours)
	platform := login.Provider{Name: login.PlatformName, Issuer: "https://platform.example"}
	elsewhere := b.provider(b.theirs) // of the same issuer as ours
	for name, c := range map[string]struct {
		out     func(login.ProviderLogout) error
		l       login.ProviderLogout
		visit   bool // stays
		guest   bool
		mine    bool
		foreign bool
	}{
		"the platform's, by session": {b.platformOut, login.ProviderLogout{Issuer: platform.Issuer, SID: "sid-a"}, false, false, true, true},
		"the platform's, by subject": {b.platformOut, login.ProviderLogout{Issuer: platform.Issuer, Subject: "a"}, false, false, true, true},
		"somebody else's":            {b.platformOut, login.ProviderLogout{Issuer: platform.Issuer, Subject: "b", SID: "sid-b"}, true, true, true, true},
		"another issuer's":           {b.platformOut, login.ProviderLogout{Issuer: own.Issuer, Subject: "a"}, true, true, true, true},
		"our own provider's": {func(l login.ProviderLogout) error { _, err := b.svc.ProviderLoggedOut(b.ours, own, l); return err },
			login.ProviderLogout{Issuer: own.Issuer, SID: "sid-a"}, true, true, false, true},
	} {
		visit, err := b.svc.Visit(context.Background(), vouched(platform, "a", "a@acme.example"))
		b.ok(err)
		guest, mine, foreign := b.guest(b.ours, platform, vouched(platform, "a", "a@acme.example")), b.guest(b.ours, own, vouched(own, "a", "a@acme.example")),
			b.guest(b.theirs, elsewhere, vouched(elsewhere, "a", "a@acme.example"))
		c.l.TokenID, c.l.IssuedAt = uuid.NewString(), b.now
		b.ok(c.out(c.l))
		_, err = b.svc.Visitor(context.Background(), visit)
		b.lives(name+": the visit", err, c.visit)
		_, err = b.svc.Guest(b.ours, guest)
		b.lives(name+": the platform's guest", err, c.guest)
		_, err = b.svc.Guest(b.ours, mine)
		b.lives(name+": the own provider's guest", err, c.mine)
		_, err = b.svc.Guest(b.theirs, foreign)
		b.lives(name+": the other organization's guest", err, c.foreign)
	}
}

func (b *bench) platformOut(l login.ProviderLogout) error {
	_, err := b.svc.PlatformLoggedOut(context.Background(), l)
	return err
}

func (b *bench) lives(what string, err error, want bool) {
	b.Helper()
	if err != nil && !errs.Is(err, errs.Forbidden) {
		b.Fatal(err)
	}
	if (err == nil) != want {
		b.Errorf("%s is there: %v, want %v", what, err == nil, want)
	}
}

// TestA1_GroupsAreTeams: the teams that groups put a person into follow each
// login; a team that somebody chose stays, and removing the mapping takes the
// rest out at once.
func TestA1_GroupsAreTeams(t *testing.T) {
	b := newBench(t)
	p := b.provider(b.ours)
	m, err := b.access.CreateMember(b.ours, access.MemberInput{Email: "ann@acme.example"})
	b.ok(err)
	team := func(ctx context.Context, name string) uuid.UUID {
		made, err := b.access.CreateTeam(ctx, access.TeamInput{Name: name})
		b.ok(err)
		return made.ID
	}
	a, c, byHand := team(b.ours, "a"), team(b.ours, "c"), team(b.ours, "by hand")
	b.ok(b.access.AddToTeam(b.ours, byHand, m.ID))
	var last login.Mapping
	for group, to := range map[string]uuid.UUID{"ga": a, "gc": c, "gh": byHand} {
		made, err := b.svc.AddMapping(b.ours, login.Mapping{Provider: p.ID, Group: group, Team: to})
		b.ok(err)
		if group == "ga" {
			last = made
		}
	}
	for name, bad := range map[string]struct {
		m login.Mapping
		k errs.Kind
	}{
		"the same again":                {login.Mapping{Provider: p.ID, Group: "ga", Team: a}, errs.Conflict},
		"a role and a team":             {login.Mapping{Provider: p.ID, Group: "g", Team: a, Place: access.Place{Role: access.Reader}}, errs.Invalid},
		"the other organization's team": {login.Mapping{Provider: p.ID, Group: "g", Team: team(b.theirs, "theirs")}, errs.NotFound},
	} {
		if _, err := b.svc.AddMapping(b.ours, bad.m); !errs.Is(err, bad.k) {
			t.Errorf("%s: %v", name, err)
		}
	}
	in := func() (n []uuid.UUID) {
		list, err := b.access.TeamsOf(b.ours, m.ID, access.Page{})
		b.ok(err)
		for _, one := range list {
			n = append(n, one.Team)
		}
		return n
	}
	for _, step := range []struct {
		groups []string
		want   []uuid.UUID
	}{{nil, []uuid.UUID{byHand}}, {[]string{"ga", "gh"}, []uuid.UUID{byHand, a}}, {[]string{"gc"}, []uuid.UUID{byHand, c}}, {[]string{"GA"}, []uuid.UUID{byHand}},
		{[]string{"ga", "gc"}, []uuid.UUID{byHand, a, c}}} {
		_, _, err := b.svc.Enter(b.ours, login.Arrival{Provider: p, Claims: vouched(p, "ann", "ann@acme.example", step.groups...)})
		b.ok(err)
		if got := in(); !sameIDs(got, step.want) {
			t.Errorf("%v: %v, want %v", step.groups, got, step.want)
		}
	}
	b.ok(b.svc.RemoveMapping(b.ours, last.ID))
	if got := in(); !sameIDs(got, []uuid.UUID{byHand, c}) {
		t.Errorf("without the mapping: %v", got)
	}
	b.ok(b.access.DeleteTeam(b.ours, c))
	left, err := b.svc.Mappings(b.ours, p.ID)
	b.ok(err)
	if len(left) != 1 || left[0].Team != byHand {
		t.Errorf("after the team went: %+v", left)
	}
}

func sameIDs(a, b []uuid.UUID) bool {
	if len(a) != len(b) {
		return false
	}
	have := map[uuid.UUID]bool{}
	for _, x := range a {
		have[x] = true
	}
	for _, x := range b {
		if !have[x] {
			return false
		}
	}
	return true
}

// TestT3_SessionsOfMembers: lists and ends need the right, and stay in the
// organization.
func TestT3_SessionsOfMembers(t *testing.T) {
	b := newBench(t)
	p := b.provider(b.ours)
	m, err := b.access.CreateMember(b.ours, access.MemberInput{Email: "ann@acme.example"})
	b.ok(err)
	secret, s, err := b.svc.Enter(b.ours, login.Arrival{Provider: p, Claims: vouched(p, "ann", "ann@acme.example")})
	b.ok(err)
	admin, auditor := b.as(access.Admin), b.as(access.Auditor)
	if list, err := b.svc.BrowseSessions(admin, login.SessionQuery{Member: m.ID, Limit: 10}); err != nil || len(list) != 1 || list[0].ID != s.ID {
		t.Errorf("%+v, %v", list, err)
	}
	_, err = b.svc.BrowseSessions(auditor, login.SessionQuery{Member: m.ID, Limit: 10})
	b.is(err, errs.Forbidden)
	_, err = b.svc.BrowseSessions(b.theirs, login.SessionQuery{Member: m.ID, Limit: 10})
	b.is(err, errs.NotFound)
	_, err = b.svc.EndAll(auditor, m.ID, uuid.Nil)
	b.is(err, errs.Forbidden)
	_, err = b.svc.EndAll(b.theirs, m.ID, uuid.Nil)
	b.is(err, errs.NotFound)
	if n, err := b.svc.EndAll(admin, m.ID, uuid.Nil); err != nil || n != 1 {
		t.Errorf("%d, %v", n, err)
	}
	_, err = b.svc.Subject(b.ours, secret)
	b.is(err, errs.Unauthenticated)
	if list, err := b.svc.BrowseSessions(admin, login.SessionQuery{Member: m.ID, Ended: true, Limit: 10}); err != nil || len(list) != 1 || list[0].EndReason != "ENDED" {
		t.Errorf("%+v, %v", list, err)
	}
}

// TestA1_PublicClients: a provider without a secret is one when it is read again,
// and can be asked.
func TestA1_PublicClients(t *testing.T) {
	b := newBench(t)
	in := good()
	in.ClientSecret = nil
	made, err := b.svc.CreateProvider(b.ours, in)
	b.ok(err)
	read, err := b.svc.ProviderToAsk(b.ours, made.Name)
	b.ok(err)
	if made.HasSecret || read.HasSecret || read.ClientSecret != "" {
		t.Errorf("made with a secret %v, read with one %v", made.HasSecret, read.HasSecret)
	}
}
