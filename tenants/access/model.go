package access

import (
	"fmt"

	"github.com/casbin/casbin/v2"
	"github.com/casbin/casbin/v2/model"
	"github.com/google/uuid"
)

// casbinModel decides access (A3). There is one enforcer per organization, so
// that the organization is not in the model. A policy line lets a role do an
// action; a grouping line gives a subject ("member:<id>", "token:<id>") a role
// in a domain: "*" is the organization with all of its registries,
// "registry:<id>" is one of them. What no line allows is refused (A5).
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

func newEnforcer(roles []role, bindings []binding) (*casbin.Enforcer, error) {
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
