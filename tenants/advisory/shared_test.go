package advisory

import (
	"archive/zip"
	"bufio"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"testing"

	"sluice.dev/sluice/tenants/coord"
)

// shared returns the path of a file or folder of the shared test data, and
// skips the test without it.
func shared(t testing.TB, name ...string) string {
	t.Helper()
	root := os.Getenv("SLUICE_SHARED_DATA")
	if root == "" {
		t.Skip("SLUICE_SHARED_DATA is not set: the real advisories are not here")
	}
	return filepath.Join(append([]string{root}, name...)...)
}

// sharedRecords decodes all records of one bulk export of the shared data.
func sharedRecords(t testing.TB, set string, each func(file string, data []byte)) {
	t.Helper()
	for _, e := range coord.Ecosystems() {
		z, err := zip.OpenReader(shared(t, "osv", set, e.OSV(), "all.zip"))
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range z.File {
			r, err := f.Open()
			if err != nil {
				t.Fatal(err)
			}
			data, err := io.ReadAll(r)
			if err != nil {
				t.Fatal(err)
			}
			each(e.OSV()+"/"+f.Name, data)
		}
		z.Close()
	}
}

// truthRow is a version of a package and the advisories that affect it.
type truthRow struct {
	Name      string   `json:"name"`
	Version   string   `json:"version"`
	IDs       []string `json:"ids"`
	Withdrawn []string `json:"withdrawn_ids"`
}

func sharedTruth(t testing.TB, e coord.Ecosystem) []truthRow {
	t.Helper()
	f, err := os.Open(shared(t, "matcher", "sample-truth-"+e.PURLType()+".jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var rows []truthRow
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var r truthRow
		if err := json.Unmarshal(lines.Bytes(), &r); err != nil {
			t.Fatal(err)
		}
		rows = append(rows, r)
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
	return rows
}
