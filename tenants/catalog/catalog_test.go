package catalog_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"sluice.dev/sluice/ent/db"
	"sluice.dev/sluice/ent/db/dbtest"
	"sluice.dev/sluice/tenants/catalog"
	"sluice.dev/sluice/tenants/coord"
	"sluice.dev/sluice/tenants/policy"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// bench is two organizations, each with two registries and a remote.
type bench struct {
	*testing.T
	url           string
	db            *db.DB
	ours, theirs  context.Context
	fw, team      uuid.UUID
	remote        uuid.UUID
	foreign       uuid.UUID // a registry of theirs
	foreignRemote uuid.UUID
}

func newBench(t *testing.T) *bench {
	t.Helper()
	t.Parallel()
	b := &bench{T: t, url: dbtest.URL(t)}
	b.db = dbtest.Open(t, b.url)
	b.ours, b.theirs = dbtest.TwoOrgs(t, b.db)
	b.in(b.ours, func(ctx context.Context, tx *db.Tx) error {
		b.fw, b.team, b.remote = registry(t, ctx, tx, "fw"), registry(t, ctx, tx, "team"), remote(t, ctx, tx)
		return nil
	})
	b.in(b.theirs, func(ctx context.Context, tx *db.Tx) error {
		b.foreign, b.foreignRemote = registry(t, ctx, tx, "fw"), remote(t, ctx, tx)
		return nil
	})
	return b
}

func registry(t testing.TB, ctx context.Context, tx *db.Tx, name string) uuid.UUID {
	t.Helper()
	r, err := tx.Ent.Registry.Create().SetEcosystem(coord.NPM).SetKind("FIREWALL").SetName(name).SetCreatedAt(noon).Save(ctx)
	if err != nil {
		t.Fatal(err)
	}
	return r.ID
}

func remote(t testing.TB, ctx context.Context, tx *db.Tx) uuid.UUID {
	t.Helper()
	r, err := tx.Ent.Remote.Create().SetEcosystem(coord.NPM).SetName("public").SetBaseURL("https://npm.example").SetCreatedAt(noon).Save(ctx)
	if err != nil {
		t.Fatal(err)
	}
	return r.ID
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

func leftPad(version string) coord.Version {
	return coord.Version{Package: coord.Package{Ecosystem: coord.NPM, Name: "left-pad"}, Version: version}
}

func blobOf(text string) catalog.Blob {
	sum := sha256.Sum256([]byte(text))
	return catalog.Blob{SHA256: hex.EncodeToString(sum[:]), SHA512: "512 of " + text, SHA1: "1 of " + text, MD5: "5 of " + text, Size: int64(len(text))}
}

// arrival is left-pad with some bytes, coming through the firewall to the team.
func (b *bench) arrival(version, text string) catalog.Arrival {
	return catalog.Arrival{Version: leftPad(version), Origin: coord.External, Remote: b.remote, Published: noon.Add(-time.Hour), PublishedFrom: "SOURCE",
		License: policy.LicenseFact{State: policy.LicenseDeclared, Expression: "MIT"}, Metadata: []byte(`{"name":"left-pad"}`), How: catalog.ByFetch,
		Files:   []catalog.StoredFile{{Name: version + ".tgz", Blob: blobOf(text), SourceURL: "https://npm.example/x.tgz"}, {Name: version + ".asc", Blob: blobOf("signature")}},
		Holders: []catalog.Holder{{Registry: b.fw}, {Registry: b.team, Path: []uuid.UUID{b.fw}}}}
}

func (b *bench) record(a catalog.Arrival) (id uuid.UUID) {
	b.Helper()
	b.in(b.ours, func(ctx context.Context, tx *db.Tx) (err error) {
		id, err = catalog.Record(ctx, tx, noon, a)
		return err
	})
	return id
}

// held is what the registries hold of left-pad, by registry and version.
func (b *bench) held(ctx context.Context, registries ...uuid.UUID) map[uuid.UUID]map[string]catalog.Holding {
	b.Helper()
	out := map[uuid.UUID]map[string]catalog.Holding{}
	b.in(ctx, func(ctx context.Context, tx *db.Tx) error {
		all, err := catalog.Held(ctx, tx, leftPad("").Package, registries)
		for _, h := range all {
			if out[h.Registry] == nil {
				out[h.Registry] = map[string]catalog.Holding{}
			}
			if _, twice := out[h.Registry][h.Release.Version]; twice {
				b.Errorf("a registry holds %s twice", h.Release.Version)
			}
			out[h.Registry][h.Release.Version] = h
		}
		return err
	})
	return out
}

func (b *bench) count(table string) (n int) {
	b.Helper()
	b.in(b.ours, func(ctx context.Context, tx *db.Tx) error {
		return tx.QueryRow(ctx, `SELECT count(*) FROM `+table).Scan(&n)
	})
	return n
}

// TestRecord_RoundTrip: every registry of the path holds the version, with all
// that is known of it.
func TestRecord_RoundTrip(t *testing.T) {
	b := newBench(t)
	id := b.record(b.arrival("1.3.0", "bytes"))
	held := b.held(b.ours, b.fw, b.team)
	fw, team := held[b.fw]["1.3.0"], held[b.team]["1.3.0"]
	if fw.Release == nil || fw.Release != team.Release {
		t.Fatalf("held: %+v", held)
	}
	r := fw.Release
	if r.ID != id || r.Digest != blobOf("bytes").SHA256 || r.Origin != coord.External || r.Remote != b.remote || !r.Published.Equal(noon.Add(-time.Hour)) ||
		r.PublishedFrom != "SOURCE" || r.License != (policy.LicenseFact{State: policy.LicenseDeclared, Expression: "MIT"}) || string(r.Metadata) != `{"name":"left-pad"}` {
		t.Errorf("release %+v", r)
	}
	if len(r.Files) != 2 || r.Files[0] != (catalog.HeldFile{Name: "1.3.0.tgz", SHA256: blobOf("bytes").SHA256, SHA512: "512 of bytes", SHA1: "1 of bytes", MD5: "5 of bytes", Size: 5}) || r.Files[1].Name != "1.3.0.asc" {
		t.Errorf("files %+v", r.Files)
	}
	if len(fw.Path) != 0 || !slices.Equal(team.Path, []uuid.UUID{b.fw}) || team.How != catalog.ByFetch || !team.HeldAt.Equal(noon) {
		t.Errorf("holdings %+v, %+v", fw, team)
	}
	if got := b.held(b.ours, b.team); len(got) != 1 {
		t.Errorf("asked for one registry, got %d", len(got))
	}
	if got := b.held(b.theirs, b.fw, b.team, b.foreign); len(got) != 0 {
		t.Errorf("the other organization sees %+v", got)
	}
}

// TestRecord_Twice: the same arrival again adds nothing and gives the same id; a
// registry that comes later holds the same row.
func TestRecord_Twice(t *testing.T) {
	b := newBench(t)
	a := b.arrival("1.3.0", "bytes")
	a.Holders = a.Holders[:1]
	id := b.record(a)
	for range 2 {
		if again := b.record(b.arrival("1.3.0", "bytes")); again != id {
			t.Errorf("the same bytes got another id")
		}
	}
	for table, want := range map[string]int{"package_names": 1, "package_versions": 1, "version_files": 2, "holdings": 2, "blobs": 2} {
		if n := b.count(table); n != want {
			t.Errorf("%d rows in %s, want %d", n, table, want)
		}
	}
}

// TestO6_OtherBytesAreAnotherRow: the same coordinates with other bytes are kept
// apart; a registry that holds the one keeps it.
func TestO6_OtherBytesAreAnotherRow(t *testing.T) {
	b := newBench(t)
	a := b.arrival("1.3.0", "bytes")
	a.Holders = a.Holders[:1]
	first := b.record(a)
	second := b.record(b.arrival("1.3.0", "other bytes"))
	if first == second {
		t.Fatal("other bytes are the same row")
	}
	held := b.held(b.ours, b.fw, b.team)
	if held[b.fw]["1.3.0"].Release.ID != first || held[b.team]["1.3.0"].Release.ID != second {
		t.Errorf("held: %+v", held)
	}
	if held[b.team]["1.3.0"].Release.Digest != blobOf("other bytes").SHA256 {
		t.Error("the team's copy has the first one's digest")
	}
}

// TestRecord_AtOnce: many arrivals of one new version, by many paths, on two
// nodes, and of others that share a file, are one row each.
func TestRecord_AtOnce(t *testing.T) {
	b := newBench(t)
	second := dbtest.Open(t, b.url)
	var wg sync.WaitGroup
	ids := make([]uuid.UUID, 12)
	for i := range ids {
		d := b.db
		if i%2 == 0 {
			d = second
		}
		wg.Go(func() {
			a := b.arrival("1.3.0", "bytes")
			if i%3 == 0 { // the shared file first
				slices.Reverse(a.Files)
				a.Version = leftPad("2.0.0")
			}
			err := db.Retry(context.Background(), func() error {
				return d.InTx(b.ours, func(ctx context.Context, tx *db.Tx) (err error) {
					ids[i], err = catalog.Record(ctx, tx, noon, a)
					return err
				})
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if n := b.count("package_versions"); n != 2 || ids[1] != ids[2] || ids[0] != ids[3] {
		t.Errorf("%d versions, ids %v", n, ids)
	}
	if n := b.count("holdings"); n != 4 {
		t.Errorf("%d holdings", n)
	}
}

// TestT2_RecordStaysInside: registries and remotes of another organization
// cannot be named; an arrival without files is refused.
func TestT2_RecordStaysInside(t *testing.T) {
	b := newBench(t)
	for name, spoil := range map[string]func(*catalog.Arrival){
		"a registry of theirs": func(a *catalog.Arrival) { a.Holders = append(a.Holders, catalog.Holder{Registry: b.foreign}) },
		"a remote of theirs":   func(a *catalog.Arrival) { a.Remote = b.foreignRemote },
		"no files":             func(a *catalog.Arrival) { a.Files = nil },
	} {
		a := b.arrival("1.3.0", "bytes")
		spoil(&a)
		err := b.db.InTx(b.ours, func(ctx context.Context, tx *db.Tx) error {
			_, err := catalog.Record(ctx, tx, noon, a)
			return err
		})
		if err == nil {
			t.Errorf("%s: recorded", name)
		}
	}
	if n := b.count("package_versions"); n != 0 {
		t.Errorf("%d versions were recorded", n)
	}
	// The same bytes in both organizations are one blob and two versions (T4).
	b.record(b.arrival("1.3.0", "bytes"))
	b.in(b.theirs, func(ctx context.Context, tx *db.Tx) error {
		a := b.arrival("1.3.0", "bytes")
		a.Remote, a.Holders = b.foreignRemote, []catalog.Holder{{Registry: b.foreign}}
		_, err := catalog.Record(ctx, tx, noon, a)
		return err
	})
	if v, n := b.count("package_versions"), b.count("blobs"); v != 1 || n != 2 {
		t.Errorf("%d versions of ours, %d blobs of all", v, n)
	}
}

// TestD3_ArrivalRenewsGrace: bytes that arrive again count as put now; the row
// never becomes older.
func TestD3_ArrivalRenewsGrace(t *testing.T) {
	b := newBench(t)
	age := func() (at time.Time) {
		b.in(b.ours, func(ctx context.Context, tx *db.Tx) error {
			return tx.QueryRow(ctx, `SELECT created_at FROM blobs WHERE sha256 = $1`, blobOf("bytes").SHA256).Scan(&at)
		})
		return at
	}
	for _, c := range []struct{ at, want time.Time }{{noon, noon}, {noon.Add(time.Hour), noon.Add(time.Hour)}, {noon, noon.Add(time.Hour)}} {
		b.in(b.ours, func(ctx context.Context, tx *db.Tx) error {
			_, err := catalog.Record(ctx, tx, c.at, b.arrival("1.3.0", "bytes"))
			return err
		})
		if got := age(); !got.Equal(c.want) {
			t.Errorf("put at %s: the row says %s", c.at, got)
		}
	}
}

// TestQ2_RecordAnnounces: an arrival tells every node which package changed.
func TestQ2_RecordAnnounces(t *testing.T) {
	b := newBench(t)
	var heard []db.Change
	b.db.Feed.Subscribe(func(c db.Change) { heard = append(heard, c) }, func() {})
	b.record(b.arrival("1.3.0", "bytes"))
	if len(heard) != 1 || heard[0].Kind != db.Package || heard[0].Name != "left-pad" || heard[0].Ecosystem != coord.NPM || heard[0].Org == uuid.Nil {
		t.Errorf("heard %+v", heard)
	}
}

// TestTags: by registry, moved by setting them again, of a package that is known
// only.
func TestTags(t *testing.T) {
	b := newBench(t)
	b.record(b.arrival("1.3.0", "bytes"))
	set := func(id uuid.UUID, v coord.Version, tag string) {
		b.in(b.ours, func(ctx context.Context, tx *db.Tx) error { return catalog.SetTag(ctx, tx, noon, id, v, tag) })
	}
	set(b.fw, leftPad("1.3.0"), "latest")
	set(b.fw, leftPad("1.4.0"), "latest")
	set(b.fw, leftPad("1.3.0"), "old")
	set(b.team, leftPad("1.2.0"), "latest")
	unknown := leftPad("1.0.0")
	unknown.Name = "never-met"
	set(b.fw, unknown, "latest")
	tags := func(ctx context.Context) (out map[uuid.UUID]map[string]string) {
		b.in(ctx, func(ctx context.Context, tx *db.Tx) (err error) {
			out, err = catalog.Tags(ctx, tx, leftPad("").Package, []uuid.UUID{b.fw, b.team})
			return err
		})
		return out
	}
	got := tags(b.ours)
	if len(got) != 2 || len(got[b.fw]) != 2 || got[b.fw]["latest"] != "1.4.0" || got[b.fw]["old"] != "1.3.0" || got[b.team]["latest"] != "1.2.0" {
		t.Errorf("tags %v", got)
	}
	if got := tags(b.theirs); len(got) != 0 {
		t.Errorf("the other organization sees %v", got)
	}
	if n := b.count("dist_tags"); n != 3 {
		t.Errorf("%d tags", n)
	}
}
