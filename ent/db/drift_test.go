package db_test

import (
	"fmt"
	"slices"
	"testing"

	"entgo.io/ent/dialect/sql/schema"
	"entgo.io/ent/schema/field"
	"github.com/jackc/pgx/v5"

	"sluice.dev/sluice/ent/db/dbtest"
	"sluice.dev/sluice/ent/migrate"
)

// sqlOnly are the tables and columns that SQL alone knows, and why.
var sqlOnly = map[string]string{
	"advisory_affected":  "matched in SQL, thousands at a time",
	"advisory_snapshots": "one row per feed",
	"deliveries":         "counted in batches",
	"goose_db_version":   "of the migrations",
	"organization_usage": "measured in SQL",
	"retired_slugs":      "written by the function that erases",
	"advisory_imports":   "one row per import, of no organization",
	"scans":              "written in SQL as they go on",
	"audit_pending":      "filled by a trigger, emptied by sealing",
	"blobs.sha256":       "the id of a blob",
	"platform_logins":    "of no organization, behind functions only",
	"operator_sessions":  "of no organization",
	"platform_events":    "of no organization",
	"nodes":              "of no organization",
}

// fitting are the types of PostgreSQL in which a field of Ent may be kept.
var fitting = map[field.Type][]string{
	field.TypeUUID: {"uuid"}, field.TypeString: {"text"}, field.TypeEnum: {"text"}, field.TypeTime: {"timestamp with time zone"},
	field.TypeJSON: {"jsonb"}, field.TypeBytes: {"bytea"}, field.TypeBool: {"boolean"}, field.TypeInt: {"integer", "bigint"},
	field.TypeInt64: {"bigint"}, field.TypeFloat64: {"double precision"},
}

type column struct {
	Type     string
	Nullable bool
}

// TestSchema_EntAndSQLAreAlike compares what Ent believes about the database
// with what the migrations make, in both directions.
func TestSchema_EntAndSQLAreAlike(t *testing.T) {
	t.Parallel()
	d := dbtest.Open(t, dbtest.URL(t))
	rows, err := dbtest.Superuser(t, d).Query(t.Context(), `SELECT c.relname, a.attname, format_type(a.atttypid, NULL), NOT a.attnotnull
		FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
		WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition`)
	ok(t, err)
	have := map[string]map[string]column{}
	var table, name string
	var c column
	_, err = pgx.ForEachRow(rows, []any{&table, &name, &c.Type, &c.Nullable}, func() error {
		if have[table] == nil {
			have[table] = map[string]column{}
		}
		have[table][name] = c
		return nil
	})
	ok(t, err)
	for _, problem := range drift(migrate.Tables, have) {
		t.Error(problem)
	}
	// A comparison that finds nothing on purpose-made differences proves nothing.
	have["members"]["email"] = column{"integer", false}
	have["members"]["nickname"] = column{"text", true}
	have["members"]["name"] = column{"text", true}
	delete(have["tokens"], "hint")
	have["novelties"] = map[string]column{"id": {"uuid", false}}
	if got := drift(migrate.Tables, have); len(got) != 5 {
		t.Errorf("of five differences, %d were found: %q", len(got), got)
	}
}

// drift returns a sentence for each difference.
func drift(want []*schema.Table, have map[string]map[string]column) (out []string) {
	known := map[string]bool{}
	for _, t := range want {
		known[t.Name] = true
		columns := have[t.Name]
		if columns == nil {
			out = append(out, fmt.Sprintf("the table %s of Ent is not in the database", t.Name))
			continue
		}
		named := map[string]bool{}
		for _, c := range t.Columns {
			named[c.Name] = true
			out = append(out, compare(t.Name, c, columns)...)
		}
		for name := range columns {
			if !named[name] && sqlOnly[t.Name+"."+name] == "" {
				out = append(out, fmt.Sprintf("the column %s.%s is unknown to Ent, and not listed as SQL's alone", t.Name, name))
			}
		}
	}
	for name := range have {
		if !known[name] && sqlOnly[name] == "" {
			out = append(out, fmt.Sprintf("the table %s is unknown to Ent, and not listed as SQL's alone", name))
		}
	}
	return out
}

func compare(table string, c *schema.Column, columns map[string]column) []string {
	got, exists := columns[c.Name]
	switch {
	case !exists:
		return []string{fmt.Sprintf("the column %s.%s of Ent is not in the database", table, c.Name)}
	case !slices.Contains(fitting[c.Type], got.Type):
		return []string{fmt.Sprintf("%s.%s is %s in Ent and %s in the database", table, c.Name, c.Type, got.Type)}
	case got.Nullable != c.Nullable:
		return []string{fmt.Sprintf("%s.%s: nullable is %v in Ent and %v in the database", table, c.Name, c.Nullable, got.Nullable)}
	}
	return nil
}
