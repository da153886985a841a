package schema

import (
	"encoding/json"

	"entgo.io/ent"
	"entgo.io/ent/schema"
	"entgo.io/ent/schema/field"
	"github.com/google/uuid"
)

// Team is a group of members that roles are granted to (law A3).
type Team struct{ ent.Schema }

// Annotations of the entity.
func (Team) Annotations() []schema.Annotation { return table("teams") }

// Mixin of the entity.
func (Team) Mixin() []ent.Mixin { return []ent.Mixin{Identified{}, Owned{}} }

// Fields of the entity.
func (Team) Fields() []ent.Field {
	return []ent.Field{
		field.String("name"),
		field.String("description").Default(""),
		field.Time("created_at").Immutable(),
	}
}

// TeamMember says that a member is in a team, and whether a group of the
// identity provider put them there.
type TeamMember struct{ ent.Schema }

// Annotations of the entity.
func (TeamMember) Annotations() []schema.Annotation { return table("team_members") }

// Mixin of the entity.
func (TeamMember) Mixin() []ent.Mixin { return []ent.Mixin{Identified{}, Owned{}} }

// Fields of the entity.
func (TeamMember) Fields() []ent.Field {
	return []ent.Field{
		field.UUID("team_id", uuid.UUID{}).Immutable(),
		field.UUID("member_id", uuid.UUID{}).Immutable(),
		field.Bool("from_group").Default(false),
		field.Time("created_at").Immutable(),
	}
}

// ServiceAccount is a principal that is no person, with tokens of its own
// (law A2).
type ServiceAccount struct{ ent.Schema }

// Annotations of the entity.
func (ServiceAccount) Annotations() []schema.Annotation { return table("service_accounts") }

// Mixin of the entity.
func (ServiceAccount) Mixin() []ent.Mixin { return []ent.Mixin{Identified{}, Owned{}} }

// Fields of the entity.
func (ServiceAccount) Fields() []ent.Field {
	return []ent.Field{
		field.String("name"),
		field.String("description").Default(""),
		field.Time("created_at").Immutable(),
		field.Time("deactivated_at").Optional().Nillable(),
	}
}

// Invitation asks a person by e-mail to become a member.
type Invitation struct{ ent.Schema }

// Annotations of the entity.
func (Invitation) Annotations() []schema.Annotation { return table("invitations") }

// Mixin of the entity.
func (Invitation) Mixin() []ent.Mixin { return []ent.Mixin{Identified{}, Owned{}} }

// Fields of the entity.
func (Invitation) Fields() []ent.Field {
	return []ent.Field{
		field.String("email").Immutable(),
		field.String("name").Default("").Immutable(),
		field.JSON("roles", json.RawMessage{}).Immutable(),
		field.JSON("teams", []uuid.UUID{}).Default([]uuid.UUID{}).Immutable(),
		field.Bytes("secret_hash").Sensitive(),
		field.String("inviter_kind"),
		field.UUID("inviter_id", uuid.UUID{}).Optional().Nillable(),
		field.String("invited_by"),
		field.Time("created_at").Immutable(),
		field.Time("sent_at"),
		field.Time("expires_at"),
		field.Time("accepted_at").Optional().Nillable(),
		field.Time("revoked_at").Optional().Nillable(),
		field.UUID("member_id", uuid.UUID{}).Optional().Nillable(),
	}
}

// JoinRequest is a person with a verified identity who asks to become a member.
type JoinRequest struct{ ent.Schema }

// Annotations of the entity.
func (JoinRequest) Annotations() []schema.Annotation { return table("join_requests") }

// Mixin of the entity.
func (JoinRequest) Mixin() []ent.Mixin { return []ent.Mixin{Identified{}, Owned{}} }

// Fields of the entity.
func (JoinRequest) Fields() []ent.Field {
	return []ent.Field{
		field.String("issuer").Immutable(),
		field.String("subject").Immutable(),
		field.String("email").Immutable(),
		field.String("name").Default("").Immutable(),
		field.String("message").Default("").Immutable(),
		field.Time("created_at").Immutable(),
		field.Time("decided_at").Optional().Nillable(),
		field.String("decided_by").Default(""),
		field.String("outcome").Default(""),
		field.UUID("member_id", uuid.UUID{}).Optional().Nillable(),
	}
}

// AuditSeal is the place of an audit event in the organization's chain of
// hashes.
type AuditSeal struct{ ent.Schema }

// Annotations of the entity.
func (AuditSeal) Annotations() []schema.Annotation { return table("audit_seals") }

// Mixin of the entity.
func (AuditSeal) Mixin() []ent.Mixin { return []ent.Mixin{Identified{}, Owned{}} }

// Fields of the entity.
func (AuditSeal) Fields() []ent.Field {
	return []ent.Field{
		field.Int64("seq").Immutable(),
		field.UUID("event_id", uuid.UUID{}).Immutable(),
		field.Bytes("prev").Immutable(),
		field.Bytes("hash").Immutable(),
		field.Time("sealed_at").Immutable(),
	}
}
