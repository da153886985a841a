package intake

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"

	"sluice.dev/sluice/ent"
	"sluice.dev/sluice/ent/db"
	"sluice.dev/sluice/ent/stagedversion"
	"sluice.dev/sluice/tenants/audit"
	"sluice.dev/sluice/tenants/catalog"
	"sluice.dev/sluice/tenants/coord"
	"sluice.dev/sluice/tenants/errs"
	"sluice.dev/sluice/tenants/org"
	"sluice.dev/sluice/tenants/policy"
)

// Staged is a version that waits for somebody's approval before it is
// published. Nothing serves it meanwhile.
type Staged struct {
	ID         uuid.UUID
	Registry   uuid.UUID
	Version    coord.Version
	Tags       []string
	Metadata   []byte
	License    policy.LicenseFact
	About      string
	Maintainer coord.Person
	Files      []catalog.StoredFile // the primary one first, then the provenance bundle if there is one
	By         string
	At         time.Time
}

// StagedQuery selects what waits in a registry.
type StagedQuery struct {
	Registry uuid.UUID
	Name     string // of the package; "" = all
	Offset   int    // how many of the oldest to skip
	Limit    int    // at most 500; 0 = 100
}

// mostStaged bounds what waits in one registry (F3).
const mostStaged = 10_000

// Stage keeps a version until somebody approves it. It is refused as
// [Service.Publish] would refuse it, and as a Conflict when the same version
// waits already. At most two files: the package and its provenance bundle.
func (s *Service) Stage(ctx context.Context, in PublishInput, by string) (uuid.UUID, error) {
	const op = "stage"
	n, v, err := s.target(ctx, op, in.Registry, in.Name, in.Version)
	if err != nil {
		return uuid.Nil, err
	}
	if err := in.validate(op, n); err != nil {
		return uuid.Nil, err
	}
	if len(in.Files) > 2 {
		return uuid.Nil, errs.New(errs.Invalid, op, "a staged version has a package and at most a provenance bundle; these are %d files", len(in.Files)).On("files")
	}
	if err := s.mayPublish(ctx, op, n, v.Package); err != nil {
		return uuid.Nil, err
	}
	id := uuid.Must(uuid.NewV7())
	return id, s.locked(ctx, v.Package, func(ctx context.Context, tx *db.Tx) error {
		if err := s.admit(ctx, tx, n, admission{op: op, version: v, origin: coord.Internal, digest: in.Files[0].Blob.SHA256}); err != nil {
			return err
		}
		if err := roomToStage(ctx, tx, op, n.ID, v); err != nil {
			return err
		}
		if err := org.TakeStorage(ctx, tx, s.Now(), weighed(in.Files)...); err != nil {
			return err
		}
		if err := catalog.KeepBlobs(ctx, tx, s.Now(), in.Files); err != nil {
			return err
		}
		if err := s.putStaged(ctx, tx, id, n.ID, v, in, by); err != nil {
			return err
		}
		return s.Audit.Record(ctx, tx, audit.Event{Action: "version:stage", ObjectType: "version", ObjectID: v.Name + "@" + v.Version, Registry: n.ID,
			After: map[string]any{"staged": id, "sha256": in.Files[0].Blob.SHA256, "tags": in.Tags}})
	})
}

func roomToStage(ctx context.Context, tx *db.Tx, op string, registry uuid.UUID, v coord.Version) error {
	waiting := tx.Ent.StagedVersion.Query().Where(stagedversion.RegistryID(registry), stagedversion.EndedAtIsNil())
	total, err := waiting.Clone().Count(ctx)
	if err != nil {
		return err
	}
	if total >= mostStaged {
		return errs.New(errs.TooLarge, op, "%d versions wait for approval in this registry, which is the most that may; approve or drop some", total)
	}
	same, err := waiting.Where(stagedversion.Name(v.Name), stagedversion.Version(v.Version)).Exist(ctx)
	if err == nil && same {
		err = errs.New(errs.Conflict, op, "%s@%s waits for approval already; drop that first", v.Name, v.Version).On("version")
	}
	return err
}

func (s *Service) putStaged(ctx context.Context, tx *db.Tx, id, registry uuid.UUID, v coord.Version, in PublishInput, by string) error {
	c := tx.Ent.StagedVersion.Create().SetID(id).SetRegistryID(registry).SetName(v.Name).SetVersion(v.Version).
		SetFile(in.Files[0].Name).SetSha256(in.Files[0].Blob.SHA256).SetMetadata(in.Metadata).SetLicense(in.License.Expression).SetLicenseState(string(in.License.State)).
		SetAbout(in.About).SetMaintainer(in.Maintainer).SetStagedBy(by).SetStagedAt(s.Now())
	if len(in.Tags) > 0 {
		c.SetTags(in.Tags)
	}
	if len(in.Files) > 1 {
		c.SetBundleFile(in.Files[1].Name).SetBundle(in.Files[1].Blob.SHA256)
	}
	if err := c.Exec(ctx); err != nil {
		return fmt.Errorf("stage: %w", err)
	}
	return nil
}

// Staged returns a page of what waits in a registry, the oldest first, and how
// many wait in all.
func (s *Service) Staged(ctx context.Context, q StagedQuery) (out []Staged, total int, err error) {
	const op = "list staged versions"
	n, err := s.node(ctx, op, q.Registry)
	if err != nil {
		return nil, 0, err
	}
	if q.Limit <= 0 || q.Limit > mostPage {
		q.Limit = usualPage
	}
	err = s.DB.InSnapshot(ctx, func(ctx context.Context, tx *db.Tx) error {
		find := tx.Ent.StagedVersion.Query().Where(stagedversion.RegistryID(n.ID), stagedversion.EndedAtIsNil())
		if q.Name != "" {
			find.Where(stagedversion.Name(q.Name))
		}
		if total, err = find.Clone().Count(ctx); err != nil {
			return err
		}
		rows, err := find.Order(ent.Asc(stagedversion.FieldStagedAt, stagedversion.FieldID)).Offset(max(q.Offset, 0)).Limit(q.Limit).All(ctx)
		if err != nil {
			return err
		}
		for _, r := range rows {
			x, err := stagedOf(ctx, tx, n.Ecosystem, r)
			if err != nil {
				return err
			}
			out = append(out, x)
		}
		return nil
	})
	return out, total, err
}

// StagedOne returns a version that waits in a registry, or NotFound.
func (s *Service) StagedOne(ctx context.Context, registry, id uuid.UUID) (out Staged, err error) {
	const op = "read staged version"
	n, err := s.node(ctx, op, registry)
	if err != nil {
		return out, err
	}
	err = s.DB.InSnapshot(ctx, func(ctx context.Context, tx *db.Tx) error {
		r, err := waiting(ctx, tx, op, registry, id)
		if err == nil {
			out, err = stagedOf(ctx, tx, n.Ecosystem, r)
		}
		return err
	})
	return out, err
}

func waiting(ctx context.Context, tx *db.Tx, op string, registry, id uuid.UUID) (*ent.StagedVersion, error) {
	r, err := tx.Ent.StagedVersion.Query().Where(stagedversion.ID(id), stagedversion.RegistryID(registry), stagedversion.EndedAtIsNil()).Only(ctx)
	if ent.IsNotFound(err) {
		return nil, errs.New(errs.NotFound, op, "no version waits for approval as %s", id)
	}
	return r, err
}

func stagedOf(ctx context.Context, tx *db.Tx, e coord.Ecosystem, r *ent.StagedVersion) (Staged, error) {
	out := Staged{ID: r.ID, Registry: r.RegistryID, Version: coord.Version{Package: coord.Package{Ecosystem: e, Name: r.Name}, Version: r.Version},
		Tags: r.Tags, Metadata: r.Metadata, License: policy.LicenseFact{State: policy.LicenseState(r.LicenseState), Expression: r.License},
		About: r.About, Maintainer: r.Maintainer, Files: []catalog.StoredFile{{Name: r.File, Blob: catalog.Blob{SHA256: r.Sha256}}}, By: r.StagedBy, At: r.StagedAt}
	if r.Bundle != nil {
		out.Files = append(out.Files, catalog.StoredFile{Name: r.BundleFile, Blob: catalog.Blob{SHA256: *r.Bundle}})
	}
	for i := range out.Files {
		b, err := catalog.BlobOf(ctx, tx, out.Files[i].Blob.SHA256)
		if err != nil {
			return out, err
		}
		out.Files[i].Blob = b
	}
	return out, nil
}

// Approve publishes a version that waits, as [Service.Publish] does and with
// its errors; it waits on if that fails. Who may approve, and whether that may
// be who staged it, is decided before.
func (s *Service) Approve(ctx context.Context, registry, id uuid.UUID, by string) (coord.Version, error) {
	const op = "approve"
	staged, err := s.StagedOne(ctx, registry, id)
	if err != nil {
		return coord.Version{}, err
	}
	in := PublishInput{Registry: registry, Name: staged.Version.Name, Version: staged.Version.Version, License: staged.License, Metadata: staged.Metadata,
		Files: staged.Files, Tags: staged.Tags, Maintainer: staged.Maintainer, About: staged.About}
	n, v, err := s.target(ctx, op, registry, in.Name, in.Version)
	if err != nil {
		return v, err
	}
	if err := s.mayPublish(ctx, op, n, v.Package); err != nil {
		return v, err
	}
	return v, s.locked(ctx, v.Package, func(ctx context.Context, tx *db.Tx) error {
		if err := s.endStaged(ctx, tx, op, registry, id, "APPROVED", by); err != nil {
			return err
		}
		return s.publish(ctx, tx, n, v, in)
	})
}

// Drop gives up a version that waits.
func (s *Service) Drop(ctx context.Context, registry, id uuid.UUID, by string) error {
	const op = "drop"
	staged, err := s.StagedOne(ctx, registry, id)
	if err != nil {
		return err
	}
	return s.locked(ctx, staged.Version.Package, func(ctx context.Context, tx *db.Tx) error {
		return s.endStaged(ctx, tx, op, registry, id, "DROPPED", by)
	})
}

func (s *Service) endStaged(ctx context.Context, tx *db.Tx, op string, registry, id uuid.UUID, outcome, by string) error {
	r, err := waiting(ctx, tx, op, registry, id) // as it is under the lock
	if err != nil {
		return err
	}
	if err := tx.Ent.StagedVersion.UpdateOne(r).SetEndedAt(s.Now()).SetOutcome(outcome).Exec(ctx); err != nil {
		return err
	}
	return s.Audit.Record(ctx, tx, audit.Event{Action: "version:" + op, ObjectType: "version", ObjectID: r.Name + "@" + r.Version, Registry: registry,
		Before: map[string]any{"staged": id, "by": r.StagedBy}, After: map[string]string{"outcome": outcome, "by": by}})
}
