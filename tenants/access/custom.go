package access

import (
	"context"
	"regexp"
	"slices"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"

	"sluice.dev/sluice/ent"
	"sluice.dev/sluice/ent/db"
	entrole "sluice.dev/sluice/ent/role"
	"sluice.dev/sluice/ent/rolegrant"
	"sluice.dev/sluice/tenants/audit"
	"sluice.dev/sluice/tenants/errs"
)

// Bounds of custom roles.
const (
	MaxRoles       = 100
	MaxDescription = 500 // characters
)

// A role's name has no colon, so that Casbin can never take it for a subject.
var roleForm = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,62}[a-z0-9])?$`)

// Role is a named set of actions: a built-in one, or the organization's own.
type Role struct {
	Name        string
	Description string
	Actions     []Action
	BuiltIn     bool
	OnRegistry  bool      // may be granted on one registry
	CreatedAt   time.Time // zero for a built-in one
}

// RoleInput describes a custom role.
type RoleInput struct {
	Name        string // like release-team; never changes
	Description string
	Actions     []Action
}

func (in *RoleInput) normalize() error {
	const op = "access.Role"
	if !roleForm.MatchString(in.Name) {
		return errs.New(errs.Invalid, op, "the role's name %q must be 1 to 64 of a-z, 0-9 and - between them, for example release-team", in.Name).On("name")
	}
	if _, taken := builtInRole(in.Name); taken {
		return errs.New(errs.Conflict, op, "%s is a built-in role, which cannot be changed; choose another name", in.Name).On("name")
	}
	if !utf8.ValidString(in.Description) || utf8.RuneCountInString(in.Description) > MaxDescription {
		return errs.New(errs.Invalid, op, "the description has more than %d characters", MaxDescription).On("description")
	}
	if len(in.Actions) == 0 {
		return errs.New(errs.Invalid, op, "the role allows nothing; name at least one action").On("actions")
	}
	for _, a := range in.Actions {
		if !a.Valid() {
			return errs.New(errs.Invalid, op, "%q is no action; they are: %s", a, join(all(nil))).On("actions")
		}
	}
	in.Actions = setOf(in.Actions...).list()
	return nil
}

func (in RoleInput) names() []string {
	out := make([]string, len(in.Actions))
	for i, a := range in.Actions {
		out[i] = string(a)
	}
	return out
}

// CreateRole makes a custom role. It needs role:manage; what the role allows is
// bounded when it is granted (A4).
func (s *Service) CreateRole(ctx context.Context, in RoleInput) error {
	if err := in.normalize(); err != nil {
		return err
	}
	return s.change(ctx, func(ctx context.Context, t *turn) error {
		if err := t.require(RoleManage, uuid.Nil); err != nil {
			return err
		}
		if _, taken := t.st.roles[in.Name]; taken {
			return errs.New(errs.Conflict, "access.CreateRole", "there is a role %s already", in.Name).On("name")
		}
		if n := len(t.st.roles) - len(builtIn); n >= MaxRoles {
			return errs.New(errs.Conflict, "access.CreateRole", "the organization has %d custom roles, which is the most allowed", n)
		}
		err := t.Ent.Role.Create().SetName(in.Name).SetDescription(in.Description).SetActions(in.names()).SetCreatedAt(s.now()).Exec(ctx)
		if err != nil {
			return err
		}
		return t.done(ctx, audit.Event{Action: "role:create", ObjectType: "role", ObjectID: in.Name, After: in})
	})
}

// UpdateRole replaces the description and actions of a custom role. It needs
// role:manage, and wherever the role is granted every action that is added
// (A4). Actions that cannot be granted on a registry are refused while the role
// is granted on one.
func (s *Service) UpdateRole(ctx context.Context, in RoleInput) error {
	if err := in.normalize(); err != nil {
		return err
	}
	return s.change(ctx, func(ctx context.Context, t *turn) error {
		row, err := t.customRole(ctx, in.Name)
		if err != nil {
			return err
		}
		return t.updateRole(ctx, row, in)
	})
}

func (t *turn) updateRole(ctx context.Context, row *ent.Role, in RoleInput) error {
	if row.Description == in.Description && slices.Equal(row.Actions, in.names()) {
		return nil
	}
	if err := t.boundEdit(ctx, in); err != nil {
		return err
	}
	if err := t.Ent.Role.UpdateOne(row).SetDescription(in.Description).SetActions(in.names()).Exec(ctx); err != nil {
		return err
	}
	return t.done(ctx, audit.Event{Action: "role:update", ObjectType: "role", ObjectID: in.Name,
		Before: map[string]any{"description": row.Description, "actions": row.Actions}, After: in})
}

// boundEdit checks every place where the role is granted, those of deactivated
// members included, since they may come back.
func (t *turn) boundEdit(ctx context.Context, in RoleInput) error {
	wanted := setOf(in.Actions...)
	added := wanted &^ t.st.roles[in.Name]
	grants, err := t.Ent.RoleGrant.Query().Where(rolegrant.Role(in.Name)).All(ctx)
	if err != nil {
		return err
	}
	seen := make(map[uuid.UUID]bool)
	for _, g := range grants {
		place := bindingOf(g).registry
		if seen[place] {
			continue
		}
		seen[place] = true
		if wide := wanted &^ delegable; place != uuid.Nil && wide != 0 {
			return errs.New(errs.Conflict, "access.UpdateRole", "the role is granted on a registry, where %s cannot be", join(wide.list())).On("actions")
		}
		if err := t.bound("the role "+in.Name+", which is granted there,", added.list(), place); err != nil {
			return err
		}
	}
	return nil
}

// DeleteRole removes a custom role that nobody has. It needs role:manage.
func (s *Service) DeleteRole(ctx context.Context, name string) error {
	return s.change(ctx, func(ctx context.Context, t *turn) error {
		row, err := t.customRole(ctx, name)
		if err != nil {
			return err
		}
		n, err := t.Ent.RoleGrant.Query().Where(rolegrant.Role(name)).Count(ctx)
		if err != nil {
			return err
		}
		if n > 0 {
			return errs.New(errs.Conflict, "access.DeleteRole", "the role %s is granted %d times; take it away first", name, n)
		}
		if err := t.Ent.Role.DeleteOne(row).Exec(ctx); err != nil {
			return err
		}
		return t.done(ctx, audit.Event{Action: "role:delete", ObjectType: "role", ObjectID: name,
			Before: map[string]any{"description": row.Description, "actions": row.Actions}})
	})
}

func (t *turn) customRole(ctx context.Context, name string) (*ent.Role, error) {
	if err := t.require(RoleManage, uuid.Nil); err != nil {
		return nil, err
	}
	row, err := t.Ent.Role.Query().Where(entrole.Name(name)).Only(ctx)
	if ent.IsNotFound(err) {
		return nil, errs.New(errs.NotFound, "access.Role", "there is no custom role %q", name).On("name")
	}
	return row, err
}

// Roles lists the built-in roles, the widest first, then the custom ones by
// name. It needs member:read.
func (s *Service) Roles(ctx context.Context) (out []Role, err error) {
	for _, b := range builtIn {
		out = append(out, b.asRole())
	}
	err = s.db.InSnapshot(ctx, func(ctx context.Context, tx *db.Tx) error {
		if err := s.RequireIn(ctx, tx, MemberRead, uuid.Nil); err != nil {
			return err
		}
		rows, err := customRoles(ctx, tx, nil)
		out = append(out, rows...)
		return err
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

func (b BuiltIn) asRole() Role {
	return Role{Name: b.Name, Description: b.Doc, Actions: slices.Clone(b.Actions), BuiltIn: true, OnRegistry: b.OnRegistry}
}

// customRoles returns custom roles by name, all of them when names is nil.
func customRoles(ctx context.Context, tx *db.Tx, names []string) (out []Role, err error) {
	q := tx.Ent.Role.Query().Order(ent.Asc(entrole.FieldName))
	if names != nil {
		q.Where(entrole.NameIn(names...))
	}
	rows, err := q.All(ctx)
	for _, r := range rows {
		may := setOf(known(r.Actions)...)
		out = append(out, Role{Name: r.Name, Description: r.Description, Actions: may.list(), OnRegistry: may&^delegable == 0, CreatedAt: r.CreatedAt})
	}
	return out, err
}
