package access

import (
	"context"

	"github.com/google/uuid"

	"sluice.dev/sluice/ent"
	"sluice.dev/sluice/ent/db"
	"sluice.dev/sluice/ent/loginrequest"
	"sluice.dev/sluice/ent/token"
	"sluice.dev/sluice/ent/usedidentity"
)

// sweepPage bounds what one transaction of a sweep removes.
const sweepPage = 500

// Sweep removes what has run out in the context's organization: tokens that
// were exchanged by trust rules with the identities that they were exchanged
// for, and logins, with the tokens of those that
// nobody collected. It returns how many rows it removed; running it again, or
// twice at once, removes nothing more. It acts as the system and asks for no
// right.
func (s *Service) Sweep(ctx context.Context) (removed int, err error) {
	ctx = As(ctx, System("expire"), "")
	for {
		n := 0
		for _, page := range []func(context.Context) (int, error){s.sweepExchanged, s.sweepIdentities, s.sweepLogins} {
			k, err := page(ctx)
			if err != nil {
				return removed, err
			}
			n += k
		}
		removed += n
		if n < sweepPage {
			return removed, nil
		}
	}
}

func (s *Service) sweepExchanged(ctx context.Context) (n int, err error) {
	err = s.db.InTx(ctx, func(ctx context.Context, tx *db.Tx) error {
		ids, err := tx.Ent.Token.Query().Where(token.TrustRuleIDNotNil(), token.ExpiresAtLTE(s.now())).Limit(sweepPage).IDs(ctx)
		if err != nil || len(ids) == 0 {
			return err
		}
		n, err = tx.Ent.Token.Delete().Where(token.IDIn(ids...)).Exec(ctx)
		return err
	})
	return n, err
}

// sweepIdentities forgets identity tokens that have expired, or are too old to
// be exchanged.
func (s *Service) sweepIdentities(ctx context.Context) (n int, err error) {
	err = s.db.InTx(ctx, func(ctx context.Context, tx *db.Tx) error {
		ids, err := tx.Ent.UsedIdentity.Query().Where(usedidentity.ExpiresAtLTE(s.now())).Limit(sweepPage).IDs(ctx)
		if err != nil || len(ids) == 0 {
			return err
		}
		n, err = tx.Ent.UsedIdentity.Delete().Where(usedidentity.IDIn(ids...)).Exec(ctx)
		return err
	})
	return n, err
}

func (s *Service) sweepLogins(ctx context.Context) (n int, err error) {
	err = s.change(ctx, func(ctx context.Context, t *turn) error {
		n = 0
		rows, err := t.Ent.LoginRequest.Query().Where(loginrequest.ExpiresAtLTE(s.now())).Limit(sweepPage).All(ctx)
		if err != nil {
			return err
		}
		ids, orphans := make([]uuid.UUID, len(rows)), []uuid.UUID(nil)
		for i, r := range rows {
			ids[i] = r.ID
			if r.EndedAt == nil && r.TokenID != nil {
				orphans = append(orphans, *r.TokenID)
			}
		}
		var dead []*ent.Token
		if len(orphans) > 0 {
			if dead, err = t.Ent.Token.Query().Where(token.IDIn(orphans...), token.RevokedAtIsNil()).All(ctx); err != nil {
				return err
			}
		}
		if err := t.revokeTokens(ctx, dead...); err != nil {
			return err
		}
		if len(ids) > 0 {
			n, err = t.Ent.LoginRequest.Delete().Where(loginrequest.IDIn(ids...)).Exec(ctx)
		}
		return err
	})
	return n, err
}
