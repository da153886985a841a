// Package schema declares the entities. Tables are made by the SQL in
// ent/db/migrations, which says what Ent cannot (composite keys, partial
// indexes, partitions, row-level security); a test keeps the two alike.
//
// Every entity of an organization carries [Owned]: an interceptor and a hook
// that scope queries and mutations to the context's organization (law T2).
package schema

import (
	"context"
	"fmt"

	"entgo.io/ent"
	"entgo.io/ent/dialect/sql"
	"entgo.io/ent/schema/field"
	"entgo.io/ent/schema/mixin"
	"github.com/google/uuid"

	"sluice.dev/sluice/ent/intercept"
	"sluice.dev/sluice/tenants/scope"
)

// newID returns a time-ordered id, so that ids also order lists.
func newID() uuid.UUID { return uuid.Must(uuid.NewV7()) }

// Identified gives an entity its id.
type Identified struct{ mixin.Schema }

// Fields of the mixin.
func (Identified) Fields() []ent.Field {
	return []ent.Field{field.UUID("id", uuid.UUID{}).Default(newID).Immutable()}
}

// Owned gives an entity its organization and the first of the three walls.
type Owned struct{ mixin.Schema }

// Fields of the mixin.
func (Owned) Fields() []ent.Field {
	return []ent.Field{field.UUID("org_id", uuid.UUID{}).Immutable()}
}

// Interceptors scope every query; they also run for eagerly loaded edges.
func (Owned) Interceptors() []ent.Interceptor {
	return []ent.Interceptor{
		intercept.TraverseFunc(func(ctx context.Context, q intercept.Query) error {
			org, err := scope.Org(ctx)
			if err != nil {
				return err
			}
			q.WhereP(sql.FieldEQ("org_id", org))
			return nil
		}),
	}
}

// Hooks scope every mutation, which interceptors do not see.
func (Owned) Hooks() []ent.Hook {
	return []ent.Hook{func(next ent.Mutator) ent.Mutator {
		return ent.MutateFunc(func(ctx context.Context, m ent.Mutation) (ent.Value, error) {
			org, err := scope.Org(ctx)
			if err != nil {
				return nil, err
			}
			if m.Op().Is(ent.OpCreate) {
				if err := m.SetField("org_id", org); err != nil {
					return nil, err
				}
				return next.Mutate(ctx, m)
			}
			w, ok := m.(interface{ WhereP(...func(*sql.Selector)) })
			if !ok {
				return nil, fmt.Errorf("schema: %T cannot be scoped", m)
			}
			w.WhereP(sql.FieldEQ("org_id", org))
			return next.Mutate(ctx, m)
		})
	}}
}

// Self gives the organization the wall that [Owned] gives its entities: a
// context sees and changes the organization that it belongs to, and no other.
type Self struct{ mixin.Schema }

// Interceptors scope every query.
func (Self) Interceptors() []ent.Interceptor {
	return []ent.Interceptor{
		intercept.TraverseFunc(func(ctx context.Context, q intercept.Query) error {
			org, err := scope.Org(ctx)
			if err != nil {
				return err
			}
			q.WhereP(sql.FieldEQ("id", org))
			return nil
		}),
	}
}

// Hooks scope every mutation. An organization is made in a context of its own,
// so that its id is given there and nowhere else.
func (Self) Hooks() []ent.Hook {
	return []ent.Hook{func(next ent.Mutator) ent.Mutator {
		return ent.MutateFunc(func(ctx context.Context, m ent.Mutation) (ent.Value, error) {
			org, err := scope.Org(ctx)
			if err != nil {
				return nil, err
			}
			if m.Op().Is(ent.OpCreate) {
				w, ok := m.(interface{ SetID(uuid.UUID) })
				if !ok {
					return nil, fmt.Errorf("schema: %T cannot be scoped", m)
				}
				w.SetID(org)
				return next.Mutate(ctx, m)
			}
			w, ok := m.(interface{ WhereP(...func(*sql.Selector)) })
			if !ok {
				return nil, fmt.Errorf("schema: %T cannot be scoped", m)
			}
			w.WhereP(sql.FieldEQ("id", org))
			return next.Mutate(ctx, m)
		})
	}}
}
