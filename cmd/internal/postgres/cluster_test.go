package postgres

import (
	"context"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"sluice.dev/sluice/tenants/errs"
)

// binaries returns the machine's PostgreSQL; these tests are about the real one.
func binaries(t *testing.T) Binaries {
	t.Helper()
	b, err := Find(t.Context(), Options{})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// folder returns a new folder that the server's user can enter: the parent of
// t.TempDir is closed to everybody else.
func folder(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.Chmod(filepath.Dir(dir), 0o711); err != nil {
		t.Fatal(err)
	}
	return filepath.Join(dir, "postgres")
}

func config(t *testing.T) Config {
	t.Helper()
	return Config{Dir: folder(t), Binaries: binaries(t), FsyncOff: true}
}

// start runs a server that ends with the test at the latest.
func start(t *testing.T, cfg Config) *Server {
	t.Helper()
	s, err := Start(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Stop(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return s
}

func exec1(t *testing.T, url, sql string, args ...any) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context()) //nolint:errcheck // a test's connection
	if _, err := conn.Exec(t.Context(), sql, args...); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
}

func query[T any](t *testing.T, url, sql string, args ...any) T {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context()) //nolint:errcheck // a test's connection
	var v T
	if err := conn.QueryRow(t.Context(), sql, args...).Scan(&v); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	return v
}

func wantKind(t *testing.T, err error, kind errs.Kind, words ...string) {
	t.Helper()
	if !errs.Is(err, kind) {
		t.Fatalf("error is %v (%v), want kind %v", err, errs.KindOf(err), kind)
	}
	for _, w := range words {
		if !strings.Contains(errs.Public(err), w) {
			t.Errorf("message %q does not mention %q", errs.Public(err), w)
		}
	}
}

func TestStart_CreatesStopsAndReopens(t *testing.T) {
	t.Parallel()
	cfg := config(t)
	s := start(t, cfg)
	exec1(t, s.AdminURL(), `CREATE TABLE kept (n int); INSERT INTO kept VALUES (42)`)
	if got := query[string](t, s.AdminURL(), `SHOW server_encoding`); got != "UTF8" {
		t.Errorf("encoding %s", got)
	}
	if got := query[string](t, s.AdminURL(), `SELECT datcollate FROM pg_database WHERE datname = 'postgres'`); got != "C" {
		t.Errorf("collation %s", got)
	}
	if got := query[string](t, s.AdminURL(), `SHOW fsync`); got != "off" {
		t.Errorf("fsync %s in a test cluster", got)
	}
	for _, name := range []string{"admin.password", "server.log"} {
		if st, err := os.Stat(filepath.Join(cfg.Dir, name)); err != nil || st.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v, mode %v, want 0600", name, err, st.Mode())
		}
	}
	if err := s.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := s.Stop(t.Context()); err != nil {
		t.Errorf("the second Stop: %v", err)
	}
	select {
	case <-s.Done():
	default:
		t.Error("Done is open after Stop")
	}
	if _, err := os.Stat(s.cluster.pidfile()); !os.IsNotExist(err) {
		t.Errorf("postmaster.pid is still there: %v", err)
	}

	cfg.FsyncOff = false
	began := time.Now()
	s = start(t, cfg)
	t.Logf("an existing cluster was ready after %v", time.Since(began))
	if got := query[int](t, s.AdminURL(), `SELECT n FROM kept`); got != 42 {
		t.Errorf("kept %d", got)
	}
	for setting, want := range map[string]string{"fsync": "on", "full_page_writes": "on", "max_connections": "100", "shared_buffers": "128MB"} {
		if got := query[string](t, s.AdminURL(), `SELECT current_setting($1)`, setting); got != want {
			t.Errorf("%s is %s, want %s", setting, got, want)
		}
	}
}

// A process that another goroutine starts at this moment has, between fork and
// exec, a copy of every descriptor.
func TestFileLock_ReleaseDoesNotWaitForCopies(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "lock")
	l, ok, err := tryLock(path, syscall.LOCK_EX)
	if err != nil || !ok {
		t.Fatal(ok, err)
	}
	held, err := syscall.Dup(int(l.f.Fd()))
	if err != nil {
		t.Fatal(err)
	}
	defer syscall.Close(held) //nolint:errcheck // a test's descriptor
	l.release()
	again, ok, err := tryLock(path, syscall.LOCK_EX)
	if err != nil || !ok {
		t.Fatalf("the lock was given back, and is not free: %v, %v", ok, err)
	}
	again.release()
}

func TestStart_PasswordIsAsked(t *testing.T) {
	t.Parallel()
	s := start(t, config(t))
	if ok, err := tryLogin(t.Context(), s.URL(adminRole, "wrong", "postgres")); err != nil || ok {
		t.Errorf("a wrong password: ok %v, %v", ok, err)
	}
}

func TestStart_ChildIsUnprivilegedAndOfItsOwnSession(t *testing.T) {
	t.Parallel()
	s := start(t, config(t))
	st, err := os.Stat(filepath.Join("/proc", strconv.Itoa(s.pid)))
	if err != nil {
		t.Skip("this system has no /proc to look at")
	}
	if uid := st.Sys().(*syscall.Stat_t).Uid; uid == 0 {
		t.Error("the server runs as root")
	} else if os.Geteuid() != 0 && int(uid) != os.Geteuid() {
		t.Errorf("the server runs as %d, we as %d", uid, os.Geteuid())
	}
	stat, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(s.pid), "stat"))
	if err != nil {
		t.Fatal(err)
	}
	// proc(5): after the parenthesized name come state, ppid, pgrp, session.
	fields := strings.Fields(string(stat[strings.LastIndexByte(string(stat), ')')+1:]))
	if fields[3] != strconv.Itoa(s.pid) {
		t.Errorf("session %s, want %d: Ctrl-C in the terminal would reach the server", fields[3], s.pid)
	}
}

func TestStart_RecoversAfterKill(t *testing.T) {
	t.Parallel()
	cfg := config(t)
	cfg.FsyncOff = false
	s := start(t, cfg)
	exec1(t, s.AdminURL(), `CREATE TABLE kept (n int); INSERT INTO kept VALUES (42)`)
	if err := syscall.Kill(s.pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	<-s.Done()
	if err := s.Stop(t.Context()); err != nil {
		t.Errorf("Stop after the server died: %v", err)
	}
	s = start(t, cfg)
	if got := query[int](t, s.AdminURL(), `SELECT n FROM kept`); got != 42 {
		t.Errorf("kept %d after recovery", got)
	}
}

func TestStart_EndsTheServerOfACrashedRun(t *testing.T) {
	t.Parallel()
	cfg := config(t)
	old := start(t, cfg)
	exec1(t, old.AdminURL(), `CREATE TABLE kept (n int)`)
	old.lock.release() // what the kernel does when the process dies
	s := start(t, cfg)
	select {
	case <-old.Done():
	default:
		t.Error("the old server is still running")
	}
	query[int](t, s.AdminURL(), `SELECT count(*) FROM kept`)
}

func TestStart_FolderInUse(t *testing.T) {
	t.Parallel()
	cfg := config(t)
	start(t, cfg)
	_, err := Start(t.Context(), cfg)
	wantKind(t, err, errs.Conflict, strconv.Itoa(os.Getpid()), cfg.Dir)
}

func TestStart_PortTaken(t *testing.T) {
	t.Parallel()
	cfg := config(t)
	first := start(t, cfg)
	second := config(t)
	second.Port = first.Port()
	_, err := Start(t.Context(), second)
	wantKind(t, err, errs.Conflict, "port "+strconv.Itoa(first.Port()))
	second.Port = 0
	start(t, second) // the refusal left nothing in the way
}

func TestStart_BadConfig(t *testing.T) {
	t.Parallel()
	_, err := Start(t.Context(), Config{Port: 70000})
	wantKind(t, err, errs.Invalid)
	for _, want := range []string{"folder", "programs", "70000"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%v does not mention %q", err, want)
		}
	}
}

func TestStart_OtherMajorVersion(t *testing.T) {
	t.Parallel()
	cfg := config(t)
	s := start(t, cfg)
	if err := s.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(cfg.Dir, "data", "PG_VERSION")
	for _, c := range []struct {
		version string
		kind    errs.Kind
		want    string
	}{
		{"9\n", errs.Conflict, "PostgreSQL 9"},
		{"many\n", errs.Invalid, "many"},
	} {
		if err := os.WriteFile(file, []byte(c.version), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := Start(t.Context(), cfg)
		wantKind(t, err, c.kind, c.want)
	}
}

func TestStart_ServersOwnReason(t *testing.T) {
	t.Parallel()
	cfg := config(t)
	s := start(t, cfg)
	if err := s.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(cfg.Dir, "data", "postgresql.conf"), []byte("no_such_setting = 1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := Start(t.Context(), cfg)
	wantKind(t, err, errs.Unavailable, "configuration file", s.LogFile())
}

func TestStart_PasswordLost(t *testing.T) {
	t.Parallel()
	cfg := config(t)
	if err := start(t, cfg).Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(filepath.Join(cfg.Dir, "admin.password")); err != nil {
		t.Fatal(err)
	}
	_, err := Start(t.Context(), cfg)
	wantKind(t, err, errs.Invalid, "admin.password", "restore")
}

func TestStart_CrashWhileCreating(t *testing.T) {
	t.Parallel()
	cfg := config(t)
	half := filepath.Join(cfg.Dir, "data.new", "base")
	if err := os.MkdirAll(half, 0o700); err != nil {
		t.Fatal(err)
	}
	start(t, cfg)
	if _, err := os.Stat(filepath.Dir(half)); !os.IsNotExist(err) {
		t.Errorf("the half-made cluster is still there: %v", err)
	}
}

func TestStart_PidfileNamesAnotherProcess(t *testing.T) {
	t.Parallel()
	cfg := config(t)
	s := start(t, cfg)
	if err := s.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	// It must be the server's own user's: another user's is ignored by
	// PostgreSQL itself.
	other := exec.Command("cat")
	other.SysProcAttr = s.cluster.as.sysProcAttr()
	stdin, err := other.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := other.Start(); err != nil {
		t.Fatal(err)
	}
	pid := strconv.Itoa(other.Process.Pid)
	content := pid + "\n" + s.cluster.data() + "\n1\n5432\n\n127.0.0.1\n0 0\nready\n"
	if err := os.WriteFile(s.cluster.pidfile(), []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := s.cluster.as.chown(s.cluster.pidfile()); err != nil {
		t.Fatal(err)
	}
	start(t, cfg)
	_ = stdin.Close()
	if err := other.Wait(); err != nil {
		t.Errorf("the innocent process was ended: %v", err)
	}
}

func TestStart_CancelledLeavesNothing(t *testing.T) {
	t.Parallel()
	cfg := config(t)
	if err := start(t, cfg).Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := Start(ctx, cfg)
	wantKind(t, err, errs.Unavailable)
	c, err := openCluster(cfg.Dir)
	if err != nil {
		t.Fatal(err)
	}
	if p, ok, err := c.readPostmaster(); err != nil || ok && c.owns(p.pid) {
		t.Errorf("a server is running: %v, %v", p, err)
	}
}

func TestStop_EndedContextStopsAtOnce(t *testing.T) {
	t.Parallel()
	s := start(t, config(t))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.Stop(ctx); err != nil {
		t.Fatal(err)
	}
	<-s.Done()
}

func TestStart_ParentThatTheServerCannotEnter(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root runs the server as somebody else")
	}
	cfg := config(t)
	closed := filepath.Join(filepath.Dir(cfg.Dir), "closed")
	if err := os.Mkdir(closed, 0o700); err != nil {
		t.Fatal(err)
	}
	cfg.Dir = filepath.Join(closed, "deeper", "postgres")
	_, err := Start(t.Context(), cfg)
	wantKind(t, err, errs.Invalid, closed+" ", "chmod o+x")
	if _, err := os.Stat(filepath.Dir(cfg.Dir)); !os.IsNotExist(err) {
		t.Error("the refusal made a folder (F5)")
	}
}

func TestStart_LongFolderHasNoSocket(t *testing.T) {
	t.Parallel()
	cfg := config(t)
	cfg.Dir = filepath.Join(filepath.Dir(cfg.Dir), strings.Repeat("long", 30))
	s := start(t, cfg)
	if got := query[string](t, s.AdminURL(), `SHOW unix_socket_directories`); got != "" {
		t.Errorf("socket in %q, a path that does not fit", got)
	}
}

func TestLogIsKeptSmall(t *testing.T) {
	c, err := openCluster(folder(t))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(c.log(), make([]byte, maxLog+1), 0o600); err != nil {
		t.Fatal(err)
	}
	f, end, err := c.openLog()
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close() //nolint:errcheck // a test's file
	if n, err := f.Seek(0, io.SeekEnd); err != nil || n != 0 || end != 0 {
		t.Errorf("the new log begins with %d bytes, %v", n, err)
	}
	if st, err := os.Stat(c.log() + ".old"); err != nil || st.Size() != maxLog+1 {
		t.Errorf("the old log: %v", err)
	}
}
