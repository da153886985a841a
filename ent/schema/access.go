package schema

import (
	"entgo.io/ent"
	"entgo.io/ent/schema"
	"entgo.io/ent/schema/edge"
	"entgo.io/ent/schema/field"
	"github.com/google/uuid"
)

// Member is a person in an organization.
type Member struct{ ent.Schema }

// Annotations of the entity.
func (Member) Annotations() []schema.Annotation { return table("members") }

// Mixin of the entity.
func (Member) Mixin() []ent.Mixin { return []ent.Mixin{Identified{}, Owned{}} }

// Fields of the entity.
func (Member) Fields() []ent.Field {
	return []ent.Field{
		field.String("email"),
		field.String("name").Default(""),
		field.Time("created_at").Immutable(),
		field.Time("deactivated_at").Optional().Nillable(),
	}
}

// Edges of the entity.
func (Member) Edges() []ent.Edge { return []ent.Edge{edge.To("tokens", Token.Type)} }

// Token is a credential of a member or a service, stored hashed (law A2).
type Token struct{ ent.Schema }

// Annotations of the entity.
func (Token) Annotations() []schema.Annotation { return table("tokens") }

// Mixin of the entity.
func (Token) Mixin() []ent.Mixin { return []ent.Mixin{Identified{}, Owned{}} }

// Fields of the entity.
func (Token) Fields() []ent.Field {
	return []ent.Field{
		field.UUID("member_id", uuid.UUID{}).Optional().Nillable(),
		field.String("name"),
		field.Bytes("hash").Sensitive().Immutable(),
		field.String("hint").Immutable(),
		field.Bool("write").Default(false),
		field.JSON("registries", []uuid.UUID{}).Default([]uuid.UUID{}),
		field.JSON("cidrs", []string{}).Default([]string{}),
		field.JSON("packages", []string{}).Default([]string{}),
		field.UUID("parent_id", uuid.UUID{}).Optional().Nillable().Immutable(),
		field.UUID("trust_rule_id", uuid.UUID{}).Optional().Nillable().Immutable(),
		field.UUID("service_id", uuid.UUID{}).Optional().Nillable().Immutable(),
		field.Time("created_at").Immutable(),
		field.Time("expires_at").Optional().Nillable(),
		field.Time("last_used_at").Optional().Nillable(),
		field.Time("revoked_at").Optional().Nillable(),
		field.Time("expiry_warned_at").Optional().Nillable(),
	}
}

// Edges of the entity.
func (Token) Edges() []ent.Edge {
	return []ent.Edge{edge.From("member", Member.Type).Ref("tokens").Field("member_id").Unique()}
}

// Role is a custom, named set of actions (law A3).
type Role struct{ ent.Schema }

// Annotations of the entity.
func (Role) Annotations() []schema.Annotation { return table("roles") }

// Mixin of the entity.
func (Role) Mixin() []ent.Mixin { return []ent.Mixin{Identified{}, Owned{}} }

// Fields of the entity.
func (Role) Fields() []ent.Field {
	return []ent.Field{
		field.String("name"),
		field.String("description").Default(""),
		field.JSON("actions", []string{}),
		field.Time("created_at").Immutable(),
	}
}

// RoleGrant gives a role to a member, a service token, a team or a service
// account, on the organization or on one registry (law A3).
type RoleGrant struct{ ent.Schema }

// Annotations of the entity.
func (RoleGrant) Annotations() []schema.Annotation { return table("role_grants") }

// Mixin of the entity.
func (RoleGrant) Mixin() []ent.Mixin { return []ent.Mixin{Identified{}, Owned{}} }

// Fields of the entity.
func (RoleGrant) Fields() []ent.Field {
	return []ent.Field{
		field.Enum("subject_kind").Values("MEMBER", "TOKEN", "TEAM", "SERVICE").Immutable(),
		field.UUID("subject_id", uuid.UUID{}).Immutable(),
		field.String("role").Immutable(),
		field.UUID("registry_id", uuid.UUID{}).Optional().Nillable().Immutable(),
		field.Time("created_at").Immutable(),
	}
}
