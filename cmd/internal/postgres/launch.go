package postgres

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os/exec"
	"strconv"
	"strings"
	"time"

	"sluice.dev/sluice/tenants/errs"
)

// start is Start for a caller that has made sure to be alone.
func (c cluster) start(ctx context.Context, cfg Config) (*Server, error) {
	if err := c.checkVersion(cfg.Binaries); err != nil {
		return nil, err
	}
	if err := c.endOrphan(ctx, cfg.Logger); err != nil {
		return nil, err
	}
	password, err := c.initialize(ctx, cfg.Binaries, !cfg.FsyncOff, cfg.Logger)
	if err != nil {
		return nil, err
	}
	if cfg.Port != 0 {
		if err := portFree(cfg.Port); err != nil {
			return nil, err
		}
	}
	for {
		s, err := c.launch(ctx, cfg, password)
		var early *earlyExit
		if !errors.As(err, &early) {
			return s, err
		}
		// Another program took the free port first, or the last backends of a
		// killed server are still on their way out: both pass.
		if !(early.portTaken() && cfg.Port == 0 || early.memoryInUse()) || sleep(ctx, 100*time.Millisecond) != nil {
			return nil, early.public()
		}
	}
}

// launch runs the server once and waits until it is ready.
func (c cluster) launch(ctx context.Context, cfg Config, password string) (*Server, error) {
	if err := c.dropStalePidfile(); err != nil {
		return nil, err
	}
	port := cfg.Port
	if port == 0 {
		var err error
		if port, err = freePort(); err != nil {
			return nil, err
		}
	}
	logFile, offset, err := c.openLog()
	if err != nil {
		return nil, err
	}
	defer logFile.Close() //nolint:errcheck // the server has its own descriptor
	// Not CommandContext: the server outlives ctx and ends by Stop alone.
	cmd := c.command(context.WithoutCancel(ctx), cfg.Binaries, "postgres", c.arguments(cfg, port)...)
	cmd.Stdout, cmd.Stderr = logFile, logFile
	if err := cmd.Start(); err != nil {
		return nil, errs.Wrap(err, errs.Unavailable, "postgres.Start", "%s could not be started: %v", cmd.Path, err)
	}
	s := &Server{cluster: c, pid: cmd.Process.Pid, port: port, password: password, exited: make(chan struct{}), log: cfg.Logger}
	go s.reap(cmd)
	if err := s.waitReady(ctx, offset); err != nil {
		return nil, errors.Join(err, s.abandon(ctx))
	}
	return s, nil
}

// reap waits for the child, which would otherwise stay a zombie.
func (s *Server) reap(cmd *exec.Cmd) {
	s.exitErr = cmd.Wait()
	close(s.exited)
}

// waitReady returns when the server says that it accepts connections.
func (s *Server) waitReady(ctx context.Context, logOffset int64) error {
	next := time.Now().Add(5 * time.Second)
	for {
		p, ok, err := s.cluster.readPostmaster()
		if err != nil {
			return err
		}
		if ok && p.pid == s.pid && p.ready {
			return nil
		}
		select {
		case <-s.exited:
			return &earlyExit{dir: s.cluster.dir, log: s.cluster.log(), port: s.port, output: s.cluster.logSince(logOffset), err: s.exitErr}
		default:
		}
		if err := sleep(ctx, 5*time.Millisecond); err != nil {
			return errs.Wrap(err, errs.Unavailable, "postgres.Start", "PostgreSQL was not ready in time; its log is %s", s.cluster.log())
		}
		if time.Now().After(next) {
			next = next.Add(5 * time.Second)
			s.log.Info("still waiting for PostgreSQL; after a crash it replays its log", "log", s.cluster.log())
		}
	}
}

// abandon stops a server that did not become ready, whatever ctx says.
func (s *Server) abandon(ctx context.Context) error {
	return s.shutdown(context.WithoutCancel(ctx))
}

// freePort returns a port that nothing listens on at this moment.
func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, errs.Wrap(err, errs.Unavailable, "postgres.Start", "no free port on 127.0.0.1: %v", err)
	}
	defer l.Close() //nolint:errcheck // it only reserved the number
	return l.Addr().(*net.TCPAddr).Port, nil
}

// portFree returns a Conflict when something listens on the port.
func portFree(port int) error {
	l, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
	if err != nil {
		return errs.Wrap(err, errs.Conflict, "postgres.Start",
			"port %d on 127.0.0.1 cannot be used for PostgreSQL: %v; stop the program that has it, or choose another port (0 means any free one)", port, err)
	}
	return l.Close()
}

// sleep waits for d or until ctx ends, whose error it returns.
func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}

// earlyExit is a server that ended before it was ready.
type earlyExit struct {
	dir, log string
	port     int
	output   string // what it printed
	err      error
}

// Error quotes the server's own reason.
func (e *earlyExit) Error() string {
	reason := lastLine(e.output)
	for _, line := range strings.Split(e.output, "\n") {
		if i := strings.Index(line, "FATAL:"); i >= 0 {
			reason = strings.TrimSpace(line[i+len("FATAL:"):])
			break
		}
	}
	return fmt.Sprintf("PostgreSQL did not start in %s: %s (%v); its log is %s", e.dir, reason, e.err, e.log)
}

// public is the error for the caller of Start.
func (e *earlyExit) public() error {
	kind := errs.Unavailable
	if e.portTaken() {
		kind = errs.Conflict
	}
	return errs.Wrap(e.err, kind, "postgres.Start", "%v", e)
}

func (e *earlyExit) portTaken() bool {
	return strings.Contains(e.output, "could not bind") || strings.Contains(e.output, "could not create any TCP/IP sockets")
}

func (e *earlyExit) memoryInUse() bool {
	return strings.Contains(e.output, "pre-existing shared memory block")
}
