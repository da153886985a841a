package postgres

import (
	"context"
	"errors"
	"log/slog"
	"syscall"
	"time"

	"sluice.dev/sluice/tenants/errs"
)

// How long a server may take for each way to end. A fast shutdown (SIGINT)
// rolls back what runs and writes a checkpoint; an immediate one (SIGQUIT)
// leaves recovery to the next start, and loses nothing that was committed.
const (
	fastLimit      = 10 * time.Second
	immediateLimit = 10 * time.Second
)

// Stop ends the server: a fast shutdown first, an immediate one when that
// takes more than ten seconds or when ctx ends. It returns when the process
// has ended; calling it again does nothing. A server from Shared stays.
func (s *Server) Stop(ctx context.Context) error {
	if s.shared {
		return nil
	}
	err := s.shutdown(ctx)
	if err == nil {
		s.lock.release()
	}
	return err
}

func (s *Server) shutdown(ctx context.Context) error {
	select {
	case <-s.exited: // the number may be another process's by now
		return nil
	default:
	}
	return end(ctx, s.cluster, s.pid, s.exited)
}

// end stops a postmaster; exited tells when it is gone.
func end(ctx context.Context, c cluster, pid int, exited <-chan struct{}) error {
	steps := []struct {
		signal syscall.Signal
		limit  time.Duration
	}{{syscall.SIGINT, fastLimit}, {syscall.SIGQUIT, immediateLimit}}
	for _, step := range steps {
		if err := syscall.Kill(pid, step.signal); err != nil && !errors.Is(err, syscall.ESRCH) {
			return errs.Wrap(err, errs.Unavailable, "postgres.Stop", "PostgreSQL (process %d) in %s cannot be stopped: %v", pid, c.dir, err)
		}
		limit, cancel := context.WithTimeout(ctx, step.limit)
		select {
		case <-exited:
			cancel()
			return nil
		case <-limit.Done():
			cancel()
		}
		// The immediate shutdown gets its time also when ctx has ended.
		ctx = context.WithoutCancel(ctx)
	}
	return errs.New(errs.Unavailable, "postgres.Stop", "PostgreSQL (process %d) in %s did not stop; its log is %s", pid, c.dir, c.log())
}

// endOrphan stops a server that a crashed Sluice left running on the cluster.
// The caller holds the lock, so nobody is using it. Taking it over as it is
// would keep settings and a parent that are not ours.
func (c cluster) endOrphan(ctx context.Context, log *slog.Logger) error {
	p, ok, err := c.readPostmaster()
	if err != nil || !ok || !c.owns(p.pid) {
		return err
	}
	log.Info("stopping the PostgreSQL that an earlier run left behind", "process", p.pid, "folder", c.dir)
	stop := make(chan struct{})
	defer close(stop)
	return end(ctx, c, p.pid, c.watch(p.pid, stop))
}

// watch returns a channel that is closed when a postmaster which is not our
// child is gone. It gives up when stop is closed.
func (c cluster) watch(pid int, stop <-chan struct{}) <-chan struct{} {
	gone := make(chan struct{})
	go func() {
		tick := time.NewTicker(10 * time.Millisecond)
		defer tick.Stop()
		for c.owns(pid) {
			select {
			case <-stop:
				return
			case <-tick.C:
			}
		}
		close(gone)
	}()
	return gone
}
