package main

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/uuid"

	"sluice.dev/sluice/tenants/access"
	"sluice.dev/sluice/tenants/errs"
)

// roleReport prints who may do what, and counts.
type roleReport struct {
	w            io.Writer
	rows, differ int
	requested    int
}

func (r *roleReport) head(title string) {
	fmt.Fprintf(r.w, "\n-- %s\n%-30s | %-25s | %-16s | %-3s | %-8s | %s\n", title, "SUBJECT", "ACTION", "OBJECT", "MAY", "PROVED", "WHY")
}

// add writes a row; wrong says how the node disagrees, "" for not at all.
func (r *roleReport) add(subject, action, object, may, proved, why, wrong string) {
	r.rows++
	if wrong != "" {
		r.differ++
		why = "DIFFERS: " + wrong
	}
	fmt.Fprintf(r.w, "%-30s | %-25s | %-16s | %-3s | %-8s | %s\n", subject, action, object, may, proved, why)
}

func (r *roleReport) sum() string {
	return fmt.Sprintf("roles: %d rows (%d by HTTP requests), %d differ", r.rows, r.requested, r.differ)
}

// tableRows reads a table of tenants/access/testdata: so many fields and a
// reason in each line.
func tableRows(t *testing.T, name string, fields int) (out [][]string) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "..", "tenants", "access", "testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	for n, line := range strings.Split(string(text), "\n") {
		f := strings.Fields(line)
		if len(f) == 0 || f[0] == "#" {
			continue
		}
		if len(f) <= fields {
			t.Fatalf("%s, line %d has no reason: %q", name, n+1, line)
		}
		out = append(out, append(f[:fields:fields], strings.Join(f[fields:], " ")))
	}
	return out
}

// whoMayWhat asks a node every question of the two tables.
func whoMayWhat(t *testing.T, r *roleReport) {
	t.Run("roles.txt", func(t *testing.T) { roleTable(t, r) })
	t.Run("delegation.txt", func(t *testing.T) { handTable(t, r) })
}

// answers are what was declared, and proved by requests, about one action.
type answers struct{ yes, no, provedYes, provedNo int }

// roleTable asks the enforcer of a node each question, and where a request asks
// the same, sends that too, with the subject's token.
func roleTable(t *testing.T, r *roleReport) {
	w := newRoleWorld(newHarness(t))
	w.subjects()
	probes, seen := w.probes(), map[access.Action]*answers{}
	for _, d := range access.Actions() {
		seen[d.Action] = &answers{}
	}
	r.head("Who may do what (tenants/access/testdata/roles.txt)")
	for _, f := range tableRows(t, "roles.txt", 4) {
		action, at := access.Action(f[1]), w.places[f[2]]
		if _, known := w.token[f[0]]; !known || !action.Valid() {
			t.Fatalf("no such subject or action: %q", f)
		}
		want, proved, wrong := f[3] == "yes", "enforcer", ""
		ctx := w.as(f[0])
		got, err := w.acme.at.access.Can(ctx, access.Of(ctx), action, at)
		if err != nil || got != want {
			wrong = fmt.Sprintf("the enforcer says %v %v", got, err)
		}
		count := seen[action]
		if p := probes[action]; p != nil && p.fits(w, ctx, action, at) {
			var did bool
			if did, proved, err = p.try(w, f[0], ctx, at); err != nil || did != want {
				wrong = fmt.Sprintf("the node lets them: %v (%v)", did, err)
			}
			if proved != inProcess {
				r.requested++
			}
			add(&count.provedYes, &count.provedNo, want)
		}
		add(&count.yes, &count.no, want)
		r.add(f[0], f[1], map[string]string{"org": "the organization", "one": "registry one", "two": "registry two"}[f[2]], f[3], proved, f[4], wrong)
		if wrong != "" {
			t.Errorf("%q: %s", f, wrong)
		}
	}
	w.complete(t, r, probes, seen)
}

func add(yes, no *int, is bool) {
	if is {
		*yes++
	} else {
		*no++
	}
}

// complete demands that every action occurs with both answers, and that requests
// proved both where one asks for the action.
func (w *roleWorld) complete(t *testing.T, r *roleReport, probes map[access.Action]*probe, seen map[access.Action]*answers) {
	t.Helper()
	var unasked []string
	for _, d := range access.Actions() {
		c := seen[d.Action]
		if c.yes == 0 || c.no == 0 {
			r.differ++
			t.Errorf("%s: the table has %d times yes and %d times no; each must occur", d.Action, c.yes, c.no)
		}
		if probes[d.Action] == nil {
			unasked = append(unasked, string(d.Action))
			continue
		}
		if c.provedYes == 0 || c.provedNo == 0 {
			r.differ++
			t.Errorf("%s: asking a node proved %d times yes and %d times no; each must occur", d.Action, c.provedYes, c.provedNo)
		}
	}
	slices.Sort(unasked)
	fmt.Fprintf(r.w, "\nNothing that a node does asks for these yet; the enforcer alone answers: %s\n", strings.Join(unasked, ", "))
}

// handTable has every subject of delegation.txt hand on what the line says.
func handTable(t *testing.T, r *roleReport) {
	w := newRoleWorld(newHarness(t))
	w.delegates()
	r.head("Who may hand on what (tenants/access/testdata/delegation.txt)")
	for _, f := range tableRows(t, "delegation.txt", 5) {
		if _, known := w.token[f[0]]; !known {
			t.Fatalf("no such subject: %q", f)
		}
		wrong := ""
		err := w.hand(w.as(f[0]), f[1], f[2], w.places[f[3]])
		refused := errs.Is(err, errs.Forbidden) || errs.Is(err, errs.NotFound) || errs.Is(err, errs.Unauthenticated) || errs.Is(err, errs.Invalid)
		if (err == nil) != (f[4] == "yes") || err != nil && !refused {
			wrong = fmt.Sprint(err)
			t.Errorf("%q: %v", f, err)
		}
		r.add(f[0], f[1]+" "+f[2], map[string]string{"org": "the organization", "one": "registry one", "two": "registry two"}[f[3]], f[4], inProcess, f[5], wrong)
	}
}

// registryOther is the other one of the two registries.
func (w *roleWorld) registryOther(at uuid.UUID) uuid.UUID {
	if at == w.places["one"] {
		return w.places["two"]
	}
	return w.places["one"]
}

func (w *roleWorld) registryName(at uuid.UUID) string {
	if at == w.places["one"] {
		return "one"
	}
	return "two"
}
