package e2e

import (
	"encoding/json"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"sluice.dev/sluice/protocol/protocoltest"
)

// stage is what the cases share: one data folder, one address, one source, and
// the node that runs at the moment.
type stage struct {
	long    bool
	bin     string
	dir     string // everything is in here
	data    string // the data folder of sluice dev
	addr    string // host:port, the same after every restart
	source  *source
	public  *protocoltest.NPM // behind the source, where the cases change it
	clients []client
	state   devState
	node    *process   // dev, or serve without a worker
	cluster *cluster   // while the node is not dev
	started []*process // all of them
	notes   []string   // of the running case
}

// devState is what sluice dev writes into dev.json for its users.
type devState struct {
	SecretKey   string `json:"secretKey"`
	DatabaseURL string `json:"databaseUrl"`
	BaseURL     string `json:"baseUrl"`
	AdminToken  string `json:"adminToken"`
	TeamA       string `json:"teamAToken"`
	TeamB       string `json:"teamBToken"`
	CI          string `json:"ciToken"`
}

func newStage(t *testing.T) *stage {
	t.Helper()
	s := newFolder(t)
	s.clients = findClients(t)
	if s.long {
		s.source = newSource(t, configuredRemote(t))
	} else {
		s.source = newSource(t, fixture(t).URL)
	}
	return s
}

// newFolder is a stage without clients and source.
func newFolder(t *testing.T) *stage {
	t.Helper()
	// Not t.TempDir: PostgreSQL does not run as root, and must be able to enter.
	dir, err := os.MkdirTemp("", "sluice-e2e-")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(dir, 0o711); err != nil {
		t.Fatal(err)
	}
	s := &stage{long: os.Getenv("SLUICE_E2E_LONG") != "", dir: dir, data: filepath.Join(dir, "data"), addr: freeAddress(t)}
	t.Cleanup(func() { s.clear(t) })
	s.bin = build(t, dir)
	return s
}

// clear ends what a failed case left running, and removes the folder.
func (s *stage) clear(t *testing.T) {
	for _, p := range s.started {
		if p.running() {
			p.interrupt(t)
		}
	}
	s.endDatabase(t)
	if err := os.RemoveAll(s.dir); err != nil {
		t.Error(err)
	}
}

// freeAddress returns a loopback address that nothing listens on now.
func freeAddress(t *testing.T) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	return ln.Addr().String()
}

// open is the newcomer's first start.
func (s *stage) open(t *testing.T) {
	t.Helper()
	began := time.Now()
	s.dev(t)
	s.note("first start %s", seconds(time.Since(began)))
}

// dev starts `sluice dev` and waits until it says how to use it.
func (s *stage) dev(t *testing.T) {
	t.Helper()
	s.node = s.start(t, devReady, []string{"SLUICE_NPM_REMOTE=" + s.source.URL}, "dev", "--data", s.data, "--listen", s.addr)
	s.readState(t)
}

func (s *stage) readState(t *testing.T) {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(s.data, "dev.json"))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(b, &s.state); err != nil {
		t.Fatal(err)
	}
}

// registry returns the address of a registry, with a slash at its end.
func (s *stage) registry(name string) string { return s.state.BaseURL + "/npm/" + name + "/" }

// environment is this process's own, without settings of Sluice.
func (s *stage) environment() []string {
	var env []string
	for _, e := range os.Environ() {
		if !strings.HasPrefix(e, "SLUICE_") {
			env = append(env, e)
		}
	}
	return env
}

// note puts something into the last column of the running case.
func (s *stage) note(format string, args ...any) {
	s.notes = append(s.notes, fmt.Sprintf(format, args...))
}

// explain shows what the nodes have printed since the last time, for a case that
// failed.
func (s *stage) explain(t *testing.T, failed bool) {
	t.Helper()
	for _, p := range s.started {
		if news := p.news(); failed && news != "" {
			t.Logf("sluice %s printed meanwhile:\n%s", p.what, news)
		}
	}
}

// until asks again and again until the condition holds: for what another
// process does in its own time.
func until(t *testing.T, what string, limit time.Duration, holds func() bool) {
	t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	end := time.After(limit)
	for !holds() {
		select {
		case <-end:
			t.Fatalf("%s: not within %s", what, limit)
		case <-tick.C:
		}
	}
}
