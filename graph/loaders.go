package graph

import (
	"context"
	"time"

	"github.com/google/uuid"
	"github.com/vikstrous/dataloadgen"

	"sluice.dev/sluice/ent"
	"sluice.dev/sluice/ent/db"
	"sluice.dev/sluice/ent/hold"
	"sluice.dev/sluice/graph/api"
	"sluice.dev/sluice/tenants/access"
	"sluice.dev/sluice/tenants/audit"
	"sluice.dev/sluice/tenants/catalog"
	"sluice.dev/sluice/tenants/coord"
	"sluice.dev/sluice/tenants/finding"
	"sluice.dev/sluice/tenants/intake"
	"sluice.dev/sluice/tenants/quarantine"
	"sluice.dev/sluice/tenants/registry"
)

// loaders collect what the fields of one answer ask for, so that a list of a
// hundred objects costs as many statements as one object, and remember it until
// the answer is done. What does not exist loads as the zero value.
type loaders struct {
	registry    *dataloadgen.Loader[uuid.UUID, *ent.Registry]
	remote      *dataloadgen.Loader[uuid.UUID, *ent.Remote]
	upstream    *dataloadgen.Loader[uuid.UUID, *ent.Upstream]
	upstreams   *dataloadgen.Loader[uuid.UUID, []*ent.Upstream]
	downstreams *dataloadgen.Loader[uuid.UUID, []uuid.UUID]
	rule        *dataloadgen.Loader[uuid.UUID, registry.Rule]
	rules       *dataloadgen.Loader[uuid.UUID, []registry.Rule]

	packages     *dataloadgen.Loader[of[packageArgs], []catalog.HeldPackage]
	packageCount *dataloadgen.Loader[of[string], int]
	versions     *dataloadgen.Loader[catalog.At, []catalog.HeldVersion]
	files        *dataloadgen.Loader[uuid.UUID, []catalog.HeldFile]
	said         *dataloadgen.Loader[catalog.At, catalog.Said]
	pullCounts   *dataloadgen.Loader[uuid.UUID, intake.PullProgress]
	holders      *dataloadgen.Loader[coord.Version, []uuid.UUID]
	findings     *dataloadgen.Loader[coord.Version, []*ent.Finding]

	hold           *dataloadgen.Loader[uuid.UUID, *ent.Hold]
	holds          *dataloadgen.Loader[of[holdArgs], []*ent.Hold]
	holdCount      *dataloadgen.Loader[of[holdArgs], int]
	inherited      *dataloadgen.Loader[of[inheritedArgs], []*ent.Hold]
	inheritedCount *dataloadgen.Loader[of[uuid.UUID], int]
	openOn         *dataloadgen.Loader[quarantine.Place, []*ent.Hold]
	tombstone      *dataloadgen.Loader[uuid.UUID, *ent.Tombstone]
	cascade        *dataloadgen.Loader[uuid.UUID, *ent.Cascade]
	holdCascades   *dataloadgen.Loader[uuid.UUID, []*ent.Cascade]
	deletion       *dataloadgen.Loader[uuid.UUID, *ent.Cascade]

	member    *dataloadgen.Loader[uuid.UUID, access.Member]
	token     *dataloadgen.Loader[uuid.UUID, access.Token]
	tokenName *dataloadgen.Loader[uuid.UUID, *api.TokenName]

	owned       *dataloadgen.Loader[of[intake.EachQuery], []intake.Ownership]
	switches    *dataloadgen.Loader[of[intake.EachQuery], []intake.NameSwitch]
	staged      *dataloadgen.Loader[of[intake.EachQuery], []intake.Staged]
	stagedCount *dataloadgen.Loader[of[string], int]
	pulls       *dataloadgen.Loader[of[intake.EachQuery], []*ent.Pull]
	pullItems   *dataloadgen.Loader[of[pullItemArgs], []*ent.PullItem]
	seal        *dataloadgen.Loader[uuid.UUID, audit.Seal]

	trustRule *dataloadgen.Loader[uuid.UUID, access.TrustRule] // that the subject may see
	people    *peopleLoaders
	loginLoaders
}

type inheritedArgs struct {
	pageArgs
	only uuid.UUID // in this registry; nil = all
	desc bool
}

type pullItemArgs struct {
	intake.EachQuery
	after intake.PullVersion
}

// of is one parent object with the arguments of a list below it.
type of[A comparable] struct {
	parent uuid.UUID
	args   A
}

type pageArgs struct {
	at    time.Time // zero = from the start
	id    uuid.UUID
	limit int
}

func (a pageArgs) after() *quarantine.After {
	if a.at.IsZero() {
		return nil
	}
	return &quarantine.After{At: a.at, ID: a.id}
}

type holdArgs struct {
	pageArgs
	open, released       bool
	cause                hold.Cause
	pkg, version, search string
	asc                  bool
}

func (a holdArgs) query() quarantine.Query {
	q := quarantine.Query{Cause: a.cause, Package: a.pkg, Version: a.version, Search: a.search, After: a.after(), Desc: !a.asc, Limit: a.limit}
	if a.open || a.released {
		q.Open = &a.open
	}
	return q
}

type packageArgs struct {
	prefix, after string
	desc          bool
	limit         int
}

// reader reads what several keys name.
type reader[K comparable, V any] func(ctx context.Context, tx *db.Tx, keys []K) (map[K]V, error)

func load[K comparable, V any](r *resolver, from reader[K, V]) *dataloadgen.Loader[K, V] {
	return dataloadgen.NewLoader(func(ctx context.Context, keys []K) ([]V, []error) { return fetch(ctx, r, from, keys) },
		dataloadgen.WithWait(r.BatchWait))
}

func fetch[K comparable, V any](ctx context.Context, r *resolver, from reader[K, V], keys []K) ([]V, []error) {
	found, err := read(ctx, r, func(ctx context.Context, tx *db.Tx) (map[K]V, error) { return from(ctx, tx, keys) })
	if err != nil {
		return nil, []error{err}
	}
	out := make([]V, len(keys))
	for i, k := range keys {
		out[i] = found[k]
	}
	return out, nil
}

// within is load for what only those may see who may see versions there.
func within[K comparable, V any](r *resolver, reading func(access.Reach) reader[K, V]) *dataloadgen.Loader[K, V] {
	return dataloadgen.NewLoader(func(ctx context.Context, keys []K) ([]V, []error) {
		reach, err := r.Access.Where(ctx, access.Of(ctx), access.VersionRead)
		if err != nil {
			return nil, []error{err}
		}
		return fetch(ctx, r, reading(reach), keys)
	}, dataloadgen.WithWait(r.BatchWait))
}

// each is a reader for lists below several parents: the lists with the same
// arguments are read together.
func each[A comparable, V any](from func(ctx context.Context, tx *db.Tx, parents []uuid.UUID, args A) (map[uuid.UUID]V, error)) reader[of[A], V] {
	return func(ctx context.Context, tx *db.Tx, keys []of[A]) (map[of[A]]V, error) {
		parents := map[A][]uuid.UUID{}
		for _, k := range keys {
			parents[k.args] = append(parents[k.args], k.parent)
		}
		out := make(map[of[A]]V, len(keys))
		for args, ids := range parents {
			found, err := from(ctx, tx, ids, args)
			if err != nil {
				return nil, err
			}
			for id, v := range found {
				out[of[A]{id, args}] = v
			}
		}
		return out, nil
	}
}

func newLoaders(r *resolver) *loaders {
	return &loaders{
		registry: load(r, registry.ByIDs), remote: load(r, registry.RemotesByIDs), upstream: load(r, registry.UpstreamsByIDs),
		upstreams: load(r, registry.UpstreamsOf), downstreams: load(r, registry.DownstreamsOf),
		rule: load(r, registry.RulesByIDs), rules: load(r, registry.RulesOf),
		packages: load(r, each(func(ctx context.Context, tx *db.Tx, registries []uuid.UUID, a packageArgs) (map[uuid.UUID][]catalog.HeldPackage, error) {
			return catalog.Packages(ctx, tx, registries, catalog.PackageQuery{Prefix: a.prefix, After: a.after, Desc: a.desc, Limit: a.limit})
		})),
		packageCount: load(r, each(catalog.CountPackages)),
		versions:     load(r, catalog.VersionsOf), said: load(r, catalog.SaidOf), pullCounts: load(r, intake.PullCounts), files: load(r, catalog.FilesOf), holders: load(r, catalog.HoldersOf), findings: load(r, finding.On),
		hold: load(r, quarantine.HoldsByIDs),
		holds: load(r, each(func(ctx context.Context, tx *db.Tx, registries []uuid.UUID, a holdArgs) (map[uuid.UUID][]*ent.Hold, error) {
			return quarantine.BrowseEach(ctx, tx, registries, a.query())
		})),
		holdCount: load(r, each(func(ctx context.Context, tx *db.Tx, registries []uuid.UUID, a holdArgs) (map[uuid.UUID]int, error) {
			return quarantine.CountEach(ctx, tx, registries, a.query())
		})),
		inherited: within(r, func(reach access.Reach) reader[of[inheritedArgs], []*ent.Hold] {
			return each(func(ctx context.Context, tx *db.Tx, roots []uuid.UUID, a inheritedArgs) (map[uuid.UUID][]*ent.Hold, error) {
				return quarantine.InheritedEach(ctx, tx, roots, only(reach, a.only), a.after(), a.desc, a.limit)
			})
		}),
		inheritedCount: within(r, func(reach access.Reach) reader[of[uuid.UUID], int] {
			return each(func(ctx context.Context, tx *db.Tx, roots []uuid.UUID, registry uuid.UUID) (map[uuid.UUID]int, error) {
				return quarantine.CountInheritedEach(ctx, tx, roots, only(reach, registry))
			})
		}),
		openOn: load(r, quarantine.OpenOn), tombstone: load(r, quarantine.TombstonesByIDs), cascade: load(r, quarantine.CascadesByIDs),
		holdCascades: load(r, quarantine.CascadesOfHolds), deletion: load(r, quarantine.CascadesOfTombstones),
		member: load(r, access.MembersByIDs), token: load(r, access.TokensByIDs), tokenName: load(r, tokenNames),
		people:       newPeopleLoaders(r),
		loginLoaders: newLoginLoaders(r),
		owned:        load(r, each(intake.OwnedNamesEach)), switches: load(r, each(intake.NameSwitchesEach)),
		staged: load(r, each(intake.StagedEach)), stagedCount: load(r, each(intake.StagedCounts)), pulls: load(r, each(intake.PullsEach)),
		pullItems: load(r, each(func(ctx context.Context, tx *db.Tx, pulls []uuid.UUID, a pullItemArgs) (map[uuid.UUID][]*ent.PullItem, error) {
			return intake.PullItemsEach(ctx, tx, pulls, a.after, a.EachQuery)
		})),
		seal:      load(r, audit.SealsOf),
		trustRule: load(r, r.Access.VisibleTrustRules),
	}
}

// only narrows a reach to one registry, unless that is none.
func only(reach access.Reach, registry uuid.UUID) access.Reach {
	switch {
	case registry == uuid.Nil:
		return reach
	case reaches(reach, registry):
		return access.Reach{Registries: []uuid.UUID{registry}}
	}
	return access.Reach{}
}

// tokenNames reads how tokens are shown to those who may not manage them.
func tokenNames(ctx context.Context, tx *db.Tx, ids []uuid.UUID) (map[uuid.UUID]*api.TokenName, error) {
	tokens, err := access.TokensByIDs(ctx, tx, ids)
	if err != nil {
		return nil, err
	}
	var owners []uuid.UUID
	for _, t := range tokens {
		if t.MemberID != uuid.Nil {
			owners = append(owners, t.MemberID)
		}
	}
	members, err := access.MembersByIDs(ctx, tx, owners)
	if err != nil {
		return nil, err
	}
	out := make(map[uuid.UUID]*api.TokenName, len(tokens))
	for id, t := range tokens {
		out[id] = &api.TokenName{Name: t.Name, Hint: t.Hint, Member: api.Text(members[t.MemberID].Email)}
	}
	return out, nil
}

type loadersKey struct{}

// fresh returns a context in which nothing is remembered.
func (r *resolver) fresh(ctx context.Context) context.Context {
	return context.WithValue(ctx, loadersKey{}, newLoaders(r))
}

// from returns the loaders of the answer that is being made.
func from(ctx context.Context) *loaders { return ctx.Value(loadersKey{}).(*loaders) }
