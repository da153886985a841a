// Package intake is the one write path: whatever brings a version into a
// registry, changes or deletes it there on purpose passes here, as every read
// passes the gate (law F7). What may not come in (an existing version, one that
// is on hold or was deleted for security, a number that was spent, a name that
// would hide public ones) is decided here, under the package's lock and in the
// transaction of the write.
//
// Bytes are durable before the rows that name them (F4): callers store them
// first and pass their digests. What somebody may do is decided before
// (package access): the only question here is whether it can be done.
//
// Every write to a package in a registry raises the package's revision there,
// is audited in the same transaction and told to every node. What changes
// nothing writes nothing.
package intake

import (
	"context"
	"errors"
	"time"

	"github.com/google/uuid"

	"sluice.dev/sluice/ent/db"
	"sluice.dev/sluice/tenants/audit"
	"sluice.dev/sluice/tenants/catalog"
	"sluice.dev/sluice/tenants/coord"
	"sluice.dev/sluice/tenants/errs"
	"sluice.dev/sluice/tenants/gate"
	"sluice.dev/sluice/tenants/quarantine"
	"sluice.dev/sluice/tenants/registry"
)

// What protocols tell apart, wrapped by the errors of this package.
var (
	ErrExists = errors.New("intake: the registry holds the version already")        // Conflict
	ErrSpent  = errors.New("intake: the version was published once and deleted")    // Conflict
	ErrStale  = errors.New("intake: the package has changed since that revision")   // Conflict
	ErrOnHold = errors.New("intake: the version is in quarantine in the registry")  // Conflict (Q3)
	ErrHides  = errors.New("intake: the name would hide public versions of itself") // Forbidden (O5)
)

// Gate is what writes ask the read path. [gate.Gate] is one.
type Gate interface {
	// WouldHide says what would become hidden, and where, if the registry owned
	// the name (O5).
	WouldHide(ctx context.Context, registry uuid.UUID, pkg coord.Package) ([]gate.Hidden, error)
	// List returns the view of a package in a registry, or NotFound.
	List(ctx context.Context, registry uuid.UUID, pkg coord.Package) (*gate.View, error)
	// Pull brings a version in along its path, or refuses it.
	Pull(ctx context.Context, registry uuid.UUID, v coord.Version) (*gate.Refusal, error)
	// Admit says what the gate would say of a release in another registry.
	Admit(ctx context.Context, registry uuid.UUID, pkg coord.Package, rel *catalog.Release) (gate.Admission, error)
}

// Service is the use cases.
type Service struct {
	DB         *db.DB
	Audit      *audit.Log
	Shapes     *registry.Snapshots
	Quarantine *quarantine.Service
	Gate       Gate
	Now        func() time.Time
}

// node returns a registry that is there, from the current shape.
func (s *Service) node(ctx context.Context, op string, id uuid.UUID) (*registry.Node, error) {
	shape, err := s.Shapes.Of(ctx)
	if err != nil {
		return nil, err
	}
	if n := shape.Node(id); n != nil {
		return n, nil
	}
	return nil, errs.New(errs.NotFound, op, "there is no registry %s", id)
}

// named returns a registry that takes changes, and the package of that name.
func (s *Service) named(ctx context.Context, op string, id uuid.UUID, name string) (*registry.Node, coord.Package, error) {
	n, err := s.node(ctx, op, id)
	if err != nil {
		return nil, coord.Package{}, err
	}
	if n.Archived {
		return nil, coord.Package{}, errs.New(errs.Conflict, op, "the registry %q is archived; nothing in it can be changed", n.Name)
	}
	normal, err := coord.NormalizeName(n.Ecosystem, name)
	if err != nil {
		return nil, coord.Package{}, errs.Wrap(err, errs.Invalid, op, "%q is no package name: %v", name, err).On("name")
	}
	return n, coord.Package{Ecosystem: n.Ecosystem, Name: normal}, nil
}

// ids are those of registries.
func ids(nodes []*registry.Node) []uuid.UUID {
	out := make([]uuid.UUID, len(nodes))
	for i, n := range nodes {
		out[i] = n.ID
	}
	return out
}
