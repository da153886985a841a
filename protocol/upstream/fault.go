package upstream

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"time"

	"sluice.dev/sluice/tenants/errs"
)

// fault is what went wrong with one attempt, as the guards and callers judge it.
type fault struct {
	outage bool          // the remote could not be asked (R3)
	again  bool          // another attempt may help
	status int           // HTTP status of the answer, 0 for none
	after  time.Duration // how long the remote asked to be left alone
	cause  error         // for logs; never a *url.Error, whose text has the whole URL
}

func (f *fault) Error() string {
	switch {
	case f.cause != nil:
		return f.cause.Error()
	case f.status != 0:
		return "status " + fmt.Sprint(f.status)
	}
	return "no details"
}

func (f *fault) Unwrap() error { return f.cause }

// IsOutage reports whether err means that the remote could not be asked: it
// timed out, refused the connection, broke it, answered 5xx or 429, or its
// breaker is open. A remote that gave an unwelcome answer (404, 401, a refused
// address, too large a document) is no outage.
func IsOutage(err error) bool {
	f, ok := asFault(err)
	return ok && f.outage
}

func asFault(err error) (*fault, bool) {
	var f *fault
	ok := errors.As(err, &f)
	return f, ok
}

// StatusOf returns the HTTP status that the remote answered with, 0 when err
// is not about an answer.
func StatusOf(err error) int {
	if f, ok := asFault(err); ok {
		return f.status
	}
	return 0
}

// The causes with which our own timers cancel an attempt.
var (
	errHeaderTime = errors.New("no response headers in time")
	errIdleTime   = errors.New("no bytes in time")
	errTotalTime  = errors.New("not finished in time")
)

// fail makes the error of an attempt. The message continues "the remote NAME …".
func fail(r Remote, f *fault, format string, args ...any) error {
	return errs.Wrap(f, errs.Upstream, "upstream.get", "the remote %q %s", r.Name, fmt.Sprintf(format, args...))
}

// refuse makes the error of a request that is not sent at all.
func refuse(r Remote, format string, args ...any) error {
	return fail(r, &fault{}, format, args...)
}

// broken explains why an attempt or a body ended with err. ctx is the
// attempt's, whose cause tells which of our timers ended it; caller is the
// context of whoever asked.
func (c *Client) broken(caller, ctx context.Context, r Remote, err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		err = u.Err
	}
	var address *addressError
	var redirect errRedirect
	switch cause := context.Cause(ctx); {
	case caller.Err() != nil:
		late := errors.Is(caller.Err(), context.DeadlineExceeded)
		return fail(r, &fault{outage: late, cause: caller.Err()}, "did not answer before the request was given up")
	case errors.Is(cause, errHeaderTime):
		return fail(r, &fault{outage: true, cause: cause}, "did not begin to answer within %v", c.cfg.HeaderTime)
	case errors.Is(cause, errIdleTime):
		return fail(r, &fault{outage: true, cause: cause}, "sent nothing for %v in the middle of an answer", c.cfg.IdleTime)
	case errors.Is(cause, errTotalTime):
		return fail(r, &fault{outage: true, cause: cause}, "was too slow: the answer was not complete within the time bound")
	case errors.As(err, &address):
		return fail(r, &fault{cause: err}, "is at %s address, which is not allowed; the operator can allow its host", address.class)
	case errors.As(err, &redirect):
		return fail(r, &fault{cause: err}, "%s", redirect)
	}
	return fail(r, &fault{outage: true, again: !certificate(err), cause: err}, "%s", unreachable(err))
}

func certificate(err error) bool {
	var verify *tls.CertificateVerificationError
	var unknown x509.UnknownAuthorityError
	return errors.As(err, &verify) || errors.As(err, &unknown)
}

// unreachable says in public words what a network error was.
func unreachable(err error) string {
	var dns *net.DNSError
	var op *net.OpError
	switch {
	case errors.As(err, &dns):
		return "could not be reached: its host name does not resolve"
	case certificate(err):
		return "could not be reached: its TLS certificate is not valid"
	case errors.As(err, &op) && op.Op == "dial":
		return "could not be reached: no connection"
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF):
		return "ended its answer before it was complete"
	}
	return "broke the connection"
}

// unwelcome explains a status that is neither success, 304 nor (for documents)
// 404 and 410.
func unwelcome(r Remote, resp *http.Response) error {
	s := resp.StatusCode
	switch {
	case s == http.StatusUnauthorized && r.hasCredential():
		return fail(r, &fault{status: s}, "refused the configured credential (401); check that it is right and has not expired")
	case s == http.StatusUnauthorized:
		return fail(r, &fault{status: s}, "wants a credential (401), and none is configured")
	case s == http.StatusForbidden && r.hasCredential():
		return fail(r, &fault{status: s}, "refused access (403): the configured credential does not have the right")
	case s == http.StatusForbidden:
		return fail(r, &fault{status: s}, "refused access (403); it may want a credential, and none is configured")
	case s == http.StatusNotFound || s == http.StatusGone:
		return fail(r, &fault{status: s}, "does not have this file (any more) (%d)", s)
	case s == http.StatusTooManyRequests:
		return fail(r, &fault{status: s, outage: true, again: true, after: retryAfter(resp)}, "asks for fewer requests (429)")
	case s >= 500:
		return fail(r, &fault{status: s, outage: true, again: true, after: retryAfter(resp)}, "failed (%d)", s)
	}
	return fail(r, &fault{status: s}, "gave an answer that makes no sense here (%d)", s)
}

// retryAfter reads the header in its seconds form; a date is ignored.
func retryAfter(resp *http.Response) time.Duration {
	d, err := time.ParseDuration(resp.Header.Get("Retry-After") + "s")
	if err != nil || d < 0 {
		return 0
	}
	return d
}
