package access

import (
	"context"
	"slices"
	"time"

	"github.com/google/uuid"

	"sluice.dev/sluice/ent"
	"sluice.dev/sluice/ent/db"
	"sluice.dev/sluice/ent/teammember"
	"sluice.dev/sluice/tenants/errs"
)

// Membership is a member in a team.
type Membership struct {
	ID     uuid.UUID // the place of a list
	Team   uuid.UUID
	Member uuid.UUID
	// FromGroup tells that a group of the identity provider put the member in,
	// and takes them out again when they are no longer in the group.
	FromGroup bool
	CreatedAt time.Time
}

// AddToTeam puts a member into a team. It needs member:manage, and what granting
// each of the team's roles to the member would need (A4). A member whom a group
// put in then stays whatever the group says; anybody else who is in stays.
func (s *Service) AddToTeam(ctx context.Context, id, member uuid.UUID) error {
	return s.change(ctx, func(ctx context.Context, t *turn) error {
		if _, err := t.team(ctx, id); err != nil {
			return err
		}
		return t.join(ctx, id, member)
	})
}

// RemoveFromTeam takes a member out of a team. It needs what AddToTeam needs. A
// member whom a group put in comes back with their next login, unless the
// group changes. One who is not in is NotFound.
func (s *Service) RemoveFromTeam(ctx context.Context, id, member uuid.UUID) error {
	return s.change(ctx, func(ctx context.Context, t *turn) error {
		if _, err := t.team(ctx, id); err != nil {
			return err
		}
		if err := t.boundTeam(ctx, id); err != nil {
			return err
		}
		n, err := t.Ent.TeamMember.Delete().Where(teammember.TeamID(id), teammember.MemberID(member)).Exec(ctx)
		if err != nil {
			return err
		}
		if n == 0 {
			return errs.New(errs.NotFound, "access.RemoveFromTeam", "the member is not in the team").On("member")
		}
		return t.done(ctx, teamEvent("team:remove", id, map[string]any{"member": member}, nil))
	})
}

// RequireTeam reports, as an error, that the context's subject may not decide
// who is in the team: who sets up that a group of the identity provider is a
// team decides that (A4).
func (s *Service) RequireTeam(ctx context.Context, id uuid.UUID) error {
	return s.db.InSnapshot(ctx, func(ctx context.Context, tx *db.Tx) error {
		t, err := s.turn(ctx, tx)
		if err != nil {
			return err
		}
		if _, err := t.team(ctx, id); err != nil {
			return err
		}
		return t.boundTeam(ctx, id)
	})
}

// SetGroupTeams makes the teams the ones that the identity provider's groups
// put the member into: it adds those that are missing and takes the member out
// of others that a group put them into. Teams that a person chose stay, and so
// does their mark. Teams that do not exist any more are passed over. Only the
// system may call it, after a login; who may map a group to a team is
// [Service.RequireTeam]'s affair.
func (s *Service) SetGroupTeams(ctx context.Context, member uuid.UUID, teams []uuid.UUID) error {
	return s.change(ctx, func(ctx context.Context, t *turn) error { return t.setGroupTeams(ctx, member, teams) })
}

func (t *turn) leaveTeam(ctx context.Context, m *ent.TeamMember) error {
	if err := t.Ent.TeamMember.DeleteOne(m).Exec(ctx); err != nil {
		return err
	}
	return t.done(ctx, teamEvent("team:remove", m.TeamID, map[string]any{"member": m.MemberID, "fromGroup": true}, nil))
}

func (t *turn) joinByGroup(ctx context.Context, id, member uuid.UUID) error {
	err := t.Ent.TeamMember.Create().SetTeamID(id).SetMemberID(member).SetFromGroup(true).SetCreatedAt(t.s.now()).Exec(ctx)
	if err != nil {
		return err
	}
	return t.done(ctx, teamEvent("team:add", id, nil, map[string]any{"member": member, "fromGroup": true}))
}

// join puts a member into a team by a person's decision.
func (t *turn) join(ctx context.Context, id, member uuid.UUID) error {
	if err := t.boundTeam(ctx, id); err != nil {
		return err
	}
	if err := t.principalExists(ctx, MemberPrincipal(member)); err != nil {
		return err
	}
	have, err := t.Ent.TeamMember.Query().Where(teammember.TeamID(id), teammember.MemberID(member)).Only(ctx)
	switch {
	case err == nil && !have.FromGroup:
		return nil
	case err == nil:
		if err := t.Ent.TeamMember.UpdateOne(have).SetFromGroup(false).Exec(ctx); err != nil {
			return err
		}
		return t.done(ctx, teamEvent("team:add", id, map[string]any{"member": member, "fromGroup": true}, map[string]any{"member": member}))
	case !ent.IsNotFound(err):
		return err
	}
	if n, err := t.Ent.TeamMember.Query().Where(teammember.TeamID(id)).Count(ctx); err != nil || n >= MaxTeamMembers {
		return tooMany(err, "access.AddToTeam", "the team has %d members, which is the most allowed", n)
	}
	if err := t.Ent.TeamMember.Create().SetTeamID(id).SetMemberID(member).SetCreatedAt(t.s.now()).Exec(ctx); err != nil {
		return err
	}
	return t.done(ctx, teamEvent("team:add", id, nil, map[string]any{"member": member}))
}

// TeamMembers lists who is in a team, in the order in which they came. It needs
// member:read. A team that does not exist has nobody in it.
func (s *Service) TeamMembers(ctx context.Context, id uuid.UUID, p Page) ([]Membership, error) {
	return s.memberships(ctx, p, func(q *ent.TeamMemberQuery) { q.Where(teammember.TeamID(id)) })
}

// TeamsOf lists the teams of a member, in the order in which they came into
// them. One sees one's own; others need member:read.
func (s *Service) TeamsOf(ctx context.Context, member uuid.UUID, p Page) ([]Membership, error) {
	return s.memberships(ctx, p, func(q *ent.TeamMemberQuery) { q.Where(teammember.MemberID(member)) }, member)
}

// memberships lists what only narrows to; the members named may look at it
// without a right.
func (s *Service) memberships(ctx context.Context, p Page, only func(*ent.TeamMemberQuery), themselves ...uuid.UUID) (out []Membership, err error) {
	err = s.db.InSnapshot(ctx, func(ctx context.Context, tx *db.Tx) error {
		t, err := s.turn(ctx, tx)
		if err != nil {
			return err
		}
		if t.by.MemberID == uuid.Nil || !slices.Contains(themselves, t.by.MemberID) {
			if err := t.require(MemberRead, uuid.Nil); err != nil {
				return err
			}
		}
		q := tx.Ent.TeamMember.Query().Order(ent.Asc(teammember.FieldID)).Limit(p.limit())
		only(q)
		if p.After != uuid.Nil {
			q.Where(teammember.IDGT(p.After))
		}
		rows, err := q.All(ctx)
		for _, r := range rows {
			out = append(out, readMembership(r))
		}
		return err
	})
	return out, err
}
