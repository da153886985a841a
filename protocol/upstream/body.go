package upstream

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"time"
)

// bounds are what differs between documents and files.
type bounds struct {
	what  string
	bytes int64
	total time.Duration
}

// send makes one attempt: it returns the response with its body under bounds.
// Redirects are followed within the header time.
func (c *Client) send(ctx context.Context, u *url.URL, r Request, encoding string, bd bounds) (*http.Response, *body, error) {
	actx, cancel, headersHere := watch(ctx, c.cfg.HeaderTime, bd.total)
	req, err := http.NewRequestWithContext(context.WithValue(actx, remoteKey{}, r.Remote), http.MethodGet, u.String(), nil)
	if err != nil {
		cancel(nil)
		return nil, nil, refuse(r.Remote, "named an address that cannot be used")
	}
	c.setHeaders(req, r, encoding)
	resp, err := c.http.Do(req)
	headersHere()
	if err != nil {
		err = c.broken(ctx, actx, r.Remote, err)
		cancel(nil)
		return nil, nil, err
	}
	b := &body{
		rc: resp.Body, remote: r.Remote, bounds: bd, left: bd.bytes, wait: c.cfg.IdleTime, cancel: cancel,
		idle:   time.AfterFunc(c.cfg.IdleTime, func() { cancel(errIdleTime) }),
		failed: func(err error) error { return c.broken(ctx, actx, r.Remote, err) },
	}
	b.idle.Stop()
	return resp, b, nil
}

func (c *Client) setHeaders(req *http.Request, r Request, encoding string) {
	set := func(name, value string) {
		if value != "" {
			req.Header.Set(name, value)
		}
	}
	set("User-Agent", c.cfg.UserAgent)
	set("Accept", r.Accept)
	set("Accept-Encoding", encoding)
	set("If-None-Match", r.ETag)
	set("If-Modified-Since", r.LastModified)
	authorize(req, r.Remote)
}

// watch arms the timers of an attempt. The returned stop ends the header timer
// and must be called when the headers are there.
func watch(ctx context.Context, header, total time.Duration) (actx context.Context, cancel context.CancelCauseFunc, stop func()) {
	actx, cancel = context.WithCancelCause(ctx)
	h := time.AfterFunc(header, func() { cancel(errHeaderTime) })
	t := time.AfterFunc(total, func() { cancel(errTotalTime) })
	context.AfterFunc(actx, func() { h.Stop(); t.Stop() })
	return actx, cancel, func() { h.Stop() }
}

// body reads a response under our bounds: bytes, time without a byte, time in
// all. Time that the reader spends elsewhere does not count as idle.
type body struct {
	rc     io.ReadCloser
	remote Remote
	bounds bounds
	left   int64 // bytes that may still come
	idle   *time.Timer
	wait   time.Duration
	cancel context.CancelCauseFunc
	failed func(error) error // explains a read error

	onClose  func() // nil for none
	onOutage func() // tells the breaker of a body that broke; nil for none
}

// Read implements io.Reader. Its errors are ready for the public.
func (b *body) Read(p []byte) (int, error) {
	// One byte more than the bound tells a body that ends there from one that
	// goes on.
	if int64(len(p)) > b.left+1 {
		p = p[:b.left+1]
	}
	b.idle.Reset(b.wait)
	n, err := b.rc.Read(p)
	b.idle.Stop()
	if int64(n) > b.left {
		n, b.left = int(b.left), 0
		return n, tooMuch(b.remote, b.bounds)
	}
	b.left -= int64(n)
	if err != nil && !errors.Is(err, io.EOF) {
		err = b.failed(err)
		if b.onOutage != nil && IsOutage(err) {
			b.onOutage()
		}
	}
	return n, err
}

// drain reads a short answer to its end, so that its connection can be used
// again.
func (b *body) drain(length int64) {
	if length >= 0 && length <= 8<<10 {
		_, _ = io.Copy(io.Discard, b)
	}
}

// Close implements io.Closer, any number of times. Cancelling the attempt
// first keeps net/http from draining what nobody wants.
func (b *body) Close() error {
	b.idle.Stop()
	b.cancel(context.Canceled)
	err := b.rc.Close()
	if b.onClose != nil {
		b.onClose()
	}
	return err
}
