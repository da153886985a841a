package login

import (
	"context"

	"github.com/google/uuid"

	"sluice.dev/sluice/ent"
	"sluice.dev/sluice/ent/db"
	"sluice.dev/sluice/ent/groupmapping"
	"sluice.dev/sluice/ent/teammember"
	"sluice.dev/sluice/tenants/access"
	"sluice.dev/sluice/tenants/errs"
)

// checkMapped refuses a mapping that gives what nobody could be given.
func (s *Service) checkMapped(ctx context.Context, m Mapping) error {
	const op = "login.AddMapping"
	switch {
	case m.Team == uuid.Nil:
		return s.checkPlace(ctx, m.Place)
	case m.Place != (access.Place{}):
		return errs.New(errs.Invalid, op, "the mapping names both a role and a team; make two mappings").On("team")
	}
	return s.Access.RequireTeam(ctx, m.Team)
}

// mapTeams makes the teams that a member is in by groups the given ones.
func (s *Service) mapTeams(ctx context.Context, tx *db.Tx, member uuid.UUID, teams []uuid.UUID) error {
	if len(teams) == 0 {
		// Most logins are of people whom no group puts anywhere.
		any, err := tx.Ent.TeamMember.Query().Where(teammember.MemberID(member), teammember.FromGroup(true)).Exist(ctx)
		if err != nil || !any {
			return err
		}
	}
	return s.Access.SetGroupTeamsIn(asLogin(ctx), tx, member, teams)
}

// takeTeam takes everybody out of a team whom a group put there, unless another
// mapping puts people there too: then each person's next login says whom.
func (s *Service) takeTeam(ctx context.Context, tx *db.Tx, team uuid.UUID) error {
	still, err := tx.Ent.GroupMapping.Query().Where(groupmapping.TeamID(team)).Exist(ctx)
	if err != nil || still {
		return err
	}
	return s.Access.ClearGroupTeamIn(asLogin(ctx), tx, team)
}

// MappingsByIDs returns those of the mappings that exist. It checks no right.
func MappingsByIDs(ctx context.Context, tx *db.Tx, ids []uuid.UUID) (map[uuid.UUID]Mapping, error) {
	rows, err := tx.Ent.GroupMapping.Query().Where(groupmapping.IDIn(ids...)).All(ctx)
	out := make(map[uuid.UUID]Mapping, len(rows))
	for _, r := range rows {
		out[r.ID] = readMapping(r)
	}
	return out, err
}

// MappingsOf returns the mappings of several providers, each's in the order in
// which they were made. It checks no right.
func MappingsOf(ctx context.Context, tx *db.Tx, providers []uuid.UUID) (map[uuid.UUID][]Mapping, error) {
	rows, err := tx.Ent.GroupMapping.Query().Where(groupmapping.ProviderIDIn(providers...)).Order(ent.Asc(groupmapping.FieldID)).All(ctx)
	out := make(map[uuid.UUID][]Mapping, len(providers))
	for _, r := range rows {
		out[r.ProviderID] = append(out[r.ProviderID], readMapping(r))
	}
	return out, err
}

func readMapping(r *ent.GroupMapping) Mapping {
	m := Mapping{ID: r.ID, Provider: r.ProviderID, Group: r.GroupName, Place: placeOf(r.Role, r.RegistryID), CreatedAt: r.CreatedAt}
	if r.TeamID != nil {
		m.Team = *r.TeamID
	}
	return m
}
