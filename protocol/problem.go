package protocol

import (
	"context"
	"errors"
	"log/slog"
	"net/http"

	"sluice.dev/sluice/tenants/access"
	"sluice.dev/sluice/tenants/errs"
)

// statuses maps the kinds of errors to HTTP, once for all package routes.
var statuses = map[errs.Kind]int{
	errs.Invalid:         http.StatusBadRequest,
	errs.Unauthenticated: http.StatusUnauthorized,
	errs.Forbidden:       http.StatusForbidden,
	errs.NotFound:        http.StatusNotFound,
	errs.Conflict:        http.StatusConflict,
	errs.TooLarge:        http.StatusRequestEntityTooLarge,
	errs.Upstream:        http.StatusBadGateway,
	errs.Unavailable:     http.StatusServiceUnavailable,
	errs.Internal:        http.StatusInternalServerError,
}

// retryAfter is how many seconds a client should wait after a 503.
const retryAfter = "10"

// Problem answers with an error: the status of its kind, problem+json with the
// public message and an error member, and the headers that the status calls
// for. It logs what the public must not see. A client that has gone gets
// nothing.
func Problem(w http.ResponseWriter, r *http.Request, err error) {
	if errors.Is(r.Context().Err(), context.Canceled) {
		panic(http.ErrAbortHandler)
	}
	kind := errs.KindOf(err)
	status := statuses[kind]
	message := clean(errs.Public(err))
	p := problem{
		Type: "about:blank", Title: http.StatusText(status), Status: status,
		Detail: message, Error: message, Code: kind.String(),
	}
	var e *errs.Error
	if errors.As(err, &e) {
		p.Field = e.Field
	}
	h := w.Header()
	h.Set("Cache-Control", "private, no-store")
	switch kind {
	case errs.Unauthenticated:
		h["Www-Authenticate"] = []string{`Basic realm="Sluice", charset="UTF-8"`, `Bearer realm="Sluice"`}
		if errors.Is(err, access.ErrAddress) {
			// npm then says that the address is the reason, and does not ask for a login.
			h["Www-Authenticate"] = []string{`ipaddress`}
		}
	case errs.Unavailable:
		h.Set("Retry-After", retryAfter)
	}
	switch kind {
	case errs.Internal:
		slog.ErrorContext(r.Context(), "request failed", "path", access.Redact(r.URL.Path), "error", err)
	case errs.Upstream, errs.Unavailable:
		slog.WarnContext(r.Context(), "request failed", "path", access.Redact(r.URL.Path), "error", err)
	}
	answer(w, r, p, problemPhrase(status, message))
}

// problemPhrase is the message, for clients that show nothing but the reason
// phrase (twine, pip, Maven); "" for the statuses that are part of normal
// traffic, whose connections must stay open.
func problemPhrase(status int, message string) string {
	switch status {
	case http.StatusUnauthorized, http.StatusNotFound, http.StatusInternalServerError:
		return ""
	}
	return ASCII(message, maxPhrase)
}

// NotAllowed answers 405 with the methods that the path has.
func NotAllowed(w http.ResponseWriter, r *http.Request, allow string) {
	w.Header().Set("Allow", allow)
	w.Header().Set("Cache-Control", "private, no-store")
	message := "the method " + clean(r.Method) + " is not allowed here; allowed: " + allow
	status := http.StatusMethodNotAllowed
	answer(w, r, problem{
		Type: "about:blank", Title: http.StatusText(status), Status: status,
		Detail: message, Error: message, Code: errs.Invalid.String(),
	}, "")
}
