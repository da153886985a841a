package quarantine

import (
	"context"
	"fmt"

	"github.com/google/uuid"

	"sluice.dev/sluice/ent/db"
	"sluice.dev/sluice/tenants/coord"
)

// Inherit writes, for a version that just arrived in some registries, the
// inherited holds of the open holds in the firewalls above each of them. It
// runs in the arrival's transaction under the package's shared lock, so that
// there is no window between a hold and an arrival (C5). The upward closure is
// read in the same transaction.
func (s *Service) Inherit(ctx context.Context, tx *db.Tx, pkg coord.Package, registries []uuid.UUID) error {
	return s.inheritInto(ctx, tx, &pkg, registries)
}

// Unlinking writes down, before an edge goes, the holds that reach the registry
// and everything below it through its source (R9). They stay until their root
// is released.
func (s *Service) Unlinking(ctx context.Context, tx *db.Tx, registry, _ uuid.UUID) error {
	return s.inheritBelow(ctx, tx, registry)
}

// Linked writes down the holds that a new edge brings to what the registry and
// everything below it hold already. They are in force without it (C2).
func (s *Service) Linked(ctx context.Context, tx *db.Tx, registry uuid.UUID) error {
	return s.inheritBelow(ctx, tx, registry)
}

func (s *Service) inheritBelow(ctx context.Context, tx *db.Tx, registry uuid.UUID) error {
	rows, err := tx.Query(ctx, below+` SELECT id FROM below UNION SELECT $1::uuid`, registry)
	if err != nil {
		return err
	}
	var ids []uuid.UUID
	for rows.Next() {
		var id uuid.UUID
		if err := rows.Scan(&id); err != nil {
			return err
		}
		ids = append(ids, id)
	}
	if err := rows.Err(); err != nil {
		return err
	}
	return s.inheritInto(ctx, tx, nil, ids)
}

// inheritInto handles holds on a version in SQL; holds on a range or a whole
// package are matched per version by their own cascades and by the gate, and
// are written here for the versions that the registries hold.
func (s *Service) inheritInto(ctx context.Context, tx *db.Tx, pkg *coord.Package, registries []uuid.UUID) error {
	covering, err := s.covering(ctx, tx, pkg, registries)
	if err != nil {
		return err
	}
	for _, c := range covering {
		_, err := tx.Exec(ctx, `WITH acted AS (
			INSERT INTO holds (id, org_id, registry_id, ecosystem, name, version, cause, root_id, reason, opened_by, opened_at)
			SELECT gen_random_uuid(), r.org_id, $2, r.ecosystem, r.name, $3, 'INHERITED', r.id, r.reason, 'cascade', $4
			FROM holds r WHERE r.id = $1 AND r.released_at IS NULL
			ON CONFLICT DO NOTHING RETURNING id, registry_id)
			`+audited+`$4, 'SYSTEM', 'cascade', 'version:quarantine', 'hold', id::text, registry_id, $5 FROM acted`,
			c.root, c.registry, c.version, s.Now(), "inherited from the hold "+c.root.String())
		if err != nil {
			return fmt.Errorf("inherit hold: %w", err)
		}
	}
	return nil
}

// covered is a copy in a registry that a root hold in a firewall above covers.
type covered struct {
	root, registry uuid.UUID
	version        string
}

func (s *Service) covering(ctx context.Context, tx *db.Tx, pkg *coord.Package, registries []uuid.UUID) ([]covered, error) {
	filter, args := "", []any{registries}
	if pkg != nil {
		filter, args = ` AND n.ecosystem = $2 AND n.name = $3`, append(args, pkg.Ecosystem, pkg.Name)
	}
	rows, err := tx.Query(ctx, `WITH RECURSIVE up (registry_id, above) AS (
			SELECT u.registry_id, u.source_registry_id FROM upstreams u WHERE u.registry_id = ANY ($1) AND u.source_registry_id IS NOT NULL
			UNION SELECT up.registry_id, u.source_registry_id FROM up JOIN upstreams u ON u.registry_id = up.above WHERE u.source_registry_id IS NOT NULL)
		SELECT r.id, h.registry_id, h.version, r.version, r.version_range, r.ecosystem
		FROM up JOIN registries f ON f.id = up.above AND f.kind = 'FIREWALL'
		JOIN holds r ON r.registry_id = f.id AND r.released_at IS NULL AND r.cause <> 'INHERITED'
		JOIN package_names n ON n.ecosystem = r.ecosystem AND n.name = r.name
		JOIN holdings h ON h.package_id = n.id AND h.registry_id = up.registry_id AND (r.version IS NULL OR r.version = h.version)
		JOIN package_versions v ON v.id = h.version_id
		WHERE (v.origin = 'EXTERNAL' OR EXISTS (SELECT 1 FROM holdings fh JOIN package_versions fv ON fv.id = fh.version_id
			WHERE fh.registry_id = f.id AND fh.package_id = n.id AND fh.version = h.version AND fv.digest = v.digest))`+filter+`
		ORDER BY r.id, h.registry_id, h.version`, args...)
	if err != nil {
		return nil, fmt.Errorf("find covering holds: %w", err)
	}
	defer rows.Close()
	var out []covered
	for rows.Next() {
		var c covered
		var version, within *string
		var eco coord.Ecosystem
		if err := rows.Scan(&c.root, &c.registry, &c.version, &version, &within, &eco); err != nil {
			return nil, err
		}
		if within != nil {
			r, err := coord.ParseRange(eco, *within)
			if err != nil {
				return nil, fmt.Errorf("hold %s: %w", c.root, err)
			}
			if !r.Contains(c.version) {
				continue
			}
		}
		out = append(out, c)
	}
	return out, rows.Err()
}
