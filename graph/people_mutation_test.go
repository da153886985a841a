package graph_test

import (
	"context"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/uuid"

	"sluice.dev/sluice/ent"
	"sluice.dev/sluice/ent/auditevent"
	"sluice.dev/sluice/graph/api"
	"sluice.dev/sluice/tenants/access"
)

// mistake is an input that differs from the good one, and what is said of it.
type mistake struct {
	change            vars
	code, field, text string
}

// peopleMutation is what must hold for a mutation, whose good input is that of
// its example.
type peopleMutation struct {
	name    string
	writes  string   // the action of the one audit event that says it
	ids     []string // the fields of the input that are ids
	refused string   // the code for a member without a right; FORBIDDEN when it is ""
	wrong   []mistake
	after   []mistake // what is wrong once it was done
}

var peopleMutations = []peopleMutation{
	{name: "updateOrganization", writes: "organization:update", wrong: []mistake{
		{vars{"name": " "}, "INVALID", "name", "is empty"},
		{vars{"name": strings.Repeat("n", 500)}, "INVALID", "name", "at most"},
		{vars{"reservedPatterns": []vars{{"ecosystem": "NPM", "pattern": "*"}}}, "INVALID", "reservedPatterns", "every name"}}},
	{name: "createMember", writes: "member:create", wrong: []mistake{
		{vars{"email": "nobody"}, "INVALID", "email", "ana@acme.example"},
		{vars{"name": strings.Repeat("n", 101)}, "INVALID", "name", "100 characters"},
		{vars{"email": "person@acme.example"}, "CONFLICT", "email", "member already"},
		{vars{"roles": []vars{{"role": "emperor"}}}, "INVALID", "role", "emperor"}}},
	{name: "inviteMember", writes: "invitation:create", ids: []string{"teams", "roles"}, wrong: []mistake{
		{vars{"email": "@"}, "INVALID", "email", "no"},
		{vars{"email": "person@acme.example"}, "CONFLICT", "email", "member already"},
		{vars{"email": "former@acme.example"}, "CONFLICT", "email", "reactivate"},
		{vars{"email": "invitation@acme.example"}, "CONFLICT", "email", "invitation already"},
		{vars{"roles": []vars{{"role": "emperor"}}}, "INVALID", "role", "emperor"}}},
	{name: "resendInvitation", writes: "invitation:resend", ids: []string{"invitation"}},
	{name: "revokeInvitation", writes: "invitation:revoke", ids: []string{"invitation"}},
	{name: "approveJoinRequest", writes: "join:approve", ids: []string{"joinRequest", "teams"}, wrong: []mistake{
		{vars{"roles": []vars{{"role": "emperor"}}}, "INVALID", "role", "emperor"}},
		after: []mistake{{nil, "CONFLICT", "", "decided by owner@acme.example"}}},
	{name: "refuseJoinRequest", writes: "join:refuse", ids: []string{"joinRequest"}, after: []mistake{{nil, "CONFLICT", "", "decided by"}}},
	{name: "createTeam", writes: "team:create", wrong: []mistake{
		{vars{"name": ""}, "INVALID", "name", "is empty"},
		{vars{"description": strings.Repeat("d", 501)}, "INVALID", "description", "500 characters"},
		{vars{"name": "Release"}, "CONFLICT", "name", "already"}}},
	{name: "updateTeam", writes: "team:update", ids: []string{"team"}, wrong: []mistake{
		{vars{"name": " "}, "INVALID", "name", "is empty"},
		{vars{"name": "Spare"}, "CONFLICT", "name", "already"}}},
	{name: "addTeamMember", writes: "team:add", ids: []string{"team", "member"}},
	{name: "removeTeamMember", writes: "team:remove", ids: []string{"team", "member"}},
	{name: "deleteTeam", writes: "team:delete", ids: []string{"team"}},
	{name: "createServiceAccount", writes: "service:create", ids: []string{"roles"}, refused: "FORBIDDEN", wrong: []mistake{
		{vars{"name": ""}, "INVALID", "name", "is empty"},
		{vars{"name": "build"}, "CONFLICT", "name", "already"},
		{vars{"roles": []vars{{"role": "emperor"}}}, "INVALID", "role", "emperor"}}},
	{name: "updateServiceAccount", writes: "service:update", ids: []string{"serviceAccount"}, wrong: []mistake{
		{vars{"name": "\t"}, "INVALID", "name", "is empty"},
		{vars{"name": "retired"}, "CONFLICT", "name", "already"}}},
	{name: "createServiceToken", writes: "token:create", ids: []string{"serviceAccount", "registries"}, wrong: []mistake{
		{vars{"registries": []string{}}, "INVALID", "registries", "leave it out"},
		{vars{"packages": []string{}}, "INVALID", "packages", "leave it out"},
		{vars{"networks": []string{}}, "INVALID", "networks", "leave it out"},
		{vars{"packages": []string{"not a name"}}, "INVALID", "packages", "no pattern"},
		{vars{"networks": []string{"everywhere"}}, "INVALID", "networks", "192.0.2.0/24"},
		{vars{"expiresAt": "2020-01-01T00:00:00Z"}, "INVALID", "expiresAt", "later than"},
		{vars{"roles": []vars{{"role": "reader"}}}, "INVALID", "roles", "account's rights"},
		{vars{"name": ""}, "INVALID", "name", "is empty"}}},
	{name: "deactivateServiceAccount", writes: "service:deactivate", ids: []string{"serviceAccount"}},
	{name: "reactivateServiceAccount", writes: "service:reactivate", ids: []string{"serviceAccount"}},
	{name: "createRole", writes: "role:create", wrong: []mistake{
		{vars{"name": "Team Lead"}, "INVALID", "name", "release-team"},
		{vars{"name": "owner"}, "CONFLICT", "name", "built-in"},
		{vars{"name": "unused"}, "CONFLICT", "name", "already"},
		{vars{"actions": []string{}}, "INVALID", "actions", "at least one"},
		{vars{"actions": []string{"version:eat"}}, "INVALID", "actions", "version:eat"}}},
	{name: "updateRole", writes: "role:update", wrong: []mistake{
		{vars{"actions": []string{}}, "INVALID", "actions", "at least one"},
		{vars{"actions": []string{"member:manage"}}, "CONFLICT", "actions", "granted on a registry"}}},
	{name: "deleteRole", writes: "role:delete", wrong: []mistake{{vars{"name": "release-team"}, "CONFLICT", "", "take it away first"}}},
	{name: "grantRole", writes: "grant:create", ids: []string{"principal", "registry"}, refused: "NOT_FOUND", wrong: []mistake{
		{vars{"role": "emperor"}, "INVALID", "role", "emperor"},
		{vars{"role": "admin"}, "INVALID", "role", "cannot be granted on a registry"}}},
	{name: "revokeRole", writes: "grant:delete", ids: []string{"grant"}, refused: "NOT_FOUND"},
	{name: "deactivateMember", writes: "member:deactivate", ids: []string{"member"}},
	{name: "reactivateMember", writes: "member:reactivate", ids: []string{"member"}},
	{name: "transferOwnership", writes: "organization:transfer", ids: []string{"member"}},
	{name: "deleteOrganization", writes: "organization:delete", wrong: []mistake{{vars{"slug": "globex"}, "INVALID", "slug", "repeat it"}}},
}

// TestA4_T3_F5_PeopleMutations: each mutation does what it says and writes it
// down once; bad input says where it is wrong; who may not is refused; ids of
// another organization are like ones that do not exist; and nothing but the good
// input changes anything, here or there.
func TestA4_T3_F5_PeopleMutations(t *testing.T) {
	w := newWorld(t)
	s, foreign := w.seed(w.ours), w.seed(w.theirs)
	owner := w.member(w.ours, "owner", access.Place{Role: access.Owner})
	heir := w.member(w.ours, "heir", access.Place{Role: access.Owner})
	powerless := w.member(w.ours, "powerless", access.Place{Role: access.Ordinary})
	there := w.events(w.theirs, "")
	all := map[string]example{}
	for _, e := range examples(t) {
		all[e.name] = e
	}
	for _, c := range peopleMutations {
		e, who := all[c.name], owner
		if c.name == "deleteOrganization" {
			who = heir // the owner has transferred the ownership
		}
		good := e.with(t, s)["input"].(map[string]any)
		before := w.events(w.ours, "")
		if code := w.ask(powerless, e.query, vars{"input": good}).code(); code != orText(c.refused, "FORBIDDEN") {
			t.Errorf("%s for a member without a right: %s", c.name, code)
		}
		for _, field := range c.ids {
			theirs, unknown := vars(maps.Clone(good)), vars(maps.Clone(good))
			theirs[field] = e.with(t, foreign)["input"].(map[string]any)[field]
			unknown[field] = invented(theirs[field])
			a, b := w.ask(who, e.query, vars{"input": theirs}), w.ask(who, e.query, vars{"input": unknown})
			if a.code() != missing || b.code() != missing || a.Errors[0].Message != b.Errors[0].Message {
				t.Errorf("%s: %s of another organization: %s %v; that does not exist: %s %v", c.name, field, a.Data, a.Errors, b.Data, b.Errors)
			}
		}
		w.mistakes(who, e, good, c.wrong)
		if after := w.events(w.ours, ""); after != before {
			t.Errorf("%s: %d audit events of what was refused", c.name, after-before)
		}
		before = w.events(w.ours, c.writes)
		a := w.ask(who, e.query, vars{"input": good})
		if len(a.Errors) > 0 || strings.Contains(string(a.Data), `"message":`) {
			t.Errorf("%s: %s %v", c.name, a.Data, a.Errors)
		}
		if after := w.events(w.ours, c.writes); after != before+1 {
			t.Errorf("%s: %d audit events %s", c.name, after-before, c.writes)
		}
		w.mistakes(who, e, good, c.after)
	}
	if after := w.events(w.theirs, ""); after != there {
		t.Errorf("T3: %d audit events in the other organization", after-there)
	}
	if w.log.Len() > 0 {
		t.Errorf("refusals are no faults of ours: %s", w.log)
	}
}

func (w *world) mistakes(ctx context.Context, e example, good map[string]any, wrong []mistake) {
	w.Helper()
	for _, bad := range wrong {
		input := maps.Clone(good)
		maps.Copy(input, bad.change)
		a := w.ask(ctx, e.query, vars{"input": input})
		var out map[string]payload
		if len(a.Errors) == 0 {
			w.into2(answer{Data: onlyErrors(w, a)}, &out)
		}
		out[e.name].wrong(w.T, a, bad.code, bad.field, bad.text)
		if w.Failed() {
			w.Logf("the input was that of %s but %v", e.name, bad.change)
		}
	}
}

// onlyErrors is an answer without what the mutation made, which has many forms.
func onlyErrors(w *world, a answer) []byte {
	w.Helper()
	var out map[string]struct{ UserErrors any }
	w.into2(a, &out)
	raw, err := marshal(out)
	w.ok(err)
	return raw
}

// events counts audit events of an action, of all when it is "".
func (w *world) events(ctx context.Context, action string) int {
	w.Helper()
	return w.rows(ctx, func(ctx context.Context, c *ent.Client) (int, error) {
		q := c.AuditEvent.Query()
		if action != "" {
			q.Where(auditevent.Action(action))
		}
		return q.Count(ctx)
	})
}

func orText(text, or string) string {
	if text == "" {
		return or
	}
	return text
}

// invented are ids like those of an input, which name nothing.
func invented(v any) any {
	switch v := v.(type) {
	case string:
		if id, ok := api.ParseID(v); ok {
			return api.Of(id.Type, uuid.New()).String()
		}
	case []any:
		out := slices.Clone(v)
		for i := range out {
			out[i] = invented(out[i])
		}
		return out
	case map[string]any:
		out := maps.Clone(v)
		for k := range out {
			out[k] = invented(out[k])
		}
		return out
	}
	return v
}

// TestEveryPeopleMutationIsInTheTable keeps the table whole: each mutation that
// needs a right of people is in it.
func TestEveryPeopleMutationIsInTheTable(t *testing.T) {
	have := []string{ // in tests of their own, about logging in and host names
		"createIdentityProvider", "updateIdentityProvider", "deleteIdentityProvider", "testIdentityProvider", "addGroupMapping", "removeGroupMapping",
		"unlinkAccount", "bindHost", "unbindHost",
	}
	for _, c := range peopleMutations {
		have = append(have, c.name)
	}
	for _, f := range schema(t).Mutation.Fields {
		for _, d := range f.Directives.ForNames("can") {
			object, _, _ := strings.Cut(d.Arguments.ForName("action").Value.Raw, ":")
			if slices.Contains([]string{"member", "role", "grant", "organization"}, object) && !slices.Contains(have, f.Name) {
				t.Errorf("%s is in no table of people's mutations", f.Name)
			}
		}
	}
}

// TestA4_Delegates: who may give roles on one registry gives and takes those
// that they have there, sees who has roles there and nobody's elsewhere, and no
// names of people whom they may not see.
func TestA4_Delegates(t *testing.T) {
	w := newWorld(t)
	s := w.seed(w.ours)
	delegate := w.member(w.ours, "delegate", access.Place{Role: access.RegistryAdmin, Registry: s.team})
	give := func(role, registry string) vars {
		v := vars{"principal": s.words["person"], "role": role}
		if registry != "" {
			v["registry"] = s.words[registry]
		}
		return v
	}
	if p, a := w.do(delegate, "grantRole", "grant { id }", give("publisher", "team")); len(p.UserErrors)+len(a.Errors) > 0 {
		t.Errorf("%+v %v", p, a.Errors)
	}
	for name, c := range map[string]struct {
		input vars
		code  string
	}{
		"on another registry":       {give("reader", "spare"), missing},
		"on the organization":       {give("reader", ""), noRight},
		"more than there is to one": {vars{"principal": s.words["person"], "role": "owner"}, noRight},
		"to what is no principal":   {vars{"principal": s.words["team"], "role": "reader", "registry": s.words["team"]}, missing},
	} {
		if _, a := w.do(delegate, "grantRole", "grant { id }", c.input); a.code() != c.code {
			t.Errorf("%s: %s %v", name, a.Data, a.Errors)
		}
	}
	var out struct {
		Grants struct {
			TotalCount int
			Edges      []struct {
				Node struct {
					ID, Role      string
					PrincipalName *string
					Principal     any
					Registry      *struct{ Name string }
				}
			}
		}
		Registry struct{ Grants, All struct{ TotalCount int } }
	}
	const query = `{ grants(first: 100) { totalCount edges { node { id role principalName principal { __typename } registry { name } } } }
		registry(name: "team") { grants { totalCount } all: grants(everywhere: true) { totalCount } } }`
	w.into(delegate, query, nil, &out)
	if out.Grants.TotalCount == 0 || out.Grants.TotalCount != len(out.Grants.Edges) || out.Registry.Grants.TotalCount != out.Grants.TotalCount ||
		out.Registry.All.TotalCount != out.Grants.TotalCount {
		t.Errorf("%+v", out)
	}
	names := 0
	for _, e := range out.Grants.Edges {
		if e.Node.Registry == nil || e.Node.Registry.Name != "team" {
			t.Errorf("a role elsewhere shows: %+v", e.Node)
		}
		if e.Node.PrincipalName != nil {
			names++ // the delegate's own
		}
	}
	if names != 1 {
		t.Errorf("%d names show: %+v", names, out.Grants.Edges)
	}
	mine := out.Grants.Edges[len(out.Grants.Edges)-1].Node
	if p, a := w.do(delegate, "revokeRole", "grant", vars{"grant": mine.ID}); len(p.UserErrors)+len(a.Errors) > 0 {
		t.Errorf("%s: %+v %v", mine.Role, p, a.Errors)
	}
	// What is given on the organization does not exist for them (T3).
	for what, grant := range map[string]string{"an owner's": w.grantID(w.ours, access.MemberPrincipal(s.someone), access.Place{Role: access.Owner}), "an invented one": id("Grant", uuid.New())} {
		if _, a := w.do(delegate, "revokeRole", "grant", vars{"grant": grant}); a.code() != missing {
			t.Errorf("%s: %s %v", what, a.Data, a.Errors)
		}
	}
	owner := w.member(w.ours, "owner", access.Place{Role: access.Owner})
	w.ok(w.access.DeactivateMember(w.ours, s.someone)) // the other owner
	w.into(owner, query, nil, &out)
	if out.Registry.All.TotalCount <= out.Registry.Grants.TotalCount || out.Grants.TotalCount <= out.Registry.All.TotalCount-1 {
		t.Errorf("an owner sees %+v", out)
	}
	if p, a := w.do(owner, "revokeRole", "grant", vars{"grant": w.grantID(w.ours, access.MemberPrincipal(access.Of(owner).MemberID), access.Place{Role: access.Owner})}); true {
		p.wrong(t, a, "CONFLICT", "", "last owner")
	}
}

// TestLeaveOrganization: with the slug repeated, and never the last owner.
func TestLeaveOrganization(t *testing.T) {
	w := newWorld(t)
	s := w.seed(w.ours)
	owner := w.member(w.ours, "owner", access.Place{Role: access.Owner})
	w.ok(w.access.DeactivateMember(w.ours, s.someone)) // the other owner
	member := w.member(w.ours, "member", access.Place{Role: access.Ordinary})
	p, a := w.do(owner, "leaveOrganization", "member", vars{"slug": s.slug})
	p.wrong(t, a, "CONFLICT", "", "last owner")
	p, a = w.do(member, "leaveOrganization", "member", vars{"slug": "globex"})
	p.wrong(t, a, "INVALID", "slug", "repeat it")
	if _, a = w.do(w.anonymous(w.ours), "leaveOrganization", "member", vars{"slug": s.slug}); a.code() != nobody {
		t.Errorf("nobody leaves: %s %v", a.Data, a.Errors)
	}
	if _, a = w.do(member, "leaveOrganization", "member", vars{"slug": s.slug}); len(a.Errors) > 0 || !strings.Contains(string(a.Data), id("Member", access.Of(member).MemberID)) {
		t.Errorf("%s %v", a.Data, a.Errors)
	}
	if a := w.ask(member, `{ organization { name } }`, nil); a.code() != nobody && a.code() != noRight {
		t.Errorf("who has left still sees: %s %v", a.Data, a.Errors)
	}
}
