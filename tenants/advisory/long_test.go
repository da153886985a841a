package advisory

import (
	"archive/zip"
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"testing"
	"time"

	"sluice.dev/sluice/ent/db"
	"sluice.dev/sluice/ent/db/dbtest"
	"sluice.dev/sluice/tenants/coord"
)

// TestLongImport measures the import of a set as large as the public feeds
// (247,861 records) and the matching of a million versions against it. It runs
// with SLUICE_TEST_LONG=1; the memory bound always holds, the times are told.
func TestLongImport(t *testing.T) {
	if os.Getenv("SLUICE_TEST_LONG") == "" {
		t.Skip("SLUICE_TEST_LONG is not set: this takes a minute")
	}
	bulk := t.TempDir()
	var records int
	for _, part := range []struct {
		eco            coord.Ecosystem
		vulns, malware int
	}{{coord.NPM, 5_000, 215_000}, {coord.PyPI, 2_661, 16_000}, {coord.Maven, 7_000, 0}, {coord.NuGet, 1_500, 700}} {
		generate(t, filepath.Join(bulk, part.eco.OSV(), bulkZip), part.eco, part.vulns, part.malware)
		records += part.vulns + part.malware
	}
	d := dbtest.New(t)
	ours, _ := dbtest.TwoOrgs(t, d)
	for i := range 50 {
		hold(t, d, ours, coord.NPM, fmt.Sprintf("pkg-%d", i), "1.0.0")
	}
	for _, round := range []string{"first", "unchanged"} {
		resetPeak(t)
		start := time.Now()
		r := imported(t, d, bulk, today)
		took, peak := time.Since(start), peakMiB(t)
		t.Logf("%s import: %d records, %d stored, %d jobs: %.1f s, peak %d MiB resident", round, r.Read, r.Stored, r.Jobs, took.Seconds(), peak)
		if r.Read != records || r.SkippedCount > 0 {
			t.Errorf("report %+v", r)
		}
		if peak > 400 {
			t.Errorf("peak of %d MiB, want at most 400", peak)
		}
	}
	matchMillion(t, d, ours)
}

// matchMillion reads and matches what an organization with a million versions
// of 20,000 packages would.
func matchMillion(t *testing.T, d *db.DB, ctx context.Context) {
	t.Helper()
	const packages, versions, page = 20_000, 50, 500
	start, found := time.Now(), 0
	err := d.InSnapshot(ctx, func(ctx context.Context, tx *db.Tx) error {
		for from := 0; from < packages; from += page {
			names := make([]string, page)
			for i := range names {
				names[i] = fmt.Sprintf("pkg-%d", from+i)
			}
			all, err := NewService(d).ForPackages(ctx, tx, coord.NPM, names)
			if err != nil {
				return err
			}
			for _, n := range names {
				for v := range versions {
					found += len(all[n].Match("1." + strconv.Itoa(v) + ".0"))
				}
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d versions of %d packages read and matched: %.2f s, %d matches", packages*versions, packages, time.Since(start).Seconds(), found)
	if found == 0 {
		t.Error("nothing matched")
	}
}

// generate writes an all.zip of invented records with the shape and size of
// the public ones: vulnerabilities with a few ranges and a long text, malware
// with all versions or a list.
func generate(t testing.TB, path string, e coord.Ecosystem, vulns, malware int) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z := zip.NewWriter(f)
	rnd := rand.New(rand.NewPCG(uint64(vulns), uint64(malware)))
	name := func(i int) string {
		if e == coord.Maven {
			return fmt.Sprintf("org.group%d:pkg-%d", i%500, i)
		}
		return fmt.Sprintf("pkg-%d", i)
	}
	for i := range vulns {
		ranges := ""
		for r := range 1 + rnd.IntN(3) {
			ranges += fmt.Sprintf(`,{"type":"ECOSYSTEM","events":[{"introduced":"%d.0.0"},{"fixed":"%d.%d.0"}]}`, r, r, 1+rnd.IntN(60))
		}
		text := fmt.Sprintf(`{"schema_version":"1.7.3","id":"GHSA-%s-%d","modified":"2025-%02d-01T00:00:00Z","published":"2024-01-01T00:00:00Z","aliases":["CVE-2024-%d"],"summary":"Invented vulnerability %d","details":%q,"severity":[{"type":"CVSS_V3","score":"CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:N/I:N/A:H"}],"affected":[{"package":{"ecosystem":%q,"name":%q},"ranges":[%s]}],"database_specific":{"severity":"HIGH","cwe_ids":["CWE-79"]}}`,
			e.PURLType(), i, 1+i%12, i, i, noise(rnd, 1500), e.OSV(), name(i), ranges[1:])
		add(t, z, fmt.Sprintf("GHSA-%s-%d.json", e.PURLType(), i), text)
	}
	for i := range malware {
		affected := `"ranges":[{"type":"SEMVER","events":[{"introduced":"0"}]}]`
		if i%4 == 0 {
			affected = `"versions":["1.0.0","1.0.1","99.9.9"]`
		}
		id := fmt.Sprintf("MAL-%s-%d", e.PURLType(), i)
		text := fmt.Sprintf(`{"schema_version":"1.7.3","id":%q,"modified":"2025-%02d-01T00:00:00Z","published":"2024-01-01T00:00:00Z","summary":"Malicious code in %s","details":%q,"affected":[{"package":{"ecosystem":%q,"name":%q},%s,"database_specific":{"cwes":[{"cweId":"CWE-506"}]}}],"database_specific":{"malicious-packages-origins":[{"source":"x","sha256":"%064x"}]}}`,
			id, 1+i%12, id, noise(rnd, 350), e.OSV(), name(vulns+i), affected, rnd.Uint64())
		add(t, z, id+".json", text)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
}

func add(t testing.TB, z *zip.Writer, name, text string) {
	t.Helper()
	w, err := z.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write([]byte(text)); err != nil {
		t.Fatal(err)
	}
}

// noise is text that compresses about as well as prose.
func noise(rnd *rand.Rand, n int) string {
	var b strings.Builder
	for b.Len() < n {
		b.WriteString(strconv.FormatUint(rnd.Uint64()%50_000, 36))
		b.WriteByte(' ')
	}
	return b.String()
}

// resetPeak makes the kernel forget the process's peak of resident memory.
func resetPeak(t testing.TB) {
	t.Helper()
	runtime.GC()
	debug.FreeOSMemory()
	if err := os.WriteFile("/proc/self/clear_refs", []byte("5"), 0); err != nil {
		t.Skip("this system does not tell the peak of resident memory: ", err)
	}
}

func peakMiB(t testing.TB) int {
	t.Helper()
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := bytes.Cut(status, []byte("VmHWM:"))
	kib, err := strconv.Atoi(strings.Fields(string(rest))[0])
	if err != nil {
		t.Fatal(err)
	}
	return kib / 1024
}
