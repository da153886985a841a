package db

import (
	"context"
	"database/sql"
	"embed"
	"fmt"
	"io/fs"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/riverqueue/river/rivermigrate"
)

//go:embed migrations/*.sql
var migrations embed.FS

// Migrations returns the versioned SQL files.
func Migrations() fs.FS {
	sub, err := fs.Sub(migrations, "migrations")
	if err != nil {
		panic(err) // the folder is embedded above
	}
	return sub
}

// Migrate brings the database of the owner's URL to the newest schema, ours and
// River's, and lets sluice_app work with it. Several nodes may call it at once.
// The roles must exist: see [Roles].
func Migrate(ctx context.Context, ownerURL string) error {
	cfg, err := pgx.ParseConfig(ownerURL)
	if err != nil {
		return fmt.Errorf("the owner's database URL cannot be read: %w", redact(err))
	}
	conn := stdlib.OpenDB(*cfg)
	defer conn.Close()
	if err := migrateOurs(ctx, conn); err != nil {
		return err
	}
	return migrateRiver(ctx, ownerURL)
}

func migrateOurs(ctx context.Context, conn *sql.DB) error {
	locker, err := lock.NewPostgresSessionLocker()
	if err != nil {
		return err
	}
	p, err := goose.NewProvider(goose.DialectPostgres, conn, Migrations(), goose.WithSessionLocker(locker), goose.WithVerbose(false))
	if err != nil {
		return fmt.Errorf("read migrations: %w", err)
	}
	if _, err := p.Up(ctx); err != nil {
		return fmt.Errorf("migrate: %w", err)
	}
	return nil
}

func migrateRiver(ctx context.Context, ownerURL string) error {
	pool, err := pgxpool.New(ctx, ownerURL)
	if err != nil {
		return fmt.Errorf("migrate job queue: %w", redact(err))
	}
	defer pool.Close()
	// The advisory lock keeps two nodes from migrating River at once.
	conn, err := pool.Acquire(ctx)
	if err != nil {
		return fmt.Errorf("migrate job queue: %w", redact(err))
	}
	defer conn.Release()
	if _, err := conn.Exec(ctx, `SELECT pg_advisory_lock(hashtextextended('sluice river migration', 0))`); err != nil {
		return err
	}
	defer conn.Exec(context.WithoutCancel(ctx), `SELECT pg_advisory_unlock(hashtextextended('sluice river migration', 0))`) //nolint:errcheck // the session's end unlocks too
	if _, err := conn.Exec(ctx, `CREATE SCHEMA IF NOT EXISTS `+RiverSchema); err != nil {
		return fmt.Errorf("migrate job queue: %w", err)
	}
	m, err := rivermigrate.New(riverpgxv5.New(pool), &rivermigrate.Config{Schema: RiverSchema})
	if err != nil {
		return err
	}
	if _, err := m.Migrate(ctx, rivermigrate.DirectionUp, nil); err != nil {
		return fmt.Errorf("migrate job queue: %w", err)
	}
	_, err = conn.Exec(ctx, `
		GRANT USAGE ON SCHEMA river TO sluice_app;
		GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA river TO sluice_app;
		GRANT USAGE, SELECT ON ALL SEQUENCES IN SCHEMA river TO sluice_app;
		GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA river TO sluice_app`)
	return err
}

// Pending reports whether the database still lacks a migration, which a node
// refuses to serve with.
func (d *DB) Pending(ctx context.Context) (bool, error) {
	var have int64
	err := d.Pool.QueryRow(ctx, `SELECT coalesce(max(version_id), 0) FROM goose_db_version WHERE is_applied`).Scan(&have)
	if err != nil {
		return true, fmt.Errorf("read the schema's version (has `sluice migrate` run?): %w", err)
	}
	files, err := fs.Glob(Migrations(), "*.sql")
	if err != nil {
		return true, err
	}
	var newest int64
	for _, f := range files {
		v, err := goose.NumericComponent(f)
		if err != nil {
			return true, err
		}
		newest = max(newest, v)
	}
	return have < newest, nil
}

// Roles are the SQL statements that a superuser runs once per cluster. The
// owner migrates, sluice_app serves, sluice_all logs in nowhere and owns the
// functions that answer questions across organizations (law D3).
const Roles = `
DO $$ BEGIN
	IF NOT EXISTS (SELECT 1 FROM pg_roles WHERE rolname = 'sluice_owner') THEN
		CREATE ROLE sluice_owner LOGIN NOSUPERUSER NOBYPASSRLS;
	END IF;
	IF NOT EXISTS (SELECT 1 FROM pg_roles WHERE rolname = 'sluice_app') THEN
		CREATE ROLE sluice_app LOGIN NOSUPERUSER NOBYPASSRLS NOCREATEDB NOCREATEROLE;
	END IF;
	IF NOT EXISTS (SELECT 1 FROM pg_roles WHERE rolname = 'sluice_all') THEN
		CREATE ROLE sluice_all NOLOGIN NOSUPERUSER BYPASSRLS;
	END IF;
	GRANT sluice_all TO sluice_owner;
END $$;`
