// Package npm speaks the npm registry protocol: it reads the documents of npm
// registries (decoders, pure and fuzzed), renders the gate's views as such
// documents, fetches from remotes, and answers npm, pnpm, yarn, bun and deno.
//
// Reading:
//
//   - npm.go, remote: how the gate asks a remote
//   - packument.go, manifest.go, digest.go, licence.go, json.go, names.go: decoders
//   - render.go, splice.go, restrictions.go: renderers
//   - handler.go, route.go and one file per family of routes
package npm

import (
	"context"
	"io"

	"sluice.dev/sluice/protocol/upstream"
	"sluice.dev/sluice/tenants/coord"
	"sluice.dev/sluice/tenants/errs"
	"sluice.dev/sluice/tenants/gate"
)

// Protocol teaches the gate the npm ecosystem. It is safe for concurrent use.
type Protocol struct {
	client *upstream.Client
}

var _ gate.Protocol = (*Protocol)(nil)

// New returns a Protocol that asks remotes through the client.
func New(client *upstream.Client) *Protocol { return &Protocol{client: client} }

// Ecosystem implements gate.Protocol.
func (*Protocol) Ecosystem() coord.Ecosystem { return coord.NPM }

// FetchList implements gate.Protocol. It asks for the full document: only that
// one has publish times and licences.
func (p *Protocol) FetchList(ctx context.Context, r gate.Remote, pkg string, prev gate.Validators) (gate.Fetched, error) {
	d, err := p.client.GetDocument(ctx, upstream.Request{
		Remote:       remote(r),
		URL:          r.BaseURL + "/" + wireName(pkg),
		Accept:       "application/json",
		ETag:         prev.ETag,
		LastModified: prev.LastModified,
	})
	if upstream.IsOutage(err) {
		return gate.Fetched{}, errs.Wrap(err, errs.Unavailable, "npm.fetch", "%s", errs.Public(err))
	}
	if err != nil {
		return gate.Fetched{}, err
	}
	return gate.Fetched{
		NotModified: d.NotModified,
		NotFound:    d.NotFound,
		Body:        d.Body,
		Validators:  gate.Validators{ETag: d.ETag, LastModified: d.LastModified},
	}, nil
}

// FetchFile implements gate.Protocol.
func (p *Protocol) FetchFile(ctx context.Context, r gate.Remote, f gate.File) (io.ReadCloser, int64, error) {
	if f.URL == "" {
		return nil, 0, errs.New(errs.Internal, "npm.fetch", "the file %s has no address at the remote %s", f.Name, r.Name)
	}
	return p.client.GetFile(ctx, upstream.Request{Remote: remote(r), URL: f.URL, Accept: "*/*"})
}

func remote(r gate.Remote) upstream.Remote {
	return upstream.Remote{
		ID: r.ID.String(), Name: r.Name, BaseURL: r.BaseURL,
		Token: r.Token, Username: r.Username, Password: r.Password, FileHosts: r.FileHosts,
	}
}
