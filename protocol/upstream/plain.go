package upstream

import (
	"errors"
	"io"
	"net/http"
	"net/url"
	"time"
)

// Plain returns a client for a few small exchanges with a service that is no
// package source, such as an identity provider (F6): the dialled address is
// checked as for remotes, redirects are errors, an exchange takes no longer than
// within, and an answer has no more than most bytes. It repeats nothing and has
// no circuit breaker. Its errors are for logs; [Reason] says them in public
// words.
func (c *Client) Plain(within time.Duration, most int64) *http.Client {
	return &http.Client{
		Timeout:   within,
		Transport: plain{c.http.Transport, c.cfg.UserAgent, most},
		CheckRedirect: func(*http.Request, []*http.Request) error {
			return errRedirect("redirected, where an answer of its own was wanted")
		},
	}
}

type plain struct {
	next  http.RoundTripper
	agent string
	most  int64
}

// RoundTrip implements http.RoundTripper.
func (p plain) RoundTrip(r *http.Request) (*http.Response, error) {
	if err := checkTarget(r.URL); err != nil {
		return nil, errRedirect("has an address that cannot be used: " + err.Error())
	}
	r = r.Clone(r.Context())
	r.Header.Set("User-Agent", p.agent)
	resp, err := p.next.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	resp.Body = &bounded{resp.Body, p.most}
	return resp, nil
}

// errTooLong is an answer over the bound.
var errTooLong = errors.New("the answer is over its bound of bytes")

// bounded fails a read beyond the bound, so that nothing cut short is taken for
// the whole.
type bounded struct {
	io.ReadCloser
	left int64
}

// Read implements io.Reader.
func (b *bounded) Read(p []byte) (int, error) {
	if b.left < 0 {
		return 0, errTooLong
	}
	if int64(len(p)) > b.left+1 {
		p = p[:b.left+1]
	}
	n, err := b.ReadCloser.Read(p)
	if b.left -= int64(n); b.left < 0 {
		return 0, errTooLong
	}
	return n, err
}

// Reason says in public words why an exchange failed, "" when err is not about
// reaching the service. It never names an address that a host name resolves to.
func Reason(err error) string {
	var address *addressError
	var redirect errRedirect
	var timeout interface{ Timeout() bool }
	switch {
	case err == nil:
		return ""
	case errors.As(err, &address):
		return "is at " + address.class + " address, which is not allowed; the operator can allow its host"
	case errors.As(err, &redirect):
		return string(redirect)
	case errors.Is(err, errTooLong):
		return "sent an answer that is too long"
	case errors.As(err, &timeout) && timeout.Timeout():
		return "did not answer in time"
	}
	if reached(err) {
		return unreachable(err)
	}
	return ""
}

// reached reports whether err came from the network at all.
func reached(err error) bool {
	var u *url.Error
	return errors.As(err, &u)
}
