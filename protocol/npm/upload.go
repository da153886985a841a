package npm

import (
	"context"
	"io"

	"github.com/google/uuid"

	"sluice.dev/sluice/protocol"
	"sluice.dev/sluice/tenants/blob"
	"sluice.dev/sluice/tenants/coord"
	"sluice.dev/sluice/tenants/errs"
	"sluice.dev/sluice/tenants/intake"
)

// Upload reads a tarball that comes alone, such as `npm pack` makes one: what it
// is the tarball itself says. It is inspected and stored as in a publish, and
// what is returned is to be published by whoever called; nobody's right to do so
// is checked here. Tags are those that shall point at the version.
func (h *Handler) Upload(ctx context.Context, registry uuid.UUID, tarball io.Reader, tags []string) (in intake.PublishInput, err error) {
	u := h.uploading(protocol.Target{Registry: registry}, "")
	defer u.drop()
	if err := u.receive(ctx, tarball); err != nil {
		return in, err
	}
	pub := &publication{manifest: []byte(u.contents.packageJSON), contents: u.contents, tags: tags, declared: blob.Declared{Size: blob.SizeUnknown}}
	if pub.pkg, err = coord.NormalizeName(coord.NPM, u.contents.name); err != nil {
		return in, errs.Wrap(err, errs.Invalid, opPublish, "package.json in the tarball has a name that cannot be used: %v", err).On("file")
	}
	if pub.version, err = coord.NormalizeVersion(coord.NPM, u.contents.version); err != nil {
		return in, errs.Wrap(err, errs.Invalid, opPublish, "package.json in the tarball has a version that cannot be used: %v", err).On("file")
	}
	if err := h.Intake.Check(ctx, registry, pub.pkg, pub.version); err != nil {
		return in, err
	}
	return u.keep(ctx, pub)
}
