package registry

import (
	"context"
	"time"

	"entgo.io/ent/dialect/sql"
	"github.com/google/uuid"

	"sluice.dev/sluice/ent"
	"sluice.dev/sluice/ent/db"
	entrule "sluice.dev/sluice/ent/policyrule"
	"sluice.dev/sluice/ent/predicate"
	entregistry "sluice.dev/sluice/ent/registry"
	entremote "sluice.dev/sluice/ent/remote"
	entupstream "sluice.dev/sluice/ent/upstream"
	"sluice.dev/sluice/tenants/access"
	"sluice.dev/sluice/tenants/coord"
	"sluice.dev/sluice/tenants/policy"
)

// Query selects registries for a list. Its zero value selects none: what the
// asking subject reaches must be said.
type Query struct {
	Reach     access.Reach
	Kind      entregistry.Kind // "" = both
	Ecosystem coord.Ecosystem  // "" = all
	Search    string           // text in the name, in any case; "" = all
	Deleted   bool             // the deleted ones instead of the live ones

	ByCreation bool   // order by creation, else by name
	Desc       bool   // the last first
	After      *After // nil = from the start
	Limit      int
}

// After is the place in a list behind which a page begins: the ordering key of
// the last one that was seen.
type After struct {
	Name string    // when ordered by name
	At   time.Time // when ordered by creation
	ID   uuid.UUID
}

// Browse returns a page of registries.
func Browse(ctx context.Context, tx *db.Tx, q Query) ([]*ent.Registry, error) {
	rows := tx.Ent.Registry.Query().Where(q.where()...).Limit(q.Limit)
	field, after := entregistry.FieldName, any(nil)
	if q.After != nil {
		after = q.After.Name
	}
	if q.ByCreation {
		field = entregistry.FieldCreatedAt
		if q.After != nil {
			after = q.After.At
		}
	}
	order := ent.Asc(field, entregistry.FieldID)
	if q.Desc {
		order = ent.Desc(field, entregistry.FieldID)
	}
	if q.After != nil {
		rows.Where(behind(field, q.Desc, after, q.After.ID))
	}
	return rows.Order(order).All(ctx)
}

// Count returns how many registries the query selects over all pages.
func Count(ctx context.Context, tx *db.Tx, q Query) (int, error) {
	return tx.Ent.Registry.Query().Where(q.where()...).Count(ctx)
}

func (q Query) where() []predicate.Registry {
	out := []predicate.Registry{entregistry.DeletedAtIsNil()}
	if q.Deleted {
		out[0] = entregistry.DeletedAtNotNil()
	}
	if !q.Reach.All {
		out = append(out, entregistry.IDIn(q.Reach.Registries...))
	}
	if q.Kind != "" {
		out = append(out, entregistry.KindEQ(q.Kind))
	}
	if q.Ecosystem != "" {
		out = append(out, entregistry.Ecosystem(q.Ecosystem))
	}
	if q.Search != "" {
		out = append(out, entregistry.NameContainsFold(q.Search))
	}
	return out
}

// behind is (field, id) > (after, id), or < when descending.
func behind(field string, desc bool, after any, id uuid.UUID) func(*sql.Selector) {
	return func(s *sql.Selector) {
		key := []string{s.C(field), s.C("id")}
		if desc {
			s.Where(sql.CompositeLT(key, after, id))
		} else {
			s.Where(sql.CompositeGT(key, after, id))
		}
	}
}

// Named returns the live registry of that name, or nil.
func Named(ctx context.Context, tx *db.Tx, name string) (*ent.Registry, error) {
	r, err := tx.Ent.Registry.Query().Where(entregistry.Name(name), entregistry.DeletedAtIsNil()).Only(ctx)
	if ent.IsNotFound(err) {
		return nil, nil
	}
	return r, err
}

// ByIDs returns registries, deleted ones included. Those that do not exist are
// not in the answer.
func ByIDs(ctx context.Context, tx *db.Tx, ids []uuid.UUID) (map[uuid.UUID]*ent.Registry, error) {
	rows, err := tx.Ent.Registry.Query().Where(entregistry.IDIn(ids...)).All(ctx)
	out := make(map[uuid.UUID]*ent.Registry, len(rows))
	for _, r := range rows {
		out[r.ID] = r
	}
	return out, err
}

// RemoteQuery selects remotes for a list, in the order of creation unless asked
// otherwise.
type RemoteQuery struct {
	Ecosystem coord.Ecosystem // "" = all
	Search    string          // text in the name, in any case; "" = all
	Internal  *bool           // nil = both
	ByName    bool            // order by name, else by creation
	Desc      bool            // the last first
	After     *After
	Limit     int
}

func (q RemoteQuery) where() (out []predicate.Remote) {
	if q.Ecosystem != "" {
		out = append(out, entremote.Ecosystem(q.Ecosystem))
	}
	if q.Search != "" {
		out = append(out, entremote.NameContainsFold(q.Search))
	}
	if q.Internal != nil {
		out = append(out, entremote.Internal(*q.Internal))
	}
	return out
}

// BrowseRemotes returns a page of remotes.
func BrowseRemotes(ctx context.Context, tx *db.Tx, q RemoteQuery) ([]*ent.Remote, error) {
	rows := tx.Ent.Remote.Query().Where(q.where()...).Limit(q.Limit)
	field, order := entremote.FieldCreatedAt, ent.Asc
	if q.ByName {
		field = entremote.FieldName
	}
	if q.Desc {
		order = ent.Desc
	}
	if q.After != nil {
		after := any(q.After.At)
		if q.ByName {
			after = q.After.Name
		}
		rows.Where(behind(field, q.Desc, after, q.After.ID))
	}
	return rows.Order(order(field, entremote.FieldID)).All(ctx)
}

// CountRemotes returns how many remotes the query selects over all pages.
func CountRemotes(ctx context.Context, tx *db.Tx, q RemoteQuery) (int, error) {
	return tx.Ent.Remote.Query().Where(q.where()...).Count(ctx)
}

// RemotesByIDs returns remotes. Those that do not exist are not in the answer.
func RemotesByIDs(ctx context.Context, tx *db.Tx, ids []uuid.UUID) (map[uuid.UUID]*ent.Remote, error) {
	rows, err := tx.Ent.Remote.Query().Where(entremote.IDIn(ids...)).All(ctx)
	out := make(map[uuid.UUID]*ent.Remote, len(rows))
	for _, r := range rows {
		out[r.ID] = r
	}
	return out, err
}

// UpstreamsByIDs returns edges. Those that do not exist are not in the answer.
func UpstreamsByIDs(ctx context.Context, tx *db.Tx, ids []uuid.UUID) (map[uuid.UUID]*ent.Upstream, error) {
	rows, err := tx.Ent.Upstream.Query().Where(entupstream.IDIn(ids...)).All(ctx)
	out := make(map[uuid.UUID]*ent.Upstream, len(rows))
	for _, u := range rows {
		out[u.ID] = u
	}
	return out, err
}

// UpstreamsOf returns the edges of registries, each in its order.
func UpstreamsOf(ctx context.Context, tx *db.Tx, registries []uuid.UUID) (map[uuid.UUID][]*ent.Upstream, error) {
	rows, err := tx.Ent.Upstream.Query().Where(entupstream.RegistryIDIn(registries...)).
		Order(ent.Asc(entupstream.FieldPosition, entupstream.FieldID)).All(ctx)
	out := make(map[uuid.UUID][]*ent.Upstream, len(registries))
	for _, u := range rows {
		out[u.RegistryID] = append(out[u.RegistryID], u)
	}
	return out, err
}

// DownstreamsOf returns, by registry, the ids of those that have it as a direct
// upstream. Deleted ones are not among them.
func DownstreamsOf(ctx context.Context, tx *db.Tx, registries []uuid.UUID) (map[uuid.UUID][]uuid.UUID, error) {
	rows, err := tx.Ent.Upstream.Query().Where(entupstream.SourceRegistryIDIn(registries...),
		entupstream.HasRegistryWith(entregistry.DeletedAtIsNil())).WithRegistry().
		Order(entupstream.ByRegistryField(entregistry.FieldName)).All(ctx)
	out := make(map[uuid.UUID][]uuid.UUID, len(registries))
	for _, u := range rows {
		out[*u.SourceRegistryID] = append(out[*u.SourceRegistryID], u.RegistryID)
	}
	return out, err
}

// Rule is a rule with its place.
type Rule struct {
	policy.Rule
	RegistryID uuid.UUID
	Position   int // 0 is first
}

// RulesOf returns the rules of registries, each in its order.
func RulesOf(ctx context.Context, tx *db.Tx, registries []uuid.UUID) (map[uuid.UUID][]Rule, error) {
	rows, err := tx.Ent.PolicyRule.Query().Where(entrule.RegistryIDIn(registries...)).
		Order(ent.Asc(entrule.FieldPosition, entrule.FieldID)).All(ctx)
	if err != nil {
		return nil, err
	}
	out := make(map[uuid.UUID][]Rule, len(registries))
	for _, r := range rows {
		rule, err := ruleOf(r)
		if err != nil {
			return nil, err
		}
		out[r.RegistryID] = append(out[r.RegistryID], Rule{rule, r.RegistryID, r.Position})
	}
	return out, nil
}

// RulesByIDs returns rules. Those that do not exist are not in the answer.
func RulesByIDs(ctx context.Context, tx *db.Tx, ids []uuid.UUID) (map[uuid.UUID]Rule, error) {
	rows, err := tx.Ent.PolicyRule.Query().Where(entrule.IDIn(ids...)).All(ctx)
	if err != nil {
		return nil, err
	}
	out := make(map[uuid.UUID]Rule, len(rows))
	for _, r := range rows {
		rule, err := ruleOf(r)
		if err != nil {
			return nil, err
		}
		out[r.ID] = Rule{rule, r.RegistryID, r.Position}
	}
	return out, nil
}
