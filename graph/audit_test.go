package graph_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"sluice.dev/sluice/ent/db"
	"sluice.dev/sluice/ent/db/dbtest"
	"sluice.dev/sluice/tenants/access"
	"sluice.dev/sluice/tenants/audit"
)

// TestAudit_Filters: by the beginning of the action, the actor, its kind and
// address, and time; in both directions.
func TestAudit_Filters(t *testing.T) {
	w := newWorld(t)
	h := w.hierarchy(w.ours)
	owner := w.member(w.ours, "owner", access.Place{Role: access.Owner})
	began := w.now
	w.now = w.now.Add(time.Hour)
	w.into(owner, `mutation($r: ID!) { quarantineVersion(input: {registry: $r, package: "x", version: "1.0.0", reason: "odd"}) { hold { id } } }`, vars{"r": id("Registry", h.team)}, &struct{}{})
	for name, c := range map[string]struct {
		filter vars
		want   string
	}{
		"a prefix":        {vars{"actionPrefix": "version:"}, "version:quarantine"},
		"no wildcard":     {vars{"actionPrefix": "%"}, ""},
		"an address":      {vars{"ip": "192.0.2.7"}, "version:quarantine"},
		"another address": {vars{"ip": "192.0.2.8"}, ""},
		"an actor":        {vars{"actor": "owner@acme.example"}, "version:quarantine"},
		"a kind":          {vars{"actorKind": "MEMBER"}, "version:quarantine"},
		"a time":          {vars{"from": began.Add(time.Minute).Format(time.RFC3339)}, "version:quarantine"},
		"a registry":      {vars{"registry": id("Registry", h.team), "actionPrefix": "version:", "objectType": "hold"}, "version:quarantine"},
		"another one":     {vars{"registry": id("Registry", h.firewall), "actionPrefix": "version:"}, ""},
	} {
		var out struct {
			AuditEvents struct {
				Edges []struct {
					Node struct {
						Action        string
						Before, After any
					}
				}
			}
		}
		w.into(owner, `query($f: AuditEventFilter) { auditEvents(first: 100, filter: $f) { edges { node { action before after } } } }`, vars{"f": c.filter}, &out)
		var got []string
		for _, e := range out.AuditEvents.Edges {
			got = append(got, e.Node.Action)
		}
		if strings.Join(got, " ") != c.want {
			t.Errorf("%s: %v, want %q", name, got, c.want)
		}
		if c.want != "" && out.AuditEvents.Edges[0].Node.After == nil {
			t.Errorf("%s: the event says nothing of the state after it", name)
		}
	}
	if a := w.ask(w.theirs, `{ auditEvents(filter: {actionPrefix: "version:"}) { edges { node { id } } } }`, nil); !strings.Contains(string(a.Data), `"edges":[]`) {
		t.Errorf("the other organization sees %s", a.Data)
	}
}

// TestAudit_Chain: an event shows its seal, the chain its head, and verifying
// names the place where somebody changed an event.
func TestAudit_Chain(t *testing.T) {
	w := newWorld(t)
	w.hierarchy(w.ours)
	owner := w.member(w.ours, "owner", access.Place{Role: access.Owner})
	type chain struct {
		AuditChain struct {
			Head    *string
			Waiting int
		}
		AuditEvents struct {
			Edges []struct {
				Node struct {
					ID   string
					Seal *struct {
						Seq  int
						Hash string
					}
				}
			}
		}
		VerifyAudit struct {
			Holds  bool
			Sealed int
			Faults []struct{ Event, Message string }
		}
	}
	const query = `query($h: String) { auditChain { head waiting } auditEvents(first: 1, direction: ASC) { edges { node { id seal { seq hash } } } } verifyAudit(head: $h) { holds sealed faults { event message } } }`
	var before, after, changed chain
	w.into(owner, query, nil, &before)
	if before.AuditChain.Head != nil || before.AuditChain.Waiting == 0 || before.AuditEvents.Edges[0].Node.Seal != nil || !before.VerifyAudit.Holds {
		t.Errorf("before sealing: %+v", before)
	}
	n, err := audit.NewSealer(w.db, func() time.Time { return w.now }).SealOrg(w.ours)
	w.ok(err)
	w.into(owner, query, nil, &after)
	first := after.AuditEvents.Edges[0].Node
	if after.AuditChain.Head == nil || after.AuditChain.Waiting != 0 || first.Seal == nil || len(first.Seal.Hash) != 64 || !after.VerifyAudit.Holds || after.VerifyAudit.Sealed != n {
		t.Fatalf("after sealing %d: %+v", n, after)
	}
	_, err = dbtest.Superuser(t, w.db).Exec(t.Context(), `UPDATE audit_events SET actor_name = 'mallory' WHERE id = (SELECT event_id FROM audit_seals WHERE org_id = $1 AND seq = $2)`, orgOf(t, w.ours), first.Seal.Seq)
	w.ok(err)
	w.into(owner, query, vars{"h": *after.AuditChain.Head}, &changed)
	if changed.VerifyAudit.Holds || len(changed.VerifyAudit.Faults) != 1 || changed.VerifyAudit.Faults[0].Event != first.ID {
		t.Errorf("a changed event: %+v", changed.VerifyAudit)
	}
	if a := w.ask(owner, `{ verifyAudit(head: "x") { holds } }`, nil); a.code() != "INVALID" {
		t.Errorf("%v", a.Errors)
	}
	if a := w.ask(w.member(w.ours, "plain"), `{ verifyAudit { holds } auditChain { head } }`, nil); len(a.Errors) != 2 || a.Errors[0].Extensions.Code != "FORBIDDEN" {
		t.Errorf("without audit:read: %s %v", a.Data, a.Errors)
	}
}

// TestT6_HostNames: a host needs proof, belongs to one organization, and goes
// away again.
func TestT6_HostNames(t *testing.T) {
	w := newWorld(t)
	h := w.hierarchy(w.ours)
	owner := w.member(w.ours, "owner", access.Place{Role: access.Owner})
	them := w.member(w.theirs, "them", access.Place{Role: access.Owner})
	var proof struct {
		HostProof struct{ Name, Type, Value string }
	}
	w.into(owner, `{ hostProof(host: "NPM.acme.test.") { name type value } }`, nil, &proof)
	if p := proof.HostProof; p.Name != "_sluice.npm.acme.test" || p.Type != "TXT" || p.Value != "sluice-organization="+orgOf(t, w.ours).String() {
		t.Errorf("%+v", p)
	}
	bind := `mutation($h: String!, $r: ID) { bindHost(input: {host: $h, registry: $r}) { hostName { host registry { name } } userErrors { field code message } } }`
	for host, want := range map[string]string{
		"npm.acme.test": `"host":"npm.acme.test","registry":{"name":"team"}`, "x.sluice.example": "platform's own domain", "no host": "is not a host name",
	} {
		if a := w.ask(owner, bind, vars{"h": host, "r": id("Registry", h.team)}); !strings.Contains(string(a.Data), want) {
			t.Errorf("%s: %s %v", host, a.Data, a.Errors)
		}
	}
	if a := w.ask(them, bind, vars{"h": "npm.acme.test"}); !strings.Contains(string(a.Data), "is not proved") {
		t.Errorf("without proof: %s %v", a.Data, a.Errors)
	}
	if a := w.ask(them, `{ hostNames { host } }`, nil); string(a.Data) != `{"hostNames":[]}` {
		t.Errorf("theirs: %s", a.Data)
	}
	if a := w.ask(w.member(w.ours, "plain"), bind, vars{"h": "y.acme.test"}); a.code() != "FORBIDDEN" {
		t.Errorf("a plain member: %s %v", a.Data, a.Errors)
	}
	unbind := `mutation { unbindHost(input: {host: "npm.acme.test"}) { host userErrors { message } } }`
	if a := w.ask(them, unbind, nil); a.code() != "NOT_FOUND" {
		t.Errorf("T3: %s %v", a.Data, a.Errors)
	}
	if a := w.ask(owner, unbind, nil); !strings.Contains(string(a.Data), `"host":"npm.acme.test"`) {
		t.Errorf("%s %v", a.Data, a.Errors)
	}
	n := w.rowsOf(w.ours, `SELECT count(*) FROM audit_events WHERE action IN ('host:bind', 'host:unbind')`)
	if n != 2 {
		t.Errorf("%d audit events", n)
	}
}

// rowsOf counts by a statement.
func (w *world) rowsOf(ctx context.Context, query string) (n int) {
	w.Helper()
	w.ok(w.db.InSnapshot(ctx, func(ctx context.Context, tx *db.Tx) error { return tx.QueryRow(ctx, query).Scan(&n) }))
	return n
}
