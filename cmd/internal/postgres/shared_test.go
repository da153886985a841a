package postgres

import (
	"context"
	"errors"
	"path/filepath"
	"testing"
)

// sharedFolder gives a test a shared cluster of its own, stopped at its end.
func sharedFolder(t *testing.T) {
	t.Helper()
	t.Setenv(EnvAdminURL, "")
	t.Setenv(EnvSharedDir, filepath.Dir(folder(t)))
	t.Cleanup(func() {
		if err := StopShared(context.Background()); err != nil {
			t.Error(err)
		}
	})
}

func TestShared_OneServerForAll(t *testing.T) {
	sharedFolder(t)
	first, err := Shared(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	exec1(t, first.AdminURL(), `CREATE TABLE seen (n int)`)
	if err := first.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	second, err := Shared(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if first.pid != second.pid || first.AdminURL() != second.AdminURL() {
		t.Error("the second caller got another server")
	}
	err = WhileShared(t.Context(), func(s *Server) error {
		query[int](t, s.AdminURL(), `SELECT count(*) FROM seen`)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if !first.cluster.owns(first.pid) {
		t.Error("a run stopped the server that was to stay")
	}
	if err := StopShared(t.Context()); err != nil {
		t.Fatal(err)
	}
	if first.cluster.owns(first.pid) {
		t.Error("the server runs after StopShared")
	}
	if err := StopShared(t.Context()); err != nil {
		t.Errorf("stopping what does not run: %v", err)
	}
}

func TestWhileShared_LastUserStopsIt(t *testing.T) {
	sharedFolder(t)
	var outer, inner *Server
	failed := errors.New("the run failed")
	err := WhileShared(t.Context(), func(s *Server) error {
		outer = s
		if err := WhileShared(t.Context(), func(s *Server) error { inner = s; return nil }); err != nil {
			t.Error(err)
		}
		if !s.cluster.owns(s.pid) {
			t.Error("the first run to end stopped the server of the other")
		}
		return failed
	})
	if !errors.Is(err, failed) {
		t.Errorf("error %v", err)
	}
	if outer.pid != inner.pid {
		t.Error("two runs had two servers")
	}
	if outer.cluster.owns(outer.pid) {
		t.Error("the server runs after its last user")
	}
}

func TestShared_FromTheEnvironment(t *testing.T) {
	t.Setenv(EnvAdminURL, "postgres://boss:secret@db.example:6000/postgres?sslmode=require")
	s, err := Shared(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if got, want := s.URL("me", "p@ss", "mine"), "postgres://me:p%40ss@db.example:6000/mine?sslmode=require"; got != want {
		t.Errorf("URL %s, want %s", got, want)
	}
	if s.LogFile() != "" || s.Stop(t.Context()) != nil {
		t.Error("it must have no log and nothing to stop")
	}
}
