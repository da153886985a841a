package graph_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"strings"

	"github.com/google/uuid"

	"sluice.dev/sluice/ent/db"
	"sluice.dev/sluice/graph"
	"sluice.dev/sluice/graph/api"
	"sluice.dev/sluice/tenants/catalog"
	"sluice.dev/sluice/tenants/coord"
	"sluice.dev/sluice/tenants/errs"
	"sluice.dev/sluice/tenants/intake"
	"sluice.dev/sluice/tenants/policy"
	"sluice.dev/sluice/tenants/registry"
)

// uploads is the upload of a wire format for tests: a package file is the text
// "name version".
type uploads struct{ *world }

func (u uploads) Upload(ctx context.Context, reg uuid.UUID, file io.Reader, tags []string) (in intake.PublishInput, err error) {
	text, err := io.ReadAll(file)
	if err != nil {
		return in, err
	}
	name, version, ok := strings.Cut(string(text), " ")
	if !ok {
		return in, errs.New(errs.Invalid, "upload", "the file is no package").On("file")
	}
	return u.published(ctx, reg, name, version, tags...), nil
}

// lockfiles is a lock file for tests: a line for each "name version".
type lockfiles struct{}

func (lockfiles) Read(name string, text []byte) (out graph.Lockfile, err error) {
	out.Format = name
	for i, line := range strings.Fields(string(text)) {
		pkg, version, ok := strings.Cut(line, "=")
		switch {
		case !ok:
			return out, errs.New(errs.Invalid, "lock file", "%s, line %d: no version", name, i+1).On("file")
		case version == "git":
			out.Left = append(out.Left, &api.LeftEntry{Entry: line, Reason: "it comes from a git repository", Line: i + 1})
		default:
			out.Versions = append(out.Versions, intake.PullVersion{Name: pkg, Version: version})
		}
	}
	return out, nil
}

// exampleFile is what is sent beside an example.
type exampleFile struct{ name, text string }

var exampleFiles = map[string]*exampleFile{
	"uploadVersion": {"greeting-2.0.0.tgz", "@acme/greeting 2.0.0"},
	"pullLockfile":  {"package-lock.json", "left-pad=2.0.0 mine=git"},
}

// askWith sends an operation with a file for its variable input.file, without
// one like ask.
func (w *world) askWith(ctx context.Context, query string, v vars, f *exampleFile) answer {
	w.Helper()
	if f == nil {
		return w.ask(ctx, query, v)
	}
	operations, err := json.Marshal(map[string]any{"query": query, "variables": v})
	w.ok(err)
	rec := w.form(ctx, "1", [3]string{"operations", string(operations)}, [3]string{"map", `{"0":["variables.input.file"]}`}, [3]string{"0", f.text, f.name})
	a := answer{status: rec.Code}
	if err := json.Unmarshal(rec.Body.Bytes(), &a); err != nil {
		w.Fatalf("%v in %s", err, rec.Body)
	}
	return a
}

// form sends parts of name, text and file name.
func (w *world) form(ctx context.Context, preflight string, parts ...[3]string) *httptest.ResponseRecorder {
	w.Helper()
	var body bytes.Buffer
	form := multipart.NewWriter(&body)
	for _, p := range parts {
		var into io.Writer
		var err error
		if p[2] == "" {
			into, err = form.CreateFormField(p[0])
		} else {
			into, err = form.CreateFormFile(p[0], p[2])
		}
		w.ok(err)
		_, err = io.WriteString(into, p[1])
		w.ok(err)
	}
	w.ok(form.Close())
	r := httptest.NewRequestWithContext(ctx, http.MethodPost, "/graphql", &body)
	r.Header.Set("Content-Type", form.FormDataContentType())
	if preflight != "" {
		r.Header.Set("GraphQL-Preflight", preflight)
	}
	rec := httptest.NewRecorder()
	w.handler.ServeHTTP(rec, r)
	return rec
}

// published is a version of one's own with durable bytes.
func (w *world) published(ctx context.Context, reg uuid.UUID, name, version string, tags ...string) intake.PublishInput {
	w.Helper()
	info, err := w.blobs.Put(ctx, strings.NewReader(name+version), 1<<20)
	w.ok(err)
	return intake.PublishInput{Registry: reg, Name: name, Version: version, Tags: tags, Metadata: []byte(`{"version":"` + version + `","license":"MIT"}`),
		License: policy.LicenseFact{State: policy.LicenseDeclared, Expression: "MIT"}, Maintainer: coord.Person{Name: "ann", Email: "ann@acme.example"},
		Files: []catalog.StoredFile{{Name: "x-" + version + ".tgz", Blob: catalog.Blob{SHA256: info.Digest.String(), SHA512: fmt.Sprintf("%x", info.SHA512),
			SHA1: fmt.Sprintf("%x", info.SHA1), MD5: fmt.Sprintf("%x", info.MD5), Size: info.Size}}}}
}

// seedOwn makes registries with packages of the organization's own: base above
// dev, and prod beside them.
func (w *world) seedOwn(ctx context.Context, s *seeded) {
	w.Helper()
	made := map[string]uuid.UUID{}
	for _, name := range []string{"base", "dev", "prod"} {
		in := registry.CreateInput{Kind: registry.PackageRegistry, Ecosystem: coord.NPM, Name: name}
		if name == "dev" {
			in.Upstream = &registry.UpstreamInput{Source: made["base"]}
		}
		r, err := w.registries.Create(ctx, in)
		w.ok(err)
		made[name], s.words[name] = r.ID, id("Registry", r.ID)
	}
	dev := made["dev"]
	for _, v := range []string{"0.9.0", "1.0.0", "1.1.0"} {
		_, err := w.intake.Publish(ctx, w.published(ctx, dev, "@acme/greeting", v, "latest", "beta"))
		w.ok(err)
	}
	_, err := w.intake.Publish(ctx, w.published(ctx, dev, "@acme/old", "1.0.0", "latest"))
	w.ok(err)
	w.ok(w.intake.UnpublishPackage(ctx, dev, "@acme/old", ""))
	for word, v := range map[string]string{"staged": "3.0.0", "staged2": "4.0.0"} {
		staged, err := w.intake.Stage(ctx, w.published(ctx, dev, "@acme/greeting", v, "latest"), "ann")
		w.ok(err)
		s.words[word] = api.ID{Type: "StagedVersion", UUID: dev, Text: staged.String()}.String()
	}
	p, err := w.intake.StartPull(ctx, intake.PullInput{Registry: s.team, Source: "yarn.lock", Versions: []intake.PullVersion{{Name: "left-pad", Version: "2.0.0"}}})
	w.ok(err)
	s.words["pull"] = id("Pull", p.ID)
}

// find returns the id of a registry by its name.
func (w *world) find(ctx context.Context, name string) (out uuid.UUID) {
	w.Helper()
	w.ok(w.db.InSnapshot(ctx, func(ctx context.Context, tx *db.Tx) error {
		r, err := registry.Named(ctx, tx, name)
		if r != nil {
			out = r.ID
		}
		return err
	}))
	return out
}
