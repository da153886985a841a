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

	"github.com/google/uuid"

	"sluice.dev/sluice/ent"
	"sluice.dev/sluice/ent/db"
	entregistry "sluice.dev/sluice/ent/registry"
	"sluice.dev/sluice/tenants/audit"
	"sluice.dev/sluice/tenants/coord"
	"sluice.dev/sluice/tenants/errs"
	"sluice.dev/sluice/tenants/policy"
	"sluice.dev/sluice/tenants/scope"
)

// Limits of the upstream graph (law R8).
const (
	MaxDepth     = 8   // registries on the longest way up
	MaxUpstreams = 25  // direct upstreams of one registry
	MaxReachable = 100 // registries reachable upward from one
)

// UndeleteWithin is how long a deleted registry can be brought back (D4).
const UndeleteWithin = 7 * 24 * time.Hour

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

var nameRule = regexp.MustCompile(`^[a-z0-9]([a-z0-9._-]{0,62}[a-z0-9])?$`)

func (s *Service) checkNew(op string, in CreateInput) error {
	switch {
	case !in.Ecosystem.Valid():
		return errs.New(errs.Invalid, op, "%q is no ecosystem; choose NPM, PYPI, MAVEN or NUGET", in.Ecosystem).On("ecosystem")
	case !s.built(in.Ecosystem):
		return errs.New(errs.Invalid, op, "the %s protocol is not built yet, so a registry of it could serve nobody; choose %s",
			in.Ecosystem, joinEcosystems(s.Built)).On("ecosystem")
	case !nameRule.MatchString(in.Name):
		return errs.New(errs.Invalid, op, "%q is no registry name; use 1 to 64 lower-case letters, digits, dots, dashes or underscores, beginning and ending with a letter or digit", in.Name).On("name")
	case len(in.Description) > 2000:
		return errs.New(errs.Invalid, op, "the description has %d characters; the limit is 2000", len(in.Description)).On("description")
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
		if err := lockGraph(ctx, tx, in.Ecosystem); err != nil {
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
			if err := s.addRules(ctx, tx, r.ID, policy.DefaultFirewallRules()); err != nil {
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
		return nil, errs.New(errs.Invalid, op, "%q is no registry name; use 1 to 64 lower-case letters, digits, dots, dashes or underscores", *name).On("name")
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

// Delete hides a registry; it can be undone for 7 days (D4). One that others
// use as an upstream cannot be deleted.
func (s *Service) Delete(ctx context.Context, id uuid.UUID) error {
	const op = "delete registry"
	return s.DB.InTx(ctx, func(ctx context.Context, tx *db.Tx) error {
		r, err := live(ctx, tx, op, id)
		if err != nil {
			return err
		}
		if err := lockGraph(ctx, tx, r.Ecosystem); err != nil {
			return err
		}
		below, err := directDownstream(ctx, tx, id)
		if err != nil {
			return err
		}
		if len(below) > 0 {
			return errs.New(errs.Conflict, op, "the registry %q is an upstream of %s; remove it there first", r.Name, strings.Join(below, ", "))
		}
		if err := tx.Ent.Registry.UpdateOne(r).SetDeletedAt(s.Now()).Exec(ctx); err != nil {
			return err
		}
		if err := s.Audit.Record(ctx, tx, audit.Event{Action: "registry:delete", ObjectType: "registry", ObjectID: id.String(), Registry: id}); err != nil {
			return err
		}
		return s.changed(ctx, tx)
	})
}

// Undelete brings a deleted registry back within 7 days, unless its name has
// been taken meanwhile.
func (s *Service) Undelete(ctx context.Context, id uuid.UUID) error {
	const op = "undelete registry"
	return s.DB.InTx(ctx, func(ctx context.Context, tx *db.Tx) error {
		r, err := tx.Ent.Registry.Get(ctx, id)
		switch {
		case ent.IsNotFound(err):
			return notFound(op, id)
		case err != nil:
			return err
		case r.DeletedAt == nil:
			return nil
		case s.Now().Sub(*r.DeletedAt) > UndeleteWithin:
			return errs.New(errs.Conflict, op, "the registry %q was deleted more than 7 days ago", r.Name)
		}
		err = tx.Ent.Registry.UpdateOne(r).ClearDeletedAt().Exec(ctx)
		if _, dup := db.IsUnique(err); dup {
			return errs.Wrap(err, errs.Conflict, op, "another registry is named %q now; rename that one first", r.Name)
		}
		if err != nil {
			return err
		}
		if err := s.Audit.Record(ctx, tx, audit.Event{Action: "registry:undelete", ObjectType: "registry", ObjectID: id.String(), Registry: id}); err != nil {
			return err
		}
		return s.changed(ctx, tx)
	})
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

func notFound(op string, id uuid.UUID) error {
	return errs.New(errs.NotFound, op, "there is no registry %s", id)
}

func lockGraph(ctx context.Context, tx *db.Tx, e coord.Ecosystem) error {
	org, err := scope.Org(ctx)
	if err != nil {
		return err
	}
	return tx.Lock(ctx, false, "graph", org.String(), string(e))
}

func (s *Service) changed(ctx context.Context, tx *db.Tx) error {
	org, err := scope.Org(ctx)
	if err != nil {
		return err
	}
	tx.Changed(db.Change{Kind: db.Config, Org: org})
	return nil
}

func directDownstream(ctx context.Context, tx *db.Tx, id uuid.UUID) ([]string, error) {
	return tx.Ent.Registry.Query().Where(entregistry.DeletedAtIsNil(), entregistry.HasUpstreamsWith(sourceIs(id))).
		Order(ent.Asc(entregistry.FieldName)).Select(entregistry.FieldName).Strings(ctx)
}
