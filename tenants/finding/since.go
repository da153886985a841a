package finding

import (
	"context"
	"fmt"
	"time"

	"sluice.dev/sluice/ent/db"
	"sluice.dev/sluice/tenants/coord"
	"sluice.dev/sluice/tenants/policy"
)

// Opened returns when the open findings of a package were opened, by version,
// a space, and the advisory's id.
func Opened(ctx context.Context, d *db.DB, pkg coord.Package) (out map[string]time.Time, err error) {
	err = d.InTx(ctx, func(ctx context.Context, tx *db.Tx) error {
		out, err = OpenedIn(ctx, tx, pkg)
		return err
	})
	return out, err
}

// OpenedIn is Opened in a transaction.
func OpenedIn(ctx context.Context, tx *db.Tx, pkg coord.Package) (map[string]time.Time, error) {
	rows, err := tx.Query(ctx, `SELECT version, reference, opened_at FROM findings
		WHERE ecosystem = $1 AND name = $2 AND closed_at IS NULL AND kind IN ('VULNERABILITY', 'MALWARE')`, pkg.Ecosystem, pkg.Name)
	if err != nil {
		return nil, fmt.Errorf("read findings: %w", err)
	}
	defer rows.Close()
	out := map[string]time.Time{}
	for rows.Next() {
		var version, id string
		var at time.Time
		if err := rows.Scan(&version, &id, &at); err != nil {
			return nil, err
		}
		out[version+" "+id] = at
	}
	return out, rows.Err()
}

// Since says of each match when its finding was opened, from which the grace
// time of P5 counts. Matches are copied, not changed.
func Since(matches []policy.Match, version string, opened map[string]time.Time) []policy.Match {
	if len(matches) == 0 || len(opened) == 0 {
		return matches
	}
	out := make([]policy.Match, len(matches))
	for i, m := range matches {
		m.Since = opened[version+" "+m.ID]
		out[i] = m
	}
	return out
}

// Due returns the packages with open vulnerability findings, by ecosystem: time
// alone may have changed what the rules say about them. Acknowledged findings
// are among them, since they are acknowledged in one registry only.
func Due(ctx context.Context, tx *db.Tx) (map[coord.Ecosystem][]string, error) {
	rows, err := tx.Query(ctx, `SELECT DISTINCT ecosystem, name FROM findings
		WHERE closed_at IS NULL AND kind = 'VULNERABILITY' ORDER BY 1, 2`)
	if err != nil {
		return nil, fmt.Errorf("read findings: %w", err)
	}
	defer rows.Close()
	out := map[coord.Ecosystem][]string{}
	for rows.Next() {
		var e coord.Ecosystem
		var name string
		if err := rows.Scan(&e, &name); err != nil {
			return nil, err
		}
		out[e] = append(out[e], name)
	}
	return out, rows.Err()
}
