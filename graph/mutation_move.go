package graph

import (
	"context"
	"io"

	"github.com/google/uuid"

	"sluice.dev/sluice/graph/api"
	"sluice.dev/sluice/tenants/coord"
	"sluice.dev/sluice/tenants/errs"
	"sluice.dev/sluice/tenants/intake"
	"sluice.dev/sluice/tenants/registry"
)

// Uploads reads package files of one ecosystem.
type Uploads interface {
	// Upload reads a package file to its end, checks it as publishing does, stores
	// it, and returns what is to be published. It is Invalid or TooLarge when the
	// file is no package.
	Upload(ctx context.Context, registry uuid.UUID, file io.Reader, tags []string) (intake.PublishInput, error)
}

// Lockfiles reads what lock files of one ecosystem name.
type Lockfiles interface {
	// Read reads a file, which its name tells apart. It is Invalid, and says
	// where, when that cannot be done.
	Read(name string, text []byte) (Lockfile, error)
}

// Lockfile is what a lock file names.
type Lockfile struct {
	Format   string // for people
	Versions []intake.PullVersion
	Left     []*api.LeftEntry // what comes from no registry
}

// Bounds of a lock file in bytes, and of what is told of it.
const (
	maxLockfile = 16 << 20
	maxLeft     = 100
)

// PromoteVersion resolves the field; so do the methods below, each its own.
func (m mutations) PromoteVersion(ctx context.Context, in api.PromoteVersionInput) (*api.PromoteVersionPayload, error) {
	v, err := m.Intake.Promote(ctx, copyInput(in))
	made, wrong, err := m.versionNow(ctx, in.To.UUID, v, err)
	return &api.PromoteVersionPayload{Version: made, UserErrors: wrong}, err
}

func (m mutations) PushVersion(ctx context.Context, in api.PushVersionInput) (*api.PushVersionPayload, error) {
	v, err := m.Intake.Push(ctx, copyInput(api.PromoteVersionInput(in)))
	made, wrong, err := m.versionNow(ctx, in.To.UUID, v, err)
	return &api.PushVersionPayload{Version: made, UserErrors: wrong}, err
}

func copyInput(in api.PromoteVersionInput) intake.CopyInput {
	return intake.CopyInput{From: in.From.UUID, To: in.To.UUID, Name: in.Package, Version: in.Version, Tag: valueOf(in.Tag)}
}

func (m mutations) PullVersion(ctx context.Context, in api.PullVersionInput) (*api.PullVersionPayload, error) {
	v, err := m.Intake.Pull(ctx, in.Registry.UUID, in.Package, in.Version)
	made, wrong, err := m.versionNow(ctx, in.Registry.UUID, v, err)
	return &api.PullVersionPayload{Version: made, UserErrors: wrong}, err
}

func (m mutations) UploadVersion(ctx context.Context, in api.UploadVersionInput) (*api.UploadVersionPayload, error) {
	v, err := m.upload(ctx, in)
	made, wrong, err := m.versionNow(ctx, in.Registry.UUID, v, err)
	return &api.UploadVersionPayload{Version: made, UserErrors: wrong}, err
}

func (m mutations) upload(ctx context.Context, in api.UploadVersionInput) (v coord.Version, err error) {
	reg, err := m.anyRegistry(ctx, in.Registry.UUID)
	if err != nil {
		return v, err
	}
	reads := m.Uploads[reg.Ecosystem]
	if reads == nil {
		return v, errs.New(errs.Invalid, "graph", "files of %s cannot be uploaded yet", reg.Ecosystem).On("registry")
	}
	pub, err := reads.Upload(ctx, reg.ID, in.File, in.Tags)
	if err != nil {
		return v, err
	}
	return m.Intake.Publish(ctx, pub)
}

// versionNow returns a version as a registry has it after a change, or why there
// was none.
func (m mutations) versionNow(ctx context.Context, reg uuid.UUID, v coord.Version, err error) (*api.Version, []*api.UserError, error) {
	wrong, err := userErrors(err)
	if err != nil || len(wrong) > 0 {
		return nil, wrong, err
	}
	now, err := m.versionAt(m.fresh(ctx), reg, v.Name, v.Version)
	if err != nil {
		return nil, wrong, err
	}
	return now.(*api.Version), wrong, nil
}

func (m mutations) PullLockfile(ctx context.Context, in api.PullLockfileInput) (*api.PullLockfilePayload, error) {
	out := &api.PullLockfilePayload{Left: []*api.LeftEntry{}}
	file, err := m.lockfile(ctx, in)
	if err == nil {
		out.Left, out.LeftCount = append(out.Left, file.Left[:min(len(file.Left), maxLeft)]...), len(file.Left)
		out.Pull, err = m.Intake.StartPull(ctx, intake.PullInput{Registry: in.Registry.UUID, Source: file.Format, Versions: file.Versions})
	}
	out.UserErrors, err = userErrors(err)
	return out, err
}

func (m mutations) lockfile(ctx context.Context, in api.PullLockfileInput) (out Lockfile, err error) {
	reg, err := m.anyRegistry(ctx, in.Registry.UUID)
	if err != nil {
		return out, err
	}
	reads := m.Lockfiles[reg.Ecosystem]
	if reads == nil {
		return out, errs.New(errs.Invalid, "graph", "lock files of %s cannot be read yet", reg.Ecosystem).On("registry")
	}
	text, err := io.ReadAll(io.LimitReader(in.File, maxLockfile+1))
	switch {
	case err != nil:
		return out, errs.Wrap(err, errs.Invalid, "graph", "the file did not come to its end").On("file")
	case len(text) > maxLockfile:
		return out, errs.New(errs.Invalid, "graph", "the file has more than %d bytes, which is the limit", maxLockfile).On("file")
	}
	return reads.Read(in.File.Name, text)
}

func (m mutations) SetForwarding(ctx context.Context, in api.SetForwardingInput) (*api.SetForwardingPayload, error) {
	_, err := m.Registries.SetForwarding(ctx, in.Registry.UUID, registry.Forwarding{To: uuidOf(in.To), ReleasesOnly: in.ReleasesOnly})
	now, wrong, err := m.after(m.fresh(ctx), in.Registry.UUID, err)
	return &api.SetForwardingPayload{Registry: now, UserErrors: wrong}, err
}
