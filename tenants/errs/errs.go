// Package errs has the few error kinds of the domain. Each transport maps them
// once (graph: error codes; protocol: HTTP status). A policy decision is never
// an error: it is a value of package policy.
package errs

import (
	"errors"
	"fmt"
)

// Kind classifies an error for the transports.
type Kind int

// The kinds, from "the caller is wrong" to "we are wrong".
const (
	Internal        Kind = iota // a fault of ours; the public message says nothing more
	Invalid                     // the input breaks a rule; the message says which, where, and what would be right
	Unauthenticated             // nobody, or a credential that is not valid
	Forbidden                   // somebody without the right
	NotFound                    // does not exist, or the caller may not know that it does (T3)
	Conflict                    // the state does not allow it
	TooLarge                    // over a bound, which the message names
	Upstream                    // a remote answered wrongly (502)
	Unavailable                 // try again later (503)
)

var names = [...]string{"INTERNAL", "INVALID", "UNAUTHENTICATED", "FORBIDDEN", "NOT_FOUND", "CONFLICT", "TOO_LARGE", "UPSTREAM", "UNAVAILABLE"}

// String returns the stable code of the kind, as GraphQL error extensions show it.
func (k Kind) String() string {
	if k < 0 || int(k) >= len(names) {
		return names[Internal]
	}
	return names[k]
}

// Error has a kind, the operation that failed, a message for the public, and
// the cause, which only logs see. Field names the offending input, "" if none.
type Error struct {
	Kind  Kind
	Op    string
	Field string
	Msg   string
	Err   error
}

// Error returns the whole story, for logs.
func (e *Error) Error() string {
	s := e.Op + ": " + e.Msg
	if e.Err != nil {
		s += ": " + e.Err.Error()
	}
	return s
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// New makes an error of a kind with a formatted public message.
func New(k Kind, op, format string, args ...any) *Error {
	return &Error{Kind: k, Op: op, Msg: fmt.Sprintf(format, args...)}
}

// Wrap is New with a cause that only logs see.
func Wrap(err error, k Kind, op, format string, args ...any) *Error {
	return &Error{Kind: k, Op: op, Msg: fmt.Sprintf(format, args...), Err: err}
}

// On returns e with the input field that it is about.
func (e *Error) On(field string) *Error {
	e.Field = field
	return e
}

// KindOf returns the kind of the outermost Error in err's chain, Internal when
// there is none.
func KindOf(err error) Kind {
	var e *Error
	if errors.As(err, &e) {
		return e.Kind
	}
	return Internal
}

// Is reports whether err is of the kind.
func Is(err error, k Kind) bool { return err != nil && KindOf(err) == k }

// Public returns the message that may be shown to the caller: that of the
// outermost Error, or a plain sentence for anything else.
func Public(err error) string {
	var e *Error
	if errors.As(err, &e) && e.Kind != Internal {
		return e.Msg
	}
	return "something went wrong inside Sluice; the operator's log has the details"
}
