package jobs

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"sluice.dev/sluice/ent/db"
	"sluice.dev/sluice/tenants/blob"
	"sluice.dev/sluice/tenants/catalog"
	"sluice.dev/sluice/tenants/errs"
)

// put stores bytes and returns their digest.
func (b *bench) put(text string) string {
	b.Helper()
	info, err := b.disk.Put(b.Context(), strings.NewReader(text), 1<<20)
	b.ok(err)
	return info.Digest.String()
}

// row makes the row of stored bytes that nothing refers to.
func (b *bench) row(digest string, size int) string {
	b.Helper()
	b.in(b.ours, func(ctx context.Context, tx *db.Tx) error {
		_, err := tx.Exec(ctx, `SELECT keep_blob($1, '', '', '', $2, $3)`, digest, size, b.now())
		return err
	})
	return digest
}

func (b *bench) stored(digest string) bool {
	b.Helper()
	d, err := blob.ParseDigest(digest)
	b.ok(err)
	_, err = b.disk.Stat(b.Context(), d)
	if err != nil && !errs.Is(err, errs.NotFound) {
		b.Fatal(err)
	}
	return err == nil
}

func (b *bench) recorded(digest string) bool {
	b.Helper()
	return b.number(`SELECT count(*) FROM blobs WHERE sha256 = $1`, digest) == 1
}

func (b *bench) collect(dry bool) Collected {
	b.Helper()
	r, err := Collect(b.Context(), b.deps, dry)
	b.ok(err)
	return r
}

// TestD3_Collect: what any organization's rows name stays, and what is younger
// than the grace time; the rest goes, row and bytes, and bytes that a crash left
// without a row.
func TestD3_Collect(t *testing.T) {
	b := newBench(t)
	fw, theirs := b.registry(b.ours, firewall, "fw"), b.registry(b.theirs, firewall, "fw")
	kept := map[string]string{
		"our version":    b.arrive(b.ours, "1.3.0", "ours", fw),
		"their version":  b.arrive(b.theirs, "1.3.0", "theirs", theirs),
		"their document": b.document(b.theirs, "document"),
	}
	garbage, stray := b.row(b.put("garbage"), 7), b.put("a crash left this")
	b.pass(2 * time.Hour)
	young := map[string]string{"young": b.touched(b.row(b.put("young"), 5)), "young stray": b.touched(b.put("just stored"))}
	again := b.touched(b.row(b.put("row old, bytes put again"), 1))
	b.sql(`UPDATE blobs SET created_at = created_at - interval '1 day' WHERE sha256 = $1`, again)

	for _, dry := range []bool{true, true, false} {
		got := b.collect(dry)
		if got.Blobs != 2 || got.Bytes != int64(len("garbage")+len("a crash left this")) || got.Versions != 0 {
			t.Errorf("dry %v: %+v", dry, got)
		}
		slices.Sort(got.Known)
		want := []string{garbage, stray}
		slices.Sort(want)
		if !slices.Equal(got.Known, want) {
			t.Errorf("dry %v: collected %v, want %v", dry, got.Known, want)
		}
		if dry && (!b.stored(garbage) || !b.stored(stray) || !b.recorded(garbage)) {
			t.Fatal("a dry run removed something")
		}
	}
	if b.stored(garbage) || b.recorded(garbage) || b.stored(stray) {
		t.Error("garbage is left")
	}
	kept["put again"] = again
	for what, d := range kept {
		if !b.stored(d) || !b.recorded(d) {
			t.Errorf("%s: stored %v, recorded %v", what, b.stored(d), b.recorded(d))
		}
	}
	for what, d := range young {
		if !b.stored(d) {
			t.Errorf("%s is gone", what)
		}
	}
	if got := b.collect(false); got.Blobs != 0 {
		t.Errorf("a second collection removed %+v", got)
	}
}

// touched gives stored bytes the time of the test's clock, as if they had been
// put now: the machine's clock has not passed.
func (b *bench) touched(digest string) string {
	b.Helper()
	b.ok(os.Chtimes(filepath.Join(b.dir, digest[:2], digest[2:4], digest), b.now(), b.now()))
	return digest
}

func (b *bench) sql(query string, args ...any) {
	b.Helper()
	_, err := b.super.Exec(context.Background(), query, args...)
	b.ok(err)
}

// document remembers a remote's document with some bytes.
func (b *bench) document(ctx context.Context, text string) string {
	b.Helper()
	digest := b.put(text)
	b.in(ctx, func(ctx context.Context, tx *db.Tx) error {
		r, err := tx.Ent.Remote.Create().SetEcosystem("NPM").SetName("public").SetBaseURL("https://npm.example").SetCreatedAt(b.now()).Save(ctx)
		if err != nil {
			return err
		}
		return catalog.PutDocument(ctx, tx, catalog.Document{Remote: r.ID, Name: "left-pad", Fetched: b.now(), Checked: b.now()}, catalog.Blob{SHA256: digest, Size: int64(len(text))})
	})
	return digest
}

// TestD3_UnheldVersionsAreCollected: a version that no registry of its
// organization holds any more goes, and its bytes a grace time later, unless the
// other organization has them too.
func TestD3_UnheldVersionsAreCollected(t *testing.T) {
	b := newBench(t)
	fw, theirs := b.registry(b.ours, firewall, "fw"), b.registry(b.theirs, firewall, "fw")
	mine, both := b.arrive(b.ours, "1.3.0", "mine", fw), b.arrive(b.ours, "1.2.0", "both", fw)
	b.arrive(b.theirs, "1.2.0", "both", theirs)
	b.arrive(b.ours, "1.1.0", "held", fw)
	for _, v := range []string{"1.3.0", "1.2.0"} {
		_, err := b.deps.Quarantine.Delete(b.ours, fw, "left-pad", v, "not needed")
		b.ok(err)
	}
	if got := b.collect(false); got.Versions != 0 {
		t.Errorf("within the grace time %d versions went", got.Versions)
	}
	b.pass(2 * time.Hour)
	if got := b.collect(true); got.Versions != 2 || got.Blobs != 0 || b.number(`SELECT count(*) FROM package_versions`) != 4 {
		t.Errorf("dry: %+v", got)
	}
	if got := b.collect(false); got.Versions != 2 || got.Blobs != 0 || b.number(`SELECT count(*) FROM package_versions`) != 2 {
		t.Errorf("versions: %+v", got)
	}
	if !b.stored(mine) {
		t.Error("the bytes went with the version, without a grace time of their own")
	}
	b.pass(2 * time.Hour)
	if got := b.collect(false); got.Versions != 0 || got.Blobs != 1 || b.stored(mine) || !b.stored(both) {
		t.Errorf("bytes: %+v; ours are stored %v, those of both %v", got, b.stored(mine), b.stored(both))
	}
}

// TestD4_DeletedRegistryIsCollected: what a deleted registry held stays for the
// seven days within which it can come back, then goes.
func TestD4_DeletedRegistryIsCollected(t *testing.T) {
	b := newBench(t)
	fw := b.registry(b.ours, firewall, "fw")
	digest := b.arrive(b.ours, "1.3.0", "bytes", fw)
	b.in(b.ours, func(ctx context.Context, tx *db.Tx) error {
		return tx.Ent.Registry.UpdateOneID(fw).SetDeletedAt(b.now()).Exec(ctx)
	})
	b.pass(6 * 24 * time.Hour)
	if got := b.collect(false); got.Versions != 0 || !b.stored(digest) {
		t.Errorf("within seven days: %+v", got)
	}
	b.pass(25 * time.Hour)
	if got := b.collect(false); got.Versions != 1 {
		t.Errorf("after seven days: %+v", got)
	}
	b.pass(2 * time.Hour)
	if got := b.collect(false); got.Blobs != 1 || b.stored(digest) {
		t.Errorf("a grace time later: %+v", got)
	}
}

// TestD3_CollectsEverything: more than a page, rows whose bytes a crash took, and
// what cannot be removed at the beginning does not keep the rest.
func TestD3_CollectsEverything(t *testing.T) {
	b := newBench(t)
	n := 2*collectPage + 100
	b.sql(`INSERT INTO blobs SELECT encode(sha256(i::text::bytea), 'hex'), '', '', '', 1, now() FROM generate_series(1, $1) i`, n)
	for i := range 30 { // strays, more than one at once
		b.put(strings.Repeat("x", i+1))
	}
	b.pass(2 * time.Hour)
	if got := b.collect(true); got.Blobs != n+30 || len(got.Known) != 1000 {
		t.Errorf("dry: %d blobs, %d named", got.Blobs, len(got.Known))
	}
	if got := b.collect(false); got.Blobs != n+30 || b.number(`SELECT count(*) FROM blobs`) != 0 {
		t.Errorf("collected %d of %d, %d rows are left", got.Blobs, n+30, b.number(`SELECT count(*) FROM blobs`))
	}
}

// stubborn is a store that cannot delete some blobs.
type stubborn struct {
	*blob.Disk
	keeps map[string]bool
}

func (s stubborn) Delete(ctx context.Context, d blob.Digest, recheck func(blob.Stat) (bool, error)) (bool, error) {
	if s.keeps[d.String()] {
		return false, errors.New("input/output error")
	}
	return s.Disk.Delete(ctx, d, recheck)
}

// TestD3_FailureStopsNothingElse: the blob that failed is named, the others go;
// a store that fails altogether ends the run.
func TestD3_FailureStopsNothingElse(t *testing.T) {
	b := newBench(t)
	bad, good := b.row(b.put("bad"), 3), b.row(b.put("good"), 4)
	s := stubborn{b.disk, map[string]bool{bad: true}}
	b.deps.Blobs = s
	b.pass(2 * time.Hour)
	got, err := Collect(t.Context(), b.deps, false)
	if err == nil || !strings.Contains(err.Error(), bad) || got.Blobs != 1 || b.stored(good) || !b.recorded(bad) {
		t.Errorf("%+v, %v", got, err)
	}
	for i := range 2 * maxFailures {
		s.keeps[b.row(b.put(strings.Repeat("y", i+1)), 1)] = true
	}
	b.pass(2 * time.Hour)
	if _, err := Collect(t.Context(), b.deps, false); err == nil || !strings.Contains(err.Error(), "too many failures") {
		t.Errorf("a store that fails: %v", err)
	}
}

// TestF4_GraceHasAFloor: bytes are stored before the row that names them.
func TestF4_GraceHasAFloor(t *testing.T) {
	b := newBench(t)
	b.put("x")
	for _, g := range []time.Duration{0, -time.Hour, 59 * time.Second} {
		b.deps.Grace = g
		if _, err := Collect(t.Context(), b.deps, false); !errs.Is(err, errs.Invalid) || !strings.Contains(errs.Public(err), "at least 1m0s") {
			t.Errorf("grace %s: %v", g, err)
		}
	}
}

// TestD3_EndedContext: a collection that is stopped says so and goes on next
// time.
func TestD3_EndedContext(t *testing.T) {
	b := newBench(t)
	b.row(b.put("garbage"), 7)
	b.pass(2 * time.Hour)
	ended, stop := context.WithCancel(t.Context())
	stop()
	if _, err := Collect(ended, b.deps, false); !errors.Is(err, context.Canceled) {
		t.Errorf("stopped: %v", err)
	}
	if got := b.collect(false); got.Blobs != 1 {
		t.Errorf("next time: %+v", got)
	}
}
