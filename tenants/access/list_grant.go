package access

import (
	"context"
	"fmt"

	"entgo.io/ent/dialect/sql"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"sluice.dev/sluice/ent"
	"sluice.dev/sluice/ent/db"
	"sluice.dev/sluice/ent/predicate"
	"sluice.dev/sluice/ent/rolegrant"
	"sluice.dev/sluice/tenants/errs"
)

// GrantQuery selects grants for a list. Zero values select all that the reach
// has.
type GrantQuery struct {
	Reach        Reach     // of the registries; grants on the organization only with All
	Who          Principal // those of this one itself
	Role         string
	Registry     uuid.UUID // those on this registry
	Organization bool      // those on the organization
	Slice                  // in the order in which they were made
}

func (q GrantQuery) where() (out []predicate.RoleGrant) {
	if !q.Reach.All {
		out = append(out, rolegrant.RegistryIDIn(q.Reach.Registries...))
	}
	if q.Who.ID != uuid.Nil {
		out = append(out, rolegrant.SubjectKindEQ(rolegrant.SubjectKind(q.Who.Kind)), rolegrant.SubjectID(q.Who.ID))
	}
	if q.Role != "" {
		out = append(out, rolegrant.Role(q.Role))
	}
	if q.Registry != uuid.Nil {
		out = append(out, rolegrant.RegistryID(q.Registry))
	}
	if q.Organization {
		out = append(out, rolegrant.RegistryIDIsNil())
	}
	return out
}

// BrowseGrants returns a page of grants. It checks no right.
func BrowseGrants(ctx context.Context, tx *db.Tx, q GrantQuery) ([]RoleGrant, error) {
	rows, err := tx.Ent.RoleGrant.Query().Where(append(q.where(), func(s *sql.Selector) { q.sorted(s, byID, nil) })...).All(ctx)
	return each(rows, readGrant), err
}

// CountGrants returns how many grants the query selects over all pages.
func CountGrants(ctx context.Context, tx *db.Tx, q GrantQuery) (int, error) {
	return tx.Ent.RoleGrant.Query().Where(q.where()...).Count(ctx)
}

// GrantsByIDs returns grants. It checks no right; those that do not exist are
// not in the answer.
func GrantsByIDs(ctx context.Context, tx *db.Tx, ids []uuid.UUID) (map[uuid.UUID]RoleGrant, error) {
	rows, err := tx.Ent.RoleGrant.Query().Where(rolegrant.IDIn(ids...)).All(ctx)
	out := make(map[uuid.UUID]RoleGrant, len(rows))
	for _, r := range rows {
		out[r.ID] = readGrant(r)
	}
	return out, err
}

// FindGrant returns the grant of a role to a principal; NotFound when there is
// none. It checks no right.
func FindGrant(ctx context.Context, tx *db.Tx, who Principal, p Place) (RoleGrant, error) {
	row, err := tx.Ent.RoleGrant.Query().Where(grantIs(who, p)...).Only(ctx)
	if ent.IsNotFound(err) {
		return RoleGrant{}, errs.New(errs.NotFound, "access.FindGrant", "the grant does not exist")
	}
	if err != nil {
		return RoleGrant{}, err
	}
	return readGrant(row), nil
}

func readGrant(r *ent.RoleGrant) RoleGrant {
	b := bindingOf(r)
	return RoleGrant{r.ID, b.who, b.role, b.registry, r.CreatedAt}
}

// GrantsBelow lists grants of several parents of one kind at once.
type GrantsBelow string

// What grants can be below.
const (
	// GrantsOfMembers are a member's own and those of their teams.
	GrantsOfMembers GrantsBelow = `role_grants x WHERE (x.subject_kind = 'MEMBER' AND x.subject_id = g.id
		OR x.subject_kind = 'TEAM' AND x.subject_id IN (SELECT m.team_id FROM team_members m WHERE m.member_id = g.id))`
	GrantsOfTeams    GrantsBelow = `role_grants x WHERE x.subject_kind = 'TEAM' AND x.subject_id = g.id`
	GrantsOfServices GrantsBelow = `role_grants x WHERE x.subject_kind = 'SERVICE' AND x.subject_id = g.id`
	GrantsOfTokens   GrantsBelow = `role_grants x WHERE x.subject_kind = 'TOKEN' AND x.subject_id = g.id`
	// GrantsOnRegistries are those on a registry itself.
	GrantsOnRegistries GrantsBelow = `role_grants x WHERE x.registry_id = g.id`
	// GrantsHolding are those on a registry and those on the organization, which
	// hold there too.
	GrantsHolding GrantsBelow = `role_grants x WHERE (x.registry_id = g.id OR x.registry_id IS NULL)`
)

// Page returns, by parent, a page of its grants in the order in which they were
// made. It checks no right.
func (b GrantsBelow) Page(ctx context.Context, tx *db.Tx, parents []uuid.UUID, p Slice) (map[uuid.UUID][]RoleGrant, error) {
	ids, err := below(ctx, tx, string(b), parents, p)
	if err != nil {
		return nil, err
	}
	return inPlaces(ids, func(ids []uuid.UUID) (map[uuid.UUID]RoleGrant, error) { return GrantsByIDs(ctx, tx, ids) })
}

// Count counts, by parent, its grants.
func (b GrantsBelow) Count(ctx context.Context, tx *db.Tx, parents []uuid.UUID) (map[uuid.UUID]int, error) {
	return countBelow(ctx, tx, string(b), parents)
}

// MemberPlace is a role of a member at a place.
type MemberPlace struct {
	Member uuid.UUID
	Place
}

// Mapped tells which roles of members came by a group of an identity provider,
// which takes them away again. The others are not in the answer.
func Mapped(ctx context.Context, tx *db.Tx, places []MemberPlace) (map[MemberPlace]bool, error) {
	members, registries, roles := make([]uuid.UUID, len(places)), make([]*uuid.UUID, len(places)), make([]string, len(places))
	for i, p := range places {
		members[i], roles[i] = p.Member, p.Role
		if p.Registry != uuid.Nil {
			registries[i] = &p.Registry
		}
	}
	rows, err := tx.Query(ctx, `SELECT g.member, g.role, g.registry FROM unnest($1::uuid[], $2::text[], $3::uuid[]) g (member, role, registry)
		WHERE EXISTS (SELECT 1 FROM mapped_grants m WHERE m.member_id = g.member AND m.role = g.role AND m.registry_id IS NOT DISTINCT FROM g.registry)`,
		members, roles, registries)
	if err != nil {
		return nil, fmt.Errorf("read which roles are mapped: %w", err)
	}
	out := make(map[MemberPlace]bool, len(places))
	var p MemberPlace
	var registry *uuid.UUID
	_, err = pgx.ForEachRow(rows, []any{&p.Member, &p.Role, &registry}, func() error {
		p.Registry = uuid.Nil
		if registry != nil {
			p.Registry = *registry
		}
		out[p] = true
		return nil
	})
	return out, err
}

const grantsOfRole = `role_grants x WHERE x.role = g.id`

// GrantsOfRoles returns, by role, a page of its grants in the order in which
// they were made. It checks no right.
func GrantsOfRoles(ctx context.Context, tx *db.Tx, roles []string, p Slice) (map[string][]RoleGrant, error) {
	ids, err := below(ctx, tx, grantsOfRole, roles, p)
	if err != nil {
		return nil, err
	}
	return inPlaces(ids, func(ids []uuid.UUID) (map[uuid.UUID]RoleGrant, error) { return GrantsByIDs(ctx, tx, ids) })
}

// CountGrantsOfRoles counts, by role, its grants.
func CountGrantsOfRoles(ctx context.Context, tx *db.Tx, roles []string) (map[string]int, error) {
	return countBelow(ctx, tx, grantsOfRole, roles)
}
