package postgres

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"

	"sluice.dev/sluice/tenants/errs"
)

// cluster is the folder of one cluster and the account that serves it.
type cluster struct {
	dir string // absolute, links resolved: the kernel tells a process's folder so
	as  *account
}

func (c cluster) data() string     { return filepath.Join(c.dir, "data") }
func (c cluster) run() string      { return filepath.Join(c.dir, "run") }
func (c cluster) password() string { return filepath.Join(c.dir, "admin.password") }
func (c cluster) log() string      { return filepath.Join(c.dir, "server.log") }
func (c cluster) lock() string     { return filepath.Join(c.dir, "lock") }
func (c cluster) pidfile() string  { return filepath.Join(c.data(), "postmaster.pid") }

// ClusterMajor returns the major version of the cluster in a folder given to
// Start, for Options.Major; 0 when there is no cluster yet.
func ClusterMajor(dir string) (int, error) {
	file := filepath.Join(dir, "data", "PG_VERSION")
	b, err := os.ReadFile(file)
	if errors.Is(err, os.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, errs.Wrap(err, errs.Unavailable, "postgres.ClusterMajor", "the version of the cluster cannot be read: %v", err)
	}
	major, err := strconv.Atoi(strings.TrimSpace(string(b)))
	if err != nil {
		return 0, errs.New(errs.Invalid, "postgres.ClusterMajor", "%s holds %q, which is no PostgreSQL major version", file, strings.TrimSpace(string(b)))
	}
	return major, nil
}

// CheckDir reports whether a cluster could live in dir, which need not exist:
// the reason when not, such as the parent that the unprivileged server cannot
// enter when Sluice runs as root. It creates nothing.
func CheckDir(dir string) error {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return err
	}
	as, err := ownerOf(filepath.Join(abs, "data"))
	if err != nil {
		return err
	}
	// Folders that do not exist yet will be made with suitable rights.
	existing := abs
	for !isDir(existing) && existing != filepath.Dir(existing) {
		existing = filepath.Dir(existing)
	}
	if existing == abs {
		// Start opens the cluster's own folder for the server.
		existing = filepath.Dir(abs)
	}
	if real, err := filepath.EvalSymlinks(existing); err == nil {
		existing = real
	}
	if err := as.canEnter(existing); err != nil {
		return errs.New(errs.Invalid, "postgres.CheckDir", "the folder %s cannot hold the database: %v", dir, err)
	}
	return nil
}

// openCluster makes the folder usable and finds its account.
func openCluster(dir string) (cluster, error) {
	if err := CheckDir(dir); err != nil {
		return cluster{}, err
	}
	unusable := func(err error) error {
		return errs.Wrap(err, errs.Invalid, "postgres.Start", "the folder %s cannot hold the database: %v", dir, err)
	}
	if err := os.MkdirAll(dir, 0o711); err != nil { //nolint:gosec // what is private inside has its own mode
		return cluster{}, unusable(err)
	}
	abs, err := filepath.Abs(dir)
	if err != nil {
		return cluster{}, unusable(err)
	}
	if abs, err = filepath.EvalSymlinks(abs); err != nil {
		return cluster{}, unusable(err)
	}
	c := cluster{dir: abs}
	if c.as, err = ownerOf(c.data()); err != nil {
		return cluster{}, err
	}
	if c.as != nil && c.as.canEnter(abs) != nil {
		if err := os.Chmod(abs, 0o711); err != nil { //nolint:gosec // the server must be able to enter
			return cluster{}, unusable(err)
		}
	}
	if err := c.privateDir(c.run()); err != nil {
		return cluster{}, unusable(err)
	}
	return c, nil
}

// privateDir makes a folder that only the account can enter.
func (c cluster) privateDir(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	return c.as.chown(dir)
}

// command prepares one of the server's programs: as the account, with an
// environment that nobody's PG* variables or locale can change.
func (c cluster) command(ctx context.Context, b Binaries, name string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, filepath.Join(b.Dir, name), args...) //nolint:gosec // our own choice of programs
	cmd.Env = []string{"PATH=" + b.Dir + ":/usr/bin:/bin", "LC_ALL=C", "TZ=UTC", "HOME=" + c.run()}
	cmd.Dir = c.run()
	cmd.SysProcAttr = c.as.sysProcAttr()
	return cmd
}

// initialize creates the cluster unless it exists, and returns the
// superuser's password. The cluster is built beside its place and renamed
// into it last, so a crash halfway leaves nothing that looks like one.
func (c cluster) initialize(ctx context.Context, b Binaries, sync bool, log *slog.Logger) (password string, err error) {
	if isDir(c.data()) {
		return c.existingPassword()
	}
	password, err = readOrCreateSecret(c.password())
	if err != nil {
		return "", err
	}
	log.Info("creating the database cluster", "folder", c.dir, "version", b.Version)
	fresh := filepath.Join(c.dir, "data.new")
	if err := os.RemoveAll(fresh); err != nil {
		return "", err
	}
	if err := c.privateDir(fresh); err != nil {
		return "", err
	}
	if err := c.initdb(ctx, b, fresh, password, sync); err != nil {
		return "", err
	}
	if err := os.Rename(fresh, c.data()); err != nil {
		return "", err
	}
	return password, syncDir(c.dir)
}

func (c cluster) initdb(ctx context.Context, b Binaries, fresh, password string, sync bool) error {
	// initdb reads the password from a file that its own user can open.
	pwfile := filepath.Join(c.run(), "initial.password")
	defer os.Remove(pwfile) //nolint:errcheck // a leftover is replaced by the next try
	_ = os.Remove(pwfile)
	if err := os.WriteFile(pwfile, []byte(password+"\n"), 0o600); err != nil {
		return err
	}
	if err := c.as.chown(pwfile); err != nil {
		return err
	}
	args := []string{"-D", fresh, "-U", adminRole, "-E", "UTF8", "--locale=C", "--no-instructions",
		"--auth=scram-sha-256", "--pwfile=" + pwfile}
	if !sync {
		args = append(args, "--no-sync")
	}
	out, err := c.command(ctx, b, "initdb", args...).CombinedOutput()
	if err != nil {
		return errs.Wrap(err, errs.Unavailable, "postgres.Start", "the database cluster could not be created in %s: %s", c.dir, lastLine(string(out)))
	}
	return nil
}

// existingPassword returns the password of a cluster that exists.
func (c cluster) existingPassword() (string, error) {
	b, err := os.ReadFile(c.password())
	if err != nil {
		return "", errs.Wrap(err, errs.Invalid, "postgres.Start",
			"the cluster in %s cannot be opened without its password: %v; restore that file, or move the folder away to begin anew", c.dir, err)
	}
	return strings.TrimSpace(string(b)), nil
}

// checkVersion refuses binaries that cannot open the cluster.
func (c cluster) checkVersion(b Binaries) error {
	major, err := ClusterMajor(c.dir)
	if err != nil {
		return err
	}
	if major == 0 && isDir(c.data()) {
		return errs.New(errs.Invalid, "postgres.Start", "%s is not a PostgreSQL cluster: it has no file PG_VERSION", c.data())
	}
	if major != 0 && major != b.Major {
		return errs.New(errs.Conflict, "postgres.Start",
			"the cluster in %s was made by PostgreSQL %d, but the programs in %s are version %s; use those of %d, or dump and restore into a new folder",
			c.dir, major, b.Dir, b.Version, major)
	}
	return nil
}

// syncDir makes a rename inside dir durable.
func syncDir(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return errors.Join(fmt.Errorf("sync %s: %w", dir, err), f.Close())
	}
	return f.Close()
}
