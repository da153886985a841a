package advisory

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"sluice.dev/sluice/tenants/coord"
)

// TestDecodeRealRecords reads every record of the shared data. Those that are
// refused are about packages whose names npm itself does not allow any more.
func TestDecodeRealRecords(t *testing.T) {
	read := 0
	var refused []string
	sharedRecords(t, "full", func(file string, data []byte) {
		read++
		rec, problems, err := Decode(file, data)
		switch {
		case err != nil && !strings.Contains(err.Error(), "must not begin with '-'"):
			t.Error(err)
		case err != nil:
			refused = append(refused, file)
		case len(problems) > 0 || len(rec.Entries) == 0 || rec.ID != strings.TrimSuffix(filepath.Base(file), ".json"):
			t.Errorf("%s: %d entries, problems %v", rec.ID, len(rec.Entries), problems)
		}
	})
	if read < 48_000 || len(refused) > 50 {
		t.Errorf("read %d records, refused %d: %v", read, len(refused), refused)
	}
}

func FuzzDecode(f *testing.F) {
	f.Add([]byte(record("X-1", "2025-01-01T00:00:00Z", npmAffected, `"severity":[{"type":"CVSS_V4","score":"CVSS:4.0/AV:N"}]`)))
	f.Add([]byte(`{"id":"MAL-1","modified":"2025-01-01T00:00:00Z","affected":[{"package":{"ecosystem":"PyPI","name":"A.b"},"versions":["1.0"]}]}`))
	f.Add([]byte(`{"id":"X","modified":"0001-01-01T00:00:00+23:59","aliases":["CVE-1"],"details":"a\nb"}`))
	seeds, err := filepath.Glob("demo/*.json")
	if err != nil {
		f.Fatal(err)
	}
	for _, name := range seeds {
		data, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		rec, problems, err := Decode("f.json", data)
		if err != nil {
			if strings.ContainsRune(err.Error(), 0) {
				t.Errorf("error with a NUL: %q", err)
			}
			return
		}
		if checkID(rec.ID) != nil || rec.Modified.IsZero() || len(problems) > maxProblemsOfRecord {
			t.Errorf("unusable record %+v, %d problems", rec.Advisory, len(problems))
		}
		text := slices.Concat([]string{rec.Summary}, rec.Aliases)
		for _, e := range rec.Entries {
			if again, err := coord.NormalizeName(e.Package.Ecosystem, e.Package.Name); err != nil || again != e.Package.Name {
				t.Errorf("name %q is not normal: %q, %v", e.Package.Name, again, err)
			}
			text = append(append(text, e.Versions...), string(list(e.Ranges)))
			Affects(e, "1.0.0")
			FixedIn(e)
		}
		for _, s := range text {
			if strings.ContainsRune(s, 0) || strings.ToValidUTF8(s, "") != s {
				t.Errorf("text that PostgreSQL refuses: %q", s)
			}
		}
	})
}
