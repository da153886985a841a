package api_test

import (
	"bytes"
	"errors"
	"testing"
	"time"

	"sluice.dev/sluice/graph/api"
)

func TestDuration(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"P7D": 7 * 24 * time.Hour, "PT12H": 12 * time.Hour, "P1DT1H30M": 25*time.Hour + 30*time.Minute, "P2W": 14 * 24 * time.Hour, "PT0S": 0, "PT1.5S": 1500 * time.Millisecond,
	} {
		got, err := api.UnmarshalDuration(text)
		if err != nil || got != want {
			t.Errorf("%s is %v, %v; want %v", text, got, err, want)
		}
		var b bytes.Buffer
		api.MarshalDuration(got).MarshalGQL(&b)
		again, err := api.UnmarshalDuration(string(bytes.Trim(b.Bytes(), `"`)))
		if err != nil || again != got {
			t.Errorf("%v is written %s, which is %v, %v", got, b.String(), again, err)
		}
	}
	var wrong *api.InputError
	for _, v := range []any{"", "7 days", "-P1D", "P1M", "P1Y", "P99999999999D", "168h", 7, nil} {
		if d, err := api.UnmarshalDuration(v); !errors.As(err, &wrong) {
			t.Errorf("%v is %v, %v", v, d, err)
		}
	}
}

func TestTime(t *testing.T) {
	got, err := api.UnmarshalTime("2026-03-01T13:00:00+01:00")
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	api.MarshalTime(got).MarshalGQL(&b)
	if b.String() != `"2026-03-01T12:00:00Z"` {
		t.Errorf("written %s, want UTC", b.String())
	}
	var wrong *api.InputError
	for _, v := range []any{"", "yesterday", "2026-03-01", 5, nil} {
		if at, err := api.UnmarshalTime(v); !errors.As(err, &wrong) {
			t.Errorf("%v is %v, %v", v, at, err)
		}
	}
}
