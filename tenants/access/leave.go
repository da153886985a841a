package access

import (
	"context"
	"slices"

	"github.com/google/uuid"

	"sluice.dev/sluice/tenants/audit"
	"sluice.dev/sluice/tenants/errs"
)

// Leave ends the membership of the context's subject, a member with a login or
// with a token that may write everywhere. The last owner cannot leave: they
// transfer the ownership first, or delete the organization.
func (s *Service) Leave(ctx context.Context) error {
	return s.change(ctx, func(ctx context.Context, t *turn) error {
		if err := t.inPerson("access.Leave"); err != nil {
			return err
		}
		m, err := t.Ent.Member.Get(ctx, t.by.MemberID)
		if err != nil {
			return err
		}
		if err := t.notLastOwner(ctx, m.ID); err != nil {
			return err
		}
		return t.end(ctx, m, "member:leave")
	})
}

// TransferOwnership makes another active member an owner in the place of the
// context's subject, who must be one and stays an admin. Both happen or
// neither, so that the organization always has an owner.
func (s *Service) TransferOwnership(ctx context.Context, to uuid.UUID) error {
	const op = "access.TransferOwnership"
	return s.change(ctx, func(ctx context.Context, t *turn) error {
		if err := t.inPerson(op); err != nil {
			return err
		}
		me, heir := MemberPrincipal(t.by.MemberID), MemberPrincipal(to)
		if me == heir {
			return errs.New(errs.Invalid, op, "the ownership cannot be transferred to oneself").On("member")
		}
		own, err := t.Ent.RoleGrant.Query().Where(grantIs(me, Place{Role: Owner})...).Exist(ctx)
		if err != nil {
			return err
		}
		if !own {
			return errs.New(errs.Forbidden, op, "only an owner transfers the ownership")
		}
		for _, step := range []func() error{
			func() error { return t.grant(ctx, heir, Place{Role: Owner}) },
			func() error { return t.grant(ctx, me, Place{Role: Admin}) },
			func() error { return t.revoke(ctx, me, Place{Role: Owner}) },
		} {
			if err := step(); err != nil {
				return err
			}
		}
		return t.done(ctx, audit.Event{Action: "organization:transfer", ObjectType: "organization", ObjectID: t.org.String(),
			Before: map[string]string{"owner": me.String()}, After: map[string]string{"owner": heir.String()}})
	})
}

// inPerson refuses everybody but a member whose credential stands for all of
// them: such acts are no token's that was made for something else.
func (t *turn) inPerson(op string) error {
	if t.me == nil || t.by.MemberID == uuid.Nil || !t.me.subject.Write || len(t.me.subject.Registries) > 0 || len(t.me.subject.Packages) > 0 {
		return errs.New(errs.Forbidden, op, "only a member does this themselves, with a login or a token without limits")
	}
	return nil
}

// requireOwner refuses everybody but owners in person, and the system.
func (t *turn) requireOwner(op string) error {
	if t.me == nil {
		return nil
	}
	if err := t.inPerson(op); err != nil {
		return err
	}
	names, err := t.st.enforcer.GetImplicitRolesForUser(t.me.who.String(), everywhere)
	if err != nil {
		return err
	}
	if !slices.Contains(names, Owner) {
		return errs.New(errs.Forbidden, op, "only an owner of the organization may do this")
	}
	return nil
}

// notLastOwner refuses to let go of a member who is the last owner.
func (t *turn) notLastOwner(ctx context.Context, member uuid.UUID) error {
	owner, err := t.Ent.RoleGrant.Query().Where(grantIs(MemberPrincipal(member), Place{Role: Owner})...).Exist(ctx)
	if err != nil || !owner {
		return err
	}
	return t.anotherOwner(ctx, member)
}
