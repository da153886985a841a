package db_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgconn"

	"sluice.dev/sluice/ent/db"
	"sluice.dev/sluice/tenants/scope"
)

func orgOf(t testing.TB, ctx context.Context) uuid.UUID {
	t.Helper()
	org, err := scope.Org(ctx)
	if err != nil {
		t.Fatal(err)
	}
	return org
}

func ok(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// in runs fn in a transaction of the organization and wants it to succeed.
func in(t testing.TB, d *db.DB, ctx context.Context, fn func(context.Context, *db.Tx) error) {
	t.Helper()
	if err := d.InTx(ctx, fn); err != nil {
		t.Fatal(err)
	}
}

// attempt runs a statement in a transaction of its own, which is rolled back,
// and returns how many rows it touched.
func attempt(d *db.DB, ctx context.Context, query string, args ...any) (n int64, err error) {
	undo := errors.New("undo")
	err = d.InTx(ctx, func(ctx context.Context, tx *db.Tx) error {
		tag, err := tx.Exec(ctx, query, args...)
		if err != nil {
			return err
		}
		n = tag.RowsAffected()
		return undo
	})
	if errors.Is(err, undo) {
		err = nil
	}
	return n, err
}

// code returns PostgreSQL's code of an error, "" when it is none of its.
func code(err error) string {
	var pg *pgconn.PgError
	if errors.As(err, &pg) {
		return pg.Code
	}
	return ""
}

// Codes of PostgreSQL that the tests expect.
const (
	foreignKeyViolation   = "23503"
	insufficientPrivilege = "42501" // also: "new row violates row-level security policy"
)

// eventually waits until the condition holds and returns how long that took.
func eventually(t testing.TB, within time.Duration, what string, holds func() bool) time.Duration {
	t.Helper()
	start := time.Now()
	for !holds() {
		if time.Since(start) > within {
			t.Fatalf("not within %s: %s", within, what)
		}
		time.Sleep(time.Millisecond)
	}
	return time.Since(start)
}
