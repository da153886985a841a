package access

import (
	"context"
	"slices"

	"github.com/google/uuid"

	"sluice.dev/sluice/ent"
	"sluice.dev/sluice/ent/rolegrant"
	"sluice.dev/sluice/ent/token"
	"sluice.dev/sluice/tenants/audit"
	"sluice.dev/sluice/tenants/errs"
)

// RevokeToken ends a token for good, with the roles of a service token and with
// every token that was made from it. What is one's own needs nothing: the token
// that asks, those made from it, and to somebody who may write all their
// personal ones. Others need token:manage; without it they are NotFound.
// Revoking again changes nothing.
func (s *Service) RevokeToken(ctx context.Context, id uuid.UUID) error {
	return s.change(ctx, func(ctx context.Context, t *turn) error {
		row, err := t.Ent.Token.Get(ctx, id)
		if err != nil && !ent.IsNotFound(err) {
			return err
		}
		return t.revokeFound(ctx, row)
	})
}

// RevokeSecret is RevokeToken for who has the token's secret, which must be one
// of their own.
func (s *Service) RevokeSecret(ctx context.Context, secret string) error {
	if !LooksLikeToken(secret) {
		return noToken()
	}
	return s.change(ctx, func(ctx context.Context, t *turn) error {
		hash := hashOf(secret)
		row, err := t.Ent.Token.Query().Where(token.Hash(hash[:])).Only(ctx)
		if err != nil && !ent.IsNotFound(err) {
			return err
		}
		return t.revokeFound(ctx, row)
	})
}

// revokeFound ends the token of a row that may be nil.
func (t *turn) revokeFound(ctx context.Context, row *ent.Token) error {
	everybodys, err := t.can(TokenManage, uuid.Nil)
	if err != nil {
		return err
	}
	own := false
	if row != nil && !everybodys {
		if own, err = t.owns(ctx, row); err != nil {
			return err
		}
	}
	if row == nil || (!everybodys && !own) {
		return errs.New(errs.NotFound, "access.RevokeToken", "the token does not exist")
	}
	if row.RevokedAt != nil {
		return nil
	}
	return t.revokeTokens(ctx, row)
}

// revokeTokens ends tokens and all that were made from them.
func (t *turn) revokeTokens(ctx context.Context, rows ...*ent.Token) error {
	for len(rows) > 0 {
		ids := make([]uuid.UUID, len(rows))
		for i, row := range rows {
			ids[i] = row.ID
		}
		err := t.Ent.Token.Update().Where(token.IDIn(ids...), token.RevokedAtIsNil()).SetRevokedAt(t.s.now()).Exec(ctx)
		if err != nil {
			return err
		}
		_, err = t.Ent.RoleGrant.Delete().Where(rolegrant.SubjectKindEQ(rolegrant.SubjectKindTOKEN), rolegrant.SubjectIDIn(ids...)).Exec(ctx)
		if err != nil {
			return err
		}
		for _, row := range rows {
			err := t.done(ctx, audit.Event{Action: "token:revoke", ObjectType: "token", ObjectID: row.ID.String(), Before: readToken(row)})
			if err != nil {
				return err
			}
		}
		if rows, err = t.Ent.Token.Query().Where(token.ParentIDIn(ids...), token.RevokedAtIsNil()).All(ctx); err != nil {
			return err
		}
	}
	return nil
}

// owns reports whether a token is the asking one's own: itself, made from it,
// or of the same member. A token that only reads ends nothing but itself and
// what was made from it, so that one that leaks cannot end the others.
func (t *turn) owns(ctx context.Context, row *ent.Token) (bool, error) {
	if row.MemberID != nil && t.by.MemberID == *row.MemberID && *row.MemberID != uuid.Nil && t.me != nil && t.me.subject.Write {
		return true, nil
	}
	if t.by.TokenID == uuid.Nil {
		return false, nil
	}
	line, err := ancestors(ctx, t.Tx, row)
	return slices.ContainsFunc(line, func(a *ent.Token) bool { return a.ID == t.by.TokenID }), err
}
