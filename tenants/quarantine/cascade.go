package quarantine

import (
	"context"
	"errors"
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"sluice.dev/sluice/ent"
	"sluice.dev/sluice/ent/cascade"
	"sluice.dev/sluice/ent/db"
	"sluice.dev/sluice/jobs/spec"
	"sluice.dev/sluice/tenants/audit"
	"sluice.dev/sluice/tenants/catalog"
	"sluice.dev/sluice/tenants/coord"
	"sluice.dev/sluice/tenants/scope"
)

// Page is how many registries one page of a cascade handles in one transaction.
const Page = 500

func (s *Service) startCascade(ctx context.Context, tx *db.Tx, action cascade.Action, registry uuid.UUID, h *ent.Hold, t *ent.Tombstone) error {
	c := tx.Ent.Cascade.Create().SetAction(action).SetRegistryID(registry).SetStartedAt(s.Now())
	if h != nil {
		c.SetHoldID(h.ID).SetEcosystem(h.Ecosystem).SetName(h.Name).SetNillableVersion(h.Version)
	} else {
		c.SetTombstoneID(t.ID).SetEcosystem(t.Ecosystem).SetName(t.Name).SetVersion(t.Version)
	}
	row, err := c.Save(ctx)
	if err != nil {
		return fmt.Errorf("start cascade: %w", err)
	}
	org, err := scope.Org(ctx)
	if err != nil {
		return err
	}
	return tx.Enqueue(ctx, spec.Cascade{Org: org, Cascade: row.ID}, nil)
}

// Unfinished returns the cascades that a crash may have left without a job.
func (s *Service) Unfinished(ctx context.Context) (ids []uuid.UUID, err error) {
	err = s.DB.InTx(ctx, func(ctx context.Context, tx *db.Tx) error {
		ids, err = tx.Ent.Cascade.Query().Where(cascade.FinishedAtIsNil()).IDs(ctx)
		return err
	})
	return ids, err
}

// Step carries a cascade one page further in one transaction, and reports
// whether that was the last one. It may run twice at once and again after a
// crash: the cascade's row is locked, its cursor says where to go on, and what
// is written is unique by root, registry and version (C3).
func (s *Service) Step(ctx context.Context, id uuid.UUID) (done bool, err error) {
	err = db.Retry(ctx, func() error {
		return s.DB.InTx(ctx, func(ctx context.Context, tx *db.Tx) error {
			done, err = s.step(ctx, tx, id)
			return err
		})
	})
	return done, err
}

func (s *Service) step(ctx context.Context, tx *db.Tx, id uuid.UUID) (bool, error) {
	c, err := tx.Ent.Cascade.Query().Where(cascade.ID(id)).ForUpdate().Only(ctx)
	if ent.IsNotFound(err) || err == nil && c.FinishedAt != nil {
		return true, nil
	}
	if err != nil {
		return false, err
	}
	pkg := coord.Package{Ecosystem: c.Ecosystem, Name: c.Name}
	// Shared, so that arrivals go on; a release takes it exclusively, and so
	// waits for the page, or the page sees it (C4).
	if err := catalog.LockPackage(ctx, tx, pkg, true); err != nil {
		return false, err
	}
	if c.Action == cascade.ActionHOLD {
		open, err := rootOpen(ctx, tx, *c.HoldID)
		if err != nil {
			return false, err
		}
		if !open { // released meanwhile: there is nothing to inherit
			return true, s.finish(ctx, tx, c, tx.Ent.Cascade.UpdateOne(c), c.Done)
		}
	}
	p, err := s.nextPage(ctx, tx, c)
	if err != nil {
		return false, err
	}
	if err := s.carry(ctx, tx, c, p); err != nil {
		return false, err
	}
	up := tx.Ent.Cascade.UpdateOne(c).AddDone(len(p.registries))
	if c.Cursor == nil {
		up.SetTotal(p.total)
	}
	if n := len(p.registries); n > 0 {
		up.SetCursor(p.registries[n-1])
	}
	if err := catalog.Changed(ctx, tx, pkg); err != nil {
		return false, err
	}
	if len(p.registries) < Page {
		return true, s.finish(ctx, tx, c, up, c.Done+len(p.registries))
	}
	return false, up.Exec(ctx)
}

// finish ends a cascade with what its last page changed.
func (s *Service) finish(ctx context.Context, tx *db.Tx, c *ent.Cascade, up *ent.CascadeUpdateOne, done int) error {
	if err := up.SetFinishedAt(s.Now()).Exec(ctx); err != nil {
		return err
	}
	return s.Audit.Record(ctx, tx, audit.Event{Action: "cascade:finish", ObjectType: "cascade", ObjectID: c.ID.String(), Registry: c.RegistryID,
		After: map[string]any{"action": c.Action, "registries": done}})
}

// page is one page of registries below, with what a hold needs to find the
// copies that it is about.
type page struct {
	registries []uuid.UUID
	versions   []string // held anywhere below, and covered
	digests    []string // primary files that the root's registry itself holds of them
	total      int
}

// below is the closure of a registry (parameter 1) downward, itself excluded.
const below = `WITH RECURSIVE below (id) AS (
	SELECT u.registry_id FROM upstreams u WHERE u.source_registry_id = $1
	UNION SELECT u.registry_id FROM upstreams u JOIN below b ON u.source_registry_id = b.id)`

func (s *Service) nextPage(ctx context.Context, tx *db.Tx, c *ent.Cascade) (page, error) {
	var p page
	if c.Action == cascade.ActionRELEASE {
		// By what was written, not by today's edges: holds that came through an
		// edge that is gone end with their root too (R9).
		var err error
		p.total, p.registries, err = pick(ctx, tx, c.Cursor, "", ` FROM holds h WHERE h.root_id = $1 AND h.released_at IS NULL`, *c.HoldID)
		return p, err
	}
	pkg, err := catalog.PackageID(ctx, tx, coord.Package{Ecosystem: c.Ecosystem, Name: c.Name})
	if err != nil || pkg == uuid.Nil {
		return p, err
	}
	if p.versions, err = s.covered(ctx, tx, c, pkg); err != nil || len(p.versions) == 0 {
		return p, err
	}
	if p.digests, err = digests(ctx, tx, c, pkg, p.versions); err != nil {
		return p, err
	}
	p.total, p.registries, err = pick(ctx, tx, c.Cursor, below, ` FROM holdings h JOIN package_versions v ON v.id = h.version_id
		WHERE h.package_id = $2 AND h.version = ANY ($3) AND h.registry_id IN (SELECT id FROM below)
		AND (v.origin = 'EXTERNAL' OR v.digest = ANY ($4))`, c.RegistryID, pkg, p.versions, p.digests)
	return p, err
}

// pick returns the next page of registries that "FROM h" selects, and on the
// first page how many there are in all.
func pick(ctx context.Context, tx *db.Tx, cursor *uuid.UUID, with, from string, args ...any) (total int, ids []uuid.UUID, err error) {
	after := uuid.Nil
	if cursor != nil {
		after = *cursor
	} else if err := tx.QueryRow(ctx, with+` SELECT count(DISTINCT h.registry_id)`+from, args...).Scan(&total); err != nil {
		return 0, nil, err
	}
	n := len(args)
	rows, err := tx.Query(ctx, with+` SELECT DISTINCT h.registry_id`+from+
		fmt.Sprintf(` AND h.registry_id > $%d ORDER BY h.registry_id LIMIT $%d`, n+1, n+2), append(args, after, Page)...)
	if err != nil {
		return 0, nil, err
	}
	ids, err = pgx.CollectRows(rows, pgx.RowTo[uuid.UUID])
	return total, ids, err
}

// covered returns the versions of the package that anybody holds and that the
// cascade is about.
func (s *Service) covered(ctx context.Context, tx *db.Tx, c *ent.Cascade, pkg uuid.UUID) ([]string, error) {
	if c.Version != nil {
		return []string{*c.Version}, nil
	}
	rows, err := tx.Query(ctx, `SELECT DISTINCT version FROM holdings WHERE package_id = $1`, pkg)
	if err != nil {
		return nil, err
	}
	all, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil || c.HoldID == nil {
		return all, err
	}
	h, err := tx.Ent.Hold.Get(ctx, *c.HoldID)
	if err != nil || h.VersionRange == nil {
		return all, err
	}
	r, err := coord.ParseRange(h.Ecosystem, *h.VersionRange)
	if err != nil {
		return nil, err
	}
	var out []string
	for _, v := range all {
		if r.Contains(v) {
			out = append(out, v)
		}
	}
	return out, nil
}

// digests returns the primary digests of what the root's registry holds, or of
// what it held when it was deleted (C1).
func digests(ctx context.Context, tx *db.Tx, c *ent.Cascade, pkg uuid.UUID, versions []string) ([]string, error) {
	rows, err := tx.Query(ctx, `SELECT v.digest FROM holdings h JOIN package_versions v ON v.id = h.version_id
		WHERE h.registry_id = $1 AND h.package_id = $2 AND h.version = ANY ($3)
		UNION SELECT t.digest FROM tombstones t WHERE t.id = $4 AND t.digest IS NOT NULL`, c.RegistryID, pkg, versions, c.TombstoneID)
	if err != nil {
		return nil, err
	}
	out, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if out == nil {
		out = []string{}
	}
	return out, err
}

func rootOpen(ctx context.Context, tx *db.Tx, id uuid.UUID) (bool, error) {
	var open bool
	err := tx.QueryRow(ctx, `SELECT released_at IS NULL FROM holds WHERE id = $1`, id).Scan(&open)
	if errors.Is(err, pgx.ErrNoRows) {
		return false, nil
	}
	return open, err
}
