package org_test

import (
	"strings"
	"testing"

	"sluice.dev/sluice/tenants/coord"
	"sluice.dev/sluice/tenants/errs"
	"sluice.dev/sluice/tenants/org"
)

// TestF5_UpdateIsOneStep: several settings change together with one audit event,
// or, when one of them is wrong, none does.
func TestF5_UpdateIsOneStep(t *testing.T) {
	b := newBench(t)
	ours, theirs := b.create("acme"), b.create("globex")
	name, no := " Acme, Inc. ", false
	patterns := []coord.ReservedPattern{{Ecosystem: coord.NPM, Pattern: "@acme/*"}}
	for what, wrong := range map[string]org.Settings{
		"name":     {Name: text(""), JoinRequests: &no, ReservedPatterns: &patterns},
		"long":     {Name: text(strings.Repeat("n", org.MaxName+1)), JoinRequests: &no},
		"patterns": {Name: &name, JoinRequests: &no, ReservedPatterns: &[]coord.ReservedPattern{{Ecosystem: coord.NPM, Pattern: "**"}}},
	} {
		if _, err := b.svc.Update(ours, wrong); !errs.Is(err, errs.Invalid) {
			t.Errorf("%s: %v", what, err)
		}
	}
	if o, err := b.svc.Get(ours); err != nil || o.Name != "acme" || !o.JoinRequests || len(o.ReservedPatterns) != 0 || b.events(ours, "organization:update") != 0 {
		t.Errorf("what was wrong changed something: %+v %v", o, err)
	}
	o, err := b.svc.Update(ours, org.Settings{Name: &name, JoinRequests: &no, ReservedPatterns: &patterns})
	if err != nil || o.Name != "Acme, Inc." || o.JoinRequests || len(o.ReservedPatterns) != 1 {
		t.Errorf("%+v %v", o, err)
	}
	if o, err = b.svc.Update(ours, org.Settings{Name: &name}); err != nil || len(o.ReservedPatterns) != 1 || o.JoinRequests || b.events(ours, "organization:update") != 1 {
		t.Errorf("what is not given stays, and nothing new writes nothing: %+v %v", o, err)
	}
	if o, err = b.svc.Get(theirs); err != nil || o.Name != "globex" || !o.JoinRequests {
		t.Errorf("the other organization: %+v %v", o, err)
	}
}

func text(s string) *string { return &s }
