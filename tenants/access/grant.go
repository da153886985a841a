package access

import (
	"context"
	"strings"
	"time"

	"github.com/google/uuid"

	"sluice.dev/sluice/ent"
	"sluice.dev/sluice/ent/db"
	"sluice.dev/sluice/ent/member"
	"sluice.dev/sluice/ent/predicate"
	"sluice.dev/sluice/ent/rolegrant"
	"sluice.dev/sluice/ent/serviceaccount"
	"sluice.dev/sluice/ent/team"
	"sluice.dev/sluice/ent/token"
	"sluice.dev/sluice/tenants/audit"
	"sluice.dev/sluice/tenants/errs"
)

// RoleGrant is a role that somebody has, on the organization when Registry is
// uuid.Nil.
type RoleGrant struct {
	ID        uuid.UUID
	Who       Principal
	Role      string
	Registry  uuid.UUID
	CreatedAt time.Time
}

// Place is a role and where it is to be granted.
type Place struct {
	Role     string
	Registry uuid.UUID // uuid.Nil is the organization
}

// Grant gives a member, service token, team or service account a role, on the organization when
// registry is uuid.Nil. The context's subject needs grant:manage there, and
// every action of the role (A4). Granting again changes nothing.
func (s *Service) Grant(ctx context.Context, who Principal, role string, registry uuid.UUID) error {
	return s.change(ctx, func(ctx context.Context, t *turn) error {
		if err := t.require(GrantManage, registry); err != nil {
			return err
		}
		return t.grant(ctx, who, Place{role, registry})
	})
}

// Revoke takes a role away. It needs what Grant needs. The last owner keeps
// that role; a grant that does not exist is NotFound.
func (s *Service) Revoke(ctx context.Context, who Principal, role string, registry uuid.UUID) error {
	return s.change(ctx, func(ctx context.Context, t *turn) error {
		if err := t.require(GrantManage, registry); err != nil {
			return err
		}
		return t.revoke(ctx, who, Place{role, registry})
	})
}

// Grants lists who has which role: all of them for those with member:read, else
// those on registries where the context's subject has grant:manage.
func (s *Service) Grants(ctx context.Context) (out []RoleGrant, err error) {
	err = s.db.InSnapshot(ctx, func(ctx context.Context, tx *db.Tx) error {
		t, err := s.turn(ctx, tx)
		if err != nil {
			return err
		}
		everything, err := t.can(MemberRead, uuid.Nil)
		if err != nil {
			return err
		}
		rows, err := tx.Ent.RoleGrant.Query().Order(ent.Asc(rolegrant.FieldID)).All(ctx)
		if err != nil {
			return err
		}
		for _, r := range rows {
			b := bindingOf(r)
			if everything || t.me.on(b.registry).has(GrantManage) {
				out = append(out, readGrant(r))
			}
		}
		return nil
	})
	return out, err
}

// mayHandOn refuses a role that cannot be granted at the place, or not by the
// acting subject (A4).
func (t *turn) mayHandOn(ctx context.Context, p Place) error {
	list, err := t.grantable(p)
	if err != nil {
		return err
	}
	if err := t.bound("the role "+p.Role, list, p.Registry); err != nil {
		return err
	}
	if p.Registry != uuid.Nil {
		return t.registryExists(ctx, p.Registry)
	}
	return nil
}

func (t *turn) grant(ctx context.Context, who Principal, p Place) error {
	if err := t.mayHandOn(ctx, p); err != nil {
		return err
	}
	if err := t.principalExists(ctx, who); err != nil {
		return err
	}
	have, err := t.Ent.RoleGrant.Query().Where(grantIs(who, p)...).Exist(ctx)
	if err != nil || have {
		return err
	}
	c := t.Ent.RoleGrant.Create().SetSubjectKind(rolegrant.SubjectKind(who.Kind)).SetSubjectID(who.ID).
		SetRole(p.Role).SetCreatedAt(t.s.now())
	if p.Registry != uuid.Nil {
		c.SetRegistryID(p.Registry)
	}
	if err := c.Exec(ctx); err != nil {
		return err
	}
	return t.done(ctx, grantEvent("grant:create", who, p))
}

func (t *turn) revoke(ctx context.Context, who Principal, p Place) error {
	have, err := t.Ent.RoleGrant.Query().Where(grantIs(who, p)...).Exist(ctx)
	if err != nil {
		return err
	}
	if !have {
		return errs.New(errs.NotFound, "access.Revoke", "the %s does not have the role %s there", strings.ToLower(string(who.Kind)), p.Role)
	}
	if err := t.bound("the role "+p.Role, t.st.roles[p.Role].list(), p.Registry); err != nil {
		return err
	}
	if p.Role == Owner && who.Kind == KindMember {
		if err := t.anotherOwner(ctx, who.ID); err != nil {
			return err
		}
	}
	if _, err := t.Ent.RoleGrant.Delete().Where(grantIs(who, p)...).Exec(ctx); err != nil {
		return err
	}
	return t.done(ctx, grantEvent("grant:delete", who, p))
}

// grantable returns the actions of a role that may be granted at the place.
func (t *turn) grantable(p Place) ([]Action, error) {
	actions, ok := t.st.roles[p.Role]
	if !ok {
		return nil, errs.New(errs.Invalid, "access.Grant", "there is no role %q; the built-in ones are %s", p.Role, strings.Join(builtInNames(), ", ")).On("role")
	}
	if p.Registry == uuid.Nil {
		return actions.list(), nil
	}
	if b, ok := builtInRole(p.Role); ok && !b.OnRegistry {
		return nil, errs.New(errs.Invalid, "access.Grant", "the role %s is one on the organization and cannot be granted on a registry; registry-admin, security, publisher and reader can", p.Role).On("role")
	}
	if wide := actions &^ delegable; wide != 0 {
		return nil, errs.New(errs.Invalid, "access.Grant", "the role %s cannot be granted on a registry, since it allows %s, which exists on the whole organization only", p.Role, join(wide.list())).On("role")
	}
	return actions.list(), nil
}

func join(list []Action) string {
	names := make([]string, len(list))
	for i, a := range list {
		names[i] = string(a)
	}
	return strings.Join(names, ", ")
}

func builtInNames() (out []string) {
	for _, b := range builtIn {
		out = append(out, b.Name)
	}
	return out
}

// principalExists refuses somebody who is not there, and tokens of somebody,
// which have their owner's grants.
func (t *turn) principalExists(ctx context.Context, who Principal) (err error) {
	var there bool
	switch who.Kind {
	case KindMember:
		there, err = t.Ent.Member.Query().Where(member.ID(who.ID), member.DeactivatedAtIsNil()).Exist(ctx)
	case KindToken:
		there, err = t.Ent.Token.Query().Where(token.ID(who.ID), token.RevokedAtIsNil(), token.MemberIDIsNil(), token.ServiceIDIsNil()).Exist(ctx)
	case KindTeam:
		there, err = t.Ent.Team.Query().Where(team.ID(who.ID)).Exist(ctx)
	case KindService:
		there, err = t.Ent.ServiceAccount.Query().Where(serviceaccount.ID(who.ID), serviceaccount.DeactivatedAtIsNil()).Exist(ctx)
	}
	if err == nil && !there {
		err = errs.New(errs.NotFound, "access.Grant", "the principal is no active member, service token, team or service account here").On("principal")
	}
	return err
}

// anotherOwner refuses to take the last owner away, after whom nobody could
// make one.
func (t *turn) anotherOwner(ctx context.Context, than uuid.UUID) error {
	owners, err := t.Ent.RoleGrant.Query().Where(rolegrant.Role(Owner), rolegrant.RegistryIDIsNil(),
		rolegrant.SubjectKindEQ(rolegrant.SubjectKindMEMBER), rolegrant.SubjectIDNEQ(than)).All(ctx)
	if err != nil {
		return err
	}
	ids := make([]uuid.UUID, len(owners))
	for i, o := range owners {
		ids[i] = o.SubjectID
	}
	active, err := t.Ent.Member.Query().Where(member.IDIn(ids...), member.DeactivatedAtIsNil()).Exist(ctx)
	if err == nil && !active {
		err = errs.New(errs.Conflict, "access", "this is the organization's last owner; make somebody else an owner first")
	}
	return err
}

func grantIs(who Principal, p Place) []predicate.RoleGrant {
	where := []predicate.RoleGrant{rolegrant.SubjectKindEQ(rolegrant.SubjectKind(who.Kind)), rolegrant.SubjectID(who.ID), rolegrant.Role(p.Role)}
	if p.Registry == uuid.Nil {
		return append(where, rolegrant.RegistryIDIsNil())
	}
	return append(where, rolegrant.RegistryID(p.Registry))
}

func grantEvent(action string, who Principal, p Place) audit.Event {
	return audit.Event{Action: action, ObjectType: "grant", ObjectID: who.String(), Registry: p.Registry,
		After: map[string]string{"role": p.Role, "subject": who.String()}}
}
