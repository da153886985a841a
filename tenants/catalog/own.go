package catalog

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"sluice.dev/sluice/ent/db"
	"sluice.dev/sluice/tenants/coord"
	"sluice.dev/sluice/tenants/scope"
)

// OwnState is what a registry says about a package besides its versions.
type OwnState struct {
	Revision    int64 // goes up with every write to the package in the registry
	Maintainers []coord.Person
	Stars       []string // names of subjects
	Created     time.Time
	Updated     time.Time
}

// OwnOf returns what a registry says about a package, or nil when nothing was
// ever written about it there.
func OwnOf(ctx context.Context, tx *db.Tx, registry uuid.UUID, pkg coord.Package) (*OwnState, error) {
	var s OwnState
	var maintainers, stars []byte
	err := tx.QueryRow(ctx, `SELECT o.revision, o.maintainers, o.stars, o.created_at, o.updated_at FROM own_packages o JOIN package_names n ON n.id = o.package_id
		WHERE o.org_id = `+db.Ours+` AND o.registry_id = $1 AND n.ecosystem = $2 AND n.name = $3`, registry, pkg.Ecosystem, pkg.Name).
		Scan(&s.Revision, &maintainers, &stars, &s.Created, &s.Updated)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("catalog: own package: %w", err)
	}
	if err := errors.Join(json.Unmarshal(maintainers, &s.Maintainers), json.Unmarshal(stars, &s.Stars)); err != nil {
		return nil, fmt.Errorf("catalog: own package: %w", err)
	}
	return &s, nil
}

// PutOwn writes maintainers and stars, and raises the revision by one whatever
// the given one is. A package that the organization has not met becomes known.
// The caller has the package's exclusive lock.
func PutOwn(ctx context.Context, tx *db.Tx, now time.Time, registry uuid.UUID, pkg coord.Package, s OwnState) error {
	org, err := scope.Org(ctx)
	if err != nil {
		return err
	}
	id, err := ensurePackage(ctx, tx, org, now, pkg)
	if err != nil {
		return err
	}
	if s.Maintainers == nil {
		s.Maintainers = []coord.Person{}
	}
	if s.Stars == nil {
		s.Stars = []string{}
	}
	maintainers, err := json.Marshal(s.Maintainers)
	if err != nil {
		return err
	}
	stars, err := json.Marshal(s.Stars)
	if err != nil {
		return err
	}
	_, err = tx.Exec(ctx, `INSERT INTO own_packages AS o (id, org_id, registry_id, package_id, maintainers, stars, created_at, updated_at)
		VALUES ($1,$2,$3,$4,$5,$6,$7,$7) ON CONFLICT (org_id, registry_id, package_id) DO UPDATE
		SET revision = o.revision + 1, maintainers = excluded.maintainers, stars = excluded.stars, updated_at = excluded.updated_at`,
		uuid.Must(uuid.NewV7()), org, registry, id, maintainers, stars, now)
	if err != nil {
		return fmt.Errorf("catalog: own package: %w", err)
	}
	return Changed(ctx, tx, pkg)
}

// Bump raises the revision of a package in a registry, if it has one.
func Bump(ctx context.Context, tx *db.Tx, now time.Time, registry uuid.UUID, pkg coord.Package) error {
	_, err := tx.Exec(ctx, `UPDATE own_packages o SET revision = o.revision + 1, updated_at = $4 FROM package_names n
		WHERE n.org_id = `+db.Ours+` AND n.id = o.package_id AND o.registry_id = $1 AND n.ecosystem = $2 AND n.name = $3`, registry, pkg.Ecosystem, pkg.Name, now)
	if err != nil {
		return fmt.Errorf("catalog: revision: %w", err)
	}
	return nil
}

// SetAbout keeps what a reader searches besides the name: description and
// keywords of the newest version that came in.
func SetAbout(ctx context.Context, tx *db.Tx, pkg coord.Package, about string) error {
	_, err := tx.Exec(ctx, `UPDATE package_names SET about = $3 WHERE org_id = `+db.Ours+` AND ecosystem = $1 AND name = $2 AND about <> $3`, pkg.Ecosystem, pkg.Name, searchable(about))
	if err != nil {
		return fmt.Errorf("catalog: about: %w", err)
	}
	return nil
}
