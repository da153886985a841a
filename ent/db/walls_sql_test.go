package db_test

import (
	"context"
	"testing"

	"sluice.dev/sluice/ent/db"
)

// TestT2_RawSQL tries every table with statements that Ent's wall never sees.
func TestT2_RawSQL(t *testing.T) {
	w := newWalls(t)
	for _, tab := range w.orgTables(t) {
		in(t, w.db, w.ours, func(ctx context.Context, tx *db.Tx) error {
			var foreign, own int
			ok(t, tx.QueryRow(ctx, `SELECT count(*) FILTER (WHERE org_id <> $1), count(*) FROM `+tab, w.us.org).Scan(&foreign, &own))
			if foreign != 0 || own == 0 {
				t.Errorf("%s: SELECT shows %d rows of others and %d in all", tab, foreign, own)
			}
			return nil
		})
		w.untouched(t, func() {
			if n, err := attempt(w.db, w.ours, `UPDATE `+tab+` SET org_id = $1 WHERE org_id = $2`, w.us.org, w.them.org); n != 0 || err != nil && code(err) != insufficientPrivilege {
				t.Errorf("%s: UPDATE of their rows changed %d, %v", tab, n, err)
			}
			if n, err := attempt(w.db, w.ours, `DELETE FROM `+tab+` WHERE org_id = $1`, w.them.org); n != 0 || err != nil && code(err) != insufficientPrivilege {
				t.Errorf("%s: DELETE of their rows removed %d, %v", tab, n, err)
			}
			if n, err := attempt(w.db, w.ours, `UPDATE `+tab+` SET org_id = $1`, w.them.org); code(err) != insufficientPrivilege {
				t.Errorf("%s: giving our rows to them changed %d, %v", tab, n, err)
			}
			_, err := attempt(w.db, w.ours, `INSERT INTO `+tab+` SELECT (jsonb_populate_record(NULL::`+tab+`, to_jsonb(x) || jsonb_build_object('org_id', $1::uuid, 'id', gen_random_uuid()))).*
				FROM `+tab+` x LIMIT 1`, w.them.org)
			if code(err) != insufficientPrivilege {
				t.Errorf("%s: INSERT of a row of theirs: %v, want a violation of row-level security", tab, err)
			}
		})
	}
}

// TestT2_OrganizationsTable: an organization sees and changes itself only.
func TestT2_OrganizationsTable(t *testing.T) {
	w := newWalls(t)
	in(t, w.db, w.ours, func(ctx context.Context, tx *db.Tx) error {
		var n int
		ok(t, tx.QueryRow(ctx, `SELECT count(*) FROM organizations`).Scan(&n))
		if n != 1 {
			t.Errorf("an organization sees %d organizations", n)
		}
		return nil
	})
	if n, err := attempt(w.db, w.ours, `UPDATE organizations SET name = 'gone' WHERE id = $1`, w.them.org); err != nil || n != 0 {
		t.Errorf("renaming another organization changed %d rows, %v", n, err)
	}
	if _, err := attempt(w.db, w.ours, `INSERT INTO organizations (id, slug, name, created_at) VALUES (gen_random_uuid(), 'third', 'Third', now())`); code(err) != insufficientPrivilege {
		t.Errorf("making an organization inside another: %v", err)
	}
	if _, err := attempt(w.db, w.ours, `DELETE FROM organizations`); code(err) != insufficientPrivilege {
		t.Errorf("deleting an organization: %v", err)
	}
}

// TestT2_WaysAround: the serving role can neither switch the wall off nor become
// a role that it does not bind.
func TestT2_WaysAround(t *testing.T) {
	w := newWalls(t)
	for _, q := range []string{`SET ROLE sluice_all`, `SET ROLE sluice_owner`, `ALTER TABLE members DISABLE ROW LEVEL SECURITY`,
		`ALTER TABLE members NO FORCE ROW LEVEL SECURITY`, `DROP POLICY organization ON members`, `SET session_replication_role = replica`,
		`SELECT * FROM decisions_default`, `CREATE TABLE public.mine ()`, `TRUNCATE members`, `INSERT INTO blobs SELECT * FROM blobs`, `UPDATE blobs SET size = 0`, `DELETE FROM blobs`} {
		if _, err := attempt(w.db, w.ours, q); code(err) != insufficientPrivilege {
			t.Errorf("%s: %v, want that it is refused", q, err)
		}
	}
	// Asking PostgreSQL to ignore the policy makes it refuse the query instead.
	err := w.db.InTx(w.ours, func(ctx context.Context, tx *db.Tx) error {
		if _, err := tx.Exec(ctx, `SET LOCAL row_security = off`); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, `SELECT * FROM members`)
		return err
	})
	if code(err) != insufficientPrivilege {
		t.Errorf("SELECT with row_security = off: %v", err)
	}
}

// TestT2_AppendOnly: what was recorded stays recorded.
func TestT2_AppendOnly(t *testing.T) {
	w := newWalls(t)
	for _, q := range []string{`DELETE FROM audit_events`, `UPDATE audit_events SET reason = ''`, `DELETE FROM decisions`,
		`DELETE FROM audit_seals`, `UPDATE audit_seals SET seq = seq + 1`, `UPDATE audit_pending SET event_id = event_id`, `DELETE FROM retired_slugs`} {
		if _, err := attempt(w.db, w.ours, q); code(err) != insufficientPrivilege {
			t.Errorf("%s: %v, want that it is refused", q, err)
		}
	}
}

// TestT2_EveryTableIsWalled: row-level security is on, and forced on the owner
// too, on every table with an organization.
func TestT2_EveryTableIsWalled(t *testing.T) {
	w := newWalls(t)
	for _, tab := range append(w.orgTables(t), "organizations") {
		var on, forced bool
		var policies int
		ok(t, w.super.QueryRow(t.Context(), `SELECT relrowsecurity, relforcerowsecurity, (SELECT count(*) FROM pg_policy p WHERE p.polrelid = c.oid)
			FROM pg_class c WHERE c.oid = to_regclass($1)`, tab).Scan(&on, &forced, &policies))
		if !on || !forced || policies != 1 {
			t.Errorf("%s: row-level security on %v, forced %v, %d policies", tab, on, forced, policies)
		}
	}
}

// TestT2_UpdatesOfTheirsInAppendOnlyTables: what the entities' test leaves out.
func TestT2_UpdatesOfTheirsInAppendOnlyTables(t *testing.T) {
	w := newWalls(t)
	w.untouched(t, func() {
		if n, err := attempt(w.db, w.ours, `UPDATE decisions SET count = 99 WHERE org_id = $1`, w.them.org); err != nil || n != 0 {
			t.Errorf("counting their decisions changed %d rows, %v", n, err)
		}
		in(t, w.db, w.ours, func(ctx context.Context, tx *db.Tx) error {
			n, err := tx.Ent.Decision.Update().SetCount(99).Save(ctx)
			if n != 1 {
				t.Errorf("an update of all decisions changed %d, want our one", n)
			}
			return err
		})
		in(t, w.db, w.ours, func(ctx context.Context, tx *db.Tx) error {
			n, err := tx.Ent.Organization.Update().SetName("changed").Save(ctx)
			if n != 1 {
				t.Errorf("an update of all organizations changed %d, want our own", n)
			}
			return err
		})
	})
}
