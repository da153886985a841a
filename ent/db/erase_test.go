package db_test

import (
	"context"
	"testing"
	"time"

	"sluice.dev/sluice/ent/db"
	"sluice.dev/sluice/ent/db/dbtest"
)

// TestD3_EraseOrganization: a deleted organization goes with every row of every
// table, a page at a time, and not before its time; the other one and all bytes
// stay.
func TestD3_EraseOrganization(t *testing.T) {
	w := newWalls(t)
	erase := func(before time.Time, page int) (gone int64) {
		in(t, w.db, w.ours, func(ctx context.Context, tx *db.Tx) error {
			return tx.QueryRow(ctx, `SELECT erase_organization($1, $2)`, before, page).Scan(&gone)
		})
		return gone
	}
	rowsOf := func() (n int) {
		for _, tab := range w.orgTables(t) {
			var k int
			ok(t, w.super.QueryRow(t.Context(), `SELECT count(*) FROM `+tab+` WHERE org_id = $1`, w.us.org).Scan(&k))
			n += k
		}
		return n
	}
	w.untouched(t, func() {
		if n := erase(noon.Add(time.Hour), 100); n != 0 {
			t.Errorf("an organization that nobody deleted lost %d rows", n)
		}
		in(t, w.db, w.ours, func(ctx context.Context, tx *db.Tx) error {
			_, err := tx.Ent.Organization.Update().SetDeletedAt(noon).Save(ctx)
			return err
		})
		if n := erase(noon, 100); n != 0 {
			t.Errorf("%d rows went before their time", n)
		}
		if got := texts(t, w.db, `SELECT organizations_to_erase($1)::text`, noon.Add(time.Second)); len(got) != 1 || got[0] != w.us.org.String() {
			t.Errorf("to erase: %v", got)
		}
		if got := texts(t, w.db, `SELECT id::text FROM organization_by_slug('acme')`); len(got) != 0 {
			t.Error("a deleted organization is found by its slug")
		}
		if got := texts(t, w.db, `SELECT id::text FROM organization_by_host('npm.acme')`); len(got) != 0 {
			t.Error("a deleted organization is found by its host")
		}
		before, calls := rowsOf(), 0
		for erase(noon.Add(time.Second), 1) > 0 {
			if calls++; calls > before {
				t.Fatalf("no end after %d pages", calls)
			}
		}
		if calls < 2 || rowsOf() != 0 {
			t.Errorf("after %d pages %d of %d rows are left", calls, rowsOf(), before)
		}
	})
	if got := texts(t, w.db, `SELECT slug FROM organization_list('')`); len(got) != 1 || got[0] != "globex" {
		t.Errorf("organizations: %v", got)
	}
	if got := texts(t, w.db, `SELECT slug FROM retired_slugs`); len(got) != 1 || got[0] != "acme" {
		t.Errorf("retired slugs: %v", got)
	}
	var blobs int
	ok(t, w.super.QueryRow(t.Context(), `SELECT count(*) FROM blobs`).Scan(&blobs))
	if blobs != 4 {
		t.Errorf("%d blobs, want those of both organizations: collecting is another's", blobs)
	}
}

// TestT2_EraseIsTheTransactionsOwn: without row-level security the function
// still names its organization in every statement.
func TestT2_EraseIsTheTransactionsOwn(t *testing.T) {
	w := newWalls(t)
	w.withoutRowSecurity(t)
	in(t, w.db, w.ours, func(ctx context.Context, tx *db.Tx) error {
		_, err := tx.Ent.Organization.Update().SetDeletedAt(noon).Save(ctx)
		return err
	})
	dbtest.Untouched(t, w.db, w.them.org, func() {
		for gone := int64(1); gone > 0; {
			in(t, w.db, w.ours, func(ctx context.Context, tx *db.Tx) error {
				return tx.QueryRow(ctx, `SELECT erase_organization($1, 100)`, noon.Add(time.Second)).Scan(&gone)
			})
		}
	})
}
