package access

import (
	"context"

	"github.com/google/uuid"

	"sluice.dev/sluice/ent"
	"sluice.dev/sluice/ent/db"
	"sluice.dev/sluice/ent/token"
	"sluice.dev/sluice/tenants/errs"
)

// OwnTokens lists the valid tokens of the context's subject in the order in
// which they were made: all personal ones of a member; of a service token
// itself and what was made from it. It is empty for the system, and
// Unauthenticated for nobody.
func (s *Service) OwnTokens(ctx context.Context, p Page) (out []Token, err error) {
	err = s.db.InSnapshot(ctx, func(ctx context.Context, tx *db.Tx) error {
		t, err := s.turn(ctx, tx)
		if err != nil {
			return err
		}
		q := tx.Ent.Token.Query().Order(ent.Asc(token.FieldID)).Limit(p.limit()).
			Where(token.RevokedAtIsNil(), token.Or(token.ExpiresAtIsNil(), token.ExpiresAtGT(s.now())))
		if t.by.MemberID != uuid.Nil {
			q.Where(token.MemberID(t.by.MemberID))
		} else {
			line, err := t.descendants(ctx, t.by.TokenID)
			if err != nil {
				return err
			}
			q.Where(token.IDIn(line...))
		}
		if p.After != uuid.Nil {
			q.Where(token.IDGT(p.After))
		}
		rows, err := q.All(ctx)
		for _, r := range rows {
			out = append(out, readToken(r))
		}
		return err
	})
	return out, err
}

// descendants returns a token and what was made from it.
func (t *turn) descendants(ctx context.Context, id uuid.UUID) ([]uuid.UUID, error) {
	line := []uuid.UUID{id}
	for level := line; len(level) > 0; {
		below, err := t.Ent.Token.Query().Where(token.ParentIDIn(level...), token.RevokedAtIsNil()).IDs(ctx)
		if err != nil {
			return nil, err
		}
		line, level = append(line, below...), below
	}
	return line, nil
}

// Me returns the member that the context's subject is; NotFound when it is a
// service token or the system, Unauthenticated for nobody.
func (s *Service) Me(ctx context.Context) (out Member, err error) {
	err = s.db.InSnapshot(ctx, func(ctx context.Context, tx *db.Tx) error {
		t, err := s.turn(ctx, tx)
		if err != nil {
			return err
		}
		if t.by.MemberID == uuid.Nil {
			return errs.New(errs.NotFound, "access.Me", "a service token is no member")
		}
		m, err := tx.Ent.Member.Get(ctx, t.by.MemberID)
		if err == nil {
			out = readMember(m)
		}
		return err
	})
	return out, err
}
