package quarantine_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"sluice.dev/sluice/ent"
	"sluice.dev/sluice/ent/auditevent"
	"sluice.dev/sluice/ent/cascade"
	"sluice.dev/sluice/ent/db"
	"sluice.dev/sluice/ent/db/dbtest"
	"sluice.dev/sluice/ent/hold"
	"sluice.dev/sluice/ent/holding"
	"sluice.dev/sluice/tenants/audit"
	"sluice.dev/sluice/tenants/catalog"
	"sluice.dev/sluice/tenants/coord"
	"sluice.dev/sluice/tenants/errs"
	"sluice.dev/sluice/tenants/policy"
	"sluice.dev/sluice/tenants/quarantine"
	"sluice.dev/sluice/tenants/registry"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// bench is two organizations and what works on their holds. No worker runs:
// tests carry cascades themselves with [bench.carry].
type bench struct {
	*testing.T
	url          string
	db           *db.DB
	q            *quarantine.Service
	reg          *registry.Service
	ours, theirs context.Context
}

// now is a clock on which everything happens a millisecond after the last thing.
func now() time.Time { return noon.Add(time.Duration(ticks.Add(1)) * time.Millisecond) }

var ticks atomic.Int64

func newBench(t *testing.T) *bench {
	t.Helper()
	t.Parallel()
	b := &bench{T: t, url: dbtest.URL(t)}
	b.db = dbtest.Open(t, b.url)
	b.q, b.reg = services(b.db)
	b.ours, b.theirs = dbtest.TwoOrgs(t, b.db)
	return b
}

// services are the services of one node.
func services(d *db.DB) (*quarantine.Service, *registry.Service) {
	log := audit.New(now)
	q := &quarantine.Service{DB: d, Audit: log, Now: now}
	return q, &registry.Service{DB: d, Audit: log, Now: now, Built: []coord.Ecosystem{coord.NPM}, BeforeUnlink: q.Unlinking, AfterLink: q.Linked}
}

func (b *bench) ok(err error) {
	b.Helper()
	if err != nil {
		b.Fatal(err)
	}
}

// is wants an error of a kind whose public message has all the words.
func (b *bench) is(err error, k errs.Kind, words ...string) {
	b.Helper()
	if !errs.Is(err, k) {
		b.Fatalf("got %v, want an error of kind %v", err, k)
	}
	for _, w := range words {
		if !strings.Contains(errs.Public(err), w) {
			b.Errorf("the message %q does not say %q", errs.Public(err), w)
		}
	}
}

func (b *bench) in(fn func(context.Context, *db.Tx) error) {
	b.Helper()
	b.ok(b.db.InTx(b.ours, fn))
}

func (b *bench) make(kind string, name string, sources ...uuid.UUID) uuid.UUID {
	b.Helper()
	in := registry.CreateInput{Kind: registry.PackageRegistry, Ecosystem: coord.NPM, Name: name}
	if kind == "FIREWALL" {
		in.Kind = registry.Firewall
	}
	r, err := b.reg.Create(b.ours, in)
	b.ok(err)
	for _, s := range sources {
		b.link(r.ID, s)
	}
	return r.ID
}

func (b *bench) firewall(name string, sources ...uuid.UUID) uuid.UUID {
	b.Helper()
	return b.make("FIREWALL", name, sources...)
}

func (b *bench) registry(name string, sources ...uuid.UUID) uuid.UUID {
	b.Helper()
	return b.make("PACKAGE", name, sources...)
}

func (b *bench) link(id, source uuid.UUID) uuid.UUID {
	b.Helper()
	u, err := b.reg.AddUpstream(b.ours, registry.UpstreamInput{Registry: id, Source: source, MayBypass: true})
	b.ok(err)
	return u.ID
}

func leftPad(version string) coord.Version {
	return coord.Version{Package: coord.Package{Ecosystem: coord.NPM, Name: "left-pad"}, Version: version}
}

func digest(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
}

// arrival is a version with some bytes. The registries are the path on which it
// arrived, outermost first; all of them hold it from then on.
func arrival(v coord.Version, origin coord.Origin, bytes string, path ...uuid.UUID) catalog.Arrival {
	a := catalog.Arrival{Version: v, Origin: origin, Published: noon, PublishedFrom: "PUBLISH", Metadata: []byte("{}"), How: catalog.ByFetch,
		License: policy.LicenseFact{State: policy.LicenseMissing},
		Files:   []catalog.StoredFile{{Name: v.Version + ".tgz", Blob: catalog.Blob{SHA256: digest(bytes), Size: int64(len(bytes))}}}}
	for i, id := range path {
		a.Holders = append(a.Holders, catalog.Holder{Registry: id, Path: path[:i]})
	}
	return a
}

// arrive does in one transaction what the gate does when a version arrives.
func arrive(ctx context.Context, d *db.DB, q *quarantine.Service, a catalog.Arrival) error {
	return db.Retry(ctx, func() error {
		return d.InTx(ctx, func(ctx context.Context, tx *db.Tx) error {
			if err := catalog.LockPackage(ctx, tx, a.Version.Package, true); err != nil {
				return err
			}
			if _, err := catalog.Record(ctx, tx, now(), a); err != nil {
				return err
			}
			var ids []uuid.UUID
			for _, h := range a.Holders {
				ids = append(ids, h.Registry)
			}
			return q.Inherit(ctx, tx, a.Version.Package, ids)
		})
	})
}

// external brings the public bytes of left-pad in along a path.
func (b *bench) external(version string, path ...uuid.UUID) {
	b.Helper()
	b.ok(arrive(b.ours, b.db, b.q, arrival(leftPad(version), coord.External, "public "+version, path...)))
}

// internal publishes bytes of one's own into a registry.
func (b *bench) internal(version, bytes string, id uuid.UUID) {
	b.Helper()
	a := arrival(leftPad(version), coord.Internal, bytes, id)
	a.How = catalog.ByPublish
	b.ok(arrive(b.ours, b.db, b.q, a))
}

func (b *bench) hold(id uuid.UUID, version string) *ent.Hold {
	b.Helper()
	h, err := b.q.Hold(b.ours, quarantine.HoldInput{Registry: id, Name: "left-pad", Version: version, Reason: "looks odd"})
	b.ok(err)
	return h
}

func (b *bench) release(h *ent.Hold) {
	b.Helper()
	_, err := b.q.Release(b.ours, h.ID, "looked at it")
	b.ok(err)
}

// carry does what the worker does until no cascade is left, and returns how many
// pages that took.
func (b *bench) carry() (pages int) {
	b.Helper()
	for {
		ids, err := b.q.Unfinished(b.ours)
		b.ok(err)
		if len(ids) == 0 {
			return pages
		}
		for _, id := range ids {
			for done := false; !done; pages++ {
				done, err = b.q.Step(b.ours, id)
				b.ok(err)
			}
		}
	}
}

// held reports whether a hold is in force on a version in a registry, as the
// gate reads it there: of its own, and inherited ones that have been written.
func (b *bench) held(id uuid.UUID, version string) (out bool) {
	b.Helper()
	b.in(func(ctx context.Context, tx *db.Tx) error {
		s, err := quarantine.Read(ctx, tx, leftPad(version).Package, []uuid.UUID{id})
		if err == nil {
			out = s.Held(id, version) != nil
		}
		return err
	})
	return out
}

// rows are the holds that are written in a registry, in force or not.
func (b *bench) rows(id uuid.UUID, cause hold.Cause) (out []*ent.Hold) {
	b.Helper()
	b.in(func(ctx context.Context, tx *db.Tx) (err error) {
		out, err = tx.Ent.Hold.Query().Where(hold.RegistryID(id), hold.CauseEQ(cause)).Order(ent.Asc(hold.FieldOpenedAt, hold.FieldID)).All(ctx)
		return err
	})
	return out
}

// open are the versions with an inherited hold in a registry that is neither
// closed nor has a closed root.
func (b *bench) open(id uuid.UUID) (out []string) {
	b.Helper()
	for _, h := range b.rows(id, hold.CauseINHERITED) {
		if h.ReleasedAt == nil {
			out = append(out, *h.Version)
		}
	}
	return out
}

func (b *bench) holds(id uuid.UUID, version string) (out bool) {
	b.Helper()
	b.in(func(ctx context.Context, tx *db.Tx) (err error) {
		out, err = tx.Ent.Holding.Query().Where(holding.RegistryID(id), holding.Version(version)).Exist(ctx)
		return err
	})
	return out
}

// events are the audit events of an action.
func (b *bench) events(action string) (out []*ent.AuditEvent) {
	b.Helper()
	b.in(func(ctx context.Context, tx *db.Tx) (err error) {
		out, err = tx.Ent.AuditEvent.Query().Where(auditevent.Action(action)).All(ctx)
		return err
	})
	return out
}

// written counts everything that an operation may leave behind.
func (b *bench) written() string {
	b.Helper()
	var parts []string
	for _, table := range []string{"holds", "tombstones", "cascades", "holdings", "findings", "audit_events"} {
		b.in(func(ctx context.Context, tx *db.Tx) error {
			var n int
			err := tx.QueryRow(ctx, `SELECT count(*) FROM `+table).Scan(&n)
			parts = append(parts, fmt.Sprintf("%d %s", n, table))
			return err
		})
	}
	return strings.Join(append(parts, fmt.Sprintf("%d jobs", b.jobs(""))), ", ")
}

// jobs counts jobs of a kind, or all.
func (b *bench) jobs(kind string) (n int) {
	b.Helper()
	b.ok(b.db.Pool.QueryRow(context.Background(), `SELECT count(*) FROM river.river_job WHERE $1 IN ('', kind)`, kind).Scan(&n))
	return n
}

func (b *bench) cascades(action cascade.Action) (out []*ent.Cascade) {
	b.Helper()
	b.in(func(ctx context.Context, tx *db.Tx) (err error) {
		out, err = tx.Ent.Cascade.Query().Where(cascade.ActionEQ(action)).Order(ent.Asc(cascade.FieldID)).All(ctx)
		return err
	})
	return out
}

func eventually(t testing.TB, within time.Duration, what string, holds func() bool) {
	t.Helper()
	for end := time.Now().Add(within); !holds(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("not within %s: %s", within, what)
		}
	}
}

func superuser(b *bench) *pgx.Conn {
	b.Helper()
	return dbtest.Superuser(b, b.db)
}
