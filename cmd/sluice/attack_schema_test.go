package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/google/uuid"
	"github.com/vektah/gqlparser/v2/ast"

	"sluice.dev/sluice/graph/api"
	"sluice.dev/sluice/graph/exec"
)

// The attempts in this file are made from the schema, so that a new field is
// attacked from the day that it is there:
//
//   - every argument that is an id, with one of the other organization
//   - every list, with a cursor of the other organization
//   - every root field, as nobody
//   - every mutation, as a token that only reads and as a member without roles

// rootField is a field of Query, Mutation or Subscription.
type rootField struct {
	kind string // query, mutation, subscription
	*ast.FieldDefinition
	schema *ast.Schema
}

func rootFields() (out []rootField) {
	s := exec.NewExecutableSchema(exec.Config{}).Schema()
	for _, root := range []struct {
		kind string
		def  *ast.Definition
	}{{"query", s.Query}, {"mutation", s.Mutation}, {"subscription", s.Subscription}} {
		for _, f := range root.def.Fields {
			if !strings.HasPrefix(f.Name, "__") {
				out = append(out, rootField{root.kind, f, s})
			}
		}
	}
	return out
}

// isOpen reports whether the field needs no right.
func (r rootField) isOpen() bool { return r.Directives.ForName("open") != nil }

// idPath is an argument that is an id, or a list of ids, and the types that it
// may name.
type idPath struct {
	path  string
	types []string
	list  bool
}

// idPaths are the ids that a field takes, at any depth.
func (r rootField) idPaths() (out []idPath) {
	for _, a := range r.Arguments {
		r.walk(a.Name, a.Type, 0, &out)
	}
	return out
}

func (r rootField) walk(path string, t *ast.Type, depth int, out *[]idPath) {
	if t.Name() == "ID" {
		*out = append(*out, idPath{path, r.named(path), t.Elem != nil})
		return
	}
	def := r.schema.Types[t.Name()]
	if def == nil || def.Kind != ast.InputObject || t.Elem != nil || depth > 4 {
		return
	}
	for _, f := range def.Fields {
		r.walk(path+"."+f.Name, f.Type, depth+1, out)
	}
}

// named are the types that an id at a path may be of: by its name where that is
// a type's, else every type.
func (r rootField) named(path string) []string {
	last := path[strings.LastIndexByte(path, '.')+1:]
	switch {
	case last == "from" || last == "to":
		return []string{"Registry"}
	case last == "principal":
		return []string{"Member", "Team", "ServiceAccount", "Token"}
	case last == "except": // that ends not
		return []string{"Session"}
	case last == "rule" && r.Name == "testTrustRule":
		return []string{"TrustRule"}
	case last == "id":
		last = r.Type.Name()
	}
	last = strings.ToUpper(last[:1]) + last[1:]
	for _, name := range []string{last, strings.TrimSuffix(last, "s"), strings.TrimSuffix(last, "ies") + "y"} {
		if slices.Contains(api.Types(), name) {
			return []string{name}
		}
	}
	return slices.DeleteFunc(api.Types(), everybodysType)
}

// everybodysType reports whether objects of a type are the same for every
// organization, so that nobody is kept from them.
func everybodysType(typ string) bool { return typ == "Advisory" || typ == "AdvisoryImport" }

// isEverybodys reports whether the field is a list of such objects.
func (r rootField) isEverybodys() bool {
	return everybodysType(strings.TrimSuffix(r.Type.Name(), "Connection"))
}

// whose are the arguments by which lists that show one's own unless asked
// otherwise show what is the estate's.
func (r rootField) whose(e *estate, f *field) map[string]string {
	f.Helper()
	switch r.Name {
	case "sessions":
		return map[string]string{"everybody": "true"}
	case "linkedAccounts":
		var member uuid.UUID
		f.ok(f.super.QueryRow(f.Context(), `SELECT member_id FROM identities WHERE org_id = $1 ORDER BY id LIMIT 1`, e.ids["organization"]).Scan(&member))
		return map[string]string{"member": api.Of("Member", member).String()}
	}
	return map[string]string{}
}

// ask builds the operation that asks for the field with every argument that it
// needs, and with the ids of given for the rest that are named there.
func (r rootField) ask(e *estate, f *field, given map[string]string) operation {
	f.Helper()
	b := builder{r, e, f, given, ""}
	vars, declared, passed := map[string]any{}, []string{}, []string{}
	for _, a := range r.Arguments {
		v, ok := b.value(a.Name, a.Name, a.Type, a.DefaultValue != nil)
		if !ok {
			continue
		}
		vars[a.Name] = v
		declared, passed = append(declared, "$"+a.Name+": "+a.Type.String()), append(passed, a.Name+": $"+a.Name)
	}
	q := r.kind
	if len(declared) > 0 {
		q += "(" + strings.Join(declared, ", ") + ")"
	}
	q += " { " + r.Name
	if len(passed) > 0 {
		q += "(" + strings.Join(passed, ", ") + ")"
	}
	return operation{query: q + r.selection(r.Type, 2) + " }", vars: vars, file: b.file, stream: r.kind == "subscription"}
}

// selection asks for all of a type that needs no argument, to a depth.
func (r rootField) selection(t *ast.Type, depth int) string {
	def := r.schema.Types[t.Name()]
	if def == nil || def.Kind == ast.Scalar || def.Kind == ast.Enum {
		return ""
	}
	fields := []string{"__typename"}
	for _, f := range def.Fields {
		leaf := r.schema.Types[f.Type.Name()].IsLeafType()
		if strings.HasPrefix(f.Name, "__") || !leaf && depth == 0 || slices.ContainsFunc(f.Arguments, func(a *ast.ArgumentDefinition) bool { return a.Type.NonNull && a.DefaultValue == nil }) {
			continue
		}
		fields = append(fields, f.Name+r.selection(f.Type, depth-1))
	}
	return " { " + strings.Join(fields, " ") + " }"
}

// builder makes values of arguments.
type builder struct {
	rootField
	e     *estate // whose names are used
	f     *field
	given map[string]string // ids by path
	file  string            // the path of a file
}

// value is a value for an argument or an input field, and whether it is given at
// all: what may be left out is, unless an id in it was given.
func (b *builder) value(path, name string, t *ast.Type, optional bool) (any, bool) {
	optional = optional || !t.NonNull
	wanted := slices.ContainsFunc(b.paths(), func(p string) bool { return p == path || strings.HasPrefix(p, path+".") })
	if optional && !wanted {
		return nil, false
	}
	def := b.schema.Types[t.Name()]
	if def.Kind == ast.InputObject {
		out := map[string]any{}
		for _, f := range def.Fields {
			if v, ok := b.value(path+"."+f.Name, f.Name, f.Type, f.DefaultValue != nil); ok {
				out[f.Name] = v
			}
		}
		return listed(t, out), true
	}
	if t.Name() == "ID" {
		if id, ok := b.given[path]; ok {
			return listed(t, id), true
		}
		return listed(t, b.e.id(b.f, b.named(path)[0])), true
	}
	if def.Kind == ast.Enum {
		return listed(t, def.EnumValues[0].Name), true
	}
	if t.Name() == "Upload" {
		b.file = path
		return nil, true
	}
	return listed(t, b.scalar(name, t.Name())), true
}

func (b *builder) paths() (out []string) {
	for p := range b.given {
		out = append(out, p)
	}
	return out
}

func listed(t *ast.Type, v any) any {
	if t.Elem != nil {
		return []any{v}
	}
	return v
}

// scalar is a value that makes sense for an argument of the name, of what is
// really there.
func (b *builder) scalar(name, typ string) any {
	switch typ {
	case "Int":
		return 1
	case "Boolean":
		return name == "everybody"
	case "Float":
		return 1.5
	case "Time":
		return "2036-01-01T00:00:00Z"
	case "Duration":
		return "P1D"
	case "JSON":
		return map[string]any{}
	}
	switch strings.ToLower(name) {
	case "package":
		return b.e.words["package"]
	case "version", "versions":
		return "1.0.0"
	case "range":
		return ">=1.0.0"
	case "purl":
		return "pkg:npm/" + strings.Replace(b.e.words["package"], "@", "%40", 1) + "@1.0.0"
	case "tag":
		return "latest"
	case "reference":
		return b.e.refer
	case "role":
		return "reader"
	case "action", "actions":
		return "registry:read"
	case "email":
		return "eve@evil.example"
	case "baseurl", "issuer", "url":
		return "https://evil.example"
	case "osvid":
		return "GHSA-35jh-r3h4-6jhm"
	}
	return "x-attack"
}

// id is the opaque id of something of a type that the estate has. A type of
// which it has none is a mistake of the field: what is not there cannot be
// attacked.
func (e *estate) id(f *field, typ string) string {
	f.Helper()
	team := e.reg["team"]
	switch typ {
	case "Registry":
		return api.Of(typ, team).String()
	case "Organization":
		return api.Of(typ, e.ids["organization"]).String()
	case "Package":
		return api.ID{Type: typ, UUID: team, Text: e.words["package"]}.String()
	case "Version":
		return api.ID{Type: typ, UUID: team, Text: e.words["package"] + "\n1.0.0"}.String()
	case "StagedVersion":
		return api.ID{Type: typ, UUID: team, Text: e.row(f, "staged_versions").String()}.String()
	case "Decision":
		return api.ID{Type: typ, Text: e.refer}.String()
	case "Advisory":
		return api.ID{Type: typ, Text: "GHSA-35jh-r3h4-6jhm"}.String()
	}
	table := f.tableOf(typ)
	made := api.Of(typ, e.row(f, table))
	if _, ok := api.ParseID(made.String()); ok {
		return made.String()
	}
	// Found by its name, then.
	made = api.ID{Type: typ}
	if err := f.super.QueryRow(f.Context(), `SELECT name FROM `+table+` WHERE org_id = $1 ORDER BY id LIMIT 1`, e.ids["organization"]).Scan(&made.Text); err != nil {
		f.Fatalf("%v: ids of %s have a form of their own; say in estate.id how one is made", err, typ)
	}
	if _, ok := api.ParseID(made.String()); !ok {
		f.Fatalf("ids of %s are neither a UUID nor a name; say in estate.id how one is made", typ)
	}
	return made.String()
}

// tableOf is the table of a type of objects: the one of its name, or the one
// whose name ends like that.
func (f *field) tableOf(typ string) (table string) {
	f.Helper()
	switch typ {
	case "Grant": // and not one that comes of a mapping
		return "role_grants"
	case "LinkedAccount":
		return "identities"
	}
	var b strings.Builder
	for i, c := range typ {
		if i > 0 && c >= 'A' && c <= 'Z' {
			b.WriteByte('_')
		}
		b.WriteRune(c)
	}
	name := strings.ToLower(b.String()) + "s"
	if base, ok := strings.CutSuffix(name, "ys"); ok {
		name = base + "ies"
	}
	err := f.super.QueryRow(f.Context(), `SELECT table_name FROM information_schema.columns
		WHERE table_schema = 'public' AND column_name = 'org_id' AND (table_name = $1 OR table_name LIKE '%\_' || $1) ORDER BY table_name <> $1, table_name LIMIT 1`, name).Scan(&table)
	if err != nil {
		f.Fatalf("%v: there is no table of %s; say in estate.id how an id of it is made", err, typ)
	}
	return table
}

// row is the first row of the organization in a table.
func (e *estate) row(f *field, table string) (id uuid.UUID) {
	f.Helper()
	if err := f.super.QueryRow(f.Context(), fmt.Sprintf(`SELECT id FROM %s WHERE org_id = $1 ORDER BY id LIMIT 1`, table), e.ids["organization"]).Scan(&id); err != nil {
		f.Fatalf("%s has nothing in %s (%v), so nothing of that can be attacked; let furnish make one", e.slug, table, err)
	}
	return id
}

// ghost is an id of the same form that nobody has.
func ghost(text string) string {
	id, _ := api.ParseID(text)
	switch id.Type {
	case "Decision":
		id.Text = ghostReference(id.Text)
	case "Advisory":
		id.Text = "GHSA-0000-0000-0000"
	default:
		if id.UUID == uuid.Nil {
			id.Text = ghostReference(id.Text)
		} else {
			id.UUID = uuid.New()
		}
	}
	return id.String()
}

func regID(id uuid.UUID) string { return api.Of("Registry", id).String() }

func upstreamID(id uuid.UUID) string { return api.Of("Upstream", id).String() }
