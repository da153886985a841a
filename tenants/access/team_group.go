package access

import (
	"context"
	"slices"

	"github.com/google/uuid"

	"sluice.dev/sluice/ent"
	"sluice.dev/sluice/ent/db"
	"sluice.dev/sluice/ent/team"
	"sluice.dev/sluice/ent/teammember"
	"sluice.dev/sluice/tenants/errs"
)

// SetGroupTeamsIn is [Service.SetGroupTeams] in the caller's transaction.
func (s *Service) SetGroupTeamsIn(ctx context.Context, tx *db.Tx, member uuid.UUID, teams []uuid.UUID) error {
	t, err := s.within(ctx, tx)
	if err != nil {
		return err
	}
	return t.setGroupTeams(ctx, member, teams)
}

// ClearGroupTeamIn takes everybody out of a team whom a group put there, in the
// caller's transaction: no group is the team any more. Only the system may call
// it.
func (s *Service) ClearGroupTeamIn(ctx context.Context, tx *db.Tx, id uuid.UUID) error {
	t, err := s.within(ctx, tx)
	if err != nil {
		return err
	}
	if t.me != nil {
		return errs.New(errs.Forbidden, "access.ClearGroupTeam", "the teams of groups follow the groups; nobody sets them by hand")
	}
	in, err := t.Ent.TeamMember.Query().Where(teammember.TeamID(id), teammember.FromGroup(true)).All(ctx)
	if err != nil {
		return err
	}
	for _, m := range in {
		if err := t.leaveTeam(ctx, m); err != nil {
			return err
		}
	}
	return nil
}

func (t *turn) setGroupTeams(ctx context.Context, member uuid.UUID, teams []uuid.UUID) error {
	if t.me != nil {
		return errs.New(errs.Forbidden, "access.SetGroupTeams", "the teams of groups follow a login; nobody sets them by hand")
	}
	if err := t.principalExists(ctx, MemberPrincipal(member)); err != nil {
		return err
	}
	wanted, err := t.Ent.Team.Query().Where(team.IDIn(teams...)).IDs(ctx)
	if err != nil {
		return err
	}
	have, err := t.Ent.TeamMember.Query().Where(teammember.MemberID(member)).All(ctx)
	if err != nil {
		return err
	}
	for _, m := range have {
		if i := slices.Index(wanted, m.TeamID); i >= 0 {
			wanted = slices.Delete(wanted, i, i+1)
		} else if m.FromGroup {
			if err := t.leaveTeam(ctx, m); err != nil {
				return err
			}
		}
	}
	for _, id := range wanted {
		if err := t.joinByGroup(ctx, id, member); err != nil {
			return err
		}
	}
	return nil
}

// TeamNamed returns the id of a team, uuid.Nil when there is none of that name.
// It checks no right.
func TeamNamed(ctx context.Context, tx *db.Tx, name string) (uuid.UUID, error) {
	id, err := tx.Ent.Team.Query().Where(team.Name(name)).OnlyID(ctx)
	if ent.IsNotFound(err) {
		return uuid.Nil, nil
	}
	return id, err
}

// TeamNames returns the names of those of the teams that exist. It checks no
// right.
func TeamNames(ctx context.Context, tx *db.Tx, ids []uuid.UUID) (map[uuid.UUID]string, error) {
	rows, err := tx.Ent.Team.Query().Where(team.IDIn(ids...)).All(ctx)
	out := make(map[uuid.UUID]string, len(rows))
	for _, r := range rows {
		out[r.ID] = r.Name
	}
	return out, err
}
