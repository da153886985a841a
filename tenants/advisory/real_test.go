package advisory

import (
	"archive/zip"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"sluice.dev/sluice/ent/db/dbtest"
	"sluice.dev/sluice/tenants/coord"
)

// TestImportRealLayouts imports the real sample as bulk export, then what is
// the same as a folder and as single zips, which changes nothing, and compares
// what the database answers with the truth.
func TestImportRealLayouts(t *testing.T) {
	bulk := shared(t, "osv", "sample")
	d := dbtest.New(t)
	ours, theirs := dbtest.TwoOrgs(t, d)
	r := imported(t, d, bulk, today)
	if r.Stored < 2500 || r.SkippedCount > 0 || r.NotedCount > 0 || r.Foreign > 0 || r.Stored+r.Unchanged != r.Read || !slices.Equal(r.Ecosystems, coord.Ecosystems()) {
		t.Errorf("report %+v", r)
	}
	before := rowVersions(t, d)
	for _, path := range []string{bulk, unpacked(t, bulk), filepath.Join(bulk, "npm"), filepath.Join(bulk, "PyPI", bulkZip)} {
		if r := imported(t, d, path, today); r.Stored != 0 || r.Unchanged != r.Read || r.SkippedCount > 0 {
			t.Errorf("%s: report %+v, want everything unchanged", path, r)
		}
	}
	if !slices.Equal(before, rowVersions(t, d)) {
		t.Error("the same data in another layout was written again")
	}
	for _, row := range sharedTruth(t, coord.NPM)[:300] {
		var got []string
		for _, m := range forPackage(t, d, ours, coord.NPM, row.Name).Match(row.Version) {
			got = append(got, m.ID)
		}
		if want := slices.Sorted(slices.Values(row.IDs)); !slices.Equal(slices.Sorted(slices.Values(got)), want) {
			t.Errorf("%s %s: %v, want %v", row.Name, row.Version, got, want)
		}
	}
	// A time in 2027 is no news.
	if newest := global[string](t, d, `SELECT to_char(newest, 'YYYY') FROM advisory_snapshots WHERE ecosystem = 'PYPI'`); newest[0] > "2026" {
		t.Errorf("newest is of %s", newest[0])
	}
	if at := snapshot(t, d, theirs, coord.Maven); !at.Equal(today) {
		t.Errorf("snapshot at %v", at)
	}
}

// unpacked writes all records of a bulk export into one folder tree.
func unpacked(t testing.TB, bulk string) string {
	t.Helper()
	dir := t.TempDir()
	for _, e := range coord.Ecosystems() {
		z, err := zip.OpenReader(filepath.Join(bulk, e.OSV(), bulkZip))
		if err != nil {
			t.Fatal(err)
		}
		defer z.Close()
		for _, f := range z.File {
			r, err := f.Open()
			if err != nil {
				t.Fatal(err)
			}
			data, err := io.ReadAll(r)
			if err != nil {
				t.Fatal(err)
			}
			sub := filepath.Join(dir, strings.ToLower(f.Name[:3]))
			if err := os.MkdirAll(sub, 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(sub, f.Name), data, 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
	return dir
}
