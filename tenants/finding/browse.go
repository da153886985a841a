package finding

import (
	"context"
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"sluice.dev/sluice/ent"
	"sluice.dev/sluice/ent/db"
	entfinding "sluice.dev/sluice/ent/finding"
	"sluice.dev/sluice/tenants/coord"
)

// On returns the open findings on versions, by version, the oldest first: those
// that hold everywhere and those of single registries.
func On(ctx context.Context, tx *db.Tx, versions []coord.Version) (map[coord.Version][]*ent.Finding, error) {
	ecosystems, names, texts := make([]string, len(versions)), make([]string, len(versions)), make([]string, len(versions))
	for i, v := range versions {
		ecosystems[i], names[i], texts[i] = string(v.Ecosystem), v.Name, v.Version
	}
	rows, err := tx.Query(ctx, `SELECT f.id FROM unnest($1::text[], $2::text[], $3::text[]) a (ecosystem, name, version)
		JOIN findings f ON f.ecosystem = a.ecosystem AND f.name = a.name AND f.version = a.version AND f.closed_at IS NULL`, ecosystems, names, texts)
	if err != nil {
		return nil, fmt.Errorf("list findings: %w", err)
	}
	ids, err := pgx.CollectRows(rows, pgx.RowTo[uuid.UUID])
	if err != nil || len(ids) == 0 {
		return nil, err
	}
	found, err := tx.Ent.Finding.Query().Where(entfinding.IDIn(ids...)).Order(ent.Asc(entfinding.FieldOpenedAt, entfinding.FieldID)).All(ctx)
	out := map[coord.Version][]*ent.Finding{}
	for _, f := range found {
		v := coord.Version{Package: coord.Package{Ecosystem: f.Ecosystem, Name: f.Name}, Version: f.Version}
		out[v] = append(out[v], f)
	}
	return out, err
}

// ByID returns a finding, or nil.
func ByID(ctx context.Context, tx *db.Tx, id uuid.UUID) (*ent.Finding, error) {
	f, err := tx.Ent.Finding.Query().Where(entfinding.ID(id)).Only(ctx)
	if ent.IsNotFound(err) {
		return nil, nil
	}
	return f, err
}
