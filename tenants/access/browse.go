package access

import (
	"context"

	"github.com/google/uuid"

	"sluice.dev/sluice/ent/db"
	"sluice.dev/sluice/ent/member"
	"sluice.dev/sluice/ent/token"
)

// TokensByIDs returns tokens, revoked ones included. It checks no right; those
// that do not exist are not in the answer.
func TokensByIDs(ctx context.Context, tx *db.Tx, ids []uuid.UUID) (map[uuid.UUID]Token, error) {
	rows, err := tx.Ent.Token.Query().Where(token.IDIn(ids...)).All(ctx)
	out := make(map[uuid.UUID]Token, len(rows))
	for _, t := range rows {
		out[t.ID] = readToken(t)
	}
	return out, err
}

// MembersByIDs returns members, deactivated ones included. It checks no right;
// those that do not exist are not in the answer.
func MembersByIDs(ctx context.Context, tx *db.Tx, ids []uuid.UUID) (map[uuid.UUID]Member, error) {
	rows, err := tx.Ent.Member.Query().Where(member.IDIn(ids...)).All(ctx)
	out := make(map[uuid.UUID]Member, len(rows))
	for _, m := range rows {
		out[m.ID] = readMember(m)
	}
	return out, err
}
