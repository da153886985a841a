package postgres

import (
	"errors"
	"fmt"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"

	"sluice.dev/sluice/tenants/errs"
)

// account is the unprivileged user that runs the server when Sluice itself
// runs as root, which PostgreSQL refuses to be.
type account struct {
	name     string
	uid, gid uint32
}

// serverUser returns the account for the server, nil when Sluice is not root
// and the server runs as the same user: `postgres` where it exists, else
// `nobody`.
func serverUser() (*account, error) {
	if os.Geteuid() != 0 {
		return nil, nil
	}
	for _, name := range []string{"postgres", "nobody"} {
		u, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, err1 := strconv.ParseUint(u.Uid, 10, 32)
		gid, err2 := strconv.ParseUint(u.Gid, 10, 32)
		if err := errors.Join(err1, err2); err != nil || uid == 0 {
			continue
		}
		return &account{name: name, uid: uint32(uid), gid: uint32(gid)}, nil
	}
	return nil, errs.New(errs.Unavailable, "postgres.Start",
		"PostgreSQL does not run as root, and this machine has neither a user postgres nor nobody to run it as")
}

// ownerOf returns the account that owns an existing cluster: it keeps running
// as the user it was made for, also when `postgres` was installed since. It
// falls back to serverUser when data does not exist or belongs to root.
func ownerOf(data string) (*account, error) {
	if os.Geteuid() != 0 {
		return nil, nil
	}
	if st, err := os.Stat(data); err == nil {
		if sys, ok := st.Sys().(*syscall.Stat_t); ok && sys.Uid != 0 {
			a := &account{name: strconv.FormatUint(uint64(sys.Uid), 10), uid: sys.Uid, gid: sys.Gid}
			if u, err := user.LookupId(a.name); err == nil {
				a.name = u.Username
			}
			return a, nil
		}
	}
	return serverUser()
}

// sysProcAttr makes a child that is the account's (nil: ours) and has a
// session of its own, so that the terminal's Ctrl-C reaches it only through
// Stop.
func (a *account) sysProcAttr() *syscall.SysProcAttr {
	attr := &syscall.SysProcAttr{Setsid: true}
	if a != nil {
		attr.Credential = &syscall.Credential{Uid: a.uid, Gid: a.gid}
	}
	return attr
}

// chown gives a path to the account; without one it does nothing.
func (a *account) chown(path string) error {
	if a == nil {
		return nil
	}
	return os.Chown(path, int(a.uid), int(a.gid))
}

// canEnter checks by permission bits that the account can reach dir, and
// names the first folder on the way that it cannot enter.
func (a *account) canEnter(dir string) error {
	if a == nil {
		return nil
	}
	for _, d := range chain(dir) {
		st, err := os.Stat(d)
		if err != nil {
			return err
		}
		if !a.mayTraverse(st) {
			return fmt.Errorf("the user %s, who runs PostgreSQL when Sluice runs as root, cannot enter %s (mode %s); allow it with `chmod o+x %s` or choose a folder elsewhere, such as one under /var/lib",
				a.name, d, st.Mode().Perm(), d)
		}
	}
	return nil
}

func (a *account) mayTraverse(st os.FileInfo) bool {
	perm := st.Mode().Perm()
	sys, ok := st.Sys().(*syscall.Stat_t)
	switch {
	case ok && sys.Uid == a.uid:
		return perm&0o100 != 0
	case ok && sys.Gid == a.gid:
		return perm&0o010 != 0
	}
	return perm&0o001 != 0
}

// chain lists dir and its parents, the root first.
func chain(dir string) []string {
	var out []string
	for d := filepath.Clean(dir); ; d = filepath.Dir(d) {
		out = append([]string{d}, out...)
		if d == filepath.Dir(d) {
			return out
		}
	}
}
