package postgres

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"

	"sluice.dev/sluice/tenants/errs"
)

// MinMajor is the oldest major version of PostgreSQL that Sluice runs on.
const MinMajor = 14

// Source tells where binaries came from.
type Source string

// The sources.
const (
	FromOption Source = "option" // Options.BinDir
	FromSystem Source = "system" // already installed
	FromNPM    Source = "npm"    // a pinned npm package, in Options.Cache
	FromAPT    Source = "apt"    // installed by Find with apt-get
)

// Binaries is one usable installation of the server's programs.
type Binaries struct {
	Dir     string // folder that holds initdb, pg_ctl and postgres
	Major   int    // for example 15
	Version string // for example "15.18", as postgres --version says
	Source  Source
}

// Options narrows and guides Find. The zero value means: any version from
// MinMajor on, from wherever it can be had.
type Options struct {
	// BinDir, when set, is the only folder that is considered.
	BinDir string
	// Major, when not 0, is the only acceptable major version: an existing
	// cluster opens with its own major version only (see ClusterMajor).
	Major int
	// Cache is where binaries from npm are unpacked; "" means sluice/postgresql
	// in the user's cache folder, and /var/cache/sluice/postgresql under root,
	// whose own cache folder the unprivileged server could not enter.
	Cache string
	// NoInstall forbids apt-get and npm; what is on this machine must do.
	NoInstall bool
	// Logger hears of installations before they begin; nil means silence.
	Logger *slog.Logger
}

// finder is Find with its view of the machine, which tests replace.
type finder struct {
	Options
	globs []string // patterns of bin folders
	run   func(ctx context.Context, name string, args ...string) (string, error)
	euid  int
	goos  string
	arch  string
	// registered is where apt-get is told not to create a cluster of its own.
	createClusterDir string
}

// Find returns the newest suitable server: from the system (pg_config, the
// usual folders, PATH), else from an earlier npm download, else installed with
// apt-get when that needs no password, else downloaded from the machine's npm
// registry and checked against a digest pinned in this package.
//
// The error of a fruitless search is Unavailable and says what each place
// answered and what the reader can do.
func Find(ctx context.Context, opts Options) (Binaries, error) {
	f := &finder{
		Options: opts,
		globs: []string{
			"/usr/lib/postgresql/*/bin",             // Debian, Ubuntu, Alpine
			"/usr/pgsql-*/bin",                      // Red Hat
			"/usr/lib64/pgsql/bin",                  // SUSE
			"/opt/homebrew/opt/postgresql@*/bin",    // Homebrew on Apple silicon
			"/usr/local/opt/postgresql@*/bin",       // Homebrew on Intel
			"/Applications/Postgres.app/*/*/*/bin/", // Postgres.app
		},
		run:              output,
		euid:             os.Geteuid(),
		goos:             goos,
		arch:             goarch,
		createClusterDir: "/etc/postgresql-common/createcluster.d",
	}
	if f.Logger == nil {
		f.Logger = slog.New(slog.DiscardHandler)
	}
	return f.find(ctx)
}

func (f *finder) find(ctx context.Context) (Binaries, error) {
	if f.BinDir != "" {
		b, err := f.inspect(ctx, f.BinDir, FromOption)
		if err != nil {
			return Binaries{}, errs.Wrap(err, errs.Invalid, "postgres.Find", "the folder %s has no usable PostgreSQL server: %v", f.BinDir, err)
		}
		return b, nil
	}
	steps := []struct {
		source Source
		try    func(context.Context) (Binaries, error)
		net    bool
	}{
		{FromSystem, f.system, false},
		{FromNPM, f.cached, false},
		{FromAPT, f.apt, true},
		{FromNPM, f.npm, true},
	}
	var reasons []string
	for _, s := range steps {
		if s.net && f.NoInstall {
			continue
		}
		b, err := s.try(ctx)
		if err == nil {
			return b, nil
		}
		if ctx.Err() != nil {
			return Binaries{}, ctx.Err()
		}
		reasons = append(reasons, fmt.Sprintf("%s: %v", s.source, err))
	}
	return Binaries{}, errs.New(errs.Unavailable, "postgres.Find",
		"no PostgreSQL server found (%s). Install PostgreSQL %s, or name the folder of its programs", strings.Join(reasons, "; "), f.wanted())
}

// wanted says in words which versions would do.
func (f *finder) wanted() string {
	if f.Major != 0 {
		return strconv.Itoa(f.Major)
	}
	return strconv.Itoa(MinMajor) + " or newer"
}

// system returns the newest suitable installation that is already there.
func (f *finder) system(ctx context.Context) (Binaries, error) {
	var best Binaries
	var refused []string
	for _, dir := range f.candidates(ctx) {
		b, err := f.inspect(ctx, dir, FromSystem)
		if err != nil {
			refused = append(refused, err.Error())
			continue
		}
		if b.Major > best.Major {
			best = b
		}
	}
	if best.Dir == "" {
		if len(refused) > 0 {
			return Binaries{}, errors.New(strings.Join(refused, ", "))
		}
		return Binaries{}, errors.New("not installed")
	}
	return best, nil
}

// candidates lists existing folders that may hold the programs, each once.
func (f *finder) candidates(ctx context.Context) []string {
	var dirs []string
	if out, err := f.run(ctx, "pg_config", "--bindir"); err == nil {
		dirs = append(dirs, strings.TrimSpace(out))
	}
	for _, g := range f.globs {
		found, _ := filepath.Glob(g) // the only error is a bad pattern, and these are ours
		dirs = append(dirs, found...)
	}
	if p, err := exec.LookPath("postgres"); err == nil {
		// A link in /usr/local/bin stands alone; initdb is beside its target.
		if real, err := filepath.EvalSymlinks(p); err == nil {
			dirs = append(dirs, filepath.Dir(real))
		}
	}
	seen := map[string]bool{}
	var out []string
	for _, d := range dirs {
		d = filepath.Clean(d)
		if _, err := os.Stat(filepath.Join(d, "postgres")); err == nil && !seen[d] {
			seen[d] = true
			out = append(out, d)
		}
	}
	return out
}

var versionLine = regexp.MustCompile(`\(PostgreSQL\) ((\d+)(?:\.\d+|[a-z]+\d+)?)`)

// inspect tells whether dir holds programs that will do, and which.
func (f *finder) inspect(ctx context.Context, dir string, src Source) (Binaries, error) {
	for _, name := range []string{"initdb", "pg_ctl", "postgres"} {
		st, err := os.Stat(filepath.Join(dir, name))
		if err != nil || st.IsDir() || st.Mode()&0o111 == 0 {
			return Binaries{}, fmt.Errorf("%s is missing in %s", name, dir)
		}
	}
	out, err := f.run(ctx, filepath.Join(dir, "postgres"), "--version")
	if err != nil {
		return Binaries{}, fmt.Errorf("%s does not run: %w", filepath.Join(dir, "postgres"), err)
	}
	m := versionLine.FindStringSubmatch(out)
	if m == nil {
		return Binaries{}, fmt.Errorf("%s --version says %q, which names no PostgreSQL version", filepath.Join(dir, "postgres"), strings.TrimSpace(out))
	}
	major, err := strconv.Atoi(m[2])
	if err != nil {
		return Binaries{}, fmt.Errorf("%s: version %q: %w", dir, m[1], err)
	}
	if major < MinMajor || f.Major != 0 && major != f.Major {
		return Binaries{}, fmt.Errorf("%s has version %s, wanted is %s", dir, m[1], f.wanted())
	}
	if u, err := serverUser(); err == nil && u != nil {
		if err := u.canEnter(dir); err != nil {
			return Binaries{}, err
		}
	}
	return Binaries{Dir: dir, Major: major, Version: m[1], Source: src}, nil
}

// output runs a program without input and returns what it prints; the error
// carries the last line of its complaints.
func output(ctx context.Context, name string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, name, args...) //nolint:gosec // names and folders of our own choice
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		if last := lastLine(stderr.String()); last != "" {
			err = fmt.Errorf("%w: %s", err, last)
		}
	}
	return string(out), err
}

// lastLine returns the last line of s that is not blank, "" if there is none.
func lastLine(s string) string {
	lines := strings.Split(strings.TrimSpace(s), "\n")
	return strings.TrimSpace(lines[len(lines)-1])
}
