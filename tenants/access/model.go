package access

import (
	"fmt"

	"github.com/casbin/casbin/v2"
	"github.com/casbin/casbin/v2/model"
	"github.com/google/uuid"
)

// casbinModel decides access (A3). There is one enforcer per organization, so
// that the organization is not in the model. A policy line lets a role do an
// action; a grouping line gives a subject ("member:<id>", "token:<id>",
// "team:<id>", "service:<id>") a role in a domain: "*" is the organization with
// all of its registries, "registry:<id>" is one of them. Wherever a team has a
// role, another grouping line makes each of its members one of the team. What
// no line allows is refused (A5).
const casbinModel = `
[request_definition]
r = sub, dom, act

[policy_definition]
p = role, act

[role_definition]
g = _, _, _

[policy_effect]
e = some(where (p.eft == allow))

[matchers]
m = r.act == p.act && (g(r.sub, p.role, r.dom) || g(r.sub, p.role, "*"))
`

// everywhere is the domain of the organization.
const everywhere = "*"

func domain(registry uuid.UUID) string {
	if registry == uuid.Nil {
		return everywhere
	}
	return "registry:" + registry.String()
}

// role is a built-in or custom role as policy lines.
type role struct {
	name    string
	actions []Action
}

// binding is a grant as a grouping line.
type binding struct {
	who      Principal
	role     string
	registry uuid.UUID
}

func newEnforcer(roles []role, bindings []binding, teams map[uuid.UUID][]uuid.UUID) (*casbin.Enforcer, error) {
	m, err := model.NewModelFromString(casbinModel)
	if err != nil {
		return nil, fmt.Errorf("access model: %w", err)
	}
	e, err := casbin.NewEnforcer(m) // no adapter: the services are the only writers
	if err != nil {
		return nil, fmt.Errorf("access model: %w", err)
	}
	e.EnableAutoSave(false)
	var p, g [][]string
	for _, r := range roles {
		for _, a := range r.actions {
			p = append(p, []string{r.name, string(a)})
		}
	}
	for _, b := range bindings {
		g = append(g, []string{b.who.String(), b.role, domain(b.registry)})
	}
	g = append(g, inTeams(bindings, teams)...)
	// The Ex variants pass over duplicates, of which there are none.
	if _, err := e.AddPoliciesEx(p); err != nil {
		return nil, fmt.Errorf("load roles: %w", err)
	}
	if len(g) > 0 {
		if _, err := e.AddGroupingPoliciesEx(g); err != nil {
			return nil, fmt.Errorf("load grants: %w", err)
		}
	}
	return e, nil
}

// inTeams are the lines that make members of teams one with them wherever the
// team has a role.
func inTeams(bindings []binding, teams map[uuid.UUID][]uuid.UUID) (g [][]string) {
	type place struct{ team, registry uuid.UUID }
	done := make(map[place]bool)
	for _, b := range bindings {
		p := place{b.who.ID, b.registry}
		if b.who.Kind != KindTeam || done[p] {
			continue
		}
		done[p] = true
		for _, m := range teams[b.who.ID] {
			g = append(g, []string{MemberPrincipal(m).String(), b.who.String(), domain(b.registry)})
		}
	}
	return g
}
