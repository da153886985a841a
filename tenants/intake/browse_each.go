package intake

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"sluice.dev/sluice/ent"
	"sluice.dev/sluice/ent/db"
	"sluice.dev/sluice/tenants/catalog"
	"sluice.dev/sluice/tenants/policy"
)

// Lists below several registries, or pulls, are read in one statement: a page of
// each. Rows are in the order of the page.

// Mark is the place in a list behind which a page begins: time and id of the
// last one that was seen. Its zero value is the start.
type Mark struct {
	At time.Time // ignored where a list is in the order of ids
	ID uuid.UUID
}

// EachQuery selects a page below each parent.
type EachQuery struct {
	Search string // what the package's name begins with; "" = all
	State  string // of pulls "RUNNING" or "ENDED", of their versions a state; "" = all
	After  Mark   // zero = from the start
	Desc   bool
	Limit  int
}

// way returns the comparison and the order of a direction.
func (q EachQuery) way() (cmp, dir string) {
	if q.Desc {
		return "<", "DESC"
	}
	return ">", "ASC"
}

// lateral runs a query for the pages below the parents. What each page selects
// is from table x, of the parent g.id.
func lateral[T any](ctx context.Context, tx *db.Tx, parents []uuid.UUID, columns, from, where, order string, scan func(pgx.Row) (T, uuid.UUID, error), args ...any) (map[uuid.UUID][]T, error) {
	rows, err := tx.Query(ctx, `SELECT p.* FROM unnest($1::uuid[]) g (id) CROSS JOIN LATERAL (SELECT `+columns+` FROM `+from+`
		WHERE x.org_id = `+db.Ours+` AND `+where+` ORDER BY `+order+` LIMIT $2) p`, append([]any{parents}, args...)...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	out := map[uuid.UUID][]T{}
	for rows.Next() {
		v, parent, err := scan(rows)
		if err != nil {
			return nil, err
		}
		out[parent] = append(out[parent], v)
	}
	return out, rows.Err()
}

// OwnedNamesEach returns, by registry, a page of the names that it owns by the
// ledger, by the time since when.
func OwnedNamesEach(ctx context.Context, tx *db.Tx, registries []uuid.UUID, q EachQuery) (map[uuid.UUID][]Ownership, error) {
	cmp, dir := q.way()
	out, err := lateral(ctx, tx, registries, `x.id, x.registry_id, x.ecosystem, x.name, x.owned_since`, `owned_names x`,
		`x.registry_id = g.id AND x.lifted_at IS NULL AND starts_with(x.name, $3) AND ($5 = '00000000-0000-0000-0000-000000000000'::uuid OR (x.owned_since, x.id) `+cmp+` ($4, $5))`,
		`x.owned_since `+dir+`, x.id `+dir, func(row pgx.Row) (o Ownership, _ uuid.UUID, err error) {
			err = row.Scan(&o.ID, &o.Registry, &o.Package.Ecosystem, &o.Package.Name, &o.Since)
			return o, o.Registry, err
		}, q.Limit, q.Search, q.After.At, q.After.ID)
	if err != nil {
		return nil, fmt.Errorf("list owned names: %w", err)
	}
	return out, nil
}

// NameSwitchesEach returns, by registry, a page of its overrides, in the order
// in which they were made.
func NameSwitchesEach(ctx context.Context, tx *db.Tx, registries []uuid.UUID, q EachQuery) (map[uuid.UUID][]NameSwitch, error) {
	cmp, dir := q.way()
	out, err := lateral(ctx, tx, registries, `x.id, x.registry_id, x.ecosystem, x.name, coalesce(x.publish, ''), coalesce(x.upstream, ''), x.reason, x.updated_at`, `name_switches x`,
		`x.registry_id = g.id AND starts_with(x.name, $3) AND ($4 = '00000000-0000-0000-0000-000000000000'::uuid OR x.id `+cmp+` $4)`,
		`x.id `+dir, func(row pgx.Row) (s NameSwitch, _ uuid.UUID, err error) {
			err = row.Scan(&s.ID, &s.Registry, &s.Package.Ecosystem, &s.Package.Name, &s.Publish, &s.Upstream, &s.Reason, &s.Updated)
			return s, s.Registry, err
		}, q.Limit, q.Search, q.After.ID)
	if err != nil {
		return nil, fmt.Errorf("list name switches: %w", err)
	}
	return out, nil
}

// StagedEach returns, by registry, a page of what waits for approval there, by
// the time of staging; of the files only names and SHA-256 are known, and no
// metadata.
func StagedEach(ctx context.Context, tx *db.Tx, registries []uuid.UUID, q EachQuery) (map[uuid.UUID][]Staged, error) {
	cmp, dir := q.way()
	out, err := lateral(ctx, tx, registries, `x.id, x.registry_id, r.ecosystem, x.name, x.version, x.tags, x.license, x.license_state, x.about, x.maintainer, x.file, x.sha256, x.staged_by, x.staged_at`,
		`staged_versions x JOIN registries r ON r.id = x.registry_id`,
		`x.registry_id = g.id AND x.ended_at IS NULL AND starts_with(x.name, $3) AND ($5 = '00000000-0000-0000-0000-000000000000'::uuid OR (x.staged_at, x.id) `+cmp+` ($4, $5))`,
		`x.staged_at `+dir+`, x.id `+dir, func(row pgx.Row) (s Staged, _ uuid.UUID, err error) {
			file := catalog.StoredFile{}
			var state string
			err = row.Scan(&s.ID, &s.Registry, &s.Version.Ecosystem, &s.Version.Name, &s.Version.Version, &s.Tags, &s.License.Expression, &state, &s.About, &s.Maintainer,
				&file.Name, &file.Blob.SHA256, &s.By, &s.At)
			s.License.State, s.Files = policy.LicenseState(state), []catalog.StoredFile{file}
			return s, s.Registry, err
		}, q.Limit, q.Search, q.After.At, q.After.ID)
	if err != nil {
		return nil, fmt.Errorf("list staged versions: %w", err)
	}
	return out, nil
}

// StagedCounts returns, by registry, how many versions of packages whose names
// begin with the prefix wait for approval. Registries without any are not in
// the answer.
func StagedCounts(ctx context.Context, tx *db.Tx, registries []uuid.UUID, prefix string) (map[uuid.UUID]int, error) {
	rows, err := tx.Query(ctx, `SELECT registry_id, count(*) FROM staged_versions
		WHERE org_id = `+db.Ours+` AND registry_id = ANY ($1) AND ended_at IS NULL AND starts_with(name, $2) GROUP BY registry_id`, registries, prefix)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	out := map[uuid.UUID]int{}
	for rows.Next() {
		var id uuid.UUID
		var n int
		if err := rows.Scan(&id, &n); err != nil {
			return nil, err
		}
		out[id] = n
	}
	return out, rows.Err()
}

// PullsEach returns, by registry, a page of its pulls, in the order in which
// they began.
func PullsEach(ctx context.Context, tx *db.Tx, registries []uuid.UUID, q EachQuery) (map[uuid.UUID][]*ent.Pull, error) {
	cmp, dir := q.way()
	out, err := lateral(ctx, tx, registries, `x.id, x.registry_id, x.source, x.pulled_by, x.started_at, x.ended_at`, `pulls x`,
		`x.registry_id = g.id AND ($3 = '' OR position($3 in lower(x.source)) > 0) AND ($4 = '' OR (x.ended_at IS NULL) = ($4 = 'RUNNING'))
			AND ($5 = '00000000-0000-0000-0000-000000000000'::uuid OR x.id `+cmp+` $5)`,
		`x.id `+dir, func(row pgx.Row) (*ent.Pull, uuid.UUID, error) {
			p := &ent.Pull{}
			err := row.Scan(&p.ID, &p.RegistryID, &p.Source, &p.PulledBy, &p.StartedAt, &p.EndedAt)
			return p, p.RegistryID, err
		}, q.Limit, q.Search, q.State, q.After.ID)
	if err != nil {
		return nil, fmt.Errorf("list pulls: %w", err)
	}
	return out, nil
}

// PullItemsEach returns, by pull, a page of its versions, by name and version as
// texts, behind the one that is given.
func PullItemsEach(ctx context.Context, tx *db.Tx, pulls []uuid.UUID, after PullVersion, q EachQuery) (map[uuid.UUID][]*ent.PullItem, error) {
	cmp, dir := q.way()
	out, err := lateral(ctx, tx, pulls, `x.id, x.pull_id, x.name, x.version, x.state, x.reason`, `pull_items x`,
		`x.pull_id = g.id AND starts_with(x.name, $3) AND ($4 = '' OR x.state = $4) AND ($5 = '' OR (x.name, x.version) `+cmp+` ($5, $6))`,
		`x.name `+dir+`, x.version `+dir, func(row pgx.Row) (*ent.PullItem, uuid.UUID, error) {
			i := &ent.PullItem{}
			err := row.Scan(&i.ID, &i.PullID, &i.Name, &i.Version, &i.State, &i.Reason)
			return i, i.PullID, err
		}, q.Limit, q.Search, q.State, after.Name, after.Version)
	if err != nil {
		return nil, fmt.Errorf("list the versions of pulls: %w", err)
	}
	return out, nil
}
