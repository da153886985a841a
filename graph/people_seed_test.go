package graph_test

import (
	"context"
	"time"

	"github.com/google/uuid"

	"sluice.dev/sluice/ent"
	"sluice.dev/sluice/ent/organization"
	"sluice.dev/sluice/tenants/access"
)

// seedPeople makes one of everything that is about people, whom the words of the
// examples name.
func (w *world) seedPeople(ctx context.Context, s *seeded) {
	w.Helper()
	on := func(role string) []access.Place { return []access.Place{{Role: role, Registry: s.team}} }
	person := w.person(ctx, s, "person", access.Place{Role: access.Ordinary})
	teammate := w.person(ctx, s, "teammate", access.Place{Role: access.Ordinary})
	w.person(ctx, s, "leaving", on(access.Reader)...)
	w.ok(w.access.DeactivateMember(ctx, w.person(ctx, s, "former", on(access.Reader)...)))
	w.ok(w.access.CreateRole(ctx, access.RoleInput{Name: "release-team", Actions: []access.Action{access.RegistryRead, access.VersionPublish}}))
	w.ok(w.access.CreateRole(ctx, access.RoleInput{Name: "unused", Actions: []access.Action{access.RegistryRead}}))
	for word, name := range map[string]string{"people": "Release", "spareTeam": "Spare"} {
		team, err := w.access.CreateTeam(ctx, access.TeamInput{Name: name})
		w.ok(err)
		w.ok(w.access.AddToTeam(ctx, team.ID, teammate))
		w.ok(w.access.Grant(ctx, access.TeamPrincipal(team.ID), "release-team", s.team))
		s.words[word] = id("Team", team.ID)
	}
	for word, name := range map[string]string{"account": "build", "otherAccount": "old build", "retired": "retired"} {
		account, err := w.access.CreateServiceAccount(ctx, access.ServiceAccountInput{Name: name, Roles: on(access.Publisher)})
		w.ok(err)
		_, _, err = w.access.CreateToken(ctx, access.TokenInput{Name: name, ServiceID: account.ID, Write: true, ExpiresAt: w.now.Add(48 * time.Hour)})
		w.ok(err)
		s.words[word] = id("ServiceAccount", account.ID)
		if word == "retired" {
			w.ok(w.access.DeactivateServiceAccount(ctx, account.ID))
		}
	}
	w.seedAdmissions(ctx, s)
	w.ok(w.access.Grant(ctx, access.MemberPrincipal(person), "release-team", s.team))
	s.words["grant"] = w.grantID(ctx, access.MemberPrincipal(person), access.Place{Role: "release-team", Registry: s.team})
}

func (w *world) seedAdmissions(ctx context.Context, s *seeded) {
	w.Helper()
	for _, word := range []string{"invitation", "otherInvitation"} {
		_, i, err := w.access.Invite(ctx, access.InvitationInput{Email: word + "@acme.example"})
		w.ok(err)
		s.words[word] = id("Invitation", i.ID)
	}
	for _, word := range []string{"joinRequest", "otherJoinRequest"} {
		r, err := w.access.RequestToJoin(ctx, stranger(word), "let me in")
		w.ok(err)
		s.words[word] = id("JoinRequest", r.ID)
	}
}

func stranger(name string) access.Person {
	return access.Person{Issuer: "https://idp.example", Subject: name, Email: name + "@acme.example", Name: name}
}

// person makes a member with only those roles, and a word for them.
func (w *world) person(ctx context.Context, s *seeded, word string, roles ...access.Place) uuid.UUID {
	w.Helper()
	m, err := w.access.CreateMember(ctx, access.MemberInput{Email: word + "@acme.example", Roles: roles})
	w.ok(err)
	s.words[word] = id("Member", m.ID)
	return m.ID
}

func (w *world) grantID(ctx context.Context, who access.Principal, p access.Place) string {
	w.Helper()
	grants, err := w.access.Grants(ctx)
	w.ok(err)
	for _, g := range grants {
		if g.Who == who && g.Role == p.Role && g.Registry == p.Registry {
			return id("Grant", g.ID)
		}
	}
	w.Fatalf("%v has no such role", who)
	return ""
}

func (w *world) slug(ctx context.Context) (out string) {
	w.Helper()
	w.rows(ctx, func(ctx context.Context, c *ent.Client) (int, error) {
		o, err := c.Organization.Query().Where(organization.ID(orgOf(w.T, ctx))).Only(ctx)
		if err == nil {
			out = o.Slug
		}
		return 1, err
	})
	return out
}
