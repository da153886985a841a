package graph

import (
	"context"
	"strings"

	"github.com/google/uuid"

	"sluice.dev/sluice/ent"
	"sluice.dev/sluice/ent/db"
	"sluice.dev/sluice/graph/api"
	"sluice.dev/sluice/tenants/access"
	"sluice.dev/sluice/tenants/audit"
	"sluice.dev/sluice/tenants/catalog"
	"sluice.dev/sluice/tenants/coord"
	"sluice.dev/sluice/tenants/errs"
	"sluice.dev/sluice/tenants/finding"
	"sluice.dev/sluice/tenants/intake"
)

// find returns the object of an id, whoever asks, as a pointer. It is NotFound
// when there is none, or when it is of another type than wanted ("" = any).
func (r *resolver) find(ctx context.Context, id api.ID, typ string) (any, error) {
	if typ == "" {
		typ = id.Type
	}
	if id.Type == "" || id.Type != typ {
		return nil, notFound(typ)
	}
	obj, err := r.lookup(ctx, id)
	if errs.Is(err, errs.NotFound) || err == nil && obj == nil {
		return nil, notFound(typ)
	}
	return obj, err
}

// lookup returns nil for what does not exist.
func (r *resolver) lookup(ctx context.Context, id api.ID) (any, error) {
	l := from(ctx)
	switch id.Type {
	case "Registry":
		return there(l.registry.Load(ctx, id.UUID))
	case "Remote":
		return there(l.remote.Load(ctx, id.UUID))
	case "Upstream":
		return there(l.upstream.Load(ctx, id.UUID))
	case "Hold":
		return there(l.hold.Load(ctx, id.UUID))
	case "Tombstone":
		return there(l.tombstone.Load(ctx, id.UUID))
	case "Cascade":
		return there(l.cascade.Load(ctx, id.UUID))
	case "Package", "Version":
		return r.lookupIn(ctx, id)
	}
	return r.lookupOther(ctx, id)
}

// lookupIn finds a package or a version in a registry. Names that nobody could
// have been given are none, and reach no source.
func (r *resolver) lookupIn(ctx context.Context, id api.ID) (any, error) {
	reg, err := from(ctx).registry.Load(ctx, id.UUID)
	if err != nil || reg == nil {
		return nil, err
	}
	name, version, has := strings.Cut(id.Text, "\n")
	if normal, err := coord.NormalizeName(reg.Ecosystem, name); err != nil || normal != name || has != (id.Type == "Version") {
		return nil, nil
	}
	if !has {
		return r.packageAt(ctx, reg.ID, name)
	}
	if normal, err := coord.NormalizeVersion(reg.Ecosystem, version); err != nil || normal != version {
		return nil, nil
	}
	return r.versionAt(ctx, reg.ID, name, version)
}

func (r *resolver) lookupOther(ctx context.Context, id api.ID) (any, error) {
	l := from(ctx)
	switch id.Type {
	case "Rule":
		rule, err := l.rule.Load(ctx, id.UUID)
		return orNone(&rule, rule.ID, err)
	case "Member":
		m, err := l.member.Load(ctx, id.UUID)
		return orNone(&m, m.ID, err)
	case "Token":
		t, err := l.token.Load(ctx, id.UUID)
		return orNone(&t, t.ID, err)
	case "TrustRule":
		t, err := l.trustRule.Load(ctx, id.UUID)
		return orNone(&t, t.ID, err)
	case "Organization":
		o, err := r.Orgs.Get(ctx)
		if o.ID != id.UUID {
			return nil, err
		}
		return &o, err
	case "Advisory":
		a, err := r.Advisories.Get(ctx, id.Text)
		return &a, err
	case "Pull":
		return there(read(ctx, r, func(ctx context.Context, tx *db.Tx) (*ent.Pull, error) { return intake.PullByID(ctx, tx, id.UUID) }))
	case "StagedVersion":
		return r.stagedVersion(ctx, id)
	case "Finding":
		return there(read(ctx, r, func(ctx context.Context, tx *db.Tx) (*ent.Finding, error) { return finding.ByID(ctx, tx, id.UUID) }))
	case "Scan":
		return there(read(ctx, r, func(ctx context.Context, tx *db.Tx) (*finding.Scan, error) { return finding.ScanByID(ctx, tx, id.UUID) }))
	case "AdvisoryImport":
		return there(r.importByID(ctx, id.UUID))
	case "AuditEvent":
		return there(read(ctx, r, func(ctx context.Context, tx *db.Tx) (*ent.AuditEvent, error) {
			return audit.EventByID(ctx, tx, id.UUID)
		}))
	case "Decision":
		return there(read(ctx, r, func(ctx context.Context, tx *db.Tx) (*audit.Recorded, error) {
			return audit.RecordedByID(ctx, tx, id.Text)
		}))
	}
	if obj, err := lookupPeople(ctx, id); obj != nil || err != nil {
		return obj, err
	}
	return r.lookupLogin(ctx, id)
}

// there keeps a nil pointer from becoming an object.
func there[T any](p *T, err error) (any, error) {
	if p == nil || err != nil {
		return nil, err
	}
	return p, nil
}

func orNone(obj any, id uuid.UUID, err error) (any, error) {
	if err != nil || id == uuid.Nil {
		return nil, err
	}
	return obj, nil
}

// seen is what it takes to see an object of a type by its id.
type seen struct {
	by       access.Action
	anywhere bool
}

// see returns the object of an id to somebody who may see it. To others who
// cannot see its registry it does not exist.
func (r *resolver) see(ctx context.Context, id api.ID, typ string) (any, error) {
	need := r.seen[id.Type]
	if access.Of(ctx).IsAnonymous() {
		return nil, r.require(ctx, access.OrganizationRead, uuid.Nil)
	}
	if id.Type == "Package" || id.Type == "Version" {
		// Looking for one may ask a remote, which nobody else shall cause.
		if err := r.require(ctx, need.by, id.UUID); err != nil {
			return nil, hidden(err, id.Type)
		}
	}
	obj, err := r.find(ctx, id, typ)
	if err != nil {
		return nil, err
	}
	if t, ok := obj.(*access.Token); ok && t.MemberID != uuid.Nil && t.MemberID == access.Of(ctx).MemberID {
		return obj, nil // one's own
	}
	if _, ok := obj.(*access.RoleGrant); ok {
		if may, err := r.may(ctx, access.MemberRead); err != nil || may {
			return obj, err
		}
	}
	if isOwn(access.Of(ctx), obj) {
		return obj, nil
	}
	if _, ok := obj.(*access.TrustRule); ok {
		return obj, nil // others than those who may see it do not find it
	}
	if need.anywhere {
		_, err = r.reaching(ctx, need.by, true)
		return obj, err
	}
	if err = r.require(ctx, need.by, registryOf(obj)); err == nil {
		return obj, nil
	}
	if errs.Is(err, errs.Forbidden) && registryOf(obj) == uuid.Nil {
		return nil, notFound(id.Type)
	}
	return nil, hidden(err, id.Type)
}

// hidden tells of an object in a registry that may not be known what is told of
// one that does not exist.
func hidden(err error, typ string) error {
	if errs.Is(err, errs.NotFound) {
		return notFound(typ)
	}
	return err
}

// object is see for a type that the caller knows.
func object[T any](ctx context.Context, r *resolver, id api.ID, typ string) (*T, error) {
	obj, err := r.see(ctx, id, typ)
	if err != nil {
		return nil, err
	}
	return obj.(*T), nil
}

// anyRegistry returns a registry, deleted or not, whoever asks; never nil
// without an error.
func (r *resolver) anyRegistry(ctx context.Context, id uuid.UUID) (*ent.Registry, error) {
	reg, err := from(ctx).registry.Load(ctx, id)
	if err == nil && reg == nil {
		err = notFound("Registry")
	}
	return reg, err
}

// visibleRegistry returns a registry, or nil when the subject may not see it.
func (r *resolver) visibleRegistry(ctx context.Context, id uuid.UUID) (*ent.Registry, error) {
	if id == uuid.Nil {
		return nil, nil
	}
	may, err := r.Access.Reads(ctx, access.Of(ctx), id)
	if err != nil || !may {
		return nil, err
	}
	return from(ctx).registry.Load(ctx, id)
}

// visibleRegistries returns those of the registries that the subject may see
// and that are not deleted, in the same order.
func (r *resolver) visibleRegistries(ctx context.Context, ids []uuid.UUID) ([]*ent.Registry, error) {
	var may []uuid.UUID
	for _, id := range ids {
		ok, err := r.Access.Reads(ctx, access.Of(ctx), id)
		if err != nil {
			return nil, err
		}
		if ok {
			may = append(may, id)
		}
	}
	rows, err := from(ctx).registry.LoadAll(ctx, may)
	if err != nil {
		return nil, err
	}
	out := make([]*ent.Registry, 0, len(rows))
	for _, reg := range rows {
		if reg != nil && reg.DeletedAt == nil {
			out = append(out, reg)
		}
	}
	return out, nil
}

// packageAt returns a package that a registry holds, nil when it holds none of
// that name, which must be normalized.
func (r *resolver) packageAt(ctx context.Context, registry uuid.UUID, name string) (any, error) {
	reg, err := r.anyRegistry(ctx, registry)
	if err != nil {
		return nil, err
	}
	p, err := r.heldPackage(ctx, catalog.At{Registry: registry, Package: coord.Package{Ecosystem: reg.Ecosystem, Name: name}})
	if err != nil || p.VersionCount == 0 {
		return nil, err
	}
	return p, nil
}

// heldPackage returns a package as a registry has it, held or not.
func (r *resolver) heldPackage(ctx context.Context, at catalog.At) (*api.Package, error) {
	versions, err := from(ctx).versions.Load(ctx, at)
	if err != nil {
		return nil, err
	}
	p := &api.Package{At: at, VersionCount: len(versions)}
	for _, v := range versions {
		if p.LastHeldAt == nil || v.HeldAt.After(*p.LastHeldAt) {
			p.LastHeldAt = &v.HeldAt
		}
	}
	return p, nil
}

// versionAt returns a version as a registry sees it, held or not; NotFound when
// no source lists it. Name and version must be normalized.
func (r *resolver) versionAt(ctx context.Context, registry uuid.UUID, name, version string) (any, error) {
	reg, err := r.anyRegistry(ctx, registry)
	if err != nil {
		return nil, err
	}
	v := coord.Version{Package: coord.Package{Ecosystem: reg.Ecosystem, Name: name}, Version: version}
	held, err := from(ctx).versions.Load(ctx, catalog.At{Registry: registry, Package: v.Package})
	if err != nil {
		return nil, err
	}
	for i := range held {
		if held[i].Version == v {
			return heldVersion(held[i]), nil
		}
	}
	e, err := r.Gate.Explain(ctx, registry, v)
	if err != nil {
		return nil, err
	}
	told := api.Explanation{Explanation: e}
	return &api.Version{Version: v, Registry: registry, Origin: e.Origin, PublishedAt: told.PublishedAt(), PublishedFrom: told.PublishedFrom()}, nil
}

func heldVersion(h catalog.HeldVersion) *api.Version {
	arrival, from := api.Arrival(h.How), api.PublishedFrom(h.PublishedFrom)
	return &api.Version{Version: h.Version, Registry: h.Registry, Release: h.Release, HeldAt: &h.HeldAt, Arrival: &arrival, Origin: h.Origin,
		PublishedAt: &h.Published, PublishedFrom: &from, Digest: &h.Digest, License: &h.License}
}
