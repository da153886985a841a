package intake_test

import (
	"context"
	"encoding/json"
	"testing"

	"sluice.dev/sluice/ent/db"
	"sluice.dev/sluice/jobs/spec"
	"sluice.dev/sluice/tenants/errs"
	"sluice.dev/sluice/tenants/policy"
	"sluice.dev/sluice/tenants/registry"
)

// queued are the arguments of all jobs of a kind that were ever enqueued.
func queued[A any](m *moving, kind string) (out []A) {
	m.Helper()
	rows, err := m.db.Pool.Query(context.Background(), `SELECT args FROM `+db.RiverSchema+`.river_job WHERE kind = $1 ORDER BY id`, kind)
	m.ok(err)
	defer rows.Close()
	for rows.Next() {
		var raw []byte
		var a A
		m.ok(rows.Scan(&raw))
		m.ok(json.Unmarshal(raw, &a))
		out = append(out, a)
	}
	m.ok(rows.Err())
	return out
}

// TestR11_Forwarding: each new version of a registry that forwards has a job,
// which pushes it and may run twice.
func TestR11_Forwarding(t *testing.T) {
	m := newMoving(t)
	top := m.registry(m.ours, "top")
	mid := m.registry(m.ours, "mid", top)
	team, dev := m.registry(m.ours, "team", mid), m.registry(m.ours, "dev")
	m.publish(m.ours, team, "@acme/a", "0.9.0", "before")
	_, err := m.registries.SetForwarding(m.ours, team, registry.Forwarding{To: mid, ReleasesOnly: true})
	m.ok(err)
	_, err = m.registries.SetForwarding(m.ours, mid, registry.Forwarding{To: top})
	m.ok(err)
	m.publish(m.ours, team, "@acme/a", "1.0.0", "one")
	m.publish(m.ours, team, "@acme/a", "1.1.0-rc.1", "candidate")
	m.publish(m.ours, dev, "@acme/b", "1.0.0", "b")
	_, err = m.intake.Promote(m.ours, copyOf(dev, team, "@acme/b", "1.0.0"))
	m.ok(err)
	_, err = m.intake.Promote(m.ours, copyOf(dev, team, "@acme/b", "1.0.0")) // is there already
	m.ok(err)
	jobs := queued[spec.Forward](m, "forward")
	if len(jobs) != 2 || jobs[0].Name != "@acme/a" || jobs[0].Version != "1.0.0" || jobs[1].Name != "@acme/b" || jobs[0].Registry != team {
		t.Fatalf("jobs: %+v", jobs)
	}
	for range 2 {
		m.ok(m.intake.Forward(m.ours, team, "@acme/a", "1.0.0"))
	}
	if m.held(m.ours, mid, "@acme/a", "1.0.0") == nil || m.held(m.ours, top, "@acme/a", "1.0.0") != nil {
		t.Error("not in the place that it is forwarded to")
	}
	// What came by a push is forwarded further, once.
	if jobs := queued[spec.Forward](m, "forward"); len(jobs) != 3 || jobs[2].Registry != mid {
		t.Errorf("jobs: %+v", jobs)
	}
	if e := m.events(m.ours, "version:push"); len(e) != 1 {
		t.Errorf("audited %v", e)
	}
	m.ok(m.intake.Forward(m.theirs, team, "@acme/b", "1.0.0"))
	if m.held(m.ours, mid, "@acme/b", "1.0.0") != nil {
		t.Error("T1: a job of another organization forwarded it")
	}
	_, err = m.registries.SetForwarding(m.ours, team, registry.Forwarding{})
	m.ok(err)
	m.ok(m.intake.Forward(m.ours, team, "@acme/b", "1.0.0"))
	if m.held(m.ours, mid, "@acme/b", "1.0.0") != nil {
		t.Error("forwarded although that was ended meanwhile")
	}
}

// TestR11_RefusedForwarding: what the target refuses is audited with the reason,
// and no error that would be tried again; an outage is one.
func TestR11_RefusedForwarding(t *testing.T) {
	m := newMoving(t)
	top := m.registry(m.ours, "top")
	team := m.registry(m.ours, "team", top)
	_, err := m.registries.SetForwarding(m.ours, team, registry.Forwarding{To: top})
	m.ok(err)
	m.publish(m.ours, team, "@acme/a", "1.0.0", "one")
	m.rule(m.ours, top, policy.Rule{Name: "nothing from below", Kind: policy.KindBlockDownstream})
	m.ok(m.intake.Forward(m.ours, team, "@acme/a", "1.0.0"))
	e := m.events(m.ours, "version:forward-refused")
	if len(e) != 1 || e[0] != `@acme/a@1.0.0 the registry "top" takes no versions from registries below it, by its rule "nothing from below"` {
		t.Errorf("audited %q", e)
	}
	if e := m.events(m.theirs, "version:forward-refused"); len(e) != 0 {
		t.Errorf("T1: the other organization sees %v", e)
	}

	other := m.registry(m.ours, "other")
	m.public(m.ours, other)
	low := m.registry(m.ours, "low", other)
	_, err = m.registries.SetForwarding(m.ours, low, registry.Forwarding{To: other})
	m.ok(err)
	m.source.mu.Lock()
	m.source.down = true
	m.source.mu.Unlock()
	allow := "ALLOW"
	m.ok(m.intake.SetNameSwitch(m.ours, low, "@acme/c", &allow, nil, "for the test"))
	m.publish(m.ours, low, "@acme/c", "1.0.0", "c")
	err = m.intake.Forward(m.ours, low, "@acme/c", "1.0.0")
	m.refused(err, errs.Unavailable, nil, "cannot be told")
	if e := m.events(m.ours, "version:forward-refused"); len(e) != 1 {
		t.Errorf("an outage was taken for a refusal: %v", e)
	}
	if _, err := m.intake.Own(m.theirs, low, "@acme/c"); !errs.Is(err, errs.NotFound) {
		t.Errorf("T3: %v", err)
	}
}
