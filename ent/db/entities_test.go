package db_test

import (
	"context"
	"fmt"
	"reflect"
	"sort"
	"strings"
	"testing"

	"entgo.io/ent/dialect/sql"
	"github.com/google/uuid"

	"sluice.dev/sluice/ent"
	"sluice.dev/sluice/ent/db"
	"sluice.dev/sluice/ent/migrate"
)

// shared are the tables that belong to no organization (T4, P3).
var shared = map[string]bool{"blobs": true, "advisories": true}

// entity is one type of Ent, reached by reflection so that a new one is tried
// without anybody thinking of it.
type entity struct {
	name   string // as in ent.Client
	table  string
	client reflect.Value
}

// entities returns the types of the client that organizations own, and the
// organization itself.
func entities(t testing.TB, c *ent.Client) []entity {
	t.Helper()
	tables := map[string]string{}
	for _, tab := range migrate.Tables {
		tables[strings.ReplaceAll(tab.Name, "_", "")] = tab.Name
	}
	var out []entity
	v := reflect.ValueOf(c).Elem()
	for i := range v.NumField() {
		f := v.Type().Field(i)
		if !f.IsExported() || !v.Field(i).MethodByName("Query").IsValid() {
			continue
		}
		e := entity{name: f.Name, client: v.Field(i)}
		low := strings.ToLower(f.Name)
		for _, plural := range []string{low + "s", low + "es", strings.TrimSuffix(low, "y") + "ies"} {
			if tables[plural] != "" {
				e.table = tables[plural]
			}
		}
		if e.table == "" {
			t.Fatalf("no table found for the entity %s", f.Name)
		}
		if !shared[e.table] {
			out = append(out, e)
		}
	}
	if len(out) != len(migrate.Tables)-len(shared) {
		t.Fatalf("%d entities with an organization, but %d tables", len(out), len(migrate.Tables)-len(shared))
	}
	return out
}

// call calls a method and turns a last result of type error into an error.
func call(recv reflect.Value, method string, args ...any) (reflect.Value, error) {
	m := recv.MethodByName(method)
	if !m.IsValid() {
		return reflect.Value{}, fmt.Errorf("%s has no method %s", recv.Type(), method)
	}
	in := make([]reflect.Value, len(args))
	for i, a := range args {
		in[i] = reflect.ValueOf(a)
	}
	out := m.Call(in)
	if n := len(out); n > 0 && out[n-1].Type() == reflect.TypeFor[error]() {
		err, _ := out[n-1].Interface().(error)
		return out[0], err
	}
	return out[0], nil
}

func (e entity) build(method string, args ...any) reflect.Value {
	v, _ := call(e.client, method, args...)
	return v
}

// where narrows a query, update or delete builder to one id.
func where(b reflect.Value, id any) reflect.Value {
	m := b.MethodByName("Where")
	p := reflect.ValueOf(sql.FieldEQ("id", id)).Convert(m.Type().In(0).Elem())
	return m.Call([]reflect.Value{p})[0]
}

// steal makes an update that would move rows to another organization.
func steal(b reflect.Value, table string, to uuid.UUID) reflect.Value {
	column := "org_id"
	if table == "organizations" {
		column = "id"
	}
	out, _ := call(b, "Modify", func(u *sql.UpdateBuilder) { u.Set(column, to) })
	return out
}

// owner is the organization of a row of any entity.
func owner(row reflect.Value) uuid.UUID {
	if f := row.Elem().FieldByName("OrgID"); f.IsValid() {
		return f.Interface().(uuid.UUID)
	}
	return row.Elem().FieldByName("ID").Interface().(uuid.UUID)
}

// edges returns the names of a query's edges.
func (e entity) edges() []string {
	var out []string
	q := e.build("Query").Type()
	for i := range q.NumMethod() {
		if name, is := strings.CutPrefix(q.Method(i).Name, "With"); is {
			out = append(out, name)
		}
	}
	sort.Strings(out)
	return out
}

// all runs a query and returns its rows.
func all(ctx context.Context, q reflect.Value) ([]reflect.Value, error) {
	got, err := call(q, "All", ctx)
	if err != nil {
		return nil, err
	}
	out := make([]reflect.Value, got.Len())
	for i := range out {
		out[i] = got.Index(i)
	}
	return out, nil
}

// neighbours returns the rows that were loaded with an edge.
func neighbours(row reflect.Value, edge string) []reflect.Value {
	v := row.Elem().FieldByName("Edges").FieldByName(edge)
	if v.Kind() != reflect.Slice {
		if v.IsNil() {
			return nil
		}
		return []reflect.Value{v}
	}
	out := make([]reflect.Value, v.Len())
	for i := range out {
		out[i] = v.Index(i)
	}
	return out
}

// TestT2_EveryTableHasRows fails when an entity is added that [fill] does not
// make, so that no entity is left out of what the other tests try.
func TestT2_EveryTableHasRows(t *testing.T) {
	w := newWalls(t)
	for _, tab := range migrate.Tables {
		if !shared[tab.Name] && tab.Name != "organizations" && !hasColumn(tab, "org_id") {
			t.Errorf("the table %s has no org_id, and is not one of those that all organizations share", tab.Name)
		}
	}
	for _, tab := range w.orgTables(t) {
		for _, r := range []*rows{w.us, w.them} {
			var n int
			ok(t, w.super.QueryRow(t.Context(), `SELECT count(*) FROM `+tab+` WHERE org_id = $1`, r.org).Scan(&n))
			if n == 0 {
				t.Errorf("the fixture makes no row in %s, so nothing proves that organizations are kept apart there", tab)
			}
		}
	}
	in(t, w.db, w.ours, func(_ context.Context, tx *db.Tx) error {
		for _, e := range entities(t, tx.Ent) {
			if w.us.ids[e.table] == nil {
				t.Errorf("the fixture notes no id of %s", e.table)
			}
		}
		return nil
	})
}
