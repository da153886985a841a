package npm

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"strconv"
	"time"

	"github.com/google/uuid"

	"sluice.dev/sluice/protocol"
	"sluice.dev/sluice/tenants/access"
	"sluice.dev/sluice/tenants/blob"
	"sluice.dev/sluice/tenants/coord"
	"sluice.dev/sluice/tenants/errs"
	"sluice.dev/sluice/tenants/gate"
	"sluice.dev/sluice/tenants/intake"
)

// opStage names what fails in staged publishing.
const opStage = "npm.stage"

var stagePaths = []*endpoint{
	{"/-/stage", map[string]action{"GET": (*Handler).staged}},
	{"/-/stage/package/{pkg}", map[string]action{"POST": (*Handler).stage}},
	{"/-/stage/{id}", map[string]action{"GET": (*Handler).stagedOne, "DELETE": (*Handler).dropStaged}},
	{"/-/stage/{id}/approve", map[string]action{"POST": (*Handler).approveStaged}},
	{"/-/stage/{id}/tarball", map[string]action{"GET": (*Handler).stagedTarball}},
}

// stage answers POST /-/stage/package/{pkg}: the body is that of a publish, and
// the version waits for approval. It needs the right to publish, and so does
// everything else about staged versions: nothing of them is served before.
func (h *Handler) stage(w http.ResponseWriter, r *http.Request, t protocol.Target, p params) {
	if err := h.Access.Write(r.Context(), access.VersionPublish, t.Registry, npmPackage(p.pkg)); err != nil {
		refuseBody(w, r, err)
		return
	}
	u := h.uploading(t, p.pkg)
	defer u.drop()
	err := u.read(r)
	if err == nil && u.body.Tarball == nil {
		err = errs.New(errs.Invalid, opStage, "the body has no tarball in _attachments").On("_attachments")
	}
	var in intake.PublishInput
	if err == nil {
		in, err = u.store(r.Context())
	}
	var id uuid.UUID
	if err == nil {
		id, err = h.Intake.Stage(r.Context(), in, author(r.Context()).Name)
		err = existing(err, in.Version)
	}
	if err != nil {
		refuseBody(w, r, err)
		return
	}
	done(w, r, http.StatusCreated, [2]string{"id", p.pkg}, [2]string{"stageId", id.String()})
}

// waiting finds the staged version of a path for who may publish the package.
func (h *Handler) waiting(ctx context.Context, t protocol.Target, p params) (intake.Staged, error) {
	id, err := uuid.Parse(p.vars["id"])
	if err != nil || len(p.vars["id"]) != 36 {
		return intake.Staged{}, errs.New(errs.NotFound, opStage, "%.100q is not the id of a staged version, which is a UUID", p.vars["id"])
	}
	s, err := h.Intake.StagedOne(ctx, t.Registry, id)
	if err != nil {
		return intake.Staged{}, err
	}
	return s, h.Access.Write(ctx, access.VersionPublish, t.Registry, s.Version.Package)
}

// approveStaged answers POST /-/stage/{id}/approve.
func (h *Handler) approveStaged(w http.ResponseWriter, r *http.Request, t protocol.Target, p params) {
	s, err := h.waiting(r.Context(), t, p)
	if err == nil {
		_, err = h.Intake.Approve(r.Context(), t.Registry, s.ID, author(r.Context()).Name)
		err = existing(err, s.Version.Version)
	}
	if err != nil {
		protocol.Problem(w, r, err)
		return
	}
	done(w, r, http.StatusCreated, [2]string{"id", s.Version.Name}, [2]string{"version", s.Version.Version})
}

// dropStaged answers DELETE /-/stage/{id}.
func (h *Handler) dropStaged(w http.ResponseWriter, r *http.Request, t protocol.Target, p params) {
	s, err := h.waiting(r.Context(), t, p)
	if err == nil {
		err = h.Intake.Drop(r.Context(), t.Registry, s.ID, author(r.Context()).Name)
	}
	if err != nil {
		protocol.Problem(w, r, err)
		return
	}
	done(w, r, http.StatusOK)
}

// stagedItem is a staged version as npm shows it.
type stagedItem struct {
	ID        uuid.UUID `json:"id"`
	Package   string    `json:"packageName"`
	Version   string    `json:"version"`
	Tag       string    `json:"tag"`
	CreatedAt string    `json:"createdAt"`
	Actor     string    `json:"actor"`
	Shasum    string    `json:"shasum"`
	Integrity string    `json:"integrity"`
	Size      int64     `json:"size"` // bytes of the tarball
}

func itemOf(s intake.Staged) stagedItem {
	out := stagedItem{ID: s.ID, Package: s.Version.Name, Version: s.Version.Version, CreatedAt: s.At.UTC().Format(time.RFC3339), Actor: s.By}
	if len(s.Tags) > 0 {
		out.Tag = s.Tags[0]
	}
	b := s.Files[0].Blob
	out.Shasum, out.Size = b.SHA1, b.Size
	if sum, err := hex.DecodeString(b.SHA512); err == nil {
		out.Integrity = subresource(sum)
	}
	return out
}

// stagedOne answers GET /-/stage/{id}.
func (h *Handler) stagedOne(w http.ResponseWriter, r *http.Request, t protocol.Target, p params) {
	s, err := h.waiting(r.Context(), t, p)
	var body []byte
	if err == nil {
		body, err = json.Marshal(itemOf(s))
	}
	if err != nil {
		protocol.Problem(w, r, err)
		return
	}
	answer(w, r, http.StatusOK, body)
}

// mostStagedPage bounds a page of staged versions.
const mostStagedPage = 100

// staged answers GET /-/stage?page&perPage&package; pages begin with 0.
func (h *Handler) staged(w http.ResponseWriter, r *http.Request, t protocol.Target, _ params) {
	q := intake.StagedQuery{Registry: t.Registry}
	page, err := number(r, "page", 0)
	if err == nil {
		q.Limit, err = number(r, "perPage", 20)
	}
	if err == nil {
		q.Limit = max(1, min(q.Limit, mostStagedPage))
		q.Offset = page * q.Limit
	}
	if name := r.URL.Query().Get("package"); err == nil && name != "" {
		if q.Name, err = coord.NormalizeName(coord.NPM, name); err != nil {
			err = errs.New(errs.Invalid, opStage, "the parameter package is no package name: %v", err).On("package")
		}
	}
	if err == nil {
		err = h.Access.Write(r.Context(), access.VersionPublish, t.Registry, npmPackage(q.Name))
	}
	var list []intake.Staged
	var total int
	if err == nil {
		list, total, err = h.Intake.Staged(r.Context(), q)
	}
	var body []byte
	if err == nil {
		items := make([]stagedItem, len(list))
		for i, s := range list {
			items[i] = itemOf(s)
		}
		body, err = json.Marshal(map[string]any{"items": items, "total": total, "page": page, "perPage": q.Limit})
	}
	if err != nil {
		protocol.Problem(w, r, err)
		return
	}
	answer(w, r, http.StatusOK, body)
}

// number reads a parameter of the query.
func number(r *http.Request, name string, absent int) (int, error) {
	text := r.URL.Query().Get(name)
	if text == "" {
		return absent, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 0 || n > 1_000_000 {
		return 0, errs.New(errs.Invalid, opStage, "the parameter %s is %.40q; it must be a number from 0 to 1000000", name, text).On(name)
	}
	return n, nil
}

// stagedTarball answers GET /-/stage/{id}/tarball, for review.
func (h *Handler) stagedTarball(w http.ResponseWriter, r *http.Request, t protocol.Target, p params) {
	s, err := h.waiting(r.Context(), t, p)
	var b *blob.Blob
	if err == nil {
		var digest blob.Digest
		if digest, err = blob.ParseDigest(s.Files[0].Blob.SHA256); err == nil {
			b, err = h.Blobs.Open(r.Context(), digest)
		}
	}
	if err != nil {
		protocol.Problem(w, r, err)
		return
	}
	c := gate.NewContent(gate.Content{Name: s.Files[0].Name, Size: b.Size, SHA256: s.Files[0].Blob.SHA256, Modified: s.At, Seeker: b.Content()}, b.Close)
	defer c.Close()
	deliver(w, r, t, c)
}
