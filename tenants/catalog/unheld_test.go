package catalog_test

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"

	"sluice.dev/sluice/ent/db"
	"sluice.dev/sluice/ent/db/dbtest"
	"sluice.dev/sluice/tenants/catalog"
	"sluice.dev/sluice/tenants/coord"
)

func (b *bench) drop(registry uuid.UUID, version string) {
	b.Helper()
	b.in(b.ours, func(ctx context.Context, tx *db.Tx) error {
		_, err := tx.Exec(ctx, `DELETE FROM holdings WHERE registry_id = $1 AND version = $2`, registry, version)
		return err
	})
}

// forget runs the steps of a collection for left-pad and says how many versions
// went.
func (b *bench) forget(ctx context.Context, before time.Time) (n int) {
	b.Helper()
	b.in(ctx, func(ctx context.Context, tx *db.Tx) error {
		would, err := catalog.CountUnheld(ctx, tx, leftPad("").Package, before)
		if err != nil {
			return err
		}
		if n, err = catalog.ForgetUnheld(ctx, tx, leftPad("").Package, before, noon.Add(48*time.Hour)); err == nil && n != would {
			b.Errorf("%d versions went, and %d were announced", n, would)
		}
		return err
	})
	return n
}

// TestD3_UnheldVersions: a version goes with its files when no registry holds it
// and it is old enough, and not before; its bytes get their grace anew.
func TestD3_UnheldVersions(t *testing.T) {
	b := newBench(t)
	b.record(b.arrival("1.3.0", "bytes"))
	b.record(b.arrival("1.2.0", "older bytes"))
	later := noon.Add(24 * time.Hour)
	b.drop(b.fw, "1.3.0")
	if n := b.forget(b.ours, later); n != 0 {
		t.Errorf("%d versions went although a registry holds each", n)
	}
	b.drop(b.team, "1.3.0")
	if n := b.forget(b.ours, noon); n != 0 {
		t.Error("a version went before its grace time had ended")
	}
	if n := b.forget(b.theirs, later); n != 0 {
		t.Error("the other organization collected our version")
	}
	if n := b.forget(b.ours, later); n != 1 {
		t.Errorf("%d versions went, want one", n)
	}
	if v, f := b.count("package_versions"), b.count("version_files"); v != 1 || f != 2 {
		t.Errorf("%d versions and %d files are left", v, f)
	}
	if n := b.forget(b.ours, later); n != 0 {
		t.Error("a second time something went")
	}
	free := func(before time.Time) (out []string) {
		b.ok(b.db.InGlobal(b.ours, func(ctx context.Context, tx *db.Tx) error {
			rows, err := tx.Query(ctx, `SELECT sha256 FROM unreferenced_blobs($1, '', 10)`, before)
			if err != nil {
				return err
			}
			defer rows.Close()
			for rows.Next() {
				var s string
				if err := rows.Scan(&s); err != nil {
					return err
				}
				out = append(out, s)
			}
			return rows.Err()
		}))
		return out
	}
	if got := free(later); len(got) != 0 {
		t.Errorf("the bytes have no grace time: %v", got)
	}
	if got := free(noon.Add(72 * time.Hour)); !slices.Equal(got, []string{blobOf("bytes").SHA256}) {
		t.Errorf("after their grace time the bytes are %v", got)
	}
	if again := b.record(b.arrival("1.3.0", "bytes")); again == uuid.Nil || b.count("version_files") != 4 {
		t.Error("the version does not come back")
	}
}

// TestD3_UnheldPackages: pages of packages, each once, of the asking
// organization.
func TestD3_UnheldPackages(t *testing.T) {
	b := newBench(t)
	names := []string{"a", "b", "c", "d", "e"}
	for _, n := range names {
		a := b.arrival("1.0.0", "bytes of "+n)
		a.Version.Name = n
		if n == "c" {
			b.record(a) // stays held
			continue
		}
		a.Holders = nil
		b.record(a)
		a.Version.Version, a.Files = "1.1.0", []catalog.StoredFile{{Name: "x", Blob: blobOf("more bytes of " + n)}}
		b.record(a)
	}
	page := func(ctx context.Context, before time.Time, behind string) (out []string) {
		b.in(ctx, func(ctx context.Context, tx *db.Tx) error {
			got, err := catalog.Unheld(ctx, tx, before, coord.Package{Ecosystem: coord.NPM, Name: behind}, 2)
			for _, p := range got {
				out = append(out, p.Name)
			}
			return err
		})
		return out
	}
	later := noon.Add(time.Hour)
	if got := append(page(b.ours, later, ""), append(page(b.ours, later, "b"), page(b.ours, later, "e")...)...); !slices.Equal(got, []string{"a", "b", "d", "e"}) {
		t.Errorf("packages %v", got)
	}
	if got := append(page(b.ours, noon, ""), page(b.theirs, later, "")...); len(got) != 0 {
		t.Errorf("young ones, or the other organization's: %v", got)
	}
}

// TestD4_DeletedRegistriesHoldForSevenDays: then what they held goes.
func TestD4_DeletedRegistriesHoldForSevenDays(t *testing.T) {
	b := newBench(t)
	b.record(b.arrival("1.3.0", "bytes"))
	b.in(b.ours, func(ctx context.Context, tx *db.Tx) error {
		if err := catalog.SetTag(ctx, tx, noon, b.team, leftPad("1.3.0"), "latest"); err != nil {
			return err
		}
		return tx.Ent.Registry.UpdateOneID(b.team).SetDeletedAt(noon).Exec(ctx)
	})
	dropped := func(ctx context.Context, before time.Time) (n int64) {
		b.in(ctx, func(ctx context.Context, tx *db.Tx) (err error) {
			n, err = catalog.DropDeleted(ctx, tx, before)
			return err
		})
		return n
	}
	if n := dropped(b.ours, noon) + dropped(b.theirs, noon.Add(time.Second)); n != 0 || b.count("dist_tags") != 1 {
		t.Errorf("%d holdings were let go of too early, or by others", n)
	}
	if n := dropped(b.ours, noon.Add(time.Second)); n != 1 || b.count("dist_tags") != 0 || b.count("holdings") != 1 {
		t.Errorf("%d holdings were let go of; %d are left, and %d tags", n, b.count("holdings"), b.count("dist_tags"))
	}
}

// TestD3_CollectingWaitsForArrivals: a version that is about to be held again is
// not taken away from under the arrival.
func TestD3_CollectingWaitsForArrivals(t *testing.T) {
	b := newBench(t)
	a := b.arrival("1.3.0", "bytes")
	holders := a.Holders
	a.Holders = nil
	b.record(a)
	watch := dbtest.Superuser(t, b.db)
	done := make(chan int, 1)
	b.in(b.ours, func(ctx context.Context, tx *db.Tx) error {
		if err := catalog.LockPackage(ctx, tx, leftPad("").Package, true); err != nil {
			return err
		}
		go func() {
			n := -1
			_ = b.db.InTx(b.ours, func(ctx context.Context, tx *db.Tx) (err error) {
				n, err = catalog.ForgetUnheld(ctx, tx, leftPad("").Package, noon.Add(time.Hour), noon)
				return err
			})
			done <- n
		}()
		for end := time.Now().Add(5 * time.Second); ; time.Sleep(time.Millisecond) {
			var waiting int
			if err := watch.QueryRow(ctx, `SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`).Scan(&waiting); err != nil || waiting > 0 {
				break
			}
			if time.Now().After(end) {
				t.Fatal("the collection does not wait")
			}
		}
		a.Holders = holders
		_, err := catalog.Record(ctx, tx, noon, a)
		return err
	})
	if n := <-done; n != 0 {
		t.Errorf("%d versions went", n)
	}
	if got := b.held(b.ours, b.fw, b.team); len(got) != 2 || len(got[b.fw]["1.3.0"].Release.Files) != 2 {
		t.Errorf("held: %+v", got)
	}
}
