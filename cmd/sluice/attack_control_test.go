package main

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// blunt are arguments with which even the owner gets what a ghost gets: the
// operation that is made from the schema stumbles over something else first.
// They are attacked all the same; examples_test.go of the package graph shows
// what they do.
var blunt = map[string]string{"reorderUpstreams.input.upstreams": "an order must name all upstreams of the registry, and one is sent"}

// control shows that the attacks made from the schema are sharp: what is refused
// to the other organization's owner is answered to the own one, at the own
// address, by the same operation.
func control(t *testing.T, f *field) {
	fields := rootFields()
	// What deletes comes last.
	late := func(r rootField) int {
		return slices.IndexFunc([]string{"", "remove", "revoke", "unpublish", "delete"}, func(p string) bool { return p != "" && strings.HasPrefix(r.Name, p) })
	}
	slices.SortStableFunc(fields, func(a, b rootField) int { return late(a) - late(b) })
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
					missed := ask(none)
					hit := ask(id)
					same := hit.shape([]string{id, none}, 0) == missed.shape([]string{id, none}, 1)
					if _, known := blunt[r.Name+"."+p.path]; same != known {
						t.Errorf("the owner gets %.200s, and for a ghost %.200s (blunt: %v)", hit.body, missed.body, known)
					}
				})
			}
		}
	}
}
