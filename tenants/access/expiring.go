package access

import (
	"context"
	"time"

	"entgo.io/ent/dialect/sql"
	"github.com/google/uuid"

	"sluice.dev/sluice/ent"
	"sluice.dev/sluice/ent/db"
	"sluice.dev/sluice/ent/predicate"
	"sluice.dev/sluice/ent/token"
	"sluice.dev/sluice/tenants/audit"
)

// WarnBefore is how long before its end a token is warned of.
const WarnBefore = 7 * 24 * time.Hour

// warnPage is how many tokens are warned of in one transaction.
const warnPage = 500

// Expiring lists tokens that end within [WarnBefore] and have not ended, in the
// order of their ids: all of them for those with token:manage, else one's own.
func (s *Service) Expiring(ctx context.Context, p Page) (out []Token, err error) {
	err = s.db.InSnapshot(ctx, func(ctx context.Context, tx *db.Tx) error {
		t, err := s.turn(ctx, tx)
		if err != nil {
			return err
		}
		everybodys, err := t.can(TokenManage, uuid.Nil)
		if err != nil {
			return err
		}
		q := tx.Ent.Token.Query().Where(s.expiring()...).Order(ent.Asc(token.FieldID)).Limit(p.limit())
		if !everybodys {
			q.Where(token.MemberID(t.by.MemberID))
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

func (s *Service) expiring() []predicate.Token {
	now := s.now()
	return []predicate.Token{token.RevokedAtIsNil(), token.ExpiresAtGT(now), token.ExpiresAtLTE(now.Add(WarnBefore))}
}

// madeForLonger holds for tokens that lived longer than [WarnBefore] from the
// start.
func madeForLonger(q *sql.Selector) {
	q.Where(sql.P(func(b *sql.Builder) {
		b.Ident(q.C(token.FieldExpiresAt)).WriteString(" - ").Ident(q.C(token.FieldCreatedAt)).WriteString(" > ").Arg(WarnBefore)
	}))
}

// WarnExpiring writes an audit event for each token of the context's
// organization that ends within [WarnBefore], once, and returns these tokens.
// Tokens that were made for less time than that are not warned of: whoever made
// one knows. It checks no right; a job calls it.
func (s *Service) WarnExpiring(ctx context.Context) (out []Token, err error) {
	for {
		page, err := s.warnExpiring(ctx)
		out = append(out, page...)
		if err != nil || len(page) < warnPage {
			return out, err
		}
	}
}

func (s *Service) warnExpiring(ctx context.Context) (out []Token, err error) {
	err = db.Retry(ctx, func() error {
		out = nil
		return s.db.InTx(ctx, func(ctx context.Context, tx *db.Tx) error {
			rows, err := tx.Ent.Token.Query().Where(append(s.expiring(), token.ExpiryWarnedAtIsNil(), madeForLonger)...).
				Order(ent.Asc(token.FieldID)).Limit(warnPage).ForUpdate().All(ctx)
			if err != nil || len(rows) == 0 {
				return err
			}
			ids, events := make([]uuid.UUID, len(rows)), make([]audit.Event, len(rows))
			for i, r := range rows {
				out, ids[i] = append(out, readToken(r)), r.ID
				events[i] = audit.Event{Action: "token:expiring", ObjectType: "token", ObjectID: r.ID.String(),
					After: map[string]any{"name": r.Name, "expiresAt": r.ExpiresAt, "lastUsedAt": r.LastUsedAt}}
			}
			if err := tx.Ent.Token.Update().Where(token.IDIn(ids...)).SetExpiryWarnedAt(s.now()).Exec(ctx); err != nil {
				return err
			}
			return s.audit.Record(ctx, tx, events...)
		})
	})
	return out, err
}
