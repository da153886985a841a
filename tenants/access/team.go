package access

import (
	"context"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"

	"sluice.dev/sluice/ent"
	"sluice.dev/sluice/ent/db"
	"sluice.dev/sluice/ent/rolegrant"
	"sluice.dev/sluice/ent/team"
	"sluice.dev/sluice/ent/teammember"
	"sluice.dev/sluice/tenants/audit"
	"sluice.dev/sluice/tenants/errs"
)

// Bounds of teams, since every node keeps an organization's teams in memory.
const (
	MaxTeams       = 500
	MaxTeamMembers = 5_000 // of one team
)

// Team is a group of members. Roles that are granted to it, with its principal
// [TeamPrincipal], hold for everybody in it (A3).
type Team struct {
	ID          uuid.UUID
	Name        string // unique in the organization
	Description string
	CreatedAt   time.Time
}

// TeamInput names and describes a team.
type TeamInput struct {
	Name        string
	Description string
}

func (in *TeamInput) normalize() error {
	in.Name, in.Description = strings.TrimSpace(in.Name), strings.TrimSpace(in.Description)
	if !utf8.ValidString(in.Description) || utf8.RuneCountInString(in.Description) > MaxDescription {
		return errs.New(errs.Invalid, "access.Team", "the description has more than %d characters", MaxDescription).On("description")
	}
	return checkName("access.Team", in.Name)
}

// CreateTeam makes a team without members and roles. It needs member:manage. A
// name that is taken is a Conflict.
func (s *Service) CreateTeam(ctx context.Context, in TeamInput) (out Team, err error) {
	if err := in.normalize(); err != nil {
		return Team{}, err
	}
	err = s.change(ctx, func(ctx context.Context, t *turn) error {
		if err := t.require(MemberManage, uuid.Nil); err != nil {
			return err
		}
		if n, err := t.Ent.Team.Query().Count(ctx); err != nil || n >= MaxTeams {
			return tooMany(err, "access.CreateTeam", "the organization has %d teams, which is the most allowed", n)
		}
		row, err := t.Ent.Team.Create().SetName(in.Name).SetDescription(in.Description).SetCreatedAt(s.now()).Save(ctx)
		if err != nil {
			return err
		}
		out = readTeam(row)
		return t.done(ctx, teamEvent("team:create", row.ID, nil, in))
	})
	return out, teamTaken(err, in.Name)
}

// UpdateTeam renames and describes a team. It needs member:manage.
func (s *Service) UpdateTeam(ctx context.Context, id uuid.UUID, in TeamInput) error {
	if err := in.normalize(); err != nil {
		return err
	}
	_, err := s.EditTeam(ctx, id, func(now *TeamInput) { *now = in })
	return err
}

// DeleteTeam ends a team, with its roles and memberships. It needs
// member:manage, and whatever taking its roles away would need (A4).
func (s *Service) DeleteTeam(ctx context.Context, id uuid.UUID) error {
	return s.change(ctx, func(ctx context.Context, t *turn) error {
		row, err := t.team(ctx, id)
		if err != nil {
			return err
		}
		if err := t.boundTeam(ctx, id); err != nil {
			return err
		}
		grants, err := t.Ent.RoleGrant.Delete().Where(rolegrant.SubjectKindEQ(rolegrant.SubjectKindTEAM), rolegrant.SubjectID(id)).Exec(ctx)
		if err != nil {
			return err
		}
		members, err := t.Ent.TeamMember.Delete().Where(teammember.TeamID(id)).Exec(ctx)
		if err != nil {
			return err
		}
		if err := t.Ent.Team.DeleteOne(row).Exec(ctx); err != nil {
			return err
		}
		return t.done(ctx, teamEvent("team:delete", id, map[string]any{"name": row.Name, "members": members, "grants": grants}, nil))
	})
}

// Teams lists teams in the order in which they were made. It needs member:read.
func (s *Service) Teams(ctx context.Context, p Page) (out []Team, err error) {
	err = s.db.InSnapshot(ctx, func(ctx context.Context, tx *db.Tx) error {
		if err := s.RequireIn(ctx, tx, MemberRead, uuid.Nil); err != nil {
			return err
		}
		q := tx.Ent.Team.Query().Order(ent.Asc(team.FieldID)).Limit(p.limit())
		if p.After != uuid.Nil {
			q.Where(team.IDGT(p.After))
		}
		rows, err := q.All(ctx)
		for _, r := range rows {
			out = append(out, readTeam(r))
		}
		return err
	})
	return out, err
}

// TeamsByIDs returns teams. It checks no right; those that do not exist are not
// in the answer.
func TeamsByIDs(ctx context.Context, tx *db.Tx, ids []uuid.UUID) (map[uuid.UUID]Team, error) {
	rows, err := tx.Ent.Team.Query().Where(team.IDIn(ids...)).All(ctx)
	out := make(map[uuid.UUID]Team, len(rows))
	for _, r := range rows {
		out[r.ID] = readTeam(r)
	}
	return out, err
}

// team returns the team for who manages members.
func (t *turn) team(ctx context.Context, id uuid.UUID) (*ent.Team, error) {
	if err := t.require(MemberManage, uuid.Nil); err != nil {
		return nil, err
	}
	row, err := t.Ent.Team.Get(ctx, id)
	if ent.IsNotFound(err) {
		return nil, noTeam()
	}
	return row, err
}

// boundTeam refuses to decide who is in a team whose roles one could not grant
// oneself (A4): a team must not be a way around.
func (t *turn) boundTeam(ctx context.Context, id uuid.UUID) error {
	grants, err := t.Ent.RoleGrant.Query().Where(rolegrant.SubjectKindEQ(rolegrant.SubjectKindTEAM), rolegrant.SubjectID(id)).All(ctx)
	if err != nil {
		return err
	}
	for _, g := range grants {
		place := bindingOf(g).registry
		may, err := t.can(GrantManage, place)
		if err != nil {
			return err
		}
		if !may {
			where := "on the organization"
			if place != uuid.Nil {
				where = "on a registry"
			}
			return errs.New(errs.Forbidden, "access.Team", "the team has the role %s %s, where you lack grant:manage", g.Role, where).On("team")
		}
		if err := t.bound("the team's role "+g.Role, t.st.roles[g.Role].list(), place); err != nil {
			return err
		}
	}
	return nil
}

func noTeam() error {
	return errs.New(errs.NotFound, "access.Team", "the team does not exist").On("team")
}

func teamTaken(err error, name string) error {
	if _, taken := db.IsUnique(err); taken {
		return errs.New(errs.Conflict, "access.Team", "there is a team %q already; choose another name", name).On("name")
	}
	return err
}

// tooMany is err, or else a Conflict about a bound.
func tooMany(err error, op, format string, args ...any) error {
	if err != nil {
		return err
	}
	return errs.New(errs.Conflict, op, format, args...)
}

func readTeam(t *ent.Team) Team { return Team{t.ID, t.Name, t.Description, t.CreatedAt} }

func teamEvent(action string, id uuid.UUID, before, after any) audit.Event {
	return audit.Event{Action: action, ObjectType: "team", ObjectID: id.String(), Before: before, After: after}
}
