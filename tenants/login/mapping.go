package login

import (
	"context"
	"time"

	"github.com/google/uuid"

	"sluice.dev/sluice/ent"
	"sluice.dev/sluice/ent/db"
	"sluice.dev/sluice/ent/groupmapping"
	"sluice.dev/sluice/ent/identityprovider"
	"sluice.dev/sluice/ent/mappedgrant"
	"sluice.dev/sluice/tenants/access"
	"sluice.dev/sluice/tenants/audit"
	"sluice.dev/sluice/tenants/errs"
)

// Mapping gives a role to whoever a provider says is in a group, or puts them
// into a team.
type Mapping struct {
	ID        uuid.UUID
	Provider  uuid.UUID
	Group     string       // exactly as the provider writes it
	Place     access.Place // the role, and where; zero for a team
	Team      uuid.UUID    // uuid.Nil for a role
	CreatedAt time.Time
}

// Mappings lists the mappings of a provider by group. It needs
// organization:read.
func (s *Service) Mappings(ctx context.Context, provider uuid.UUID) (out []Mapping, err error) {
	err = s.DB.InSnapshot(ctx, func(ctx context.Context, tx *db.Tx) error {
		if err := s.Access.RequireIn(ctx, tx, access.OrganizationRead, uuid.Nil); err != nil {
			return err
		}
		out, err = mappings(ctx, tx, provider)
		return err
	})
	return out, err
}

func mappings(ctx context.Context, tx *db.Tx, provider uuid.UUID) (out []Mapping, err error) {
	rows, err := tx.Ent.GroupMapping.Query().Where(groupmapping.ProviderID(provider)).
		Order(ent.Asc(groupmapping.FieldGroupName, groupmapping.FieldID)).All(ctx)
	for _, r := range rows {
		out = append(out, readMapping(r))
	}
	return out, err
}

// AddMapping adds a mapping, which counts from each person's next login on. It
// needs every action on the organization, as a provider does. The same mapping
// again is a Conflict; one of a role and a team at once, or of neither, is
// Invalid.
func (s *Service) AddMapping(ctx context.Context, m Mapping) (Mapping, error) {
	if m.Group == "" || !printable(m.Group, 500) {
		return Mapping{}, errs.New(errs.Invalid, "login.AddMapping", "the group must be 1 to 500 printable characters, exactly as the provider writes it").On("group")
	}
	if err := s.requireAll(ctx); err != nil {
		return Mapping{}, err
	}
	if err := s.checkMapped(ctx, m); err != nil {
		return Mapping{}, err
	}
	m.ID, m.CreatedAt = uuid.Must(uuid.NewV7()), s.Now()
	err := s.DB.InTx(ctx, func(ctx context.Context, tx *db.Tx) error {
		if there, err := tx.Ent.IdentityProvider.Query().Where(identityprovider.ID(m.Provider)).Exist(ctx); err != nil || !there {
			return orNotFound(err, "the identity provider does not exist")
		}
		if n, err := tx.Ent.GroupMapping.Query().Where(groupmapping.ProviderID(m.Provider)).Count(ctx); err != nil || n >= MaxMappings {
			return orConflict(err, "the provider has %d group mappings, which is the most allowed", n)
		}
		c := tx.Ent.GroupMapping.Create().SetID(m.ID).SetProviderID(m.Provider).SetGroupName(m.Group).SetRole(m.Place.Role).SetCreatedAt(m.CreatedAt)
		if m.Place.Registry != uuid.Nil {
			c.SetRegistryID(m.Place.Registry)
		}
		if m.Team != uuid.Nil {
			c.SetTeamID(m.Team)
		}
		if err := c.Exec(ctx); err != nil {
			return err
		}
		return s.Audit.Record(ctx, tx, audit.Event{Action: "mapping:create", ObjectType: "group-mapping", ObjectID: m.ID.String(), Registry: m.Place.Registry, After: m})
	})
	if _, ok := db.IsUnique(err); ok {
		return Mapping{}, errs.New(errs.Conflict, "login.AddMapping", "the group has this role there, or this team, already")
	}
	return m, err
}

// checkPlace refuses what nobody could be given.
func (s *Service) checkPlace(ctx context.Context, p access.Place) error {
	roles, err := s.Access.Roles(ctx)
	if err != nil {
		return err
	}
	for _, r := range roles {
		if r.Name != p.Role {
			continue
		}
		if p.Registry == uuid.Nil {
			return nil
		}
		if !r.OnRegistry {
			return errs.New(errs.Invalid, "login.AddMapping", "the role %s cannot be given on a registry", p.Role).On("role")
		}
		return s.Access.Require(ctx, access.Of(ctx), access.RegistryRead, p.Registry)
	}
	return errs.New(errs.Invalid, "login.AddMapping", "there is no role %q", p.Role).On("role")
}

// RemoveMapping removes a mapping, and at once takes the role from everybody
// who has it by this mapping alone, or the team from everybody whom a group put
// there. It needs what AddMapping needs.
func (s *Service) RemoveMapping(ctx context.Context, id uuid.UUID) error {
	if err := s.requireAll(ctx); err != nil {
		return err
	}
	return s.DB.InTx(ctx, func(ctx context.Context, tx *db.Tx) error {
		row, err := tx.Ent.GroupMapping.Get(ctx, id)
		if err != nil {
			if ent.IsNotFound(err) {
				return orNotFound(nil, "the group mapping does not exist")
			}
			return err
		}
		if err := tx.Ent.GroupMapping.DeleteOne(row).Exec(ctx); err != nil {
			return err
		}
		gone := readMapping(row)
		if gone.Team != uuid.Nil {
			err = s.takeTeam(ctx, tx, gone.Team)
		} else {
			err = s.takeMapped(ctx, tx, gone)
		}
		if err != nil {
			return err
		}
		return s.Audit.Record(ctx, tx, audit.Event{Action: "mapping:delete", ObjectType: "group-mapping", ObjectID: id.String(), Registry: gone.Place.Registry, Before: gone})
	})
}

func (s *Service) takeMapped(ctx context.Context, tx *db.Tx, gone Mapping) error {
	left, err := mappings(ctx, tx, gone.Provider)
	if err != nil {
		return err
	}
	for _, m := range left {
		if m.Place == gone.Place {
			return nil // another group gives it; each person's next login says to whom
		}
	}
	rows, err := tx.Ent.MappedGrant.Query().Where(mappedgrant.ProviderID(gone.Provider), mappedgrant.Role(gone.Place.Role)).All(ctx)
	if err != nil {
		return err
	}
	for _, r := range rows {
		if placeOf(r.Role, r.RegistryID) == gone.Place {
			if err := s.takeGrant(ctx, tx, r); err != nil {
				return err
			}
		}
	}
	return nil
}

// takeGrant takes a role that came by a group. The last owner keeps that role.
func (s *Service) takeGrant(ctx context.Context, tx *db.Tx, r *ent.MappedGrant) error {
	err := s.Access.RevokeIn(asLogin(ctx), tx, access.MemberPrincipal(r.MemberID), placeOf(r.Role, r.RegistryID))
	switch {
	case errs.Is(err, errs.Conflict):
		return nil
	case err != nil && !errs.Is(err, errs.NotFound): // somebody took it by hand
		return err
	}
	return tx.Ent.MappedGrant.DeleteOne(r).Exec(ctx)
}

// mapGroups makes the roles that a member has by this provider's groups those
// that its mappings say now, and the teams that a group put them into likewise.
// A role that was given by hand stays and is not counted as the provider's.
func (s *Service) mapGroups(ctx context.Context, tx *db.Tx, p Provider, member uuid.UUID, groups []string, at time.Time) error {
	all, err := mappings(ctx, tx, p.ID)
	if err != nil {
		return err
	}
	in := make(map[string]bool, len(groups))
	for _, g := range groups {
		in[g] = true
	}
	wanted := map[access.Place]bool{}
	var teams []uuid.UUID
	for _, m := range all {
		switch {
		case !in[m.Group]:
		case m.Team != uuid.Nil:
			teams = append(teams, m.Team)
		default:
			wanted[m.Place] = true
		}
	}
	if err := s.mapTeams(ctx, tx, member, teams); err != nil {
		return err
	}
	have, err := tx.Ent.MappedGrant.Query().Where(mappedgrant.ProviderID(p.ID), mappedgrant.MemberID(member)).All(ctx)
	if err != nil {
		return err
	}
	known := map[access.Place]bool{}
	for _, r := range have {
		place := placeOf(r.Role, r.RegistryID)
		known[place] = true
		if !wanted[place] {
			if err := s.takeGrant(ctx, tx, r); err != nil {
				return err
			}
		}
	}
	for place := range wanted {
		if err := s.giveGrant(ctx, tx, p.ID, member, place, known[place], at); err != nil {
			return err
		}
	}
	return nil
}

func (s *Service) giveGrant(ctx context.Context, tx *db.Tx, provider, member uuid.UUID, place access.Place, known bool, at time.Time) error {
	byHand, err := hasGrant(ctx, tx, member, place)
	if err != nil || byHand {
		return err
	}
	err = s.Access.GrantIn(asLogin(ctx), tx, access.MemberPrincipal(member), place)
	if errs.Is(err, errs.NotFound) || errs.Is(err, errs.Invalid) {
		return nil // the registry or the role is gone; the mapping outlived it
	}
	if err != nil || known {
		return err
	}
	c := tx.Ent.MappedGrant.Create().SetProviderID(provider).SetMemberID(member).SetRole(place.Role).SetCreatedAt(at)
	if place.Registry != uuid.Nil {
		c.SetRegistryID(place.Registry)
	}
	return c.Exec(ctx)
}

func placeOf(role string, registry *uuid.UUID) access.Place {
	p := access.Place{Role: role}
	if registry != nil {
		p.Registry = *registry
	}
	return p
}

func orNotFound(err error, message string) error {
	if err != nil {
		return err
	}
	return errs.New(errs.NotFound, "login", "%s", message)
}
