package upstream

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
)

// GetDocument fetches a document whole. 304, 404 and 410 are answers; every
// other status but 200 is an error.
func (c *Client) GetDocument(ctx context.Context, r Request) (Document, error) {
	u, err := target(r)
	if err != nil {
		return Document{}, err
	}
	base, _ := url.Parse(r.Remote.BaseURL)
	if origin(u) != origin(base) {
		return Document{}, refuse(r.Remote, "was asked for a document outside its own origin")
	}
	release, err := c.guards.slot(ctx, r.Remote, "document "+hostport(u), c.cfg.DocumentsPerHost)
	if err != nil {
		return Document{}, err
	}
	defer release()
	return attempt(ctx, c.guards, r.Remote, func() (Document, error) { return c.document(ctx, u, r) })
}

func (c *Client) document(ctx context.Context, u *url.URL, r Request) (Document, error) {
	resp, b, err := c.send(ctx, u, r, "gzip", bounds{"document", c.cfg.MaxDocument, c.cfg.DocumentTime}) //nolint:bodyclose // b is its body
	if err != nil {
		return Document{}, err
	}
	defer b.Close()
	d := Document{
		ContentType:  resp.Header.Get("Content-Type"),
		ETag:         resp.Header.Get("ETag"),
		LastModified: resp.Header.Get("Last-Modified"),
	}
	if resp.StatusCode != http.StatusOK {
		b.drain(resp.ContentLength)
	}
	conditional := r.ETag != "" || r.LastModified != ""
	switch s := resp.StatusCode; {
	case s == http.StatusNotModified && conditional:
		d.NotModified = true
		return d, nil
	case s == http.StatusNotFound || s == http.StatusGone:
		d.NotFound = true
		return d, nil
	case s != http.StatusOK:
		return Document{}, unwelcome(r.Remote, resp)
	}
	d.Body, err = c.decode(r.Remote, resp, b)
	return d, err
}

// decode reads a whole body, gunzipped if need be, within the document bound on
// both sides of the decoder.
func (c *Client) decode(r Remote, resp *http.Response, b *body) ([]byte, error) {
	hint := resp.ContentLength
	var in io.Reader = b
	switch enc := strings.ToLower(resp.Header.Get("Content-Encoding")); enc {
	case "", "identity":
	case "gzip", "x-gzip":
		z, err := gzip.NewReader(b)
		if err != nil {
			return nil, undecodable(r, err)
		}
		in, hint = z, 4*hint
	default:
		return nil, refuse(r, "sent a document in the content encoding %.40q; only gzip was asked for", enc)
	}
	out, err := readAll(in, hint, c.cfg.MaxDocument)
	switch {
	case err != nil:
		return nil, undecodable(r, err)
	case int64(len(out)) > c.cfg.MaxDocument:
		return nil, tooMuch(r, b.bounds)
	}
	return out, nil
}

// undecodable keeps the errors that are already explained, and explains gzip's.
func undecodable(r Remote, err error) error {
	if _, ok := asFault(err); ok {
		return err
	}
	if errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) {
		return fail(r, &fault{outage: true, again: true, cause: err}, "ended its answer before it was complete")
	}
	return fail(r, &fault{cause: err}, "sent a document that is not valid gzip")
}

// readAll reads one byte more than the bound at most. The hint, which a hostile
// server chooses, is trusted only up to a size that costs nothing.
func readAll(in io.Reader, hint, bound int64) ([]byte, error) {
	const trusted = 8 << 20
	buf := bytes.NewBuffer(make([]byte, 0, min(max(hint, 512), trusted, bound)+bytes.MinRead))
	if _, err := buf.ReadFrom(io.LimitReader(in, bound+1)); err != nil {
		return nil, err
	}
	out := buf.Bytes()
	if cap(out)-len(out) > len(out)/4 {
		out = bytes.Clone(out) // listings keep the document for long
	}
	return out, nil
}

// GetFile opens a file on the remote's own host or one of its file hosts. Size
// is -1 when the remote does not say. The caller closes the body and checks the
// bytes against a digest; a body that ends early fails with an error.
func (c *Client) GetFile(ctx context.Context, r Request) (io.ReadCloser, int64, error) {
	u, err := target(r)
	if err != nil {
		return nil, 0, err
	}
	if u, err = c.fileTarget(u, r.Remote); err != nil {
		return nil, 0, err
	}
	release, err := c.guards.slot(ctx, r.Remote, "file "+hostport(u), c.cfg.FilesPerHost)
	if err != nil {
		return nil, 0, err
	}
	f, err := attempt(ctx, c.guards, r.Remote, func() (*file, error) { return c.file(ctx, u, r) })
	if err != nil {
		release()
		return nil, 0, err
	}
	f.body.onClose = release
	f.body.onOutage = c.guards.breaker(r.Remote).RecordFailure
	return f.body, f.size, nil
}

// fileTarget checks the host of a file's URL. Remotes behind a TLS proxy often
// write http URLs of their own host: those are asked for over https like the
// rest of the remote.
func (c *Client) fileTarget(u *url.URL, r Remote) (*url.URL, error) {
	base, _ := url.Parse(r.BaseURL)
	switch {
	case origin(u) == origin(base), fileHost(u, r):
		return u, nil
	case u.Scheme == "http" && base.Scheme == "https" && strings.EqualFold(u.Hostname(), base.Hostname()) && (u.Port() == "" || u.Port() == "80"):
		up := *u
		up.Scheme, up.Host = "https", base.Host
		return &up, nil
	case hostport(u) == hostport(base):
		return u, nil
	}
	return nil, refuse(r, "names the file host %q, which is neither its own nor one of its file hosts", u.Host)
}

type file struct {
	body *body
	size int64
}

func (c *Client) file(ctx context.Context, u *url.URL, r Request) (*file, error) {
	// Encoded bytes could not match a digest.
	resp, b, err := c.send(ctx, u, r, "identity", bounds{"file", c.cfg.MaxFile, c.cfg.FileTime}) //nolint:bodyclose // b is its body
	if err != nil {
		return nil, err
	}
	switch {
	case resp.StatusCode != http.StatusOK:
		err = unwelcome(r.Remote, resp)
	case resp.ContentLength > c.cfg.MaxFile:
		err = tooMuch(r.Remote, b.bounds)
	}
	if err != nil {
		b.drain(resp.ContentLength)
		b.Close()
		return nil, err
	}
	return &file{b, resp.ContentLength}, nil
}

// target parses the request's URL and the remote's base URL.
func target(r Request) (*url.URL, error) {
	base, err := url.Parse(r.Remote.BaseURL)
	if err != nil {
		return nil, refuse(r.Remote, "has a base URL that cannot be parsed")
	}
	if err := checkTarget(base); err != nil {
		return nil, refuse(r.Remote, "has a base URL that cannot be used: %s", err)
	}
	u, err := url.Parse(r.URL)
	if err != nil {
		return nil, refuse(r.Remote, "named an address that cannot be parsed")
	}
	if err := checkTarget(u); err != nil {
		return nil, refuse(r.Remote, "named an address that cannot be used: %s", err)
	}
	return u, nil
}

func tooMuch(r Remote, b bounds) error {
	return fail(r, &fault{}, "sent a %s over the bound of %s", b.what, bytesText(b.bytes))
}

// bytesText writes a size the way operators configure it.
func bytesText(n int64) string {
	for _, u := range []struct {
		size int64
		name string
	}{{1 << 30, "GiB"}, {1 << 20, "MiB"}, {1 << 10, "KiB"}} {
		if n >= u.size && n%u.size == 0 {
			return fmt.Sprintf("%d %s", n/u.size, u.name)
		}
	}
	return fmt.Sprintf("%d bytes", n)
}
