package npm

import (
	"strings"

	"sluice.dev/sluice/tenants/advisory"
	"sluice.dev/sluice/tenants/coord"
)

// rangeText writes spans as a range of npm's (node-semver). A bound that npm
// could not read is left out, which makes the range larger, never smaller.
func rangeText(spans []advisory.Span) string {
	parts := make([]string, 0, len(spans))
	for _, s := range spans {
		from, to := spelled(s.From), spelled(s.To)
		switch {
		case from == "" && to == "":
			return "*"
		case from == to:
			parts = append(parts, from)
			continue
		}
		var both []string
		if from != "" {
			both = append(both, operator(">", s.FromOpen)+from)
		}
		if to != "" {
			both = append(both, operator("<", s.ToOpen)+to)
		}
		parts = append(parts, strings.Join(both, " "))
	}
	return strings.Join(parts, " || ")
}

func operator(op string, open bool) string {
	if open {
		return op
	}
	return op + "="
}

// spelled writes a version as npm reads it: advisories also say "1.2".
func spelled(version string) string {
	if version == "" {
		return ""
	}
	for _, more := range []string{"", ".0", ".0.0"} {
		if v, err := coord.NormalizeVersion(coord.NPM, version+more); err == nil {
			return v
		}
	}
	return ""
}

// noPatch is how npm says that there is no version to go to.
const noPatch = "<0.0.0"

// patchedText writes where to go from what is affected: for each stretch behind
// an affected one, from the lowest version there that the registry delivers.
// clear are the versions that it delivers and that are not affected, ascending.
func patchedText(spans []advisory.Span, clear []string) string {
	var parts []string
	for i, s := range spans {
		gap := advisory.Span{From: s.To, FromOpen: !s.ToOpen}
		if s.To == "" {
			break
		}
		if i+1 < len(spans) {
			gap.To, gap.ToOpen = spans[i+1].From, !spans[i+1].FromOpen
		}
		first := firstIn(gap, clear)
		switch to := spelled(gap.To); {
		case first == "":
		case gap.To == "":
			parts = append(parts, ">="+first)
		case to == "" || first == to:
			parts = append(parts, first)
		default:
			parts = append(parts, ">="+first+" "+operator("<", gap.ToOpen)+to)
		}
	}
	if len(parts) == 0 {
		return noPatch
	}
	return strings.Join(parts, " || ")
}

// firstIn returns the lowest of the versions in the span, a release if there is
// one, "" for none.
func firstIn(s advisory.Span, versions []string) (first string) {
	for _, v := range versions {
		if !s.Has(coord.NPM, v) {
			continue
		}
		if !coord.IsPrerelease(coord.NPM, v) {
			return v
		}
		if first == "" {
			first = v
		}
	}
	return first
}
