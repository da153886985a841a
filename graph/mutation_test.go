package graph_test

import (
	"context"
	"strings"
	"testing"

	"sluice.dev/sluice/ent"
	entremote "sluice.dev/sluice/ent/remote"
	"sluice.dev/sluice/tenants/access"
	"sluice.dev/sluice/tenants/coord"
	"sluice.dev/sluice/tenants/registry"
)

// payload is what all mutations answer.
type payload struct {
	Registry *struct {
		Name     string
		Internal bool
		Kind     string
		Rules    []struct{ Name, Kind, Effect, MinSeverity string }
	}
	Rule *struct {
		ID                       string
		Applies, OnUnknown, Kind string
		Definitions              []string
	}
	Hold       *struct{ ID, Package, Version, Range, Reason string }
	Token      any
	Secret     string
	Released   []struct{ ID string }
	Remaining  []struct{ Cause string }
	UserErrors []struct{ Field, Message, Code string }
}

// do runs a mutation with one input.
func (w *world) do(ctx context.Context, name, fields string, input vars) (payload, answer) {
	w.Helper()
	typ := strings.ToUpper(name[:1]) + name[1:] + "Input!"
	a := w.ask(ctx, "mutation($input: "+typ+") { p: "+name+"(input: $input) { "+fields+" userErrors { field message code } } }", vars{"input": input})
	var out struct{ P payload }
	if len(a.Errors) == 0 {
		w.into2(a, &out)
	}
	return out.P, a
}

func (w *world) into2(a answer, out any) {
	w.Helper()
	if err := unmarshal(a.Data, out); err != nil {
		w.Fatalf("%v in %s", err, a.Data)
	}
}

// wrong checks that there is exactly one user error with the code, about the
// field, that contains the text.
func (p payload) wrong(t *testing.T, a answer, code, field, text string) {
	t.Helper()
	if len(p.UserErrors) != 1 || p.UserErrors[0].Code != code || p.UserErrors[0].Field != field || !strings.Contains(p.UserErrors[0].Message, text) {
		t.Errorf("got %+v %v; want %s on %q with %q", p.UserErrors, a.Errors, code, field, text)
	}
}

// TestP11_CreateFirewall: ecosystem, name, description, upstream, created.
func TestP11_CreateFirewall(t *testing.T) {
	w := newWorld(t)
	const fields = "registry { name internal kind rules { name kind effect minSeverity } }"
	p, a := w.do(w.ours, "createFirewall", fields, vars{"ecosystem": "NPM", "name": "front", "description": "x"})
	if p.Registry == nil || !p.Registry.Internal || p.Registry.Kind != "FIREWALL" || len(p.Registry.Rules) != 3 || p.Registry.Rules[0].MinSeverity != "HIGH" {
		t.Fatalf("%+v %v", p, a.Errors)
	}
	p, a = w.do(w.ours, "createFirewall", fields, vars{"ecosystem": "NPM", "name": "front"})
	p.wrong(t, a, "CONFLICT", "name", `"front" exists already`)
	p, a = w.do(w.ours, "createFirewall", fields, vars{"ecosystem": "NPM", "name": "Front Door"})
	p.wrong(t, a, "INVALID", "name", "lower-case")
	for _, e := range []string{"PYPI", "MAVEN", "NUGET"} {
		p, a = w.do(w.ours, "createFirewall", fields, vars{"ecosystem": e, "name": "other"})
		p.wrong(t, a, "INVALID", "ecosystem", "is not built yet")
	}
	p, a = w.do(w.theirs, "createFirewall", fields, vars{"ecosystem": "NPM", "name": "front"})
	if p.Registry == nil {
		t.Errorf("names are per organization: %+v %v", p, a.Errors)
	}
	if p, _ := w.do(w.ours, "createRegistry", "registry { name internal rules { name } }", vars{"ecosystem": "NPM", "name": "team"}); len(p.Registry.Rules) != 0 || !p.Registry.Internal {
		t.Errorf("P11, O2: a package registry %+v", p.Registry)
	}
}

// TestF5_NewRemoteIsOneTransaction: a firewall that is refused leaves no remote
// behind.
func TestF5_NewRemoteIsOneTransaction(t *testing.T) {
	w := newWorld(t)
	remotes := func() int {
		return w.rows(w.ours, func(ctx context.Context, c *ent.Client) (int, error) {
			return c.Remote.Query().Where(entremote.NameHasPrefix("new")).Count(ctx)
		})
	}
	input := func(name, remote, address string) vars {
		return vars{"ecosystem": "NPM", "name": name, "upstream": vars{"newRemote": vars{"name": remote, "baseUrl": address}}}
	}
	p, a := w.do(w.ours, "createFirewall", "registry { name }", input("front", "new", "ftp://x"))
	p.wrong(t, a, "INVALID", "baseUrl", "http")
	if _, a = w.do(w.ours, "createFirewall", "registry { name }", input("front", "new", "https://remote.example")); remotes() != 1 {
		t.Fatalf("%d remotes: %v", remotes(), a.Errors)
	}
	p, a = w.do(w.ours, "createFirewall", "registry { name }", input("front", "new-2", "https://remote.example"))
	p.wrong(t, a, "CONFLICT", "name", "front")
	p, a = w.do(w.ours, "createFirewall", "registry { name }", input("back", "new", "https://remote.example"))
	p.wrong(t, a, "CONFLICT", "name", `remote named "new"`)
	if remotes() != 1 {
		t.Errorf("%d remotes are left", remotes())
	}
	both := input("back", "new-2", "https://remote.example")
	both["upstream"].(vars)["registry"] = id("Registry", w.hierarchy(w.ours).firewall)
	p, a = w.do(w.ours, "createFirewall", "registry { name }", both)
	p.wrong(t, a, "INVALID", "source", "exactly one")
}

// TestR9_Bypass: past a firewall only with registry:bypass-firewall, which an
// administrator has not; and linking needs the right on the source.
func TestR9_Bypass(t *testing.T) {
	w := newWorld(t)
	h := w.hierarchy(w.ours)
	lib, err := w.registries.Create(w.ours, registry.CreateInput{Kind: registry.PackageRegistry, Ecosystem: coord.NPM, Name: "lib"})
	w.ok(err)
	owner := w.member(w.ours, "owner", access.Place{Role: access.Owner})
	admin := w.member(w.ours, "admin", access.Place{Role: access.Admin})
	delegate := w.member(w.ours, "delegate", access.Place{Role: access.RegistryAdmin, Registry: h.team}, access.Place{Role: access.Reader, Registry: lib.ID})
	past := vars{"registry": id("Registry", h.team), "source": vars{"remote": id("Remote", h.remote)}}
	if _, a := w.do(admin, "addUpstream", "upstream { id }", past); a.code() != "FORBIDDEN" || !strings.Contains(a.Errors[0].Message, "bypass-firewall") {
		t.Errorf("an administrator: %s %v", a.Data, a.Errors)
	}
	if p, a := w.do(owner, "addUpstream", "upstream { id }", past); len(p.UserErrors) > 0 || len(a.Errors) > 0 {
		t.Errorf("an owner: %+v %v", p, a.Errors)
	}
	if _, a := w.do(delegate, "addUpstream", "upstream { id }", past); a.code() != "FORBIDDEN" {
		t.Errorf("who may see no remotes: %s %v", a.Data, a.Errors)
	}
	link := vars{"registry": id("Registry", h.team), "source": vars{"registry": id("Registry", lib.ID)}}
	if _, a := w.do(delegate, "addUpstream", "upstream { id }", link); a.code() != "FORBIDDEN" || !strings.Contains(a.Errors[0].Message, "registry:link") {
		t.Errorf("without the right on the source: %s %v", a.Data, a.Errors)
	}
	if p, a := w.do(admin, "addUpstream", "upstream { id }", link); len(p.UserErrors) > 0 || len(a.Errors) > 0 {
		t.Errorf("with it: %+v %v", p, a.Errors)
	}
	p, a := w.do(admin, "addUpstream", "upstream { id }", vars{"registry": id("Registry", lib.ID), "source": vars{"registry": id("Registry", h.team)}})
	p.wrong(t, a, "INVALID", "source", "lib -> team -> lib")
	var edges struct {
		Registry struct {
			Upstreams []struct {
				ID     string
				Source struct{ Name string }
			}
		}
	}
	w.into(admin, `{ registry(name: "team") { upstreams { id source { ... on Registry { name } } } } }`, nil, &edges)
	for _, e := range edges.Registry.Upstreams {
		if e.Source.Name != "firewall" {
			continue
		}
		if _, a := w.do(admin, "removeUpstream", "registry { name }", vars{"upstream": e.ID}); a.code() != "FORBIDDEN" {
			t.Errorf("the last path to a firewall: %s %v", a.Data, a.Errors)
		}
	}
	p, a = w.do(owner, "deleteRegistry", "registry { name }", vars{"registry": id("Registry", lib.ID)})
	p.wrong(t, a, "CONFLICT", "", "is an upstream of team")
}

// TestP10_Rules: defaults by kind, and errors that say which definition is
// wrong, and where in it.
func TestP10_Rules(t *testing.T) {
	w := newWorld(t)
	h := w.hierarchy(w.ours)
	base := func(more vars) vars {
		v := vars{"registry": id("Registry", h.team), "name": "no", "kind": "BLOCK", "effect": "DENY"}
		for k, x := range more {
			v[k] = x
		}
		return v
	}
	const fields = "rule { id kind applies onUnknown definitions }"
	p, a := w.do(w.ours, "addRule", fields, base(vars{"definitions": []string{"left-pad@<1.2", "@evil/*"}}))
	if p.Rule == nil || p.Rule.Applies != "NEW" || p.Rule.OnUnknown != "DENY" || len(p.Rule.Definitions) != 2 {
		t.Fatalf("%+v %v", p, a.Errors)
	}
	made := p.Rule.ID
	p, a = w.do(w.ours, "addRule", fields, base(vars{"definitions": []string{"left-pad", "left-pad@<<1"}}))
	p.wrong(t, a, "INVALID", "definitions", "definition 2")
	p, a = w.do(w.ours, "addRule", fields, base(nil))
	p.wrong(t, a, "INVALID", "", "at least one package")
	p, a = w.do(w.ours, "addRule", fields, base(vars{"kind": "MINIMUM_AGE", "minAge": "P91D"}))
	p.wrong(t, a, "INVALID", "", "90 days")
	p, a = w.do(w.ours, "addRule", fields, base(vars{"kind": "LICENSE", "effect": "WARN", "licensePolicy": vars{"rules": []vars{{"license": "GPL", "category": "PERMISSIVE", "severity": "LOW"}}, "nonMatching": "LOW", "unknown": "LOW", "missing": "LOW"}}))
	p.wrong(t, a, "INVALID", "", "licence")
	if p, a = w.do(w.ours, "addRule", fields, base(vars{"kind": "LICENSE", "effect": "WARN"})); p.Rule == nil || p.Rule.Applies != "NEW_AND_HELD" || p.Rule.OnUnknown != "WARN" {
		t.Errorf("a licence rule has the default policy: %+v %v", p, a.Errors)
	}
	p, a = w.do(w.ours, "updateRule", fields, vars{"rule": made, "definitions": []string{}})
	p.wrong(t, a, "INVALID", "", "at least one package")
	if p, a = w.do(w.ours, "updateRule", fields, vars{"rule": made, "definitions": []string{"x"}}); p.Rule == nil || len(p.Rule.Definitions) != 1 || p.Rule.Applies != "NEW" {
		t.Errorf("what is not given stays: %+v %v", p, a.Errors)
	}
}

// TestQ_Quarantine: holds on versions, ranges and packages, and their release.
func TestQ_Quarantine(t *testing.T) {
	w := newWorld(t)
	h := w.hierarchy(w.ours)
	fw, team := id("Registry", h.firewall), id("Registry", h.team)
	const fields = "hold { id package version range reason }"
	version := vars{"registry": fw, "package": "left-pad", "version": "1.0.0", "reason": "odd"}
	first, _ := w.do(w.ours, "quarantineVersion", fields, version)
	again, _ := w.do(w.ours, "quarantineVersion", fields, version)
	if first.Hold == nil || again.Hold.ID != first.Hold.ID {
		t.Errorf("Q7: the same hold twice is %+v and %+v", first.Hold, again.Hold)
	}
	w.work(w.ours)
	for _, c := range []struct {
		name        string
		input       vars
		field, text string
	}{
		{"quarantineVersion", vars{"registry": fw, "package": "left-pad", "version": "", "reason": "odd"}, "version", "quarantinePackage"},
		{"quarantineVersion", vars{"registry": fw, "package": "left-pad", "version": "one", "reason": "odd"}, "version", "no version"},
		{"quarantineVersion", vars{"registry": fw, "package": "left-pad", "version": "1.0.0", "reason": "  "}, "reason", "needs a reason"},
		{"quarantineVersion", vars{"registry": fw, "package": "..", "version": "1.0.0", "reason": "odd"}, "package", "no package name"},
		{"quarantineRange", vars{"registry": fw, "package": "left-pad", "range": "", "reason": "odd"}, "range", "quarantinePackage"},
		{"quarantineRange", vars{"registry": fw, "package": "left-pad", "range": ">>1", "reason": "odd"}, "range", "no version range"},
	} {
		p, a := w.do(w.ours, c.name, fields, c.input)
		p.wrong(t, a, "INVALID", c.field, c.text)
	}
	// C4: the hold below ends with its root only.
	var below struct {
		Holds struct {
			Edges []struct{ Node struct{ ID string } }
		}
	}
	w.into(w.ours, `query($r: ID) { holds(registry: $r, filter: {open: true, cause: INHERITED}) { edges { node { id } } } }`, vars{"r": team}, &below)
	if len(below.Holds.Edges) != 1 {
		t.Fatalf("%+v", below)
	}
	inherited := below.Holds.Edges[0].Node.ID
	p, a := w.do(w.ours, "releaseHold", "hold { id }", vars{"hold": inherited, "reason": "fine"})
	p.wrong(t, a, "CONFLICT", "", `inherited from the registry "firewall"`)
	p, a = w.do(w.ours, "releaseVersion", "released { id } remaining { cause }", vars{"registry": team, "package": "left-pad", "version": "1.0.0", "reason": "fine"})
	p.wrong(t, a, "CONFLICT", "", "is inherited")
	_, _ = w.do(w.ours, "quarantineRange", fields, vars{"registry": fw, "package": "left-pad", "range": "<2", "reason": "odd"})
	p, a = w.do(w.ours, "releaseVersion", "released { id } remaining { cause }", vars{"registry": fw, "package": "left-pad", "version": "1.0.0", "reason": "fine"})
	if len(p.Released) != 1 || p.Released[0].ID != first.Hold.ID || len(p.Remaining) != 1 {
		t.Errorf("%+v %v", p, a.Errors)
	}
	p, a = w.do(w.ours, "releaseVersion", "released { id } remaining { cause }", vars{"registry": fw, "package": "left-pad", "version": "1.0.0", "reason": "fine"})
	p.wrong(t, a, "CONFLICT", "", "range <2")
	p, a = w.do(w.ours, "releaseVersion", "released { id }", vars{"registry": fw, "package": "nothing", "version": "1.0.0", "reason": "fine"})
	p.wrong(t, a, "CONFLICT", "", "has no hold")
	p, a = w.do(w.ours, "releaseVersion", "released { id }", vars{"registry": fw, "package": "left-pad", "version": "1.0.0", "reason": ""})
	p.wrong(t, a, "INVALID", "reason", "needs a reason")
	// Before any job has run, what the root caused is not in force any more.
	var end struct {
		Hold struct {
			Open          bool
			ReleaseReason string
		}
	}
	w.into(w.ours, `query($id: ID!) { hold(id: $id) { open releaseReason } }`, vars{"id": inherited}, &end)
	if end.Hold.Open || end.Hold.ReleaseReason != "fine" {
		t.Errorf("C4: %+v", end.Hold)
	}
	if _, a := w.do(w.ours, "deleteVersion", "tombstone { id }", vars{"registry": fw, "package": "nothing", "version": "1.0.0", "reason": "x"}); a.code() != "NOT_FOUND" {
		t.Errorf("deleting what is not there: %s %v", a.Data, a.Errors)
	}
}

// TestA2_Tokens: the secret is shown once and works; a read-only token changes
// nothing; a service token has no personal ones.
func TestA2_Tokens(t *testing.T) {
	w := newWorld(t)
	h := w.hierarchy(w.ours)
	owner := w.member(w.ours, "owner", access.Place{Role: access.Owner})
	p, a := w.do(owner, "createToken", "token { id } secret", vars{"name": "laptop"})
	if p.Secret == "" {
		t.Fatalf("%+v %v", p, a.Errors)
	}
	who, err := w.access.Authenticate(w.ours, p.Secret, "192.0.2.7")
	w.ok(err)
	reading := access.As(w.ours, who, "")
	if _, a := w.do(reading, "updateRegistry", "registry { name }", vars{"registry": id("Registry", h.team), "description": "x"}); a.code() != "FORBIDDEN" || !strings.Contains(a.Errors[0].Message, "read-only") {
		t.Errorf("%s %v", a.Data, a.Errors)
	}
	var seen struct{ Viewer struct{ Kind, Name string } }
	w.into(reading, `{ viewer { kind name } }`, nil, &seen)
	if seen.Viewer.Kind != "MEMBER" || seen.Viewer.Name != "owner@acme.example" {
		t.Errorf("%+v", seen)
	}
	p, a = w.do(owner, "createToken", "token { id } secret", vars{"name": "x", "registries": []string{}})
	p.wrong(t, a, "INVALID", "registries", "leave it out")
	p, a = w.do(owner, "createToken", "token { id } secret", vars{"name": "x", "expiresAt": "2020-01-01T00:00:00Z"})
	p.wrong(t, a, "INVALID", "expiresAt", "later than")
	p, a = w.do(owner, "createServiceToken", "token { id } secret", vars{"name": "ci", "write": true, "roles": []vars{{"role": "admin"}}})
	if p.Secret == "" {
		t.Fatalf("%+v %v", p, a.Errors)
	}
	service, err := w.access.Authenticate(w.ours, p.Secret, "192.0.2.7")
	w.ok(err)
	if _, a := w.do(access.As(w.ours, service, ""), "createToken", "secret", vars{"name": "x"}); a.code() != "FORBIDDEN" || !strings.Contains(a.Errors[0].Message, "createServiceToken") {
		t.Errorf("%s %v", a.Data, a.Errors)
	}
	p, a = w.do(owner, "createServiceToken", "secret", vars{"name": "ci", "roles": []vars{{"role": "emperor"}}})
	p.wrong(t, a, "INVALID", "role", "emperor")
}

// TestMutationsFollowEachOther: each sees what the one before it changed.
func TestMutationsFollowEachOther(t *testing.T) {
	w := newWorld(t)
	h := w.hierarchy(w.ours)
	var out struct {
		A, B, C struct{ Registry struct{ Name string } }
	}
	w.into(w.ours, `mutation($r: ID!) {
		a: updateRegistry(input: {registry: $r, name: "one"}) { registry { name rules { registry { name } } } }
		b: updateRegistry(input: {registry: $r, name: "two"}) { registry { name } }
		c: deleteRegistry(input: {registry: $r}) { registry { name } }
	}`, vars{"r": id("Registry", h.team)}, &out)
	if out.A.Registry.Name != "one" || out.B.Registry.Name != "two" || out.C.Registry.Name != "two" {
		t.Errorf("%+v", out)
	}
	if a := w.ask(w.ours, `mutation($r: ID!) { updateRegistry(input: {registry: $r, name: "x"}) { registry { name } } }`, vars{"r": id("Registry", h.team)}); a.code() != "NOT_FOUND" {
		t.Errorf("a deleted registry: %s %v", a.Data, a.Errors)
	}
}
