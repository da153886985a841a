package graph_test

import (
	"context"
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/uuid"

	"sluice.dev/sluice/ent/db"
	"sluice.dev/sluice/tenants/access"
)

var unmarshal, marshal = json.Unmarshal, json.Marshal

// TestT3_WhatHangsTogether: through what somebody may see, nothing can be
// reached that they may not see.
func TestT3_WhatHangsTogether(t *testing.T) {
	w := newWorld(t)
	s := w.seed(w.ours)
	reader := w.member(w.ours, "reader", access.Place{Role: access.Reader, Registry: s.team})
	var out struct {
		Registry struct {
			Upstreams   []struct{ Source any }
			Downstreams []any
			Holds       struct {
				Edges []struct {
					Node struct {
						Root        any
						Open        bool
						BlastRadius any
					}
				}
			}
		}
		Version struct {
			HeldBy []struct{ Name string }
		}
	}
	const query = `query($r: ID!) {
		registry(id: $r) { upstreams { source { __typename } } downstreams { name } holds { edges { node { root { id } open } } } }
		version(registry: $r, package: "left-pad", version: "1.0.0") { heldBy { name } }
	}`
	w.into(reader, query, vars{"r": s.words["team"]}, &out)
	r := out.Registry
	if len(r.Upstreams) != 1 || r.Upstreams[0].Source != nil {
		t.Errorf("the firewall above shows: %+v", r.Upstreams)
	}
	if len(r.Holds.Edges) == 0 || r.Holds.Edges[0].Node.Root != nil || !r.Holds.Edges[0].Node.Open {
		t.Errorf("the root hold in the firewall shows: %+v", r.Holds)
	}
	if len(out.Version.HeldBy) != 1 || out.Version.HeldBy[0].Name != "team" {
		t.Errorf("who else holds it shows: %+v", out.Version)
	}
	above := w.member(w.ours, "above", access.Place{Role: access.Security, Registry: s.firewall})
	var blast struct {
		Hold struct {
			Inherited   struct{ TotalCount int }
			BlastRadius struct {
				Registries       []struct{ Name string }
				HiddenRegistries int
			}
		}
		Registry struct{ Downstreams []any }
	}
	w.into(above, `query($h: ID!) { hold(id: $h) { inherited { totalCount } blastRadius { registries { name } hiddenRegistries } } registry(name: "firewall") { downstreams { name } } }`,
		vars{"h": s.words["hold"]}, &blast)
	b := blast.Hold.BlastRadius
	if len(b.Registries) != 1 || b.Registries[0].Name != "firewall" || b.HiddenRegistries != 1 || blast.Hold.Inherited.TotalCount != 0 || len(blast.Registry.Downstreams) != 0 {
		t.Errorf("C7: %+v", blast)
	}
}

// TestOneMissingRight leaves the rest of the answer as it is.
func TestOneMissingRight(t *testing.T) {
	w := newWorld(t)
	s := w.seed(w.ours)
	w.ok(w.access.CreateRole(w.ours, access.RoleInput{Name: "looker", Actions: []access.Action{access.RegistryRead}}))
	looker := w.member(w.ours, "looker", access.Place{Role: "looker", Registry: s.team})
	a := w.ask(looker, `query($r: ID!) { registry(id: $r) { name rules { name } holds { totalCount } packages { totalCount } } }`, vars{"r": s.words["team"]})
	if len(a.Errors) != 3 || !strings.Contains(string(a.Data), `{"name":"team","rules":null,"holds":null,"packages":null}`) {
		t.Errorf("%s %v", a.Data, a.Errors)
	}
	for _, e := range a.Errors {
		if e.Extensions.Code != "FORBIDDEN" || len(e.Path) != 2 {
			t.Errorf("%+v", e)
		}
	}
}

// TestA2_ScopedToken: a token sees what it is limited to, and nothing once it
// has ended.
func TestA2_ScopedToken(t *testing.T) {
	w := newWorld(t)
	s := w.seed(w.ours)
	secret, token, err := w.access.CreateToken(w.ours, access.TokenInput{Name: "ci", Roles: []access.Place{{Role: access.Auditor}}, Registries: []uuid.UUID{s.team}})
	w.ok(err)
	who, err := w.access.Authenticate(w.ours, secret, "192.0.2.7")
	w.ok(err)
	ctx := access.As(w.ours, who, "")
	var out struct {
		Registries struct {
			TotalCount int
			Edges      []struct{ Node struct{ Name string } }
		}
		AuditEvents struct {
			Edges []struct {
				Node struct{ Registry struct{ Name string } }
			}
		}
		Decisions struct{ Edges []any }
	}
	const query = `{ registries { totalCount edges { node { name } } } auditEvents(first: 100) { edges { node { registry { name } } } } decisions { edges { node { id } } } }`
	w.into(ctx, query, nil, &out)
	if out.Registries.TotalCount != 1 || out.Registries.Edges[0].Node.Name != "team" || len(out.AuditEvents.Edges) == 0 || len(out.Decisions.Edges) == 0 {
		t.Errorf("%+v", out)
	}
	for _, e := range out.AuditEvents.Edges {
		if e.Node.Registry.Name != "team" {
			t.Errorf("an event of %q shows", e.Node.Registry.Name)
		}
	}
	w.ok(w.access.RevokeToken(w.ours, token.ID))
	if a := w.ask(ctx, `{ registry(name: "team") { name } }`, nil); len(a.Errors) != 1 || strings.Contains(string(a.Data), "team") {
		t.Errorf("a revoked token still sees: %s %v", a.Data, a.Errors)
	}
}

// TestRegistryFilters: by kind, ecosystem, name, and what was deleted.
func TestRegistryFilters(t *testing.T) {
	w := newWorld(t)
	w.seed(w.ours)
	for filter, want := range map[string]string{
		`{}`: "base dev firewall lib prod spare team", `{kind: FIREWALL}`: "firewall", `{kind: PACKAGE}`: "base dev lib prod spare team", `{ecosystem: PYPI}`: "",
		`{search: "EA"}`: "team", `{search: "_"}`: "", `{deleted: true}`: "deleted", `{kind: FIREWALL, deleted: true}`: "",
	} {
		var out struct {
			Registries struct {
				TotalCount int
				Edges      []struct{ Node struct{ Name string } }
			}
		}
		w.into(w.ours, `{ registries(filter: `+filter+`) { totalCount edges { node { name } } } }`, nil, &out)
		var names []string
		for _, e := range out.Registries.Edges {
			names = append(names, e.Node.Name)
		}
		if got := strings.Join(names, " "); got != want || out.Registries.TotalCount != len(names) {
			t.Errorf("%s: %s (of %d), want %s", filter, got, out.Registries.TotalCount, want)
		}
	}
}

// finding opens one.
func (w *world) finding(ctx context.Context, name, version string) {
	w.Helper()
	w.ok(w.db.InTx(ctx, func(ctx context.Context, tx *db.Tx) error {
		_, err := tx.Exec(ctx, `INSERT INTO findings (id, org_id, ecosystem, name, version, kind, reference, severity, opened_at)
			VALUES (gen_random_uuid(), current_setting('app.org')::uuid, 'NPM', $1, $2, 'VULNERABILITY', 'GHSA-x', 'HIGH', $3)`, name, version, w.now)
		return err
	}))
}

// TestNode finds one object of each type by its id, and only that.
func TestNode(t *testing.T) {
	w := newWorld(t)
	s := w.seed(w.ours)
	owner := w.member(w.ours, "owner", access.Place{Role: access.Owner})
	w.finding(w.ours, "left-pad", "1.0.0")
	var ids struct {
		Organization struct{ ID string }
		Viewer       struct{ Member struct{ ID string } }
		Package      struct{ ID string }
		Version      struct{ Findings []struct{ ID string } }
		Decision     struct{ ID string }
		Advisory     struct{ ID string }
		AuditEvents  struct {
			Edges []struct{ Node struct{ ID string } }
		}
	}
	w.into(owner, `query($r: ID!, $d: String!) { organization { id } viewer { member { id } } package(registry: $r, name: "left-pad") { id }
		version(registry: $r, package: "left-pad", version: "1.0.0") { findings { id } } decision(reference: $d) { id }
		advisory(osvId: "GHSA-35jh-r3h4-6jhm") { id } auditEvents(first: 1) { edges { node { id } } } }`, vars{"r": s.words["firewall"], "d": s.words["decision"]}, &ids)
	for typ, text := range map[string]string{
		"Organization": ids.Organization.ID, "Member": ids.Viewer.Member.ID, "Package": ids.Package.ID, "Finding": ids.Version.Findings[0].ID,
		"Decision": ids.Decision.ID, "Advisory": ids.Advisory.ID, "AuditEvent": ids.AuditEvents.Edges[0].Node.ID, "Registry": s.words["team"],
		"Remote": s.words["remote"], "Upstream": s.words["upstreamA"], "Rule": s.words["rule"], "Hold": s.words["hold"], "Cascade": s.words["cascade"],
		"Scan": s.words["scan"], "Tombstone": s.words["tombstone"], "Token": s.words["token"], "Version": s.words["version"],
		"TrustRule": s.words["trustRule"],
	} {
		var out struct {
			Node struct {
				Typename string `json:"__typename"`
				ID       string
			}
		}
		w.into(owner, `query($id: ID!) { node(id: $id) { __typename id } }`, vars{"id": text}, &out)
		if out.Node.Typename != typ || out.Node.ID != text {
			t.Errorf("%s: %+v", typ, out.Node)
		}
		foreigner := w.ask(w.theirs, `query($id: ID!) { node(id: $id) { __typename id } }`, vars{"id": text})
		if want := map[bool]string{true: "", false: "NOT_FOUND"}[typ == "Advisory"]; foreigner.code() != want {
			t.Errorf("%s from another organization: %s %v", typ, foreigner.Data, foreigner.Errors)
		}
	}
}
