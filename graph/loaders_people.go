package graph

import (
	"context"
	"time"

	"github.com/google/uuid"
	"github.com/vikstrous/dataloadgen"

	"sluice.dev/sluice/ent/db"
	"sluice.dev/sluice/graph/api"
	"sluice.dev/sluice/tenants/access"
)

// peopleLoaders are the loaders of people and delegation.
type peopleLoaders struct {
	team        *dataloadgen.Loader[uuid.UUID, access.Team]
	account     *dataloadgen.Loader[uuid.UUID, access.ServiceAccount]
	grant       *dataloadgen.Loader[uuid.UUID, access.RoleGrant]
	invitation  *dataloadgen.Loader[uuid.UUID, access.Invitation]
	joinRequest *dataloadgen.Loader[uuid.UUID, access.JoinRequest]
	role        *dataloadgen.Loader[string, access.Role]
	seen        *dataloadgen.Loader[uuid.UUID, time.Time]
	mapped      *dataloadgen.Loader[access.MemberPlace, bool]

	inTeam       *dataloadgen.Loader[of[sliceArgs], []access.Membership]
	inTeamCount  *dataloadgen.Loader[uuid.UUID, int]
	teamsOf      *dataloadgen.Loader[of[sliceArgs], []access.Membership]
	teamsOfCount *dataloadgen.Loader[uuid.UUID, int]

	grants         *dataloadgen.Loader[of[grantArgs], []access.RoleGrant]
	grantCount     *dataloadgen.Loader[of[access.GrantsBelow], int]
	roleGrants     *dataloadgen.Loader[roleArgs, []access.RoleGrant]
	roleGrantCount *dataloadgen.Loader[string, int]
	tokens         *dataloadgen.Loader[of[tokenArgs], []access.Token]
	tokenCount     *dataloadgen.Loader[of[tokenArgs], int]
}

// sliceArgs is a page in the order in which things were made.
type sliceArgs struct {
	after uuid.UUID // uuid.Nil from the start
	desc  bool
	limit int
}

func (a sliceArgs) slice() access.Slice {
	s := access.Slice{Desc: a.desc, Limit: a.limit}
	if a.after != uuid.Nil {
		s.After = &access.After{ID: a.after}
	}
	return s
}

// slice reads a window of cursors by id.
func (w window) slice(desc bool) (sliceArgs, error) {
	ids, err := w.ids(1)
	if err != nil {
		return sliceArgs{}, err
	}
	return sliceArgs{after: append(ids, uuid.Nil)[0], desc: desc, limit: w.limit()}, nil
}

type grantArgs struct {
	sliceArgs
	below access.GrantsBelow
}

type roleArgs struct {
	sliceArgs
	role string
}

type tokenArgs struct {
	sliceArgs
	ofAccount bool // else of a member
	state     access.TokenState
}

func newPeopleLoaders(r *resolver) *peopleLoaders {
	return &peopleLoaders{
		team: load(r, access.TeamsByIDs), account: load(r, access.ServiceAccountsByIDs), grant: load(r, access.GrantsByIDs),
		invitation: load(r, access.InvitationsByIDs), joinRequest: load(r, access.JoinRequestsByIDs), role: load(r, access.RolesByNames),
		seen: load(r, access.LastSeen), mapped: load(r, access.Mapped),
		inTeam: load(r, each(func(ctx context.Context, tx *db.Tx, teams []uuid.UUID, a sliceArgs) (map[uuid.UUID][]access.Membership, error) {
			return access.MembersOfTeams(ctx, tx, teams, a.slice())
		})),
		inTeamCount: load(r, access.CountMembersOfTeams),
		teamsOf: load(r, each(func(ctx context.Context, tx *db.Tx, members []uuid.UUID, a sliceArgs) (map[uuid.UUID][]access.Membership, error) {
			return access.TeamsOfMembers(ctx, tx, members, a.slice())
		})),
		teamsOfCount: load(r, access.CountTeamsOfMembers),
		grants: load(r, each(func(ctx context.Context, tx *db.Tx, parents []uuid.UUID, a grantArgs) (map[uuid.UUID][]access.RoleGrant, error) {
			return a.below.Page(ctx, tx, parents, a.slice())
		})),
		grantCount: load(r, each(func(ctx context.Context, tx *db.Tx, parents []uuid.UUID, b access.GrantsBelow) (map[uuid.UUID]int, error) {
			return b.Count(ctx, tx, parents)
		})),
		roleGrants: load(r, grantsOfRoles), roleGrantCount: load(r, access.CountGrantsOfRoles),
		tokens: load(r, each(func(ctx context.Context, tx *db.Tx, owners []uuid.UUID, a tokenArgs) (map[uuid.UUID][]access.Token, error) {
			if a.ofAccount {
				return r.Access.TokensOfServiceAccounts(ctx, tx, owners, a.state, a.slice())
			}
			return r.Access.TokensOfMembers(ctx, tx, owners, a.state, a.slice())
		})),
		tokenCount: load(r, each(func(ctx context.Context, tx *db.Tx, owners []uuid.UUID, a tokenArgs) (map[uuid.UUID]int, error) {
			if a.ofAccount {
				return r.Access.CountTokensOfServiceAccounts(ctx, tx, owners, a.state)
			}
			return r.Access.CountTokensOfMembers(ctx, tx, owners, a.state)
		})),
	}
}

// grantsOfRoles reads the lists of grants with the same page together.
func grantsOfRoles(ctx context.Context, tx *db.Tx, keys []roleArgs) (map[roleArgs][]access.RoleGrant, error) {
	roles := map[sliceArgs][]string{}
	for _, k := range keys {
		roles[k.sliceArgs] = append(roles[k.sliceArgs], k.role)
	}
	out := make(map[roleArgs][]access.RoleGrant, len(keys))
	for args, names := range roles {
		found, err := access.GrantsOfRoles(ctx, tx, names, args.slice())
		if err != nil {
			return nil, err
		}
		for name, grants := range found {
			out[roleArgs{args, name}] = grants
		}
	}
	return out, nil
}

// lookupPeople returns a person or what delegation is made of, nil for what
// does not exist.
func lookupPeople(ctx context.Context, id api.ID) (any, error) {
	l := from(ctx).people
	switch id.Type {
	case "Team":
		v, err := l.team.Load(ctx, id.UUID)
		return orNone(&v, v.ID, err)
	case "ServiceAccount":
		v, err := l.account.Load(ctx, id.UUID)
		return orNone(&v, v.ID, err)
	case "Grant":
		v, err := l.grant.Load(ctx, id.UUID)
		return orNone(&v, v.ID, err)
	case "Invitation":
		v, err := l.invitation.Load(ctx, id.UUID)
		return orNone(&v, v.ID, err)
	case "JoinRequest":
		v, err := l.joinRequest.Load(ctx, id.UUID)
		return orNone(&v, v.ID, err)
	}
	return nil, nil
}

// may reports whether who asks may do an action on the organization.
func (r *resolver) may(ctx context.Context, a access.Action) (bool, error) {
	return r.Access.Can(ctx, access.Of(ctx), a, uuid.Nil)
}

// mayOr is may, or being the member in question.
func (r *resolver) mayOr(ctx context.Context, a access.Action, member uuid.UUID) (bool, error) {
	if who := access.Of(ctx); who.MemberID != uuid.Nil && who.MemberID == member {
		return true, nil
	}
	return r.may(ctx, a)
}
