package finding_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"sluice.dev/sluice/ent"
	"sluice.dev/sluice/ent/db"
	"sluice.dev/sluice/ent/db/dbtest"
	entfinding "sluice.dev/sluice/ent/finding"
	"sluice.dev/sluice/ent/hold"
	"sluice.dev/sluice/tenants/advisory"
	"sluice.dev/sluice/tenants/audit"
	"sluice.dev/sluice/tenants/catalog"
	"sluice.dev/sluice/tenants/coord"
	"sluice.dev/sluice/tenants/finding"
	"sluice.dev/sluice/tenants/policy"
	"sluice.dev/sluice/tenants/quarantine"
	"sluice.dev/sluice/tenants/registry"
)

// bench is two organizations, each with a firewall that holds left-pad 1.3.0,
// and what reassesses it. Advisories are imported as feeds are.
type bench struct {
	*testing.T
	db           *db.DB
	svc          *finding.Service
	reg          *registry.Service
	importer     *advisory.Importer
	ours, theirs context.Context
	fw, foreign  uuid.UUID

	mu sync.Mutex
	at time.Time
}

func (b *bench) now() time.Time {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.at
}

func (b *bench) pass(d time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.at = b.at.Add(d)
}

func newBench(t *testing.T) *bench {
	t.Helper()
	t.Parallel()
	d := dbtest.Open(t, dbtest.URL(t))
	b := &bench{T: t, db: d, at: time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC), importer: advisory.NewImporter(d)}
	log := audit.New(b.now)
	shapes := registry.NewSnapshots(d, nil)
	q := &quarantine.Service{DB: d, Audit: log, Now: b.now}
	b.svc = &finding.Service{DB: d, Shapes: shapes, Advisories: advisory.NewService(d), Quarantine: q, Now: b.now}
	b.reg = &registry.Service{DB: d, Audit: log, Now: b.now, Built: []coord.Ecosystem{coord.NPM}}
	dbtest.Start(t, d)
	b.ours, b.theirs = dbtest.TwoOrgs(t, d)
	b.fw, b.foreign = b.firewall(b.ours, "fw"), b.firewall(b.theirs, "fw")
	b.arrive(b.ours, "1.3.0", b.fw)
	b.arrive(b.theirs, "1.3.0", b.foreign)
	return b
}

func (b *bench) ok(err error) {
	b.Helper()
	if err != nil {
		b.Fatal(err)
	}
}

func (b *bench) in(ctx context.Context, fn func(context.Context, *db.Tx) error) {
	b.Helper()
	b.ok(b.db.InTx(ctx, fn))
}

func (b *bench) firewall(ctx context.Context, name string) uuid.UUID {
	b.Helper()
	r, err := b.reg.Create(ctx, registry.CreateInput{Kind: registry.Firewall, Ecosystem: coord.NPM, Name: name})
	b.ok(err)
	return r.ID
}

func leftPad(version string) coord.Version {
	return coord.Version{Package: coord.Package{Ecosystem: coord.NPM, Name: "left-pad"}, Version: version}
}

func (b *bench) arrive(ctx context.Context, version string, id uuid.UUID) {
	b.Helper()
	sum := sha256.Sum256([]byte(version))
	b.in(ctx, func(ctx context.Context, tx *db.Tx) error {
		_, err := catalog.Record(ctx, tx, b.now(), catalog.Arrival{Version: leftPad(version), Origin: coord.External, Published: b.now(), PublishedFrom: "SOURCE",
			License: policy.LicenseFact{State: policy.LicenseMissing}, Metadata: []byte("{}"), How: catalog.ByFetch,
			Files: []catalog.StoredFile{{Name: "x.tgz", Blob: catalog.Blob{SHA256: hex.EncodeToString(sum[:]), Size: 1}}}, Holders: []catalog.Holder{{Registry: id}}})
		return err
	})
}

// record is an OSV record about left-pad below a fixed version.
type record struct {
	id, fixed, severity string
	withdrawn           bool
	name                string // "" = left-pad
}

// feed imports records as they are now: each import is newer than the last.
func (b *bench) feed(records ...record) {
	b.Helper()
	b.pass(time.Minute)
	dir := b.TempDir()
	for _, r := range records {
		name := r.name
		if name == "" {
			name = "left-pad"
		}
		extra := ""
		if r.severity != "" {
			extra = fmt.Sprintf(`,"database_specific":{"severity":%q}`, r.severity)
		}
		if r.withdrawn {
			extra += fmt.Sprintf(`,"withdrawn":%q`, b.now().Add(-time.Second).Format(time.RFC3339))
		}
		text := fmt.Sprintf(`{"schema_version":"1.6.0","id":%q,"modified":%q,"published":"2026-01-01T00:00:00Z","summary":"about %s"%s,
			"affected":[{"package":{"ecosystem":"npm","name":%q},"ranges":[{"type":"SEMVER","events":[{"introduced":"0"},{"fixed":%q}]}]}]}`,
			r.id, b.now().Format(time.RFC3339), r.id, extra, name, r.fixed)
		b.ok(os.WriteFile(filepath.Join(dir, r.id+".json"), []byte(text), 0o600))
	}
	_, err := b.importer.Import(context.Background(), dir, advisory.Options{Feed: "osv", Now: b.now()})
	b.ok(err)
}

func (b *bench) reassess() {
	b.Helper()
	b.ok(b.svc.Reassess(b.ours, coord.NPM, []string{"left-pad"}))
}

// findings are the open findings of an organization.
func (b *bench) findings(ctx context.Context) (out []string) {
	b.Helper()
	b.in(ctx, func(ctx context.Context, tx *db.Tx) error {
		all, err := tx.Ent.Finding.Query().Where(entfinding.ClosedAtIsNil()).All(ctx)
		for _, f := range all {
			out = append(out, strings.Join([]string{f.Version, string(f.Kind), f.Reference, f.Severity}, " "))
		}
		return err
	})
	slices.Sort(out)
	return out
}

// open are the open POLICY holds, by version and evidence.
func (b *bench) open(ctx context.Context) (out []string) {
	b.Helper()
	for _, h := range b.holds(ctx) {
		if h.ReleasedAt == nil {
			out = append(out, *h.Version+" "+strings.Join(h.Evidence, ","))
		}
	}
	slices.Sort(out)
	return out
}

func (b *bench) holds(ctx context.Context) (out []*ent.Hold) {
	b.Helper()
	b.in(ctx, func(ctx context.Context, tx *db.Tx) (err error) {
		out, err = tx.Ent.Hold.Query().Where(hold.CauseEQ(hold.CausePOLICY)).Order(ent.Asc(hold.FieldOpenedAt, hold.FieldID)).All(ctx)
		return err
	})
	return out
}

func (b *bench) want(what string, got []string, want ...string) {
	b.Helper()
	if !slices.Equal(got, want) {
		b.Errorf("%s: %q, want %q", what, got, want)
	}
}

// written counts everything that a reassessment may leave behind.
func (b *bench) written() (out string) {
	b.Helper()
	b.in(b.ours, func(ctx context.Context, tx *db.Tx) error {
		return tx.QueryRow(ctx, `SELECT concat_ws(' ', (SELECT count(*) FROM findings), (SELECT count(*) FROM holds), (SELECT count(*) FROM audit_events),
			(SELECT count(*) FROM cascades), (SELECT md5(string_agg(f::text, '' ORDER BY id)) FROM findings f), (SELECT md5(string_agg(h::text, '' ORDER BY id)) FROM holds h))`).Scan(&out)
	})
	return out
}
