package arch

import (
	"encoding/json"
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
)

// listed is what `go list` says of one package.
type listed struct {
	ImportPath string
	Dir        string
	GoFiles    []string
	Imports    []string
}

// short is the path inside the module.
func (p listed) short() string { return strings.TrimPrefix(p.ImportPath, module) }

// testSupport tells the packages that only tests import.
func (p listed) testSupport() bool { return slices.Contains(forTests, p.short()) }

// root is the top folder of the repository.
func root(t *testing.T) string {
	t.Helper()
	dir, err := filepath.Abs("../../..")
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

var list = sync.OnceValues(func() ([]listed, error) {
	cmd := exec.Command("go", "list", "-json=ImportPath,Dir,GoFiles,Imports", "./...")
	cmd.Dir = "../../.."
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, err
	}
	var all []listed
	for dec := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p listed
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			return all, nil
		} else if err != nil {
			return nil, err
		}
		all = append(all, p)
	}
})

func packages(t *testing.T) []listed {
	t.Helper()
	all, err := list()
	if err != nil {
		t.Fatal(err)
	}
	if len(all) < 5 {
		t.Fatalf("go list found %d packages, so this test would prove nothing", len(all))
	}
	return all
}

// matches reports whether a path fits a pattern of the table.
func matches(pattern, p string) bool {
	if pattern == "..." {
		return true
	}
	if base, ok := strings.CutSuffix(pattern, "/..."); ok {
		return p == base || strings.HasPrefix(p, base+"/")
	}
	return p == pattern
}

func matchesAny(patterns []string, p string) bool {
	return slices.ContainsFunc(patterns, func(pattern string) bool { return matches(pattern, p) })
}

func rowOf(rows []row, p string) (row, bool) {
	for _, r := range rows {
		if matchesAny(r.packages, p) {
			return r, true
		}
	}
	return row{}, false
}

func TestImportTable(t *testing.T) {
	rows := table()
	for _, p := range packages(t) {
		for _, broken := range check(rows, p) {
			t.Error(broken)
		}
	}
}

// check returns a sentence for every import of p that the table forbids.
func check(rows []row, p listed) []string {
	r, ok := rowOf(rows, p.short())
	if !ok && !p.testSupport() {
		return []string{p.short() + " is in no row of the import table (cmd/internal/arch/table_test.go): say there what it may import, and why"}
	}
	var out []string
	for _, imp := range p.Imports {
		ours, isOurs := strings.CutPrefix(imp, module)
		switch {
		case isOurs && matches("cmd/...", ours) && !matches("cmd/...", p.short()):
			out = append(out, p.short()+" imports "+ours+": cmd wires everything together, so nobody imports it")
		case isOurs && slices.Contains(forTests, ours) && !p.testSupport():
			out = append(out, p.short()+" imports "+ours+" outside of tests: what is for tests has no place in the program")
		case isOurs && !p.testSupport() && !matchesAny(r.may, ours):
			out = append(out, p.short()+" may not import "+ours+": "+r.why)
		case !isOurs && matchesAny(r.never, imp) && !p.testSupport():
			out = append(out, p.short()+" must never import "+imp+": "+r.why)
		case !isOurs && r.pure && matchesAny(impure, imp):
			out = append(out, p.short()+" must never import "+imp+": "+r.why)
		}
	}
	return out
}

// impure are the packages that let a function depend on more than its
// arguments. The clock, which hides in package time, has a test of its own.
var impure = []string{"context", "net", "net/http", "os", "os/exec", "math/rand", "math/rand/v2", "crypto/rand", "syscall", "log", "log/slog"}

// TestImportTable_Refuses keeps the table from becoming one that cannot fail.
func TestImportTable_Refuses(t *testing.T) {
	rows := table()
	for _, c := range []struct{ from, to, word string }{
		{"tenants/coord", module + "tenants/errs", "leaves"},
		{"tenants/scope", "net/http", "leaves"},
		{"tenants/policy", module + "ent", "pure"},
		{"tenants/policy", "context", "pure"},
		{"tenants/license/spdx", "os", "pure"},
		{"tenants/blob", module + "tenants/scope", "bytes"},
		{"tenants/registry", module + "tenants/catalog", "services"},
		{"tenants/gate", module + "tenants/intake", "services"},
		{"tenants/gate", module + "protocol/npm", "services"},
		{"tenants/gate", module + "jobs", "services"},
		{"tenants/org/recall", "net/http", "services"},
		{"tenants/access", "github.com/99designs/gqlgen/graphql", "services"},
		{"tenants/gate", module + "ent/db/dbtest", "tests"},
		{"ent/schema", module + "tenants/org", "circle"},
		{"ent/db", module + "tenants/org", "above"},
		{"jobs/spec", module + "tenants/scope", "arguments"},
		{"jobs", module + "protocol/npm", "interface"},
		{"jobs/scan/secret", module + "ent", "scanner"},
		{"protocol", module + "ent", "services"},
		{"protocol/upstream", module + "tenants/coord", "addresses"},
		{"protocol/npm", module + "protocol/pypi", "ecosystem"},
		{"protocol/npm", module + "ent/db", "gate"},
		{"protocol/maven", module + "tenants/quarantine", "gate"},
		{"graph", module + "protocol/npm", "wire formats"},
		{"graph", module + "jobs", "workers"},
		{"frontend", module + "graph", "files"},
		{"graph", module + "cmd/sluice", "cmd"},
		{"util", "fmt", "no row"},
	} {
		got := check(rows, listed{ImportPath: module + c.from, Imports: []string{c.to}})
		if len(got) != 1 || !strings.Contains(got[0], c.word) || !strings.Contains(got[0], c.from) {
			t.Errorf("%s importing %s: %q, want one refusal with %q", c.from, c.to, got, c.word)
		}
	}
	for _, c := range [][2]string{
		{"tenants/policy", "tenants/license"}, {"tenants/gate", "ent"}, {"tenants/gate", "ent/db"}, {"tenants/intake", "tenants/gate"},
		{"tenants/access", "tenants/org/recall"}, {"protocol/npm", "tenants/gate"}, {"graph", "ent"}, {"jobs", "tenants/finding"},
		{"ent/schema", "ent/intercept"}, {"cmd/sluice", "protocol/npm"}, {"ent/db/dbtest", "tenants/org"},
	} {
		if got := check(rows, listed{ImportPath: module + c[0], Imports: []string{module + c[1]}}); len(got) != 0 {
			t.Errorf("%s importing %s: %q", c[0], c[1], got)
		}
	}
}

// TestTopFolders: packages live in the folders that the tree names.
func TestTopFolders(t *testing.T) {
	for _, p := range packages(t) {
		top, _, _ := strings.Cut(p.short(), "/")
		if !slices.Contains([]string{"cmd", "ent", "tenants", "protocol", "graph", "jobs", "frontend"}, top) {
			t.Errorf("%s: no package of the product lives in the top folder %q", p.short(), top)
		}
	}
}

// TestP2_PureCodeAsksNoClock: the time is an argument.
func TestP2_PureCodeAsksNoClock(t *testing.T) {
	rows := table()
	for _, p := range packages(t) {
		r, _ := rowOf(rows, p.short())
		if !r.pure {
			continue
		}
		for _, name := range p.GoFiles {
			file, fset := parse(t, filepath.Join(p.Dir, name))
			for _, use := range clockUses(file) {
				t.Errorf("%s: %s asks the clock: %s", fset.Position(use.Pos()), use.Sel.Name, r.why)
			}
		}
	}
}

// clockUses returns the places that read the clock or wait for it.
func clockUses(file *ast.File) []*ast.SelectorExpr {
	var out []*ast.SelectorExpr
	ast.Inspect(file, func(n ast.Node) bool {
		sel, ok := n.(*ast.SelectorExpr)
		if !ok {
			return true
		}
		if pkg, ok := sel.X.(*ast.Ident); ok && pkg.Name == "time" &&
			slices.Contains([]string{"Now", "Since", "Until", "Sleep", "After", "Tick", "NewTimer", "NewTicker", "AfterFunc"}, sel.Sel.Name) {
			out = append(out, sel)
		}
		return true
	})
	return out
}

func parse(t *testing.T, name string) (*ast.File, *token.FileSet) {
	t.Helper()
	fset := token.NewFileSet()
	file, err := parser.ParseFile(fset, name, nil, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	return file, fset
}
