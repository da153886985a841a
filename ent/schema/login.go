package schema

import (
	"entgo.io/ent"
	"entgo.io/ent/schema"
	"entgo.io/ent/schema/field"
	"github.com/google/uuid"
)

// IdentityProvider is an OpenID Connect provider of an organization's own (law
// A1).
type IdentityProvider struct{ ent.Schema }

// Annotations of the entity.
func (IdentityProvider) Annotations() []schema.Annotation { return table("identity_providers") }

// Mixin of the entity.
func (IdentityProvider) Mixin() []ent.Mixin { return []ent.Mixin{Identified{}, Owned{}} }

// Fields of the entity.
func (IdentityProvider) Fields() []ent.Field {
	return []ent.Field{
		field.String("name").Immutable(),
		field.String("title"),
		field.String("issuer"),
		field.String("client_id"),
		field.Bytes("client_secret").Sensitive().Optional().Nillable(),
		field.JSON("scopes", []string{}).Default([]string{}),
		field.JSON("domains", []string{}).Default([]string{}),
		field.JSON("claims", map[string]string{}).Default(map[string]string{}),
		field.Bool("joins").Default(false),
		field.String("join_role").Default(""),
		field.Bool("exclusive").Default(false),
		field.Bool("enabled").Default(true),
		field.Time("created_at").Immutable(),
		field.Time("updated_at"),
	}
}

// GroupMapping gives a role to whoever a provider says is in a group, or puts
// them into a team; the role is empty then.
type GroupMapping struct{ ent.Schema }

// Annotations of the entity.
func (GroupMapping) Annotations() []schema.Annotation { return table("group_mappings") }

// Mixin of the entity.
func (GroupMapping) Mixin() []ent.Mixin { return []ent.Mixin{Identified{}, Owned{}} }

// Fields of the entity.
func (GroupMapping) Fields() []ent.Field {
	return []ent.Field{
		field.UUID("provider_id", uuid.UUID{}).Immutable(),
		field.String("group_name").Immutable(),
		field.String("role").Immutable(),
		field.UUID("registry_id", uuid.UUID{}).Optional().Nillable().Immutable(),
		field.UUID("team_id", uuid.UUID{}).Optional().Nillable().Immutable(),
		field.Time("created_at").Immutable(),
	}
}

// MappedGrant remembers that a member has a role by a group.
type MappedGrant struct{ ent.Schema }

// Annotations of the entity.
func (MappedGrant) Annotations() []schema.Annotation { return table("mapped_grants") }

// Mixin of the entity.
func (MappedGrant) Mixin() []ent.Mixin { return []ent.Mixin{Identified{}, Owned{}} }

// Fields of the entity.
func (MappedGrant) Fields() []ent.Field {
	return []ent.Field{
		field.UUID("provider_id", uuid.UUID{}).Immutable(),
		field.UUID("member_id", uuid.UUID{}).Immutable(),
		field.String("role").Immutable(),
		field.UUID("registry_id", uuid.UUID{}).Optional().Nillable().Immutable(),
		field.Time("created_at").Immutable(),
	}
}

// Identity is an account at a provider that is a member here.
type Identity struct{ ent.Schema }

// Annotations of the entity.
func (Identity) Annotations() []schema.Annotation { return table("identities") }

// Mixin of the entity.
func (Identity) Mixin() []ent.Mixin { return []ent.Mixin{Identified{}, Owned{}} }

// Fields of the entity.
func (Identity) Fields() []ent.Field {
	return []ent.Field{
		field.UUID("member_id", uuid.UUID{}).Immutable(),
		field.String("issuer").Immutable(),
		field.String("subject").Immutable(),
		field.String("email").Default(""),
		field.Time("created_at").Immutable(),
		field.Time("last_login_at"),
	}
}

// LoginFlow is a login under way.
type LoginFlow struct{ ent.Schema }

// Annotations of the entity.
func (LoginFlow) Annotations() []schema.Annotation { return table("login_flows") }

// Mixin of the entity.
func (LoginFlow) Mixin() []ent.Mixin { return []ent.Mixin{Identified{}, Owned{}} }

// Fields of the entity.
func (LoginFlow) Fields() []ent.Field {
	return []ent.Field{
		field.Bytes("state_hash").Sensitive().Immutable(),
		field.Bytes("browser_hash").Sensitive().Immutable(),
		field.UUID("provider_id", uuid.UUID{}).Optional().Nillable().Immutable(),
		field.Bytes("sealed").Sensitive().Immutable(),
		field.Bytes("ticket_hash").Sensitive().Optional().Nillable(),
		field.Bytes("ticket_sealed").Sensitive().Optional().Nillable(),
		field.Time("expires_at").Immutable(),
	}
}

// Session is a person who is logged in with a browser.
type Session struct{ ent.Schema }

// Annotations of the entity.
func (Session) Annotations() []schema.Annotation { return table("sessions") }

// Mixin of the entity.
func (Session) Mixin() []ent.Mixin { return []ent.Mixin{Identified{}, Owned{}} }

// Fields of the entity.
func (Session) Fields() []ent.Field {
	return []ent.Field{
		field.UUID("member_id", uuid.UUID{}).Immutable(),
		field.Bytes("hash").Sensitive().Immutable(),
		field.Enum("kind").Values("OIDC", "BREAK_GLASS").Immutable(),
		field.UUID("provider_id", uuid.UUID{}).Optional().Nillable(),
		field.String("issuer").Default("").Immutable(),
		field.String("subject").Default("").Immutable(),
		field.String("sid").Default("").Immutable(),
		field.Bytes("id_token").Sensitive().Optional().Nillable(),
		field.String("ip").Default("").Immutable(),
		field.String("user_agent").Default("").Immutable(),
		field.Time("created_at").Immutable(),
		field.Time("last_used_at"),
		field.Time("expires_at").Immutable(),
		field.Time("ended_at").Optional().Nillable(),
		field.String("end_reason").Default(""),
	}
}

// BreakGlassLink is a way in without any provider.
type BreakGlassLink struct{ ent.Schema }

// Annotations of the entity.
func (BreakGlassLink) Annotations() []schema.Annotation { return table("break_glass_links") }

// Mixin of the entity.
func (BreakGlassLink) Mixin() []ent.Mixin { return []ent.Mixin{Identified{}, Owned{}} }

// Fields of the entity.
func (BreakGlassLink) Fields() []ent.Field {
	return []ent.Field{
		field.UUID("member_id", uuid.UUID{}).Immutable(),
		field.Bytes("hash").Sensitive().Immutable(),
		field.Time("created_at").Immutable(),
		field.Time("expires_at").Immutable(),
		field.Time("used_at").Optional().Nillable(),
	}
}

// LogoutToken is one that a provider sent and that was taken.
type LogoutToken struct{ ent.Schema }

// Annotations of the entity.
func (LogoutToken) Annotations() []schema.Annotation { return table("logout_tokens") }

// Mixin of the entity.
func (LogoutToken) Mixin() []ent.Mixin { return []ent.Mixin{Identified{}, Owned{}} }

// Fields of the entity.
func (LogoutToken) Fields() []ent.Field {
	return []ent.Field{
		field.Bytes("hash").Sensitive().Immutable(),
		field.Time("expires_at").Immutable(),
	}
}
