package postgres

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"sluice.dev/sluice/tenants/errs"
)

// machine is a finder whose programs are made up: what is on disk is real
// files, what they print comes from this table.
type machine struct {
	*finder
	versions map[string]string // folder → what postgres --version prints
	programs map[string]func(args []string) (string, error)
	ran      []string
}

func newMachine(t *testing.T, opts Options) *machine {
	t.Helper()
	root := t.TempDir()
	for dir := root; len(dir) > len(os.TempDir()); dir = filepath.Dir(dir) {
		if err := os.Chmod(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("PATH", filepath.Join(root, "path"))
	if opts.Cache == "" {
		opts.Cache = filepath.Join(root, "cache")
	}
	opts.Logger = slog.New(slog.DiscardHandler)
	m := &machine{
		finder: &finder{
			Options: opts, globs: []string{filepath.Join(root, "lib", "*", "bin")},
			euid: 0, goos: "linux", arch: "amd64", createClusterDir: filepath.Join(root, "createcluster.d"),
		},
		versions: map[string]string{},
		programs: map[string]func([]string) (string, error){},
	}
	m.run = m.fakeRun
	return m
}

func (m *machine) fakeRun(_ context.Context, name string, args ...string) (string, error) {
	m.ran = append(m.ran, strings.Join(append([]string{name}, args...), " "))
	if v, ok := m.versions[filepath.Dir(name)]; ok && filepath.Base(name) == "postgres" {
		return v, nil
	}
	if p, ok := m.programs[name]; ok {
		return p(args)
	}
	return "", fmt.Errorf("%s: not found", name)
}

// install makes a folder of programs that says it is the version.
func (m *machine) install(t *testing.T, name, version string, programs ...string) string {
	t.Helper()
	dir := filepath.Join(filepath.Dir(filepath.Dir(m.globs[0])), name, "bin")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if len(programs) == 0 {
		programs = []string{"initdb", "pg_ctl", "postgres"}
	}
	for _, p := range programs {
		if err := os.WriteFile(filepath.Join(dir, p), nil, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	m.versions[dir] = "postgres (PostgreSQL) " + version + " (Test)\n"
	return dir
}

func TestFind_NewestThatFits(t *testing.T) {
	for _, c := range []struct {
		name      string
		installed []string
		major     int
		want      string // version, "" for an error
		why       string // in the error
	}{
		{"newest", []string{"14.1", "17.4", "16.9"}, 0, "17.4", ""},
		{"the cluster's own", []string{"14.1", "17.4", "16.9"}, 16, "16.9", ""},
		{"beta", []string{"19beta1"}, 0, "19beta1", ""},
		{"too old", []string{"13.20", "9.6.24"}, 0, "", "14 or newer"},
		{"not the cluster's", []string{"17.4"}, 15, "", "wanted is 15"},
		{"nothing", nil, 0, "", "not installed"},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := newMachine(t, Options{Major: c.major, NoInstall: true})
			for _, v := range c.installed {
				m.install(t, v, v)
			}
			b, err := m.find(t.Context())
			if c.want == "" {
				wantKind(t, err, errs.Unavailable, c.why, "Install PostgreSQL")
				return
			}
			if err != nil || b.Version != c.want || b.Source != FromSystem {
				t.Errorf("found %+v, %v; want %s", b, err, c.want)
			}
		})
	}
}

func TestFind_FollowsPgConfigAndSkipsClientOnly(t *testing.T) {
	m := newMachine(t, Options{NoInstall: true})
	m.install(t, "17", "17.1", "postgres", "pg_ctl") // no initdb
	dir := m.install(t, "15", "15.2")
	m.globs = []string{filepath.Join(filepath.Dir(filepath.Dir(dir)), "17", "bin")}
	m.programs["pg_config"] = func([]string) (string, error) { return dir + "\n", nil }
	b, err := m.find(t.Context())
	if err != nil || b.Dir != dir || b.Major != 15 {
		t.Errorf("found %+v, %v", b, err)
	}
}

func TestFind_BinDirOnly(t *testing.T) {
	m := newMachine(t, Options{})
	m.install(t, "17", "17.1")
	m.BinDir = m.install(t, "15", "15.2")
	if b, err := m.find(t.Context()); err != nil || b.Major != 15 || b.Source != FromOption {
		t.Errorf("found %+v, %v", b, err)
	}
	m.BinDir = filepath.Join(m.Cache, "nowhere")
	_, err := m.find(t.Context())
	wantKind(t, err, errs.Invalid, m.BinDir, "initdb is missing")
}

func TestFind_AptStartsNoClusterOfItsOwn(t *testing.T) {
	for _, major := range []int{0, 15} {
		t.Run(strconv.Itoa(major), func(t *testing.T) {
			m := newMachine(t, Options{Major: major})
			conf := filepath.Join(m.createClusterDir, "sluice.conf")
			m.programs["apt-get"] = func([]string) (string, error) { return "", nil }
			tries := 0
			m.programs["env"] = func(args []string) (string, error) {
				if tries++; tries == 1 {
					return "", errors.New("unable to locate package") // before apt-get update
				}
				b, err := os.ReadFile(conf)
				if err != nil || !strings.Contains(string(b), "create_main_cluster = false") {
					t.Errorf("while installing, %s is %q, %v", conf, b, err)
				}
				m.install(t, "15", "15.2")
				want := "postgresql"
				if major != 0 {
					want = "postgresql-15"
				}
				if args[len(args)-1] != want {
					t.Errorf("installs %s, want %s", args[len(args)-1], want)
				}
				return "", nil
			}
			b, err := m.find(t.Context())
			if err != nil || b.Source != FromAPT || tries != 2 {
				t.Errorf("found %+v after %d tries, %v", b, tries, err)
			}
			if _, err := os.Stat(conf); !os.IsNotExist(err) {
				t.Errorf("%s stayed: %v", conf, err)
			}
		})
	}
}

func TestFind_AptOnlyWithoutPassword(t *testing.T) {
	m := newMachine(t, Options{})
	m.euid = 1000
	m.programs["apt-get"] = func([]string) (string, error) { return "", nil }
	m.programs["sudo"] = func([]string) (string, error) { return "", errors.New("a password is required") }
	_, err := m.find(t.Context())
	wantKind(t, err, errs.Unavailable, "sudo")
	for _, ran := range m.ran {
		if strings.Contains(ran, "install") && !strings.HasPrefix(ran, "npm") {
			t.Errorf("ran %q", ran)
		}
	}
}

func TestFind_NoInstallTouchesNothing(t *testing.T) {
	m := newMachine(t, Options{NoInstall: true})
	_, err := m.find(t.Context())
	wantKind(t, err, errs.Unavailable)
	for _, ran := range m.ran {
		if !strings.HasPrefix(ran, "pg_config") {
			t.Errorf("ran %q", ran)
		}
	}
}
