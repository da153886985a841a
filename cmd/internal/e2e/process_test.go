package e2e

import (
	"bufio"
	"bytes"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// What a node prints when it is ready.
const (
	devReady   = "Ctrl-C stops everything"
	serveReady = "msg=serving"
	workReady  = "msg=working"
)

// process is a sluice that was started here.
type process struct {
	cmd    *exec.Cmd
	what   string
	ready  chan struct{} // closed when the output has the marker
	exited chan struct{} // closed when it has ended; then err is set
	err    error
	said   chan struct{} // closed when its output has ended

	mu   sync.Mutex
	out  bytes.Buffer
	told int // how much of it news has returned
}

// start runs the program and waits for the marker in its output; without one,
// it does not wait.
func (s *stage) start(t *testing.T, marker string, env []string, args ...string) *process {
	t.Helper()
	p := &process{cmd: exec.Command(s.bin, args...), what: args[0], ready: make(chan struct{}), exited: make(chan struct{}), said: make(chan struct{})}
	p.cmd.Env = append(s.environment(), env...)
	p.cmd.Dir = s.dir
	// A pipe of our own: the PostgreSQL of a killed node keeps the other end,
	// which would make exec wait for it.
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	p.cmd.Stdout, p.cmd.Stderr = w, w
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	_ = w.Close()
	go p.read(r, marker)
	go func() {
		p.err = p.cmd.Wait()
		close(p.exited)
	}()
	s.started = append(s.started, p)
	if marker == "" {
		return p
	}
	select {
	case <-p.ready:
	case <-p.exited:
		t.Fatalf("sluice %s ended: %v\n%s", p.what, p.err, p.output())
	case <-time.After(2 * time.Minute):
		t.Fatalf("sluice %s was not ready within 2 minutes\n%s", p.what, p.output())
	}
	return p
}

// read keeps the output and looks for the marker.
func (p *process) read(r io.ReadCloser, marker string) {
	defer close(p.said)
	defer r.Close()
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		p.mu.Lock()
		p.out.Write(append(lines.Bytes(), '\n'))
		p.mu.Unlock()
		if marker != "" && strings.Contains(lines.Text(), marker) {
			marker = ""
			close(p.ready)
		}
	}
}

// output returns the last 8 KiB that it printed.
func (p *process) output() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	b := p.out.Bytes()
	return string(b[max(0, len(b)-8<<10):])
}

// news returns what it has printed since the last call, at most 8 KiB.
func (p *process) news() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	b := p.out.Bytes()[p.told:]
	p.told = p.out.Len()
	return string(b[max(0, len(b)-8<<10):])
}

// running reports whether it has not ended.
func (p *process) running() bool {
	select {
	case <-p.exited:
		return false
	default:
		return true
	}
}

// interrupt is Ctrl-C. It returns how long the process took to end.
func (p *process) interrupt(t *testing.T) time.Duration {
	t.Helper()
	began := time.Now()
	if err := p.cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatalf("sluice %s cannot be interrupted: %v", p.what, err)
	}
	select {
	case <-p.exited:
	case <-time.After(30 * time.Second):
		t.Fatalf("sluice %s did not end within 30 seconds of Ctrl-C\n%s", p.what, p.output())
	}
	if p.err != nil {
		t.Errorf("sluice %s ended after Ctrl-C with %v, want status 0\n%s", p.what, p.err, p.output())
	}
	return time.Since(began)
}

// kill is kill -9.
func (p *process) kill(t *testing.T) {
	t.Helper()
	if err := p.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	<-p.exited
}

// command runs the program to its end and returns what it printed.
func (s *stage) command(t *testing.T, env []string, args ...string) string {
	t.Helper()
	p := s.start(t, "", env, args...)
	<-p.exited
	<-p.said
	if p.err != nil {
		t.Fatalf("sluice %s: %v\n%s", strings.Join(args, " "), p.err, p.output())
	}
	return p.output()
}

// build returns the program under test.
func build(t *testing.T, dir string) string {
	t.Helper()
	if bin := os.Getenv("SLUICE_E2E_BIN"); bin != "" {
		abs, err := filepath.Abs(bin)
		if err != nil {
			t.Fatal(err)
		}
		return abs
	}
	bin := filepath.Join(dir, "sluice")
	cmd := exec.Command("go", "build", "-o", bin, "sluice.dev/sluice/cmd/sluice")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("build sluice: %v\n%s", err, out)
	}
	return bin
}
