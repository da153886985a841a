package access_test

import (
	_ "embed"
	"strings"
	"testing"

	"github.com/google/uuid"

	"sluice.dev/sluice/tenants/access"
)

//go:embed testdata/roles.txt
var roleTable string

// lines splits a table into rows of so many fields and the reason behind them.
func lines(t *testing.T, table string, fields int) map[int][]string {
	t.Helper()
	out := map[int][]string{}
	for n, line := range strings.Split(table, "\n") {
		f := strings.Fields(line)
		if len(f) == 0 || f[0] == "#" {
			continue
		}
		if len(f) <= fields {
			t.Fatalf("line %d has no reason: %q", n+1, line)
		}
		out[n+1] = append(f[:fields:fields], strings.Join(f[fields:], " "))
	}
	return out
}

// TestA3_RoleTable asks every question of the table three times: of the
// enforcer, of the compiled sets, and of the lists made from them.
func TestA3_RoleTable(t *testing.T) {
	b := newBench(t)
	places := map[string]uuid.UUID{"org": uuid.Nil, "one": b.registry(b.ours, "one"), "two": b.registry(b.ours, "two")}
	who := subjects(b, places["one"], places["two"])
	named, asked := map[string]bool{}, map[string]int{}
	for n, f := range lines(t, roleTable, 4) {
		subject, known := who[f[0]]
		place, placed := places[f[2]]
		if !known || !placed || !access.Action(f[1]).Valid() || (f[3] != "yes" && f[3] != "no") {
			t.Fatalf("line %d cannot be read: %q", n, f)
		}
		if first := asked[strings.Join(f[:3], " ")]; first > 0 {
			t.Errorf("line %d asks what line %d asks", n, first)
		}
		asked[strings.Join(f[:3], " ")], named[f[0]] = n, true
		want, action := f[3] == "yes", access.Action(f[1])
		if got := b.can(b.ours, subject, action, place); got != want {
			t.Errorf("line %d: %s: got %v", n, f, got)
		}
		if action.PerRegistry() || place == uuid.Nil {
			checkCompiled(b, n, subject, action, place, want)
		}
		// Nobody of ours may anything next door (T3).
		if b.can(b.theirs, subject, action, place) && f[0] != "globex-owner" {
			t.Errorf("line %d: %s may so in globex", n, f[0])
		}
	}
	if len(asked) < 500 || len(named) != len(who) {
		t.Errorf("the table asked %d questions about %d of %d subjects", len(asked), len(named), len(who))
	}
}

func checkCompiled(b *bench, line int, s access.Subject, a access.Action, place uuid.UUID, want bool) {
	b.Helper()
	list, err := b.svc.Allowed(b.ours, s, place)
	b.ok(err)
	listed := false
	for _, x := range list {
		listed = listed || x == a
	}
	if listed != want {
		b.Errorf("line %d: the compiled set says %v, want %v", line, listed, want)
	}
	if a == access.RegistryRead && b.reads(b.ours, s, place) != want {
		b.Errorf("line %d: Reads disagrees", line)
	}
	reach, err := b.svc.Where(b.ours, s, a)
	b.ok(err)
	reached := reach.All
	for _, id := range reach.Registries {
		reached = reached || id == place
	}
	if place != uuid.Nil && reached != want {
		b.Errorf("line %d: Where reaches %v, want %v", line, reached, want)
	}
}

// TestA3_CompiledSetsAgreeWithCasbin compares the two for every subject of the
// table, every action and every place, so that no question can be forgotten.
func TestA3_CompiledSetsAgreeWithCasbin(t *testing.T) {
	b := newBench(t)
	one, two := b.registry(b.ours, "one"), b.registry(b.ours, "two")
	for name, s := range subjects(b, one, two) {
		for _, place := range []uuid.UUID{uuid.Nil, one, two, uuid.New()} {
			list, err := b.svc.Allowed(b.ours, s, place)
			b.ok(err)
			compiled := map[access.Action]bool{}
			for _, a := range list {
				compiled[a] = true
			}
			for _, d := range access.Actions() {
				if got, want := compiled[d.Action], b.can(b.ours, s, d.Action, place); got != want {
					t.Errorf("%s: %s at %s: compiled %v, Casbin %v", name, d.Action, place, got, want)
				}
			}
		}
	}
}
