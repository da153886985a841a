package schema

import (
	"entgo.io/ent"
	"entgo.io/ent/schema"
	"entgo.io/ent/schema/field"
	"github.com/google/uuid"
)

// TrustRule says which identities of an outside issuer may act as a service
// account, or read or publish in registries.
type TrustRule struct{ ent.Schema }

// Annotations of the entity.
func (TrustRule) Annotations() []schema.Annotation { return table("trust_rules") }

// Mixin of the entity.
func (TrustRule) Mixin() []ent.Mixin { return []ent.Mixin{Identified{}, Owned{}} }

// Fields of the entity.
func (TrustRule) Fields() []ent.Field {
	return []ent.Field{
		field.String("name"),
		field.String("description").Default(""),
		field.Enum("provider").Values("GITHUB", "GITLAB", "OTHER").Default("OTHER"),
		field.String("issuer"),
		field.JSON("claims", map[string]string{}),
		field.UUID("service_id", uuid.UUID{}).Optional().Nillable(),
		field.JSON("registries", []uuid.UUID{}).Default([]uuid.UUID{}),
		field.Bool("write").Default(false),
		field.JSON("packages", []string{}).Default([]string{}),
		field.Int("reuse_seconds").Default(0),
		field.Time("created_at").Immutable(),
		field.Time("last_used_at").Optional().Nillable(),
	}
}

// UsedIdentity is an identity token that was exchanged by a trust rule.
type UsedIdentity struct{ ent.Schema }

// Annotations of the entity.
func (UsedIdentity) Annotations() []schema.Annotation { return table("used_identities") }

// Mixin of the entity.
func (UsedIdentity) Mixin() []ent.Mixin { return []ent.Mixin{Identified{}, Owned{}} }

// Fields of the entity.
func (UsedIdentity) Fields() []ent.Field {
	return []ent.Field{
		field.UUID("trust_rule_id", uuid.UUID{}).Immutable(),
		field.Bytes("hash").Sensitive().Immutable(),
		field.Time("first_used_at").Immutable(),
		field.Time("expires_at").Immutable(),
	}
}

// LoginRequest is a client that waits for a person to say yes in a browser.
type LoginRequest struct{ ent.Schema }

// Annotations of the entity.
func (LoginRequest) Annotations() []schema.Annotation { return table("login_requests") }

// Mixin of the entity.
func (LoginRequest) Mixin() []ent.Mixin { return []ent.Mixin{Identified{}, Owned{}} }

// Fields of the entity.
func (LoginRequest) Fields() []ent.Field {
	return []ent.Field{
		field.UUID("registry_id", uuid.UUID{}).Immutable(),
		field.Bytes("secret_hash").Sensitive().Immutable(),
		field.Bytes("page_hash").Sensitive().Immutable(),
		field.String("client").Default("").Immutable(),
		field.Time("created_at").Immutable(),
		field.Time("expires_at").Immutable(),
		field.UUID("token_id", uuid.UUID{}).Optional().Nillable(),
		field.Bytes("token_sealed").Sensitive().Optional().Nillable(),
		field.Time("ended_at").Optional().Nillable(),
	}
}
