package advisory

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"sluice.dev/sluice/ent/db/dbtest"
	"sluice.dev/sluice/jobs/spec"
	"sluice.dev/sluice/tenants/coord"
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
