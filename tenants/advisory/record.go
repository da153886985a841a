package advisory

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

// Record is a decoded OSV record, reduced to what Sluice looks at.
type Record struct {
	Advisory
	Entries []Entry // about packages of the four ecosystems; none when the record is about others
}

// Problem is something in a feed that could not be used.
type Problem struct {
	File string // path inside the feed
	ID   string // the record's id, "" when it could not be read
	Msg  string
}

// String returns the sentence "file: id: message".
func (p Problem) String() string {
	if p.ID == "" {
		return p.File + ": " + p.Msg
	}
	return p.File + ": " + p.ID + ": " + p.Msg
}

// rawRecord is the part of the OSV schema that is read.
type rawRecord struct {
	ID               string          `json:"id"`
	Modified         string          `json:"modified"`
	Published        string          `json:"published"`
	Withdrawn        string          `json:"withdrawn"`
	Summary          string          `json:"summary"`
	Details          json.RawMessage `json:"details"` // long, and needed only without a summary
	Aliases          []string        `json:"aliases"`
	Severity         []rawSeverity   `json:"severity"`
	Affected         []rawAffected   `json:"affected"`
	DatabaseSpecific json.RawMessage `json:"database_specific"` // free form, see databaseOf
}

type rawSeverity struct {
	Type  string `json:"type"`
	Score string `json:"score"`
}

// Decode reads one OSV record. file is its path inside the feed, for messages.
//
// It is strict about what decides whether a version is affected: an error is a
// [Problem] and means that the record cannot be used. The returned problems
// are about parts that were left out of a record that can.
func Decode(file string, data []byte) (*Record, []Problem, error) {
	d := decoding{file: file}
	rec, err := d.record(data)
	if err != nil {
		return nil, nil, &problemError{d.problem(err.Error())}
	}
	return rec, d.problems, nil
}

// problemError is a Problem that makes a record unusable.
type problemError struct{ Problem }

// Error returns the problem's sentence.
func (e *problemError) Error() string { return e.String() }

// decoding is one call of Decode.
type decoding struct {
	file, id string
	problems []Problem
}

func (d *decoding) problem(msg string) Problem { return Problem{File: d.file, ID: d.id, Msg: msg} }

// maxProblemsOfRecord bounds the problems of one record.
const maxProblemsOfRecord = 20

func (d *decoding) note(format string, args ...any) {
	if len(d.problems) < maxProblemsOfRecord {
		d.problems = append(d.problems, d.problem(fmt.Sprintf(format, args...)))
	}
}

func (d *decoding) record(data []byte) (*Record, error) {
	if len(data) > MaxRecordBytes {
		return nil, fmt.Errorf("the record has %d bytes; at most %d are read", len(data), MaxRecordBytes)
	}
	var raw rawRecord
	if err := json.Unmarshal(data, &raw); err != nil {
		d.id = printable(raw.ID)
		return nil, explain(err)
	}
	d.id = printable(raw.ID)
	if err := checkID(raw.ID); err != nil {
		return nil, err
	}
	rec := &Record{Advisory: Advisory{ID: raw.ID, Malware: raw.isMalware()}}
	var err error
	if rec.Modified, err = readTime("modified", raw.Modified); err != nil {
		return nil, err
	}
	if rec.Modified.IsZero() {
		return nil, errors.New("modified is missing; it must be a time like 2024-05-01T10:00:00Z")
	}
	rec.Published = d.optionalTime("published", raw.Published)
	// An unreadable withdrawal is none: the advisory stays in force.
	rec.Withdrawn = d.optionalTime("withdrawn", raw.Withdrawn)
	rec.Summary = summary(&raw)
	rec.Aliases = d.aliases(raw.Aliases)
	rec.Severity, rec.CVSS = d.severity(&raw)
	rec.Entries, err = d.affected(raw.Affected)
	return rec, err
}

// explain says where the JSON is wrong and what would be right.
func explain(err error) error {
	var typ *json.UnmarshalTypeError
	var syntax *json.SyntaxError
	switch {
	case errors.As(err, &typ) && typ.Field == "":
		return fmt.Errorf("is a JSON %s; an OSV record is an object", typ.Value)
	case errors.As(err, &typ):
		return fmt.Errorf("%s is a JSON %s; it must be a %s", typ.Field, typ.Value, jsonName(typ.Type.Kind().String()))
	case errors.As(err, &syntax):
		return fmt.Errorf("is not JSON: %v at byte %d", syntax, syntax.Offset)
	}
	return err
}

// jsonName is the JSON word for a kind of Go value.
func jsonName(kind string) string {
	switch kind {
	case "slice":
		return "list"
	case "struct", "map":
		return "object"
	}
	return kind
}

func checkID(id string) error {
	if id == "" {
		return errors.New("id is missing; it must be an OSV id like GHSA-35jh-r3h4-6jhm")
	}
	if len(id) > maxID {
		return fmt.Errorf("id has %d bytes; at most %d are allowed", len(id), maxID)
	}
	if i := strings.IndexFunc(id, func(r rune) bool { return r <= ' ' || r > '~' }); i >= 0 {
		return fmt.Errorf("id %q must have only printable ASCII characters without spaces", printable(id))
	}
	return nil
}

// readTime reads a time to the microsecond, which is what the database keeps;
// the zero time for "".
func readTime(field, s string) (time.Time, error) {
	if s == "" {
		return time.Time{}, nil
	}
	t, err := time.Parse(time.RFC3339Nano, s)
	if err != nil || t.Year() < 1 {
		return time.Time{}, fmt.Errorf("%s %q must be a time like 2024-05-01T10:00:00Z (RFC 3339)", field, printable(s))
	}
	return t.UTC().Truncate(time.Microsecond), nil
}

func (d *decoding) optionalTime(field, s string) time.Time {
	t, err := readTime(field, s)
	if err != nil {
		d.note("%v; it is ignored", err)
	}
	return t
}

// summary returns one line: the record's summary, or the beginning of its
// details.
func summary(raw *rawRecord) string {
	text := raw.Summary
	if strings.TrimSpace(text) == "" && len(raw.Details) > 0 {
		_ = json.Unmarshal(raw.Details, &text) // details of another type are no summary
	}
	text, _, _ = strings.Cut(strings.TrimSpace(text), "\n")
	return printable(text)
}

// printable makes one line that every database and terminal takes: valid
// UTF-8 without control characters, at most maxSummary bytes.
func printable(s string) string {
	if len(s) > maxSummary {
		cut := maxSummary - len("…")
		for cut > 0 && !utf8.RuneStart(s[cut]) {
			cut--
		}
		s = s[:cut] + "…"
	}
	return strings.TrimSpace(strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(s, "\uFFFD")))
}

// aliases keeps the usable ones, CVE first, in the record's order otherwise.
func (d *decoding) aliases(raw []string) []string {
	var kept []string
	for _, a := range raw {
		switch {
		case checkID(a) != nil:
			d.note("alias %q is not an id; it is ignored", printable(a))
		case len(kept) == maxAliases:
			d.note("aliases has %d ids; the first %d are kept", len(raw), maxAliases)
			return kept
		default:
			kept = append(kept, a)
		}
	}
	slices.SortStableFunc(kept, func(a, b string) int { return cveRank(a) - cveRank(b) })
	return kept
}

func cveRank(id string) int {
	if strings.HasPrefix(id, "CVE-") {
		return 0
	}
	return 1
}
