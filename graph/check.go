package graph

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/vektah/gqlparser/v2/ast"

	"sluice.dev/sluice/graph/api"
	"sluice.dev/sluice/tenants/access"
)

// checkSchema returns every way in which the schema breaks its own rules,
// joined: a server whose schema has a field without a declared action does not
// start (A5).
func checkSchema(s *ast.Schema) error {
	var problems []error
	for _, root := range []*ast.Definition{s.Query, s.Mutation, s.Subscription} {
		for _, f := range ownFields(root) {
			if len(f.Directives.ForNames("can")) == 0 && f.Directives.ForName("open") == nil {
				problems = append(problems, fmt.Errorf("%s.%s declares no action: give it @can, or @open with the reason", root.Name, f.Name))
			}
		}
	}
	for _, name := range sortedTypes(s) {
		def := s.Types[name]
		problems = append(problems, checkNode(def)...)
		if !def.BuiltIn {
			problems = append(problems, checkDeprecated(def)...)
		}
		for _, f := range ownFields(def) {
			problems = append(problems, checkField(s, def, f)...)
		}
	}
	return errors.Join(problems...)
}

func sortedTypes(s *ast.Schema) []string {
	names := make([]string, 0, len(s.Types))
	for name := range s.Types {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// ownFields leaves out what GraphQL itself adds.
func ownFields(def *ast.Definition) (out ast.FieldList) {
	if def == nil {
		return nil
	}
	for _, f := range def.Fields {
		if !strings.HasPrefix(f.Name, "__") {
			out = append(out, f)
		}
	}
	return out
}

// checkNode looks at the types that have ids.
func checkNode(def *ast.Definition) (problems []error) {
	isNode := def.Kind == ast.Object && slices.Contains(def.Interfaces, "Node")
	if isNode != slices.Contains(api.Types(), def.Name) {
		problems = append(problems, fmt.Errorf("%s is a Node in the schema or has a form of id, but not both", def.Name))
	}
	d := def.Directives.ForName("seen")
	switch {
	case isNode && d == nil:
		problems = append(problems, fmt.Errorf("%s has ids but does not say with @seen what it takes to see one", def.Name))
	case d != nil && !access.Action(textOf(d, "by")).Valid():
		problems = append(problems, fmt.Errorf("%s: %q is no action", def.Name, textOf(d, "by")))
	}
	return problems
}

func checkField(s *ast.Schema, def *ast.Definition, f *ast.FieldDefinition) (problems []error) {
	fail := func(format string, args ...any) {
		problems = append(problems, fmt.Errorf("%s.%s: "+format, append([]any{def.Name, f.Name}, args...)...))
	}
	cans := f.Directives.ForNames("can")
	if open := f.Directives.ForName("open"); open != nil && (len(cans) > 0 || strings.TrimSpace(textOf(open, "reason")) == "") {
		fail("@open needs a reason and excludes @can")
	}
	always := len(cans) == 0
	for _, d := range cans {
		if a := access.Action(textOf(d, "action")); !a.Valid() {
			fail("%q is no action", a)
		}
		sure, err := checkPlace(s, def, f, textOf(d, "on"))
		if err != nil {
			fail("%v", err)
		}
		always = always || sure
	}
	if !always {
		fail("every @can looks at an argument that may be absent, so that nothing would be asked")
	}
	if len(cans) > 0 && f.Type.NonNull && def != s.Subscription {
		fail("has @can and must be nullable, so that what one may not do leaves the rest of the answer")
	}
	return problems
}

// checkPlace looks at the argument on of @can, and tells whether it always
// names something.
func checkPlace(s *ast.Schema, def *ast.Definition, f *ast.FieldDefinition, on string) (sure bool, err error) {
	root := def == s.Query || def == s.Mutation || def == s.Subscription
	switch on {
	case "", onReach, onAnywhere:
		return true, nil
	case onParent:
		if root {
			return true, errors.New("on parent, but a root field has none")
		}
		return true, nil
	}
	sure = true
	args, path := f.Arguments, strings.Split(on, ".")
	var typ *ast.Type
	for i, part := range path {
		if i == 0 {
			if a := args.ForName(part); a != nil {
				typ = a.Type
			}
		} else if in := s.Types[typ.Name()].Fields.ForName(part); in != nil {
			typ = in.Type
		} else {
			typ = nil
		}
		if typ == nil {
			return true, fmt.Errorf("on %q names no argument", on)
		}
		sure = sure && typ.NonNull
	}
	switch at := typeAt(on, f.Type.Name()); {
	case typ.NamedType == "ID" && !slices.Contains(api.Types(), at):
		return sure, fmt.Errorf("on %q is an id, but %s is no type that has ids", on, at)
	case typ.NamedType != "ID" && s.Types[typ.Name()].Kind != ast.InputObject:
		return sure, fmt.Errorf("on %q is neither an id nor an input object", on)
	}
	return sure, nil
}

func textOf(d *ast.Directive, argument string) string {
	if a := d.Arguments.ForName(argument); a != nil {
		return a.Value.Raw
	}
	return ""
}

// seenBy reads what it takes to see an object of each type.
func seenBy(s *ast.Schema) map[string]seen {
	out := map[string]seen{}
	for name, def := range s.Types {
		if d := def.Directives.ForName("seen"); d != nil {
			out[name] = seen{by: access.Action(textOf(d, "by")), anywhere: textOf(d, "anywhere") == "true"}
		}
	}
	return out
}
