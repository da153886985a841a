package postgres

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// postmaster is what postmaster.pid says (PostgreSQL's pidfile.h).
type postmaster struct {
	pid   int
	port  int
	ready bool // accepts connections
}

// readPostmaster reads the file; ok is false when there is none or when it is
// not complete, as for an instant while the server writes it.
func (c cluster) readPostmaster() (p postmaster, ok bool, err error) {
	b, err := os.ReadFile(c.pidfile())
	if errors.Is(err, os.ErrNotExist) {
		return postmaster{}, false, nil
	}
	if err != nil {
		return postmaster{}, false, err
	}
	lines := strings.Split(string(bytes.TrimSpace(b)), "\n")
	if p.pid, err = strconv.Atoi(strings.TrimSpace(lines[0])); err != nil || p.pid <= 1 {
		return postmaster{}, false, nil
	}
	if len(lines) > 3 {
		p.port, _ = strconv.Atoi(strings.TrimSpace(lines[3])) // 0 reads as "not known yet"
	}
	p.ready = p.port != 0 && len(lines) > 7 && strings.TrimSpace(lines[7]) == "ready"
	return p, true, nil
}

// owns reports whether the process is alive and is the postmaster of this
// cluster. A number in a file proves nothing: after a crash or a reboot it may
// be anybody's. A postmaster's working folder is its data folder.
func (c cluster) owns(pid int) bool {
	if pid <= 1 || errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) {
		return false
	}
	proc := filepath.Join("/proc", strconv.Itoa(pid))
	if _, err := os.Stat("/proc/self/exe"); err == nil {
		exe, err := os.Readlink(filepath.Join(proc, "exe"))
		if err != nil {
			return false // ended, a zombie, or somebody else's
		}
		cwd, err := os.Readlink(filepath.Join(proc, "cwd"))
		// An upgrade of the programs leaves the old ones running as deleted.
		return err == nil && cwd == c.data() && filepath.Base(strings.TrimSuffix(exe, " (deleted)")) == "postgres"
	}
	out, err := exec.CommandContext(context.Background(), "ps", "-p", strconv.Itoa(pid), "-o", "command=").Output() //nolint:gosec // a number
	return err == nil && strings.Contains(string(out), "postgres") && strings.Contains(string(out), "-D "+c.data()+" ")
}

// dropStalePidfile removes a postmaster.pid that names a process which is not
// this cluster's postmaster. PostgreSQL does so itself when the process is
// dead, but refuses to start while another one happens to have the number.
// Its second guard, the shared memory keyed by the data folder, stays.
func (c cluster) dropStalePidfile() error {
	p, ok, err := c.readPostmaster()
	if err != nil || ok && c.owns(p.pid) {
		return err
	}
	if err := os.Remove(c.pidfile()); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return nil
}
