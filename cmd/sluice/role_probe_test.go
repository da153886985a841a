package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/google/uuid"
	"github.com/vektah/gqlparser/v2/ast"

	"sluice.dev/sluice/graph/api"
	"sluice.dev/sluice/tenants/access"
	"sluice.dev/sluice/tenants/errs"
)

// How a row was proved.
const (
	byGraphQL = "GraphQL"
	byNPM     = "npm"
	inProcess = "service" // no request asks for it yet, but a service does
)

// probe asks a node for one action at a place, without changing anything: what
// is let through stumbles over its own input, or finds nothing to do.
type probe struct {
	how string
	// query with the variables $r (the registry), $o (the other one) and $x.
	query string
	x     func(w *roleWorld, at uuid.UUID) string
	npm   func(w *roleWorld, at uuid.UUID) (method, path string)
	call  func(w *roleWorld, ctx context.Context, at uuid.UUID) error
	// needs are further actions at the same place that the same request asks for;
	// other at the other registry, organization on the organization.
	needs, other, organization []access.Action
}

func (w *roleWorld) probes() map[access.Action]*probe {
	q := func(query string, needs ...access.Action) *probe {
		return &probe{how: byGraphQL, query: query, needs: needs}
	}
	link := q(`mutation($r: ID!, $o: ID!) { addUpstream(input: {registry: $o, source: {registry: $r}, include: ["a b"]}) { userErrors { message } } }`)
	link.other = []access.Action{access.UpstreamUpdate, access.RegistryRead}
	bypass := q(`mutation($o: ID!, $x: ID!) { addUpstream(input: {registry: $o, source: {remote: $x}}) { userErrors { message } } }`)
	bypass.x = func(w *roleWorld, _ uuid.UUID) string { return api.Of("Remote", w.remote).String() }
	bypass.other, bypass.organization = []access.Action{access.UpstreamUpdate, access.RegistryRead}, []access.Action{access.RemoteRead}
	lift := q(`mutation($x: ID!) { liftTombstone(input: {tombstone: $x, reason: ""}) { userErrors { message } } }`, access.RegistryRead)
	lift.x = func(w *roleWorld, at uuid.UUID) string { return api.Of("Tombstone", w.tombstones[at]).String() }
	findings := q(`query($r: ID!, $x: String!) { version(registry: $r, package: $x, version: "1.0.0") { findings { id } } }`, access.VersionRead, access.RegistryRead)
	findings.x = func(w *roleWorld, at uuid.UUID) string { return "@acme/lib-" + w.registryName(at) }
	in := func(call func(w *roleWorld, ctx context.Context, at uuid.UUID) error) *probe {
		return &probe{how: inProcess, call: call}
	}
	out := map[access.Action]*probe{
		access.OrganizationRead:   q(`{ organization { id } }`),
		access.OrganizationUpdate: q(`mutation { updateOrganization(input: {reservedPatterns: [{ecosystem: NPM, pattern: ""}]}) { userErrors { message } } }`),
		access.RegistryCreate:     q(`mutation { createRegistry(input: {ecosystem: NPM, name: "NO NAME"}) { userErrors { message } } }`),
		access.RegistryRead: {how: byNPM, npm: func(w *roleWorld, at uuid.UUID) (string, string) {
			return http.MethodGet, "/npm/" + w.registryName(at) + "/-/ping"
		}},
		access.RegistryUpdate:         q(`mutation($r: ID!) { updateRegistry(input: {registry: $r}) { userErrors { message } } }`, access.RegistryRead),
		access.RegistryDelete:         q(`mutation($r: ID!) { undeleteRegistry(input: {registry: $r}) { userErrors { message } } }`, access.RegistryRead),
		access.RegistryLink:           link,
		access.RegistryBypassFirewall: bypass,
		access.UpstreamUpdate:         q(`mutation($r: ID!, $o: ID!) { reorderUpstreams(input: {registry: $r, upstreams: [$o]}) { userErrors { message } } }`, access.RegistryRead),
		access.RemoteRead:             q(`{ remotes { totalCount } }`),
		access.RemoteCreate:           q(`mutation { createRemote(input: {ecosystem: NPM, name: "x", baseUrl: "no address"}) { userErrors { message } } }`),
		access.VersionRead:            q(`query($r: ID!) { packages(registry: $r) { totalCount } }`, access.RegistryRead),
		access.VersionPublish:         q(`mutation($r: ID!) { pullVersion(input: {registry: $r, package: "lib", version: "no version"}) { userErrors { message } } }`, access.RegistryRead),
		access.VersionPromote:         q(`mutation($r: ID!) { promoteVersion(input: {from: $r, to: $r, package: "lib", version: "no version"}) { userErrors { message } } }`, access.VersionPublish, access.RegistryRead),
		access.VersionDelete:          q(`mutation($r: ID!) { deleteVersion(input: {registry: $r, package: "lib", version: "no version", reason: ""}) { userErrors { message } } }`, access.RegistryRead),
		access.VersionQuarantine:      q(`mutation($r: ID!) { quarantineVersion(input: {registry: $r, package: "lib", version: "no version", reason: ""}) { userErrors { message } } }`, access.RegistryRead),
		access.VersionRelease:         q(`mutation($r: ID!) { releaseVersion(input: {registry: $r, package: "lib", version: "no version", reason: ""}) { userErrors { message } } }`, access.RegistryRead),
		access.TagUpdate:              q(`mutation($r: ID!) { setTag(input: {registry: $r, package: "lib", tag: "1.0.0", version: "1.0.0"}) { userErrors { message } } }`, access.RegistryRead),
		access.OwnershipUpdate:        q(`mutation($r: ID!) { setNameSwitch(input: {registry: $r, package: "lib", reason: ""}) { userErrors { message } } }`, access.RegistryRead),
		access.TombstoneLift:          lift,
		access.PolicyRead:             q(`query($r: ID!) { registry(id: $r) { rules { id } } }`, access.RegistryRead),
		access.PolicyUpdate:           q(`mutation($r: ID!) { addRule(input: {registry: $r, name: "", kind: BLOCK, effect: DENY}) { userErrors { message } } }`, access.RegistryRead),
		access.FindingRead:            findings,
		access.MemberRead:             q(`{ members { edges { cursor } } }`),
		access.TokenCreate:            q(`mutation { createToken(input: {name: ""}) { userErrors { message } } }`),
		access.TokenManage:            q(`mutation { createServiceToken(input: {name: ""}) { userErrors { message } } }`),
		access.AuditRead:              q(`query($r: ID!) { auditEvents(filter: {registry: $r}) { edges { cursor } } }`, access.RegistryRead),
		access.DecisionRead:           q(`query($r: ID!) { blastRadius(registry: $r, package: "lib") { __typename } }`, access.RegistryRead),
		access.MemberManage: in(func(w *roleWorld, ctx context.Context, _ uuid.UUID) error {
			return expected(w.acme.at.access.DeactivateMember(ctx, uuid.New()), errs.NotFound)
		}),
		access.RoleManage: in(func(w *roleWorld, ctx context.Context, _ uuid.UUID) error {
			return expected(w.acme.at.access.DeleteRole(ctx, "no-such-role"), errs.NotFound)
		}),
		access.GrantManage: in(func(w *roleWorld, ctx context.Context, at uuid.UUID) error {
			return expected(w.acme.at.access.Grant(ctx, access.MemberPrincipal(w.members["stranger"]), "no-such-role", at), errs.Invalid)
		}),
	}
	out[access.GrantManage].needs = []access.Action{access.RegistryRead}
	for _, r := range rootFields() {
		if a, p := r.probe(); p != nil && out[a] == nil {
			out[a] = p
		}
	}
	return out
}

// expected takes an error that only those get who may as none.
func expected(err error, kinds ...errs.Kind) error {
	for _, k := range kinds {
		if errs.Is(err, k) {
			return nil
		}
	}
	return err
}

// probe is one made from the schema, for an action that no other one asks for:
// of a field that needs nothing else, and that has a text, which is left empty.
func (r rootField) probe() (access.Action, *probe) {
	cans := r.Directives.ForNames("can")
	if len(cans) != 1 || r.kind == "subscription" {
		return "", nil
	}
	action := access.Action(cans[0].Arguments.ForName("action").Value.Raw)
	for _, p := range r.idPaths() {
		if len(p.types) != 1 || p.types[0] != "Registry" {
			return "", nil
		}
	}
	args, texts, ok := r.empty()
	if !ok || texts == 0 && r.kind == "mutation" {
		return "", nil
	}
	head := r.kind
	if strings.Contains(args, "$r") {
		head += "($r: ID!)"
	}
	return action, &probe{how: byGraphQL, query: head + " { " + r.Name + args + r.selection(r.Type, 0) + " }"}
}

// empty writes the arguments that a field needs, with empty texts.
func (r rootField) empty() (args string, texts int, ok bool) {
	var parts []string
	for _, a := range r.Arguments {
		if !a.Type.NonNull || a.DefaultValue != nil {
			continue
		}
		text, n, fine := r.emptyOf(a.Type)
		if !fine {
			return "", 0, false
		}
		parts, texts = append(parts, a.Name+": "+text), texts+n
	}
	if len(parts) > 0 {
		args = "(" + strings.Join(parts, ", ") + ")"
	}
	return args, texts, true
}

func (r rootField) emptyOf(t *ast.Type) (text string, texts int, ok bool) {
	def := r.schema.Types[t.Name()]
	switch {
	case t.Elem != nil:
		return "[]", 0, true
	case t.Name() == "ID":
		return "$r", 0, true
	case t.Name() == "String":
		return `""`, 1, true
	case t.Name() == "Boolean":
		return "false", 0, true
	case def.Kind == ast.Enum:
		return def.EnumValues[0].Name, 0, true
	case def.Kind != ast.InputObject:
		return "", 0, false
	}
	var parts []string
	for _, f := range def.Fields {
		if !f.Type.NonNull || f.DefaultValue != nil {
			continue
		}
		value, n, fine := r.emptyOf(f.Type)
		if !fine {
			return "", 0, false
		}
		parts, texts = append(parts, f.Name+": "+value), texts+n
	}
	return "{" + strings.Join(parts, ", ") + "}", texts, true
}

// fits reports whether the probe's answer is about the action alone: the place is
// one that a request can name, and the subject has what else it asks for.
func (p *probe) fits(w *roleWorld, ctx context.Context, a access.Action, at uuid.UUID) bool {
	if p.how != inProcess && a.PerRegistry() == (at == uuid.Nil) {
		return false
	}
	can := func(list []access.Action, at uuid.UUID) bool {
		for _, need := range list {
			if ok, err := w.acme.at.access.Can(ctx, access.Of(ctx), need, at); err != nil || !ok {
				return false
			}
		}
		return true
	}
	other := w.registryOther(at)
	// What else is asked for matters only to who may: who may not is refused all
	// the same, by whichever is missing.
	allowed := can([]access.Action{a}, at)
	whole := can(p.other, other) && can(p.organization, uuid.Nil)
	return whole && (!allowed || at == uuid.Nil || can(p.needs, at))
}

// try asks with the subject's token, and reports whether they may.
func (p *probe) try(w *roleWorld, subject string, ctx context.Context, at uuid.UUID) (did bool, how string, err error) {
	w.Helper()
	x := w.acme.bearing(w.token[subject])
	switch p.how {
	case inProcess:
		err := p.call(w, ctx, at)
		if errs.Is(err, errs.Forbidden) || errs.Is(err, errs.NotFound) || errs.Is(err, errs.Unauthenticated) {
			return false, p.how, nil
		}
		return err == nil, p.how, err
	case byNPM:
		method, path := p.npm(w, at)
		a := x.fetch(method, x.at.server.URL+"/o/acme"+path)
		return a.status == http.StatusOK, p.how, a.unless(200, 401, 404)
	}
	vars := map[string]any{}
	for name, value := range map[string]string{"$r": regID(at), "$o": regID(w.registryOther(at))} {
		if strings.Contains(p.query, name+":") {
			vars[name[1:]] = value
		}
	}
	if p.x != nil {
		vars["x"] = p.x(w, at)
	}
	a := x.submit(http.MethodPost, x.at.server.URL+"/o/acme/graphql", map[string]any{"query": p.query, "variables": vars})
	g, ok := a.gql()
	if a.status == http.StatusUnauthorized {
		return false, p.how, nil
	}
	if !ok {
		return false, p.how, fmt.Errorf("%d %s", a.status, a.body)
	}
	for _, e := range g.Errors {
		switch e.Extensions.Code {
		case "FORBIDDEN", "UNAUTHENTICATED", "NOT_FOUND":
		default:
			return false, p.how, errors.New(e.Extensions.Code + ": " + e.Message)
		}
	}
	return len(g.Errors) == 0, p.how, nil
}

// unless is an error when the status is none of those.
func (a answer) unless(statuses ...int) error {
	for _, s := range statuses {
		if a.status == s {
			return a.err
		}
	}
	return fmt.Errorf("%d %.200s", a.status, a.body)
}
