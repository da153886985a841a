package npm

import (
	"context"
	"net/http"
	"slices"

	"sluice.dev/sluice/protocol"
	"sluice.dev/sluice/tenants/access"
	"sluice.dev/sluice/tenants/errs"
	"sluice.dev/sluice/tenants/intake"
)

// opChange names what fails in changes of packages that publish nothing.
const opChange = "npm.change"

// writable answers GET /{pkg}?write=true: the document that a client reads
// before it changes the package, always fresh, for who may change it.
func (h *Handler) writable(w http.ResponseWriter, r *http.Request, t protocol.Target, p params) {
	err := h.mayAny(r.Context(), t.Registry, npmPackage(p.pkg), access.VersionPublish, access.VersionDelete)
	var own intake.Own
	var body []byte
	if err == nil {
		own, err = h.Intake.Own(r.Context(), t.Registry, p.pkg)
	}
	if err == nil {
		body, err = ownDocument(own, place(t))
	}
	if err != nil {
		protocol.Problem(w, r, err)
		return
	}
	answer(w, r, http.StatusOK, body)
}

// putRevision answers PUT /{pkg}/-rev/{rev}: a document without a version that
// the registry has unpublishes it, one of maintainers replaces these, and any
// other changes what PUT /{pkg} does.
func (h *Handler) putRevision(w http.ResponseWriter, r *http.Request, t protocol.Target, p params) {
	err := h.mayAny(r.Context(), t.Registry, npmPackage(p.pkg), access.VersionPublish, access.VersionDelete)
	if err == nil {
		err = h.replace(r, t, p)
	}
	if err != nil {
		refuseBody(w, r, err)
		return
	}
	done(w, r, http.StatusOK, [2]string{"id", p.pkg})
}

func (h *Handler) replace(r *http.Request, t protocol.Target, p params) error {
	from, err := jsonBody(r)
	if err != nil {
		return err
	}
	got, err := readBody(from, p.pkg, arrivals{version: func(string) error {
		return errs.New(errs.Invalid, opChange, "a version is published with PUT /%s, not at one of its revisions", wireName(p.pkg)).On("_attachments")
	}})
	switch {
	case err != nil:
		return err
	case got.Rev != "" && got.Rev != p.rev:
		return errs.New(errs.Invalid, opChange, "the path names the revision %.40s, but _rev in the body is %.40s", p.rev, got.Rev).On("_rev")
	}
	got.Rev = p.rev
	if !got.HasVersions {
		return h.change(r.Context(), t, p.pkg, got)
	}
	if len(got.Versions) == 0 {
		return errs.New(errs.Invalid, opChange, "the document has no version left; a whole package is unpublished with DELETE /%s/-rev/%.40s", wireName(p.pkg), p.rev).On("versions")
	}
	own, err := h.Intake.Own(r.Context(), t.Registry, p.pkg)
	if err != nil {
		return err
	}
	var gone []string
	for _, release := range own.Releases {
		if !slices.ContainsFunc(got.Versions, func(v bodyVersion) bool { return v.Version == release.Version }) {
			gone = append(gone, release.Version)
		}
	}
	if len(gone) == 0 {
		return h.change(r.Context(), t, p.pkg, got)
	}
	if err := h.Access.Write(r.Context(), access.VersionDelete, t.Registry, own.Package); err != nil {
		return err
	}
	return h.Intake.Unpublish(r.Context(), t.Registry, p.pkg, p.rev, gone)
}

// change does what a document without a tarball asks for. A document with
// versions changes their deprecations; its tags, maintainers and stars are not
// looked at, since clients send back what they have read of them, perhaps from
// the list that upstreams are merged into. One without versions sets the
// maintainers, or the sender's own star.
func (h *Handler) change(ctx context.Context, t protocol.Target, pkg string, got *body) error {
	if err := h.Access.Write(ctx, access.VersionPublish, t.Registry, npmPackage(pkg)); err != nil {
		return err
	}
	switch {
	case got.HasVersions:
		return h.deprecate(ctx, t, pkg, got)
	case got.HasPeople:
		return h.Intake.SetMaintainers(ctx, t.Registry, pkg, got.Rev, got.Maintainers)
	case got.HasUsers:
		me := author(ctx).Name
		return h.Intake.Star(ctx, t.Registry, pkg, me, slices.Contains(got.Users, me))
	}
	return errs.New(errs.Invalid, opChange, "the body changes nothing: it has none of versions, maintainers, users and _attachments")
}

func (h *Handler) deprecate(ctx context.Context, t protocol.Target, pkg string, got *body) error {
	own, err := h.Intake.Own(ctx, t.Registry, pkg)
	if err != nil {
		return err
	}
	messages := map[string]string{}
	known := false
	for _, v := range got.Versions {
		if !holds(own, v.Version) {
			continue // of an upstream's list
		}
		known = true
		if v.Deprecated != deprecation(own, v.Version) {
			messages[v.Version] = v.Deprecated
		}
	}
	if !known {
		return errs.New(errs.Invalid, opChange, "the registry holds none of the versions in the body, and a new one needs its tarball in _attachments").On("versions")
	}
	// Also without messages: the revision must be the current one.
	return h.Intake.Deprecate(ctx, t.Registry, pkg, got.Rev, messages)
}

// deletePackage answers DELETE /{pkg}/-rev/{rev}.
func (h *Handler) deletePackage(w http.ResponseWriter, r *http.Request, t protocol.Target, p params) {
	err := h.Access.Write(r.Context(), access.VersionDelete, t.Registry, npmPackage(p.pkg))
	if err == nil {
		// A package that is not there is not found, at whatever revision.
		_, err = h.Intake.Own(r.Context(), t.Registry, p.pkg)
	}
	if err == nil {
		err = h.Intake.UnpublishPackage(r.Context(), t.Registry, p.pkg, p.rev)
	}
	if err != nil {
		protocol.Problem(w, r, err)
		return
	}
	done(w, r, http.StatusOK)
}

// deleteTarball answers DELETE /{pkg}/-/{file}/-rev/{rev}. npm sends it behind
// the document without the version, when there is nothing left to delete.
func (h *Handler) deleteTarball(w http.ResponseWriter, r *http.Request, t protocol.Target, p params) {
	if err := h.unpublishFile(r.Context(), t, p); err != nil {
		protocol.Problem(w, r, err)
		return
	}
	done(w, r, http.StatusOK)
}

func (h *Handler) unpublishFile(ctx context.Context, t protocol.Target, p params) error {
	if err := h.Access.Write(ctx, access.VersionDelete, t.Registry, npmPackage(p.pkg)); err != nil {
		return err
	}
	version, ok := versionOf(p.pkg, p.rest)
	if !ok {
		return errs.New(errs.NotFound, opChange, "%.200q is no tarball of %s; they are named %s-{version}.tgz", p.rest, p.pkg, baseName(p.pkg))
	}
	own, err := h.Intake.Own(ctx, t.Registry, p.pkg)
	if errs.Is(err, errs.NotFound) || err == nil && !holds(own, version) {
		return nil
	}
	if err != nil {
		return err
	}
	return h.Intake.Unpublish(ctx, t.Registry, p.pkg, p.rev, []string{version})
}
