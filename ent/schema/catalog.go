package schema

import (
	"time"

	"entgo.io/ent"
	"entgo.io/ent/schema"
	"entgo.io/ent/schema/edge"
	"entgo.io/ent/schema/field"
	"github.com/google/uuid"

	"sluice.dev/sluice/tenants/coord"
)

// Blob is a set of durable bytes. It belongs to no organization: who may read
// it is decided by the files that name it (law T4).
type Blob struct{ ent.Schema }

// Annotations of the entity.
func (Blob) Annotations() []schema.Annotation { return table("blobs") }

// Fields of the entity. The id is the SHA-256; digests are lower-case hex.
func (Blob) Fields() []ent.Field {
	return []ent.Field{
		field.String("id").StorageKey("sha256").Immutable(),
		field.String("sha512").Immutable(),
		field.String("sha1").Immutable(),
		field.String("md5").Immutable(),
		field.Int64("size").Immutable(),
		field.Time("created_at").Immutable(),
	}
}

// PackageName is a package: a name in an ecosystem, normalized.
type PackageName struct{ ent.Schema }

// Annotations of the entity.
func (PackageName) Annotations() []schema.Annotation { return table("package_names") }

// Mixin of the entity.
func (PackageName) Mixin() []ent.Mixin { return []ent.Mixin{Identified{}, Owned{}} }

// Fields of the entity.
func (PackageName) Fields() []ent.Field {
	return []ent.Field{
		ecosystem(),
		field.String("name").Immutable(),
		field.String("about").Default(""),
		field.Time("created_at").Immutable(),
	}
}

// Edges of the entity.
func (PackageName) Edges() []ent.Edge {
	return []ent.Edge{edge.To("versions", PackageVersion.Type), edge.To("holdings", Holding.Type)}
}

// PackageVersion is one release with one set of bytes. Registries hold it; the
// same coordinates with other bytes are another row (law O6).
type PackageVersion struct{ ent.Schema }

// Annotations of the entity.
func (PackageVersion) Annotations() []schema.Annotation { return table("package_versions") }

// Mixin of the entity.
func (PackageVersion) Mixin() []ent.Mixin { return []ent.Mixin{Identified{}, Owned{}} }

// Fields of the entity.
func (PackageVersion) Fields() []ent.Field {
	return []ent.Field{
		field.UUID("package_id", uuid.UUID{}).Immutable(),
		field.String("version").Immutable(),
		field.String("digest").Immutable(),
		field.String("origin").GoType(coord.Origin("")).Immutable(),
		field.UUID("remote_id", uuid.UUID{}).Optional().Nillable().Immutable(),
		field.Time("published_at").Immutable(),
		field.Enum("published_from").Values("SOURCE", "FIRST_SEEN", "PUBLISH").Immutable(),
		field.String("license").Default(""),
		field.String("license_state"),
		field.Bytes("metadata"),
		field.Time("created_at").Immutable(),
	}
}

// Edges of the entity.
func (PackageVersion) Edges() []ent.Edge {
	return []ent.Edge{
		edge.From("package", PackageName.Type).Ref("versions").Field("package_id").Unique().Required().Immutable(),
		edge.To("files", VersionFile.Type),
		edge.To("holdings", Holding.Type),
	}
}

// VersionFile is one downloadable of a version.
type VersionFile struct{ ent.Schema }

// Annotations of the entity.
func (VersionFile) Annotations() []schema.Annotation { return table("version_files") }

// Mixin of the entity.
func (VersionFile) Mixin() []ent.Mixin { return []ent.Mixin{Identified{}, Owned{}} }

// Fields of the entity.
func (VersionFile) Fields() []ent.Field {
	return []ent.Field{
		field.UUID("version_id", uuid.UUID{}).Immutable(),
		field.String("name").Immutable(),
		field.Int("position").Default(0).Immutable(),
		field.String("sha256").Immutable(),
		field.Int64("size").Immutable(),
		field.String("source_url").Default("").Immutable(),
	}
}

// Edges of the entity.
func (VersionFile) Edges() []ent.Edge {
	return []ent.Edge{edge.From("version", PackageVersion.Type).Ref("files").Field("version_id").Unique().Required().Immutable()}
}

// Holding says that a registry holds a version, and how it got there.
type Holding struct{ ent.Schema }

// Annotations of the entity.
func (Holding) Annotations() []schema.Annotation { return table("holdings") }

// Mixin of the entity.
func (Holding) Mixin() []ent.Mixin { return []ent.Mixin{Identified{}, Owned{}} }

// Fields of the entity.
func (Holding) Fields() []ent.Field {
	return []ent.Field{
		field.UUID("registry_id", uuid.UUID{}).Immutable(),
		field.UUID("package_id", uuid.UUID{}).Immutable(),
		field.String("version").Immutable(),
		field.UUID("version_id", uuid.UUID{}).Immutable(),
		field.JSON("path", []uuid.UUID{}).Default([]uuid.UUID{}).Immutable(),
		field.Enum("arrived").Values("FETCH", "PUBLISH", "PUSH", "PULL", "PROMOTE", "REVIEW").Immutable(),
		field.Time("held_at").Immutable(),
	}
}

// Edges of the entity.
func (Holding) Edges() []ent.Edge {
	return []ent.Edge{
		edge.From("registry", Registry.Type).Ref("holdings").Field("registry_id").Unique().Required().Immutable(),
		edge.From("package", PackageName.Type).Ref("holdings").Field("package_id").Unique().Required().Immutable(),
		edge.From("held", PackageVersion.Type).Ref("holdings").Field("version_id").Unique().Required().Immutable(),
	}
}

// DistTag is a tag of a package in a registry, such as npm's latest.
type DistTag struct{ ent.Schema }

// Annotations of the entity.
func (DistTag) Annotations() []schema.Annotation { return table("dist_tags") }

// Mixin of the entity.
func (DistTag) Mixin() []ent.Mixin { return []ent.Mixin{Identified{}, Owned{}} }

// Fields of the entity.
func (DistTag) Fields() []ent.Field {
	return []ent.Field{
		field.UUID("registry_id", uuid.UUID{}).Immutable(),
		field.UUID("package_id", uuid.UUID{}).Immutable(),
		field.String("tag").Immutable(),
		field.String("version"),
		field.Time("updated_at"),
	}
}

// RemoteDocument is the last document that a remote gave for a name (law R3).
type RemoteDocument struct{ ent.Schema }

// Annotations of the entity.
func (RemoteDocument) Annotations() []schema.Annotation { return table("remote_documents") }

// Mixin of the entity.
func (RemoteDocument) Mixin() []ent.Mixin { return []ent.Mixin{Identified{}, Owned{}} }

// Fields of the entity.
func (RemoteDocument) Fields() []ent.Field {
	return []ent.Field{
		field.UUID("remote_id", uuid.UUID{}).Immutable(),
		field.String("name").Immutable(),
		field.String("sha256"),
		field.String("etag").Default(""),
		field.String("last_modified").Default(""),
		field.Time("fetched_at"),
		field.Time("checked_at"),
		field.JSON("first_seen", map[string]time.Time{}).Default(map[string]time.Time{}),
	}
}
