package dbtest

import (
	"context"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"sluice.dev/sluice/ent/db"
)

// OrgTables returns every table whose rows belong to an organization, known to
// Ent or not. Partitions belong to their table.
func OrgTables(t testing.TB, d *db.DB) []string {
	t.Helper()
	rows, err := Superuser(t, d).Query(context.Background(), `SELECT c.relname FROM pg_class c
		JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'org_id' AND NOT a.attisdropped
		WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition ORDER BY 1`)
	if err != nil {
		t.Fatal(err)
	}
	names, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		t.Fatal(err)
	}
	if len(names) < 20 {
		t.Fatalf("only %d tables with an organization were found", len(names))
	}
	return names
}

// WithoutRowSecurity takes the wall of the database down (law T2), so that a
// test sees whether what it tries stays inside its organization by itself.
func WithoutRowSecurity(t testing.TB, d *db.DB) {
	t.Helper()
	super := Superuser(t, d)
	for _, table := range append(OrgTables(t, d), "organizations") {
		if _, err := super.Exec(context.Background(), `ALTER TABLE `+table+` DISABLE ROW LEVEL SECURITY`); err != nil {
			t.Fatal(err)
		}
	}
}

// Untouched runs fn and fails for each table in which rows of the organization
// have changed, come or gone.
func Untouched(t testing.TB, d *db.DB, org uuid.UUID, fn func()) {
	t.Helper()
	tables, super := OrgTables(t, d), Superuser(t, d)
	print := func() map[string]string {
		out := map[string]string{}
		for _, table := range append(tables, "organizations") {
			column := "org_id"
			if table == "organizations" {
				column = "id"
			}
			var sum string
			err := super.QueryRow(context.Background(), `SELECT md5(coalesce(string_agg(x::text, '|' ORDER BY x::text), '')) FROM `+table+` x WHERE `+column+` = $1`, org).Scan(&sum)
			if err != nil {
				t.Fatal(err)
			}
			out[table] = sum
		}
		return out
	}
	before := print()
	fn()
	after := print()
	for table, was := range before {
		if after[table] != was {
			t.Errorf("the rows of the other organization in %s changed", table)
		}
	}
}
