package npm

import (
	"bufio"
	"context"
	"encoding/hex"
	"errors"
	"io"
	"net/http"
	"strings"

	"sluice.dev/sluice/protocol"
	"sluice.dev/sluice/tenants/access"
	"sluice.dev/sluice/tenants/blob"
	"sluice.dev/sluice/tenants/catalog"
	"sluice.dev/sluice/tenants/errs"
	"sluice.dev/sluice/tenants/intake"
)

// put answers PUT /{pkg}: a body with a tarball publishes a version, one without
// changes what the registry says of the package.
func (h *Handler) put(w http.ResponseWriter, r *http.Request, t protocol.Target, p params) {
	if err := h.Access.Write(r.Context(), access.VersionPublish, t.Registry, npmPackage(p.pkg)); err != nil {
		refuseBody(w, r, err)
		return
	}
	u := h.uploading(t, p.pkg)
	defer u.drop()
	err := u.read(r)
	switch {
	case err != nil:
	case u.body.Tarball == nil && u.body.Bundle == nil:
		err = h.change(r.Context(), t, p.pkg, u.body)
	default:
		var in intake.PublishInput
		if in, err = u.store(r.Context()); err == nil {
			_, err = h.Intake.Publish(r.Context(), in)
			err = existing(err, in.Version)
		}
	}
	if err != nil {
		refuseBody(w, r, err)
		return
	}
	done(w, r, http.StatusCreated, [2]string{"id", p.pkg})
}

// upload is a version that is coming in. Nothing of it stays unless store has
// returned without an error.
type upload struct {
	h        *Handler
	t        protocol.Target
	pkg      string
	body     *body
	contents *contents
	pending  *blob.Pending
	stored   bool
}

func (h *Handler) uploading(t protocol.Target, pkg string) *upload {
	return &upload{h: h, t: t, pkg: pkg}
}

// read reads the body; the tarball goes to the blob store and through the
// inspection at once, and is not kept in memory (F3).
func (u *upload) read(r *http.Request) error {
	from, err := jsonBody(r)
	if err != nil {
		return err
	}
	ctx := r.Context()
	u.body, err = readBody(from, u.pkg, arrivals{
		version: func(v string) error {
			return existing(u.h.Intake.Check(ctx, u.t.Registry, u.pkg, v), v)
		},
		tarball: func(data io.Reader) error { return u.receive(ctx, data) },
	})
	return err
}

func (u *upload) receive(ctx context.Context, data io.Reader) (err error) {
	limit := u.h.MaxTarball
	if limit == 0 {
		limit = MaxTarball
	}
	if u.pending, err = u.h.Blobs.Create(ctx, limit); err != nil {
		return err
	}
	// Base64 comes out in small pieces, and each write costs a system call.
	out := bufio.NewWriterSize(u.pending, 256<<10)
	if u.contents, err = inspect(io.TeeReader(data, out), usual); err != nil {
		return err
	}
	return out.Flush()
}

// drop throws away what came, unless it was stored.
func (u *upload) drop() {
	if u.pending != nil && !u.stored {
		u.pending.Abort(errs.New(errs.Invalid, opPublish, "the version was refused"))
	}
}

// existing says about a version that the registry has what npm's registry says,
// which clients look for, and refuses a spent number with the same status.
func existing(err error, version string) error {
	switch {
	case errors.Is(err, intake.ErrSpent):
		return errs.Wrap(err, errs.Forbidden, opPublish, "%s", errs.Public(err)).On("version")
	case !errors.Is(err, intake.ErrExists):
		return err
	}
	return errs.Wrap(err, errs.Forbidden, opPublish, "You cannot publish over the previously published versions: %s", version).On("version")
}

// store checks what came and makes its bytes durable (F4).
func (u *upload) store(ctx context.Context) (in intake.PublishInput, err error) {
	pub, err := u.body.publication(u.pkg, u.contents)
	if err != nil {
		return in, err
	}
	return u.keep(ctx, pub)
}

// keep makes the bytes of a publication durable.
func (u *upload) keep(ctx context.Context, pub *publication) (in intake.PublishInput, err error) {
	info, err := u.pending.Commit(ctx, pub.declared)
	var other *blob.Mismatch
	if errors.As(err, &other) {
		return in, mismatch(other)
	}
	if err != nil {
		return in, err
	}
	u.stored = true
	files := []catalog.StoredFile{{Name: FileName(pub.pkg, pub.version), Blob: stored(info)}}
	if pub.bundle != nil {
		b, err := u.h.Blobs.Put(ctx, strings.NewReader(pub.bundle.text), maxBundle)
		if err != nil {
			return in, err
		}
		files = append(files, catalog.StoredFile{Name: bundleName(pub.pkg, pub.version), Blob: stored(b)})
	}
	by := author(ctx)
	metadata, err := pub.metadata(info, by)
	if err != nil {
		return in, err
	}
	listed, err := (*Protocol)(nil).DecodeVersion(pub.pkg, metadata)
	if err != nil {
		return in, errs.Wrap(err, errs.Internal, opPublish, "what was to be kept of %s@%s cannot be read", pub.pkg, pub.version)
	}
	return intake.PublishInput{
		Registry: u.t.Registry, Name: pub.pkg, Version: pub.version, License: listed.License, Metadata: metadata,
		Files: files, Tags: pub.tags, Maintainer: by, About: about(pub.manifest),
	}, nil
}

func stored(i blob.Info) catalog.Blob {
	return catalog.Blob{
		SHA256: i.Digest.String(), SHA512: hex.EncodeToString(i.SHA512[:]),
		SHA1: hex.EncodeToString(i.SHA1[:]), MD5: hex.EncodeToString(i.MD5[:]), Size: i.Size,
	}
}
