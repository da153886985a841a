package access

import (
	"context"

	"github.com/google/uuid"

	"sluice.dev/sluice/ent/db"
)

// EditTeam is [Service.UpdateTeam] by what edit makes of the present name and
// description, and returns the team as it is then. edit may be called more than
// once.
func (s *Service) EditTeam(ctx context.Context, id uuid.UUID, edit func(*TeamInput)) (out Team, err error) {
	var in TeamInput
	err = s.change(ctx, func(ctx context.Context, t *turn) error {
		row, err := t.team(ctx, id)
		if err != nil {
			return err
		}
		before := TeamInput{row.Name, row.Description}
		in = before
		edit(&in)
		if err := in.normalize(); err != nil {
			return err
		}
		out = readTeam(row)
		if before == in {
			return nil
		}
		if row, err = t.Ent.Team.UpdateOne(row).SetName(in.Name).SetDescription(in.Description).Save(ctx); err != nil {
			return err
		}
		out = readTeam(row)
		return t.done(ctx, teamEvent("team:update", id, before, in))
	})
	return out, teamTaken(err, in.Name)
}

// EditServiceAccount is [Service.UpdateServiceAccount] by what edit makes of the
// present name and description, and returns the account as it is then. edit may
// be called more than once.
func (s *Service) EditServiceAccount(ctx context.Context, id uuid.UUID, edit func(*ServiceAccountInput)) (out ServiceAccount, err error) {
	var in ServiceAccountInput
	err = s.change(ctx, func(ctx context.Context, t *turn) error {
		row, err := t.account(ctx, id)
		if err != nil {
			return err
		}
		in = ServiceAccountInput{Name: row.Name, Description: row.Description}
		edit(&in)
		if err := in.normalize(); err != nil {
			return err
		}
		out = readServiceAccount(row)
		if row.Name == in.Name && row.Description == in.Description {
			return nil
		}
		before := map[string]string{"name": row.Name, "description": row.Description}
		if row, err = t.Ent.ServiceAccount.UpdateOne(row).SetName(in.Name).SetDescription(in.Description).Save(ctx); err != nil {
			return err
		}
		out = readServiceAccount(row)
		e := serviceEvent("service:update", id, map[string]string{"name": in.Name, "description": in.Description})
		e.Before = before
		return t.done(ctx, e)
	})
	return out, accountTaken(err, in.Name)
}

// EditRole is [Service.UpdateRole] by what edit makes of the present description
// and actions. edit may be called more than once.
func (s *Service) EditRole(ctx context.Context, name string, edit func(*RoleInput)) error {
	return s.change(ctx, func(ctx context.Context, t *turn) error {
		row, err := t.customRole(ctx, name)
		if err != nil {
			return err
		}
		in := RoleInput{Name: row.Name, Description: row.Description, Actions: known(row.Actions)}
		edit(&in)
		if err := in.normalize(); err != nil {
			return err
		}
		return t.updateRole(ctx, row, in)
	})
}

// RolesByNames returns roles, built-in ones too. It checks no right; those that
// do not exist are not in the answer.
func RolesByNames(ctx context.Context, tx *db.Tx, names []string) (map[string]Role, error) {
	out := make(map[string]Role, len(names))
	var custom []string
	for _, n := range names {
		if b, ok := builtInRole(n); ok {
			out[n] = b.asRole()
		} else {
			custom = append(custom, n)
		}
	}
	if len(custom) == 0 {
		return out, nil
	}
	rows, err := customRoles(ctx, tx, custom)
	for _, r := range rows {
		out[r.Name] = r
	}
	return out, err
}
