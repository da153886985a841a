package schema

import (
	"entgo.io/ent"
	"entgo.io/ent/schema"
	"entgo.io/ent/schema/edge"
	"entgo.io/ent/schema/field"
	"github.com/google/uuid"
)

// Hold is an open or released quarantine hold (law Q1). With neither version
// nor range it names the whole package.
type Hold struct{ ent.Schema }

// Annotations of the entity.
func (Hold) Annotations() []schema.Annotation { return table("holds") }

// Mixin of the entity.
func (Hold) Mixin() []ent.Mixin { return []ent.Mixin{Identified{}, Owned{}} }

// Fields of the entity.
func (Hold) Fields() []ent.Field {
	return []ent.Field{
		field.UUID("registry_id", uuid.UUID{}).Immutable(),
		ecosystem(),
		field.String("name").Immutable(),
		field.String("version").Optional().Nillable().Immutable(),
		field.String("version_range").Optional().Nillable().Immutable(),
		field.Enum("cause").Values("MANUAL", "POLICY", "INHERITED").Immutable(),
		field.UUID("root_id", uuid.UUID{}).Optional().Nillable().Immutable(),
		field.String("reason").Immutable(),
		field.JSON("evidence", []string{}).Default([]string{}).Immutable(),
		field.UUID("rule_id", uuid.UUID{}).Optional().Nillable().Immutable(),
		field.String("opened_by").Immutable(),
		field.Time("opened_at").Immutable(),
		field.Time("released_at").Optional().Nillable(),
		field.String("released_by").Default(""),
		field.String("release_reason").Default(""),
	}
}

// Edges of the entity.
func (Hold) Edges() []ent.Edge {
	return []ent.Edge{
		edge.To("registry", Registry.Type).Field("registry_id").Unique().Required().Immutable(),
		edge.To("inherited", Hold.Type).From("root").Field("root_id").Unique().Immutable(),
	}
}

// Tombstone says: deleted for security, do not let it in again (law D1).
type Tombstone struct{ ent.Schema }

// Annotations of the entity.
func (Tombstone) Annotations() []schema.Annotation { return table("tombstones") }

// Mixin of the entity.
func (Tombstone) Mixin() []ent.Mixin { return []ent.Mixin{Identified{}, Owned{}} }

// Fields of the entity.
func (Tombstone) Fields() []ent.Field {
	return []ent.Field{
		field.UUID("registry_id", uuid.UUID{}).Immutable(),
		ecosystem(),
		field.String("name").Immutable(),
		field.String("version").Immutable(),
		field.String("digest").Optional().Nillable().Immutable(),
		field.String("reason").Immutable(),
		field.String("created_by").Immutable(),
		field.Time("created_at").Immutable(),
		field.Time("lifted_at").Optional().Nillable(),
		field.String("lifted_by").Default(""),
	}
}

// Edges of the entity.
func (Tombstone) Edges() []ent.Edge {
	return []ent.Edge{edge.To("registry", Registry.Type).Field("registry_id").Unique().Required().Immutable()}
}

// Cascade is the progress of carrying a hold, a release or a deletion to the
// registries below (law C3).
type Cascade struct{ ent.Schema }

// Annotations of the entity.
func (Cascade) Annotations() []schema.Annotation { return table("cascades") }

// Mixin of the entity.
func (Cascade) Mixin() []ent.Mixin { return []ent.Mixin{Identified{}, Owned{}} }

// Fields of the entity.
func (Cascade) Fields() []ent.Field {
	return []ent.Field{
		field.Enum("action").Values("HOLD", "RELEASE", "DELETE").Immutable(),
		field.UUID("registry_id", uuid.UUID{}).Immutable(),
		field.UUID("hold_id", uuid.UUID{}).Optional().Nillable().Immutable(),
		field.UUID("tombstone_id", uuid.UUID{}).Optional().Nillable().Immutable(),
		ecosystem(),
		field.String("name").Immutable(),
		field.String("version").Optional().Nillable().Immutable(),
		field.Int("total").Default(0),
		field.Int("done").Default(0),
		field.UUID("cursor", uuid.UUID{}).Optional().Nillable(),
		field.Time("started_at").Immutable(),
		field.Time("finished_at").Optional().Nillable(),
	}
}
