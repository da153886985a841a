package postgres

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"syscall"
	"time"

	"sluice.dev/sluice/tenants/errs"
)

// fileLock is an flock(2): the kernel drops it when its process dies, however
// it dies.
type fileLock struct{ f *os.File }

// tryLock takes a lock without waiting; ok is false when another has it.
// how is syscall.LOCK_EX or syscall.LOCK_SH.
func tryLock(path string, how int) (l *fileLock, ok bool, err error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, false, err
	}
	err = syscall.Flock(int(f.Fd()), how|syscall.LOCK_NB)
	if err == nil {
		return &fileLock{f}, true, nil
	}
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return nil, false, f.Close()
	}
	return nil, false, errors.Join(fmt.Errorf("lock %s: %w", path, err), f.Close())
}

// waitLock takes a lock, waiting until ctx ends.
func waitLock(ctx context.Context, path string, how int) (*fileLock, error) {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		l, ok, err := tryLock(path, how)
		if err != nil || ok {
			return l, err
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("waiting for the lock %s: %w", path, ctx.Err())
		case <-tick.C:
		}
	}
}

// release gives the lock back. The file stays: removing it would let two
// processes lock different files of the same name.
//
// Closing alone is not enough: a child that is between fork and exec has a
// copy of the descriptor, and the lock would last until it has closed that.
func (l *fileLock) release() {
	if l != nil {
		_ = syscall.Flock(int(l.f.Fd()), syscall.LOCK_UN) // closing unlocks too, if later
		_ = l.f.Close()                                   // there is nothing to do about an error
	}
}

// own takes the cluster's lock for this process, or says who has it.
func (c cluster) own() (*fileLock, error) {
	l, ok, err := tryLock(c.lock(), syscall.LOCK_EX)
	if err != nil {
		return nil, errs.Wrap(err, errs.Unavailable, "postgres.Start", "the folder %s cannot be locked: %v", c.dir, err)
	}
	if !ok {
		b, _ := os.ReadFile(c.lock()) // only for the message
		return nil, errs.New(errs.Conflict, "postgres.Start",
			"another Sluice (process %s) is using the database in %s; stop it, or give this one another folder", strings.TrimSpace(string(b)), c.dir)
	}
	if err := errors.Join(l.f.Truncate(0), writePid(l.f)); err != nil {
		l.release()
		return nil, err
	}
	return l, nil
}

func writePid(f *os.File) error {
	_, err := fmt.Fprintf(f, "%d\n", os.Getpid())
	return err
}
