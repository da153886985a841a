package workload

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"net/http"
	"strconv"
	"time"

	"sluice.dev/sluice/protocol"
	"sluice.dev/sluice/tenants/errs"
)

// Error codes of RFC 6749, 5.2 that are used more than once.
const (
	invalidRequest = "invalid_request"
	invalidGrant   = "invalid_grant"
)

// granted is the answer to an exchange (RFC 8693, 2.2.1).
type granted struct {
	Token   string `json:"access_token"`
	Issued  string `json:"issued_token_type"`
	Type    string `json:"token_type"`
	Seconds int    `json:"expires_in"`
	Scope   string `json:"scope"`
}

// failure is an answer of RFC 6749, 5.2: a code, and a sentence for people.
type failure struct{ code, says string }

// Error implements error.
func (f failure) Error() string { return f.code + ": " + f.says }

// asFailure words an error as one of OAuth's.
func asFailure(err error) failure {
	var f failure
	switch {
	case errors.As(err, &f):
		return f
	case errs.Is(err, errs.Unauthenticated):
		return failure{invalidGrant, errs.Public(err)}
	case errs.Is(err, errs.Unavailable):
		return failure{"temporarily_unavailable", errs.Public(err)}
	}
	return failure{"server_error", errs.Public(err)}
}

var statuses = map[string]int{"temporarily_unavailable": http.StatusServiceUnavailable, "server_error": http.StatusInternalServerError}

func refuse(w http.ResponseWriter, r *http.Request, err error) {
	if errors.Is(r.Context().Err(), context.Canceled) {
		panic(http.ErrAbortHandler)
	}
	f := asFailure(err)
	status := statuses[f.code]
	if status == 0 {
		status = http.StatusBadRequest
	}
	if status >= http.StatusInternalServerError {
		slog.ErrorContext(r.Context(), "a token could not be exchanged", "error", err)
		w.Header().Set("Retry-After", "10")
	}
	answer(w, r, status, map[string]string{"error": f.code, "error_description": protocol.ASCII(f.says, 1_000)})
}

func refuseForNow(w http.ResponseWriter, r *http.Request, wait time.Duration) {
	seconds := int64(math.Ceil(wait.Seconds()))
	w.Header().Set("Retry-After", strconv.FormatInt(seconds, 10))
	answer(w, r, http.StatusTooManyRequests, map[string]string{"error": "temporarily_unavailable",
		"error_description": fmt.Sprintf("too many identity tokens from this address were refused; try again in %d s", seconds)})
}

// answer writes JSON that nobody may keep (RFC 6749, 5.1).
func answer(w http.ResponseWriter, r *http.Request, status int, body any) {
	h := w.Header()
	protocol.Harden(h)
	h.Set("Content-Type", "application/json")
	h.Set("Cache-Control", "no-store")
	h.Set("Pragma", "no-cache")
	w.WriteHeader(status)
	if r.Method != http.MethodHead {
		_ = json.NewEncoder(w).Encode(body)
	}
}
