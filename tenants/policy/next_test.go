package policy

import (
	"slices"
	"testing"
)

func TestP8_NextAllowed(t *testing.T) {
	listed := []string{"4.17.21", "4.17.4", "5.0.0-rc.1", "4.17.20", "junk", "5.0.0", "4.17.19", "5.0.0-rc.2"}
	tests := []struct {
		name, withheld string
		refused        []string
		want           string
	}{
		{"the next above", "4.17.20", nil, "4.17.21"},
		{"the next above that is allowed", "4.17.20", []string{"4.17.21"}, "5.0.0"},
		{"else the highest below", "4.17.20", []string{"4.17.21", "5.0.0"}, "4.17.19"},
		{"nothing above", "5.0.0", nil, "4.17.21"},
		{"a prerelease instead of a prerelease", "5.0.0-rc.1", nil, "5.0.0-rc.2"},
		{"nothing", "4.17.20", listed, ""},
		{"of a version that is not listed", "4.17.5", nil, "4.17.19"},
	}
	for _, tt := range tests {
		asked := 0
		allowed := func(v string) bool { asked++; return !slices.Contains(tt.refused, v) }
		if got := NextAllowed(lodash(tt.withheld), listed, allowed); got != tt.want {
			t.Errorf("%s: got %q, want %q", tt.name, got, tt.want)
		}
		if len(tt.refused) == 0 && asked > 1 {
			t.Errorf("%s: asked for %d versions", tt.name, asked)
		}
	}
}

func TestP7_LatestMovesToTheHighestAllowedStableVersionBelow(t *testing.T) {
	listed := []string{"1.0.0", "2.0.0", "2.1.0-rc.1", "1.10.0", "1.9.0", "3.0.0"}
	tests := []struct {
		target  string
		refused []string
		want    string
	}{
		{"2.0.0", nil, "1.10.0"},
		{"2.0.0", []string{"1.10.0"}, "1.9.0"},
		{"3.0.0", []string{"2.0.0"}, "1.10.0"},
		{"1.0.0", nil, ""},
		{"2.0.0", listed, ""},
	}
	for _, tt := range tests {
		allowed := func(v string) bool { return !slices.Contains(tt.refused, v) }
		if got := LatestAllowed(lodash(tt.target), listed, allowed); got != tt.want {
			t.Errorf("%s without %q: got %q, want %q", tt.target, tt.refused, got, tt.want)
		}
	}
}
