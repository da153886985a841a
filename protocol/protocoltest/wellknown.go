package protocoltest

import "time"

// WellKnown publishes packages that have public namesakes with advisories in
// the demonstration set (tenants/advisory/demo), with the versions around them,
// and others that have every trait a client shows: several dist-tags, a
// deprecation, provenance, an install script, keywords, peers, a licence that
// policies dislike. All are of before 2024, but for the newest version of
// just-out, which is a minute old at the given time.
func (n *NPM) WellKnown(now time.Time) {
	day := func(year int) time.Time { return time.Date(year, 2, 3, 4, 5, 6, 0, time.UTC) }
	for name, versions := range map[string][]string{
		"lodash":        {"4.17.19", "4.17.20", "4.17.21"}, // below 4.17.21: GHSA-35jh-r3h4-6jhm
		"minimist":      {"1.2.5", "1.2.6", "1.2.8"},       // below 1.2.6: GHSA-xvch-5gv4-984h
		"ws":            {"7.5.9", "7.5.10", "8.0.0", "8.16.0", "8.17.1", "8.18.0"},
		"left-pad":      {"1.2.0", "1.3.0"},
		"is-number":     {"6.0.0", "7.0.0"},
		"is-odd":        {"2.0.0", "3.0.1"},
		"is-even":       {"0.1.2", "1.0.0"},
		"repeat-string": {"1.6.0", "1.6.1"},
		"pad-left":      {"2.0.0", "2.1.0"},
	} {
		for i, v := range versions {
			n.Publish(name, v, Release{Published: day(2020).AddDate(0, i, 0), Manifest: map[string]any{"keywords": []string{name, "well-known"}}})
		}
	}
	n.Publish("tagged", "1.0.0", Release{Published: day(2020)})
	n.Publish("tagged", "1.1.0", Release{Published: day(2021)})
	n.Publish("tagged", "2.0.0-rc.1", Release{Published: day(2022), Tags: []string{"next"}})
	n.Tag("tagged", "stable", "1.0.0")
	n.Publish("outmoded", "1.0.0", Release{Published: day(2020), Deprecated: "use outmoded 2"})
	n.Publish("outmoded", "2.0.0", Release{Published: day(2021)})
	n.Publish("attested", "1.0.0", Release{Published: day(2020)})
	n.Publish("attested", "1.1.0", Release{Published: day(2021), Attested: true})
	n.Publish("scripted", "1.0.0", Release{Published: day(2020), Scripts: map[string]string{"postinstall": "node index.js"}})
	n.Publish("copyleft", "1.0.0", Release{Published: day(2020), License: "AGPL-3.0-only"})
	n.Publish("with-peer", "1.0.0", Release{Published: day(2020), Manifest: map[string]any{"peerDependencies": map[string]string{"is-number": "^7.0.0"}}})
	n.Publish("parent", "1.0.0", Release{Published: day(2020), Dependencies: map[string]string{"child": "^1.0.0", "is-odd": "^3.0.0"}})
	n.Publish("child", "1.0.0", Release{Published: day(2020), Dependencies: map[string]string{"is-number": ">=6"}})
	n.Publish("child", "1.1.0", Release{Published: day(2021), Dependencies: map[string]string{"is-number": "^7.0.0"}})
	n.Publish("just-out", "1.0.0", Release{Published: day(2020)})
	n.Publish("just-out", "1.0.1", Release{Published: now.Add(-time.Minute)})
}
