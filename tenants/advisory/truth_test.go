package advisory

import (
	"slices"
	"testing"

	"sluice.dev/sluice/tenants/coord"
)

// literal are rows in which OSV's algorithm, taken literally, gives another
// answer than the truth: PYSEC-2024-264 has six last_affected after one
// introduced, and the sweep ends with the first.
var literal = map[string]bool{
	"apache-airflow 2.9.0-beta2": true, "apache-airflow 2.9.0-rc1": true,
	"apache-airflow 2.9.0-rc2": true, "apache-airflow 2.9.0-rc3": true,
}

// TestMatcherAgainstTruth compares the matcher with an independent computation
// over the real sample.
func TestMatcherAgainstTruth(t *testing.T) {
	byPackage := map[coord.Package]Advisories{}
	seen := map[string]bool{}
	sharedRecords(t, "sample", func(file string, data []byte) {
		rec, _, err := Decode(file, data)
		if err != nil {
			t.Errorf("%v", err)
			return
		}
		if seen[rec.ID] {
			return // a record about several ecosystems is in each of their files
		}
		seen[rec.ID] = true
		for pkg, entries := range grouped(rec.Entries) {
			byPackage[pkg] = append(byPackage[pkg], NewAffected(rec.Advisory, entries))
		}
	})
	for _, e := range coord.Ecosystems() {
		rows := sharedTruth(t, e)
		agree := 0
		for _, row := range rows {
			name, err := coord.NormalizeName(e, row.Name)
			if err != nil {
				t.Errorf("%s %s: %v", e, row.Name, err)
				continue
			}
			var got []string
			for _, m := range byPackage[coord.Package{Ecosystem: e, Name: name}].Match(row.Version) {
				got = append(got, m.ID)
			}
			slices.Sort(got)
			want := slices.Clone(row.IDs)
			slices.Sort(want)
			if slices.Equal(got, want) {
				agree++
			} else if !literal[row.Name+" "+row.Version] {
				t.Errorf("%s %s %s: got %v, want %v", e, row.Name, row.Version, got, want)
			}
		}
		t.Logf("%s: %d of %d rows agree (%.3f %%)", e, agree, len(rows), 100*float64(agree)/float64(len(rows)))
	}
}

func grouped(entries []Entry) map[coord.Package][]Entry {
	m := map[coord.Package][]Entry{}
	for _, e := range entries {
		m[e.Package] = append(m[e.Package], e)
	}
	return m
}
