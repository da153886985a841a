package jobs

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/uuid"

	"sluice.dev/sluice/ent/db"
	"sluice.dev/sluice/jobs/spec"
	"sluice.dev/sluice/tenants/advisory"
	"sluice.dev/sluice/tenants/audit"
	"sluice.dev/sluice/tenants/blob"
	"sluice.dev/sluice/tenants/catalog"
	"sluice.dev/sluice/tenants/coord"
	"sluice.dev/sluice/tenants/errs"
	"sluice.dev/sluice/tenants/gate"
	"sluice.dev/sluice/tenants/intake"
	"sluice.dev/sluice/tenants/policy"
	"sluice.dev/sluice/tenants/registry"
)

// remote is a public source of any name with the versions 1.0.0 to 1.0.99. With
// a folder, a file hangs while there is a file "hang" in it.
type remote struct{ folder string }

func (remote) Ecosystem() coord.Ecosystem { return coord.NPM }

func (r remote) Decode(pkg string, raw []byte) (*gate.Listing, error) {
	l := &gate.Listing{Package: coord.Package{Ecosystem: coord.NPM, Name: pkg}, Raw: raw, Tags: map[string]string{}}
	for i := range 100 {
		v, err := r.DecodeVersion(pkg, []byte(fmt.Sprintf(`"1.0.%d"`, i)))
		if err != nil {
			return nil, err
		}
		l.Versions = append(l.Versions, v)
	}
	return l, nil
}

func (remote) DecodeVersion(pkg string, raw []byte) (*gate.Listed, error) {
	var v string
	if err := json.Unmarshal(raw, &v); err != nil {
		return nil, err
	}
	return &gate.Listed{Version: v, Published: time.Date(2025, 1, 1, 0, 0, 0, 0, time.UTC), Raw: raw, License: policy.LicenseFact{State: policy.LicenseMissing},
		Files: []gate.File{{Name: pkg + "-" + v + ".tgz", URL: "https://remote.example/" + v, Size: -1}}}, nil
}

func (remote) FetchList(_ context.Context, _ gate.Remote, pkg string, _ gate.Validators) (gate.Fetched, error) {
	return gate.Fetched{Body: []byte(`"` + pkg + `"`)}, nil
}

func (r remote) FetchFile(ctx context.Context, _ gate.Remote, f gate.File) (io.ReadCloser, int64, error) {
	if r.folder != "" && strings.HasSuffix(f.Name, "5.tgz") {
		if _, err := os.Stat(r.folder + "/hang"); err == nil {
			_ = os.WriteFile(r.folder+"/hanging", nil, 0o600)
			<-ctx.Done()
			return nil, 0, errs.New(errs.Unavailable, "fetch", "given up")
		}
	}
	return io.NopCloser(strings.NewReader(f.Name)), int64(len(f.Name)), nil
}

// mover is the write path of one node.
func mover(ctx context.Context, d *db.DB, blobs *blob.Disk, r remote, now func() time.Time) (*intake.Service, *gate.Gate) {
	seal, err := registry.NewSealer(bytes.Repeat([]byte{7}, 32))
	if err != nil {
		panic(err)
	}
	shapes, q := registry.NewSnapshots(d, seal), depsOf(d, now).Quarantine
	g := gate.New(ctx, gate.Config{DB: d, Blobs: blobs, Shapes: shapes, Advisories: advisory.NewService(d), Quarantine: q,
		Decisions: audit.NewDecisions(d, now), Protocols: []gate.Protocol{r}, Now: now})
	return &intake.Service{DB: d, Audit: audit.New(now), Shapes: shapes, Quarantine: q, Gate: g, Now: now}, g
}

// moving gives the bench a write path, and a registry below a public source.
func (b *bench) moving(r remote) (m *intake.Service, team uuid.UUID) {
	b.Helper()
	life, end := context.WithCancel(context.Background())
	m, g := mover(life, b.deps.DB, b.disk, r, b.now)
	b.Cleanup(func() { end(); g.Wait() })
	b.deps.Mover = m
	seal, err := registry.NewSealer(bytes.Repeat([]byte{7}, 32))
	b.ok(err)
	svc := &registry.Service{DB: b.deps.DB, Audit: audit.New(b.now), Now: b.now, Built: []coord.Ecosystem{coord.NPM}, Seal: seal}
	made, err := svc.Create(b.ours, registry.CreateInput{Kind: registry.PackageRegistry, Ecosystem: coord.NPM, Name: "public",
		Upstream: &registry.UpstreamInput{NewRemote: &registry.RemoteInput{Name: "npm-public", BaseURL: "https://remote.example"}}})
	b.ok(err)
	return m, b.registry(b.ours, ordinary, "team", made.ID)
}

// TestMoveNodeProcess is no test: it is the node that TestPull_KilledNode kills.
func TestMoveNodeProcess(t *testing.T) {
	url := os.Getenv("SLUICE_TEST_MOVE_URL")
	if url == "" {
		t.Skip("run by TestPull_KilledNode")
	}
	d, err := db.Open(t.Context(), url, 8)
	if err != nil {
		t.Fatal(err)
	}
	disk, err := blob.NewDisk(os.Getenv("SLUICE_TEST_MOVE_BLOBS"))
	if err != nil {
		t.Fatal(err)
	}
	deps := depsOf(d, time.Now)
	deps.Reviewer = &reviewer{}
	deps.Mover, _ = mover(t.Context(), d, disk, remote{os.Getenv("SLUICE_TEST_MOVE_FOLDER")}, time.Now)
	c, err := New(deps, slog.New(slog.NewTextHandler(io.Discard, nil)))
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	fmt.Println("working")
	<-t.Context().Done()
}

// TestPull_KilledNode kills a node with SIGKILL in the middle of a pull; the next
// node that starts takes it up at once, and every version is counted once.
func TestPull_KilledNode(t *testing.T) {
	b := newBench(t)
	folder := t.TempDir()
	m, team := b.moving(remote{folder})
	b.ok(os.WriteFile(folder+"/hang", nil, 0o600))
	var versions []intake.PullVersion
	for i := range 70 {
		versions = append(versions, intake.PullVersion{Name: "left-pad", Version: fmt.Sprintf("1.0.%d", i)})
	}
	p, err := m.StartPull(b.ours, intake.PullInput{Registry: team, Source: "package-lock.json", Versions: versions})
	b.ok(err)
	node := exec.Command(os.Args[0], "-test.run=^TestMoveNodeProcess$", "-test.count=1")
	node.Env = append(os.Environ(), "SLUICE_TEST_MOVE_URL="+b.url, "SLUICE_TEST_MOVE_BLOBS="+b.dir, "SLUICE_TEST_MOVE_FOLDER="+folder)
	out, err := node.StdoutPipe()
	b.ok(err)
	b.ok(node.Start())
	if !bufio.NewScanner(out).Scan() {
		t.Fatal("the node's process said nothing")
	}
	eventually(t, 60*time.Second, "the node hangs in the middle", func() bool {
		_, err := os.Stat(folder + "/hanging")
		return err == nil && b.number(`SELECT count(*) FROM pull_items WHERE state = 'HELD'`) > 0
	})
	b.ok(node.Process.Signal(syscall.SIGKILL))
	_ = node.Wait()
	b.ok(os.Remove(folder + "/hang"))
	if waiting := b.number(`SELECT count(*) FROM pull_items WHERE state = 'WAITING'`); waiting == 0 {
		t.Fatal("nothing was left to do, so this test proves nothing")
	}
	b.worker()
	b.ok(ResumePulls(t.Context(), b.deps.DB, b.deps.Mover))
	eventually(t, 60*time.Second, "the next node has brought it in", func() bool { return b.number(`SELECT count(*) FROM pulls WHERE ended_at IS NOT NULL`) == 1 })
	if held := b.number(`SELECT count(*) FROM holdings WHERE registry_id = $1`, team); held != 70 || b.number(`SELECT count(*) FROM pull_items WHERE state = 'HELD' AND pull_id = $1`, p.ID) != 70 {
		t.Errorf("%d are held", held)
	}
	if n := b.number(`SELECT count(*) FROM audit_events WHERE action = 'pull:end'`); n != 1 {
		t.Errorf("the end was audited %d times", n)
	}
	// Run again, the job finds nothing to do; nor does one of another organization.
	for _, ctx := range []context.Context{b.ours, b.theirs} {
		b.ok((&pull{m: m}).Work(t.Context(), job(spec.Pull{Org: orgOf(t, ctx), Pull: p.ID})))
	}
	before := b.number(`SELECT count(*) FROM river.river_job WHERE kind = 'pull'`)
	b.ok(ResumePulls(t.Context(), b.deps.DB, b.deps.Mover))
	if after := b.number(`SELECT count(*) FROM river.river_job WHERE kind = 'pull'`); after != before {
		t.Error("a finished pull was resumed")
	}
}

// TestR11_ForwardJob: a published version is pushed by a worker, once however
// often the job runs.
func TestR11_ForwardJob(t *testing.T) {
	b := newBench(t)
	m, _ := b.moving(remote{})
	base := b.registry(b.ours, ordinary, "base")
	dev := b.registry(b.ours, ordinary, "dev", base)
	svc := &registry.Service{DB: b.deps.DB, Audit: audit.New(b.now), Now: b.now, Built: []coord.Ecosystem{coord.NPM}}
	_, err := svc.SetForwarding(b.ours, dev, registry.Forwarding{To: base})
	b.ok(err)
	digest := b.put("bytes")
	_, err = m.Publish(b.ours, intake.PublishInput{Registry: dev, Name: "@acme/a", Version: "1.0.0", License: policy.LicenseFact{State: policy.LicenseMissing}, Metadata: []byte(`"1.0.0"`),
		Files: []catalog.StoredFile{{Name: "a.tgz", Blob: catalog.Blob{SHA256: digest, Size: 5}}}})
	b.ok(err)
	b.worker()
	held := func() int {
		return b.number(`SELECT count(*) FROM holdings WHERE registry_id = $1 AND arrived = 'PUSH'`, base)
	}
	eventually(t, 20*time.Second, "it was forwarded", func() bool { return held() == 1 })
	b.ok((&forward{m: m}).Work(t.Context(), job(spec.Forward{Org: orgOf(t, b.ours), Registry: dev, Name: "@acme/a", Version: "1.0.0"})))
	if n := b.number(`SELECT count(*) FROM audit_events WHERE action = 'version:push'`); n != 1 || held() != 1 {
		t.Errorf("audited %d times", n)
	}
}
