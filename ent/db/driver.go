package db

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"entgo.io/ent/dialect"
	entsql "entgo.io/ent/dialect/sql"
	"github.com/jackc/pgx/v5"
)

// driver runs Ent on a pgx.Tx, so that Ent rows, River jobs and raw SQL share
// one transaction. Builders that want a transaction of their own (bulk create,
// edges) get one whose commit does nothing: ending it belongs to InTx.
type driver struct{ tx pgx.Tx }

var _ dialect.Driver = (*driver)(nil)

func (d *driver) Dialect() string                        { return dialect.Postgres }
func (d *driver) Close() error                           { return nil }
func (d *driver) Tx(context.Context) (dialect.Tx, error) { return dialect.NopTx(d), nil }

func (d *driver) Exec(ctx context.Context, query string, args, v any) error {
	argv, ok := args.([]any)
	if !ok {
		return fmt.Errorf("db: arguments are %T, want []any", args)
	}
	tag, err := d.tx.Exec(ctx, query, argv...)
	if err != nil {
		return err
	}
	switch v := v.(type) {
	case nil:
	case *sql.Result:
		*v = result(tag.RowsAffected())
	default:
		return fmt.Errorf("db: result is %T, want *sql.Result", v)
	}
	return nil
}

func (d *driver) Query(ctx context.Context, query string, args, v any) error {
	out, ok := v.(*entsql.Rows)
	if !ok {
		return fmt.Errorf("db: rows are %T, want *sql.Rows of Ent", v)
	}
	argv, ok := args.([]any)
	if !ok {
		return fmt.Errorf("db: arguments are %T, want []any", args)
	}
	rows, err := d.tx.Query(ctx, query, argv...)
	if err != nil {
		return err
	}
	out.ColumnScanner = &scanner{rows}
	return nil
}

type result int64

func (result) LastInsertId() (int64, error) {
	return 0, errors.New("db: PostgreSQL has no LastInsertId")
}
func (r result) RowsAffected() (int64, error) { return int64(r), nil }

type scanner struct{ rows pgx.Rows }

func (s *scanner) Close() error { s.rows.Close(); return s.rows.Err() }
func (s *scanner) ColumnTypes() ([]*sql.ColumnType, error) {
	return nil, errors.New("db: ColumnTypes is not supported")
}
func (s *scanner) Columns() ([]string, error) {
	fields := s.rows.FieldDescriptions()
	if len(fields) == 0 {
		// A statement that failed has no columns either; who asks for them
		// first must learn why it failed.
		s.rows.Close()
		return nil, s.rows.Err()
	}
	names := make([]string, len(fields))
	for i := range fields {
		names[i] = fields[i].Name
	}
	return names, nil
}
func (s *scanner) Err() error             { return s.rows.Err() }
func (s *scanner) Next() bool             { return s.rows.Next() }
func (s *scanner) NextResultSet() bool    { return false }
func (s *scanner) Scan(dest ...any) error { return s.rows.Scan(dest...) }
