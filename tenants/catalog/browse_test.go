package catalog_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
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

func npm(name string) coord.Package { return coord.Package{Ecosystem: coord.NPM, Name: name} }

// arrive makes registries hold a version.
func arrive(ctx context.Context, t *testing.T, d *db.DB, name, version string, holders ...uuid.UUID) {
	t.Helper()
	sum := sha256.Sum256([]byte(name + version))
	digest := hex.EncodeToString(sum[:])
	a := catalog.Arrival{Version: coord.Version{Package: npm(name), Version: version}, Origin: coord.External, Published: noon, PublishedFrom: "SOURCE",
		License: policy.LicenseFact{State: policy.LicenseMissing}, Metadata: []byte("{}"), How: catalog.ByFetch,
		Files: []catalog.StoredFile{{Name: name + ".tgz", Blob: catalog.Blob{SHA256: digest, SHA512: digest, SHA1: digest, MD5: digest, Size: 7}},
			{Name: name + ".sig", Blob: catalog.Blob{SHA256: digest, SHA512: digest, SHA1: digest, MD5: digest, Size: 7}}}}
	for _, h := range holders {
		a.Holders = append(a.Holders, catalog.Holder{Registry: h})
	}
	err := d.InTx(ctx, func(ctx context.Context, tx *db.Tx) error {
		_, err := catalog.Record(ctx, tx, noon, a)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

func newRegistry(ctx context.Context, t *testing.T, d *db.DB, name string) uuid.UUID {
	t.Helper()
	id := uuid.Must(uuid.NewV7())
	err := d.InTx(ctx, func(ctx context.Context, tx *db.Tx) error {
		return tx.Ent.Registry.Create().SetID(id).SetEcosystem(coord.NPM).SetKind("PACKAGE").SetName(name).SetCreatedAt(noon).Exec(ctx)
	})
	if err != nil {
		t.Fatal(err)
	}
	return id
}

func look[T any](ctx context.Context, t *testing.T, d *db.DB, fn func(context.Context, *db.Tx) (T, error)) (out T) {
	t.Helper()
	err := d.InSnapshot(ctx, func(ctx context.Context, tx *db.Tx) (err error) {
		out, err = fn(ctx, tx)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// TestT2_Browse: lists come in pages, of several registries at once, and
// another organization sees nothing with the same ids.
func TestT2_Browse(t *testing.T) {
	t.Parallel()
	d := dbtest.New(t)
	ours, theirs := dbtest.TwoOrgs(t, d)
	a, b := newRegistry(ours, t, d, "a"), newRegistry(ours, t, d, "b")
	for i := range 5 {
		arrive(ours, t, d, fmt.Sprintf("pkg-%d", i), "1.0.0", a)
	}
	for _, v := range []string{"1.9.0", "1.10.0", "2.0.0-rc.1"} {
		arrive(ours, t, d, "pkg-0", v, a, b)
	}
	arrive(ours, t, d, "other", "1.0.0", b)
	both := []uuid.UUID{a, b}
	names := func(ctx context.Context, q catalog.PackageQuery) (out string) {
		pages := look(ctx, t, d, func(ctx context.Context, tx *db.Tx) (map[uuid.UUID][]catalog.HeldPackage, error) {
			return catalog.Packages(ctx, tx, both, q)
		})
		for _, r := range both {
			for _, p := range pages[r] {
				out += fmt.Sprintf("%s:%d ", p.Name, p.Versions)
			}
			out += "| "
		}
		return out
	}
	for _, c := range []struct {
		q    catalog.PackageQuery
		want string
	}{
		{catalog.PackageQuery{Limit: 2}, "pkg-0:4 pkg-1:1 | other:1 pkg-0:3 | "},
		{catalog.PackageQuery{Limit: 2, After: "pkg-1"}, "pkg-2:1 pkg-3:1 | | "},
		{catalog.PackageQuery{Limit: 2, Desc: true}, "pkg-4:1 pkg-3:1 | pkg-0:3 other:1 | "},
		{catalog.PackageQuery{Limit: 9, Prefix: "pkg-0"}, "pkg-0:4 | pkg-0:3 | "},
		{catalog.PackageQuery{Limit: 9, Prefix: "pkg%"}, "| | "},
		{catalog.PackageQuery{}, "| | "},
	} {
		if got := names(ours, c.q); got != c.want {
			t.Errorf("%+v: %s, want %s", c.q, got, c.want)
		}
	}
	if got := names(theirs, catalog.PackageQuery{Limit: 9}); got != "| | " {
		t.Errorf("another organization sees %s", got)
	}
	count := func(ctx context.Context) map[uuid.UUID]int {
		return look(ctx, t, d, func(ctx context.Context, tx *db.Tx) (map[uuid.UUID]int, error) {
			return catalog.CountPackages(ctx, tx, both, "pkg")
		})
	}
	if n := count(ours); n[a] != 5 || n[b] != 1 || len(count(theirs)) != 0 {
		t.Errorf("counted %v, and %v from another organization", n, count(theirs))
	}
}

// TestT2_BrowseVersions: the highest first as the ecosystem orders, with files
// and holders.
func TestT2_BrowseVersions(t *testing.T) {
	t.Parallel()
	d := dbtest.New(t)
	ours, theirs := dbtest.TwoOrgs(t, d)
	a, b := newRegistry(ours, t, d, "a"), newRegistry(ours, t, d, "b")
	for _, v := range []string{"1.9.0", "1.10.0", "2.0.0-rc.1"} {
		arrive(ours, t, d, "left-pad", v, a)
	}
	arrive(ours, t, d, "left-pad", "1.9.0", b)
	at := catalog.At{Registry: a, Package: npm("left-pad")}
	versions := func(ctx context.Context) []catalog.HeldVersion {
		return look(ctx, t, d, func(ctx context.Context, tx *db.Tx) (map[catalog.At][]catalog.HeldVersion, error) {
			return catalog.VersionsOf(ctx, tx, []catalog.At{at, {Registry: b, Package: npm("nothing")}})
		})[at]
	}
	got := versions(ours)
	if len(got) != 3 || got[0].Version.Version != "2.0.0-rc.1" || got[1].Version.Version != "1.10.0" || got[2].How != catalog.ByFetch || len(versions(theirs)) != 0 {
		t.Fatalf("%+v, and %+v from another organization", got, versions(theirs))
	}
	files := func(ctx context.Context) []catalog.HeldFile {
		return look(ctx, t, d, func(ctx context.Context, tx *db.Tx) (map[uuid.UUID][]catalog.HeldFile, error) {
			return catalog.FilesOf(ctx, tx, []uuid.UUID{got[0].Release})
		})[got[0].Release]
	}
	if f := files(ours); len(f) != 2 || f[0].Name != "left-pad.tgz" || f[0].Size != 7 || len(files(theirs)) != 0 {
		t.Errorf("%+v, and %+v from another organization", f, files(theirs))
	}
	v := coord.Version{Package: npm("left-pad"), Version: "1.9.0"}
	holders := func(ctx context.Context) []uuid.UUID {
		return look(ctx, t, d, func(ctx context.Context, tx *db.Tx) (map[coord.Version][]uuid.UUID, error) {
			return catalog.HoldersOf(ctx, tx, []coord.Version{v})
		})[v]
	}
	spread := func(ctx context.Context) map[string][]uuid.UUID {
		return look(ctx, t, d, func(ctx context.Context, tx *db.Tx) (map[string][]uuid.UUID, error) {
			return catalog.Spread(ctx, tx, npm("left-pad"))
		})
	}
	if h := holders(ours); len(h) != 2 || h[0] != a || h[1] != b || len(holders(theirs)) != 0 {
		t.Errorf("held by %v, and %v from another organization", h, holders(theirs))
	}
	if s := spread(ours); len(s) != 3 || len(s["1.9.0"]) != 2 || len(spread(theirs)) != 0 {
		t.Errorf("spread %v, and %v from another organization", s, spread(theirs))
	}
}
