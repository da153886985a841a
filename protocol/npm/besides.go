package npm

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"sluice.dev/sluice/protocol/upstream"
	"sluice.dev/sluice/tenants/coord"
	"sluice.dev/sluice/tenants/errs"
	"sluice.dev/sluice/tenants/gate"
)

var (
	_ gate.Besides  = (*Protocol)(nil)
	_ gate.Searcher = (*Protocol)(nil)
)

// maxBeside bounds signing keys, attestations and pages of search results, in
// bytes; real ones have a hundredth.
const maxBeside = 16 << 20

// FetchBeside implements gate.Besides. A source without the endpoint answers in
// many ways; all mean that there is no such document.
func (p *Protocol) FetchBeside(ctx context.Context, r gate.Remote, path string, prev gate.Validators) (gate.Fetched, error) {
	at, err := onHost(r, path)
	if err != nil {
		return gate.Fetched{}, err
	}
	d, err := p.getBeside(ctx, r, upstream.Request{URL: at, Accept: "application/json", ETag: prev.ETag, LastModified: prev.LastModified})
	if err != nil {
		return gate.Fetched{}, err
	}
	if d.Body != nil {
		if err := checkObject(d.Body); err != nil {
			return gate.Fetched{}, errs.New(errs.Upstream, "npm.fetch", "what the remote %q has at %.200s cannot be used: %s", r.Name, path, err)
		}
	}
	return gate.Fetched{NotModified: d.NotModified, NotFound: d.NotFound, Body: d.Body, Validators: gate.Validators{ETag: d.ETag, LastModified: d.LastModified}}, nil
}

// onHost is the address of an escaped path on a remote's own host.
func onHost(r gate.Remote, path string) (string, error) {
	base, err := url.Parse(r.BaseURL)
	if err == nil {
		var ref *url.URL
		if ref, err = url.Parse("https://host" + path); err == nil && strings.HasPrefix(path, "/") {
			base.Path, base.RawPath = ref.Path, ref.RawPath
			return base.String(), nil
		}
	}
	return "", errs.New(errs.Upstream, "npm.fetch", "the remote %q has no address %.200q", r.Name, path)
}

// getBeside asks under a circuit breaker of its own: a source that fails at
// search or keys must not be taken for one that fails at packages.
func (p *Protocol) getBeside(ctx context.Context, r gate.Remote, req upstream.Request) (upstream.Document, error) {
	req.Remote = remote(r)
	req.Remote.ID += " beside"
	d, err := p.client.GetDocument(ctx, req)
	switch status := upstream.StatusOf(err); {
	case err == nil && len(d.Body) > maxBeside:
		return upstream.Document{}, errs.New(errs.Upstream, "npm.fetch", "the remote %q sent a document over the bound of %d bytes", r.Name, maxBeside)
	case err == nil:
		return d, nil
	case status == http.StatusBadRequest || status == http.StatusMethodNotAllowed || status == http.StatusNotImplemented:
		return upstream.Document{NotFound: true}, nil
	case upstream.IsOutage(err):
		return upstream.Document{}, errs.Wrap(err, errs.Unavailable, "npm.fetch", "%s", errs.Public(err))
	}
	return upstream.Document{}, err
}

// checkObject reports why a body is no JSON object as clients read it.
func checkObject(body []byte) error {
	r, err := newReader(body)
	if err != nil {
		return err
	}
	if !r.is('{') {
		return errors.New(wrong(body, errors.New("it is not a JSON object")))
	}
	if _, err := r.value(); err != nil {
		return errors.New(wrong(body, err))
	}
	return r.end()
}

// SearchRemote implements gate.Searcher. What is no package name stands as "" in
// its place, so that pages keep their length.
func (p *Protocol) SearchRemote(ctx context.Context, r gate.Remote, text string, from, size int) ([]string, int, error) {
	q := url.Values{"text": {text}, "size": {strconv.Itoa(size)}, "from": {strconv.Itoa(from)}}
	d, err := p.getBeside(ctx, r, upstream.Request{URL: r.BaseURL + "/-/v1/search?" + q.Encode(), Accept: "application/json"})
	switch {
	case err != nil:
		return nil, 0, err
	case d.NotFound:
		return nil, 0, errs.New(errs.NotFound, "npm.search", "the remote %q has no search", r.Name)
	}
	names, total, err := decodeSearch(d.Body, size)
	if err != nil {
		return nil, 0, errs.New(errs.Upstream, "npm.search", "what the remote %q found cannot be used: %s", r.Name, err)
	}
	return names, total, nil
}

// maxSearchTotal bounds what is believed of a remote's total.
const maxSearchTotal = 10_000_000

// decodeSearch reads a source's answer to a search: the names only, since
// everything else is said by the versions that the gate lists.
func decodeSearch(body []byte, size int) (names []string, total int, err error) {
	var raw struct {
		Objects []struct {
			Package struct {
				Name string `json:"name"`
			} `json:"package"`
		} `json:"objects"`
		Total json.Number `json:"total"`
	}
	if err := json.Unmarshal(body, &raw); err != nil {
		return nil, 0, errors.New(wrong(body, fmt.Errorf("it is not a search result: %w", err)))
	}
	for _, o := range raw.Objects[:min(len(raw.Objects), size)] {
		name, err := coord.NormalizeName(coord.NPM, o.Package.Name)
		if err != nil {
			name = ""
		}
		names = append(names, name)
	}
	n, err := raw.Total.Int64()
	if err != nil || n < int64(len(names)) {
		n = int64(len(names))
	}
	return names, int(min(n, maxSearchTotal)), nil
}
