package gate

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/url"
	"slices"
	"strings"

	"github.com/google/uuid"
	"golang.org/x/sync/errgroup"

	"sluice.dev/sluice/tenants/blob"
	"sluice.dev/sluice/tenants/catalog"
	"sluice.dev/sluice/tenants/coord"
	"sluice.dev/sluice/tenants/errs"
	"sluice.dev/sluice/tenants/registry"
	"sluice.dev/sluice/tenants/scope"
)

// Besides is a [Protocol] whose remotes have documents besides those of
// packages: signing keys, attestations.
type Besides interface {
	// FetchBeside asks a remote for the document at an escaped path of its own
	// host, conditionally when prev is not empty. It answers with an error, as
	// FetchList does, for what no client could use.
	FetchBeside(ctx context.Context, r Remote, path string, prev Validators) (Fetched, error)
}

// beside is how such a document is remembered: as one of a name that no package
// can have. What comes behind it is an escaped path of the remote's host.
const beside = "-"

func isBeside(name string) bool { return strings.HasPrefix(name, beside+"/") }

// maxBesidePath bounds the path of such a document, in bytes.
const maxBesidePath = 1000

// ask asks the remote for the document that the key names.
func (g *Gate) ask(ctx context.Context, p Protocol, key docKey, r *registry.Remote, prev Validators) (Fetched, error) {
	if !isBeside(key.pkg.Name) {
		return p.FetchList(ctx, remoteOf(r), key.pkg.Name, prev)
	}
	b, ok := p.(Besides)
	if !ok {
		return Fetched{NotFound: true}, nil
	}
	return b.FetchBeside(ctx, remoteOf(r), strings.TrimPrefix(key.pkg.Name, beside), prev)
}

// besideOf returns a remote's document at a path of its host, nil when the
// remote has none. It is remembered, asked for again and served stale as
// documents of packages are (R3).
func (g *Gate) besideOf(ctx context.Context, r *registry.Remote, e coord.Ecosystem, path string) ([]byte, *document, error) {
	org, err := scope.Org(ctx)
	if err != nil {
		return nil, nil, err
	}
	key := docKey{org, r.ID, coord.Package{Ecosystem: e, Name: beside + path}}
	d, err := g.servable(ctx, key, r)
	if err != nil || d.sha256 == "" {
		return nil, nil, err
	}
	raw, err := g.rawOf(ctx, d)
	if err != nil && ctx.Err() == nil {
		slog.WarnContext(ctx, "a remembered document cannot be read; asking the remote again", "remote", r.Name, "path", path, "error", err)
		if d, err = g.fetchOnce(ctx, key, r, fetchMode{lost: d}); err == nil && d.sha256 != "" {
			raw, err = g.rawOf(ctx, d)
		}
	}
	return raw, d, err
}

// rawOf reads the bytes of a document that the remote has.
func (g *Gate) rawOf(ctx context.Context, d *document) ([]byte, error) {
	digest, err := blob.ParseDigest(d.sha256)
	if err != nil {
		return nil, err
	}
	b, err := g.Blobs.Open(ctx, digest)
	if err != nil {
		return nil, fmt.Errorf("read document: %w", err)
	}
	defer b.Close()
	raw := make([]byte, b.Size)
	_, err = io.ReadFull(b.Content(), raw)
	return raw, err
}

// BesideVersion returns what the source of a version has at an escaped path of
// its host, and the value of a Warning header, "" for none. Where a withheld
// version's source has something beside it is not told (P2).
//
// Errors: NotFound when the source has no such document, or is gone, or the
// version was published here.
func (g *Gate) BesideVersion(ctx context.Context, v *View, e *Entry, path string) (body []byte, warning string, err error) {
	const op = "beside"
	r := e.source.remote
	switch {
	case e.Decision.Withheld():
		return nil, "", errs.New(errs.Forbidden, op, "%s@%s is withheld", v.Package.Name, e.Version)
	case r == nil || r.BaseURL == "":
		return nil, "", errs.New(errs.NotFound, op, "the source of %s@%s has nothing beside it", v.Package.Name, e.Version)
	case !strings.HasPrefix(path, "/") || len(path) > maxBesidePath:
		return nil, "", errs.New(errs.Upstream, op, "the remote %q names an address beside %s@%s that cannot be used", r.Name, v.Package.Name, e.Version)
	}
	body, d, err := g.besideOf(ctx, r, v.Package.Ecosystem, path)
	switch {
	case err != nil:
		return nil, "", err
	case body == nil:
		return nil, "", errs.New(errs.NotFound, op, "the remote %q has nothing of this kind for %s@%s", r.Name, v.Package.Name, e.Version)
	}
	if d.failing() {
		warning = staleWarning(r, d)
	}
	return body, warning, nil
}

// Stored returns a file of a version that is kept besides the primary one, nil
// when there is none; at most so many bytes.
func (g *Gate) Stored(ctx context.Context, v *View, e *Entry, name string, most int64) ([]byte, error) {
	const op = "stored"
	if e.Decision.Withheld() {
		return nil, errs.New(errs.Forbidden, op, "%s@%s is withheld", v.Package.Name, e.Version)
	}
	if e.source.release == nil {
		return nil, nil
	}
	files := e.source.release.Files
	i := slices.IndexFunc(files, func(f catalog.HeldFile) bool { return f.Name == name })
	switch {
	case i < 0:
		return nil, nil
	case files[i].Size > most:
		return nil, errs.New(errs.TooLarge, op, "%s has %d bytes; at most %d are served here", name, files[i].Size, most)
	}
	raw, err := g.rawOf(ctx, &document{sha256: files[i].SHA256})
	return raw, lost(err, name)
}

// BesideAll returns what each remote that the registry reaches has at an
// escaped path below its base URL, in no particular order, and values of Warning
// headers about those that do not answer. Where none answers and nothing is
// remembered that is an error: nobody can say that there is nothing (F1).
func (g *Gate) BesideAll(ctx context.Context, reg uuid.UUID, e coord.Ecosystem, path string) (bodies [][]byte, warnings []string, err error) {
	at, err := g.place(ctx, "beside", reg, e)
	if err != nil {
		return nil, nil, err
	}
	remotes := at.remotes()
	got, docs, failed := make([][]byte, len(remotes)), make([]*document, len(remotes)), make([]error, len(remotes))
	var all errgroup.Group
	all.SetLimit(8)
	for i, r := range remotes {
		all.Go(func() error {
			base, err := url.Parse(r.BaseURL)
			if err != nil {
				failed[i] = errs.Wrap(err, errs.Upstream, "beside", "the remote %q has a base URL that cannot be parsed", r.Name)
				return nil
			}
			got[i], docs[i], failed[i] = g.besideOf(ctx, r, e, strings.TrimSuffix(base.EscapedPath(), "/")+path)
			return nil
		})
	}
	_ = all.Wait() // each has its own error
	if err := ctx.Err(); err != nil {
		return nil, nil, err
	}
	for i, r := range remotes {
		switch {
		case failed[i] != nil:
			warnings = append(warnings, fmt.Sprintf(`199 - "%s"`, headerText(errs.Public(failed[i]))))
		case got[i] != nil:
			bodies = append(bodies, got[i])
			if docs[i].failing() {
				warnings = append(warnings, staleWarning(r, docs[i]))
			}
		}
	}
	if err := errors.Join(failed...); err != nil && len(bodies) == 0 {
		return nil, nil, worseOf(failed)
	}
	return bodies, warnings, nil
}

func worseOf(failed []error) (out error) {
	for _, err := range failed {
		out = worse(out, err)
	}
	return out
}

// remotes are all that the registry reaches, whatever their edges carry, each
// once and those of nearer registries first.
func (at place) remotes() (out []*registry.Remote) {
	for _, n := range at.root.Upward() {
		for _, e := range n.Edges {
			if e.Remote != nil && !slices.ContainsFunc(out, func(r *registry.Remote) bool { return r.ID == e.Remote.ID }) {
				out = append(out, e.Remote)
			}
		}
	}
	return out
}
