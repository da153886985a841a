package access

import (
	"context"

	"entgo.io/ent/dialect/sql"
	"github.com/google/uuid"

	"sluice.dev/sluice/ent"
	"sluice.dev/sluice/ent/db"
	"sluice.dev/sluice/ent/predicate"
	"sluice.dev/sluice/ent/team"
	"sluice.dev/sluice/ent/teammember"
)

// NameOrder is what teams, and service accounts, are ordered by.
type NameOrder string

// The orders of teams and service accounts.
const (
	ByName     NameOrder = "NAME" // also when it is empty
	ByCreation NameOrder = "CREATED"
)

// TeamQuery selects teams for a list. Zero values select all.
type TeamQuery struct {
	Search string // part of the name
	Order  NameOrder
	Slice
}

func (q TeamQuery) where() (out []predicate.Team) {
	if q.Search != "" {
		out = append(out, either(q.Search, team.FieldName))
	}
	return out
}

// BrowseTeams returns a page of teams. It checks no right.
func BrowseTeams(ctx context.Context, tx *db.Tx, q TeamQuery) ([]Team, error) {
	rows, err := tx.Ent.Team.Query().Where(append(q.where(), func(s *sql.Selector) { q.sorted(s, q.Order.kind(), column(team.FieldName)) })...).All(ctx)
	return each(rows, readTeam), err
}

func (o NameOrder) kind() int {
	if o == ByCreation {
		return byID
	}
	return byText
}

// CountTeams returns how many teams the query selects over all pages.
func CountTeams(ctx context.Context, tx *db.Tx, q TeamQuery) (int, error) {
	return tx.Ent.Team.Query().Where(q.where()...).Count(ctx)
}

// Memberships of several teams or members at once.
const (
	inTeam   = `team_members x WHERE x.team_id = g.id`
	ofMember = `team_members x WHERE x.member_id = g.id`
)

// MembersOfTeams returns, by team, a page of who is in it, in the order in
// which they came. It checks no right.
func MembersOfTeams(ctx context.Context, tx *db.Tx, teams []uuid.UUID, p Slice) (map[uuid.UUID][]Membership, error) {
	return membershipsBelow(ctx, tx, inTeam, teams, p)
}

// CountMembersOfTeams counts, by team, who is in it.
func CountMembersOfTeams(ctx context.Context, tx *db.Tx, teams []uuid.UUID) (map[uuid.UUID]int, error) {
	return countBelow(ctx, tx, inTeam, teams)
}

// TeamsOfMembers returns, by member, a page of the teams that they are in, in
// the order in which they came into them. It checks no right.
func TeamsOfMembers(ctx context.Context, tx *db.Tx, members []uuid.UUID, p Slice) (map[uuid.UUID][]Membership, error) {
	return membershipsBelow(ctx, tx, ofMember, members, p)
}

// CountTeamsOfMembers counts, by member, the teams that they are in.
func CountTeamsOfMembers(ctx context.Context, tx *db.Tx, members []uuid.UUID) (map[uuid.UUID]int, error) {
	return countBelow(ctx, tx, ofMember, members)
}

func membershipsBelow(ctx context.Context, tx *db.Tx, from string, parents []uuid.UUID, p Slice) (map[uuid.UUID][]Membership, error) {
	ids, err := below(ctx, tx, from, parents, p)
	if err != nil {
		return nil, err
	}
	return inPlaces(ids, func(ids []uuid.UUID) (map[uuid.UUID]Membership, error) { return membershipsByIDs(ctx, tx, ids) })
}

func readMembership(r *ent.TeamMember) Membership {
	return Membership{r.ID, r.TeamID, r.MemberID, r.FromGroup, r.CreatedAt}
}

func membershipsByIDs(ctx context.Context, tx *db.Tx, ids []uuid.UUID) (map[uuid.UUID]Membership, error) {
	rows, err := tx.Ent.TeamMember.Query().Where(teammember.IDIn(ids...)).All(ctx)
	out := make(map[uuid.UUID]Membership, len(rows))
	for _, r := range rows {
		out[r.ID] = readMembership(r)
	}
	return out, err
}
