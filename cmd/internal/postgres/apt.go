package postgres

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// noMainCluster keeps Debian's package from creating and starting a cluster on
// port 5432 that nobody asked for (createcluster.conf(5)).
const noMainCluster = "# Written by sluice while it installs PostgreSQL's programs; removed afterwards.\ncreate_main_cluster = false\n"

// apt installs the distribution's server, when apt-get exists and needs no
// password, and returns it. Nothing is started.
func (f *finder) apt(ctx context.Context) (Binaries, error) {
	if f.goos != "linux" {
		return Binaries{}, errors.New("no apt-get on this system")
	}
	if _, err := f.run(ctx, "apt-get", "--version"); err != nil {
		return Binaries{}, errors.New("no apt-get on this system")
	}
	var sudo []string
	if f.euid != 0 {
		if _, err := f.run(ctx, "sudo", "-n", "true"); err != nil {
			return Binaries{}, errors.New("apt-get needs root, and sudo asks for a password or is not there")
		}
		sudo = []string{"sudo", "-n"}
	}
	pkg := "postgresql"
	if f.Major != 0 {
		pkg = fmt.Sprintf("postgresql-%d", f.Major)
	}
	f.Logger.Info("installing PostgreSQL with apt-get; this can take a minute", "package", pkg)
	restore, err := f.forbidMainCluster(ctx, sudo)
	if err != nil {
		return Binaries{}, err
	}
	defer restore()
	install := append(sudo[:len(sudo):len(sudo)], "env", "DEBIAN_FRONTEND=noninteractive",
		"apt-get", "-q", "-y", "-o", "Dpkg::Use-Pty=0", "install", "--no-install-recommends", pkg)
	if _, err := f.run(ctx, install[0], install[1:]...); err != nil {
		// A fresh image has no package lists at all, an old one stale ones.
		update := append(sudo[:len(sudo):len(sudo)], "apt-get", "-q", "update")
		if _, uerr := f.run(ctx, update[0], update[1:]...); uerr != nil {
			return Binaries{}, fmt.Errorf("apt-get install: %w; apt-get update: %w", err, uerr)
		}
		if _, err := f.run(ctx, install[0], install[1:]...); err != nil {
			return Binaries{}, fmt.Errorf("apt-get install %s: %w", pkg, err)
		}
	}
	b, err := f.system(ctx)
	if err != nil {
		return Binaries{}, fmt.Errorf("after apt-get install %s: %w", pkg, err)
	}
	b.Source = FromAPT
	return b, nil
}

// forbidMainCluster puts noMainCluster in place and returns what takes it away
// again: a person who later installs another version should get the
// distribution's usual behaviour. It writes through sudo when it must.
func (f *finder) forbidMainCluster(ctx context.Context, sudo []string) (restore func(), err error) {
	file := filepath.Join(f.createClusterDir, "sluice.conf")
	if len(sudo) == 0 {
		if err := os.MkdirAll(f.createClusterDir, 0o755); err != nil { //nolint:gosec // a folder of /etc
			return nil, err
		}
		if err := os.WriteFile(file, []byte(noMainCluster), 0o644); err != nil { //nolint:gosec // read by the package's maintainer scripts
			return nil, err
		}
		return func() { _ = os.Remove(file) }, nil
	}
	script := `mkdir -p "$1" && printf '%s' "$2" > "$1/sluice.conf"`
	args := append(sudo[:len(sudo):len(sudo)], "sh", "-c", script, "sh", f.createClusterDir, noMainCluster)
	if _, err := f.run(ctx, args[0], args[1:]...); err != nil {
		return nil, fmt.Errorf("writing %s: %w", file, err)
	}
	return func() {
		args := append(sudo[:len(sudo):len(sudo)], "rm", "-f", file)
		_, _ = f.run(context.WithoutCancel(ctx), args[0], args[1:]...)
	}, nil
}
