package arch

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"strings"
	"testing"
)

// TestEverythingExportedIsDocumented: a reader learns from the comment what a
// name promises. Generated files are excepted.
func TestEverythingExportedIsDocumented(t *testing.T) {
	for _, p := range packages(t) {
		hasDoc, handWritten := false, false
		for _, name := range p.GoFiles {
			file, fset := parse(t, filepath.Join(p.Dir, name))
			hasDoc = hasDoc || file.Doc != nil
			if ast.IsGenerated(file) {
				continue
			}
			handWritten = true
			for _, u := range undocumented(file) {
				t.Errorf("%s: %s has no doc comment", fset.Position(u.Pos()), u.Name)
			}
		}
		if handWritten && !hasDoc {
			t.Errorf("%s: no file has a package comment", p.short())
		}
	}
}

// undocumented returns the exported names that lack a comment: functions,
// methods of exported types, types, constants and variables. A comment on a
// group of constants or variables is one for each of them.
func undocumented(file *ast.File) []*ast.Ident {
	var out []*ast.Ident
	for _, d := range file.Decls {
		switch d := d.(type) {
		case *ast.FuncDecl:
			if d.Name.IsExported() && d.Doc == nil && exportedReceiver(d) {
				out = append(out, d.Name)
			}
		case *ast.GenDecl:
			for _, spec := range d.Specs {
				out = append(out, undocumentedIn(d, spec)...)
			}
		}
	}
	return out
}

func undocumentedIn(d *ast.GenDecl, spec ast.Spec) []*ast.Ident {
	switch spec := spec.(type) {
	case *ast.TypeSpec:
		if spec.Name.IsExported() && spec.Doc == nil && d.Doc == nil {
			return []*ast.Ident{spec.Name}
		}
	case *ast.ValueSpec:
		if spec.Doc != nil || spec.Comment != nil || d.Doc != nil {
			return nil
		}
		var out []*ast.Ident
		for _, n := range spec.Names {
			if n.IsExported() {
				out = append(out, n)
			}
		}
		return out
	}
	return nil
}

// exportedReceiver is true for functions, and for methods that a reader of the
// documentation can see.
func exportedReceiver(d *ast.FuncDecl) bool {
	if d.Recv == nil {
		return true
	}
	typ := d.Recv.List[0].Type
	for {
		switch x := typ.(type) {
		case *ast.StarExpr:
			typ = x.X
		case *ast.IndexExpr:
			typ = x.X
		case *ast.IndexListExpr:
			typ = x.X
		case *ast.Ident:
			return x.IsExported()
		default:
			return true
		}
	}
}

func TestUndocumented_Finds(t *testing.T) {
	const source = `package x
func Bare() {}
// Told is.
func Told() {}
func hidden() {}
type T struct{}
func (*T) Method() {}
type u struct{}
func (u) Method2() {}
type G[P any] struct{} // a comment behind is not a doc comment of a type
func (G[P]) Method3() {}
const A, B = 1, 2
// Group is.
const ( C = 1; D = 2 )
var (
	E = 1 // behind
	F = 2
)
`
	file, err := parser.ParseFile(token.NewFileSet(), "x.go", source, parser.ParseComments)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, id := range undocumented(file) {
		names = append(names, id.Name)
	}
	if got, want := fmt.Sprint(names), "[Bare T Method G Method3 A B F]"; got != want {
		t.Errorf("found %s, want %s", got, want)
	}
}

// TestResolversOnlyCallServices: state changes through a service, which keeps
// the rules, never through a builder of ent in a resolver.
func TestResolversOnlyCallServices(t *testing.T) {
	for _, p := range packages(t) {
		if !matches("graph/...", p.short()) {
			continue
		}
		for _, name := range p.GoFiles {
			file, fset := parse(t, filepath.Join(p.Dir, name))
			// A schema's generated part is not ours to judge, its resolvers are,
			// though gqlgen writes the first line of their files too.
			if ast.IsGenerated(file) && !strings.HasSuffix(name, ".resolvers.go") {
				continue
			}
			for _, b := range builders(file) {
				t.Errorf("%s: %s builds a change of its own; call the service that owns it", fset.Position(b.Pos()), b.Sel.Name)
			}
		}
	}
}

// builders returns calls of ent's mutating builders: the unmistakable names,
// and Create, Update and Delete without arguments, which no service has (its
// methods take a context).
func builders(file *ast.File) []*ast.SelectorExpr {
	var out []*ast.SelectorExpr
	ast.Inspect(file, func(n ast.Node) bool {
		call, ok := n.(*ast.CallExpr)
		if !ok {
			return true
		}
		sel, ok := call.Fun.(*ast.SelectorExpr)
		if !ok {
			return true
		}
		switch sel.Sel.Name {
		case "CreateBulk", "MapCreateBulk", "UpdateOne", "UpdateOneID", "DeleteOne", "DeleteOneID":
			out = append(out, sel)
		case "Create", "Update", "Delete":
			if len(call.Args) == 0 {
				out = append(out, sel)
			}
		}
		return true
	})
	return out
}

func TestBuilders_Finds(t *testing.T) {
	const source = `package x
func f() {
	c.Registry.Create().SetSlug("a").Save(ctx)
	c.Registry.UpdateOneID(id).Save(ctx)
	registries.Create(ctx, input)
	holds.Delete(ctx, id)
}
`
	file, err := parser.ParseFile(token.NewFileSet(), "x.go", source, 0)
	if err != nil {
		t.Fatal(err)
	}
	if got := builders(file); len(got) != 2 {
		t.Errorf("found %d builders, want 2", len(got))
	}
}
