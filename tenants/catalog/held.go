package catalog

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"sluice.dev/sluice/ent/db"
	"sluice.dev/sluice/tenants/coord"
	"sluice.dev/sluice/tenants/policy"
)

// Release is a version as the catalog keeps it: one set of bytes.
type Release struct {
	ID            uuid.UUID
	Version       string
	Digest        string // SHA-256 of the primary file
	Origin        coord.Origin
	Remote        uuid.UUID // nil when published
	Published     time.Time
	PublishedFrom string
	License       policy.LicenseFact
	Metadata      []byte
	Files         []HeldFile // the primary one first
}

// HeldFile is a file of a release.
type HeldFile struct {
	Name   string
	SHA256 string
	SHA512 string
	SHA1   string
	MD5    string
	Size   int64
}

// Holding is a registry's hold of a release. (To hold is to have; a quarantine
// hold is another thing, in package quarantine.)
type Holding struct {
	Registry uuid.UUID
	Path     []uuid.UUID
	How      string
	HeldAt   time.Time
	Release  *Release
}

// Own reports whether the version is the registry's own to change: one of the
// organization's that was published, pushed or promoted into it, and not a copy
// that came in from an upstream.
func (h *Holding) Own() bool {
	return h.Release.Origin == coord.Internal && (h.How == ByPublish || h.How == ByPush || h.How == ByPromote)
}

// Held returns what the given registries hold of a package. Releases are
// shared between holdings.
func Held(ctx context.Context, tx *db.Tx, pkg coord.Package, registries []uuid.UUID) ([]Holding, error) {
	id, err := PackageID(ctx, tx, pkg)
	if err != nil || id == uuid.Nil {
		return nil, err
	}
	rows, err := tx.Query(ctx, `SELECT registry_id, version_id, path, arrived, held_at FROM holdings
		WHERE package_id = $1 AND registry_id = ANY ($2)`, id, registries)
	if err != nil {
		return nil, fmt.Errorf("catalog: held: %w", err)
	}
	defer rows.Close()
	var out []Holding
	releases := map[uuid.UUID]*Release{}
	for rows.Next() {
		var h Holding
		var version uuid.UUID
		var path []byte
		if err := rows.Scan(&h.Registry, &version, &path, &h.How, &h.HeldAt); err != nil {
			return nil, err
		}
		if err := json.Unmarshal(path, &h.Path); err != nil {
			return nil, fmt.Errorf("catalog: path of a holding: %w", err)
		}
		if releases[version] == nil {
			releases[version] = &Release{ID: version}
		}
		h.Release = releases[version]
		out = append(out, h)
	}
	if err := rows.Err(); err != nil || len(out) == 0 {
		return nil, err
	}
	return out, fillReleases(ctx, tx, releases)
}

func fillReleases(ctx context.Context, tx *db.Tx, releases map[uuid.UUID]*Release) error {
	ids := make([]uuid.UUID, 0, len(releases))
	for id := range releases {
		ids = append(ids, id)
	}
	rows, err := tx.Query(ctx, `SELECT id, version, digest, origin, remote_id, published_at, published_from, license, license_state, metadata
		FROM package_versions WHERE id = ANY ($1)`, ids)
	if err != nil {
		return fmt.Errorf("catalog: releases: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		var r Release
		var remote *uuid.UUID
		if err := rows.Scan(&r.ID, &r.Version, &r.Digest, &r.Origin, &remote, &r.Published, &r.PublishedFrom,
			&r.License.Expression, &r.License.State, &r.Metadata); err != nil {
			return err
		}
		if remote != nil {
			r.Remote = *remote
		}
		*releases[r.ID] = r
	}
	if err := rows.Err(); err != nil {
		return err
	}
	rows, err = tx.Query(ctx, `SELECT f.version_id, f.name, f.sha256, b.sha512, b.sha1, b.md5, f.size FROM version_files f
		JOIN blobs b ON b.sha256 = f.sha256 WHERE f.version_id = ANY ($1) ORDER BY f.version_id, f.position, f.name`, ids)
	if err != nil {
		return fmt.Errorf("catalog: files: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		var id uuid.UUID
		var f HeldFile
		if err := rows.Scan(&id, &f.Name, &f.SHA256, &f.SHA512, &f.SHA1, &f.MD5, &f.Size); err != nil {
			return err
		}
		releases[id].Files = append(releases[id].Files, f)
	}
	return rows.Err()
}

// Tags returns the tags that the given registries keep of a package, by
// registry.
func Tags(ctx context.Context, tx *db.Tx, pkg coord.Package, registries []uuid.UUID) (map[uuid.UUID]map[string]string, error) {
	rows, err := tx.Query(ctx, `SELECT t.registry_id, t.tag, t.version FROM dist_tags t JOIN package_names p ON p.id = t.package_id
		WHERE p.org_id = `+db.Ours+` AND p.ecosystem = $1 AND p.name = $2 AND t.registry_id = ANY ($3)`, pkg.Ecosystem, pkg.Name, registries)
	if err != nil {
		return nil, fmt.Errorf("catalog: tags: %w", err)
	}
	defer rows.Close()
	out := map[uuid.UUID]map[string]string{}
	for rows.Next() {
		var id uuid.UUID
		var tag, version string
		if err := rows.Scan(&id, &tag, &version); err != nil {
			return nil, err
		}
		if out[id] == nil {
			out[id] = map[string]string{}
		}
		out[id][tag] = version
	}
	return out, rows.Err()
}

// HeldVersions returns the versions of a package that any registry of the
// organization holds.
func HeldVersions(ctx context.Context, tx *db.Tx, pkg coord.Package) ([]string, error) {
	rows, err := tx.Query(ctx, `SELECT DISTINCT h.version FROM holdings h JOIN package_names p ON p.id = h.package_id
		WHERE p.org_id = `+db.Ours+` AND p.ecosystem = $1 AND p.name = $2`, pkg.Ecosystem, pkg.Name)
	if err != nil {
		return nil, fmt.Errorf("catalog: held versions: %w", err)
	}
	return pgx.CollectRows(rows, pgx.RowTo[string])
}
