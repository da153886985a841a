package advisory

import (
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"sluice.dev/sluice/ent/db"
	"sluice.dev/sluice/ent/db/dbtest"
	"sluice.dev/sluice/jobs/spec"
	"sluice.dev/sluice/tenants/coord"
)

// TestReassessInPages proves that one feed becomes several bounded jobs.
func TestReassessInPages(t *testing.T) {
	d := dbtest.New(t)
	ours, theirs := dbtest.TwoOrgs(t, d)
	files := map[string]string{}
	for i := range spec.MaxReassessNames + 1 {
		name := fmt.Sprintf("p%03d", i)
		hold(t, d, ours, coord.NPM, name, "1.0.0", "2.0.0")
		files[name+".json"] = record("X-"+name, january, affects("npm", name, "3.0.0"), "")
	}
	hold(t, d, theirs, coord.NPM, "p000", "1.0.0")
	r := imported(t, d, folder(t, files), today)
	jobs := reassessments(t, d)
	a, b := jobs[orgOf(t, ours)], jobs[orgOf(t, theirs)]
	if r.Jobs != 3 || len(a) != 2 || len(a[0].Names) != spec.MaxReassessNames || len(a[1].Names) != 1 || len(b) != 1 || !slices.Equal(b[0].Names, []string{"p000"}) {
		t.Errorf("%d jobs: ours %v, theirs %v", r.Jobs, a, b)
	}
}

// TestP3_CoverageNeedsOwnRecords proves that a feed of one ecosystem does not
// count as a snapshot of another one that some of its records mention.
func TestP3_CoverageNeedsOwnRecords(t *testing.T) {
	d := dbtest.New(t)
	ours, _ := dbtest.TwoOrgs(t, d)
	both := affects("npm", "p", "1.0.0")
	both = both[:len(both)-1] + "," + affects("PyPI", "p", "1.0.0")[1:]
	dir := folder(t, map[string]string{
		"a.json": record("X-1", january, affects("npm", "p", "1.0.0"), ""),
		"b.json": record("X-2", january, both, ""),
	})
	r := imported(t, d, dir, today)
	if !slices.Equal(r.Ecosystems, []coord.Ecosystem{coord.NPM}) || !snapshot(t, d, ours, coord.PyPI).IsZero() {
		t.Errorf("ecosystems %v, want NPM alone", r.Ecosystems)
	}
	if len(forPackage(t, d, ours, coord.PyPI, "p")) != 1 {
		t.Error("the record about both is not found for the other one")
	}
}

// TestAnnouncements proves what nodes hear (Q2): everything of an ecosystem
// for its first import and after a pause, else the packages that changed.
func TestAnnouncements(t *testing.T) {
	d := lone(t, dbtest.URL(t))
	dbtest.TwoOrgs(t, d)
	heard := listen(d)
	feed := func(modified string, names ...string) string {
		files := map[string]string{}
		for _, n := range names {
			files[n+".json"] = record("X-"+n, modified, affects("npm", n, "1.0.0"), "")
		}
		return folder(t, files)
	}
	everything := map[db.Change]bool{{Kind: db.Snapshot, Ecosystem: coord.NPM}: true}
	packages := func(names ...string) map[db.Change]bool {
		m := map[db.Change]bool{}
		for _, n := range names {
			m[db.Change{Kind: db.Advisory, Ecosystem: coord.NPM, Name: n}] = true
		}
		return m
	}
	many := make([]string, maxAnnounced+1)
	for i := range many {
		many[i] = fmt.Sprintf("m%d", i)
	}
	for _, step := range []struct {
		name  string
		after time.Duration
		path  string
		want  map[db.Change]bool
	}{
		{"first", 0, feed(january, "a", "b"), everything},
		{"one changed", time.Hour, feed(february, "a"), packages("a")},
		{"nothing changed", 2 * time.Hour, feed(february, "a"), packages()},
		{"nothing changed after a pause", 5 * time.Hour, feed(february, "a"), everything},
		{"very many", 6 * time.Hour, feed(january, many...), everything},
	} {
		imported(t, d, step.path, today.Add(step.after))
		if got := heard.take(); !maps.Equal(got, step.want) {
			t.Errorf("%s: heard %d changes %v, want %v", step.name, len(got), got, step.want)
		}
	}
}
