package db_test

import (
	"context"
	"net/url"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"sluice.dev/sluice/ent/db"
	"sluice.dev/sluice/ent/db/dbtest"
)

// as returns the URL of d's database for another role.
func as(t *testing.T, d *db.DB, user *url.Userinfo) string {
	t.Helper()
	u, err := url.Parse(d.Pool.Config().ConnString())
	ok(t, err)
	u.User = user
	return u.String()
}

// TestT2_OpenRefusesRolesWithoutTheWall: whoever could pass row-level security
// is told so, and what to do.
func TestT2_OpenRefusesRolesWithoutTheWall(t *testing.T) {
	t.Parallel()
	d := dbtest.Open(t, dbtest.URL(t))
	super := dbtest.Superuser(t, d)
	// Roles belong to the cluster, so that these bear the database's name.
	name := d.Pool.Config().ConnConfig.Database
	for role, rights := range map[string]string{"bypass": "BYPASSRLS", "child": "IN ROLE sluice_owner", "cousin": "IN ROLE sluice_all", "harmless": ""} {
		_, err := super.Exec(t.Context(), `CREATE ROLE `+name+`_`+role+` LOGIN PASSWORD 'test' `+rights)
		ok(t, err)
		t.Cleanup(func() {
			c, err := pgx.ConnectConfig(context.Background(), super.Config())
			ok(t, err)
			defer c.Close(context.Background())
			_, err = c.Exec(context.Background(), `DROP ROLE `+name+`_`+role)
			ok(t, err)
		})
	}
	admin := super.Config()
	for _, c := range []struct {
		user *url.Userinfo
		want string
	}{
		{url.UserPassword(admin.User, admin.Password), "can bypass row-level security"},
		{url.UserPassword("sluice_owner", "test"), "owns the tables"},
		{url.UserPassword(name+"_bypass", "test"), "can bypass row-level security"},
		{url.UserPassword(name+"_cousin", "test"), "can bypass row-level security"},
		{url.UserPassword(name+"_child", "test"), "owns the tables"},
		{url.UserPassword(name+"_harmless", "test"), ""},
	} {
		got, err := db.Open(t.Context(), as(t, d, c.user), 1)
		if err == nil {
			got.Close()
		}
		if (c.want == "") != (err == nil) || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("opening as %s: %v, want %q", c.user.Username(), err, c.want)
		}
		if err != nil && !strings.Contains(err.Error(), "sluice_app") {
			t.Errorf("opening as %s: %v; it does not say which role to use", c.user.Username(), err)
		}
	}
}

func TestOpen_SaysWhatIsWrongAndNoPassword(t *testing.T) {
	t.Parallel()
	for _, bad := range []string{"postgres://ann:hunter2@127.0.0.1:notaport/x", "postgres://ann:hunter2@127.0.0.1:1/x"} {
		_, err := db.Open(t.Context(), bad, 1)
		if err == nil || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("opening %q: %v, want an error without the password", bad, err)
		}
	}
}

// TestMigrate_IsIdempotent: a second node may migrate what the first one did,
// and knows whether something is missing.
func TestMigrate_IsIdempotent(t *testing.T) {
	t.Parallel()
	d := dbtest.Open(t, dbtest.URL(t))
	owner := as(t, d, url.UserPassword("sluice_owner", "test"))
	done := make(chan error)
	for range 3 {
		go func() { done <- db.Migrate(context.Background(), owner) }()
	}
	for range 3 {
		ok(t, <-done)
	}
	if pending, err := d.Pending(t.Context()); err != nil || pending {
		t.Errorf("pending %v, %v after migrating", pending, err)
	}
	_, err := dbtest.Superuser(t, d).Exec(t.Context(), `DELETE FROM goose_db_version WHERE version_id = (SELECT max(version_id) FROM goose_db_version)`)
	ok(t, err)
	if pending, err := d.Pending(t.Context()); err != nil || !pending {
		t.Errorf("pending %v, %v with a migration missing", pending, err)
	}
	_, err = dbtest.Superuser(t, d).Exec(t.Context(), `DROP TABLE goose_db_version`)
	ok(t, err)
	if _, err := d.Pending(t.Context()); err == nil || !strings.Contains(err.Error(), "sluice migrate") {
		t.Errorf("a database that was never migrated: %v, want a hint", err)
	}
}
