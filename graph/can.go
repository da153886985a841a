package graph

import (
	"context"
	"strings"

	"github.com/99designs/gqlgen/graphql"
	"github.com/google/uuid"

	"sluice.dev/sluice/ent"
	"sluice.dev/sluice/graph/api"
	"sluice.dev/sluice/tenants/access"
	"sluice.dev/sluice/tenants/audit"
	"sluice.dev/sluice/tenants/errs"
	"sluice.dev/sluice/tenants/finding"
	"sluice.dev/sluice/tenants/intake"
	"sluice.dev/sluice/tenants/registry"
)

// Values of the directive's argument on that are no paths.
const (
	onParent   = "parent"
	onReach    = "reach"
	onAnywhere = "anywhere"
)

// can implements the directive @can (A3, A5): schema.graphql says what it
// promises.
func (r *resolver) can(ctx context.Context, obj any, next graphql.Resolver, action string, on *string) (any, error) {
	a, where := access.Action(action), ""
	if on != nil {
		where = *on
	}
	var err error
	switch where {
	case "":
		err = r.require(ctx, a, uuid.Nil)
	case onParent:
		err = r.require(ctx, a, registryOf(obj))
	case onReach, onAnywhere:
		ctx, err = r.reaching(ctx, a, where == onAnywhere)
	default:
		err = r.requireAt(ctx, a, where)
	}
	if err != nil {
		return nil, err
	}
	return next(ctx)
}

func (r *resolver) require(ctx context.Context, a access.Action, registry uuid.UUID) error {
	return r.Access.Require(ctx, access.Of(ctx), a, registry)
}

// requireAt asks for the action where the argument at the path belongs.
func (r *resolver) requireAt(ctx context.Context, a access.Action, path string) error {
	value := argument(ctx, path)
	if value == nil {
		return nil // an optional argument that was not given
	}
	typ := typeAt(path, graphql.GetFieldContext(ctx).Field.Definition.Type.Name())
	_, isNew := value.(map[string]any)
	// Who may ask nothing of the organization's own things must not learn
	// which of them there are; neither must nobody.
	if isNew || ofOrganization[typ] || access.Of(ctx).IsAnonymous() {
		if err := r.require(ctx, a, uuid.Nil); err != nil || isNew {
			return err
		}
	}
	text, _ := value.(string)
	id, _ := api.ParseID(text)
	// Before a change, nothing may be remembered that is other after it.
	obj, err := r.find(r.fresh(ctx), id, typ)
	if err != nil || ofOrganization[typ] {
		return err
	}
	err = r.require(ctx, a, registryOf(obj))
	if errs.Is(err, errs.Forbidden) && registryOf(obj) == uuid.Nil {
		// Whoever cannot see it must not learn that it exists (T3).
		if _, unseen := r.see(ctx, id, typ); unseen != nil {
			return notFound(typ)
		}
	}
	if errs.Is(err, errs.NotFound) {
		return notFound(typ)
	}
	return err
}

// ofOrganization are the types whose objects belong to no registry.
var ofOrganization = map[string]bool{"Member": true, "Organization": true, "Remote": true, "Token": true,
	"Team": true, "ServiceAccount": true, "Invitation": true, "JoinRequest": true,
	"IdentityProvider": true, "GroupMapping": true, "LinkedAccount": true}

// typeAt is the type of object that an argument names: its own name, for from and
// to a registry, and for an argument id that of the field.
func typeAt(path, field string) string {
	last := path[strings.LastIndexByte(path, '.')+1:]
	switch last {
	case "id":
		return field
	case "from", "to":
		return "Registry"
	}
	return strings.ToUpper(last[:1]) + last[1:]
}

// argument returns the raw value of an argument of the present field, or of a
// field in it; nil when it was not given.
func argument(ctx context.Context, path string) any {
	fc := graphql.GetFieldContext(ctx)
	var at any = fc.Field.ArgumentMap(graphql.GetOperationContext(ctx).Variables)
	for part := range strings.SplitSeq(path, ".") {
		fields, ok := at.(map[string]any)
		if !ok {
			return nil
		}
		at = fields[part]
	}
	return at
}

type reachKey struct{}

// reaching puts where the action is allowed into the context. Nobody reaches
// anything; somebody may reach nothing, which is an empty list.
func (r *resolver) reaching(ctx context.Context, a access.Action, somewhere bool) (context.Context, error) {
	who := access.Of(ctx)
	if who.IsAnonymous() {
		return ctx, r.require(ctx, a, uuid.Nil)
	}
	reach, err := r.Access.Where(ctx, who, a)
	if err == nil && somewhere && !reach.All && len(reach.Registries) == 0 {
		err = r.require(ctx, a, uuid.Nil)
	}
	return context.WithValue(ctx, reachKey{}, reach), err
}

// reachOf returns what the directive found. Without the directive it is
// nothing, so that a field which forgot it shows nothing.
func reachOf(ctx context.Context) access.Reach {
	reach, _ := ctx.Value(reachKey{}).(access.Reach)
	return reach
}

func reaches(reach access.Reach, registry uuid.UUID) bool {
	if reach.All {
		return true
	}
	for _, id := range reach.Registries {
		if id == registry {
			return true
		}
	}
	return false
}

// narrowed is the reach, or one registry of it when the list is asked for that
// one only. One that is out of reach does not exist.
func (r *resolver) narrowed(ctx context.Context, only *api.ID) (access.Reach, error) {
	reach := reachOf(ctx)
	if only == nil {
		return reach, nil
	}
	if _, err := r.find(ctx, *only, "Registry"); err != nil {
		return access.Reach{}, err
	}
	if !reaches(reach, only.UUID) {
		return access.Reach{}, notFound("Registry")
	}
	return access.Reach{Registries: []uuid.UUID{only.UUID}}, nil
}

func auditReach(reach access.Reach) audit.Reach {
	return audit.Reach{All: reach.All, Registries: reach.Registries}
}

// registryOf returns the registry that an object is or belongs to, uuid.Nil
// when it belongs to the organization.
func registryOf(obj any) uuid.UUID {
	switch o := obj.(type) {
	case *ent.Registry:
		return o.ID
	case *ent.Upstream:
		return o.RegistryID
	case *registry.Rule:
		return o.RegistryID
	case *api.Package:
		return o.Registry
	case *api.Version:
		return o.Registry
	case *ent.Hold:
		return o.RegistryID
	case *ent.Tombstone:
		return o.RegistryID
	case *ent.Cascade:
		return o.RegistryID
	case *audit.Recorded:
		return o.Registry
	case *ent.Pull:
		return o.RegistryID
	case *access.RoleGrant:
		return o.Registry
	case *intake.Staged:
		return o.Registry
	case *finding.Scan:
		return o.Registry
	case *ent.Finding:
		return orNil(o.RegistryID)
	case *ent.AuditEvent:
		return orNil(o.RegistryID)
	}
	return uuid.Nil
}

func orNil(id *uuid.UUID) uuid.UUID {
	if id == nil {
		return uuid.Nil
	}
	return *id
}
