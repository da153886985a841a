package quarantine

import (
	"context"
	"fmt"
	"slices"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"sluice.dev/sluice/ent/db"
	"sluice.dev/sluice/tenants/coord"
)

// Inherit writes, for a version that just arrived in some registries, the
// inherited holds of the open holds in the firewalls above each of them. It
// runs in the arrival's transaction under the package's shared lock, so that
// there is no window between a hold and an arrival (C5). The upward closure is
// read in the same transaction; a firewall that the version passed on its way
// while a hold was open there counts even if the edge has gone meanwhile.
//
// When bytes arrive in a firewall that holds them in quarantine already (Q6),
// copies published below with the same bytes become known as such (C1).
func (s *Service) Inherit(ctx context.Context, tx *db.Tx, pkg coord.Package, registries []uuid.UUID) error {
	below, err := publishedBelow(ctx, tx, pkg, registries)
	if err != nil {
		return err
	}
	return s.inheritInto(ctx, tx, &pkg, append(slices.Clone(registries), below...))
}

// publishedBelow returns the registries below those of the given ones that have
// an open hold on the package, as far as they hold something published of it.
func publishedBelow(ctx context.Context, tx *db.Tx, pkg coord.Package, registries []uuid.UUID) ([]uuid.UUID, error) {
	rows, err := tx.Query(ctx, `WITH RECURSIVE below (id) AS (
			SELECT u.registry_id FROM upstreams u WHERE u.source_registry_id IN (
				SELECT r.registry_id FROM holds r WHERE r.org_id = `+db.Ours+` AND r.ecosystem = $1 AND r.name = $2 AND r.registry_id = ANY ($3) AND r.released_at IS NULL AND r.cause <> 'INHERITED')
			UNION SELECT u.registry_id FROM upstreams u JOIN below b ON u.source_registry_id = b.id)
		SELECT DISTINCT h.registry_id FROM below b JOIN holdings h ON h.registry_id = b.id
		JOIN package_names n ON n.id = h.package_id AND n.org_id = `+db.Ours+` AND n.ecosystem = $1 AND n.name = $2
		JOIN package_versions v ON v.id = h.version_id AND v.origin = 'INTERNAL'`, pkg.Ecosystem, pkg.Name, registries)
	if err != nil {
		return nil, fmt.Errorf("find published copies: %w", err)
	}
	return pgx.CollectRows(rows, pgx.RowTo[uuid.UUID])
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
	ids, err := pgx.CollectRows(rows, pgx.RowTo[uuid.UUID])
	if err != nil {
		return err
	}
	return s.inheritInto(ctx, tx, nil, ids)
}

// inheritInto writes the holds that cover what the registries hold, of one
// package or of all (nil). Roots are locked against their release: one that is
// released meanwhile leaves nothing behind (C4).
func (s *Service) inheritInto(ctx context.Context, tx *db.Tx, pkg *coord.Package, registries []uuid.UUID) error {
	covering, err := s.covering(ctx, tx, pkg, registries)
	if err != nil || len(covering) == 0 {
		return err
	}
	roots, holders, versions := make([]uuid.UUID, len(covering)), make([]uuid.UUID, len(covering)), make([]string, len(covering))
	for i, c := range covering {
		roots[i], holders[i], versions[i] = c.root, c.registry, c.version
	}
	err = tellHolds(ctx, tx, `WITH root AS (
			SELECT * FROM holds WHERE id = ANY ($1) AND released_at IS NULL ORDER BY id FOR SHARE),
		acted AS (
			INSERT INTO holds (id, org_id, registry_id, ecosystem, name, version, cause, root_id, reason, opened_by, opened_at)
			SELECT gen_random_uuid(), r.org_id, c.registry, r.ecosystem, r.name, c.version, 'INHERITED', r.id, r.reason, 'cascade', $4
			FROM unnest($1::uuid[], $2::uuid[], $3::text[]) c (root, registry, version) JOIN root r ON r.id = c.root
			ORDER BY r.id, c.registry, c.version
			ON CONFLICT DO NOTHING RETURNING id, registry_id, root_id)
		`+audited+`$4, 'SYSTEM', 'cascade', 'version:quarantine', 'hold', id::text, registry_id, 'inherited from the hold ' || root_id FROM acted RETURNING object_id`,
		roots, holders, versions, s.Now())
	if err != nil {
		return fmt.Errorf("inherit holds: %w", err)
	}
	return nil
}

// covered is a copy in a registry that a root hold in a firewall above covers.
type covered struct {
	root, registry uuid.UUID
	version        string
}

// covering returns what root holds of the firewalls above cover of what the
// registries hold, by C1's identity. Ranges are compared here, since only Go
// knows how an ecosystem orders versions.
func (s *Service) covering(ctx context.Context, tx *db.Tx, pkg *coord.Package, registries []uuid.UUID) ([]covered, error) {
	filter, args := "", []any{registries}
	if pkg != nil {
		filter, args = ` AND n.ecosystem = $2 AND n.name = $3`, append(args, pkg.Ecosystem, pkg.Name)
	}
	rows, err := tx.Query(ctx, `WITH RECURSIVE up (registry_id, above) AS (
			SELECT u.registry_id, u.source_registry_id FROM upstreams u WHERE u.registry_id = ANY ($1) AND u.source_registry_id IS NOT NULL
			UNION SELECT up.registry_id, u.source_registry_id FROM up JOIN upstreams u ON u.registry_id = up.above WHERE u.source_registry_id IS NOT NULL)
		SELECT r.id, h.registry_id, h.version, r.version_range, r.ecosystem
		FROM holds r JOIN registries f ON f.id = r.registry_id AND f.kind = 'FIREWALL'
		JOIN package_names n ON n.org_id = r.org_id AND n.ecosystem = r.ecosystem AND n.name = r.name
		JOIN holdings h ON h.package_id = n.id AND h.registry_id = ANY ($1) AND (r.version IS NULL OR r.version = h.version)
		JOIN package_versions v ON v.id = h.version_id
		WHERE r.org_id = `+db.Ours+` AND r.released_at IS NULL AND r.cause <> 'INHERITED'
		AND ((h.registry_id, f.id) IN (SELECT registry_id, above FROM up) OR h.path ? f.id::text AND h.registry_id <> f.id AND r.opened_at <= h.held_at)
		AND (v.origin = 'EXTERNAL' OR EXISTS (SELECT 1 FROM holdings fh JOIN package_versions fv ON fv.id = fh.version_id
			WHERE fh.registry_id = f.id AND fh.package_id = n.id AND fh.version = h.version AND fv.digest = v.digest))`+filter+`
		ORDER BY r.id, h.registry_id, h.version`, args...)
	if err != nil {
		return nil, fmt.Errorf("find covering holds: %w", err)
	}
	defer rows.Close()
	var out []covered
	ranges := map[uuid.UUID]coord.Range{}
	for rows.Next() {
		var c covered
		var within *string
		var eco coord.Ecosystem
		if err := rows.Scan(&c.root, &c.registry, &c.version, &within, &eco); err != nil {
			return nil, err
		}
		if within != nil {
			r, known := ranges[c.root]
			if !known {
				if r, err = coord.ParseRange(eco, *within); err != nil {
					return nil, fmt.Errorf("hold %s: %w", c.root, err)
				}
				ranges[c.root] = r
			}
			if !r.Contains(c.version) {
				continue
			}
		}
		out = append(out, c)
	}
	return out, rows.Err()
}
