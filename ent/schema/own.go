package schema

import (
	"entgo.io/ent"
	"entgo.io/ent/schema"
	"entgo.io/ent/schema/field"
	"github.com/google/uuid"

	"sluice.dev/sluice/tenants/coord"
)

// OwnedName says that a name is owned as seen from a registry, and below it
// (law O3).
type OwnedName struct{ ent.Schema }

// Annotations of the entity.
func (OwnedName) Annotations() []schema.Annotation { return table("owned_names") }

// Mixin of the entity.
func (OwnedName) Mixin() []ent.Mixin { return []ent.Mixin{Identified{}, Owned{}} }

// Fields of the entity.
func (OwnedName) Fields() []ent.Field {
	return []ent.Field{
		field.UUID("registry_id", uuid.UUID{}).Immutable(),
		ecosystem(),
		field.String("name").Immutable(),
		field.Time("owned_since").Immutable(),
		field.Time("lifted_at").Optional().Nillable(),
		field.String("lift_reason").Default(""),
	}
}

// NameSwitch is the override of what ownership says about a name in a registry
// (law O5).
type NameSwitch struct{ ent.Schema }

// Annotations of the entity.
func (NameSwitch) Annotations() []schema.Annotation { return table("name_switches") }

// Mixin of the entity.
func (NameSwitch) Mixin() []ent.Mixin { return []ent.Mixin{Identified{}, Owned{}} }

// Fields of the entity.
func (NameSwitch) Fields() []ent.Field {
	return []ent.Field{
		field.UUID("registry_id", uuid.UUID{}).Immutable(),
		ecosystem(),
		field.String("name").Immutable(),
		field.Enum("publish").Values("ALLOW", "BLOCK").Optional().Nillable(),
		field.Enum("upstream").Values("ALLOW", "BLOCK").Optional().Nillable(),
		field.String("reason"),
		field.Time("updated_at"),
	}
}

// OwnPackage is what a registry says about a package besides its versions.
type OwnPackage struct{ ent.Schema }

// Annotations of the entity.
func (OwnPackage) Annotations() []schema.Annotation { return table("own_packages") }

// Mixin of the entity.
func (OwnPackage) Mixin() []ent.Mixin { return []ent.Mixin{Identified{}, Owned{}} }

// Fields of the entity.
func (OwnPackage) Fields() []ent.Field {
	return []ent.Field{
		field.UUID("registry_id", uuid.UUID{}).Immutable(),
		field.UUID("package_id", uuid.UUID{}).Immutable(),
		field.Int64("revision").Default(1),
		field.JSON("maintainers", []coord.Person{}).Default([]coord.Person{}),
		field.JSON("stars", []string{}).Default([]string{}),
		field.Time("created_at").Immutable(),
		field.Time("updated_at"),
	}
}

// SpentVersion is a version that was published in a registry and deleted there;
// nobody can publish it again.
type SpentVersion struct{ ent.Schema }

// Annotations of the entity.
func (SpentVersion) Annotations() []schema.Annotation { return table("spent_versions") }

// Mixin of the entity.
func (SpentVersion) Mixin() []ent.Mixin { return []ent.Mixin{Identified{}, Owned{}} }

// Fields of the entity.
func (SpentVersion) Fields() []ent.Field {
	return []ent.Field{
		field.UUID("registry_id", uuid.UUID{}).Immutable(),
		field.UUID("package_id", uuid.UUID{}).Immutable(),
		field.String("version").Immutable(),
		field.Time("deleted_at").Immutable(),
	}
}

// Deprecation is what a registry says against the use of a version; the empty
// message takes back what an upstream says.
type Deprecation struct{ ent.Schema }

// Annotations of the entity.
func (Deprecation) Annotations() []schema.Annotation { return table("deprecations") }

// Mixin of the entity.
func (Deprecation) Mixin() []ent.Mixin { return []ent.Mixin{Identified{}, Owned{}} }

// Fields of the entity.
func (Deprecation) Fields() []ent.Field {
	return []ent.Field{
		field.UUID("registry_id", uuid.UUID{}).Immutable(),
		field.UUID("package_id", uuid.UUID{}).Immutable(),
		field.String("version").Immutable(),
		field.String("message"),
		field.Time("updated_at"),
	}
}

// StagedVersion waits for a person's approval before it is published.
type StagedVersion struct{ ent.Schema }

// Annotations of the entity.
func (StagedVersion) Annotations() []schema.Annotation { return table("staged_versions") }

// Mixin of the entity.
func (StagedVersion) Mixin() []ent.Mixin { return []ent.Mixin{Identified{}, Owned{}} }

// Fields of the entity. The digests are of durable bytes: the primary file's
// and, if there is one, the provenance bundle's.
func (StagedVersion) Fields() []ent.Field {
	return []ent.Field{
		field.UUID("registry_id", uuid.UUID{}).Immutable(),
		field.String("name").Immutable(),
		field.String("version").Immutable(),
		field.String("file").Immutable(),
		field.String("sha256").Immutable(),
		field.String("bundle_file").Default("").Immutable(),
		field.String("bundle").Optional().Nillable().Immutable(),
		field.Bytes("metadata").Immutable(),
		field.String("license").Default("").Immutable(),
		field.String("license_state").Immutable(),
		field.String("about").Default("").Immutable(),
		field.JSON("maintainer", coord.Person{}).Default(coord.Person{}).Immutable(),
		field.JSON("tags", []string{}).Default([]string{}).Immutable(),
		field.String("staged_by").Immutable(),
		field.Time("staged_at").Immutable(),
		field.Time("ended_at").Optional().Nillable(),
		field.String("outcome").Default(""),
	}
}

// Pull brings many versions in: what a lock file names.
type Pull struct{ ent.Schema }

// Annotations of the entity.
func (Pull) Annotations() []schema.Annotation { return table("pulls") }

// Mixin of the entity.
func (Pull) Mixin() []ent.Mixin { return []ent.Mixin{Identified{}, Owned{}} }

// Fields of the entity.
func (Pull) Fields() []ent.Field {
	return []ent.Field{
		field.UUID("registry_id", uuid.UUID{}).Immutable(),
		field.String("source").Immutable(),
		field.String("pulled_by").Immutable(),
		field.Time("started_at").Immutable(),
		field.Time("ended_at").Optional().Nillable(),
	}
}

// PullItem is one version of a pull.
type PullItem struct{ ent.Schema }

// Annotations of the entity.
func (PullItem) Annotations() []schema.Annotation { return table("pull_items") }

// Mixin of the entity.
func (PullItem) Mixin() []ent.Mixin { return []ent.Mixin{Identified{}, Owned{}} }

// Fields of the entity.
func (PullItem) Fields() []ent.Field {
	return []ent.Field{
		field.UUID("pull_id", uuid.UUID{}).Immutable(),
		field.String("name").Immutable(),
		field.String("version").Immutable(),
		field.Enum("state").Values("WAITING", "HELD", "REFUSED", "FAILED").Default("WAITING"),
		field.String("reason").Default(""),
	}
}
