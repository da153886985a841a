package catalog

import (
	"context"
	"fmt"

	"github.com/google/uuid"

	"sluice.dev/sluice/ent/db"
)

// RevisionText is the revision of a package in a registry as clients name it: of
// one line, and opaque to them. A package that nothing was written about has
// one too.
func (s *OwnState) RevisionText() string {
	if s == nil {
		return "0-0"
	}
	return fmt.Sprintf("%d-0", s.Revision)
}

// Starred lists the names of the packages that somebody has starred in a
// registry, in alphabetical order, the first thousand.
func Starred(ctx context.Context, tx *db.Tx, registry uuid.UUID, who string) ([]string, error) {
	rows, err := tx.Query(ctx, `SELECT n.name FROM own_packages o JOIN package_names n ON n.id = o.package_id
		WHERE o.org_id = `+db.Ours+` AND o.registry_id = $1 AND o.stars ? $2 ORDER BY n.name LIMIT 1000`, registry, who)
	if err != nil {
		return nil, fmt.Errorf("catalog: starred: %w", err)
	}
	defer rows.Close()
	var out []string
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			return nil, err
		}
		out = append(out, name)
	}
	return out, rows.Err()
}
