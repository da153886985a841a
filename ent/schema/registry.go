package schema

import (
	"entgo.io/ent"
	"entgo.io/ent/schema"
	"entgo.io/ent/schema/edge"
	"entgo.io/ent/schema/field"
	"github.com/google/uuid"

	"sluice.dev/sluice/tenants/coord"
)

func ecosystem() ent.Field {
	return field.String("ecosystem").GoType(coord.Ecosystem("")).Immutable()
}

// Registry is one addressable package source of one ecosystem.
type Registry struct{ ent.Schema }

// Annotations of the entity.
func (Registry) Annotations() []schema.Annotation { return table("registries") }

// Mixin of the entity.
func (Registry) Mixin() []ent.Mixin { return []ent.Mixin{Identified{}, Owned{}} }

// Fields of the entity.
func (Registry) Fields() []ent.Field {
	return []ent.Field{
		ecosystem(),
		field.Enum("kind").Values("PACKAGE", "FIREWALL").Immutable(),
		field.String("name"),
		field.String("description").Default(""),
		field.Bool("internal").Default(true),
		field.Bool("anonymous_read").Default(false),
		field.UUID("forward_to", uuid.UUID{}).Optional().Nillable(),
		field.Bool("forward_releases_only").Default(false),
		field.Time("created_at").Immutable(),
		field.Time("archived_at").Optional().Nillable(),
		field.Time("deleted_at").Optional().Nillable(),
	}
}

// Edges of the entity.
func (Registry) Edges() []ent.Edge {
	return []ent.Edge{
		edge.To("upstreams", Upstream.Type),
		edge.To("downstream_edges", Upstream.Type),
		edge.To("rules", PolicyRule.Type),
		edge.To("holdings", Holding.Type),
	}
}

// Remote is an external base URL with an optional credential.
type Remote struct{ ent.Schema }

// Annotations of the entity.
func (Remote) Annotations() []schema.Annotation { return table("remotes") }

// Mixin of the entity.
func (Remote) Mixin() []ent.Mixin { return []ent.Mixin{Identified{}, Owned{}} }

// Fields of the entity.
func (Remote) Fields() []ent.Field {
	return []ent.Field{
		ecosystem(),
		field.String("name"),
		field.String("base_url"),
		field.Bytes("credential").Sensitive().Optional().Nillable(),
		field.Bool("internal").Default(false),
		field.JSON("file_hosts", []string{}).Default([]string{}),
		field.Time("created_at").Immutable(),
	}
}

// Upstream is the ordered edge from a registry to a source: another registry,
// or a remote.
type Upstream struct{ ent.Schema }

// Annotations of the entity.
func (Upstream) Annotations() []schema.Annotation { return table("upstreams") }

// Mixin of the entity.
func (Upstream) Mixin() []ent.Mixin { return []ent.Mixin{Identified{}, Owned{}} }

// Fields of the entity.
func (Upstream) Fields() []ent.Field {
	return []ent.Field{
		field.UUID("registry_id", uuid.UUID{}).Immutable(),
		field.Int("position"),
		field.UUID("source_registry_id", uuid.UUID{}).Optional().Nillable().Immutable(),
		field.UUID("remote_id", uuid.UUID{}).Optional().Nillable().Immutable(),
		field.JSON("include", []string{}).Default([]string{}),
		field.JSON("exclude", []string{}).Default([]string{}),
		field.Time("created_at").Immutable(),
	}
}

// Edges of the entity.
func (Upstream) Edges() []ent.Edge {
	return []ent.Edge{
		edge.From("registry", Registry.Type).Ref("upstreams").Field("registry_id").Unique().Required().Immutable(),
		edge.From("source_registry", Registry.Type).Ref("downstream_edges").Field("source_registry_id").Unique().Immutable(),
		edge.To("remote", Remote.Type).Field("remote_id").Unique().Immutable(),
	}
}
