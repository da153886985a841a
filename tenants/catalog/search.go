package catalog

import (
	"context"
	"fmt"
	"strings"

	"github.com/google/uuid"

	"sluice.dev/sluice/ent/db"
	"sluice.dev/sluice/tenants/coord"
)

// Rank tells how well a package fits a search: the lower the better.
type Rank int

// The ranks. Among packages of one rank shorter names come first, then the
// alphabet.
const (
	RankExact  Rank = iota // the text is its name, or its name without the scope
	RankPrefix             // its name, or its name without the scope, begins with the text
	RankName               // every word is in its name
	RankAbout              // some word is only in its description or keywords
	RankRemote             // found by a remote only
)

// SearchQuery selects packages of registries by words.
type SearchQuery struct {
	Registries []uuid.UUID // at least one of which holds a version of the package
	Ecosystem  coord.Ecosystem
	Words      []string // each must be in the name or in what it is about, in any case; none = all packages
	Scopes     []string // npm scopes with their @, one of which the name must have; none = any
	Limit      int
}

// SearchHit is a package that was found.
type SearchHit struct {
	Name string
	Rank Rank
}

// Search returns the packages that fit, the best first, and how many there are
// in all.
func Search(ctx context.Context, tx *db.Tx, q SearchQuery) (hits []SearchHit, total int, err error) {
	words := make([]string, 0, len(q.Words))
	for _, w := range q.Words {
		if w = strings.ToLower(searchable(w)); w != "" {
			words = append(words, w)
		}
	}
	scopes := make([]string, len(q.Scopes))
	for i, s := range q.Scopes {
		scopes[i] = searchable(s)
	}
	rows, err := tx.Query(ctx, `SELECT f.name, f.rank, count(*) OVER () FROM (
			SELECT n.name, CASE
				WHEN $5 IN (lower(n.name), lower(split_part(n.name, '/', 2))) THEN 0
				WHEN $5 <> '' AND (starts_with(lower(n.name), $5) OR starts_with(lower(split_part(n.name, '/', 2)), $5)) THEN 1
				WHEN NOT EXISTS (SELECT 1 FROM unnest($3::text[]) w WHERE strpos(lower(n.name), w) = 0) THEN 2
				ELSE 3 END AS rank
			FROM package_names n
			WHERE n.org_id = `+db.Ours+` AND n.ecosystem = $2
			AND NOT EXISTS (SELECT 1 FROM unnest($3::text[]) w WHERE strpos(lower(n.name), w) = 0 AND strpos(lower(n.about), w) = 0)
			AND (cardinality($4::text[]) = 0 OR split_part(n.name, '/', 1) = ANY ($4))
			AND EXISTS (SELECT 1 FROM holdings h WHERE h.org_id = n.org_id AND h.package_id = n.id AND h.registry_id = ANY ($1))) f
		ORDER BY f.rank, length(f.name), f.name LIMIT $6`, q.Registries, q.Ecosystem, words, scopes, strings.Join(words, " "), q.Limit)
	if err != nil {
		return nil, 0, fmt.Errorf("catalog: search: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		var h SearchHit
		if err := rows.Scan(&h.Name, &h.Rank, &total); err != nil {
			return nil, 0, err
		}
		hits = append(hits, h)
	}
	return hits, total, rows.Err()
}

// Presence is how registries have a package.
type Presence struct {
	Internal bool // one of its versions there is the organization's own
}

// Present returns which of the packages any of the registries holds a version
// of, and how.
func Present(ctx context.Context, tx *db.Tx, e coord.Ecosystem, names []string, registries []uuid.UUID) (map[string]Presence, error) {
	rows, err := tx.Query(ctx, `SELECT n.name, bool_or(v.origin = 'INTERNAL') FROM package_names n
		JOIN holdings h ON h.org_id = n.org_id AND h.package_id = n.id AND h.registry_id = ANY ($3)
		JOIN package_versions v ON v.org_id = h.org_id AND v.id = h.version_id
		WHERE n.org_id = `+db.Ours+` AND n.ecosystem = $1 AND n.name = ANY ($2) GROUP BY n.name`, e, names, registries)
	if err != nil {
		return nil, fmt.Errorf("catalog: presence: %w", err)
	}
	defer rows.Close()
	out := map[string]Presence{}
	for rows.Next() {
		var name string
		var p Presence
		if err := rows.Scan(&name, &p.Internal); err != nil {
			return nil, err
		}
		out[name] = p
	}
	return out, rows.Err()
}
