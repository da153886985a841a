package intake

import (
	"context"
	"time"

	"github.com/google/uuid"

	"sluice.dev/sluice/ent/db"
	"sluice.dev/sluice/tenants/audit"
	"sluice.dev/sluice/tenants/catalog"
	"sluice.dev/sluice/tenants/coord"
	"sluice.dev/sluice/tenants/errs"
	"sluice.dev/sluice/tenants/org"
	"sluice.dev/sluice/tenants/policy"
	"sluice.dev/sluice/tenants/registry"
)

// PublishInput is a version of one's own with durable bytes. The first file is
// the primary one.
type PublishInput struct {
	Registry   uuid.UUID
	Name       string
	Version    string
	License    policy.LicenseFact
	Metadata   []byte // as the ecosystem's documents show the version
	Files      []catalog.StoredFile
	Tags       []string     // tags that point at the version from now on
	Maintainer coord.Person // becomes the maintainer of a package that has none; zero = none
	About      string       // description and keywords, for search; "" keeps what there is
}

// Check refuses what [Service.Publish] would refuse already now, so that nobody
// uploads bytes in vain. Publish checks again.
func (s *Service) Check(ctx context.Context, registry uuid.UUID, name, version string) error {
	const op = "publish"
	n, v, err := s.target(ctx, op, registry, name, version)
	if err != nil {
		return err
	}
	if err := s.mayPublish(ctx, op, n, v.Package); err != nil {
		return err
	}
	return s.DB.InSnapshot(ctx, func(ctx context.Context, tx *db.Tx) error {
		return s.admit(ctx, tx, n, admission{op: op, version: v, origin: coord.Internal})
	})
}

// Publish brings a version in with the origin INTERNAL (O1). It is refused with
// a Conflict when the registry holds the version ([ErrExists]), when its number
// was spent ([ErrSpent]), when the coordinates or the bytes were deleted for
// security here or in a firewall above (D1), and when the coordinates are on
// hold here ([ErrOnHold], Q3); and as Forbidden when the name is blocked, or
// would hide public versions ([ErrHides], O5). Bytes that the organization's quota
// has no room for are a Conflict too (T5).
func (s *Service) Publish(ctx context.Context, in PublishInput) (coord.Version, error) {
	const op = "publish"
	n, v, err := s.target(ctx, op, in.Registry, in.Name, in.Version)
	if err != nil {
		return v, err
	}
	if err := in.validate(op, n); err != nil {
		return v, err
	}
	if err := s.mayPublish(ctx, op, n, v.Package); err != nil {
		return v, err
	}
	err = db.Retry(ctx, func() error {
		return s.DB.InTx(ctx, func(ctx context.Context, tx *db.Tx) error {
			if err := catalog.LockPackage(ctx, tx, v.Package, false); err != nil {
				return err
			}
			if err := org.TakeStorage(ctx, tx, s.Now(), weighed(in.Files)...); err != nil {
				return err
			}
			return s.publish(ctx, tx, n, v, in)
		})
	})
	return v, err
}

// weighed are files as the quota counts them.
func weighed(files []catalog.StoredFile) []org.Stored {
	out := make([]org.Stored, len(files))
	for i, f := range files {
		out[i] = org.Stored{SHA256: f.Blob.SHA256, Size: f.Blob.Size}
	}
	return out
}

func (in PublishInput) validate(op string, n *registry.Node) error {
	if len(in.Files) == 0 {
		return errs.New(errs.Invalid, op, "a version needs at least one file").On("files")
	}
	for _, t := range in.Tags {
		if err := tagName(op, n.Ecosystem, t); err != nil {
			return err
		}
	}
	if in.Maintainer != (coord.Person{}) {
		return validPeople(op, []coord.Person{in.Maintainer})
	}
	return nil
}

// target reads the coordinates of what is to come into a registry.
func (s *Service) target(ctx context.Context, op string, id uuid.UUID, name, version string) (*registry.Node, coord.Version, error) {
	n, err := s.node(ctx, op, id)
	if err != nil {
		return nil, coord.Version{}, err
	}
	v, err := coordinates(op, n, name, version)
	return n, v, err
}

func coordinates(op string, n *registry.Node, name, version string) (coord.Version, error) {
	var v coord.Version
	if n.Archived {
		return v, errs.New(errs.Conflict, op, "the registry %q is archived; nothing can be published into it", n.Name)
	}
	if err := coord.NewName(n.Ecosystem, name); err != nil {
		return v, errs.Wrap(err, errs.Invalid, op, "%q cannot be the name of a new package: %v", name, err).On("name")
	}
	normal, err := coord.NormalizeName(n.Ecosystem, name)
	if err != nil {
		return v, errs.Wrap(err, errs.Invalid, op, "%q is no package name: %v", name, err).On("name")
	}
	number, err := coord.NormalizeVersion(n.Ecosystem, version)
	if err != nil {
		return v, errs.Wrap(err, errs.Invalid, op, "%q is no version: %v", version, err).On("version")
	}
	return coord.Version{Package: coord.Package{Ecosystem: n.Ecosystem, Name: normal}, Version: number}, nil
}

func (s *Service) publish(ctx context.Context, tx *db.Tx, n *registry.Node, v coord.Version, in PublishInput) error {
	if err := catalog.LockPackage(ctx, tx, v.Package, false); err != nil {
		return err
	}
	digest := in.Files[0].Blob.SHA256
	if err := s.admit(ctx, tx, n, admission{op: "publish", version: v, origin: coord.Internal, digest: digest}); err != nil {
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
	if err := describe(ctx, tx, now, n, v.Package, in); err != nil {
		return err
	}
	if err := s.forward(ctx, tx, n, v); err != nil {
		return err
	}
	return s.Audit.Record(ctx, tx, audit.Event{Action: "version:publish", ObjectType: "version", ObjectID: v.Name + "@" + v.Version, Registry: n.ID,
		After: map[string]any{"sha256": digest, "tags": in.Tags}})
}

// describe writes what a publication says about the package besides its
// version, and raises the revision.
func describe(ctx context.Context, tx *db.Tx, now time.Time, n *registry.Node, pkg coord.Package, in PublishInput) error {
	own, err := catalog.OwnOf(ctx, tx, n.ID, pkg)
	if err != nil {
		return err
	}
	if own == nil {
		own = &catalog.OwnState{}
	}
	if len(own.Maintainers) == 0 && in.Maintainer != (coord.Person{}) {
		own.Maintainers = []coord.Person{in.Maintainer}
	}
	if in.About != "" {
		if err := catalog.SetAbout(ctx, tx, pkg, in.About); err != nil {
			return err
		}
	}
	return catalog.PutOwn(ctx, tx, now, n.ID, pkg, *own)
}
