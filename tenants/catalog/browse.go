package catalog

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"

	"sluice.dev/sluice/ent/db"
	"sluice.dev/sluice/tenants/coord"
	"sluice.dev/sluice/tenants/policy"
)

// PackageQuery selects packages that registries hold, for lists by name.
type PackageQuery struct {
	Prefix string // what names begin with; "" = all
	After  string // the name behind which a page begins; "" = from the start
	Desc   bool
	Limit  int // per registry
}

// HeldPackage is a package that a registry holds versions of.
type HeldPackage struct {
	coord.Package
	Registry uuid.UUID
	Versions int       // how many it holds
	LastHeld time.Time // when it came to hold the last of them
}

// Packages returns, for each of the registries, a page of the packages that it
// holds. It is one statement, however many registries.
func Packages(ctx context.Context, tx *db.Tx, registries []uuid.UUID, q PackageQuery) (map[uuid.UUID][]HeldPackage, error) {
	cmp, dir := ">", "ASC"
	if q.Desc {
		cmp, dir = "<", "DESC"
	}
	// By name first, then what is held of each: a page does not have to look at
	// everything that the registry holds.
	rows, err := tx.Query(ctx, `SELECT g.id, p.ecosystem, p.name, p.versions, p.last_held FROM unnest($1::uuid[]) g (id)
		JOIN registries r ON r.id = g.id
		CROSS JOIN LATERAL (
			SELECT n.ecosystem, n.name, c.versions, c.last_held FROM package_names n
			CROSS JOIN LATERAL (SELECT count(*) AS versions, max(h.held_at) AS last_held FROM holdings h
				WHERE h.registry_id = r.id AND h.package_id = n.id) c
			WHERE n.ecosystem = r.ecosystem AND starts_with(n.name, $2) AND ($3 = '' OR n.name `+cmp+` $3) AND c.versions > 0
			ORDER BY n.name `+dir+` LIMIT $4) p
		ORDER BY g.id, p.name `+dir, registries, q.Prefix, q.After, q.Limit)
	if err != nil {
		return nil, fmt.Errorf("catalog: packages: %w", err)
	}
	defer rows.Close()
	out := map[uuid.UUID][]HeldPackage{}
	for rows.Next() {
		var p HeldPackage
		if err := rows.Scan(&p.Registry, &p.Ecosystem, &p.Name, &p.Versions, &p.LastHeld); err != nil {
			return nil, err
		}
		out[p.Registry] = append(out[p.Registry], p)
	}
	return out, rows.Err()
}

// CountPackages returns, for each of the registries, how many packages it holds
// whose names begin with the prefix. Registries without any are not in the
// answer.
func CountPackages(ctx context.Context, tx *db.Tx, registries []uuid.UUID, prefix string) (map[uuid.UUID]int, error) {
	rows, err := tx.Query(ctx, `SELECT h.registry_id, count(DISTINCT h.package_id) FROM holdings h JOIN package_names n ON n.id = h.package_id
		WHERE h.registry_id = ANY ($1) AND starts_with(n.name, $2) GROUP BY h.registry_id`, registries, prefix)
	if err != nil {
		return nil, fmt.Errorf("catalog: count packages: %w", err)
	}
	defer rows.Close()
	out := map[uuid.UUID]int{}
	for rows.Next() {
		var id uuid.UUID
		var n int
		if err := rows.Scan(&id, &n); err != nil {
			return nil, err
		}
		out[id] = n
	}
	return out, rows.Err()
}

// At is a package in a registry.
type At struct {
	Registry uuid.UUID
	coord.Package
}

// HeldVersion is a version that a registry holds, without its metadata.
type HeldVersion struct {
	coord.Version
	Registry      uuid.UUID
	Release       uuid.UUID // the row of its bytes
	How           string
	HeldAt        time.Time
	Path          []uuid.UUID
	Digest        string
	Origin        coord.Origin
	Published     time.Time
	PublishedFrom string
	License       policy.LicenseFact
}

// VersionsOf returns what registries hold of packages, the highest version
// first. It is one statement, however many packages.
func VersionsOf(ctx context.Context, tx *db.Tx, places []At) (map[At][]HeldVersion, error) {
	registries, ecosystems, names := make([]uuid.UUID, len(places)), make([]string, len(places)), make([]string, len(places))
	for i, p := range places {
		registries[i], ecosystems[i], names[i] = p.Registry, string(p.Ecosystem), p.Name
	}
	rows, err := tx.Query(ctx, `SELECT h.registry_id, n.ecosystem, n.name, h.version, h.version_id, h.arrived, h.held_at, h.path,
			v.digest, v.origin, v.published_at, v.published_from, v.license, v.license_state
		FROM unnest($1::uuid[], $2::text[], $3::text[]) a (registry, ecosystem, name)
		JOIN package_names n ON n.ecosystem = a.ecosystem AND n.name = a.name
		JOIN holdings h ON h.package_id = n.id AND h.registry_id = a.registry
		JOIN package_versions v ON v.id = h.version_id`, registries, ecosystems, names)
	if err != nil {
		return nil, fmt.Errorf("catalog: versions: %w", err)
	}
	defer rows.Close()
	out := map[At][]HeldVersion{}
	for rows.Next() {
		var v HeldVersion
		var path []byte
		if err := rows.Scan(&v.Registry, &v.Ecosystem, &v.Name, &v.Version.Version, &v.Release, &v.How, &v.HeldAt, &path,
			&v.Digest, &v.Origin, &v.Published, &v.PublishedFrom, &v.License.Expression, &v.License.State); err != nil {
			return nil, err
		}
		if err := json.Unmarshal(path, &v.Path); err != nil {
			return nil, fmt.Errorf("catalog: path of a holding: %w", err)
		}
		at := At{v.Registry, v.Package}
		out[at] = append(out[at], v)
	}
	for at, vs := range out {
		slices.SortFunc(vs, func(a, b HeldVersion) int { return coord.Compare(at.Ecosystem, b.Version.Version, a.Version.Version) })
	}
	return out, rows.Err()
}

// FilesOf returns the files of releases, the primary one first.
func FilesOf(ctx context.Context, tx *db.Tx, releases []uuid.UUID) (map[uuid.UUID][]HeldFile, error) {
	rows, err := tx.Query(ctx, `SELECT f.version_id, f.name, f.sha256, b.sha512, b.sha1, b.md5, f.size FROM version_files f
		JOIN blobs b ON b.sha256 = f.sha256 WHERE f.version_id = ANY ($1) ORDER BY f.version_id, f.position, f.name`, releases)
	if err != nil {
		return nil, fmt.Errorf("catalog: files: %w", err)
	}
	defer rows.Close()
	out := map[uuid.UUID][]HeldFile{}
	for rows.Next() {
		var id uuid.UUID
		var f HeldFile
		if err := rows.Scan(&id, &f.Name, &f.SHA256, &f.SHA512, &f.SHA1, &f.MD5, &f.Size); err != nil {
			return nil, err
		}
		out[id] = append(out[id], f)
	}
	return out, rows.Err()
}

// HoldersOf returns, by version, the registries that hold its coordinates,
// whatever the bytes. Deleted registries are not among them.
func HoldersOf(ctx context.Context, tx *db.Tx, versions []coord.Version) (map[coord.Version][]uuid.UUID, error) {
	ecosystems, names, texts := make([]string, len(versions)), make([]string, len(versions)), make([]string, len(versions))
	for i, v := range versions {
		ecosystems[i], names[i], texts[i] = string(v.Ecosystem), v.Name, v.Version
	}
	rows, err := tx.Query(ctx, `SELECT n.ecosystem, n.name, h.version, h.registry_id
		FROM unnest($1::text[], $2::text[], $3::text[]) a (ecosystem, name, version)
		JOIN package_names n ON n.ecosystem = a.ecosystem AND n.name = a.name
		JOIN holdings h ON h.package_id = n.id AND h.version = a.version
		JOIN registries r ON r.id = h.registry_id AND r.deleted_at IS NULL
		ORDER BY r.name, r.id`, ecosystems, names, texts)
	if err != nil {
		return nil, fmt.Errorf("catalog: holders: %w", err)
	}
	defer rows.Close()
	out := map[coord.Version][]uuid.UUID{}
	for rows.Next() {
		var v coord.Version
		var id uuid.UUID
		if err := rows.Scan(&v.Ecosystem, &v.Name, &v.Version, &id); err != nil {
			return nil, err
		}
		out[v] = append(out[v], id)
	}
	return out, rows.Err()
}

// Spread returns which registries hold which versions of a package. Deleted
// registries are not among them.
func Spread(ctx context.Context, tx *db.Tx, pkg coord.Package) (map[string][]uuid.UUID, error) {
	rows, err := tx.Query(ctx, `SELECT h.version, h.registry_id FROM package_names n JOIN holdings h ON h.package_id = n.id
		JOIN registries r ON r.id = h.registry_id AND r.deleted_at IS NULL
		WHERE n.ecosystem = $1 AND n.name = $2 ORDER BY r.name, r.id`, pkg.Ecosystem, pkg.Name)
	if err != nil {
		return nil, fmt.Errorf("catalog: spread: %w", err)
	}
	defer rows.Close()
	out := map[string][]uuid.UUID{}
	for rows.Next() {
		var version string
		var id uuid.UUID
		if err := rows.Scan(&version, &id); err != nil {
			return nil, err
		}
		out[version] = append(out[version], id)
	}
	return out, rows.Err()
}
