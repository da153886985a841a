package quarantine

import (
	"context"
	"fmt"

	"github.com/google/uuid"

	"sluice.dev/sluice/ent"
	"sluice.dev/sluice/ent/cascade"
	"sluice.dev/sluice/ent/db"
)

// carry does what a page is for.
func (s *Service) carry(ctx context.Context, tx *db.Tx, c *ent.Cascade, p page) error {
	switch c.Action {
	case cascade.ActionHOLD:
		if len(p.versions) == 0 {
			return nil
		}
		if c.Cursor == nil {
			if err := s.findPatches(ctx, tx, c, p); err != nil {
				return err
			}
		}
		return s.inheritPage(ctx, tx, c, p)
	case cascade.ActionRELEASE:
		if c.Cursor == nil {
			if err := s.closePatches(ctx, tx, *c.HoldID); err != nil {
				return err
			}
		}
		return s.releasePage(ctx, tx, *c.HoldID, p.registries)
	case cascade.ActionDELETE:
		return s.deletePage(ctx, tx, c, p)
	}
	return fmt.Errorf("cascade %s has the unknown action %q", c.ID, c.Action)
}

// audited wraps a statement that returns (hold id, registry, package@version)
// as "acted" so that each row leaves an audit event, in the same statement.
const audited = `INSERT INTO audit_events (id, org_id, at, actor_kind, actor_name, action, object_type, object_id, registry_id, reason)
	SELECT gen_random_uuid(), ` + db.Ours + `, `

// inheritPage writes the inherited holds of one page.
func (s *Service) inheritPage(ctx context.Context, tx *db.Tx, c *ent.Cascade, p page) error {
	err := tellHolds(ctx, tx, `WITH acted AS (
		INSERT INTO holds (id, org_id, registry_id, ecosystem, name, version, cause, root_id, reason, opened_by, opened_at)
		SELECT gen_random_uuid(), h.org_id, h.registry_id, r.ecosystem, r.name, h.version, 'INHERITED', r.id, r.reason, 'cascade', $6
		FROM holds r JOIN package_names n ON n.org_id = r.org_id AND n.ecosystem = r.ecosystem AND n.name = r.name
		JOIN holdings h ON h.package_id = n.id AND h.registry_id = ANY ($2) AND h.version = ANY ($3)
		JOIN package_versions v ON v.id = h.version_id
		WHERE r.id = $1 AND (v.origin = 'EXTERNAL' OR v.digest = ANY ($4))
		ORDER BY h.registry_id, h.version
		ON CONFLICT DO NOTHING RETURNING id, registry_id, reason)
		`+audited+`$6, 'SYSTEM', 'cascade', 'version:quarantine', 'hold', id::text, registry_id, $5 FROM acted RETURNING object_id`,
		*c.HoldID, p.registries, p.versions, p.digests, "inherited from the hold "+c.HoldID.String(), s.Now())
	if err != nil {
		return fmt.Errorf("inherit holds: %w", err)
	}
	return nil
}

// findPatches opens a finding on every INTERNAL copy below with other bytes;
// those are patches and get no hold (C1).
func (s *Service) findPatches(ctx context.Context, tx *db.Tx, c *ent.Cascade, p page) error {
	_, err := tx.Exec(ctx, below+` INSERT INTO findings (id, org_id, registry_id, ecosystem, name, version, kind, reference, severity, details, opened_at)
		SELECT gen_random_uuid(), h.org_id, h.registry_id, r.ecosystem, r.name, h.version, 'CONTENT_MISMATCH', r.id::text, 'MEDIUM',
			jsonb_build_object('hold', r.id, 'digest', v.digest), $5
		FROM holds r JOIN package_names n ON n.org_id = r.org_id AND n.ecosystem = r.ecosystem AND n.name = r.name
		JOIN holdings h ON h.package_id = n.id AND h.registry_id IN (SELECT id FROM below) AND h.version = ANY ($3)
		JOIN package_versions v ON v.id = h.version_id
		WHERE r.id = $2 AND v.origin = 'INTERNAL' AND NOT v.digest = ANY ($4)
		ON CONFLICT DO NOTHING`, c.RegistryID, *c.HoldID, p.versions, p.digests, s.Now())
	if err != nil {
		return fmt.Errorf("find patches: %w", err)
	}
	return nil
}

// closePatches closes the findings that the hold caused: with its release
// nothing is wrong with what the patches patch.
func (s *Service) closePatches(ctx context.Context, tx *db.Tx, root uuid.UUID) error {
	_, err := tx.Exec(ctx, `UPDATE findings SET closed_at = $2 WHERE org_id = `+db.Ours+` AND kind = 'CONTENT_MISMATCH' AND reference = $1 AND closed_at IS NULL`, root.String(), s.Now())
	if err != nil {
		return fmt.Errorf("close findings on patches: %w", err)
	}
	return nil
}

// releasePage closes inherited holds whose root is released. They were not in
// force any more; this writes it down.
func (s *Service) releasePage(ctx context.Context, tx *db.Tx, root uuid.UUID, registries []uuid.UUID) error {
	err := tellHolds(ctx, tx, `WITH acted AS (
		UPDATE holds h SET released_at = r.released_at, released_by = 'cascade', release_reason = r.release_reason
		FROM holds r WHERE r.id = $1 AND r.released_at IS NOT NULL AND h.root_id = r.id AND h.registry_id = ANY ($2) AND h.released_at IS NULL
		RETURNING h.id, h.registry_id)
		`+audited+`$3, 'SYSTEM', 'cascade', 'version:release', 'hold', id::text, registry_id, 'the root hold was released' FROM acted RETURNING object_id`,
		root, registries, s.Now())
	if err != nil {
		return fmt.Errorf("release inherited holds: %w", err)
	}
	return nil
}

// deletePage deletes the copies of one page. Inherited holds on them end with
// their root, which the deletion releases when it named exactly the version.
func (s *Service) deletePage(ctx context.Context, tx *db.Tx, c *ent.Cascade, p page) error {
	_, err := tx.Exec(ctx, `WITH acted AS (
		DELETE FROM holdings h USING package_versions v, package_names n
		WHERE v.id = h.version_id AND n.id = h.package_id AND n.org_id = `+db.Ours+` AND n.ecosystem = $1 AND n.name = $2
		AND h.registry_id = ANY ($3) AND h.version = ANY ($4) AND (v.origin = 'EXTERNAL' OR v.digest = ANY ($5))
		RETURNING h.registry_id, h.version)
		`+audited+`$6, 'SYSTEM', 'cascade', 'version:delete', 'version', $2 || '@' || version, registry_id, 'deleted in the firewall above' FROM acted`,
		c.Ecosystem, c.Name, p.registries, p.versions, p.digests, s.Now())
	if err != nil {
		return fmt.Errorf("delete copies: %w", err)
	}
	return nil
}
