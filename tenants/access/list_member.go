package access

import (
	"context"
	"fmt"
	"time"

	"entgo.io/ent/dialect/sql"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"sluice.dev/sluice/ent/db"
	"sluice.dev/sluice/ent/member"
	"sluice.dev/sluice/ent/predicate"
)

// MemberOrder is what members are ordered by.
type MemberOrder string

// The orders of members.
const (
	MembersByCreation MemberOrder = "CREATED" // also when it is empty
	MembersByEmail    MemberOrder = "EMAIL"
	MembersByName     MemberOrder = "NAME"
)

// MemberQuery selects members for a list. Zero values select all.
type MemberQuery struct {
	Search string    // part of the address or the name
	Active *bool     // true: active ones only; false: deactivated ones only
	Team   uuid.UUID // who is in the team
	Role   string    // who has the role anywhere, themselves or by a team
	Order  MemberOrder
	Slice
}

// MemberKey returns what the order compares of a member.
func (q MemberQuery) MemberKey(m Member) string {
	if q.Order == MembersByName {
		return m.Name
	}
	return m.Email
}

func (q MemberQuery) where() (out []predicate.Member) {
	if q.Search != "" {
		out = append(out, either(q.Search, member.FieldEmail, member.FieldName))
	}
	switch {
	case q.Active == nil:
	case *q.Active:
		out = append(out, member.DeactivatedAtIsNil())
	default:
		out = append(out, member.DeactivatedAtNotNil())
	}
	if q.Team != uuid.Nil {
		out = append(out, amongIDs(`SELECT member_id FROM team_members WHERE team_id = ?`, q.Team))
	}
	if q.Role != "" {
		out = append(out, amongIDs(`SELECT subject_id FROM role_grants WHERE subject_kind = 'MEMBER' AND role = ?
			UNION ALL SELECT m.member_id FROM team_members m JOIN role_grants r ON r.subject_id = m.team_id WHERE r.subject_kind = 'TEAM' AND r.role = ?`, q.Role, q.Role))
	}
	return out
}

// BrowseMembers returns a page of members. It checks no right.
func BrowseMembers(ctx context.Context, tx *db.Tx, q MemberQuery) ([]Member, error) {
	kind, field := byText, member.FieldEmail
	switch q.Order {
	case MembersByEmail:
	case MembersByName:
		field = member.FieldName
	default:
		kind = byID
	}
	rows, err := tx.Ent.Member.Query().Where(append(q.where(), func(s *sql.Selector) { q.sorted(s, kind, column(field)) })...).All(ctx)
	return each(rows, readMember), err
}

// CountMembers returns how many members the query selects over all pages.
func CountMembers(ctx context.Context, tx *db.Tx, q MemberQuery) (int, error) {
	return tx.Ent.Member.Query().Where(q.where()...).Count(ctx)
}

func each[R, V any](rows []*R, read func(*R) V) []V {
	out := make([]V, len(rows))
	for i, r := range rows {
		out[i] = read(r)
	}
	return out
}

// LastSeen returns when members last used a session or a token, to a few
// seconds. Those who never did are not in the answer.
func LastSeen(ctx context.Context, tx *db.Tx, members []uuid.UUID) (map[uuid.UUID]time.Time, error) {
	rows, err := tx.Query(ctx, `SELECT g.id, seen.at FROM unnest($1::uuid[]) g (id) CROSS JOIN LATERAL (SELECT greatest(
		(SELECT max(s.last_used_at) FROM sessions s WHERE s.member_id = g.id), (SELECT max(t.last_used_at) FROM tokens t WHERE t.member_id = g.id)) AS at) seen
		WHERE seen.at IS NOT NULL`, members)
	if err != nil {
		return nil, fmt.Errorf("read when members were seen: %w", err)
	}
	out := make(map[uuid.UUID]time.Time, len(members))
	var id uuid.UUID
	var at time.Time
	_, err = pgx.ForEachRow(rows, []any{&id, &at}, func() error {
		out[id] = at
		return nil
	})
	return out, err
}
