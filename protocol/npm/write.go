package npm

import (
	"context"
	"io"

	"github.com/google/uuid"

	"sluice.dev/sluice/tenants/access"
	"sluice.dev/sluice/tenants/blob"
	"sluice.dev/sluice/tenants/coord"
	"sluice.dev/sluice/tenants/errs"
	"sluice.dev/sluice/tenants/intake"
)

// Intake is the write gate as the handlers use it (F7); package intake says
// what each method promises.
type Intake interface {
	Check(ctx context.Context, registry uuid.UUID, name, version string) error
	Publish(ctx context.Context, in intake.PublishInput) (coord.Version, error)
	Own(ctx context.Context, registry uuid.UUID, name string) (intake.Own, error)
	SetTag(ctx context.Context, registry uuid.UUID, name, tag, version string) error
	RemoveTag(ctx context.Context, registry uuid.UUID, name, tag string) error
	Deprecate(ctx context.Context, registry uuid.UUID, name, revision string, messages map[string]string) error
	Unpublish(ctx context.Context, registry uuid.UUID, name, revision string, versions []string) error
	UnpublishPackage(ctx context.Context, registry uuid.UUID, name, revision string) error
	SetMaintainers(ctx context.Context, registry uuid.UUID, name, revision string, people []coord.Person) error
	Star(ctx context.Context, registry uuid.UUID, name, who string, on bool) error
	// Starred lists the packages of a registry that somebody has starred, by
	// name.
	Starred(ctx context.Context, registry uuid.UUID, who string) ([]string, error)
	Stage(ctx context.Context, in intake.PublishInput, by string) (uuid.UUID, error)
	Staged(ctx context.Context, q intake.StagedQuery) ([]intake.Staged, int, error)
	StagedOne(ctx context.Context, registry, id uuid.UUID) (intake.Staged, error)
	Approve(ctx context.Context, registry, id uuid.UUID, by string) (coord.Version, error)
	Drop(ctx context.Context, registry, id uuid.UUID, by string) error
}

var _ Intake = (*intake.Service)(nil)

// Access decides whether the context's subject may change a package.
type Access interface {
	// Write returns nil, or the error to answer with.
	Write(ctx context.Context, a access.Action, registry uuid.UUID, pkg coord.Package) error
}

var _ Access = (*access.Service)(nil)

// Blobs keeps the bytes of what is published, before the rows that name them
// (F4).
type Blobs interface {
	Create(ctx context.Context, limit int64) (*blob.Pending, error)
	Put(ctx context.Context, r io.Reader, limit int64) (blob.Info, error)
	Open(ctx context.Context, d blob.Digest) (*blob.Blob, error)
}

// Members finds people by the name that npm knows them by.
type Members interface {
	// MemberByEmail returns NotFound for nobody.
	MemberByEmail(ctx context.Context, email string) (access.Member, error)
}

var _ Members = (*access.Service)(nil)

// MaxTarball is how large a tarball may be that is published, in bytes, unless
// the handler says otherwise (F3).
const MaxTarball = 2 << 30

// mayAny returns nil when the subject has one of the rights, else what is wrong
// with the first.
func (h *Handler) mayAny(ctx context.Context, registry uuid.UUID, pkg coord.Package, actions ...access.Action) (err error) {
	for _, a := range actions {
		e := h.Access.Write(ctx, a, registry, pkg)
		if e == nil {
			return nil
		}
		if err == nil {
			err = e
		}
		if !errs.Is(e, errs.Forbidden) {
			return err
		}
	}
	return err
}

// author is the subject as package documents name it: members by their e-mail
// address, which is also what whoami answers, tokens of services by their name.
func author(ctx context.Context) coord.Person {
	who := access.Of(ctx)
	switch {
	case who.IsAnonymous():
		return coord.Person{}
	case who.Kind == access.KindMember:
		return coord.Person{Name: who.Name, Email: who.Name}
	}
	return coord.Person{Name: who.Name}
}
