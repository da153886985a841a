package main

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// late are beginnings of the names of mutations after which others find nothing
// any more.
var late = []string{"remove", "revoke", "unpublish", "deactivate", "transfer", "leave", "end", "delete"}

// control shows that the attacks made from the schema are sharp: what is refused
// to the other organization's owner is answered to the own one, at the own
// address, by the same operation. Every question is; of the mutations most are,
// since some need more than an id that exists (a new order of upstreams names all
// of them), and some find what others have changed.
func control(t *testing.T, f *field) {
	fields := rootFields()
	when := func(r rootField) int {
		return slices.IndexFunc(late, func(p string) bool { return strings.HasPrefix(r.Name, p) })
	}
	slices.SortStableFunc(fields, func(a, b rootField) int { return when(a) - when(b) })
	mutations, blunt := 0, []string{}
	for _, r := range fields {
		for _, p := range r.idPaths() {
			for _, typ := range p.types {
				name := fmt.Sprintf("%s %s(%s: a %s)", r.kind, r.Name, p.path, typ)
				t.Run(name, func(t *testing.T) {
					f.in(t)
					id := f.theirs.id(f, typ)
					none := ghost(id)
					ask := func(id string) answer {
						return f.ask(globexAt, f.theirs.owner, r.ask(f.theirs, f, map[string]string{p.path: id}))
					}
					missed, hit := ask(none), ask(id)
					same := hit.shape([]string{id, none}, 0) == missed.shape([]string{id, none}, 1)
					switch {
					case r.kind != "mutation" && same:
						t.Errorf("the owner gets what a ghost gets, so that the attack proves nothing: %.300s", hit.body)
					case r.kind == "mutation":
						mutations++
						if same {
							blunt = append(blunt, name)
						}
					}
				})
			}
		}
	}
	if len(blunt)*5 > mutations {
		t.Errorf("of %d mutations with an id, the owner gets what a ghost gets from too many: %s", mutations, strings.Join(blunt, "; "))
	}
}
