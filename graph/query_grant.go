package graph

import (
	"context"
	"time"

	"github.com/google/uuid"

	"sluice.dev/sluice/ent/db"
	"sluice.dev/sluice/graph/api"
	"sluice.dev/sluice/tenants/access"
)

// Role resolves the field; so do the methods below, each its own.
func (q queries) Role(ctx context.Context, name string) (*access.Role, error) {
	role, err := from(ctx).people.role.Load(ctx, name)
	if err == nil && role.Name == "" {
		err = notFound("Role")
	}
	return &role, err
}

func (q queries) Actions(context.Context) ([]*access.Defined, error) {
	return pointers(access.Actions()), nil
}

func (q queries) Grants(ctx context.Context, first *int, after *string, filter *api.GrantFilter, direction api.Direction) (*api.GrantConnection, error) {
	query, err := q.grantQuery(ctx, filter)
	if err != nil {
		return nil, err
	}
	return grantPage(ctx, first, after, direction == api.DirectionDesc, func(a sliceArgs) ([]access.RoleGrant, error) {
		query := query
		query.Slice = a.slice()
		return read(ctx, q.resolver, func(ctx context.Context, tx *db.Tx) ([]access.RoleGrant, error) {
			return access.BrowseGrants(ctx, tx, query)
		})
	}, func() (int, error) {
		return read(ctx, q.resolver, func(ctx context.Context, tx *db.Tx) (int, error) { return access.CountGrants(ctx, tx, query) })
	})
}

// grantQuery is what a filter selects of what who asks may see. What may not be
// seen does not exist (T3).
func (q queries) grantQuery(ctx context.Context, filter *api.GrantFilter) (query access.GrantQuery, err error) {
	who := access.Of(ctx)
	if who.IsAnonymous() {
		return query, q.require(ctx, access.MemberRead, uuid.Nil)
	}
	all, err := q.may(ctx, access.MemberRead)
	if err != nil {
		return query, err
	}
	if query.Reach.All = all; !all {
		if query.Reach, err = q.Access.Where(ctx, who, access.GrantManage); err != nil {
			return query, err
		}
	}
	if filter == nil {
		return query, nil
	}
	query.Role, query.Organization = valueOf(filter.Role), filter.Everywhere
	if filter.Registry != nil {
		if reg, err := q.visibleRegistry(ctx, filter.Registry.UUID); err != nil || reg == nil || filter.Registry.Type != "Registry" {
			return query, orMissing(err, "Registry")
		}
		query.Registry = filter.Registry.UUID
	}
	if filter.Principal != nil {
		query.Who = principalOf(*filter.Principal)
		if _, err := q.find(ctx, *filter.Principal, ""); err != nil || query.Who.Kind == "" || !all {
			return query, orMissing(err, "Principal")
		}
	}
	return query, nil
}

func orMissing(err error, typ string) error {
	if err != nil {
		return err
	}
	return notFound(typ)
}

// principalOf is what an id names as somebody whom roles are given to; of no
// kind when it names nobody such.
func principalOf(id api.ID) access.Principal {
	kinds := map[string]access.Kind{"Member": access.KindMember, "Team": access.KindTeam, "ServiceAccount": access.KindService, "Token": access.KindToken}
	return access.Principal{Kind: kinds[id.Type], ID: id.UUID}
}

func (q queries) Tokens(ctx context.Context, first *int, after *string, filter *api.TokenFilter, order *api.TokenOrder) (*api.TokenConnection, error) {
	query, none, err := q.tokenQuery(ctx, filter)
	if err != nil {
		return nil, err
	}
	if order != nil {
		query.Order, query.Desc = order.By, order.Direction == api.DirectionDesc
	}
	key := func(t access.Token) string { return peopleCursor(query.Order == access.TokensByName, t.Name, t.ID) }
	var w window
	if query.ByTime() {
		key = func(t access.Token) string { return timeCursor(query.At(t), t.ID) }
		w, err = timeWindow(first, after, &query.Slice)
	} else {
		w, err = peopleWindow(first, after, query.Order == access.TokensByName, &query.Slice)
	}
	if err != nil {
		return nil, err
	}
	if none {
		return tokenPage(ctx, w, nil, key, func() (int, error) { return 0, nil })
	}
	rows, err := read(ctx, q.resolver, func(ctx context.Context, tx *db.Tx) ([]access.Token, error) {
		return q.Access.BrowseTokens(ctx, tx, query)
	})
	if err != nil {
		return nil, err
	}
	return tokenPage(ctx, w, rows, key, func() (int, error) {
		return read(ctx, q.resolver, func(ctx context.Context, tx *db.Tx) (int, error) { return q.Access.CountTokens(ctx, tx, query) })
	})
}

// timeWindow reads the arguments of a list that is ordered by a time.
func timeWindow(first *int, after *string, into *access.Slice) (window, error) {
	w, err := newWindow(first, after, byTime)
	if err != nil {
		return w, err
	}
	into.Limit = w.limit()
	if w.after == nil {
		return w, nil
	}
	var at time.Time
	var id uuid.UUID
	if at, id, err = w.timed(); err == nil {
		into.After = &access.After{At: at, ID: id}
	}
	return w, err
}

// tokenQuery is what a filter selects of what who asks may see: everybody's
// tokens for those who manage tokens, else their own, of which there are none
// for who is no member.
func (q queries) tokenQuery(ctx context.Context, filter *api.TokenFilter) (query access.TokenQuery, none bool, err error) {
	who := access.Of(ctx)
	if who.IsAnonymous() {
		return query, true, q.require(ctx, access.TokenManage, uuid.Nil)
	}
	all, err := q.may(ctx, access.TokenManage)
	if err != nil {
		return query, true, err
	}
	if filter == nil {
		filter = &api.TokenFilter{}
	}
	query.Search, query.State, query.Expiring = valueOf(filter.Search), valueOf(filter.State), filter.Expiring
	if filter.ServiceAccount != nil {
		if _, err := q.find(ctx, *filter.ServiceAccount, "ServiceAccount"); err != nil || !all {
			return query, true, orMissing(err, "ServiceAccount")
		}
		query.Service = filter.ServiceAccount.UUID
	}
	if filter.Member != nil {
		_, err := q.find(ctx, *filter.Member, "Member")
		if err != nil || !all && filter.Member.UUID != who.MemberID {
			return query, true, orMissing(err, "Member")
		}
		query.Member = filter.Member.UUID
	}
	if !all {
		query.Member = who.MemberID
	}
	return query, !all && who.MemberID == uuid.Nil, nil
}
