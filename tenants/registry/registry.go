// Package registry owns registries, remotes, the ordered upstream edges between
// them and the rules of each: the shape of an organization's hierarchy. It
// guards that the upstream graph stays a small DAG inside one organization and
// one ecosystem (law R8), and it compiles the shape into a [Snapshot] that the
// read path uses without a database.
package registry

import (
	"context"
	"regexp"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"

	"sluice.dev/sluice/ent"
	"sluice.dev/sluice/ent/db"
	entregistry "sluice.dev/sluice/ent/registry"
	"sluice.dev/sluice/tenants/audit"
	"sluice.dev/sluice/tenants/coord"
	"sluice.dev/sluice/tenants/errs"
	"sluice.dev/sluice/tenants/org"
	"sluice.dev/sluice/tenants/scope"
)

// Limits of the upstream graph (law R8).
const (
	MaxDepth     = 8   // registries on the longest way up
	MaxUpstreams = 25  // direct upstreams of one registry
	MaxReachable = 100 // registries reachable upward from one
)

// Kinds of registry.
const (
	Firewall        = entregistry.KindFIREWALL
	PackageRegistry = entregistry.KindPACKAGE
)

// Service changes registries, remotes, edges and rules.
type Service struct {
	DB    *db.DB
	Audit *audit.Log
	Now   func() time.Time
	// Built are the ecosystems whose protocol works; the others are refused
	// with a sentence that says so.
	Built []coord.Ecosystem
	// Seal encrypts a remote's credential at rest.
	Seal *Sealer
	// BeforeUnlink runs in the transaction that removes an edge, before it is
	// gone: inherited holds that came through it are written down (R9).
	BeforeUnlink func(ctx context.Context, tx *db.Tx, registry, source uuid.UUID) error
	// AfterLink runs in the transaction that added an edge: holds that reach
	// the registry through it are written down.
	AfterLink func(ctx context.Context, tx *db.Tx, registry uuid.UUID) error
}

// CreateInput describes a new registry.
type CreateInput struct {
	Kind        entregistry.Kind
	Ecosystem   coord.Ecosystem
	Name        string
	Description string
	Internal    *bool // nil = the default, true (O2)
	// Upstream is optional, and so is everything in it but the source.
	Upstream *UpstreamInput
}

const maxDescription = 2000 // characters

var nameRule = regexp.MustCompile(`^[a-z0-9]([a-z0-9._-]{0,62}[a-z0-9])?$`)

func (s *Service) checkNew(op string, in CreateInput) error {
	if err := s.checkEcosystem(op, in.Ecosystem, "a registry"); err != nil {
		return err
	}
	switch {
	case !nameRule.MatchString(in.Name):
		return errs.New(errs.Invalid, op, "%q is no registry name; use 1 to 64 lower-case letters, digits, dots, dashes or underscores, beginning and ending with a letter or digit", in.Name).On("name")
	case in.Kind != Firewall && in.Kind != PackageRegistry:
		return errs.New(errs.Invalid, op, "%q is no kind of registry; choose FIREWALL or PACKAGE", in.Kind).On("kind")
	}
	return checkDescription(op, in.Description)
}

func checkDescription(op, text string) error {
	if n := utf8.RuneCountInString(text); n > maxDescription {
		return errs.New(errs.Invalid, op, "the description has %d characters; the limit is %d", n, maxDescription).On("description")
	}
	return nil
}

func (s *Service) checkEcosystem(op string, e coord.Ecosystem, what string) error {
	switch {
	case !e.Valid():
		return errs.New(errs.Invalid, op, "%q is no ecosystem; choose NPM, PYPI, MAVEN or NUGET", e).On("ecosystem")
	case !s.built(e):
		return errs.New(errs.Invalid, op, "the %s protocol is not built yet, so %s of it could serve nobody; choose %s", e, what, joinEcosystems(s.Built)).On("ecosystem")
	}
	return nil
}

func (s *Service) built(e coord.Ecosystem) bool {
	for _, b := range s.Built {
		if b == e {
			return true
		}
	}
	return false
}

func joinEcosystems(es []coord.Ecosystem) string {
	names := make([]string, len(es))
	for i, e := range es {
		names[i] = string(e)
	}
	return strings.Join(names, ", ")
}

// Create makes a registry. A firewall starts with the rules of P11, a package
// registry with none; both are internal by default.
func (s *Service) Create(ctx context.Context, in CreateInput) (*ent.Registry, error) {
	const op = "create registry"
	if err := s.checkNew(op, in); err != nil {
		return nil, err
	}
	var made *ent.Registry
	err := s.DB.InTx(ctx, func(ctx context.Context, tx *db.Tx) error {
		if err := LockGraph(ctx, tx, in.Ecosystem, false); err != nil {
			return err
		}
		if err := org.RoomForRegistry(ctx, tx); err != nil {
			return err
		}
		r, err := tx.Ent.Registry.Create().SetEcosystem(in.Ecosystem).SetKind(in.Kind).SetName(in.Name).
			SetDescription(in.Description).SetInternal(in.Internal == nil || *in.Internal).SetCreatedAt(s.Now()).Save(ctx)
		if c, dup := db.IsUnique(err); dup && c == "registries_name" {
			return errs.Wrap(err, errs.Conflict, op, "a registry named %q exists already; choose another name", in.Name).On("name")
		}
		if err != nil {
			return err
		}
		if in.Kind == Firewall {
			rules, err := firstRules(ctx, tx)
			if err != nil {
				return err
			}
			if err := s.addRules(ctx, tx, r.ID, rules); err != nil {
				return err
			}
		}
		if err := s.Audit.Record(ctx, tx, audit.Event{Action: "registry:create", ObjectType: "registry", ObjectID: r.ID.String(), Registry: r.ID,
			After: map[string]any{"name": r.Name, "kind": r.Kind, "ecosystem": r.Ecosystem, "internal": r.Internal}}); err != nil {
			return err
		}
		if in.Upstream != nil {
			up := *in.Upstream
			up.Registry = r.ID
			if _, err := s.addUpstream(ctx, tx, up); err != nil {
				return err
			}
		}
		made = r
		return s.changed(ctx, tx)
	})
	return made, err
}

// Update changes a registry's name, description or internal flag; nil leaves
// a field as it is.
func (s *Service) Update(ctx context.Context, id uuid.UUID, name, description *string, internal *bool) (*ent.Registry, error) {
	const op = "update registry"
	if name != nil && !nameRule.MatchString(*name) {
		return nil, errs.New(errs.Invalid, op, "%q is no registry name; use 1 to 64 lower-case letters, digits, dots, dashes or underscores, beginning and ending with a letter or digit", *name).On("name")
	}
	if description != nil {
		if err := checkDescription(op, *description); err != nil {
			return nil, err
		}
	}
	var out *ent.Registry
	err := s.DB.InTx(ctx, func(ctx context.Context, tx *db.Tx) error {
		old, err := live(ctx, tx, op, id)
		if err != nil {
			return err
		}
		out, err = tx.Ent.Registry.UpdateOne(old).SetNillableName(name).SetNillableDescription(description).SetNillableInternal(internal).Save(ctx)
		if c, dup := db.IsUnique(err); dup && c == "registries_name" {
			return errs.Wrap(err, errs.Conflict, op, "a registry named %q exists already; choose another name", *name).On("name")
		}
		if err != nil {
			return err
		}
		if out.Name == old.Name && out.Description == old.Description && out.Internal == old.Internal {
			return nil // no change means no audit
		}
		describe := func(r *ent.Registry) map[string]any {
			return map[string]any{"name": r.Name, "description": r.Description, "internal": r.Internal}
		}
		if err := s.Audit.Record(ctx, tx, audit.Event{Action: "registry:update", ObjectType: "registry", ObjectID: id.String(), Registry: id,
			Before: describe(old), After: describe(out)}); err != nil {
			return err
		}
		return s.changed(ctx, tx)
	})
	return out, err
}

// Get returns a registry that is not deleted.
func (s *Service) Get(ctx context.Context, tx *db.Tx, id uuid.UUID) (*ent.Registry, error) {
	return live(ctx, tx, "get registry", id)
}

func live(ctx context.Context, tx *db.Tx, op string, id uuid.UUID) (*ent.Registry, error) {
	r, err := tx.Ent.Registry.Query().Where(entregistry.ID(id), entregistry.DeletedAtIsNil()).Only(ctx)
	if ent.IsNotFound(err) {
		return nil, notFound(op, id)
	}
	return r, err
}

// lockedLive is live under the graph's lock: what it returns stays true until
// the transaction ends.
func lockedLive(ctx context.Context, tx *db.Tx, op string, id uuid.UUID) (*ent.Registry, error) {
	r, err := live(ctx, tx, op, id)
	if err != nil {
		return nil, err
	}
	if err := LockGraph(ctx, tx, r.Ecosystem, false); err != nil {
		return nil, err
	}
	return live(ctx, tx, op, id)
}

func notFound(op string, id uuid.UUID) error {
	return errs.New(errs.NotFound, op, "there is no registry %s", id)
}

// LockGraph takes the lock of an organization's graph in one ecosystem until
// the transaction ends. Changes of edges take it alone (R8); who relies on the
// edges as they are, such as a hold that reaches the registries below, shares
// it, and takes it before a package's lock.
func LockGraph(ctx context.Context, tx *db.Tx, e coord.Ecosystem, shared bool) error {
	org, err := scope.Org(ctx)
	if err != nil {
		return err
	}
	return tx.Lock(ctx, shared, "graph", org.String(), string(e))
}

func (s *Service) changed(ctx context.Context, tx *db.Tx) error {
	org, err := scope.Org(ctx)
	if err != nil {
		return err
	}
	tx.Changed(db.Change{Kind: db.Config, Org: org})
	return nil
}
