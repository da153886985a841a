package graph_test

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"sluice.dev/sluice/ent/db"
	"sluice.dev/sluice/graph/api"
	"sluice.dev/sluice/tenants/access"
	"sluice.dev/sluice/tenants/coord"
	"sluice.dev/sluice/tenants/registry"
)

// crowd is an organization with n of everything about people, of which all
// belong together: one team with everybody, one member in every team, and so on.
type crowd struct {
	members, teams, accounts []uuid.UUID
	registry                 uuid.UUID
}

func (w *world) crowd(ctx context.Context, n int, prefix string) (c crowd) {
	w.Helper()
	reg, err := w.registries.Create(ctx, registry.CreateInput{Kind: registry.PackageRegistry, Ecosystem: coord.NPM, Name: prefix + "registry"})
	w.ok(err)
	c.registry = reg.ID
	on := []access.Place{{Role: access.Reader, Registry: reg.ID}}
	w.ok(w.access.CreateRole(ctx, access.RoleInput{Name: prefix + "role", Actions: []access.Action{access.RegistryRead}}))
	for i := range n {
		// Some rows have the same time, and some the same name, so that ids decide.
		w.now = w.now.Add(time.Duration(i%2) * time.Second)
		m, err := w.access.CreateMember(ctx, access.MemberInput{Email: fmt.Sprintf("%s%d@acme.example", prefix, i), Name: fmt.Sprintf("Same %d", i/3), Roles: on})
		w.ok(err)
		t, err := w.access.CreateTeam(ctx, access.TeamInput{Name: fmt.Sprintf("%steam %d", prefix, i)})
		w.ok(err)
		a, err := w.access.CreateServiceAccount(ctx, access.ServiceAccountInput{Name: fmt.Sprintf("%saccount %d", prefix, i), Roles: on})
		w.ok(err)
		c.members, c.teams, c.accounts = append(c.members, m.ID), append(c.teams, t.ID), append(c.accounts, a.ID)
		w.ok(w.access.Grant(ctx, access.TeamPrincipal(t.ID), prefix+"role", uuid.Nil))
		w.ok(w.access.Grant(ctx, access.MemberPrincipal(c.members[0]), []string{"owner", "admin", "auditor", "member", "security", "publisher"}[i%6], uuid.Nil))
		w.ok(w.access.AddToTeam(ctx, c.teams[0], m.ID))
		w.ok(w.access.AddToTeam(ctx, t.ID, c.members[0]))
		w.crowdTokens(ctx, c, i)
		_, _, err = w.access.Invite(ctx, access.InvitationInput{Email: fmt.Sprintf("%sguest%d@acme.example", prefix, i),
			Admission: access.Admission{Roles: on, Teams: []uuid.UUID{t.ID}}})
		w.ok(err)
		_, err = w.access.RequestToJoin(ctx, stranger(fmt.Sprintf("%sstranger%d", prefix, i)), "")
		w.ok(err)
	}
	w.ok(w.access.Flush(ctx))
	return c
}

// crowdTokens makes tokens of which some end, and some were used.
func (w *world) crowdTokens(ctx context.Context, c crowd, i int) {
	w.Helper()
	in := access.TokenInput{Name: fmt.Sprintf("token %d", i/2), Registries: []uuid.UUID{c.registry}}
	if i%2 == 0 {
		in.ExpiresAt = w.now.Add(time.Duration(i+24) * time.Hour)
	}
	for _, owner := range []func(*access.TokenInput){
		func(in *access.TokenInput) { in.MemberID = c.members[0] }, func(in *access.TokenInput) { in.ServiceID = c.accounts[0] },
		func(in *access.TokenInput) { in.MemberID = c.members[i] }, func(in *access.TokenInput) { in.ServiceID = c.accounts[i] },
	} {
		in := in
		owner(&in)
		secret, _, err := w.access.CreateToken(ctx, in)
		w.ok(err)
		if i%3 == 0 {
			_, err := w.access.Authenticate(ctx, secret, "192.0.2.7")
			w.ok(err)
		}
	}
}

// TestPages_People walks the lists about people in pages of two.
func TestPages_People(t *testing.T) {
	w := newWorld(t)
	const n = 5
	c := w.crowd(w.ours, n, "")
	w.crowd(w.theirs, n, "")
	owner := w.member(w.ours, "owner", access.Place{Role: access.Owner})
	ids := vars{"m": id("Member", c.members[0]), "t": id("Team", c.teams[0]), "a": id("ServiceAccount", c.accounts[0]), "r": id("Registry", c.registry)}
	const list = "(first: $first, after: $after"
	const page = ") { totalCount pageInfo { hasNextPage hasPreviousPage startCursor endCursor } edges { cursor node "
	for name, query := range map[string]string{
		"members by email":      "members" + list + ", orderBy: {by: EMAIL}" + page + "{ id key: email } } }",
		"members by email down": "members" + list + ", orderBy: {by: EMAIL, direction: DESC}" + page + "{ id key: email } } }",
		"members by name":       "members" + list + ", orderBy: {by: NAME}" + page + "{ id key: name } } }",
		"members newest":        "members" + list + ", orderBy: {direction: DESC}" + page + "{ id key: createdAt } } }",
		"teams":                 "teams" + list + page + "{ id key: name } } }",
		"teams newest":          "teams" + list + ", orderBy: {by: CREATED, direction: DESC}" + page + "{ id key: createdAt } } }",
		"service accounts":      "serviceAccounts" + list + ", orderBy: {direction: DESC}" + page + "{ id key: name } } }",
		"invitations":           "invitations" + list + page + "{ id } } }",
		"invitations oldest":    "invitations" + list + ", direction: ASC" + page + "{ id } } }",
		"join requests":         "joinRequests" + list + page + "{ id } } }",
		"grants":                "grants" + list + page + "{ id } } }",
		"grants newest":         "grants" + list + ", direction: DESC" + page + "{ id } } }",
		"tokens":                "tokens" + list + page + "{ id } } }",
		"tokens by name":        "tokens" + list + ", orderBy: {by: NAME}" + page + "{ id key: name } } }",
		"tokens by expiry":      "tokens" + list + ", orderBy: {by: EXPIRES}" + page + "{ id key: expiresAt } } }",
		"tokens by expiry down": "tokens" + list + ", orderBy: {by: EXPIRES, direction: DESC}" + page + "{ id key: expiresAt } } }",
		"tokens by use":         "tokens" + list + ", orderBy: {by: LAST_USED}" + page + "{ id key: lastUsedAt } } }",
		"tokens by use down":    "tokens" + list + ", orderBy: {by: LAST_USED, direction: DESC}" + page + "{ id key: lastUsedAt } } }",
		"teams of a member":     "member(id: $m) { teams" + list + page + "{ team { id } } } } }",
		"grants of a member":    "member(id: $m) { grants" + list + page + "{ id } } } }",
		"tokens of a member":    "member(id: $m) { tokens" + list + page + "{ id } } } }",
		"members of a team":     "team(id: $t) { members" + list + page + "{ member { id } } } } }",
		"tokens of an account":  "serviceAccount(id: $a) { tokens" + list + ", direction: ASC" + page + "{ id } } } }",
		"grants of a registry":  "registry(id: $r) { grants" + list + page + "{ id } } } }",
		"all that hold there":   "registry(id: $r) { grants" + list + ", everywhere: true" + page + "{ id } } } }",
		"grants of a role":      `role(name: "role") { grants` + list + page + "{ id } } } }",
	} {
		t.Run(name, func(t *testing.T) {
			used := vars{}
			for word, id := range ids {
				if strings.Contains(query, "$"+word+")") {
					used[word] = id
				}
			}
			w.walk(t, owner, query, used, n)
		})
	}
}

// TestNoNPlusOne_People: a list of many people with all that is below them costs
// as many statements as one of few.
func TestNoNPlusOne_People(t *testing.T) {
	w := newWorldWaiting(t, 150*time.Millisecond) // however slow the machine, what belongs together comes together
	const grants = `grants(first: 3) { totalCount edges { node { role actions origin principalKind principalName registry { name } principal { __typename ... on Member { email lastSeenAt } ... on Team { name } } } } }`
	queries := map[string]string{
		"members": `{ members(first: 100) { totalCount edges { node { email status lastSeenAt teams(first: 2) { totalCount edges { node { team { name members(first: 1) { totalCount } } member { email } } } } ` +
			grants + ` tokens(first: 2) { totalCount edges { node { name state madeFrom { name } registries { name } } } } } } } }`,
		"teams": `{ teams(first: 100) { totalCount edges { node { name members(first: 2) { totalCount edges { node { member { email } } } } ` + grants + ` } } } }`,
		"serviceAccounts": `{ serviceAccounts(first: 100) { totalCount edges { node { name ` + grants + ` tokens(first: 2) { totalCount edges { node { name serviceAccount { name } registries { name } ` +
			grants + ` } } } } } } }`,
		"tokens":       `{ tokens(first: 100) { totalCount edges { node { name member { email } serviceAccount { name } madeFrom { name } registries { name } ` + grants + ` } } } }`,
		"invitations":  `{ invitations(first: 100) { totalCount edges { node { email roles { role registry { name } } teams { name } member { email } } } } }`,
		"joinRequests": `{ joinRequests(first: 100) { totalCount edges { node { email member { email } } } } }`,
		"grants":       `{ ` + strings.Replace(grants, "first: 3", "first: 100", 1) + ` }`,
		"roles":        `{ roles { name ` + grants + ` } }`,
		"registries":   `{ registries(first: 100) { totalCount edges { node { name ` + grants + ` } } } }`,
	}
	ask := func(query string) (statements int64, rows int) {
		before := w.sql.n.Load()
		a := w.ask(w.ours, query, nil)
		if len(a.Errors) > 0 {
			t.Fatal(a.Errors[0].Message)
		}
		var out map[string]json.RawMessage
		w.into2(a, &out)
		for _, raw := range out {
			var list struct{ Edges []any }
			if json.Unmarshal(raw, &list) != nil {
				w.ok(json.Unmarshal(raw, &list.Edges))
			}
			rows = len(list.Edges)
		}
		return w.sql.n.Load() - before, rows
	}
	few, rows := map[string]int64{}, map[string]int{}
	w.crowd(w.ours, 2, "a")
	for name, query := range queries {
		few[name], rows[name] = ask(query)
	}
	for i := range 4 {
		w.crowd(w.ours, 4, "b"+fmt.Sprint(i))
	}
	for name, query := range queries {
		many, all := ask(query)
		t.Logf("%s: %d statements for %d rows, %d for %d", name, few[name], rows[name], many, all)
		if all < rows[name]+4 {
			t.Errorf("%s: %d and %d rows, so this proves nothing", name, rows[name], all)
		}
		if many > few[name]+2 {
			t.Errorf("%s: %d statements for %d rows, and %d for %d: some field asks once per object", name, few[name], rows[name], many, all)
		}
	}
}

// TestFilters_People: each filter selects what it says, of one's own
// organization only.
func TestFilters_People(t *testing.T) {
	w := newWorld(t)
	s := w.seed(w.ours)
	w.seed(w.theirs)
	owner := w.member(w.ours, "owner", access.Place{Role: access.Owner})
	for _, c := range []struct{ list, filter, key, want string }{
		{"members", `{}`, "email", "former leaving owner person someone teammate"},
		{"members", `{status: DEACTIVATED}`, "email", "former"},
		{"members", `{status: ACTIVE, search: "PERS"}`, "email", "person"},
		{"members", `{search: "_"}`, "email", ""},
		{"members", `{team: "{people}"}`, "email", "teammate"},
		{"members", `{role: "release-team"}`, "email", "person teammate"},
		{"members", `{role: "reader", status: ACTIVE}`, "email", "leaving"},
		{"members", `{role: "nobody-has-it"}`, "email", ""},
		{"teams", `{}`, "name", "Release Spare platform"},
		{"teams", `{search: "rel"}`, "name", "Release"},
		{"serviceAccounts", `{search: "build"}`, "name", "build old build"},
		{"serviceAccounts", `{active: false}`, "name", "retired"},
		{"serviceAccounts", `{active: true}`, "name", "build old build"},
		{"tokens", `{}`, "name", "build old build old ci retired"},
		{"tokens", `{state: REVOKED}`, "name", "retired"},
		{"tokens", `{state: VALID}`, "name", "build old build old ci"},
		{"tokens", `{state: EXPIRED}`, "name", ""},
		{"tokens", `{expiring: true}`, "name", "build old build"},
		{"tokens", `{serviceAccount: "{account}"}`, "name", "build"},
		{"tokens", `{member: "{person}"}`, "name", ""},
		{"tokens", `{search: "CI"}`, "name", "old ci"},
		{"invitations", `{state: OPEN, search: "other"}`, "email", "otherInvitation"},
		{"invitations", `{state: EXPIRED}`, "email", ""},
		{"joinRequests", `{state: OPEN}`, "email", "joinRequest otherJoinRequest"},
		{"joinRequests", `{state: REFUSED}`, "email", ""},
		{"grants", `{principal: "{people}"}`, "role", "release-team"},
		{"grants", `{principal: "{person}", everywhere: true}`, "role", "member"},
		{"grants", `{registry: "{team}", role: "publisher"}`, "principalName", "build old build retired"},
		{"grants", `{registry: "{spare}"}`, "role", ""},
	} {
		filter := c.filter
		for word, id := range s.words {
			filter = strings.ReplaceAll(filter, "{"+word+"}", id)
		}
		a := w.ask(owner, `{ `+c.list+`(filter: `+filter+`) { totalCount pageInfo { hasNextPage } edges { node { key: `+c.key+` } } } }`, nil)
		if len(a.Errors) > 0 {
			t.Errorf("%s %s: %v", c.list, c.filter, a.Errors)
			continue
		}
		list := a.list(t)
		var names []string
		for _, e := range list.Edges {
			var node struct{ Key string }
			w.ok(json.Unmarshal(e.Node, &node))
			names = append(names, strings.TrimSuffix(node.Key, "@acme.example"))
		}
		slices.Sort(names)
		if got := strings.Join(names, " "); !strings.EqualFold(got, c.want) || *list.TotalCount != len(names) {
			t.Errorf("%s %s: %s (of %d), want %s", c.list, c.filter, got, *list.TotalCount, c.want)
		}
	}
	for _, filter := range []string{`members(filter: {team: "%s"})`, `tokens(filter: {member: "%s"})`, `tokens(filter: {serviceAccount: "%s"})`,
		`grants(filter: {principal: "%s"})`, `grants(filter: {registry: "%s"})`} {
		typ := "Team"
		for word, t := range map[string]string{"member:": "Member", "serviceAccount:": "ServiceAccount", "registry:": "Registry"} {
			if strings.Contains(filter, word) {
				typ = t
			}
		}
		query := `{ ` + fmt.Sprintf(filter, api.Of(typ, uuid.New())) + ` { totalCount } }`
		if a := w.ask(owner, query, nil); a.code() != missing {
			t.Errorf("T3: %s: %s %v", filter, a.Data, a.Errors)
		}
	}
}

// TestMemberWhole: what is shown of a person, to an owner, to themselves and to
// another member.
func TestMemberWhole(t *testing.T) {
	w := newWorld(t)
	s := w.seed(w.ours)
	owner := w.member(w.ours, "owner", access.Place{Role: access.Owner})
	other := w.member(w.ours, "other", access.Place{Role: access.Ordinary})
	ana := w.member(w.ours, "ana", access.Place{Role: access.Ordinary}, access.Place{Role: access.Reader, Registry: s.team})
	me := access.Of(ana).MemberID
	people, _ := api.ParseID(s.words["people"])
	w.ok(w.access.AddToTeam(w.ours, people.UUID, me))
	w.mapped(w.ours, me, access.Reader, s.team)
	secret, parent, err := w.access.CreateToken(ana, access.TokenInput{Name: "laptop", MemberID: me, Write: true})
	w.ok(err)
	by, err := w.access.Authenticate(w.ours, secret, "192.0.2.7")
	w.ok(err)
	_, _, err = w.access.DeriveToken(access.As(w.ours, by, ""), access.TokenInput{Name: "job", ExpiresAt: w.now.Add(time.Hour), Packages: []string{"@acme/*"}, Networks: []string{"192.0.2.0/24"}})
	w.ok(err)
	w.ok(w.access.Flush(w.ours))
	type tokens struct {
		Edges []struct {
			Node struct {
				Name, State        string
				ExpiringSoon       bool
				MadeFrom           *struct{ ID string }
				Packages, Networks []string
			}
		}
	}
	type person struct {
		Member struct {
			Status     string
			LastSeenAt *time.Time
			Teams      struct {
				Edges []struct {
					Node struct{ Team struct{ Name string } }
				}
			}
			Grants struct {
				Edges []struct{ Node struct{ Role, Origin string } }
			}
			Tokens *tokens
		}
	}
	look := func(who context.Context) (out person) {
		w.into(who, `query($id: ID!) { member(id: $id) { status lastSeenAt teams { edges { node { team { name } } } } grants { edges { node { role origin } } }
			tokens { edges { node { name state expiringSoon madeFrom { id } packages networks } } } } }`, vars{"id": id("Member", me)}, &out)
		return out
	}
	for name, who := range map[string]context.Context{"an owner": owner, "oneself": ana} {
		m := look(who).Member
		var roles []string
		for _, g := range m.Grants.Edges {
			roles = append(roles, g.Node.Role+" "+g.Node.Origin)
		}
		slices.Sort(roles)
		if m.Status != "ACTIVE" || m.LastSeenAt == nil || !m.LastSeenAt.Equal(w.now) || len(m.Teams.Edges) != 1 || m.Teams.Edges[0].Node.Team.Name != "Release" ||
			strings.Join(roles, ", ") != "member DIRECT, reader MAPPED, release-team TEAM" || m.Tokens == nil || len(m.Tokens.Edges) != 2 {
			t.Fatalf("%s sees %+v", name, m)
		}
		job := m.Tokens.Edges[0].Node
		if job.Name != "job" || job.State != "VALID" || !job.ExpiringSoon || job.MadeFrom == nil || job.MadeFrom.ID != id("Token", parent.ID) ||
			len(job.Packages) != 1 || len(job.Networks) != 1 || m.Tokens.Edges[1].Node.ExpiringSoon {
			t.Errorf("%s sees %+v", name, m.Tokens)
		}
	}
	if m := look(other).Member; m.LastSeenAt != nil || m.Tokens != nil || len(m.Teams.Edges) != 1 || len(m.Grants.Edges) != 3 {
		t.Errorf("another member sees %+v", m)
	}
}

// mapped says that a member has a role by a group.
func (w *world) mapped(ctx context.Context, member uuid.UUID, role string, registry uuid.UUID) {
	w.Helper()
	w.ok(w.db.InTx(ctx, func(ctx context.Context, tx *db.Tx) error {
		_, err := tx.Exec(ctx, `WITH p AS (INSERT INTO identity_providers (id, org_id, name, title, issuer, client_id, created_at, updated_at)
			VALUES (gen_random_uuid(), current_setting('app.org')::uuid, 'sso', 'SSO', 'https://idp.example', 'x', $4, $4) RETURNING id)
			INSERT INTO mapped_grants (id, org_id, provider_id, member_id, role, registry_id, created_at)
			SELECT gen_random_uuid(), current_setting('app.org')::uuid, p.id, $1, $2, $3, $4 FROM p`, member, role, registry, w.now)
		return err
	}))
}

// TestNode_People finds people and what delegation is made of by their ids, in
// their own organization only.
func TestNode_People(t *testing.T) {
	w := newWorld(t)
	s := w.seed(w.ours)
	owner := w.member(w.ours, "owner", access.Place{Role: access.Owner})
	powerless := w.member(w.ours, "powerless")
	for word, typ := range map[string]string{"person": "Member", "people": "Team", "account": "ServiceAccount", "grant": "Grant",
		"invitation": "Invitation", "joinRequest": "JoinRequest"} {
		var out struct {
			Node struct {
				Typename string `json:"__typename"`
				ID       string
			}
		}
		const query = `query($id: ID!) { node(id: $id) { __typename id } }`
		w.into(owner, query, vars{"id": s.words[word]}, &out)
		if out.Node.Typename != typ || out.Node.ID != s.words[word] {
			t.Errorf("%s: %+v", typ, out.Node)
		}
		for name, who := range map[string]context.Context{"from another organization": w.theirs, "to who has no role": powerless} {
			if a := w.ask(who, query, vars{"id": s.words[word]}); a.code() != missing {
				t.Errorf("%s %s: %s %v", typ, name, a.Data, a.Errors)
			}
		}
	}
}
