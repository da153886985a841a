package access_test

import (
	"strings"
	"testing"

	"github.com/google/uuid"

	"sluice.dev/sluice/tenants/access"
	"sluice.dev/sluice/tenants/errs"
)

func TestA3_TeamsAreMadeRenamedAndDeleted(t *testing.T) {
	b := newBench(t)
	one := b.registry(b.ours, "one")
	for _, in := range []access.TeamInput{{}, {Name: "a\x00b"}, {Name: strings.Repeat("x", 101)}, {Name: "x", Description: strings.Repeat("x", 501)}} {
		_, err := b.svc.CreateTeam(b.ours, in)
		b.is(err, errs.Invalid)
	}
	made, err := b.svc.CreateTeam(b.ours, access.TeamInput{Name: " Platform ", Description: "builds"})
	b.ok(err)
	if made.Name != "Platform" || !made.CreatedAt.Equal(b.clock.now()) {
		t.Errorf("made %+v", made)
	}
	_, err = b.svc.CreateTeam(b.ours, access.TeamInput{Name: "Platform"})
	b.is(err, errs.Conflict)
	_, err = b.svc.CreateTeam(b.theirs, access.TeamInput{Name: "Platform"})
	b.ok(err)
	other := b.team("other")
	b.is(b.svc.UpdateTeam(b.ours, other, access.TeamInput{Name: "Platform"}), errs.Conflict)
	for range 2 { // the second changes nothing
		b.ok(b.svc.UpdateTeam(b.ours, made.ID, access.TeamInput{Name: "Core"}))
	}
	if n := b.events(b.ours, "team:update"); n != 1 {
		t.Errorf("%d audit events of one change", n)
	}
	list, err := b.svc.Teams(b.ours, access.Page{Limit: 1})
	b.ok(err)
	if len(list) != 1 || list[0].Name != "Core" || list[0].Description != "" {
		t.Fatalf("first page %+v", list)
	}
	list, err = b.svc.Teams(b.ours, access.Page{After: made.ID})
	b.ok(err)
	if len(list) != 1 || list[0].ID != other {
		t.Fatalf("second page %+v", list)
	}
	ana := b.member(b.ours, "ana")
	b.ok(b.svc.Grant(b.ours, access.TeamPrincipal(made.ID), access.Reader, one))
	b.ok(b.svc.AddToTeam(b.ours, made.ID, ana.MemberID))
	if !b.reads(b.ours, ana, one) {
		t.Error("the team gives nothing")
	}
	// From next door it is not there (T3).
	b.is(b.svc.UpdateTeam(b.theirs, made.ID, access.TeamInput{Name: "Ours"}), errs.NotFound)
	b.is(b.svc.DeleteTeam(b.theirs, made.ID), errs.NotFound)
	b.is(b.svc.AddToTeam(b.theirs, made.ID, ana.MemberID), errs.NotFound)
	b.is(b.svc.Grant(b.theirs, access.TeamPrincipal(made.ID), access.Reader, uuid.Nil), errs.NotFound)
	b.is(b.svc.RequireTeam(b.theirs, made.ID), errs.NotFound)
	b.ok(b.svc.DeleteTeam(b.ours, made.ID))
	if b.reads(b.ours, ana, one) {
		t.Error("a deleted team still gives its roles")
	}
	if grants, err := b.svc.Grants(b.ours); err != nil || len(grants) != 0 {
		t.Errorf("grants of a deleted team: %+v, %v", grants, err)
	}
	b.is(b.svc.DeleteTeam(b.ours, made.ID), errs.NotFound)
}

func TestA3_TeamMembersComeAndGo(t *testing.T) {
	b := newBench(t)
	one := b.registry(b.ours, "one")
	team := b.team("platform", on(access.Publisher, one))
	ana, bob := b.member(b.ours, "ana"), b.member(b.ours, "bob")
	foreign := b.member(b.theirs, "eve")
	for range 2 {
		b.ok(b.svc.AddToTeam(b.ours, team, ana.MemberID))
	}
	b.is(b.svc.AddToTeam(b.ours, team, foreign.MemberID), errs.NotFound)
	b.is(b.svc.AddToTeam(b.ours, uuid.New(), ana.MemberID), errs.NotFound)
	b.is(b.svc.RemoveFromTeam(b.ours, team, bob.MemberID), errs.NotFound)
	b.ok(b.svc.AddToTeam(b.ours, team, bob.MemberID))
	if n := b.events(b.ours, "team:add"); n != 2 {
		t.Errorf("%d audit events for two who came", n)
	}
	list, err := b.svc.TeamMembers(b.ours, team, access.Page{})
	b.ok(err)
	if len(list) != 2 || list[0].Member != ana.MemberID || list[0].FromGroup {
		t.Errorf("members %+v", list)
	}
	// One's own teams need no right, others' do.
	if mine, err := b.svc.TeamsOf(b.as(b.ours, ana), ana.MemberID, access.Page{}); err != nil || len(mine) != 1 || mine[0].Team != team {
		t.Errorf("own teams %+v, %v", mine, err)
	}
	_, err = b.svc.TeamsOf(b.as(b.ours, ana), bob.MemberID, access.Page{})
	b.is(err, errs.Forbidden)
	if list, err := b.svc.TeamMembers(b.theirs, team, access.Page{}); err != nil || len(list) != 0 {
		t.Errorf("globex sees %d members of the team, %v", len(list), err)
	}
	b.ok(b.svc.RemoveFromTeam(b.ours, team, ana.MemberID))
	if b.reads(b.ours, ana, one) || !b.reads(b.ours, bob, one) {
		t.Error("the wrong one lost the role")
	}
}

// TestA1_GroupsOfTheProviderKeepTheirOwnMembershipsOnly: what a person chose
// stays, whatever the groups say.
func TestA1_GroupsOfTheProviderKeepTheirOwnMembershipsOnly(t *testing.T) {
	b := newBench(t)
	first, second, third, theirs := b.team("first"), b.team("second"), b.team("third"), uuid.New()
	ana := b.member(b.ours, "ana")
	in := func(want map[uuid.UUID]bool) { // team → by a group
		t.Helper()
		list, err := b.svc.TeamsOf(b.ours, ana.MemberID, access.Page{})
		b.ok(err)
		got := map[uuid.UUID]bool{}
		for _, m := range list {
			got[m.Team] = m.FromGroup
		}
		if len(got) != len(want) {
			t.Fatalf("teams %v, want %v", got, want)
		}
		for id, by := range want {
			if is, there := got[id]; !there || is != by {
				t.Fatalf("teams %v, want %v", got, want)
			}
		}
	}
	b.ok(b.svc.AddToTeam(b.ours, first, ana.MemberID))
	b.ok(b.svc.SetGroupTeams(b.ours, ana.MemberID, []uuid.UUID{first, second, theirs}))
	in(map[uuid.UUID]bool{first: false, second: true})
	before := b.events(b.ours, "team:add")
	b.ok(b.svc.SetGroupTeams(b.ours, ana.MemberID, []uuid.UUID{second, first}))
	if n := b.events(b.ours, "team:add") - before; n != 0 {
		t.Errorf("the same groups wrote %d events", n)
	}
	b.ok(b.svc.SetGroupTeams(b.ours, ana.MemberID, []uuid.UUID{third}))
	in(map[uuid.UUID]bool{first: false, third: true})
	// A person's decision stays from then on.
	b.ok(b.svc.AddToTeam(b.ours, third, ana.MemberID))
	b.ok(b.svc.SetGroupTeams(b.ours, ana.MemberID, nil))
	in(map[uuid.UUID]bool{first: false, third: false})
	owner := b.member(b.ours, "owner", on(access.Owner, uuid.Nil))
	b.is(b.svc.SetGroupTeams(b.as(b.ours, owner), ana.MemberID, nil), errs.Forbidden)
	b.is(b.svc.SetGroupTeams(b.theirs, ana.MemberID, nil), errs.NotFound)
}

// TestA4_MappingATeamNeedsWhatFillingItNeeds is for who sets up groups.
func TestA4_MappingATeamNeedsWhatFillingItNeeds(t *testing.T) {
	b := newBench(t)
	admins, nobody := b.team("admins", on(access.Owner, uuid.Nil)), b.team("nobody")
	admin := b.member(b.ours, "admin", on(access.Admin, uuid.Nil))
	b.ok(b.svc.RequireTeam(b.as(b.ours, admin), nobody))
	err := b.svc.RequireTeam(b.as(b.ours, admin), admins)
	b.is(err, errs.Forbidden)
	if !strings.Contains(errs.Public(err), "registry:bypass-firewall") {
		t.Errorf("the refusal does not name what is missing: %q", errs.Public(err))
	}
	b.is(b.svc.DeleteTeam(b.as(b.ours, admin), admins), errs.Forbidden)
	b.is(b.svc.RemoveFromTeam(b.as(b.ours, admin), admins, admin.MemberID), errs.Forbidden)
	b.is(b.svc.RequireTeam(b.as(b.theirs, admin), nobody), errs.Unauthenticated)
}

// TestA4_LastOwnerIsAMemberByThemselves: a team of owners does not count, since
// anybody who fills teams could empty it.
func TestA4_LastOwnerIsAMemberByThemselves(t *testing.T) {
	b := newBench(t)
	olga := b.member(b.ours, "olga", on(access.Owner, uuid.Nil))
	ana := b.member(b.ours, "ana")
	b.ok(b.svc.AddToTeam(b.ours, b.team("owners", on(access.Owner, uuid.Nil)), ana.MemberID))
	b.is(b.svc.Revoke(b.ours, access.MemberPrincipal(olga.MemberID), access.Owner, uuid.Nil), errs.Conflict)
	b.is(b.svc.DeactivateMember(b.ours, olga.MemberID), errs.Conflict)
	b.is(b.svc.Leave(b.as(b.ours, olga)), errs.Conflict)
}

// TestQ2_OtherNodesHearOfTeams: whoever leaves a team has lost its roles on
// every node.
func TestQ2_OtherNodesHearOfTeams(t *testing.T) {
	b := newBench(t)
	one := b.registry(b.ours, "one")
	team := b.team("platform", on(access.Reader, one))
	ana := b.member(b.ours, "ana")
	b.ok(b.svc.AddToTeam(b.ours, team, ana.MemberID))
	if !b.reads(b.ours, ana, one) {
		t.Fatal("does not read")
	}
	b.ok(otherNode(b).RemoveFromTeam(b.ours, team, ana.MemberID))
	eventually(t, "the change is heard", func() bool { return !b.reads(b.ours, ana, one) })
}

// TestA4_RolesOfTeamsBoundTheirEditing: who edits a role that a team has is
// bounded as for members.
func TestA4_RolesOfTeamsBoundTheirEditing(t *testing.T) {
	b := newBench(t)
	one := b.registry(b.ours, "one")
	b.ok(b.svc.CreateRole(b.ours, access.RoleInput{Name: "crew", Actions: []access.Action{access.RegistryRead}}))
	b.ok(b.svc.CreateRole(b.ours, access.RoleInput{Name: "roles", Actions: []access.Action{access.RoleManage, access.RegistryRead}}))
	editor := b.member(b.ours, "editor", on("roles", uuid.Nil))
	edit := access.RoleInput{Name: "crew", Actions: []access.Action{access.RegistryRead, access.VersionRelease}}
	b.team("platform", on("crew", one))
	b.is(b.svc.UpdateRole(b.as(b.ours, editor), edit), errs.Forbidden)
	b.is(b.svc.DeleteRole(b.ours, "crew"), errs.Conflict)
	b.ok(b.svc.UpdateRole(b.ours, edit))
	b.is(b.svc.UpdateRole(b.theirs, edit), errs.NotFound)
}
