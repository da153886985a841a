package db_test

import (
	"context"
	"testing"

	"sluice.dev/sluice/ent/db"
)

// TestT2_PlatformTablesAreNobodysInside: a transaction of an organization finds
// nothing in the tables of the platform and puts nothing there, and what was
// recorded there stays.
func TestT2_PlatformTablesAreNobodysInside(t *testing.T) {
	w := newWalls(t)
	makes := map[string]string{
		"nodes":             `INSERT INTO nodes (id, name, version, started_at, beat_at, trusted, works) VALUES (gen_random_uuid(), 'a', '1', now(), now(), true, true)`,
		"platform_events":   `INSERT INTO platform_events (id, at, actor_kind, actor_name, action) VALUES (gen_random_uuid(), now(), 'OPERATOR', 'olga', 'operator:login')`,
		"operator_sessions": `INSERT INTO operator_sessions (id, hash, issuer, subject, created_at, expires_at) VALUES (gen_random_uuid(), gen_random_uuid()::text::bytea, 'i', 's', now(), now())`,
	}
	for table, insert := range makes {
		global(t, w.db, func(ctx context.Context, tx *db.Tx) error {
			_, err := tx.Exec(ctx, insert)
			return err
		})
		in(t, w.db, w.ours, func(ctx context.Context, tx *db.Tx) error {
			var n int
			ok(t, tx.QueryRow(ctx, `SELECT count(*) FROM `+table).Scan(&n))
			if n != 0 {
				t.Errorf("an organization sees %d rows of %s", n, table)
			}
			return nil
		})
		if _, err := attempt(w.db, w.ours, insert); code(err) != insufficientPrivilege {
			t.Errorf("%s: an organization inserts: %v", table, err)
		}
		global(t, w.db, func(ctx context.Context, tx *db.Tx) error {
			var n int
			ok(t, tx.QueryRow(ctx, `SELECT count(*) FROM `+table).Scan(&n))
			if n != 1 {
				t.Errorf("%d rows of %s, want 1", n, table)
			}
			return nil
		})
	}
	for _, q := range []string{`UPDATE operator_sessions SET ended_at = now()`, `DELETE FROM operator_sessions`, `DELETE FROM nodes`} {
		if n, err := attempt(w.db, w.ours, q); err != nil || n != 0 {
			t.Errorf("%s inside an organization changed %d, %v", q, n, err)
		}
	}
	for _, q := range []string{`UPDATE platform_events SET actor_name = ''`, `DELETE FROM platform_events`, `UPDATE operator_sessions SET email = 'olga@sluice.example'`,
		`UPDATE operator_sessions SET expires_at = 'infinity'`, `TRUNCATE platform_events`} {
		err := w.db.InGlobal(t.Context(), func(ctx context.Context, tx *db.Tx) error {
			_, err := tx.Exec(ctx, q)
			return err
		})
		if code(err) != insufficientPrivilege {
			t.Errorf("%s: %v, want that it is refused", q, err)
		}
	}
}

// TestD3_OperatorsFunctionsAnswerOutside: they count every organization's rows,
// bound to none, and a text is a text, no pattern.
func TestD3_OperatorsFunctionsAnswerOutside(t *testing.T) {
	w := newWalls(t)
	if got := texts(t, w.db, `SELECT slug FROM operator_organizations('', '', 'slug', 0, 10)`); len(got) != 2 || got[0] != "acme" {
		t.Errorf("all: %v", got)
	}
	if got := texts(t, w.db, `SELECT slug FROM operator_organizations('', 'globex', 'slug', 0, 10) WHERE registries > 0 AND members > 0`); len(got) != 1 {
		t.Errorf("one: %v", got)
	}
	for _, none := range []string{"%", "_", "acme'", "glo_ex"} {
		if got := texts(t, w.db, `SELECT slug FROM operator_organizations($1, '', 'nonsense', 0, 10)`, none); len(got) != 0 {
			t.Errorf("%q finds %v", none, got)
		}
	}
	if got := texts(t, w.db, `SELECT organizations::text FROM operator_totals() WHERE members >= 2 AND registries >= 2`); len(got) != 1 || got[0] != "2" {
		t.Errorf("totals: %v", got)
	}
}
