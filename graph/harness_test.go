package graph_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"sluice.dev/sluice/ent"
	"sluice.dev/sluice/ent/db"
	"sluice.dev/sluice/ent/db/dbtest"
	"sluice.dev/sluice/graph"
	"sluice.dev/sluice/graph/api"
	"sluice.dev/sluice/tenants/access"
	"sluice.dev/sluice/tenants/advisory"
	"sluice.dev/sluice/tenants/audit"
	"sluice.dev/sluice/tenants/blob"
	"sluice.dev/sluice/tenants/catalog"
	"sluice.dev/sluice/tenants/coord"
	"sluice.dev/sluice/tenants/finding"
	"sluice.dev/sluice/tenants/gate"
	"sluice.dev/sluice/tenants/intake"
	"sluice.dev/sluice/tenants/login"
	"sluice.dev/sluice/tenants/org"
	"sluice.dev/sluice/tenants/policy"
	"sluice.dev/sluice/tenants/quarantine"
	"sluice.dev/sluice/tenants/registry"
	"sluice.dev/sluice/tenants/scope"
)

// npm is a wire format for tests: a document is a list of versions.
type npm struct{ documents map[string]string }

type npmVersion struct{ Version, License string }

func (npm) Ecosystem() coord.Ecosystem { return coord.NPM }

func (p npm) Decode(pkg string, raw []byte) (*gate.Listing, error) {
	var lines []json.RawMessage
	if err := json.Unmarshal(raw, &lines); err != nil {
		return nil, err
	}
	l := &gate.Listing{Package: coord.Package{Ecosystem: coord.NPM, Name: pkg}, Raw: raw, Tags: map[string]string{}}
	for _, line := range lines {
		v, err := p.DecodeVersion(pkg, line)
		if err != nil {
			return nil, err
		}
		l.Versions = append(l.Versions, v)
	}
	return l, nil
}

func (npm) DecodeVersion(pkg string, raw []byte) (*gate.Listed, error) {
	var v npmVersion
	if err := json.Unmarshal(raw, &v); err != nil {
		return nil, err
	}
	return &gate.Listed{Version: v.Version, Published: time.Date(2025, 1, 1, 0, 0, 0, 0, time.UTC), Raw: raw,
		License: policy.LicenseFact{State: policy.LicenseDeclared, Expression: v.License},
		Files:   []gate.File{{Name: pkg + "-" + v.Version + ".tgz", URL: "https://remote.example/" + pkg, Size: -1}}}, nil
}

func (p npm) FetchList(_ context.Context, _ gate.Remote, pkg string, _ gate.Validators) (gate.Fetched, error) {
	doc, ok := p.documents[pkg]
	if !ok {
		return gate.Fetched{NotFound: true}, nil
	}
	return gate.Fetched{Body: []byte(doc)}, nil
}

func (npm) FetchFile(_ context.Context, _ gate.Remote, f gate.File) (io.ReadCloser, int64, error) {
	return io.NopCloser(strings.NewReader(f.Name)), int64(len(f.Name)), nil
}

// counter counts the statements that reach PostgreSQL.
type counter struct{ n atomic.Int64 }

func (c *counter) TraceQueryStart(ctx context.Context, _ *pgx.Conn, q pgx.TraceQueryStartData) context.Context {
	// Neither what begins and ends transactions nor the feed's own heartbeat.
	if text := strings.ToLower(q.SQL); !strings.HasPrefix(text, "begin") && text != "commit" && text != "rollback" && !strings.HasPrefix(text, "select pg_notify") {
		c.n.Add(1)
	}
	return ctx
}

func (*counter) TraceQueryEnd(context.Context, *pgx.Conn, pgx.TraceQueryEndData) {}

// world is the API over a database with two organizations.
type world struct {
	*testing.T
	db           *db.DB
	sql          *counter
	log          *bytes.Buffer
	now          time.Time
	access       *access.Service
	registries   *registry.Service
	quarantine   *quarantine.Service
	scanner      *finding.Service
	hosts        *org.Hosts
	importer     *advisory.Importer
	decisions    *audit.Decisions
	intake       *intake.Service
	blobs        *blob.Disk
	logins       *login.Service
	handler      http.Handler
	ours, theirs context.Context // as the system
}

func newWorld(t *testing.T) *world {
	t.Helper()
	return newWorldWaiting(t, time.Millisecond)
}

func newWorldWaiting(t *testing.T, batchWait time.Duration, tune ...func(*graph.Deps)) *world {
	t.Helper()
	t.Parallel()
	w := &world{T: t, sql: &counter{}, log: &bytes.Buffer{}, now: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)}
	now := func() time.Time { return w.now }
	d, err := db.Open(t.Context(), dbtest.URL(t), 8)
	w.ok(err)
	counted := d.Pool.Config()
	counted.ConnConfig.Tracer = w.sql
	d.Pool.Close()
	d.Pool, err = pgxpool.NewWithConfig(t.Context(), counted)
	w.ok(err)
	w.db = d
	log := audit.New(now)
	seal, err := registry.NewSealer(bytes.Repeat([]byte{7}, 32))
	w.ok(err)
	shapes := registry.NewSnapshots(d, seal)
	w.access = access.New(d, log, now)
	w.quarantine = &quarantine.Service{DB: d, Audit: log, Now: now}
	w.registries = &registry.Service{DB: d, Audit: log, Now: now, Built: []coord.Ecosystem{coord.NPM}, Seal: seal,
		BeforeUnlink: w.quarantine.Unlinking, AfterLink: w.quarantine.Linked}
	w.decisions = audit.NewDecisions(d, now)
	w.importer = advisory.NewImporter(d)
	blobs, err := blob.NewDisk(t.TempDir())
	w.ok(err)
	life, end := context.WithCancel(context.Background())
	advisories := advisory.NewService(d)
	wire := npm{documents: map[string]string{"left-pad": `[{"version":"1.0.0","license":"MIT"},{"version":"1.1.0","license":"MIT"},{"version":"2.0.0","license":"MIT"}]`}}
	g := gate.New(life, gate.Config{DB: d, Blobs: blobs, Shapes: shapes, Advisories: advisories, Quarantine: w.quarantine,
		Decisions: w.decisions, Protocols: []gate.Protocol{wire}, Now: now})
	w.blobs = blobs
	w.logins = login.New(login.Config{DB: d, Audit: log, Access: w.access, Seal: seal, Now: now})
	w.intake = &intake.Service{DB: d, Audit: log, Shapes: shapes, Quarantine: w.quarantine, Gate: g, Now: now}
	w.scanner = &finding.Service{DB: d, Shapes: shapes, Advisories: advisories, Quarantine: w.quarantine, Now: now}
	w.hosts = org.NewHosts(d, log, now, []string{"sluice.example"}, func(_ context.Context, name string) ([]string, error) {
		if strings.HasSuffix(name, "old."+w.slug(w.theirs)+".test") {
			return []string{"sluice-organization=" + orgOf(t, w.theirs).String()}, nil
		}
		return []string{"sluice-organization=" + orgOf(t, w.ours).String()}, nil // all other names are ours
	})
	deps := graph.Deps{DB: d, Access: w.access, Orgs: org.New(d, log, now), Registries: w.registries, Quarantine: w.quarantine,
		Intake: w.intake, Uploads: map[coord.Ecosystem]graph.Uploads{coord.NPM: uploads{w}}, Lockfiles: map[coord.Ecosystem]graph.Lockfiles{coord.NPM: lockfiles{}}, Gate: g, Advisories: advisories, Log: slog.New(slog.NewTextHandler(w.log, nil)), BatchWait: batchWait,
		Logins: w.logins, TestProvider: testProvider, LoginAddresses: loginAddresses,
		Hosts: w.hosts, Now: now, Streams: graph.Streams{Ping: 20 * time.Millisecond, Pace: time.Millisecond, Look: 50 * time.Millisecond},
		RegistryURL: func(_ context.Context, e coord.Ecosystem, name string) string {
			return "https://acme.sluice.example/npm/" + name
		}, Workloads: checked{"repository": "acme/widgets", "ref": "refs/tags/v1"}}
	for _, change := range tune {
		change(&deps)
	}
	w.handler, err = graph.NewHandler(deps)
	w.ok(err)
	var running sync.WaitGroup
	running.Go(func() { d.Feed.Run(life) })
	t.Cleanup(func() {
		end()
		g.Wait()
		running.Wait()
		d.Close()
	})
	dbtest.WaitTrusted(t, d)
	ours, theirs := dbtest.TwoOrgs(t, d)
	w.ours, w.theirs = access.As(ours, access.System("test"), ""), access.As(theirs, access.System("test"), "")
	return w
}

func (w *world) ok(err error) {
	w.Helper()
	if err != nil {
		w.Fatal(err)
	}
}

// member makes one with only those roles, and returns a context in which they
// ask.
func (w *world) member(ctx context.Context, name string, roles ...access.Place) context.Context {
	w.Helper()
	if roles == nil {
		roles = []access.Place{}
	}
	m, err := w.access.CreateMember(ctx, access.MemberInput{Email: name + "@acme.example", Roles: roles})
	w.ok(err)
	who, err := w.access.MemberSubject(ctx, m.ID)
	w.ok(err)
	return access.As(ctx, who, "192.0.2.7")
}

func (w *world) anonymous(ctx context.Context) context.Context {
	return access.As(ctx, access.Anonymous(), "192.0.2.9")
}

// hierarchy is a firewall with a remote above it and a team below.
type hierarchy struct {
	remote, firewall, team uuid.UUID
}

func (w *world) hierarchy(ctx context.Context) hierarchy {
	w.Helper()
	remote, err := w.registries.CreateRemote(ctx, registry.RemoteInput{Ecosystem: coord.NPM, Name: "npm-public", BaseURL: "https://remote.example"})
	w.ok(err)
	fw, err := w.registries.Create(ctx, registry.CreateInput{Kind: registry.Firewall, Ecosystem: coord.NPM, Name: "firewall", Upstream: &registry.UpstreamInput{Remote: remote.ID}})
	w.ok(err)
	team, err := w.registries.Create(ctx, registry.CreateInput{Kind: registry.PackageRegistry, Ecosystem: coord.NPM, Name: "team", Upstream: &registry.UpstreamInput{Source: fw.ID}})
	w.ok(err)
	h := hierarchy{remote.ID, fw.ID, team.ID}
	for _, v := range []string{"1.0.0", "1.1.0"} {
		w.hold(ctx, h.remote, "left-pad", v, h.firewall, h.team)
	}
	return h
}

// hold makes registries hold a version from a remote.
func (w *world) hold(ctx context.Context, remote uuid.UUID, name, version string, holders ...uuid.UUID) {
	w.Helper()
	digest := blobDigest(name + version)
	a := catalog.Arrival{Version: coord.Version{Package: coord.Package{Ecosystem: coord.NPM, Name: name}, Version: version}, Origin: coord.External,
		Remote: remote, Published: w.now.Add(-time.Hour), PublishedFrom: "SOURCE", How: catalog.ByFetch,
		License:  policy.LicenseFact{State: policy.LicenseDeclared, Expression: "MIT"},
		Metadata: []byte(`{"version":"` + version + `","license":"MIT"}`),
		Files:    []catalog.StoredFile{{Name: name + "-" + version + ".tgz", Blob: catalog.Blob{SHA256: digest, SHA512: digest + digest, SHA1: digest[:40], MD5: digest[:32], Size: 1234}}}}
	for i := range holders {
		a.Holders = append(a.Holders, catalog.Holder{Registry: holders[i], Path: holders[:i]})
	}
	w.ok(w.db.InTx(ctx, func(ctx context.Context, tx *db.Tx) error {
		_, err := catalog.Record(ctx, tx, w.now, a)
		return err
	}))
}

// answer is what the API said.
type answer struct {
	status int
	Data   json.RawMessage
	Errors []struct {
		Message    string
		Path       []any
		Extensions struct{ Code, Field string }
	}
}

type vars map[string]any

// ask sends an operation.
func (w *world) ask(ctx context.Context, query string, v vars) answer {
	w.Helper()
	body, err := json.Marshal(map[string]any{"query": query, "variables": v})
	w.ok(err)
	r := httptest.NewRequestWithContext(ctx, http.MethodPost, "/graphql", bytes.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	rec := httptest.NewRecorder()
	w.handler.ServeHTTP(rec, r)
	a := answer{status: rec.Code}
	if err := json.Unmarshal(rec.Body.Bytes(), &a); err != nil {
		w.Fatalf("%v in %s", err, rec.Body)
	}
	return a
}

// into asks, expects no error, and reads the answer.
func (w *world) into(ctx context.Context, query string, v vars, out any) {
	w.Helper()
	a := w.ask(ctx, query, v)
	if len(a.Errors) > 0 {
		w.Fatalf("%s: %s at %v\nlog: %s", a.Errors[0].Extensions.Code, a.Errors[0].Message, a.Errors[0].Path, w.log)
	}
	if err := json.Unmarshal(a.Data, out); err != nil {
		w.Fatalf("%v in %s", err, a.Data)
	}
}

// code is the code of the only error, "" without one.
func (a answer) code() string {
	if len(a.Errors) != 1 {
		return ""
	}
	return a.Errors[0].Extensions.Code
}

func id(typ string, u uuid.UUID) string { return api.Of(typ, u).String() }

func (w *world) rows(ctx context.Context, fn func(context.Context, *ent.Client) (int, error)) (n int) {
	w.Helper()
	w.ok(w.db.InSnapshot(ctx, func(ctx context.Context, tx *db.Tx) (err error) {
		n, err = fn(ctx, tx.Ent)
		return err
	}))
	return n
}

func orgOf(t *testing.T, ctx context.Context) uuid.UUID {
	t.Helper()
	o, err := scope.Org(ctx)
	if err != nil {
		t.Fatal(err)
	}
	return o
}

// withOrg returns a context that belongs to the organization of another.
func withOrg(ctx, of context.Context) context.Context {
	o, err := scope.Org(of)
	if err != nil {
		panic(err)
	}
	return scope.With(ctx, o)
}
