package advisory

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"sluice.dev/sluice/ent/db"
	"sluice.dev/sluice/ent/db/dbtest"
	"sluice.dev/sluice/tenants/coord"
	"sluice.dev/sluice/tenants/errs"
)

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
