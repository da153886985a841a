// Package catalog keeps what registries hold: packages, versions, files, tags,
// and the last document of each remote. A version is one row however many
// registries hold it. Only the gate and the write gate (intake) write here.
package catalog

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"sluice.dev/sluice/ent/db"
	"sluice.dev/sluice/tenants/coord"
	"sluice.dev/sluice/tenants/policy"
	"sluice.dev/sluice/tenants/scope"
)

// Ways in which a registry came to hold a version.
const (
	ByFetch   = "FETCH"   // a client asked for it
	ByReview  = "REVIEW"  // brought in for review while on hold (Q6)
	ByPublish = "PUBLISH" // published or uploaded here
	ByPush    = "PUSH"    // pushed by a registry below
	ByPull    = "PULL"    // brought in on purpose, from an upstream
	ByPromote = "PROMOTE" // copied from another registry
)

// Blob is a row of durable bytes; digests are lower-case hex.
type Blob struct {
	SHA256, SHA512, SHA1, MD5 string
	Size                      int64
}

// StoredFile is a file whose bytes are durable.
type StoredFile struct {
	Name      string
	Blob      Blob
	SourceURL string
}

// Holder is a registry that comes to hold a version, with the registries the
// version passed on its way there, outermost first (P1).
type Holder struct {
	Registry uuid.UUID
	Path     []uuid.UUID
}

// Arrival is a version with its bytes, and who holds it from now on. The first
// file is the primary one.
type Arrival struct {
	Version       coord.Version
	Origin        coord.Origin
	Remote        uuid.UUID // nil when published
	Published     time.Time
	PublishedFrom string // SOURCE, FIRST_SEEN, PUBLISH (R5)
	License       policy.LicenseFact
	Metadata      []byte
	Files         []StoredFile
	Holders       []Holder
	How           string
}

// LockPackage serialises writers about one package: holds take it exclusively,
// arrivals share it, so that an arrival sees every hold or the hold sees the
// arrival (C5).
func LockPackage(ctx context.Context, tx *db.Tx, pkg coord.Package, shared bool) error {
	org, err := scope.Org(ctx)
	if err != nil {
		return err
	}
	return tx.Lock(ctx, shared, "package", org.String(), string(pkg.Ecosystem), pkg.Name)
}

// Changed announces that something about the package changed.
func Changed(ctx context.Context, tx *db.Tx, pkg coord.Package) error {
	org, err := scope.Org(ctx)
	if err != nil {
		return err
	}
	tx.Changed(db.Change{Kind: db.Package, Org: org, Ecosystem: pkg.Ecosystem, Name: pkg.Name})
	return nil
}

// Record writes an arrival: blob rows, package, version, files and one holding
// per holder. A registry that holds the coordinates already keeps its copy. It
// returns the version's id. Coordinates that were deleted for security are a
// Conflict (D1). The caller has the package's lock.
func Record(ctx context.Context, tx *db.Tx, now time.Time, a Arrival) (uuid.UUID, error) {
	if len(a.Files) == 0 {
		return uuid.Nil, errors.New("catalog: an arrival without files")
	}
	org, err := scope.Org(ctx)
	if err != nil {
		return uuid.Nil, err
	}
	if err := refuseBuried(ctx, tx, a); err != nil {
		return uuid.Nil, err
	}
	if err := insertBlobs(ctx, tx, now, a.Files); err != nil {
		return uuid.Nil, err
	}
	pkg, err := ensurePackage(ctx, tx, org, now, a.Version.Package)
	if err != nil {
		return uuid.Nil, err
	}
	version, err := ensureVersion(ctx, tx, org, pkg, now, a)
	if err != nil {
		return uuid.Nil, err
	}
	for _, h := range a.Holders {
		path, err := json.Marshal(nonNil(h.Path))
		if err != nil {
			return uuid.Nil, err
		}
		_, err = tx.Exec(ctx, `INSERT INTO holdings (id, org_id, registry_id, package_id, version, version_id, path, arrived, held_at)
			VALUES ($1,$2,$3,$4,$5,$6,$7,$8,$9) ON CONFLICT (org_id, registry_id, package_id, version) DO NOTHING`,
			uuid.Must(uuid.NewV7()), org, h.Registry, pkg, a.Version.Version, version, path, a.How, now)
		if err != nil {
			return uuid.Nil, fmt.Errorf("catalog: hold: %w", err)
		}
	}
	if err := own(ctx, tx, org, now, a); err != nil {
		return uuid.Nil, err
	}
	return version, Changed(ctx, tx, a.Version.Package)
}

func nonNil(p []uuid.UUID) []uuid.UUID {
	if p == nil {
		return []uuid.UUID{}
	}
	return p
}

// KeepBlobs writes the rows of durable bytes that something other than a
// version is about to refer to.
func KeepBlobs(ctx context.Context, tx *db.Tx, now time.Time, files []StoredFile) error {
	return insertBlobs(ctx, tx, now, files)
}

// BlobOf returns the row of bytes that a row of the context's organization
// names (T4).
func BlobOf(ctx context.Context, tx *db.Tx, sha256 string) (b Blob, err error) {
	err = tx.QueryRow(ctx, `SELECT sha256, sha512, sha1, md5, size FROM blobs WHERE sha256 = $1`, sha256).Scan(&b.SHA256, &b.SHA512, &b.SHA1, &b.MD5, &b.Size)
	if err != nil {
		return b, fmt.Errorf("catalog: blob %s: %w", sha256, err)
	}
	return b, nil
}

func insertBlobs(ctx context.Context, tx *db.Tx, now time.Time, files []StoredFile) error {
	// In one order, so that two arrivals that share files do not wait for each
	// other.
	files = slices.Clone(files)
	slices.SortFunc(files, func(a, b StoredFile) int { return strings.Compare(a.Blob.SHA256, b.Blob.SHA256) })
	for _, f := range files {
		// Touching the row renews the grace time of bytes that nothing
		// referred to for a while (D3), and locks it against the collector.
		_, err := tx.Exec(ctx, `SELECT keep_blob($1,$2,$3,$4,$5,$6)`, f.Blob.SHA256, f.Blob.SHA512, f.Blob.SHA1, f.Blob.MD5, f.Blob.Size, now)
		if err != nil {
			return fmt.Errorf("catalog: blob: %w", err)
		}
	}
	return nil
}

func ensurePackage(ctx context.Context, tx *db.Tx, org uuid.UUID, now time.Time, pkg coord.Package) (uuid.UUID, error) {
	id, err := PackageID(ctx, tx, pkg)
	if err != nil || id != uuid.Nil {
		return id, err
	}
	_, err = tx.Exec(ctx, `INSERT INTO package_names (id, org_id, ecosystem, name, created_at) VALUES ($1,$2,$3,$4,$5)
		ON CONFLICT (org_id, ecosystem, name) DO NOTHING`, uuid.Must(uuid.NewV7()), org, pkg.Ecosystem, pkg.Name, now)
	if err != nil {
		return uuid.Nil, fmt.Errorf("catalog: package: %w", err)
	}
	return PackageID(ctx, tx, pkg)
}

// Ensure makes a package known to the organization.
func Ensure(ctx context.Context, tx *db.Tx, now time.Time, pkg coord.Package) error {
	org, err := scope.Org(ctx)
	if err != nil {
		return err
	}
	_, err = ensurePackage(ctx, tx, org, now, pkg)
	return err
}

// PackageID returns the id of a package, or the nil UUID when the organization
// has never met it.
func PackageID(ctx context.Context, tx *db.Tx, pkg coord.Package) (id uuid.UUID, err error) {
	err = tx.QueryRow(ctx, `SELECT id FROM package_names WHERE org_id = `+db.Ours+` AND ecosystem = $1 AND name = $2`, pkg.Ecosystem, pkg.Name).Scan(&id)
	if errors.Is(err, pgx.ErrNoRows) {
		return uuid.Nil, nil
	}
	return id, err
}

func ensureVersion(ctx context.Context, tx *db.Tx, org, pkg uuid.UUID, now time.Time, a Arrival) (uuid.UUID, error) {
	digest := a.Files[0].Blob.SHA256
	id := uuid.Must(uuid.NewV7())
	var remote *uuid.UUID
	if a.Remote != uuid.Nil {
		remote = &a.Remote
	}
	tag, err := tx.Exec(ctx, `INSERT INTO package_versions (id, org_id, package_id, version, digest, origin, remote_id, published_at,
		published_from, license, license_state, metadata, created_at) VALUES ($1,$2,$3,$4,$5,$6,$7,$8,$9,$10,$11,$12,$13)
		ON CONFLICT (org_id, package_id, version, digest) DO NOTHING`,
		id, org, pkg, a.Version.Version, digest, a.Origin, remote, a.Published, a.PublishedFrom, a.License.Expression, a.License.State, a.Metadata, now)
	if err != nil {
		return uuid.Nil, fmt.Errorf("catalog: version: %w", err)
	}
	if tag.RowsAffected() == 0 { // it is known already
		err := tx.QueryRow(ctx, `SELECT id FROM package_versions WHERE package_id = $1 AND version = $2 AND digest = $3`, pkg, a.Version.Version, digest).Scan(&id)
		if err != nil {
			return uuid.Nil, fmt.Errorf("catalog: version: %w", err)
		}
	}
	for i, f := range a.Files {
		_, err := tx.Exec(ctx, `INSERT INTO version_files (id, org_id, version_id, name, position, sha256, size, source_url)
			VALUES ($1,$2,$3,$4,$5,$6,$7,$8) ON CONFLICT (org_id, version_id, name) DO NOTHING`,
			uuid.Must(uuid.NewV7()), org, id, f.Name, i, f.Blob.SHA256, f.Blob.Size, f.SourceURL)
		if err != nil {
			return uuid.Nil, fmt.Errorf("catalog: file: %w", err)
		}
	}
	return id, nil
}
