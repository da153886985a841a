package catalog

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"

	"sluice.dev/sluice/ent/db"
	"sluice.dev/sluice/tenants/coord"
)

// own writes the ledger of owned names (O3): an INTERNAL version that comes
// into an internal registry makes the name owned as seen from there, until that
// is lifted. A copy counts as where it was published does: a patch that is
// fetched from a registry which merges with the public ones must not take the
// public ones away (O2).
func own(ctx context.Context, tx *db.Tx, org uuid.UUID, now time.Time, a Arrival) error {
	if a.Origin != coord.Internal {
		return nil
	}
	holders, first := make([]uuid.UUID, len(a.Holders)), make([]*uuid.UUID, len(a.Holders))
	for i, h := range a.Holders {
		holders[i] = h.Registry
		if len(h.Path) > 0 && a.Remote == uuid.Nil {
			first[i] = &h.Path[0]
		}
	}
	_, err := tx.Exec(ctx, `INSERT INTO owned_names (id, org_id, registry_id, ecosystem, name, owned_since)
		SELECT gen_random_uuid(), $1, r.id, $2, $3, $4 FROM unnest($5::uuid[], $6::uuid[]) h (holder, first)
		JOIN registries r ON r.org_id = $1 AND r.id = h.holder AND r.internal
		LEFT JOIN registries f ON f.org_id = $1 AND f.id = h.first
		WHERE coalesce(f.internal, true)
		ON CONFLICT (org_id, ecosystem, name, registry_id) WHERE lifted_at IS NULL DO NOTHING`,
		org, a.Version.Ecosystem, a.Version.Name, now, holders, first)
	if err != nil {
		return fmt.Errorf("catalog: owned name: %w", err)
	}
	return nil
}

// Owned returns since when the registries own a name by the ledger (O3);
// registries that do not are not in the answer.
func Owned(ctx context.Context, tx *db.Tx, pkg coord.Package, registries []uuid.UUID) (map[uuid.UUID]time.Time, error) {
	rows, err := tx.Query(ctx, `SELECT registry_id, owned_since FROM owned_names
		WHERE org_id = `+db.Ours+` AND ecosystem = $1 AND name = $2 AND registry_id = ANY ($3) AND lifted_at IS NULL`, pkg.Ecosystem, pkg.Name, registries)
	if err != nil {
		return nil, fmt.Errorf("catalog: owned names: %w", err)
	}
	defer rows.Close()
	out := map[uuid.UUID]time.Time{}
	for rows.Next() {
		var id uuid.UUID
		var since time.Time
		if err := rows.Scan(&id, &since); err != nil {
			return nil, err
		}
		out[id] = since
	}
	return out, rows.Err()
}

// The positions of a switch.
const (
	Allow = "ALLOW"
	Block = "BLOCK"
)

// Switch is the override of what ownership says about a name (O5). A position
// is "" where it is left to ownership.
type Switch struct {
	Publish  string
	Upstream string
	Reason   string
	Updated  time.Time
}

// Switches returns the switches of a name in the registries that have one.
func Switches(ctx context.Context, tx *db.Tx, pkg coord.Package, registries []uuid.UUID) (map[uuid.UUID]Switch, error) {
	rows, err := tx.Query(ctx, `SELECT registry_id, coalesce(publish, ''), coalesce(upstream, ''), reason, updated_at FROM name_switches
		WHERE org_id = `+db.Ours+` AND ecosystem = $1 AND name = $2 AND registry_id = ANY ($3)`, pkg.Ecosystem, pkg.Name, registries)
	if err != nil {
		return nil, fmt.Errorf("catalog: switches: %w", err)
	}
	defer rows.Close()
	out := map[uuid.UUID]Switch{}
	for rows.Next() {
		var id uuid.UUID
		var s Switch
		if err := rows.Scan(&id, &s.Publish, &s.Upstream, &s.Reason, &s.Updated); err != nil {
			return nil, err
		}
		out[id] = s
	}
	return out, rows.Err()
}
