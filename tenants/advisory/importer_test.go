package advisory

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"sluice.dev/sluice/ent/db"
	"sluice.dev/sluice/ent/db/dbtest"
	"sluice.dev/sluice/jobs/spec"
	"sluice.dev/sluice/tenants/coord"
	"sluice.dev/sluice/tenants/errs"
	"sluice.dev/sluice/tenants/policy"
)

func TestImport(t *testing.T) {
	d := dbtest.New(t)
	ours, theirs := dbtest.TwoOrgs(t, d)
	dir := folder(t, map[string]string{
		"GHSA-1.json": record("GHSA-1", january, affects("npm", "lodash", "4.17.21"),
			`"summary":"s","aliases":["CVE-1"],"published":"2021-05-06T16:05:51Z","database_specific":{"severity":"HIGH"}`),
		"MAL-1.json": record("MAL-1", january, `[{"package":{"ecosystem":"PyPI","name":"Evil_Pkg"},"versions":["1.0"]}]`, ""),
		"GO-1.json":  record("GO-1", january, affects("Go", "example.com/x", "1.0.0"), ""),
		"bad.json":   `{"id":"X-1"}`,
		"worse.json": `nonsense`,
	})
	r := imported(t, d, dir, today)
	if r.Read != 5 || r.Stored != 2 || r.Unchanged != 0 || r.Foreign != 1 || r.SkippedCount != 2 || len(r.Skipped) != 2 ||
		!maps.Equal(r.Changed, map[coord.Ecosystem]int{coord.NPM: 1, coord.PyPI: 1}) {
		t.Errorf("report %+v", r)
	}
	if all := fmt.Sprint(r.Skipped); !strings.Contains(all, "bad.json: X-1: modified is missing") || !strings.Contains(all, "worse.json: is not JSON") {
		t.Errorf("problems %v", r.Skipped)
	}
	// Advisories are the same for every organization.
	for _, ctx := range []context.Context{ours, theirs} {
		got := forPackage(t, d, ctx, coord.NPM, "lodash")
		if len(got) != 1 || got[0].ID != "GHSA-1" || got[0].Feed != "osv" || got[0].Severity != policy.SeverityHigh || !slices.Equal(got[0].Aliases, []string{"CVE-1"}) ||
			got[0].Published.IsZero() || !slices.Equal(got[0].FixedIn(), []string{"4.17.21"}) {
			t.Fatalf("lodash: %+v", got)
		}
		if len(got.Match("4.17.20")) != 1 || len(got.Match("4.17.21")) != 0 {
			t.Error("lodash matches wrongly")
		}
		if got := forPackage(t, d, ctx, coord.PyPI, "evil-pkg"); len(got.Match("1.0.0")) != 1 || !got.Match("1.0.0")[0].Malware {
			t.Errorf("evil-pkg: %+v", got)
		}
		if got := forPackage(t, d, ctx, coord.PyPI, "lodash"); got != nil {
			t.Errorf("lodash in another ecosystem: %+v", got)
		}
		if at := snapshot(t, d, ctx, coord.NPM); !at.Equal(today) {
			t.Errorf("npm snapshot at %v, want %v", at, today)
		}
		if at := snapshot(t, d, ctx, coord.Maven); !at.IsZero() {
			t.Errorf("Maven snapshot at %v, want none", at)
		}
	}
}

func TestImportTwiceWritesNothing(t *testing.T) {
	d := lone(t, dbtest.URL(t))
	ours, _ := dbtest.TwoOrgs(t, d)
	hold(t, d, ours, coord.NPM, "lodash", "4.17.20")
	dir := folder(t, map[string]string{
		"a.json": record("GHSA-1", "2026-01-01T00:00:00.123456789Z", affects("npm", "lodash", "4.17.21"), ""),
		"b.json": record("GHSA-2", "2027-01-01T00:00:00Z", affects("npm", "later", "1.0.0"), ""), // in the future
	})
	imported(t, d, dir, today)
	before, jobs, heard := rowVersions(t, d), len(reassessments(t, d)), listen(d)
	r := imported(t, d, dir, today.Add(time.Hour))
	if r.Stored != 0 || r.Unchanged != 2 || len(r.Changed) != 0 || r.Jobs != 0 {
		t.Errorf("report %+v, want nothing stored", r)
	}
	if !slices.Equal(before, rowVersions(t, d)) {
		t.Error("rows were written")
	}
	if len(reassessments(t, d)) != jobs || len(heard.take()) > 0 {
		t.Error("an import that changed nothing announced something")
	}
	if at := snapshot(t, d, ours, coord.NPM); !at.Equal(today.Add(time.Hour)) {
		t.Errorf("snapshot at %v: its age must be that of the last import (P3)", at)
	}
}

// TestNewerWins tries a second import after a first one.
func TestNewerWins(t *testing.T) {
	const future, laterFuture = "2027-07-09T15:54:00Z", "2028-01-01T00:00:00Z"
	for _, c := range []struct {
		name, first, second string
		wins                bool
	}{
		{"newer", january, february, true},
		{"older", february, january, false},
		{"same time", january, january, false},
		{"future over past", january, future, true},
		{"past over future: a future time proves nothing", future, january, true},
		{"other future over future", laterFuture, future, true},
		{"same future", future, future, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			d := dbtest.New(t)
			ours, _ := dbtest.TwoOrgs(t, d)
			imported(t, d, folder(t, map[string]string{"a.json": record("X-1", c.first, affects("npm", "p", "1.0.0"), "")}), today)
			r := imported(t, d, folder(t, map[string]string{"a.json": record("X-1", c.second, affects("npm", "q", "2.0.0"), "")}), today)
			p, q := forPackage(t, d, ours, coord.NPM, "p"), forPackage(t, d, ours, coord.NPM, "q")
			if c.wins != (len(q) == 1 && len(p) == 0 && r.Stored == 1) || c.wins == (len(p) == 1 && len(q) == 0 && r.Unchanged == 1) {
				t.Errorf("p %v, q %v, report %+v; want the second to win: %v", p, q, r, c.wins)
			}
			// Both the package that was named and the one that is now have changed.
			if want := map[bool]int{true: 2}[c.wins]; r.Changed[coord.NPM] != want {
				t.Errorf("changed %v, want %d names", r.Changed, want)
			}
		})
	}
}

// TestNewestOfDuplicates proves that within one import, too, the newest wins,
// whatever the order.
func TestNewestOfDuplicates(t *testing.T) {
	d := dbtest.New(t)
	ours, _ := dbtest.TwoOrgs(t, d)
	r := imported(t, d, folder(t, map[string]string{
		"a.json": record("X-1", january, affects("npm", "p", "1.0.0"), ""),
		"b.json": record("X-1", february, affects("npm", "p", "2.0.0"), ""),
		"c.json": record("X-1", january, affects("npm", "p", "1.0.0"), ""),
	}), today)
	if got := forPackage(t, d, ours, coord.NPM, "p"); len(got) != 1 || !slices.Equal(got[0].FixedIn(), []string{"2.0.0"}) || r.Stored != 1 {
		t.Errorf("stored %+v, report %+v", got, r)
	}
}

// TestQ5_WithdrawnAdvisoriesMatchNothing proves that a withdrawal is stored,
// ends the match, and asks for a new evaluation in the organizations that hold
// the package, and only there.
func TestQ5_WithdrawnAdvisoriesMatchNothing(t *testing.T) {
	d := dbtest.New(t)
	ours, theirs := dbtest.TwoOrgs(t, d)
	imported(t, d, folder(t, map[string]string{"a.json": record("X-1", january, affects("npm", "p", "2.0.0"), "")}), today)
	hold(t, d, ours, coord.NPM, "p", "1.0.0")
	hold(t, d, theirs, coord.NPM, "q", "1.0.0")
	hold(t, d, theirs, coord.PyPI, "p", "1.0.0")
	r := imported(t, d, folder(t, map[string]string{"a.json": record("X-1", february, affects("npm", "p", "2.0.0"), `"withdrawn":"2026-02-01T00:00:00Z"`)}), today)
	got := forPackage(t, d, ours, coord.NPM, "p")
	if len(got) != 1 || got[0].Withdrawn.IsZero() || got.Match("1.0.0") != nil {
		t.Errorf("after the withdrawal: %+v", got)
	}
	jobs := reassessments(t, d)
	want := spec.Reassess{Org: orgOf(t, ours), Ecosystem: "NPM", Names: []string{"p"}}
	if r.Jobs != 1 || len(jobs) != 1 || len(jobs[want.Org]) != 1 || fmt.Sprint(jobs[want.Org][0]) != fmt.Sprint(want) {
		t.Errorf("jobs %+v, want %+v", jobs, want)
	}
}

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

// TestFailedImportChangesNothing proves that an import that breaks off leaves
// the earlier snapshot whole: advisories, times, jobs and announcements.
func TestFailedImportChangesNothing(t *testing.T) {
	d := lone(t, dbtest.URL(t))
	ours, _ := dbtest.TwoOrgs(t, d)
	hold(t, d, ours, coord.NPM, "p", "1.0.0")
	imported(t, d, folder(t, map[string]string{"a.json": record("X-1", january, affects("npm", "p", "2.0.0"), "")}), today)
	before, jobs, heard := rowVersions(t, d), len(reassessments(t, d)[orgOf(t, ours)]), listen(d)

	broken := errors.New("the disk is gone")
	halfway := func(_ context.Context, yield func(item) error) error {
		for i := range batchRecords + 10 { // the first batch is written before the end is known
			text := record(fmt.Sprintf("X-%d", i), february, affects("npm", "p", "3.0.0"), "")
			if err := yield(item{file: "x.json", data: []byte(text)}); err != nil {
				return err
			}
		}
		return broken
	}
	if _, err := NewImporter(d).load(t.Context(), "x", halfway, Options{Feed: "osv", Now: today.Add(time.Hour)}); !errors.Is(err, broken) {
		t.Errorf("error %v, want %v", err, broken)
	}

	// The second part of a bulk export is a download that broke off.
	bulk := t.TempDir()
	zipped(t, filepath.Join(bulk, "npm/all.zip"), map[string]string{"a.json": record("X-1", february, affects("npm", "p", "3.0.0"), "")})
	whole := zipped(t, filepath.Join(bulk, "PyPI/all.zip"), map[string]string{"a.json": record("X-2", february, affects("PyPI", "p", "3.0.0"), "")})
	if err := os.Truncate(whole, 150); err != nil {
		t.Fatal(err)
	}
	_, err := NewImporter(d).Import(t.Context(), bulk, Options{Feed: "osv", Now: today.Add(time.Hour)})
	if !errs.Is(err, errs.Invalid) || !strings.Contains(errs.Public(err), "PyPI/all.zip is not a complete zip") {
		t.Errorf("error %v", err)
	}

	ctx, stop := context.WithCancel(t.Context())
	_, err = NewImporter(d).load(ctx, "x", func(ctx context.Context, yield func(item) error) error {
		stop()
		return yield(item{file: "x.json", data: []byte(record("X-1", february, affects("npm", "p", "3.0.0"), ""))})
	}, Options{Feed: "osv", Now: today.Add(time.Hour)})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("error %v, want the context's", err)
	}

	if !slices.Equal(before, rowVersions(t, d)) || len(reassessments(t, d)[orgOf(t, ours)]) != jobs || len(heard.take()) > 0 {
		t.Error("a failed import left something behind")
	}
	if at := snapshot(t, d, ours, coord.NPM); !at.Equal(today) {
		t.Errorf("snapshot at %v, want %v", at, today)
	}
}

func TestF5_ImportRefuses(t *testing.T) {
	d := dbtest.New(t)
	ours, theirs := dbtest.TwoOrgs(t, d)
	good := folder(t, map[string]string{"a.json": record("X-1", january, affects("npm", "p", "2.0.0"), "")})
	for _, c := range []struct {
		name, path string
		options    Options
		want       string
	}{
		{"no feed", good, Options{Now: today}, `feed name "" must have`},
		{"demo feed", good, Options{Feed: DemoFeed, Now: today}, "kept for the demonstration advisories"},
		{"no time", good, Options{Feed: "osv"}, "needs the time"},
		{"no records", t.TempDir(), Options{Feed: "osv", Now: today}, "has no OSV record"},
		{"no usable record", folder(t, map[string]string{"a.json": `{}`}), Options{Feed: "osv", Now: today}, "the first of 1 problems: a.json: id is missing"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if _, err := NewImporter(d).Import(t.Context(), c.path, c.options); !errs.Is(err, errs.Invalid) || !strings.Contains(errs.Public(err), c.want) {
				t.Errorf("error %v, want Invalid with %q", err, c.want)
			}
		})
	}
	if !snapshot(t, d, ours, coord.NPM).IsZero() || forPackage(t, d, theirs, coord.NPM, "p") != nil {
		t.Error("a refused import left something behind")
	}
}

// TestRecordThatLeavesOurEcosystems proves that a record which does not name
// our packages any more stops matching them.
func TestRecordThatLeavesOurEcosystems(t *testing.T) {
	d := dbtest.New(t)
	ours, _ := dbtest.TwoOrgs(t, d)
	imported(t, d, folder(t, map[string]string{"a.json": record("X-1", january, affects("npm", "p", "2.0.0"), "")}), today)
	r := imported(t, d, folder(t, map[string]string{"a.json": record("X-1", february, affects("Go", "p", "2.0.0"), "")}), today)
	if got := forPackage(t, d, ours, coord.NPM, "p"); got != nil || r.Changed[coord.NPM] != 1 {
		t.Errorf("still %+v, report %+v", got, r)
	}
}

// TestTwoNodesImportAtOnce proves that imports wait for each other and that
// together they do the work once.
func TestTwoNodesImportAtOnce(t *testing.T) {
	url := dbtest.URL(t)
	nodes := [2]*db.DB{lone(t, url), lone(t, url)}
	ours, theirs := dbtest.TwoOrgs(t, nodes[0])
	files := map[string]string{}
	for i := range 3000 {
		files[fmt.Sprintf("%d.json", i)] = record(fmt.Sprintf("X-%d", i), january, affects("npm", fmt.Sprintf("p%d", i), "2.0.0"), "")
	}
	hold(t, nodes[0], ours, coord.NPM, "p7", "1.0.0")
	path := zipped(t, filepath.Join(t.TempDir(), "f.zip"), files)
	var reports [2]Report
	var group sync.WaitGroup
	for i, d := range nodes {
		group.Go(func() {
			r, err := NewImporter(d).Import(t.Context(), path, Options{Feed: "osv", Now: today})
			if err != nil {
				t.Error(err)
			}
			reports[i] = r
		})
	}
	group.Wait()
	if s, u := reports[0].Stored+reports[1].Stored, reports[0].Unchanged+reports[1].Unchanged; s != 3000 || u != 3000 {
		t.Errorf("stored %d, unchanged %d; want 3000 of each", s, u)
	}
	if jobs := reassessments(t, nodes[0]); len(jobs) != 1 || len(jobs[orgOf(t, ours)]) != 1 || jobs[orgOf(t, theirs)] != nil {
		t.Errorf("jobs %v, want one", jobs)
	}
	if n := global[int64](t, nodes[1], `SELECT count(*) FROM advisory_affected`); n[0] != 3000 {
		t.Errorf("%d rows, want 3000", n[0])
	}
}

func TestReportIsBounded(t *testing.T) {
	d := dbtest.New(t)
	dbtest.TwoOrgs(t, d)
	files := map[string]string{"good.json": record("X-1", january, affects("npm", "p", "2.0.0"), "")}
	for i := range MaxProblems + 5 {
		files[fmt.Sprintf("bad%d.json", i)] = `{}`
	}
	seen := 0
	r, err := NewImporter(d).Import(t.Context(), zipped(t, filepath.Join(t.TempDir(), "f.zip"), files),
		Options{Feed: "osv", Now: today, Progress: func(r Report) { seen = r.Read }})
	if err != nil {
		t.Fatal(err)
	}
	if r.SkippedCount != MaxProblems+5 || len(r.Skipped) != MaxProblems || r.Stored != 1 || seen != r.Read {
		t.Errorf("skipped %d of which %d are kept, stored %d, progress %d of %d", r.SkippedCount, len(r.Skipped), r.Stored, seen, r.Read)
	}
}
