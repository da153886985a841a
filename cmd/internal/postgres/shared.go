package postgres

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"sluice.dev/sluice/tenants/errs"
)

// The environment of tests.
const (
	// EnvAdminURL names a superuser's URL of a PostgreSQL for tests. When it is
	// set nothing is started; `testpg run` sets it for what it runs.
	EnvAdminURL = "SLUICE_TEST_DATABASE_ADMIN_URL"
	// EnvSharedDir moves the shared cluster's folder.
	EnvSharedDir = "SLUICE_TEST_PG_DIR"
)

// sharedConnections is more than a default server has: the packages of one
// `go test ./...` run side by side, and so may several checkouts.
const sharedConnections = 300

// Shared returns the one PostgreSQL that all test binaries of this user share:
// the server that EnvAdminURL names, else a cluster without fsync which the
// first caller starts and later ones find running. Stop does not end it; it
// stays for the next run until `testpg stop` (or the machine) does.
//
// Tests make databases of their own in it and drop them. It holds nothing of
// value: a cluster that does not come up is thrown away and made anew.
func Shared(ctx context.Context) (*Server, error) {
	if u := os.Getenv(EnvAdminURL); u != "" {
		return &Server{external: u, shared: true, exited: make(chan struct{}), log: slog.New(slog.DiscardHandler)}, nil
	}
	home, err := openShared(ctx)
	if err != nil {
		return nil, err
	}
	return home.up(ctx, true)
}

// StopShared ends the shared cluster if it runs, whoever started it.
func StopShared(ctx context.Context) error {
	home, err := openShared(ctx)
	if err != nil {
		return err
	}
	return home.down(ctx, true)
}

// WhileShared calls f with the shared server, and stops it afterwards if
// nobody else uses it and nobody asked for it to stay (Shared does).
func WhileShared(ctx context.Context, f func(*Server) error) error {
	if os.Getenv(EnvAdminURL) != "" {
		s, err := Shared(ctx)
		if err != nil {
			return err
		}
		return f(s)
	}
	home, err := openShared(ctx)
	if err != nil {
		return err
	}
	using, err := waitLock(ctx, home.file("users.lock"), syscall.LOCK_SH)
	if err != nil {
		return err
	}
	s, err := home.up(ctx, false)
	if err != nil {
		using.release()
		return err
	}
	ferr := f(s)
	using.release()
	if err := home.downIfUnused(context.WithoutCancel(ctx)); ferr == nil {
		return err
	}
	return ferr
}

// sharedHome is the folder of the shared cluster of one major version, so that
// a new PostgreSQL on the machine finds no old cluster in its way.
type sharedHome struct {
	dir      string
	binaries Binaries
}

func (h sharedHome) file(name string) string { return filepath.Join(h.dir, name) }

func openShared(ctx context.Context) (sharedHome, error) {
	b, err := Find(ctx, Options{Logger: slog.Default()})
	if err != nil {
		return sharedHome{}, err
	}
	dir, err := sharedDir()
	if err != nil {
		return sharedHome{}, err
	}
	h := sharedHome{dir: filepath.Join(dir, "pg"+strconv.Itoa(b.Major)), binaries: b}
	if err := os.MkdirAll(h.dir, 0o711); err != nil { //nolint:gosec // what is private inside has its own mode
		return sharedHome{}, errs.Wrap(err, errs.Invalid, "postgres.Shared", "the folder for the test database cannot be made: %v; %s names another", err, EnvSharedDir)
	}
	return h, nil
}

func sharedDir() (string, error) {
	if dir := os.Getenv(EnvSharedDir); dir != "" {
		return filepath.Abs(dir)
	}
	// The unprivileged server cannot enter root's own cache folder.
	if os.Geteuid() == 0 {
		return "/var/cache/sluice-test", nil
	}
	dir, err := os.UserCacheDir()
	if err != nil {
		return "", errs.Wrap(err, errs.Invalid, "postgres.Shared", "no folder for the test database: %v; set %s", err, EnvSharedDir)
	}
	return filepath.Join(dir, "sluice-test"), nil
}

// up returns the running server, after starting it if need be. stay asks that
// it remains when its users are gone.
func (h sharedHome) up(ctx context.Context, stay bool) (*Server, error) {
	starting, err := waitLock(ctx, h.file("start.lock"), syscall.LOCK_EX)
	if err != nil {
		return nil, err
	}
	defer starting.release()
	if stay {
		if err := os.WriteFile(h.file("keep"), nil, 0o600); err != nil {
			return nil, err
		}
	}
	c, err := openCluster(h.file("cluster"))
	if err != nil {
		return nil, err
	}
	if s := c.adopt(ctx); s != nil {
		return s, nil
	}
	cfg := Config{Dir: c.dir, Binaries: h.binaries, FsyncOff: true, MaxConnections: sharedConnections}
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	s, err := c.start(ctx, cfg)
	if err != nil && ctx.Err() == nil {
		// Without fsync a power failure can leave a cluster that nothing opens.
		if err := os.RemoveAll(c.data()); err != nil {
			return nil, err
		}
		s, err = c.start(ctx, cfg)
	}
	if err != nil {
		return nil, err
	}
	s.shared = true
	return s, nil
}

// adopt returns the server that is already running on the cluster, nil when
// there is none that answers with our password.
func (c cluster) adopt(ctx context.Context) *Server {
	p, ok, err := c.readPostmaster()
	if err != nil || !ok || !p.ready || !c.owns(p.pid) {
		return nil
	}
	password, err := c.existingPassword()
	if err != nil {
		return nil
	}
	s := &Server{cluster: c, pid: p.pid, port: p.port, password: password, shared: true, log: slog.New(slog.DiscardHandler)}
	s.exited = make(chan struct{}) // never closed: nothing watches a server that others own
	limit, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	if ok, err := tryLogin(limit, s.AdminURL()); err != nil || !ok {
		return nil
	}
	return s
}

// down stops the server and forgets that it was to stay. Without force it
// leaves one alone that was.
func (h sharedHome) down(ctx context.Context, force bool) error {
	starting, err := waitLock(ctx, h.file("start.lock"), syscall.LOCK_EX)
	if err != nil {
		return err
	}
	defer starting.release()
	if _, err := os.Stat(h.file("keep")); err == nil && !force {
		return nil
	}
	if err := os.Remove(h.file("keep")); err != nil && !os.IsNotExist(err) {
		return err
	}
	c, err := openCluster(h.file("cluster"))
	if err != nil {
		return err
	}
	return c.endOrphan(ctx, slog.New(slog.DiscardHandler))
}

// downIfUnused stops the server unless it is to stay or somebody uses it.
func (h sharedHome) downIfUnused(ctx context.Context) error {
	alone, ok, err := tryLock(h.file("users.lock"), syscall.LOCK_EX)
	if err != nil || !ok {
		return err
	}
	// Newcomers wait for this lock before they look for a server.
	defer alone.release()
	return h.down(ctx, false)
}
