package graph

import (
	"context"

	"github.com/google/uuid"

	"sluice.dev/sluice/graph/api"
	"sluice.dev/sluice/tenants/access"
)

// State resolves the field; so do the methods below, each its own.
func (f tokenFields) State(_ context.Context, t *access.Token) (access.TokenState, error) {
	return f.Access.TokenState(*t), nil
}

func (f tokenFields) ExpiringSoon(_ context.Context, t *access.Token) (bool, error) {
	return f.Access.ExpiringSoon(*t), nil
}

func (f tokenFields) ServiceAccount(ctx context.Context, t *access.Token) (*access.ServiceAccount, error) {
	if t.ServiceID == uuid.Nil {
		return nil, nil
	}
	if may, err := f.may(ctx, access.MemberRead); err != nil || !may {
		return nil, err
	}
	a, err := from(ctx).people.account.Load(ctx, t.ServiceID)
	if err != nil || a.ID == uuid.Nil {
		return nil, err
	}
	return &a, nil
}

// MadeFrom is shown to those who may see all tokens; one's own token was made
// from one's own.
func (f tokenFields) MadeFrom(ctx context.Context, t *access.Token) (*access.Token, error) {
	if t.Parent == uuid.Nil {
		return nil, nil
	}
	if may, err := f.mayOr(ctx, access.TokenManage, t.MemberID); err != nil || !may {
		return nil, err
	}
	parent, err := from(ctx).token.Load(ctx, t.Parent)
	if err != nil || parent.ID == uuid.Nil {
		return nil, err
	}
	return &parent, nil
}

func (f tokenFields) Grants(ctx context.Context, t *access.Token, first *int, after *string) (*api.GrantConnection, error) {
	return grantsBelow(ctx, t.ID, access.GrantsOfTokens, first, after)
}
