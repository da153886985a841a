package main

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/google/uuid"

	"sluice.dev/sluice/tenants/access"
)

// schemaAttempts are made from the schema.
func schemaAttempts() (out []attempt) {
	fields := rootFields()
	for _, r := range fields {
		for _, p := range r.idPaths() {
			for _, typ := range p.types {
				out = append(out, foreignID(r, p, typ))
			}
		}
	}
	for _, r := range fields {
		if r.Arguments.ForName("after") != nil && !r.isEverybodys() {
			out = append(out, foreignCursor(r))
		}
	}
	for _, r := range fields {
		out = append(out, asNobody(r))
	}
	for _, r := range fields {
		if r.kind == "mutation" {
			out = append(out, ofOurs(r, "GraphQL: every mutation with a token that only reads (A2)", "a read-only token of an owner", "read-only"))
		}
	}
	for _, r := range fields {
		if r.kind == "mutation" && !r.everybodys() {
			out = append(out, ofOurs(r, "GraphQL: every mutation by a member without roles (A5)", "a member of acme", "member"))
		}
	}
	return out
}

// foreignID names something of the other organization, where everything else
// is one's own. The answer is that for an id which nobody has.
func foreignID(r rootField, p idPath, typ string) attempt {
	name := fmt.Sprintf("%s %s(%s: a %s)", r.kind, r.Name, p.path, typ)
	return attempt{"GraphQL: every id that a field takes, of the other organization (T3)", name, "the owner of acme", func(f *field) shot {
		id := f.theirs.id(f, typ)
		none := ghost(id)
		ask := func(id string) func() answer {
			// Names are the victim's, so that a wall that is missing would show.
			op := r.ask(&estate{tenant: f.ours.tenant, home: f.ours.home, words: f.theirs.words, reg: f.ours.reg, ids: f.ours.ids, refer: f.ours.refer}, f, map[string]string{p.path: id})
			return func() answer { return f.ask(acmeAt, f.tokens["owner"], op) }
		}
		return shot{fire: ask(id), like: ask(none), sent: []string{id, none}, refused: nothingOf}
	}}
}

// nothingOf reports whether a GraphQL answer, whatever its lists have, is one
// that was understood: what it must not say is compared with what does not exist.
func nothingOf(a answer) bool {
	_, ok := a.gql()
	return ok
}

// foreignCursor continues a list where the other organization's has ended. A
// cursor of the same place with an id of nobody gives the same.
func foreignCursor(r rootField) attempt {
	return attempt{"GraphQL: every list, from a cursor of the other organization (T3)", "query " + r.Name + "(after: their cursor)", "the owner of acme", func(f *field) shot {
		var out struct {
			Data map[string]struct {
				PageInfo struct{ StartCursor string }
			}
		}
		theirs := r.ask(f.theirs, f, r.whose(f.theirs, f))
		f.ok(json.Unmarshal(f.ask(globexAt, f.theirs.owner, operation{query: theirs.query, vars: theirs.vars}).body, &out))
		cursor := out.Data[r.Name].PageInfo.StartCursor
		if cursor == "" {
			f.Fatalf("globex has nothing in %s, so that there is no cursor to attack with", r.Name)
		}
		none := nearby(f, cursor)
		ask := func(cursor string) func() answer {
			given := r.whose(f.ours, f)
			given["after"] = cursor
			op := r.ask(f.ours, f, given)
			op.vars["after"] = cursor
			return func() answer { return f.ask(acmeAt, f.tokens["owner"], op) }
		}
		return shot{fire: ask(cursor), like: ask(none), sent: []string{cursor, none}, refused: nothingOf}
	}}
}

// nearby is a cursor of the same place, whose ids are other ones.
func nearby(f *field, cursor string) string {
	f.Helper()
	raw, err := base64.RawURLEncoding.DecodeString(cursor)
	f.ok(err)
	var parts []string
	f.ok(json.Unmarshal(raw, &parts))
	for i, p := range parts {
		if _, err := uuid.Parse(p); err == nil {
			last := map[bool]string{true: "0", false: "1"}[p[len(p)-1] != '0']
			parts[i] = p[:len(p)-1] + last
		}
	}
	raw, err = json.Marshal(parts)
	f.ok(err)
	return base64.RawURLEncoding.EncodeToString(raw)
}

// asNobody asks for what is there without any token.
func asNobody(r rootField) attempt {
	return attempt{"GraphQL: every field without a token (A5)", r.kind + " " + r.Name, "nobody", func(f *field) shot {
		op := r.ask(f.ours, f, ids(f, r, f.ours, false))
		s := shot{fire: func() answer { return f.ask(acmeAt, "", op) }}
		if r.isOpen() { // it may say something, but nothing of acme
			s.refused = func(a answer) bool { return declined(a) || nothingOf(a) && !f.ours.named(a) }
			return s
		}
		gone := r.ask(f.ours, f, ids(f, r, f.ours, true))
		s.like = func() answer { return f.ask(acmeAt, "", gone) }
		return s
	}}
}

// named reports whether an answer has anything of the estate's.
func (e *estate) named(a answer) bool {
	for _, word := range e.words {
		if strings.Contains(string(a.body), word) {
			return true
		}
	}
	for _, id := range e.ids {
		if strings.Contains(string(a.body), id.String()) {
			return true
		}
	}
	return strings.Contains(string(a.body), "@"+e.slug+".example")
}

// everybodys reports whether every member may do it: what is open and about
// oneself, and what comes with membership.
func (r rootField) everybodys() bool {
	if r.isOpen() {
		return len(r.idPaths()) == 0
	}
	for _, can := range r.Directives.ForNames("can") {
		if !slices.ContainsFunc(access.BuiltInRoles(), func(b access.BuiltIn) bool {
			return b.Name == access.Ordinary && slices.Contains(b.Actions, access.Action(can.Arguments.ForName("action").Value.Raw))
		}) {
			return false
		}
	}
	return true
}

// ids are ids of an estate for everything that a field takes, or such that
// nobody has.
func ids(f *field, r rootField, e *estate, ghosts bool) map[string]string {
	f.Helper()
	out := map[string]string{}
	for _, p := range r.idPaths() {
		if strings.Contains(p.path, "newRemote") {
			continue
		}
		id := e.id(f, p.types[0])
		if ghosts {
			id = ghost(id)
		}
		out[p.path] = id
	}
	return out
}

// ofOurs changes what is there with a token that may not.
func ofOurs(r rootField, group, as, token string) attempt {
	return attempt{group, "mutation " + r.Name, as, func(f *field) shot {
		given, none := ids(f, r, f.ours, false), ids(f, r, f.ours, true)
		op, gone := r.ask(f.ours, f, given), r.ask(f.ours, f, none)
		s := shot{fire: func() answer { return f.ask(acmeAt, f.tokens[token], op) }}
		if token != "member" || r.Name == "revokeRole" && f.sees(token, given) {
			return s // who may see a thing may know that it is there
		}
		s.like = func() answer { return f.ask(acmeAt, f.tokens[token], gone) }
		for path, id := range given {
			s.sent = append(s.sent, id, none[path])
		}
		return s
	}}
}

// sees reports whether a token of acme may see everything that is named.
func (f *field) sees(token string, given map[string]string) bool {
	f.Helper()
	for _, id := range given {
		a := f.ask(acmeAt, f.tokens[token], operation{query: `query($id: ID!) { node(id: $id) { id } }`, vars: map[string]any{"id": id}})
		if g, ok := a.gql(); !ok || len(g.Errors) > 0 || string(g.Data["node"]) == "null" {
			return false
		}
	}
	return true
}
