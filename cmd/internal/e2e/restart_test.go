package e2e

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// startLimit is how long a start with existing data may take. The short form
// shares its machine with every other test, so only the long one is strict.
func (s *stage) startLimit() time.Duration {
	if s.long {
		return 3 * time.Second
	}
	return 20 * time.Second
}

func restartCases() []testCase {
	return []testCase{{"Ctrl-C stops everything, the second start is fast, the data is there", func(t *testing.T, s *stage) {
		s.serves(t, "team-a", "repeat-string", "1.6.0")
		database := s.database(t)
		s.note("stopped in %s", seconds(s.node.interrupt(t)))
		if alive(database) {
			t.Errorf("PostgreSQL, process %d, still runs", database)
		}
		before := s.state
		s.note("second start %s", seconds(s.restart(t)))
		if s.state.TeamA != before.TeamA || s.state.BaseURL != before.BaseURL {
			t.Error("tokens or addresses are others than before")
		}
		s.source.off()
		defer s.source.on(t)
		s.serves(t, "team-a", "repeat-string", "1.6.0")
	}}}
}

// restart starts dev again, within the limit, and returns how long it took.
func (s *stage) restart(t *testing.T) time.Duration {
	t.Helper()
	began := time.Now()
	s.dev(t)
	took := time.Since(began)
	if took > s.startLimit() {
		t.Errorf("the start took %s, want at most %s", took, s.startLimit())
	}
	return took
}

// endCases are the last: dev runs, and a kill has been survived.
func endCases() []testCase {
	return []testCase{{"Ctrl-C after all that", func(t *testing.T, s *stage) {
		database := s.database(t)
		s.note("stopped in %s", seconds(s.node.interrupt(t)))
		if alive(database) {
			t.Errorf("PostgreSQL, process %d, still runs", database)
		}
		for _, p := range s.started {
			if p.running() {
				t.Errorf("sluice %s still runs", p.what)
			}
		}
	}}}
}

// database returns the process of dev's PostgreSQL.
func (s *stage) database(t *testing.T) int {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(s.data, "postgres", "data", "postmaster.pid"))
	if err != nil {
		t.Fatal(err)
	}
	line, _, _ := strings.Cut(string(b), "\n")
	pid, err := strconv.Atoi(strings.TrimSpace(line))
	if err != nil || !alive(pid) {
		t.Fatalf("postmaster.pid names %q, which does not run", line)
	}
	return pid
}

// alive reports whether a process has not ended. One that ended and was not
// waited for has.
func alive(pid int) bool {
	b, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "stat"))
	if err != nil {
		p, err := os.FindProcess(pid)
		return err == nil && p.Signal(syscall.Signal(0)) == nil
	}
	_, state, _ := strings.Cut(string(b), ") ")
	return !strings.HasPrefix(state, "Z")
}
