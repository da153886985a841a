package access

import (
	"context"
	"time"

	"entgo.io/ent/dialect/sql"
	"github.com/google/uuid"

	"sluice.dev/sluice/ent/db"
	"sluice.dev/sluice/ent/predicate"
	"sluice.dev/sluice/ent/token"
)

// TokenState tells whether a token is of use.
type TokenState string

// The states of a token.
const (
	TokenValid   TokenState = "VALID"
	TokenExpired TokenState = "EXPIRED"
	TokenRevoked TokenState = "REVOKED" // also when it expired later
)

// TokenState returns the state of a token now.
func (s *Service) TokenState(t Token) TokenState {
	switch {
	case t.RevokedAt != nil:
		return TokenRevoked
	case t.ExpiresAt != nil && !s.now().Before(*t.ExpiresAt):
		return TokenExpired
	}
	return TokenValid
}

// ExpiringSoon reports whether a valid token ends within [WarnBefore].
func (s *Service) ExpiringSoon(t Token) bool {
	return s.TokenState(t) == TokenValid && t.ExpiresAt != nil && !t.ExpiresAt.After(s.now().Add(WarnBefore))
}

// TokenOrder is what tokens are ordered by.
type TokenOrder string

// The orders of tokens.
const (
	TokensByCreation TokenOrder = "CREATED" // also when it is empty
	TokensByName     TokenOrder = "NAME"
	TokensByExpiry   TokenOrder = "EXPIRES"   // those that never end last
	TokensByUse      TokenOrder = "LAST_USED" // those that were never used first
)

// What stands for a moment that never comes, or never was.
var (
	never  = time.Date(9999, 12, 31, 0, 0, 0, 0, time.UTC)
	before = time.Date(1, 1, 1, 0, 0, 0, 0, time.UTC)
)

// TokenQuery selects tokens for a list. Zero values select all.
type TokenQuery struct {
	Search   string    // part of the name
	Member   uuid.UUID // personal ones of the member
	Service  uuid.UUID // those of the service account
	State    TokenState
	Expiring bool // valid ones that end within [WarnBefore]
	Order    TokenOrder
	Slice
}

// ByTime reports whether the order compares times.
func (q TokenQuery) ByTime() bool { return q.Order == TokensByExpiry || q.Order == TokensByUse }

// At returns the time that the order compares of a token, when [TokenQuery.ByTime].
func (q TokenQuery) At(t Token) time.Time {
	switch {
	case q.Order == TokensByExpiry && t.ExpiresAt != nil:
		return *t.ExpiresAt
	case q.Order == TokensByExpiry:
		return never
	case t.LastUsedAt != nil:
		return *t.LastUsedAt
	}
	return before
}

func (s *Service) where(q TokenQuery) (out []predicate.Token) {
	now := s.now()
	if q.Search != "" {
		out = append(out, either(q.Search, token.FieldName))
	}
	if q.Member != uuid.Nil {
		out = append(out, token.MemberID(q.Member))
	}
	if q.Service != uuid.Nil {
		out = append(out, token.ServiceID(q.Service))
	}
	switch q.State {
	case TokenRevoked:
		out = append(out, token.RevokedAtNotNil())
	case TokenExpired:
		out = append(out, token.RevokedAtIsNil(), token.ExpiresAtLTE(now))
	case TokenValid:
		out = append(out, token.RevokedAtIsNil(), token.Or(token.ExpiresAtIsNil(), token.ExpiresAtGT(now)))
	}
	if q.Expiring {
		out = append(out, s.expiring()...)
	}
	return out
}

// BrowseTokens returns a page of tokens. It checks no right.
func (s *Service) BrowseTokens(ctx context.Context, tx *db.Tx, q TokenQuery) ([]Token, error) {
	rows, err := tx.Ent.Token.Query().Where(append(s.where(q), func(sel *sql.Selector) {
		switch q.Order {
		case TokensByName:
			q.sorted(sel, byText, column(token.FieldName))
		case TokensByExpiry:
			q.sorted(sel, byTime, orElse(token.FieldExpiresAt, never))
		case TokensByUse:
			q.sorted(sel, byTime, orElse(token.FieldLastUsedAt, before))
		default:
			q.sorted(sel, byID, nil)
		}
	})...).All(ctx)
	return each(rows, readToken), err
}

func orElse(field string, at time.Time) func(func(string) string) string {
	return func(c func(string) string) string {
		return "coalesce(" + c(field) + ", timestamptz '" + at.Format("2006-01-02 15:04:05Z") + "')"
	}
}

// CountTokens returns how many tokens the query selects over all pages.
func (s *Service) CountTokens(ctx context.Context, tx *db.Tx, q TokenQuery) (int, error) {
	return tx.Ent.Token.Query().Where(s.where(q)...).Count(ctx)
}

// Tokens of several owners at once, in one state or any.
const (
	ownedTokens = ` = g.id AND ($2 = '' OR $2 = CASE WHEN x.revoked_at IS NOT NULL THEN 'REVOKED' WHEN x.expires_at <= $3 THEN 'EXPIRED' ELSE 'VALID' END)`

	tokensOfMember  = `tokens x WHERE x.member_id` + ownedTokens
	tokensOfService = `tokens x WHERE x.service_id` + ownedTokens
)

// TokensOfMembers returns, by member, a page of their tokens of the state, any
// when it is "", in the order in which they were made. It checks no right.
func (s *Service) TokensOfMembers(ctx context.Context, tx *db.Tx, members []uuid.UUID, state TokenState, p Slice) (map[uuid.UUID][]Token, error) {
	return s.tokensBelow(ctx, tx, tokensOfMember, members, state, p)
}

// CountTokensOfMembers counts, by member, their tokens of the state.
func (s *Service) CountTokensOfMembers(ctx context.Context, tx *db.Tx, members []uuid.UUID, state TokenState) (map[uuid.UUID]int, error) {
	return countBelow(ctx, tx, tokensOfMember, members, string(state), s.now())
}

// TokensOfServiceAccounts is [Service.TokensOfMembers] by service account.
func (s *Service) TokensOfServiceAccounts(ctx context.Context, tx *db.Tx, accounts []uuid.UUID, state TokenState, p Slice) (map[uuid.UUID][]Token, error) {
	return s.tokensBelow(ctx, tx, tokensOfService, accounts, state, p)
}

// CountTokensOfServiceAccounts counts, by service account, its tokens of the
// state.
func (s *Service) CountTokensOfServiceAccounts(ctx context.Context, tx *db.Tx, accounts []uuid.UUID, state TokenState) (map[uuid.UUID]int, error) {
	return countBelow(ctx, tx, tokensOfService, accounts, string(state), s.now())
}

func (s *Service) tokensBelow(ctx context.Context, tx *db.Tx, from string, owners []uuid.UUID, state TokenState, p Slice) (map[uuid.UUID][]Token, error) {
	ids, err := below(ctx, tx, from, owners, p, string(state), s.now())
	if err != nil {
		return nil, err
	}
	return inPlaces(ids, func(ids []uuid.UUID) (map[uuid.UUID]Token, error) { return TokensByIDs(ctx, tx, ids) })
}
