package schema

import (
	"encoding/json"

	"entgo.io/ent"
	"entgo.io/ent/dialect/entsql"
	"entgo.io/ent/schema"
	"entgo.io/ent/schema/field"
	"github.com/google/uuid"

	"sluice.dev/sluice/tenants/coord"
)

func table(name string) []schema.Annotation {
	return []schema.Annotation{entsql.Table(name)}
}

// Organization is the tenant. It has no Owned mixin since it is the owner; an
// organization sees only itself.
type Organization struct{ ent.Schema }

// Annotations of the entity.
func (Organization) Annotations() []schema.Annotation { return table("organizations") }

// Mixin of the entity.
func (Organization) Mixin() []ent.Mixin { return []ent.Mixin{Identified{}, Self{}} }

// Fields of the entity.
func (Organization) Fields() []ent.Field {
	return []ent.Field{
		field.String("slug").Immutable(),
		field.String("name"),
		field.JSON("reserved_patterns", []coord.ReservedPattern{}).Default([]coord.ReservedPattern{}),
		field.JSON("license_policy", json.RawMessage{}).Default(json.RawMessage("{}")),
		field.Time("created_at").Immutable(),
		field.Time("suspended_at").Optional().Nillable(),
		field.Time("deleted_at").Optional().Nillable(),
		field.String("founded_by").Default("").Immutable(),
		field.Bool("join_requests").Default(true),
		field.Int("quota_registries").Optional().Nillable(),
		field.Int64("quota_storage").Optional().Nillable(),
		field.Int("quota_requests").Optional().Nillable(),
	}
}

// HostName binds a host to an organization, or to one registry (law T1).
type HostName struct{ ent.Schema }

// Annotations of the entity.
func (HostName) Annotations() []schema.Annotation { return table("host_names") }

// Mixin of the entity.
func (HostName) Mixin() []ent.Mixin { return []ent.Mixin{Identified{}, Owned{}} }

// Fields of the entity.
func (HostName) Fields() []ent.Field {
	return []ent.Field{
		field.String("host").Immutable(),
		field.UUID("registry_id", uuid.UUID{}).Optional().Nillable(),
		field.Time("created_at").Immutable(),
	}
}
