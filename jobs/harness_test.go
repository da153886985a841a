package jobs

import (
	"context"
	"io"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/riverqueue/river"

	"sluice.dev/sluice/ent/db"
	"sluice.dev/sluice/ent/db/dbtest"
	"sluice.dev/sluice/tenants/access"
	"sluice.dev/sluice/tenants/advisory"
	"sluice.dev/sluice/tenants/audit"
	"sluice.dev/sluice/tenants/blob"
	"sluice.dev/sluice/tenants/catalog"
	"sluice.dev/sluice/tenants/coord"
	"sluice.dev/sluice/tenants/finding"
	"sluice.dev/sluice/tenants/org"
	"sluice.dev/sluice/tenants/policy"
	"sluice.dev/sluice/tenants/quarantine"
	"sluice.dev/sluice/tenants/registry"
	"sluice.dev/sluice/tenants/scope"
)

// bench is what workers need, on a real database and a real blob store, with
// two organizations. The clock starts now, since files have the time of the
// machine.
type bench struct {
	*testing.T
	url          string
	deps         Deps
	disk         *blob.Disk
	dir          string    // of disk
	super        *pgx.Conn // past all walls
	ours, theirs context.Context

	mu    sync.Mutex
	ahead time.Duration
}

func (b *bench) now() time.Time {
	b.mu.Lock()
	defer b.mu.Unlock()
	return time.Now().Add(b.ahead)
}

func (b *bench) pass(d time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.ahead += d
}

func newBench(t *testing.T) *bench {
	t.Helper()
	t.Parallel()
	b := &bench{T: t, url: dbtest.URL(t), dir: t.TempDir()}
	disk, err := blob.NewDisk(b.dir)
	b.ok(err)
	b.disk = disk
	b.deps = depsOf(dbtest.Open(t, b.url), b.now)
	b.deps.Blobs, b.deps.Reviewer, b.deps.Grace = disk, &reviewer{}, time.Hour
	b.ours, b.theirs = dbtest.TwoOrgs(t, b.deps.DB)
	b.super = dbtest.Superuser(t, b.deps.DB)
	return b
}

// depsOf are the services of one node.
func depsOf(d *db.DB, now func() time.Time) Deps {
	q := &quarantine.Service{DB: d, Audit: audit.New(now), Now: now}
	shapes := registry.NewSnapshots(d, nil)
	return Deps{DB: d, Orgs: org.New(d, audit.New(now), now), Access: access.New(d, audit.New(now), now), Quarantine: q, Now: now,
		Finding: &finding.Service{DB: d, Shapes: shapes, Advisories: advisory.NewService(d), Quarantine: q, Now: now}}
}

func (b *bench) ok(err error) {
	b.Helper()
	if err != nil {
		b.Fatal(err)
	}
}

func (b *bench) in(ctx context.Context, fn func(context.Context, *db.Tx) error) {
	b.Helper()
	b.ok(b.deps.DB.InTx(ctx, fn))
}

func orgOf(t testing.TB, ctx context.Context) uuid.UUID {
	t.Helper()
	id, err := scope.Org(ctx)
	if err != nil {
		t.Fatal(err)
	}
	return id
}

// reviewer remembers what it was asked to bring in, and answers as told.
type reviewer struct {
	mu    sync.Mutex
	asked []coord.Version
	orgs  []uuid.UUID
	err   error
}

func (r *reviewer) Review(ctx context.Context, _ uuid.UUID, v coord.Version) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	id, err := scope.Org(ctx)
	if err != nil {
		return err
	}
	r.asked, r.orgs = append(r.asked, v), append(r.orgs, id)
	return r.err
}

func (b *bench) registry(ctx context.Context, kind registryKind, name string, sources ...uuid.UUID) uuid.UUID {
	b.Helper()
	svc := &registry.Service{DB: b.deps.DB, Audit: audit.New(b.now), Now: b.now, Built: []coord.Ecosystem{coord.NPM}}
	in := registry.CreateInput{Kind: registry.PackageRegistry, Ecosystem: coord.NPM, Name: name}
	if kind == firewall {
		in.Kind = registry.Firewall
	}
	r, err := svc.Create(ctx, in)
	b.ok(err)
	for _, s := range sources {
		_, err := svc.AddUpstream(ctx, registry.UpstreamInput{Registry: r.ID, Source: s})
		b.ok(err)
	}
	return r.ID
}

type registryKind bool

const (
	firewall registryKind = true
	ordinary registryKind = false
)

func leftPad(version string) coord.Version {
	return coord.Version{Package: coord.Package{Ecosystem: coord.NPM, Name: "left-pad"}, Version: version}
}

// arrive stores the text and records it as a version that the registries hold.
func (b *bench) arrive(ctx context.Context, version, text string, holders ...uuid.UUID) string {
	b.Helper()
	digest := b.put(text)
	a := catalog.Arrival{Version: leftPad(version), Origin: coord.External, Published: b.now(), PublishedFrom: "SOURCE", License: policy.LicenseFact{State: policy.LicenseMissing},
		Metadata: []byte("{}"), How: catalog.ByFetch, Files: []catalog.StoredFile{{Name: "x.tgz", Blob: catalog.Blob{SHA256: digest, Size: int64(len(text))}}}}
	for _, h := range holders {
		a.Holders = append(a.Holders, catalog.Holder{Registry: h})
	}
	b.in(ctx, func(ctx context.Context, tx *db.Tx) error {
		_, err := catalog.Record(ctx, tx, b.now(), a)
		return err
	})
	return digest
}

// worker runs River until the test ends.
func (b *bench) worker() *river.Client[pgx.Tx] {
	b.Helper()
	c, err := New(b.deps, slog.New(slog.NewTextHandler(io.Discard, nil)))
	b.ok(err)
	ctx, stop := context.WithCancel(context.Background())
	b.ok(c.Start(ctx))
	b.Cleanup(func() {
		end, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		_ = c.StopAndCancel(end)
		stop()
	})
	return c
}

func eventually(t testing.TB, within time.Duration, what string, holds func() bool) {
	t.Helper()
	for end := time.Now().Add(within); !holds(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("not within %s: %s", within, what)
		}
	}
}

// number is the answer to a query of one number, past all walls.
func (b *bench) number(query string, args ...any) (n int) {
	b.Helper()
	b.ok(b.super.QueryRow(context.Background(), query, args...).Scan(&n))
	return n
}
