package registry_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"sluice.dev/sluice/ent/db"
	entrule "sluice.dev/sluice/ent/policyrule"
	"sluice.dev/sluice/tenants/coord"
	"sluice.dev/sluice/tenants/errs"
	"sluice.dev/sluice/tenants/policy"
)

func malware(name string) policy.Rule {
	return policy.Rule{Name: name, Kind: policy.KindMalware, Mode: policy.Enforce, Effect: policy.Deny, Applies: policy.NewAndHeld,
		OnViolation: policy.Hide, Unknown: policy.UnknownWarn, AutoRelease: true}
}

// rules are the names of a registry's rules in order, and their positions.
func (b *bench) rules(id uuid.UUID) (names []string, positions []int) {
	b.Helper()
	snap, err := b.shapes.Of(b.ours)
	b.ok(err)
	for _, r := range snap.Node(id).Rules {
		names = append(names, r.Name)
	}
	b.in(b.ours, func(ctx context.Context, tx *db.Tx) (err error) {
		positions, err = tx.Ent.PolicyRule.Query().Where(entrule.RegistryID(id)).Order(entrule.ByPosition()).Select(entrule.FieldPosition).Ints(ctx)
		return err
	})
	return names, positions
}

// TestP1_RulesKeepTheirOrder: what is added goes last, also after a removal.
func TestP1_RulesKeepTheirOrder(t *testing.T) {
	b := newBench(t)
	id := b.registry("r")
	var ids []uuid.UUID
	for _, name := range []string{"a", "b", "c"} {
		r, err := b.svc.AddRule(b.ours, id, malware(name))
		b.ok(err)
		ids = append(ids, r.ID)
	}
	b.ok(b.svc.RemoveRule(b.ours, ids[1]))
	for _, name := range []string{"d", "e"} {
		_, err := b.svc.AddRule(b.ours, id, malware(name))
		b.ok(err)
	}
	names, positions := b.rules(id)
	if !slices.Equal(names, []string{"a", "c", "d", "e"}) || !slices.Equal(positions, []int{0, 1, 2, 3}) {
		t.Errorf("rules %v at %v", names, positions)
	}
	if len(b.events(b.ours, "policy:add")) != 5 || len(b.events(b.ours, "policy:remove")) != 1 {
		t.Error("the audit does not tell what happened")
	}
	b.is(b.svc.RemoveRule(b.ours, ids[1]), errs.NotFound)
	b.is(b.svc.RemoveRule(b.theirs, ids[0]), errs.NotFound)
	_, err := b.svc.AddRule(b.theirs, id, malware("x"))
	b.is(err, errs.NotFound)
}

// TestP1_ConcurrentRules: rules that are added and removed at once have
// positions of their own.
func TestP1_ConcurrentRules(t *testing.T) {
	b := newBench(t)
	id := b.registry("r")
	var first []uuid.UUID
	for i := range 4 {
		r, err := b.svc.AddRule(b.ours, id, malware(fmt.Sprint("first", i)))
		b.ok(err)
		first = append(first, r.ID)
	}
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			if _, err := b.svc.AddRule(b.ours, id, malware(fmt.Sprint("rule", i))); err != nil {
				t.Error(err)
			}
		})
		if i < len(first) {
			wg.Go(func() {
				if err := b.svc.RemoveRule(b.ours, first[i]); err != nil {
					t.Error(err)
				}
			})
		}
	}
	wg.Wait()
	if _, positions := b.rules(id); !slices.Equal(positions, []int{0, 1, 2, 3, 4, 5, 6, 7}) {
		t.Errorf("positions %v", positions)
	}
}

// TestRules_RoundTrip: every kind comes back from the database as it was given.
func TestRules_RoundTrip(t *testing.T) {
	b := newBench(t)
	id := b.registry("r")
	leftPad, err := coord.ParseDefinition(coord.NPM, "left-pad@<1.3.0")
	b.ok(err)
	zero := time.Duration(0)
	given := []policy.Rule{
		{Name: "young", Kind: policy.KindMinimumAge, Effect: policy.Deny, Params: policy.Params{MinAge: 72 * time.Hour}},
		{Name: "blocked", Kind: policy.KindBlock, Effect: policy.Quarantine, Params: policy.Params{Definitions: []coord.Definition{leftPad}}},
		{Name: "vulnerable", Kind: policy.KindVulnerability, Effect: policy.Warn, Params: policy.Params{MinSeverity: policy.SeverityCritical, Grace: &zero, MaxFeedAge: time.Hour}},
	}
	for i := range given {
		given[i].Mode, given[i].Applies, given[i].OnViolation, given[i].Unknown = policy.DryRun, policy.NewOnly, policy.Fail, policy.UnknownQuarantine
		made, err := b.svc.AddRule(b.ours, id, given[i])
		b.ok(err)
		given[i].ID = made.ID
	}
	snap, err := b.shapes.Of(b.ours)
	b.ok(err)
	for i, got := range snap.Node(id).Rules {
		if fmt.Sprintf("%+v", flat(got)) != fmt.Sprintf("%+v", flat(given[i])) {
			t.Errorf("rule %d came back as\n%+v, was\n%+v", i, flat(got), flat(given[i]))
		}
	}
	if g := snap.Node(id).Rules[2].Params.Grace; g == nil || *g != 0 {
		t.Errorf("a grace time of zero came back as %v, which would mean seven days", g)
	}
}

// flat makes a rule comparable as text.
func flat(r policy.Rule) policy.Rule {
	for i, d := range r.Params.Definitions {
		r.Params.Definitions[i] = coord.Definition{Text: d.Text}
	}
	r.Params.Grace = nil
	return r
}

func TestRules_Refuses(t *testing.T) {
	b := newBench(t)
	id := b.registry("r")
	before := b.all()
	for word, spoil := range map[string]func(*policy.Rule){
		"name: must not be empty":   func(r *policy.Rule) { r.Name = " " },
		"mode":                      func(r *policy.Rule) { r.Mode = "SOMETIMES" },
		"effect":                    func(r *policy.Rule) { r.Effect = policy.Allow },
		"kind":                      func(r *policy.Rule) { r.Kind = "MOON_PHASE" },
		"params.minAge":             func(r *policy.Rule) { r.Kind, r.Params.MinAge = policy.KindMinimumAge, 91*24*time.Hour },
		"params.definitions":        func(r *policy.Rule) { r.Kind = policy.KindBlock },
		"params.license":            func(r *policy.Rule) { r.Kind = policy.KindLicense },
		"name: is 201 bytes long":   func(r *policy.Rule) { r.Name = strings.Repeat("x", 201) },
		"unknown: \"\" must be ALL": func(r *policy.Rule) { r.Unknown = "" },
	} {
		r := malware("x")
		spoil(&r)
		_, err := b.svc.AddRule(b.ours, id, r)
		b.is(err, errs.Invalid, "rule cannot be used", word)
		b.is(b.svc.UpdateRule(b.ours, r), errs.Invalid, word)
	}
	if b.all() != before {
		t.Error("a refused rule left an audit event")
	}
}

// TestRules_Update: settings change, the kind does not, and the audit has both
// states.
func TestRules_Update(t *testing.T) {
	b := newBench(t)
	id := b.registry("r")
	r, err := b.svc.AddRule(b.ours, id, malware("old"))
	b.ok(err)
	r.Name, r.Mode = "new", policy.DryRun
	b.ok(b.svc.UpdateRule(b.ours, r))
	snap, err := b.shapes.Of(b.ours)
	b.ok(err)
	if got := snap.Node(id).Rules[0]; got.Name != "new" || got.Mode != policy.DryRun {
		t.Errorf("got %+v", got)
	}
	e := b.events(b.ours, "policy:update")
	if len(e) != 1 || decoded(t, e[0].Before)["Name"] != "old" || decoded(t, e[0].After)["Name"] != "new" {
		t.Errorf("audit: %+v", e)
	}
	b.is(b.svc.UpdateRule(b.theirs, r), errs.NotFound)
	other := r
	other.Kind = policy.KindVulnerability
	b.is(b.svc.UpdateRule(b.ours, other), errs.NotFound, "VULNERABILITY rule")
}

// TestF1_UnreadableRuleIsNoAbsentRule: a stored rule that cannot be read fails
// the whole configuration.
func TestF1_UnreadableRuleIsNoAbsentRule(t *testing.T) {
	b := newBench(t)
	id := b.registry("r")
	_, err := b.svc.AddRule(b.ours, id, malware("x"))
	b.ok(err)
	b.in(b.ours, func(ctx context.Context, tx *db.Tx) error {
		tx.Changed(db.Change{Kind: db.Config, Org: org(t, ctx)})
		_, err := tx.Exec(ctx, `UPDATE policy_rules SET params = '{"minAge": "soon"}'`)
		return err
	})
	_, err = b.shapes.Of(b.ours)
	b.is(err, errs.Unavailable, "configuration cannot be read")
	_, err = b.shapes.Of(b.theirs)
	b.ok(err)
}
