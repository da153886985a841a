// Package intake is the one write path: whatever brings a version into a
// registry, changes or deletes it there on purpose passes here, as every read
// passes the gate (law F7). What may not come in (an existing version, one that
// is on hold or was deleted for security, a frozen registry) is decided here,
// under the package's lock and in the transaction of the write.
//
// Bytes are durable before the rows that name them (F4): callers store them
// first and pass their digests.
package intake

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"

	"sluice.dev/sluice/ent/db"
	"sluice.dev/sluice/tenants/audit"
	"sluice.dev/sluice/tenants/catalog"
	"sluice.dev/sluice/tenants/coord"
	"sluice.dev/sluice/tenants/errs"
	"sluice.dev/sluice/tenants/policy"
	"sluice.dev/sluice/tenants/quarantine"
	"sluice.dev/sluice/tenants/registry"
)

// Service is the use cases.
type Service struct {
	DB         *db.DB
	Audit      *audit.Log
	Shapes     *registry.Snapshots
	Quarantine *quarantine.Service
	Now        func() time.Time
}

// PublishInput is a version of one's own with durable bytes. The first file is
// the primary one.
type PublishInput struct {
	Registry uuid.UUID
	Name     string
	Version  string
	License  policy.LicenseFact
	Metadata []byte // as the ecosystem's documents show the version
	Files    []catalog.StoredFile
	Tags     []string // tags that point at the version from now on
}

// Publish brings a version in with the origin INTERNAL (O1). It is refused with
// a Conflict when the registry holds the version, when the coordinates or the
// bytes were deleted for security here or in a firewall above (D1), and when
// the coordinates are on hold here (Q3).
func (s *Service) Publish(ctx context.Context, in PublishInput) (coord.Version, error) {
	const op = "publish"
	var out coord.Version
	shape, err := s.Shapes.Of(ctx)
	if err != nil {
		return out, err
	}
	n := shape.Node(in.Registry)
	if n == nil {
		return out, errs.New(errs.NotFound, op, "there is no registry %s", in.Registry)
	}
	if out, err = coordinates(op, n, in); err != nil {
		return out, err
	}
	if len(in.Files) == 0 {
		return out, errs.New(errs.Invalid, op, "a version needs at least one file").On("files")
	}
	err = db.Retry(ctx, func() error {
		return s.DB.InTx(ctx, func(ctx context.Context, tx *db.Tx) error { return s.publish(ctx, tx, n, out, in) })
	})
	return out, err
}

func coordinates(op string, n *registry.Node, in PublishInput) (coord.Version, error) {
	var v coord.Version
	if n.Archived {
		return v, errs.New(errs.Conflict, op, "the registry %q is archived; nothing can be published into it", n.Name)
	}
	if err := coord.NewName(n.Ecosystem, in.Name); err != nil {
		return v, errs.Wrap(err, errs.Invalid, op, "%q cannot be the name of a new package: %v", in.Name, err).On("name")
	}
	name, err := coord.NormalizeName(n.Ecosystem, in.Name)
	if err != nil {
		return v, errs.Wrap(err, errs.Invalid, op, "%q is no package name: %v", in.Name, err).On("name")
	}
	version, err := coord.NormalizeVersion(n.Ecosystem, in.Version)
	if err != nil {
		return v, errs.Wrap(err, errs.Invalid, op, "%q is no version: %v", in.Version, err).On("version")
	}
	return coord.Version{Package: coord.Package{Ecosystem: n.Ecosystem, Name: name}, Version: version}, nil
}

func (s *Service) publish(ctx context.Context, tx *db.Tx, n *registry.Node, v coord.Version, in PublishInput) error {
	if err := catalog.LockPackage(ctx, tx, v.Package, false); err != nil {
		return err
	}
	if err := admit(ctx, tx, n, v, in.Files[0].Blob.SHA256); err != nil {
		return err
	}
	now := s.Now()
	_, err := catalog.Record(ctx, tx, now, catalog.Arrival{Version: v, Origin: coord.Internal, Published: now, PublishedFrom: "PUBLISH",
		License: in.License, Metadata: in.Metadata, Files: in.Files, Holders: []catalog.Holder{{Registry: n.ID}}, How: catalog.ByPublish})
	if err != nil {
		return err
	}
	for _, t := range in.Tags {
		if err := catalog.SetTag(ctx, tx, now, n.ID, v, t); err != nil {
			return err
		}
	}
	if err := s.Quarantine.Inherit(ctx, tx, v.Package, []uuid.UUID{n.ID}); err != nil {
		return err
	}
	return s.Audit.Record(ctx, tx, audit.Event{Action: "version:publish", ObjectType: "version", ObjectID: v.Name + "@" + v.Version, Registry: n.ID,
		After: map[string]any{"sha256": in.Files[0].Blob.SHA256, "tags": in.Tags}})
}

// admit refuses what may not come in.
func admit(ctx context.Context, tx *db.Tx, n *registry.Node, v coord.Version, digest string) error {
	const op = "publish"
	up := n.Upward()
	ids := make([]uuid.UUID, len(up))
	for i, r := range up {
		ids[i] = r.ID
	}
	held, err := catalog.Held(ctx, tx, v.Package, []uuid.UUID{n.ID})
	if err != nil {
		return err
	}
	for _, h := range held {
		if h.Release.Version == v.Version {
			return errs.New(errs.Conflict, op, "the registry %q holds %s@%s already; publish another version", n.Name, v.Name, v.Version).On("version")
		}
	}
	state, err := quarantine.Read(ctx, tx, v.Package, ids)
	if err != nil {
		return err
	}
	for _, r := range up {
		if r != n && !r.Firewall {
			continue
		}
		if t := state.Buried(r.ID, v.Version); t != nil {
			return errs.New(errs.Conflict, op, "%s@%s was deleted for security in the registry %q (%s) and cannot come back until that is lifted", v.Name, v.Version, r.Name, t.Reason).On("version")
		}
	}
	if h := state.Held(n.ID, v.Version); h != nil {
		return errs.New(errs.Conflict, op, "%s@%s is in quarantine in the registry %q: %s", v.Name, v.Version, n.Name, h.Reason).On("version")
	}
	buried, err := quarantine.BuriedDigest(ctx, tx, ids, digest)
	if err != nil {
		return err
	}
	if buried != "" {
		return errs.New(errs.Conflict, op, "the same bytes were deleted for security as %s and cannot come back until that is lifted", buried).On("files")
	}
	return nil
}

// Delete deletes a version from a registry; what that means below is in
// [quarantine.Service.Delete] (D1, D2). An archived registry gives up only what
// is deleted for security: that passes through a freeze (C6).
func (s *Service) Delete(ctx context.Context, reg uuid.UUID, name, version, reason string) (quarantine.Deleted, error) {
	const op = "delete version"
	shape, err := s.Shapes.Of(ctx)
	if err != nil {
		return quarantine.Deleted{}, err
	}
	n := shape.Node(reg)
	if n == nil {
		return quarantine.Deleted{}, errs.New(errs.NotFound, op, "there is no registry %s", reg)
	}
	if n.Archived {
		held, err := s.onHold(ctx, n, name, version)
		if err != nil {
			return quarantine.Deleted{}, err
		}
		if !held {
			return quarantine.Deleted{}, errs.New(errs.Conflict, op, "the registry %q is archived; only versions in quarantine can be deleted from it", n.Name)
		}
	}
	return s.Quarantine.Delete(ctx, reg, name, version, reason)
}

func (s *Service) onHold(ctx context.Context, n *registry.Node, name, version string) (held bool, err error) {
	normal, err := coord.NormalizeName(n.Ecosystem, name)
	if err != nil {
		return false, errs.Wrap(err, errs.Invalid, "delete version", "%q is no package name: %v", name, err).On("package")
	}
	v, err := coord.NormalizeVersion(n.Ecosystem, version)
	if err != nil {
		return false, errs.Wrap(err, errs.Invalid, "delete version", "%q is no version: %v", version, err).On("version")
	}
	err = s.DB.InTx(ctx, func(ctx context.Context, tx *db.Tx) error {
		state, err := quarantine.Read(ctx, tx, coord.Package{Ecosystem: n.Ecosystem, Name: normal}, []uuid.UUID{n.ID})
		if err != nil {
			return fmt.Errorf("read holds: %w", err)
		}
		held = state.Held(n.ID, v) != nil
		return nil
	})
	return held, err
}
