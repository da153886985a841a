// Package dbtest gives each test a database of its own in a real PostgreSQL,
// cloned from a migrated template, and the organizations to try things in.
//
// The cluster is the one of SLUICE_TEST_DATABASE_ADMIN_URL (a superuser's URL,
// as `make test` sets it); without it a private one is started once and kept
// for later runs.
package dbtest

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"sluice.dev/sluice/ent/db"
	"sluice.dev/sluice/tenants/scope"
)

const password = "test"

// New returns a migrated, empty database under sluice_app. It and its pool are
// gone when the test ends. The change feed runs.
func New(t testing.TB) *db.DB {
	t.Helper()
	d := Open(t, URL(t))
	Start(t, d)
	return d
}

// Open opens a database for the time of the test. Its change feed does not run:
// subscribe to it, then [Start] it. Opening the same URL again makes another
// node.
func Open(t testing.TB, url string) *db.DB {
	t.Helper()
	d, err := db.Open(context.Background(), url, 8)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(d.Close)
	return d
}

// Start runs the change feed until the test ends, and waits until it is trusted.
func Start(t testing.TB, d *db.DB) {
	t.Helper()
	ctx, stop := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { d.Feed.Run(ctx) })
	t.Cleanup(func() {
		stop()
		running.Wait()
	})
	WaitTrusted(t, d)
}

// Superuser connects to the test's database past all walls, to arrange what
// the program must not be able to do.
func Superuser(t testing.TB, d *db.DB) *pgx.Conn {
	t.Helper()
	admin, _ := cluster(t)
	u, err := url.Parse(admin)
	if err != nil {
		t.Fatal(err)
	}
	u.Path = "/" + d.Pool.Config().ConnConfig.Database
	c, err := pgx.Connect(context.Background(), u.String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close(context.Background()) })
	return c
}

// WaitTrusted returns when the node's change feed is trusted.
func WaitTrusted(t testing.TB, d *db.DB) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); !d.Feed.Trusted(); {
		if time.Now().After(end) {
			t.Fatal("the change feed did not come up within 10 s")
		}
		time.Sleep(time.Millisecond)
	}
}

// URL makes a migrated, empty database and returns sluice_app's URL for it.
func URL(t testing.TB) string {
	t.Helper()
	admin, template := cluster(t)
	name := "sluice_t_" + strings.ToLower(rand.Text()[:16])
	exec1(t, admin, "postgres", fmt.Sprintf(`CREATE DATABASE %s TEMPLATE %s OWNER sluice_owner`, name, template))
	t.Cleanup(func() { exec1(t, admin, "postgres", fmt.Sprintf(`DROP DATABASE IF EXISTS %s WITH (FORCE)`, name)) })
	return As(t, admin, "sluice_app", name)
}

// As returns the cluster's URL for another role and database.
func As(t testing.TB, admin, role, database string) string {
	t.Helper()
	u, err := url.Parse(admin)
	if err != nil {
		t.Fatal(err)
	}
	u.User = url.UserPassword(role, password)
	u.Path = "/" + database
	return u.String()
}

var cluster = func() func(testing.TB) (admin, template string) {
	var once sync.Once
	var admin, template string
	var failed error
	return func(t testing.TB) (string, string) {
		t.Helper()
		once.Do(func() { admin, template, failed = prepare(context.Background()) })
		if failed != nil {
			t.Fatal(failed)
		}
		return admin, template
	}
}()

func prepare(ctx context.Context) (admin, template string, err error) {
	if admin, err = adminURL(ctx); err != nil {
		return "", "", err
	}
	template = "sluice_tpl_" + fingerprint()
	c, err := pgx.Connect(ctx, admin)
	if err != nil {
		return "", "", fmt.Errorf("the test cluster does not answer: %w", err)
	}
	defer c.Close(ctx)
	// Test binaries run side by side; the first one makes the template.
	if _, err := c.Exec(ctx, `SELECT pg_advisory_lock(4711)`); err != nil {
		return "", "", err
	}
	defer c.Exec(ctx, `SELECT pg_advisory_unlock(4711)`) //nolint:errcheck // the session's end unlocks too
	var exists bool
	if err := c.QueryRow(ctx, `SELECT EXISTS (SELECT 1 FROM pg_database WHERE datname = $1)`, template).Scan(&exists); err != nil || exists {
		return admin, template, err
	}
	return admin, template, makeTemplate(ctx, c, admin, template)
}

func makeTemplate(ctx context.Context, c *pgx.Conn, admin, template string) error {
	making := template + "_making"
	for _, q := range []string{
		db.Roles,
		`ALTER ROLE sluice_owner PASSWORD '` + password + `'`,
		`ALTER ROLE sluice_app PASSWORD '` + password + `'`,
		`DROP DATABASE IF EXISTS ` + making + ` WITH (FORCE)`,
		`CREATE DATABASE ` + making + ` OWNER sluice_owner`,
	} {
		if _, err := c.Exec(ctx, q); err != nil {
			return fmt.Errorf("prepare the test cluster: %w", err)
		}
	}
	u, err := url.Parse(admin)
	if err != nil {
		return err
	}
	u.User, u.Path = url.UserPassword("sluice_owner", password), "/"+making
	if err := db.Migrate(ctx, u.String()); err != nil {
		return err
	}
	_, err = c.Exec(ctx, `ALTER DATABASE `+making+` RENAME TO `+template)
	return err
}

func fingerprint() string {
	h := sha256.New()
	h.Write([]byte(db.Roles))
	_ = fs.WalkDir(db.Migrations(), ".", func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		b, err := fs.ReadFile(db.Migrations(), path)
		h.Write(b)
		return err
	})
	return hex.EncodeToString(h.Sum(nil))[:12]
}

func adminURL(ctx context.Context) (string, error) {
	if u := os.Getenv("SLUICE_TEST_DATABASE_ADMIN_URL"); u != "" {
		return u, nil
	}
	out, err := exec.CommandContext(ctx, "go", "run", "sluice.dev/sluice/cmd/internal/postgres/testpg", "start").Output()
	if err != nil {
		return "", fmt.Errorf("start a private PostgreSQL for the tests (or set SLUICE_TEST_DATABASE_ADMIN_URL): %w", err)
	}
	return strings.TrimSpace(string(out)), nil
}

func exec1(t testing.TB, admin, database, q string) {
	t.Helper()
	u, err := url.Parse(admin)
	if err != nil {
		t.Fatal(err)
	}
	u.Path = "/" + database
	ctx := context.Background()
	c, err := pgx.Connect(ctx, u.String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close(ctx)
	if _, err := c.Exec(ctx, q); err != nil {
		t.Fatal(err)
	}
}

// Org makes an organization with that slug and returns a context of it.
func Org(t testing.TB, d *db.DB, slug string) context.Context {
	t.Helper()
	ctx := scope.With(context.Background(), uuid.Must(uuid.NewV7()))
	ctx = scope.WithActor(ctx, scope.System("test"))
	err := d.InTx(ctx, func(ctx context.Context, tx *db.Tx) error {
		id, err := scope.Org(ctx)
		if err != nil {
			return err
		}
		return tx.Ent.Organization.Create().SetID(id).SetSlug(slug).SetName(slug).SetCreatedAt(time.Now()).Exec(ctx)
	})
	if err != nil {
		t.Fatal(err)
	}
	return ctx
}

// TwoOrgs makes two organizations, since every test has two.
func TwoOrgs(t testing.TB, d *db.DB) (ours, theirs context.Context) {
	t.Helper()
	return Org(t, d, "acme"), Org(t, d, "globex")
}
