package access

import (
	"context"
	"fmt"

	"github.com/google/uuid"

	"sluice.dev/sluice/ent/db"
	"sluice.dev/sluice/tenants/scope"
)

// CreateMemberIn is [Service.CreateMember] in the caller's transaction, for a
// login that makes a person a member and remembers who they are in one step. It
// excludes other changes of the organization's access until the transaction
// ends.
func (s *Service) CreateMemberIn(ctx context.Context, tx *db.Tx, in MemberInput) (Member, error) {
	if err := in.normalize(); err != nil {
		return Member{}, err
	}
	t, err := s.within(ctx, tx)
	if err != nil {
		return Member{}, err
	}
	if err := t.require(MemberManage, uuid.Nil); err != nil {
		return Member{}, err
	}
	m, err := t.Ent.Member.Create().SetEmail(in.Email).SetName(in.Name).SetCreatedAt(s.now()).Save(ctx)
	if err != nil {
		return Member{}, err
	}
	if err := t.done(ctx, memberEvent("member:create", m, map[string]string{"email": in.Email, "name": in.Name})); err != nil {
		return Member{}, err
	}
	return readMember(m), t.grantAll(ctx, MemberPrincipal(m.ID), in.Roles)
}

// GrantIn is [Service.Grant] in the caller's transaction.
func (s *Service) GrantIn(ctx context.Context, tx *db.Tx, who Principal, p Place) error {
	t, err := s.within(ctx, tx)
	if err != nil {
		return err
	}
	if err := t.require(GrantManage, p.Registry); err != nil {
		return err
	}
	return t.grant(ctx, who, p)
}

// RevokeIn is [Service.Revoke] in the caller's transaction.
func (s *Service) RevokeIn(ctx context.Context, tx *db.Tx, who Principal, p Place) error {
	t, err := s.within(ctx, tx)
	if err != nil {
		return err
	}
	if err := t.require(GrantManage, p.Registry); err != nil {
		return err
	}
	return t.revoke(ctx, who, p)
}

// within makes the rest of the caller's transaction a turn.
func (s *Service) within(ctx context.Context, tx *db.Tx) (*turn, error) {
	org, err := scope.Org(ctx)
	if err != nil {
		return nil, err
	}
	if err := tx.Lock(ctx, false, "access", org.String()); err != nil {
		return nil, fmt.Errorf("lock access: %w", err)
	}
	return s.turn(ctx, tx)
}
