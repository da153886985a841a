package postgres

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"sluice.dev/sluice/tenants/errs"
)

func ensure(t *testing.T, s *Server, n Names, secrets string) URLs {
	t.Helper()
	urls, err := EnsureDatabase(t.Context(), s.AdminURL(), n, secrets)
	if err != nil {
		t.Fatal(err)
	}
	return urls
}

// refused runs a statement that must fail with insufficient_privilege.
func refused(t *testing.T, url, sql string) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context()) //nolint:errcheck // a test's connection
	_, err = conn.Exec(t.Context(), sql)
	var pe *pgconn.PgError
	if !errors.As(err, &pe) || pe.Code != "42501" {
		t.Errorf("%s: %v, want insufficient_privilege", sql, err)
	}
}

// checkRoles proves what T2 and D3 need of the roles: the application's sees
// nothing that row-level security hides, and the owner can make a function
// that sees everything, which the application may only call.
func checkRoles(t *testing.T, s *Server) {
	t.Helper()
	secrets := filepath.Join(t.TempDir(), "secrets")
	urls := ensure(t, s, DefaultNames(), secrets)
	for _, q := range []string{
		`CREATE TABLE things (n int)`,
		`INSERT INTO things VALUES (1), (2)`,
		`ALTER TABLE things ENABLE ROW LEVEL SECURITY`,
		`ALTER TABLE things FORCE ROW LEVEL SECURITY`,
		`CREATE POLICY nothing ON things USING (false)`,
		`GRANT SELECT ON things TO sluice_app, sluice_all`,
		`GRANT USAGE, CREATE ON SCHEMA public TO sluice_all`,
		`CREATE FUNCTION things_of_all() RETURNS bigint LANGUAGE sql SECURITY DEFINER AS 'SELECT count(*) FROM public.things'`,
		`ALTER FUNCTION things_of_all() OWNER TO sluice_all`,
		`CREATE SCHEMA river`,
	} {
		exec1(t, urls.Owner, q)
	}
	for role, url := range map[string]string{"owner": urls.Owner, "app": urls.App} {
		if n := query[int](t, url, `SELECT count(*) FROM things`); n != 0 {
			t.Errorf("T2: the %s sees %d rows through row-level security", role, n)
		}
	}
	if n := query[int](t, urls.App, `SELECT things_of_all()`); n != 2 {
		t.Errorf("D3: the function sees %d rows, want 2", n)
	}
	for _, q := range []string{
		`CREATE TABLE mine (n int)`, `CREATE SCHEMA mine`, `CREATE TEMP TABLE mine (n int)`, `SET ROLE sluice_all`, `SET ROLE sluice_owner`,
		`ALTER TABLE things DISABLE ROW LEVEL SECURITY`, `ALTER ROLE sluice_app BYPASSRLS`, `CREATE ROLE mine`, `CREATE DATABASE mine`,
	} {
		if strings.HasPrefix(q, "ALTER TABLE") || strings.HasPrefix(q, "ALTER ROLE") {
			// Which code PostgreSQL gives differs by version; that it refuses does not.
			if err := try(t, urls.App, q); err == nil {
				t.Errorf("T2: the app may %s", q)
			}
			continue
		}
		refused(t, urls.App, q)
	}
}

func try(t *testing.T, url, sql string) error {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context()) //nolint:errcheck // a test's connection
	_, err = conn.Exec(t.Context(), sql)
	return err
}

func TestEnsureDatabase(t *testing.T) {
	t.Parallel()
	s := start(t, config(t))
	t.Run("T2_D3 roles", func(t *testing.T) { checkRoles(t, s) })
	t.Run("again and repaired", func(t *testing.T) { checkRepair(t, s) })
	t.Run("concurrently", func(t *testing.T) { checkConcurrent(t, s) })
	t.Run("bad names", func(t *testing.T) { checkNames(t, s) })
	t.Run("documentation", func(t *testing.T) { checkDocumentation(t, s) })
}

func checkRepair(t *testing.T, s *Server) {
	secrets := filepath.Join(t.TempDir(), "secrets")
	n := Names{Database: "again", Owner: "again_owner", App: "again_app", All: "again_all"}
	first := ensure(t, s, n, secrets)
	if again := ensure(t, s, n, secrets); again != first {
		t.Error("the URLs changed without a reason")
	}
	for _, role := range []string{n.Owner, n.App} {
		if st, err := os.Stat(filepath.Join(secrets, role+".password")); err != nil || st.Mode().Perm() != 0o600 {
			t.Errorf("password of %s: %v, %v", role, st, err)
		}
	}
	exec1(t, s.AdminURL(), `ALTER ROLE again_app SUPERUSER BYPASSRLS`)
	exec1(t, s.AdminURL(), `ALTER ROLE again_all LOGIN`)
	if err := os.Remove(filepath.Join(secrets, "again_app.password")); err != nil {
		t.Fatal(err)
	}
	repaired := ensure(t, s, n, secrets)
	if repaired.Owner != first.Owner || repaired.App == first.App {
		t.Errorf("after the loss of one password: owner changed %v, app changed %v", repaired.Owner != first.Owner, repaired.App != first.App)
	}
	if bad := query[int](t, repaired.App, `SELECT count(*) FROM pg_roles WHERE rolname LIKE 'again%' AND (rolsuper OR rolcanlogin <> (rolname <> 'again_all') OR rolbypassrls <> (rolname = 'again_all'))`); bad != 0 {
		t.Errorf("%d roles keep attributes that were changed by hand", bad)
	}
	if ok, err := tryLogin(t.Context(), first.App); err != nil || ok {
		t.Errorf("the lost password still opens: %v, %v", ok, err)
	}
	if log := s.cluster.logSince(0); strings.Contains(log, "PASSWORD") {
		t.Error("the server's log has a statement with a password")
	}
}

func checkConcurrent(t *testing.T, s *Server) {
	secrets := filepath.Join(t.TempDir(), "secrets")
	var wg sync.WaitGroup
	results := make([]URLs, 6)
	for i := range results {
		wg.Go(func() {
			var err error
			results[i], err = EnsureDatabase(context.Background(), s.AdminURL(), Names{Database: "many", Owner: "many_owner", App: "many_app", All: "many_all"}, secrets)
			if err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	for _, r := range results {
		if r != results[0] {
			t.Fatal("concurrent callers got different URLs")
		}
	}
}

func checkNames(t *testing.T, s *Server) {
	_, err := EnsureDatabase(t.Context(), s.AdminURL(), Names{Database: `x"; DROP`, Owner: "same", App: "same"}, t.TempDir())
	wantKind(t, err, errs.Invalid)
	for _, want := range []string{"Database is", "All is", "three different names"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%v does not mention %q", err, want)
		}
	}
	_, err = EnsureDatabase(t.Context(), "host=127.0.0.1 user=x", DefaultNames(), t.TempDir())
	wantKind(t, err, errs.Unavailable)
}

// checkDocumentation runs the statements that docs/postgresql.md gives to
// operators, and expects EnsureDatabase to find nothing to complain about.
func checkDocumentation(t *testing.T, s *Server) {
	doc, err := os.ReadFile("../../../docs/postgresql.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, ok := strings.Cut(string(doc), "```sql\n")
	sql, _, closed := strings.Cut(rest, "```")
	if !ok || !closed {
		t.Fatal("docs/postgresql.md has no SQL block")
	}
	// The document's names exist in this cluster already; the server's own
	// are replaced throughout.
	sql = strings.ReplaceAll(sql, "sluice", "written")
	var inside bool
	for _, stmt := range strings.Split(sql, ";") {
		stmt = strings.TrimSpace(stmt)
		if after, found := strings.CutPrefix(stmt, `\connect written`); found {
			inside, stmt = true, strings.TrimSpace(after)
		}
		if stmt == "" {
			continue
		}
		url := s.AdminURL()
		if inside {
			url = s.URL(adminRole, s.password, "written")
		}
		exec1(t, url, stmt)
	}
	n := Names{Database: "written", Owner: "written_owner", App: "written_app", All: "written_all"}
	before := rolesAndRights(t, s, n)
	ensure(t, s, n, filepath.Join(t.TempDir(), "secrets"))
	if after := rolesAndRights(t, s, n); after != before {
		t.Errorf("the documented statements give\n%s\nEnsureDatabase makes it\n%s", before, after)
	}
}

// rolesAndRights describes everything that EnsureDatabase sets but passwords.
func rolesAndRights(t *testing.T, s *Server, n Names) string {
	t.Helper()
	return query[string](t, s.URL(adminRole, s.password, n.Database), `
SELECT concat_ws(E'\n',
  (SELECT string_agg(concat_ws(' ', rolname, rolsuper, rolcanlogin, rolbypassrls, rolcreatedb, rolcreaterole, rolreplication), E'\n' ORDER BY rolname)
     FROM pg_roles WHERE rolname IN ($2, $3, $4)),
  (SELECT string_agg(m.rolname || ' in ' || r.rolname, E'\n') FROM pg_auth_members a JOIN pg_roles r ON r.oid = a.roleid JOIN pg_roles m ON m.oid = a.member
     WHERE r.rolname IN ($2, $3, $4)),
  (SELECT concat_ws(' ', pg_get_userbyid(datdba), datacl, pg_encoding_to_char(encoding), datcollate, datctype) FROM pg_database WHERE datname = $1),
  (SELECT concat_ws(' ', pg_get_userbyid(nspowner), has_schema_privilege($3, 'public', 'CREATE')) FROM pg_namespace WHERE nspname = 'public'))`,
		n.Database, n.Owner, n.App, n.All)
}
