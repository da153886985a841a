package quarantine

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/google/uuid"

	"sluice.dev/sluice/ent"
	"sluice.dev/sluice/ent/db"
	"sluice.dev/sluice/ent/hold"
	"sluice.dev/sluice/tenants/coord"
)

// State is what is in force on one package in some registries.
type State struct {
	holds        map[uuid.UUID][]OpenHold
	tombs        map[uuid.UUID]map[string]Tomb
	acknowledged map[uuid.UUID]map[string][]string
}

// OpenHold is a hold in force.
type OpenHold struct {
	ID       uuid.UUID
	Root     uuid.UUID // nil unless inherited
	Cause    hold.Cause
	Reason   string
	Evidence []string
	Opened   time.Time
	version  string // "" with within nil: the whole package
	within   *coord.Range
}

// Tomb is a tombstone in force.
type Tomb struct {
	ID     uuid.UUID
	Reason string
	Digest string
}

func (h *OpenHold) covers(version string) bool {
	switch {
	case h.within != nil:
		return h.within.Contains(version)
	case h.version != "":
		return h.version == version
	}
	return true
}

// Held returns the first hold in force on a version in a registry, or nil. An
// inherited hold is in force exactly while its root is (C4).
func (s *State) Held(registry uuid.UUID, version string) *OpenHold {
	for i := range s.holds[registry] {
		if h := &s.holds[registry][i]; h.covers(version) {
			return h
		}
	}
	return nil
}

// Buried returns the tombstone of a version in a registry, or nil.
func (s *State) Buried(registry uuid.UUID, version string) *Tomb {
	if t, ok := s.tombs[registry][version]; ok {
		return &t
	}
	return nil
}

// Acknowledged returns the findings of a version that a released POLICY hold
// acknowledged in a registry (Q4).
func (s *State) Acknowledged(registry uuid.UUID, version string) []string {
	return s.acknowledged[registry][version]
}

// Read returns what is in force on a package in the registries.
func Read(ctx context.Context, tx *db.Tx, pkg coord.Package, registries []uuid.UUID) (*State, error) {
	s := &State{holds: map[uuid.UUID][]OpenHold{}, tombs: map[uuid.UUID]map[string]Tomb{}, acknowledged: map[uuid.UUID]map[string][]string{}}
	if err := s.readHolds(ctx, tx, pkg, registries); err != nil {
		return nil, fmt.Errorf("read holds: %w", err)
	}
	if err := s.readAcknowledged(ctx, tx, pkg, registries); err != nil {
		return nil, fmt.Errorf("read acknowledgements: %w", err)
	}
	rows, err := tx.Query(ctx, `SELECT id, registry_id, version, reason, coalesce(digest, '') FROM tombstones
		WHERE org_id = `+db.Ours+` AND ecosystem = $1 AND name = $2 AND registry_id = ANY ($3) AND lifted_at IS NULL`, pkg.Ecosystem, pkg.Name, registries)
	if err != nil {
		return nil, fmt.Errorf("read tombstones: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		var t Tomb
		var registry uuid.UUID
		var version string
		if err := rows.Scan(&t.ID, &registry, &version, &t.Reason, &t.Digest); err != nil {
			return nil, err
		}
		if s.tombs[registry] == nil {
			s.tombs[registry] = map[string]Tomb{}
		}
		s.tombs[registry][version] = t
	}
	return s, rows.Err()
}

func (s *State) readHolds(ctx context.Context, tx *db.Tx, pkg coord.Package, registries []uuid.UUID) error {
	rows, err := tx.Query(ctx, `SELECT h.id, h.registry_id, h.root_id, h.cause, h.reason, h.evidence, h.opened_at, h.version, h.version_range
		FROM holds h LEFT JOIN holds r ON r.id = h.root_id
		WHERE h.org_id = `+db.Ours+` AND h.ecosystem = $1 AND h.name = $2 AND h.registry_id = ANY ($3) AND h.released_at IS NULL AND (h.root_id IS NULL OR r.released_at IS NULL)
		ORDER BY h.opened_at, h.id`, pkg.Ecosystem, pkg.Name, registries)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var h OpenHold
		var registry uuid.UUID
		var root *uuid.UUID
		var evidence []byte
		var version, within *string
		if err := rows.Scan(&h.ID, &registry, &root, &h.Cause, &h.Reason, &evidence, &h.Opened, &version, &within); err != nil {
			return err
		}
		if root != nil {
			h.Root = *root
		}
		if err := json.Unmarshal(evidence, &h.Evidence); err != nil {
			return err
		}
		if version != nil {
			h.version = *version
		}
		if within != nil {
			r, err := coord.ParseRange(pkg.Ecosystem, *within)
			if err != nil {
				return fmt.Errorf("hold %s: %w", h.ID, err)
			}
			h.within = &r
		}
		s.holds[registry] = append(s.holds[registry], h)
	}
	return rows.Err()
}

// readAcknowledged reads what people accepted when they released a POLICY
// hold. A release by the policy itself accepts nothing.
func (s *State) readAcknowledged(ctx context.Context, tx *db.Tx, pkg coord.Package, registries []uuid.UUID) error {
	rows, err := tx.Query(ctx, `SELECT registry_id, version, evidence FROM holds
		WHERE org_id = `+db.Ours+` AND ecosystem = $1 AND name = $2 AND registry_id = ANY ($3) AND cause = 'POLICY' AND version IS NOT NULL
		AND released_at IS NOT NULL AND released_by <> $4`, pkg.Ecosystem, pkg.Name, registries, LiftedBy)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var registry uuid.UUID
		var version string
		var raw []byte
		if err := rows.Scan(&registry, &version, &raw); err != nil {
			return err
		}
		var ids []string
		if err := json.Unmarshal(raw, &ids); err != nil {
			return err
		}
		if s.acknowledged[registry] == nil {
			s.acknowledged[registry] = map[string][]string{}
		}
		s.acknowledged[registry][version] = append(s.acknowledged[registry][version], ids...)
	}
	return rows.Err()
}

func openExact(ctx context.Context, tx *db.Tx, registry uuid.UUID, pkg coord.Package, version string) ([]*ent.Hold, error) {
	return tx.Ent.Hold.Query().Where(hold.RegistryID(registry), hold.Ecosystem(pkg.Ecosystem), hold.Name(pkg.Name), hold.Version(version),
		hold.ReleasedAtIsNil(), hold.CauseNEQ(hold.CauseINHERITED)).All(ctx)
}
