package api

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/99designs/gqlgen/graphql"
	"github.com/sosodev/duration"
)

// InputError is a value that a scalar cannot be; its text is for the client.
type InputError struct{ Msg string }

// Error returns the text.
func (e *InputError) Error() string { return e.Msg }

// MarshalTime writes a moment in RFC 3339, null when it is zero.
func MarshalTime(t time.Time) graphql.Marshaler { return graphql.MarshalTime(t.UTC()) }

// UnmarshalTime reads a moment in RFC 3339.
func UnmarshalTime(v any) (time.Time, error) {
	text, ok := v.(string)
	t, err := time.Parse(time.RFC3339Nano, text)
	if !ok || err != nil {
		return time.Time{}, &InputError{fmt.Sprintf("%.60q is no time; want RFC 3339, for example 2026-03-01T12:00:00Z", fmt.Sprint(v))}
	}
	return t, nil
}

// maxDuration is far beyond every rule's bound, and far from overflowing.
const maxDuration = 100 * 365 * 24 * time.Hour

// MarshalDuration writes a length of time in ISO 8601, in days and smaller.
func MarshalDuration(d time.Duration) graphql.Marshaler {
	return graphql.WriterFunc(func(w io.Writer) { _, _ = io.WriteString(w, strconv.Quote(isoDuration(d))) })
}

// isoDuration uses no weeks, months and years, whose lengths differ.
func isoDuration(d time.Duration) string {
	days := d / (24 * time.Hour)
	rest := d % (24 * time.Hour)
	out := "P"
	if days != 0 {
		out += strconv.FormatInt(int64(days), 10) + "D"
	}
	if rest != 0 {
		out += strings.TrimPrefix(duration.FromTimeDuration(rest).String(), "P")
	}
	if out == "P" {
		return "PT0S"
	}
	return out
}

// UnmarshalDuration reads a length of time in ISO 8601.
func UnmarshalDuration(v any) (time.Duration, error) {
	text, _ := v.(string)
	d, err := duration.Parse(text)
	if err != nil || len(text) > 40 || d.Negative || d.Years != 0 || d.Months != 0 || d.ToTimeDuration() < 0 || d.ToTimeDuration() > maxDuration {
		return 0, &InputError{fmt.Sprintf("%.60q is no length of time; want ISO 8601 in days, hours, minutes and seconds, for example P7D or PT12H", fmt.Sprint(v))}
	}
	return d.ToTimeDuration(), nil
}

// MarshalJSON writes a value that is JSON already.
func MarshalJSON(raw json.RawMessage) graphql.Marshaler {
	if len(raw) == 0 {
		return graphql.Null
	}
	return graphql.WriterFunc(func(w io.Writer) { _, _ = w.Write(raw) })
}

// UnmarshalJSON refuses: no input of the API is free JSON.
func UnmarshalJSON(any) (json.RawMessage, error) { return nil, errors.New("no input is free JSON") }
