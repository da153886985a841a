package schema

import (
	"encoding/json"
	"time"

	"entgo.io/ent"
	"entgo.io/ent/schema"
	"entgo.io/ent/schema/edge"
	"entgo.io/ent/schema/field"
	"github.com/google/uuid"
)

// PolicyRule is one rule of a registry, in order (law P1).
type PolicyRule struct{ ent.Schema }

// Annotations of the entity.
func (PolicyRule) Annotations() []schema.Annotation { return table("policy_rules") }

// Mixin of the entity.
func (PolicyRule) Mixin() []ent.Mixin { return []ent.Mixin{Identified{}, Owned{}} }

// Fields of the entity.
func (PolicyRule) Fields() []ent.Field {
	return []ent.Field{
		field.UUID("registry_id", uuid.UUID{}).Immutable(),
		field.Int("position"),
		field.String("name"),
		field.String("kind").Immutable(),
		field.String("mode"),
		field.String("effect"),
		field.String("applies"),
		field.String("on_violation"),
		field.String("unknown"),
		field.JSON("params", json.RawMessage{}).Default(json.RawMessage("{}")),
		field.Bool("auto_release").Default(true),
		field.Time("created_at").Immutable(),
	}
}

// Edges of the entity.
func (PolicyRule) Edges() []ent.Edge {
	return []ent.Edge{edge.From("registry", Registry.Type).Ref("rules").Field("registry_id").Unique().Required().Immutable()}
}

// Advisory is an OSV record. It belongs to no organization.
type Advisory struct{ ent.Schema }

// Annotations of the entity.
func (Advisory) Annotations() []schema.Annotation { return table("advisories") }

// Fields of the entity.
func (Advisory) Fields() []ent.Field {
	return []ent.Field{
		field.String("id").Immutable(),
		field.String("feed"),
		field.Time("modified"),
		field.Time("published").Optional().Nillable(),
		field.Time("withdrawn").Optional().Nillable(),
		field.String("summary").Default(""),
		field.JSON("aliases", []string{}).Default([]string{}),
		field.String("severity"),
		field.Float("cvss").Default(0),
		field.Bool("malware").Default(false),
		field.Bytes("record"),
	}
}

// Finding is an advisory, licence or mismatch applied to one version.
type Finding struct{ ent.Schema }

// Annotations of the entity.
func (Finding) Annotations() []schema.Annotation { return table("findings") }

// Mixin of the entity.
func (Finding) Mixin() []ent.Mixin { return []ent.Mixin{Identified{}, Owned{}} }

// Fields of the entity.
func (Finding) Fields() []ent.Field {
	return []ent.Field{
		field.UUID("registry_id", uuid.UUID{}).Optional().Nillable().Immutable(),
		ecosystem(),
		field.String("name").Immutable(),
		field.String("version").Immutable(),
		field.Enum("kind").Values("VULNERABILITY", "MALWARE", "LICENSE", "CONTENT_MISMATCH", "DIGEST_MISMATCH").Immutable(),
		field.String("reference").Immutable(),
		field.String("severity"),
		field.JSON("details", json.RawMessage{}).Default(json.RawMessage("{}")),
		field.Time("opened_at").Immutable(),
		field.Time("acknowledged_at").Optional().Nillable(),
		field.String("acknowledged_by").Default(""),
		field.Time("closed_at").Optional().Nillable(),
	}
}

// Decision is a recorded answer of the gate (law P4, F2).
type Decision struct{ ent.Schema }

// Annotations of the entity.
func (Decision) Annotations() []schema.Annotation { return table("decisions") }

// Mixin of the entity.
func (Decision) Mixin() []ent.Mixin { return []ent.Mixin{Owned{}} }

// Fields of the entity.
func (Decision) Fields() []ent.Field {
	return []ent.Field{
		field.String("id").Immutable(),
		field.Time("at").Immutable(),
		field.UUID("registry_id", uuid.UUID{}).Immutable(),
		field.UUID("token_id", uuid.UUID{}).Immutable(),
		ecosystem(),
		field.String("name").Immutable(),
		field.String("version").Immutable(),
		field.String("channel").Immutable(),
		field.String("effect").Immutable(),
		field.UUID("rule_id", uuid.UUID{}).Optional().Nillable().Immutable(),
		field.JSON("decision", json.RawMessage{}).Immutable(),
		field.Time("snapshot_at").Optional().Nillable().Immutable(),
		field.Int("count").Default(1),
		field.Time("last_at").Default(time.Now),
	}
}

// AuditEvent is an append-only act of a person or a job.
type AuditEvent struct{ ent.Schema }

// Annotations of the entity.
func (AuditEvent) Annotations() []schema.Annotation { return table("audit_events") }

// Mixin of the entity.
func (AuditEvent) Mixin() []ent.Mixin { return []ent.Mixin{Identified{}, Owned{}} }

// Fields of the entity.
func (AuditEvent) Fields() []ent.Field {
	return []ent.Field{
		field.Time("at").Immutable(),
		field.String("actor_kind").Immutable(),
		field.UUID("actor_id", uuid.UUID{}).Optional().Nillable().Immutable(),
		field.UUID("token_id", uuid.UUID{}).Optional().Nillable().Immutable(),
		field.String("actor_name").Immutable(),
		field.String("ip").Default("").Immutable(),
		field.String("action").Immutable(),
		field.String("object_type").Immutable(),
		field.String("object_id").Immutable(),
		field.UUID("registry_id", uuid.UUID{}).Optional().Nillable().Immutable(),
		field.String("reason").Default("").Immutable(),
		field.JSON("before", json.RawMessage{}).Optional().Immutable(),
		field.JSON("after", json.RawMessage{}).Optional().Immutable(),
	}
}
