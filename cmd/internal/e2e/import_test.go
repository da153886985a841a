package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func importCases() []testCase {
	return []testCase{
		{"an imported advisory withholds at once", importsOwn},
		{"P5: a vulnerability of a held version opens a finding and has a grace time", gracious},
		{"advisories import of a whole feed while running", importsAll},
	}
}

// advisory is an OSV record about one version.
func advisory(id, name, version string) string {
	malware := strings.HasPrefix(id, "MAL-")
	severity := `,"database_specific":{"severity":"HIGH"}`
	if malware {
		severity = ""
	}
	return fmt.Sprintf(`{"schema_version":"1.7.3","id":%q,"modified":"2026-06-01T00:00:00Z","summary":"made for a test",
		"affected":[{"package":{"ecosystem":"npm","name":%q},"versions":[%q]}]%s}`, id, name, version, severity)
}

// importOwn imports records of our own with the command line.
func (s *stage) importOwn(t *testing.T, records map[string]string) {
	t.Helper()
	dir, err := os.MkdirTemp(s.dir, "osv-")
	if err != nil {
		t.Fatal(err)
	}
	for id, record := range records {
		if err := os.WriteFile(filepath.Join(dir, id+".json"), []byte(record), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if out := s.command(t, nil, "advisories", "import", "--data", s.data, dir); !strings.Contains(out, fmt.Sprintf("%d stored", len(records))) {
		t.Errorf("advisories import printed %q, want %d stored", out, len(records))
	}
}

func importsOwn(t *testing.T, s *stage) {
	s.serves(t, "team-a", "is-even", "1.0.0")
	s.serves(t, "team-a", "is-odd", "2.0.0") // so that its list is compiled and cached
	s.importOwn(t, map[string]string{
		"GHSA-e2e0-0000-0001": advisory("GHSA-e2e0-0000-0001", "is-odd", "3.0.1"),
		"MAL-2026-999001":     advisory("MAL-2026-999001", "is-even", "1.0.0"),
	})
	began := time.Now()
	// By the list: asking for the file too early would make it a held version,
	// which has a grace time (P5).
	until(t, "the list without it", 5*time.Second, func() bool {
		_, listed := s.document(t, s.registry("team-a")+"is-odd", s.state.TeamA).Versions["3.0.1"]
		return !listed
	})
	s.note("in force %s after the command ended", seconds(time.Since(began)))
	s.refuses(t, "team-a", "is-odd", "3.0.1", "GHSA-e2e0-0000-0001")
	s.serves(t, "team-a", "is-odd", "2.0.0")
	s.refuses(t, "team-a", "is-even", "1.0.0", "MAL-2026-999001") // held, and malware
}

func gracious(t *testing.T, s *stage) {
	s.serves(t, "team-a", "repeat-string", "1.6.1")
	s.importOwn(t, map[string]string{"GHSA-e2e0-0000-0002": advisory("GHSA-e2e0-0000-0002", "repeat-string", "1.6.1")})
	var out struct {
		Version struct {
			Findings []struct{ Reference, Severity string }
		}
	}
	until(t, "the finding", 30*time.Second, func() bool {
		s.graph(t, `query($registry: ID!) { version(registry: $registry, package: "repeat-string", version: "1.6.1") { findings { reference severity } } }`,
			map[string]any{"registry": s.id(t, "npm-firewall")}, &out)
		return len(out.Version.Findings) > 0
	})
	if f := out.Version.Findings[0]; f.Reference != "GHSA-e2e0-0000-0002" || f.Severity != "HIGH" {
		t.Errorf("the finding is %+v", f)
	}
	s.serves(t, "team-a", "repeat-string", "1.6.1")
}

func importsAll(t *testing.T, s *stage) {
	shared := os.Getenv("SLUICE_SHARED_DATA")
	if shared == "" {
		t.Skip("SLUICE_SHARED_DATA is not set")
	}
	set := "sample"
	if s.long {
		set = "full"
	}
	out := s.command(t, nil, "advisories", "import", "--data", s.data, filepath.Join(shared, "osv", set))
	s.note("%s", strings.TrimSpace(strings.Split(out, "\n")[0]))
	s.refuses(t, "team-a", "lodash", bad, badAdvisory)
	s.serves(t, "team-a", "is-odd", "2.0.0")
}
