package policy

import (
	"slices"

	"sluice.dev/sluice/tenants/coord"
)

// NextAllowed returns the version to take instead of a withheld one (P8): the
// lowest allowed version above it, else the highest allowed one below it, ""
// when there is none. Prereleases are offered only instead of a prerelease.
// Allowed is asked for as few versions as possible, nearest first.
func NextAllowed(withheld coord.Version, listed []string, allowed func(version string) bool) string {
	e := withheld.Ecosystem
	below, above := around(e, withheld.Version, listed, coord.IsPrerelease(e, withheld.Version))
	for _, v := range above {
		if allowed(v) {
			return v
		}
	}
	return highestAllowed(below, allowed)
}

// LatestAllowed returns where the tag "latest" points when its target is
// withheld (P7): the highest allowed stable version below it, "" when there is
// none.
func LatestAllowed(target coord.Version, listed []string, allowed func(version string) bool) string {
	below, _ := around(target.Ecosystem, target.Version, listed, false)
	return highestAllowed(below, allowed)
}

// around returns the listed versions below and above one, each in ascending
// order, without what cannot be read and, unless asked for, without prereleases.
func around(e coord.Ecosystem, version string, listed []string, prereleases bool) (below, above []string) {
	at := coord.KeyOf(e, version)
	for _, v := range listed {
		k := coord.KeyOf(e, v)
		if !k.Valid() || !prereleases && coord.IsPrerelease(e, v) {
			continue
		}
		switch k.Compare(at) {
		case -1:
			below = append(below, v)
		case 1:
			above = append(above, v)
		}
	}
	coord.Sort(e, below)
	coord.Sort(e, above)
	return below, above
}

func highestAllowed(ascending []string, allowed func(string) bool) string {
	for _, v := range slices.Backward(ascending) {
		if allowed(v) {
			return v
		}
	}
	return ""
}
