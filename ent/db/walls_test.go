package db_test

import (
	"context"
	"errors"
	"reflect"
	"testing"

	"entgo.io/ent/dialect/sql/schema"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"sluice.dev/sluice/ent"
	"sluice.dev/sluice/ent/db"
	"sluice.dev/sluice/ent/db/dbtest"
	"sluice.dev/sluice/tenants/scope"
)

// walls is two organizations with rows of every entity, and somebody who can
// tear walls down.
type walls struct {
	db           *db.DB
	super        *pgx.Conn
	ours, theirs context.Context
	us, them     *rows
}

func newWalls(t *testing.T) *walls {
	t.Helper()
	t.Parallel()
	w := &walls{db: dbtest.Open(t, dbtest.URL(t))}
	w.super = dbtest.Superuser(t, w.db)
	w.ours, w.theirs = dbtest.TwoOrgs(t, w.db)
	w.us = fill(t, w.db, w.ours, orgOf(t, w.ours), "acme")
	w.them = fill(t, w.db, w.theirs, orgOf(t, w.theirs), "globex")
	return w
}

func hasColumn(t *schema.Table, name string) bool {
	for _, c := range t.Columns {
		if c.Name == name {
			return true
		}
	}
	return false
}

func (w *walls) orgTables(t testing.TB) []string {
	t.Helper()
	return dbtest.OrgTables(t, w.db)
}

func (w *walls) withoutRowSecurity(t testing.TB) {
	t.Helper()
	dbtest.WithoutRowSecurity(t, w.db)
}

// forged points every reference of our rows at theirs, which only somebody past
// the foreign keys can do.
func (w *walls) forged(t testing.TB) {
	t.Helper()
	ctx := context.Background()
	_, err := w.super.Exec(ctx, `SET session_replication_role = replica`)
	ok(t, err)
	for _, k := range w.references(t) {
		order := "ASC"
		if k.column == "source_registry_id" {
			order = "DESC" // an edge from a registry to itself cannot be stored
		}
		tag, err := w.super.Exec(ctx, `UPDATE `+k.table+` SET `+k.column+` = (SELECT id FROM `+k.target+` WHERE org_id = $1 ORDER BY id `+order+` LIMIT 1)
			WHERE org_id = $2 AND `+k.column+` IS NOT NULL`, w.them.org, w.us.org)
		ok(t, err)
		if tag.RowsAffected() == 0 {
			t.Errorf("no row of the fixture uses %s.%s", k.table, k.column)
		}
	}
	_, err = w.super.Exec(ctx, `RESET session_replication_role`)
	ok(t, err)
}

// TestT2_Entities tries every entity of another organization by id, by filter,
// by update, delete and create, with all walls, and again with Ent's wall alone.
func TestT2_Entities(t *testing.T) {
	for name, prepare := range map[string]func(*walls, testing.TB){
		"all walls":       func(*walls, testing.TB) {},
		"Ent's own alone": (*walls).withoutRowSecurity,
	} {
		t.Run(name, func(t *testing.T) {
			w := newWalls(t)
			prepare(w, t)
			w.untouched(t, func() {
				in(t, w.db, w.ours, func(ctx context.Context, tx *db.Tx) error {
					for _, e := range entities(t, tx.Ent) {
						tryEntity(t, ctx, e, w.us.org, w.them.ids[e.table])
						if !appendOnly[e.table] {
							tryChanges(t, ctx, e, w.us.org, w.them.ids[e.table])
						}
					}
					return nil
				})
			})
		})
	}
}

// untouched runs fn, which must leave the other organization as it is.
func (w *walls) untouched(t testing.TB, fn func()) {
	t.Helper()
	dbtest.Untouched(t, w.db, w.them.org, fn)
}

func tryEntity(t *testing.T, ctx context.Context, e entity, us uuid.UUID, theirID any) {
	t.Helper()
	got, err := all(ctx, e.build("Query"))
	ok(t, err)
	if len(got) == 0 {
		t.Errorf("%s: we do not see our own", e.name)
	}
	for _, row := range got {
		if owner(row) != us {
			t.Errorf("%s: a list shows a row of another organization", e.name)
		}
	}
	if n, err := call(e.build("Query"), "Count", ctx); err != nil || int(n.Int()) != len(got) {
		t.Errorf("%s: counted %v (%v) of %d", e.name, n, err, len(got))
	}
	if _, err := call(e.client, "Get", ctx, theirID); !ent.IsNotFound(err) {
		t.Errorf("%s: by id: %v, want not found", e.name, err)
	}
	if seen, err := call(where(e.build("Query"), theirID), "Exist", ctx); err != nil || seen.Bool() {
		t.Errorf("%s: by filter: %v, %v", e.name, seen, err)
	}
}

// appendOnly are the entities of which the database lets nobody delete or
// change rows; see TestT2_AppendOnly.
var appendOnly = map[string]bool{"audit_events": true, "audit_seals": true, "decisions": true, "organizations": true}

func tryChanges(t *testing.T, ctx context.Context, e entity, us uuid.UUID, theirID any) {
	t.Helper()
	if n, err := call(where(steal(e.build("Update"), e.table, us), theirID), "Save", ctx); err != nil || n.Int() != 0 {
		t.Errorf("%s: update by filter changed %v rows, %v", e.name, n, err)
	}
	if _, err := call(steal(e.build("UpdateOneID", theirID), e.table, us), "Save", ctx); !ent.IsNotFound(err) {
		t.Errorf("%s: update by id: %v, want not found", e.name, err)
	}
	if n, err := call(where(e.build("Delete"), theirID), "Exec", ctx); err != nil || n.Int() != 0 {
		t.Errorf("%s: delete by filter removed %v rows, %v", e.name, n, err)
	}
	one := e.build("DeleteOneID", theirID)
	if out := one.MethodByName("Exec").Call([]reflect.Value{reflect.ValueOf(ctx)}); !ent.IsNotFound(out[0].Interface().(error)) {
		t.Errorf("%s: delete by id: %v, want not found", e.name, out[0])
	}
}

// TestT2_ForgedOrganization: rows that claim to be of another organization are
// made in the context's own, whatever walls stand.
func TestT2_ForgedOrganization(t *testing.T) {
	for name, prepare := range map[string]func(*walls, testing.TB){
		"all walls":       func(*walls, testing.TB) {},
		"Ent's own alone": (*walls).withoutRowSecurity,
	} {
		t.Run(name, func(t *testing.T) {
			w := newWalls(t)
			prepare(w, t)
			w.untouched(t, func() { fill(t, w.db, w.ours, w.them.org, "forged") })
			in(t, w.db, w.ours, func(ctx context.Context, tx *db.Tx) error {
				made, err := tx.Ent.Member.CreateBulk(
					tx.Ent.Member.Create().SetOrgID(w.them.org).SetEmail("bulk-1").SetCreatedAt(noon),
					tx.Ent.Member.Create().SetOrgID(w.them.org).SetEmail("bulk-2").SetCreatedAt(noon)).Save(ctx)
				for _, m := range made {
					if m.OrgID != w.us.org {
						t.Errorf("a bulk create made a member of %s", m.OrgID)
					}
				}
				return err
			})
		})
	}
}

// TestT2_UpsertOfTheirs: a create that would overwrite their row by its id
// fails.
func TestT2_UpsertOfTheirs(t *testing.T) {
	w := newWalls(t)
	w.untouched(t, func() {
		err := w.db.InTx(w.ours, func(ctx context.Context, tx *db.Tx) error {
			id, _ := w.them.ids["members"].(uuid.UUID)
			return tx.Ent.Member.Create().SetID(id).SetEmail("mine@now").SetCreatedAt(noon).OnConflictColumns("id").UpdateNewValues().Exec(ctx)
		})
		if code(err) != insufficientPrivilege {
			t.Errorf("overwriting their member: %v, want a violation of row-level security", err)
		}
	})
}

// TestT2_NoOrganization: without an organization in the context Ent refuses,
// even inside a transaction that has one, and raw SQL raises an error (F1).
func TestT2_NoOrganization(t *testing.T) {
	w := newWalls(t)
	bare := scope.WithActor(context.Background(), scope.System("test"))
	in(t, w.db, w.ours, func(_ context.Context, tx *db.Tx) error {
		for _, e := range entities(t, tx.Ent) {
			_, query := all(bare, e.build("Query"))
			_, get := call(e.client, "Get", bare, w.us.ids[e.table])
			_, update := call(steal(e.build("Update"), e.table, w.us.org), "Save", bare)
			_, remove := call(e.build("Delete"), "Exec", bare)
			for what, err := range map[string]error{"query": query, "get": get, "update": update, "delete": remove} {
				if !errors.Is(err, scope.ErrNoOrg) {
					t.Errorf("%s: %s without an organization: %v", e.name, what, err)
				}
			}
		}
		if err := tx.Ent.Member.Create().SetOrgID(w.us.org).SetEmail("x").SetCreatedAt(noon).Exec(bare); !errors.Is(err, scope.ErrNoOrg) {
			t.Errorf("create without an organization: %v", err)
		}
		return nil
	})
	for _, run := range []func(context.Context, func(context.Context, *db.Tx) error) error{w.db.InTx, w.db.InSnapshot} {
		if err := run(bare, func(context.Context, *db.Tx) error { t.Error("ran"); return nil }); !errors.Is(err, scope.ErrNoOrg) {
			t.Errorf("a transaction without an organization: %v", err)
		}
	}
	for _, tab := range append(w.orgTables(t), "organizations") {
		err := w.db.InGlobal(bare, func(ctx context.Context, tx *db.Tx) error {
			_, err := tx.Exec(ctx, `SELECT * FROM `+tab)
			return err
		})
		if code(err) == "" {
			t.Errorf("SELECT FROM %s without an organization: %v, want an error of the database", tab, err)
		}
	}
}

// TestT2_NothingLeaksToTheNextTransaction: a connection that served one
// organization is bound to none afterwards.
func TestT2_NothingLeaksToTheNextTransaction(t *testing.T) {
	w := newWalls(t)
	conn, err := w.db.Pool.Acquire(t.Context())
	ok(t, err)
	defer conn.Release()
	tx, err := conn.Begin(t.Context())
	ok(t, err)
	_, err = tx.Exec(t.Context(), `SELECT set_config('app.org', $1, true)`, w.us.org.String())
	ok(t, err)
	ok(t, tx.Commit(t.Context()))
	if _, err := conn.Exec(t.Context(), `SELECT * FROM members`); code(err) == "" {
		t.Errorf("the next use of the connection: %v, want an error", err)
	}
}
