// Package db opens PostgreSQL and gives services their unit of work: one
// transaction in which Ent, River and raw SQL share the organization's
// row-level security, and whose changes reach every node ([Feed]).
//
// No network request may happen inside a transaction.
package db

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"

	"sluice.dev/sluice/ent"
	_ "sluice.dev/sluice/ent/runtime" // the tenant hooks and interceptors
	"sluice.dev/sluice/tenants/scope"
)

// RiverSchema is the schema of River's tables.
const RiverSchema = "river"

// DB is a pool under the role that cannot bypass row-level security.
type DB struct {
	Pool *pgxpool.Pool
	Feed *Feed
	jobs *river.Client[pgx.Tx]
}

// Open connects to the application role's database URL. It refuses a role that
// could bypass row-level security (a superuser, BYPASSRLS, the owner of the
// tables, or a member of such a role), since then one of the three walls of T2
// would be missing.
func Open(ctx context.Context, url string, conns int32) (*DB, error) {
	cfg, err := pgxpool.ParseConfig(url)
	if err != nil {
		return nil, fmt.Errorf("the database URL cannot be read (want postgres://user:password@host:port/name): %w", redact(err))
	}
	if conns > 0 {
		cfg.MaxConns = conns
	}
	pool, err := pgxpool.NewWithConfig(ctx, cfg)
	if err != nil {
		return nil, fmt.Errorf("open database: %w", redact(err))
	}
	if err := checkRole(ctx, pool); err != nil {
		pool.Close()
		return nil, err
	}
	jobs, err := river.NewClient(riverpgxv5.New(pool), &river.Config{Schema: RiverSchema})
	if err != nil {
		pool.Close()
		return nil, fmt.Errorf("open job queue: %w", err)
	}
	d := &DB{Pool: pool, jobs: jobs}
	d.Feed = newFeed(d)
	return d, nil
}

// Close closes the pool; the feed must have been stopped by its context.
func (d *DB) Close() { d.Pool.Close() }

// redact keeps the message of a driver error and drops the connection string,
// which may hold a password.
func redact(err error) error {
	var p *pgconn.ParseConfigError
	if errors.As(err, &p) {
		return errors.New("it is not a valid PostgreSQL connection string")
	}
	return err
}

func checkRole(ctx context.Context, pool *pgxpool.Pool) error {
	var role string
	var super, owns, bypass bool
	// A member of a role can become it with SET ROLE.
	err := pool.QueryRow(ctx, `SELECT current_user, me.rolsuper OR me.rolbypassrls,
		EXISTS (SELECT 1 FROM pg_class c WHERE c.oid = to_regclass('public.organizations') AND pg_has_role(current_user, c.relowner, 'MEMBER')),
		EXISTS (SELECT 1 FROM pg_roles r WHERE (r.rolsuper OR r.rolbypassrls) AND pg_has_role(current_user, r.oid, 'MEMBER'))
		FROM pg_roles me WHERE me.rolname = current_user`).Scan(&role, &super, &owns, &bypass)
	switch {
	case err != nil:
		return fmt.Errorf("the database does not answer: %w", redact(err))
	case owns && !super:
		return fmt.Errorf("the database role %q owns the tables, or is a member of the role that does; connect as sluice_app and keep the owner for `sluice migrate`", role)
	case super || bypass:
		return fmt.Errorf("the database role %q can bypass row-level security; connect as sluice_app, which `sluice migrate --roles` creates", role)
	}
	return nil
}

// Tx is one unit of work.
type Tx struct {
	pgx.Tx
	Ent *ent.Client

	db      *DB
	changes []Change
}

// Enqueue inserts a job that exists only if the transaction commits. After an
// error the transaction must be rolled back (River opens no savepoint).
func (t *Tx) Enqueue(ctx context.Context, args river.JobArgs, opts *river.InsertOpts) error {
	_, err := t.db.jobs.InsertTx(ctx, t.Tx, args, opts)
	return err
}

// Changed says that something changed which nodes keep in memory. All nodes
// hear of it when the transaction commits, this one before InTx returns (Q2).
func (t *Tx) Changed(c ...Change) { t.changes = append(t.changes, c...) }

// InTx runs fn in one transaction bound to the context's organization; without
// one it fails with scope.ErrNoOrg. An error of fn rolls everything back.
func (d *DB) InTx(ctx context.Context, fn func(context.Context, *Tx) error) error {
	return d.run(ctx, pgx.TxOptions{}, true, fn)
}

// InSnapshot is InTx for reading: every statement sees the same state.
func (d *DB) InSnapshot(ctx context.Context, fn func(context.Context, *Tx) error) error {
	return d.run(ctx, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}, true, fn)
}

// InGlobal runs fn in a transaction that belongs to no organization: it sees
// advisories and the functions that answer across organizations, and every
// table of an organization raises an error.
func (d *DB) InGlobal(ctx context.Context, fn func(context.Context, *Tx) error) error {
	return d.run(ctx, pgx.TxOptions{}, false, fn)
}

func (d *DB) run(ctx context.Context, opts pgx.TxOptions, bind bool, fn func(context.Context, *Tx) error) error {
	var org uuid.UUID
	if bind {
		var err error
		if org, err = scope.Org(ctx); err != nil {
			return err
		}
	}
	t := &Tx{db: d}
	err := pgx.BeginTxFunc(ctx, d.Pool, opts, func(tx pgx.Tx) error {
		if bind {
			// The third argument makes it end with the transaction, so that
			// nothing leaks to the connection's next user.
			if _, err := tx.Exec(ctx, `SELECT set_config('app.org', $1, true)`, org.String()); err != nil {
				return fmt.Errorf("bind organization: %w", err)
			}
		}
		t.Tx, t.Ent = tx, ent.NewClient(ent.Driver(&driver{tx}))
		if err := fn(ctx, t); err != nil {
			return err
		}
		return d.Feed.publish(ctx, tx, t.changes)
	})
	if err != nil {
		return err
	}
	d.Feed.apply(t.changes)
	return nil
}

// Retry runs fn again, at most five times in all, while PostgreSQL reports a
// serialization failure or a deadlock, which are nobody's fault.
func Retry(ctx context.Context, fn func() error) error {
	var err error
	for range 5 {
		if err = fn(); err == nil || !transient(err) || ctx.Err() != nil {
			return err
		}
	}
	return err
}

func transient(err error) bool {
	var pg *pgconn.PgError
	return errors.As(err, &pg) && (pg.Code == "40001" || pg.Code == "40P01")
}

// IsUnique reports whether err is a violation of a unique constraint, and of
// which.
func IsUnique(err error) (constraint string, ok bool) {
	var pg *pgconn.PgError
	if errors.As(err, &pg) && pg.Code == "23505" {
		return pg.ConstraintName, true
	}
	return "", false
}

// Lock takes a transaction-wide advisory lock named by parts; shared locks
// exclude exclusive ones only.
func (t *Tx) Lock(ctx context.Context, shared bool, parts ...string) error {
	fn := "pg_advisory_xact_lock"
	if shared {
		fn += "_shared"
	}
	key := ""
	for _, p := range parts {
		key += p + "\x1f"
	}
	_, err := t.Exec(ctx, `SELECT `+fn+`(hashtextextended($1, 0))`, key)
	return err
}

// Now returns the transaction's time as PostgreSQL sees it. Rules use injected
// clocks; this is for tests that compare the two.
func (t *Tx) Now(ctx context.Context) (now time.Time, err error) {
	err = t.QueryRow(ctx, `SELECT now()`).Scan(&now)
	return now, err
}
