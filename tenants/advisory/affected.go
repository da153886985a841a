package advisory

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"sluice.dev/sluice/tenants/coord"
)

// The range types of OSV. Ranges of GIT commits say nothing about versions.
const (
	rangeSemver    = "SEMVER"
	rangeEcosystem = "ECOSYSTEM"
	rangeGit       = "GIT"
)

type rawAffected struct {
	Package struct {
		Ecosystem string `json:"ecosystem"`
		Name      string `json:"name"`
	} `json:"package"`
	Ranges           []rawRange      `json:"ranges"`
	Versions         []string        `json:"versions"`
	Severity         []rawSeverity   `json:"severity"`
	DatabaseSpecific json.RawMessage `json:"database_specific"` // free form, see packageOf
}

type rawRange struct {
	Type   string     `json:"type"`
	Events []rawEvent `json:"events"`
}

type rawEvent struct {
	Introduced   string `json:"introduced"`
	Fixed        string `json:"fixed"`
	LastAffected string `json:"last_affected"`
	Limit        string `json:"limit"`
}

// affected reads the entries about packages of the four ecosystems. One that
// cannot be read is noted and left out; it is an error when nothing is left,
// since the record would then look as if it were about other ecosystems.
func (d *decoding) affected(raw []rawAffected) ([]Entry, error) {
	if len(raw) > maxAffected {
		return nil, fmt.Errorf("affected has %d packages; at most %d are read", len(raw), maxAffected)
	}
	var entries []Entry
	var failed error
	for i := range raw {
		ecosystem, ok := ecosystemOf(raw[i].Package.Ecosystem)
		if !ok {
			continue
		}
		where := fmt.Sprintf("affected[%d]", i)
		e, err := d.entry(where, ecosystem, &raw[i])
		if err != nil {
			failed = fmt.Errorf("%s: %w", where, err)
			d.note("%v; the package is left out", failed)
			continue
		}
		entries = append(entries, e)
	}
	if len(entries) == 0 && failed != nil {
		return nil, failed
	}
	return entries, nil
}

// ecosystemOf reads an ecosystem as OSV spells it. A suffix names another
// repository of the same ecosystem, for example of Maven, and is dropped.
func ecosystemOf(osv string) (coord.Ecosystem, bool) {
	name, _, _ := strings.Cut(osv, ":")
	for _, e := range coord.Ecosystems() {
		if e.OSV() == name {
			return e, true
		}
	}
	return "", false
}

func (d *decoding) entry(where string, ecosystem coord.Ecosystem, raw *rawAffected) (Entry, error) {
	name, err := coord.NormalizeName(ecosystem, raw.Package.Name)
	if err != nil {
		return Entry{}, err
	}
	e := Entry{Package: coord.Package{Ecosystem: ecosystem, Name: name}}
	if len(raw.Versions) > maxVersions {
		return e, fmt.Errorf("versions has %d entries; at most %d are read", len(raw.Versions), maxVersions)
	}
	for _, v := range raw.Versions {
		if err := checkVersion(v); err != nil {
			d.note("%s: %v; it is ignored", where, err)
			continue
		}
		e.Versions = append(e.Versions, v)
	}
	var failed error
	for _, r := range raw.Ranges {
		if r.Type == rangeGit {
			continue
		}
		events, err := readRange(r)
		if err != nil {
			failed = err
			d.note("%s: %v; the range is left out", where, err)
			continue
		}
		e.Ranges = append(e.Ranges, Range{Type: r.Type, Events: events})
	}
	if len(e.Ranges) == 0 && len(e.Versions) == 0 && failed != nil {
		return e, failed
	}
	return e, nil
}

func readRange(r rawRange) ([]Event, error) {
	if r.Type != rangeSemver && r.Type != rangeEcosystem {
		return nil, fmt.Errorf("range type %q is none of SEMVER, ECOSYSTEM, GIT", printable(r.Type))
	}
	return readEvents(r.Events)
}

// readEvents checks a range's events. The schema wants one boundary in each; a
// record that puts several into one means the same as several events.
func readEvents(raw []rawEvent) ([]Event, error) {
	if len(raw) > maxEvents {
		return nil, fmt.Errorf("a range has %d events; at most %d are read", len(raw), maxEvents)
	}
	events := make([]Event, 0, len(raw))
	begins := false
	for _, e := range raw {
		before := len(events)
		for _, single := range []Event{{Introduced: e.Introduced}, {Fixed: e.Fixed}, {LastAffected: e.LastAffected}, {Limit: e.Limit}} {
			v := single.version()
			if v == "" {
				continue
			}
			if err := checkVersion(v); err != nil {
				return nil, err
			}
			events = append(events, single)
		}
		if len(events) == before {
			return nil, errors.New("a range has an event without introduced, fixed, last_affected or limit")
		}
		begins = begins || e.Introduced != ""
	}
	if !begins {
		return nil, errors.New("a range has no introduced event; one is required")
	}
	return events, nil
}

// version returns the one boundary of an event, "" when it has none.
func (e Event) version() string { return e.Introduced + e.Fixed + e.LastAffected + e.Limit }

// checkVersion refuses what is no version anywhere and what a database cannot
// keep. Whether the ecosystem would accept it does not matter: advisories also
// name versions that only look like one.
func checkVersion(v string) error {
	switch {
	case v == "":
		return errors.New("a version is empty")
	case len(v) > coord.MaxVersionLength:
		return fmt.Errorf("version %q… has %d bytes; at most %d are allowed", printable(v[:40]), len(v), coord.MaxVersionLength)
	case strings.ContainsFunc(v, func(r rune) bool { return r < ' ' || r == 0x7f }):
		return fmt.Errorf("version %q has control characters", printable(v))
	}
	return nil
}
