package audit

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"sluice.dev/sluice/ent/db"
	"sluice.dev/sluice/tenants/coord"
)

// Recorded is a row of the decision log as those see it who may read the log.
type Recorded struct {
	ID        string
	At        time.Time
	LastAt    time.Time
	Count     int
	Registry  uuid.UUID
	Token     uuid.UUID // nil: anonymous, or a list compiled for everybody
	Channel   string
	Ecosystem coord.Ecosystem
	Name      string
	Version   string // "" for a list
	Effect    string
	Snapshot  *time.Time      // nil = no advisory feed
	Record    json.RawMessage // what Answer.Decision was
}

// DecisionQuery selects decisions for a list, the newest first unless asked
// otherwise.
type DecisionQuery struct {
	IDs       []string // only these; nil = all
	Reach     Reach
	Channel   string // "" = all
	Ecosystem coord.Ecosystem
	Asc       bool      // the oldest first
	Package   string    // exact, normalized; "" = all
	Version   string    // exact; "" = all
	Effect    string    // "" = all
	From      time.Time // zero = no bound
	To        time.Time // exclusive; zero = no bound
	After     *Mark     // nil = from the start
	Limit     int
}

const recordedColumns = `id, at, last_at, count, registry_id, token_id, channel, ecosystem, name, version, effect, snapshot_at, decision`

func scanRecorded(row pgx.Row) (r Recorded, err error) {
	err = row.Scan(&r.ID, &r.At, &r.LastAt, &r.Count, &r.Registry, &r.Token, &r.Channel, &r.Ecosystem, &r.Name, &r.Version, &r.Effect, &r.Snapshot, &r.Record)
	return r, err
}

// DecisionLog returns a page of decisions.
func DecisionLog(ctx context.Context, tx *db.Tx, q DecisionQuery) ([]Recorded, error) {
	after := Mark{}
	if q.After != nil {
		after = *q.After
	}
	cmp, dir := "<", "DESC"
	if q.Asc {
		cmp, dir = ">", "ASC"
	}
	ids := q.Reach.Registries
	if ids == nil {
		ids = []uuid.UUID{}
	}
	rows, err := tx.Query(ctx, `SELECT `+recordedColumns+` FROM decisions
		WHERE ($1 OR registry_id = ANY ($2)) AND ($3 = '' OR name = $3)
		AND ($4 = '' OR version = $4) AND ($5 = '' OR effect = $5) AND ($6::timestamptz IS NULL OR at >= $6) AND ($7::timestamptz IS NULL OR at < $7)
		AND ($11::text[] IS NULL OR id = ANY ($11)) AND ($12 = '' OR channel = $12) AND ($13 = '' OR ecosystem = $13)
		AND ($8::timestamptz IS NULL OR (at, id) `+cmp+` ($8, $9)) ORDER BY at `+dir+`, id `+dir+` LIMIT $10`,
		q.Reach.All, ids, q.Package, q.Version, q.Effect, moment(q.From), moment(q.To), moment(after.At), after.ID, q.Limit, q.IDs, q.Channel, string(q.Ecosystem))
	if err != nil {
		return nil, fmt.Errorf("decision log: %w", err)
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (Recorded, error) { return scanRecorded(row) })
}

// RecordedByID returns a decision, or nil.
func RecordedByID(ctx context.Context, tx *db.Tx, id string) (*Recorded, error) {
	r, err := scanRecorded(tx.QueryRow(ctx, `SELECT `+recordedColumns+` FROM decisions WHERE id = $1 ORDER BY at LIMIT 1`, id))
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, nil
	}
	return &r, err
}

func moment(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

// Delivery is what one token fetched from one registry, over all hours.
type Delivery struct {
	Registry uuid.UUID
	Token    uuid.UUID // nil = anonymous
	Count    int
	FirstAt  time.Time
	LastAt   time.Time
}

// Fetched selects deliveries (C7).
type Fetched struct {
	Package  coord.Package
	Versions []string // which; ignored with Whole
	Whole    bool     // all versions of the package
}

func (f Fetched) args() []any {
	versions := f.Versions
	if versions == nil {
		versions = []string{}
	}
	return []any{f.Package.Ecosystem, f.Package.Name, f.Whole, versions}
}

const whereFetched = ` FROM deliveries WHERE ecosystem = $1 AND name = $2 AND ($3 OR version = ANY ($4))`

// DeliveryQuery selects who fetched, ordered by registry and token.
type DeliveryQuery struct {
	Fetched
	Registry uuid.UUID // from this one only; nil = all
	After    *Delivery // nil = from the start
	Desc     bool
	Limit    int
}

// Deliveries returns a page of who fetched.
func Deliveries(ctx context.Context, tx *db.Tx, q DeliveryQuery) ([]Delivery, error) {
	cmp, dir, f, after := ">", "ASC", q.Fetched, q.After
	if q.Desc {
		cmp, dir = "<", "DESC"
	}
	var registry, token *uuid.UUID
	if after != nil {
		registry, token = &after.Registry, &after.Token
	}
	rows, err := tx.Query(ctx, `SELECT registry_id, token_id, sum(count), min(first_at), max(last_at)`+whereFetched+`
		AND ($5::uuid IS NULL OR (registry_id, token_id) `+cmp+` ($5, $6::uuid)) AND ($8::uuid IS NULL OR registry_id = $8) GROUP BY registry_id, token_id
		ORDER BY registry_id `+dir+`, token_id `+dir+` LIMIT $7`, append(f.args(), registry, token, q.Limit, nullable(q.Registry))...)
	if err != nil {
		return nil, fmt.Errorf("deliveries: %w", err)
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (d Delivery, err error) {
		err = row.Scan(&d.Registry, &d.Token, &d.Count, &d.FirstAt, &d.LastAt)
		return d, err
	})
}

// Totals sums deliveries up.
type Totals struct {
	Tokens  int // anonymous ones count as one
	Fetches int
	FirstAt *time.Time // nil = never
	LastAt  *time.Time
}

// TotalOf sums up who fetched.
func TotalOf(ctx context.Context, tx *db.Tx, f Fetched) (t Totals, err error) {
	err = tx.QueryRow(ctx, `SELECT count(DISTINCT token_id), coalesce(sum(count), 0), min(first_at), max(last_at)`+whereFetched, f.args()...).
		Scan(&t.Tokens, &t.Fetches, &t.FirstAt, &t.LastAt)
	if err != nil {
		return t, fmt.Errorf("deliveries: %w", err)
	}
	return t, nil
}

// FetchedVersions returns which versions of a package were ever fetched.
func FetchedVersions(ctx context.Context, tx *db.Tx, pkg coord.Package) ([]string, error) {
	rows, err := tx.Query(ctx, `SELECT DISTINCT version FROM deliveries WHERE ecosystem = $1 AND name = $2`, pkg.Ecosystem, pkg.Name)
	if err != nil {
		return nil, fmt.Errorf("deliveries: %w", err)
	}
	return pgx.CollectRows(rows, pgx.RowTo[string])
}
