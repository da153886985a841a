package advisory

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/jackc/pgx/v5"

	"sluice.dev/sluice/ent/db"
)

// Reference is what readers of an advisory want besides its head.
type Reference struct {
	URL     string   // a page about it
	Links   []string // what the record refers to, http and https only, at most 50
	CWE     []string // ids like CWE-79, each once; nil when the record names none
	Vector  string   // a CVSS vector, version 3 if there is one; "" for none
	Score   float64  // of the vector; 0 for none
	Details string   // Markdown, at most 32 KiB
}

// Bounds of what is taken over from a record.
const (
	maxDetails = 32 << 10
	maxLinks   = 50
	maxLink    = 2000
	maxCWE     = 50
)

// References returns what the records of the advisories refer to, by id. Ids
// that are not stored are not in the answer.
func (s *Service) References(ctx context.Context, tx *db.Tx, ids []string) (map[string]Reference, error) {
	out := make(map[string]Reference, len(ids))
	if len(ids) == 0 {
		return out, nil
	}
	rows, err := tx.Query(ctx, `SELECT id, record FROM advisories WHERE id = ANY ($1)`, ids)
	if err != nil {
		return nil, fmt.Errorf("read advisories: %w", err)
	}
	var id string
	var packed []byte
	_, err = pgx.ForEachRow(rows, []any{&id, &packed}, func() error {
		raw, err := unpack(packed)
		if err != nil {
			return fmt.Errorf("advisory %s: %w", id, err)
		}
		out[id] = referenceOf(id, raw)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read advisories: %w", err)
	}
	return out, nil
}

// referenceOf reads a stored record. What is not as it should be is left out:
// none of it decides anything.
func referenceOf(id string, record []byte) Reference {
	var raw struct {
		rawRecord
		References loose[[]struct {
			Type string `json:"type"`
			URL  string `json:"url"`
		}] `json:"references"`
	}
	_ = json.Unmarshal(record, &raw)
	r := Reference{CWE: cwesOf(&raw.rawRecord)}
	r.Vector, r.Score = vectorOf(&raw.rawRecord)
	if len(raw.Details) > 0 {
		_ = json.Unmarshal(raw.Details, &r.Details)
	}
	r.Details = prose(r.Details)
	advisory := ""
	for _, l := range raw.References.v {
		if !isLink(l.URL) || len(r.Links) == maxLinks {
			continue
		}
		r.Links = append(r.Links, l.URL)
		if l.Type == "ADVISORY" && advisory == "" {
			advisory = l.URL
		}
	}
	switch {
	case strings.HasPrefix(id, "GHSA-"):
		// The clients read a GHSA id out of such an address.
		r.URL = "https://github.com/advisories/" + url.PathEscape(id)
	case advisory != "":
		r.URL = advisory
	default:
		r.URL = "https://osv.dev/vulnerability/" + url.PathEscape(id)
	}
	return r
}

func isLink(s string) bool {
	u, err := url.Parse(s)
	return err == nil && len(s) <= maxLink && (u.Scheme == "https" || u.Scheme == "http") && u.Host != "" && u.User == nil &&
		strings.IndexFunc(s, func(r rune) bool { return r <= ' ' || r > '~' }) < 0
}

// prose makes a text of several lines valid and bounds it.
func prose(s string) string {
	s = strings.ToValidUTF8(s, "\uFFFD")
	if len(s) <= maxDetails {
		return s
	}
	cut := maxDetails - len("…")
	for !utf8.RuneStart(s[cut]) {
		cut--
	}
	return s[:cut] + "…"
}

func cwesOf(raw *rawRecord) (out []string) {
	add := func(id string) {
		if strings.HasPrefix(id, "CWE-") && len(id) <= 12 && checkID(id) == nil && !slices.Contains(out, id) && len(out) < maxCWE {
			out = append(out, id)
		}
	}
	for _, c := range databaseOf(raw).CWEIDs.v {
		add(c)
	}
	for i := range raw.Affected {
		for _, c := range packageOf(&raw.Affected[i]).CWEs.v {
			add(c.ID)
		}
	}
	return out
}

// vectorOf prefers version 3, which clients understand, then the higher score.
func vectorOf(raw *rawRecord) (vector string, score float64) {
	best := -1
	take := func(list []rawSeverity) {
		for _, s := range list {
			got, _, ok := baseScore(s.Score)
			rank := 0
			if strings.HasPrefix(s.Score, "CVSS:3") {
				rank = 1
			}
			if ok && (rank > best || rank == best && got > score) {
				vector, score, best = s.Score, got, rank
			}
		}
	}
	take(raw.Severity)
	for i := range raw.Affected {
		take(raw.Affected[i].Severity)
	}
	return vector, score
}
